"""The player on a made-up folder: two models on the same samples, of which the second is over-confident."""

from pathlib import Path

import duckdb
import numpy as np
import pytest
from scipy.special import expit, logit

from monitor.statistics.drift.bets import Tolerance
from tests.benchmarks.streams.__main__ import main
from tests.benchmarks.streams.curve import Curve
from tests.benchmarks.streams.play import play
from tests.benchmarks.streams.real import RealStream, real_streams

ROWS = 10_000
CIFAR = 4  # position among the streams


def write_model(file: Path, rng: np.random.Generator, shift: float) -> None:
    """Softmax over ten classes with class 0 on top, right with log-odds ``shift`` off its score."""
    top = rng.uniform(0.3, 0.99, ROWS)
    right = rng.random(ROWS) < expit(logit(top) + shift)
    columns = {"label": np.where(right, 0, 1), "p0": top} | {f"p{k}": (1 - top) / 9 for k in range(1, 10)}
    file.parent.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        connection.register("model", columns)
        connection.table("model").write_parquet(str(file))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    write_model(tmp_path / "netcal_cifar" / "wideresnet-16-4-cifar-10.parquet", rng, 0.0)
    write_model(tmp_path / "netcal_cifar" / "lenet-5-cifar-10.parquet", rng, -0.8)
    return tmp_path


def test_the_swap_is_found_and_the_stable_stretch_is_quiet(folder: Path) -> None:
    (found,) = play(real_streams(folder)[CIFAR](), Tolerance())
    assert (found.stable, found.change, found.samples) == (30, 30, 6000)
    assert found.early == ()
    assert found.delay is not None
    assert 1 <= found.delay <= 4
    assert found.words.startswith("over-confident")


def test_an_alarm_in_the_stable_stretch_is_reported(folder: Path) -> None:
    stream = real_streams(folder)[CIFAR]()
    late = RealStream("s", stream.score, stream.outcome, stream.day, stream.fitted, 50)
    (found,) = play(late, Tolerance())
    assert found.early
    assert 30 <= found.early[0] < 50


def test_marginals_are_judged_beside_the_whole(folder: Path) -> None:
    stream = real_streams(folder)[CIFAR]()
    low = stream.score < 0.6
    split = RealStream(
        "s", stream.score, stream.outcome, stream.day, stream.fitted, 30, None, {"low": low, "high": ~low}
    )
    found = {one.slice: one for one in play(split, Tolerance("odds", 1.1))}
    assert found["low"].samples + found["high"].samples == found["all"].samples
    assert found["all"].alarm is not None


def test_files_that_are_not_there_are_named_and_the_others_played(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("CIFAR-10") for line in lines) == 2
    assert sum("resnet34.parquet" in line and line.startswith("not there") for line in lines) == 1


def test_the_curve_rises_and_comes_close_to_the_true_one() -> None:
    rng = np.random.default_rng(2)
    score = rng.random(40_000)
    curve = Curve(score, (rng.random(score.size) < score**2).astype(np.float64))
    grid = np.linspace(0.02, 0.98, 200)
    assert (np.diff(curve(grid)) >= 0).all()
    assert np.abs(curve(grid) - grid**2).max() < 0.05
