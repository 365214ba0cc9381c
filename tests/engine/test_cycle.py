"""The whole loop on a simulated clock: planted drift, isolation of failures, schedules, requests, restarts."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from structlog.testing import capture_logs

import monitor.engine.cycle
import monitor.engine.stages.live
import monitor.recalibration.inputs
from monitor.config.settings import load_config
from monitor.engine.cycle import Tick, build_watched
from monitor.jobs.queue import enqueue_jobs
from monitor.jobs.requests import leave_request
from monitor.model import Alert, AlertState, Job, JobState, Slice
from monitor.model.errors import ConfigError, StoreError
from monitor.model.reasons import BY_HAND, Trigger, TriggerKind
from monitor.model.refits import job_of
from monitor.store import readings as rows
from monitor.store.cells import load_window_cells
from monitor.store.model_store import ModelStore
from monitor.store.published.queries import Snapshot
from monitor.store.published.snapshot import Publisher
from tests.worlds.line import BEGAN, DAY, HOUR, line, model_section, write_config

HAZED = Slice.of({"camera": "c3", "lighting": "night"})
PLANTED = {("c3", "night"): 4.0}
STEP = 12 * HOUR


def _firing(tick: Tick, model: str = "m") -> list[Alert]:
    (status,) = (each for each in tick.published.models if each.name == model)
    return [alert for alert in status.alerts if alert.state is AlertState.FIRING]


def _ece(tick: Tick, slice_: Slice) -> float:
    (status,) = tick.published.models
    (value,) = (r.metrics["ece_debiased"] for r in status.readings if r.slice == slice_ and r.window == "24h")
    assert value is not None
    return value


@pytest.mark.slow
def test_planted_drift_is_found_dated_refitted_and_resolved_while_quiet_traffic_fires_nothing(tmp_path: Path) -> None:
    began = BEGAN + 6 * DAY  # of the drift
    alerts: list[tuple[Any, Alert]] = []
    jobs: list[Job] = []
    worst = last = 0.0
    with line(tmp_path, model_section(recalibration='apply = "monitor"')) as held:
        for step in range(24):
            now = BEGAN + (step + 1) * STEP
            held.arrive(now - STEP, now, 2400, planted=PLANTED if now > began else {})
            tick = held.tick(now, publish=False)
            assert not tick.failed
            assert now > began or not _firing(tick), "an alert fired on quiet traffic"
            alerts += [(now, alert) for alert in tick.rule_results["m"].changed]
            jobs += tick.jobs["m"]
            last = _ece(tick, HAZED)
            worst = max(worst, last)
        streams = {row[0] for row in held.connection.execute("SELECT DISTINCT calibrator FROM streams").fetchall()}
        (charge,) = [c for c in tick.published.models[0].calibrators if c.scope == HAZED]
        newest = held.connection.execute(
            "SELECT t.calibrator, bool_and(s.score <> s.raw_score) FROM samples AS s JOIN streams AS t USING (stream_id) "
            "JOIN slices AS l USING (slice_id) WHERE l.labels['camera'] = 'c3' AND l.labels['lighting'] = 'night' "
            "AND s.observed_at > TIMESTAMP '2026-03-12' GROUP BY ALL"
        ).fetchall()
    fired = [(now, alert) for now, alert in alerts if alert.state is AlertState.FIRING]
    at, alert = next((now, alert) for now, alert in fired if alert.slice == HAZED)
    assert began < at <= began + 1.5 * DAY
    assert all(alert.slice.contains(HAZED) for _, alert in fired), "an alert fired on a slice outside the drift"
    assert alert.onset is not None
    assert abs(alert.onset - began) <= timedelta(hours=4)
    promoted = [job for job in jobs if job.state is JobState.PROMOTED and job.scope == HAZED]
    assert promoted
    assert promoted[0].onset == alert.onset
    assert charge.calibrator in streams
    assert charge.adopted is True
    assert newest == [(charge.calibrator, True)]
    assert worst > 0.1
    assert last < 0.04
    assert any(a.state is AlertState.RESOLVED and a.slice == HAZED for _, a in alerts)
    assert not _firing(tick)


def test_adoption_by_production_is_unknown_then_missing_then_seen(tmp_path: Path) -> None:
    def adopted(tick: Tick) -> bool | None:
        (charge,) = tick.published.models[0].calibrators
        return charge.adopted

    with line(tmp_path, model_section(rules="")) as held:
        now = BEGAN + DAY
        held.arrive(BEGAN, now, 3000, temperature=3.0)
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", Slice(), now)
        first = held.tick(now, publish=False)
        promoted = [job for job in first.jobs["m"] if job.state is JobState.PROMOTED]
        assert promoted
        assert adopted(first) is None
        scores = held.one("SELECT sum(score) FROM samples")
        held.arrive(now, now + HOUR, 50)
        assert adopted(held.tick(now + HOUR, publish=False)) is False
        held.arrive(now + HOUR, now + 2 * HOUR, 50, calibrator=promoted[-1].details["calibrator"])
        assert adopted(held.tick(now + 2 * HOUR, publish=False)) is True
        assert (
            held.one("SELECT sum(score) FROM samples WHERE observed_at < $now", now=now.replace(tzinfo=None)) == scores
        )


def test_a_model_that_fails_is_told_and_counted_and_the_other_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = load_window_cells

    def fails_for_one(store: ModelStore, start: Any, end: Any) -> Any:
        if store.model.name == "broken":
            raise RuntimeError("no such luck")
        return measured(store, start, end)

    with line(tmp_path, model_section("broken"), model_section("well")) as held:
        held.arrive(BEGAN, BEGAN + DAY, 1000)
        monkeypatch.setattr(monitor.engine.stages.live, "load_window_cells", fails_for_one)
        tick = held.tick(BEGAN + DAY)
        assert tick.failed == {"broken": "RuntimeError: no such luck"}
        broken, well = tick.published.models
        assert (broken.name, broken.readings) == ("broken", ())
        assert broken.last_success.keys() == {"pull"}
        assert len(well.readings) > 5
        assert held.counted("cycle_failures_total", model="broken") == 1
        assert not held.counted("cycle_failures_total", model="well")
        assert tick.published.problem is None
        monkeypatch.undo()
        mended = held.tick(BEGAN + DAY + HOUR)
        assert not mended.failed
        assert len(mended.published.models[0].readings) > 5


def test_a_trouble_of_one_of_two_sources_is_logged_once_and_shown_until_it_is_over(tmp_path: Path) -> None:
    labels = "[[model.source]]\nname = 'labels'\nholds = 'labels'\npath = 'labels/*'\n[model.recalibration]"
    section = model_section().replace("[model.source]", "[[model.source]]").replace("[model.recalibration]", labels)
    (tmp_path / "labels").mkdir()
    with line(tmp_path, section) as held:
        damaged = tmp_path / "in" / "damaged.parquet"
        damaged.write_bytes(b"PAR1")
        with capture_logs() as logged:
            for step in range(3):
                held.tick(BEGAN + step * HOUR)
        assert [entry["source"] for entry in logged if entry["event"] == "source problem"] == ["samples"]
        with Snapshot(tmp_path / "state") as snapshot:
            assert [row["source"] for row in snapshot.status({})["troubles"]] == ["samples"]
        damaged.unlink()
        held.tick(BEGAN + 3 * HOUR)
        with Snapshot(tmp_path / "state") as snapshot:
            assert snapshot.status({})["troubles"] == []


def test_ctrl_c_during_a_query_ends_the_cycle_and_is_no_failure_of_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: Any) -> Any:
        raise RuntimeError("Query interrupted")  # as DuckDB says it, see tests/store/test_connection.py

    with line(tmp_path) as held:
        held.arrive(BEGAN, BEGAN + DAY, 1000)
        monkeypatch.setattr(monitor.engine.stages.live, "load_window_cells", stopped)
        with pytest.raises(KeyboardInterrupt):
            held.tick(BEGAN + DAY)


def test_a_failed_model_keeps_its_last_readings_on_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise OSError("gone")

    with line(tmp_path) as held:
        held.arrive(BEGAN, BEGAN + DAY, 1000)
        before = held.tick(BEGAN + DAY, publish=False).published.models[0]
        monkeypatch.setattr(monitor.engine.stages.live, "load_window_cells", fails)
        after = held.tick(BEGAN + DAY + HOUR, publish=False).published.models[0]
        assert after.problem == "OSError: gone"
        assert after.readings == before.readings
        assert after.alerts == before.alerts


def test_a_snapshot_that_cannot_be_replaced_is_a_problem_but_no_failure_of_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Publisher, connection: Any, now: Any, problems: Any) -> Path:
        raise StoreError("metrics.duckdb: cannot be replaced: No space left on device", "free some")

    monkeypatch.setattr(Publisher, "publish", fails)
    with line(tmp_path) as held:
        held.arrive(BEGAN, BEGAN + DAY, 500)
        tick = held.tick(BEGAN + DAY)
        assert tick.published.problem == "metrics.duckdb: cannot be replaced: No space left on device"
        assert tick.failed == {}
        assert held.counted("cycle_failures_total", model="all") == 1


def test_a_fatal_error_of_the_database_leaves_the_tick_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def invalidated(*_: Any, **__: Any) -> Any:
        raise duckdb.FatalException("database has been invalidated")

    monkeypatch.setattr(monitor.engine.cycle, "pull_sources", invalidated)
    with line(tmp_path) as held, pytest.raises(duckdb.FatalException, match="invalidated"):
        held.tick(BEGAN + DAY)


def test_nights_missed_while_nothing_ran_become_one_refit_for_the_newest(tmp_path: Path) -> None:
    with line(tmp_path, model_section(recalibration='schedule = "0 2 * * *"')) as held:
        held.arrive(BEGAN, BEGAN + DAY, 300)
        assert held.tick(BEGAN + HOUR, publish=False).jobs["m"] == ()
        late = BEGAN + 4 * DAY + 5 * HOUR
        held.arrive(late - DAY, late, 300)
        (job,) = held.tick(late, publish=False).jobs["m"]
        assert job.trigger == "schedule 2026-03-05T02:00:00+00:00"
        assert job.requested_at == BEGAN + 4 * DAY + 2 * HOUR
        assert held.tick(late + HOUR, publish=False).jobs["m"] == ()
        (next_night,) = held.tick(late + DAY, publish=False).jobs["m"]
        assert next_night.trigger == "schedule 2026-03-06T02:00:00+00:00"


def test_the_refit_schedule_goes_by_the_models_time_zone(tmp_path: Path) -> None:
    section = model_section(extra='time_zone = "Asia/Tokyo"', recalibration='schedule = "0 2 * * *"')
    with line(tmp_path, section) as held:
        held.tick(BEGAN, publish=False)
        assert held.tick(BEGAN + 16 * HOUR, publish=False).jobs["m"] == ()
        (job,) = held.tick(BEGAN + 17 * HOUR, publish=False).jobs["m"]  # 02:00 in Tokyo
        assert job.requested_at == BEGAN + 17 * HOUR


def test_a_scope_has_one_open_job_of_a_kind_and_the_same_job_is_taken_once(tmp_path: Path) -> None:
    with line(tmp_path) as held:
        first = job_of("m", "recalibrate", BY_HAND, HAZED, BEGAN)
        same_scope = job_of("m", "recalibrate", Trigger(TriggerKind.RULE, "ece-high"), HAZED, BEGAN + HOUR)
        other_scope = job_of("m", "recalibrate", Trigger(TriggerKind.RULE, "ece-high"), Slice(), BEGAN + HOUR)
        other_kind = job_of("m", "rollback", BY_HAND, HAZED, BEGAN + HOUR)
        assert enqueue_jobs(held.connection, [first, first]) == (first,)
        assert enqueue_jobs(held.connection, [same_scope, other_scope, other_kind]) == (other_scope, other_kind)
        rows.store_job(held.connection, replace(first, state=JobState.REJECTED))
        assert enqueue_jobs(held.connection, [first]) == ()
        assert enqueue_jobs(held.connection, [same_scope]) == (same_scope,)


def test_jobs_of_one_judgement_run_widest_slice_first(tmp_path: Path) -> None:
    scopes = [
        Slice.parse(text) for text in ("all", "camera=c1", "camera=c3,lighting=night", "lighting=day", "camera=c2")
    ]
    with line(tmp_path) as held:
        rule = Trigger(TriggerKind.RULE, "ece-high")
        enqueue_jobs(held.connection, [job_of("m", "recalibrate", rule, scope, BEGAN) for scope in scopes])
        ticks = [held.tick(BEGAN + cycle * HOUR, publish=False).jobs["m"] for cycle in range(1, 5)]
        assert [[job.scope.text for job in jobs] for jobs in ticks] == [
            ["all"], ["camera=c1", "camera=c2", "lighting=day"], ["camera=c3,lighting=night"], [],
        ]  # fmt: skip


def test_a_request_file_is_taken_up_once_and_a_bad_one_is_set_aside(tmp_path: Path) -> None:
    with line(tmp_path) as held:
        state = held.cycle.config.state_dir
        path = leave_request(state, "m", "recalibrate", HAZED, BEGAN)
        held_text = path.read_text("utf-8")
        bad = path.with_name("broken.json")
        bad.write_text('{"model": "m"', "utf-8")
        unknown = path.with_name("kind.json")
        unknown.write_text(json.dumps({**json.loads(held_text), "kind": "explode"}), "utf-8")
        stranger = leave_request(state, "other", "recalibrate", Slice(), BEGAN)
        (job,) = held.tick(BEGAN + HOUR, publish=False).jobs["m"]
        assert (job.kind, job.trigger, job.scope, job.requested_at) == ("recalibrate", "manual", HAZED, BEGAN)
        assert sorted(each.name for each in path.parent.iterdir()) == sorted(["broken.bad", "kind.bad", stranger.name])
        path.write_text(held_text, "utf-8")  # as after a crash between the commit and the removal
        assert held.tick(BEGAN + 2 * HOUR, publish=False).jobs["m"] == ()
        assert not path.exists()


def test_a_job_that_a_crash_interrupted_runs_again_at_the_next_start(tmp_path: Path) -> None:
    with line(tmp_path) as held:
        job = job_of("m", "recalibrate", BY_HAND, HAZED, BEGAN)
        rows.store_job(held.connection, replace(job, state=JobState.RUNNING, started_at=BEGAN))
    with line(tmp_path) as held:
        (done,) = held.tick(BEGAN + HOUR, publish=False).jobs["m"]
        assert (done.id, done.state) == (job.id, JobState.REJECTED)
        assert held.one("SELECT count(*) FROM jobs") == 1


def test_a_job_that_the_disk_interrupted_runs_again_in_the_next_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise duckdb.IOException("No space left on device")

    with line(tmp_path) as held:
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", Slice(), BEGAN)
        monkeypatch.setattr(monitor.recalibration.inputs, "load_samples", full)
        assert held.tick(BEGAN + HOUR, publish=False).jobs["m"] == ()
        (job,) = rows.load_jobs(held.connection, "m")
        assert (job.state, job.attempts) == (JobState.QUEUED, 1)
        assert job.reasons[0].startswith("attempt 1 of 5: IOException: No space left on device; tried again in about")
        monkeypatch.undo()
        assert held.tick(BEGAN + HOUR + timedelta(seconds=20), publish=False).jobs["m"] == ()  # not before its time
        (done,) = held.tick(BEGAN + 2 * HOUR, publish=False).jobs["m"]
        assert done.state is JobState.REJECTED


def test_a_job_that_fails_by_our_own_mistake_is_recorded_told_and_not_tried_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: Any) -> Any:
        raise TypeError("unexpected")

    with line(tmp_path) as held:
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", Slice(), BEGAN)
        monkeypatch.setattr(monitor.recalibration.inputs, "load_samples", mistaken)
        assert held.tick(BEGAN + HOUR, publish=False).failed == {"m": "TypeError: unexpected"}
        (job,) = rows.load_jobs(held.connection, "m")
        assert (job.state, job.reasons) == (JobState.FAILED, ("failed: TypeError('unexpected')",))
        assert held.tick(BEGAN + 2 * HOUR, publish=False).failed == {}


def test_a_restart_goes_on_with_alerts_and_takes_no_file_twice(tmp_path: Path) -> None:
    now = BEGAN + DAY
    with line(tmp_path) as held:
        held.arrive(BEGAN, now, 3000, temperature=4.0)
        before = {(alert.rule, alert.slice): alert.fired_at for alert in _firing(held.tick(now, publish=False))}
        assert before
    with line(tmp_path) as held:
        tick = held.tick(now + HOUR, publish=False)
        assert {(alert.rule, alert.slice): alert.fired_at for alert in _firing(tick)} == before
        assert tick.pulled["m"]["samples"].rows == 0
        assert held.one("SELECT count(*) FROM samples") == 3000
        assert held.one("SELECT count(*) FROM alert_events WHERE state = 'firing'") == len(before)


def test_rules_that_do_not_fit_their_model_are_all_told_at_once(tmp_path: Path) -> None:
    path = write_config(tmp_path, model_section("one"), model_section("two", extra="max_order = 1"))
    (tmp_path / "own.toml").write_text(
        '[[rule]]\nname = "a"\nkind = "threshold"\nmetric = "ece_lower"\nabove = 0.1\nwindow = "3h"\nseverity = "info"\n'
        '[[rule]]\nname = "b"\nkind = "threshold"\nmetric = "ece_lower"\nabove = 0.1\nwindow = "24h"\nseverity = "info"\n'
        'only = { factory = "north" }\n',
        "utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        build_watched(load_config(path))
    text = str(caught.value)
    for part in ('model "one"', 'model "two"', "3h", "factory"):
        assert part in text


def test_problems_of_a_source_are_told_without_failing_the_model(tmp_path: Path) -> None:
    with line(tmp_path) as held:
        held.arrive(BEGAN, BEGAN + DAY, 500)
        (tmp_path / "in" / "broken.parquet").write_bytes(b"PAR1 and no more")
        tick = held.tick(BEGAN + DAY, publish=False)
        assert tick.failed == {}
        assert [problem.reason for problem in tick.pulled["m"]["samples"].problems] == ["unreadable_file"]
        assert held.counted("source_problems_total", model="m", source="samples", reason="unreadable_file") == 1
        assert held.one("SELECT count(*) FROM samples") == 500
        assert tick.published.models[0].last_success["pull"] == BEGAN + DAY


def test_a_source_directory_that_is_missing_keeps_the_last_successful_pull(tmp_path: Path) -> None:
    with line(tmp_path) as held:
        held.tick(BEGAN, publish=False)
        (tmp_path / "in").rmdir()
        tick = held.tick(BEGAN + HOUR, publish=False)
        assert tick.failed == {}
        assert tick.published.models[0].last_success["pull"] == BEGAN
