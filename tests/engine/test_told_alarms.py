"""Alarms that are told stand, whatever late labels, corrections and restarts do to the evidence they came from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from monitor.model import Alert, AlertState, Evidence, Slice
from monitor.rules.conditions import AlertKey
from monitor.rules.pack import Rulebook
from monitor.rules.state import Observations, evaluate_rule
from monitor.store.connection import open_live
from monitor.store.published.snapshot import Publisher
from tests.worlds.evidence import afresh, assert_same, held, hour, reopen, rules, sample, some, stamp, taken, weighed
from tests.worlds.store import DAY, HOUR, NOW, Row, World

BOOK = rules('slices = "marginals"')
C1 = Slice.of({"camera": "c1"})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World.make(tmp_path / "world")
    yield world
    world.connection.close()


class Watch:
    """The alerts of the first rule, judged after each look; ``changes`` are those of camera c1."""

    def __init__(self, book: Rulebook = BOOK) -> None:
        self.rule = next(iter(book))
        self.alerts: Mapping[AlertKey, Alert] = {}
        self.changes: list[AlertState] = []
        self.reasons: list[str] = []

    def look(self, found: Mapping[str, Evidence], now: datetime) -> Alert | None:
        judged = evaluate_rule(self.rule, Observations(hour(0), evidence=found.values()), self.alerts, now, model="m")
        before = self.alerts.get(("v1", C1))
        self.alerts = {(alert.version, alert.slice): alert for alert in judged}
        alert = self.alerts.get(("v1", C1))
        if alert is not None and (before is None or before.state is not alert.state):
            self.changes.append(alert.state)
            self.reasons.append(alert.reason)
        return alert


def contradicting(rng: np.random.Generator, rows: Sequence[Row]) -> list[Row]:
    """Late rows of the same hours that speak for the scores being too low, where those there spoke of too high."""
    return [
        row
        for index in sorted({float(text) for text in (row["sample_id"].split("-")[1] for row in rows)})
        for row in some(rng, [index], 5, shift=3.0, delay=0.5)
    ]


def drifted(seed: int, hours: range = range(40, 60)) -> list[Row]:
    rng = np.random.default_rng(seed)
    return some(rng, range(40), 6) + some(rng, hours, 6, shift=-2.0)


def told(world: World) -> int:
    return int(world.one("SELECT count(*) FROM told_alarms WHERE slice = 'camera=c1'"))


@pytest.mark.parametrize("seed", range(3))
def test_an_alert_does_not_flap_while_late_rows_for_past_hours_come(world: World, seed: int) -> None:
    """Rows that speak against the drift and rows that speak for it, in turns: the evidence goes up and down."""
    watch, rng = Watch(), np.random.default_rng(seed)
    watch.look(taken(world, BOOK, hour(60), drifted(seed, range(40, 58))), hour(60))
    stood = set()
    for number in range(12):
        hours = rng.integers(36, 58, size=25)
        late = [sample(rng, float(one), shift=5.0 if number % 6 < 3 else -5.0) for one in hours]
        now = hour(60) + number * timedelta(minutes=1)
        watch.look(taken(world, BOOK, now, late), now)
        stood.add(world.one("SELECT count(*) FROM evidence_alarms WHERE slice = 'camera=c1'"))
    assert len(stood) > 1, "the evidence itself has changed its mind"
    assert watch.changes == [AlertState.FIRING]
    kept = held(world)
    afresh(world, BOOK, hour(61))
    assert_same(kept, held(world))


def _corrected(world: World, rows: Sequence[Row], now: datetime) -> None:
    rng = np.random.default_rng(99)
    late = [row for row in rows if row["observed_at"] >= stamp(hour(40))]
    world.take(
        *({**row, "outcome": int(rng.random() < row["score"]), "labelled_at": stamp(now)} for row in late), now=now
    )


def _late(world: World, rows: Sequence[Row], now: datetime) -> None:
    rng = np.random.default_rng(98)
    world.take(*contradicting(rng, [row for row in rows if row["observed_at"] >= stamp(hour(38))]), now=now)


def _withdrawn(world: World, rows: Sequence[Row], now: datetime) -> None:
    world.send(*(row for row in rows if row["observed_at"] < stamp(hour(40))), name="first.jsonl")
    world.pull(now)


@pytest.mark.parametrize("taking_back", [_corrected, _late, _withdrawn])
@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_told_stands_for_its_quiet_time_when_labels_take_the_alarm_back(
    tmp_path: Path, taking_back: object, restarted: bool
) -> None:
    world = World.make(tmp_path / "world", source='[[model.source]]\npath = "in/*"\nwithdrawn = "remove"\n')
    watch, rows = Watch(), drifted(4)
    world.send(*rows, name="first.jsonl")
    world.pull(hour(60))
    first = watch.look(weighed(world, BOOK, hour(60)), hour(60))
    assert first is not None
    assert first.state is AlertState.FIRING
    assert callable(taking_back)
    taking_back(world, rows, hour(61))
    if restarted:
        reopen(world)
    before = told(world)
    for index in (61, 62, 62.5, 90, 200):
        watch.look(weighed(world, BOOK, hour(index)), hour(index))
    assert world.one("SELECT count(*) FROM evidence_alarms WHERE slice = 'camera=c1'") == 0, "all taken back"
    assert told(world) == before, "and nothing told anew"
    assert watch.changes == [AlertState.FIRING]
    watch.look(weighed(world, BOOK, hour(61) + 30 * DAY), hour(61) + 30 * DAY)
    assert watch.changes == [AlertState.FIRING, AlertState.RESOLVED]
    kept = held(world)
    afresh(world, BOOK, hour(61) + 30 * DAY)
    assert_same(kept, held(world))
    world.connection.close()


def test_evidence_that_was_told_is_used_up_though_late_labels_bring_it_back(world: World) -> None:
    rng = np.random.default_rng(5)
    shown = taken(world, BOOK, hour(52), drifted(5, range(40, 52)))["camera=c1"]
    count = told(world)
    assert shown.alarms == count > 0
    # the alarm moves to other buckets as late labels come: no new one for that
    for _ in range(4):
        taken(world, BOOK, hour(52), [sample(rng, float(rng.integers(40, 52)), shift=-2.0) for _ in range(6)])
    moved = {bucket for (bucket,) in world.rows("SELECT bucket FROM evidence_alarms WHERE slice = 'camera=c1'")}
    assert moved != {bucket for (bucket,) in world.rows("SELECT bucket FROM told_alarms WHERE slice = 'camera=c1'")}
    assert told(world) == count
    # what comes after it counts anew
    taken(world, BOOK, hour(70), some(rng, range(52, 70), 6, shift=-2.0))
    assert told(world) > count


@pytest.mark.parametrize("step_hours", [1, 24])
def test_a_drift_whose_labels_all_come_late_is_told(world: World, step_hours: int) -> None:
    rng = np.random.default_rng(6)
    rows = some(rng, range(24), 6, delay=15.0) + some(rng, range(24, 54), 6, shift=-2.0, delay=15.0)
    watch = Watch()
    for now in range(step_hours, 73, step_hours):
        arrived = [r for r in rows if stamp(hour(now - step_hours)) < r["labelled_at"] <= stamp(hour(now))]
        watch.look(taken(world, BOOK, hour(now), arrived), hour(now))
    assert watch.changes == [AlertState.FIRING]
    assert watch.reasons[0].startswith("Scores of camera=c1 are over-confident")
    (at,) = world.rows("SELECT min(told_at) FROM told_alarms")[0]
    assert stamp(hour(24)) < str(at) <= stamp(hour(72))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("late", [0.5, 10.0])
def test_the_direction_is_the_same_whether_looked_at_every_hour_or_once_a_day(
    tmp_path: Path, seed: int, late: float
) -> None:
    """Scores that are too extreme: over-confident above one half, under-confident below."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(60):
        for row in some(rng, [index], 12, delay=late):
            logit = np.log(row["score"] / (1 - row["score"]))
            chance = 1 / (1 + np.exp(-logit * (1.0 if index < 24 else 0.35)))
            rows.append({**row, "outcome": int(rng.random() < chance)})
    words, said = [], []
    for steps in (1, 24):
        world, watch = World.make(tmp_path / str(steps)), Watch()
        for now in range(steps, 73, steps):
            arrived = [r for r in rows if stamp(hour(now - steps)) < r["labelled_at"] <= stamp(hour(now))]
            found = taken(world, BOOK, hour(now), arrived)
            alert = watch.look(found, hour(now))
        assert alert is not None
        assert alert.state is AlertState.FIRING
        words.append([side for side in ("over-confident", "under-confident") if side in alert.reason])
        said.append(found["camera=c1"].direction)
        world.connection.close()
    assert words[0] == words[1] == ["over-confident", "under-confident"]
    assert late > 1 or said[0] == said[1], "with labels on time to the last digit"


def test_a_rule_that_means_something_else_tells_its_own_alarms_and_the_old_ones_stay_on_record(world: World) -> None:
    found = taken(world, BOOK, hour(60), drifted(7))["camera=c1"]
    before = told(world)
    assert before == found.alarms > 0
    loose = rules('slices = "marginals";tolerance = { odds = 30.0 }')
    assert weighed(world, loose, hour(61))["camera=c1"].alarms == 0
    assert told(world) == before
    again = weighed(world, BOOK, hour(62))["camera=c1"]
    assert again.alarms > 0
    assert (again.alarm_at, again.direction) == (found.alarm_at, found.direction)
    assert world.one("SELECT count(*) FROM told_alarms WHERE slice = 'camera=c1' AND superseded") == before


def test_a_slice_that_is_shown_no_more_and_again_later_tells_no_alarm_twice(world: World) -> None:
    taken(world, BOOK, hour(60), drifted(8))
    count = told(world)
    whole = world.model
    world.model = whole.model_copy(update={"max_order": 0})
    gone = taken(world, BOOK, hour(61), some(np.random.default_rng(1), [60], 6))
    assert "camera=c1" not in gone
    world.model = whole
    back = taken(world, BOOK, hour(62), some(np.random.default_rng(2), [61], 6))["camera=c1"]
    assert back.alarm_at is None or back.alarm_at <= hour(60)
    assert told(world) == count


def test_told_alarms_stand_in_the_snapshot_with_when_and_words(world: World) -> None:
    taken(world, BOOK, hour(60), drifted(9))
    path = Publisher(world.base / "state").publish(world.connection, hour(60))
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(
            "SELECT told_at, direction FROM told_alarms WHERE slice = 'camera=c1' ORDER BY bucket"
        ).fetchall()
    assert len(found) == told(world)
    at, direction = found[-1]
    assert at == hour(60).replace(tzinfo=None)
    assert direction.startswith("over-confident")


def test_alarms_of_a_database_from_before_stay_told_and_their_alerts_as_they_are(world: World) -> None:
    watch = Watch()
    shown = taken(world, BOOK, hour(60), drifted(10))
    before = watch.look(shown, hour(60))
    for statement in (
        "DROP TABLE told_alarms", "ALTER TABLE evidence_streams DROP COLUMN told",
        "ALTER TABLE evidence_checkpoints DROP COLUMN told", "ALTER TABLE jobs DROP COLUMN interruptions",
        "ALTER TABLE evidence_alarms DROP COLUMN shifts",
        "DELETE FROM migrations WHERE name IN ('0014_words', '0018_shifts')",
    ):  # fmt: skip
        world.connection.execute(statement)
    world.connection.close()
    world.connection = open_live(world.base / "state", now=NOW)
    after = watch.look(weighed(world, BOOK, hour(60)), hour(60) + HOUR)
    assert before is not None
    assert after is not None
    assert (after.state, after.fired_at, after.onset) == (before.state, before.fired_at, before.onset)
    assert watch.changes == [AlertState.FIRING]
    again = weighed(world, BOOK, hour(60))["camera=c1"]
    assert again == replace(shown["camera=c1"], direction=again.direction, shifts=again.shifts, told_at=None)
