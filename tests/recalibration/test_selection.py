import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, softmax

from monitor.model.samples import Samples
from monitor.recalibration.calibrators import Beta, Identity, Isotonic, Temperature, Vector
from monitor.recalibration.fit_logits import fit_temperature_multiclass, fit_vector
from monitor.recalibration.fit_scores import fit_beta, fit_isotonic, fit_platt, fit_temperature
from monitor.recalibration.selection import select_calibrator, time_folds
from tests.worlds.reasons import sentences

Stream = Callable[..., Samples]
Outputs = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]


def _curved(rng: np.random.Generator, n: int) -> Samples:
    """Outcomes that follow two steps of the score, which no smooth curve can express."""
    score = rng.random(n)
    outcome = (rng.random(n) < np.select([score < 0.45, score < 0.55], [0.2, 0.45], 0.5)).astype(np.float64)
    return Samples(score, outcome, None, None, None, np.arange(n, dtype=np.float64), np.zeros(n, dtype=np.int64))


def _top_label(outputs: Outputs, rows: slice) -> Samples:
    logits, score, outcome, label = outputs
    n = len(score[rows])
    return Samples(
        score=score[rows],
        outcome=outcome[rows],
        logits=logits[rows],
        label_index=label[rows],
        group=None,
        observed_at=np.arange(n, dtype=np.float64),
        slice_index=np.zeros(n, dtype=np.int64),
    )


def test_auto_leaves_calibrated_scores_alone(stream: Stream) -> None:
    selection = select_calibrator("auto", stream(np.random.default_rng(1), 6000))
    assert selection.calibrator == Identity()
    assert sentences(selection)[-1].startswith("identity chosen: ")
    assert list(selection.log_loss) == ["identity", "temperature", "platt", "beta", "isotonic"]


def test_auto_takes_the_simpler_method_where_the_best_is_better_by_chance(stream: Stream) -> None:
    selection = select_calibrator("auto", stream(np.random.default_rng(12), 900))
    assert selection.log_loss["temperature"] < selection.log_loss["identity"]
    assert selection.calibrator == Identity()
    assert re.fullmatch(
        r"identity chosen: \w+ is better by 0\.\d+ ± 0\.\d+, which may be chance", sentences(selection)[-1]
    )


def test_auto_takes_temperature_for_a_drift_of_temperature_though_isotonic_is_about_as_good(stream: Stream) -> None:
    samples = stream(np.random.default_rng(2), 6000, temperature=1.6)
    selection = select_calibrator("auto", samples)
    assert selection.calibrator == fit_temperature(samples.score, samples.outcome)
    assert re.fullmatch(r"identity rejected: \w+ is better by 0\.\d+ ± 0\.\d+", sentences(selection)[0])


def test_auto_takes_platt_for_a_shift(stream: Stream) -> None:
    samples = stream(np.random.default_rng(2), 6000, shift=-1.0)
    selection = select_calibrator("auto", samples)
    assert selection.calibrator == fit_platt(samples.score, samples.outcome)
    assert [reason.split(":")[0] for reason in sentences(selection)] == [
        "identity rejected", "temperature rejected", "platt chosen",
    ]  # fmt: skip


def test_auto_takes_beta_where_the_two_ends_are_off_by_different_factors() -> None:
    rng = np.random.default_rng(11)
    score = expit(rng.normal(0, 2.5, 20_000))
    outcome = (rng.random(20_000) < Beta(0.3, 1.8, 0.5).apply(score)).astype(np.float64)
    samples = Samples(score, outcome, None, None, None, np.arange(20_000.0), np.zeros(20_000, dtype=np.int64))
    assert select_calibrator("auto", samples).calibrator == fit_beta(score, outcome)


def test_auto_takes_isotonic_where_nothing_simpler_fits() -> None:
    samples = _curved(np.random.default_rng(3), 8000)
    selection = select_calibrator("auto", samples)
    assert selection.calibrator == fit_isotonic(samples.score, samples.outcome)
    assert [reason.split(":")[0] for reason in sentences(selection)] == [
        "identity rejected",
        "temperature rejected",
        "platt rejected",
        "beta rejected",
        "isotonic chosen",
    ]


def test_isotonic_is_no_candidate_below_a_thousand_of_each_outcome() -> None:
    samples = _curved(np.random.default_rng(4), 2600)
    positives = int(samples.outcome.sum())
    assert positives < 1000 < 2600 - positives
    selection = select_calibrator("auto", samples)
    assert f"isotonic rejected: {positives} positives, needs 1,000" in sentences(selection)
    assert not isinstance(selection.calibrator, Isotonic)
    turned = replace(samples, outcome=1 - samples.outcome)
    assert f"isotonic rejected: {positives} negatives, needs 1,000" in sentences(select_calibrator("auto", turned))


def test_auto_with_too_few_samples_keeps_identity_and_says_what_is_missing(stream: Stream) -> None:
    selection = select_calibrator("auto", stream(np.random.default_rng(5), 40))
    assert selection.calibrator == Identity()
    assert sentences(selection)[0].startswith("temperature rejected: temperature needs at least 50 samples")
    assert sentences(selection)[-1] == "identity chosen: no other method can be fitted"


def test_auto_without_any_samples_keeps_identity(stream: Stream) -> None:
    nothing = stream(np.random.default_rng(5), 0)
    assert select_calibrator("auto", nothing).calibrator == Identity()


def test_auto_with_a_single_group_keeps_identity(stream: Stream) -> None:
    samples = stream(np.random.default_rng(5), 300, temperature=3.0, clip=300)
    assert select_calibrator("auto", samples).calibrator == Identity()


def test_a_method_asked_for_by_name_is_fitted_or_says_what_it_needs(stream: Stream) -> None:
    samples = stream(np.random.default_rng(6), 600)
    assert select_calibrator("identity", samples).calibrator == Identity()
    assert select_calibrator("temperature", samples).calibrator == fit_temperature(samples.score, samples.outcome)
    assert select_calibrator("platt", samples).calibrator == fit_platt(samples.score, samples.outcome)
    assert select_calibrator("beta", samples).calibrator == fit_beta(samples.score, samples.outcome)
    assert select_calibrator("isotonic", samples).calibrator == fit_isotonic(samples.score, samples.outcome)
    with pytest.raises(ValueError, match="vector scaling needs logits and the true class of every sample"):
        select_calibrator("vector", samples)
    with pytest.raises(ValueError, match="temperature needs at least 50 samples"):
        select_calibrator("temperature", samples.subset(np.arange(600) < 30))
    with pytest.raises(ValueError, match=r"one of identity, .*, vector or auto \(got 'magic'\)"):
        select_calibrator("magic", samples)


def test_with_logits_in_every_row_temperature_is_fitted_on_the_vectors(cifar: Callable[[str], Outputs]) -> None:
    samples = _top_label(cifar("wideresnet-16-4-cifar-10"), slice(0, 2000))
    selection = select_calibrator("auto", samples)
    assert samples.logits is not None
    assert samples.label_index is not None
    assert list(selection.log_loss) == ["identity", "temperature", "vector"]
    assert selection.log_loss["temperature"] < selection.log_loss["identity"] - 0.05
    assert select_calibrator("temperature", samples).calibrator == fit_temperature_multiclass(
        samples.logits, samples.label_index
    )


def _biased(rng: np.random.Generator, n: int, bias: float) -> Samples:
    """Three classes; the network's logit of the last is too high by ``bias``."""
    true = rng.normal(0, 1.5, (n, 3))
    label = (true + rng.gumbel(size=(n, 3))).argmax(axis=1)
    logits = true + np.array([0.0, 0.0, bias])
    outcome = (logits.argmax(axis=1) == label).astype(np.float64)
    score = softmax(logits, axis=1).max(axis=1)
    return Samples(score, outcome, logits, label, None, np.arange(n, dtype=np.float64), np.zeros(n, dtype=np.int64))


def test_auto_takes_vector_where_one_class_is_favoured_and_temperature_where_none_is() -> None:
    samples = _biased(np.random.default_rng(13), 6000, bias=1.5)
    selection = select_calibrator("auto", samples)
    assert samples.logits is not None
    assert samples.label_index is not None
    assert isinstance(selection.calibrator, Vector)
    wanted = fit_vector(samples.logits, samples.label_index)
    np.testing.assert_allclose(selection.calibrator.biases, wanted.biases, atol=1e-6)
    assert selection.calibrator.biases[2] < selection.calibrator.biases[0] - 1
    assert [reason.split(" is better")[0] for reason in sentences(selection)[:2]] == [
        "identity rejected: vector", "temperature rejected: vector",
    ]  # fmt: skip
    assert select_calibrator("auto", _biased(np.random.default_rng(14), 6000, bias=0.0)).calibrator == Identity()


def test_vector_is_no_candidate_without_a_hundred_rows_of_each_class() -> None:
    samples = _biased(np.random.default_rng(15), 900, bias=1.5)
    assert samples.label_index is not None
    kept = (samples.label_index != 2) | (np.cumsum(samples.label_index == 2) <= 42)
    selection = select_calibrator("auto", samples.subset(kept))
    assert "vector rejected: 42 rows of class 2, needs 100 of each class" in sentences(selection)
    assert not isinstance(selection.calibrator, Vector)


def test_with_a_row_that_has_no_logits_temperature_is_fitted_on_scores_and_this_is_said(
    cifar: Callable[[str], Outputs],
) -> None:
    samples = _top_label(cifar("wideresnet-16-4-cifar-10"), slice(0, 2000))
    assert samples.logits is not None
    samples.logits[[3, 8]] = np.nan
    selection = select_calibrator("temperature", samples)
    assert isinstance(selection.calibrator, Temperature)
    assert not selection.calibrator.multiclass
    assert sentences(selection)[0] == "temperature is fitted on scores: 2 of 2,000 samples have no logits"
    without_labels = select_calibrator("temperature", replace(samples, label_index=None))
    assert "without the index of the true class" in sentences(without_labels)[0]


def test_folds_are_blocks_of_time_that_divide_no_group(stream: Stream) -> None:
    samples = stream(np.random.default_rng(7), 1000, clip=7)
    assert samples.group is not None
    renamed = np.random.default_rng(6).permutation(143)[samples.group]  # codes that are not in the order of time
    shuffled = replace(samples, group=renamed).subset(np.random.default_rng(8).permutation(1000))
    fold = time_folds(shuffled, 5)
    assert shuffled.group is not None
    in_time = np.argsort(shuffled.observed_at)
    assert np.all(np.diff(fold[in_time]) >= 0)
    for clip in np.unique(shuffled.group):
        assert len(np.unique(fold[shuffled.group == clip])) == 1
    assert np.bincount(fold).min() >= 190
    assert len(np.unique(fold)) == 5


def test_a_group_of_two_times_lies_wholly_in_the_fold_of_its_first_sample(stream: Stream) -> None:
    samples = stream(np.random.default_rng(9), 100)
    group = np.arange(100)[::-1].copy()  # codes that run against time
    group[[5, 95]] = 200
    fold = time_folds(replace(samples, group=group), 5)
    assert fold[5] == fold[95] == 0
    assert fold[0] == 0
    assert fold[99] == 4
