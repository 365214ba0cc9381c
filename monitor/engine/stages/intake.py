"""What came in and does not fit together: labels that join nothing, each cycle, and groups that reach too far, once a day.

Counts of labels that wait are exact in each cycle, and once an hour it is asked how many should have joined by now. Why
they wait is looked into when some begin to wait, an hour later, and ever more rarely while they do, at last once a day: ids
of both sides are compared (see joins), a thousand labels with five thousand predictions that have none, and with as many
that have one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from monitor.config.settings import Model
from monitor.model import GroupSpans, WaitingLabels
from monitor.model.wording import describe_alone, describe_spans, describe_waiting
from monitor.sources.findings.joins import guess_difference, guess_times
from monitor.sources.labels.waiting import (
    WaitingCount,
    count_due,
    count_waiting,
    load_newest_predictions,
    load_newest_waiting,
    store_waiting,
)
from monitor.store.connection import transaction, utc_day
from monitor.store.group_spans import load_spans, store_spans
from monitor.store.model_store import ModelStore

log = structlog.get_logger("calwatch")
LOOKED_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Intake:
    """What is known of a model; ``groups_at``: when groups were looked at, None: not yet."""

    waiting: tuple[WaitingLabels, ...] = ()
    spans: GroupSpans | None = None
    groups_at: datetime | None = None
    bucket: timedelta | None = None


def watch_intake(store: ModelStore, now: datetime, known: Intake) -> Intake:
    """What is found now, stored and, where it is a trouble that was not ``known``, logged."""
    model = store.model
    before = {each.source: each for each in known.waiting}
    waiting = tuple(
        _looked_into(store, source, held, before.get(source), now) for source, held in count_waiting(store, now).items()
    )
    found = replace(known, waiting=waiting)
    if waiting != known.waiting:
        with transaction(store.connection):
            store_waiting(store.connection, model.name, waiting, [describe_waiting(each) for each in waiting])
    if _due(known, model, now):
        spans = load_spans(store, now)
        with transaction(store.connection):
            store_spans(store.connection, model.name, spans, describe_spans(spans) if spans else "")
        found = replace(found, spans=spans, groups_at=now, bucket=model.bucket)
    _tell(model.name, before, known.spans, found)
    return found


def _due(known: Intake, model: Model, now: datetime) -> bool:
    """Whether groups are to be looked at: once a day, and once an hour while there is none."""
    if known.groups_at is None or known.bucket != model.bucket:
        return True
    if known.spans is None:
        return now - known.groups_at >= LOOKED_AGAIN
    return utc_day(known.groups_at) != utc_day(now)


def _looked_into(
    store: ModelStore, source: str, held: WaitingCount, before: WaitingLabels | None, now: datetime
) -> WaitingLabels:
    counts = WaitingLabels(store.model.name, source, held.labels, held.oldest_at, held.newest_at)
    if not held.labels:
        return counts
    if before is not None and before.labels:
        counts = replace(before, labels=held.labels, oldest_at=held.oldest_at, newest_at=held.newest_at)
    if counts.looked_at is None or now - counts.looked_at >= LOOKED_AGAIN:
        due, joined = count_due(store, source, now)
        counts = replace(counts, due=due, joined=joined, looked_at=now)
    return _compared(store, counts, now) if _compare_again(counts, now) else counts


def _compare_again(counts: WaitingLabels, now: datetime) -> bool:
    if counts.compared_at is None or counts.oldest_at is None:
        return True
    after = min(max((counts.compared_at - counts.oldest_at) / 2, LOOKED_AGAIN), timedelta(days=1))
    return now - counts.compared_at >= after


def _compared(store: ModelStore, counts: WaitingLabels, now: datetime) -> WaitingLabels:
    """The same with ids of both sides, and why they do not meet where that can be seen."""
    source = counts.source
    labels = load_newest_waiting(store, source, now)
    predictions = load_newest_predictions(store, labelled=False)
    guess = _guess(labels, predictions, store.model.label_horizon)
    if not guess:  # of predictions that have labels by another source, too
        others = load_newest_predictions(store, labelled=True)
        guess = _guess(labels, others, store.model.label_horizon, bold=False)
    there = {name for name, _, _ in predictions}
    lonely = [name for name, _, _ in labels if name not in there]
    return replace(
        counts, label_examples=tuple((lonely or [name for name, _, _ in labels])[:2]),
        prediction_examples=tuple(dict.fromkeys(name for name, _, _ in predictions))[:2], guess=guess, compared_at=now,
    )  # fmt: skip


def _guess(
    labels: Sequence[tuple[str, datetime, datetime | None]], predictions: Sequence[tuple[str, datetime, str | None]],
    horizon: timedelta, *, bold: bool = True,
) -> str:  # fmt: skip
    """Why the labels find none of the predictions: by their times where most are of one's id, else by their ids."""
    newest: dict[str, datetime] = {}
    for name, at, _ in predictions:
        newest.setdefault(name, at)
    met = [(labelled, said, newest[name]) for name, labelled, said in labels if name in newest]
    if 2 * len(met) > len(labels):
        return guess_times(met, horizon)
    groups = dict.fromkeys(group for _, _, group in predictions if group is not None)
    names = [name for name, _, _ in labels]
    return guess_difference(names, list(newest), list(groups), bold=bold) or guess_times(met, horizon)


def _tell(model: str, before: Mapping[str, WaitingLabels], spans: GroupSpans | None, found: Intake) -> None:
    """Log what has become a trouble since, and where one is over."""
    for each in found.waiting:
        was = each.source in before and before[each.source].suspicious
        if each.suspicious and not was:
            log.warning("labels join nothing", model=model, source=each.source, finding=describe_waiting(each))
        elif was and not each.suspicious:
            log.info("labels join again", model=model, source=each.source, waiting=each.labels)
    far = found.spans is not None and found.spans.straddling.suspicious
    if found.spans is not None and far and not (spans is not None and spans.straddling.suspicious):
        log.warning("groups reach too far", model=model, finding=describe_spans(found.spans))
    alone = found.spans is not None and found.spans.straddling.partly_alone
    if found.spans is not None and alone and not (spans is not None and spans.straddling.partly_alone):
        log.warning("rows without a group", model=model, finding=describe_alone(found.spans.straddling))
