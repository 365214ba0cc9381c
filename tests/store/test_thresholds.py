"""Thresholds and curves as rows, and the live figures of those in use through the whole cycle."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

from monitor.model import THRESHOLD_METRICS, Reading, Slice, ThresholdInUse
from monitor.model.reasons import Reason
from monitor.recalibration.registry import take_charge
from monitor.statistics.thresholds.choice import ScoredSamples, choose_threshold
from monitor.statistics.thresholds.curves import COLUMNS
from monitor.statistics.thresholds.policies import parse_policy
from monitor.store.model_store import ModelStore
from monitor.store.samples import load_samples
from monitor.store.thresholds import load_thresholds, store_thresholds, threshold_of
from tests.worlds.line import BEGAN, DAY, Line, line, model_section
from tests.worlds.store import HOUR, NOW, World, a_row

QUIET = model_section(rules="")
CHOSEN = ThresholdInUse(
    "m", Slice(), "precision>=0.9", 0.6, 0.92, 0.7, "cal", BEGAN, kept=True, confidence=0.9, bound="clopper-pearson",
    samples=1200, groups=300, precision_lower=0.901, precision_upper=0.94, recall_lower=0.66, recall_upper=0.74,
    share=0.4, fp_per_group=0.03, best=0.95, best_threshold=0.8, why=Reason.from_text("threshold 0.6 promises"),
)  # fmt: skip


def _store(held: Line, *thresholds: ThresholdInUse) -> None:
    for each in {(each.scope, each.calibrator) for each in thresholds}:
        take_charge(held.connection, "m", each[0], each[1], BEGAN)
    store_thresholds(held.connection, [(each, None) for each in thresholds])


def test_thresholds_come_back_as_they_were_stored_with_what_is_unknown_unknown(tmp_path: Path) -> None:
    none = replace(
        CHOSEN, threshold=None, precision=None, kept=False, per="predicted_class", class_name="dog", empirical=None
    )
    with line(tmp_path, QUIET) as held:
        _store(held, CHOSEN, none)
        assert load_thresholds(held.connection, "m") == (CHOSEN, none)
        assert load_thresholds(held.connection, "n") == ()


def test_the_same_calibrator_scope_and_class_has_one_threshold_and_one_curve(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    score = rng.uniform(0, 1, 2000)
    samples = ScoredSamples(score, (rng.random(2000) < score).astype(np.float64))
    curve = choose_threshold(parse_policy("f1"), samples).curve
    assert curve is not None
    with line(tmp_path, QUIET) as held:
        take_charge(held.connection, "m", Slice(), "cal", BEGAN)
        for moment in (BEGAN, BEGAN + DAY):
            store_thresholds(held.connection, [(replace(CHOSEN, chosen_at=moment), curve)])
        (one,) = load_thresholds(held.connection, "m")
        assert one.chosen_at == BEGAN + DAY
        assert held.one("SELECT count(*) FROM threshold_curves") == len(curve)
        listed = ", ".join(COLUMNS)
        stored = held.connection.execute(f"SELECT {listed} FROM threshold_curves ORDER BY threshold").fetchnumpy()
        for name in COLUMNS:
            np.testing.assert_array_equal(np.ma.filled(stored[name].astype(float), np.nan), getattr(curve, name))


def test_a_threshold_stored_before_bounds_were_known_reads_with_bounds_unknown(tmp_path: Path) -> None:
    with line(tmp_path, QUIET) as held:
        take_charge(held.connection, "m", Slice(), "cal", BEGAN)
        held.connection.execute(
            "INSERT INTO thresholds (model, scope, policy, threshold, precision, recall, calibrator, chosen_at) "
            "VALUES ('m', 'all', 'f1', 0.4, NULL, 0.5, 'cal', TIMESTAMP '2026-02-01')"
        )
        (old,) = load_thresholds(held.connection, "m")
        assert (old.threshold, old.precision, old.recall, old.kept, old.precision_lower) == (0.4, None, 0.5, None, None)
        assert (old.per, old.class_name, old.confidence) == ("", "", 0.95)


def test_the_class_before_the_general_and_the_calibrator_before_all_decide() -> None:
    general = CHOSEN
    dog = replace(CHOSEN, threshold=0.7, per="predicted_class", class_name="dog")
    night = replace(CHOSEN, scope=Slice.of({"lighting": "night"}), threshold=0.8, calibrator="night")
    all_ = [general, dog, night]
    own = Slice.of({"lighting": "night", "predicted_class": "dog"})
    assert threshold_of(own, "cal", all_) == 0.7
    assert threshold_of(own, "night", all_) == 0.8
    assert threshold_of(own, "", all_) is None
    assert threshold_of(Slice.of({"lighting": "day", "predicted_class": "cat"}), "cal", all_) == 0.6
    assert threshold_of(Slice.of({"lighting": "day"}), "night", all_) is None


def _whole(held: Line, slice_: Slice = Slice()) -> Reading:  # noqa: B008  # frozen
    (found,) = [
        each
        for each in held.cycle.watched[0].readings
        if each.window == "24h" and each.slice == slice_ and each.version == ""
    ]
    return found


def test_live_figures_are_those_of_samples_the_thresholds_own_calibrator_scored(tmp_path: Path) -> None:
    with line(tmp_path, QUIET) as held:
        mine = held.arrive(BEGAN, BEGAN + DAY, 3000, calibrator="cal")
        held.arrive(BEGAN, BEGAN + DAY, 3000, temperature=3.0, calibrator="another")
        held.tick(BEGAN + DAY)
        assert all(_whole(held).metrics[name] is None for name in THRESHOLD_METRICS)
        _store(held, CHOSEN)
        held.tick(BEGAN + DAY + timedelta(minutes=1))  # a threshold newly in use is reason enough to measure again
        reading = _whole(held)
        above = mine["score"] >= 0.6
        tp = mine["outcome"][above].sum()
        assert reading.value("threshold_precision") == pytest.approx(tp / above.sum())
        assert reading.value("threshold_recall") == pytest.approx(tp / mine["outcome"].sum())
        night = Slice.of({"lighting": "night"})
        own = above & (mine["lighting"] == "night")
        assert _whole(held, night).value("threshold_precision") == pytest.approx(mine["outcome"][own].mean())
        lower, upper = (reading.value(f"threshold_precision_{end}") for end in ("lower", "upper"))
        assert lower is not None
        assert upper is not None
        assert lower < tp / above.sum() < upper


def test_a_whole_decided_by_several_thresholds_is_the_sum_of_what_each_decides(tmp_path: Path) -> None:
    night = Slice.of({"lighting": "night"})
    with line(tmp_path, QUIET) as held:
        _store(held, CHOSEN, replace(CHOSEN, scope=night, threshold=0.8, calibrator="night"))
        by_day = held.arrive(BEGAN, BEGAN + DAY, 2000, calibrator="cal", lightings=("day",))
        by_night = held.arrive(BEGAN, BEGAN + DAY, 2000, calibrator="night", lightings=("night",))
        held.tick(BEGAN + DAY)
        positive = [by_day["outcome"][by_day["score"] >= 0.6], by_night["outcome"][by_night["score"] >= 0.8]]
        assert _whole(held).value("threshold_precision") == pytest.approx(np.concatenate(positive).mean())
        assert _whole(held, night).value("threshold_precision") == pytest.approx(positive[1].mean(), abs=2e-3)


def test_where_no_threshold_can_promise_nothing_is_live(tmp_path: Path) -> None:
    with line(tmp_path, QUIET) as held:
        _store(held, replace(CHOSEN, threshold=None, kept=False))
        held.arrive(BEGAN, BEGAN + DAY, 2000, calibrator="cal")
        held.tick(BEGAN + DAY)
        assert _whole(held).value("threshold_precision") is None


def test_ops_see_the_curve_of_a_threshold_on_scores_as_they_come_until_a_calibrator_takes_its_place(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(2)
    score = rng.uniform(0, 1, 2000)
    curve = choose_threshold(
        parse_policy("f1"), ScoredSamples(score, (rng.random(2000) < score).astype(np.float64))
    ).curve
    assert curve is not None

    def shown(held: Line) -> set[str]:
        with duckdb.connect(str(held.cycle.config.state_dir / "metrics.duckdb"), read_only=True) as snapshot:
            return {name for (name,) in snapshot.execute("SELECT DISTINCT calibrator FROM threshold_curves").fetchall()}

    with line(tmp_path, QUIET) as held:
        held.arrive(BEGAN, BEGAN + DAY, 100)
        store_thresholds(held.connection, [(replace(CHOSEN, calibrator=""), curve), (CHOSEN, curve)])
        held.tick(BEGAN + DAY)
        assert shown(held) == {""}
        take_charge(held.connection, "m", Slice(), "cal", BEGAN + DAY)
        held.tick(BEGAN + DAY + HOUR)
        assert shown(held) == {"cal"}


def test_a_refit_that_promises_stores_its_threshold_curve_and_shows_them_to_ops(tmp_path: Path) -> None:
    section = model_section(
        rules="", extra='threshold = { policy = "precision>=0.8", confidence = 0.9 }',
        recalibration='apply = "monitor"\nschedule = "0 2 * * *"\nmethod = "temperature"',
    )  # fmt: skip
    with line(tmp_path, section) as held:
        columns = held.arrive(BEGAN, BEGAN + 3 * DAY, 9000, temperature=0.5)
        held.tick(BEGAN + 3 * DAY)
        for minutes in (181, 182):
            held.tick(BEGAN + 3 * DAY + timedelta(minutes=minutes))
        (chosen,) = load_thresholds(held.connection, "m")
        assert chosen.kept
        assert chosen.precision_lower is not None
        assert chosen.precision_lower >= 0.8
        assert 0 < held.one("SELECT count(*) FROM threshold_curves") <= 200
        assert len(columns["score"]) == 9000
        with duckdb.connect(str(held.cycle.config.state_dir / "metrics.duckdb"), read_only=True) as snapshot:
            row = snapshot.execute("SELECT threshold, precision_lower, kept, serving FROM thresholds").fetchone()
            assert row == (chosen.threshold, chosen.precision_lower, True, True)
            curve = snapshot.execute(
                "SELECT count(*), max(abs(threshold - ?)) FROM threshold_curves", [chosen.threshold]
            )
            points = curve.fetchone()
            assert points is not None
            assert points[0] > 20
            snapshot.execute("SELECT threshold_precision, threshold_recall_upper FROM slice_metrics LIMIT 1")


def test_refit_samples_carry_the_predicted_class_and_those_without_one_have_none(world: World) -> None:
    world.take(
        a_row("a", predicted_class="dog", observed_at="2026-03-10 09:00:00"),
        a_row("b", predicted_class=None),
        a_row("c"),
    )
    registry = world.registry()
    loaded = load_samples(
        ModelStore(world.connection, registry, world.model), "v1", list(registry.slices.values()), NOW - DAY, NOW
    ).samples
    assert loaded.predicted_class is not None
    assert loaded.predicted_class.tolist() == ["dog", "", ""]
    assert loaded.subset(np.array([0])).predicted_class == np.array(["dog"])
    later = load_samples(
        ModelStore(world.connection, registry, world.model), "v1", list(registry.slices.values()), NOW - 2 * HOUR, NOW
    ).samples
    assert later.predicted_class is None
