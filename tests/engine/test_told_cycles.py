"""A drift alert over whole cycles: told once, held through whatever comes, and resolved after its quiet time."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.config.settings import load_config
from monitor.engine.cycle import Cycle, build_watched
from tests.worlds.evidence import hour, sample, some, stamp
from tests.worlds.line import Line, line
from tests.worlds.store import DAY, HOUR, Row

RULE = """
[[rule]]
name = "drift"
kind = "drift"
severity = "info"
summary = "s"
slices = "marginals"
false_alarms = "1/year"
"""


def configure(base: Path, extra: str = "", rule: str = RULE) -> None:
    (base / "in").mkdir(parents=True, exist_ok=True)
    (base / "own.toml").write_text(rule, "utf-8")
    (base / "calwatch.toml").write_text(
        "[monitor]\nstate_dir = 'state'\n[[model]]\nname = 'm'\ntask = 'binary'\nslices = ['camera']\n"
        f"rules = ['own.toml']\n{extra}\n[model.source]\npath = 'in/*'\n",
        "utf-8",
    )


def feed(held: Line, now: datetime, rows: Sequence[Row] = ()) -> None:
    """One cycle, over a file of these rows if there are any."""
    if rows:
        held.files += 1
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (held.base / "in" / f"{held.files:04}.jsonl").write_text(text, "utf-8")
    assert not held.tick(now, publish=False).failed


def changes(held: Line, slice_: str = "camera=c1", version: str = "v1") -> list[str]:
    """States that the alert of a slice went through."""
    return [
        state
        for (state,) in held.connection.execute(
            "SELECT state FROM alert_events WHERE slice = $1 AND version = $2 ORDER BY changed_at", [slice_, version]
        ).fetchall()
    ]


def told_of(held: Line) -> tuple[int, datetime]:
    """How many alarms were told of camera c1, and when the newest."""
    found = held.connection.execute(
        "SELECT count(*), max(told_at) FROM told_alarms WHERE slice = 'camera=c1' AND NOT superseded"
    ).fetchone()
    assert found is not None
    assert found[1] is not None
    return found[0], found[1].replace(tzinfo=hour(0).tzinfo)


def unlabelled(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in ("outcome", "labelled_at")}


@pytest.mark.parametrize("spread", [1, 8])
def test_labels_that_come_one_by_one_for_past_hours_fire_once_and_resolve_when_it_was_quiet(
    tmp_path: Path, spread: int
) -> None:
    """Negatives at a score of one half until it fires, then positives until the evidence has gone, and so on."""
    rng = np.random.default_rng(1)
    waiting = [{**sample(rng, 40.0 + rng.integers(spread)), "score": 0.5} for _ in range(120)]
    configure(tmp_path)
    with line(tmp_path) as held:
        feed(held, hour(48), some(rng, range(40), 6) + [unlabelled(row) for row in waiting])
        now = hour(48)
        feed(held, now, [{**waiting.pop(), "outcome": 0} for _ in range(16)])
        for stands, outcome in ((True, 0), (False, 1), (True, 0), (False, 1), (True, 0)):
            while bool(held.one("SELECT count(*) FROM evidence_alarms WHERE slice = 'camera=c1'")) is not stands:
                now += timedelta(seconds=20)
                feed(held, now, [{**waiting.pop(), "outcome": outcome}])
        assert changes(held) == ["firing"], "though the evidence has gone twice and come back"
        count, at = told_of(held)
        for later in (HOUR, DAY, 7 * DAY - HOUR):
            feed(held, at + later)
        assert changes(held) == ["firing"]
        feed(held, at + 7 * DAY + HOUR)
        assert changes(held) == ["firing", "resolved"]
        assert told_of(held)[0] == count


@pytest.mark.parametrize("late", [5 * DAY, 10 * DAY, 20 * DAY])
def test_a_drift_is_told_and_held_however_many_days_its_labels_come_late(tmp_path: Path, late: timedelta) -> None:
    """Its alarm lies further back than any quiet time when it is found."""
    rng = np.random.default_rng(6)
    rows = [
        row
        for began, ended, shift in ((0, 6, 0.0), (6, 12, -2.0), (12, 24, 0.0))
        for row in some(rng, range(24 * began, 24 * ended, 8), 8, shift=shift, delay=late / HOUR)
    ]
    configure(tmp_path, 'fold_after = "40d"')
    with line(tmp_path) as held:
        for day in range(2, 28 + late // DAY, 2):
            now = hour(24 * day)
            feed(held, now, [row for row in rows if stamp(now - 2 * DAY) < row["labelled_at"] <= stamp(now)])
            if day - late // DAY in (13, 14):
                assert changes(held) == ["firing"]
        assert changes(held)[:2] == ["firing", "resolved"]
        assert set(changes(held)[2:]) <= {"inactive"}


def test_a_drift_that_was_over_long_before_its_history_was_loaded_fires_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    rows = some(rng, range(100), 4) + some(rng, range(100, 140), 4, shift=-2.0) + some(rng, range(140, 480, 2), 8)
    configure(tmp_path)
    with line(tmp_path) as held:
        feed(held, hour(480), rows)
        assert told_of(held)[0] > 0
        assert changes(held) == []


@contextmanager
def fired(base: Path, seed: int = 4, extra: str = "") -> Iterator[tuple[Line, list[Row]]]:
    """A calwatch with an alert of camera c1 that fired at hour 60."""
    rng = np.random.default_rng(seed)
    rows = some(rng, range(40), 6) + some(rng, range(40, 60), 6, shift=-2.0) + some(rng, range(60), 3, camera="c2")
    configure(base, extra)
    with line(base) as held:
        feed(held, hour(60), rows)
        assert changes(held) == ["firing"]
        yield held, rows


def quiet_out(held: Line, rows: Callable[[float], Sequence[Row]] = lambda _: ()) -> None:
    """Stays firing for a week after the newest that was told, and resolves then."""
    count, at = told_of(held)
    for later in range(8, 7 * 24, 40):
        feed(held, at + later * HOUR, rows((at + later * HOUR - hour(0)) / HOUR))
        assert changes(held) == ["firing"], later
    assert told_of(held) == (count, at)
    feed(held, at + 9 * DAY)
    assert changes(held) == ["firing", "resolved"]


def corrected(rows: Sequence[Row]) -> list[Row]:
    rng = np.random.default_rng(99)
    return [
        {**row, "outcome": int(rng.random() < row["score"]), "labelled_at": stamp(hour(60.5))}
        for row in rows
        if row["observed_at"] >= stamp(hour(40)) and row["camera"] == "c1"
    ]


def test_a_told_alert_holds_through_a_restart_and_resolves_when_it_was_quiet(tmp_path: Path) -> None:
    with fired(tmp_path) as (held, _):
        pass
    with line(tmp_path) as held:
        feed(held, hour(60) + timedelta(minutes=1))
        quiet_out(held)


@pytest.mark.parametrize(
    "change", [('severity = "info"', 'severity = "page"'), ('"1/year"', '"4/year"'), ('"1/year"', '"1/year"  # as is')]
)
def test_a_told_alert_holds_through_a_reload_of_rules_whose_evidence_means_the_same(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    with fired(tmp_path) as (held, _):
        configure(tmp_path, rule=RULE.replace(*change))
        config = load_config(tmp_path / "calwatch.toml")
        held.cycle = Cycle(config, build_watched(config), held.connection, held.cycle.instruments)
        feed(held, hour(60) + timedelta(minutes=1))
        quiet_out(held)


def test_a_told_alert_holds_through_labels_that_are_corrected_and_its_evidence_is_gone(tmp_path: Path) -> None:
    with fired(tmp_path) as (held, rows):
        feed(held, hour(61), corrected(rows))
        assert held.one("SELECT count(*) FROM evidence_alarms WHERE slice = 'camera=c1'") == 0
        quiet_out(held)


@pytest.mark.parametrize("mended", [False, True])
def test_a_told_alert_holds_while_its_hours_are_folded_into_days(tmp_path: Path, mended: bool) -> None:
    with fired(tmp_path, extra='windows = ["24h"]\nfold_after = "1d"') as (held, rows):
        if mended:
            feed(held, hour(61), corrected(rows))
        rng = np.random.default_rng(3)
        quiet_out(held, lambda at: some(rng, [int(at) - 1], 4))
        assert held.one("SELECT max(folded_until) FROM models") > hour(60).replace(tzinfo=None)


def test_a_told_alert_of_a_version_holds_while_the_next_one_serves_which_starts_without_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    with fired(tmp_path) as (held, _):
        for index in range(70, 200, 30):
            feed(held, hour(index), some(rng, range(index - 10, index), 4, version="v2"))
            assert changes(held) == ["firing"]
        assert changes(held, version="v2") == []
        # a week after its last sample the first version is gone
        feed(held, hour(60) + 8 * DAY, some(rng, [250], 4, version="v2"))
        assert changes(held) == ["firing", "resolved"]
        reason = held.one("SELECT reason FROM alerts WHERE slice = 'camera=c1' AND version = 'v1'")
        assert "no further drift alarm" in reason or "closed" in reason


def test_a_rule_that_means_something_else_resolves_what_its_old_meaning_told(tmp_path: Path) -> None:
    with fired(tmp_path) as (held, _):
        configure(tmp_path, rule=RULE + "tolerance = { odds = 30.0 }\n")
        config = load_config(tmp_path / "calwatch.toml")
        held.cycle = Cycle(config, build_watched(config), held.connection, held.cycle.instruments)
        feed(held, hour(61))
        assert changes(held) == ["firing", "resolved"]


def test_alarms_are_told_as_early_as_they_are_found_when_labels_come_on_time(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    configure(tmp_path)
    with line(tmp_path) as held:
        feed(held, hour(36), some(rng, range(36), 6))
        for index in range(36, 60):
            feed(held, hour(index + 1), some(rng, [index], 6, shift=0.0 if index < 40 else -2.0))
        told, found = (
            held.connection.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()
            for table, columns in (
                ("told_alarms", "slice, bucket, ratio, onset, samples, told_at"),
                ("evidence_alarms", "slice, bucket, ratio, onset, samples, bucket + INTERVAL 1 HOUR"),
            )
        )
    assert len(found) > 1
    assert told == found
