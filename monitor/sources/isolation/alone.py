"""Files tried in a process of their own: whatever one of them does to it, this process lives, and knows which it was."""

import os
import pickle
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Literal

from monitor.config.settings import Model
from monitor.model.errors import CalwatchError
from monitor.model.own_python import own_environment, own_python
from monitor.sources.batch import GuardedSource
from monitor.sources.isolation.journal import Entry, Journal

CHILD = "monitor.sources.isolation.trial_child"
START = 120.0  # seconds in which the process must have begun: a busy machine is no file's fault
_LOOKED = 1.0  # seconds between two looks at which file a process reads
_LAST_WORDS = 300  # characters of what it said before it ended
_FULL = 64 * 1024 * 1024  # bytes free on a disk below which nothing that fails is blamed on a file

# no_room: as far as the disk goes, which is nothing against the file
FailureKind = Literal["out_of_memory", "crashed", "timed_out", "failed", "no_room"]


class NotTriedError(CalwatchError):
    """No process could be started, or it ended before it looked at anything: nothing is known of the files."""


@dataclass(frozen=True, slots=True)
class TrialOrder:
    """What the process is to do: read these files of a source one by one, each into an empty database in memory."""

    source: GuardedSource
    model: Model
    items: tuple[str, ...]
    now: datetime
    memory_limit: str
    spill: str  # directory


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file cannot be read; ``reason`` goes on from its name."""

    kind: FailureKind
    reason: str
    remedy: str = ""  # where more is known than the kind


def try_alone(
    source: GuardedSource,
    model: Model,
    items: Sequence[tuple[str, float]],
    now: datetime,
    *,
    memory_limit: str,
    spill: Path,
) -> Iterator[tuple[str, Failure | None]]:
    """Each item, which may take so many seconds, with why it cannot be read; None where it can.

    Those that can be read share a process; one that fails had one for itself alone. Raises NotTriedError.
    """
    waiting = list(items)
    while waiting:
        trial = TrialOrder(source, model, tuple(item for item, _ in waiting), now, memory_limit, str(spill))
        done = 0
        for failed in _answers(trial, [seconds for _, seconds in waiting]):
            if failed is not None and done:
                break  # what came before may have weakened the process: once more, from a fresh one
            yield waiting[done][0], failed
            done += 1
        del waiting[:done]


def _answers(trial: TrialOrder, limits: Sequence[float]) -> Iterator[Failure | None]:
    """What one process says of its items, in order; ends with the first that fails."""
    with ExitStack() as held:
        try:
            ours, theirs = map(held.enter_context, Pipe())
            words = held.enter_context(tempfile.TemporaryFile())
            # of stdin it is the end that tells the process that nobody waits any more
            process = subprocess.Popen(
                own_python("-m", CHILD, str(theirs.fileno())), env=own_environment(), pass_fds=(theirs.fileno(),),
                stdin=subprocess.PIPE, stdout=words, stderr=words, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise NotTriedError(f"no process could be started: {error.strerror}") from error
        try:
            theirs.close()  # the process has it as its own
            with suppress(OSError):  # it has ended already: what it says next, nothing, tells
                ours.send(trial)
            # an answer comes whole, or its rest never does: that is not waited for
            os.set_blocking(ours.fileno(), False)
            if _answer(ours, process, START, words) is not None:
                raise NotTriedError(f"the process that was to try it did not begin: {_last_words(words)}")
            for limit in limits:
                failed = _answer(ours, process, limit, words)
                if failed is not None and disk_is_full(Path(trial.spill).parent):
                    raise NotTriedError("the disk of the state directory is full")
                yield failed
                if failed is not None:
                    return
        finally:
            end_process(process)
            shutil.rmtree(trial.spill, ignore_errors=True)


def _answer(
    ours: "Connection[object, Failure | None]", process: "subprocess.Popen[bytes]", limit: float, words: IO[bytes]
) -> Failure | None:
    """What the process says next, or how it failed to say it within so many seconds."""
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        if ours.poll(limit):
            return ours.recv()
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.0)  # the pipe ends a moment before the process does
    if process.returncode is None:
        return Failure("timed_out", f"was not read within {limit:,.0f} seconds")
    return Failure("crashed", describe_death(process, words))


def wait_while_it_reads(
    process: "subprocess.Popen[bytes]", journal: Journal, seconds_of: Callable[[Entry], float]
) -> bool:
    """Wait until the process ends, or reads what its journal names for longer than that may take; whether it did."""
    reading, seconds = journal.load_entry(), 0.0
    while True:
        try:
            process.wait(_LOOKED)
        except subprocess.TimeoutExpired:
            now = journal.load_entry()
            seconds = seconds + _LOOKED if now is not None and now == reading else 0.0
            reading = now
            if now is not None and seconds > seconds_of(now):
                return True
        else:
            return False


def describe_death(process: "subprocess.Popen[bytes]", words: IO[bytes]) -> str:
    """How a process ended that was not to end; ``words``: what it wrote."""
    code = process.returncode
    if code >= 0:
        said = _last_words(words)
        return f"ended the process that read it, with code {code}{said and f' ({said})'}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"ended the process that read it, by {name}{' (out of memory?)' * (-code == signal.SIGKILL)}"


def _last_words(words: IO[bytes]) -> str:
    words.seek(0)
    said = words.read().decode("utf-8", "replace").strip().splitlines()
    return said[-1][-_LAST_WORDS:] if said else ""


def disk_is_full(directory: Path) -> bool:
    """Whether so little is free that whatever fails may have failed for it."""
    try:
        return shutil.disk_usage(directory).free < _FULL
    except OSError:
        return False


def end_process(process: "subprocess.Popen[bytes]") -> None:
    """Kill it, and wait until it is gone."""
    with process:
        process.kill()
