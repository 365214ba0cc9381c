"""The daemon: the one place that reads a clock. Schedules ticks, serves HTTP, reloads on SIGHUP, stops on SIGTERM."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType

import duckdb
import structlog
from apscheduler.triggers.interval import IntervalTrigger
from prometheus_client import CollectorRegistry

from monitor.config.settings import Config, Monitor
from monitor.engine.backups import BackupDesk
from monitor.engine.clock import utc_now
from monitor.engine.control import DaemonControl, load_all
from monitor.engine.cycle import Cycle, Tick, WatchedModel, tell_mapped_windows
from monitor.engine.http import HttpServer
from monitor.engine.logs import configure_logging
from monitor.engine.opening import make_ready
from monitor.engine.overlaps import make_scheduler
from monitor.engine.published_state import PublishedState
from monitor.engine.systemd import ServiceManager
from monitor.jobs.runners import ProcessRunner
from monitor.model.errors import CalwatchError, StoreError
from monitor.model.problems import PROBLEM_REASONS
from monitor.publish.metrics.instruments import Instruments
from monitor.publish.web.app import create_app
from monitor.sources.isolation.journal import JOURNAL, Journal
from monitor.sources.remedies import REMEDIES
from monitor.store.connection import open_live
from monitor.store.damage import find_damage
from monitor.store.published.reader_pool import Archive

log = structlog.get_logger("calwatch")
STOP_PATIENCE = 5.0  # seconds a running tick may go on after SIGTERM before its statement is interrupted
INTERRUPT_EVERY = 0.2  # seconds
JOBS_PATIENCE = 1.0  # seconds for the processes of jobs to end; those that do not are cut off and end by themselves
STOP_LIMIT = 9.0  # seconds after which we leave whatever runs; its transaction is then rolled back by the next start


class Daemon:
    """Runs until told to stop. Raises CalwatchError when it cannot start."""

    def __init__(self, config_path: Path, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._path = config_path
        self._clock = clock
        # plain flags and a queue whose put() takes no lock: a signal may come while this thread holds one, and an Event that is
        # set then would wait for itself
        self._stopping = False
        self._reload_asked = False
        self._signals = SimpleQueue[int]()
        self._ticking = threading.Lock()
        self._reloading = threading.Lock()
        self._config, watched, access = load_all(config_path)
        configure_logging(self._config.monitor.log_format)
        self._registry = CollectorRegistry()
        self._instruments = Instruments(self._registry)
        self._shown = PublishedState(self._registry, _stale_after(self._config), self._config.monitor.max_series)
        self._shown.config = self._config
        self._levers = DaemonControl(self.reload, clock, self._config, access)
        self._connection = self._open()
        self._runner = ProcessRunner(self._config.state_dir)
        self._runner.clear_leftovers()
        self._desk = BackupDesk(
            self._config.state_dir, lambda: self._connection, self._held_between_ticks, self._clock
        )  # fmt: skip
        self._broken = False  # whether the database must be opened anew
        self._cycle = self._cycle_over(self._config, watched)
        self._instruments.record_reload(True, self._clock())
        self._scheduler = make_scheduler(partial(self._instruments.increase_counter, "scheduler_events"))
        self._plan()

    def _open(self) -> duckdb.DuckDBPyConnection:
        monitor = self._config.monitor
        connection = open_live(self._config.state_dir, memory_limit=monitor.memory_limit, now=self._clock())
        make_ready(connection, self._config.state_dir, live_only="run")
        self._shown.archive = Archive(connection)
        return connection

    def _close(self) -> None:
        """Readers first: a cursor must not run on a connection that closes, and would keep the file open."""
        if self._shown.archive is not None:
            self._shown.archive.close()
        self._desk.interrupt()
        self._connection.close()

    def _cycle_over(self, config: Config, watched: list[WatchedModel]) -> Cycle:
        for each in watched:
            self._instruments.expect_model(
                each.model.name,
                sources=[source.name for source in each.sources],
                rules=[rule.name for rule in each.rulebook],
                quarantine_reasons=tuple(REMEDIES),
                problem_reasons=PROBLEM_REASONS,
            )
        return Cycle(config, watched, self._connection, self._instruments, self._runner)

    def run(self) -> None:
        """Serve and tick until SIGTERM or SIGINT; every open transaction is then finished or rolled back."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        server = self._listen()
        self._scheduler.start()
        self._desk.start()
        started_at = self._clock()
        manager = ServiceManager.from_environment(os.environ, os.getpid())
        log.info("started", models=len(self._cycle.watched), listen=self._config.monitor.listen)
        tell_mapped_windows(self._cycle.watched)
        manager.tell_ready(self._status_line())
        try:
            while not self._stopping:
                if self._shown.is_in_time(self._clock(), started_at):
                    manager.tell_alive()
                with suppress(Empty):
                    self._signals.get(timeout=manager.interval)
                if self._reload_asked:
                    self._reload_asked = False
                    manager.tell_reloading(timedelta(microseconds=time.monotonic_ns() // 1000))
                    manager.tell_ready(
                        "reload failed, the old configuration stays" if self.reload() else self._status_line()
                    )
        finally:
            manager.tell_stopping()
            self._shut_down(server)

    def _status_line(self) -> str:
        return f"models: {len(self._cycle.watched)}; serving on {self._config.monitor.listen}"

    def _listen(self) -> HttpServer:
        try:
            app = create_app(self._shown, now=self._clock, access=self._levers.access, control=self._levers)
            return HttpServer(app, self._config.monitor.listen, self._config.tls)
        except CalwatchError:
            self._close()
            raise

    def tick(self) -> Tick | None:
        """One cycle now; None while stopping, or when the statement it ran was interrupted by the stop."""
        with self._ticking:
            if self._stopping:
                return None
            try:
                if self._broken:
                    self._reopen()
                tick = self._tick_twice()
            except duckdb.InterruptException:
                log.warning("tick interrupted by the stop; its transaction is rolled back")
                return None
            except (duckdb.Error, StoreError) as error:
                self._broken = True
                self._tell_broken(find_damage(error, self._config.state_dir))
                return None
            self._shown.swap_published(tick.published)
            return tick

    def _tick_twice(self) -> Tick:
        """Once more where the database became unusable: where a file did it, the journal names it now."""
        try:
            return self._cycle.tick(self._clock())
        except duckdb.FatalException as error:
            self._broken = True
            self._tell_broken(error)
            self._reopen()
            return self._cycle.tick(self._clock())

    def _reopen(self) -> None:
        """After a fatal error, such as a checkpoint on a full disk, DuckDB wants its database opened anew; every
        committed row is still there. Raises StoreError when it cannot be opened yet."""
        self._close()
        self._connection = self._open()
        self._cycle = self._cycle_over(self._config, self._cycle.watched)
        self._broken = False
        log.info("database opened anew")

    def _tell_broken(self, error: Exception) -> None:
        problem = str(error).split("\n")[0]
        hint = (error.hint if isinstance(error, StoreError) else "") or "check free space and the disk"
        log.error("database unusable, to be opened anew", problem=problem, hint=hint)
        for each in self._cycle.watched:
            self._instruments.increase_counter("cycle_failures", each.model.name)

    def reload(self) -> list[str]:
        """Read the configuration and rules again and swap them in whole: the one way for SIGHUP and POST.

        Returns the mistakes for which the old ones stay in force; none when the new ones are.
        """
        with self._reloading:
            try:
                return self._reload_now()
            except StoreError as error:  # a reload must not delay the stop
                return [error.message]

    def _reload_now(self) -> list[str]:
        try:
            config, watched, access = load_all(self._path, self._config.monitor.listen)
        except Exception as error:  # whatever it is: a file that somebody writes must not end what watches
            unknown = [f"{self._path.name}: cannot be read: {type(error).__name__}: {error}"]
            mistakes = error.mistakes if isinstance(error, CalwatchError) else unknown
            trace = None if isinstance(error, CalwatchError) else error
            log.error("reload failed, the old configuration stays", mistakes=mistakes, exc_info=trace)
            self._instruments.record_reload(False, self._clock())
            return mistakes
        fixed = [
            name for name in ("state_dir", "listen", "log_format", "memory_limit")
            if getattr(config.monitor, name) != getattr(self._config.monitor, name)
        ]  # fmt: skip
        if config.tls != self._config.tls:
            fixed.append("tls_certificate and tls_key")
        if fixed:
            log.warning("these take effect only after a restart", settings=fixed)
        with self._held_between_ticks():
            kept = config.monitor.model_copy(
                update={name: getattr(self._config.monitor, name) for name in fixed if name in Monitor.model_fields}
            )
            gone = {model.name for model in self._config.model} - {model.name for model in config.model}
            self._config = config.model_copy(update={"monitor": kept})
            self._shown.config = self._config
            self._cycle = self._cycle_over(self._config, watched)
            for model in gone:
                self._runner.forget_model(model)
                self._instruments.forget_model(model)
            self._levers.swap_config(self._config, access)
            self._shown.stale_after = _stale_after(self._config)
            self._shown.limit_series(self._config.monitor.max_series)
        self._plan()
        self._instruments.record_reload(True, self._clock())
        log.info("reloaded", models=len(watched))
        tell_mapped_windows(watched)
        return []

    @contextmanager
    def _held_between_ticks(self) -> Iterator[None]:
        """Hold off the next tick. Raises StoreError while stopping."""
        while not self._ticking.acquire(timeout=INTERRUPT_EVERY):
            if self._stopping:
                raise StoreError("calwatch is stopping", "ask again when it has started")
        try:
            yield
        finally:
            self._ticking.release()

    def _plan(self) -> None:
        """One job: the tick. It asks the database which refits are due, so one that was missed is made up, once. (Cron
        triggers of APScheduler stand still in the hour that comes twice when clocks go back.)"""
        self._scheduler.remove_all_jobs()
        cycle = IntervalTrigger(seconds=int(self._config.monitor.cycle.total_seconds()), timezone=UTC)
        self._scheduler.add_job(
            self.tick, cycle, id="cycle", misfire_grace_time=None, next_run_time=self._clock(), coalesce=True,
            max_instances=1, replace_existing=True,
        )  # fmt: skip

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload_asked = True
        else:
            self._stopping = True
        self._signals.put(number)

    def _shut_down(self, server: HttpServer) -> None:
        log.info("stopping")
        self._stopping = True
        self._desk.stop()
        with suppress(Exception):  # a scheduler that never started cannot be paused; stopping goes on all the same
            self._scheduler.pause()
        if not self._ticking.acquire(timeout=STOP_PATIENCE) and not self._interrupted():
            log.warning("a tick is still running; leaving it to the next start")
            Journal(self._config.state_dir / JOURNAL).clear_entry()  # what it reads is not to blame
            os._exit(0)  # its thread would keep the process; the database survives this as it survives a kill
        self._ticking.release()  # a tick still queued sees the stop and returns; waiting, it would keep the process
        server.stop()
        self._runner.stop(JOBS_PATIENCE)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        self._close()
        log.info("stopped")

    def _interrupted(self) -> bool:
        """Whether the tick gave way. Asked again and again: an interrupt between two statements is lost."""
        for _ in range(int((STOP_LIMIT - STOP_PATIENCE) / INTERRUPT_EVERY)):
            self._connection.interrupt()
            if self._ticking.acquire(timeout=INTERRUPT_EVERY):
                return True
        return False


def _stale_after(config: Config) -> timedelta:
    """How old the last tick may be before /healthz says so: three cycles and a minute."""
    return 3 * config.monitor.cycle + timedelta(minutes=1)
