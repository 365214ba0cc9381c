"""The demo is a backtest of the bundled stream: the same cycle as the daemon's, on a simulated clock."""

import json
import logging
import shutil
from datetime import datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

from monitor.cli.demo import STREAM_BEGAN, STREAM_ENDED
from monitor.cli.output import show_progress
from monitor.config.settings import load_config
from monitor.engine.backtest import Playback, play_history
from monitor.engine.logs import configure_logging
from monitor.model.errors import UsageError
from monitor.store.connection import LIVE
from monitor.store.published.snapshot import SNAPSHOT

STEP = timedelta(hours=8)
CONFIG = "calwatch.toml"
_OWN = {
    LIVE, f"{LIVE}.wal", SNAPSHOT, CONFIG, "calibrators", "requests", "spill", "replay.duckdb", "replay.duckdb.wal",
}  # fmt: skip


def play_demo(directory: Path, ended: datetime = STREAM_ENDED) -> Playback:
    """Play the stream until ``ended`` into ``directory``, with a configuration for the commands that look at it. What an
    earlier demo left there is replaced, anything else is not touched."""
    _clear(directory)
    configure_logging("text", level=logging.ERROR)
    with as_file(files("monitor.cli.demo")) as bundled:
        config = load_config(bundled / "calwatch.toml")
        with show_progress(STREAM_BEGAN, ended, f"playing {(ended - STREAM_BEGAN).days} days") as advance:
            played = play_history(
                config, directory, STREAM_BEGAN, ended, STEP, each_tick=lambda now, tick: advance(now)
            )
        _leave_config(bundled, directory / CONFIG)
    return played


def _leave_config(bundled: Path, target: Path) -> None:
    """The bundled configuration, for ``calwatch status``, ``slices``, ``jobs`` and ``report`` on what was played."""
    text = (bundled / "calwatch.toml").read_text("utf-8")
    for name in ("digits-*.parquet", "rules.toml"):
        text = text.replace(f'"{name}"', json.dumps(str(bundled / name)))
    first = "# For commands that look at the demo: status, slices, jobs, report. Its past is over: there is nothing to run.\n"
    target.write_text(f'{first}\n[monitor]\nstate_dir = "."\n\n{text}', "utf-8")


def _clear(directory: Path) -> None:
    if not directory.exists():
        return
    names = [entry.name for entry in directory.iterdir()]
    foreign = [name for name in names if name not in _OWN and not name.startswith(".snapshot-")]
    if foreign:
        raise UsageError(
            f"{directory}: holds {foreign[0]}, which no demo wrote", "name an empty directory: calwatch demo DIR"
        )
    shutil.rmtree(directory)
