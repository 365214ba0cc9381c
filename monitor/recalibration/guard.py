"""The guard: each promoted calibrator goes on being compared with the one it replaced, and goes when it does worse.

Compared are matured, labelled samples observed since the promotion, bucket by bucket: only buckets whose cells changed
since they were last looked at are read again, in shares of whole groups, over which evidence adds up: all samples count, and
memory stays bounded. It needs scores from before any calibration (raw_score or logits).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np

from monitor.config.settings import Model
from monitor.model import Job, Slice
from monitor.model.reasons import Code, Reason, Trigger, TriggerKind
from monitor.model.refits import RollbackOrder, job_of
from monitor.model.samples import Samples
from monitor.recalibration.calibrators import Calibrator, Identity
from monitor.recalibration.registry import load_promoted, load_serving
from monitor.statistics.sequential_comparison import ALPHA, BOUND, NOTHING, LossComparison, bound_gain, compare_losses
from monitor.store.cells import has_groups
from monitor.store.connection import fetch_dicts, make_naive, transaction
from monitor.store.model_store import ModelStore
from monitor.store.samples import load_batches
from monitor.store.sql import statement

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEAR = 6  # buckets between which reading on costs less than beginning anew
_LONGEST_RUN = timedelta(days=2)
SHARE_ROWS = 500_000  # compared at once: bounds memory


@dataclass(frozen=True, slots=True)
class Guard:
    """One promotion under guard."""

    scope: Slice
    calibrator: str
    parent: str  # "" = scores as they come
    version: str
    since: datetime
    until: datetime
    was_blind: bool  # samples came, and none of them could be compared


@dataclass(frozen=True, slots=True)
class GuardResult:
    """What one look found: the rollbacks to ask for, and what people should know."""

    rollbacks: tuple[Job, ...] = ()
    notes: tuple[str, ...] = ()


def begin_guard(
    connection: duckdb.DuckDBPyConnection, model: Model, scope: Slice, calibrator: str, parent: str, version: str,
    now: datetime,
) -> None:  # fmt: skip
    """A calibrator has been promoted at ``now``; to be called in that transaction. Its scope's earlier guard is over."""
    where = {"model": model.name, "scope": scope.text}
    connection.execute(
        "UPDATE guards SET state = 'over' WHERE model = $model AND scope = $scope AND state = 'watching'", where
    )
    if not model.recalibration.guard:
        return
    connection.execute(
        statement("guard_insert"),
        {
            **where, "calibrator": calibrator, "parent": parent, "version": version, "since": make_naive(now),
            "until": make_naive(now + model.recalibration.guard),
        },
    )  # fmt: skip


def keep_guard(connection: duckdb.DuckDBPyConnection, model: str, scope: Slice, before: str, after: str) -> None:
    """Let the guard of ``before`` go on as that of ``after``, which does the same to scores; to be called in the transaction of
    its promotion."""
    where = {"model": model, "scope": scope.text, "before": before, "after": after}
    connection.execute(statement("guard_keep_buckets"), where)
    connection.execute(statement("guard_keep"), where)


def run_guards(store: ModelStore, now: datetime, end: datetime) -> GuardResult:
    """Look at what came in for every guard of the model. ``end``: samples observed before then are mature."""
    connection, model = store.connection, store.model
    rollbacks, notes = [], []
    watching = fetch_dicts(connection, statement("guards_watching"), {"model": model.name})
    for guard in [Guard(**row | {"scope": Slice.parse(row["scope"])}) for row in watching]:
        with transaction(connection):
            if load_serving(connection, model.name).get(guard.scope.text) != guard.calibrator:
                _store_state(connection, model.name, guard, "over")
                continue
            blind = _compare_changed(store, guard, min(end, guard.until))
            found, left_out = _sum_buckets(connection, model.name, guard)
            state = "worse" if found.is_worse else ("over" if end >= guard.until else "watching")
            _store_state(connection, model.name, guard, state, found, left_out)
        if blind and not guard.was_blind and not found.samples:
            notes.append(
                f"calibrator {guard.calibrator} of {guard.scope.text} cannot be compared with the one before: samples carry "
                "no raw_score or logits, so it is not rolled back should it do worse"
            )
        if state == "worse":
            rollbacks.append(_rollback(store, guard, found, now))
    return GuardResult(tuple(rollbacks), tuple(notes))


def _rollback(store: ModelStore, guard: Guard, found: LossComparison, now: datetime) -> Job:
    grouped = {"groups": found.groups, "noun": store.model.noun} if has_groups(store) else {}
    why = Reason.of(
        Code.GUARD_WORSE, calibrator=guard.calibrator, parent=guard.parent, by=found.loss / found.groups,
        samples=found.samples, evidence=found.evidence, limit=1 / ALPHA, **grouped,
    )  # fmt: skip
    order = RollbackOrder(expected=guard.calibrator, why=why)
    asked_by = Trigger(TriggerKind.GUARD, guard.calibrator)
    return job_of(store.model.name, "rollback", asked_by, guard.scope, now, details=order.as_details)


def _compare_changed(store: ModelStore, guard: Guard, end: datetime) -> bool:
    """Compare anew what changed; whether some samples could not be compared."""
    model = store.model
    scopes = list(map(Slice.parse, load_serving(store.connection, model.name)))
    covered = store.registry.slices_in_charge_of(guard.scope, scopes)
    where: dict[str, object] = {
        "model_id": store.model_id, "version": guard.version, "covered": covered, "model": model.name,
        "calibrator": guard.calibrator, "since": make_naive(guard.since),
        "first": make_naive(guard.since - (guard.since - _EPOCH) % model.bucket), "end": make_naive(end),
    }  # fmt: skip
    changed = {
        bucket.replace(tzinfo=UTC): mark
        for bucket, mark in store.execute(statement("guard_changed_buckets"), where).fetchall()
    }
    if not changed:
        return False
    known = load_promoted(store.connection, model.name)
    pair = known[guard.calibrator], known.get(guard.parent) or Identity()
    blind = False
    for run in _runs(list(changed), model.bucket):
        found = _compare_run(store, guard, covered, run, pair)
        blind = blind or any(left_out > 0 for _, left_out in found.values())
        _store_run(store.connection, model.name, guard, {bucket: (changed[bucket], *found[bucket]) for bucket in run})
    return blind


def _runs(buckets: list[datetime], width: timedelta) -> Iterator[list[datetime]]:
    """Buckets that are read together: not far from each other, and not too many."""
    run: list[datetime] = []
    for bucket in buckets:
        if run and (bucket - run[-1] > _NEAR * width or bucket - run[0] >= _LONGEST_RUN):
            yield run
            run = []
        run.append(bucket)
    yield run


def _store_run(
    connection: duckdb.DuckDBPyConnection, model: str, guard: Guard,
    found: Mapping[datetime, tuple[str, LossComparison, int]],
) -> None:  # fmt: skip
    own = {"model": model, "calibrator": guard.calibrator, "since": make_naive(guard.since)}
    connection.execute(statement("guard_buckets_delete"), {**own, "buckets": [make_naive(bucket) for bucket in found]})
    marks, compared, left_out = zip(*found.values(), strict=True)
    connection.execute(
        statement("guard_buckets_insert"),
        {
            **own, "buckets": [make_naive(bucket) for bucket in found], "marks": list(marks), "left_out": list(left_out),
            "factors": [list(each.log_factors) for each in compared], "groups": [each.groups for each in compared],
            "samples": [each.samples for each in compared], "losses": [each.loss for each in compared],
        },
    )  # fmt: skip


def _compare_run(
    store: ModelStore, guard: Guard, covered: list[int], run: list[datetime], pair: tuple[Calibrator, Calibrator]
) -> dict[datetime, tuple[LossComparison, int]]:
    """For each bucket: (what its samples say, how many cannot be compared)."""
    start, end = max(run[0], guard.since), run[-1] + store.model.bucket
    seconds = store.model.bucket.total_seconds()
    span = store.span(guard.version, covered, start, end) | {"seconds": seconds}
    labelled = dict(store.execute(statement("guard_labelled_rows"), span).fetchall())
    found = {bucket: (NOTHING, labelled.get(int(bucket.timestamp() // seconds), 0)) for bucket in run}
    for samples in load_batches(store, guard.version, covered, start, end, SHARE_ROWS):
        for bucket, compared, taken in _compare_share(samples, run, store.model.bucket, pair):
            so_far, left_out = found[bucket]
            found[bucket] = so_far + compared, left_out - taken
    return found


def _compare_share(
    samples: Samples, run: list[datetime], width: timedelta, pair: tuple[Calibrator, Calibrator]
) -> Iterator[tuple[datetime, LossComparison, int]]:
    """For each bucket: what these samples, whole groups, say of it, and how many of them could be compared."""
    needs_logits = any(each.needs_logits for each in pair)
    if needs_logits:
        logits = samples.logits
        known = np.zeros(len(samples), dtype=bool) if logits is None else np.asarray(~np.isnan(logits).any(axis=1))
        samples = samples.subset(known)
    if not len(samples):
        return
    bound = BOUND if needs_logits else bound_gain(pair[0].apply, pair[1].apply)
    ours, theirs = (each.apply(samples.score, samples.logits) for each in pair)
    units = samples.units()
    for bucket in run:
        first = bucket.timestamp()
        rows = np.flatnonzero((samples.observed_at >= first) & (samples.observed_at < first + width.total_seconds()))
        here = None if samples.n is None else samples.n[rows]
        yield (
            bucket,
            compare_losses(ours[rows], theirs[rows], samples.outcome[rows], units[rows], bound, here),
            len(rows),
        )


def _sum_buckets(connection: duckdb.DuckDBPyConnection, model: str, guard: Guard) -> tuple[LossComparison, int]:
    rows = connection.execute(
        statement("guard_buckets"), {"model": model, "calibrator": guard.calibrator, "since": make_naive(guard.since)}
    ).fetchall()
    parts = (LossComparison(tuple(factors), *sums) for factors, *sums, _ in rows)
    return sum(parts, NOTHING), sum(left_out for *_, left_out in rows)


def _store_state(
    connection: duckdb.DuckDBPyConnection, model: str, guard: Guard, state: str, found: LossComparison | None = None,
    left_out: int = 0,
) -> None:  # fmt: skip
    where = {"model": model, "calibrator": guard.calibrator, "since": make_naive(guard.since)}
    mine = "WHERE model = $model AND calibrator = $calibrator AND since = $since"
    new: dict[str, object] = {"state": state}
    if found is not None:
        loss = found.loss / found.groups if found.groups else None
        new |= {"evidence": found.evidence, "groups": found.groups, "samples": found.samples}
        new |= {"loss": loss, "left_out": left_out}
    changes = ", ".join(f"{name} = ${name}" for name in new)
    connection.execute(f"UPDATE guards SET {changes} {mine}", where | new)
    if state != "watching":
        connection.execute(f"DELETE FROM guard_buckets {mine}", where)
