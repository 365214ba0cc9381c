"""What `init --from` makes of YOLO, Pascal VOC and COCO."""

import json
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.guess.boxes.names import find_class_names
from tests.cli.guess.detectors import (
    CLASSES,
    Row,
    demand_fine,
    detections,
    draft,
    images_of,
    objects,
    shares,
    sources,
    write_csv,
    write_parquet,
    xywh,
    xyxy,
)


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


@pytest.mark.parametrize("names", [("file_name", "id"), ("id", "file_name")])
def test_images_with_a_name_and_a_number_are_named_as_boxes_name_them(names: tuple[str, str], tmp_path: Path) -> None:
    """As a data frame of the `images` of a COCO document has both."""
    truth, classes = objects(), {name: at + 1 for at, name in enumerate(CLASSES)}
    base = tmp_path / "coco"
    base.mkdir()
    (base / "annotations.json").write_text(json.dumps(coco(truth, classes)), "utf-8")
    (base / "results.json").write_text(json.dumps(results(detections(truth), truth, classes)), "utf-8")
    write_csv(base / "images.csv", [
        {**{name: (f"val_{row['image_id']}.jpg" if name == "file_name" else at + 1) for name in names},
         "width": row["width"], "height": row["height"], "taken": row["observed_at"]}
        for at, row in enumerate(images_of(truth))
    ])  # fmt: skip
    found, model = draft(base, tmp_path)
    assert sources(model)["images"]["image_id"] == "id"
    assert "image_id" not in sources(model)["truth"]
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
