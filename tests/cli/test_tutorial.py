"""The README's tutorial, command by command and word for word; what the text says happens, happens."""

import os
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.config.settings import load_config
from monitor.engine.backtest import play_history
from monitor.engine.check.check import check_config
from monitor.model import AlertState
from tests.documents import ROOT, find_blocks, read_chapter

SECTION = read_chapter("readme", "## Your own model in ten minutes")


def _program(path: Path, arguments: str) -> None:
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where it was run, and what it printed."""
    base = tmp_path_factory.mktemp("tutorial")
    programs = base / "bin"
    programs.mkdir()
    _program(programs / "calwatch", "-m monitor")
    _program(programs / "python3", "")
    script = "".join(re.findall(r"^```sh\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL))
    environment = {
        **os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=base,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    return base / "tutorial", ran.stdout


@pytest.mark.slow
def test_the_drift_is_found_at_noon_of_its_first_day_and_dated_to_its_midnight(told: tuple[Path, str]) -> None:
    rows = [line for line in told[1].splitlines() if "calibration-drift" in line and "camera=c2" in line]
    assert "2026-01-19 00:00" in rows[0]
    assert "2026-01-19 12:00" in rows[0]


@pytest.mark.slow
def test_the_refit_of_the_21st_takes_charge_of_the_fogged_camera_alone(told: tuple[Path, str]) -> None:
    refits = re.findall(r"^(\S+ \S+)  recalibrate sorter (\S+)  (\w+)", told[1], re.MULTILINE)
    assert [(when[:10], scope) for when, scope, state in refits if state == "promoted"] == [("2026-01-21", "camera=c2")]
    assert ("2026-01-19 12:00", "camera=c2", "rejected") in refits
    assert re.findall(r"in charge of sorter (\S+):", told[1]) == ["camera=c2"]


@pytest.mark.slow
def test_the_report_and_the_chart_are_written(told: tuple[Path, str]) -> None:
    pytest.importorskip("vl_convert", reason="NOT TESTED: charts need the extra charts")
    report = (told[0] / "sorter.html").read_text("utf-8")
    assert "Slice camera=c2" in report
    assert "<svg" in report
    assert (told[0] / "sorter-ece.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_example_rule_and_action_fit_its_model_and_the_rule_fires_on_the_fogged_camera(
    told: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROOM_URL", "http://127.0.0.1:9/room")
    base, text = told[0], read_chapter("readme", "## One rule")
    (rule,), (action,) = find_blocks("toml", text), find_blocks("toml", read_chapter("readme", "## One action"))
    (line,) = re.findall(r"`(rules = \[[^`]*)`", text)
    (called,) = re.findall(r"`(actions = \[[^`]*)`", read_chapter("readme", "## One action"))
    (base / "rules").mkdir()
    config = base / "with-rule.toml"
    written = (base / "calwatch.toml").read_text("utf-8")
    config.write_text(written.replace("slices =", f"{line}\nslices =") + action, "utf-8")
    for own in (rule, re.sub(r"actions = \[.*?\]", called, rule)):
        (base / "rules" / "own.toml").write_text(own, "utf-8")
        assert check_config(config).mistakes == []
    began, ended = datetime(2026, 1, 17, tzinfo=UTC), datetime(2026, 1, 23, tzinfo=UTC)
    played = play_history(load_config(config), base / "with-rule", began, ended, timedelta(hours=12))
    (fired,) = [each for each in played.alerts if (each.rule, each.state) == ("camera-c2", AlertState.FIRING)]
    assert fired.slice.text == "camera=c2"
    assert fired.fired_at is not None
    assert fired.fired_at >= datetime(2026, 1, 19, tzinfo=UTC)
