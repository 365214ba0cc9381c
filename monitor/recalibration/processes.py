"""Work in processes of its own, started, watched and ended by the daemon; cycles go on meanwhile.

Inputs and outcome go through files in ``work/<job>`` of the state directory, readable for this user only: a process that is
killed at any moment leaves nothing but that directory. If the daemon itself is killed, the processes notice and end.
"""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import monitor
from monitor.durations import format_duration
from monitor.recalibration.work import Broken, Report, Work
from monitor.recalibration.worker import LAST_MOMENTS, REPORT, WORK, Outcome, write_pickle

DIRECTORY = "work"
_TOLD = 2000  # characters of a dead process's last words


@dataclass(slots=True)
class _Child:
    work: Work  # without its inputs
    process: "subprocess.Popen[bytes]"
    directory: Path
    began: float


class ProcessRunner:
    """One process per attempt. Not for use by several threads at once: the tick owns it."""

    rehearsal = False

    def __init__(self, state_dir: Path) -> None:
        self._base = state_dir / DIRECTORY
        self._children: dict[str, _Child] = {}
        self._last_refit: str | None = None  # of which model
        self._leaving: list[tuple[_Child, float]] = []
        shutil.rmtree(self._base, ignore_errors=True)  # of a process that was killed

    def running(self) -> Collection[Work]:
        return [child.work for child in self._children.values()]

    def start(self, work: Work) -> None:
        """Raises OSError when inputs cannot be written or no process can be started."""
        self._base.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=f"{work.job}-", dir=self._base))  # mode 0700
        try:
            write_pickle(directory / WORK, work)
            with (directory / "stderr").open("wb") as stderr:
                process = subprocess.Popen(
                    [sys.executable, "-m", "monitor.recalibration.worker", str(directory)], env=_environment(),
                    stdin=subprocess.PIPE, stdout=stderr, stderr=stderr, start_new_session=True,
                )  # fmt: skip
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        self._last_refit = work.model if work.is_refit else self._last_refit
        self._children[work.job] = _Child(replace(work, task=None), process, directory, perf_counter())

    def finished(self, model: str) -> list[Report]:
        self._reap()
        ended = [
            child for child in self._children.values() if child.work.model == model and child.process.poll() is not None
        ]
        for child in ended:
            del self._children[child.work.job]
        return [self._report(child) for child in ended]

    def had_last_refit(self, model: str) -> bool:
        was_last = self._last_refit == model
        self._last_refit = None if was_last else self._last_refit
        return was_last

    def cancel(self, job: str) -> None:
        child = self._children.pop(job, None)
        if child is not None:
            _let_go(child)
            self._leaving.append((child, perf_counter()))
            self._reap()

    def forget(self, model: str) -> None:
        """Cancel all work of a model."""
        for work in list(self.running()):
            if work.model == model:
                self.cancel(work.job)

    def stop(self, patience: float) -> None:
        """End everything and wait at most so many seconds; what is left then ends by itself, cut off from us."""
        for job in list(self._children):
            self.cancel(job)
        deadline = perf_counter() + patience
        for child, _ in self._leaving:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - perf_counter()))
        self._reap()

    def _report(self, child: _Child) -> Report:
        _let_go(child)
        seconds = perf_counter() - child.began
        try:
            with (child.directory / REPORT).open("rb") as file:
                outcome: Outcome = pickle.load(file)
            result, own_seconds, peak = outcome
            return Report(child.work, result, own_seconds, peak)
        except (OSError, EOFError, pickle.UnpicklingError):
            return Report(child.work, _death(child), seconds)
        finally:
            shutil.rmtree(child.directory, ignore_errors=True)

    def _reap(self) -> None:
        """Clear away what was cancelled; kill what does not leave."""
        remaining = []
        for child, since in self._leaving:
            if child.process.poll() is None:
                if perf_counter() - since > LAST_MOMENTS:
                    with suppress(ProcessLookupError):
                        os.killpg(child.process.pid, signal.SIGKILL)
                remaining.append((child, since))
            else:
                shutil.rmtree(child.directory, ignore_errors=True)
        self._leaving = remaining


class PatientRunner(ProcessRunner):
    """Waits for each attempt when it is started: for one cycle in the foreground, where timeouts hold too."""

    def start(self, work: Work) -> None:
        super().start(work)
        self._children[work.job].process.wait()

    def had_last_refit(self, model: str) -> bool:
        return False  # no other model waits for its turn in a later cycle


def _let_go(child: _Child) -> None:
    """Close the lifeline."""
    if child.process.stdin is not None:
        with suppress(OSError):
            child.process.stdin.close()


def _death(child: _Child) -> Broken:
    """Why a process left no report."""
    code = child.process.returncode
    if code in (-signal.SIGALRM, 128 + signal.SIGALRM):
        limit = format_duration(child.work.timeout)
        return Broken(f"timed out after {limit}", may_pass=not child.work.is_refit)
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    hint = ": out of memory?" if code == -signal.SIGKILL else ""
    with suppress(OSError):
        words = (child.directory / "stderr").read_text("utf-8", "replace").strip()[-_TOLD:]
        hint += f": {words}" if words else ""
    return Broken(f"its process {how}{hint}", may_pass=True)


def _environment() -> dict[str, str]:
    """Ours, in which the same calwatch is found."""
    package = str(Path(monitor.__file__).parent.parent)
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([package, *([known] if known else [])])}
