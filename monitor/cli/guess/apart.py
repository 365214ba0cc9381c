"""``calwatch init --from`` in a process of its own, which may fail or hang: ``python -m monitor.cli.guess.apart DIRECTORY``."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import duckdb

from monitor.cli.guess.draft import Draft, draft_config
from monitor.cli.guess.reading import MEMORY_LIMIT, find_files
from monitor.model.errors import UsageError
from monitor.sources.isolation.alone import Failure, FailureKind
from monitor.sources.isolation.apart import answer_apart, work_apart
from monitor.sources.isolation.guard import REMEDIES
from monitor.sources.isolation.journal import Entry, Journal
from monitor.sources.isolation.patience import seconds_for
from monitor.sources.isolation.room import limit_memory
from monitor.store.blame import first_line, is_unexpected


def draft_apart(asked: str, directory: Path) -> Draft:
    """What ``draft_config`` gives. Raises what it raises, and UsageError when the process ends, or
    takes too long."""
    files = [path for found in find_files(asked) for path in found.files]
    seconds = seconds_for(sum(path.stat().st_size for path in files if path.exists()))
    given = asked, directory, seconds
    return work_apart("monitor.cli.guess.apart", given, Draft, name=f"--from {asked}", seconds_of=lambda _: seconds)


def _draft(given: tuple[str, Path, float], known: Mapping[str, Failure], journal: Journal) -> Draft:
    asked, directory, seconds = given
    if asked in known:
        kind = known[asked].kind
        raise _unusable(
            asked, kind, f"was not read within {seconds:,.0f} seconds" if kind == "timed_out" else known[asked].reason
        )
    limit_memory(MEMORY_LIMIT)
    journal.note_entry(Entry("", "", {asked: ""}))
    try:
        return draft_config(asked, directory)
    except (MemoryError, duckdb.OutOfMemoryException) as error:
        raise _unusable(asked, "out_of_memory", "takes too much memory to read") from error
    # whatever else the file causes is told to the one who waits, in place of a trace
    except Exception as error:
        if not is_unexpected(error):
            raise
        raise _unusable(asked, "failed", f"cannot be read: {type(error).__name__}: {first_line(error)}") from error


def _unusable(asked: str, kind: FailureKind, told: str) -> UsageError:
    return UsageError(f"--from {asked}: {told}", f"{REMEDIES[kind]}, or name another file")


if __name__ == "__main__":
    tempfile.tempdir = sys.argv[1]  # what it spills goes with the directory, however it ends
    answer_apart(Path(sys.argv[1]), _draft)
