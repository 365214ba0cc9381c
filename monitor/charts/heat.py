"""Two slice dimensions against each other: which ones, and the calibration error of each crossed slice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from monitor.model import ModelStatus, Slice


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One crossed slice; ``value``: its debiased ECE, None = too few labelled samples to tell; ``beyond_luck``: its plug-in
    ECE is more than a calibrated slice of its size shows in 95 % of cases."""

    row: str
    column: str
    value: float | None
    samples: int
    beyond_luck: bool


def heat_dimensions(model: ModelStatus) -> tuple[str, str] | None:
    """The two dimensions a heat map begins with: of those crossed in readings the first two; None without any."""
    crossed = {tuple(reading.slice.as_dict()) for reading in model.readings if reading.slice.order == 2}
    for first in model.dimensions:
        for second in model.dimensions:
            if first != second and tuple(sorted((first, second))) in crossed:
                return first, second
    return None


def heat_cells(
    readings: Iterable[tuple[Slice, int, Mapping[str, float | None]]], row: str, column: str
) -> list[HeatCell]:
    """Each crossed slice of the two dimensions among readings, given as slice, samples and metrics, which are unknown where
    samples are too few; of several versions that with most samples."""
    found: dict[tuple[str, str], HeatCell] = {}
    for slice_, samples, metrics in readings:
        labels = slice_.as_dict()
        if slice_.order != 2 or labels.keys() != {row, column}:
            continue
        key = labels[row], labels[column]
        if key not in found or found[key].samples < samples:
            beyond = more_than_luck(metrics.get("ece"), metrics.get("ece_null_quantile"))
            found[key] = HeatCell(*key, metrics.get("ece_debiased"), samples, beyond)
    return [found[key] for key in sorted(found)]


def more_than_luck(ece: float | None, luck: float | None) -> bool:
    """Whether a plug-in ECE is above what luck explains; what is not known is not."""
    return ece is not None and luck is not None and ece > luck
