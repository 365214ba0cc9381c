"""The daemon tells the service manager how it is; the test is the manager, with a real datagram socket."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from tests.worlds.line import model_section, traffic, write_config, write_file
from tests.worlds.process import Running, free_port, wait_for

# A daemon whose ticks all seem a day old, so that cycles never end in time.
LATE = """
import sys, threading
from datetime import timedelta
from pathlib import Path
from monitor.engine.clock import utc_now
from monitor.engine.daemon import Daemon

def clock():
    own = threading.current_thread() is threading.main_thread()
    return utc_now() - (timedelta(0) if own else timedelta(days=1))

Daemon(Path(sys.argv[1]), clock=clock).run()
"""


class Manager:
    """The receiving end."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def hear(self) -> str:
        """The first line of the next message."""
        return self.end.recv(4096).decode().partition("\n")[0]

    def hear_until(self, last: str) -> list[str]:
        heard = [self.hear()]
        while heard[-1] != last:
            heard.append(self.hear())
        return heard


class Managed(Running):
    """A process that a service manager started."""

    def __init__(self, port: int, log: Path, arguments: list[str], environment: dict[str, str]) -> None:
        self.url, self.log = f"http://127.0.0.1:{port}", log
        with log.open("a", encoding="utf-8") as sink:
            self.process = subprocess.Popen(
                [sys.executable, *arguments], stdout=sink, stderr=subprocess.STDOUT, env={**os.environ, **environment}
            )


@contextmanager
def managed(
    base: Path, *program: str, watchdog: timedelta = timedelta(minutes=10)
) -> Iterator[tuple[Manager, Running]]:
    port = free_port()
    config = write_config(base, model_section(), monitor=f'listen = "127.0.0.1:{port}"\ncycle = "1h"')
    columns = traffic(np.random.default_rng(1), "f1", datetime.now(UTC) - timedelta(days=2),
                      datetime.now(UTC) - timedelta(days=1, hours=1), 500)  # fmt: skip
    write_file(base / "in" / "f1.parquet", columns)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(base / "notify"))
        end.settimeout(60)
        environment = {
            "NOTIFY_SOCKET": str(base / "notify"),
            "WATCHDOG_USEC": str(watchdog // timedelta(microseconds=1)),
        }
        with Managed(port, base / "log.txt", [*program, str(config)], environment) as daemon:
            yield Manager(end), daemon


def test_it_says_ready_alive_reloading_and_stopping(tmp_path: Path) -> None:
    with managed(tmp_path, "-m", "monitor", "run", "--config") as (manager, daemon):
        assert manager.hear() == "READY=1"
        assert daemon.get("/healthz")[0] == 200  # who is told "ready" finds it serving
        assert manager.hear() == "WATCHDOG=1"
        daemon.process.send_signal(signal.SIGHUP)
        assert [manager.hear() for _ in range(3)] == ["RELOADING=1", "READY=1", "WATCHDOG=1"]
        daemon.process.send_signal(signal.SIGTERM)
        assert manager.hear() == "STOPPING=1"
        assert daemon.process.wait(30) == 0


def test_signs_of_life_come_again_and_again(tmp_path: Path) -> None:
    command = ("-m", "monitor", "run", "--config")
    with managed(tmp_path, *command, watchdog=timedelta(milliseconds=300)) as (manager, _):
        heard = [manager.hear() for _ in range(6)]
        assert heard == ["READY=1", *["WATCHDOG=1"] * 5]


def test_a_daemon_whose_cycles_do_not_end_in_time_gives_no_sign_of_life(tmp_path: Path) -> None:
    with managed(tmp_path, "-c", LATE) as (manager, daemon):
        wait_for(lambda: daemon.get("/readyz")[0] == 200, "the first cycle to end")
        daemon.process.send_signal(signal.SIGHUP)
        manager.hear_until("RELOADING=1")
        assert manager.hear() == "READY=1"
        daemon.process.send_signal(signal.SIGHUP)
        assert [manager.hear() for _ in range(2)] == ["RELOADING=1", "READY=1"]
        daemon.process.send_signal(signal.SIGTERM)
        assert manager.hear() == "STOPPING=1"


def test_a_failed_reload_is_told_and_the_daemon_lives(tmp_path: Path) -> None:
    with managed(tmp_path, "-m", "monitor", "run", "--config") as (manager, daemon):
        manager.hear_until("WATCHDOG=1")
        path = tmp_path / "calwatch.toml"
        path.write_text(path.read_text("utf-8").replace("binary", "binry"), "utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        assert manager.hear() == "RELOADING=1"
        assert manager.end.recv(4096).decode() == "READY=1\nSTATUS=reload failed, the old configuration stays"
        assert manager.hear() == "WATCHDOG=1"
