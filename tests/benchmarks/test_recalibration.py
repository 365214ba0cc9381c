"""The comparison of calibrators on real files, run on small made-up ones in the same layout."""

from pathlib import Path

import numpy as np
import pytest

from monitor.model.samples import Samples
from tests.worlds.line import write_file

from .recalibration import compared, ece, main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ten-class file, a file of confidences, detections, and a file that is none of these."""
    for name in ("netcal_cifar", "reliability_csv", "detection_coco"):
        (tmp_path / name).mkdir()
    rng = np.random.default_rng(2)
    label = np.arange(2000) % 10
    odds = np.exp(rng.normal(0, 1, (2000, 10)) + 2 * np.eye(10)[label])
    shares = odds / odds.sum(axis=1, keepdims=True)
    write_file(
        tmp_path / "netcal_cifar" / "ten.parquet", {"label": label, **{f"p{k}": shares[:, k] for k in range(10)}}
    )
    write_file(
        tmp_path / "reliability_csv" / "net__confidences.parquet",
        {"true_label": np.ones(600), "pred_label": rng.integers(0, 3, 600), "confidence": rng.uniform(0.4, 0.9, 600)},
    )
    write_file(
        tmp_path / "detection_coco" / "boxes.parquet",
        {"image_id": np.arange(900) // 3, "score": rng.random(900), "matched75": rng.integers(0, 2, 900)},
    )
    write_file(tmp_path / "detection_coco" / "images.parquet", {"image_id": np.arange(300)})
    return tmp_path


def test_every_file_gets_a_line_with_every_method(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " / " in line and "│" in line]
    assert [line.split("│")[1].split()[0] for line in lines] == ["ten", "confidences", "boxes"]
    ten, confidences, boxes = ([cell.strip() for cell in line.split("│")[3:10]] for line in lines)
    assert all(" / " in cell for cell in ten[:6])
    assert all(" / " in cell for cell in confidences[:5])
    assert confidences[5] == boxes[5] == "–"


def test_an_empty_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "holds none of the files" in capsys.readouterr().err


def test_what_is_judged_is_later_and_of_other_groups_than_what_is_fitted() -> None:
    rng = np.random.default_rng(1)
    score = rng.uniform(0.2, 0.8, 1000)
    group = np.arange(1000) // 10
    group[[3, 700]] = 500  # one group on both sides
    time = np.arange(1000, dtype=np.float64)
    samples = Samples(
        score, (rng.random(1000) < score).astype(float), None, None, group, time, np.zeros(1000, np.int64)
    )
    assert compared("x", samples).rows == 499


def test_ece_is_that_of_fifteen_equal_bins() -> None:
    assert ece(np.array([0.1, 0.1, 0.95, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])) == pytest.approx((0.8 + 0.05) / 4)
