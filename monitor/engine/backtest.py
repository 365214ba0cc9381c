"""History through the same cycle on a simulated clock, into a state directory of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
from prometheus_client import CollectorRegistry

from monitor.config.settings import Config, Model
from monitor.engine.cycle import Cycle, Tick, build_watched
from monitor.jobs.runners import InlineRunner
from monitor.model import Alert, AlertState, Job, Published
from monitor.model.errors import UsageError
from monitor.model.problems import NOTHING_TAKEN, Problem
from monitor.model.wording import minute
from monitor.publish.metrics.instruments import Instruments
from monitor.sources.pull import file_sources
from monitor.sources.pulled import Pulled
from monitor.sources.replay.guard import ReplayGuard
from monitor.sources.replay.source import ReplaySource
from monitor.store.connection import LIVE, ctrl_c_interrupts, open_live, quote_text
from monitor.store.played import mark_played

REPLAY = "replay.duckdb"
_PREDICTIONS = ("samples", "detections")  # what sources hold without which there is nothing to play


@dataclass(slots=True)
class Playback:
    """What would have happened: alerts that changed state, jobs that ended, rows taken; and the last state."""

    began: datetime
    ended: datetime
    ticks: int = 0
    pulled: dict[str, Pulled] = field(default_factory=dict)  # by model
    alerts: tuple[Alert, ...] = ()  # each as it was when it began to fire, or resolved
    jobs: tuple[Job, ...] = ()
    problems: tuple[Problem, ...] = ()
    failures: tuple[str, ...] = ()  # "model: what went wrong", each once
    published: Published = field(init=False)
    absent: str = ""  # why there was nothing to play: no row of any model lies in this time

    def add_tick(self, tick: Tick) -> None:
        """Add what one more tick did."""
        self.ticks += 1
        for model, by_source in tick.pulled.items():
            for brought in by_source.values():
                self.pulled.setdefault(model, Pulled()).add_counts(brought)
                self.problems += tuple(brought.problems)
        for judged in tick.rule_results.values():
            self.alerts += tuple(a for a in judged.changed if a.state in (AlertState.FIRING, AlertState.RESOLVED))
        for done in tick.jobs.values():
            self.jobs += done
        failed = (f"{model}: {problem}" for model, problem in tick.failed.items())
        self.failures = tuple(dict.fromkeys((*self.failures, *failed)))
        self.published = tick.published

    @property
    def read_nothing(self) -> bool:
        """Whether something could not be read, and nothing else was there."""
        return any(each.reason in NOTHING_TAKEN for each in self.problems) and not any(
            brought.files or brought.rows for brought in self.pulled.values()
        )


def play_history(
    config: Config,
    state_dir: Path,
    began: datetime,
    ended: datetime,
    step: timedelta,
    *,
    each_tick: Callable[[datetime, Tick], None] = lambda now, tick: None,
    guard: Callable[[str, str], ReplayGuard] = ReplayGuard,
) -> Playback:
    """Tick at ``began``, ``began + step`` … ``ended`` over all that arrived by then.

    Where no row lies in that time, only the first and the last tick are done, and ``absent`` says so.

    ``guard``: makes the guard over the files of a source, by the names of its model and its own.
    Raises UsageError when the span is empty or the state directory already holds a database.
    """
    if not began < ended or step <= timedelta(0):
        raise UsageError(
            f"nothing to play from {began.isoformat()} to {ended.isoformat()}", "--from must lie before --to"
        )
    if (state_dir / LIVE).exists():
        raise UsageError(
            f"{state_dir}: holds a database already", "name an empty directory with --state-dir, or remove it"
        )
    own = config.model_copy(
        update={"base": state_dir, "monitor": config.monitor.model_copy(update={"state_dir": Path()})}
    )
    sources: dict[str, list[ReplaySource]] = {}  # by model

    def replay(model: Model) -> list[ReplaySource]:
        sources[model.name] = _replayed(model, config.base, guard)
        return sources[model.name]

    watched = build_watched(config, replay)
    played = Playback(began, ended)
    connection = open_live(state_dir, memory_limit=config.monitor.memory_limit, now=began)
    try:
        mark_played(connection)
        connection.execute(f"ATTACH {quote_text(str(state_dir / REPLAY))} AS replay")
        runner = InlineRunner(rehearsal=True)  # webhooks and commands are recorded, not run
        cycle = Cycle(own, watched, connection, Instruments(CollectorRegistry()), runner)
        with ctrl_c_interrupts(connection):
            for now in tick_times(began, ended, step):
                if played.absent and now != ended:
                    continue
                tick = cycle.tick(now, publish=now == ended)
                played.add_tick(tick)
                each_tick(now, tick)
                if played.ticks == 1:
                    played.absent = _absent(config, sources, connection, began, ended)
        connection.execute("DETACH replay")
    finally:
        connection.close()
    (state_dir / REPLAY).unlink(missing_ok=True)
    return played


def _replayed(model: Model, base: Path, guarded: Callable[[str, str], ReplayGuard]) -> list[ReplaySource]:
    sources = file_sources(model, base)
    if not any(source.holds in _PREDICTIONS for source in sources):
        what = "detections" if model.is_of_boxes else "samples"
        raise UsageError(
            f'model "{model.name}" has only {what} that are pushed (kind "http"): there is no file to replay',
            'name the past in a configuration of its own, with a [[model.source]] of kind "files"',
        )
    replayed = [
        ReplaySource(source, f"{model.name}/{source.name}", model, guarded(model.name, source.name))
        for source in sources
    ]
    for each in replayed if model.is_of_boxes else ():
        each.siblings = replayed
    return replayed


def _absent(
    config: Config,
    sources: Mapping[str, Sequence[ReplaySource]],
    connection: duckdb.DuckDBPyConnection,
    began: datetime,
    ended: datetime,
) -> str:
    """Return why nothing can be played, once the files were read; "" where a row of any model can."""
    spans = []
    for model in config.model:
        for source in sources[model.name]:
            rows, span = source.find_history(connection, began - model.retention, ended)
            if rows and source.holds in _PREDICTIONS:
                return ""
            spans += [span] if span is not None and source.holds in _PREDICTIONS else []
    if not spans:
        places = ", ".join(source.path for model in config.model for source in model.source if source.path)
        return f"nothing to play: no row that can be read in {places}"
    first, last = min(first for first, _ in spans), max(last for _, last in spans)
    return (
        f"nothing to play from {minute(began)} to {minute(ended)}: rows came from {minute(first)} to {minute(last)} UTC"
    )


def tick_times(began: datetime, ended: datetime, step: timedelta) -> Iterator[datetime]:
    """``began``, then each step, and ``ended`` last."""
    now = began
    while now < ended:
        yield now
        now += step
    yield ended
