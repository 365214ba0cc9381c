"""The delays stage over a store: what is compared, when it can be known, and that it is looked at once a day."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from monitor.engine.stages import label_delays as delays
from monitor.engine.stages.label_delays import add_caveat, find_dependence, watch_delays
from monitor.model import Evidence, GroupSpans, LabelDelays, Slice, Straddling
from monitor.store.connection import load_table, make_naive
from monitor.store.label_delays import DelayedSamples, load_delayed, load_label_delays, store_label_delays
from monitor.store.model_store import ModelStore
from tests.worlds.store import DAY, HOUR, NOW, World, model_of

OLD = NOW.replace(hour=0) - 40 * DAY  # labels of this day should all have arrived


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World.make(tmp_path / "world")
    yield world
    world.connection.close()


def fill(
    world: World, began: datetime = OLD, n: int = 2000, *, days: int = 5, slow: float = 9.0, quick: float = 2.0,
    group: int = 0, version: str = "v1", count: int = 1, seed: int = 1,
) -> None:  # fmt: skip
    """n labelled samples, ``slow`` and ``quick`` the mean delays in hours of outcomes 0 and 1, in groups of ``group``."""
    rng = np.random.default_rng(seed)
    score = expit(rng.normal(0.5, 1.5, n))
    outcome = (rng.random(n) < score).astype(np.int64)
    first = make_naive(began)
    assert first is not None
    observed = np.datetime64(first, "us") + (np.sort(rng.random(n)) * days * 86_400e6).astype("timedelta64[us]")
    delay = rng.exponential(np.where(outcome > 0, quick, slow)) * 3600e6
    names = np.array([f"{version}-{began:%d}-{i}" for i in range(n)], dtype=object)
    world.written += 1
    columns = {
        "sample_id": names, "observed_at": observed, "labelled_at": observed + delay.astype("timedelta64[us]"),
        "score": score, "outcome": outcome, "camera": np.full(n, "c1", dtype=object), "version": np.full(n, version, object),
    }  # fmt: skip
    if group:
        columns["group_id"] = np.array([f"{version}-g{i // group}" for i in range(n)], dtype=object)
    if count > 1:
        del columns["outcome"]
        columns |= {"n": np.full(n, count), "positives": outcome}
    load_table(world.connection, "told", columns)
    path = world.base / "in" / f"{world.written:03}.parquet"
    world.connection.execute(f"COPY told TO '{path}' (FORMAT parquet)")
    assert world.take().new == n


def found(world: World, now: datetime = NOW) -> LabelDelays:
    return watch_delays(world.store(now), now, None)


def test_labels_of_outcome_0_that_come_later_are_found_with_their_medians(world: World) -> None:
    fill(world)
    seen = found(world)
    assert seen.depends is True
    assert seen.earlier == pytest.approx(0.82, abs=0.03)  # 9 / (2 + 9)
    assert seen.median_true is not None
    assert seen.median_false is not None
    assert abs(seen.median_true - 2 * np.log(2) * HOUR) < 0.3 * HOUR
    assert abs(seen.median_false - 9 * np.log(2) * HOUR) < HOUR
    assert (seen.samples, seen.observed_from) == (2000, OLD)
    assert load_label_delays(world.connection, "m") == seen
    assert "labels of negatives arrive later" in world.one("SELECT finding FROM label_delays")


def test_delays_that_do_not_depend_give_no_warning(world: World) -> None:
    fill(world, slow=4.0, quick=4.0)
    assert found(world).depends is False


def test_a_maturity_that_waits_for_the_slowest_leaves_nothing_to_warn_about(world: World, tmp_path: Path) -> None:
    fill(world)
    settled = found(world).settled
    assert settled is not None
    # of outcome 0 one label in 200 comes later than 9 h · log(200), less up to an hour that its bucket lasts
    assert 9 * np.log(200) * HOUR * 0.7 < settled < 9 * np.log(200) * HOUR * 1.4
    for maturity, depends in ((settled + timedelta(minutes=1), False), (settled - timedelta(minutes=1), True)):
        world.model = model_of(world.base, f'label_maturity = "{int(maturity.total_seconds())}s"')
        assert found(world).depends is depends


def test_labels_within_seconds_are_there_when_their_bucket_is_judged(world: World) -> None:
    fill(world, slow=9 / 3600, quick=2 / 3600)
    seen = found(world)
    assert seen.earlier is not None
    assert seen.earlier > 0.7
    assert (seen.depends, seen.settled) == (False, timedelta(0))


def test_a_model_that_has_not_run_for_label_horizon_has_no_answer(world: World) -> None:
    fill(world, NOW - 20 * DAY)
    seen = found(world)
    assert (seen.depends, seen.samples) == (None, 0)
    assert seen.unknown == "no labelled sample is older than label_horizon (30d) yet"
    assert load_label_delays(world.connection, "m") == seen


def test_a_retention_that_keeps_no_sample_that_long_is_named(world: World) -> None:
    world.model = model_of(world.base, 'retention = "30d"')
    assert found(world).unknown.endswith("yet, and retention keeps none that long")


def test_too_few_labels_of_one_outcome_are_no_answer(world: World) -> None:
    fill(world, n=30)
    seen = found(world)
    assert seen.depends is None
    assert seen.unknown.startswith("the 30 labelled samples older than label_horizon (30d) hold ")
    assert seen.unknown.endswith(" of one outcome, 20 needed")


def test_rows_that_are_counted_already_are_no_answer(world: World) -> None:
    fill(world, count=2)
    assert found(world).unknown.startswith("all rows are pre-counted")


def test_young_samples_with_quick_labels_only_do_not_count(world: World) -> None:
    fill(world, slow=4.0, quick=4.0)
    fill(world, NOW - 9 * DAY, days=3, version="v2")
    assert found(world).depends is False


def test_of_a_group_one_sample_is_taken(world: World) -> None:
    fill(world, group=8)
    held = load_delayed(world.store(), NOW, 20_000)
    assert held is not None
    assert len(held.score) == 250


def test_only_the_newest_days_are_read_and_thinned_to_what_is_wanted(world: World) -> None:
    fill(world, OLD - 10 * DAY, 3000, days=15)
    registry = world.registry()
    sizes = {}
    for wanted in (100, 400, 2000, 20_000):
        held = load_delayed(ModelStore(world.connection, registry, world.model), NOW, wanted)
        again = load_delayed(ModelStore(world.connection, registry, world.model), NOW, wanted)
        assert held is not None
        assert again is not None
        np.testing.assert_array_equal(held.score, again.score)
        sizes[wanted] = (OLD + 5 * DAY - held.since) // DAY, len(held.score)
    days, sampled = zip(*sizes.values(), strict=True)
    assert (days[0], days[1] in (2, 3), days[2] in (10, 11), days[3]) == (1, True, True, 15)
    assert all(wanted * 0.4 < n < wanted * 1.3 for wanted, n in zip((100, 400, 2000), sampled, strict=False))
    assert sampled[3] == 3000


def test_a_slow_week_in_which_much_goes_wrong_is_no_dependence() -> None:
    rng = np.random.default_rng(3)
    n = 8000
    bad = np.arange(n) >= n // 2
    outcome = (rng.random(n) < np.where(bad, 0.4, 0.8)).astype(np.float64)
    delay = rng.exponential(np.where(bad, 30_000.0, 6000.0))
    held = DelayedSamples(OLD, OLD + DAY, np.full(n, 0.8), outcome, delay, delay, np.ones(n, dtype=np.int64))
    assert find_dependence(model_of(Path()), held, NOW).depends is False
    slower = replace(held, delay=delay * (2 - outcome), wait=delay)
    assert find_dependence(model_of(Path()), slower, NOW).depends is True


def test_delays_that_are_all_equal_depend_on_nothing() -> None:
    n = 200
    delay = np.full(n, 7200.0)
    held = DelayedSamples(
        OLD, OLD + DAY, np.full(n, 0.8), (np.arange(n) % 2).astype(np.float64), delay, delay, np.ones(n, dtype=np.int64)
    )
    assert find_dependence(model_of(Path()), held, NOW).depends is False


def test_outcomes_that_never_share_a_score_are_no_answer() -> None:
    n = 200
    outcome = (np.arange(n) % 2).astype(np.float64)
    delay = np.arange(n, dtype=np.float64) * 3600
    held = DelayedSamples(OLD, OLD + DAY, 0.1 + 0.8 * outcome, outcome, delay, delay, np.ones(n, dtype=np.int64))
    seen = find_dependence(model_of(Path()), held, NOW)
    assert (seen.depends, seen.unknown) == (None, "no two samples of different outcome have about the same score")


def test_it_is_looked_at_once_a_day_and_when_label_maturity_changes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[datetime] = []

    def counted(model: object, held: object, now: datetime) -> LabelDelays:
        looks.append(now)
        return LabelDelays("m", now, world.model.label_maturity, depends=False)

    monkeypatch.setattr(delays, "find_dependence", counted)
    known: LabelDelays | None = None
    for hours in (0, 1, 11, 12, 20):  # from noon
        now = NOW + hours * HOUR
        known = watch_delays(world.store(now), now, known)
    assert looks == [NOW, NOW + 12 * HOUR]
    world.model = model_of(world.base, 'label_maturity = "6h"')
    watch_delays(world.store(now), now, known)
    assert looks[2:] == [NOW + 20 * HOUR]


def test_what_is_stored_replaces_only_its_own_model(world: World) -> None:
    mine = LabelDelays("m", NOW, HOUR, None, unknown="why")
    store_label_delays(world.connection, replace(mine, model="other"), "x")
    store_label_delays(world.connection, mine, "x")
    store_label_delays(world.connection, replace(mine, unknown="", depends=True, settled=2 * HOUR), "y")
    assert load_label_delays(world.connection, "m") == replace(mine, unknown="", depends=True, settled=2 * HOUR)
    assert load_label_delays(world.connection, "other") == replace(mine, model="other")
    assert load_label_delays(world.connection, "nobody") is None


def test_evidence_carries_the_caveat_only_while_delays_depend() -> None:
    one = Evidence("m", "v1", "", "drift", Slice(), OLD, NOW, 0.5)
    late = LabelDelays("m", NOW, HOUR, True, earlier=0.7, median_true=HOUR, median_false=9 * HOUR)
    model = model_of(Path())
    (marked,) = add_caveat([one], model, late)
    assert marked.caveat == "labels of negatives arrive later than those of positives (median 9 h against 60 min)"
    for known in (None, replace(late, depends=False), replace(late, depends=None)):
        assert add_caveat([marked], model, known) == (one,)


@pytest.mark.parametrize(
    ("grouped", "over_buckets", "caveat"),
    [
        (2000, 0.0, "33 % of the rows have no group_id and count as independent"),
        (3000, 0.0, ""),
        (2999, 0.0, ""),
        (2000, 0.5, "50 % of the rows lie in groups that span buckets of 1h and 33 % of the rows have no group_id and count as "
         "independent"),
    ],
)  # fmt: skip
def test_evidence_carries_the_caveat_where_some_rows_have_no_group(
    grouped: int, over_buckets: float, caveat: str
) -> None:
    one = Evidence("m", "v1", "", "drift", Slice(), OLD, NOW, 0.5)
    spans = GroupSpans("m", NOW, OLD, HOUR, Straddling(3000, grouped, 200, over_buckets, 0.0))
    (marked,) = add_caveat([one], model_of(Path()), None, spans)
    assert marked.caveat == caveat
