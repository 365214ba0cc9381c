"""Codes and triggers beside the texts: stored, read back, and read once out of what earlier releases left."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest

from monitor.jobs.queue import enqueue_jobs, log_attempt
from monitor.model import Code, Job, Reason, Slice, Trigger, TriggerKind
from monitor.model.errors import StoreError
from monitor.model.reasons import BY_HAND
from monitor.model.refits import job_of
from monitor.store.connection import LIVE, open_live, transaction
from monitor.store.published.history import History
from monitor.store.readings import load_alerts, load_jobs, load_problems, store_job, store_problems
from tests.worlds.levels import LEVELS, NEWEST, left_by
from tests.worlds.store import NOW, World

TOKYO = datetime(2026, 3, 5, 2, tzinfo=timezone(timedelta(hours=9)))
OLD = {  # kind and trigger of a job as an earlier release wrote them
    "a": ("recalibrate", "manual", BY_HAND),
    "b": ("recalibrate", "schedule 2026-03-05T02:00:00+09:00", Trigger(TriggerKind.SCHEDULE, at=TOKYO)),
    "c": ("recalibrate", "rule Tilt high", Trigger(TriggerKind.RULE, "Tilt high")),
    "d": ("recalibrate", "rule always firing", Trigger(TriggerKind.RULE, "always firing")),
    "e": ("action", "rule Tilt high firing", Trigger(TriggerKind.RULE, "Tilt high", event="firing")),
    "f": ("action", "rule firing resolved", Trigger(TriggerKind.RULE, "firing", event="resolved")),
    "g": ("action", "job 0123456789ab rolled_back", Trigger(TriggerKind.JOB, "0123456789ab", event="rolled_back")),
    "h": ("rollback", "guard of 0123456789abcdef", Trigger(TriggerKind.GUARD, "0123456789abcdef")),
    "i": ("recalibrate", "guard", Trigger("", "guard")),
}


def test_who_asked_for_the_jobs_of_an_earlier_release_is_read_once(tmp_path: Path) -> None:
    state = left_by(tmp_path, NEWEST)
    with duckdb.connect(str(state / LIVE)) as old:
        for name, (kind, trigger, _) in OLD.items():
            old.execute(
                "INSERT INTO jobs BY NAME SELECT $id AS id, 'old' AS model, $kind AS kind, $trigger AS trigger, "
                "'all' AS scope, $now AS requested_at, 'queued' AS state, ['it waits'] AS reasons, "
                "'{}' AS details, 0 AS attempts",
                {"id": name, "kind": kind, "trigger": trigger, "now": NOW.replace(tzinfo=None)},
            )
    with open_live(state, now=NOW) as connection:
        held = {job.id: job for job in load_jobs(connection, "old")}
        assert {name: job.asked_by for name, job in held.items()} == {
            name: asked for name, (_, _, asked) in OLD.items()
        }
        assert {name: job.trigger for name, job in held.items()} == {name: told for name, (_, told, _) in OLD.items()}
        assert {job.reasons for job in held.values()} == {("it waits",)}
        nightly = connection.execute("SELECT count(*) FROM jobs WHERE trigger_kind = 'schedule' AND model = 'old'")
        assert nightly.fetchone() == (1,)


@pytest.mark.parametrize("level", LEVELS)
def test_texts_of_earlier_releases_are_shown_as_they_are(tmp_path: Path, level: str) -> None:
    state = left_by(tmp_path, level)
    with duckdb.connect(str(state / LIVE)) as old:
        alerts = sorted(old.execute("SELECT model, reason FROM alerts").fetchall())
        jobs = sorted(old.execute("SELECT id, trigger, reasons FROM jobs").fetchall())
        models = {model for model, _ in alerts} | {row[0] for row in old.execute("SELECT model FROM jobs").fetchall()}
    with open_live(state, now=NOW) as connection:
        held = [alert for model in models for alert in load_alerts(connection, model)]
        assert sorted((alert.model, alert.reason) for alert in held) == alerts
        assert all(alert.why.code for alert in held if alert.reason)
        found = [job for model in models for job in load_jobs(connection, model)]
        assert sorted((job.id, job.trigger, list(job.reasons)) for job in found) == jobs
        assert all(job.asked_by.kind for job in found)


def _job(trigger: Trigger, *why: Reason) -> Job:
    return replace(job_of("m", "recalibrate", trigger, Slice(), NOW), why=why)


@pytest.mark.parametrize("trigger", [asked for _, _, asked in OLD.values()])
def test_a_job_comes_back_with_its_trigger_and_its_reasons(world: World, trigger: Trigger) -> None:
    job = _job(
        trigger, Reason.of(Code.SAMPLES_SINCE, start=NOW, is_onset=False), Reason.from_text("said elsewhere"),
        Reason.of(Code.GATE_FEW_SAMPLES, needed=200, found=3),
    )  # fmt: skip
    store_job(world.connection, job)
    assert load_jobs(world.connection, "m") == (job,)
    row = world.rows("SELECT trigger, trigger_kind, reasons, codes, facts FROM jobs")[0]
    assert row[:4] == (job.trigger, trigger.kind, list(job.reasons), ["samples_since", "", "gate_few_samples"])
    assert json.loads(row[4])[2] == {"needed": 200, "found": 3}


def test_a_row_whose_codes_do_not_fit_its_reasons_is_told_by_its_texts(world: World) -> None:
    job = _job(BY_HAND, Reason.of(Code.NOT_BEGUN))
    store_job(world.connection, job)
    world.connection.execute("UPDATE jobs SET reasons = ['one', 'two']")
    (held,) = load_jobs(world.connection, "m")
    assert held.why == (Reason.from_text("one"), Reason.from_text("two"))


def test_a_person_hastens_a_job_whoever_asked_first(world: World) -> None:
    enqueue_jobs(world.connection, [_job(Trigger(TriggerKind.SCHEDULE, at=TOKYO))])
    assert enqueue_jobs(world.connection, [_job(Trigger(TriggerKind.RULE, "manual"))]) == ()
    assert [job.details for job in load_jobs(world.connection, "m")] == [{}], "a rule of that name is no person"
    assert enqueue_jobs(world.connection, [_job(BY_HAND)]) == ()
    assert [job.details for job in load_jobs(world.connection, "m")] == [{"hastened": True}]


@pytest.mark.parametrize(
    "damage",
    [
        "facts = 'null'", "facts = '{}'", "facts = '[null]'", "facts = '[3]'", "facts = NULL", "codes = NULL",
        "codes = ['of_a_later_release']", "facts = '[{\"needed\": 1}]'",
    ],
)  # fmt: skip
def test_a_job_whose_facts_are_damaged_is_told_by_its_texts(world: World, damage: str) -> None:
    job = _job(BY_HAND, Reason.of(Code.GATE_FEW_SAMPLES, needed=200, found=3))
    store_job(world.connection, job)
    world.connection.execute(f"UPDATE jobs SET {damage}")
    (held,) = load_jobs(world.connection, "m")
    assert (held.reasons, held.why[0].code) == (job.reasons, "")


@pytest.mark.parametrize(
    "damage", ["trigger_kind = 'webhook', trigger_name = 'x'", "trigger_at = 'soon'", "trigger_kind = ''"]
)
def test_a_job_asked_for_in_a_way_that_is_not_known_says_so_as_it_was_told(world: World, damage: str) -> None:
    job = _job(Trigger(TriggerKind.SCHEDULE, at=TOKYO), Reason.of(Code.NOT_BEGUN))
    store_job(world.connection, job)
    world.connection.execute(f"UPDATE jobs SET {damage}")
    (held,) = load_jobs(world.connection, "m")
    assert held.asked_by == Trigger("", job.trigger)
    assert held.trigger == "schedule 2026-03-05T02:00:00+09:00"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("state = 'paused'", "'paused' is not a valid JobState"),
        ("details = '3'", "'int' object is not iterable"),
        ("scope = 'x'", "'x'"),
    ],
)
def test_a_job_that_no_calwatch_leaves_is_refused_by_its_name(world: World, damage: str, said: str) -> None:
    store_job(world.connection, _job(BY_HAND, Reason.of(Code.NOT_BEGUN)))
    world.connection.execute(f"UPDATE jobs SET {damage}")
    with pytest.raises(StoreError, match=r"table jobs: the row of '[0-9a-f]{12}'") as raised:
        History(world.connection, live=True).jobs()
    assert said in raised.value.message
    assert "calwatch snapshot" in raised.value.hint
    assert "calwatch restore FILE" in raised.value.hint


def test_attempts_pulls_and_failures_have_codes_beside_their_texts(world: World) -> None:
    job = replace(_job(BY_HAND), attempts=2)
    with transaction(world.connection):
        log_attempt(world.connection, job, NOW, "failed", Reason.of(Code.FAILED, problem="it broke"))
    assert world.rows("SELECT message, code, facts ->> 'problem' FROM job_log") == [
        ("failed: it broke", "failed", "it broke")
    ]
    problem = Reason.of(Code.CYCLE_FAILED, error="OSError", problem="gone")
    store_problems(world.connection, {"m": problem, "n": None}, NOW)
    assert world.rows("SELECT model, problem, code FROM problems") == [("m", "OSError: gone", "cycle_failed")]
    assert load_problems(world.connection) == {"m": (NOW, problem)}
    world.send({"sample_id": "1"}, {"sample_id": "2"})
    world.pull()
    assert world.rows("SELECT problem IS NOT NULL, codes FROM pulls") == [(True, ["missing_column"])]
