"""COCO as people have it: results as lists, ground truth as documents, and what is neither."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.sources.boxes.formats.reading import boxes_of, look, refusal, rows_of, write_document

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


def test_results_are_boxes_with_scores(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = rows_of(connection, write_document(tmp_path / "r.json", RESULTS), "coco", "detections")
    assert [(row["image_id"], row["class"], float(row["score"]), row["_row"]) for row in rows] == [
        ("7", "18", 0.236, 0), ("9", "1", 0.001, 1),
    ]  # fmt: skip
    assert boxes_of(rows) == [[258.15, 41.29, 348.26, 243.78], [61, 22.75, 504, 609.67]]


def test_truth_gives_its_objects_and_every_reviewed_image(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = rows_of(connection, write_document(tmp_path / "t.json", TRUTH), "coco", "truth")
    assert [(row["image_id"], row["class"], row["crowd"]) for row in rows] == [
        ("7", "dog", "0"), ("7", "person", "1"), ("7", None, None), ("9", None, None),
    ]  # fmt: skip
    assert boxes_of(rows) == [[1.5, 2, 30, 40], [5, 6, 7, 8], [None] * 4, [None] * 4]
    assert {row["observed_at"] for row in rows if row["image_id"] == "7"} == {"2026-11-15 11:55:43"}
    assert {(row["image_width"], row["image_height"]) for row in rows if row["image_id"] == "9"} == {("320", "240")}


def test_truth_as_a_source_of_images_gives_images(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = rows_of(connection, write_document(tmp_path / "t.json", TRUTH), "coco", "images")
    assert [(row["image_id"], row["width"], row["height"], row["observed_at"]) for row in rows] == [
        ("7", "640", "480", "2026-11-15 11:55:43"), ("9", "320", "240", "2026-11-15 11:56:00"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("own", "ids"),
    [
        ("file_name", {"cam/a.0007.jpg", "cam/b.jpg"}),
        ("file_stem", {"a.0007", "b"}),
    ],
)
def test_images_may_be_named_by_their_files(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, own: str, ids: set[str]
) -> None:
    rows = rows_of(connection, write_document(tmp_path / "t.json", TRUTH), "coco", "truth", columns={"image_id": own})
    assert {row["image_id"] for row in rows} == ids
    assert [row["class"] for row in rows if row["class"]] == ["dog", "person"]


def test_the_names_of_categories_go_along_with_truth(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    layout = look(connection, write_document(tmp_path / "t.json", TRUTH), "coco", "truth")
    assert layout.categories == {"1": "person", "18": "dog"}


def test_a_class_stays_a_number_where_it_is_mapped_to_one(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = write_document(tmp_path / "t.json", TRUTH)
    rows = rows_of(connection, path, "coco", "truth", columns={"class": "category_id"})
    assert [row["class"] for row in rows if row["class"]] == ["18", "1"]


@pytest.mark.parametrize("order", [("annotations", "categories", "images"), ("categories", "images", "annotations")])
def test_parts_of_truth_stand_in_any_order(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, order: tuple[str, ...]
) -> None:
    rows = rows_of(connection, write_document(tmp_path / "t.json", {key: TRUTH[key] for key in order}), "coco", "truth")
    assert [row["class"] for row in rows] == ["dog", "person", None, None]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text, id="a byte order mark"),
        pytest.param(lambda text: text.replace(b", ", b",\r\n"), id="CRLF"),
        pytest.param(lambda text: b"\n\n  " + text + b"\n\n", id="blanks around it"),
    ],
)
@pytest.mark.parametrize(("value", "holds"), [(RESULTS, "detections"), (TRUTH, "truth")])
def test_marks_and_line_ends_change_nothing(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, written: Any, value: Any, holds: str
) -> None:
    plain = rows_of(connection, write_document(tmp_path / "a.json", value), "coco", holds)
    (tmp_path / "b.json").write_bytes(written(json.dumps(value).encode()))
    assert rows_of(connection, tmp_path / "b.json", "coco", holds) == [
        {**row, "_file": str(tmp_path / "b.json")} for row in plain
    ]


@pytest.mark.parametrize(("value", "holds"), [(RESULTS, "detections"), (TRUTH, "truth")])
def test_packed_files_are_read(connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: Any, holds: str) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(value).encode()))
    connection.execute(
        f"COPY (SELECT $text AS t) TO '{tmp_path / 'a.json.zst'}' "
        "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01', COMPRESSION zstd)",
        {"text": json.dumps(value)},
    )
    plain = [
        {**row, "_file": ""} for row in rows_of(connection, write_document(tmp_path / "p.json", value), "coco", holds)
    ]
    for name in ("a.json.gz", "a.json.zst"):
        assert [{**row, "_file": ""} for row in rows_of(connection, tmp_path / name, "coco", holds)] == plain


@pytest.mark.parametrize("key", ["predictions", "results", "annotations", "detections"])
def test_results_may_lie_under_a_key(connection: duckdb.DuckDBPyConnection, tmp_path: Path, key: str) -> None:
    path = write_document(tmp_path / "r.json", {"model": "v3", "meta": {"n": [1, 2]}, "tags": ["a", "b"], key: RESULTS})
    rows = rows_of(connection, path, "coco", "detections")
    assert [(row["class"], float(row["score"])) for row in rows] == [("18", 0.236), ("1", 0.001)]


def test_results_beside_categories_have_their_names(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    value = {"annotations": RESULTS, "categories": TRUTH["categories"], "images": TRUTH["images"]}
    rows = rows_of(connection, write_document(tmp_path / "r.json", value), "coco", "detections")
    assert [(row["image_id"], row["class"]) for row in rows] == [
        ("7", "dog"),
        ("9", "person"),
        ("7", None),
        ("9", None),
    ]


def test_a_category_that_is_not_listed_is_a_row_without_class(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    value = {**TRUTH, "categories": TRUTH["categories"][:1]}
    rows = rows_of(connection, write_document(tmp_path / "t.json", value), "coco", "truth")
    assert [(row["class"], row["x"]) for row in rows[:2]] == [(None, "1.5"), ("person", "5")]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param({"bbox": ["1", "2.5", "3e1", "4"]}, [1.0, 2.5, 30.0, 4.0], id="numbers as text"),
        pytest.param({"category_id": "1"}, [61, 22.75, 504, 609.67], id="category as text"),
        pytest.param({"category_id": 1.0, "image_id": 9.0}, [61, 22.75, 504, 609.67], id="ids with fractions"),
        pytest.param({"bbox": [1, 2, 3, -4]}, [1, 2, 3, -4], id="a negative height is for the store to refuse"),
        pytest.param({"bbox": [1, 2, 3]}, [None] * 4, id="three numbers"),
        pytest.param({"bbox": None}, [None] * 4, id="no box"),
        pytest.param({"bbox": [1, 2, 3, 4, 5]}, [None] * 4, id="five numbers"),
    ],
)
def test_values_come_as_they_are(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, result: dict[str, Any], expected: list[float]
) -> None:
    rows = rows_of(
        connection, write_document(tmp_path / "r.json", [RESULTS[0], {**RESULTS[1], **result}]), "coco", "detections"
    )
    assert boxes_of(rows)[1] == expected
    assert rows[1]["class"].removesuffix(".0") == "1"


def test_what_is_no_number_comes_as_it_iswrite_document(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    text = '[{"image_id": 1, "category_id": 1, "bbox": [NaN, 1, Infinity, -Infinity], "score": NaN}]'
    (row,) = rows_of(connection, write_document(tmp_path / "r.json", text), "coco", "detections")
    assert (row["x"].lower(), row["score"].lower()) == ("nan", "nan")
    assert "inf" in row["w"].lower()


@pytest.mark.parametrize("within", ["list", "object"])
def test_an_element_that_is_no_object_is_told_with_its_place(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, within: str
) -> None:
    listed: list[Any] = [RESULTS[0], 7, "x", RESULTS[1]]
    path = write_document(tmp_path / "r.json", listed if within == "list" else {"predictions": listed})
    rows = rows_of(connection, path, "coco", "detections")
    assert [(row["_row"], row["_unreadable"]) for row in rows if row["_unreadable"]] == [(1, "7"), (2, '"x"')]
    assert len(rows) == 4


def test_dates_that_programs_write_for_none_are_none(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    dates: list[Any] = [0, "", "0", None, "0000-00-00 00:00:00", "2026-11-15T11:55:43+00:00"]
    images = [{"id": number, "file_name": f"{number}.jpg", "date_captured": date} for number, date in enumerate(dates)]
    rows = rows_of(
        connection, write_document(tmp_path / "t.json", {"images": images, "annotations": []}), "coco", "truth"
    )
    assert [row["observed_at"] for row in rows] == [None] * 5 + ["2026-11-15T11:55:43+00:00"]


@pytest.mark.parametrize(
    ("value", "holds", "count"),
    [
        ([], "detections", 0),
        ({"images": [], "annotations": [], "categories": []}, "truth", 0),
        ({"images": [{"id": 1}], "annotations": []}, "truth", 1),
        ({"predictions": []}, "detections", 0),
        ({"images": [], "annotations": []}, "images", 0),
    ],
)
def test_what_is_empty_is_no_mistake(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: object, holds: str, count: int
) -> None:
    assert len(rows_of(connection, write_document(tmp_path / "e.json", value), "coco", holds)) == count


def test_own_columns_of_results_and_images_are_found(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    results = [{**each, "attributes": {"cam": "c3"}, "raw": 0.5} for each in RESULTS]
    columns = {"camera": "attributes.cam", "raw_score": "raw"}
    rows = rows_of(connection, write_document(tmp_path / "r.json", results), "coco", "detections", columns=columns)
    assert [(row["camera"], row["raw_score"]) for row in rows] == [("c3", "0.5")] * 2
    images = {"images": [{**each, "meta": {"cam": "c4"}} for each in TRUTH["images"]]}
    path = write_document(tmp_path / "i.json", images)
    rows = rows_of(connection, path, "coco", "images", columns={"camera": "meta.cam"})
    assert [row["camera"] for row in rows] == ["c4", "c4"]


def test_boxes_of_another_key_are_taken_where_it_is_mapped(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    results = [{**each, "corners": [1, 2, 3, 4]} for each in RESULTS]
    layout = look(
        connection, write_document(tmp_path / "r.json", results), "coco", "detections", columns={"box": "corners"}
    )
    assert "box" in layout.types
    assert "x" not in layout.types


def test_folders_speak_of_all_rows(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = write_document(tmp_path / "r.json", RESULTS)
    rows = rows_of(connection, path, "coco", "detections", folders={"camera": "c7"})
    assert [row["camera"] for row in rows] == ["c7", "c7"]


@pytest.mark.parametrize(
    ("value", "holds", "said"),
    [
        pytest.param(RESULTS, "truth", 'list without images.*holds = "detections"', id="results as truth"),
        pytest.param(TRUTH, "detections", 'no score in any of the 2 elements of "annotations".*"truth"', id="truth as results"),
        pytest.param(
            {**TRUTH, "annotations": RESULTS}, "truth", 'has scores in its "annotations".*"detections"', id="scores in truth"
        ),
        pytest.param(
            {key: TRUTH[key] for key in ("annotations", "categories")}, "truth", 'no "images", so that nobody', id="no images"
        ),
        pytest.param({**TRUTH, "images": []}, "truth", "2 annotations and no image", id="empty images"),
        pytest.param({"info": {}, "licenses": []}, "truth", 'no "annotations".*its keys: "info"', id="neither"),
        pytest.param({"a": {"b": RESULTS}}, "detections", "jq '.path.to.list' e.json > results.json", id="deeper"),
        pytest.param({"a": RESULTS, "annotations": RESULTS}, "detections", 'under "a" and under "annotations"', id="two"),
        pytest.param({"image_id": [7, 9], "score": [0.1, 0.2]}, "detections", "JSON Lines, or columns", id="columns"),
        pytest.param({**TRUTH, "annotations": {"1": {}}}, "truth", '"annotations" is an object', id="an object of objects"),
        pytest.param({**TRUTH, "categories": ["person"]}, "truth", 'element 0 of "categories".*no id and name', id="names"),
        pytest.param(
            {**TRUTH, "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "truth", 'gives the id 1 to "a" and',
            id="two names of one category",
        ),
        pytest.param([1, 2], "detections", "not of objects: its first element is '1'", id="numbers"),
        pytest.param("image_id,score\n1,2\n", "detections", "is no COCO: it begins 'image_id", id="CSV"),
        pytest.param(
            [{"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": {"size": [1, 1], "counts": "x"}}], "detections",
            "outlines or masks.*toBbox", id="masks",
        ),
        pytest.param(
            [{"image_id": 1, "category_id": 1, "score": 0.5, "rect": [1, 2, 3, 4]}], "detections",
            'no object has a "bbox".*it has image_id, category_id, score, rect', id="other name",
        ),
        pytest.param("\n".join(map(json.dumps, RESULTS)), "detections", 'format = "json"', id="JSON Lines"),
        pytest.param(json.dumps(TRUTH) + json.dumps(TRUTH), "truth", "documents belong into a file each", id="two documents"),
        pytest.param(
            json.dumps(TRUTH).replace('"id": 2', '"id": two'), "truth", r'element 1 of "annotations".*"?two', id="no JSON"
        ),
        pytest.param("x" * 10, "truth", "no COCO", id="text"),
    ],
)  # fmt: skip
def test_what_is_something_else_is_refused_with_what_to_do(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: object, holds: str, said: str
) -> None:
    found = refusal(connection, write_document(tmp_path / "e.json", value), "coco", holds)
    assert re.search(said, found), found


@pytest.mark.parametrize(
    ("value", "holds"), [(RESULTS, "detections"), (TRUTH, "truth"), ({"r": RESULTS}, "detections")]
)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_the_beginning_of_a_file_is_never_taken_for_all(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: object, holds: str, share: float
) -> None:
    text = json.dumps(value)
    path = write_document(tmp_path / "half.json", text[: int(share * len(text))])
    with pytest.raises((OSError, duckdb.Error), match=r"half\.json|only the beginning"):
        rows_of(connection, path, "coco", holds)


def test_truth_that_is_not_utf8_is_refused(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(json.dumps(TRUTH).replace("dog", "hünd").encode("latin-1"))
    assert "not UTF-8" in refusal(connection, tmp_path / "t.json", "coco", "truth")
    (tmp_path / "u.json").write_bytes(json.dumps(TRUTH).encode("utf-16"))
    assert "UTF-16" in refusal(connection, tmp_path / "u.json", "coco", "truth")
