"""What people ask for where no daemon runs: refits and rollbacks of a played state at its own time, rollbacks and
cancellations of a live one now. Nothing is pulled, judged or dropped for it, and only what was asked for is done."""

import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
from prometheus_client import CollectorRegistry

from monitor.config.settings import Config
from monitor.engine.clock import utc_now
from monitor.engine.cycle import Cycle, Tick, WatchedModel, load_watched
from monitor.engine.logs import configure_logging
from monitor.engine.once import run_once
from monitor.engine.opening import open_ready
from monitor.engine.stages.measure import window_end
from monitor.jobs import requests
from monitor.jobs.dispatcher import Dispatcher
from monitor.jobs.queue import enqueue_jobs, is_by_hand
from monitor.jobs.runners import InlineRunner
from monitor.model import Job
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import ctrl_c_interrupts, transaction
from monitor.store.label_delays import load_label_delays
from monitor.store.model_store import ModelStore
from monitor.store.played import is_played, played_until

NO_PULL = ("rollback", requests.CANCEL)  # also in a live state


def run_by_hand(config_path: Path, kind: str, *, level: int = logging.INFO) -> Tick:
    """Do what the spool asks for, of one kind: ``recalibrate``, ``tune``, ``rollback`` or ``cancel``.

    A refit or a tuning of a live state is a whole cycle. What is logged begins at ``level``.
    Raises StoreInUseError when a daemon runs, which then does it, and
    StoreError.
    """
    config, watched = load_watched(config_path)
    configure_logging(config.monitor.log_format, level=level)
    now = utc_now()
    with open_ready(config, now) as connection:
        played = is_played(connection)
        if played or kind in NO_PULL:
            at = played_until(connection) if played else now
            cycle = HandCycle(config, watched, connection, Instruments(CollectorRegistry()), kind=kind)
            with ctrl_c_interrupts(connection):
                return cycle.tick(at)
    return run_once(config_path)


class HandCycle(Cycle):
    """A cycle of which only the jobs that people asked for are left; actions that they cause in a played state are recorded
    as ones that would run."""

    def __init__(
        self, config: Config, watched: list[WatchedModel], connection: duckdb.DuckDBPyConnection, instruments: Instruments, *,
        kind: str,
    ) -> None:  # fmt: skip
        super().__init__(config, watched, connection, instruments, InlineRunner(rehearsal=True))
        self.kind = kind

    def _run_stages(self, each: WatchedModel, store: ModelStore, now: datetime, done: Tick) -> None:
        self._queue_asked(each.model.name, now)
        done.jobs[each.model.name] = self._recalibrate(each, store, now)
        each.delays = load_label_delays(self.connection, each.model.name)

    def _queue_asked(self, model: str, now: datetime) -> None:
        """Only the requests of this kind; others wait for a cycle."""
        read = requests.read_requests(self.config.state_dir, model, Job)
        asked = [(path, job) for path, job in read if job.kind == self.kind]
        # asked for at the state's own time; ids stay those of the moment they were asked, so asking again is another job
        jobs = [replace(job, requested_at=now) if self.played else job for _, job in asked]
        with transaction(self.connection):
            enqueue_jobs(self.connection, jobs)
        for path, _ in asked:
            path.unlink(missing_ok=True)

    def _recalibrate(self, each: WatchedModel, store: ModelStore, now: datetime) -> tuple[Job, ...]:
        if self.kind == requests.CANCEL:
            return tuple(self._cancel_asked(each.model, now))
        end = window_end(now, each.model)
        dispatcher = Dispatcher(store, self.config, self.runner, now, end, chosen=self._is_asked_for)
        return tuple(self._advance_jobs(dispatcher))

    def _is_asked_for(self, job: Job) -> bool:
        return (job.kind == self.kind and is_by_hand(job)) or (job.kind == "action" and self.played)
