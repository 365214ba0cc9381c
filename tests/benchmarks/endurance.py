"""Does a daemon that runs for months stay as large as it was? Three thousand cycles a minute apart, with and without news."""

import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from time import perf_counter, sleep
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client import CollectorRegistry

from monitor.engine.cycle import Cycle, build_watched
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.metrics.exposition import exposition
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import open_live, quote_text

from .figures import Figure, apart
from .scale import Scale
from .traffic import ENDED, configuration, connection_with_traffic, rows_between

_MINUTE = timedelta(minutes=1)
_NEWS = 30  # cycles from one file of new rows to the next
_ROWS = 300
_LABELS = timedelta(hours=2)  # the last row of a file must have had its label


def measure(scale: Scale, room: Path) -> list[Figure]:
    cycles = {2: 20, 5: 1000}.get(scale.cycles, 3000)  # tiny, small, full
    settled = min(500, cycles // 2)
    (room / "files").mkdir()
    early, late, rows = apart(cycle_on, room, cycles, settled)
    return [
        Figure(f"memory after {cycles:,} cycles over that after {settled}", late / early, "×", 1.1,
               f"{late:,.0f} MB / {early:,.0f} MB; {rows:,} rows taken in, none set aside"),
        Figure("daemon from start to ready, an empty state", _start_to_ready(room), "s", 2),
    ]  # fmt: skip


def cycle_on(room: Path, cycles: int, settled: int) -> tuple[float, float, int]:
    """Resident megabytes after ``settled`` cycles and after all, and the rows taken in. AssertionError unless that is all."""
    config = configuration(room)
    registry = CollectorRegistry()
    collector = MetricsCollector(registry)
    connection = open_live(config.state_dir, memory_limit=config.monitor.memory_limit, now=ENDED)
    cycle = Cycle(config, build_watched(config), connection, Instruments(registry))
    maker = connection_with_traffic()
    early, written, taken = 0.0, 0, 0
    for number in range(cycles):
        now = ENDED + number * _MINUTE
        if number % _NEWS == 0:
            new = rows_between(number * _ROWS, _ROWS, now - _LABELS - _NEWS * _MINUTE, _NEWS * _MINUTE)
            written += _ROWS
            maker.execute(
                f"COPY ({new}) TO {quote_text(str(room / 'files' / f'n{number:05}.parquet'))} (FORMAT parquet)"
            )
        tick = cycle.tick(now)
        if tick.failed:
            raise AssertionError(f"a cycle failed: {tick.failed}")
        for pulled in tick.pulled["line"].values():
            taken += pulled.new
            if pulled.bad or pulled.problems:
                raise AssertionError(f"rows were set aside: {pulled.bad or pulled.problems}")
        collector.swap_snapshot(tick.published)
        exposition(registry)
        if number == settled:
            early = _resident_megabytes()
    connection.close()
    if taken != written:
        raise AssertionError(f"{written:,} rows were written, {taken:,} were taken in")
    return early, _resident_megabytes(), taken


def _resident_megabytes() -> float:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _start_to_ready(room: Path) -> float:
    """Seconds from starting the process until /readyz answers 200."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    path = room / "daemon.toml"
    path.write_text(
        f'[monitor]\nstate_dir = "fresh"\nlisten = "127.0.0.1:{port}"\ncycle = "1s"\n'
        '[[model]]\nname = "line"\ntask = "binary"\nslices = ["camera", "lighting"]\nsource = { path = "none/*.parquet" }\n',
        "utf-8",
    )
    (room / "none").mkdir()
    began = perf_counter()
    command = [sys.executable, "-m", "monitor", "run", "--config", str(path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            while perf_counter() - began < 60:
                try:
                    with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
                        if answer.status == 200:
                            return perf_counter() - began
                except (URLError, OSError):
                    sleep(0.01)
            return float("nan")
        finally:
            daemon.terminate()
