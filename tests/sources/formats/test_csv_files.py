"""CSV as people have it: read rightly, or refused with what to do."""

import bz2
import gzip
import lzma
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import duckdb
import pytest

from monitor.engine.check.check import check_config
from monitor.store.connection import quote_text
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import World, reasons, unreadable

HEADER = "sample_id,observed_at,score,outcome,camera\n"
TIME = "2026-03-10 10:00:00"


def row(name: str, score: str = "0.7", camera: str = "c1") -> str:
    return f"{name},{TIME},{score},1,{camera}\n"


ROWS = row("a") + row("b", camera="c2")


def put(world: World, content: str | bytes, name: str = "a.csv") -> Path:
    path = world.base / "in" / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def stored(world: World) -> list[tuple[str, str]]:
    return world.rows(
        "SELECT s.sample_id, l.labels['camera'] FROM samples AS s JOIN slices AS l ON l.slice_id = s.slice_id ORDER BY ALL"
    )


def semicolons(text: str) -> str:
    return text.replace(",", ";")


@pytest.mark.parametrize(
    "content",
    [
        "# exported 2026-11-29\n" + HEADER + ROWS,
        "# exported by anna, line 3\n#\n# sample_id: serial number\n" + HEADER + ROWS,
        "\n\n" + HEADER + ROWS,
        "  \n,,,,\n" + HEADER + ROWS,
        "Report of line 3\n\n" + HEADER + ROWS,
        '# 19" sensor\n' + HEADER + ROWS,
        '"# ""19"" sensor, line 3"\n' + HEADER + ROWS,
        "Report;line 3;;;\n;;;;\n" + semicolons(HEADER + ROWS),
        "sep=;\n" + semicolons(HEADER + ROWS),
        "\ufeffsep=;\n" + semicolons(HEADER + ROWS),
        '"sep=;"\r\n' + semicolons(HEADER + ROWS).replace("\n", "\r\n"),
        "SEP=,\n" + HEADER + ROWS,
        "sep=\t\n" + (HEADER + ROWS).replace(",", "\t"),
        "sep=^\n" + (HEADER + ROWS).replace(",", "^"),
        "#" + HEADER + ROWS,
        "# " + HEADER + ROWS,
        "\ufeff" + HEADER + ROWS,
        (HEADER + ROWS).replace("\n", "\r"),
        (HEADER + ROWS).replace("\n", "\r\n"),
        HEADER + ROWS.replace("\n", "\r\n"),
        "# x\n\n" + (HEADER + ROWS).replace("\n", "\r\n"),
        "# x\r\n\r\n" + HEADER + ROWS,
        HEADER.replace("\n", ",\n") + ROWS.replace("\n", ",\n"),
        HEADER + ROWS.replace("\n", ",\n"),
        HEADER.replace("\n", ",\n") + ROWS,
        "," + HEADER + "0," + row("a") + "1," + row("b", camera="c2"),
        HEADER.replace("\n", ",note,note\n") + ROWS.replace("\n", ",x,y\n"),
        HEADER.replace("\n", ',"one, two"\n') + ROWS.replace("\n", ',"1, 2"\n'),
        '"sample_id";"observed_at";"score";"outcome";"camera";"a,b,c,d,e,f"\n' + semicolons(ROWS).replace("\n", ";x\n"),
        HEADER + ROWS + "\n\n",
        (HEADER + ROWS).removesuffix("\n"),
    ],
    ids=range(31),
)
def test_a_header_is_found_under_what_stands_above_it_and_rows_are_parted_as_it_is(world: World, content: str) -> None:
    put(world, content)
    brought = world.take()
    assert unreadable(brought.problems) == []
    assert (brought.quarantined, stored(world)) == ({}, [("a", "c1"), ("b", "c2")])


@pytest.mark.parametrize(
    "above", ["", "# one\n# two\n", "sep=,\n", "\n\n", "Report of line 3\n", "# x\r\n", "\ufeff# x\n"], ids=range(7)
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_places_of_bad_rows_count_from_below_the_header(world: World, above: str, end: str) -> None:
    rows = (
        row("a") + "too,short\n" + row("b", score="x") + row("c", camera='"c,\n""1"""') + "short\n" + row("d", score="")
    )
    put(world, above.replace("\r\n", "\n").replace("\n", end) + (HEADER + rows).replace("\n", end))
    assert world.take().new == 2
    assert world.quarantined() == [
        ("a.csv", 1, "unreadable_line"),
        ("a.csv", 2, "score_not_a_number"),
        ("a.csv", 4, "unreadable_line"),
        ("a.csv", 5, "missing_score"),
    ]


@pytest.mark.parametrize(
    ("camera", "meant"),
    [(r'"say \"hi\""', 'say "hi"'), (r'"a,\"b\",c"', 'a,"b",c'), (r'"\"x\" and \"y\""', '"x" and "y"')],
)
def test_quotes_escaped_as_spark_does_are_understood(world: World, camera: str, meant: str) -> None:
    put(world, HEADER + row("a", camera=camera) + row("b", camera="plain"))
    assert world.take().quarantined == {}
    assert stored(world) == [("a", meant), ("b", "plain")]


@pytest.mark.parametrize(
    ("camera", "meant"), [('"C:\\dir\\"', "C:\\dir\\"), ('"a ""b"""', 'a "b"'), ('"a\\""b"', 'a\\"b'), ("c\\1", "c\\1")]
)
def test_backslashes_where_quotes_are_doubled_are_themselves(world: World, camera: str, meant: str) -> None:
    put(world, HEADER + row("a", camera=camera))
    assert world.take().quarantined == {}
    assert stored(world) == [("a", meant)]


def zipped(content: bytes) -> bytes:
    held = BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.csv", content)
    return held.getvalue()


PLAIN = (HEADER + ROWS).encode()
UMLAUTS = HEADER + "".join(row(str(place), camera="Süd") for place in range(20))


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", PLAIN.decode().encode("utf-16"), "is UTF-16; save as UTF-8"),
        ("a.csv", b"\xfe\xff" + PLAIN.decode().encode("utf-16-be"), "is UTF-16; save as UTF-8"),
        ("a.csv", PLAIN.decode().encode("utf-16-le"), "is UTF-16LE; save as UTF-8"),
        ("a.csv", PLAIN.decode().encode("utf-16-be"), "iconv -f utf-16be -t utf-8 a.csv"),
        ("a.csv", PLAIN.decode().encode("utf-32"), "is UTF-32; save as UTF-8"),
        ("a.jsonl", '{"sample_id": "a"}'.encode("utf-16"), "is UTF-16; save as UTF-8"),
        ("a.csv", UMLAUTS.encode("latin-1"), "is not UTF-8 (line 2: "),
        ("a.csv", HEADER.replace("camera", "Gerät").encode("cp1252") + PLAIN, "iconv -f windows-1252 -t utf-8 a.csv"),
        ("a.csv.bz2", bz2.compress(PLAIN), "bzcat a.csv.bz2 | gzip > a.csv.gz"),
        ("a.csv", bz2.compress(PLAIN), "is packed with bzip2"),
        ("a.csv.xz", lzma.compress(PLAIN), "xzcat a.csv.xz | gzip > a.csv.gz"),
        ("a.csv.zip", zipped(PLAIN), "is a zip archive; unpack it"),
        ("a.csv", zipped(PLAIN), "is a zip archive or an Excel workbook; unpack it"),
        ("a.csv", gzip.compress(PLAIN), "let its name end in .gz"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "save the sheet as CSV UTF-8"),
        ("a.csv.gz", PLAIN, "is not what gzip writes"),
        ("a.csv", HEADER + row("a", score="0,83") + row("b", score="0,9"), "decimal commas: write decimal points"),
        ("a.csv", HEADER + "1," + row("a") + "2," + row("b"), "row names without a header, as R writes them"),
        ("a.csv", HEADER + "a,b\nc,d\n", 'names 5 columns parted by ",", its rows have 2 fields'),
        ("a.csv", HEADER.replace("camera", "Score") + ROWS, "(upper and lower case are alike): score, Score; rename"),
        ("a.csv", '"Report\nof line 3"\n' + HEADER + ROWS, "opens a quote in line 1, at or above its header"),
        ("a.csv", '"# ""x\n' + HEADER + ROWS, "opens a quote in line 1, at or above its header"),
        ("a.csv", HEADER.replace("camera", '"camera\n(front)"') + ROWS, "opens a quote in line 1, at or above its header"),
        ("a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        ("a.csv", "\n\n\n", "its first lines are empty"),
    ],
    ids=range(25),
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_what_to_do(
    world: World, name: str, content: str | bytes, why: str
) -> None:
    path = put(world, content, name)
    brought = world.take()
    assert (brought.new, reasons(brought.problems), brought.quarantined) == (0, ["unreadable_file"], {})
    assert brought.problems[0].message.startswith(f"{path}: cannot be read")
    assert why in brought.problems[0].message


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_a_packing_is_seen_where_the_format_is_named(make_world: MakeWorld, format_: str) -> None:
    world = make_world(source=f'[[model.source]]\npath = "in/*"\nformat = "{format_}"\n')
    put(world, bz2.compress(PLAIN), "export")
    assert "is packed with bzip2" in world.take().problems[0].message


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst", "a.jsonl.gz", "a.jsonl.zst"])
def test_what_is_packed_with_gzip_or_zstd_is_read(world: World, name: str) -> None:
    path = world.base / "in" / name
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT 'a' AS sample_id, '{TIME}' AS observed_at, 0.7 AS score, 'c1' AS camera) TO {quote_text(str(path))} "
            f"(FORMAT {'csv' if 'csv' in name else 'json'}, COMPRESSION {'gzip' if name.endswith('gz') else 'zstd'})"
        )
    brought = world.take()
    assert (brought.problems, stored(world)) == ([], [("a", "c1")])


def test_a_half_written_gzip_file_is_told_as_unfinished_and_read_when_whole(world: World) -> None:
    whole = gzip.compress((HEADER + "".join(row(str(place)) for place in range(5_000))).encode())
    put(world, whole[: len(whole) // 2], "a.csv.gz")
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (0, ["unreadable_file"])
    put(world, whole, "a.csv.gz")
    assert world.take().new == 5_000


@pytest.mark.parametrize(
    "first", ["1,2026-03-10 10:00:00,0.13,1,c0\n", "img-1,2026-03-10T10:00:00Z,0.13,,c0\n", "1,2,0.5,0,7\n"]
)
def test_a_file_without_a_header_is_told_so(world: World, first: str) -> None:
    put(world, first * 3)
    brought = world.take()
    assert reasons(brought.problems) == ["missing_column"]
    assert "its first line seems to hold values: put a header above it" in brought.problems[0].message


def test_one_line_in_another_encoding_is_set_aside_alone(world: World) -> None:
    put(world, HEADER.encode() + row("a").encode() + row("x", camera="Süd").encode("latin-1") + row("b").encode())
    brought = world.take()
    assert (brought.new, brought.quarantined, unreadable(brought.problems)) == (2, {"unreadable_line": 1}, [])


def test_decimal_commas_between_semicolons_are_set_aside_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "calwatch.toml").write_text(
        '[[model]]\nname = "m"\ntask = "binary"\nslices = ["camera"]\n[[model.source]]\npath = "*.csv"\n'
    )
    (tmp_path / "a.csv").write_text("sample_id;observed_at;score;camera\n" + f"a;{TIME};0,83;c1\n" * 3)
    (mistake,) = [each for each in check_config(tmp_path / "calwatch.toml").mistakes if "score_not_a_number" in each]
    assert "3 of the 3 rows tried" in mistake
    assert "decimal point, such as 0.83" in mistake


def test_iconv_does_what_is_said_of_it(world: World) -> None:
    path = put(world, PLAIN.decode().encode("utf-16"))
    assert "iconv -f utf-16 -t utf-8 a.csv > other-name" in world.take().problems[0].message
    path.write_bytes(subprocess.run(["iconv", "-f", "utf-16", "-t", "utf-8", str(path)], stdout=-1, check=True).stdout)
    assert world.take().new == 2


def test_check_tells_a_file_in_utf16_as_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "calwatch.toml").write_text(
        '[[model]]\nname = "m"\ntask = "binary"\n[[model.source]]\npath = "*.csv"\n'
    )
    (tmp_path / "a.csv").write_bytes(PLAIN.decode().encode("utf-16"))
    (mistake,) = check_config(tmp_path / "calwatch.toml").mistakes
    assert "is UTF-16; save as UTF-8" in mistake
