import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from monitor.statistics.cells import Cells, fine_bin_middle
from monitor.statistics.drift.bets import BinSums, Tolerance, bin_middles
from monitor.statistics.drift.eprocess import Block, EvidenceState, advance_evidence
from monitor.statistics.drift.reference import Reference, reference_bands
from tests.worlds.statistics import fit_reference

Floats = NDArray[np.float64]
SEEN = slice(60, 140)  # fine bins from p = 0.01 to 0.996


def samples(rng: np.random.Generator, size: int, bend: float = 0.0) -> Cells:
    """Outcomes that follow 0.8·logit − 0.3, and a cubic bend away from it."""
    score = rng.normal(0.5, 1.5, size)
    truth = 0.8 * score - 0.3 + bend * np.sin(3 * score)
    return Cells.from_samples(expit(score), rng.random(size) < expit(truth))


def test_the_logistic_band_holds_the_whole_curve_as_often_as_it_says() -> None:
    rng, x = np.random.default_rng(1), logit(fine_bin_middle())
    truth = -0.2 * x - 0.3
    held = logistic = 0
    for _ in range(300):
        reference = fit_reference(samples(rng, 1000), 0.9)
        inside = (reference.lower <= truth) & (truth <= reference.upper)
        logistic += reference.kind == "logistic"
        held += bool(inside[SEEN].all())
    assert held >= 0.9 * 300 - 3 * np.sqrt(300 * 0.09)
    assert logistic >= 0.8 * 300


def test_a_curve_that_is_not_logistic_gets_the_bins_band() -> None:
    reference = fit_reference(samples(np.random.default_rng(2), 5000, bend=0.8))
    assert reference.kind == "bins"
    assert reference.fit_p is not None
    assert reference.fit_p < 0.01


def test_few_outcomes_of_one_kind_get_the_bins_band_with_unknown_bins_open() -> None:
    reference = fit_reference(Cells.from_samples(np.full(50, 0.9), np.ones(50)))
    assert reference.kind == "bins"
    assert reference.fit_p is None
    assert reference.lower[0] == -np.inf
    assert reference.upper[0] == np.inf
    assert np.isfinite(reference.lower[96 + 17])


def test_more_samples_give_a_narrower_band() -> None:
    rng = np.random.default_rng(3)
    widths = [np.median((r := fit_reference(samples(rng, n))).upper - r.lower) for n in (300, 3000, 30_000)]
    assert widths[0] > widths[1] > widths[2]


def test_the_band_of_a_bin_is_that_of_its_mean_score_widened_by_the_tolerance() -> None:
    exact = Reference("logistic", np.full(192, -0.5), np.full(192, 0.1), 1000.0, 1.0)
    cells = Cells.from_samples(bin_middles(), np.zeros(12))
    lower, upper = reference_bands([exact], cells, 1, Tolerance("odds", 1.1))
    np.testing.assert_allclose(logit(lower[0, 0]), logit(bin_middles()) - 0.5 - np.log(1.1))
    np.testing.assert_allclose(logit(upper[0, 0]), logit(bin_middles()) + 0.1 + np.log(1.1))


def test_bins_without_samples_tolerate_anything() -> None:
    reference = fit_reference(samples(np.random.default_rng(4), 1000))
    lower, upper = reference_bands([reference], Cells.from_samples([0.99], [1]), 1, Tolerance())
    assert lower[0, 0, 0] == 0
    assert upper[0, 0, 0] == 1


def alarms(reference: Reference, stream: Cells, slices: int, buckets: int) -> int:
    sums = BinSums.from_cells(stream, slices, buckets)
    block = Block.of(sums, np.arange(buckets), *reference_bands([reference] * slices, stream, buckets, Tolerance()))
    return len(advance_evidence(EvidenceState.begin(slices), block, 50.0, 1.0).alarms)


@pytest.mark.slow
@pytest.mark.parametrize("bend", [0.0, 0.8])
def test_a_stream_that_stays_as_deployed_keeps_the_budget(bend: float) -> None:
    rng, found, plug_in, runs, buckets, per_bucket = np.random.default_rng(5), 0, 0, 30, 300, 50
    for _ in range(runs):
        reference = fit_reference(samples(rng, 1000, bend), 0.95)
        score = rng.normal(0.5, 1.5, buckets * per_bucket)
        truth = 0.8 * score - 0.3 + bend * np.sin(3 * score)
        outcome = rng.random(score.size) < expit(truth)
        stream = Cells.from_samples(expit(score), outcome, unit=np.repeat(np.arange(buckets), per_bucket))
        found += alarms(reference, stream, 1, buckets)
        if reference.kind == "logistic":
            middle = (reference.lower + reference.upper) / 2
            estimate = Reference("logistic", middle, middle, reference.samples, None)
            plug_in += alarms(estimate, stream, 1, buckets)
    allowed = runs * buckets / 50
    assert found <= allowed + 3 * np.sqrt(allowed)
    if bend == 0:
        assert plug_in > allowed  # betting against the estimate itself does not keep it


def test_drift_from_the_deployed_curve_is_found() -> None:
    rng = np.random.default_rng(6)
    reference = fit_reference(samples(rng, 3000))
    score = rng.normal(0.5, 1.5, 40 * 200)
    outcome = rng.random(score.size) < expit(0.8 * score - 1.0)
    stream = Cells.from_samples(expit(score), outcome, unit=np.repeat(np.arange(40), 200))
    assert alarms(reference, stream, 1, 40) > 0


def test_a_reference_needs_samples_and_a_confidence() -> None:
    with pytest.raises(ValueError, match="needs labelled samples"):
        fit_reference(Cells.from_samples([], []))
    with pytest.raises(ValueError, match="confidence"):
        fit_reference(Cells.from_samples([0.5], [1]), 1.0)
