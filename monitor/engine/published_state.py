"""What the web server shows: swapped whole after each tick."""

from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from monitor.config.settings import Config
from monitor.model import Published
from monitor.model.errors import StoreError
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.metrics.exposition import exposition
from monitor.store.published.history import History
from monitor.store.published.reader_pool import Archive


class PublishedState:
    """Of one process. Implements ``publish.state.State``."""

    def __init__(self, registry: CollectorRegistry, stale_after: timedelta, max_series: int) -> None:
        self.published: Published | None = None
        self.stale_after = stale_after
        self.config: Config | None = None
        self.archive: Archive | None = None
        self._registry = registry
        self._collector = MetricsCollector(registry, max_series=max_series)

    def swap_published(self, published: Published) -> None:
        self._collector.swap_snapshot(published)
        self.published = published

    def limit_series(self, max_series: int) -> None:
        """Takes effect with the next swap."""
        self._collector.max_series = max_series

    def is_in_time(self, now: datetime, started_at: datetime) -> bool:
        """Whether cycles end in time: as /healthz says, and what the watchdog of a service manager is told."""
        return now - (self.published.at if self.published else started_at) <= self.stale_after

    def exposition(self) -> bytes:
        """The Prometheus text."""
        return exposition(self._registry)

    def history(self) -> AbstractContextManager[History]:
        """The past, for one request. Raises StoreError while there is no database to ask."""
        if self.archive is None:
            raise StoreError("there is no database to ask for the past")
        return self.archive.history()
