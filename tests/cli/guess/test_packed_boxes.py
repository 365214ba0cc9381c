"""`init --from` sees files of boxes that are packed, or whose endings are in large letters, as the reader does."""

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from tests.cli.guess.detectors import CLASSES, demand_fine, detections, draft, images_of, objects, write_csv
from tests.cli.guess.test_box_formats import coco, results, voc, write_yolo


def pack(folder: Path, packing: str) -> None:
    """Pack each file of a folder; nothing is left beside it."""
    for path in list(folder.iterdir()):
        target = path.with_name(path.name + packing)
        if packing == ".gz":
            target.write_bytes(gzip.compress(path.read_bytes()))
        else:
            text = path.read_text("utf-8")
            with duckdb.connect() as connection:
                connection.execute("CREATE TABLE t (line VARCHAR)")
                connection.executemany("INSERT INTO t VALUES (?)", [[line] for line in text.splitlines()] or [[""]])
                connection.execute(
                    f"COPY t TO '{target}' (FORMAT csv, HEADER false, DELIM '\t', COMPRESSION zstd, QUOTE '')"
                )
        path.unlink()


@pytest.mark.parametrize("packing", [".gz", ".zst"])
@pytest.mark.parametrize("names", ["classes.txt", "labels/classes.txt", ""])
def test_packed_yolo_becomes_detections_and_truth(packing: str, names: str, tmp_path: Path) -> None:
    truth, base = objects(), tmp_path / "set"
    write_yolo(base / "labels", truth, scored=False)
    write_yolo(base / "runs" / "labels", detections(truth), scored=True)
    (base / "labels" / "img999.txt").write_text("", "utf-8")
    if names:
        (base / names).write_text("\n".join(CLASSES) + "\n", "utf-8")
    for folder in (base / "labels", base / "runs" / "labels"):
        pack(folder, packing)
    write_csv(base / "images.csv", images_of([*truth, {"image": "img999"}]))
    found, model = draft(base, tmp_path)
    assert {source.holds: source.format for source in model.source} == {
        "images": "auto", "detections": "yolo", "truth": "yolo",
    }  # fmt: skip
    assert model.classes == (CLASSES if names else ())
    demand_fine(found, tmp_path)


@pytest.mark.parametrize("packing", ["", ".gz"])
def test_empty_files_say_nothing_of_what_a_folder_holds(packing: str, tmp_path: Path) -> None:
    truth, base = objects(40), tmp_path / "set"
    write_yolo(base / "labels", truth, scored=False)
    for number in range(300):
        (base / "labels" / f"empty{number:03}.txt").write_text("", "utf-8")
    if packing:
        pack(base / "labels", packing)
    write_csv(base / "detections.csv", [
        {"image_id": row["image"], "class": row["class"], "score": row["score"],
         **dict(zip(("x1", "y1", "x2", "y2"), row["corners"], strict=True))}
        for row in detections(truth)
    ])  # fmt: skip
    _, model = draft(base, tmp_path)
    assert {source.holds: source.format for source in model.source} == {"detections": "auto", "truth": "yolo"}


@pytest.mark.parametrize("packing", ["", ".gz"])
def test_predictions_without_scores_are_no_truth_packed_or_not(packing: str, tmp_path: Path) -> None:
    truth, base = objects(), tmp_path / "set"
    write_yolo(base / "labels", truth, scored=False)
    write_yolo(base / "predictions", truth, scored=False)
    for folder in (base / "labels", base / "predictions"):
        if packing:
            pack(folder, packing)
    found, model = draft(base, tmp_path)
    assert [source.path.split("/")[-2] for source in model.source if source.holds == "truth"] == ["labels"]
    assert any("no box has a confidence" in what for _, what in found.todo)


@pytest.mark.parametrize("ending", [".TXT", ".Txt"])
def test_endings_in_large_letters_are_written_as_they_are(ending: str, tmp_path: Path) -> None:
    truth, base = objects(), tmp_path / "set"
    write_yolo(base / "labels", truth, scored=False)
    write_yolo(base / "runs", detections(truth), scored=True)
    for folder in (base / "labels", base / "runs"):
        for path in list(folder.iterdir()):
            path.rename(path.with_suffix(ending))
    write_csv(base / "images.csv", images_of(truth))
    found, model = draft(base, tmp_path)
    assert {source.holds: source.format for source in model.source} == {
        "images": "auto", "detections": "yolo", "truth": "yolo",
    }  # fmt: skip
    demand_fine(found, tmp_path)


@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_packed_coco_becomes_detections_and_truth_also_where_a_tool_names_it(packing: str, tmp_path: Path) -> None:
    truth, names, base = objects(), {name: at + 1 for at, name in enumerate(CLASSES)}, tmp_path / "coco"
    base.mkdir()
    (base / "_annotations.coco.json").write_text(json.dumps(coco(truth, names)), "utf-8")
    (base / "results.json").write_text(json.dumps(results(detections(truth), truth, names)), "utf-8")
    pack(base, packing)
    found, model = draft(base, tmp_path)
    assert {source.holds: source.path.rpartition("/")[2] for source in model.source} == {
        "detections": f"results.json{packing}", "truth": f"_annotations.coco.json{packing}",
    }  # fmt: skip
    demand_fine(found, tmp_path)


def test_packed_voc_becomes_truth(tmp_path: Path) -> None:
    truth, base = objects(), tmp_path / "set"
    (base / "Annotations").mkdir(parents=True)
    for image in {row["image"] for row in truth}:
        own = [row for row in truth if row["image"] == image]
        (base / "Annotations" / f"{image}.xml").write_text(voc(image, own, None), "utf-8")
    pack(base / "Annotations", ".gz")
    _, model = draft(base, tmp_path)
    (source,) = (source for source in model.source if source.holds == "truth")
    assert (source.format, source.columns["image_id"]) == ("voc", "xml_stem")


def test_what_is_no_box_is_none_when_packed_either(tmp_path: Path) -> None:
    base = tmp_path / "set"
    base.mkdir()
    for number in range(5):
        (base / f"notes{number}.txt").write_text(
            f"shift {number} began at ten\nnothing happened at all today\n", "utf-8"
        )
    write_csv(base / "detections.csv", [
        {"image": f"i{number}", "class": "cat", "score": 0.5, "x1": 1, "y1": 1, "x2": 9, "y2": 9} for number in range(60)
    ])  # fmt: skip
    for path in base.glob("*.txt"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    _, model = draft(base, tmp_path)
    assert [source.format for source in model.source] == ["auto"]
