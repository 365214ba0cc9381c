"""What is stored comes back as it was: unknown stays unknown."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from monitor.model import (
    METRICS,
    Alert,
    AlertState,
    Health,
    Job,
    JobState,
    LastSeen,
    Reading,
    ReadingState,
    ReliabilityBin,
    Severity,
    Slice,
)
from monitor.model.reasons import BY_HAND, Code, Reason
from monitor.store import readings as rows
from tests.worlds.store import HOUR, NOW, World, a_row

NIGHT = Slice.of({"camera": 'c "1", x=y', "lighting": "night\n"})

OFF = Reason.of(Code.THRESHOLD, metric="ece_lower", value=0.07, bound=0.05, clears=False, window="24h", samples=90)


def a_reading(end: datetime = NOW, slice_: Slice = NIGHT, window: str = "24h") -> Reading:
    metrics: dict[str, float | None] = {name: index / 100 for index, name in enumerate(METRICS)}
    metrics["auroc"] = None
    bars = (
        ReliabilityBin(0.0, 1 / 15, 10.0, 0.03, 0.1, 0.01, 0.4), ReliabilityBin(14 / 15, 1.0, 0.0, None, None, None, None)
    )  # fmt: skip
    return Reading(
        "m", "v1", slice_, window, end - timedelta(days=1), end, NOW, ReadingState.OK, 90, 10, None, metrics, bars
    )


def an_alert(**values: object) -> Alert:
    alert = Alert(
        "m", "v1", "ece-high", NIGHT, Severity.PAGE, AlertState.FIRING, Health.OK, OFF, 0.07, NOW,
        NOW, NOW, evaluated_at=NOW,
    )  # fmt: skip
    return replace(alert, **values)  # type: ignore[arg-type]  # any field may be named


def a_job(**values: object) -> Job:
    job = Job("j1", "m", "recalibrate", BY_HAND, NIGHT, NOW, JobState.QUEUED)
    return replace(job, **values)  # type: ignore[arg-type]  # any field may be named


def test_readings_come_back_without_their_bars(world: World) -> None:
    stored = [a_reading(), a_reading(slice_=Slice(), window="1h")]
    rows.store_readings(world.connection, "m", stored)
    loaded = sorted(rows.load_readings(world.connection, "m"), key=lambda reading: reading.window)
    assert loaded == [replace(reading, reliability=()) for reading in reversed(stored)]
    assert rows.load_readings(world.connection, "other") == ()


def test_bars_are_stored_by_their_bin_with_unknown_values_null(world: World) -> None:
    rows.store_readings(world.connection, "m", [a_reading()])
    assert world.rows("SELECT bin, samples, mean_score, rate_lower FROM reliability ORDER BY bin") == [
        (0, 10.0, 0.03, 0.01), (14, 0.0, None, None),
    ]  # fmt: skip


def test_a_metric_that_happens_to_be_whole_does_not_round_the_others(world: World) -> None:
    whole = replace(a_reading(), metrics={**a_reading().metrics, "ece": 0})
    rows.store_readings(world.connection, "m", [whole, a_reading(slice_=Slice())])
    assert world.rows("SELECT ece, mce FROM newest_readings ORDER BY slice") == [(0.0, 0.08), (0.0, 0.08)]
    whole = replace(a_reading(), metrics={**a_reading().metrics, "mce": 1})
    rows.store_readings(world.connection, "m", [whole, a_reading(slice_=Slice())])
    assert world.rows("SELECT mce FROM newest_readings ORDER BY mce") == [(0.08,), (1.0,)]


def test_a_nan_is_stored_as_unknown(world: World) -> None:
    odd = replace(a_reading(), metrics={**a_reading().metrics, "ece": float("nan")})
    rows.store_readings(world.connection, "m", [odd])
    assert rows.load_readings(world.connection, "m")[0].metrics["ece"] is None


def test_readings_of_a_window_that_moved_on_become_history_once(world: World) -> None:
    for end in (NOW, NOW, NOW + HOUR, NOW + HOUR, NOW + 2 * HOUR):
        rows.store_readings(world.connection, "m", [a_reading(end)])
    assert [row[0].hour for row in world.rows("SELECT window_end FROM readings ORDER BY sequence")] == [12, 13]
    assert world.one("SELECT window_end FROM newest_readings").hour == 14


def test_no_readings_clear_the_newest_ones_of_that_model_alone(world: World) -> None:
    rows.store_readings(world.connection, "m", [a_reading()])
    rows.store_readings(world.connection, "n", [replace(a_reading(), model="n")])
    rows.store_readings(world.connection, "m", [])
    assert world.rows("SELECT model FROM newest_readings") == [("n",)]


@pytest.mark.parametrize(
    "alert",
    [
        an_alert(),
        an_alert(
            value=None, since=None, fired_at=None, last_true_at=None, state=AlertState.INACTIVE, health=Health.UNKNOWN
        ),
        an_alert(resolved_at=NOW, onset=NOW - HOUR, last_action_at=NOW, state=AlertState.RESOLVED, slice=Slice()),
        an_alert(value=1.0, severity=Severity.INFO, state=AlertState.PENDING, health=Health.ERROR),
    ],
)
def test_alerts_come_back_as_they_were(world: World, alert: Alert) -> None:
    other = an_alert(rule="other", value=0.5, onset=NOW, resolved_at=NOW, last_action_at=NOW)
    rows.store_alerts(world.connection, "m", [alert, other], [alert])
    assert set(rows.load_alerts(world.connection, "m")) == {alert, other}
    assert world.rows("SELECT rule, state FROM alert_events") == [(alert.rule, alert.state.value)]
    rows.store_alerts(world.connection, "m", [], [])
    assert rows.load_alerts(world.connection, "m") == ()
    assert world.one("SELECT count(*) FROM alert_events") == 1


@pytest.mark.parametrize(
    "job",
    [
        a_job(),
        a_job(
            state=JobState.REJECTED, onset=NOW, started_at=NOW, finished_at=NOW,
            why=(
                Reason.from_text("too few"), Reason.from_text('says "no"'), Reason.of(Code.ROLLED_BACK, present="", target="c0")
            ),
            details={"calibrator": "c1", "ece": 0.03, "nothing": None}, scope=Slice(),
        ),
    ],
)  # fmt: skip
def test_jobs_come_back_as_they_were(world: World, job: Job) -> None:
    rows.store_job(world.connection, a_job(id="older", requested_at=NOW - HOUR))
    rows.store_job(world.connection, a_job())
    rows.store_job(world.connection, job)
    assert [loaded.id for loaded in rows.load_jobs(world.connection, "m")] == ["older", "j1"]
    assert rows.load_jobs(world.connection, "m")[-1] == job
    assert rows.load_jobs(world.connection, "m", states=(JobState.RUNNING,)) == ()
    assert rows.load_jobs(world.connection, "n") == ()


def test_the_last_success_of_a_stage_is_kept_by_model(world: World) -> None:
    for moment in (NOW, NOW + HOUR):
        rows.store_successes(world.connection, "m", {"pull": moment, "judge": NOW})
    rows.store_successes(world.connection, "n", {"pull": NOW})
    assert rows.load_successes(world.connection, "m") == {"pull": NOW + HOUR, "judge": NOW}


def test_last_seen_of_a_slice_without_labels_has_no_label_time(world: World) -> None:
    world.take(a_row("a", outcome=None, labelled_at=None))
    assert rows.load_last_seen(world.connection, world.registry().model_id) == (
        LastSeen(Slice.of({"camera": "c1"}), datetime(2026, 3, 10, 10, tzinfo=NOW.tzinfo), None),
    )
