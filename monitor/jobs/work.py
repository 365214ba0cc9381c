"""What a job does, apart from the database: its inputs, carried out here or in a process of its own, and its report.

Most processes only send some words: what refits, messages with pictures and commands need is imported where one is carried out.
"""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from time import perf_counter
from typing import TYPE_CHECKING

from monitor.jobs.actions.deliver import deliver_event
from monitor.jobs.actions.delivery import Delivery, DeliveryResult
from monitor.model.errors import CalwatchError
from monitor.model.reasons import Reason

if TYPE_CHECKING:
    from monitor.recalibration.refit import Refit, RefitInputs
    from monitor.recalibration.tuning.tune import Tuned, TuneInputs

CLEARING_AWAY = timedelta(seconds=30)  # what an action may take beyond its timeout, to end what it began


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt of a job. ``lane``: work of one lane is carried out one after the other."""

    job: str
    model: str
    lane: str
    timeout: timedelta
    task: "RefitInputs | TuneInputs | Delivery | None"  # None: inputs are elsewhere, or no longer needed
    basis: Mapping[str, str] | None = None  # of a refit or tuning: scope → id of the calibrator in charge when it began
    notes: tuple[Reason, ...] = ()  # what to say of a refit's samples, before its own reasons
    destination: str = ""  # of a delivery: the action it calls

    @property
    def is_refit(self) -> bool:
        """Whether it is a refit or a tuning."""
        return self.basis is not None


def refit_work(job: str, task: "RefitInputs") -> Work:
    """The refits of a model run one at a time."""
    basis = {scope.text: id_ for scope, (id_, _) in task.charge.items()}
    return Work(
        job, task.model.name, f"{task.model.name}/refit", task.model.recalibration.timeout, task, basis, task.notes
    )


def tune_work(job: str, task: "TuneInputs") -> Work:
    """A model's tunings and refits wait for each other: both begin at what is in charge."""
    timeout = task.model.recalibration.timeout
    return Work(job, task.model.name, f"{task.model.name}/refit", timeout, task, task.charge, task.notes)


def action_work(job: str, model: str, task: Delivery) -> Work:
    """Commands of one action about a model run one at a time: few are made to run beside themselves. Calls of others need not
    wait for each other. The action keeps its timeout itself; ours is behind it."""
    name = task.action.name
    lane = f"{model}/action {name}" if task.action.kind == "command" else f"{model}/action {name}/{job}"
    return Work(job, model, lane, task.action.timeout + CLEARING_AWAY, task, destination=name)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """An attempt that came to no result. ``may_pass``: memory, disk, a process that died; not a mistake."""

    message: str
    may_pass: bool
    trace: str = ""  # of a mistake of ours


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What came of one attempt."""

    work: Work
    result: "Refit | Tuned | DeliveryResult | Breakdown"
    seconds: float | None = None  # None: unknown
    peak_memory: int | None = None  # bytes, of a process of its own


def carry_out_work(work: Work) -> WorkResult:
    """Do it, to its end. Whatever goes wrong is part of the report."""
    assert work.task is not None
    began, result = perf_counter(), _result(work.task)
    return WorkResult(replace(work, task=None), result, perf_counter() - began)


def _result(task: "RefitInputs | TuneInputs | Delivery") -> "Refit | Tuned | DeliveryResult | Breakdown":
    try:
        if isinstance(task, Delivery):
            return deliver_event(task)
        from monitor import __version__
        from monitor.recalibration.refit import RefitInputs, run_refit
        from monitor.recalibration.tuning.tune import run_tuning

        if not isinstance(task, RefitInputs):
            return run_tuning(task, calwatch_version=__version__)
        return run_refit(task, calwatch_version=__version__)
    except (CalwatchError, ValueError) as error:
        return Breakdown(str(error), may_pass=False)
    except (OSError, MemoryError) as error:
        return Breakdown(f"{type(error).__name__}: {error}".rstrip(": "), may_pass=True)
    except Exception as error:  # noqa: BLE001  # a mistake of ours is told with its trace; it must not end the cycle
        return Breakdown(f"{error!r}", may_pass=False, trace=traceback.format_exc())
