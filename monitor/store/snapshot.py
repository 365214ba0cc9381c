"""metrics.duckdb, the copy that ops and dashboards read: replaced whole each cycle, open readers keep theirs.

Two files take turns. The one that is not published is brought up to date (history grows by what is new; the small
tables are written anew), then a hard link to it replaces metrics.duckdb in one step. So a cycle costs what changed, not
what there is. A file that some reader still has open cannot be written; its name is dropped and it is built afresh.
"""

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from monitor.errors import StoreError
from monitor.store.connection import atomic, literal, naive
from monitor.store.sql import statement

SNAPSHOT = "metrics.duckdb"
SCHEMA_VERSION = 1  # of the snapshot's tables, a public interface: grows when one changes
_STORAGE_VERSION = "v1.4.0"  # so that readers with DuckDB 1.4 and later can open it

_SMALL = (  # written anew each time; only slice_history grows
    "slice_labels", "newest_readings", "reliability", "alerts", "alert_events", "jobs", "calibrators", "serving",
    "thresholds", "quarantine", "quarantine_counts", "pulls",
)  # fmt: skip
_VIEWS = ("view_slice_metrics", "view_worst_slices", "view_drift_now", "view_last_refits")


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes the snapshots of one state directory."""

    state_dir: Path

    def publish(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> Path:
        """Bring metrics.duckdb up to date. Raises StoreError when the disk does not let it; the old one stays."""
        target = self.state_dir / SNAPSHOT
        aside = self._unpublished(target)
        try:
            connection.execute("DETACH DATABASE IF EXISTS snap")  # left by a publication that failed
            self._attach(connection, aside)
            try:
                _bring_up_to_date(connection, now)
            finally:
                connection.execute("DETACH snap")
            _replace(aside, target)
        except duckdb.InterruptException:
            raise  # we are asked to stop
        except (OSError, duckdb.Error) as error:  # a damaged file raises many kinds, some of them the base class
            _remove(aside)  # it may be what is damaged, or what fills the disk: the next one is built afresh
            first_line = str(error).splitlines()[0]
            raise StoreError(
                f"{target}: cannot be replaced: {first_line}", "check free space and permissions of the state directory"
            ) from error
        return target

    def _unpublished(self, target: Path) -> Path:
        names = [self.state_dir / f".snapshot-{letter}.duckdb" for letter in "ab"]
        try:
            shown = os.stat(target).st_ino  # noqa: PTH116  # stat only: opening a file DuckDB holds would drop its lock
        except FileNotFoundError:
            return names[0]
        for name in names:
            if not name.exists() or os.stat(name).st_ino != shown:  # noqa: PTH116  # as above
                return name
        return names[0]

    def _attach(self, connection: duckdb.DuckDBPyConnection, aside: Path) -> None:
        attach = f"ATTACH {literal(str(aside))} AS snap (STORAGE_VERSION {literal(_STORAGE_VERSION)})"
        try:
            connection.execute(attach)
            if _schema_version(connection) in (None, SCHEMA_VERSION):
                return
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            pass  # a reader still has it open, or a crash left half a file: build it afresh under the same name
        connection.execute("DETACH DATABASE IF EXISTS snap")
        _remove(aside)
        connection.execute(attach)


def _remove(aside: Path) -> None:
    for path in (aside, aside.with_name(aside.name + ".wal")):
        path.unlink(missing_ok=True)


def _schema_version(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The version of the attached file; None when it is new."""
    if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE database_name = 'snap' LIMIT 1").fetchone():
        return None
    try:
        row = connection.execute("SELECT schema_version FROM snap.snapshot").fetchone()
    except duckdb.CatalogException:
        return -1
    return int(row[0]) if row else -1


def _bring_up_to_date(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    with atomic(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS snap.slice_history AS FROM readings LIMIT 0")
        connection.execute(
            "INSERT INTO snap.slice_history SELECT * FROM readings "
            "WHERE sequence > (SELECT coalesce(max(sequence), 0) FROM snap.slice_history)"
        )
        live, copied = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            for table in ("readings", "snap.slice_history")
        )
        if live != copied:  # readings older than their limit have gone
            connection.execute("DELETE FROM snap.slice_history WHERE sequence NOT IN (SELECT sequence FROM readings)")
        for table in _SMALL:
            connection.execute(statement(f"snapshot_{table}"))
        for name in _VIEWS:
            connection.execute(statement(name))
        connection.execute(
            "CREATE OR REPLACE TABLE snap.snapshot AS SELECT $version AS schema_version, $now::TIMESTAMP AS published_at",
            {"version": SCHEMA_VERSION, "now": naive(now)},
        )


def _replace(aside: Path, target: Path) -> None:
    link = target.with_name(f".{target.name}.new")
    link.unlink(missing_ok=True)
    try:
        os.link(aside, link)  # Path.hardlink_to reads backwards
    except OSError:  # a file system without hard links: a copy does the same, slower
        shutil.copyfile(aside, link)
    os.replace(link, target)  # noqa: PTH105  # the atomic step, by its usual name
