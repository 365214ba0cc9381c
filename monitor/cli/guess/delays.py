"""How long labels take, from the rows tried, and the lengths of time of a model that wait for them."""

from datetime import UTC, datetime, timedelta
from math import ceil

import numpy as np

from monitor.cli.guess.columns import UNITS, Column, Table
from monitor.cli.guess.found import Guess, Meaning
from monitor.config.settings import Model
from monitor.model.durations import format_duration
from monitor.model.wording import quantity, rough_duration, round_up

_FEWEST = 20  # labels beside their predictions from which something is said
_DAY = timedelta(days=1)
_WINDOWS = timedelta(days=7)  # the longest window of the starter's
_DEFAULTS = {name: Model.model_fields[name].default for name in ("label_horizon", "fold_after", "retention")}


def guess_delays(meaning: Meaning, labels: Table | None) -> list[Guess]:
    """Return label_maturity with the reason, and what else has to be longer than labels take; nothing where too few labels
    stand beside their predictions. ``labels``: the table of a source of labels, where there is one."""
    found = np.array(_delays(meaning, labels))
    if len(found) < _FEWEST:
        return []
    many, most, longest = (
        timedelta(seconds=float(each)) for each in np.quantile(found, [0.75, 0.95, 1], method="lower")
    )
    maturity = round_up(many) if many >= timedelta(minutes=1) else timedelta(0)
    why = (
        f"three quarters of {quantity(len(found), 'label')} come within {rough_duration(many)} of their prediction, 95 % "
        f"within {rough_duration(most)}"
    )
    wanted = {"label_horizon": ceil(longest / _DAY) * _DAY, "fold_after": _WINDOWS + maturity}
    wanted["retention"] = max(wanted.values())
    longer = [
        Guess(name, format_duration(length), f"labels come up to {rough_duration(longest)} after their prediction")
        for name, length in wanted.items()
        if length > _DEFAULTS[name]
    ]
    return [Guess("label_maturity", format_duration(maturity), why), *longer]


def _delays(meaning: Meaning, labels: Table | None) -> list[float]:
    """Seconds from predictions to their labels, of those tried on both sides."""
    own, other = meaning.roles.columns, meaning.roles.labels if labels is not None else meaning.roles.columns
    observed, labelled = own.get("observed_at"), other.get("labelled_at")
    if observed is None or labelled is None or (labels is not None and "sample_id" not in own):
        return []
    seen, given = _seconds(observed), _seconds(labelled)
    pairs = list(zip(seen, given, strict=False))
    if labels is not None:
        by_id = dict(zip(own["sample_id"].cells, seen, strict=True))
        pairs = [(by_id.get(name), at) for name, at in zip(other["sample_id"].cells, given, strict=True)]
    return [at - began for began, at in pairs if began is not None and at is not None and at >= began]


def _seconds(times: Column) -> list[float | None]:
    """Since 1970 by row, times without a zone taken as UTC; None where there is no time that can be read."""
    if times.time_shape == "number" and times.time_unit is not None:
        return [None if number is None else number / UNITS[times.time_unit] for number in times.numbers]
    return [_moment(cell) for cell in times.cells]


def _moment(cell: str | None) -> float | None:
    try:
        at = datetime.fromisoformat(cell or "")
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
