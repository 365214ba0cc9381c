"""Promises of detectors at reduced size, and that the command works."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.vision.jobs import play_jobs
from tests.benchmarks.vision.play import play_improvements, play_promises
from tests.vision.worlds import make_population

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "promised"), [("precision>=0.95", 0.9), ("recall>=0.6", 0.9), ("fp_per_image<=0.1", 0.9)]
)
def test_few_promises_are_broken_on_images_that_cluster(text: str, promised: float) -> None:
    runs = 80
    population = make_population(np.random.default_rng(0), 20_000)
    own, together = play_promises(population, text, (300, 600), runs)
    for played in (own, together):
        assert played.worst <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / max(played.runs, 1))
    assert own.promised >= promised * runs, "the first class, at least, can nearly always be promised"
    assert own.lost < 0.15


@pytest.mark.slow
def test_few_promises_of_whole_jobs_are_broken() -> None:
    runs = 40
    played = play_jobs("precision>=0.9", 600, runs)
    assert played.promised >= 0.9 * runs
    assert played.worst <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.slow
def test_the_game_would_notice_promises_that_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = "monitor.statistics.thresholds.counts.Counts.precision_bounds"
    monkeypatch.setattr(bounds, lambda counts, _: (counts.precision().rate, counts.precision().rate))
    population = make_population(np.random.default_rng(0), 20_000)
    own, _ = play_promises(population, "precision>=0.95", (300, 600), 40)
    assert own.worst > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("text", ["f1", "fbeta:2", "cost:fp=1,fn=2"])
def test_what_is_no_improvement_is_hardly_ever_accepted(text: str) -> None:
    share = play_improvements(make_population(np.random.default_rng(0), 10_000), text, (200, 300), 200)
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_the_benchmark_runs_at_tiny_scale() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.vision", "--scale", "tiny"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    scans = "DuckDB's own scan"
    for told in (
        scans,
        "jobs over 600 images",
        "match with the objects",
        "single classes",
        "as logged",
        "score × NMS IoU",
    ):
        assert told in found.stdout
