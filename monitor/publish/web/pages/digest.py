"""What every page wants of a snapshot, made once for each snapshot: states with reasons, alerts in order, slices in order."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitor.model import Alert, AlertState, ModelStatus, Published, Reading, ReadingState, Slice
from monitor.model.errors import UsageError
from monitor.publish.web.summary import Condition, Summary, sort_resolved, summarise_model, urgency

_OPEN = (AlertState.FIRING, AlertState.PENDING)


@dataclass(frozen=True, slots=True)
class Shown:
    """A reading with the text of its slice, which costs more than reading it."""

    text: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class Digest:
    """One snapshot, digested. ``cards``: models with their summaries, those in trouble first."""

    published: Published
    models: Mapping[str, ModelStatus]
    summaries: Mapping[str, Summary]
    cards: tuple[tuple[ModelStatus, Summary], ...]
    alerts: tuple[Alert, ...]  # firing, then pending, the most urgent first
    over: Alert | None  # of those that fired and are over the last one to end
    _worst: dict[tuple[str, str], tuple[Shown, ...]] = field(default_factory=dict)

    @classmethod
    def from_published(cls, published: Published) -> "Digest":
        summaries = {model.name: summarise_model(model) for model in published.models}
        order = list(Condition)
        cards = sorted(
            ((model, summaries[model.name]) for model in published.models),
            key=lambda card: order.index(card[1].condition),
        )
        alerts = [alert for model in published.models for alert in model.alerts]
        return cls(
            published, {model.name: model for model in published.models}, summaries, tuple(cards),
            tuple(open_alerts(alerts)), next(iter(sort_resolved(alerts)), None),
        )  # fmt: skip

    def model(self, name: str) -> ModelStatus:
        """Raises UsageError for a model that is not in the snapshot."""
        found = self.models.get(name)
        if found is None:
            known = ", ".join(list(self.models)[:20]) + (" …" if len(self.models) > 20 else "")
            raise UsageError(f'there is no model "{name}"', f"known: {known or 'none yet'}")
        return found

    def rule_summaries(self, model: str) -> dict[str, str]:
        """What each rule of a model says that its firing means."""
        return {rule.name: rule.summary for rule in self.models[model].rules}

    def slices(self, model: ModelStatus, window: str) -> tuple[Shown, ...]:
        """The readings of a model over one window, worst first."""
        key = (model.name, window)
        found = self._worst.get(key)
        if found is None:
            readings = sort_worst_first(tuple(reading for reading in model.readings if reading.window == window))
            found = self._worst[key] = tuple(Shown(reading.slice.text, reading) for reading in readings)
        return found


def open_alerts(alerts: Iterable[Alert]) -> list[Alert]:
    """Those that fire, then those that are pending, the most urgent first."""
    return sorted(
        (alert for alert in alerts if alert.state in _OPEN),
        key=lambda alert: (alert.state is not AlertState.FIRING, *urgency(alert)),
    )


class Digests:
    """The digest of the newest snapshot, made when it is first asked for."""

    def __init__(self) -> None:
        self._newest: Digest | None = None
        self._making = threading.Lock()

    def digest_published(self, published: Published | None) -> Digest | None:
        """None before the first cycle has ended."""
        if published is None:
            return None
        with self._making:
            if self._newest is None or self._newest.published is not published:
                self._newest = Digest.from_published(published)
            return self._newest


def sort_worst_first(readings: tuple[Reading, ...]) -> list[Reading]:
    """By ece_lower, then ece_debiased; then readings whose ECE is not known, and insufficient ones by samples."""

    def key(reading: Reading) -> tuple[bool, float, float, int, Slice, str]:
        enough = reading.state is ReadingState.OK
        lower = reading.metrics.get("ece_lower") if enough else None
        debiased = reading.metrics.get("ece_debiased") if enough else None
        return not enough, -_or_least(lower), -_or_least(debiased), -reading.samples, reading.slice, reading.version

    return sorted(readings, key=key)


def _or_least(value: float | None) -> float:
    return float("-inf") if value is None else value
