"""``calwatch init --from`` in a process of its own, which may fail, end or hang: ``python -m monitor.cli.guess.apart``.

It reads what is asked from its stdin and writes the Draft, or what is wrong, to its stdout. When stdin ends, because nobody
waits for it any more, the process ends.
"""

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import rmtree

import duckdb

from monitor.cli.guess.draft import Draft, draft_config
from monitor.cli.guess.reading import MEMORY_LIMIT, find_files, spill_directory
from monitor.model.errors import CalwatchError, UsageError
from monitor.model.own_python import own_environment, own_python
from monitor.sources.isolation.alone import describe_death
from monitor.sources.isolation.guard import REMEDIES
from monitor.sources.isolation.patience import seconds_for
from monitor.sources.isolation.room import end_with_stdin, give_way, limit_memory
from monitor.store.blame import first_line, is_unexpected

_ANOTHER = ", or name another file"


def draft_apart(asked: str, directory: Path) -> Draft:
    """What ``draft_config`` gives. Raises what it raises, and UsageError when the process ends, or
    takes too long."""
    files = [path for found in find_files(asked) for path in found.files]
    seconds = seconds_for(sum(path.stat().st_size for path in files if path.exists()))
    with tempfile.TemporaryFile() as words, tempfile.TemporaryFile() as answer:
        process = subprocess.Popen(
            own_python("-m", "monitor.cli.guess.apart"), env=own_environment(), stdin=subprocess.PIPE, stdout=answer,
            stderr=words, start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdin is not None
            pickle.dump((asked, directory), process.stdin, protocol=5)
            process.stdin.flush()
            process.wait(seconds)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            pass
        finally:
            late = process.poll() is None
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
            rmtree(spill_directory(process.pid), ignore_errors=True)
        answer.seek(0)
        held = answer.read()
        if late:
            told = f"was not read within {seconds:,.0f} seconds"
            raise UsageError(f"--from {asked}: {told}", REMEDIES["timed_out"] + _ANOTHER)
        if process.returncode or not held:
            raise UsageError(f"--from {asked}: {describe_death(process, words)}", REMEDIES["crashed"] + _ANOTHER)
    found = pickle.loads(held)
    if isinstance(found, BaseException):
        raise found
    assert isinstance(found, Draft)
    return found


def main() -> None:
    """Draft, and say what was found."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    asked, directory = pickle.load(sys.stdin.buffer)
    end_with_stdin()
    give_way()
    limit_memory(MEMORY_LIMIT)
    found: Draft | CalwatchError
    try:
        found = draft_config(asked, directory)
    except CalwatchError as error:
        found = error
    except (MemoryError, duckdb.OutOfMemoryException):
        found = UsageError(f"--from {asked}: takes too much memory to read", REMEDIES["out_of_memory"] + _ANOTHER)
    # whatever else the file causes is told to the one who waits, in place of a trace
    except Exception as error:
        if not is_unexpected(error):
            raise
        told = f"cannot be read: {type(error).__name__}: {first_line(error)}"
        found = UsageError(f"--from {asked}: {told}", REMEDIES["failed"] + _ANOTHER)
    pickle.dump(found, answer, protocol=5)
    answer.flush()


if __name__ == "__main__":
    main()
