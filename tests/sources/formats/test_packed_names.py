"""Packed files that are not what their names say, and remedies that work on packed files."""

import errno
import gzip
import os
import subprocess
from pathlib import Path

import pytest

from monitor.sources.formats.heads import pipe_command
from tests.worlds.store import World

LINE = '{"sample_id": "a", "observed_at": "2026-03-10 10:00:00", "score": 0.7, "outcome": 1, "camera": "c1"}\n'
UNFINISHED = "perhaps it is still being written"


def told(world: World, name: str, content: bytes) -> str:
    (world.base / "in").mkdir(exist_ok=True)
    (world.base / "in" / name).write_bytes(content)
    (problem,) = world.take().problems
    return problem.message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "windows-1252"])
def test_what_is_said_of_a_packed_file_in_another_encoding_makes_it_readable(world: World, encoding: str) -> None:
    text = LINE.replace("c1", "Gerät") * 6
    path = world.base / "in" / "a.jsonl.gz"
    message = told(world, path.name, gzip.compress(text.encode(encoding)))
    command = message[message.index("zcat ") : message.index(" > other-name")]
    found = subprocess.run(["sh", "-c", command], cwd=path.parent, stdout=-1, check=True).stdout
    assert found.decode("utf-8").removeprefix("\ufeff") == text


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.csv", "jq x a.csv"), ("a.csv.gz", "zcat a.csv.gz | jq x"), ("a.jsonl.zst", "zstdcat a.jsonl.zst | jq x")],
)
def test_a_command_is_given_what_a_file_holds_unpacked(name: str, expected: str) -> None:
    assert pipe_command("jq x", f"/somewhere/{name}") == expected


def test_a_packed_list_is_unpacked_before_jq_reads_it(world: World) -> None:
    message = told(world, "a.json.gz", gzip.compress(f"[{LINE.strip()}]".encode()))
    assert "zcat a.json.gz | jq -c '.[]' > lines.jsonl" in message


def test_packed_lines_that_end_with_commas_are_unpacked_before_sed_reads_them(world: World) -> None:
    message = told(world, "a.jsonl.gz", gzip.compress(LINE.replace("}\n", "},\n").encode() * 3))
    assert "zcat a.jsonl.gz | sed 's/,$//' > lines.jsonl" in message


@pytest.mark.parametrize("size", [1, 2, 1000, 100_000])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.jsonl.gz", "a.csv.zst"])
def test_zero_bytes_are_no_text_in_another_encoding(world: World, name: str, size: int) -> None:
    message = told(world, name, bytes(size))
    assert "begins with zero bytes only" in message
    assert "UTF" not in message


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.gz"])
def test_packed_zero_bytes_are_no_text_in_another_encoding(world: World, name: str) -> None:
    message = told(world, name, gzip.compress(bytes(300_000)))
    assert "begins with zero bytes only" in message
    assert "UTF" not in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl.gz", b"6r\xff\0\x93" * 99, "is not what gzip writes"),
        ("a.jsonl.zst", b"6r\xff\0\x93" * 99, "is not what zstd writes"),
        ("a.jsonl.gz", LINE.encode(), "let its name end as what it is"),
        ("a.jsonl.zst", LINE.encode(), "let its name end as what it is"),
        ("a.jsonl.gz", b"\x28\xb5\x2f\xfd" * 99, "is packed with zstd; let its name end in .zst"),
        ("a.jsonl.zst", gzip.compress(LINE.encode()), "is packed with gzip; let its name end in .gz"),
        ("a.jsonl.gz", b"BZh91AY" * 99, "bzcat a.jsonl.gz | gzip > a.jsonl.gz"),
    ],
)
def test_what_is_not_packed_as_its_name_says_is_not_thought_unfinished(
    world: World, name: str, content: bytes, words: str
) -> None:
    message = told(world, name, content)
    assert words in message
    assert UNFINISHED not in message


@pytest.mark.parametrize("cut", [1, 2, 5, 15, 40])
def test_the_beginning_of_a_packed_file_may_be_unfinished(world: World, cut: int) -> None:
    message = told(world, "a.jsonl.gz", gzip.compress(LINE.encode())[:cut])
    assert UNFINISHED in message


@pytest.mark.parametrize(
    ("target", "why"),
    [("a.jsonl", os.strerror(errno.ELOOP)), ("gone.jsonl.parquet", "is a link to something that is not there")],
)
def test_a_link_that_leads_nowhere_is_told_and_not_thought_unfinished(world: World, target: str, why: str) -> None:
    (world.base / "in").mkdir(exist_ok=True)
    (world.base / "in" / "a.jsonl").symlink_to(Path(target))
    (problem,) = world.take().problems
    assert why in problem.message
    assert UNFINISHED not in problem.message
