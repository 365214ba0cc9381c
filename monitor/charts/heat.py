"""Two slice dimensions against each other: which ones, and the calibration error of each crossed slice."""

from dataclasses import dataclass

from monitor.model import ModelStatus, ReadingState


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


def heat_cells(model: ModelStatus, window: str, row: str, column: str) -> list[HeatCell]:
    """Each crossed slice of the two dimensions over a window, of the version with most samples there."""
    found: dict[tuple[str, str], HeatCell] = {}
    wanted = {row, column}
    for reading in model.readings:
        if reading.window != window or reading.slice.order != 2:
            continue
        labels = reading.slice.as_dict()
        if labels.keys() != wanted:
            continue
        key = labels[row], labels[column]
        if key not in found or found[key].samples < reading.samples:
            metrics = reading.metrics if reading.state is ReadingState.OK else {}
            beyond = more_than_luck(metrics.get("ece"), metrics.get("ece_null_quantile"))
            found[key] = HeatCell(*key, metrics.get("ece_debiased"), reading.samples, beyond)
    return [found[key] for key in sorted(found)]


def more_than_luck(ece: float | None, luck: float | None) -> bool:
    """Whether a plug-in ECE is above what luck explains; what is not known is not."""
    return ece is not None and luck is not None and ece > luck
