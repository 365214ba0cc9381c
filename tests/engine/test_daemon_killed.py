"""The daemon killed or stopped at any moment: nothing is lost, doubled or left running."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from monitor.config.settings import load_config
from monitor.engine.cycle import Cycle, build_watched
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import open_live
from tests.worlds.daemon import HOUR, configured, gone, many, running, sampled, told
from tests.worlds.line import model_section
from tests.worlds.process import Running, calwatch_here, free_port, wait_for


@pytest.mark.slow
def test_sigterm_in_the_middle_of_a_big_pull_ends_it_and_loses_nothing(tmp_path: Path) -> None:
    port = free_port()
    many(tmp_path / "in" / "big.parquet", 2_000_000, datetime.now(UTC))
    with running(tmp_path, port) as daemon:
        wait_for(
            lambda: daemon.alive() and daemon.get("/readyz")[0] == 503, "the server to be up while the first tick runs"
        )
        assert daemon.stop(patience=60) == 0
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
    return told(state, "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')")


@pytest.mark.slow
def test_kills_at_random_moments_neither_lose_nor_double_anything(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    port = free_port()
    ended = datetime.now(UTC) - 2 * HOUR
    config = configured(tmp_path / "killed", port)
    for kill in range(5):
        sampled(tmp_path / "killed", 2 * kill, 20_000, ended, drift=True)
        with Running(port, tmp_path / "killed" / "log.txt", "run", "--config", config) as daemon:
            wait_for(lambda daemon=daemon: daemon.alive() and "started" in daemon.text(), "the daemon to start")  # type: ignore[misc]  # bound
            sampled(tmp_path / "killed", 2 * kill + 1, 20_000, ended, drift=True)
            time.sleep(rng.uniform(0, 1.2))  # the random moment
            daemon.process.kill()
            daemon.process.wait()
            (tmp_path / "killed" / "log.txt").write_text("", "utf-8")
    with open_live(tmp_path / "killed" / "state", now=datetime.now(UTC)) as connection:
        connection.execute("UPDATE jobs SET next_attempt_at = NULL")  # a job killed twice waits a minute: not here
    with Running(port, tmp_path / "killed" / "log.txt", "run", "--config", config) as daemon:
        daemon.wait_ready()
        wait_for(lambda: daemon.alive() and _open_jobs(tmp_path / "killed" / "state") == 0, "every job to end", 240)
        assert daemon.stop() == 0

    configured(tmp_path / "whole", port)
    for number in range(10):
        sampled(tmp_path / "whole", number, 20_000, ended, drift=True)
    loaded = load_config(tmp_path / "whole" / "calwatch.toml")
    with open_live(loaded.state_dir, now=datetime.now(UTC)) as connection:
        cycle = Cycle(loaded, build_watched(loaded), connection, Instruments(CollectorRegistry()))
        for _ in range(10):  # a cycle starts a few refits, the others follow
            assert not cycle.tick(datetime.now(UTC)).failed
            if connection.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone() == (0,):
                break
    killed, whole = _final_state(tmp_path / "killed" / "state"), _final_state(tmp_path / "whole" / "state")
    assert whole["firing"], "the drift is there to be found"
    assert whole["jobs"]
    assert killed == whole


HANGING = """
[[action]]
name = "retrain"
kind = "command"
command = ["/bin/sh", "-c", "echo $$ >> started; exec sleep 600"]
on = ["rejected"]
timeout = "1h"
"""


def _started(base: Path) -> list[int]:
    path = base / "started"
    return [int(text) for text in path.read_text("utf-8").split()] if path.exists() else []


def test_a_kill_in_the_middle_of_a_job_ends_its_processes_and_the_next_start_runs_it_again(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, port, model_section(), HANGING) as daemon:
        daemon.wait_ready()
        assert calwatch_here("recalibrate", "m", cwd=tmp_path).returncode == 0  # too few samples: rejected, and told
        wait_for(lambda: daemon.alive() and len(_started(tmp_path)) == 1, "the command to run")
        daemon.process.kill()
        daemon.process.wait()
        wait_for(lambda: gone(_started(tmp_path)[0]), "the command to end with its calwatch")
    with Running(port, tmp_path / "log.txt", "run", "--config", tmp_path / "calwatch.toml") as daemon:
        wait_for(lambda: daemon.alive() and len(_started(tmp_path)) == 2, "the command to run again")
        wait_for(lambda: told(tmp_path / "state", "SELECT max(attempts) FROM jobs") == 2, "the attempts to be told")
        ticks = daemon.metric('calwatch_last_success_timestamp_seconds{model="m",stage="fold"}')
        daemon.wait_metric(  # cycles go on while it runs
            'calwatch_last_success_timestamp_seconds{model="m",stage="fold"}', lambda value: value > (ticks or 0)
        )
        (job,) = [
            row["id"]
            for row in json.loads(calwatch_here("jobs", "--json", cwd=tmp_path).stdout)
            if row["kind"] == "action" and row["state"] == "running"
        ]
        asked = calwatch_here("jobs", "cancel", job, cwd=tmp_path)
        assert asked.returncode == 0, asked.stderr
        assert "the running daemon does it in its next cycle" in asked.stdout
        wait_for(lambda: gone(_started(tmp_path)[1]), "the command to be cancelled")
        wait_for(
            lambda: told(tmp_path / "state", "SELECT count(*) FROM jobs WHERE state = 'cancelled'") == 1, "its record"
        )
        again = calwatch_here("jobs", "cancel", job, cwd=tmp_path)
        assert (again.returncode, "has ended already: cancelled" in again.stderr) == (2, True)
        assert "attempt 1" in calwatch_here("jobs", "show", job, cwd=tmp_path).stdout
        assert daemon.stop() == 0
    assert len(_started(tmp_path)) == 2
