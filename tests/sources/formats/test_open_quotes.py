"""A quote that is opened and not closed hides rows: it is told, and other quotes are not taken for one."""

import gzip
from pathlib import Path

import pytest

from monitor.model.errors import SourceError
from monitor.sources.formats.open_quotes import demand_quotes_closed
from tests.worlds.store import World, reasons

LIMIT = 20_000
ROWS = "a,b\n" * 8000


@pytest.mark.parametrize("before", [0, 1, 2499, 2500, 2501, 30_000])
@pytest.mark.parametrize("packed", [False, True])
def test_a_quote_that_hides_rows_is_told_with_its_line(tmp_path: Path, before: int, packed: bool) -> None:
    path = tmp_path / ("x.csv.gz" if packed else "x.csv")
    data = ("a,b\n" * before + 'a,"b\n' + ROWS).encode()
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    with pytest.raises(SourceError, match=rf"line {before + 1:,} opens a quote"):
        demand_quotes_closed(str(path), LIMIT, ",")


def test_a_quote_closed_far_behind_is_told_too(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('a,"b"\n"a,b\n' + ROWS + 'a,"b"\n')
    with pytest.raises(SourceError, match="line 2 opens a quote"):
        demand_quotes_closed(str(path), LIMIT, ",")


@pytest.mark.parametrize(
    "row", ['a,"b"\n', 'a,5" pipe\n', 'a,"5"" pipe"\n', 'a,""\n', '"a","b,"\n', 'a,"b\nc"\n', 'a,b"\n', "a,b\n"]
)
@pytest.mark.parametrize("before", [0, 2498, 2499, 2500])
def test_other_quotes_before_many_rows_are_no_open_ones(tmp_path: Path, row: str, before: int) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" * before + row + ROWS)
    demand_quotes_closed(str(path), LIMIT, ",")


def test_a_long_quoted_field_on_one_line_is_a_matter_of_its_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('a,"' + "b" * 200_000 + '"\n' + ROWS)
    demand_quotes_closed(str(path), LIMIT, ",")


def test_a_file_whose_rows_a_quote_hides_is_not_taken_for_read(world: World) -> None:
    header, row = "sample_id,observed_at,score,outcome,camera\n", "{},2026-03-10 10:00:00,0.7,1,c1\n"
    rows = "".join(row.format(number) for number in range(70_000))
    (world.base / "in" / "x.csv").write_text(header + row.format("a") + row.format('"b') + rows)
    brought = world.take()
    assert (brought.rows, reasons(brought.problems)) == (0, ["unreadable_file"])
    assert "line 3 opens a quote that is not closed" in brought.problems[0].message
