"""The demo is a backtest of the bundled stream: the same cycle as the daemon's, on a simulated clock."""

import logging
import shutil
from datetime import timedelta
from importlib.resources import as_file, files
from pathlib import Path

from monitor.backtest import Played, play
from monitor.config import load_config
from monitor.demo import STREAM_BEGAN, STREAM_ENDED
from monitor.errors import UsageError
from monitor.logs import configure_logging
from monitor.store.connection import LIVE
from monitor.store.snapshot import SNAPSHOT
from monitor.tell import progress

STEP = timedelta(hours=8)


def play_demo(directory: Path) -> Played:
    """Play the stream into ``directory``; what an earlier demo left there is replaced, anything else is not touched."""
    _clear(directory)
    configure_logging("text", level=logging.ERROR)
    with as_file(files("monitor.demo")) as bundled:
        config = load_config(bundled / "calwatch.toml")
        with progress(STREAM_BEGAN, STREAM_ENDED, "playing 60 days") as advance:
            return play(config, directory, STREAM_BEGAN, STREAM_ENDED, STEP, each_tick=lambda now, tick: advance(now))


def _clear(directory: Path) -> None:
    if not directory.exists():
        return
    own = {LIVE, f"{LIVE}.wal", SNAPSHOT, "calibrators", "requests", "spill", "replay.duckdb", "replay.duckdb.wal"}
    foreign = [
        entry.name for entry in directory.iterdir() if entry.name not in own and not entry.name.startswith(".snapshot-")
    ]
    if foreign:
        raise UsageError(
            f"{directory}: holds {foreign[0]}, which no demo wrote", "name an empty directory: calwatch demo DIR"
        )
    shutil.rmtree(directory)
