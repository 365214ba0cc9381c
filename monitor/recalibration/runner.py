"""Who carries work out: here and now, or each attempt in a process of its own while cycles go on."""

from collections.abc import Collection
from typing import Protocol

from monitor.actions.delivery import Delivered, Delivery
from monitor.recalibration.work import Report, Work, carry_out


class Runner(Protocol):
    """Work goes in by ``start``; its report comes out of ``finished`` once, now or at a later tick."""

    @property
    def rehearsal(self) -> bool:
        """Whether actions are only recorded, as in a backtest."""
        ...

    def running(self) -> Collection[Work]:
        """What has been started and not been reported."""
        ...

    def start(self, work: Work) -> None:
        """Raises OSError when it cannot be started."""
        ...

    def finished(self, model: str) -> list[Report]:
        """The reports of a model's work that has ended since the last call."""
        ...

    def had_begun(self, job: str) -> bool:
        """Whether a process was at a job when the calwatch before this one ended; False where it only waited for its turn."""
        ...

    def settle(self) -> bool:
        """Wait for deliveries where there is no later tick to bring their reports; whether there were any."""
        ...

    def had_last_refit(self, model: str) -> bool:
        """Whether places for refits are few and this model had the last one; asked again, it counts as forgotten."""
        ...

    def cancel(self, job: str) -> None:
        """End the work of a job, with all its processes; it is never reported. Unknown jobs are no mistake."""
        ...


class InlineRunner:
    """Carries work out when it is started, for history on a simulated clock; no refit is ended at its timeout here."""

    def __init__(self, *, rehearsal: bool = False) -> None:
        self.rehearsal = rehearsal
        self._reports: list[Report] = []

    def running(self) -> Collection[Work]:
        return [report.work for report in self._reports]

    def start(self, work: Work) -> None:
        if self.rehearsal and isinstance(work.task, Delivery):
            result = Delivered(True, f"would run {work.task.action.kind} {work.task.action.where}")
            self._reports.append(Report(work, result, 0.0))
        else:
            self._reports.append(carry_out(work))

    def finished(self, model: str) -> list[Report]:
        ended = [report for report in self._reports if report.work.model == model]
        self._reports = [report for report in self._reports if report.work.model != model]
        return ended

    def had_begun(self, job: str) -> bool:
        return True  # it does not wait here

    def settle(self) -> bool:
        return False

    def had_last_refit(self, model: str) -> bool:
        return False

    def cancel(self, job: str) -> None:
        self._reports = [report for report in self._reports if report.work.job != job]
