"""What ``calwatch check`` says of detections and truth that hardly meet, of truth in parts or half done."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.engine.check.check import check_config
from tests.sources.boxes.detector import source

_IMAGES = 120


def _world(seed: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A COCO document of truth with sizes and times, and results: three of four right, all images known."""
    random = np.random.default_rng(seed)
    images, annotations, results = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    for n in range(_IMAGES):
        wide, high = (1280, 960) if n % 2 else (1920, 1080)
        taken = f"2026-03-10T{n // 60:02d}:{n % 60:02d}:00+00:00"
        images.append({"id": n, "file_name": f"{n}.jpg", "width": wide, "height": high, "date_captured": taken})
        for column in random.permutation(4)[:3].tolist():
            box = [
                round(column * wide / 4 + random.uniform(2, wide / 16), 1), round(random.uniform(2, high / 2), 1),
                round(random.uniform(wide / 12, wide / 6), 1), round(random.uniform(high / 6, high / 2.5), 1),
            ]  # fmt: skip
            annotations.append({"id": len(annotations), "image_id": n, "category_id": 1 + column % 2, "bbox": box})
            if random.random() < 0.75:
                moved = [box[0] + 1, box[1] + 1, *box[2:]]
                results.append({"image_id": n, "category_id": 1 + column % 2, "bbox": moved, "score": 0.9})
    categories = [{"id": 1, "name": "person"}, {"id": 2, "name": "pallet"}]
    return {"images": images, "annotations": annotations, "categories": categories}, results


def _check(base: Path, truth: dict[str, Any], results: list[dict[str, Any]]) -> str:
    for holds, held in (("detections", results), ("truth", truth)):
        (base / holds).mkdir()
        (base / holds / "a.json").write_text(json.dumps(held))
    coco = "\n".join(source(name, 'format = "coco"').replace(".parquet", ".json") for name in ("detections", "truth"))
    (base / "calwatch.toml").write_text(f'[[model]]\nname = "m"\ntask = "detection"\n{coco}')
    found = check_config(base / "calwatch.toml")
    return "\n".join([*found.mistakes, *found.suspicions])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_is_said_of_honest_documents(seed: int, tmp_path: Path) -> None:
    assert _check(tmp_path, *_world(seed)) == ""


@pytest.mark.parametrize("seed", [0, 1])
def test_boxes_of_the_networks_input_are_told(seed: int, tmp_path: Path) -> None:
    truth, results = _world(seed)
    sizes = {each["id"]: (each["width"], each["height"]) for each in truth["images"]}
    for each in results:
        by = [640 / side for side in sizes[each["image_id"]]]
        each["bbox"] = [number * factor for number, factor in zip(each["bbox"], [*by, *by], strict=True)]
    assert "boxes in other coordinates" in _check(tmp_path, truth, results)


def test_detections_outside_of_images_whose_size_the_truth_says_are_told(tmp_path: Path) -> None:
    truth, results = _world()
    sizes = {each["id"]: each["width"] for each in truth["images"]}
    for each in results[:30]:
        each["bbox"][0], each["bbox"][2] = 0.5 * sizes[each["image_id"]], 1.1 * sizes[each["image_id"]]
    told = _check(tmp_path, truth, results)
    assert 'source "detections": 30 of 270 boxes tried reach beyond their image' in told
    assert "and 30 of them lie mostly outside and would be set aside as box_outside_image" in told


def test_a_detector_that_leaves_boxes_over_the_edge_is_no_more_than_worth_knowing(tmp_path: Path) -> None:
    truth, results = _world()
    for each in results[:60]:
        each["bbox"] = [-8, each["bbox"][1], 80, each["bbox"][3]]
    assert _check(tmp_path, truth, results) == ""


def test_results_of_other_images_by_the_same_ids_are_told(tmp_path: Path) -> None:
    truth, results = _world()
    for each in results:
        each["image_id"] = (each["image_id"] + 2) % _IMAGES
    assert "call other images by one image_id" in _check(tmp_path, truth, results)


def test_an_export_that_is_half_done_is_told(tmp_path: Path) -> None:
    truth, results = _world()
    truth["annotations"] = [each for each in truth["annotations"] if each["image_id"] < 0.4 * _IMAGES]
    assert "72 of 120 images of truth tried have no object" in _check(tmp_path, truth, results)


def _without_empty(base: Path, score: float, *, listed: bool = False, share: float = 0.3) -> str:
    """Truth with a row an object, of images of which a ``share`` holds none; detections there have about ``score``."""
    truth, results = _world()
    random = np.random.default_rng(7)
    empty = {n for n in range(_IMAGES) if random.random() < share}
    rows = [each for each in truth["annotations"] if each["image_id"] not in empty]
    lines = [f"{each['image_id']},{each['category_id']},{','.join(map(str, each['bbox']))}" for each in rows]
    lines += [f"{n},,,,," for n in sorted(empty)] if listed else []
    (base / "truth").mkdir()
    (base / "truth" / "a.csv").write_text("image_id,class,x,y,w,h\n" + "\n".join(lines) + "\n")
    (base / "images").mkdir()
    images = [f"{each['id']},{each['date_captured']},{each['width']},{each['height']}" for each in truth["images"]]
    (base / "images" / "a.csv").write_text("image_id,observed_at,width,height\n" + "\n".join(images) + "\n")
    (base / "detections").mkdir()
    for each in results:
        at = score if each["image_id"] in empty else 0.9
        each["score"] = round(float(np.clip(at + random.normal(0, 0.05), 0, 1)), 3)
    found = [
        f"{each['image_id']},{each['category_id']},{each['score']},{','.join(map(str, each['bbox']))}"
        for each in results
    ]
    (base / "detections" / "a.csv").write_text("image_id,class,score,x,y,w,h\n" + "\n".join(found) + "\n")
    kinds = "\n".join(
        source(name, 'format = "csv"').replace(".parquet", ".csv") for name in ("images", "detections", "truth")
    )
    (base / "calwatch.toml").write_text(f'[[model]]\nname = "m"\ntask = "detection"\n{kinds}')
    told = check_config(base / "calwatch.toml")
    return "\n".join([*told.mistakes, *told.suspicions])


def test_truth_that_leaves_out_images_without_objects_is_told(tmp_path: Path) -> None:
    assert "no image of truth tried is one without objects, and " in _without_empty(tmp_path, 0.5)


def test_images_without_objects_that_are_listed_are_fine(tmp_path: Path) -> None:
    assert _without_empty(tmp_path, 0.5, listed=True) == ""


def test_images_that_nobody_has_looked_at_and_that_look_like_others_are_fine(tmp_path: Path) -> None:
    assert _without_empty(tmp_path, 0.9, share=0.6) == ""


def test_mostly_empty_images_in_which_nothing_is_detected_are_fine(tmp_path: Path) -> None:
    truth, results = _world()
    truth["annotations"] = [each for each in truth["annotations"] if each["image_id"] < 0.4 * _IMAGES]
    for each in results:
        each["score"] = 0.9 if each["image_id"] < 0.45 * _IMAGES else 0.1
    assert _check(tmp_path, truth, results) == ""


def test_truth_files_with_a_class_each_are_told(tmp_path: Path) -> None:
    truth, results = _world()
    other = {**truth, "annotations": [each for each in truth["annotations"] if each["category_id"] == 2]}
    truth["annotations"] = [each for each in truth["annotations"] if each["category_id"] == 1]
    assert "several files say another truth" in _check_with(tmp_path, truth, results, other)


def _check_with(base: Path, truth: dict[str, Any], results: list[dict[str, Any]], other: dict[str, Any]) -> str:
    _check(base, truth, results)
    (base / "truth" / "b.json").write_text(json.dumps(other))
    found = check_config(base / "calwatch.toml")
    return "\n".join([*found.mistakes, *found.suspicions])


def test_the_same_truth_in_a_later_export_is_fine(tmp_path: Path) -> None:
    truth, results = _world()
    assert _check_with(tmp_path, truth, results, truth) == ""


def test_objects_in_images_without_detections_and_time_are_lost_for_recall(tmp_path: Path) -> None:
    truth, results = _world()
    for each in truth["images"]:
        if each["id"] >= 100:
            del each["date_captured"]
    results = [each for each in results if each["image_id"] < 100]
    assert "60 objects in 20 of 120 images of truth tried" in _check(tmp_path, truth, results)


def test_images_with_detections_of_which_nobody_says_the_time_are_told_beside_others(tmp_path: Path) -> None:
    truth, results = _world()
    for each in truth["images"]:
        if each["id"] >= 100:
            del each["date_captured"]
    assert "nobody says when they were taken" in _check(tmp_path, truth, results)


def test_what_is_wrong_with_many_files_alike_is_told_once(tmp_path: Path) -> None:
    for holds, score in (("detections", " 0.9"), ("truth", "")):
        (tmp_path / holds).mkdir()
        for n in range(30):
            (tmp_path / holds / f"{n}.txt").write_text(f"0 0.5 0.5 0.1 0.1{score}\n")
    yolo = "\n".join(source(name, 'format = "yolo"').replace(".parquet", ".txt") for name in ("detections", "truth"))
    (tmp_path / "calwatch.toml").write_text(f'[[model]]\nname = "m"\ntask = "detection"\n{yolo}')
    mistakes = check_config(tmp_path / "calwatch.toml").mistakes
    assert len(mistakes) == 1
    assert "30 files, such as" in mistakes[0]


def _check_rows(base: Path, held: dict[str, list[list[dict[str, Any]]]]) -> str:
    for holds, files in held.items():
        (base / holds).mkdir()
        for number, rows in enumerate(files):
            (base / holds / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (base / "calwatch.toml").write_text(f'[[model]]\nname = "m"\ntask = "detection"\n{"".join(map(source, held))}')
    found = check_config(base / "calwatch.toml")
    return "\n".join([*found.mistakes, *found.suspicions])


def _rows(count: int, **more: Any) -> list[dict[str, Any]]:
    """A box in each of so many images."""
    return [{"image_id": f"i{n}", "class": "cat", "x": 10, "y": 10 + n, "w": 20, "h": 20, **more} for n in range(count)]


@pytest.mark.parametrize(
    ("moved", "told"), [({"x": 11}, True), ({"class": "dog"}, True), ({"x": 40}, False), ({}, False)]
)
def test_corrections_appended_to_truth_are_told(moved: dict[str, Any], told: bool, tmp_path: Path) -> None:
    truth = _rows(30, labelled_at="2026-03-10 12:00:00")
    truth.append({**truth[7], **moved, "labelled_at": "2026-03-11 12:00:00"})
    said = _check_rows(tmp_path, {"images": [[{"image_id": f"i{n}", "observed_at": "2026-03-10 10:00:00"} for n in range(30)]],
                                  "detections": [_rows(30, score=0.5)], "truth": [truth]})  # fmt: skip
    assert ("were corrections appended?" in said) is told


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ({"x": 40}, True),
        ({"score": 0.4}, True),
        ({"class": "dog"}, True),
        ({}, False),
        ({"x": 40, "detection_id": "7"}, False),
    ],
)
def test_images_whose_detections_are_in_several_files_are_told(
    later: dict[str, Any], told: bool, tmp_path: Path
) -> None:
    first = _rows(30, score=0.5)
    said = _check_rows(tmp_path, {"images": [[{"image_id": f"i{n}", "observed_at": "2026-03-10 10:00:00"} for n in range(30)]],
                                  "detections": [first, [{**first[7], **later}]], "truth": [_rows(30)]})  # fmt: skip
    assert ("several files say other detections" in said) is told
