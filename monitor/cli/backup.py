"""``calwatch backup`` and ``calwatch restore``."""

import os
import threading
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import output as console
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.model.errors import CalwatchError, StoreInUseError

_LOOK_EVERY = 0.2  # seconds


def backup(
    file: Annotated[Path, typer.Argument(help="the archive to write; a backup that is there already is replaced")],
    wait: Annotated[int, typer.Option(min=1, help="seconds to wait for the running daemon")] = 3600,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write all of the state into one archive; while a daemon runs, it does that between two cycles."""
    import duckdb

    from monitor.config.settings import load_config
    from monitor.engine.clock import utc_now
    from monitor.engine.opening import open_ready
    from monitor.store.backup.create import write_backup
    from monitor.store.connection import LIVE
    from monitor.store.damage import refuse_damage

    loaded = load_config(config)
    target = file.absolute()
    if not os.path.lexists(loaded.state_dir / LIVE) and os.access(loaded.state_dir, os.X_OK):
        raise CalwatchError(f"{loaded.state_dir / LIVE}: is not there, so there is nothing to back up", "see: --config")
    now = utc_now()
    try:
        with open_ready(loaded, now) as connection:
            done = write_backup(connection, loaded.state_dir, target, now)
    except StoreInUseError:
        _by_daemon(loaded.state_dir, target, wait)
        return
    except duckdb.Error as error:
        refuse_damage(error, loaded.state_dir)
        raise
    console.print_line(f"{target}: {done.bytes:,} bytes, {done.files:,} files")


def restore(
    file: Annotated[Path, typer.Argument(help="an archive that calwatch backup wrote")],
    replace: Annotated[bool, typer.Option("--replace", help="a state that is there already goes, for good")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Make the state directory what a backup holds; no daemon may run."""
    from monitor.config.settings import load_config
    from monitor.engine.clock import utc_now
    from monitor.model.wording import minute
    from monitor.store.backup.restore import restore_backup as put_back

    loaded = load_config(config)
    held = put_back(file, loaded.state_dir, utc_now(), replace=replace, memory_limit=loaded.monitor.memory_limit)
    console.print_line(
        f"{loaded.state_dir}: restored as it was at {minute(held.written_at)} UTC ({len(held.files):,} files, written by "
        f"calwatch {held.calwatch_version}{', played' if held.played else ''})"
    )
    console.print_line("calwatch.toml, rules and secrets are not part of a backup")


def _by_daemon(state_dir: Path, target: Path, wait: int) -> None:
    """Ask the running daemon, and wait until it has done it."""
    from monitor.engine.backups import ask_backup, load_backup, withdraw_backup

    token = ask_backup(state_dir, target)
    pause = threading.Event()
    for _ in range(int(wait / _LOOK_EVERY)):
        found = load_backup(state_dir, token)
        if found is not None and found.state == "done":
            console.print_line(f"{target}: {found.bytes or 0:,} bytes, written by the running daemon")
            return
        if found is not None and found.state == "failed":
            raise CalwatchError(found.problem or f"{target}: failed", found.hint)
        pause.wait(_LOOK_EVERY)
    withdraw_backup(state_dir, token)
    raise CalwatchError(
        f"{target}: the running daemon has not written it within {wait} s", "see its log; a long cycle? --wait longer"
    )
