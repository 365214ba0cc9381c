"""``calwatch backtest`` in a process of its own: ``python -m monitor.cli.backtest DIRECTORY``."""

import logging
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from shutil import rmtree

import duckdb

from monitor.cli.output import show_progress
from monitor.config.settings import Config
from monitor.engine.backtest import REPLAY, Playback, play_history
from monitor.engine.logs import configure_logging
from monitor.sources.isolation.alone import Failure
from monitor.sources.isolation.apart import answer_apart, work_apart
from monitor.sources.isolation.journal import Entry, Journal
from monitor.sources.isolation.patience import seconds_for
from monitor.sources.replay.guard import ReplayGuard
from monitor.store.blame import first_line
from monitor.store.connection import LIVE

_LEFT = (LIVE, f"{LIVE}.wal", REPLAY, f"{REPLAY}.wal")  # of a process that ended while it read


def play_apart(config: Config, state_dir: Path, began: datetime, ended: datetime, step: timedelta) -> Playback:
    """What ``play`` gives, with its progress on a terminal. Raises what it raises, and CalwatchError when the process ends over
    no file."""
    return work_apart(
        "monitor.cli.backtest", (config, state_dir, began, ended, step), Playback, name="the backtest",
        seconds_of=lambda entry: 2 * seconds_for(_size(entry)), clear_away=lambda: _sweep(state_dir), shows=True,
    )  # fmt: skip


def _size(entry: Entry) -> int:
    """Bytes of what is being read; fingerprints of files begin with them."""
    sizes = [fingerprint.partition(":")[0] for fingerprint in entry.items.values()]
    return sum(int(size) for size in sizes if size.isdecimal())


def _sweep(state_dir: Path) -> None:
    """Remove what the process left half done: it began in a directory without a database."""
    for name in _LEFT:
        (state_dir / name).unlink(missing_ok=True)
    rmtree(state_dir / "spill", ignore_errors=True)


def main(directory: Path) -> None:
    """Play what is asked for in the directory, and leave what was found there."""
    configure_logging("text", level=logging.ERROR)
    answer_apart(directory, _play)


def _play(
    asked: tuple[Config, Path, datetime, datetime, timedelta], known: Mapping[str, Failure], journal: Journal
) -> Playback:
    config, state_dir, began, ended, step = asked
    try:
        with show_progress(began, ended, "backtest") as advance:
            guard = partial(ReplayGuard, known=known, journal=journal)
            played = play_history(
                config, state_dir, began, ended, step, each_tick=lambda now, tick: advance(now), guard=guard
            )
    except duckdb.FatalException as error:  # the database is spoilt; where a file did it, the journal names it
        sys.exit(first_line(error))
    if played.absent:  # what it wrote would only be in the way of the next try
        _sweep(state_dir)
    return played


if __name__ == "__main__":
    main(Path(sys.argv[1]))
