"""Played states know that they are: what would go on at today's clock is refused, jobs by hand act at their own time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from monitor.config.settings import load_config
from monitor.engine.backtest import play_history
from monitor.recalibration.artefacts import read_current
from monitor.store.connection import LIVE, open_live
from monitor.store.played import is_played, played_until
from tests.worlds.levels import LEVELS, NEWEST, left_by, tables_of
from tests.worlds.process import calwatch, calwatch_here

ENDED = datetime(2026, 3, 10, 12, 1, tzinfo=UTC)
LOST = (
    "samples",
    "quarantine",
    "alerts",
    "alert_events",
    "cells",
    "readings",
    "pulls",
)  # what a cycle of today would change


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("live", [False, True], ids=["played", "live"])
def test_older_states_are_known_by_the_times_of_their_pulls_and_jobs(tmp_path: Path, level: str, live: bool) -> None:
    state = left_by(tmp_path, level, live=live)
    connection = open_live(state, now=datetime.now(UTC))
    try:
        assert is_played(connection) is not live
        assert played_until(connection) - ENDED < timedelta(seconds=1)
    finally:
        connection.close()


def test_an_older_state_that_never_pulled_is_live(tmp_path: Path) -> None:
    state = left_by(tmp_path, NEWEST)
    with duckdb.connect(str(state / LIVE)) as old:
        for table in ("pulls", "stages", "jobs"):
            old.execute(f"DELETE FROM {table}")
    connection = open_live(state, now=ENDED)
    try:
        assert not is_played(connection)
    finally:
        connection.close()


def test_a_played_state_that_was_once_gone_on_with_is_played_all_the_same(tmp_path: Path) -> None:
    state = left_by(tmp_path, NEWEST)
    with duckdb.connect(str(state / LIVE)) as old:
        old.execute(
            "INSERT INTO pulls SELECT * REPLACE (pulled_at + INTERVAL 123457 MICROSECOND AS pulled_at) FROM pulls LIMIT 1"
        )
    connection = open_live(state, now=ENDED)
    try:
        assert is_played(connection)
    finally:
        connection.close()


@pytest.mark.parametrize("command", ["run", "once"])
def test_what_would_go_on_at_todays_clock_is_refused(tmp_path: Path, command: str) -> None:
    state = left_by(tmp_path, NEWEST)
    open_live(state, now=ENDED).close()
    before = tables_of(state / LIVE)
    done = calwatch(command, cwd=tmp_path)
    assert done.returncode == 2
    assert f"calwatch {command} would go on at today's clock" in done.stderr
    assert "name another [monitor] state_dir" in done.stderr
    assert tables_of(state / LIVE) == before


def test_jobs_by_hand_act_at_the_states_own_time_and_take_nothing_from_it(tmp_path: Path) -> None:
    state = left_by(tmp_path, NEWEST)
    open_live(state, now=ENDED).close()
    before = tables_of(state / LIVE)
    (tmp_path / "in" / "new.csv").write_text(
        "sample_id,observed_at,labelled_at,score,outcome,camera\nx,2026-03-10 11:00:00,2026-03-10 11:01:00,0.5,1,c1\n"
    )
    own = state / "calibrators" / "m"
    (scope, first), = read_current(own).items()  # fmt: skip
    for arguments in (
        ("recalibrate", "m"), ("recalibrate", "m"), ("rollback", "m", "--slice", scope),
        ("rollback", "m", "--slice", scope, "--to", first),
    ):  # fmt: skip
        done = calwatch_here(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr + done.stdout
    after = tables_of(state / LIVE)
    for table in LOST:
        assert after[table] == before[table], table
    with duckdb.connect(str(state / LIVE), read_only=True) as held:
        by_hand = held.execute("SELECT kind, requested_at, finished_at FROM jobs WHERE trigger = 'manual'").fetchall()
        assert [row[0] for row in by_hand].count("recalibrate") == 2
        assert [row[0] for row in by_hand].count("rollback") == 2
        assert {moment for row in by_hand for moment in row[1:]} == {ENDED.replace(tzinfo=None)}
        assert held.execute("SELECT max(succeeded_at) FROM stages").fetchall() == [(ENDED.replace(tzinfo=None),)]
    assert read_current(own)[scope] == first
    told = calwatch_here("status", cwd=tmp_path)
    assert "PLAYED" in told.stdout
    assert "as of 2026-03-10 12:01 UTC" in told.stdout


def test_a_rollback_of_a_live_state_pulls_nothing_and_judges_nothing(tmp_path: Path) -> None:
    state = left_by(tmp_path, NEWEST, live=True)
    open_live(state, now=ENDED).close()
    before = tables_of(state / LIVE)
    (scope,) = read_current(state / "calibrators" / "m")
    done = calwatch_here("rollback", "m", "--slice", scope, cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    after = tables_of(state / LIVE)
    for table in LOST:
        assert after[table] == before[table], table
    assert read_current(state / "calibrators" / "m") == {}


def test_a_backtest_marks_its_state_and_what_it_publishes(tmp_path: Path) -> None:
    left_by(tmp_path / "line", NEWEST)
    config = load_config(tmp_path / "line" / "calwatch.toml")
    played = play_history(config, tmp_path / "played", ENDED - timedelta(days=1), ENDED, timedelta(hours=12))
    assert played.published.played
    with duckdb.connect(str(tmp_path / "played" / "metrics.duckdb"), read_only=True) as held:
        assert held.execute("SELECT played FROM snapshot").fetchall() == [(True,)]
    connection = open_live(tmp_path / "played", now=datetime.now(UTC))
    try:
        assert is_played(connection)
        assert played_until(connection) == ENDED
    finally:
        connection.close()


def test_a_new_state_is_live(tmp_path: Path) -> None:
    connection = open_live(tmp_path, now=ENDED)
    try:
        assert not is_played(connection)
    finally:
        connection.close()
