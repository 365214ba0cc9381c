"""Evidence in the store: checkpoints, streams and the path, as the weigh stage reads them again."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from monitor.model import Slice
from monitor.statistics.evidence import EvidenceState
from monitor.store import evidence as held
from monitor.store.evidence import AlarmRow, Stream
from tests.evidence_world import TABLES, hour, some
from tests.store.builder import World

WHOLE = Stream("v1", "", Slice(), 1, hour(0))


def checkpoint(world: World, *days: int) -> None:
    for day in days:
        state = EvidenceState.fresh(1)
        state.last_scored[:] = day
        held.store_checkpoint(
            world.connection, "m", "r", hour(24 * day), [replace(WHOLE, state=state.to_bytes(0), reference=b"r")]
        )


def test_a_change_starts_again_at_the_newest_checkpoint_up_to_it(world: World) -> None:
    checkpoint(world, 1, 2, 4)
    for changed, day in ((24, 1), (47, 1), (48, 2), (90, 2), (200, 4)):
        start, states = held.load_checkpoint(world.connection, "m", "r", hour(changed))
        assert start == hour(24 * day)
        assert states is not None
        assert EvidenceState.from_bytes(states[WHOLE.key][0]).last_scored.tolist() == [day]


def test_before_the_oldest_checkpoint_its_state_holds_and_without_any_the_present_one(world: World) -> None:
    assert held.load_checkpoint(world.connection, "m", "r", hour(5)) == (hour(5), None)
    checkpoint(world, 1, 2)
    start, states = held.load_checkpoint(world.connection, "m", "r", hour(5))
    assert start == hour(5)
    assert states is not None
    assert EvidenceState.from_bytes(states[WHOLE.key][0]).last_scored.tolist() == [1]
    assert held.load_checkpoint(world.connection, "m", "other", hour(50)) == (hour(50), None)


def test_a_checkpoint_stored_again_takes_the_place_of_the_first(world: World) -> None:
    checkpoint(world, 1, 1)
    assert world.one("SELECT count(*) FROM evidence_checkpoints") == 1
    assert held.checkpoint_days(world.connection, "m", "r") == {hour(24)}


def test_streams_come_back_as_they_were_stored_and_closed_ones_stay_on_record(world: World) -> None:
    state = EvidenceState.fresh(1).to_bytes(0)
    odd = Stream("v,1", "cal=1", Slice.of({"camera": "a,b=c\\"}), 3, hour(5), state, b"curve", listed=True)
    held.store_streams(world.connection, "m", "r", [WHOLE, odd], [])
    assert sorted(held.load_streams(world.connection, "m", "r"), key=lambda s: s.rank) == [WHOLE, odd]
    held.store_streams(world.connection, "m", "r", [WHOLE], [(odd, hour(7))])
    assert held.load_streams(world.connection, "m", "r") == [WHOLE]
    assert world.rows("SELECT calibrator, closed, state FROM evidence_streams WHERE closed IS NOT NULL") == [
        ("cal=1", hour(7).replace(tzinfo=None), None)
    ]
    assert held.load_streams(world.connection, "m", "other") == []


def test_judging_again_forgets_what_open_streams_said_from_there_on(world: World) -> None:
    closed = Stream("v1", "old", Slice(), 1, hour(0), None)
    held.store_streams(world.connection, "m", "r", [WHOLE], [(closed, hour(3))])
    for stream in (WHOLE, closed):
        path = [(stream, hour(index), 5, 0.1 * index) for index in range(4)]
        alarms = [AlarmRow(stream, hour(index), 1.5, hour(0), 9, "over-confident at all scores") for index in (1, 3)]
        held.store_path(world.connection, "m", "r", path, alarms)
    checkpoint(world, 0, 1)
    held.forget_from(world.connection, "m", "r", hour(2), hour(0))
    counts = dict(world.rows("SELECT calibrator, count(*) FROM evidence GROUP BY calibrator"))
    assert counts == {"": 2, "old": 4}
    assert [one.bucket for one in held.alarms_of_open(world.connection, "m", "r")[WHOLE.key]] == [hour(1)]
    assert held.newest_ratios(world.connection, "m", "r", hour(0))[WHOLE.key] == (hour(1), 0.1)
    assert held.checkpoint_days(world.connection, "m", "r") == {hour(0)}


def test_another_basis_leaves_nothing_of_the_rule(world: World) -> None:
    held.store_reach(world.connection, "m", "r", "odds 1.1", hour(5))
    held.store_reach(world.connection, "m", "s", "odds 1.1", hour(6))
    held.store_streams(world.connection, "m", "r", [WHOLE], [])
    held.store_path(world.connection, "m", "r", [(WHOLE, hour(1), 5, 0.1)], [])
    checkpoint(world, 1)
    assert held.load_reach(world.connection, "m", "r", "odds 1.1") == hour(5)
    assert held.load_reach(world.connection, "m", "r", "odds 1.2") is None
    assert [world.one(f"SELECT count(*) FROM {table}") for table in TABLES] == [0, 0, 1, 0, 0]
    assert held.load_reach(world.connection, "m", "s", "odds 1.1") == hour(6)


def test_traffic_holds_the_labelled_cells_of_the_span_by_version_calibrator_and_finest_slice(world: World) -> None:
    rng = np.random.default_rng(1)
    rows = some(rng, [1, 3], 4) + some(rng, [2], 3, camera="c2", version="v2", calibrator="k")
    unlabelled = [{**row, "outcome": None, "labelled_at": None} for row in some(rng, [2], 2, camera="c3")]
    world.take(*rows, *unlabelled, now=hour(9))
    found = held.load_traffic(world.connection, world.registry(), hour(1), hour(4))
    assert found.buckets == (hour(1), hour(2), hour(3))
    groups = dict(zip(found.groups, zip(found.first, found.last, strict=True), strict=True))
    assert groups == {
        ("v1", "", Slice.of({"camera": "c1"})): (hour(1), hour(3)),
        ("v2", "k", Slice.of({"camera": "c2"})): (hour(2), hour(2)),
    }
    cells = held.load_cells(world.connection, world.registry(), found, found.buckets)
    counts = np.bincount(cells.unit, weights=cells.n, minlength=6).reshape(2, 3)
    assert {group[0]: row.tolist() for group, row in zip(found.groups, counts, strict=True)} == {
        "v1": [4.0, 0.0, 4.0], "v2": [0.0, 3.0, 0.0],
    }  # fmt: skip
    later = held.load_cells(world.connection, world.registry(), found, found.buckets[1:])
    assert np.bincount(later.unit, weights=later.n, minlength=4).tolist() == counts[:, 1:].reshape(-1).tolist()
    assert held.load_traffic(world.connection, world.registry(), hour(1), hour(3)).buckets == (hour(1), hour(2))
    none = held.load_traffic(world.connection, world.registry(), hour(5), hour(6))
    assert none.buckets == none.groups == ()


def test_versions_count_as_in_use_also_without_labels(world: World) -> None:
    rng = np.random.default_rng(2)
    world.take(
        *some(rng, [1]), {**some(rng, [5], 1, version="v2")[0], "outcome": None, "labelled_at": None}, now=hour(9)
    )
    registry = world.registry()
    assert held.versions_since(world.connection, registry.model_id, hour(1)) == {"v1", "v2"}
    assert held.versions_since(world.connection, registry.model_id, hour(1) + timedelta(hours=1)) == {"v2"}
