"""One word for a model, and the reasons for it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from monitor.model import Alert, AlertState, Health, ModelStatus, ReadingState, Severity

_REASONS_SHOWN = 3
_BY_SEVERITY = (Severity.PAGE, Severity.TICKET, Severity.INFO)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Condition(StrEnum):
    FIRING = "firing"
    UNKNOWN = "unknown"  # nobody can say: it failed, has too few labels, or a rule could not be evaluated
    HEALTHY = "healthy"


@dataclass(frozen=True, slots=True)
class Summary:
    """``reasons`` are sentences, at least one; firing wins over unknown, unknown over healthy."""

    condition: Condition
    reasons: tuple[str, ...]


def urgency(alert: Alert) -> tuple[int, datetime, str]:
    """Sort key: pages before tickets before infos, and those that began earlier first."""
    return _BY_SEVERITY.index(alert.severity), alert.since or _LONG_AGO, alert.slice.text


def summarise(model: ModelStatus) -> Summary:
    """The state of a model in one word, with its reasons: what fires first, then what is not known."""
    firing = sorted((alert for alert in model.alerts if alert.state is AlertState.FIRING), key=urgency)
    doubts = _doubts(model)
    if firing:
        reasons = [f"{alert.rule} fires for {alert.slice.text}: {alert.reason}" for alert in firing]
        return Summary(Condition.FIRING, (*_shortened(reasons, "alerts fire"), *doubts))
    if doubts:
        return Summary(Condition.UNKNOWN, doubts)
    return Summary(Condition.HEALTHY, (_all_well(model),))


def _doubts(model: ModelStatus) -> tuple[str, ...]:
    doubts = []
    if model.problem is not None:
        doubts.append(f"the last cycle failed: {model.problem}")
    whole = [reading for reading in model.readings if reading.slice.order == 0]
    if not whole:
        doubts.append("there is no reading yet")
    elif all(reading.state is ReadingState.INSUFFICIENT for reading in whole):
        most = max(reading.samples for reading in whole)
        doubts.append(f"too few labelled samples in every window (at most {most:,})")
    unsure = [
        f"{alert.rule} cannot be evaluated for {alert.slice.text}: {alert.reason}"
        for alert in sorted(model.alerts, key=urgency)
        if alert.health is Health.ERROR or (alert.health is Health.UNKNOWN and alert.state is AlertState.PENDING)
    ]
    return (*doubts, *_shortened(unsure, "rules cannot be evaluated"))


def _shortened(reasons: list[str], what: str) -> tuple[str, ...]:
    if len(reasons) <= _REASONS_SHOWN:
        return tuple(reasons)
    return (*reasons[:_REASONS_SHOWN], f"and {len(reasons) - _REASONS_SHOWN:,} more {what}")


def _all_well(model: ModelStatus) -> str:
    if not model.rules:
        return "no rule watches this model"
    slices = len({reading.slice for reading in model.readings})
    pending = sum(alert.state is AlertState.PENDING for alert in model.alerts)
    waits = f"; {pending:,} pending" if pending else ""
    return f"no rule fires ({len(model.rules):,} rules, {slices:,} slices{waits})"
