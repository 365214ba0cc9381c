"""The process in which files are tried alone: ``python -m monitor.sources.isolation.trial_child``.

Of a pipe, whose number it is given, it receives a TrialOrder, and says of each file whether it can be looked at, read and
taken into an empty store, by the same code that a cycle would run. When stdin ends, because nobody waits for it any more, the
process ends.
"""

import os
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb

from monitor.sources.batch import Batch
from monitor.sources.boxes.ingest import BOX_HOLDS, ingest_boxes
from monitor.sources.formats.long_lines import describe_longest_line
from monitor.sources.ingest.ingest import RefusedError, ingest_batch
from monitor.sources.ingest.rounds import ApartError
from monitor.sources.isolation.alone import Failure, FailureKind, TrialOrder
from monitor.sources.isolation.room import Room, end_with_stdin, give_way, limit_memory, spill_room
from monitor.store.blame import first_line, is_of_the_disk, is_unexpected, lacks_room
from monitor.store.connection import prepare_database
from monitor.store.model_store import ModelStore

_REASON = 300  # characters
_SHORTER = (
    "Leave the long list, nesting or text that makes it so long out of that line, if calwatch does not need it, or raise "
    "memory_limit in [monitor]: such a line may take more than a hundred times its size to read, and smaller files do not help"
)


def main() -> None:
    """Try the files of the trial one after the other."""
    answers: Connection[Failure | None, TrialOrder] = Connection(int(sys.argv[1]))
    trial = answers.recv()
    end_with_stdin()
    give_way()
    with suppress(OSError):
        os.nice(5)
    limit_memory(trial.memory_limit)
    answers.send(None)  # it has begun
    for item in trial.items:
        answers.send(_try(trial, item))


def _try(trial: TrialOrder, item: str) -> Failure | None:
    """Why the file cannot be read; None where it can, or is refused as files are."""
    room = spill_room(Path(trial.spill), trial.memory_limit)
    try:
        _take(trial, item, room)
    except (RefusedError, ApartError):
        pass
    except (MemoryError, duckdb.OutOfMemoryException) as error:
        if not is_of_the_disk(error):
            no_room = room.is_short and lacks_room(error)
            return _failure(trial, error, "no_room" if no_room else "out_of_memory", item)
    except Exception as error:  # noqa: BLE001  # whatever it is: it is told of this file
        is_fatal = isinstance(error, duckdb.FatalException) and not is_of_the_disk(error)
        if is_fatal or is_unexpected(error):
            return _failure(trial, error, "failed", item)
    return None


def _take(trial: TrialOrder, item: str, room: Room) -> None:
    """Look at one file, and take its rows into a store of its own."""
    limits = {"memory_limit": trial.memory_limit, "temp_directory": trial.spill, "max_temp_directory_size": room.limit}
    with duckdb.connect(config={**limits}) as connection:
        prepare_database(connection, trial.now)
        found = trial.source.read_single(connection, item, trial.now)
        if isinstance(found, Batch):
            store = ModelStore.load(connection, trial.model, trial.now)
            take = ingest_boxes if trial.source.holds in BOX_HOLDS else ingest_batch
            take(store, trial.source.name, trial.source.holds, found, trial.now)


def _failure(trial: TrialOrder, error: BaseException, kind: FailureKind, item: str) -> Failure:
    text = first_line(error)[:_REASON]
    longest = describe_longest_line(trial.source.path_of(item)) if kind == "out_of_memory" else ""
    if kind == "no_room":
        reason = f"needs more room to be read than the disk of the state directory has ({text})"
    elif kind == "out_of_memory":
        limit = f"takes more memory to read than memory_limit, {trial.memory_limit}"
        reason = f"{limit}: {longest}" if longest else f"{limit} ({text})"
    else:
        reason = f"cannot be read: {type(error).__name__}: {text}"
    return Failure(kind, reason, _SHORTER if longest else "")


if __name__ == "__main__":
    main()
