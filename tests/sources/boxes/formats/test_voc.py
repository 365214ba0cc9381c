"""Pascal VOC: corners that count from 1, what is difficult, images without objects, and XML that means harm."""

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.sources.boxes.formats.reading import boxes_of, look, refusal, rows_of

_OBJECT = (
    "<object><name>dog</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>"
    "<bndbox><xmin>48</xmin><ymin>240</ymin><xmax>195</xmax><ymax>371</ymax></bndbox></object>"
)
_HARD = (
    "<object><name>person</name><difficult>1</difficult><bndbox><xmax>352.5</xmax><xmin>8</xmin><ymax>498</ymax>"
    "<ymin>12</ymin></bndbox><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
)
_SIZE = "<size><width>353</width><height>500</height><depth>3</depth></size>"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        yield found


def _written(path: Path, inside: str, *, name: str = "<filename>000001.jpg</filename>", head: str = "") -> Path:
    path.write_text(f"{head}<annotation><folder>VOC2007</folder>{name}{_SIZE}{inside}</annotation>\n", "utf-8")
    return path


def test_objects_are_boxes_whose_corners_count_from_0(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = rows_of(connection, _written(tmp_path / "a.xml", _OBJECT + _HARD), "voc", "truth")
    assert boxes_of(rows, "x1 y1 x2 y2") == [[47, 239, 195, 371], [7, 11, 352.5, 498]]
    assert [(row["image_id"], row["class"], row["crowd"]) for row in rows] == [
        ("000001.jpg", "dog", "0"), ("000001.jpg", "person", "1"),
    ]  # fmt: skip
    assert {(row["image_width"], row["image_height"]) for row in rows} == {("353", "500")}


def test_an_image_without_objects_is_reviewed(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (row,) = rows_of(connection, _written(tmp_path / "a.xml", ""), "voc", "truth")
    assert (row["image_id"], row["class"], row["x1"]) == ("000001.jpg", None, None)


def test_a_source_of_images_has_a_row_an_image(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (row,) = rows_of(connection, _written(tmp_path / "a.xml", _OBJECT + _HARD), "voc", "images")
    assert (row["image_id"], row["width"], row["height"]) == ("000001.jpg", "353", "500")


@pytest.mark.parametrize(
    ("own", "expected"), [("file_stem", "000001"), ("xml_stem", "a"), ("filename", "000001.jpg"), ("folder", "VOC2007")]
)
def test_images_may_be_named_otherwise(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, own: str, expected: str
) -> None:
    (row,) = rows_of(connection, _written(tmp_path / "a.xml", _OBJECT), "voc", "truth", columns={"image_id": own})
    assert row["image_id"] == expected


def test_own_keys_and_folders_are_columns(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = _written(tmp_path / "a.xml", "<source><cam>c3</cam></source><when>2026-11-29 12:00:00</when>")
    columns = {"camera": "source.cam", "observed_at": "when"}
    (row,) = rows_of(connection, path, "voc", "images", columns=columns)
    assert (row["camera"], row["observed_at"]) == ("c3", "2026-11-29 12:00:00")
    (row,) = rows_of(connection, path, "voc", "images", folders={"camera": "c4"})
    assert row["camera"] == "c4"


def test_a_size_of_0_is_none(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<annotation><filename>a</filename><size><width>0</width><height>0</height></size></annotation>")
    (row,) = rows_of(connection, path, "voc", "images")
    assert (row["width"], row["height"]) == (None, None)


@pytest.mark.parametrize(
    "head",
    [
        "\ufeff",
        '<?xml version="1.0" encoding="utf-8"?>\r\n',
        '<?xml version="1.0" encoding="latin-1"?>',
        "<!-- made by x -->\n",
    ],
)
def test_heads_and_marks_change_nothing(connection: duckdb.DuckDBPyConnection, tmp_path: Path, head: str) -> None:
    path = _written(tmp_path / "a.xml", _OBJECT.replace("dog", "hünd"), head=head)
    (row,) = rows_of(connection, path, "voc", "truth")
    assert row["class"] == "hünd"


def test_a_box_that_is_none_comes_as_it_is(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    bad = "<object><name>dog</name><bndbox><xmin>a</xmin><ymin/></bndbox></object><object><name>cat</name></object>"
    rows = rows_of(connection, _written(tmp_path / "a.xml", _OBJECT + bad), "voc", "truth")
    assert [[row[name] for name in ("x1", "y1", "x2", "y2")] for row in rows[1:]] == [
        ["a", None, None, None],
        [None] * 4,
    ]


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]>',
        "<!DOCTYPE annotation>",
    ],
)
def test_entities_are_never_followed(connection: duckdb.DuckDBPyConnection, tmp_path: Path, head: str) -> None:
    assert "<!DOCTYPE" in refusal(connection, _written(tmp_path / "a.xml", "<x>1</x>", head=head), "voc", "truth")


def test_entities_hidden_by_an_encoding_are_never_followed(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha">]><annotation><filename>&x;</filename></annotation>'
    for encoding in ("utf-16", "utf-7", "cp037", "utf-32"):
        (tmp_path / "a.xml").write_bytes(text.replace('"1.0"', f'"1.0" encoding="{encoding}"').encode(encoding))
        assert refusal(connection, tmp_path / "a.xml", "voc", "truth")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<annotations><image/></annotations>", "is XML of <annotations>.*Pascal VOC or COCO"),
        ("<html></html>", "is XML of <html>"),
        ("<annotation><size/></annotation>", 'no filename.*image_id = "xml_stem"'),
        (
            "<annotation><filename>a</filename><object><name>x</name><polygon/></object></annotation>",
            "no bndbox in any object, which has name, polygon",
        ),
        ("<annotation><filename>a</b></annotation>", "is no XML .*line 1, column"),
        ("0 .5 .5 .2 .4", "is no XML"),
        ("<annotation><filename>a</filename><obj", "only the beginning"),
        ("<annotation><filename>a</filename>", "only the beginning"),
    ],
)
def test_what_is_something_else_is_refused_with_what_to_do(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "a.xml").write_text(text)
    found = refusal(connection, tmp_path / "a.xml", "voc", "truth")
    assert re.search(said, found), found


def test_deep_nesting_is_no_trouble(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    deep = "<a>" * 20_000 + "</a>" * 20_000
    layout = look(connection, _written(tmp_path / "a.xml", deep + _OBJECT), "voc", "truth")
    assert layout.rows == 1
