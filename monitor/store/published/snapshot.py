"""metrics.duckdb, the copy that ops and dashboards read: replaced whole each cycle, open readers keep theirs.

Two files take turns. The one that is not published is brought up to date (history grows by what is new; the small
tables are written anew), then a hard link to it replaces metrics.duckdb in one step. So a cycle costs what changed, not
what there is. A file that some reader still has open cannot be written: a third one, first a copy of what is published,
takes its turn until the reader lets go.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from monitor import __version__
from monitor.model.errors import StoreError
from monitor.model.reasons import Reason
from monitor.store.blame import first_line
from monitor.store.connection import LIVE, make_naive, quote_text, transaction
from monitor.store.damage import describe_damage, has_unreadable_rows, is_damage
from monitor.store.readings import store_problems
from monitor.store.sql import statement

SNAPSHOT = "metrics.duckdb"
SCHEMA_VERSION = 9  # of the snapshot's tables, a public interface: grows when one changes
_STORAGE_VERSION = "v1.4.0"  # so that readers with DuckDB 1.4 and later can open it

# Tables written anew each time, as they are and by a statement of their own; slice_history and evidence grow.
_COPIED = (
    "slice_labels", "alert_events", "jobs", "job_log", "guards", "serving", "label_delays", "problems", "source_notes",
    "waiting_labels", "group_spans", "folded_values", "missed_objects", "invented_objects", "largest_errors",
)  # fmt: skip
_SELECTED = (
    "snapshot_last_seen", "snapshot_newest_readings", "snapshot_reliability", "snapshot_alerts", "snapshot_evidence_alarms",
    "snapshot_evidence_streams", "snapshot_told_alarms", "snapshot_disparities", "snapshot_calibrators",
    "snapshot_thresholds", "snapshot_threshold_curves", "snapshot_quarantine", "snapshot_quarantine_counts",
    "snapshot_pulls", "snapshot_files_set_aside",
    "view_slice_metrics", "view_worst_slices", "view_drift_now", "view_last_refits",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes the snapshots of one state directory."""

    state_dir: Path

    def publish(
        self, connection: duckdb.DuckDBPyConnection, now: datetime, problems: Mapping[str, Reason | None] | None = None
    ) -> Path:
        """Bring metrics.duckdb up to date. Raises StoreError when the disk does not let it, DamageError where it is the
        database itself that cannot be read; the old one stays.

        ``problems``: by model, why its cycle failed, None where it went well; without, those stored before stand.
        """
        target = self.state_dir / SNAPSHOT
        aside: Path | None = None
        try:
            if problems is not None:
                with transaction(connection):
                    store_problems(connection, problems, now)
            connection.execute("DETACH DATABASE IF EXISTS snap")  # left by a publication that failed
            aside = self._attach(connection, target)
            try:
                _bring_up_to_date(connection, now)
            finally:
                connection.execute("DETACH snap")
            _replace(aside, target)
        except duckdb.InterruptException:
            raise  # we are asked to stop
        except (OSError, duckdb.Error) as error:  # a damaged file raises many kinds, some of them the base class
            if aside is not None:
                _remove(aside)  # it may be what is damaged, or what fills the disk: the next one is built afresh
            if isinstance(error, duckdb.Error) and is_damage(error):
                if has_unreadable_rows(connection):
                    raise describe_damage(self.state_dir / LIVE, error) from error
                for name in (target, *self.free_files(target)):
                    _remove(name)  # it is the copy, of which the next one would be made
                raise StoreError(
                    f"{target}: was damaged: {first_line(error)}", "the next cycle writes it anew"
                ) from error
            if target.is_dir():
                raise StoreError(
                    f"{target}: is a directory", "move it away: the next cycle publishes the snapshot there"
                ) from error
            raise StoreError(
                f"{target}: cannot be replaced: {first_line(error)}",
                "check free space and permissions of the state directory",
            ) from error
        return target

    def free_files(self, target: Path) -> list[Path]:
        """The files that may be written to, those that are there first."""
        try:
            shown = os.stat(target).st_ino  # noqa: PTH116  # stat only: opening a file DuckDB holds would drop its lock
        except FileNotFoundError:
            shown = None
        names = [self.state_dir / f".snapshot-{letter}.duckdb" for letter in "abc"]
        free = [name for name in names if not name.exists() or os.stat(name).st_ino != shown]  # noqa: PTH116  # as above
        return sorted(free, key=lambda name: not name.exists())

    def _attach(self, connection: duckdb.DuckDBPyConnection, target: Path) -> Path:
        """Attach the first file that no reader holds. When readers hold all, the first gives way to a new one."""
        free = self.free_files(target)
        for aside in free:
            if aside.exists() and _attached(connection, aside):
                return aside
        aside = next((name for name in free if not name.exists()), free[0])
        _remove(aside)
        if target.exists():
            shutil.copyfile(target, aside)  # nobody in this process has it open, so no lock is lost
            if _attached(connection, aside):
                return aside
            _remove(aside)
        connection.execute(_attach_statement(aside))
        return aside


def _attach_statement(aside: Path) -> str:
    return f"ATTACH {quote_text(str(aside))} AS snap (STORAGE_VERSION {quote_text(_STORAGE_VERSION)})"


def _attached(connection: duckdb.DuckDBPyConnection, aside: Path) -> bool:
    """Attach the file. One that a reader holds stays as it is; one of another schema or state, or that a crash spoilt, goes."""
    try:
        connection.execute(_attach_statement(aside))
        if _is_ours(connection):
            return True
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        if "Could not set lock" in str(error):
            return False
    connection.execute("DETACH DATABASE IF EXISTS snap")
    _remove(aside)
    return False


def _remove(aside: Path) -> None:
    for path in (aside, aside.with_name(aside.name + ".wal")):
        path.unlink(missing_ok=True)


def _is_ours(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the attached file is new, or a snapshot of this state in this schema."""
    if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE database_name = 'snap' LIMIT 1").fetchone():
        return True
    try:
        row = connection.execute(
            "SELECT s.schema_version = $version AND s.state_id = t.id FROM snap.snapshot AS s, state AS t",
            {"version": SCHEMA_VERSION},
        ).fetchone()
    except (duckdb.CatalogException, duckdb.BinderException):
        return False
    return bool(row and row[0])


def _bring_up_to_date(connection: duckdb.DuckDBPyConnection, now: datetime) -> None:
    with transaction(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS snap.slice_history AS FROM readings LIMIT 0")
        connection.execute(statement("snapshot_slice_history"))
        live, copied = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            for table in ("readings", "snap.slice_history")
        )
        if live != copied:  # readings older than their limit have gone
            connection.execute("DELETE FROM snap.slice_history WHERE sequence NOT IN (SELECT sequence FROM readings)")
        _renew_evidence(connection)
        for table in _COPIED:
            connection.execute(f"CREATE OR REPLACE TABLE snap.{table} AS FROM {table}")
        for name in _SELECTED:
            connection.execute(statement(name))
        connection.execute(statement("snapshot_head"), {"version": SCHEMA_VERSION, "now": make_naive(now)})


def _renew_evidence(connection: duckdb.DuckDBPyConnection) -> None:
    """Judging again (late labels) replaces the path from some bucket on: from there it is copied anew."""
    connection.execute("CREATE TABLE IF NOT EXISTS snap.evidence AS FROM evidence LIMIT 0")
    mark = connection.execute(
        "SELECT min(bucket) FROM evidence WHERE sequence > (SELECT coalesce(max(sequence), 0) FROM snap.evidence)"
    ).fetchone()
    if mark is None or mark[0] is None:
        return
    connection.execute(
        "DELETE FROM snap.evidence WHERE bucket >= $mark OR bucket < (SELECT min(bucket) FROM evidence)",
        {"mark": mark[0]},
    )
    connection.execute("INSERT INTO snap.evidence SELECT * FROM evidence WHERE bucket >= $mark", {"mark": mark[0]})


def _replace(aside: Path, target: Path) -> None:
    link = target.with_name(f".{target.name}.new")
    link.unlink(missing_ok=True)
    try:
        os.link(aside, link)  # Path.hardlink_to reads backwards
    except OSError:  # a file system without hard links: a copy does the same, slower
        shutil.copyfile(aside, link)
    os.replace(link, target)  # noqa: PTH105  # the atomic step, by its usual name


_BY_OLDER = "restart the daemon with this version, or publish it anew: calwatch snapshot"
_BY_NEWER = (
    "ask with the calwatch that the daemon runs, which is newer than this one; or restart the daemon with this one, or publish "
    "it anew: calwatch snapshot"
)
_ANEW = "move it away and publish it anew: calwatch snapshot (a running daemon does in its next cycle)"


def open_snapshot(state_dir: Path) -> duckdb.DuckDBPyConnection:
    """Raises StoreError when there is none yet, when it cannot be read or is of another version."""
    path = state_dir / SNAPSHOT
    if not path.exists():
        raise StoreError(f"{path}: there is no snapshot yet", "start the daemon with: calwatch run (or: calwatch once)")
    connection = None
    try:
        connection = duckdb.connect(str(path), read_only=True)
        row = connection.execute("SELECT * FROM snapshot").fetchone()
        names = [column[0] for column in connection.description or ()]
    except duckdb.Error as error:
        if connection is not None:
            connection.close()
        raise describe_unreadable(state_dir, error) from error
    held = dict(zip(names, row or (), strict=False))
    version = held.get("schema_version")
    if version != SCHEMA_VERSION:
        connection.close()
        writer = held.get("calwatch_version") or "of a version that was not kept"
        raise StoreError(
            f"{path}: was written by calwatch {writer} (schema {version}); this is calwatch {__version__}, which reads schema "
            f"{SCHEMA_VERSION}",
            _BY_NEWER if isinstance(version, int) and version > SCHEMA_VERSION else _BY_OLDER,
        )
    return connection


def describe_unreadable(state_dir: Path, error: duckdb.Error) -> StoreError:
    """What to tell a person of an error met when the snapshot was opened, or asked."""
    path = state_dir / SNAPSHOT
    what = "is a directory" if path.is_dir() else f"cannot be read: {str(error).splitlines()[0]}"
    return StoreError(f"{path}: {what}", _ANEW)
