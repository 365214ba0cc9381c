"""The line that makes a file too much for the memory is named."""

import gzip
from pathlib import Path

import pytest

from monitor.sources.formats.long_lines import describe_longest_line
from tests.worlds.poison import MEMORY
from tests.worlds.store import World, a_row, write_json_lines


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.jsonl.gz"])
@pytest.mark.parametrize(
    ("lines", "told"),
    [([10, 2_500_000, 1_200_000], "its line 2 has 2.5 MB"), ([3_000_000], "its line 1 has 3.0 MB"), ([10, 20], ""),
     ([5, 5, 1_048_576 * 2], "its line 3 has 2.1 MB"), ([], "")],
)  # fmt: skip
def test_the_longest_line_is_told_where_it_is_long(tmp_path: Path, name: str, lines: list[int], told: str) -> None:
    content = b"\n".join(b"x" * size for size in lines)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert describe_longest_line(str(tmp_path / name)) == told


@pytest.mark.parametrize("path", ["s3://bucket/a.jsonl", "/nowhere/a.jsonl", "a.parquet"])
def test_of_what_is_no_local_text_nothing_is_told(path: str) -> None:
    assert describe_longest_line(path) == ""


def test_a_row_that_takes_more_than_the_memory_is_named_with_a_remedy_that_helps(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    world.connection.execute(f"SET memory_limit = '{MEMORY}'")
    path = tmp_path / "in" / "long.jsonl"
    write_json_lines(path, [a_row("a"), a_row("b", embedding=[0] * 700_000)])
    (told,) = world.take().problems
    assert "its line 2 has 2.1 MB" in told.message
    assert "several smaller files" not in told.message
    write_json_lines(path, [a_row("a"), a_row("b")])
    assert world.take().new == 2
