"""A calwatch process under test: started, asked over HTTP, signalled, waited for with a deadline."""

import io
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import TracebackType
from unittest.mock import patch

import structlog

from monitor.cli.app import main

_PLAIN = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}

_PORTS = iter(random.Random(os.getpid()).sample(range(10_000, 32_000), 5_000))  # another order in each process
PATIENCE = 60.0  # seconds until a condition that has not come true is a failure


def wait_for(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Poll until the condition holds; AssertionError saying what did not come true."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s for: {what}"
        time.sleep(0.05)


def free_port() -> int:
    """A port of this process: none that the system gives out by itself, nor one that was asked for before, so that it is
    still free when a server comes to it."""
    for port in _PORTS:
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "monitor", *map(str, arguments)]


def calwatch(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env={**os.environ, **_PLAIN},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def calwatch_here(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same inside this process, which has loaded already what the command needs: for what it says and does. What the
    system makes of it (signals, pipes, its end) needs a process of its own. Raises what the command would fail with."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(cwd), patch.dict(os.environ, _PLAIN), redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
            code: object = 0
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            structlog.reset_defaults()  # the command points the log at this standard error
    assert isinstance(code, int), code
    return subprocess.CompletedProcess(command(*arguments), code, out.getvalue(), err.getvalue())


class Running:
    """``calwatch`` in the background; killed at the end of the ``with`` block if it still runs."""

    def __init__(self, port: int, log: Path, *arguments: str | Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        with log.open("a", encoding="utf-8") as sink:
            self.process = subprocess.Popen(command(*arguments), stdout=sink, stderr=subprocess.STDOUT, cwd=log.parent)

    def __enter__(self) -> "Running":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def get(self, path: str) -> tuple[int, str]:
        """Status and text; status 0 while nothing answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self) -> None:
        wait_for(lambda: self.alive() and self.get("/readyz")[0] == 200, "/readyz to answer 200")

    def alive(self) -> bool:
        """True; AssertionError with its log when the process has ended."""
        assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.text()}"
        return True

    def metric(self, series: str) -> float | None:
        """The value of one series, as ``name{label="x"}``, in /metrics; None when it is not there."""
        for row in self.get("/metrics")[1].splitlines():
            name, _, value = row.rpartition(" ")
            if name == series:
                return float(value)
        return None

    def wait_metric(self, series: str, fits: Callable[[float], bool]) -> None:
        def holds() -> bool:
            value = self.metric(series)
            return self.alive() and value is not None and fits(value)

        wait_for(holds, f"{series} to fit")

    def text(self) -> str:
        return self.log.read_text("utf-8")

    def stop(self, number: int = signal.SIGTERM, patience: float = 30.0) -> int:
        """Send the signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(patience)
