"""Documents of COCO that are too long for memory: read part by part, and to the same rows as short ones."""

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from monitor.sources.formats.boxes import coco
from tests.sources.boxes.formats.reading import boxes_of, look, rows_of, write_document

RESULTS = [
    {"image_id": 7, "category_id": 18, "bbox": [258.15, 41.29, 348.26, 243.78], "score": 0.236},
    {"image_id": 9, "category_id": 1, "bbox": [61, 22.75, 504, 609.67], "score": 1e-3},
]
TRUTH: dict[str, Any] = {
    "info": {"year": 2026, "date_created": "2026"},
    "licenses": [{"id": 1, "name": "CC BY"}],
    "images": [
        {"id": 7, "file_name": "cam/a.0007.jpg", "width": 640, "height": 480, "date_captured": "2026-11-15 11:55:43"},
        {"id": 9, "file_name": "cam/b.jpg", "width": 320, "height": 240, "date_captured": "2026-11-15 11:56:00"},
    ],
    "annotations": [
        {
            "id": 1, "image_id": 7, "category_id": 18, "bbox": [1.5, 2, 30, 40], "area": 1200.0, "iscrowd": 0,
            "segmentation": [[1.5, 2, 31.5, 2, 31.5, 42]],
        },
        {"segmentation": [[1, 2, 3]], "id": 2, "image_id": 7, "category_id": 1, "bbox": [5, 6, 7, 8], "iscrowd": 1},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog", "supercategory": "animal"}],
}  # fmt: skip


def test_a_long_document_is_read_from_a_file_that_goes_with_its_layout(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    images = [{"id": number, "width": 10, "height": 10, "file_name": f"{number}"} for number in range(2_000)]
    outline = [[number + 0.25 for number in range(40)]]
    annotations = [
        {
            "id": n,
            "image_id": n // 2,
            "category_id": 1 + n % 2,
            "segmentation": outline,
            "bbox": [n % 7, 1, 2, 3],
            "iscrowd": 0,
        }
        for n in range(3_000)
    ]
    value = {
        "annotations": annotations,
        "images": images,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }
    path = write_document(tmp_path / "t.json", value, indent=1)
    layout = look(connection, path, "coco", "truth")
    assert len(layout.source) < 10_000
    assert layout.rows == 5_000
    rows = rows_of(connection, path, "coco", "truth")
    assert [float(row["x"]) for row in rows[:3_000]] == [n % 7 for n in range(3_000)]
    assert [row["class"] for row in rows[:3]] == ["a", "b", "a"]
    assert len({row["image_id"] for row in rows}) == 2_000


def test_outlines_of_every_place_leave_what_stands_around_them(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    box = '"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]'
    annotations = [
        f'{{"segmentation": [[1, 2e1, -3.5]], {box}}}', f'{{{box}, "segmentation": [[1, 2], [3, 4]]}}',
        f'{{{box}, "segmentation" : [] }}', f'{{"segmentation":[],{box}}}',
        f'{{{box}, "segmentation": {{"counts": [1, 2], "size": [3, 4]}}}}',
        f'{{"note": "\\"segmentation\\": [[1, 2", {box}}}',
    ]  # fmt: skip
    text = f'{{"images": [{{"id": 7}}], "annotations": [{", ".join(annotations)}]}}'
    rows = rows_of(connection, write_document(tmp_path / "t.json", text), "coco", "truth")
    assert boxes_of(rows)[:6] == [[1, 2, 3, 4]] * 6
    assert len(rows) == 7


_VALUES: tuple[Any, ...] = (
    None, 0, 1, 7, "7", " 7 ", 7.0, 7.5, 'ü"x', True, [1, 2], [1, 2, 3, 4], ["1", "2", "3", "4"], {"a": {"b": 3}}, 1e-7, "",
    123456789012345678, "a.b/c.jpg", "d\\e.jpg", ".jpg", "x.tar.gz", "007",
)  # fmt: skip


@pytest.mark.parametrize("columns", [{}, {"image_id": "file_name"}, {"image_id": "file_stem"}])
@pytest.mark.parametrize("holds", ["detections", "truth", "images"])
def test_short_and_long_files_say_the_same_of_any_values(holds: str, columns: dict[str, str], tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    keys = ("id", "image_id", "category_id", "iscrowd", "observed_at", "file_name", "width", "height", "date_captured")

    def any_object() -> dict[str, Any]:
        made = {key: _VALUES[random.integers(len(_VALUES))] for key in keys if random.random() < 0.8}
        return made | {"bbox": [_VALUES[random.integers(len(_VALUES))] for _ in range(4)]}

    scores = {"score": 0.5} if holds == "detections" else {}
    with duckdb.connect() as connection:
        for _ in range(20):
            value = {
                "images": [any_object() for _ in range(3)], "annotations": [any_object() | scores for _ in range(4)],
                "categories": [{"id": number, "name": f"n{number}"} for number in (0, 1, 7)],
            }  # fmt: skip
            path = write_document(tmp_path / "x.json", value)
            short = rows_of(connection, path, "coco", holds, columns=columns)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(coco, "is_small", lambda found: False)
                long = rows_of(connection, path, "coco", holds, columns=columns)
            assert [list(map(_plain, row.items())) for row in short] == [list(map(_plain, row.items())) for row in long]


def _plain(item: tuple[str, Any]) -> tuple[str, Any]:
    """Numbers however they are written."""
    try:
        return item[0], float(item[1])
    except (TypeError, ValueError):
        return item
