"""Recall that an earlier release took from detections alone, which know nothing of missed objects: made unknown."""

import re
from dataclasses import replace
from typing import Any

from monitor.model import ThresholdInUse
from monitor.model.reasons import Code, Reason
from monitor.statistics.thresholds.policies import Policy, parse_policy, policy_kind
from monitor.store.connection import fetch_dicts
from monitor.store.model_store import ModelStore
from monitor.store.reasons import JOB, REASON, THRESHOLD, job_from, job_row, reason_columns, threshold_from
from monitor.store.sql import statement

_TOLD = re.compile(r"recall (?!unknown)\S+ \([^()]*\)")  # in the words of an earlier release
_ABOUT_RECALL = ("kept", "best", "best_threshold")  # what a promise of recall says of itself


def forget_recall(store: ModelStore) -> bool:
    """Make unknown what the store has of a model's recall, where positives are missed that no sample stands for.

    Thresholds stay in charge as they are. Readings that change get new numbers: the snapshot takes them up as new ones.
    Returns whether there was anything to forget; where there is nothing, nothing is written.
    """
    model, connection = store.model, store.connection
    if model.counts_missed:
        return False
    own = {"model": model.name}
    known = fetch_dicts(connection, statement("recall_known", columns=_listed(*THRESHOLD, *REASON)), own)
    told = fetch_dicts(connection, statement("recall_told", columns=_listed(*JOB)), own)
    if not known and not told and not store.fetch_row(statement("recall_measured"), own)[0]:
        return False
    with store.transaction():
        for row in known:
            _rewrite_threshold(store, threshold_from(row))
        for row in told:
            _rewrite_job(store, row)
        for name in ("recall_forget_curves", "recall_forget_readings", "recall_forget_newest"):
            store.execute(statement(name), own)
    return True


def hide_recall(reason: Reason) -> Reason:
    """Return what a job said of a threshold, without recall that nobody knows, and without a promise of it.

    >>> told = Reason.of(Code.THRESHOLD_CHOSEN, figures={"precision": (0.9, 0.8, 0.95), "recall": (0.6, 0.5, 0.7)})
    >>> hide_recall(told).values["figures"]
    {'precision': [0.9, 0.8, 0.95], 'recall': [None, None, None]}
    """
    values = dict(reason.values)
    text, figures = values.get("text"), values.get("figures")
    if isinstance(text, str):
        return replace(reason, values={**values, "text": _TOLD.sub("recall unknown", text)})
    if values.get("kind") == "recall" and reason.code in (Code.THRESHOLD_PROMISED, Code.THRESHOLD_NOT_PROMISED):
        return _not_known(f"recall>={values['target']:g}", values.get("threshold"))
    if isinstance(figures, dict) and "recall" in figures:
        return reason.with_values(figures={**figures, "recall": (None, None, None)})
    return reason


def _not_known(policy: str, threshold: float | None) -> Reason:
    """Why nothing is known of a threshold by a policy that needs missed objects; without one, why there is none."""
    parsed = parse_policy(policy)
    if threshold is not None:
        return Reason.of(Code.THRESHOLD_FROM_DETECTIONS, policy=policy, threshold=threshold)
    if parsed.needs_negatives:
        return Reason.of(Code.THRESHOLD_NEEDS_NEGATIVES, policy=policy, prior=parsed.prior)
    return Reason.of(Code.THRESHOLD_NEEDS_TRUTH, policy=policy)


def _rests_on_missed(policy: Policy) -> bool:
    return policy.needs_recall or policy.needs_negatives


def _rewrite_threshold(store: ModelStore, found: ThresholdInUse) -> None:
    changed: dict[str, Any] = dict.fromkeys(("recall", "recall_lower", "recall_upper"))
    why = hide_recall(found.why)
    # a policy that this release does not know says nothing of itself
    if policy_kind(found.policy) and _rests_on_missed(parse_policy(found.policy)):
        changed |= dict.fromkeys(_ABOUT_RECALL)
        why = _not_known(found.policy, found.threshold)
    changed |= dict(zip(REASON, reason_columns(why), strict=True))
    where = {name: getattr(found, name) for name in ("model", "calibrator", "per", "class_name")}
    _update(store, "thresholds", changed, where | {"scope": found.scope.text})


def _rewrite_job(store: ModelStore, row: dict[str, Any]) -> None:
    job = job_from(row)
    changed = job_row(replace(job, why=tuple(map(hide_recall, job.why))))
    _update(store, "jobs", {name: changed[name] for name in ("reasons", "codes", "facts")}, {"id": job.id})


def _update(store: ModelStore, table: str, values: dict[str, Any], where: dict[str, Any]) -> None:
    sets = ", ".join(f'"{name}" = ${name}' for name in values)
    keys = " AND ".join(f'"{name}" = $of_{name}' for name in where)
    store.execute(
        f"UPDATE {table} SET {sets} WHERE {keys}", values | {f"of_{name}": held for name, held in where.items()}
    )


def _listed(*columns: str) -> str:
    return ", ".join(f'"{name}"' for name in columns)
