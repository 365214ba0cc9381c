"""``calwatch backtest`` in a process of its own: ``python -m monitor.playapart DIRECTORY``.

A file that ends that process, or hangs it, is found by what the process noted in its directory; it is told as such, and the
others are played once more, from the beginning.
"""

import io
import pickle
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from shutil import rmtree

import duckdb

from monitor.backtest import REPLAY, Played, play
from monitor.config import Config
from monitor.errors import CalwatchError
from monitor.store.alone import Failed, environment, told_death, wait_while_it_reads
from monitor.store.blame import first_line
from monitor.store.child import end_with_stdin, give_way
from monitor.store.connection import LIVE
from monitor.store.journal import JOURNAL, Entry, Journal
from monitor.store.patience import seconds_for

_ASKED, _FOUND = "asked", "found"
_LEFT = (LIVE, f"{LIVE}.wal", REPLAY, f"{REPLAY}.wal")  # of a process that ended while it read


def play_apart(config: Config, state_dir: Path, began: datetime, ended: datetime, step: timedelta) -> Played:
    """What ``play`` gives, with its progress on a terminal. Raises what it raises, and CalwatchError when the process ends over
    no file."""
    known: dict[str, Failed] = {}
    while True:
        with tempfile.TemporaryDirectory(prefix="calwatch-backtest-") as held:
            directory = Path(held)
            asked = (config, state_dir, began, ended, step, known)
            (directory / _ASKED).write_bytes(pickle.dumps(asked, protocol=5))
            journal = Journal(directory / JOURNAL)
            process = subprocess.Popen(  # its stdin stays open: the end tells it that nobody waits any more
                [sys.executable, "-m", "monitor.playapart", held], env=environment(), stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                late = wait_while_it_reads(process, journal, lambda entry: 2 * seconds_for(_size(entry)))
            finally:
                process.kill()
                process.wait()
                if process.stdin is not None:
                    process.stdin.close()
            if (directory / _FOUND).exists():
                found = pickle.loads((directory / _FOUND).read_bytes())
                if isinstance(found, BaseException):
                    raise found
                assert isinstance(found, Played)
                return found
            death, entry = told_death(process, io.BytesIO()), journal.left()
        if entry is None or not entry.items.keys() - known.keys():
            raise CalwatchError(f"the backtest {death}", "see what stands above, and please report it with these lines")
        known |= dict.fromkeys(
            entry.items, Failed("timed_out", "takes too long to read") if late else Failed("crashed", death)
        )
        _sweep(state_dir)


def _size(entry: Entry) -> int:
    """Bytes of what is being read; fingerprints of files begin with them."""
    sizes = [fingerprint.partition(":")[0] for fingerprint in entry.items.values()]
    return sum(int(size) for size in sizes if size.isdecimal())


def _sweep(state_dir: Path) -> None:
    """Remove what the process left half done: it began in a directory without a database."""
    for name in _LEFT:
        (state_dir / name).unlink(missing_ok=True)
    rmtree(state_dir / "spill", ignore_errors=True)


def main(directory: Path) -> None:
    """Play, and leave what was found."""
    import logging

    from monitor.logs import configure_logging
    from monitor.tell import progress

    end_with_stdin()
    give_way()
    configure_logging("text", level=logging.ERROR)
    config, state_dir, began, ended, step, known = pickle.loads((directory / _ASKED).read_bytes())
    found: Played | CalwatchError
    try:
        with progress(began, ended, "backtest") as advance:
            found = play(
                config, state_dir, began, ended, step, each_tick=lambda now, tick: advance(now), known=known,
                journal=Journal(directory / JOURNAL),
            )  # fmt: skip
    except CalwatchError as error:
        found = error
    except duckdb.FatalException as error:  # the database is spoilt; where a file did it, the journal names it
        sys.exit(first_line(error))
    aside = directory / f"{_FOUND}.part"
    aside.write_bytes(pickle.dumps(found, protocol=5))
    aside.replace(directory / _FOUND)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
