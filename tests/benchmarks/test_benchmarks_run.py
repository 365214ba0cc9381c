"""The benchmark commands work; what they measure is for people to read, so nothing here is timed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = (
    "ingest",
    "small_inputs",
    "history",
    "snapshot",
    "metrics",
    "evidence",
    "gate",
    "scrape",
    "page",
    "same_work",
    "footprint",
    "endurance",
    "calibrators",
    "refit",
    "badly",
    "mutants",
    "kills",
    "pushes",
)
FIGURES = (
    "pull + de-duplicate + cells",
    "against DuckDB reading each by a statement",
    "newest hours only: 6,000 behind",
    "half late labels and corrections",
    "publish while a reader keeps the file it opened",
    "all metrics of 12 slices × 3 windows",
    "weigh a new bucket of 12 slices against deployment",
    "promoted refits when nothing changed",
    "series over HTTP",
    "page while a cycle runs: slices, worst first",
    "readings of 37 metrics (20 slices, 60 days)",
    "peak memory of the first pull",
    "daemon from start to ready",
    "temperature, 50,000 scores in float32",
    "select and fit on 3,000 logit vectors of 10 classes",
    "binary samples in",
    "badly calibrated rows",
    "mutants of files and pushes",
    "kill -9 while everything goes on",
    "50 pushes a second, 50 in all",
)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_every_benchmark_runs_at_tiny_scale_and_prints_its_figures(tmp_path: Path) -> None:
    found = _run("--scale", "tiny", "--room", str(tmp_path))
    assert found.returncode in (0, 1), found.stderr  # 1: a target missed, which at this size means nothing
    assert not found.stderr
    text = " ".join(found.stdout.replace("│", " ").split())
    missing = [figure for figure in FIGURES if figure not in text]
    assert not missing, found.stdout
    assert not list(tmp_path.iterdir()), "temporary files were left behind"


@pytest.mark.parametrize("name", ["ingests", ""])
def test_an_unknown_benchmark_is_refused_with_the_names_there_are(name: str) -> None:
    found = _run(name)
    assert found.returncode == 2
    assert all(known in found.stderr for known in NAMES)
