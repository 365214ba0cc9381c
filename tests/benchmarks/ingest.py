"""Pull + de-duplicate + cells, against DuckDB loading the same files and grouping them once."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb

from monitor.sources.pull import file_sources, pull_sources
from monitor.store.connection import LIVE, open_live, quote_text
from monitor.store.model_store import ModelStore
from monitor.store.sql import statement

from .figures import MEMORY_LIMIT, Figure, apart, median, peak_megabytes, spread, timed
from .scale import Scale
from .traffic import ENDED, configuration, write_files

_NOW = ENDED + timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Run:
    """One pull, or one run of the baseline."""

    seconds: float
    rows: int
    cells: int
    peak_megabytes: float
    file_bytes: int


def measure(scale: Scale, room: Path) -> list[Figure]:
    rows = write_files(room / "files", scale.ingest_rows)
    base, ours = [], []
    for turn in range(scale.repeats):  # in turns, so that other work on the machine meets both
        base.append(apart(baseline, room, room / f"base-{turn}.duckdb"))
        ours.append(apart(take, room, turn))
    for run in ours:
        if (run.rows, run.cells) != (rows, base[0].cells):
            raise AssertionError(
                f"took {run.rows} rows into {run.cells} cells, the baseline has {rows}, {base[0].cells}"
            )
    seconds, base_seconds = [run.seconds for run in ours], [run.seconds for run in base]
    ratios = [run.seconds / other.seconds for run, other in zip(ours, base, strict=True)]
    return [
        Figure(
            f"pull + de-duplicate + cells, {rows:,} rows, against the baseline", median(ratios), "×", 4,
            f"each run against the baseline just before it: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; "
            f"best against best: {min(seconds) / min(base_seconds):.2f}",
        ),
        Figure("  calwatch", median(seconds), "s", None, spread(seconds)),
        Figure("  baseline: CREATE TABLE AS SELECT, then one GROUP BY to cells", median(base_seconds), "s", None,
               spread(base_seconds)),
        Figure("  peak memory of the pull", max(run.peak_megabytes for run in ours), "MB", 2000,
               f"baseline {max(run.peak_megabytes for run in base):,.0f} MB"),
        Figure("  cells made", ours[0].cells, "rows"),
        Figure("  database per million samples", ours[0].file_bytes / rows, "MB", None,
               f"baseline {base[0].file_bytes / rows:.1f} MB"),
    ]  # fmt: skip


def take(room: Path, turn: int) -> Run:
    """What a daemon's first cycle does with the files before it measures: the pull stage, from an empty database."""
    base = room / f"ours-{turn}"
    base.mkdir()
    (base / "files").symlink_to(room / "files")
    config = configuration(base)
    model = config.model[0]
    connection = open_live(config.state_dir, memory_limit=MEMORY_LIMIT, now=_NOW)
    store = ModelStore.load(connection, model, _NOW)
    with timed() as lap:
        pulled = pull_sources(store, file_sources(model, base), (), _NOW)["samples"]
    cells = connection.execute("SELECT count(*) FROM cells").fetchone()
    connection.close()
    assert cells is not None
    return Run(lap.seconds, pulled.new, cells[0], peak_megabytes(), (config.state_dir / LIVE).stat().st_size)


def baseline(room: Path, path: Path) -> Run:
    """The least anyone could do: the rows into a table of a file, and the sums of the same cells into another."""
    connection = duckdb.connect(str(path), config={"memory_limit": MEMORY_LIMIT})
    connection.execute("SET enable_progress_bar = false")
    for macro in ("macro_bin", "macro_bucket", "macro_log_loss"):
        connection.execute(statement(macro))
    with timed() as lap:
        connection.execute(
            f"CREATE TABLE samples AS SELECT * FROM read_parquet({quote_text(str(room / 'files/*.parquet'))})"
        )
        connection.execute("""
CREATE TABLE cells AS
SELECT camera, lighting, bucket_of(observed_at, 3600, TIMESTAMP '1970-01-01') AS bucket, cell_bin(score) AS bin,
       count(*) AS n, sum(score) AS score, sum(outcome) AS outcome, sum(score * score) AS score_squared,
       sum(score * outcome) AS score_outcome, sum(log_loss(score, 1, outcome)) AS log_loss,
       sum(epoch(labelled_at) - epoch(observed_at)) AS lag
FROM samples GROUP BY ALL""")
    rows = connection.execute("SELECT (SELECT count(*) FROM samples), (SELECT count(*) FROM cells)").fetchone()
    connection.close()
    assert rows is not None
    return Run(lap.seconds, rows[0], rows[1], peak_megabytes(), path.stat().st_size)
