"""Files tried in a process of their own: whatever one of them does to it, this process lives, and knows which it was."""

import json
import os
import pickle
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import perf_counter
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
    spill = Path(trial.spill)
    with tempfile.TemporaryFile() as words:
        try:
            process = subprocess.Popen(
                own_python("-m", CHILD), env=own_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=words, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise NotTriedError(f"no process could be started: {error.strerror}") from error
        try:
            lines = _Lines(process)
            _send(process, trial)
            if lines.read_line(START) is None:
                raise NotTriedError(f"the process that was to try it did not begin: {_last_words(words)}")
            for limit in limits:
                failed = _understood(lines.read_line(limit), process, limit, words)
                if failed is not None and disk_is_full(spill.parent):
                    raise NotTriedError("the disk of the state directory is full")
                yield failed
                if failed is not None:
                    return
        finally:
            _end(process)
            shutil.rmtree(spill, ignore_errors=True)


class _Lines:
    """What a process writes, line by line, waiting for each no longer than it may take."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        self._pipe = process.stdout.fileno()
        self._held = b""

    def read_line(self, seconds: float) -> str | None:
        """None when the process has ended, or is late."""
        began = perf_counter()
        while b"\n" not in self._held:
            left = seconds - (perf_counter() - began)
            if left <= 0 or not select.select([self._pipe], [], [], left)[0]:
                return None
            more = os.read(self._pipe, 65536)
            if not more:
                return None
            self._held += more
        line, _, self._held = self._held.partition(b"\n")
        return line.decode("utf-8", "replace")


def _send(process: "subprocess.Popen[bytes]", trial: TrialOrder) -> None:
    """The pipe stays open: its end tells the process that nobody waits for it any more."""
    assert process.stdin is not None
    with suppress(OSError):  # it has ended already: what it says next, nothing, tells
        pickle.dump(trial, process.stdin, protocol=5)
        process.stdin.flush()


def _understood(line: str | None, process: "subprocess.Popen[bytes]", limit: float, words: IO[bytes]) -> Failure | None:
    if line is not None:
        with suppress(ValueError, KeyError, TypeError):
            held = json.loads(line)
            return Failure(held["kind"], str(held["reason"]), str(held.get("remedy", ""))) if held is not None else None
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


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    process.wait()
