"""Detectors to draft a configuration for: objects, detections a little aside, and files of both."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import duckdb

from monitor.cli.guess.draft import Draft, draft_config
from monitor.config.settings import Model, parse_config
from monitor.engine.check.check import CheckResult, check_config

WIDE, HIGH = 640.0, 480.0
CLASSES = ("person", "forklift", "pallet")
Row = dict[str, Any]


def objects(images: int = 60, seed: int = 1) -> list[Row]:
    """Boxes in images of 640 × 480 pixels as corners, some of them at the border."""
    rng = random.Random(seed)
    found = []
    for image in range(images):
        for _ in range(rng.randint(1, 4)):
            wide, high = rng.uniform(20, 90), rng.uniform(20, 90)
            x, y = rng.choice([0.0, rng.uniform(0, WIDE - wide)]), rng.choice([0.0, rng.uniform(0, HIGH - high)])
            found.append(
                {"image": f"img{image:03}", "class": rng.choice(CLASSES), "corners": (x, y, x + wide, y + high)}
            )
    return found


def detections(truth: list[Row], seed: int = 2) -> list[Row]:
    """The same a little aside, with scores."""
    rng = random.Random(seed)
    sides = (WIDE, HIGH, WIDE, HIGH)
    moved = [
        (row, [min(number + rng.uniform(0, 3), side) for number, side in zip(row["corners"], sides, strict=True)])
        for row in truth
    ]
    return [{**row, "corners": tuple(corners), "score": round(rng.uniform(0.3, 0.99), 3)} for row, corners in moved]


def xywh(corners: tuple[float, ...]) -> list[float]:
    x1, y1, x2, y2 = corners
    return [round(each, 2) for each in (x1, y1, x2 - x1, y2 - y1)]


def cxcywh(corners: tuple[float, ...]) -> list[float]:
    x1, y1, x2, y2 = corners
    return [round(each, 2) for each in ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)]


def xyxy(corners: tuple[float, ...]) -> list[float]:
    return [round(each, 2) for each in corners]


def shares(corners: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(each / size for each, size in zip(corners, (WIDE, HIGH, WIDE, HIGH), strict=True))


def write_csv(path: Path, rows: list[Row], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_lines(path: Path, rows: list[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def write_parquet(path: Path, rows: list[Row]) -> None:
    write_lines(path.with_suffix(".jsonl"), rows)
    duckdb.sql(
        f"COPY (FROM read_json('{path.with_suffix('.jsonl')}', format = 'newline_delimited')) TO '{path}' (FORMAT parquet)"
    )
    path.with_suffix(".jsonl").unlink()


def images_of(rows: list[Row], **names: str) -> list[Row]:
    """A table of images with times and sizes; ``names``: what its columns are called."""
    ids = list(dict.fromkeys(row["image"] for row in rows))
    held = [
        {"image_id": image, "observed_at": f"2026-03-{1 + at // 24:02}T{at % 24:02}:00:00Z", "width": 640, "height": 480,
         "camera": f"c{at % 3}"}
        for at, image in enumerate(ids)
    ]  # fmt: skip
    return [{names.get(key, key): value for key, value in row.items()} for row in held]


def draft(folder: Path, tmp_path: Path) -> tuple[Draft, Model]:
    """What init makes of the folder, and the model that its text is."""
    found = draft_config(str(folder), tmp_path / "calwatch")
    return found, parse_config(found.text, "calwatch.toml", tmp_path / "calwatch").model[0]


def check(found: Draft, tmp_path: Path) -> CheckResult:
    target = tmp_path / "calwatch" / "calwatch.toml"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(found.text.replace(', "rules/own.toml"', ""), "utf-8")
    return check_config(target)


def demand_fine(found: Draft, tmp_path: Path) -> None:
    told = check(found, tmp_path)
    assert (told.mistakes, told.suspicions) == ([], [])
    assert [key for key, _ in found.todo if key == "check"] == []


def sources(model: Model) -> dict[str, dict[str, str]]:
    return {source.holds: dict(source.columns) for source in model.source}
