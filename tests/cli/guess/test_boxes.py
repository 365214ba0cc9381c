"""What init guesses of a detector's files: which hold images, detections, truth, what boxes are, and what it leaves open."""

import csv
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.cli.guess.boxes.draft import draft_boxes
from monitor.cli.guess.boxes.names import find_class_names
from monitor.cli.guess.draft import Draft, draft_config
from monitor.config.settings import Model, parse_config
from monitor.engine.check.check import CheckResult, check_config

DATA = Path(__file__).parents[2] / "data" / "vision"
REAL = {  # files of real detectors that lie together
    "coco": ("coco_val2014_100.json", "coco_val2014_100_fakebbox.json"),
    "tables": ("images.parquet", "faster-rcnn-resnet-50.parquet", "coco_val2017_gt.parquet"),
    "padilla": ("padilla_detections.csv", "padilla_truths.csv"),
}
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


TABLES: dict[str, Callable[[Path, list[Row], list[Row]], None]] = {
    each.__name__: each
    for each in (
        german,
        centres_called_corners,
        corners_called_sizes,
        lists_of_corners,
        shares_and_percent,
        times_of_detections,
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


def write_yolo(folder: Path, rows: list[Row], *, scored: bool) -> None:
    by_image: dict[str, list[str]] = {}
    for row in rows:
        numbers = [CLASSES.index(row["class"]), *cxcywh_shares(row["corners"]), *([row["score"]] if scored else [])]
        by_image.setdefault(row["image"], []).append(" ".join(f"{number:.6g}" for number in numbers))
    folder.mkdir(parents=True)
    for image, lines in by_image.items():
        (folder / f"{image}.txt").write_text("\n".join(lines), "utf-8")


def cxcywh_shares(corners: tuple[float, ...]) -> list[float]:
    x1, y1, x2, y2 = shares(corners)
    return [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]


YAML = {
    "numbered": "path: .\nnc: 3\nnames:\n  0: person\n  1: forklift  # with its load\n  2: 'pallet'\n",
    "listed": 'names: ["person", forklift, pallet]\n', "dashes": "names:\n- person\n- forklift\n- pallet\n",
}  # fmt: skip


@pytest.mark.parametrize("yaml", [*YAML, "classes.txt"])
def test_yolo_folders_with_their_names_of_classes_become_detections_and_truth(yaml: str, tmp_path: Path) -> None:
    truth = objects()
    base = tmp_path / "set"
    write_yolo(base / "labels", truth, scored=False)
    write_yolo(base / "runs" / "labels", detections(truth), scored=True)
    (base / "labels" / "img999.txt").write_text("", "utf-8")
    if yaml in YAML:
        (base / "data.yaml").write_text(YAML[yaml], "utf-8")
    else:
        (base / "labels" / "classes.txt").write_text("\n".join(CLASSES), "utf-8")
    write_csv(base / "images.csv", images_of([*truth, {"image": "img999"}]))
    found, model = draft(base, tmp_path)
    assert model.classes == CLASSES
    assert {source.holds: source.format for source in model.source} == {
        "images": "auto",
        "detections": "yolo",
        "truth": "yolo",
    }
    demand_fine(found, tmp_path)


def test_classes_that_nobody_names_stay_numbers(tmp_path: Path) -> None:
    assert find_class_names([tmp_path / "labels" / "a.txt"]) is None
    (tmp_path / "data.yaml").write_text("names:\n  1: a\n  2: b\n", "utf-8")
    assert find_class_names([tmp_path / "labels" / "a.txt"]) is None


def voc(image: str, rows: list[Row], filename: str | None) -> str:
    boxes = "".join(
        f"<object><name>{row['class']}</name><bndbox>"
        f"<xmin>{row['corners'][0] + 1:.0f}</xmin><ymin>{row['corners'][1] + 1:.0f}</ymin>"
        f"<xmax>{row['corners'][2]:.0f}</xmax><ymax>{row['corners'][3]:.0f}</ymax></bndbox></object>"
        for row in rows
    )
    named = f"<filename>{filename.format(image)}</filename>" if filename else ""
    return f"<annotation>{named}<size><width>640</width><height>480</height></size>{boxes}</annotation>"


@pytest.mark.parametrize(("filename", "key"), [("{}.jpg", "file_stem"), (None, "xml_stem"), ("{}", None)])
def test_voc_beside_a_table_names_images_as_the_table_does(
    filename: str | None, key: str | None, tmp_path: Path
) -> None:
    truth = objects()
    base = tmp_path / "set"
    (base / "Annotations").mkdir(parents=True)
    for image in {row["image"] for row in truth}:
        own = [row for row in truth if row["image"] == image]
        (base / "Annotations" / f"{image}.xml").write_text(voc(image, own, filename), "utf-8")
    times = {row["image_id"]: row["observed_at"] for row in images_of(truth)}
    write_parquet(base / "detections.parquet", [
        {"image": row["image"], "observed_at": times[row["image"]], "class": row["class"], "score": row["score"],
         **dict(zip(("xmin", "ymin", "xmax", "ymax"), xyxy(row["corners"]), strict=True))} for row in detections(truth)
    ])  # fmt: skip
    found, model = draft(base, tmp_path)
    assert sources(model)["truth"].get("image_id") == key
    demand_fine(found, tmp_path)


def coco(truth: list[Row], names: dict[str, int], **document: Any) -> dict[str, Any]:
    images = images_of(truth)
    number = {row["image_id"]: at + 1 for at, row in enumerate(images)}
    return {
        "images": [{"id": number[row["image_id"]], "file_name": f"{row['image_id']}.jpg", "width": 640, "height": 480,
                    "date_captured": row["observed_at"]} for row in images],
        "annotations": [{"id": at, "image_id": number[row["image"]], "category_id": names[row["class"]],
                         "bbox": xywh(row["corners"]),
                         "iscrowd": 0} for at, row in enumerate(truth)],
        "categories": [{"id": id_, "name": name} for name, id_ in names.items()], **document,
    }  # fmt: skip


def results(found: list[Row], truth: list[Row], names: dict[str, int]) -> list[Row]:
    number = {row["image_id"]: at + 1 for at, row in enumerate(images_of(truth))}
    return [{"image_id": number[row["image"]], "category_id": names[row["class"]],
             "bbox": xywh(row["corners"]), "score": row["score"]}
            for row in found]  # fmt: skip


def test_coco_files_of_one_folder_are_told_apart(tmp_path: Path) -> None:
    truth, names = objects(), {name: at + 1 for at, name in enumerate(CLASSES)}
    base = tmp_path / "coco"
    base.mkdir()
    (base / "annotations.json").write_text(json.dumps(coco(truth, names)), "utf-8")
    (base / "results.json").write_text(json.dumps(results(detections(truth), truth, names)), "utf-8")
    found, model = draft(base, tmp_path)
    assert {source.holds: source.path.rpartition("/")[2] for source in model.source} == {
        "detections": "results.json", "truth": "annotations.json"
    }  # fmt: skip
    demand_fine(found, tmp_path)


def test_numbers_of_classes_that_are_shifted_are_told_in_the_file_and_not_mended(tmp_path: Path) -> None:
    truth, names = objects(), {name: at + 1 for at, name in enumerate(CLASSES)}
    base = tmp_path / "coco"
    base.mkdir()
    (base / "annotations.json").write_text(json.dumps(coco(truth, names)), "utf-8")
    from_zero = {name: at for at, name in enumerate(CLASSES)}
    (base / "results.json").write_text(json.dumps(results(detections(truth), truth, from_zero)), "utf-8")
    found, _ = draft(base, tmp_path)
    assert "# to do: check: " in found.text
    assert "from 0" in found.text


def test_masks_are_left_out_with_why(tmp_path: Path) -> None:
    truth, names = objects(), {name: at + 1 for at, name in enumerate(CLASSES)}
    base = tmp_path / "coco"
    base.mkdir()
    (base / "annotations.json").write_text(json.dumps(coco(truth, names)), "utf-8")
    masks = [
        {**row, "segmentation": {"counts": "abc", "size": [480, 640]}}
        for row in results(detections(truth), truth, names)
    ]
    (base / "masks.json").write_text(
        json.dumps([{key: row[key] for key in row if key != "bbox"} for row in masks]), "utf-8"
    )
    found, model = draft(base, tmp_path)
    assert {source.holds: source.path.rpartition("/")[2] for source in model.source} == {
        "detections": "*.parquet", "truth": "annotations.json"
    }  # fmt: skip
    assert any("masks.json is left out" in what and "bbox" in what for _, what in found.todo)
    assert any("no file with scores was found" in what for _, what in found.todo)


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
