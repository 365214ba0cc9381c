"""Made-up traffic shaped like a line's: ids, times, honest scores, labels within two hours, cameras × lightings.

All of it follows from row numbers by DuckDB's hash, so every run of one DuckDB version sees the same rows.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from monitor.config.settings import Config, Model, parse_config
from monitor.store.cells import renew_cells
from monitor.store.connection import make_naive, open_live, quote_text, transaction
from monitor.store.dictionaries import Registry
from monitor.store.model_store import ModelStore

from .figures import MEMORY_LIMIT

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60
ENDED = BEGAN + timedelta(days=DAYS)
CAMERAS, LIGHTINGS = 4, 3

_DAY = timedelta(days=1)
_MACROS = """
CREATE OR REPLACE TEMP MACRO chance(i, k) AS (hash(i * 16 + k) % 1000003) / 1000003.0;
CREATE OR REPLACE TEMP MACRO score_of(i) AS
    1 / (1 + exp(-(0.8 + 3.5 * (chance(i, 1) + chance(i, 2) + chance(i, 3) - 1.5))));
"""


def rows_between(
    first: int, rows: int, start: datetime, width: timedelta, *, cameras: int = CAMERAS, lightings: int = LIGHTINGS,
    honest: bool = True,
) -> str:  # fmt: skip
    """A SELECT of ``rows`` labelled rows numbered from ``first``, evenly over [start, start + width), in time order.

    Outcomes follow the scores, or, unless ``honest``, fall half and half whatever the score.
    """
    rate = "score_of(i)" if honest else "0.5"
    step = width / timedelta(microseconds=1) / max(rows, 1)
    at = f"TIMESTAMP {quote_text(str(make_naive(start)))} + to_microseconds(((i - {first}) * {step})::BIGINT)"
    return f"""
SELECT 's' || lpad(hex(hash(i)), 16, '0') AS sample_id, {at} AS observed_at,
       {at} + to_seconds((7200 * chance(i, 4))::BIGINT) AS labelled_at, score_of(i) AS score,
       (chance(i, 5) < {rate})::BIGINT AS outcome,
       'c' || (hash(i * 16 + 6) % {cameras}) AS camera, 'l' || (hash(i * 16 + 7) % {lightings}) AS lighting
FROM range({first}, {first + rows}) AS t(i)"""


def connection_with_traffic(connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyConnection:
    """A connection that ``rows_between`` can run on: a new one in memory, or the one given."""
    found = connection or duckdb.connect()
    found.execute("SET TimeZone = 'UTC'")
    found.execute("SET enable_progress_bar = false")
    found.execute(_MACROS)
    return found


def write_files(
    directory: Path, rows: int, days: int = DAYS, *, cameras: int = CAMERAS, lightings: int = LIGHTINGS,
    honest: bool = True,
) -> int:  # fmt: skip
    """One Parquet file a day, ``rows`` in all (or a few less), as ``rows_between`` makes them; returns how many."""
    directory.mkdir(parents=True)
    connection = connection_with_traffic()
    each = rows // days
    for day in range(days):
        select = rows_between(
            day * each, each, BEGAN + day * _DAY, _DAY, cameras=cameras, lightings=lightings, honest=honest
        )
        path = quote_text(str(directory / f"day-{day:03}.parquet"))
        connection.execute(f"COPY ({select}) TO {path} (FORMAT parquet, COMPRESSION zstd)")
    connection.close()
    return each * days


def configuration(base: Path) -> Config:
    """One model over ``base``/files, its state in ``base``/state, everything else as it is by default."""
    text = f"""
[monitor]
state_dir = "state"
memory_limit = "{MEMORY_LIMIT}"
[[model]]
name = "line"
task = "binary"
slices = ["camera", "lighting"]
source = {{ path = "files/*.parquet" }}
"""
    return parse_config(text, "calwatch.toml", base)


def write_history(base: Path, rows: int, now: datetime) -> None:
    """A live database with ``rows`` samples over the 60 days, 10 % of them unlabelled, as a daemon at ``now`` has it.

    Skips staging and the search for known identities; samples and cells are written by ingest's own statements.
    """
    config = configuration(base)
    model = config.model[0]
    connection = connection_with_traffic(open_live(config.state_dir, memory_limit="4GB", now=BEGAN))
    registry = Registry.load(connection, model, BEGAN)
    _enter_slices(connection, registry, model, now)
    connection.execute("CREATE TEMP TABLE replaced AS SELECT rowid AS row_key, * FROM samples LIMIT 0")
    parts = max(part for part in (6, 12, 30, 60) if part == 6 or rows >= part * 100_000)
    each, width = rows // parts, _DAY * DAYS // parts
    for part in range(parts):
        start = BEGAN + part * width
        with transaction(connection):
            connection.execute(_incoming(rows_between(part * each, each, start, width), registry.model_id))
            connection.execute(
                "INSERT INTO samples BY NAME SELECT * EXCLUDE (row_key, newly_labelled, corrects) FROM incoming"
            )
            first, beyond = make_naive(start), make_naive(start + width - timedelta(microseconds=1))
            assert first is not None
            assert beyond is not None
            renew_cells(ModelStore(connection, registry, model), first, beyond)
    connection.execute("UPDATE slices SET last_observed_at = $now, last_labelled_at = $now", {"now": make_naive(ENDED)})
    connection.close()


def _enter_slices(connection: duckdb.DuckDBPyConnection, registry: Registry, model: Model, now: datetime) -> None:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    connection.execute("UPDATE models SET folded_until = $until", {"until": make_naive(midnight - model.fold_after)})
    connection.execute(
        "INSERT INTO streams VALUES (1, $id, '', '', $now, true)", {"id": registry.model_id, "now": make_naive(BEGAN)}
    )
    keys = [f"c{camera}\x1fl{lighting}" for camera in range(CAMERAS) for lighting in range(LIGHTINGS)]
    connection.execute("CREATE TEMP TABLE staged (slice_key VARCHAR, reason VARCHAR)")
    connection.execute("INSERT INTO staged SELECT unnest($keys), NULL", {"keys": keys})
    with registry.transaction(connection):
        registry.map_slices(connection, model)


def _incoming(rows: str, model_id: int) -> str:
    unlabelled = "hash(sample_id) % 10 = 0"
    return f"""
CREATE OR REPLACE TEMP TABLE incoming AS
SELECT NULL::BIGINT AS row_key, {model_id}::USMALLINT AS model_id, 1::INTEGER AS stream_id, k.slice_id, r.sample_id,
       r.observed_at, CASE WHEN {unlabelled} THEN NULL ELSE r.labelled_at END AS labelled_at, r.score,
       NULL::DOUBLE AS raw_score, 1::BIGINT AS n, CASE WHEN {unlabelled} THEN NULL ELSE r.outcome END AS positives,
       NULL::VARCHAR AS group_id, NULL::VARCHAR AS predicted_class, NULL::VARCHAR AS label, NULL::FLOAT[] AS logits,
       false AS newly_labelled, false AS corrects
FROM ({rows}) AS r JOIN slice_keys AS k ON k.slice_key = r.camera || chr(31) || r.lighting"""
