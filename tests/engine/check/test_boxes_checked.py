"""What ``calwatch check`` says of a detector's sources: the classic mistakes, and nothing of honest files."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from monitor.engine.check.check import CheckResult, check_config
from tests.sources.boxes.detector import DATA, TAKEN, source
from tests.worlds.store import DAY, NOW, write_parquet

ROWS = 400  # boxes, four an image
Row = dict[str, Any]


def _minute(number: int) -> str:
    return f"2026-03-10 {number // 60:02d}:{number % 60:02d}:00"


def _world(seed: int = 0) -> dict[str, list[Row]]:
    """Images of 640 × 480 with objects, and detections of most of them; boxes as corner and size."""
    random = np.random.default_rng(seed)
    images: list[Row] = [
        {"image_id": f"img_{n:03d}.jpg", "observed_at": _minute(n), "width": 640, "height": 480}
        for n in range(ROWS // 4)
    ]
    truth, detections = list[Row](), list[Row]()
    for n in range(ROWS):
        w, h = random.uniform(20, 200), random.uniform(20, 150)
        row: Row = {
            "image_id": images[n // 4]["image_id"], "class": str(random.integers(0, 5)), "x": random.uniform(0, 640 - w),
            "y": random.uniform(0, 480 - h), "w": w, "h": h,
        }  # fmt: skip
        truth.append(row)
        if random.random() < 0.9:
            moved = {**row, "x": max(row["x"] - 2, 0), "y": max(row["y"] - 2, 0)}
            detections.append({**moved, "score": random.uniform(0.3, 1)})
    return {"images": images, "detections": detections, "truth": truth}


def _checked(
    base: Path,
    world: dict[str, list[Row]],
    *,
    matching: str = "",
    settings: str = "",
    extra: dict[str, str] | None = None,
) -> CheckResult:
    for holds, rows in world.items():
        (base / holds).mkdir(parents=True, exist_ok=True)
        if rows:
            write_parquet(base / holds / "a.parquet", rows)
    return _check(base, tuple(world), matching=matching, settings=settings, extra=extra)


def _check(
    base: Path, holds: tuple[str, ...], *, matching: str = "", settings: str = "", extra: dict[str, str] | None = None
) -> CheckResult:
    sources = "".join(source(name, (extra or {}).get(name, "")) for name in holds)
    text = f'[[model]]\nname = "m"\ntask = "detection"\n{settings}\n{sources}'
    (base / "calwatch.toml").write_text(text + (f"[model.matching]\n{matching}\n" if matching else ""))
    return check_config(base / "calwatch.toml")


def _told(found: CheckResult) -> str:
    return "\n".join([*found.mistakes, *found.suspicions])


def _each(rows: list[Row], change: Callable[[Row], Row]) -> list[Row]:
    return [{**row, **change(row)} for row in rows]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_honest_boxes_are_fine(seed: int, tmp_path: Path) -> None:
    found = _checked(tmp_path, _world(seed))
    assert _told(found) == ""
    assert any("rows of" in text and "100 images" in text for text in found.sources), found.sources


@pytest.mark.slow
@pytest.mark.parametrize("name", ["faster-rcnn-resnet-50", "ssd-inception-v2"])
def test_real_detectors_are_fine(name: str, tmp_path: Path) -> None:
    corners = 'columns = { x1 = "xmin", y1 = "ymin", x2 = "xmax", y2 = "ymax" }'
    queries = {
        "images": f"SELECT image_id, TIMESTAMP '{TAKEN}' - to_minutes(image_id % 1440) AS observed_at "
                  f"FROM '{DATA}/images.parquet'",
        "detections": f"FROM '{DATA}/{name}.parquet'", "truth": f"FROM '{DATA}/coco_val2017_gt.parquet'",
    }  # fmt: skip
    for holds, query in queries.items():
        (tmp_path / holds).mkdir()
        duckdb.sql(f"COPY ({query}) TO '{tmp_path / holds / 'a.parquet'}' (FORMAT parquet)")
    found = _check(tmp_path, ("images", "detections", "truth"), extra={"detections": corners, "truth": corners})
    assert _told(found) == ""


def test_corners_in_columns_of_corner_and_size_are_told(tmp_path: Path) -> None:
    world = _world()
    world["detections"] = _each(world["detections"], lambda row: {"w": row["x"] + row["w"], "h": row["y"] + row["h"]})
    assert re.search(r'source "detections".*they look like two corners \(xyxy\)', _told(_checked(tmp_path, world)))


def test_corner_and_size_in_columns_of_corners_are_told(tmp_path: Path) -> None:
    world = _world()
    world["truth"] = [
        {
            "image_id": row["image_id"],
            "class": row["class"],
            "x1": row["x"],
            "y1": row["y"],
            "x2": row["w"],
            "y2": row["h"],
        }
        for row in world["truth"]
    ]
    told = _told(_checked(tmp_path, world))
    assert re.search(r'source "truth".*read as xyxy.*no width or height', told)
    assert "they look like a corner and a size (xywh)" in told


def test_centres_in_a_list_read_as_corners_are_told(tmp_path: Path) -> None:
    world = _world()
    world["truth"] = [
        {
            "image_id": row["image_id"], "class": row["class"],
            "box": [row["x"] + row["w"] / 2, row["y"] + row["h"] / 2, row["w"], row["h"]],
        }
        for row in world["truth"]
    ]  # fmt: skip
    told = _told(_checked(tmp_path, world))
    assert 'source "truth"' in told
    assert "cxcywh" in told
    assert (
        _told(_checked(tmp_path, {**world, "detections": _centres(world["detections"])}, matching='boxes = "cxcywh"'))
        == ""
    )


def _centres(rows: list[Row]) -> list[Row]:
    return [
        {
            "image_id": row["image_id"], "class": row["class"], "score": row["score"],
            "box": [row["x"] + row["w"] / 2, row["y"] + row["h"] / 2, row["w"], row["h"]],
        }
        for row in rows
    ]  # fmt: skip


def _shares(row: Row) -> Row:
    return {"x": row["x"] / 640, "y": row["y"] / 480, "w": row["w"] / 640, "h": row["h"] / 480}


def test_shares_beside_pixels_are_fine_where_images_have_sizes(tmp_path: Path) -> None:
    world = _world()
    world["detections"] = _each(world["detections"], _shares)
    assert _told(_checked(tmp_path, world)) == ""


def test_shares_beside_pixels_of_images_without_sizes_are_told(tmp_path: Path) -> None:
    world = _world()
    world["detections"] = _each(world["detections"], _shares)
    world["images"] = [{"image_id": row["image_id"], "observed_at": row["observed_at"]} for row in world["images"]]
    told = _told(_checked(tmp_path, world))
    assert "boxes of detections shares of the image (0 to 1) and truth pixels, and of 100 images tried" in told
    world["truth"] = _each(world["truth"], _shares)
    assert _told(_checked(tmp_path, world)) == ""
    assert "slices by size" in _told(_checked(tmp_path, world, matching="size = [32, 96]"))


def test_shares_among_pixels_are_told(tmp_path: Path) -> None:
    world = _world()
    world["truth"] = [{**row, **(_shares(row) if n % 3 == 0 else {})} for n, row in enumerate(world["truth"])]
    assert re.search(r'source "truth".*have no number above 1.5', _told(_checked(tmp_path, world)))


@pytest.mark.parametrize(("shift", "said"), [(1, "one more than the object's"), (-1, "one less than the object's")])
def test_classes_that_are_shifted_by_one_are_told_and_not_mended(shift: int, said: str, tmp_path: Path) -> None:
    world = _world()
    world["detections"] = _each(world["detections"], lambda row: {"class": str(int(row["class"]) + shift)})
    told = _told(_checked(tmp_path, world))
    assert said in told
    assert "Nothing is shifted here" in told


def test_numbers_beside_names_are_told_with_what_lies_on_what(tmp_path: Path) -> None:
    world = _world()
    world["truth"] = _each(
        world["truth"], lambda row: {"class": ("cat", "dog", "car", "bus", "cow")[int(row["class"])]}
    )
    told = _told(_checked(tmp_path, world))
    assert re.search(r'"\d" on "(cat|dog|car|bus|cow)" \(\d+\)', told)
    assert "Those of detections are numbers" in told


def test_classes_that_do_not_overlap_are_told_where_boxes_do_not_either(tmp_path: Path) -> None:
    world = _world()
    world["truth"] = _each(
        world["truth"], lambda row: {"class": "Fire_truck", "x": row["x"] / 9, "y": row["y"] / 9, "w": 5, "h": 5}
    )
    world["detections"] = _each(world["detections"], lambda row: {"class": "fire truck"})
    told = _told(_checked(tmp_path, world))
    assert "none can be right" in told
    assert "upper and lower case, blanks or underscores" in told


def test_boxes_outside_their_images_are_told(tmp_path: Path) -> None:
    world = _world()
    world["truth"] = [{**row, "x": 630.0} if n < 30 else row for n, row in enumerate(world["truth"])]
    assert "box_outside_image" in _told(_checked(tmp_path, world)) + "".join(_checked(tmp_path, world).notes)


def test_images_whose_sides_are_turned_are_told(tmp_path: Path) -> None:
    world = _world()
    world["images"] = _each(world["images"], lambda row: {"width": 480, "height": 640})
    assert "map width and height the other way round" in _told(_checked(tmp_path, world))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda id_: id_.removesuffix(".jpg"), "the file ending"),
        (lambda id_: f"data/cam1/{id_}", "in front"),
        (lambda id_: id_.replace("img_0", "img_"), "zeros"),
        (str.upper, "upper and lower case"),
    ],
)
def test_image_ids_that_are_written_otherwise_are_told_with_the_difference(
    change: Callable[[str], str], said: str, tmp_path: Path
) -> None:
    world = _world()
    world["truth"] = _each(world["truth"], lambda row: {"image_id": change(row["image_id"])})
    told = _told(_checked(tmp_path, world))
    assert "of the 100 images of objects tried are in no source of images" in told
    assert said in told
    assert "label" not in told


def test_truth_of_images_that_nobody_lists_is_told(tmp_path: Path) -> None:
    world = _world()
    world["images"] = world["images"][:20]
    told = _told(_checked(tmp_path, world))
    assert re.search(r"80 of the 100 images of objects tried are in no source of images", told)


def test_images_that_nobody_dates_are_told(tmp_path: Path) -> None:
    world = _world()
    world["images"] = [{key: row[key] for key in ("image_id", "width", "height")} for row in world["images"]]
    assert "of all 100 images tried" in _told(_checked(tmp_path, world))


def test_one_time_of_all_images_is_told(tmp_path: Path) -> None:
    world = _world()
    world["images"] = _each(world["images"], lambda row: {"observed_at": TAKEN})
    assert "all 100 images tried were observed at 2026-03-10 10:00:00: is it when they were exported" in _told(
        _checked(tmp_path, world)
    )


@pytest.mark.parametrize(("apart", "told"), [(1, True), (0, False)])
def test_detections_of_one_image_at_several_times_are_told(apart: int, told: bool, tmp_path: Path) -> None:
    """As where each row says when it was written."""
    world = _world()
    del world["images"]
    world["detections"] = [
        {**row, "observed_at": f"2026-03-10 {int(row['image_id'][4:7]) // 60:02d}:{int(row['image_id'][4:7]) % 60:02d}:"
                               f"{apart * place % 60:02d}"}
        for place, row in enumerate(world["detections"])
    ]  # fmt: skip
    assert ("would be set aside as conflicting_time" in _told(_checked(tmp_path, world))) is told


@pytest.mark.parametrize("holds", ["images", "detections", "truth"])
def test_images_too_old_for_retention_are_told_by_what_says_when_they_were_taken(holds: str, tmp_path: Path) -> None:
    world = _world()
    times = {row["image_id"]: row["observed_at"] for row in world["images"]}
    if holds != "images":
        del world["images"]
        world[holds] = [{**row, "observed_at": times[row["image_id"]]} for row in world[holds]]
    _checked(tmp_path, world)
    found, later = (check_config(tmp_path / "calwatch.toml", NOW + days * DAY) for days in (0, 200))
    assert "older than retention" not in "\n".join(found.notes)
    (said,) = [note for note in later.notes if "are older than retention (90d)" in note]
    assert f'source "{holds}": {len(world[holds])} of the' in said


def test_a_detector_without_truth_is_told(tmp_path: Path) -> None:
    world = _world()
    del world["truth"]
    found = _checked(tmp_path, world)
    assert _told(found) == ""
    assert any("no source holds truth" in note for note in found.notes)


def test_one_stem_in_two_folders_of_yolo_is_told(tmp_path: Path) -> None:
    world = _world()
    for folder in ("front", "rear"):
        (tmp_path / "truth" / folder).mkdir(parents=True)
        for n in range(5):
            (tmp_path / "truth" / folder / f"img_{n:03d}.txt").write_text("0 .5 .5 .2 .2\n")
    del world["truth"]
    for holds, rows in world.items():
        (tmp_path / holds).mkdir()
        write_parquet(tmp_path / holds / "a.parquet", rows)
    extra = {"truth": 'format = "yolo"'}
    sources = "".join(source(name, extra.get(name, "")) for name in ("images", "detections", "truth"))
    (tmp_path / "calwatch.toml").write_text(
        f'[[model]]\nname = "m"\ntask = "detection"\n{sources}'.replace('"truth/*"', '"truth/**/*.txt"')
    )
    told = _told(check_config(tmp_path / "calwatch.toml"))
    assert 'such as "img_000" in' in told
    assert "folder_stem" in told


def test_coco_by_numbers_beside_coco_by_names_is_fine(tmp_path: Path) -> None:
    truth = json.loads((DATA / "coco_val2014_100.json").read_text())
    images = [
        {**image, "date_captured": f"2026-03-10 {n // 60:02d}:{n % 60:02d}:00"}
        for n, image in enumerate(truth["images"])
    ]
    for holds in ("detections", "truth"):
        (tmp_path / holds).mkdir()
    (tmp_path / "truth" / "a.json").write_text(json.dumps({**truth, "images": images}))
    (tmp_path / "detections" / "a.json").write_bytes((DATA / "coco_val2014_100_fakebbox.json").read_bytes())
    coco = {"detections": 'format = "coco"', "truth": 'format = "coco"'}
    assert _told(_check(tmp_path, ("detections", "truth"), extra=coco)) == ""


def test_categories_that_count_from_0_beside_coco_by_names_are_told(tmp_path: Path) -> None:
    images = [{"id": n, "date_captured": _minute(n), "width": 640, "height": 480} for n in range(100)]
    categories = [{"id": n, "name": name} for n, name in enumerate(("cat", "dog", "car", "bus", "cow"), 1)]
    random = np.random.default_rng(3)
    truth, detections = list[Row](), list[Row]()
    for n in range(ROWS):
        row = {
            "image_id": n // 4,
            "category_id": n % 5 + 1,
            "bbox": [*random.uniform(0, 200, 2), *random.uniform(20, 200, 2)],
        }
        truth.append({**row, "id": n, "iscrowd": 0})
        detections.append({**row, "category_id": n % 5, "score": 0.9})
    for holds, value in (
        ("truth", {"images": images, "annotations": truth, "categories": categories}), ("detections", detections),
    ):  # fmt: skip
        (tmp_path / holds).mkdir()
        (tmp_path / holds / "a.json").write_text(json.dumps(value))
    coco = {"detections": 'format = "coco"', "truth": 'format = "coco"'}
    told = _told(_check(tmp_path, ("detections", "truth"), extra=coco))
    assert "its class is one less than the object's in 400 of 400 cases" in told
    assert "detections count them from 0 and the truth from 1" in told


@pytest.mark.parametrize(("way", "is_told"), [("many", True), ("one", False)])
@pytest.mark.parametrize("group", [True, False])
def test_one_object_that_counts_for_several_detections_is_told(
    way: str, is_told: bool, group: bool, tmp_path: Path
) -> None:
    (tmp_path / "rows").mkdir()
    write_parquet(tmp_path / "rows" / "a.parquet", list(_matched(way == "many", group)))
    (tmp_path / "calwatch.toml").write_text(
        '[[model]]\nname = "m"\ntask = "detection"\n[[model.source]]\npath = "rows/*"\n'
    )
    found = check_config(tmp_path / "calwatch.toml")
    assert ("does one object count for several detections" in _told(found)) == is_told, _told(found)


def _matched(is_many: bool, has_group: bool) -> Iterator[Row]:
    """Detections of objects, a third of them twice; the second is right too where ``is_many``."""
    random = np.random.default_rng(5)
    for image in range(100):
        for number in range(4):
            x, y = 100.0 * number, random.uniform(0, 300)
            for again in range(2 if random.random() < 0.33 else 1):
                yield {
                    "sample_id": f"im{image}#{number}{again}", **({"group_id": f"im{image}"} if has_group else {}),
                    "observed_at": _minute(image), "predicted_class": "cat",
                    "score": random.uniform(0.5, 1) - 0.4 * again,
                    "outcome": int(random.random() < 0.8) if not again else int(is_many and random.random() < 0.8),
                    "x_min": x + again, "y_min": y, "x_max": x + 50 + again, "y_max": y + 50,
                }  # fmt: skip


def test_images_as_sample_ids_are_told(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    rows = [{**row, "sample_id": row["group_id"]} for row in _matched(False, True)]
    write_parquet(tmp_path / "rows" / "a.parquet", rows)
    (tmp_path / "calwatch.toml").write_text(
        '[[model]]\nname = "m"\ntask = "detection"\n[[model.source]]\npath = "rows/*"\n'
    )
    assert "one value as sample_id and group_id" in _told(check_config(tmp_path / "calwatch.toml"))
