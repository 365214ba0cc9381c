"""What the scheduler tells of runs that went wrong: one line each, and of a long cycle one."""

import logging
import threading

import pytest
import structlog
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
    JobExecutionEvent,
)
from apscheduler.triggers.interval import IntervalTrigger

from monitor.engine.overlaps import RunWatch, make_scheduler


def _event(code: int) -> JobEvent:
    return JobEvent(code, "cycle", "default")


def test_a_long_cycle_is_told_once_and_each_missed_turn_is_counted() -> None:
    counted: list[str] = []
    watch = RunWatch(counted.append)
    with structlog.testing.capture_logs() as lines:
        for code in (EVENT_JOB_MAX_INSTANCES,) * 3 + (EVENT_JOB_EXECUTED,) * 2 + (EVENT_JOB_MAX_INSTANCES,) * 2:
            watch.note_event(_event(code))
    assert counted == ["overlapped"] * 5
    assert [line["event"] for line in lines] == ["scheduled run overlapped"] * 2
    assert {line["job"] for line in lines} == {"cycle"}
    assert {line["problem"] for line in lines} == {"the one before still runs"}


def test_a_run_that_failed_is_told_with_its_error_and_a_missed_one_without() -> None:
    counted: list[str] = []
    watch = RunWatch(counted.append)
    with structlog.testing.capture_logs() as lines:
        watch.note_event(JobExecutionEvent(EVENT_JOB_ERROR, "cycle", "default", None, exception=ValueError("no")))
        watch.note_event(_event(EVENT_JOB_MISSED))
    assert counted == ["failed", "missed"]
    assert lines[0]["problem"] == "ValueError('no')"
    assert "problem" not in lines[1]


def test_the_scheduler_adds_no_line_of_its_own_for_each_turn_it_skips(caplog: pytest.LogCaptureFixture) -> None:
    counted: list[str] = []
    enough = threading.Event()

    def count(kind: str) -> None:
        counted.append(kind)
        if len(counted) == 3:
            enough.set()

    scheduler = make_scheduler(count)
    scheduler.add_job(lambda: enough.wait(30), IntervalTrigger(seconds=0.01), max_instances=1, coalesce=True)
    scheduler.start()
    assert enough.wait(30)
    scheduler.shutdown()
    assert counted[:3] == ["overlapped"] * 3
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    # what other schedulers of the process tell is left alone
    assert logging.getLogger("apscheduler.scheduler").isEnabledFor(logging.WARNING)
