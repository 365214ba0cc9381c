"""A batch's rows as one typed temporary table `staged`, each bad row with the reason it cannot be taken.

How long texts from outside may be, in characters: what is longer goes to quarantine, or ends in its hash.

    ids (sample_id, group_id)           500, beyond: quarantine
    classes (predicted_class, label)    120, beyond: quarantine
    versions, calibrators               120, beyond: the first 111, "…" and eight digits of their hash, so that two long
                                        paths to two models stay two versions
    slice values                        as versions, with the first 120 (store/dictionaries.py)
    what quarantine keeps of a row      300 of each value, 4,000 of all

Lengths are asked of bytes first: a text of few bytes has no more characters, and nearly all are short.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import duckdb

from monitor.config.settings import Model
from monitor.sources.batch import Batch
from monitor.sources.times.expressions import CLOCK_SKEW as CLOCK_SKEW
from monitor.sources.times.expressions import other_expression, time_expression
from monitor.sources.times.folds import has_folds, settle_folds, settle_labels
from monitor.store.blame import is_disk_full
from monitor.store.connection import fetch_row, make_naive, quote_name, quote_text
from monitor.store.damage import is_of_the_database
from monitor.store.dictionaries import LONGEST_SLICE_VALUE
from monitor.store.sql import statement
from monitor.store.values import (
    BLANKS,
    MISSING_WORDS,
    LabelRules,
    cut_enormous,
    is_enormous,
    normalized_text,
    outcome_expression,
    plain_text,
)

# times that are not asked whether they are old or ahead
EVER = (datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
CLIPPED = 1e-5  # scores as far outside [0, 1] are rounding of the softmax, and count as 0 or 1
LONGEST_VERSION = 120
KEPT_VALUE = 300
_HASH = 8
_SEPARATOR = "chr(31)"  # between slice values inside slice_key
_NEVER = "NULL::TIMESTAMP"  # of a column whose times have one reading


@dataclass(frozen=True, slots=True)
class StagingResult:
    """``close``: whether an id comes twice within a second; ``ambiguous``: times whose reading had to be guessed; ``folded``:
    whether there were any of two readings, which are in `folded` then."""

    close: bool
    ambiguous: int
    folded: bool = False


def stage_batch(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    batch: Batch,
    rules: LabelRules,
    *,
    holds: str,
    times: tuple[datetime, datetime],
    model_id: int | None = None,
) -> StagingResult:
    """Fill `staged` from the batch, and of samples `repeated` too. ``times``: the oldest of a sample that is taken, and now;
    ``model_id``: whose stored samples tell which of two readings a time has that clocks showed twice; None: nothing is stored.

    Reasons, one a row, are the labels of calwatch_quarantined_samples_total. Where calwatch applies the calibrators, the
    source's score is kept as raw_score, which one then turns into the score. Outcomes written as −1 count as 0 here, and
    ``minus`` marks them.
    """
    oldest, now = times
    monitor_applies = model.recalibration.apply == "monitor"
    cases = statement(
        "stage_checks_samples" if holds == "samples" else "stage_checks_labels",
        latest=_stamp(now + CLOCK_SKEW),
        oldest=_stamp(oldest),
        horizon=str(model.label_horizon.total_seconds()),
        compared=str(rules.from_names).lower(),
    )
    # what each column costs to plan is most of what a small file takes
    used = [(shape, replace(shape, types=shape.used_types)) for shape in batch.shapes]
    shapes = [(shape, own, _columns(own, model.slices, rules, monitor_applies=monitor_applies)) for shape, own in used]
    forget_rejects(connection)  # of a file before this one that turned out to be damaged
    with believing_values_only(connection):
        rows = "\nUNION ALL\n".join(_typed_rows(shape, own, columns, cases) for shape, own, columns in shapes)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS\n{rows}")
    ambiguous, folded = 0, False
    if any(columns["observed_other"] != _NEVER for _, _, columns in shapes) and has_folds(connection):
        ambiguous, folded = settle_folds(connection, model_id, now), True
    if holds == "samples" and any(columns["labelled_other"] != _NEVER for _, _, columns in shapes):
        settle_labels(connection)
    close = holds == "samples" and mark_conflicts(connection)
    if connection.execute("SELECT 1 FROM staged WHERE reason IS NOT NULL AND record IS NULL LIMIT 1").fetchone():
        for shape, _, _ in shapes:
            connection.execute(statement("stage_records", record=tell_record(shape), rows=shape.relation))
    if batch.rejects is not None:
        take_rejects(connection, batch.rejects)
    return StagingResult(close, ambiguous, folded)


def _typed_rows(batch: Batch, used: Batch, columns: Mapping[str, str], cases: str) -> str:
    """The SELECT of a batch's rows of one shape as `staged` holds them; ``used``: with the types that have values.

    The text of bad rows is made at once where files are many and small, so that none is read again for it; else ``stage_batch``
    reads them again if there are any.
    """
    typed = ",\n        ".join(f"{expression} AS {name}" for name, expression in columns.items())
    values = ", ".join(f"{quote_name(name)} := {quote_name(name)}" for name in batch.types)
    at_once = batch.part is not None
    record = f"CASE WHEN reason IS NOT NULL THEN coalesce(unreadable, {tell_record(batch, 'own.')}) END"
    short, plain = (
        "".join(f", {expression} AS {name}" for name, expression in layer.items())
        for layer in (_short_texts(used), _plain_values(used))
    )
    rows = statement(
        "stage_rows", cases=cases, typed=typed, short=short, plain=plain,
        unreadable="_unreadable" if batch.unreadable else "NULL::VARCHAR",
        record=record if at_once else "unreadable", conflicting="_conflicting" if batch.marked else "false",
        own=f"struct_pack({values})" if at_once else "NULL", rows="FROM held" if at_once else batch.relation,
    )  # fmt: skip
    # the expressions are planned once, not anew for each file
    return f"SELECT * FROM (WITH held AS MATERIALIZED (SELECT * FROM ({batch.relation})) {rows})" if at_once else rows


def tell_record(batch: Batch, of: str = "") -> str:
    """SQL of what a row says, as text, from its own columns (``of`` a struct)."""
    values = ", ".join(f"{quote_name(name)} := {kept_value(name, of)}" for name in batch.types)
    return f"to_json(struct_pack({values}))::VARCHAR"


@contextmanager
def believing_values_only(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """DuckDB leaves out comparisons that a Parquet file's statistics seem to decide; statistics may lie, values do not."""
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    try:
        yield
    finally:
        connection.execute("RESET disabled_optimizers")


def find_repeated(connection: duckdb.DuckDBPyConnection) -> bool:
    """Fill `repeated` with the identities that stand more than once in `staged`; whether there are any, or any that differ
    in fractions of a second only."""
    rows, different = fetch_row(
        connection,
        "SELECT count(*), count(DISTINCT hash(sample_id, epoch_us(observed_at) // 1000000)) FROM staged WHERE reason IS NULL",
    )
    if rows == different:
        connection.execute("CREATE OR REPLACE TEMP TABLE repeated AS SELECT sample_id, observed_at FROM staged LIMIT 0")
        return False
    connection.execute(statement("ingest_repeated"))
    return True


def mark_conflicts(connection: duckdb.DuckDBPyConnection) -> bool:
    """Rows of one file with one identity and different predictions are no corrections: none of them can be believed.

    Returns what ``find_repeated`` does.
    """
    close = find_repeated(connection)
    if close and connection.execute("SELECT 1 FROM repeated LIMIT 1").fetchone():
        connection.execute(statement("stage_conflicts"))
        if connection.execute("SELECT 1 FROM conflicts LIMIT 1").fetchone():
            connection.execute(statement("stage_conflicting", value=normalized_text("value")))
    return close


def blames_the_file(error: duckdb.Error) -> bool:
    """Whether an error met while a batch was read speaks of its files; else of us, of memory, the disk or a stop."""
    ours = (
        duckdb.InterruptException, duckdb.OutOfMemoryException, duckdb.FatalException, duckdb.InternalException,
        duckdb.SerializationException,
    )  # fmt: skip
    return not isinstance(error, ours) and not is_of_the_database(error) and not is_disk_full(error)


def take_rejects(connection: duckdb.DuckDBPyConnection, rejects: str) -> None:
    """Enter the lines that made no row, and count them in the numbers of the rows after them.

    The k-th rejected line (from 0) has its number less k rows before it: it moves the rows that were counted as that
    one or a later.
    """
    (lines,) = fetch_row(connection, statement("stage_rejects", rejects=rejects))
    if lines:
        connection.execute(statement("stage_rejects_skip"))
        connection.execute(statement("stage_rejects_insert"))
    connection.execute("DROP TABLE rejected")
    forget_rejects(connection)


def forget_rejects(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the tables in which DuckDB collects the lines of CSV files that made no row."""
    connection.execute("DROP TABLE IF EXISTS reject_errors")
    connection.execute("DROP TABLE IF EXISTS reject_scans")


_TEXTS = ("sample_id", "group_id", "predicted_class", "label", "outcome", "calibrator", "version")
_WHOLE = ("calibrator", "version")  # what is cut of them ends in the hash of all


def _short_texts(batch: Batch) -> Mapping[str, str]:
    """Return the expressions of ``_short_NAME``: a text as it is, or its beginning where it is enormous."""
    return {
        f"_short_{name}": quote_name(name) if name in _WHOLE else cut_enormous(quote_name(name))
        for name in _TEXTS
        if batch.types.get(name) == "VARCHAR"
    }


def _plain_values(batch: Batch) -> Mapping[str, str]:
    """Return the expressions of ``_plain_NAME``, a text in the form in which texts are compared, and of ``_number_NAME``."""
    types = batch.types
    unit = " / 100" if batch.meaning.score_unit == "percent" else ""
    plain = {
        name: plain_text(f"_short_{name}" if types[name] == "VARCHAR" else quote_name(name), types[name])
        for name in _TEXTS
        if name in types
    }
    if types.get("version") == "VARCHAR":
        plain["version"] = f"nullif(trim(_short_version, {quote_text(BLANKS)}), '')"
    numbers = {
        name: f"TRY_CAST({quote_name(name) if name in types else 'NULL'} AS DOUBLE)"
        for name in ("score", "raw_score", "n", "positives")
    }
    for name in ("score", "raw_score"):
        numbers[name] += unit
    return {f"_plain_{name}": text for name, text in plain.items()} | {
        f"_number_{name}": number for name, number in numbers.items()
    }


def _columns(batch: Batch, slices: tuple[str, ...], rules: LabelRules, *, monitor_applies: bool) -> Mapping[str, str]:
    """Return each column of `staged` as an expression over a row, ``_short_texts`` and ``_plain_values`` of it."""
    types = batch.types

    def count(name: str) -> str:  # a cast alone would round 2.7 to 3
        value = f"_number_{name}"
        if name not in types:
            return "NULL::BIGINT"
        return f"CASE WHEN {value} = floor({value}) THEN TRY_CAST({value} AS BIGINT) END"

    def text(name: str) -> str:
        return f"_plain_{name}" if name in types else "NULL::VARCHAR"

    def has(name: str) -> str:
        if name not in types:
            return "false"
        return (
            f"coalesce({quote_name(name)} <> '', false)"
            if types[name] == "VARCHAR"
            else f"{quote_name(name)} IS NOT NULL"
        )

    score, raw = "_number_score", "_number_raw_score"
    from_label = rules.label_sql(text("label"), text("predicted_class")) if "label" in types else "NULL::INTEGER"
    has_label = f"coalesce(NOT {rules.missing_sql(text('label'))}, false)" if "label" in types else "false"
    has_outcome, outcome = (
        outcome_expression(rules, types["outcome"], "_plain_outcome")
        if "outcome" in types
        else ("false", "NULL::INTEGER")
    )
    key = ", ".join(f"replace(coalesce({_slice_value(name, types)}, ''), {_SEPARATOR}, ' ')" for name in slices)
    logits = quote_name("logits") if "logits" in types else "NULL"
    return {
        "sample_id": text("sample_id"),
        "observed_at": time_expression("observed_at", batch),
        "labelled_at": time_expression("labelled_at", batch),
        "observed_other": other_expression("observed_at", batch),
        "labelled_other": other_expression("labelled_at", batch),
        "score": _clipped(f"coalesce({raw}, {score})" if monitor_applies else score),
        "raw_score": _clipped(f"coalesce({raw}, {score})" if monitor_applies else raw),
        "clipped": f"coalesce({_slightly_outside(score)}, false) OR coalesce({_slightly_outside(raw)}, false)",
        "logits": f"TRY_CAST({logits} AS FLOAT[])",
        "version": cut_version(text("version")),
        "calibrator": "NULL::VARCHAR" if monitor_applies else cut_version(text("calibrator")),
        # what programs write where there is none: one group of all rows without one would be worse than no group
        "group_id": _none_if_missing(text("group_id")) if "group_id" in types else "NULL::VARCHAR",
        "predicted_class": text("predicted_class"),
        "label": text("label"),
        "n": f"coalesce({count('n')}, 1)",
        "slice_key": f"concat_ws({_SEPARATOR}, {key})" if slices else "''",
        "has_score": f"{has('score')} OR {has('raw_score')}",
        "bad_raw_score": f"{_says('raw_score', types, rules)} AND _number_raw_score IS NULL",
        "has_outcome": has_outcome,
        "has_label": has_label,
        "has_labelled_at": has("labelled_at"),
        "has_logits": has("logits"),
        "has_count": has("n"),
        "has_positives": has("positives"),
        "read_outcome": f"(CASE WHEN {has_outcome} THEN {outcome} ELSE {from_label} END)::INTEGER",
        "read_count": count("n"),
        "read_positives": count("positives"),
    }


def _none_if_missing(text: str) -> str:
    words = ", ".join(map(quote_text, MISSING_WORDS))
    return f"CASE WHEN lower({text}) NOT IN ({words}) THEN {text} END"


def _slice_value(name: str, types: Mapping[str, str]) -> str:
    """Texts stay as they are: the few different ones are brought into one form when they get their slice."""
    if name not in types:
        return "NULL::VARCHAR"
    column = quote_name(name)
    return cut_slice_value(column) if types[name] == "VARCHAR" else plain_text(column, types[name])


def _says(name: str, types: Mapping[str, str], rules: LabelRules) -> str:
    """Whether a column of texts says something in a row, and not that there is nothing."""
    if types.get(name) != "VARCHAR":
        return "false"
    nameless = LabelRules(rules.task, missing=rules.missing)
    return f"coalesce({quote_name(name)} <> '' AND NOT {nameless.missing_sql(quote_name(name))}, false)"


def _slightly_outside(score: str) -> str:
    return f"({score} > 1 AND {score} <= {1 + CLIPPED}) OR ({score} < 0 AND {score} >= -{CLIPPED})"


def _clipped(score: str) -> str:
    return f"CASE WHEN {_slightly_outside(score)} THEN round({score}) ELSE {score} END"


def _stamp(moment: datetime) -> str:
    return f"TIMESTAMP {quote_text(str(make_naive(moment)))}"


def is_longer(text: str, most: int) -> str:
    """SQL: whether a text (SQL) has more than ``most`` characters; false where it is NULL."""
    return f"coalesce(strlen({text}) > {most} AND length({text}) > {most}, false)"


def cut_slice_value(text: str) -> str:
    """SQL: a slice value (SQL, text), in the form that ``dictionaries.plain_value`` gives it where it is enormous."""
    return _cut(text, is_enormous(text), LONGEST_SLICE_VALUE)


def cut_version(text: str) -> str:
    """SQL: a version or calibrator (SQL, text) as it is kept; what was cut differs where the whole does."""
    return _cut(text, is_longer(text, LONGEST_VERSION), LONGEST_VERSION - 1 - _HASH)


def _cut(text: str, is_long: str, kept: int) -> str:
    return f"CASE WHEN {is_long} THEN left({text}, {kept}) || '…' || left(sha256({text}), {_HASH}) ELSE {text} END"


def kept_value(name: str, of: str = "") -> str:
    """SQL: the beginning of a column's value, as text, for quarantine; ``of``: the struct that has it, with its dot."""
    text = f"{of}{quote_name(name)}::VARCHAR"
    return f"CASE WHEN {is_longer(text, KEPT_VALUE)} THEN left({text}, {KEPT_VALUE}) || '…' ELSE {text} END"
