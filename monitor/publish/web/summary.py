"""One word for a model, and the reasons for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from monitor.model import Alert, AlertState, Health, ModelStatus, ReadingState, Severity, wording
from monitor.model.nouns import number_samples
from monitor.model.reasons import WATCHES_NOTHING
from monitor.publish.web.filters import shorten_name

_REASONS_SHOWN = 3
_TROUBLE_LENGTH = 300  # characters
_BY_SEVERITY = (Severity.PAGE, Severity.TICKET, Severity.INFO)
_OVER = (AlertState.RESOLVED, AlertState.INACTIVE)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Condition(StrEnum):
    FIRING = "firing"
    UNKNOWN = "unknown"  # nobody can say: it failed, has too few labels, or a rule could not be evaluated
    HEALTHY = "healthy"


@dataclass(frozen=True, slots=True)
class Summary:
    """Firing wins over unknown, unknown over healthy. ``firing``: which alerts fire, a line each; ``rest``: sentences about
    what is not known, or, where nothing fires, that all is known and well; and about troubles of sources."""

    condition: Condition
    firing: tuple[str, ...]
    rest: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Both, at least one."""
        return *self.firing, *self.rest


def urgency(alert: Alert) -> tuple[int, datetime, str]:
    """Sort key: pages before tickets before infos, and those that began earlier first."""
    return _BY_SEVERITY.index(alert.severity), alert.since or _LONG_AGO, alert.slice.text


def sort_resolved(alerts: Iterable[Alert]) -> list[Alert]:
    """Those that fired and are over, the last one to end first."""
    over = [alert for alert in alerts if alert.state in _OVER and alert.resolved_at is not None]
    return sorted(over, key=lambda alert: alert.resolved_at or _LONG_AGO, reverse=True)


def summarise_model(model: ModelStatus) -> Summary:
    """The state of a model in one word, with its reasons: what fires first, then what is not known."""
    firing = sorted((alert for alert in model.alerts if alert.state is AlertState.FIRING), key=urgency)
    doubts = _doubts(model)
    if firing:
        lines = [
            f"{shorten_name(alert.rule)} fires for {shorten_name(alert.slice.text)} since {wording.minute(alert.since)}"
            for alert in firing
        ]
        return Summary(Condition.FIRING, _first(lines, "alerts fire"), (*doubts, *_troubles(model)))
    if doubts:
        return Summary(Condition.UNKNOWN, (), (*doubts, *_troubles(model)))
    return Summary(Condition.HEALTHY, (), (_all_well(model), *_troubles(model)))


def _troubles(model: ModelStatus) -> tuple[str, ...]:
    """Files that are not taken make no number wrong, but what is in them is missing from all; what folds counts together."""
    folded = tuple(wording.describe_folded(each) for each in model.folded)
    if not model.source_problems:
        return folded
    first = shorten_name(model.source_problems[0], _TROUBLE_LENGTH)
    return (f"{wording.quantity(len(model.source_problems), 'trouble')} of its sources: {first}", *folded)


def _doubts(model: ModelStatus) -> tuple[str, ...]:
    doubts = []
    if model.problem is not None:
        doubts.append(f"the last cycle failed: {model.problem}")
    whole = [reading for reading in model.readings if reading.slice.order == 0]
    if not whole:
        doubts.append(
            wording.describe_silence(model.last_sample_at, model.longest_window)
            if model.last_sample_at
            else "there is no reading yet"
        )
    elif all(reading.state is ReadingState.INSUFFICIENT for reading in whole):
        most = max(whole, key=lambda reading: reading.samples)
        count = number_samples(most.samples, most.groups, most.group_noun)
        doubts.append(f"too few labelled samples in every window (at most {count})")
    doubts += [
        f"labels of {shorten_name(each.source)} find no prediction: {wording.describe_waiting(each)}"
        for each in model.waiting_labels
        if each.suspicious
    ]
    if model.files_set_aside:
        first = model.files_set_aside[0]
        told = shorten_name(wording.describe_set_aside(first.item, first.reason, first.remedy), _TROUBLE_LENGTH)
        doubts.append(
            f"{wording.quantity(len(model.files_set_aside), 'file')} set aside, and missing from every number: {told}"
        )
    unjudged = {(each.rule, each.version, each.slice) for each in model.list_unjudged()}
    unsure = [
        f"{shorten_name(alert.rule)} cannot be evaluated for {shorten_name(alert.slice.text)}: {alert.reason}"
        for alert in sorted(model.alerts, key=urgency)
        if alert.health is Health.ERROR
        or (alert.health is Health.UNKNOWN and (alert.state is AlertState.PENDING or alert.why.code in WATCHES_NOTHING))
        or (alert.health is Health.UNKNOWN and (alert.rule, alert.version, alert.slice) in unjudged)
    ]
    return (*doubts, *_first(unsure, "rules cannot be evaluated"))


def _first(reasons: list[str], what: str) -> tuple[str, ...]:
    if len(reasons) <= _REASONS_SHOWN:
        return tuple(reasons)
    return (*reasons[:_REASONS_SHOWN], f"and {len(reasons) - _REASONS_SHOWN:,} more {what}")


def _all_well(model: ModelStatus) -> str:
    if not model.rules:
        return "no rule watches this model"
    slices = len({reading.slice for reading in model.readings})
    pending = sum(alert.state is AlertState.PENDING for alert in model.alerts)
    waits = f"; {pending:,} pending" if pending else ""
    return f"no rule fires ({wording.quantity(len(model.rules), 'rule')}, {wording.quantity(slices, 'slice')}{waits})"
