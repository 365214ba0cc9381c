"""What is being read, in a file that outlives this process: so that a file that takes it down is found on the next start.

Nothing is flushed to the disk: what was written outlives the process, and after a power failure no file is to blame.
"""

import json
import os
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
        self._path = path or Path(os.devnull)

    @classmethod
    def beside_database(cls, connection: duckdb.DuckDBPyConnection) -> "Journal":
        """The one in the directory of the connection's database; of one in memory there is none."""
        (path,) = fetch_row(connection, "SELECT path FROM duckdb_databases() WHERE database_name = current_database()")
        return cls(Path(path).with_name(JOURNAL) if path else None)

    def note_entry(self, entry: Entry) -> None:
        """These are being read from now on. A disk that does not take it is told by what needs it more."""
        with suppress(OSError):
            self._path.write_text(json.dumps(asdict(entry)), "utf-8", "surrogateescape")

    def clear_entry(self) -> None:
        """None is being read any more."""
        with suppress(OSError):
            self._path.write_bytes(b"")

    def load_entry(self) -> Entry | None:
        """What was being read when the process before this one ended; None where it read nothing."""
        try:
            held = json.loads(self._path.read_text("utf-8", "surrogateescape"))
            items = {str(item): str(fingerprint) for item, fingerprint in held["items"].items()}
            return Entry(str(held["model"]), str(held["source"]), items)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, empty, or cut short
            return None
