import numpy as np
import pytest
from scipy.stats import ttest_1samp

from monitor.model.wording import amount, exact_percent
from monitor.statistics.paired_loss import improvement, log_losses


def test_log_loss_clips_at_one_in_a_million_million() -> None:
    losses = log_losses(np.array([0.0, 1.0, 0.25, 1.0]), np.array([1.0, 0.0, 1.0, 1.0]))
    np.testing.assert_allclose(losses, [27.631021, 27.631, np.log(4), 1e-12], rtol=1e-4)


def test_without_groups_the_bounds_are_those_of_a_t_test() -> None:
    gain = np.random.default_rng(1).normal(0.1, 1, 40)
    found = improvement(gain, np.arange(40), 0.95)
    expected = ttest_1samp(gain, 0).confidence_interval(0.9)  # two-sided 90 % is one-sided 95 % on each side
    assert found.lower == pytest.approx(expected.low)
    assert found.upper == pytest.approx(expected.high)
    assert (found.n, found.groups) == (40, 40)


def test_copies_of_a_sample_in_one_group_add_no_certainty() -> None:
    gain = np.random.default_rng(2).normal(0.1, 1, 40)
    once = improvement(gain, np.arange(40), 0.95)
    copied = improvement(np.repeat(gain, 25), np.repeat(np.arange(40), 25) * 7, 0.95)
    assert copied.lower == pytest.approx(once.lower)
    assert (copied.n, copied.groups) == (1000, 40)


def test_one_group_has_a_mean_but_no_bounds() -> None:
    found = improvement(np.array([0.1, 0.3]), np.zeros(2, dtype=np.int64), 0.95)
    assert found.mean == pytest.approx(0.2)
    assert np.isnan(found.lower)
    assert np.isnan(found.upper)


@pytest.mark.slow
def test_the_lower_bound_covers_in_clips_of_unequal_size() -> None:
    rng = np.random.default_rng(3)
    runs, missed = 2000, 0
    for _ in range(runs):
        sizes = rng.integers(1, 20, 60)
        units = np.repeat(np.arange(60), sizes)
        gain = 0.2 + rng.normal(0, 1, 60)[units] + rng.normal(0, 1, len(units))
        missed += improvement(gain, units, 0.95).lower > 0.2
    # nominal 5 %; Monte Carlo error 0.5 %, four of them allowed
    assert missed / runs == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(
    ("nats", "text"),
    [
        (0.0344, "0.034"),
        (-0.0344, "−0.034"),
        (-0.00042, "−0.00042"),
        (float("nan"), "–"),
        (0.00042, "0.00042"),
        (9.2e-05, "0.000092"),
        (0.0, "0.000"),
        (12.0, "12.000"),
    ],
)
def test_amounts_never_round_to_nothing(nats: float, text: str) -> None:
    assert amount(nats) == text


@pytest.mark.parametrize(("confidence", "text"), [(0.95, "95 %"), (0.995, "99.5 %"), (0.29, "29 %")])
def test_a_confidence_is_never_rounded_up_to_certainty(confidence: float, text: str) -> None:
    assert exact_percent(confidence) == text
