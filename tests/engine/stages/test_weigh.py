"""The weigh stage over a store: whatever the order of arrival, evidence is that of the final cells."""

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import duckdb
import numpy as np
import pytest

from monitor.engine.stages.drift import weigh_evidence
from monitor.model import Slice
from monitor.statistics.drift.bets import default_bank
from monitor.statistics.drift.budget import slice_threshold
from monitor.store.cells import fold_and_drop
from monitor.store.connection import load_table
from monitor.store.model_store import ModelStore
from tests.worlds.evidence import (
    afresh,
    assert_same,
    held,
    hour,
    reopen,
    rules,
    sample,
    some,
    stamp,
    taken,
    weighed,
)  # fmt: skip
from tests.worlds.store import HOUR, Row, World, at, model_of


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World.make(tmp_path / "world")
    yield world
    world.connection.close()


def calibrator(world: World, id_: str, scope: str) -> None:
    world.connection.execute(
        "INSERT INTO calibrators SELECT $1, 'm', $2, 'platt', NULL, t, t, t, t, t, '{}', '{}', '{}' "
        "FROM (SELECT TIMESTAMP '2026-03-01' AS t)",
        [id_, scope],
    )


@pytest.mark.parametrize("seed", range(2))
def test_late_and_corrected_labels_in_any_order_give_the_evidence_of_a_run_from_scratch(
    world: World, tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    book = rules(
        "",
        'tolerance = { odds = 1.1 };slices = ["all", "marginals"]',
        'tolerance = { probability = 0.02 };slices = "marginals"',
        'tolerance = {};reference = "deployment";reference_samples = 200',
    )
    sent: list[Row] = []
    late: list[tuple[float, Row]] = []
    # working hours, so that days begin without traffic; one camera goes bad on the second day
    hours = [index for index in range(7, 64) if 7 <= index % 24 < 20]
    for index in hours:
        for camera in ("c1", "c2"):
            shift = -3.0 if camera == "c2" and index >= 36 else 0.0
            rows = some(rng, [index], 5, camera=camera, shift=shift)
            for row in rows[1:]:
                if rng.random() < 0.5:
                    due = index + float(rng.choice([2, 6, 20, 40]))
                    late.append((due, dict(row)))
                    row.update(outcome=None, labelled_at=None)
                elif rng.random() < 0.2:
                    late.append(
                        (index + 11, {**row, "outcome": 1 - row["outcome"], "labelled_at": stamp(hour(index + 9))})
                    )
            sent += rows
        due_now = [row for due, row in late if due <= index]
        late = [(due, row) for due, row in late if due > index]
        rng.shuffle(due_now)
        if rng.random() < 0.5 or index == hours[0]:  # sometimes nobody looks for hours
            taken(world, book, hour(index + 1), sent + due_now)
            sent = []
        else:
            sent += due_now
        if rng.random() < 0.1:
            reopen(world)
    end = hour(110)
    taken(world, book, end, sent + [row for _, row in late])
    mine = held(world)
    assert {key[0] for key in mine} == {"r0", "r1", "r2", "r3"}
    assert any(alarms for key, (*_, alarms) in mine.items() if key[3] == "camera=c2")
    other = world.rebuilt(tmp_path / "other")
    try:
        weighed(other, book, end)
        assert_same(mine, held(other))
    finally:
        other.connection.close()


def test_labels_that_always_come_hours_late_are_judged(world: World) -> None:
    rng = np.random.default_rng(1)
    waiting: list[list[Row]] = []
    for index in range(1, 12):
        waiting.append(some(rng, [index], delay=3))
        news = [{**row, "outcome": None, "labelled_at": None} for row in waiting[-1]]
        taken(world, rules(), hour(index + 1), news + (waiting[-4] if len(waiting) > 3 else []))
    mine = held(world)
    assert len(mine["r0", "v1", "", "all"][3]) == 8
    afresh(world, rules(), hour(12))
    assert_same(mine, held(world))


def test_a_label_before_the_first_judged_bucket_opens_the_stream_earlier(world: World) -> None:
    rng = np.random.default_rng(2)
    taken(world, rules(), hour(12), some(rng, [10, 11]))
    taken(world, rules(), hour(30), some(rng, [-5, 3, 28]))
    mine = held(world)
    assert mine["r0", "v1", "", "all"][1] == at("2026-02-28 19:00:00")
    afresh(world, rules(), hour(30))
    assert_same(mine, held(world))


def test_slices_that_appear_one_after_the_other_have_the_same_ranks_from_scratch(world: World) -> None:
    rng = np.random.default_rng(3)
    for index, camera in enumerate(("c9", "c5", "c7", "c1")):
        taken(world, rules(), hour(index + 1), some(rng, [index], camera=camera))
    mine = held(world)
    ranks = {slice_: entry[0] for (*_, slice_), entry in mine.items()}
    assert ranks == {"all": 1, "camera=c9": 1, "camera=c5": 2, "camera=c7": 3, "camera=c1": 4}
    afresh(world, rules(), hour(4))
    assert_same(mine, held(world))


def test_the_ratio_is_the_evidence_over_the_threshold_of_the_slices_rank(world: World) -> None:
    rng = np.random.default_rng(4)
    shown = taken(world, rules(), hour(9), [row for c in ("c1", "c2", "c3") for row in some(rng, range(8), camera=c)])
    for (*_, text), (rank, _, state, *_) in held(world).items():
        order = Slice.parse(text).order
        limit = slice_threshold(1.0, order, rank, 1, present=3 if order else 1)
        assert shown[text].ratio == pytest.approx(float(np.exp(state.log_evidence()[0])) / limit, rel=1e-9)
    assert sorted(entry[0] for key, entry in held(world).items() if key[3] != "all") == [1, 2, 3]


def test_quiet_streams_raise_no_alarm(world: World) -> None:
    rng = np.random.default_rng(5)
    rows = [row for camera in ("c1", "c2") for row in some(rng, range(10 * 24), 8, camera=camera)]
    shown = taken(world, rules(), hour(240), rows)
    assert len(shown) == 3
    assert all(one.alarm_at is None for one in shown.values())
    assert world.one("SELECT count(*) FROM evidence_alarms") == 0


def test_a_drift_planted_in_one_slice_is_found_there_with_its_direction_and_onset(world: World) -> None:
    rng = np.random.default_rng(6)
    rows = [row for camera in ("c1", "c2", "c3") for row in some(rng, range(60), 8, camera=camera)]
    rows += some(rng, range(60), 20, camera="bad") + some(rng, range(60, 100), 20, camera="bad", shift=-1.2)
    shown = taken(world, rules('slices = "marginals"'), hour(100), rows)
    assert {text for text, one in shown.items() if one.alarm_at} == {"camera=bad"}
    first = world.rows("SELECT bucket, onset FROM evidence_alarms ORDER BY bucket")[0]
    assert at("2026-03-03 12:00:00") <= first[0] < at("2026-03-03 22:00:00")
    assert abs(first[1] - at("2026-03-03 12:00:00")) <= 6 * HOUR
    assert shown["camera=bad"].direction.startswith("over-confident")


def test_a_new_calibrator_closes_the_stream_with_a_record_and_begins_a_fresh_one(world: World) -> None:
    rng = np.random.default_rng(7)
    taken(world, rules(), hour(5), some(rng, range(5), calibrator="a", shift=-3))
    before = world.rows("SELECT slice, bucket, ratio FROM evidence WHERE calibrator = 'a' ORDER BY ALL")
    shown = taken(world, rules(), hour(8), some(rng, [5], calibrator="a") + some(rng, [6, 7], calibrator="b"))
    assert {(one.calibrator, one.opened) for one in shown.values()} == {("b", hour(6))}
    assert world.rows("SELECT slice, rank, closed, state FROM evidence_streams WHERE calibrator = 'a' ORDER BY ALL") == [
        ("all", 1, at("2026-03-01 06:00:00"), None), ("camera=c1", 1, at("2026-03-01 06:00:00"), None),
    ]  # fmt: skip
    kept = world.rows("SELECT slice, bucket, ratio FROM evidence WHERE calibrator = 'a' ORDER BY ALL")
    assert kept == before
    assert kept
    assert {entry[0] for entry in held(world).values()} == {1}, "ranks are free again"


def test_late_labels_of_an_older_calibrator_neither_reopen_its_stream_nor_lose_its_record(world: World) -> None:
    rng = np.random.default_rng(8)
    taken(world, rules(), hour(8), some(rng, range(4), calibrator="a") + some(rng, range(4, 8), calibrator="b"))
    mine = held(world)
    taken(world, rules(), hour(10), some(rng, [1, 2], calibrator="a"))
    assert_same(held(world), mine)
    taken(world, rules(), hour(11), some(rng, [5], calibrator="b"))
    mine = held(world)
    afresh(world, rules(), hour(11))
    assert_same(mine, held(world))


def test_what_was_judged_stays_on_record_when_a_late_label_and_a_new_calibrator_come_together(world: World) -> None:
    rng = np.random.default_rng(9)
    taken(world, rules(), hour(6), some(rng, range(6), calibrator="a"))
    taken(world, rules(), hour(8), some(rng, [2], calibrator="a") + some(rng, [7], calibrator="b"))
    assert world.one("SELECT count(*) FROM evidence WHERE calibrator = 'a' AND slice = 'all'") == 6


@pytest.mark.parametrize("scope", ["camera=c1", "camera=c2"])
def test_samples_under_a_calibrator_for_a_part_count_for_the_whole(world: World, scope: str) -> None:
    rng = np.random.default_rng(10)
    calibrator(world, "g", "all")
    calibrator(world, "part", scope)
    name = scope[-2:]
    rows = some(rng, range(8), camera=name, calibrator="part") + some(rng, range(4, 8), camera="c9", calibrator="g")
    shown = taken(world, rules(), hour(8), rows)
    assert {text: one.calibrator for text, one in shown.items()} == {
        "all": "g", scope: "part", "camera=c9": "g",
    }  # fmt: skip
    samples = dict(world.rows("SELECT slice, sum(samples)::INTEGER FROM evidence GROUP BY slice"))
    assert samples == {"all": 48, scope: 48, "camera=c9": 24}, "the whole counts from the opening of its stream on"


def test_samples_under_a_calibrator_that_cuts_across_a_slice_count_for_it(tmp_path: Path) -> None:
    world = World.make(tmp_path / "world", slices=("camera", "lighting"))
    rng = np.random.default_rng(11)
    calibrator(world, "part", "camera=c1")
    taken(world, rules(), hour(4), some(rng, range(4), calibrator="part", lighting="night"))
    samples = dict(world.rows("SELECT slice, sum(samples)::INTEGER FROM evidence GROUP BY slice"))
    assert samples == dict.fromkeys(("all", "camera=c1", "lighting=night", "camera=c1,lighting=night"), 24)
    world.connection.close()


def test_a_new_version_has_a_stream_of_its_own_with_another_rank(world: World) -> None:
    rng = np.random.default_rng(12)
    taken(world, rules(), hour(4), some(rng, range(4)))
    taken(world, rules(), hour(8), some(rng, range(4, 8)) + some(rng, range(6, 8), version="v2"))
    assert {key[1:]: (entry[0], entry[1]) for key, entry in held(world).items() if key[3] == "camera=c1"} == {
        ("v1", "", "camera=c1"): (1, at("2026-03-01 00:00:00")), ("v2", "", "camera=c1"): (2, at("2026-03-01 06:00:00")),
    }  # fmt: skip


def test_a_version_without_samples_for_a_week_is_closed_and_its_ranks_are_free_once_another_is_in_use(
    world: World,
) -> None:
    rng = np.random.default_rng(13)
    taken(world, rules(), hour(4), some(rng, range(4)))
    taken(world, rules(), hour(24 * 9), some(rng, [24 * 8.0]))
    assert {key[1] for key in held(world)} == {"v1"}, "a gap alone closes nothing"
    taken(world, rules(), hour(24 * 10), some(rng, [24 * 9.0], version="v2"))
    assert {key[1] for key in held(world)} == {"v1", "v2"}
    taken(world, rules(), hour(24 * 16), some(rng, [24 * 15.5], version="v2", camera="c2"))
    assert {(key[1], key[3]): entry[0] for key, entry in held(world).items()} == {
        ("v2", "all"): 2, ("v2", "camera=c1"): 2, ("v2", "camera=c2"): 1,
    }  # fmt: skip
    assert world.one("SELECT count(*) FROM evidence_streams WHERE version = 'v1' AND closed IS NOT NULL") == 2
    taken(world, rules(), hour(24 * 16), some(rng, [2], version="v1"))
    assert {key[1] for key in held(world)} == {"v2"}, "late labels do not bring it back"


def test_a_folded_day_is_final(tmp_path: Path) -> None:
    world = World.make(tmp_path / "world", 'windows = ["24h"]\nfold_after = "1d"')
    rng = np.random.default_rng(14)
    for day in range(5):
        now = hour(24 * day + 20)
        taken(world, rules(), now, some(rng, range(24 * day + 8, 24 * day + 20)))
        fold_and_drop(world.store(now), now)
    before = held(world)
    now = hour(24 * 4 + 21)
    shown = taken(world, rules(), now, some(rng, [24 * 1 + 10], 50, shift=-4))
    assert_same(held(world), before)
    assert shown["all"].opened == hour(8)
    taken(world, rules(), now, some(rng, [24 * 3 + 4, 24 * 4 + 9]))
    assert len(held(world)["r0", "v1", "", "all"][3]) == len(before["r0", "v1", "", "all"][3]) + 1
    days = world.rows("SELECT DISTINCT day FROM evidence_checkpoints ORDER BY 1")
    assert days == [(at("2026-03-04 00:00:00"),), (at("2026-03-05 00:00:00"),)], "older ones can never be needed"
    world.connection.close()


def test_a_rule_with_another_tolerance_starts_afresh(world: World) -> None:
    rng = np.random.default_rng(15)
    taken(world, rules(), hour(6), some(rng, range(6), shift=-1))
    strict = held(world)
    weighed(world, rules("tolerance = { odds = 1.5 }"), hour(6))
    lax = held(world)
    assert lax.keys() == strict.keys()
    ends = [entries["r0", "v1", "", "all"][3][-1][2] for entries in (strict, lax)]
    assert ends[1] < ends[0]
    afresh(world, rules("tolerance = { odds = 1.5 }"), hour(6))
    assert_same(lax, held(world))


def test_a_slice_dimension_may_be_added_and_taken_away(world: World) -> None:
    rng = np.random.default_rng(16)
    taken(world, rules(), hour(6), some(rng, range(6)))
    world.model = model_of(world.base, slices=("camera", "lighting"))
    shown = taken(world, rules(), hour(8), some(rng, [6, 7], lighting="night"))
    assert {text: one.opened for text, one in shown.items()} == {
        "all": hour(0), "camera=c1": hour(0), "lighting=night": hour(6), "camera=c1,lighting=night": hour(6),
    }  # fmt: skip
    world.model = model_of(world.base, slices=())
    shown = taken(world, rules(), hour(10), some(rng, [8, 9]))
    assert set(shown) == {"all"}
    assert shown["all"].until == hour(10)


def test_a_rule_that_covers_less_than_before_closes_what_it_no_longer_covers(world: World) -> None:
    rng = np.random.default_rng(17)
    taken(world, rules(), hour(6), some(rng, range(6)))
    assert set(taken(world, rules('slices = "all"'), hour(8), some(rng, [6, 7]))) == {"all"}


def test_a_rule_without_a_slice_to_cover_holds_no_evidence(world: World) -> None:
    rng = np.random.default_rng(23)
    book = rules('slices = "crosses"')
    assert taken(world, book, hour(3), some(rng, range(3))) == {}
    assert taken(world, book, hour(5), some(rng, [1, 4])) == {}


def test_a_calibrator_that_is_rolled_back_to_begins_a_fresh_stream_beside_its_record(world: World) -> None:
    rng = np.random.default_rng(24)
    taken(world, rules(), hour(3), some(rng, range(3), 20, calibrator="a", shift=-4))
    assert world.one("SELECT count(*) FROM evidence_alarms WHERE slice = 'all'") > 0
    taken(world, rules(), hour(5), some(rng, [4], calibrator="b"))
    shown = taken(world, rules(), hour(13), some(rng, [12], calibrator="a"))["all"]
    assert (shown.calibrator, shown.opened, shown.until, shown.alarm_at) == ("a", hour(12), hour(13), None)
    assert shown.ratio < 0.1
    assert world.one("SELECT count(*) FROM evidence WHERE calibrator = 'a' AND slice = 'all'") == 4


def test_without_samples_or_labels_there_is_no_evidence_and_first_labels_are_judged_however_old(world: World) -> None:
    rng = np.random.default_rng(18)
    assert taken(world, rules(), hour(30)) == {}
    rows = some(rng, range(6))
    assert taken(world, rules(), hour(31), [{**row, "outcome": None, "labelled_at": None} for row in rows]) == {}
    assert taken(world, rules(), hour(32), rows)["all"].opened == hour(0)
    mine = held(world)
    afresh(world, rules(), hour(32))
    assert_same(mine, held(world))


def test_a_rule_first_used_on_a_store_with_history_judges_all_of_it(world: World) -> None:
    rng = np.random.default_rng(19)
    taken(world, rules(), hour(30), some(rng, range(30)))
    weighed(world, rules("", "tolerance = { odds = 1.0 }"), hour(30))
    paths = {key[0]: entry[3] for key, entry in held(world).items() if key[3] == "all"}
    assert len(paths["r1"]) == 30
    np.testing.assert_allclose([row[-1] for row in paths["r0"]], [row[-1] for row in paths["r1"]], rtol=1e-9)


def test_a_change_beyond_what_is_mature_is_judged_when_it_is(world: World) -> None:
    rng = np.random.default_rng(20)
    taken(world, rules(), hour(10), some(rng, range(10)))
    world.model = model_of(world.base, 'label_maturity = "6h"')
    taken(world, rules(), hour(11), some(rng, [7]))
    taken(world, rules(), hour(30))
    mine = held(world)
    afresh(world, rules(), hour(30))
    assert_same(mine, held(world))


def test_the_samples_of_a_group_weigh_one_together(world: World) -> None:
    rng = np.random.default_rng(21)
    rows = [sample(rng, 0) for _ in range(3)]
    copies = [
        {**row, "sample_id": f"{row['sample_id']}-{k}", "group_id": row["sample_id"]} for row in rows for k in range(4)
    ]
    taken(world, rules(), hour(1), copies)
    grouped = held(world)["r0", "v1", "", "all"]
    world.connection.execute("DELETE FROM samples")
    world.connection.execute("DELETE FROM cells")
    world.connection.execute("DELETE FROM group_cells")
    world.take(*rows, now=hour(1))
    afresh(world, rules(), hour(1))
    single = held(world)["r0", "v1", "", "all"]
    # what each tilt gains is the same; the groups have a few tilts more, which have taken their part of the start
    gained = (grouped[2].log_standing - single[2].log_standing)[:, ~default_bank().for_groups]
    np.testing.assert_allclose(gained, gained[0, 0], rtol=1e-9)
    assert gained[0, 0] < 0
    assert [row[1] for row in grouped[3]] == [3]
    assert [row[1] for row in single[3]] == [3]


class Counting:
    """A connection that counts statements."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection, self.count = connection, 0

    def execute(self, *given: object) -> duckdb.DuckDBPyConnection:
        self.count += 1
        return self.connection.execute(*given)  # type: ignore[arg-type]  # passed on as they came


def test_a_tick_costs_as_many_statements_after_a_long_history_as_after_a_short_one(world: World) -> None:
    rng = np.random.default_rng(22)
    counts = []
    for until in (30, 300):
        taken(world, rules('slices = "marginals"'), hour(until), some(rng, range(max(until - 270, 0), until), 3))
        world.take(*some(rng, [until], 3), now=hour(until + 1))
        counting = Counting(world.connection)
        # tables are loaded by the real connection
        with patch("monitor.store.readings.load_table", lambda c, *rest: load_table(c.connection, *rest)):
            store = ModelStore(counting, world.registry(), world.model)  # type: ignore[arg-type]  # stands in
            weigh_evidence(store, rules('slices = "marginals"'), hour(until + 1))
        counts.append(counting.count)
    assert counts[0] == counts[1] <= 40
    assert world.one("SELECT count(*) FROM evidence_alarms") == 0, "alarms cost statements of their own"
