"""One refit from samples to decision, on columns alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.settings import Model, parse_config
from monitor.model import Slice, finest_scope
from monitor.model.samples import Samples
from monitor.recalibration.calibrators import Calibrator, Identity, Temperature
from monitor.recalibration.refit import RefitInputs, current_scores, run_refit, split_windows
from tests.worlds.line import model_section
from tests.worlds.reasons import sentences

Stream = Callable[..., Samples]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SLICES = tuple(Slice.of({"camera": camera}) for camera in ("c1", "c2"))


def _model(method: str = "temperature", policy: str | None = "f1") -> Model:
    extra = f'threshold = {{ policy = "{policy}" }}' if policy else ""
    text = model_section(extra=extra, recalibration=f'method = "{method}"')
    return parse_config(text, "calwatch.toml", Path()).model[0]


def test_the_finest_scope_is_in_charge_and_a_scope_elsewhere_is_not() -> None:
    night = Slice.of({"camera": "c1", "lighting": "night"})
    scopes = [Slice(), Slice.of({"camera": "c1"}), Slice.of({"lighting": "night"}), Slice.of({"camera": "c2"})]
    assert finest_scope(night, scopes) == Slice.of({"camera": "c1"})
    assert finest_scope(night, [*scopes, night]) == night
    assert finest_scope(Slice.of({"camera": "c3", "lighting": "day"}), scopes) == Slice()
    assert finest_scope(Slice.of({"camera": "c3"}), scopes[1:]) is None


def test_each_sample_is_scored_by_the_calibrator_in_charge_of_its_slice(stream: Stream) -> None:
    samples = stream(np.random.default_rng(1), 100, slices=2)
    in_use: dict[Slice, tuple[str, Calibrator]] = {SLICES[0]: ("a", Temperature(2.0))}
    scores = current_scores(samples, SLICES, in_use)
    first = samples.slice_index == 0
    np.testing.assert_allclose(scores[first], Temperature(2.0).apply(samples.score[first]))
    np.testing.assert_array_equal(scores[~first], samples.score[~first])


def test_an_over_confident_stream_gets_a_higher_temperature_a_parent_and_a_threshold(stream: Stream) -> None:
    samples = stream(np.random.default_rng(2), 4000, temperature=3.0, slices=2)
    found = run_refit(
        RefitInputs(_model(), Slice(), samples, SLICES, {Slice(): ("before", Identity())}, NOW, ()),
        calwatch_version="1",
    )
    assert found.accepted
    assert found.artefact is not None
    assert found.artefact.parameters["temperature"] == pytest.approx(3.0, rel=0.15)
    assert found.artefact.parent == "before"
    assert found.artefact.gate_window is not None
    assert (found.artefact.fit_window.samples, found.artefact.gate_window.samples) == (1920, 1280)
    assert found.threshold is not None
    assert found.threshold.threshold is not None
    assert 0 < found.threshold.threshold < 1
    assert found.threshold.calibrator == found.artefact.id
    assert found.threshold.recall is not None


def test_precision_and_recall_of_the_threshold_are_those_on_samples_the_fit_never_saw(stream: Stream) -> None:
    samples = stream(np.random.default_rng(3), 4000, temperature=0.4)
    late = np.arange(4000) >= 2400
    sorted_out = np.where(late, (samples.score > 0.5).astype(np.float64), samples.outcome)
    changed = Samples(samples.score, sorted_out, None, None, None, samples.observed_at, samples.slice_index)
    found = run_refit(
        RefitInputs(_model(policy="cost:fp=1,fn=1"), Slice(), changed, (Slice(),), {}, NOW, ()), calwatch_version="1"
    )
    assert found.threshold is not None
    assert found.threshold.precision == pytest.approx(1.0, abs=0.05)  # on the fit part it is 0.85
    assert found.threshold.recall == pytest.approx(1.0, abs=0.05)
    assert found.artefact is not None
    assert found.artefact.gate_window is not None
    assert found.artefact.gate_window.start > found.artefact.fit_window.end


def test_too_few_samples_name_both_numbers_and_make_no_candidate(stream: Stream) -> None:
    found = run_refit(
        RefitInputs(_model(), Slice(), stream(np.random.default_rng(4), 399), (Slice(),), {}, NOW, ()),
        calwatch_version="1",
    )
    assert not found.accepted
    assert found.artefact is None
    assert sentences(found) == ("rejected: needs 400 labelled samples, has 399; nothing changes",)


def test_a_method_that_cannot_be_fitted_is_a_rejection_with_its_reason(stream: Stream) -> None:
    samples = stream(np.random.default_rng(5), 500)
    one_class = Samples(samples.score, np.ones(500), None, None, None, samples.observed_at, samples.slice_index)
    found = run_refit(
        RefitInputs(_model("isotonic"), Slice(), one_class, (Slice(),), {}, NOW, ()), calwatch_version="1"
    )
    assert not found.accepted
    assert sentences(found)[-1].startswith("rejected")


def test_a_candidate_equal_to_what_is_in_use_is_rejected(stream: Stream) -> None:
    samples = stream(np.random.default_rng(6), 2000)
    found = run_refit(RefitInputs(_model("identity"), Slice(), samples, (Slice(),), {}, NOW, ()), calwatch_version="1")
    assert not found.accepted
    assert "same scores as the calibrator in use" in sentences(found)[-2]


def test_what_stays_in_charge_gets_a_threshold_once_and_anew_when_its_promise_is_broken(stream: Stream) -> None:
    samples = stream(np.random.default_rng(8), 6000)
    model = _model("identity", "precision>=0.8")
    found = run_refit(RefitInputs(model, Slice(), samples, (Slice(),), {}, NOW, ()), calwatch_version="1")
    assert not found.accepted
    assert found.threshold is not None
    assert (found.threshold.calibrator, found.threshold.kept) == ("", True)
    again = run_refit(
        RefitInputs(model, Slice(), samples, (Slice(),), {}, NOW, (), standing=found.threshold), calwatch_version="1"
    )
    assert again.decided == ()
    too_low = replace(found.threshold, threshold=0.3)
    anew = run_refit(
        RefitInputs(model, Slice(), samples, (Slice(),), {}, NOW, (), standing=too_low), calwatch_version="1"
    )
    assert anew.threshold == found.threshold
    other = run_refit(
        RefitInputs(_model("identity", "f1"), Slice(), samples, (Slice(),), {}, NOW, (), standing=too_low),
        calwatch_version="1",
    )
    assert other.threshold is not None
    assert other.threshold.policy == "f1"
    finer = run_refit(RefitInputs(model, SLICES[0], samples, SLICES, {}, NOW, ()), calwatch_version="1")
    assert finer.decided == ()  # the slice has no calibrator of its own: the threshold of the whole decides there


@pytest.mark.parametrize(("standing", "due"), [(None, False), (0.3, True)])
def test_a_broken_promise_of_what_was_tuned_is_left_to_a_tuning(
    standing: float | None, due: bool, stream: Stream
) -> None:
    samples = stream(np.random.default_rng(8), 6000)
    task = RefitInputs(
        _model("identity", "precision>=0.8"), Slice(), samples, (Slice(),), {Slice(): ("tuned", Identity())}, NOW, ()
    )
    chosen = run_refit(task, calwatch_version="1").threshold
    assert chosen is not None
    there = chosen if standing is None else replace(chosen, threshold=standing)
    found = run_refit(replace(task, standing=there, is_tuned=True), calwatch_version="1")
    assert (found.accepted, found.decided, found.tuning_due) == (False, (), due)


@given(seed=st.integers(0, 2**32 - 1), clip=st.integers(1, 40), later=st.floats(0.1, 0.8))
@settings(max_examples=40, deadline=None)
def test_the_windows_follow_each_other_and_share_no_group(seed: int, clip: int, later: float) -> None:
    rng = np.random.default_rng(seed)
    n = 300
    at = np.sort(rng.integers(0, 200, n)).astype(np.float64)
    group = rng.permutation(np.arange(n) // clip)  # groups lie all over the time, across every border
    samples = Samples(rng.random(n), np.ones(n), None, None, group, at, np.zeros(n, np.int64))
    parts = split_windows(samples, later, thresholds=True)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        one, other = parts[first], parts[second]
        assert one.group is not None
        assert other.group is not None
        assert not set(one.group.tolist()) & set(other.group.tolist())
        if len(one) and len(other):
            assert one.observed_at.max() < other.observed_at.min()


def test_a_group_planted_across_each_border_is_kept_on_one_side(stream: Stream) -> None:
    samples = stream(np.random.default_rng(9), 1000)
    group = np.full(1000, -1, np.int64)
    group[[470, 490]], group[[790, 810]], group[[100, 900]] = 1, 2, 3
    early, gate, last = split_windows(replace(samples, group=group), 0.4, thresholds=True)
    held = [set(part.group.tolist()) if part.group is not None else set() for part in (early, gate, last)]
    assert held == [{-1, 1, 3}, {-1, 2}, {-1}]
    assert (len(early), len(gate), len(last)) == (480, 318, 199)


def test_without_a_policy_no_threshold_is_chosen(stream: Stream) -> None:
    samples = stream(np.random.default_rng(7), 4000, temperature=3.0)
    found = run_refit(RefitInputs(_model(policy=None), Slice(), samples, (Slice(),), {}, NOW, ()), calwatch_version="1")
    assert found.accepted
    assert found.threshold is None
