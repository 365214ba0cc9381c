"""Memory and disk of a process that does what the daemon does: a first pull, then a day of hourly cycles."""

from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from monitor.engine.cycle import Cycle, build_watched
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.metrics.exposition import exposition
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import LIVE, open_live, quote_text
from monitor.store.published.snapshot import SNAPSHOT

from .figures import Figure, apart, peak_megabytes
from .scale import Scale
from .traffic import DAYS, ENDED, configuration, connection_with_traffic, rows_between, write_files

_HOUR = timedelta(hours=1)
_NUMBER = 1_000_000_000_000  # of the first new row: far from those of the first pull


def measure(scale: Scale, room: Path) -> list[Figure]:
    rows = write_files(room / "files", scale.footprint_rows)
    began, pulled, peak, live, snapshot = apart(live_a_day, room, rows // DAYS // 24, scale.footprint_hours)
    return [
        Figure(f"peak memory of the first pull of {rows:,} rows and a day of cycles", peak, "MB", 2000),
        Figure("  process with everything imported, nothing done", began, "MB"),
        Figure("  after the first cycle", pulled, "MB"),
        Figure("  live database per million samples", live / rows, "MB", None, f"{live / 1e6:,.0f} MB in all"),
        Figure("  snapshot for ops", snapshot / 1e6, "MB", None, "of 20 slices × 3 windows and a day of readings"),
    ]


def live_a_day(room: Path, hourly_rows: int, hours: int) -> tuple[float, float, float, int, int]:
    """Peak megabytes at the start, after the first cycle and at the end; bytes of the live file and of the snapshot."""
    began = peak_megabytes()
    config = configuration(room)
    registry = CollectorRegistry()
    collector = MetricsCollector(registry)
    connection = open_live(config.state_dir, memory_limit=config.monitor.memory_limit, now=ENDED)
    cycle = Cycle(config, build_watched(config), connection, Instruments(registry))
    pulled = 0.0
    maker = connection_with_traffic()
    for hour in range(hours):
        tick = cycle.tick(ENDED + timedelta(hours=3 + hour))
        new = rows_between(_NUMBER + hour * hourly_rows, hourly_rows, ENDED + hour * _HOUR, _HOUR)
        maker.execute(f"COPY ({new}) TO {quote_text(str(room / 'files' / f'hour-{hour:03}.parquet'))} (FORMAT parquet)")
        if tick.failed:
            raise AssertionError(f"a cycle failed: {tick.failed}")
        collector.swap_snapshot(tick.published)
        exposition(registry)
        pulled = pulled or peak_megabytes()
    connection.close()
    return (
        began,
        pulled,
        peak_megabytes(),
        (config.state_dir / LIVE).stat().st_size,
        (config.state_dir / SNAPSHOT).stat().st_size,
    )
