"""A scrape of 10,000 series over HTTP, and what a cycle spends on making them ready."""

import socket
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

from prometheus_client import CollectorRegistry

from monitor.config.settings import Config
from monitor.engine.http import HttpServer
from monitor.model import METRICS, ModelStatus, Published, Reading, ReadingState, Slice, Task
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.metrics.exposition import exposition
from monitor.publish.metrics.instruments import Instruments
from monitor.publish.web.app import create_app
from monitor.store.published.history import History

from .figures import Figure, apart, median, spread, timed
from .scale import Scale

_NOW = datetime(2026, 3, 2, tzinfo=UTC)
_RUNS = 15


class Shown:
    """What the daemon shows: the newest snapshot and the text of its registry."""

    def __init__(self, published: Published, registry: CollectorRegistry) -> None:
        self.published = published
        self.stale_after = timedelta(minutes=5)
        self.config: Config | None = None
        self._registry = registry

    def history(self) -> AbstractContextManager[History]:
        raise NotImplementedError

    def exposition(self) -> bytes:
        return exposition(self._registry)


def measure(scale: Scale, room: Path) -> list[Figure]:
    text, over_http, swap, series, size = apart(scrapes, scale.series)
    return [
        Figure(f"scrape of {series:,} series over HTTP", median(over_http) * 1000, "ms", 100,
               f"{min(over_http) * 1000:.1f}–{max(over_http) * 1000:.1f} ms, {_RUNS} runs; {size / 1e6:.1f} MB"),
        Figure("  the text alone", median(text) * 1000, "ms"),
        Figure("  making it ready, once a cycle", median(swap) * 1000, "ms", None, spread(swap)),
    ]  # fmt: skip


def scrapes(series: int) -> tuple[list[float], list[float], list[float], int, int]:
    """Seconds for the text, for a scrape over HTTP, and for a swap; then the number of series and of bytes."""
    registry = CollectorRegistry()
    Instruments(registry).expect_model("line", sources=("samples",))
    collector = MetricsCollector(registry)
    published = _published(series)
    collector.swap_snapshot(published)
    swap, text, over_http = [], [], []
    listen = f"127.0.0.1:{_free_port()}"
    server = HttpServer(create_app(Shown(published, registry), now=lambda: _NOW), listen)
    body = b""
    for _ in range(_RUNS):
        with timed() as lap:
            collector.swap_snapshot(published)
        swap.append(lap.seconds)
        with timed() as lap:
            exposition(registry)
        text.append(lap.seconds)
        with timed() as lap, urlopen(f"http://{listen}/metrics") as response:
            body = response.read()
        over_http.append(lap.seconds)
    server.stop()
    lines = sum(not line.startswith(b"#") for line in body.splitlines())
    return text, over_http, swap, lines, len(body)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _published(series: int) -> Published:
    """Readings of as many slices, in three windows, as make about ``series`` series: twelve each."""
    readings = tuple(
        Reading(
            "line", "v1", Slice.of({"camera": f"c{index // 3 % 24}", "lighting": f"l{index // 72}"}), window,
            _NOW, _NOW, _NOW, ReadingState.OK, 1000 + index, 10, 3600.0 + index,
            {name: (index * 31 + place) % 997 / 997 for place, name in enumerate(METRICS)},
        )
        for index, window in zip(range(series // 12), ("1h", "24h", "7d") * series, strict=False)
    )  # fmt: skip
    return Published(_NOW, (ModelStatus("line", Task.BINARY, ("camera", "lighting"), readings=readings),))
