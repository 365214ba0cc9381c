"""YOLO text: boxes as shares of their image, empty files that say something, and what lies beside them."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.sources.boxes.formats.reading import boxes_of, refusal, rows_of


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        yield found


def _written(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_lines_are_boxes_of_the_image_that_the_file_names(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = _written(tmp_path / "img.0007.txt", "0 0.5 0.5 0.2 0.4 0.9\n17 1e-1 .25 1.0E-1 0.05 0.125\n")
    rows = rows_of(connection, path, "yolo", "detections")
    assert [(row["image_id"], row["class"], float(row["score"])) for row in rows] == [
        ("img.0007", "0", 0.9), ("img.0007", "17", 0.125),
    ]  # fmt: skip
    assert boxes_of(rows, "cx cy w h") == [[0.5, 0.5, 0.2, 0.4], [0.1, 0.25, 0.1, 0.05]]
    assert "x" not in rows[0]


@pytest.mark.parametrize("text", ["", "\n", " \r\n\r\n", "\ufeff"])
@pytest.mark.parametrize("holds", ["truth", "detections"])
def test_an_empty_file_is_an_image_with_nothing_in_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, text: str, holds: str
) -> None:
    (row,) = rows_of(connection, _written(tmp_path / "a.txt", text), "yolo", holds)
    assert (row["image_id"], row["class"], row["cx"], row["_unreadable"]) == ("a", None, None, None)


def test_numbers_of_classes_have_names_where_the_model_has(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = _written(
        tmp_path / "a.txt", "1 .5 .5 .2 .4\n0.0 .5 .5 .2 .4\n2 .5 .5 .2 .4\nlorry .5 .5 .2 .4\n-1 .5 .5 .2 .4\n"
    )
    rows = rows_of(connection, path, "yolo", "truth", classes=("car", "bus"))
    assert [(row["class"], row["_unreadable"]) for row in rows] == [
        ("bus", None), ("car", None), (None, "2 .5 .5 .2 .4"), ("lorry", None), (None, "-1 .5 .5 .2 .4"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["\ufeff0 .5 .5 .2 .4\r\n1\t.5  .5 .2 .4\r\n", "0 .5 .5 .2 .4\r1 .5 .5 .2 .4", " 0 .5 .5 .2 .4 \n\n1 .5 .5 .2 .4"],
)
def test_marks_tabs_and_line_ends_change_nothing(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, text: str
) -> None:
    rows = rows_of(connection, _written(tmp_path / "a.txt", text), "yolo", "truth")
    assert [row["class"] for row in rows] == ["0", "1"]
    assert boxes_of(rows, "cx cy w h") == [[0.5, 0.5, 0.2, 0.4]] * 2


@pytest.mark.parametrize(
    "line", ["0 .5 .5 .2", "0 .5 .5 .2 .4 .5 .6 .7 .8", "NaN .5 .5 .2 .4", "0.5 .5 .5 .2 .4", "\x00 \x01"]
)
def test_a_line_that_is_no_box_is_told_with_its_place(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, line: str
) -> None:
    path = _written(tmp_path / "a.txt", f"0 .5 .5 .2 .4\n\n{line}\n0 .5 .5 .2 .4\n0 .5 .5 .2 .4\n")
    rows = rows_of(connection, path, "yolo", "truth")
    assert [(row["_row"], row["_unreadable"]) for row in rows if row["_unreadable"]] == [(2, line)]
    assert len(rows) == 4


def test_values_that_are_no_numbers_come_as_they_are(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (row,) = rows_of(connection, _written(tmp_path / "a.txt", "0 .5 x nan -.4"), "yolo", "truth")
    assert [row[name] for name in ("cx", "cy", "w", "h")] == [".5", "x", "nan", "-.4"]


def test_names_of_classes_beside_the_boxes_are_no_image(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert rows_of(connection, _written(tmp_path / "classes.txt", "car\nfire truck\nbus\n"), "yolo", "truth") == []


def test_an_image_may_be_called_as_such_lists_are(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (row,) = rows_of(connection, _written(tmp_path / "test.txt", "0 .5 .5 .2 .4\n"), "yolo", "truth")
    assert row["image_id"] == "test"


def test_images_of_two_folders_are_told_apart_where_it_is_said(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    ids = {
        row["image_id"]
        for folder in ("front", "rear")
        for row in rows_of(
            connection, _written(tmp_path / folder / "1.txt", "0 .5 .5 .2 .4"), "yolo", "truth",
            columns={"image_id": "folder_stem"},
        )
    }  # fmt: skip
    assert ids == {"front/1", "rear/1"}


def test_folders_speak_of_all_rows(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = _written(tmp_path / "a.txt", "0 .5 .5 .2 .4 .9")
    (row,) = rows_of(connection, path, "yolo", "detections", folders={"camera": "c 3", "observed_at": "2026-11-29"})
    assert (row["camera"], row["observed_at"]) == ("c 3", "2026-11-29")


@pytest.mark.parametrize(
    ("text", "holds", "said"),
    [
        ("0 .5 .5 .2 .4 .9", "truth", 'confidence, in 1 of 1 lines.*"detections"'),
        ("0 .5 .5 .2 .4\n0 .5 .5 .2 .4", "detections", 'save_conf=True.*"truth"'),
        ("0 .1 .1 .2 .2 .3 .3", "truth", "lines of 7 values .*outlines, key points or rotated boxes"),
        ("0 .1 .1 .2 .1 .2 .2 .1 .2", "detections", "outlines, key points or rotated boxes"),
        ("0 320 240 64 96", "truth", "boxes in pixels .0 320 240 64 96.*divide"),
        ("person .88 5 67 31 48", "detections", "boxes in pixels"),
        ("images/1.jpg\nimages/2.jpg\n", "truth", "has no boxes: its first line is 'images/1.jpg'"),
        ('{"a": 1}', "truth", "has no boxes"),
    ],
)
def test_what_is_something_else_is_refused_with_what_to_do(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, text: str, holds: str, said: str
) -> None:
    found = refusal(connection, _written(tmp_path / "a.txt", text), "yolo", holds)
    assert re.search(said, found), found


def test_text_that_is_not_utf8_is_refused(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert "UTF-16" in refusal(
        connection, _written(tmp_path / "a.txt", "0 .5 .5 .2 .4".encode("utf-16")), "yolo", "truth"
    )
    assert "Parquet" in refusal(connection, _written(tmp_path / "b.txt", b"PAR1xxxxPAR1"), "yolo", "truth")
