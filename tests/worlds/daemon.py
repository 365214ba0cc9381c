"""A daemon over a line of its own, and what its snapshot tells: for the tests of it as a process."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np

from monitor.store.connection import quote_text
from tests.worlds.line import model_section, traffic, write_config, write_file
from tests.worlds.process import Running

HOUR = timedelta(hours=1)
FAILURES = 'calwatch_cycle_failures_total{model="m"}'


def configured(base: Path, port: int, *sections: str, cycle: str = "1s") -> Path:
    monitor = f'listen = "127.0.0.1:{port}"\ncycle = "{cycle}"'
    return write_config(base, *(sections or (model_section(),)), monitor=monitor)


def sampled(base: Path, number: int, n: int, ended: datetime, *, into: str = "in", drift: bool = False) -> Path:
    """A file of the 20 hours before ``ended``."""
    planted = {("c3", "night"): 6.0} if drift else None
    columns = traffic(np.random.default_rng(number), f"f{number}", ended - 20 * HOUR, ended, n, planted=planted)
    return write_file(base / into / f"f{number:03}.parquet", columns)


def many(path: Path, n: int, ended: datetime) -> None:
    """n rows made inside DuckDB, quick also for millions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT '{path.stem}-' || i AS sample_id, TIMESTAMP {quote_text(str(ended.replace(tzinfo=None)))} "
            "- to_seconds(60 + (i * 7919) % 72000) AS observed_at, observed_at + INTERVAL 30 SECOND AS labelled_at, "
            "'c' || (i % 3) AS camera, CASE WHEN i % 2 = 0 THEN 'day' ELSE 'night' END AS lighting, "
            "(hash(i) % 1000003) / 1000003.0 AS score, ((hash(i + 77) % 1000003) / 1000003.0 < score)::INTEGER AS outcome "
            f"FROM range({n}) AS t(i)) TO {quote_text(str(path))} (FORMAT parquet)"
        )


@contextmanager
def running(base: Path, port: int, *sections: str, cycle: str = "1s") -> Iterator[Running]:
    path = configured(base, port, *sections, cycle=cycle)
    with Running(port, base / "log.txt", "run", "--config", path) as daemon:
        yield daemon


def told(state: Path, sql: str) -> int | None:
    """A number from the snapshot; None when there is none, or none to read."""
    try:
        with duckdb.connect(str(state / "metrics.duckdb"), read_only=True) as connection:
            row = connection.execute(sql).fetchone()
    except duckdb.Error:
        return None
    return int(row[0]) if row and row[0] is not None else None


def gone(number: int) -> bool:
    """Whether the process has ended."""
    try:
        status = Path(f"/proc/{number}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):  # the latter: while it was read
        return True
    return "Z" in status.rpartition(")")[2].split()[0]
