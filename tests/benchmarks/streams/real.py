"""The streams: rows of public model outputs in an order, with a change where one is known.

FOLDER holds, as parquet files:

- ``reliability_csv/ImageNet_*.parquet`` (github.com/hollance/reliability-diagrams @e133f3d, MIT): true_label, pred_label,
  confidence of three ImageNet models on the same 50,000 images; the event is "the predicted class is right"
- ``netcal_cifar/*-cifar-10.parquet`` (github.com/EFS-OpenSource/calibration-framework @2a3db8d, Apache-2.0): label and
  softmax p0…p9 of two CIFAR-10 models on the same 10,000 images; the same event
- ``chestxray14/chexnet_nih_test.parquet`` (predictions github.com/jrzech/reproduce-chexnet @a011a9a, BSD-3; labels
  torchxrayvision 1.5.7, Apache-2.0; NIH images): prob_* and y_* of 22,433 X-rays, patient, followup, view
- ``nannyml_car_loan/synthetic_car_loan_*.parquet`` (PyPI nannyml 0.13.1, Apache-2.0): synthetic, daily timestamps
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IMAGENET = {
    "resnet34": "ImageNet_pytorch-image-models__resnet34",
    "resnet101": "ImageNet_torchvision__resnet101",
    "resnext101": "ImageNet_torchvision__resnext101_32x8d",
}
FINDINGS = ("Effusion", "Atelectasis", "Infiltration", "Cardiomegaly")
SHUFFLE = 20_260  # seed of the order of images that come sorted by class


@dataclass(frozen=True, slots=True, eq=False)
class RealStream:
    """``score``, ``outcome`` and ``day`` (n,) in order of time; days count from 0.

    The first ``fitted`` samples calibrate the scores and are not judged. ``change`` is the first day after the change
    (None: none is known). ``weight`` 1/m for groups of m. ``slices`` are marginals beside the whole, name → mask (n,).
    """

    name: str
    score: Floats
    outcome: Floats
    day: Ints
    fitted: int
    change: int | None
    weight: Floats | None = None
    slices: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


def real_streams(folder: Path) -> list[Callable[[], RealStream]]:
    """Loaders of all streams; each raises FileNotFoundError when a file is not there."""
    swaps = [("resnet34", "resnext101"), ("resnet101", "resnext101"), ("resnext101", "resnet101")]
    loaders: list[Callable[[], RealStream]] = [partial(_imagenet, folder, old, new) for old, new in swaps]
    loaders += [partial(_imagenet, folder, "resnext101", "resnext101"), partial(_cifar, folder)]
    loaders += [partial(_chest, folder, finding) for finding in FINDINGS]
    loaders += [partial(_chest, folder, finding, apart=True) for finding in FINDINGS]
    return [*loaders, partial(_car_loan, folder)]


def _columns(folder: Path, file: str, select: str, order: str = "") -> list[Floats]:
    path = folder / file
    if not path.is_file():
        raise FileNotFoundError(path)
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT {select} FROM read_parquet($path) {order}", {"path": str(path)}
        ).fetchnumpy()
    return [np.asarray(column, dtype=np.float64) for column in found.values()]


def swapped(name: str, old: list[Floats], new: list[Floats], fitted: int, stable: int, per_day: int) -> RealStream:
    """(score, outcome) of two models on the same samples: the old one first, the new one after ``stable`` more.

    Samples are shuffled; the calibration fitted to the old model goes on being used.
    """
    order = np.random.default_rng(SHUFFLE).permutation(old[0].size)
    late = np.arange(order.size) >= fitted + stable
    score, outcome = (np.where(late, b[order], a[order]) for a, b in zip(old, new, strict=True))
    day = np.maximum(np.arange(order.size) - fitted, 0) // per_day
    return RealStream(name, score, outcome, day, fitted, stable // per_day if late.any() else None)


def _imagenet(folder: Path, old: str, new: str) -> RealStream:
    select = "confidence, (true_label = pred_label)::DOUBLE AS outcome"
    models = [_columns(folder, f"reliability_csv/{IMAGENET[one]}.parquet", select) for one in (old, new)]
    name = f"ImageNet {old} → {new}" if old != new else f"ImageNet {old}, no swap"
    stream = swapped(name, models[0], models[1], 20_000, 15_000, 500)
    return stream if old != new else RealStream(name, stream.score, stream.outcome, stream.day, stream.fitted, None)


def _cifar(folder: Path) -> RealStream:
    top = "list_value(p0, p1, p2, p3, p4, p5, p6, p7, p8, p9)"
    select = f"list_max({top}) AS score, (list_position({top}, list_max({top})) = label + 1)::DOUBLE AS outcome"
    old, new = (_columns(folder, f"netcal_cifar/{m}-cifar-10.parquet", select) for m in ("wideresnet-16-4", "lenet-5"))
    return swapped("CIFAR-10 wideresnet → lenet", old, new, 4_000, 3_000, 100)


def _chest(folder: Path, finding: str, apart: bool = False) -> RealStream:
    """First visits, then second ones, and so on; half of the first visits calibrate. 100 images a day.

    Images of a patient weigh 1/m. ``apart`` takes them for independent instead, which they are not: a finding of the
    last visit is likely there at the next. Either way later visits are beyond the guarantee, which wants a group within
    one bucket; first visits are covered, one image per patient.
    """
    select = f"prob_{finding} AS score, y_{finding} AS outcome, patient, followup, (view = 'AP')::DOUBLE AS bedside"
    columns = _columns(folder, "chestxray14/chexnet_nih_test.parquet", select, "ORDER BY followup, patient, image")
    first = int((columns[3] == 0).sum())
    order = np.arange(columns[0].size)
    order[:first] = np.random.default_rng(SHUFFLE).permutation(first)
    score, outcome, patient, _, bedside = (column[order] for column in columns)
    _, position, size = np.unique(patient, return_inverse=True, return_counts=True)
    fitted = first // 2
    day = np.maximum(np.arange(order.size) - fitted, 0) // 100
    views = {"view=PA": bedside == 0, "view=AP": bedside == 1}
    change = int(day[first]) + 1  # the first day of second visits alone
    name, weight = f"chest X-ray {finding}", None if apart else 1 / size[position]
    return RealStream(f"{name}, w = 1" if apart else name, score, outcome, day, fitted, change, weight, views)


def _car_loan(folder: Path) -> RealStream:
    """The reference calibrates; the analysis follows by its timestamps, with the planted change at row 25,000."""
    order = "ORDER BY timestamp"
    reference = _columns(
        folder, "nannyml_car_loan/synthetic_car_loan_reference.parquet",
        "y_pred_proba AS score, repaid AS outcome, epoch(timestamp) / 86400 AS day", order,
    )  # fmt: skip
    score, day = _columns(
        folder, "nannyml_car_loan/synthetic_car_loan_analysis.parquet",
        "y_pred_proba AS score, epoch(timestamp) / 86400 AS day", "ORDER BY id",
    )  # fmt: skip
    (outcome,) = _columns(
        folder, "nannyml_car_loan/synthetic_car_loan_analysis_target.parquet", "repaid", "ORDER BY id"
    )
    days = np.floor(np.concatenate([np.full(reference[2].size, day[0]), day])).astype(np.int64)
    days -= days[-day.size]
    return RealStream(
        "car loan (synthetic)", np.concatenate([reference[0], score]), np.concatenate([reference[1], outcome]), days,
        reference[0].size, int(days[reference[0].size + 25_000]),
    )  # fmt: skip
