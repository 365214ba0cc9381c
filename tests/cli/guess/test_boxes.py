"""What init guesses of a detector's files: which hold images, detections, truth, what boxes are, and what it leaves open."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.guess.boxes.draft import draft_boxes
from tests.cli.guess.detectors import (
    CLASSES,
    Row,
    cxcywh,
    demand_fine,
    detections,
    draft,
    images_of,
    objects,
    shares,
    sources,
    write_csv,
    write_lines,
    write_parquet,
    xywh,
    xyxy,
)

DATA = Path(__file__).parents[2] / "data" / "vision"
REAL = {  # files of real detectors that lie together
    "coco": ("coco_val2014_100.json", "coco_val2014_100_fakebbox.json"),
    "tables": ("images.parquet", "faster-rcnn-resnet-50.parquet", "coco_val2017_gt.parquet"),
    "padilla": ("padilla_detections.csv", "padilla_truths.csv"),
}


def german(folder: Path, truth: list[Row], found: list[Row]) -> None:
    images = images_of(
        truth, image_id="Bildname", observed_at="Aufnahmezeit", width="Breite", height="Höhe", camera="Kamera"
    )
    write_csv(folder / "bilder.csv", images, ";")
    for name, rows in (("erkannt", found), ("wahrheit", truth)):
        write_csv(folder / f"{name}.csv", [
            {"Bild": row["image"], "Klasse": row["class"],
             **dict(zip(("Links", "Oben", "Rechts", "Unten"), xyxy(row["corners"]), strict=True)),
             **({"Konfidenz": row["score"]} if "score" in row else {})} for row in rows
        ], ";")  # fmt: skip


def centres_called_corners(folder: Path, truth: list[Row], found: list[Row]) -> None:
    write_parquet(folder / "images.parquet", images_of(truth))
    for name, rows in (("predictions", found), ("labels", truth)):
        write_lines(folder / f"{name}.jsonl", [
            {"image_id": row["image"], "label": row["class"],
             **dict(zip(("x", "y", "width", "height"), cxcywh(row["corners"]), strict=True)),
             **({"confidence": row["score"]} if "score" in row else {})} for row in rows
        ])  # fmt: skip


def corners_called_sizes(folder: Path, truth: list[Row], found: list[Row]) -> None:
    write_csv(folder / "images.csv", images_of(truth))
    for name, rows in (("det", found), ("gt", truth)):
        write_csv(folder / f"{name}.csv", [
            {"image_id": row["image"], "class": row["class"], **dict(zip("xywh", xyxy(row["corners"]), strict=True)),
             **({"score": row["score"]} if "score" in row else {})} for row in rows
        ])  # fmt: skip


def lists_of_corners(folder: Path, truth: list[Row], found: list[Row]) -> None:
    write_lines(folder / "frames.jsonl", images_of(truth, image_id="frame_id", observed_at="captured_at"))
    for name, rows in (("det", found), ("gt", truth)):
        write_lines(folder / name / "1.jsonl", [
            {"frame_id": row["image"], "category": row["class"], "bbox": xyxy(row["corners"]),
             **({"conf": row["score"]} if "score" in row else {})} for row in rows
        ])  # fmt: skip


def shares_and_percent(folder: Path, truth: list[Row], found: list[Row]) -> None:
    write_parquet(folder / "pictures.parquet", images_of(truth, image_id="id", observed_at="timestamp"))
    for name, rows in (("det", found), ("gt", truth)):
        write_parquet(folder / f"{name}.parquet", [
            {"filename": row["image"], "class_name": row["class"],
             **dict(zip(("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"), shares(row["corners"]), strict=True)),
             **({"conf": round(100 * row["score"], 1)} if "score" in row else {})} for row in rows
        ])  # fmt: skip


def times_of_detections(folder: Path, truth: list[Row], found: list[Row]) -> None:
    times = {row["image_id"]: row["observed_at"] for row in images_of(truth)}
    for name, rows in (("det", found), ("gt", truth)):
        write_csv(folder / f"{name}.csv", [
            {"img": row["image"], "ts": times[row["image"]], "cls": row["class"],
             **dict(zip(("left", "top", "width", "height"), xywh(row["corners"]), strict=True)),
             **({"prob": row["score"]} if "score" in row else {})} for row in rows
        ])  # fmt: skip


def dicts_of_torchvision(folder: Path, truth: list[Row], found: list[Row]) -> None:
    """Exploded into a data frame, which has an index, and its lists as text."""
    write_csv(folder / "images.csv", [{"": at, **row} for at, row in enumerate(images_of(truth))])
    for name, rows in (("predictions", found), ("ground_truth", truth)):
        write_csv(folder / f"{name}.csv", [
            {"": at, "image_id": row["image"], "boxes": str(xyxy(row["corners"])), "labels": CLASSES.index(row["class"]),
             **({"scores": row["score"]} if "score" in row else {})} for at, row in enumerate(rows)
        ])  # fmt: skip


TABLES: dict[str, Callable[[Path, list[Row], list[Row]], None]] = {
    each.__name__: each
    for each in (
        german,
        centres_called_corners,
        corners_called_sizes,
        lists_of_corners,
        shares_and_percent,
        times_of_detections,
        dicts_of_torchvision,
    )
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_become_sources_that_check_finds_fine(kind: str, tmp_path: Path) -> None:
    truth = objects()
    TABLES[kind](tmp_path / "export", truth, detections(truth))
    found, model = draft(tmp_path / "export", tmp_path)
    assert model.task.value == "detection"
    expected = {"detections", "truth"} if kind == "times_of_detections" else {"images", "detections", "truth"}
    assert set(sources(model)) == expected
    demand_fine(found, tmp_path)


def test_boxes_are_told_by_the_images_they_lie_in_where_names_say_otherwise(tmp_path: Path) -> None:
    truth = objects()
    centres_called_corners(tmp_path / "a", truth, detections(truth))
    found, model = draft(tmp_path / "a", tmp_path)
    for holds in ("detections", "truth"):
        assert sources(model)[holds].items() >= {"cx": "x", "cy": "y", "w": "width", "h": "height"}.items()
    assert "of boxes lie inside of their images so read" in found.text
    corners_called_sizes(tmp_path / "b", truth, detections(truth))
    _, model = draft(tmp_path / "b", tmp_path)
    assert sources(model)["truth"].items() >= {"x1": "x", "y1": "y", "x2": "w", "y2": "h"}.items()


def test_a_list_of_four_says_its_layout_once_for_both_sides(tmp_path: Path) -> None:
    truth = objects()
    lists_of_corners(tmp_path / "a", truth, detections(truth))
    _, model = draft(tmp_path / "a", tmp_path)
    assert model.matching is not None
    assert model.matching.boxes == "xyxy"
    assert {source.path.rpartition("/")[0].rpartition("/")[2] for source in model.source} >= {"det", "gt"}


def test_percentages_units_and_slices_are_told(tmp_path: Path) -> None:
    truth = objects()
    shares_and_percent(tmp_path / "a", truth, detections(truth))
    _, model = draft(tmp_path / "a", tmp_path)
    assert next(source for source in model.source if source.holds == "detections").score_unit == "percent"
    assert model.slices == ("camera", "class")
    german(tmp_path / "b", truth, detections(truth))
    _, model = draft(tmp_path / "b", tmp_path)
    assert model.slices == ("kamera", "class")


def rows_of(found: list[Row], **more: Any) -> list[Row]:
    times = {row["image_id"]: row["observed_at"] for row in images_of(found)}
    return [
        {"image_id": row["image"], "observed_at": times[row["image"]], "class": row["class"], "score": row["score"],
         **dict(zip(("x", "y", "w", "h"), xywh(row["corners"]), strict=True)), **more} for row in found
    ]  # fmt: skip


def test_two_detectors_of_the_same_images_are_not_mixed(tmp_path: Path) -> None:
    truth = objects()
    for name, seed in (("a", 3), ("b", 4)):
        write_csv(tmp_path / "set" / f"{name}.csv", rows_of(detections(truth, seed)))
    found, model = draft(tmp_path / "set", tmp_path)
    assert [source.path.rpartition("/")[2] for source in model.source] == ["a.csv"]
    assert any("b.csv speaks of the same images" in what for _, what in found.todo)


def test_days_of_one_detector_are_one_source_beside_other_files(tmp_path: Path) -> None:
    truth = objects(90)
    ids = sorted({row["image"] for row in truth})
    for day in range(3):
        own = [row for row in detections(truth) if row["image"] in ids[day * 30 : day * 30 + 30]]
        write_csv(tmp_path / "set" / f"det-{day}.csv", rows_of(own))
    write_csv(
        tmp_path / "set" / "gt.csv",
        [{key: row[key] for key in row if key != "score"} for row in rows_of(detections(truth, 2))],
    )
    found, model = draft(tmp_path / "set", tmp_path)
    assert {source.holds: source.path.rpartition("/")[2] for source in model.source} == {
        "detections": "det-*.csv",
        "truth": "gt.csv",
    }
    demand_fine(found, tmp_path)


def test_rows_that_are_matched_already_and_alone_stay_as_they_were(tmp_path: Path) -> None:
    rows = [
        {**row, "detection_id": f"d{at}", "matched": at % 2} for at, row in enumerate(rows_of(detections(objects())))
    ]
    write_csv(tmp_path / "set" / "a.csv", rows)
    assert draft_boxes(str(tmp_path / "set"), tmp_path / "calwatch") is None
    _, model = draft(tmp_path / "set", tmp_path)
    assert [source.holds for source in model.source] == ["samples"]


def classifiers() -> Iterator[list[Row]]:
    yield [
        {"image_id": f"i{at}", "observed_at": "2026-03-01T00:00:00Z", "score": 0.5, "outcome": at % 2}
        for at in range(50)
    ]
    yield [{"id": at, "width": 3, "height": 4, "label": at % 2, "score": 0.3} for at in range(50)]


@pytest.mark.parametrize("rows", list(classifiers()))
def test_what_is_no_box_is_none_of_these(rows: list[Row], tmp_path: Path) -> None:
    write_csv(tmp_path / "set" / "a.csv", rows)
    assert draft_boxes(str(tmp_path / "set"), tmp_path / "calwatch") is None


def test_without_sizes_a_corner_and_a_centre_cannot_be_told_and_that_is_said(tmp_path: Path) -> None:
    truth = [row for row in objects(200) if min(row["corners"]) > 100]
    for name, rows in (("det", detections(truth)), ("gt", truth)):
        times = {row["image_id"]: row["observed_at"] for row in images_of(truth)}
        write_lines(tmp_path / "set" / f"{name}.jsonl", [
            {"image_id": row["image"], "observed_at": times[row["image"]], "class": row["class"], "box": xywh(row["corners"]),
             **({"score": row["score"]} if "score" in row else {})} for row in rows
        ])  # fmt: skip
    found, model = draft(tmp_path / "set", tmp_path)
    assert model.matching is not None
    assert model.matching.boxes == "xywh"
    assert any(key == "boxes" and "a corner or a centre?" in what for key, what in found.todo)


@pytest.mark.parametrize("name", REAL)
def test_real_files_lack_nothing_but_times(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for each in REAL[name]:
        shutil.copy(DATA / each, folder)
    found, model = draft(folder, tmp_path / "watch")
    assert {"detections", "truth"} <= set(sources(model))
    told = [what for key, what in found.todo if key == "check"]
    assert len(told) == 1
    assert "nobody says when they were taken" in told[0]
