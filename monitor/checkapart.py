"""``calwatch check`` in a process of its own: ``python -m monitor.checkapart DIRECTORY``.

A file that ends that process, or hangs it, is found by what the process noted in its directory; it is told as such, and the
check is done again without it.
"""

import pickle
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from monitor.checking import Checked, check_config
from monitor.checkwatch import CheckWatch
from monitor.errors import CalwatchError
from monitor.store.alone import environment, told_death, wait_while_it_reads
from monitor.store.guard import REMEDIES
from monitor.store.journal import JOURNAL, Journal
from monitor.store.patience import seconds_for

_ASKED, _FOUND = "asked", "found"


def check_apart(path: Path, at: datetime | None) -> Checked:
    """What ``check_config`` finds. Raises what it raises, and CalwatchError when the process ends over no file."""
    known: dict[str, str] = {}
    while True:
        with tempfile.TemporaryDirectory(prefix="calwatch-check-") as held:
            directory = Path(held)
            (directory / _ASKED).write_bytes(pickle.dumps((path, at, known), protocol=5))
            with tempfile.TemporaryFile() as words:
                process = subprocess.Popen(
                    [sys.executable, "-m", "monitor.checkapart", held], env=environment(), stdin=subprocess.DEVNULL,
                    stdout=words, stderr=words, start_new_session=True,
                )  # fmt: skip
                try:
                    late = wait_while_it_reads(process, Journal(directory / JOURNAL), lambda _: seconds_for(0))
                finally:
                    process.kill()
                    process.wait()
                if (directory / _FOUND).exists():
                    found = pickle.loads((directory / _FOUND).read_bytes())
                    if isinstance(found, BaseException):
                        raise found
                    assert isinstance(found, Checked)
                    return found
                death = told_death(process, words)
            entry = Journal(directory / JOURNAL).left()
            if entry is None or not entry.items.keys() - known.keys():
                raise CalwatchError(f"check {death}", "please report it with this line")
            why = f"takes too long to read. {REMEDIES['timed_out']}" if late else f"{death}. {REMEDIES['crashed']}"
            known |= dict.fromkeys(entry.items, why)


def main(directory: Path) -> None:
    """Check, and leave what was found."""
    path, at, known = pickle.loads((directory / _ASKED).read_bytes())
    found: Checked | CalwatchError
    try:
        found = check_config(path, at, CheckWatch(known, Journal(directory / JOURNAL)))
    except CalwatchError as error:
        found = error
    aside = directory / f"{_FOUND}.part"
    aside.write_bytes(pickle.dumps(found, protocol=5))
    aside.replace(directory / _FOUND)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
