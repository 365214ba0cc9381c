"""What runs once in the foreground: a cycle, and publishing anew. Nothing here loads the web server."""

from datetime import datetime
from pathlib import Path

import duckdb
import structlog
from prometheus_client import CollectorRegistry

from monitor.config.settings import Config, load_config
from monitor.engine.clock import utc_now
from monitor.engine.cycle import Cycle, Tick, WatchedModel, load_watched
from monitor.engine.logs import configure_logging
from monitor.engine.opening import open_ready
from monitor.jobs.runners import PatientRunner
from monitor.model.errors import StoreError, StoreInUseError
from monitor.publish.metrics.instruments import Instruments
from monitor.store.blame import first_line
from monitor.store.connection import ctrl_c_interrupts
from monitor.store.damage import refuse_damage
from monitor.store.played import is_played, played_until
from monitor.store.published.snapshot import SNAPSHOT, Publisher

log = structlog.get_logger("calwatch")


def run_once(config_path: Path) -> Tick:
    """One cycle in the foreground. Raises StoreInUseError naming the daemon that holds the database, if one does, and
    KeyboardInterrupt on Ctrl-C, also where DuckDB was at work."""
    config, watched = load_watched(config_path)
    configure_logging(config.monitor.log_format)
    now = utc_now()
    runner = PatientRunner(config.state_dir)
    try:
        try:
            return _tick_once(config, watched, runner, now)
        except duckdb.FatalException:  # where a file did it, the journal names it now: the others are read
            return _tick_once(config, watched, runner, now)
    except duckdb.Error as error:
        refuse_damage(error, config.state_dir)
        hint = "check free space and the disk, then run it again"
        raise StoreError(f"{config.state_dir}: {first_line(error)}", hint) from error
    except KeyboardInterrupt:
        log.warning("interrupted; what was under way is rolled back, the next cycle does it again")
        raise
    finally:
        runner.stop(patience=5)


def _tick_once(config: Config, watched: list[WatchedModel], runner: PatientRunner, now: datetime) -> Tick:
    with open_ready(config, now, live_only="once") as connection:
        runner.clear_leftovers()
        with ctrl_c_interrupts(connection):
            return Cycle(config, watched, connection, Instruments(CollectorRegistry()), runner).tick(now)


def publish_now(config_path: Path) -> Path:
    """Return the snapshot's path: published anew when no daemon runs, else as the daemon last published it."""
    config = load_config(config_path)
    now = utc_now()
    try:
        with open_ready(config, now) as connection:
            at = played_until(connection) if is_played(connection) else now
            return Publisher(config.state_dir).publish(connection, at)
    except StoreInUseError:
        path = config.state_dir / SNAPSHOT
        if path.exists():
            return path
        raise
    except duckdb.Error as error:
        refuse_damage(error, config.state_dir)
        raise
