"""What must hold of a store whatever came in: values in their ranges, cells that are those of the samples, no row uncounted."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from monitor.sources.times.expressions import CLOCK_SKEW
from monitor.store.connection import make_naive, quote_text

from .known import Known

_NEVER_SAMPLES = {
    "score outside 0 to 1": "score IS NULL OR isnan(score) OR NOT (score >= 0 AND score <= 1)",
    "raw score outside 0 to 1": "raw_score IS NOT NULL AND (isnan(raw_score) OR NOT (raw_score >= 0 AND raw_score <= 1))",
    "n below 1": "n IS NULL OR n < 1 OR n > 1000000000000",
    "positives not of n": "positives < 0 OR positives > n",
    "no id": "sample_id IS NULL OR trim(sample_id) = ''",
    "observed out of time": "observed_at IS NULL OR NOT isfinite(observed_at) OR NOT (observed_at >= $oldest AND "
        "observed_at <= $latest)",
    "labelled out of time": "NOT isfinite(labelled_at) OR labelled_at > $latest",
    "a label without its time": "positives IS NOT NULL AND labelled_at IS NULL",
    "a logit that is no number": "list_bool_or(list_transform(logits, lambda z: NOT coalesce(isfinite(z), false)))",
}  # fmt: skip
_RANGES = {  # columns of the snapshot's slice_metrics → least, greatest
    "ece": (0, 1), "ece_lower": (0, 1), "ece_upper": (0, 1), "brier_score": (0, 1), "auroc": (0, 1),
    "calibration_gap": (-1, 1), "label_coverage": (0, 1),
}  # fmt: skip
_RECOMPUTED = """
SELECT model_id, stream_id, slice_id, bucket_of(observed_at, 3600, m.folded_until) AS bucket, cell_bin(score) AS bin,
    coalesce(sum(n) FILTER (positives IS NOT NULL), 0) AS n, coalesce(sum(n) FILTER (positives IS NULL), 0) AS unlabelled,
    coalesce(sum(score * n) FILTER (positives IS NOT NULL), 0) AS score, coalesce(sum(positives), 0)::DOUBLE AS outcome,
    coalesce(sum(score * positives), 0) AS score_outcome,
    coalesce(sum(log_loss(score, n, positives)) FILTER (positives IS NOT NULL), 0) AS log_loss
FROM samples JOIN (SELECT model_id, folded_until FROM models) AS m USING (model_id) GROUP BY ALL"""
_SUMS = ("n", "unlabelled", "score", "outcome", "score_outcome", "log_loss")


def broken_samples(connection: duckdb.DuckDBPyConnection, now: datetime, retention: timedelta) -> list[str]:
    """Samples that no store may hold."""
    edges = {"oldest": make_naive(now - retention), "latest": make_naive(now + CLOCK_SKEW)}
    found = []
    for name, condition in _NEVER_SAMPLES.items():
        own = {key: value for key, value in edges.items() if f"${key}" in condition}
        rows = connection.execute(
            f"SELECT sample_id, COLUMNS(*)::VARCHAR FROM samples WHERE {condition} LIMIT 3", own
        ).fetchall()
        found += [f"{name}: {row[:12]}" for row in rows]
    doubled = connection.execute(
        "SELECT sample_id, observed_at, count(*) FROM samples "
        "GROUP BY model_id, sample_id, observed_at HAVING count(*) > 1 LIMIT 3"
    ).fetchall()
    return found + [f"an identity stands twice: {row}" for row in doubled]


def broken_cells(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Cells that are not the sums of the samples."""
    differs = " OR ".join(
        f"NOT coalesce(abs(c.{name} - r.{name}) <= 1e-9 * greatest(1, abs(r.{name})), false)" for name in _SUMS
    )
    shown = ", ".join(f"c.{name}, r.{name}" for name in _SUMS)
    rows = connection.execute(
        f"SELECT bucket, bin, {shown} FROM cells AS c FULL JOIN ({_RECOMPUTED}) AS r "
        f"USING (model_id, stream_id, slice_id, bucket, bin) WHERE {differs} LIMIT 3"
    ).fetchall()
    return [f"a cell differs from its samples: {row}" for row in rows]


def broken_snapshot(path: Path) -> list[str]:
    """What readers of metrics.duckdb would see that cannot be."""
    try:
        with duckdb.connect(str(path), read_only=True) as reader:
            columns = {row[0] for row in reader.execute("DESCRIBE slice_metrics").fetchall()}
            found = []
            for name, (least, greatest) in _RANGES.items():
                if name in columns:
                    bad = reader.execute(
                        f"SELECT {name} FROM slice_metrics WHERE {name} IS NOT NULL AND NOT ({name} >= {least - 1e-9} AND "
                        f"{name} <= {greatest + 1e-9}) LIMIT 1"
                    ).fetchall()
                    found += [f"slice_metrics.{name} is {row[0]}" for row in bad]
            return found
    except duckdb.Error as error:
        return [f"the snapshot cannot be read: {error}"]


def missing_honest(connection: duckdb.DuckDBPyConnection, honest: Sequence[Sequence[Any]]) -> list[str]:
    """``honest``: (id, score) of rows beside the mutants, each of which must be there as it is."""
    if not honest:
        return []
    listed = ", ".join(f"({quote_text(str(name))}, {float(score)!r}::DOUBLE)" for name, score in honest)
    rows = connection.execute(
        f"SELECT h.id, h.score, s.score FROM (VALUES {listed}) AS h(id, score) LEFT JOIN samples AS s ON s.sample_id = h.id "
        "WHERE s.score IS NULL OR abs(s.score - h.score) > 1e-9"
    ).fetchall()
    return [f"{len(rows)} of {len(honest)} honest rows are not there, such as {rows[0]}"] if rows else []


def miscounted(connection: duckdb.DuckDBPyConnection, file: str, rows: int, known: Known, prefix: str) -> list[str]:
    """Rows of a file that was taken that are neither samples nor quarantined nor said twice; values that it does not have."""
    number = connection.execute(
        "SELECT file_id FROM files WHERE ends_with(path, $file)", {"file": f"/{file}"}
    ).fetchone()
    bad = _count(
        connection, "SELECT count(DISTINCT row) FROM quarantine WHERE ends_with(file, $file)", {"file": f"/{file}"}
    )
    taken = connection.execute(
        "SELECT sample_id, score, raw_score, positives, observed_at::VARCHAR FROM samples "
        "WHERE starts_with(sample_id, $prefix)",
        {"prefix": f"{prefix}-"},
    ).fetchall()
    own = (
        0
        if number is None
        else _count(connection, "SELECT count(*) FROM samples WHERE file_id = $id", {"id": number[0]})
    )
    found = []
    doubled = own != len({row[0] for row in taken}) or rows > len(known)
    if own + bad > 0 and own + bad != rows and not (doubled and own + bad < rows):
        found.append(f"{file}: {rows} rows, but {own} taken and {bad} quarantined")
    for name, score, raw, positives, observed_at in taken:
        given = known.get(name)
        if given is None:
            found.append(f"{file}: has no id {name!r}, the store has")
            continue
        has = {"outcome": positives, "observed_at": observed_at}
        for field, value in has.items():
            if not any(each is None or each == value for each in given[field]):
                found.append(f"{file}: {name} has the {field} {value!r}, the file says {given[field][:3]}")
        own_score = score if raw is None else raw
        if not any(each is None or abs(min(max(each, 0.0), 1.0) - own_score) <= 1e-6 for each in given["score"]):
            found.append(f"{file}: {name} has the score {own_score!r}, the file says {given['score'][:3]}")
    return found[:3]


def _count(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object]) -> int:
    row = connection.execute(sql, values).fetchone()
    assert row is not None  # an aggregate always gives a row
    return int(row[0])
