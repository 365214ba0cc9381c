"""An opened database made ready for work: not a played one where that would spoil it, its calibrator files as it has them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import duckdb
import structlog

from monitor.config.settings import Config
from monitor.model.errors import StoreError
from monitor.recalibration.mending import mend_files
from monitor.store.backup.create import clear_cut_backups
from monitor.store.connection import LIVE, open_live
from monitor.store.damage import REMEDY, refuse_damage
from monitor.store.played import refuse_played

log = structlog.get_logger("calwatch")


def make_ready(connection: duckdb.DuckDBPyConnection, state_dir: Path, *, live_only: str | None = None) -> None:
    """Check what is beside the database, mend it and log what was wrong. On an error the connection is closed.

    ``live_only``: the command that is asked for, where it must not go on with a played state. Raises UsageError when it is
    one, StoreError when the database is damaged, does not belong to the calibrators, or they cannot be written.
    """
    try:
        if live_only is not None:
            refuse_played(connection, state_dir, live_only)
        mended = mend_files(connection, state_dir)
        _clear_cut_backups(state_dir)
    except duckdb.Error as error:
        connection.close()
        refuse_damage(error, state_dir)
        raise StoreError(f"{state_dir / LIVE}: cannot be read: {str(error).splitlines()[0]}", REMEDY) from error
    except BaseException:  # also Ctrl-C: nobody else knows of the connection yet, and it would keep the database
        connection.close()
        raise
    for sentence in mended.written:
        log.warning("calibrator file mended", what=sentence)
    for sentence in mended.lost:
        log.error("calibrator file lost", what=sentence)


def _clear_cut_backups(state_dir: Path) -> None:
    try:
        for path in clear_cut_backups(state_dir):
            log.warning("a backup that was cut off is removed", file=str(path))
    except OSError as error:  # it is in nobody's way
        log.warning("a backup that was cut off stays", file=str(error.filename or state_dir), problem=str(error))


@contextmanager
def open_ready(config: Config, now: datetime, *, live_only: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the database of a configuration and make it ready, until the end of the block.

    Raises StoreInUseError where a daemon runs, and what ``make_ready`` raises.
    """
    connection = open_live(config.state_dir, memory_limit=config.monitor.memory_limit, now=now)
    make_ready(connection, config.state_dir, live_only=live_only)
    try:
        yield connection
    finally:
        connection.close()
