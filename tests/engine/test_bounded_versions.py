"""Many versions at once: what of them is judged for drift, what shares of the budget they have, and what is told."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor.engine.stages.drift import weigh_evidence
from monitor.engine.stages.streams import Streams, limits_of
from monitor.model import OTHER, DriftRule, Evidence, Slice
from monitor.rules.pack import Rulebook
from monitor.statistics.drift.budget import alarm_threshold
from monitor.store.cells import fold_and_drop
from monitor.store.evidence.streams import RuleEvidence, Stream, closed_streams, load_streams
from monitor.store.folded import load_folded
from tests.worlds.evidence import hour, rules, some
from tests.worlds.store import World

WHOLE = Slice()
MakeOne = Callable[[str], World]


def drift_rule(book: Rulebook) -> DriftRule:
    (rule,) = (rule for rule in book if isinstance(rule, DriftRule))
    return rule


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> MakeOne:
    def one(extra: str = "") -> World:
        world = World.make(tmp_path, extra)
        request.addfinalizer(world.connection.close)
        return world

    return one


def judged(world: World, book: Rulebook, index: float) -> tuple[Evidence, ...]:
    return weigh_evidence(world.store(hour(index)), book, hour(index))


def opened_at(world: World) -> dict[tuple[str, Slice], Stream]:
    return {
        (stream.version, stream.slice): stream for stream in load_streams(RuleEvidence(world.connection, "m", "r0"))
    }


def test_versions_that_fold_are_measured_but_not_judged_for_drift(make: MakeOne) -> None:
    world, book, rng = make("max_versions = 1\n"), rules(), np.random.default_rng(1)
    world.take(*some(rng, range(3), version="v1"), *some(rng, range(3), 3, version="v2"), now=hour(4))
    found = judged(world, book, 4)
    assert {one.version for one in found} == {"v1"}
    assert world.one("SELECT count(*) FROM cells JOIN streams USING (stream_id) WHERE version = '__other__'") > 0


@pytest.mark.parametrize("count", [464, 2000])
def test_hundreds_of_versions_at_once_are_judged_as_far_as_the_budget_goes_and_the_others_are_told(
    make: MakeOne, count: int
) -> None:
    world, book, rng = make("max_versions = 1000\n"), rules(), np.random.default_rng(2)
    world.take(*(row for n in range(count) for row in some(rng, [0], 1, version=f"v{n}")), now=hour(2))
    with capture_logs() as logs:
        found = judged(world, book, 2)
        judged(world, book, 3)
    whole = [one for one in found if one.slice == WHOLE]
    refused = min(count, 1000) - len(whole)
    assert 400 < len(whole) < 464
    assert sum(one.slice != WHOLE for one in found) == min(count, 1000)  # their cameras are judged
    (told,) = [each for each in load_folded(world.connection, "m") if each.kind == "drift"]
    assert (told.name, told.rows, told.most) == ("r0", refused, len(whole))
    assert [line["event"] for line in logs] == ["versions not judged"]
    assert all(np.isfinite(one.ratio) for one in found)


def test_a_product_of_budget_and_share_that_is_too_small_refuses_and_does_not_raise() -> None:
    assert alarm_threshold(1e-300, 1e-300) == float("inf")


def test_streams_that_an_earlier_release_opened_beyond_the_budget_are_closed_and_told(make: MakeOne) -> None:
    world, book, rng = make(""), rules(), np.random.default_rng(4)
    world.take(*some(rng, [0], version="v1"), *some(rng, [0], version="v2"), now=hour(2))
    judged(world, book, 2)
    world.connection.execute("UPDATE evidence_streams SET rank = 500 WHERE version = 'v2' AND slice = 'all'")
    world.take(*some(rng, [2], version="v1"), now=hour(4))
    judged(world, book, 4)
    assert ("v2", WHOLE) not in opened_at(world)
    assert [stream.version for stream in closed_streams(RuleEvidence(world.connection, "m", "r0"))] == ["v2"]


def test_what_is_not_seen_for_retention_gives_its_rank_and_its_share_to_those_that_come(make: MakeOne) -> None:
    world = make('max_slice_values = 200\nretention = "40d"\nmax_order = 1\n')
    book, rng = rules(), np.random.default_rng(5)
    junk = [row for n in range(150) for row in some(rng, [0], 1, camera=f"junk{n}", version="old")]
    world.take(*junk, now=hour(2))
    judged(world, book, 2)
    assert max(stream.rank for stream in load_streams(RuleEvidence(world.connection, "m", "r0"))) == 150
    later = 24 * 41 + 2
    fold_and_drop(world.store(hour(later)), hour(later))
    world.take(*some(rng, [later - 1], version="new", camera="c1"), now=hour(later + 1))
    judged(world, book, later + 1)
    assert {key[0] for key in opened_at(world)} == {"new"}
    assert {stream.rank for stream in opened_at(world).values()} == {1}
    streams = Streams(
        tuple(opened_at(world).values()), (), tuple(closed_streams(RuleEvidence(world.connection, "m", "r0")))
    )
    limits = limits_of(drift_rule(book), world.model, streams, [hour(later)])
    assert limits.max() == pytest.approx(2 * 365)  # each kind has one stream, and half of the budget


def a_stream(name: str, rank: int, opened: float, closed: float | None = None) -> Stream:
    return Stream(
        name, "", Slice.of({"camera": name}), rank, hour(opened), closed=None if closed is None else hour(closed)
    )


def test_the_shares_of_streams_that_are_open_never_exceed_what_their_kind_has_and_never_grow(make: MakeOne) -> None:
    """Streams come and go at random, each with the lowest rank that is free."""
    world, rng, width = make(""), np.random.default_rng(6), 60
    rule = drift_rule(rules())
    for _ in range(20):
        streams: list[Stream] = []
        for index in range(40):
            began = float(rng.integers(0, width))
            ended = began + float(rng.integers(1, 30))
            streams.append(a_stream(f"c{index}", 0, began, ended))
        streams.sort(key=lambda one: one.opened)
        ranked: list[Stream] = []
        for one in streams:
            there = {other.rank for other in ranked if other.closed is not None and other.closed > one.opened}
            rank = next(rank for rank in range(1, 50) if rank not in there)
            ranked.append(Stream(one.version, "", one.slice, rank, one.opened, closed=one.closed))
        buckets = [hour(index) for index in range(width)]
        limits = limits_of(rule, world.model, Streams(tuple(ranked), (), ()), buckets)
        spent = np.zeros(width)
        for row, one in enumerate(ranked):
            assert one.closed is not None
            inside = [index for index, bucket in enumerate(buckets) if one.opened <= bucket < one.closed]
            assert np.all(np.diff(limits[row, inside]) >= 0)
            spent[inside] += 1 / limits[row, inside]
        assert spent.max() <= 0.5 / 365 * (1 + 1e-9)


def test_what_closed_before_takes_nothing_from_a_stream_that_was_opened_later(make: MakeOne) -> None:
    rule, model = drift_rule(rules()), make("").model
    gone = tuple(a_stream(f"g{rank}", rank, 0, 5) for rank in range(1, 101))
    beside, after = a_stream("beside", 101, 2), a_stream("after", 1, 5)
    limits = limits_of(rule, model, Streams((beside, after), (), gone), [hour(6)])
    assert limits[:, 0].tolist() == pytest.approx([2 * 365 * 101, 2 * 365 * 101])
    limits = limits_of(rule, model, Streams((after,), (), gone), [hour(6)])
    assert limits[:, 0].tolist() == pytest.approx([2 * 365])


def test_a_version_that_comes_back_after_retention_begins_anew(make: MakeOne) -> None:
    world = make('retention = "40d"\n')
    book, rng = rules(), np.random.default_rng(7)
    world.take(*some(rng, [0], version="v1"), now=hour(2))
    judged(world, book, 2)
    later = 24 * 41 + 2
    now = hour(later + 1)
    fold_and_drop(world.store(now), now)
    world.take(*some(rng, [later - 1], version="v2"), now=now)
    assert {one.version for one in judged(world, book, later + 1)} == {"v2"}
    world.take(*some(rng, [later], version="v1"), now=hour(later + 2))
    found = [one for one in judged(world, book, later + 2) if one.version == "v1"]
    assert {one.opened for one in found} == {hour(later)}
    assert {stream.rank for stream in opened_at(world).values()} == {1, 2}


def test_no_stream_is_opened_for_a_version_called_other(make: MakeOne) -> None:
    world, rng = make(""), np.random.default_rng(8)
    world.take(*some(rng, [0], version=OTHER), now=hour(2))
    assert judged(world, rules(), 2) == ()
