"""The demo is a backtest of the bundled stream: the same cycle as the daemon's, on a simulated clock."""

import json
import logging
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

from monitor.cli.demo import STREAM_BEGAN, STREAM_ENDED
from monitor.cli.output import show_progress
from monitor.config.settings import load_config
from monitor.engine.backtest import Playback, play_history
from monitor.engine.byhand import run_by_hand
from monitor.engine.logs import configure_logging
from monitor.jobs.requests import leave_request
from monitor.model import Slice
from monitor.model.errors import UsageError
from monitor.store.connection import LIVE
from monitor.store.published.snapshot import SNAPSHOT

CONFIG = "calwatch.toml"
PICTURE = "trade-off"  # how the names of pictures begin
_OWN = {
    LIVE, f"{LIVE}.wal", SNAPSHOT, CONFIG, "calibrators", "requests", "spill", "replay.duckdb", "replay.duckdb.wal",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Story:
    """What is bundled of one story: its folder beside this file ("": beside it), the time it plays in, the time between cycles,
    which names its configuration has of files beside it, and which model is tuned at the end."""

    folder: str
    began: datetime
    ended: datetime
    step: timedelta
    files: tuple[str, ...]
    tuned: str = ""


DIGITS = Story("", STREAM_BEGAN, STREAM_ENDED, timedelta(hours=8), ("digits-*.parquet", "rules.toml"))


def play_demo(directory: Path, ended: datetime | None = None, story: Story = DIGITS) -> Playback:
    """Play a story until ``ended``, by default to its end, into ``directory``, with a configuration for the commands that
    look at it. What an earlier demo left there is replaced, anything else is not touched."""
    _clear(directory)
    configure_logging("text", level=logging.ERROR)
    until = ended or story.ended
    with as_file(files("monitor.cli.demo").joinpath(story.folder)) as bundled:
        config = load_config(bundled / CONFIG)
        with show_progress(story.began, until, f"playing {(until - story.began).days} days") as advance:
            played = play_history(
                config, directory, story.began, until, story.step, each_tick=lambda now, tick: advance(now)
            )
        _leave_config(bundled, directory / CONFIG, story)
        if story.tuned:
            _tune(played, directory, story.tuned)
    return played


def _tune(played: Playback, directory: Path, model: str) -> None:
    """Ask for what `calwatch tune` asks for, at the time that was played until, and have it done."""
    leave_request(directory, model, "tune", Slice(), played.ended)
    tick = run_by_hand(directory / CONFIG, "tune", level=logging.ERROR)
    played.jobs += tick.jobs[model]
    tuned = {each.name: each for each in tick.published.models}
    models = tuple(
        # what was measured and judged stands as the last cycle of the play left it
        replace(each, calibrators=own.calibrators, thresholds=own.thresholds, jobs=own.jobs)
        for each in played.published.models
        for own in [tuned[each.name]]
    )
    played.published = replace(played.published, models=models)


def _leave_config(bundled: Path, target: Path, story: Story) -> None:
    """The bundled configuration, for ``calwatch status``, ``slices``, ``jobs`` and ``report`` on what was played."""
    text = (bundled / CONFIG).read_text("utf-8")
    for name in story.files:
        text = text.replace(f'"{name}"', json.dumps(str(bundled / name)))
    first = "# For commands that look at the demo: status, slices, jobs, report. Its past is over: there is nothing to run.\n"
    target.write_text(f'{first}\n[monitor]\nstate_dir = "."\n\n{text}', "utf-8")


def _clear(directory: Path) -> None:
    if not directory.exists():
        return
    names = [entry.name for entry in directory.iterdir()]
    foreign = [name for name in names if name not in _OWN and not name.startswith((".snapshot-", PICTURE))]
    if foreign:
        raise UsageError(
            f"{directory}: holds {foreign[0]}, which no demo wrote", "name an empty directory: calwatch demo DIR"
        )
    shutil.rmtree(directory)
