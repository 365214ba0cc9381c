"""Backtests: deterministic, the same as a live run over the same arrivals, and blind to what had not arrived."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from monitor.config.settings import load_config
from monitor.engine.backtest import Playback, play_history, tick_times
from monitor.model import Alert, Job
from monitor.model.errors import ConfigError, UsageError
from monitor.store.connection import open_live
from tests.worlds.line import BEGAN, DAY, HOUR, line, model_section, traffic, write_config, write_file
from tests.worlds.process import calwatch, calwatch_here

STEP = 12 * HOUR
ENDED = BEGAN + 5 * DAY
DRIFT = BEGAN + 2 * DAY
SECTION = model_section(recalibration='apply = "monitor"\nschedule = "0 2 * * *"')
CELLS = (
    "SELECT labels::VARCHAR, calibrator, bucket, bin, sum(n), sum(unlabelled), round(sum(score), 6), sum(outcome) FROM cells "
    "JOIN slices USING (slice_id) JOIN streams USING (stream_id) GROUP BY ALL ORDER BY ALL"
)


def _parts(rng: np.random.Generator) -> list[tuple[datetime, dict[str, np.ndarray[Any, Any]]]]:
    """Traffic of each step with the time it ends; drift in one slice from ``DRIFT`` on."""
    parts = []
    now = BEGAN
    while now < ENDED:
        planted = {("c3", "night"): 5.0} if now >= DRIFT else None
        parts.append((now + STEP, traffic(rng, f"{now:%d%H}", now, now + STEP, 1500, planted=planted)))
        now += STEP
    return parts


def _history(base: Path) -> Path:
    path = write_config(base, SECTION)
    for index, (_, columns) in enumerate(_parts(np.random.default_rng(7))):
        write_file(base / "in" / f"{index:03}.parquet", columns)
    return path


def _play(base: Path, state: str) -> Playback:
    return play_history(load_config(base / "calwatch.toml"), base / state, BEGAN, ENDED, STEP)


def _cells(state: Path) -> list[Any]:
    with open_live(state, now=ENDED) as connection:
        return connection.execute(CELLS).fetchall()


def _told(alert: Alert) -> Alert:
    """Without the last digits: DuckDB adds up in no fixed order."""
    return replace(alert, value=None if alert.value is None else round(alert.value, 9))


@pytest.mark.slow
def test_a_backtest_equals_a_live_run_over_the_same_arrivals_and_itself(tmp_path: Path) -> None:
    _history(tmp_path / "past")
    one, other = _play(tmp_path / "past", "one"), _play(tmp_path / "past", "other")
    alerts: list[Alert] = []
    jobs: list[Job] = []
    with line(tmp_path / "live", SECTION) as held:
        parts = iter(_parts(np.random.default_rng(7)))
        arrived = 0
        for now in tick_times(BEGAN, ENDED, STEP):
            if now > BEGAN:
                arrived += 1
                write_file(tmp_path / "live" / "in" / f"{arrived:03}.parquet", next(parts)[1])
            tick = held.tick(now, publish=False)
            alerts += [alert for alert in tick.rule_results["m"].changed if alert.state in ("firing", "resolved")]
            jobs += tick.jobs["m"]
        live_cells = held.connection.execute(CELLS).fetchall()
    assert any(alert.slice.text == "camera=c3,lighting=night" for alert in one.alerts)
    assert any(job.state == "promoted" for job in one.jobs)
    assert one.failures == ()
    for played in (one, other):
        assert [_told(alert) for alert in played.alerts] == [_told(alert) for alert in alerts]
        assert played.jobs == tuple(jobs)
    assert _cells(tmp_path / "past" / "one") == live_cells
    assert _cells(tmp_path / "past" / "other") == live_cells


def test_a_label_is_seen_only_once_the_clock_reaches_it(tmp_path: Path) -> None:
    path = write_config(tmp_path, model_section(rules=""))
    columns = traffic(np.random.default_rng(1), "a", BEGAN, BEGAN + HOUR, 300)
    late = np.arange(300) >= 200
    columns["labelled_at"] = np.where(late, np.datetime64("2026-03-02T06:00:00", "us"), columns["labelled_at"])
    unlabelled = np.arange(300) >= 250
    columns["labelled_at"] = np.ma.masked_array(columns["labelled_at"], mask=unlabelled)
    columns["outcome"] = np.ma.masked_array(columns["outcome"], mask=unlabelled)
    write_file(tmp_path / "in" / "a.parquet", columns)
    seen: dict[datetime, int] = {}

    def note(now: datetime, tick: Any) -> None:
        seen[now] = tick.pulled["m"]["samples"].new

    played = play_history(load_config(path), tmp_path / "state", BEGAN, BEGAN + 2 * DAY, 6 * HOUR, each_tick=note)
    assert {now: new for now, new in seen.items() if new} == {BEGAN + 6 * HOUR: 250, BEGAN + 30 * HOUR: 50}
    assert (played.pulled["m"].rows, played.pulled["m"].new) == (300, 300)
    assert played.ticks == 9


def test_the_last_tick_is_at_the_end_whatever_the_step(tmp_path: Path) -> None:
    assert list(tick_times(BEGAN, BEGAN + 5 * HOUR, 2 * HOUR)) == [BEGAN + n * HOUR for n in (0, 2, 4, 5)]
    assert list(tick_times(BEGAN, BEGAN + HOUR, DAY)) == [BEGAN, BEGAN + HOUR]


def test_bad_rows_and_rows_without_a_readable_time_are_quarantined_once(tmp_path: Path) -> None:
    path = write_config(tmp_path, model_section(rules=""))
    rows = ["sample_id,observed_at,labelled_at,score,outcome,camera,lighting"]
    rows += [f"a{n},2026-03-01 0{n}:00:00,2026-03-01 0{n}:30:00,0.5,1,c1,day" for n in range(9)]
    rows += ["b1,never,2026-03-01 03:00:00,0.5,1,c1,day", "b2,2026-03-01 05:00:00,2026-03-01 06:00:00,1.5,1,c1,day"]
    (tmp_path / "in" / "a.csv").write_text("\n".join(rows) + "\n", "utf-8")
    played = play_history(load_config(path), tmp_path / "state", BEGAN, BEGAN + DAY, HOUR)
    assert played.pulled["m"].new == 9
    assert played.pulled["m"].quarantined == {"unreadable_time": 1, "score_outside_0_1": 1}


def test_a_damaged_file_is_told_and_the_others_are_played(tmp_path: Path) -> None:
    path = write_config(tmp_path, model_section(rules=""))
    for name in ("a", "b"):
        columns = traffic(np.random.default_rng(1), name, BEGAN, BEGAN + HOUR, 3000)
        write_file(tmp_path / "in" / f"{name}.parquet", columns)
    damaged = tmp_path / "in" / "b.parquet"
    held = bytearray(damaged.read_bytes())
    held[100 : len(held) // 2] = bytes(len(held) // 2 - 100)  # the footer stays whole, the pages do not
    damaged.write_bytes(held)
    (tmp_path / "in" / "c.parquet").write_bytes(b"PAR1")
    played = play_history(load_config(path), tmp_path / "state", BEGAN, BEGAN + DAY, 6 * HOUR)
    assert played.failures == ()
    assert played.pulled["m"].new == 3000
    assert {(Path(problem.item).name, problem.reason) for problem in played.problems} == {
        ("b.parquet", "unreadable_file"), ("c.parquet", "unreadable_file"),
    }  # fmt: skip


def test_a_used_directory_and_an_empty_span_are_refused(tmp_path: Path) -> None:
    path = write_config(tmp_path, model_section(rules=""))
    config = load_config(path)
    play_history(config, tmp_path / "state", BEGAN, BEGAN + HOUR, HOUR)
    assert not (tmp_path / "state" / "replay.duckdb").exists()
    with pytest.raises(UsageError, match="holds a database already"):
        play_history(config, tmp_path / "state", BEGAN, BEGAN + HOUR, HOUR)
    with pytest.raises(UsageError, match="nothing to play"):
        play_history(config, tmp_path / "other", BEGAN, BEGAN, HOUR)
    with pytest.raises(UsageError, match="nothing to play"):
        play_history(config, tmp_path / "other", BEGAN, ENDED, timedelta(0))
    assert not (tmp_path / "other").exists()


def test_a_mistake_in_a_rule_leaves_no_directory_in_the_way(tmp_path: Path) -> None:
    path = write_config(tmp_path, model_section())
    (tmp_path / "own.toml").write_text("[[rule]]\nname = 'x'\n", "utf-8")
    with pytest.raises(ConfigError):
        play_history(load_config(path), tmp_path / "state", BEGAN, ENDED, STEP)
    assert not (tmp_path / "state").exists()


def test_a_backtest_leaves_the_state_of_the_daemon_alone(tmp_path: Path) -> None:
    path = write_config(tmp_path, model_section(rules=""))
    play_history(load_config(path), tmp_path / "elsewhere", BEGAN, BEGAN + HOUR, HOUR)
    assert not (tmp_path / "state").exists()
    with duckdb.connect(str(tmp_path / "elsewhere" / "metrics.duckdb"), read_only=True) as held:
        assert held.execute("SELECT published_at FROM snapshot").fetchone() == ((BEGAN + HOUR).replace(tzinfo=None),)


def test_the_command_prints_what_would_have_happened_as_tables_and_as_json(tmp_path: Path) -> None:
    _history(tmp_path)
    span = ("--from", "2026-03-01", "--to", "2026-03-05T00:00Z", "--step", "12h")
    told = calwatch("backtest", *span, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "played 2026-03-01 00:00 to 2026-03-05 00:00 UTC in 9 cycles" in told.stdout
    assert "m: 12,000 rows, 12,000 new" in told.stdout
    assert "camera=c3,lighting=night" in told.stdout
    assert "its state: calwatch-backtest" in told.stdout
    again = calwatch_here("backtest", *span, cwd=tmp_path)
    assert again.returncode == 2
    assert "error: calwatch-backtest: holds a database already" in again.stderr
    asked = calwatch_here("backtest", *span, "--state-dir", "two", "--json", cwd=tmp_path)
    found = json.loads(asked.stdout)
    assert (found["cycles"], found["pulled"]["m"]["new"]) == (9, 12_000)
    assert found["from"] == "2026-03-01T00:00:00+00:00"
    assert "camera=c3,lighting=night" in {alert["slice"] for alert in found["alerts"]}


def _lay(base: Path, *days: int) -> None:
    rows = [f"a{day},{BEGAN + day * DAY:%Y-%m-%d %H:%M:%S},0.5,1,c1,day" for day in days]
    (base / "in" / "a.csv").write_text(
        "\n".join(["sample_id,observed_at,score,outcome,camera,lighting", *rows]), "utf-8"
    )


@pytest.mark.parametrize(
    ("days", "told"),
    [
        ((), r"nothing to play: no row that can be read in in/\*"),
        ((400,), "nothing to play from 2026-03-01 00:00 to 2026-03-31 00:00: rows came from 2027-04-05 00:00"),
        ((-400, -300), "rows came from 2025-01-25 00:00 to 2025-05-05 00:00 UTC"),
        ((-400, 400), "rows came from 2025-01-25 00:00 to 2027-04-05 00:00 UTC"),
    ],
)
def test_where_no_row_lies_in_the_time_asked_for_it_is_said_at_once(
    days: tuple[int, ...], told: str, tmp_path: Path
) -> None:
    config = load_config(write_config(tmp_path, model_section(rules="")))
    if days:
        _lay(tmp_path, *days)
    ticks: list[datetime] = []
    played = play_history(
        config, tmp_path / "state", BEGAN, BEGAN + 30 * DAY, HOUR, each_tick=lambda now, _: ticks.append(now)
    )
    assert re.search(told, played.absent)
    assert ticks == [BEGAN, BEGAN + 30 * DAY]


@pytest.mark.parametrize("days", [(29,), (0,), (-1,), (-400, 29)])
def test_a_single_row_in_the_time_asked_for_is_played(days: tuple[int, ...], tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, model_section(rules="")))
    _lay(tmp_path, *days)
    played = play_history(config, tmp_path / "state", BEGAN, BEGAN + 30 * DAY, 24 * HOUR)
    assert (played.absent, played.ticks, played.pulled["m"].new) == ("", 31, 1)


def test_rows_whose_times_cannot_be_read_are_played_to_be_told(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, model_section(rules="")))
    _lay(tmp_path, 400)
    file = tmp_path / "in" / "a.csv"
    file.write_text(file.read_text("utf-8") + "\nb,never,0.5,1,c1,day\n", "utf-8")
    played = play_history(config, tmp_path / "state", BEGAN, BEGAN + DAY, 6 * HOUR)
    assert (played.absent, played.pulled["m"].quarantined) == ("", {"unreadable_time": 1})


def test_the_command_fails_where_there_is_nothing_to_play_and_can_be_tried_again(tmp_path: Path) -> None:
    write_config(tmp_path, model_section(rules=""))
    span = ("--from", "2026-03-01", "--to", "2026-03-31")
    empty = calwatch_here("backtest", *span, cwd=tmp_path)
    assert (empty.returncode, "no alert would have fired" in empty.stdout) == (1, False)
    assert "error: nothing to play: no row that can be read in in/*" in empty.stderr
    assert "--from and --to" in empty.stderr
    _lay(tmp_path, 5)
    later = calwatch_here("backtest", *span, "--step", "12h", cwd=tmp_path)
    assert (later.returncode, later.stderr) == (0, "")
    assert "m: 1 rows, 1 new" in later.stdout
