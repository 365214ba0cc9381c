"""The daemon as a process of its own: start, reload, requests, a second one; and what it does after a fatal error."""

import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import structlog

import monitor.engine.cycle
import monitor.engine.daemon
from monitor.engine.daemon import Daemon
from monitor.model.errors import StoreError
from monitor.store.connection import open_live
from tests.worlds.daemon import HOUR, configured, running, sampled
from tests.worlds.line import model_section
from tests.worlds.process import calwatch, calwatch_here, free_port, wait_for

RELOADED = "calwatch_config_last_reload_successful"
PULLED = 'calwatch_pulled_samples_total{model="m",source="samples"}'


def test_it_serves_reloads_good_and_bad_configurations_and_stops(tmp_path: Path) -> None:
    port = free_port()
    sampled(tmp_path, 1, 2000, datetime.now(UTC) - HOUR)
    with running(tmp_path, port) as daemon:
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
        sampled(tmp_path, 2, 1000, datetime.now(UTC) - HOUR)
        daemon.wait_metric(PULLED, lambda value: value == 3000)  # the old configuration goes on

        (tmp_path / "calwatch.toml").write_text(text + model_section("second", path="second/*"), "utf-8")
        sampled(tmp_path, 1, 500, datetime.now(UTC) - HOUR, into="second")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_metric(RELOADED, lambda value: value == 1)
        daemon.wait_metric(PULLED.replace('"m"', '"second"'), lambda value: value == 500)

        (tmp_path / "calwatch.toml").write_text(text, "utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(
            lambda: daemon.metric(PULLED.replace('"m"', '"second"')) is None, "the series of a model gone to vanish"
        )
        assert daemon.metric(PULLED) == 3000
        assert daemon.stop() == 0
    with open_live(tmp_path / "state", now=datetime.now(UTC)) as connection:
        assert connection.execute("SELECT count(*) FROM samples").fetchone() == (3500,)


def test_windows_that_stand_in_for_those_of_shipped_rules_are_logged_once_a_start_and_once_a_reload(
    tmp_path: Path,
) -> None:
    section = model_section(rules="default").replace('["24h", "7d"]', '["6h", "2d"]')
    with running(tmp_path, free_port(), section) as daemon:
        daemon.wait_ready()
        assert daemon.text().count("24h -> 2d (nearest of 6h, 2d)") == 1
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: daemon.text().count("24h -> 2d (nearest of 6h, 2d)") == 2, "the note of the reload")
        assert daemon.stop() == 0


def test_a_second_daemon_on_the_same_state_ends_with_the_pid_of_the_first(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, port) as daemon:
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
    with running(tmp_path, port) as daemon:
        daemon.wait_ready()
        asked = calwatch_here("recalibrate", "m", "--slice", "camera=c1", cwd=tmp_path)
        assert asked.returncode == 0
        assert "asked for: recalibrate m camera=c1; the running daemon takes it up" in asked.stdout
        daemon.wait_metric(
            'calwatch_jobs_total{kind="recalibrate",model="m",outcome="rejected"}', lambda value: value == 1
        )
        assert not list((tmp_path / "state" / "requests").iterdir())
        for arguments in (("status",), ("snapshot", "copy.duckdb")):
            assert calwatch_here(*arguments, cwd=tmp_path).returncode == 0


def test_a_port_that_is_taken_is_told_and_the_database_is_let_go(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path / "one", port) as daemon:
        daemon.wait_ready()
        configured(tmp_path / "two", port)
        second = calwatch("run", cwd=tmp_path / "two")
        assert second.returncode == 1
        assert f"error: 127.0.0.1:{port}: cannot listen there" in second.stderr
        assert "Traceback" not in second.stderr


def test_after_a_fatal_error_the_database_is_opened_anew_and_the_next_tick_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def invalidated(*_: Any, **__: Any) -> Any:
        raise duckdb.FatalException("database has been invalidated")

    def no_space(*_: Any, **__: Any) -> Any:
        raise StoreError("live.duckdb: cannot be opened: No space left on device")

    now = datetime(2026, 3, 2, tzinfo=UTC)
    sampled(tmp_path, 1, 500, now - HOUR)
    daemon = Daemon(configured(tmp_path, free_port()), clock=lambda: now)
    try:
        monkeypatch.setattr(monitor.engine.cycle, "pull_sources", invalidated)
        assert daemon.tick() is None
        monkeypatch.undo()
        monkeypatch.setattr(monitor.engine.daemon, "open_live", no_space)
        assert daemon.tick() is None
        assert daemon.tick() is None
        monkeypatch.undo()
        tick = daemon.tick()
        assert tick is not None
        assert tick.pulled["m"]["samples"].new == 500
        assert b'calwatch_cycle_failures_total{model="m"} 4.0' in daemon._shown.exposition()
    finally:
        daemon._connection.close()
        structlog.reset_defaults()


class _NoServer:
    def stop(self) -> None:
        """There is none."""


def test_after_the_stop_a_tick_that_was_queued_returns_instead_of_waiting_for_ever(tmp_path: Path) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    daemon = Daemon(configured(tmp_path, free_port()), clock=lambda: now)
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
    daemon = Daemon(configured(tmp_path, free_port()), clock=lambda: now)
    try:
        before = daemon._config
        with daemon._ticking:  # as a tick does
            mistakes = list[str]()
            reload = threading.Thread(target=lambda: mistakes.extend(daemon.reload()), daemon=True)
            reload.start()
            daemon._on_signal(signal.SIGTERM, None)
            reload.join(10)
            assert not reload.is_alive()
        assert mistakes == ["calwatch is stopping"]
        assert daemon._config is before
    finally:
        daemon._connection.close()
        structlog.reset_defaults()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"min_samples = {'9' * 5000}", "fit 64 bits"), (f"min_samples = 0x{'f' * 6000}", "fit 64 bits"),
        (f"x = {'[' * 3000}{']' * 3000}", "nested too deep"), ('rules = ["./a\\u0000.toml"]', "holds no NUL"),
    ],
)  # fmt: skip
def test_a_reload_of_what_nobody_can_have_meant_is_a_mistake_and_the_old_configuration_stays(
    line: str, told: str, tmp_path: Path
) -> None:
    path = configured(tmp_path, free_port())
    daemon = Daemon(path, clock=lambda: datetime(2026, 3, 2, tzinfo=UTC))
    try:
        before = daemon._config
        lines = [each for each in path.read_text("utf-8").splitlines() if not each.startswith(line.split()[0])]
        path.write_text("\n".join(lines).replace("[[model]]", f"[[model]]\n{line}", 1), "utf-8")
        (mistake,) = daemon.reload()
        assert told in mistake
        assert mistake.startswith("calwatch.toml:")
        assert daemon._config is before
    finally:
        daemon._connection.close()
        structlog.reset_defaults()


def test_a_reload_that_fails_in_a_way_nobody_thought_of_is_told_and_the_old_configuration_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(configured(tmp_path, free_port()), clock=lambda: datetime(2026, 3, 2, tzinfo=UTC))

    def fail(*_: object) -> None:
        raise RuntimeError("what nobody thought of")

    try:
        before = daemon._config
        monkeypatch.setattr(monitor.engine.daemon, "load_all", fail)
        with structlog.testing.capture_logs() as logged:
            assert daemon.reload() == ["calwatch.toml: cannot be read: RuntimeError: what nobody thought of"]
        assert [each["event"] for each in logged] == ["reload failed, the old configuration stays"]
        assert logged[0]["exc_info"]
        assert daemon._config is before
    finally:
        daemon._connection.close()
        structlog.reset_defaults()
