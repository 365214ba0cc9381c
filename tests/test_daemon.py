"""The daemon as a process of its own: start, stop, reload, crash, full disk."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import structlog
from prometheus_client import CollectorRegistry

import monitor.cycle
import monitor.daemon
from monitor.config import load_config
from monitor.cycle import Cycle, watch
from monitor.daemon import Daemon
from monitor.errors import StoreError
from monitor.publish.instruments import Instruments
from monitor.store.connection import literal, open_live
from tests.e2e.process import Running, calwatch, free_port, wait_for
from tests.e2e.world import model_section, traffic, write_config, write_file

HOUR = timedelta(hours=1)
RELOADED = "calwatch_config_last_reload_successful"
PULLED = 'calwatch_pulled_samples_total{model="m",source="samples"}'
FAILURES = 'calwatch_cycle_failures_total{model="m"}'


def _config(base: Path, port: int, *sections: str, cycle: str = "1s") -> Path:
    monitor = f'listen = "127.0.0.1:{port}"\ncycle = "{cycle}"'
    return write_config(base, *(sections or (model_section(),)), monitor=monitor)


def _samples(base: Path, number: int, n: int, ended: datetime, *, into: str = "in", drift: bool = False) -> Path:
    planted = {("c3", "night"): 6.0} if drift else None
    columns = traffic(np.random.default_rng(number), f"f{number}", ended - 20 * HOUR, ended, n, planted=planted)
    return write_file(base / into / f"f{number:03}.parquet", columns)


def _many(path: Path, n: int, ended: datetime) -> None:
    """n rows made inside DuckDB, quick also for millions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT '{path.stem}-' || i AS sample_id, TIMESTAMP {literal(str(ended.replace(tzinfo=None)))} "
            "- to_seconds(60 + (i * 7919) % 72000) AS observed_at, observed_at + INTERVAL 30 SECOND AS labelled_at, "
            "'c' || (i % 3) AS camera, CASE WHEN i % 2 = 0 THEN 'day' ELSE 'night' END AS lighting, "
            "(hash(i) % 1000003) / 1000003.0 AS score, ((hash(i + 77) % 1000003) / 1000003.0 < score)::INTEGER AS outcome "
            f"FROM range({n}) AS t(i)) TO {literal(str(path))} (FORMAT parquet)"
        )


@contextmanager
def _running(base: Path, port: int, *sections: str, cycle: str = "1s") -> Iterator[Running]:
    path = _config(base, port, *sections, cycle=cycle)
    with Running(port, base / "log.txt", "run", "--config", path) as daemon:
        yield daemon


def test_it_serves_reloads_good_and_bad_configurations_and_stops(tmp_path: Path) -> None:
    port = free_port()
    _samples(tmp_path, 1, 2000, datetime.now(UTC) - HOUR)
    with _running(tmp_path, port) as daemon:
        daemon.wait_ready()
        status, page = daemon.get("/")
        assert (status, "<bdi>m</bdi>" in page) == (200, True)
        assert daemon.get("/healthz")[0] == 200
        assert daemon.metric(PULLED) == 2000
        assert daemon.metric(RELOADED) == 1
        text = (tmp_path / "calwatch.toml").read_text("utf-8")

        (tmp_path / "calwatch.toml").write_text(text.replace('task = "binary"', 'task = "binry"'), "utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_metric(RELOADED, lambda value: value == 0)
        assert "reload failed" in daemon.text()
        assert "binry" in daemon.text()
        _samples(tmp_path, 2, 1000, datetime.now(UTC) - HOUR)
        daemon.wait_metric(PULLED, lambda value: value == 3000)  # the old configuration goes on

        (tmp_path / "calwatch.toml").write_text(text + model_section("second", path="second/*"), "utf-8")
        _samples(tmp_path, 1, 500, datetime.now(UTC) - HOUR, into="second")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_metric(RELOADED, lambda value: value == 1)
        daemon.wait_metric(PULLED.replace('"m"', '"second"'), lambda value: value == 500)

        (tmp_path / "calwatch.toml").write_text(text, "utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(
            lambda: daemon.metric(PULLED.replace('"m"', '"second"')) is None, "the series of a model gone to vanish"
        )
        assert daemon.metric(PULLED) == 3000
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 10
    with open_live(tmp_path / "state", now=datetime.now(UTC)) as connection:
        assert connection.execute("SELECT count(*) FROM samples").fetchone() == (3500,)


@pytest.mark.slow
def test_sigterm_in_the_middle_of_a_big_pull_ends_it_within_ten_seconds_and_loses_nothing(tmp_path: Path) -> None:
    port = free_port()
    _many(tmp_path / "in" / "big.parquet", 2_000_000, datetime.now(UTC))
    with _running(tmp_path, port) as daemon:
        wait_for(
            lambda: daemon.alive() and daemon.get("/readyz")[0] == 503, "the server to be up while the first tick runs"
        )
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 10
        assert daemon.text().rstrip().splitlines()[-1].split("]")[1].strip().startswith("stopped")
    with open_live(tmp_path / "state", now=datetime.now(UTC)) as connection:
        samples, cursors = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("samples", "cursors")
        )
        assert (samples, cursors) in (((0,), (0,)), ((2_000_000,), (1,)))


def _final_state(state: Path) -> dict[str, object]:
    """What must be the same however often the process was killed on the way."""
    with open_live(state, now=datetime.now(UTC)) as connection:
        asked = {
            "samples": "SELECT count(*), count(DISTINCT sample_id), round(sum(score), 6), sum(positives) FROM samples",
            "cells": "SELECT slice_id_text, bucket, bin, sum(n), round(sum(score), 6), sum(outcome) FROM (SELECT *, "
            "(SELECT labels::VARCHAR FROM slices AS l WHERE l.slice_id = c.slice_id) AS slice_id_text FROM cells AS c) "
            "GROUP BY ALL ORDER BY ALL",
            "firing": "SELECT rule, slice FROM alerts WHERE state = 'firing' ORDER BY ALL",
            "fired": "SELECT rule, slice, count(*) FROM alert_events WHERE state = 'firing' GROUP BY ALL ORDER BY ALL",
            "jobs": "SELECT kind, trigger, scope, count(*), bool_and(state IN ('promoted', 'rejected')) FROM jobs "
            "GROUP BY ALL ORDER BY ALL",
            "in charge": "SELECT scope, count(*) FROM serving WHERE until IS NULL GROUP BY ALL HAVING count(*) > 1",
        }
        return {name: connection.execute(sql).fetchall() for name, sql in asked.items()}


def _open_jobs(state: Path) -> int | None:
    """Jobs queued or running, as the snapshot tells it."""
    return _told(state, "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')")


@pytest.mark.slow
def test_kills_at_random_moments_neither_lose_nor_double_anything(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    port = free_port()
    ended = datetime.now(UTC) - 2 * HOUR
    config = _config(tmp_path / "killed", port)
    for kill in range(5):
        _samples(tmp_path / "killed", 2 * kill, 20_000, ended, drift=True)
        with Running(port, tmp_path / "killed" / "log.txt", "run", "--config", config) as daemon:
            wait_for(lambda daemon=daemon: daemon.alive() and "started" in daemon.text(), "the daemon to start")  # type: ignore[misc]  # bound
            _samples(tmp_path / "killed", 2 * kill + 1, 20_000, ended, drift=True)
            time.sleep(rng.uniform(0, 1.2))  # the random moment
            daemon.process.kill()
            daemon.process.wait()
            (tmp_path / "killed" / "log.txt").write_text("", "utf-8")
    with open_live(tmp_path / "killed" / "state", now=datetime.now(UTC)) as connection:
        connection.execute("UPDATE jobs SET next_attempt_at = NULL")  # a job killed twice waits a minute: not here
    with Running(port, tmp_path / "killed" / "log.txt", "run", "--config", config) as daemon:
        daemon.wait_ready()
        wait_for(lambda: daemon.alive() and _open_jobs(tmp_path / "killed" / "state") == 0, "every job to end")
        assert daemon.stop() == 0

    _config(tmp_path / "whole", port)
    for number in range(10):
        _samples(tmp_path / "whole", number, 20_000, ended, drift=True)
    loaded = load_config(tmp_path / "whole" / "calwatch.toml")
    with open_live(loaded.state_dir, now=datetime.now(UTC)) as connection:
        assert (
            not Cycle(loaded, watch(loaded), connection, Instruments(CollectorRegistry()))
            .tick(datetime.now(UTC))
            .failed
        )
    killed, whole = _final_state(tmp_path / "killed" / "state"), _final_state(tmp_path / "whole" / "state")
    assert whole["firing"], "the drift is there to be found"
    assert whole["jobs"]
    assert killed == whole


def test_a_second_daemon_on_the_same_state_ends_with_the_pid_of_the_first(tmp_path: Path) -> None:
    port = free_port()
    with _running(tmp_path, port) as daemon:
        daemon.wait_ready()
        for arguments in (("run",), ("once",)):
            second = calwatch(*arguments, cwd=tmp_path)
            assert second.returncode == 1
            assert f"in use by process {daemon.process.pid}" in second.stderr
            assert "try: " in second.stderr
            assert "Traceback" not in second.stderr
        assert daemon.get("/readyz")[0] == 200


def test_requests_of_the_command_line_are_taken_up_by_the_running_daemon(tmp_path: Path) -> None:
    port = free_port()
    with _running(tmp_path, port) as daemon:
        daemon.wait_ready()
        asked = calwatch("recalibrate", "m", "--slice", "camera=c1", cwd=tmp_path)
        assert asked.returncode == 0
        assert "asked for: recalibrate m camera=c1; the running daemon takes it up" in asked.stdout
        daemon.wait_metric(
            'calwatch_jobs_total{kind="recalibrate",model="m",outcome="rejected"}', lambda value: value == 1
        )
        assert not list((tmp_path / "state" / "requests").iterdir())
        for arguments in (("status",), ("snapshot", "copy.duckdb")):
            assert calwatch(*arguments, cwd=tmp_path).returncode == 0


def test_a_port_that_is_taken_is_told_and_the_database_is_let_go(tmp_path: Path) -> None:
    port = free_port()
    with _running(tmp_path / "one", port) as daemon:
        daemon.wait_ready()
        _config(tmp_path / "two", port)
        second = calwatch("run", cwd=tmp_path / "two")
        assert second.returncode == 1
        assert f"error: 127.0.0.1:{port}: cannot listen there" in second.stderr
        assert "Traceback" not in second.stderr


def test_a_state_directory_that_cannot_be_made_or_written_is_told(tmp_path: Path) -> None:
    path = _config(tmp_path, free_port())
    (tmp_path / "state").write_text("a file where the directory should be", "utf-8")
    told = calwatch("run", "--config", path, cwd=tmp_path)
    assert (told.returncode, "Traceback" in told.stderr) == (1, False)
    assert "state: cannot be made" in told.stderr


def _mount(target: Path, options: str) -> None:
    """A small tmpfs; the test is skipped where mounting is not allowed."""
    target.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a full or read-only disk needs root, to mount a tmpfs")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", target], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"NOT TESTED: a full or read-only disk; mount says {done.stderr.strip()}")


def _remount(target: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", target], check=True)


def _unmount(target: Path) -> None:
    subprocess.run(["umount", "-l", target], check=False)


def test_a_read_only_state_directory_is_told(tmp_path: Path) -> None:
    path = _config(tmp_path, free_port())
    _mount(tmp_path / "state", "size=1m,ro")
    try:
        told = calwatch("run", "--config", path, cwd=tmp_path)
    finally:
        _unmount(tmp_path / "state")
    assert (told.returncode, "Traceback" in told.stderr) == (1, False)
    assert "state: is not writable for this user" in told.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("size", "rows"), [("2m", 4_000), ("14m", 80_000)])  # full at a commit, full at a checkpoint
def test_a_full_disk_fails_cycles_clearly_and_nothing_is_lost_once_there_is_space(
    tmp_path: Path, size: str, rows: int
) -> None:
    port = free_port()
    state = tmp_path / "state"
    _mount(state, f"size={size}")
    try:
        with _running(tmp_path, port) as daemon:
            daemon.wait_ready()
            files = 0
            while not daemon.metric(FAILURES):
                files += 1
                assert files < 40, "the disk never ran full"
                before = daemon.metric('calwatch_last_success_timestamp_seconds{model="m",stage="fold"}')
                _many(tmp_path / "in" / f"f{files:02}.parquet", rows, datetime.now(UTC))
                wait_for(
                    lambda before=before: (
                        bool(daemon.metric(FAILURES))  # type: ignore[misc]  # bound
                        or daemon.metric('calwatch_last_success_timestamp_seconds{model="m",stage="fold"}') != before
                    ),
                    "a cycle over the new file",
                )
            assert "No space left" in daemon.text() or "space" in daemon.text()
            assert daemon.get("/metrics")[0] == 200
            _remount(state, "size=500m")
            recovered = daemon.metric(FAILURES)
            assert recovered is not None
            _many(tmp_path / "in" / "last.parquet", 10, datetime.now(UTC))
            wait_for(lambda: _published(state) == files * rows + 10, "every row to be there again")
            assert daemon.stop() == 0
        with open_live(state, now=datetime.now(UTC)) as connection:
            found = connection.execute("SELECT count(*), count(DISTINCT sample_id) FROM samples").fetchone()
            assert found == (files * rows + 10,) * 2
            assert connection.execute("SELECT sum(n) FROM cells").fetchone() == (files * rows + 10,)
    finally:
        _unmount(state)


def _published(state: Path) -> int | None:
    """New rows over all pulls, as the snapshot for ops tells it."""
    return _told(state, "SELECT sum(new) FROM pulls")


def _told(state: Path, sql: str) -> int | None:
    """A number from the snapshot; None when there is none, or none to read."""
    try:
        with duckdb.connect(str(state / "metrics.duckdb"), read_only=True) as connection:
            row = connection.execute(sql).fetchone()
    except duckdb.Error:
        return None
    return int(row[0]) if row and row[0] is not None else None


HANGING = """
[[action]]
name = "retrain"
kind = "command"
command = ["/bin/sh", "-c", "echo $$ >> started; exec sleep 600"]
on = ["rejected"]
timeout = "1h"
"""


def _gone(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return "Z" in Path(f"/proc/{number}/stat").read_text("utf-8").rpartition(")")[2].split()[0]


def _started(base: Path) -> list[int]:
    path = base / "started"
    return [int(text) for text in path.read_text("utf-8").split()] if path.exists() else []


def test_a_kill_in_the_middle_of_a_job_ends_its_processes_and_the_next_start_runs_it_again(tmp_path: Path) -> None:
    port = free_port()
    with _running(tmp_path, port, model_section(), HANGING) as daemon:
        daemon.wait_ready()
        assert calwatch("recalibrate", "m", cwd=tmp_path).returncode == 0  # too few samples: rejected, and told
        wait_for(lambda: daemon.alive() and len(_started(tmp_path)) == 1, "the command to run")
        daemon.process.kill()
        daemon.process.wait()
        wait_for(lambda: _gone(_started(tmp_path)[0]), "the command to end with its calwatch")
    with Running(port, tmp_path / "log.txt", "run", "--config", tmp_path / "calwatch.toml") as daemon:
        wait_for(lambda: daemon.alive() and len(_started(tmp_path)) == 2, "the command to run again")
        wait_for(lambda: _told(tmp_path / "state", "SELECT max(attempts) FROM jobs") == 2, "the attempts to be told")
        ticks = daemon.metric('calwatch_last_success_timestamp_seconds{model="m",stage="fold"}')
        daemon.wait_metric(  # cycles go on while it runs
            'calwatch_last_success_timestamp_seconds{model="m",stage="fold"}', lambda value: value > (ticks or 0)
        )
        (job,) = [
            row["id"]
            for row in json.loads(calwatch("jobs", "--json", cwd=tmp_path).stdout)
            if row["kind"] == "action" and row["state"] == "running"
        ]
        asked = calwatch("jobs", "cancel", job, cwd=tmp_path)
        assert asked.returncode == 0, asked.stderr
        assert "the running daemon does it in its next cycle" in asked.stdout
        wait_for(lambda: _gone(_started(tmp_path)[1]), "the command to be cancelled")
        wait_for(
            lambda: _told(tmp_path / "state", "SELECT count(*) FROM jobs WHERE state = 'cancelled'") == 1, "its record"
        )
        again = calwatch("jobs", "cancel", job, cwd=tmp_path)
        assert (again.returncode, "has ended already: cancelled" in again.stderr) == (2, True)
        assert "attempt 1" in calwatch("jobs", "show", job, cwd=tmp_path).stdout
        assert daemon.stop() == 0
    assert len(_started(tmp_path)) == 2


def test_after_a_fatal_error_the_database_is_opened_anew_and_the_next_tick_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def invalidated(*_: Any, **__: Any) -> Any:
        raise duckdb.FatalException("database has been invalidated")

    def no_space(*_: Any, **__: Any) -> Any:
        raise StoreError("live.duckdb: cannot be opened: No space left on device")

    now = datetime(2026, 3, 2, tzinfo=UTC)
    _samples(tmp_path, 1, 500, now - HOUR)
    daemon = Daemon(_config(tmp_path, free_port()), clock=lambda: now)
    try:
        monkeypatch.setattr(monitor.cycle, "pull", invalidated)
        assert daemon.tick() is None
        monkeypatch.undo()
        monkeypatch.setattr(monitor.daemon, "open_live", no_space)
        assert daemon.tick() is None
        assert daemon.tick() is None
        monkeypatch.undo()
        tick = daemon.tick()
        assert tick is not None
        assert tick.pulled["m"]["samples"].new == 500
        assert b'calwatch_cycle_failures_total{model="m"} 3.0' in daemon._shown.exposition()
    finally:
        daemon._connection.close()
        structlog.reset_defaults()


class _NoServer:
    def stop(self) -> None:
        """There is none."""


def test_after_the_stop_a_tick_that_was_queued_returns_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    daemon = Daemon(_config(tmp_path, free_port()), clock=lambda: now)
    try:
        daemon._shut_down(_NoServer())  # type: ignore[arg-type]  # of the server only stop() is called
        queued = threading.Thread(target=daemon.tick, daemon=True)
        queued.start()
        queued.join(10)
        assert not queued.is_alive()
    finally:
        structlog.reset_defaults()


def test_a_reload_that_waits_for_a_long_tick_gives_way_to_the_stop(tmp_path: Path) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    daemon = Daemon(_config(tmp_path, free_port()), clock=lambda: now)
    try:
        before = daemon._config
        with daemon._ticking:  # as a tick does
            reload = threading.Thread(target=daemon.reload, daemon=True)
            reload.start()
            daemon._on_stop(signal.SIGTERM, None)
            reload.join(10)
            assert not reload.is_alive()
        assert daemon._config is before
    finally:
        daemon._connection.close()
        structlog.reset_defaults()


def test_an_unreadable_database_is_told_with_a_way_out(tmp_path: Path) -> None:
    path = _config(tmp_path, free_port())
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "live.duckdb").write_bytes(b"not a database at all" * 1000)
    told = calwatch("once", "--config", path, cwd=tmp_path)
    assert (told.returncode, "Traceback" in told.stderr) == (1, False)
    assert "live.duckdb" in told.stderr
    with pytest.raises(StoreError):
        open_live(tmp_path / "state", now=datetime.now(UTC))
