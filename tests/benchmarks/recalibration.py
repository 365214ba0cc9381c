"""ECE and log-loss of real models before and after every calibrator: `python -m tests.benchmarks.recalibration FOLDER`.

FOLDER holds Parquet files of real outputs, in folders named as in ``_files`` below. Each is fitted on its earlier half
and judged on its later half (files sorted by class are shuffled first; X-rays by patient, detections by image). ECE is
over 15 equal-width bins; the event is "the predicted class is right", "the finding is there" or "the box matches".
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from monitor.model.methods import METHOD_NAMES as METHODS
from monitor.model.samples import Samples
from monitor.recalibration.selection import select_calibrator
from monitor.statistics.cells import SCORE_BINS, bin_of, score_bin_of
from monitor.statistics.paired_loss import log_losses

from .figures import console

Floats = NDArray[np.float64]
_LABELS = ("Effusion", "Atelectasis", "Infiltration", "Cardiomegaly", "Pneumothorax", "Edema")


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table; method → (ECE, log-loss) on the later half, or why there is none."""

    name: str
    rows: int
    found: dict[str, tuple[float, float] | str]
    chosen: str


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.recalibration", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder = parser.parse_args(arguments).folder
    results = [compared(name, samples) for name, samples in _files(folder)]
    if not results:
        parser.error(f"{folder} holds none of the files this compares")
    shown = Table("file", "rows judged", *METHODS, "auto", title="ECE / log-loss on the later half, by method")
    for result in results:
        cells = [
            found if isinstance(found, str) else f"{found[0]:.4f} / {found[1]:.4f}"
            for found in (result.found[method] for method in METHODS)
        ]
        shown.add_row(result.name, f"{result.rows:,}", *cells, result.chosen)
    console().print(shown)
    return 0


def compared(name: str, samples: Samples) -> Result:
    """Every method fitted on the first half of the samples (by time), judged on groups that lie wholly in the second."""
    early = samples.observed_at < np.median(samples.observed_at)
    units = samples.units()
    first, later = samples.subset(early), samples.subset(~early & ~np.isin(units, units[early]))
    found: dict[str, tuple[float, float] | str] = {}
    for method in METHODS:
        try:
            calibrator = select_calibrator(method, first).calibrator
        except ValueError:
            found[method] = "–" if first.logits is None else "too few rows"
            continue
        score = calibrator.apply(later.score, later.logits)
        found[method] = (ece(score, later.outcome), float(log_losses(score, later.outcome).mean()))
    return Result(name, len(later), found, select_calibrator("auto", first).calibrator.method)


def ece(score: Floats, outcome: Floats) -> float:
    """Plug-in, 15 equal-width bins."""
    residual = np.bincount(score_bin_of(bin_of(score)), weights=score - outcome, minlength=SCORE_BINS)
    return float(np.abs(residual).sum()) / len(score)


def _files(folder: Path) -> Iterator[tuple[str, Samples]]:
    for path in sorted((folder / "netcal_cifar").glob("*.parquet")):
        yield path.stem, _probabilities(path)
    for path in sorted((folder / "reliability_csv").glob("*.parquet")):
        yield path.stem.rpartition("__")[2], _confidences(path)
    chest = folder / "chestxray14" / "chexnet_nih_test.parquet"
    if chest.exists():
        yield from ((f"chestxray14 {label}", _finding(chest, label)) for label in _LABELS)
    for path in sorted((folder / "detection_coco").glob("*.parquet")):
        if "score" in duckdb.read_parquet(str(path)).columns:
            yield f"{path.stem} IoU .75", _detections(path)


def _read(path: Path, columns: str) -> dict[str, NDArray[np.generic]]:
    with duckdb.connect() as connection:
        found = connection.execute(f"SELECT {columns} FROM read_parquet($path)", {"path": str(path)}).fetchnumpy()
    return {name: np.asarray(column) for name, column in found.items()}


def _samples(score: NDArray[np.generic], outcome: NDArray[np.generic], **more: NDArray[np.int64] | Floats) -> Samples:
    n = len(score)
    columns: dict[str, NDArray[np.int64] | Floats | None] = {
        "logits": None, "label_index": None, "group": None, "observed_at": np.arange(n, dtype=np.float64),
        "slice_index": np.zeros(n, dtype=np.int64), **more,
    }  # fmt: skip
    return Samples(score.astype(np.float64), outcome.astype(np.float64), **columns)  # type: ignore[arg-type]  # by name


def _probabilities(path: Path) -> Samples:
    """Probabilities of all classes; their logarithms serve as logits."""
    read = _read(path, "*")
    label = read.pop("label").astype(np.int64)
    probability = np.column_stack(list(read.values())).astype(np.float64)
    with np.errstate(divide="ignore"):
        logits = np.log(probability)
    right = probability.argmax(axis=1) == label
    return _samples(probability.max(axis=1), right, logits=logits, label_index=label)


def _confidences(path: Path) -> Samples:
    """Top-label confidences, in an order of their own: some of these files are sorted by class."""
    read = _read(path, "confidence, true_label = pred_label AS correct")
    order = np.random.default_rng(1).permutation(len(read["correct"]))
    return _samples(np.clip(read["confidence"].astype(np.float64)[order], 0, 1), read["correct"][order])


def _finding(path: Path, label: str) -> Samples:
    read = _read(path, f'patient, "prob_{label}" AS score, "y_{label}" AS outcome')
    patient = read["patient"].astype(np.int64)
    order = np.random.default_rng(1).permutation(
        int(patient.max()) + 1
    )  # patients are numbered by disease here and there
    return _samples(read["score"], read["outcome"], group=patient, observed_at=order[patient].astype(np.float64))


def _detections(path: Path) -> Samples:
    read = _read(path, "image_id, score, matched75")
    image = read["image_id"].astype(np.int64)
    order = np.argsort(np.random.default_rng(1).permutation(len(np.unique(image))))
    _, place = np.unique(image, return_inverse=True)
    return _samples(read["score"], read["matched75"], group=image, observed_at=order[place].astype(np.float64))


if __name__ == "__main__":
    sys.exit(main())
