"""The wheel, as people install it: one top-level package, all its files, and a default pack that loads elsewhere."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tree, so that nothing is left in it."""
    base = tmp_path_factory.mktemp("wheel")
    source = base / "source"
    source.mkdir()
    for name in ("monitor", "rules", "deploy"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", base, source],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = base.glob("*.whl")
    return built


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_its_only_top_level_is_monitor(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in _names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"monitor"}
    assert len(tops) == 2


def test_it_holds_every_file_that_the_program_reads(wheel: Path) -> None:
    wanted = {str(path.relative_to(ROOT)) for path in (ROOT / "monitor").rglob("*") if path.is_file()}
    wanted |= {f"monitor/rulepacks/{path.name}" for path in (ROOT / "rules").iterdir() if path.is_file()}
    wanted |= {str(Path("monitor", path.relative_to(ROOT))) for path in (ROOT / "deploy").rglob("*") if path.is_file()}
    missing = {name for name in wanted if "__pycache__" not in name} - _names(wheel)
    assert not missing, f"not in the wheel: {sorted(missing)}"


def test_it_holds_the_licence_and_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry,) = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
        assert "calwatch = monitor.cli.app:main" in archive.read(entry).decode()
    assert any("licenses/LICENSE" in name for name in names)


def test_installed_elsewhere_it_loads_the_default_pack_and_writes_a_starter(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    program = (
        "import monitor, pathlib; from monitor.rules.pack import load_rules; "
        "assert pathlib.Path(monitor.__file__).is_relative_to(pathlib.Path.cwd() / 'site'), monitor.__file__; "
        "print(len(load_rules(('default', 'safety', 'medical', 'quality-control'), pathlib.Path.cwd())))"
    )
    environment = {**os.environ, "PYTHONPATH": str(target)}
    asked = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    assert int(asked.stdout) > 11
    for arguments, told in (
        (("init", "line"), "wrote line/calwatch.toml"),
        (("check", "--config", "line/calwatch.toml"), "fine"),
        (("docs", "groups"), "## Groups"),
        (("docs", "states-of-an-alert"), "## States of an alert"),
        (("docs", "the-columns"), "| `sample_id`, `observed_at` |"),
        (("docs", "deploy"), "are installed with calwatch, in `"),
        (("docs", "deploy"), "# Deploying calwatch"),
        (("docs", "CalwatchDown"), "## How it resolves"),
        (("docs", "contributing"), ".github/CONTRIBUTING.md in calwatch's repository"),
        (("rules", "test", "line/rules/own.test.toml"), "ok"),
    ):
        said = subprocess.run(
            [sys.executable, "-m", "monitor", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        assert told in said.stdout
