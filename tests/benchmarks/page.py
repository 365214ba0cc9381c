"""Pages over HTTP at 800 models and 10,000 slices of one of them, while a cycle runs beside; and a chart."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
from prometheus_client import CollectorRegistry

from monitor.charts.client import Drawer, can_draw
from monitor.config.settings import Config, load_config
from monitor.engine.cycle import Cycle, build_watched
from monitor.engine.http import HttpServer
from monitor.model import METRICS, ModelStatus, Published, Reading, ReadingState, ReliabilityBin, Slice, Task
from monitor.publish.metrics.instruments import Instruments
from monitor.publish.web.app import create_app
from monitor.publish.web.pages.digest import Digest
from monitor.store.connection import open_live
from monitor.store.published.history import History
from monitor.store.published.reader_pool import Archive
from tests.worlds.line import BEGAN, HOUR, model_section, traffic, write_config, write_file

from .figures import Figure, median, timed
from .scale import Scale
from .scrape import _free_port

_RUNS = 9
_MODELS = 800
_WINDOWS = ("1h", "24h", "7d")


class Shown:
    """What the daemon shows of a large fleet, with the past of the small line that runs beside."""

    def __init__(self, published: Published, archive: Archive) -> None:
        self.published = published
        self.stale_after = timedelta(days=9999)
        self.config: Config | None = None
        self._archive = archive

    def exposition(self) -> bytes:
        return b""

    def history(self) -> AbstractContextManager[History]:
        return self._archive.history()


def measure(scale: Scale, room: Path) -> list[Figure]:
    path = write_config(room, model_section())
    config = load_config(path)
    rng = np.random.default_rng(1)
    connection = open_live(config.state_dir, now=BEGAN)
    try:
        cycle = Cycle(config, build_watched(config), connection, Instruments(CollectorRegistry()))
        archive = Archive(connection)
        published = _fleet(scale.page_slices)
        with timed() as digesting:
            Digest.from_published(published)
        drawer = Drawer(timeout=120)
        listen = f"127.0.0.1:{_free_port()}"
        server = HttpServer(create_app(Shown(published, archive), now=lambda: BEGAN, drawer=drawer), listen)
        try:
            with _cycling(cycle, config.base, rng, scale.cycle_rows):
                figures = list(_pages(f"http://{listen}/", published))
            if can_draw():
                figures += _charts(drawer, published)
        finally:
            server.stop()
            drawer.close()
            assert archive.close()
    finally:
        connection.close()
    return [Figure("digest of a snapshot, once a cycle", digesting.seconds * 1000, "ms"), *figures]


def _pages(address: str, published: Published) -> Iterator[Figure]:
    slice_ = quote(published.models[0].readings[-1].slice.text)
    for name, path in (
        ("overview", ""), ("overview, searched", "?find=line+7"), ("slices, worst first", "model?model=line+0"),
        ("slices, by another column, page 50", "model?model=line+0&sort=auroc&page=50"),
        ("slices, filtered", "model?model=line+0&find=c7+l3"), ("a slice", f"slice?model=line+0&slice={slice_}"),
        ("jobs", "jobs"), ("rules", "rules?model=line+0"), ("sources", "intake"),
    ):  # fmt: skip
        laps, size = [], 0
        for _ in range(_RUNS):
            with timed() as lap, urlopen(address + path) as response:
                size = len(response.read())
            laps.append(lap.seconds)
        note = f"{min(laps) * 1000:.0f}–{max(laps) * 1000:.0f} ms, {_RUNS} runs; {size / 1e3:.0f} kB"
        yield Figure(f"page while a cycle runs: {name}", median(laps) * 1000, "ms", 300, note)


def _charts(drawer: Drawer, published: Published) -> list[Figure]:
    bins = published.models[0].readings[0].reliability
    with timed() as first:
        drawer.draw_svg("reliability", bins)
    laps = []
    for _ in range(_RUNS):
        with timed() as lap:
            drawer.draw_svg("reliability", bins)
        laps.append(lap.seconds)
    return [
        Figure("the first chart, with its process", first.seconds * 1000, "ms"),
        Figure("a further chart", median(laps) * 1000, "ms"),
    ]


@contextmanager
def _cycling(cycle: Cycle, base: Path, rng: np.random.Generator, rows: int) -> Iterator[None]:
    """Cycles one after the other, each with news, until the block ends."""
    over = threading.Event()
    failed: list[str] = []

    def run() -> None:
        number = 0
        while not over.is_set():
            began = BEGAN + number * HOUR
            write_file(base / "in" / f"{number:04}.parquet", traffic(rng, f"b{number}", began, began + HOUR, rows))
            failed.extend(cycle.tick(began + HOUR).failed.values())
            number += 1

    running = threading.Thread(target=run)
    running.start()
    try:
        yield
    finally:
        over.set()
        running.join()
    assert not failed, failed


def _fleet(slices: int) -> Published:
    """One model with ``slices`` slices over three windows, and 799 with one."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    bins = tuple(
        ReliabilityBin(i / 15, (i + 1) / 15, 50.0, (i + 0.5) / 15, (i + 0.4) / 15, i / 16, i / 14) for i in range(15)
    )

    def reading(model: str, slice_: Slice, window: str, index: int) -> Reading:
        metrics = {name: (index * 31 + place) % 997 / 997 for place, name in enumerate(METRICS)}
        state = ReadingState.OK if index % 7 else ReadingState.INSUFFICIENT
        return Reading(model, "v1", slice_, window, at, at, at, state, 1000 + index, 10, 3600.0, metrics, bins)

    many = tuple(
        reading("line 0", Slice.of({"camera": f"c{index % 100}", "lighting": f"l{index // 100}"}), window, index)
        for index in range(slices) for window in _WINDOWS
    )  # fmt: skip
    fleet = [ModelStatus("line 0", Task.BINARY, ("camera", "lighting"), readings=many)]
    for number in range(1, _MODELS):
        name = f"line {number}"
        whole = tuple(reading(name, Slice(), window, number) for window in _WINDOWS)
        fleet.append(ModelStatus(name, Task.BINARY, ("camera",), readings=whole))
    return Published(at, tuple(fleet))
