"""A detector over a whole calwatch on a simulated clock: objects on a grid, found or missed, found twice, and found where
nothing is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from monitor.statistics.arrays import Floats
from monitor.store.connection import make_naive
from tests.worlds.line import BEGAN, DAY, Columns, Line, line, write_file

NOW = BEGAN + 4 * DAY
NMS_IOUS = "nms_iou = [0.3, 0.5, 0.8]"
_CELL, _SIDE, _CELLS = 100.0, 60.0, 6  # pixels; of an image 6 × 6
_CORNERS = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class Habits:
    """Of a detector: how sure it is of what is there, and how often it finds an object twice, or what is not there."""

    sureness: float = 2.5  # mean logit of objects that are found
    twice: float = 0.4
    false: float = 1.0  # an image
    missed: float = 0.2


def detector_section(threshold: str, *, matching: str = NMS_IOUS, extra: str = "", recalibration: str = "") -> str:
    """A model of boxes over cameras, with sources of images, detections and truth; no rules."""
    sources = "".join(
        f'[[model.source]]\nname = "{name}"\nholds = "{name}"\npath = "{name}/*"\n'
        for name in ("images", "detections", "truth")
    )
    return f"""
[[model]]
name = "m"
task = "detection"
slices = ["camera"]
windows = ["24h", "7d"]
rules = []
{extra}
{sources}
[model.matching]
{matching}
[model.recalibration]
min_samples = 400
method = "platt"
{recalibration}
[model.threshold]
{threshold}
"""


@contextmanager
def detector_line(base: Path, *sections: str) -> Iterator[Line]:
    """A calwatch over such a model, without images yet."""
    for name in ("images", "detections", "truth"):
        (base / name).mkdir(parents=True)
    with line(base, *sections) as held:
        yield held


def send_images(
    held: Line, images: int, began: datetime = BEGAN, ended: datetime = NOW, habits: Habits | None = None, **more: Any
) -> dict[str, Columns]:
    """Files of so many labelled images taken in [began, ended); ``more``: columns of detections, one value each."""
    held.files += 1
    tables = make_images(held.rng, f"f{held.files}", images, (began, ended), habits or Habits())
    count = len(tables["detections"]["score"])
    tables["detections"] |= {name: np.full(count, value, dtype=object) for name, value in more.items()}
    for name, columns in tables.items():
        write_file(held.base / name / f"f{held.files:03}.parquet", columns)
    return tables


def make_images(
    rng: np.random.Generator, name: str, count: int, span: tuple[datetime, datetime], habits: Habits
) -> dict[str, Columns]:
    """Images, detections and truth: two classes, of about 2 and 0.3 objects an image."""
    ids = np.array([f"{name}-{index}" for index in range(count)], dtype=object)
    seconds = np.sort(rng.integers(0, int((span[1] - span[0]).total_seconds()) - 60, count))
    taken = np.datetime64(make_naive(span[0]), "us") + seconds.astype("timedelta64[s]")
    there: list[tuple[int, str, Floats]] = []
    found: list[tuple[int, str, Floats, float]] = []
    for image in range(count):
        kinds = ["cat"] * rng.poisson(2.0) + ["dog"] * rng.poisson(0.3)
        cells = rng.permutation(_CELLS * _CELLS)
        for kind, cell in zip(kinds, cells, strict=False):
            box = _box(int(cell))
            there.append((image, kind, box))
            if rng.random() < habits.missed:
                continue
            logit = rng.normal(habits.sureness, 1.2)
            found.append((image, kind, box + rng.normal(0, 1.5, 4), logit))
            if rng.random() < habits.twice:
                found.append((image, kind, box + rng.uniform(0.5, 9), logit - abs(rng.normal(0.5, 0.5))))
        for cell in cells[len(kinds) : len(kinds) + rng.poisson(habits.false)]:
            kind = "cat" if rng.random() < 0.8 else "dog"
            found.append((image, kind, _box(int(cell)), rng.normal(-1.0, 1.2)))
    images = {
        "image_id": ids,
        "observed_at": taken,
        "camera": np.array(["c1", "c2"], dtype=object)[np.arange(count) % 2],
    }
    truths = _table(ids, [each[0] for each in there], [each[1] for each in there], [each[2] for each in there])
    empty = np.setdiff1d(np.arange(count), [each[0] for each in there])
    truths = {
        key: np.concatenate([column, ids[empty] if key == "image_id" else np.full(len(empty), None, dtype=object)])
        for key, column in truths.items()
    }
    truths = {key: _numbers(column) if key in _CORNERS else column for key, column in truths.items()}
    boxes = _table(ids, [each[0] for each in found], [each[1] for each in found], [each[2] for each in found])
    logits = np.array([each[3] for each in found])
    return {"images": images, "detections": boxes | {"score": 1 / (1 + np.exp(-logits))}, "truth": truths}


def _box(cell: int) -> Floats:
    x, y = _CELL * (cell % _CELLS) + 20, _CELL * (cell // _CELLS) + 20
    return np.array([x, y, x + _SIDE, y + _SIDE])


def _table(ids: Any, images: list[int], kinds: list[str], boxes: list[Floats]) -> Columns:
    corners = np.array(boxes).reshape(-1, 4)
    held: Columns = {"image_id": ids[np.array(images, dtype=np.int64)], "class": np.array(kinds, dtype=object)}
    return held | {name: corners[:, place] for place, name in enumerate(_CORNERS)}


def _numbers(column: Any) -> Any:
    """Floats, masked where there is none."""
    unknown = np.array([value is None for value in column])
    return np.ma.masked_array(
        [0.0 if none else float(value) for value, none in zip(column, unknown, strict=True)], unknown
    )
