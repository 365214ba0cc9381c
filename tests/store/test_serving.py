"""Raw scores that calwatch calibrates itself."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.model import Slice, finest_scope
from monitor.recalibration.calibrators import Temperature
from monitor.store.scores.served import Apply, Serving, stack_logits
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, World, a_row

MONITOR = '[model.recalibration]\napply = "monitor"\n'
LONG_AGO = NOW - timedelta(days=30)
Floats = NDArray[np.float64]


def scaled(factor: float) -> Apply:
    return lambda score, logits: score * factor


def serving(
    scope: str, calibrator: str, factor: float, since: datetime = LONG_AGO, until: datetime | None = None
) -> Serving:
    return Serving(Slice.parse(scope), calibrator, since, until, scaled(factor))


@pytest.fixture
def raw(make_world: MakeWorld) -> World:
    return make_world(source=MONITOR + '[[model.source]]\npath = "in/*"\n', slices=("camera", "lighting"))


def stored(world: World) -> list[tuple[object, ...]]:
    return world.rows(
        "SELECT s.sample_id, round(s.score, 6), s.raw_score, t.calibrator FROM samples AS s "
        "JOIN streams AS t USING (stream_id) ORDER BY 1"
    )


def test_without_a_calibrator_in_charge_scores_are_the_raw_ones(raw: World) -> None:
    raw.take(a_row("a", score=0.4), a_row("b", score=None, raw_score=0.6), a_row("c", score=0.1, raw_score=0.8))
    assert stored(raw) == [("a", 0.4, 0.4, ""), ("b", 0.6, 0.6, ""), ("c", 0.8, 0.8, "")]


def test_a_calibrator_id_that_the_source_logs_is_not_taken_for_ours(raw: World) -> None:
    raw.take(a_row("a", score=0.4, calibrator="theirs"), serving=[serving("all", "ours", 0.5)])
    assert stored(raw) == [("a", 0.2, 0.4, "ours")]


def test_the_finest_scope_in_charge_wins(raw: World) -> None:
    in_charge = [
        serving("all", "whole", 0.5), serving("camera=c1,lighting=night", "cross", 0.1), serving("camera=c1", "c1", 0.25),
        serving("camera=c9", "nowhere", 0.0),
    ]  # fmt: skip
    raw.take(
        a_row("a", score=0.8, lighting="night"), a_row("b", score=0.8, lighting="day"),
        a_row("c", score=0.8, camera="c2", lighting="night"), serving=in_charge,
    )  # fmt: skip
    assert stored(raw) == [("a", 0.08, 0.8, "cross"), ("b", 0.2, 0.8, "c1"), ("c", 0.4, 0.8, "whole")]


def test_of_two_scopes_equally_fine_the_first_in_canonical_order_wins_as_in_a_refit(raw: World) -> None:
    later = serving("camera=c1", "c1", 0.5, since=LONG_AGO + HOUR)
    in_charge = [serving("lighting=night", "night", 0.25), later]
    raw.take(a_row("a", score=0.8, lighting="night"), serving=in_charge)
    assert stored(raw) == [("a", 0.4, 0.8, "c1")]
    assert (
        finest_scope(Slice.of({"camera": "c1", "lighting": "night"}), [each.scope for each in in_charge]) == later.scope
    )


def test_the_calibrator_in_charge_when_a_row_was_observed_is_applied(raw: World) -> None:
    changed = datetime(2026, 3, 10, 10, tzinfo=NOW.tzinfo)
    in_charge = [serving("all", "old", 0.5, until=changed), serving("all", "new", 0.25, since=changed)]
    raw.take(
        a_row("a", score=0.8, observed_at="2026-03-10 09:59:59.999999"), a_row("b", score=0.8),
        a_row("c", score=0.8, observed_at="2026-02-01 00:00:00", labelled_at="2026-02-01 01:00:00"), serving=in_charge,
    )  # fmt: skip
    assert stored(raw) == [("a", 0.4, 0.8, "old"), ("b", 0.2, 0.8, "new"), ("c", 0.8, 0.8, "")]


def test_a_row_sent_again_after_a_promotion_stays_what_it_was(raw: World) -> None:
    raw.take(a_row("a", score=0.8))
    brought = raw.take(a_row("a", score=0.8), serving=[serving("all", "new", 0.5, since=NOW - HOUR)], now=NOW + HOUR)
    assert (brought.duplicates, brought.new, brought.corrected) == (1, 0, 0)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"score": None, "raw_score": None}, "missing_score"),
        ({"score": None, "raw_score": 1.5}, "score_outside_0_1"),
        ({"score": 0.5, "raw_score": "NaN"}, "score_not_a_number"),
    ],
)
def test_bad_raw_scores_are_quarantined(raw: World, wrong: dict[str, object], reason: str) -> None:
    assert raw.take(a_row("a", **wrong), a_row("b")).quarantined == {reason: 1}


def test_rows_without_usable_logits_are_quarantined_where_the_calibrator_needs_them(raw: World) -> None:
    needs = Serving(Slice(), "t", LONG_AGO, None, Temperature(2.0, multiclass=True).apply, needs_logits=True)
    brought = raw.take(
        a_row("a", logits=[2.0, 0.0, 0.0]), a_row("b", logits=[0.0, 4.0, 0.0]), a_row("none"),
        a_row("short", logits=[1.0, 2.0]), a_row("empty", logits=[]), a_row("nan", logits="[1, NaN, 2]"), serving=[needs],
    )  # fmt: skip
    assert brought.quarantined == {"missing_logits": 1, "bad_logits": 3}
    assert [row[:2] for row in stored(raw)] == [
        ("a", round(float(np.e / (np.e + 2)), 6)), ("b", round(float(np.exp(2) / (np.exp(2) + 2)), 6)),
    ]  # fmt: skip


def test_logits_must_have_one_value_per_named_class(make_world: MakeWorld) -> None:
    world = make_world('classes = ["cat", "dog"]\n', MONITOR + '[[model.source]]\npath = "in/*"\n')
    needs = Serving(Slice(), "t", LONG_AGO, None, Temperature(2.0, multiclass=True).apply, needs_logits=True)
    brought = world.take(a_row("a", logits=[1.0, 2.0, 3.0]), a_row("b", logits=[1.0, 2.0, 3.0]), serving=[needs])
    assert brought.quarantined == {"bad_logits": 2}


def test_a_calibrator_on_scores_takes_rows_with_and_without_logits(raw: World) -> None:
    assert raw.take(a_row("a", logits=[1.0, 2.0]), a_row("b"), serving=[serving("all", "k", 0.5)]).new == 2


def test_logits_stack_only_when_all_rows_have_equally_many() -> None:
    rows = np.empty(2, dtype=object)
    rows[:] = [[1.0, 2.0], [3.0, 4.0]]
    whole = stack_logits(rows)
    assert whole is not None
    assert whole.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert stack_logits(np.ma.array(rows, mask=[False, True])) is None
    rows[1] = [3.0]
    assert stack_logits(rows) is None
    assert stack_logits(np.empty(0, dtype=object)) is None
