"""The queue: attempts counted before they begin, back-off, interruptions, cancelling."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from monitor.jobs.queue import (
    LONGEST_BACK_OFF,
    after_failure,
    begin_attempt,
    cancel_job,
    due_jobs,
    enqueue_jobs,
    requeue_interrupted,
    retry_pause,
)
from monitor.model import Job, JobState, Slice
from monitor.model.reasons import BY_HAND
from monitor.model.refits import job_of
from monitor.store.readings import load_jobs, store_job
from tests.worlds.line import BEGAN, HOUR, Line, line, model_section

MODEL = model_section(rules="")
SECOND = timedelta(seconds=1)


def _job(kind: str = "recalibrate", scope: Slice = Slice(), key: str = "") -> Job:  # noqa: B008  # frozen
    return job_of("m", kind, BY_HAND, scope, BEGAN, key=key)


def _only(held: Line) -> Job:
    (job,) = load_jobs(held.connection, "m")
    return job


def test_back_off_doubles_from_half_a_minute_to_an_hour_and_spreads() -> None:
    job = _job()
    waits = [retry_pause(replace(job, attempts=attempt)).total_seconds() for attempt in range(1, 12)]
    for wait, plain in zip(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600], strict=True):
        assert 0.8 * plain <= wait <= 1.2 * plain
    others = {retry_pause(replace(job, id=str(number), attempts=1)) for number in range(50)}
    assert len(others) > 40
    assert retry_pause(replace(job, attempts=10_000)) <= 1.2 * LONGEST_BACK_OFF


def test_a_failure_that_may_pass_is_tried_again_until_the_attempts_are_used_up() -> None:
    job = replace(_job(), state=JobState.RUNNING, attempts=1)
    again = after_failure(job, "disk full", BEGAN, attempts=2, may_pass=True)
    assert (again.state, again.finished_at) == (JobState.QUEUED, None)
    assert again.next_attempt_at == BEGAN + retry_pause(job)
    assert again.reasons[0].startswith("attempt 1 of 2: disk full; tried again in about ")
    last = after_failure(replace(job, attempts=2), "disk full", BEGAN, attempts=2, may_pass=True)
    assert (last.state, last.reasons) == (JobState.FAILED, ("failed: disk full (attempt 2 of 2)",))
    hopeless = after_failure(job, "no such scope", BEGAN, attempts=5, may_pass=False)
    assert (hopeless.state, hopeless.reasons) == (JobState.FAILED, ("failed: no such scope",))


def test_the_other_side_may_ask_for_a_longer_wait_but_not_for_more_than_an_hour() -> None:
    job = replace(_job(), state=JobState.RUNNING, attempts=1)
    for asked, found in ((timedelta(minutes=10), timedelta(minutes=10)), (timedelta(days=1), LONGEST_BACK_OFF)):
        assert after_failure(job, "busy", BEGAN, attempts=5, may_pass=True, wait=asked).next_attempt_at == BEGAN + found


def test_a_queued_job_is_due_only_after_its_back_off(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        store_job(held.connection, replace(_job(), next_attempt_at=BEGAN + HOUR))
        assert due_jobs(held.connection, "m", BEGAN + HOUR - SECOND) == ()
        assert [job.id for job in due_jobs(held.connection, "m", BEGAN + HOUR)] == [_job().id]


def test_jobs_are_due_as_requested_and_of_one_time_the_widest_scope_first(tmp_path: Path) -> None:
    camera, night = Slice.of({"camera": "c1"}), Slice.of({"camera": "c1", "lighting": "night"})
    with line(tmp_path, MODEL) as held:
        for scope in (night, camera, Slice()):
            store_job(held.connection, _job(scope=scope))
        early = replace(_job(scope=Slice.of({"camera": "c2", "lighting": "day"})), requested_at=BEGAN - HOUR)
        store_job(held.connection, early)
        due = [job.scope for job in due_jobs(held.connection, "m", BEGAN)]
        assert due == [early.scope, Slice(), camera, night]


def test_interruptions_count_apart_from_attempts_and_end(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        enqueue_jobs(held.connection, [_job()])
        now = BEGAN
        for attempt in (1, 2):
            job = begin_attempt(held.connection, _only(held), now)
            assert job.attempts == attempt
            (after,) = requeue_interrupted(held.connection, "m", now, limit=lambda job: 3)
            assert after.state is JobState.QUEUED
            assert (after.next_attempt_at is None) == (attempt == 1)  # at once the first time, then after a while
        begin_attempt(held.connection, _only(held), now)
        (last,) = requeue_interrupted(held.connection, "m", now, limit=lambda job: 3)
        assert last.state is JobState.FAILED
        assert held.one("SELECT count(*) FROM job_log WHERE outcome = 'interrupted'") == 3


def test_a_job_that_only_waited_for_its_turn_was_not_interrupted_however_often_calwatch_ends(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        enqueue_jobs(held.connection, [_job()])
        for _ in range(5):
            begin_attempt(held.connection, _only(held), BEGAN)
            (after,) = requeue_interrupted(held.connection, "m", BEGAN, limit=lambda job: 3, begun=lambda job: False)
            assert (after.state, after.attempts, after.interruptions) == (JobState.QUEUED, 0, 0)
            assert after.next_attempt_at is None
        assert held.one("SELECT count(*) FROM job_log") == 0


def test_a_job_that_does_run_is_not_taken_for_interrupted(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        job = begin_attempt(held.connection, _job(), BEGAN)
        assert requeue_interrupted(held.connection, "m", BEGAN, limit=lambda job: 3, running=[job.id]) == ()


def test_cancelling_ends_open_jobs_and_leaves_ended_ones(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        queued, running = _job(), _job(scope=Slice.of({"camera": "c1"}))
        enqueue_jobs(held.connection, [queued])
        begin_attempt(held.connection, running, BEGAN)
        one, two = (cancel_job(held.connection, "m", job.id, BEGAN + HOUR) for job in (queued, running))
        assert one is not None
        assert two is not None
        assert (one.state, one.reasons) == (JobState.CANCELLED, ("cancelled by hand before it ran",))
        assert (two.state, two.reasons) == (JobState.CANCELLED, ("cancelled by hand while it ran",))
        assert held.one("SELECT count(*) FROM job_log") == 1
        assert cancel_job(held.connection, "m", queued.id, BEGAN + HOUR) is None
        assert cancel_job(held.connection, "m", "0123456789ab", BEGAN + HOUR) is None


def test_actions_are_told_apart_by_their_key_and_taken_once(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        one, two = _job("action", key="page"), _job("action", key="ticket")
        assert enqueue_jobs(held.connection, [one, two, one]) == (one, two)


def test_old_ended_jobs_and_their_log_go_with_the_history_and_open_ones_stay(tmp_path: Path) -> None:
    with line(tmp_path, MODEL) as held:
        held.tick(BEGAN, publish=False)
        old = BEGAN - timedelta(days=800)
        ended = replace(_job(), id="ended", state=JobState.REJECTED, requested_at=old, finished_at=old)
        kept = replace(_job(), id="open", requested_at=old, next_attempt_at=BEGAN + timedelta(days=900))
        for job in (ended, kept):
            store_job(held.connection, job)
        held.connection.execute(
            "INSERT INTO alert_events SELECT $old, 'm', '', 'r', 'all', 'page', 'firing', '', NULL, NULL, NULL",
            {"old": old},
        )
        held.tick(BEGAN + timedelta(days=40), publish=False)
        assert [job.id for job in load_jobs(held.connection, "m")] == ["open"]
        assert held.one("SELECT count(*) FROM alert_events") == 0
