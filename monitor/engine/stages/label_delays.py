"""The delays stage: once a day, does the delay of a label depend on the outcome? Then no false-alarm budget holds.

Drift evidence takes the labels that are there for a fair sample of all labels of their bucket. That is so when

1. delay is independent of the outcome given the score, whatever part of the labels is there, or
2. nearly all labels are there when a bucket is first judged, ``label_maturity`` after its end, whatever delay depends on.

For 2, let F1 and F0 be the parts of the labels with outcome 1 and 0 that are there by then. Among these the odds of
outcome 1 are F1/F0 times the true ones. With at most 0.5 % of either missing the factor is within 0.5 % of one. That is a
twentieth of a tolerance of odds 1.1. Without tolerance it is a shift of the log-odds by δ = 0.005, worth at most
δ²/8 = 3·10⁻⁶ of log evidence a label: millions of labels for an alarm, all of them not older than the slowest label,
since late labels are judged again when they come. So there is nothing to warn about then, and else where the
comparison of delays says that 1 fails: clear at 0.1 % (it is asked every day) and by more than 5 points in a hundred pairs.

Compared are samples older than ``label_horizon``, in which quick and slow labels alike have arrived; a model that has
not run that long has no answer yet. Not seen here are labels that never come: ``calwatch_label_coverage_ratio``.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import structlog

from monitor.config.settings import Model
from monitor.model import Evidence, GroupSpans, LabelDelays
from monitor.model.durations import format_duration
from monitor.model.wording import describe_bucket_spans, describe_delays, describe_later_labels, describe_share_alone
from monitor.statistics.drift.label_delay import LEAST_OF_EACH, compare_delays
from monitor.store.connection import transaction, utc_day
from monitor.store.label_delays import DelayedSamples, load_delayed, store_label_delays
from monitor.store.model_store import ModelStore

log = structlog.get_logger("calwatch")
COMPARED = 20_000  # samples at most: tells a difference of 5 points in a hundred pairs from none many times over
MISSING_ALLOWED = 0.005  # part of the labels of either outcome that may be missing when a bucket is first judged
LEVEL = 0.001
_BLOCK = 1000  # samples of one version that are compared with one another: neighbours in time


def watch_delays(store: ModelStore, now: datetime, known: LabelDelays | None) -> LabelDelays:
    """Return what is ``known`` when it is of today and of the same ``label_maturity``, else what is found now, stored and,
    where it is another answer, logged."""
    if (
        known is not None
        and known.label_maturity == store.model.label_maturity
        and utc_day(known.checked_at) == utc_day(now)
    ):
        return known
    found = find_dependence(store.model, load_delayed(store, now, COMPARED), now)
    finding = describe_delays(found, store.model.task)
    with transaction(store.connection):
        store_label_delays(store.connection, found, finding)
    before = known.depends if known else None
    if found.depends and not before:
        log.warning("label delay depends on the outcome", model=found.model, samples=found.samples, finding=finding)
    elif before and not found.depends:
        log.info("label delay", model=found.model, finding=finding)
    return found


def find_dependence(model: Model, held: DelayedSamples | None, now: datetime) -> LabelDelays:
    """The answer from the samples of a store; ``depends`` is None where they do not allow one, and says why."""
    answer = LabelDelays(model.name, now, model.label_maturity, depends=None)
    horizon = format_duration(model.label_horizon)
    if held is None:
        kept = "" if model.retention > model.label_horizon else ", and retention keeps none that long"
        return replace(answer, unknown=f"no labelled sample is older than label_horizon ({horizon}) yet{kept}")
    answer = replace(answer, samples=len(held.score), observed_from=held.since, observed_until=held.until)
    if not len(held.score):
        return replace(answer, unknown="all rows are pre-counted, and have no delay of each outcome")
    true = held.outcome > 0
    least = min(int(true.sum()), int((~true).sum()))
    if least < LEAST_OF_EACH:
        few = f"the {len(true):,} labelled samples older than label_horizon ({horizon}) hold {least:,} of one outcome"
        return replace(answer, unknown=f"{few}, {LEAST_OF_EACH} needed")
    settled = max(float(np.quantile(held.wait[part], 1 - MISSING_ALLOWED, method="higher")) for part in (true, ~true))
    found = compare_delays(held.score, held.outcome, held.delay, _strata(held))
    answer = replace(
        answer, settled=timedelta(seconds=settled), earlier=found.earlier, p_value=found.p_value,
        median_true=timedelta(seconds=float(np.median(held.delay[true]))),
        median_false=timedelta(seconds=float(np.median(held.delay[~true]))),
    )  # fmt: skip
    if timedelta(seconds=settled) <= model.label_maturity:
        return replace(answer, depends=False)
    if found.p_value is None and np.ptp(held.delay):
        return replace(answer, unknown="no two samples of different outcome have about the same score")
    return replace(answer, depends=found.depends(LEVEL))


def _strata(held: DelayedSamples) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Versions, each cut into blocks of neighbours in time: what changes over the weeks is no dependence."""
    _, stream = np.unique(held.stream, return_inverse=True)
    rank = np.zeros(len(stream), dtype=np.int64)
    for code in range(int(stream.max(initial=-1)) + 1):
        own = stream == code
        rank[own] = np.arange(np.count_nonzero(own))
    return np.asarray(stream * (len(stream) + 1) + rank // _BLOCK, dtype=np.int64)


def add_caveat(
    evidence: Iterable[Evidence], model: Model, delays: LabelDelays | None, spans: GroupSpans | None = None
) -> tuple[Evidence, ...]:
    """The evidence, with why its budget is not guaranteed: while label delay depends on the outcome, and while many rows
    lie in groups that span buckets, or have no group where others have one."""
    reasons = [describe_later_labels(delays, model.task)] if delays and delays.depends else []
    if spans is not None and spans.straddling.many_over_buckets:
        reasons.append(describe_bucket_spans(spans.straddling, spans.bucket))
    if spans is not None and spans.straddling.partly_alone:
        reasons.append(describe_share_alone(spans.straddling))
    return tuple(replace(one, caveat=" and ".join(reasons)) for one in evidence)
