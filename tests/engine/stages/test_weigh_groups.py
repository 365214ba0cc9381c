"""Samples in groups in the weigh stage: which sample belongs to which group, from whatever is in the store."""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor.statistics.arrays import Floats, totals
from monitor.statistics.cells import bin_of
from monitor.statistics.drift.bets import BinSums, Tolerance, default_bank, detector_bin_of
from monitor.statistics.drift.eprocess import Block, EvidenceState, advance_evidence
from monitor.statistics.drift.groups import GroupSums
from monitor.store.cells import fold_and_drop
from monitor.store.evidence.streams import load_traffic
from monitor.store.evidence.traffic import load_sums
from tests.worlds.evidence import afresh, assert_same, held, hour, reopen, rules, sample, some, taken, weighed
from tests.worlds.store import Row, World, model_of

ODDS = "tolerance = { odds = 1.1 }"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World.make(tmp_path / "world")
    yield world
    world.connection.close()


def clips(
    rng: np.random.Generator, hours: Iterable[float], count: int = 3, frames: int = 5, **values: Any
) -> list[Row]:
    """``count`` clips of several frames in each of the hours."""
    return [
        {**sample(rng, index, **values), "group_id": f"{index}-{clip}-{values.get('camera', '')}"}
        for index in hours for clip in range(count) for _ in range(int(rng.integers(1, frames + 1)))
    ]  # fmt: skip


def played(rows: list[Row], tolerance: Tolerance, keep: str = "") -> Floats:
    """Log evidence of the rows, of those whose camera is ``keep`` or of all, from scratch and in memory."""
    names = [str(row.get("group_id") or row["sample_id"]) for row in rows]
    members = Counter(names)
    own = [(row, name) for row, name in zip(rows, names, strict=True) if keep in ("", row["camera"])]
    score, outcome = (np.array([float(row[key]) for row, _ in own]) for key in ("score", "outcome"))
    code = np.unique([name for _, name in own], return_inverse=True)[1]
    moments = np.array(
        [datetime.fromisoformat(row["observed_at"]).timestamp() // 3600 for row, _ in own], dtype=np.int64
    )
    buckets, position = np.unique(moments, return_inverse=True)
    together = np.array([members[name] > 1 for _, name in own])
    column = detector_bin_of(bin_of(score))
    weight, scores, hits = (
        totals((position * 12 + column)[~together], each[~together], 12 * buckets.size).reshape(1, -1, 12)
        for each in (np.ones(score.size), score, outcome)
    )
    groups = GroupSums.of(
        np.zeros(together.sum(), int), position[together], code[together], column[together], np.ones(together.sum()),
        score[together], outcome[together],
    )  # fmt: skip
    block = Block.against_scores(BinSums(weight, scores, hits, weight.sum(axis=2)), buckets, tolerance, groups)
    return advance_evidence(EvidenceState.begin(1), block, 1e12, 1 / 24).state.log_evidence()


def test_evidence_in_the_store_is_that_of_the_groups_in_memory_over_all_and_in_each_slice(world: World) -> None:
    rng = np.random.default_rng(1)
    rows = [*clips(rng, range(20), camera="c1"), *clips(rng, range(5, 20), camera="c2"), *some(rng, range(10), 2)]
    # frames of one clip on both cameras: one group of the whole, and a group of fewer in each slice
    rows += [{**row, "camera": "c2", "sample_id": row["sample_id"] + "-b"} for row in rows[:40]]
    taken(world, rules(ODDS + ';slices = "marginals"', ODDS), hour(20), rows)
    found = held(world)
    for name, keep in (("all", ""), ("camera=c1", "c1"), ("camera=c2", "c2")):
        state = found["r0", "v1", "", name][2] if ("r0", "v1", "", name) in found else found["r1", "v1", "", name][2]
        np.testing.assert_allclose(state.log_evidence(), played(rows, Tolerance("odds", 1.1), keep), rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_hour_by_hour_with_late_and_corrected_labels_is_a_run_from_scratch(world: World, seed: int) -> None:
    rng = np.random.default_rng(seed)
    book = rules(ODDS + ';slices = "marginals"', 'reference = "deployment";reference_samples = 60;slices = "all"')
    rows = [*clips(rng, [0], camera="c0"), *clips(rng, [0], camera="c1")]
    taken(world, book, hour(1), rows)
    for index in range(1, 55, 3):
        news = clips(rng, range(index, index + 3), camera=f"c{index % 2}", delay=float(rng.choice([0.5, 4, 30])))
        news += some(rng, [index], 2)
        corrected = [{**row, "outcome": 1 - row["outcome"]} for row in rows if rng.random() < 0.01]
        late = [row for row in corrected if rng.random() < 0.5]
        rows += news
        taken(world, book, hour(index + 3), [*news, *late])
    taken(world, book, hour(90))
    mine = held(world)
    assert any(entry[2].informative.any() for entry in mine.values())
    assert any(entry[-1].reference is not None for entry in mine.values())
    afresh(world, book, hour(90))
    assert_same(mine, held(world))


def test_a_restart_in_the_middle_changes_nothing(world: World) -> None:
    rng = np.random.default_rng(4)
    rows = clips(rng, range(40))
    taken(world, rules(ODDS), hour(20), rows[: len(rows) // 2])
    reopen(world)
    taken(world, rules(ODDS), hour(41), rows[len(rows) // 2 :])
    mine = held(world)
    afresh(world, rules(ODDS), hour(41))
    assert_same(mine, held(world))


def test_a_row_that_counts_many_pixels_and_names_no_group_is_a_group(world: World) -> None:
    rng = np.random.default_rng(5)
    rows = [sample(rng, index) for index in range(6) for _ in range(3)]
    counted = [
        {**{k: v for k, v in row.items() if k != "outcome"}, "n": 40, "positives": int(rng.binomial(40, row["score"]))}
        for row in rows
    ]
    taken(world, rules(ODDS), hour(7), counted)
    state = held(world)["r0", "v1", "", "all"]
    assert state[2].informative.all(axis=1).sum() == 0 or state[2].informative.any()
    assert [row[1] for row in state[3]] == [3] * 6


def test_groups_of_one_are_judged_as_samples_without_a_group(tmp_path: Path) -> None:
    states = []
    for name in ("named", "plain"):
        world, rng = World.make(tmp_path / name), np.random.default_rng(6)
        rows = some(rng, range(30), shift=-0.5)
        if name == "named":
            rows = [{**row, "group_id": row["sample_id"]} for row in rows]
        taken(world, rules(ODDS), hour(30), rows)
        states.append(held(world)["r0", "v1", "", "all"])
        world.connection.close()
    ratios = [np.array([row[-1] for row in state[3]]) for state in states]
    np.testing.assert_allclose(ratios[0], ratios[1], rtol=1e-12)
    assert [row[:2] for row in states[0][4]] == [row[:2] for row in states[1][4]]
    np.testing.assert_allclose(states[0][2].log_mass, states[1][2].log_mass, atol=1e-12)


def test_an_alarm_of_groups_says_which_scores_drifted_and_counts_groups(world: World) -> None:
    rng = np.random.default_rng(7)
    taken(world, rules(ODDS), hour(30), clips(rng, range(30)))
    shown = taken(world, rules(ODDS), hour(80), clips(rng, range(30, 80), shift=-2.0))["all"]
    assert shown.alarm_at is not None
    assert shown.onset is not None
    assert shown.samples_since_onset is not None
    assert shown.direction.startswith("over-confident")
    hours = (shown.alarm_at - shown.onset).total_seconds() / 3600
    assert shown.samples_since_onset <= 3 * hours + 1


def test_a_reference_needs_fifty_groups_and_rests_on_all_of_them(world: World) -> None:
    rng = np.random.default_rng(8)
    book = rules('tolerance = { odds = 1.1 };reference = "deployment";reference_samples = 50;slices = "all"')
    shown = taken(world, book, hour(15), clips(rng, range(15), frames=8, shift=-1.0))["all"]
    assert shown.reference_missing == 5, "45 clips of 50"
    shown = taken(world, book, hour(60), clips(rng, range(15, 60), frames=8, shift=-1.0))["all"]
    assert (shown.reference_missing, shown.alarm_at) == (None, None), "as they were from the start"
    reference = held(world)["r0", "v1", "", "all"][-1].reference
    assert reference is not None
    assert reference.samples == pytest.approx(51)
    shown = taken(world, book, hour(140), clips(rng, range(60, 140), frames=8, shift=-3.0))["all"]
    assert shown.alarm_at is not None
    assert shown.direction.endswith("compared with its first samples")


def test_what_was_folded_is_final_and_the_rest_goes_on(world: World) -> None:
    rng = np.random.default_rng(9)
    world.model = model_of(world.base, 'retention = "120d"')
    taken(world, rules(ODDS), hour(24), clips(rng, range(24)))
    before = held(world)["r0", "v1", "", "all"][3]
    store = world.store(hour(24 * 20))
    assert fold_and_drop(store, hour(24 * 20))
    taken(world, rules(ODDS), hour(24 * 20 + 6), clips(rng, range(24 * 20, 24 * 20 + 6)))
    after = held(world)["r0", "v1", "", "all"][3]
    assert after[: len(before)] == before
    assert len(after) == len(before) + 6


def test_after_an_upgrade_groups_start_afresh_told_once_and_others_keep_their_evidence(world: World) -> None:
    rng = np.random.default_rng(10)
    rows = [*some(rng, range(30), version="v1"), *clips(rng, range(30), version="v2")]
    taken(world, rules(ODDS), hour(30), rows)
    mine = held(world)
    # as it was: fewer tilts, nothing of what groups could tell, and other bets on groups
    for table in ("evidence_streams", "evidence_checkpoints"):
        for rowid, state in world.rows(f"SELECT rowid, state FROM {table} WHERE version = 'v1'"):
            world.connection.execute(f"UPDATE {table} SET state = $1 WHERE rowid = $2", [old_bytes(state), rowid])
        (other,) = world.rows(f"SELECT state FROM {table} WHERE version = 'v1' LIMIT 1")
        world.connection.execute(f"UPDATE {table} SET state = $1 WHERE version = 'v2'", list(other))
    world.connection.execute("ALTER TABLE models DROP COLUMN evidence_afresh")
    world.connection.execute("DELETE FROM migrations WHERE name LIKE '0024%'")
    reopen(world)
    with capture_logs() as told:
        weighed(world, rules(ODDS), hour(31))
        weighed(world, rules(ODDS), hour(32))
    assert [entry["event"] for entry in told].count("drift evidence of samples in groups starts afresh") == 1
    assert_same(mine, held(world))


@pytest.mark.parametrize("later", [4, 26])
def test_an_upgrade_of_a_model_whose_other_version_came_later_judges_on(world: World, later: int) -> None:
    rng = np.random.default_rng(13)
    taken(world, rules(ODDS), hour(3), clips(rng, range(3), version="v1"))
    for index in range(3, 40, 3):
        plain = some(rng, range(index, index + 3), version="v2") if index >= later else []
        taken(world, rules(ODDS), hour(index + 3), [*clips(rng, range(index, index + 3), version="v1"), *plain])
    mine = held(world)
    world.connection.execute("ALTER TABLE models DROP COLUMN evidence_afresh")
    world.connection.execute("DELETE FROM migrations WHERE name LIKE '0024%'")
    reopen(world)
    weighed(world, rules(ODDS), hour(43))
    assert_same(mine, held(world))


def test_a_reference_that_was_complete_stays_through_an_upgrade(world: World) -> None:
    rng = np.random.default_rng(14)
    book = rules('tolerance = { odds = 1.1 };reference = "deployment";reference_samples = 50;slices = "all"')
    taken(world, book, hour(30), clips(rng, range(30)))
    mine = held(world)["r0", "v1", "", "all"][-1].reference
    world.connection.execute("ALTER TABLE models DROP COLUMN evidence_afresh")
    world.connection.execute("DELETE FROM migrations WHERE name LIKE '0024%'")
    reopen(world)
    taken(world, book, hour(60), clips(rng, range(30, 60), shift=-3.0))
    after = held(world)["r0", "v1", "", "all"][-1].reference
    assert mine is not None
    assert after is not None
    np.testing.assert_allclose(mine.lower, after.lower, rtol=1e-9)


def test_a_folded_day_is_read_whole(world: World) -> None:
    rng = np.random.default_rng(15)
    rows = clips(rng, range(24))
    taken(world, rules(ODDS), hour(24), rows)
    assert fold_and_drop(world.store(hour(24 * 20)), hour(24 * 20))
    store = world.store(hour(24 * 20))
    traffic = load_traffic(store, hour(0), hour(24))
    alone, groups = load_sums(store, traffic, traffic.buckets)
    assert groups.n.sum() + alone.samples.sum() == len(rows)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 0.0), (1.0, 1.0)])
def test_scores_of_exactly_zero_and_one_have_a_reference_and_raise_no_alarm(
    world: World, low: float, high: float
) -> None:
    rng = np.random.default_rng(16)
    book = rules('tolerance = { odds = 1.1 };reference = "deployment";reference_samples = 50;slices = "all"')
    rows = clips(rng, range(60))
    for row in rows:
        row["score"] = high if row["score"] > 0.5 else low
        row["outcome"] = int(rng.random() < (0.8 if row["score"] > 0.5 else 0.1))
    shown = taken(world, book, hour(60), rows)["all"]
    assert (shown.reference_missing, shown.alarm_at) == (None, None)


def test_words_for_no_group_are_no_group(world: World) -> None:
    rng = np.random.default_rng(17)
    rows = [
        {**row, "group_id": word}
        for row, word in zip(some(rng, [0], 6), ["nan", "None", "NULL", "-", "", "g"], strict=True)
    ]
    taken(world, rules(ODDS), hour(1), rows)
    assert world.rows("SELECT group_id, count(*) FROM samples GROUP BY ALL ORDER BY ALL") == [("g", 1), (None, 5)]


def test_an_upgrade_without_groups_leaves_everything_and_tells_nothing(world: World) -> None:
    rng = np.random.default_rng(11)
    taken(world, rules(ODDS), hour(30), some(rng, range(30)))
    for rowid, state in world.rows("SELECT rowid, state FROM evidence_streams"):
        world.connection.execute("UPDATE evidence_streams SET state = $1 WHERE rowid = $2", [old_bytes(state), rowid])
    world.connection.execute("ALTER TABLE models DROP COLUMN evidence_afresh")
    world.connection.execute("DELETE FROM migrations WHERE name LIKE '0024%'")
    world.connection.execute("DELETE FROM evidence_checkpoints")
    reopen(world)
    with capture_logs() as told:
        weighed(world, rules(ODDS), hour(31))
        taken(world, rules(ODDS), hour(40), some(np.random.default_rng(12), range(31, 40)))
    assert not [entry for entry in told if "afresh" in entry["event"]]
    after = held(world)
    afresh(world, rules(ODDS), hour(40))
    assert_same(after, held(world))


def old_bytes(state: bytes) -> bytes:
    """The checkpoint as it was before there were bets on groups."""
    known = EvidenceState.from_bytes(state)
    kept = ~default_bank().for_groups
    body = b"".join(
        getattr(known, name)[0, kept].astype("<i8" if name == "start" else "<f8").tobytes()
        for name in ("log_mass", "log_best", "start", "since_start", "log_standing")
    )
    return struct.pack("<4sHq", b"cwe1", int(kept.sum()), int(known.last_scored[0])) + body
