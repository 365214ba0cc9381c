"""Stored rows understood anew: once after an upgrade, and when the configuration of what labels and times mean changes.

Values come into the one form they have since (``values.py``), outcomes that followed from labels follow from them by the
rules as they are now, and identities that become one are one row. What was derived by is kept with the model
(``basis.py``); where it is the same as before nothing is done. Drift evidence that rests on what changed starts afresh.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from monitor.model.problems import Problem
from monitor.sources.batch import Source
from monitor.sources.labels.basis import Basis
from monitor.sources.labels.origins import Origins, Says, ask_sources, find_origins
from monitor.sources.labels.rules import load_rules
from monitor.sources.records import store_notes
from monitor.sources.renewal.slices import SlicesRenewed, finish_slices, load_moved, plan_slices
from monitor.sources.renewal.words import Counts, tell_renewal
from monitor.store.connection import fetch_row, make_naive, quote_text
from monitor.store.model_store import ModelStore
from monitor.store.rewriting import rewrite_samples
from monitor.store.sql import run_script, statement
from monitor.store.values import MISSING_WORDS, LabelRules, normalized_text

_DAY = timedelta(days=1)
_ROWS = 500_000  # looked at together
_TEXTS = ("sample_id", "group_id", "predicted_class", "label")


def renew_meaning(store: ModelStore, sources: Sequence[Source], now: datetime) -> tuple[bool, list[Problem]]:
    """Bring what is stored of the model up to what its rows mean now. One transaction: all of it, or nothing.

    Returns whether stored rows were looked at, and what changed, which is told once."""
    where = {"model_id": store.model_id}
    (before,) = store.fetch_row("SELECT label_basis FROM models WHERE model_id = $model_id", where)
    basis = Basis.of(
        store.model, {each.name: LabelRules.of(store.model, each, ()) for each in store.model.source}
    ).to_json()
    told: list[Problem] = []
    if before == basis:
        return False, told
    done = bool(store.fetch_row(statement("renewal_is_due"), where)[0])
    says = ask_sources(store, sources, now) if done else {}
    with store.transaction():
        if done:
            told = _renew(store, says, before, now)
            store_notes(store.connection, store.model.name, sources[0].name, told, now)
        store.execute("UPDATE models SET label_basis = $basis WHERE model_id = $model_id", {**where, "basis": basis})
    return done, told


@dataclass(frozen=True, slots=True)
class _Meaning:
    """How stored rows are understood from now on."""

    basis: Basis
    origins: Origins
    minus: str  # SQL: what an outcome written −1 stands for


def _renew(store: ModelStore, says: Mapping[str, Says], before: str | None, now: datetime) -> list[Problem]:
    connection, model = store.connection, store.model
    slices = SlicesRenewed()
    if before is None:
        slices = plan_slices(store.registry)
        _remember_words(connection, store.model_id)
    load_moved(connection, slices)
    store.execute(
        "CREATE OR REPLACE TEMP TABLE renewal_files AS SELECT file_id, source FROM files WHERE model_id = $model_id",
        {"model_id": store.model_id},
    )
    basis = Basis.of(model, {each.name: load_rules(store, each, now) for each in model.source})
    old = Basis.from_json(before) if before else Basis.before_any()
    origins = find_origins(store, says, old)
    meaning = _Meaning(basis, origins, _minus(connection, store.model_id))
    counts = Counts()
    if before is None or basis.precision or origins.any_follows:
        for span in _spans(connection, store.model_id, basis):
            counts += _renew_span(store, meaning, span, now)
    counts += Counts(waiting=_waiting(connection, store.model_id, meaning))
    _renew_parked(connection, store.model_id, meaning)
    finish_slices(store, slices, now)
    if before is None:
        _renew_class_names(connection, model.name)
    if counts.rederived or counts.merged or slices.renamed:
        store.execute("DELETE FROM evidence_reach WHERE model = $model", {"model": model.name})
    return tell_renewal(connection, model, counts, slices, origins)


def _remember_words(connection: duckdb.DuckDBPyConnection, model_id: int) -> None:
    """Words for missing labels that were predicted as classes before such words were kept."""
    connection.execute(
        f"INSERT INTO class_words SELECT $model_id, word, max(observed_at) FROM (SELECT {normalized_text('predicted_class')} "
        "AS word, observed_at FROM samples WHERE model_id = $model_id AND predicted_class IS NOT NULL) "
        f"WHERE lower(word) IN ({', '.join(map(quote_text, MISSING_WORDS))}) AND word NOT IN "
        "(SELECT word FROM class_words WHERE model_id = $model_id) GROUP BY word",
        {"model_id": model_id},
    )


def _minus(connection: duckdb.DuckDBPyConnection, model_id: int) -> str:
    """−1 is the other outcome beside 1; beside 0, or alone, it may as well be a missing label: then it says nothing."""
    has_zero, has_one = fetch_row(connection, statement("renewal_binary_words"), {"model_id": model_id})
    return "0" if has_one and not has_zero else "NULL"


def _spans(connection: duckdb.DuckDBPyConnection, model_id: int, basis: Basis) -> list[tuple[datetime, datetime]]:
    """[first, beyond) of runs of days with about ``_ROWS`` rows each: memory stays small. With those that get rows when times
    are cut."""
    found = connection.execute(statement("renewal_days"), {"model_id": model_id}).fetchall()
    counts: dict[datetime, int] = dict(found)
    for cut in set(basis.precision.values()):
        if _DAY % cut:
            counts |= {day - _DAY * n: 0 for day in list(counts) for n in range(1, 2 + cut // _DAY)} | counts
    spans: list[tuple[datetime, datetime]] = []
    held = 0
    for day in sorted(counts):
        if spans and held + counts[day] <= _ROWS:
            spans[-1] = (spans[-1][0], day + _DAY)
            held += counts[day]
        else:
            spans.append((day, day + _DAY))
            held = counts[day]
    return spans


def _renew_span(store: ModelStore, meaning: _Meaning, days: tuple[datetime, datetime], now: datetime) -> Counts:
    basis, origins = meaning.basis, meaning.origins
    texts = ", ".join(f"{normalized_text(f's.{name}')} AS new_{name}" for name in _TEXTS)
    outcome = basis.outcome_sql("label_source", "new_label", "new_predicted_class")
    parts = {
        "texts": texts,
        "label_source": origins.source_sql("s.label_file_id", "l.source"),
        "observed_at": basis.time_sql(origins.source_sql("s.file_id", "f.source"), "s.observed_at"),
        "follows": origins.follows_sql("label_source"),
        "outcome": f"CASE {outcome} WHEN 1 THEN 1 WHEN 0 THEN 0 WHEN -1 THEN {meaning.minus} END",
    }
    first, beyond = days
    latest = beyond + max(basis.precision.values(), default=timedelta(0))
    span = {"model_id": store.model_id, "first": first, "beyond": beyond, "latest": latest}
    store.execute(statement("renewal_found", **parts), span)
    rows, rederived, unlabelled, moved = store.fetch_row(
        "SELECT count(*), count(*) FILTER (judged), count(*) FILTER (unlabelled), coalesce(bool_or(moved), false) FROM renewed"
    )
    if not rows:
        return Counts()
    if moved:
        run_script(store.connection, "renewal_met", span)
    whole = {"model_id": store.model_id, "first": first, "latest": latest, "now": make_naive(now)}
    run_script(store.connection, "renewal_rows", whole)
    differing = 0
    if moved:
        _merge(store.connection, from_names=basis.other.from_names)
        (differing,) = store.fetch_row("SELECT count(*) FROM renewal_several WHERE differs")
    (merged,) = store.fetch_row("SELECT (SELECT count(*) FROM replaced) - (SELECT count(*) FROM incoming)")
    rewrite_samples(store)
    return Counts(rederived, unlabelled, merged, differing)


def _merge(connection: duckdb.DuckDBPyConnection, *, from_names: bool) -> None:
    """Rows of `incoming` that have become one identity are one row; which other files say it too is remembered."""
    connection.execute(statement("renewal_several"))
    if connection.execute("SELECT 1 FROM repeated_rows LIMIT 1").fetchone():
        connection.execute(statement("renewal_repeated_rows"))
    if connection.execute("SELECT 1 FROM renewal_several LIMIT 1").fetchone():
        run_script(connection, "renewal_merged", {"from_names": from_names})


def _renew_parked(connection: duckdb.DuckDBPyConnection, model_id: int, meaning: _Meaning) -> None:
    """Labels that wait for their prediction; their outcomes follow from them where the task is binary."""
    basis, origins = meaning.basis, meaning.origins
    where = {"model_id": model_id}
    connection.execute(
        f"UPDATE parked_labels SET sample_id = coalesce({normalized_text('sample_id')}, sample_id), "
        f"label = {normalized_text('label')}, observed_at = {basis.time_sql('NULL', 'observed_at')} "
        "WHERE model_id = $model_id",
        where,
    )
    if not basis.other.from_names:
        outcome = basis.outcome_sql("source", "label", "NULL")
        connection.execute(
            f"UPDATE parked_labels SET positives = CASE {outcome} WHEN 1 THEN 1 WHEN 0 THEN 0 WHEN -1 THEN {meaning.minus} END "
            f"WHERE model_id = $model_id AND label IS NOT NULL AND {origins.follows_sql('source')}",
            where,
        )


def _waiting(connection: duckdb.DuckDBPyConnection, model_id: int, meaning: _Meaning) -> int:
    """Labelled rows of a binary model without an outcome, as their labels are names that nothing explains."""
    other = meaning.basis.other
    if other.from_names or not meaning.origins.any_follows:
        return 0
    (rows,) = fetch_row(
        connection,
        "SELECT count(*) FROM samples WHERE model_id = $model_id AND label IS NOT NULL AND positives IS NULL "
        f"AND NOT {other.missing_sql('label')} AND ({other.outcome_sql('label')}) IS NULL",
        {"model_id": model_id},
    )
    return int(rows)


def _renew_class_names(connection: duckdb.DuckDBPyConnection, model: str) -> None:
    for table in ("thresholds", "threshold_curves"):
        plain = normalized_text("class_name")
        connection.execute(
            f"UPDATE {table} SET class_name = coalesce({plain}, class_name) "
            f"WHERE model = $model AND class_name <> '' AND class_name <> {plain}",
            {"model": model},
        )
