"""Processes of calwatch's own find calwatch, whatever lies where it is started."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import monitor
from monitor.model.own_python import own_environment, own_python

PACKAGE = Path(monitor.__file__).parent
CONFIG = """
[monitor]
state_dir = "state"
[[model]]
name = "m"
task = "binary"
slices = ["camera"]
label_maturity = "0s"
[[model.source]]
path = "in/*"
"""


def calwatch(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """As the installed command runs: nothing of the current directory is imported by calwatch itself."""
    return subprocess.run(own_python("-m", "monitor", *arguments), cwd=cwd, capture_output=True, text=True)


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A directory of somebody whose own things have the names of ours, and of Python's."""
    (tmp_path / "monitor").mkdir()
    for name in ("monitor/__init__.py", "pickle.py", "json.py", "duckdb.py", "numpy.py"):
        (tmp_path / name).write_text("raise SystemExit('this is not what was meant')\n", "utf-8")
    (tmp_path / "in").mkdir()
    now = datetime.now(UTC)
    rows = [f"s{n},{now - timedelta(hours=2):%Y-%m-%d %H:%M:%S},0.{n % 9 + 1},{n % 2},c{n % 2}" for n in range(60)]
    (tmp_path / "in" / "a.csv").write_text(
        "sample_id,observed_at,score,outcome,camera\n" + "\n".join(rows) + "\n", "utf-8"
    )
    (tmp_path / "calwatch.toml").write_text(CONFIG, "utf-8")
    return tmp_path


def test_commands_that_read_files_apart_work_beside_files_named_like_ours(crowded: Path) -> None:
    checked = calwatch("check", "--json", cwd=crowded)
    assert json.loads(checked.stdout)["mistakes"] == [], checked.stderr
    drafted = calwatch("init", "drafted", "--from", "in/a.csv", cwd=crowded)
    assert drafted.returncode == 0, drafted.stderr
    day = datetime.now(UTC) - timedelta(days=1)
    played = calwatch(
        "backtest", "--from", f"{day:%Y-%m-%d}", "--to", f"{day + timedelta(days=2):%Y-%m-%d}", cwd=crowded
    )
    assert played.returncode == 0, played.stderr
    assert calwatch("once", cwd=crowded).returncode == 0


def test_a_refit_runs_beside_files_named_like_ours(crowded: Path) -> None:
    asked = calwatch("recalibrate", "m", cwd=crowded)
    assert "its process" not in asked.stdout + asked.stderr
    jobs = json.loads(calwatch("jobs", "--json", cwd=crowded).stdout)
    assert jobs, asked.stderr
    assert not [reason for job in jobs for reason in job["reasons"] if "process" in reason]


def test_the_same_calwatch_is_found_though_it_is_not_installed(tmp_path: Path) -> None:
    found = subprocess.run(
        own_python("-c", "import monitor; print(monitor.__file__)"), cwd=tmp_path, env=own_environment(), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert Path(found.stdout.strip()).parent == PACKAGE


def test_no_process_of_python_is_started_in_another_way() -> None:
    named = [path for path in PACKAGE.rglob("*.py") if "sys.executable" in path.read_text("utf-8")]
    assert named == [PACKAGE / "model" / "own_python.py"]
