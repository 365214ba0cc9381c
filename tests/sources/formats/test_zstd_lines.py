"""Lines of files packed with zstd that are longer than what is read of one: none vanishes without a word."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor.sources.formats import long_lines
from monitor.sources.formats.zstd_lines import unpacked_at_most
from tests.sources.formats.test_long_lines import BUFFER, HEADER, KINDS, LIMIT, MakeLine, csv_line, json_line, small
from tests.worlds.store import World

__all__ = ["small"]

REMEDY = "zstdcat {name} | gzip > other-name.gz"


def pack(path: Path, *parts: str | bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    with pa.OSFile(str(path), "wb") as file, pa.CompressedOutputStream(file, "zstd") as packed:
        for part in parts:
            packed.write(part.encode() if isinstance(part, str) else part)
    return path


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("before", range(0, BUFFER + 40_000, 60_000))
@pytest.mark.parametrize("size", [LIMIT + 100, BUFFER // 2, BUFFER - 5000, BUFFER + 1, 5 * BUFFER])
@pytest.mark.parametrize(("ending", "line", "header"), KINDS)
def test_a_line_too_long_is_set_aside_or_its_file_refused_with_the_remedy(
    world: World, ending: str, line: MakeLine, header: str, size: int, before: int
) -> None:
    text = header + "".join(line(f"b{number}", 400) for number in range(before // 500)) + line("big", size)
    path = pack(world.base / "in" / f"x.{ending}.zst", text, *(line(f"c{number}", 400) for number in range(900)))
    brought = world.take()
    if any(each.reason == "unreadable_file" for each in brought.problems):
        assert brought.new == 0
        assert "line(s) of more than 20,000 bytes" in brought.problems[0].message
        assert REMEDY.format(name=path.name) in brought.problems[0].message
    else:
        assert (brought.new, brought.quarantined) == (before // 500 + 900, {"line_too_long": 1})


@pytest.mark.usefixtures("small")
def test_without_its_long_lines_the_file_is_read(world: World) -> None:
    path = world.base / "in" / "x.jsonl.zst"
    pack(path, *(json_line(f"b{number}", 400) for number in range(900)), json_line("big", 3 * BUFFER), json_line("c"))
    assert world.take().new == 0
    pack(path, *(json_line(f"b{number}", 400) for number in range(900)), json_line("c"))
    assert world.take().new == 901


ODD: list[bytes] = [
    b"\n",
    b" \n",
    b"\t\r\n",
    b"{\n",
    b"\xff\xfe\n",
    b"\0\0\n",
    b'{"a": "\x01"}\n',
    b'{"a": 1}\r\n',
    b"[1, 2]\n",
]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(6))
def test_odd_lines_are_not_taken_for_lost_ones(world: World, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines = [
        ODD[int(rng.integers(len(ODD)))] if rng.random() < 0.1 else json_line(f"b{number}", 400).encode()
        for number in range(1500)
    ]
    text = b"".join(lines)
    pack(world.base / "in" / "x.jsonl.zst", text if seed % 2 else text.rstrip(b"\n"))
    assert len(text) > BUFFER
    brought = world.take()
    assert not [each for each in brought.problems if "line(s) of more than" in each.message]
    assert brought.new == sum(b"sample_id" in line for line in lines)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("place", [0, 7, 1000, 3000])
@pytest.mark.parametrize("many", [3600, 4000])
def test_a_quote_that_is_opened_and_not_closed_is_told_with_its_line(world: World, place: int, many: int) -> None:
    lines = [csv_line(f"b{number}", 30) for number in range(many)]
    pack(world.base / "in" / "x.csv.zst", HEADER, *lines[:place], f'"{lines[place]}', *lines[place + 1 :])
    brought = world.take()
    assert brought.new == 0
    assert f"line {place + 2:,} opens a quote that is not closed" in brought.problems[0].message


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_line_that_is_no_text_is_counted_once(world: World, ending: str) -> None:
    line, header = (csv_line, HEADER) if ending == "csv" else (json_line, "")
    bad = line("bad").encode().replace(b"0.5", b"\xff5")
    parts = [line(f"b{number}", 400) for number in range(900)]
    pack(world.base / "in" / f"x.{ending}.zst", header, *parts[:5], bad, *parts[5:])
    brought = world.take()
    assert (brought.new, brought.quarantined) == (900, {"unreadable_line": 1})


@pytest.mark.parametrize("seed", range(20))
def test_what_a_file_unpacks_to_is_never_more_than_what_its_blocks_say(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds: list[Callable[[int], bytes]] = [
        rng.bytes,
        lambda size: b"a" * size,
        lambda size: b'{"a": 1}\n' * (size // 9),
    ]
    parts = [kinds[int(rng.integers(3))](int(rng.integers(0, 600_000))) for _ in range(int(rng.integers(0, 5)))]
    whole = b"".join(parts)
    frame = pa.compress(whole, codec="zstd", asbytes=True)
    streamed = pack(tmp_path / "a", *parts).read_bytes()
    skipped = bytes((0x51, 0x2A, 0x4D, 0x18, 3, 0, 0, 0)) + b"abc"
    for content, size in (
        (frame, len(whole)), (streamed, len(whole)), (streamed + skipped + frame, 2 * len(whole)),
        (skipped + frame, len(whole)),
    ):  # fmt: skip
        path = tmp_path / "b.zst"
        path.write_bytes(content)
        assert size <= unpacked_at_most(str(path)) <= size + (len(parts) + 4) * 2 * 128 * 1024


@pytest.mark.parametrize(
    "content", [b"", b"(", b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd\x04", b"noise" * 9, b"\x50\x2a\x4d\x18"]
)
def test_the_blocks_of_what_is_cut_or_no_zstd_are_counted_as_far_as_they_go(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "b.zst"
    path.write_bytes(content)
    assert unpacked_at_most(str(path)) == 0


@pytest.mark.slow
def test_a_line_of_17_megabytes_across_the_real_buffers_is_told(world: World) -> None:
    many = "".join(json_line(f"b{number}", 900) for number in range(16_000)).encode()
    before = [many] * (long_lines.JSON_LINE * long_lines.BUFFER_LINES // len(many) - 1)
    pack(world.base / "in" / "x.jsonl.zst", *before, json_line("big", 30_000_000), many)
    brought = world.take()
    assert (
        brought.quarantined.get("line_too_long") == 1
        or REMEDY.format(name="x.jsonl.zst") in brought.problems[0].message
    )
