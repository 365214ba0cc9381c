"""Work over files in a process of its own, done again without a file that ends that process, or hangs it.

What the process reads it notes in a journal; so the file at which it ended is known, and is told as such.
"""

import io
import pickle
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from monitor.model.errors import CalwatchError
from monitor.model.own_python import own_environment, own_python
from monitor.sources.isolation.alone import Failure, describe_death, end_process, wait_while_it_reads
from monitor.sources.isolation.journal import JOURNAL, Entry, Journal
from monitor.sources.isolation.room import end_with_stdin, give_way

T = TypeVar("T")
_ASKED, _FOUND = "asked", "found"


def work_apart(
    module: str,
    asked: object,
    result: type[T],
    *,
    name: str,
    seconds_of: Callable[[Entry], float],
    clear_away: Callable[[], None] = lambda: None,
    shows: bool = False,
) -> T:
    """What ``module`` finds, run as a program that calls ``answer_apart``.

    ``seconds_of``: how long it may read what it notes; ``clear_away``: called before the work is done once more; ``shows``:
    what the process writes to stderr is for people, else its last line says how it ended. Raises what the work raises, and
    CalwatchError, naming ``name``, when the process ends over no file.
    """
    known: dict[str, Failure] = {}
    while True:
        with ExitStack() as stack:
            try:
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calwatch-apart-")))
                words = None if shows else stack.enter_context(tempfile.TemporaryFile())
                (directory / _ASKED).write_bytes(pickle.dumps((asked, known), protocol=5))
                journal = Journal(directory / JOURNAL)
                process = subprocess.Popen(  # its stdin stays open: the end tells it that nobody waits any more
                    own_python("-m", module, str(directory)), env=own_environment(), stdin=subprocess.PIPE,
                    stdout=words or subprocess.DEVNULL, stderr=words, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                hint = "see that there is room for temporary files; TMPDIR names another place for them"
                raise CalwatchError(f"{name} could not begin: {error.strerror}", hint) from error
            try:
                late = wait_while_it_reads(process, journal, seconds_of)
            finally:
                end_process(process)
            if (directory / _FOUND).exists():
                found = pickle.loads((directory / _FOUND).read_bytes())
                if isinstance(found, BaseException):
                    raise found
                assert isinstance(found, result)
                return found
            death, entry = describe_death(process, words or io.BytesIO()), journal.load_entry()
        if entry is None or not entry.items.keys() - known.keys():
            raise CalwatchError(f"{name} {death}", "see what stands above, and please report it with these lines")
        failed = Failure("timed_out", "takes too long to read") if late else Failure("crashed", death)
        known |= dict.fromkeys(entry.items, failed)
        clear_away()


def answer_apart(directory: Path, work: Callable[[Any, Mapping[str, Failure], Journal], object]) -> None:
    """In that process: do the work that is asked for and leave what it gives, or the CalwatchError that it raises.

    ``work`` is given what was asked, the files that failed before with why, and the journal for what it reads.
    """
    end_with_stdin()
    give_way()
    # written by the process that started this one, in a directory of its own
    asked, known = pickle.loads((directory / _ASKED).read_bytes())
    try:
        found = work(asked, known, Journal(directory / JOURNAL))
    except CalwatchError as error:
        found = error
    aside = directory / f"{_FOUND}.part"
    aside.write_bytes(pickle.dumps(found, protocol=5))
    aside.replace(directory / _FOUND)
