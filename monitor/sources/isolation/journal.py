"""What is being read, in a file that outlives this process: so that a file that takes it down is found on the next start.

Nothing is flushed to the disk: what was written outlives the process, and after a power failure no file is to blame.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from monitor.store.connection import fetch_row

JOURNAL = "reading.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """Files that were being read when calwatch ended: item → fingerprint."""

    model: str
    source: str
    items: Mapping[str, str]


class Journal:
    """One entry at a time: a cycle reads one batch after the other. None for the path: nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @classmethod
    def beside_database(cls, connection: duckdb.DuckDBPyConnection) -> "Journal":
        """The one in the directory of the connection's database; of one in memory there is none."""
        (path,) = fetch_row(connection, "SELECT path FROM duckdb_databases() WHERE database_name = current_database()")
        return cls(Path(path).with_name(JOURNAL) if path else None)

    def note_entry(self, entry: Entry) -> None:
        """These are being read from now on. A disk that does not take it is told by what needs it more."""
        if self._path is not None:
            text = json.dumps(asdict(entry))
            with suppress(OSError):
                self._path.write_text(text, "utf-8", "surrogateescape")

    def clear_entry(self) -> None:
        """None is being read any more."""
        if self._path is not None:
            with suppress(OSError):
                self._path.write_bytes(b"")

    def load_entry(self) -> Entry | None:
        """What was being read when the process before this one ended; None where it read nothing."""
        if self._path is None:
            return None
        try:
            text = self._path.read_text("utf-8", "surrogateescape")
        except OSError:
            return None
        try:
            held = json.loads(text)
            items = {str(item): str(fingerprint) for item, fingerprint in held["items"].items()}
            return Entry(str(held["model"]), str(held["source"]), items)
        except (ValueError, KeyError, TypeError, AttributeError):  # empty, or cut short
            return None
