"""Runs of the scheduler that went wrong: each counted, and told in one line; a long cycle once, not at each time it misses."""

import logging
from collections.abc import Callable
from datetime import UTC

import structlog
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from monitor.publish.metrics.instruments import SchedulerEvent

log = structlog.get_logger("calwatch")
_KINDS: dict[int, SchedulerEvent] = {
    EVENT_JOB_MISSED: "missed", EVENT_JOB_ERROR: "failed", EVENT_JOB_MAX_INSTANCES: "overlapped",
}  # fmt: skip
# a logger of its own: a level set on the library's would hold for every other scheduler of the process
_SCHEDULER_LOG = logging.getLogger("calwatch.scheduler")
_SCHEDULER_LOG.setLevel(logging.ERROR)


def make_scheduler(count: Callable[[SchedulerEvent], None]) -> BackgroundScheduler:
    """One of one thread, in UTC, whose runs are watched in place of its own warnings, one for each turn that it skips."""
    scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(1)}, logger=_SCHEDULER_LOG)
    scheduler.add_listener(RunWatch(count).note_event, EVENT_JOB_EXECUTED | sum(_KINDS))
    return scheduler


class RunWatch:
    """Of one scheduler, whose one job is the cycle."""

    def __init__(self, count: Callable[[SchedulerEvent], None]) -> None:
        self._count = count
        self._overlapped = False  # whether that is told of the run under way

    def note_event(self, event: JobEvent) -> None:
        """Count and tell one event."""
        kind = _KINDS.get(event.code)
        if kind == "overlapped":
            self._count(kind)
            if not self._overlapped:
                log.warning(
                    "scheduled run overlapped", job=event.job_id, problem="the one before still runs",
                    hint="a cycle takes longer than [monitor] cycle; told once for each that does",
                )  # fmt: skip
            self._overlapped = True
            return
        self._overlapped = False
        if kind is not None:
            self._count(kind)
            error = getattr(event, "exception", None)
            log.warning("scheduled run " + kind, job=event.job_id, **({"problem": repr(error)} if error else {}))
