"""Evidence in the store: checkpoints, streams and the path, as the weigh stage reads them again."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from monitor.model import Shift, Slice
from monitor.statistics.drift.bets import BinSums
from monitor.statistics.drift.eprocess import EvidenceState
from monitor.store.evidence import streams as held
from monitor.store.evidence.alarms import AlarmRow, load_newest_alarms, store_alarms, store_words
from monitor.store.evidence.streams import EvidencePath, RuleEvidence, Stream
from monitor.store.evidence.traffic import load_cells, load_sums
from tests.worlds.evidence import TABLES, hour, some
from tests.worlds.store import HOUR, World

WHOLE = Stream("v1", "", Slice(), 1, hour(0))


def of_rule(world: World, rule: str = "r") -> RuleEvidence:
    return RuleEvidence(world.connection, "m", rule)


def checkpoint(world: World, *days: int) -> None:
    for day in days:
        state = EvidenceState.begin(1)
        state.last_scored[:] = day
        held.store_checkpoint(of_rule(world), hour(24 * day), [replace(WHOLE, state=state.to_bytes(0), reference=b"r")])


def path(*hours: int) -> list[EvidencePath]:
    """Of one stream: five samples an hour, and evidence that rises by a tenth of the limit."""
    index = np.array(hours, dtype=np.int64)
    start = np.array([hour(one).replace(tzinfo=None) for one in hours], dtype="datetime64[us]")
    return [EvidencePath(np.zeros(index.size, np.int64), start, np.full(index.size, 5), 0.1 * index.astype(np.float64))]


def test_a_change_starts_again_at_the_newest_checkpoint_up_to_it(world: World) -> None:
    checkpoint(world, 1, 2, 4)
    for changed, day in ((24, 1), (47, 1), (48, 2), (90, 2), (200, 4)):
        start, states = held.load_checkpoint(of_rule(world), hour(changed))
        assert start == hour(24 * day)
        assert states is not None
        assert EvidenceState.from_bytes(states[WHOLE.key][0]).last_scored.tolist() == [day]


def test_before_the_oldest_checkpoint_its_state_holds_and_without_any_the_present_one(world: World) -> None:
    assert held.load_checkpoint(of_rule(world), hour(5)) == (hour(5), None)
    checkpoint(world, 1, 2)
    start, states = held.load_checkpoint(of_rule(world), hour(5))
    assert start == hour(5)
    assert states is not None
    assert EvidenceState.from_bytes(states[WHOLE.key][0]).last_scored.tolist() == [1]
    assert held.load_checkpoint(of_rule(world, "other"), hour(50)) == (hour(50), None)


def test_a_checkpoint_stored_again_takes_the_place_of_the_first(world: World) -> None:
    checkpoint(world, 1, 1)
    assert world.one("SELECT count(*) FROM evidence_checkpoints") == 1
    assert held.checkpoint_days(of_rule(world)) == {hour(24)}


def test_streams_come_back_as_they_were_stored_and_closed_ones_stay_on_record(world: World) -> None:
    state = EvidenceState.begin(1).to_bytes(0)
    odd = Stream("v,1", "cal=1", Slice.of({"camera": "a,b=c\\"}), 3, hour(5), state, b"curve", listed=True)
    held.store_streams(of_rule(world), [WHOLE, odd], [])
    assert sorted(held.load_streams(of_rule(world)), key=lambda s: s.rank) == [WHOLE, odd]
    held.store_streams(of_rule(world), [WHOLE], [(odd, hour(7))])
    assert held.load_streams(of_rule(world)) == [WHOLE]
    assert world.rows("SELECT calibrator, closed, state FROM evidence_streams WHERE closed IS NOT NULL") == [
        ("cal=1", hour(7).replace(tzinfo=None), None)
    ]
    assert held.load_streams(of_rule(world, "other")) == []


def test_judging_again_forgets_what_open_streams_said_from_there_on(world: World) -> None:
    closed = Stream("v1", "old", Slice(), 1, hour(0), None)
    held.store_streams(of_rule(world), [WHOLE], [(closed, hour(3))])
    for stream in (WHOLE, closed):
        alarms = [AlarmRow(stream, hour(index), 1.5, hour(0), 9, "over-confident at all scores") for index in (1, 3)]
        held.store_path(of_rule(world), [stream], path(*range(4)))
        store_alarms(of_rule(world), alarms)
    checkpoint(world, 0, 1)
    held.forget_from(of_rule(world), hour(2), hour(0))
    counts = dict(world.rows("SELECT calibrator, count(*) FROM evidence GROUP BY calibrator"))
    assert counts == {"": 2, "old": 4}
    left = world.rows("SELECT calibrator, bucket FROM evidence_alarms ORDER BY ALL")
    assert left == [(name, hour(index).replace(tzinfo=None)) for name, index in (("", 1), ("old", 1), ("old", 3))]
    assert held.newest_ratios(of_rule(world), hour(0))[WHOLE.key] == (hour(1), 0.1)
    assert held.checkpoint_days(of_rule(world)) == {hour(0)}


def test_another_basis_leaves_nothing_of_the_rule(world: World) -> None:
    held.store_reach(of_rule(world), "odds 1.1", hour(5))
    held.store_reach(of_rule(world, "s"), "odds 1.1", hour(6))
    held.store_streams(of_rule(world), [WHOLE], [])
    held.store_path(of_rule(world), [WHOLE], path(1))
    checkpoint(world, 1)
    assert held.load_reach(of_rule(world), "odds 1.1") == hour(5)
    assert held.load_reach(of_rule(world), "odds 1.2") is None
    assert [world.one(f"SELECT count(*) FROM {table}") for table in TABLES] == [0, 0, 1, 0, 0]
    assert held.load_reach(of_rule(world, "s"), "odds 1.1") == hour(6)


def test_traffic_holds_the_labelled_cells_of_the_span_by_version_calibrator_and_finest_slice(world: World) -> None:
    rng = np.random.default_rng(1)
    rows = some(rng, [1, 3], 4) + some(rng, [2], 3, camera="c2", version="v2", calibrator="k")
    unlabelled = [{**row, "outcome": None, "labelled_at": None} for row in some(rng, [2], 2, camera="c3")]
    world.take(*rows, *unlabelled, now=hour(9))
    found = held.load_traffic(world.store(), hour(1), hour(4))
    assert found.buckets == (hour(1), hour(2), hour(3))
    groups = dict(zip(found.groups, zip(found.first, found.last, strict=True), strict=True))
    assert groups == {
        ("v1", "", Slice.of({"camera": "c1"})): (hour(1), hour(3)),
        ("v2", "k", Slice.of({"camera": "c2"})): (hour(2), hour(2)),
    }
    cells, _ = load_cells(world.store(), found, found.buckets)
    counts = np.bincount(cells.unit, weights=cells.n, minlength=6).reshape(2, 3)
    assert {group[0]: row.tolist() for group, row in zip(found.groups, counts, strict=True)} == {
        "v1": [4.0, 0.0, 4.0], "v2": [0.0, 3.0, 0.0],
    }  # fmt: skip
    later, _ = load_cells(world.store(), found, found.buckets[1:])
    assert np.bincount(later.unit, weights=later.n, minlength=4).tolist() == counts[:, 1:].reshape(-1).tolist()
    assert held.load_traffic(world.store(), hour(1), hour(3)).buckets == (hour(1), hour(2))
    none = held.load_traffic(world.store(), hour(5), hour(6))
    assert none.buckets == none.groups == ()


def test_sums_by_detector_bin_are_those_of_the_cells(world: World) -> None:
    rng = np.random.default_rng(3)
    rows = some(rng, [1, 3, 4], 60) + some(rng, [2], 30, camera="c2")
    copies = [{**row, "sample_id": f"{row['sample_id']}-b", "group_id": "g"} for row in rows[:20]]
    world.take(*rows, *copies, now=hour(9))
    found = held.load_traffic(world.store(), hour(1), hour(5))
    for buckets in (found.buckets, found.buckets[1:3]):
        cells, _ = load_cells(world.store(), found, buckets)
        theirs = BinSums.from_cells(cells, 2, len(buckets))
        mine, _ = load_sums(world.store(), found, buckets)
        for name in ("weight", "score", "outcome", "samples"):
            np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=1e-12, err_msg=name)


def test_of_the_alarms_of_a_stream_the_newest_comes_back_with_their_number_and_when_it_began(world: World) -> None:
    again = Stream("v1", "", Slice.of({"camera": "c1"}), 1, hour(400))
    closed = Stream("v1", "", Slice.of({"camera": "c2"}), 1, hour(0))
    held.store_streams(of_rule(world), [WHOLE, again], [(closed, hour(900))])
    for stream in (WHOLE, again, closed):
        # hour 9, then after more than a week of quiet hours 300 and 350; the alarm at 850 took 450 hours to come
        onsets = {9: 1, 300: 280, 350: 310, 850: 400}
        alarms = [AlarmRow(stream, hour(at), 1.5, hour(onset), at) for at, onset in onsets.items()]
        store_alarms(of_rule(world), alarms)
    found = load_newest_alarms(of_rule(world), HOUR)
    assert {key[2]: (one.count, one.began, one.newest.bucket) for key, one in found.items()} == {
        "all": (4, hour(400), hour(850)), "camera=c1": (1, hour(400), hour(850)),
    }  # fmt: skip
    assert {one.newest.stream for one in found.values()} == {WHOLE, again}
    late = AlarmRow(WHOLE, hour(1100), 1.2, hour(1000), 7)
    store_alarms(of_rule(world), [late])
    assert load_newest_alarms(of_rule(world), HOUR)[WHOLE.key].began == hour(400), "within 3 x 451 hours"
    shifts = (Shift("over", 0.65, 1.0, 0.91, 0.73), Shift("under", 0.0, 0.35, 0.2, 0.4))
    store_words(of_rule(world), [late.explain(shifts, "score")])
    newest = load_newest_alarms(of_rule(world), HOUR)[WHOLE.key].newest
    assert newest == replace(late.explain(shifts, "score"), explained=True)
    assert world.one("SELECT count(*) FROM evidence_alarms WHERE explained") == 1
    assert load_newest_alarms(of_rule(world, "other"), HOUR) == {}


def test_versions_count_as_in_use_also_without_labels(world: World) -> None:
    rng = np.random.default_rng(2)
    world.take(
        *some(rng, [1]), {**some(rng, [5], 1, version="v2")[0], "outcome": None, "labelled_at": None}, now=hour(9)
    )
    registry = world.registry()
    assert held.versions_since(world.connection, registry.model_id, hour(1)) == {"v1", "v2"}
    assert held.versions_since(world.connection, registry.model_id, hour(1) + timedelta(hours=1)) == {"v2"}
