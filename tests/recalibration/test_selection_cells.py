"""Selection from cells beside selection from rows."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from monitor.model.samples import Samples
from monitor.recalibration.calibrators import Identity, Isotonic, Platt
from monitor.recalibration.fit_cells import fit_from_cells
from monitor.recalibration.selection import select_calibrator, select_calibrator_from_cells
from monitor.statistics.arrays import concatenate_columns
from monitor.statistics.cells import Cells
from tests.worlds.reasons import sentences

Stream = Callable[..., Samples]


def _hourly(samples: Samples, hours: int = 60) -> Cells:
    unit = np.arange(len(samples)) * hours // len(samples)
    return Cells.from_samples(samples.score, samples.outcome, unit=unit)


@pytest.mark.parametrize(("temperature", "shift"), [(1.0, 0.0), (1.6, 0.0), (1.0, -1.0)])
def test_cells_lead_to_the_method_and_the_losses_that_rows_lead_to(
    stream: Stream, temperature: float, shift: float
) -> None:
    samples = stream(np.random.default_rng(31), 12_000, temperature=temperature, shift=shift)
    rows, cells = select_calibrator("auto", samples), select_calibrator_from_cells("auto", _hourly(samples))
    assert cells.calibrator.method == rows.calibrator.method
    assert list(cells.log_loss) == list(rows.log_loss)
    for method, loss in rows.log_loss.items():
        assert cells.log_loss[method] == pytest.approx(loss, abs=0.002)
    assert cells.calibrator == fit_from_cells(rows.calibrator.method, _hourly(samples))


def test_the_order_in_which_cells_come_does_not_matter(stream: Stream) -> None:
    cells = _hourly(stream(np.random.default_rng(32), 6000, shift=-1.0))
    halves = [cells.regroup(np.array([[unit, unit] for unit in units])) for units in (range(30, 60), range(30))]
    assert isinstance(select_calibrator_from_cells("auto", cells).calibrator, Platt)
    assert sentences(select_calibrator_from_cells("auto", concatenate_columns(halves))) == sentences(
        select_calibrator_from_cells("auto", cells)
    )


def test_outcomes_that_hang_together_within_an_hour_do_not_make_chance_significant() -> None:
    """Whole hours of hits or of misses: as single samples a shift would be proven, as hours it is luck."""
    rng = np.random.default_rng(33)
    hours, each = 40, 500
    score = rng.uniform(0.55, 0.65, hours * each)
    outcome = np.repeat((rng.random(hours) < 0.7).astype(np.float64), each)
    unit = np.repeat(np.arange(hours), each)
    assert abs(outcome.mean() - 0.6) > 0.03
    found = select_calibrator_from_cells("auto", Cells.from_samples(score, outcome, unit=unit))
    assert found.calibrator == Identity()
    mixed = rng.permutation(hours * each)
    assert (
        select_calibrator_from_cells("auto", Cells.from_samples(score, outcome[mixed], unit=unit)).calibrator
        != Identity()
    )


def test_fewer_than_twenty_buckets_keep_identity_and_say_so(stream: Stream) -> None:
    samples = stream(np.random.default_rng(34), 4000, temperature=3.0)
    found = select_calibrator_from_cells("auto", _hourly(samples, hours=19))
    assert found.calibrator == Identity()
    assert sentences(found)[-1] == "identity chosen: a comparison needs samples of 20 time buckets, has 19"
    assert select_calibrator_from_cells("auto", _hourly(samples, hours=20)).calibrator != Identity()


def test_isotonic_is_no_candidate_below_a_thousand_of_each_outcome(stream: Stream) -> None:
    samples = stream(np.random.default_rng(35), 2400)
    negatives = int(2400 - samples.outcome.sum())
    assert negatives < 1000
    found = select_calibrator_from_cells("auto", _hourly(samples))
    assert f"isotonic rejected: {negatives} negatives, needs 1,000" in sentences(found)
    assert not isinstance(found.calibrator, Isotonic)


def test_no_cells_and_too_few_samples_keep_identity(stream: Stream) -> None:
    assert select_calibrator_from_cells("auto", Cells.from_samples([], [])).calibrator == Identity()
    found = select_calibrator_from_cells("auto", _hourly(stream(np.random.default_rng(36), 40)))
    assert found.calibrator == Identity()
    assert sentences(found)[-1] == "identity chosen: no other method can be fitted"


def test_a_method_asked_for_by_name_is_fitted(stream: Stream) -> None:
    cells = _hourly(stream(np.random.default_rng(37), 2000))
    found = select_calibrator_from_cells("beta", cells)
    assert found.calibrator == fit_from_cells("beta", cells)
    assert re.fullmatch("beta chosen: asked for by name", sentences(found)[0])
    with pytest.raises(ValueError, match="needs logit vectors"):
        select_calibrator_from_cells("vector", cells)
