"""Work in processes of its own, started, watched and ended by the daemon; cycles go on meanwhile.

Inputs and outcome go through files in ``work/<job>`` of the state directory, readable for this user only: a process that is
killed at any moment leaves nothing but that directory. If the daemon itself is killed, the processes notice and end.

Deliveries are handed over all at once and wait here for one of a few places; a thread starts the next when one has ended,
whether or not a cycle goes on. Each action has a place that no other takes: an endpoint that does not answer holds up
nobody else.
"""

import os
import pickle
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Protocol

from monitor.jobs.actions.delivery import Delivery, DeliveryResult
from monitor.jobs.lifeline import command_line
from monitor.jobs.work import Breakdown, Work, WorkResult, carry_out_work
from monitor.jobs.worker import LAST_MOMENTS, REPORT, WORK, write_pickle
from monitor.model.durations import format_duration
from monitor.model.own_python import own_environment

DIRECTORY = "work"
DELIVERIES = 8  # at once, and beyond that one of each action that has none
_LOOK_EVERY = 0.1  # seconds, while deliveries wait for a place
_REMEMBERED = 10_000  # jobs
_TOLD = 2000  # characters of a dead process's last words


class Runner(Protocol):
    """Work goes in by ``start``; its report comes out of ``take_finished`` once, now or at a later tick."""

    rehearsal: bool = False  # whether actions are only recorded, as in a backtest

    def running_work(self) -> Collection[Work]:
        """What has been started and not been reported."""

    def start(self, work: Work) -> None:
        """Raises OSError when it cannot be started."""

    def take_finished(self, model: str) -> list[WorkResult]:
        """The reports of a model's work that has ended since the last call."""

    def had_begun(self, job: str) -> bool:
        """Whether a process was at a job when the calwatch before this one ended; False where it only waited for its turn."""
        return True

    def wait_deliveries(self) -> bool:
        """Wait for deliveries where there is no later tick to bring their reports; whether there were any."""
        return False

    def forget_last_refit(self, model: str) -> bool:
        """Forget that this model had the last of few places for refits; returns whether it had."""
        return False

    def cancel(self, job: str) -> None:
        """End the work of a job, with all its processes; it is never reported. Unknown jobs are no mistake."""


@dataclass(slots=True)
class _Child:
    work: Work  # without its inputs
    process: "subprocess.Popen[bytes]"
    directory: Path
    began: float


class ProcessRunner(Runner):
    """One process per attempt. The tick owns it, and one thread of its own, which starts deliveries that wait."""

    def __init__(self, state_dir: Path) -> None:
        self._base = state_dir / DIRECTORY
        self._children: dict[str, _Child] = {}
        self._last_refit: str | None = None  # of which model
        self._leaving: list[tuple[_Child, float]] = []
        self._waiting: list[tuple[Work, float]] = []  # deliveries, and when each was handed over
        self._unstarted: list[WorkResult] = []
        self._lock = threading.RLock()
        self._attention = threading.Event()
        self._attendant: threading.Thread | None = None
        self._stopped = False
        self._begun: dict[str, None] = {}  # the newest jobs that had a process, also of the calwatch before this one

    def clear_leftovers(self) -> None:
        """Remove what processes of a calwatch that was killed left behind. Call it only while the database is held: until
        then all of it may belong to a daemon that runs."""
        with self._lock:
            if not self._children and not self._leaving:
                self._begun |= dict.fromkeys(path.name.rpartition("-")[0] for path in self._base.glob("*-*"))
                shutil.rmtree(self._base, ignore_errors=True)

    def had_begun(self, job: str) -> bool:
        with self._lock:
            return job in self._begun

    def running_work(self) -> Collection[Work]:
        with self._lock:
            under_way = [child.work for child in self._children.values()]
            waiting = [replace(work, task=None) for work, _ in self._waiting]
            return [*under_way, *waiting, *(each.work for each in self._unstarted)]

    def start(self, work: Work) -> None:
        """A delivery begins as soon as there is a place for it. Raises OSError when inputs of a refit cannot be written or
        no process can be started."""
        with self._lock:
            self._begun.pop(work.job, None)
            if work.is_refit:
                self._launch(work)
                return
            self._waiting.append((work, perf_counter()))
            self._serve()
        self._attend()

    def _attend(self) -> None:
        """See that what waits is started, between cycles too."""
        if self._attendant is None:
            self._attendant = threading.Thread(target=self._keep_serving, name="deliveries", daemon=True)
            self._attendant.start()
        self._attention.set()

    def _keep_serving(self) -> None:
        while True:
            self._attention.wait(_LOOK_EVERY if self._waiting else None)
            self._attention.clear()
            with self._lock:
                if self._stopped:
                    return
                self._serve()

    def _serve(self) -> None:
        """Start the deliveries that have a place, in their order."""
        for work, handed_at in list(self._waiting):
            under_way = [c.work for c in self._children.values() if not c.work.is_refit and c.process.poll() is None]
            if any(other.lane == work.lane for other in under_way):
                continue
            if len(under_way) >= DELIVERIES and any(other.destination == work.destination for other in under_way):
                continue
            self._waiting.remove((work, handed_at))
            try:
                self._launch(_as_of_now(work, handed_at))
            except OSError as error:
                broken = Breakdown(f"{type(error).__name__}: {error}", may_pass=True)
                self._unstarted.append(WorkResult(replace(work, task=None), broken))

    def _launch(self, work: Work) -> None:
        self._base.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=f"{work.job}-", dir=self._base))  # mode 0700
        try:
            write_pickle(directory / WORK, work)
            with (directory / "stderr").open("wb") as stderr:
                process = subprocess.Popen(
                    command_line("monitor.jobs.worker", str(directory)), env=own_environment(),
                    stdin=subprocess.PIPE, stdout=stderr, stderr=stderr, start_new_session=True,
                )  # fmt: skip
        # whatever it is, Ctrl-C too: nobody else knows of the directory
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        self._begun[work.job] = None
        if len(self._begun) > _REMEMBERED:
            del self._begun[next(iter(self._begun))]
        self._last_refit = work.model if work.is_refit else self._last_refit
        self._children[work.job] = _Child(replace(work, task=None), process, directory, perf_counter())

    def take_finished(self, model: str) -> list[WorkResult]:
        with self._lock:
            self._reap()
            ended = [
                child
                for child in self._children.values()
                if child.work.model == model and child.process.poll() is not None
            ]
            for child in ended:
                del self._children[child.work.job]
            unstarted = [report for report in self._unstarted if report.work.model == model]
            self._unstarted = [report for report in self._unstarted if report.work.model != model]
            self._serve()
        return [*(self._report(child) for child in ended), *unstarted]

    def forget_last_refit(self, model: str) -> bool:
        was_last = self._last_refit == model
        self._last_refit = None if was_last else self._last_refit
        return was_last

    def cancel(self, job: str) -> None:
        with self._lock:
            self._waiting = [each for each in self._waiting if each[0].job != job]
            self._unstarted = [report for report in self._unstarted if report.work.job != job]
            child = self._children.pop(job, None)
            if child is not None:
                _let_go(child)
                self._leaving.append((child, perf_counter()))
                self._reap()

    def forget_model(self, model: str) -> None:
        """Cancel all work of a model."""
        for work in list(self.running_work()):
            if work.model == model:
                self.cancel(work.job)

    def stop(self, patience: float) -> None:
        """End everything and wait at most so many seconds; what is left then ends by itself, cut off from us."""
        self._stopped = True
        self._attention.set()
        with self._lock:
            self._waiting.clear()
            for job in list(self._children):
                self.cancel(job)
        deadline = perf_counter() + patience
        for child, _ in self._leaving:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - perf_counter()))
        self._reap()

    def _report(self, child: _Child) -> WorkResult:
        _let_go(child)
        seconds = perf_counter() - child.began
        try:
            with (child.directory / REPORT).open("rb") as file:
                result: WorkResult = pickle.load(file)
            return result
        except (OSError, EOFError, pickle.UnpicklingError):
            return WorkResult(child.work, _death(child), seconds)
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
    """Waits for each refit when it is started, and for deliveries before the cycle ends: for one cycle in the foreground,
    where timeouts hold too."""

    def start(self, work: Work) -> None:
        super().start(work)
        if work.is_refit:
            self._children[work.job].process.wait()

    def wait_deliveries(self) -> bool:
        found = False
        while (left := [c.process for c in self._children.values() if c.process.poll() is None]) or self._waiting:
            found = True
            if left:
                with suppress(subprocess.TimeoutExpired):
                    left[0].wait(_LOOK_EVERY)
            with self._lock:
                self._serve()
        return found

    def forget_last_refit(self, model: str) -> bool:
        return False  # no other model waits for its turn in a later cycle


def _as_of_now(work: Work, handed_at: float) -> Work:
    """With its time moved on by what it waited: receivers refuse signatures with old times."""
    assert isinstance(work.task, Delivery)
    return replace(work, task=replace(work.task, at=work.task.at + timedelta(seconds=perf_counter() - handed_at)))


def _let_go(child: _Child) -> None:
    """Close the lifeline."""
    if child.process.stdin is not None:
        with suppress(OSError):
            child.process.stdin.close()


def _death(child: _Child) -> Breakdown:
    """Why a process left no report."""
    code = child.process.returncode
    if code in (-signal.SIGALRM, 128 + signal.SIGALRM):
        limit = format_duration(child.work.timeout)
        return Breakdown(f"timed out after {limit}", may_pass=not child.work.is_refit)
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    hint = ": out of memory?" if code == -signal.SIGKILL else ""
    with suppress(OSError):
        words = (child.directory / "stderr").read_text("utf-8", "replace").strip()[-_TOLD:]
        hint += f": {words}" if words else ""
    return Breakdown(f"its process {how}{hint}", may_pass=True)


class InlineRunner(Runner):
    """Carries work out when it is started, for history on a simulated clock; no refit is ended at its timeout here."""

    def __init__(self, *, rehearsal: bool = False) -> None:
        self.rehearsal = rehearsal
        self._reports: list[WorkResult] = []

    def running_work(self) -> Collection[Work]:
        return [report.work for report in self._reports]

    def start(self, work: Work) -> None:
        if self.rehearsal and isinstance(work.task, Delivery):
            result = DeliveryResult(True, f"would run {work.task.action.kind} {work.task.action.where}")
            self._reports.append(WorkResult(work, result, 0.0))
        else:
            self._reports.append(carry_out_work(work))

    def take_finished(self, model: str) -> list[WorkResult]:
        ended = [report for report in self._reports if report.work.model == model]
        self._reports = [report for report in self._reports if report.work.model != model]
        return ended

    def cancel(self, job: str) -> None:
        self._reports = [report for report in self._reports if report.work.job != job]
