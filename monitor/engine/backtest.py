"""History through the same cycle on a simulated clock, into a state directory of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Playback:
    """What would have happened: alerts that changed state, jobs that ended, rows taken; and the last state."""

    began: datetime
    ended: datetime
    ticks: int
    pulled: dict[str, Pulled]  # by model
    alerts: tuple[Alert, ...]  # each as it was when it began to fire, or resolved
    jobs: tuple[Job, ...]
    problems: tuple[Problem, ...]
    failures: tuple[str, ...]  # "model: what went wrong", each once
    published: Published
    absent: str = ""  # why there was nothing to play: no row of any model lies in this time

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
    connection = open_live(state_dir, memory_limit=config.monitor.memory_limit, now=began)
    try:
        mark_played(connection)
        connection.execute(f"ATTACH {quote_text(str(state_dir / REPLAY))} AS replay")
        runner = InlineRunner(rehearsal=True)  # webhooks and commands are recorded, not run
        cycle = Cycle(own, watched, connection, Instruments(CollectorRegistry()), runner)
        with ctrl_c_interrupts(connection):
            played = _run(
                cycle, began, ended, step, each_tick, lambda: _absent(config, sources, connection, began, ended)
            )
        connection.execute("DETACH replay")
    finally:
        connection.close()
    (state_dir / REPLAY).unlink(missing_ok=True)
    return played


def _replayed(model: Model, base: Path, guarded: Callable[[str, str], ReplayGuard]) -> list[ReplaySource]:
    if model.is_of_boxes:
        raise UsageError(
            f'model "{model.name}" has boxes that calwatch matches: a past of boxes cannot be played yet',
            "let calwatch run read it, or match the boxes beforehand and play the rows",
        )
    sources = file_sources(model, base)
    if not any(source.holds == "samples" for source in sources):
        raise UsageError(
            f'model "{model.name}" has only samples that are pushed (kind "http"): there is no file to replay',
            'name the past in a configuration of its own, with a [[model.source]] of kind "files"',
        )
    return [
        ReplaySource(source, f"{model.name}/{source.name}", model, guarded(model.name, source.name))
        for source in sources
    ]


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
            if rows and source.holds == "samples":
                return ""
            spans += [span] if span is not None and source.holds == "samples" else []
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


def _run(
    cycle: Cycle,
    began: datetime,
    ended: datetime,
    step: timedelta,
    each_tick: Callable[[datetime, Tick], None],
    explain_absence: Callable[[], str],
) -> Playback:
    pulled: dict[str, Pulled] = {}
    alerts: list[Alert] = []
    jobs: list[Job] = []
    problems: list[Problem] = []
    failures: dict[str, None] = {}
    count = 0
    tick, absent = None, ""
    for now in tick_times(began, ended, step):
        if absent and now != ended:
            continue
        tick = cycle.tick(now, publish=now == ended)
        count += 1
        for model, by_source in tick.pulled.items():
            for brought in by_source.values():
                pulled.setdefault(model, Pulled()).add_counts(brought)
                problems += brought.problems
        for judged in tick.rule_results.values():
            alerts += [alert for alert in judged.changed if alert.state in (AlertState.FIRING, AlertState.RESOLVED)]
        for done in tick.jobs.values():
            jobs += done
        failures.update(dict.fromkeys(f"{model}: {problem}" for model, problem in tick.failed.items()))
        each_tick(now, tick)
        absent = absent or (explain_absence() if count == 1 else "")
    assert tick is not None  # times() yields at least `ended`
    return Playback(
        began,
        ended,
        count,
        pulled,
        tuple(alerts),
        tuple(jobs),
        tuple(problems),
        tuple(failures),
        tick.published,
        absent,
    )
