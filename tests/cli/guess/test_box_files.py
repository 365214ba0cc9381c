"""Files of a detector as tools and people write them: underscored documents, other languages, nested lists, no confidences."""

import json
from pathlib import Path

import pytest

from monitor.cli.guess.draft import Draft, draft_config
from monitor.config.settings import Model, parse_config
from monitor.model.errors import UsageError

IMAGES = 40


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _draft(base: Path) -> tuple[Draft, Model]:
    drafted = draft_config(str(base / "data"), base / "watch")
    return drafted, parse_config(drafted.text, "calwatch.toml", base / "watch").model[0]


def _todo(drafted: Draft) -> str:
    return "\n".join(text for _, text in drafted.todo)


def _coco(base: Path, name: str, taken: str) -> None:
    images = [
        {"id": n, "file_name": f"{n}.jpg", "width": 640, "height": 480, "date_captured": taken.format(n)}
        for n in range(IMAGES)
    ]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [300, 20, 30 + n, 40]} for n in range(IMAGES)]
    categories = [{"id": 1, "name": "person"}]
    _write(base / "data" / name, json.dumps({"images": images, "annotations": boxes, "categories": categories}))
    results = [{"image_id": n, "category_id": 1, "bbox": [301, 20, 30 + n, 40], "score": 0.8} for n in range(IMAGES)]
    _write(base / "data" / "predictions.json", json.dumps(results))


def test_a_document_whose_name_begins_with_an_underscore_is_seen(tmp_path: Path) -> None:
    _coco(tmp_path, "_annotations.coco.json", "2026-03-10T12:{:02d}:00+00:00")
    _, model = _draft(tmp_path)
    assert [source.holds for source in model.source] == ["detections", "truth"]
    assert model.source[1].path.endswith("_annotations.coco.json")


@pytest.mark.parametrize(
    ("taken", "zones"),
    [("2026-03-10 12:{:02d}:00", 1), ("2026-03-10T12:{:02d}:00Z", 0), ("2026-03-10 12:{:02d}:00+01:00", 0)],
)
def test_a_time_of_a_document_without_zone_gets_a_line_to_put_it_in(taken: str, zones: int, tmp_path: Path) -> None:
    _coco(tmp_path, "instances.json", taken)
    drafted, _ = _draft(tmp_path)
    assert sum(guess.key.startswith("time_zone") for guess in drafted.guesses) == zones


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        ("x_links,y_oben,breite,hoehe", "x"), ("x_links,y_oben,Breite,Höhe", "x"), ("x_links,y_oben,x_rechts,y_unten", "x1"),
        ("gauche,haut,droite,bas", "x1"), ("gauche,haut,largeur,hauteur", "x"), ("izquierda,arriba,derecha,abajo", "x1"),
        ("x_izquierda,y_superior,x_derecha,y_inferior", "x1"), ("sinistra,alto,destra,basso", "x1"),
        ("sinistra,alto,larghezza,altezza", "x"), ("x_left,y_top,width,height", "x"),
    ],
)  # fmt: skip
def test_boxes_in_other_languages_are_boxes(names: str, layout: str, tmp_path: Path) -> None:
    for name, score in (("det", ",0.7"), ("gt", "")):
        rows = [
            f"{n}.jpg,person{score},{200 + n},{10 + n % 7},{260 + n if layout == 'x1' else 60},{90 if layout == 'x1' else 80}"
            for n in range(IMAGES)
        ]
        header = f"image,class{',score' if score else ''},{names}"
        _write(tmp_path / "data" / f"{name}.csv", "\n".join([header, *rows]))
    drafted, model = _draft(tmp_path)
    assert {source.holds for source in model.source} == {"detections", "truth"}
    assert all(layout in source.columns for source in model.source), drafted.text


@pytest.mark.parametrize("box", [{"bbox": [1, 2, 3, 4]}, {"x1": 1, "y1": 2, "x2": 3, "y2": 4}, {"xyxy": [1, 2, 3, 4]}])
def test_a_line_for_each_image_with_a_list_of_boxes_is_refused(box: dict[str, object], tmp_path: Path) -> None:
    lines = [
        json.dumps({"frame_id": f"f{n}", "ts": 1795305600 + n, "found": [{"cls": "person", "conf": 0.5, **box}]})
        for n in range(IMAGES)
    ]
    _write(tmp_path / "data" / "frames.jsonl", "\n".join(lines))
    with pytest.raises(UsageError, match=r'list of boxes in "found".*needs a row for each box'):
        draft_config(str(tmp_path / "data"), tmp_path / "watch")


def test_predictions_of_yolo_without_confidence_are_no_second_truth(tmp_path: Path) -> None:
    for n in range(IMAGES):
        for folder in ("labels", "runs/predict/labels"):
            _write(tmp_path / "data" / folder / f"img{n}.txt", "0 0.5 0.5 0.1 0.1\n")
    drafted, model = _draft(tmp_path)
    assert [source.path for source in model.source if source.holds == "truth"] == ["../data/labels/*.txt"]
    assert "save_conf" in _todo(drafted)


def test_files_of_yolo_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for n in range(IMAGES):
        _write(tmp_path / "data" / "labels" / f"img{n}.txt", "0 0.5 0.5 0.1 0.1\n")
        _write(tmp_path / "data" / "runs/predict/labels" / f"img{n}.txt", "0 0.5 0.5 0.1 0.1 0.8\n")
    drafted, _ = _draft(tmp_path)
    assert "detections in predict/labels/img0.txt" in drafted.read
    assert "truth in data/labels/img0.txt" in drafted.read


def test_of_a_number_and_a_name_of_the_class_the_name_is_taken(tmp_path: Path) -> None:
    for name, score in (("det", True), ("gt", False)):
        header = "image,xmin,ymin,xmax,ymax," + ("confidence,class,name" if score else "name")
        rows = [
            f"{n}.jpg,{200 + n},10,{260 + n},90," + (f"0.7,{n % 3},{'abc'[n % 3]}" if score else "abc"[n % 3])
            for n in range(IMAGES)
        ]
        _write(tmp_path / "data" / f"{name}.csv", "\n".join([header, *rows]))
    _, model = _draft(tmp_path)
    assert [source.columns["class"] for source in model.source] == ["name", "name"]
