"""Ctrl-C and SIGTERM in the middle of real work: a fitting exit code, one line, and a state that goes on from there.

Each signal is sent once the work has provably begun: a command has written its file, a query burns processor time, a refit's
process runs.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.store.connection import open_live
from tests.worlds.daemon import HOUR, configured, gone, running, sampled, told
from tests.worlds.line import model_section
from tests.worlds.process import calwatch, calwatch_here, command, free_port, wait_for

SLOW = 120.0  # seconds to begin, or to end, on a loaded machine
SLEEPER = """
[[action]]
name = "retrain"
kind = "command"
command = ["/bin/sh", "-c", "echo $$ > begun; exec sleep 600"]
on = ["rejected"]
timeout = "1h"
"""
# A cycle whose pull is one query of many minutes. It runs on the real connection, in the real command.
_ENDLESS_PULL = """
import os, sys
from pathlib import Path
import monitor.engine.cycle

def pull(connection, *arguments, **named):
    Path("begun").write_text(str(os.getpid()))
    connection.execute("SELECT max(hash(a.range + b.range)) FROM range(10000000) AS a, range(10000000) AS b").fetchall()

monitor.engine.cycle.pull_sources = pull
"""
ENDLESS = f"{_ENDLESS_PULL}\nfrom monitor.cli.app import main\nmain(sys.argv[1:])\n"
# The same in the process of its own that a backtest is.
ENDLESS_BACKTEST = f"""
import monitor.sources.isolation.apart, subprocess, sys
start = subprocess.Popen

def begin(arguments, **named):
    if "monitor.cli.backtest" in arguments:
        code = {_ENDLESS_PULL!r} + "from monitor.cli.backtest import main; main(Path(sys.argv[1]))"
        arguments = [sys.executable, "-c", code, arguments[-1]]
    return start(arguments, **named)

monitor.sources.isolation.apart.subprocess.Popen = begin
from monitor.cli.app import main
main(sys.argv[1:])
"""


@contextmanager
def begun(base: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A command in ``base``, after it has said in the file ``begun`` that its work goes on; killed at the end."""
    process = subprocess.Popen(arguments, cwd=base, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:

        def has_begun() -> bool:
            assert process.poll() is None, process.communicate()
            return (base / "begun").exists() and (base / "begun").read_text("utf-8") != ""

        wait_for(has_begun, "the work to begin", SLOW)
        yield process
    finally:
        process.kill()
        process.communicate()


def burnt(pid: int) -> float:
    """Seconds of processor time that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def interrupted(process: "subprocess.Popen[str]") -> str:
    """Presses Ctrl-C; what it says in the end. It must be one line beside what is logged in any cycle."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SLOW)
    assert process.returncode == 130, (process.returncode, err)
    assert "Traceback" not in err, err
    assert out == ""
    (line,) = [line for line in err.splitlines() if "interrupted" in line]
    assert err.splitlines()[-1] == line, err
    return line


def test_ctrl_c_while_one_cycle_waits_for_a_command_ends_both_and_the_state_goes_on(tmp_path: Path) -> None:
    path = configured(tmp_path, free_port(), model_section(), SLEEPER)
    sampled(tmp_path, 1, 500, datetime.now(UTC) - HOUR)
    with begun(tmp_path, *command("recalibrate", "m", "--config", path)) as process:
        sleeper = int((tmp_path / "begun").read_text("utf-8"))
        assert "what was under way is rolled back" in interrupted(process)
        wait_for(lambda: gone(sleeper), "the command to end with its calwatch")
    path.write_text(path.read_text("utf-8").replace("exec sleep 600", "exit 0"), "utf-8")
    assert calwatch("once", cwd=tmp_path).returncode == 0
    status = calwatch_here("status", cwd=tmp_path)
    assert (status.returncode, "500" in status.stdout) == (0, True), status.stderr
    with open_live(tmp_path / "state", now=datetime.now(UTC)) as connection:
        assert connection.execute("SELECT count(*) FROM samples").fetchone() == (500,)


def test_ctrl_c_while_a_query_runs_interrupts_it_and_the_state_goes_on(tmp_path: Path) -> None:
    configured(tmp_path, free_port())
    sampled(tmp_path, 1, 500, datetime.now(UTC) - HOUR)
    assert calwatch("once", cwd=tmp_path).returncode == 0
    with begun(tmp_path, sys.executable, "-c", ENDLESS, "once") as process:
        before = burnt(process.pid)
        wait_for(lambda: burnt(process.pid) > before + 0.3, "the query to run", SLOW)
        interrupted(process)
    status = calwatch_here("status", "--json", cwd=tmp_path)
    assert json.loads(status.stdout)["models"][0]["samples"] == 500
    again = calwatch("once", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def test_ctrl_c_in_a_backtest_interrupts_its_query(tmp_path: Path) -> None:
    configured(tmp_path, free_port())
    sampled(tmp_path, 1, 500, datetime.now(UTC) - HOUR)
    played = ("backtest", "--from", "2026-01-01", "--to", "2026-01-02")
    with begun(tmp_path, sys.executable, "-c", ENDLESS_BACKTEST, *played) as process:
        player = int((tmp_path / "begun").read_text("utf-8"))
        before = burnt(player)
        wait_for(lambda: burnt(player) > before + 0.3, "the query to run", SLOW)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SLOW)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    wait_for(lambda: gone(player), "the process that plays to end", SLOW)


def refits(state: Path) -> list[int]:
    """Processes that work for this state directory."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdecimal() and not gone(int(each.name)):
            try:
                arguments = (each / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"monitor.jobs.worker" in arguments and str(state).encode() in b"".join(arguments):
                found.append(int(each.name))
    return found


def test_sigterm_to_the_daemon_while_a_refit_runs_ends_both_and_the_next_start_runs_it_again(tmp_path: Path) -> None:
    port, state = free_port(), tmp_path / "state"
    sampled(tmp_path, 1, 20_000, datetime.now(UTC) - HOUR)
    with running(tmp_path, port, cycle="1h") as daemon:
        daemon.wait_ready()
        assert calwatch_here("recalibrate", "m", cwd=tmp_path).returncode == 0
        daemon.process.send_signal(signal.SIGHUP)  # a cycle now
        wait_for(lambda: daemon.alive() and bool(refits(state)), "the refit's process to run", SLOW)
        (refit,) = refits(state)
        os.kill(refit, signal.SIGSTOP)  # so that it still runs when the signal comes
        try:
            assert daemon.stop(patience=SLOW) == 0
        finally:
            os.kill(refit, signal.SIGCONT)
        assert "Traceback" not in daemon.text()
        assert "stopped" in daemon.text().splitlines()[-1]
        wait_for(lambda: gone(refit), "the refit to end, cut off from its daemon", SLOW)
    assert calwatch_here("status", cwd=tmp_path).returncode == 0
    ended = "SELECT max(attempts) FROM jobs WHERE state IN ('promoted', 'rejected')"
    with running(tmp_path, port) as daemon:
        wait_for(lambda: daemon.alive() and told(state, ended) == 2, "the refit to run again", SLOW)
        assert daemon.stop() == 0


def test_signals_that_come_thick_and_fast_leave_a_daemon_that_still_stops(tmp_path: Path) -> None:
    # each lands somewhere in what the one before it began: between taking a lock and letting it go, too
    with running(tmp_path, free_port()) as daemon:
        daemon.wait_ready()
        for _ in range(20_000):
            daemon.process.send_signal(signal.SIGHUP)
        assert daemon.stop(patience=SLOW) == 0
        assert "Traceback" not in daemon.text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_end_the_daemon_well(tmp_path: Path, number: int) -> None:
    with running(tmp_path, free_port()) as daemon:
        daemon.wait_ready()
        assert daemon.stop(number) == 0
        assert "Traceback" not in daemon.text()
