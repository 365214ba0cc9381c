"""The reference "deployment" in the weigh stage, the e-BH list, and what several versions and calibrators share."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.model import Slice
from monitor.statistics.drift.budget import slice_threshold
from monitor.statistics.drift.eprocess import EvidenceState
from monitor.statistics.drift.reference_pool import ReferencePool
from tests.worlds.evidence import afresh, assert_same, held, hour, rules, some, taken
from tests.worlds.store import Row, World

DEPLOYED = 'tolerance = {};reference = "deployment";reference_samples = 400;slices = "all"'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World.make(tmp_path / "world")
    yield world
    world.connection.close()


def test_nothing_is_judged_until_the_first_samples_are_there_and_they_are_never_judged(world: World) -> None:
    rng = np.random.default_rng(1)
    book = rules(DEPLOYED)
    shown = taken(world, book, hour(10), some(rng, range(10), 20, shift=-2))["all"]
    assert (shown.ratio, shown.reference_missing, shown.alarm_at) == (0.0, 200, None)
    assert world.one("SELECT count(*) FROM evidence") == 0
    shown = taken(world, book, hour(25), some(rng, range(10, 25), 20, shift=-2))["all"]
    assert shown.reference_missing is None
    # 400 samples are there with hour 19, so hour 20 is the first that is judged
    assert world.rows("SELECT min(bucket), count(*) FROM evidence") == [(hour(20).replace(tzinfo=None), 5)]


def test_a_slice_that_was_off_from_the_start_raises_no_alarm_and_one_that_changes_does(tmp_path: Path) -> None:
    book = rules(DEPLOYED, 'tolerance = {};slices = "all"')
    off = []
    for seed in range(5):
        world, rng = World.make(tmp_path / str(seed)), np.random.default_rng(seed)
        shown = taken(world, book, hour(60), some(rng, range(60), 20, shift=-1.2))["all"]
        assert shown.alarm_at is None
        assert world.one("SELECT count(*) FROM evidence_alarms WHERE rule = 'r1'") > 0
        shown = taken(world, book, hour(100), some(rng, range(60, 100), 20, shift=-2.6))["all"]
        assert shown.alarm_at is not None
        assert shown.direction.startswith("over-confident")
        assert shown.direction.endswith("compared with its first samples")
        onset = world.one("SELECT arg_min(onset, bucket) FROM evidence_alarms WHERE rule = 'r0'")
        off.append(abs(onset - hour(60).replace(tzinfo=None)))
        world.connection.close()
    assert sorted(off)[2] <= timedelta(hours=2)  # the median; one in five was nine hours late


def test_hour_by_hour_the_reference_is_that_of_one_run(world: World) -> None:
    rng = np.random.default_rng(3)
    book = rules(DEPLOYED + ";", DEPLOYED.replace('"all"', '"marginals"').replace("400", "200"))
    for index in range(0, 60, 3):
        taken(
            world,
            book,
            hour(index + 3),
            [r for c in ("c1", "c2") for r in some(rng, range(index, index + 3), 4, camera=c)],
        )
    mine = held(world)
    assert all(entry[-1].reference is not None for entry in mine.values())
    afresh(world, book, hour(60))
    assert_same(mine, held(world))


def test_a_reference_on_the_way_and_a_finished_one_come_back_from_bytes() -> None:
    sums = np.abs(np.random.default_rng(4).normal(size=(3, 192)))
    back = ReferencePool.from_bytes(ReferencePool(sums).to_bytes())
    assert back.reference is None
    np.testing.assert_array_equal(back.sums, sums)
    with pytest.raises(ValueError, match="not a reference checkpoint"):
        ReferencePool.from_bytes(b"something else")


def test_a_rule_with_another_reference_starts_afresh(world: World) -> None:
    rng = np.random.default_rng(5)
    taken(world, rules('tolerance = {};slices = "all"'), hour(6), some(rng, range(6), 20, shift=-3))
    assert world.one("SELECT count(*) FROM evidence_alarms") > 0
    shown = taken(world, rules(DEPLOYED), hour(6))["all"]
    assert shown.alarm_at is None
    assert shown.reference_missing is not None


def test_two_versions_side_by_side_share_the_budget_of_the_whole(world: World) -> None:
    rng = np.random.default_rng(6)
    rows: list[Row] = [row for version in ("v1", "v2") for row in some(rng, range(5), 10, version=version)]
    taken(world, rules('slices = "all"'), hour(5), rows)
    ranks = sorted(entry[0] for entry in held(world).values())
    assert ranks == [1, 2]
    shares = [365 / slice_threshold(1.0, 0, rank, 0, 30) for rank in range(1, 30)]
    assert shares[0] > shares[1] > shares[2]
    assert sum(shares) <= 1 + 1e-12


def test_servers_that_are_updated_one_after_the_other_do_not_flip_the_stream_back_and_forth(world: World) -> None:
    rng = np.random.default_rng(7)
    book = rules('slices = "all"')
    taken(world, book, hour(3), some(rng, range(3), calibrator="old"))
    opened = set()
    for index in range(3, 9):  # one server in two has the new one, and not every hour sees both
        names = ["new"] if index in (3, 6) else ["old"] if index in (4, 7) else ["old", "new"]
        shown = taken(world, book, hour(index + 1), [r for name in names for r in some(rng, [index], calibrator=name)])
        opened.add((shown["all"].calibrator, shown["all"].opened))
    assert opened == {("new", hour(3))}
    assert world.one("SELECT count(*) FROM evidence_streams") == 2
    shown = taken(world, book, hour(16), some(rng, range(15, 16), calibrator="old"))
    assert shown["all"].calibrator == "old"  # nobody has used the new one for hours: it was taken back


def test_slices_that_have_drifted_are_listed_and_others_are_not(world: World) -> None:
    rng = np.random.default_rng(8)
    book = rules('tolerance = {};slices = "marginals"')
    rows = [r for c in ("c1", "c2", "c3") for r in some(rng, range(40), 10, camera=c, shift=-2 if c == "c2" else 0)]
    shown = taken(world, book, hour(40), rows)
    assert {text for text, one in shown.items() if one.listed} == {"camera=c2"}
    state = held(world)["r0", "v1", "", "camera=c2"][2]
    assert isinstance(state, EvidenceState)
    assert float(state.log_standing_evidence()[0]) > np.log(3 / 0.1)
    assert Slice.parse("camera=c2") in {one.slice for one in shown.values()}


def test_shares_fall_as_slices_appear_and_evidence_from_before_counts_against_the_higher_threshold(
    world: World,
) -> None:
    rng = np.random.default_rng(9)
    book = rules('slices = "marginals"')
    one = taken(world, book, hour(3), some(rng, range(3), 10, camera="c1"))["camera=c1"].ratio
    alone = float(np.exp(held(world)["r0", "v1", "", "camera=c1"][2].log_evidence()[0]))
    assert one == pytest.approx(alone / slice_threshold(1.0, 1, 1, 1, present=1), rel=1e-9)
    both = taken(world, book, hour(4), [r for c in ("c1", "c2") for r in some(rng, [3], 10, camera=c)])[
        "camera=c1"
    ].ratio
    alone = float(np.exp(held(world)["r0", "v1", "", "camera=c1"][2].log_evidence()[0]))
    assert both == pytest.approx(alone / slice_threshold(1.0, 1, 1, 1, present=2), rel=1e-9)
    mine = held(world)
    afresh(world, book, hour(4))
    assert_same(mine, held(world))
