"""Lines longer than what is read of one: each is a row or set aside, whatever buffers it lies across."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.sources.formats import long_lines
from tests.worlds.store import World

LIMIT = 20_000
BUFFER = LIMIT * long_lines.BUFFER_LINES
HEADER = "sample_id,observed_at,score,predicted_class,model_version,outcome,camera,note\n"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_lines, "JSON_LINE", LIMIT)
    monkeypatch.setattr(long_lines, "CSV_LINE", LIMIT)


def json_line(name: str, padding: int = 0) -> str:
    return (
        f'{{"sample_id": "{name}", "observed_at": "2026-03-10T10:00:00Z", "score": 0.5, "outcome": 1, "camera": "a", '
        f'"note": "{" " * padding}"}}\n'
    )


def csv_line(name: str, padding: int = 0) -> str:
    return f"{name},2026-03-10T10:00:00Z,0.5,c,v,1,a,{'x' * padding}\n"


def quoted_line(name: str, padding: int = 0) -> str:
    return f'{name},2026-03-10T10:00:00Z,0.5,c,v,1,a,"{"x" * padding}"\n'


MakeLine = Callable[..., str]
KINDS = [
    pytest.param("jsonl", json_line, "", id="json"),
    pytest.param("csv", csv_line, HEADER, id="csv"),
    pytest.param("csv", quoted_line, HEADER, id="quoted"),
]
SIZES = [LIMIT + 100, BUFFER // 2, BUFFER - 5000, BUFFER + 1, 2 * BUFFER + 1, 5 * BUFFER]


def write(world: World, ending: str, text: str, *, packed: bool = False, end: str = "\n") -> Path:
    data = text.replace("\n", end).encode()
    path = world.base / "in" / f"x.{ending}{'.gz' if packed else ''}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    return path


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("ending", "line", "header"), KINDS)
def test_a_line_too_long_is_set_aside_with_its_number(
    world: World, ending: str, line: MakeLine, header: str, size: int, packed: bool
) -> None:
    before = [line(f"b{number}", 500) for number in range(300)]
    text = header + "".join(before) + line("big", size) + line("c0") + line("big2", size) + line("c1")
    write(world, ending, text, packed=packed)
    brought = world.take()
    assert (brought.new, brought.quarantined) == (302, {"line_too_long": 2})
    assert [(row, reason) for _, row, reason in world.quarantined()] == [(300, "line_too_long"), (302, "line_too_long")]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("before", range(0, BUFFER + 40_000, 30_000))
def test_no_place_in_the_file_hides_a_line_too_long(world: World, before: int) -> None:
    write(world, "jsonl", json_line("a", 1000) * (before // 1000) + json_line("big", BUFFER * 2 // 3) + json_line("z"))
    assert world.take().quarantined == {"line_too_long": 1}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", SIZES)
def test_the_only_line_of_a_file_is_never_taken_for_none(world: World, size: int, end: str) -> None:
    write(world, "jsonl", json_line("big", size), end=end)
    brought = world.take()
    assert (brought.new, brought.quarantined) == (0, {"line_too_long": 1})
    assert "leave out what calwatch does not need" in brought.problems[0].message


@pytest.mark.usefixtures("small")
def test_numbers_of_bad_lines_count_the_long_ones_before_them(world: World) -> None:
    text = (
        json_line("a")
        + json_line("big", 3 * BUFFER)
        + json_line("b")
        + "\n{\n"
        + json_line("big", LIMIT)
        + json_line("c")
    )
    path = write(world, "jsonl", text)
    path.write_bytes(path.read_bytes().replace(b"{\n", b"\xff\n"))
    brought = world.take()
    assert (brought.new, brought.quarantined) == (3, {"line_too_long": 2, "unreadable_line": 1})
    found = [(row, reason) for _, row, reason in world.quarantined()]
    assert found == [(1, "line_too_long"), (4, "unreadable_line"), (5, "line_too_long")]


@pytest.mark.usefixtures("small")
def test_null_bytes_beyond_a_buffer_are_a_line_too_long(world: World) -> None:
    write(world, "csv", HEADER + csv_line("a") + "\0" * (BUFFER + 10) + "\n" + csv_line("b"))
    brought = world.take()
    assert (brought.new, brought.quarantined) == (2, {"line_too_long": 1})


@pytest.mark.usefixtures("small")
def test_a_list_on_one_line_too_long_says_what_it_is(world: World) -> None:
    write(world, "json", "[" + json_line("a", 3 * BUFFER).strip() + "]\n")
    assert "is one JSON list" in world.take().problems[0].message


@pytest.mark.usefixtures("small")
def test_long_lines_of_one_file_are_not_counted_in_another(world: World) -> None:
    write(world, "jsonl", json_line("a") + json_line("big", 3 * BUFFER) + json_line("b"))
    (world.base / "in" / "y.jsonl").write_text(json_line("c") + "{\n" + json_line("d"))
    brought = world.take()
    assert (brought.new, brought.quarantined) == (4, {"line_too_long": 1, "unreadable_line": 1})


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_is_kept_of_a_long_line_says_how_long_it_is(tmp_path: Path, end: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(("a" * 500 + end) * 700 + "b" * 400_000 + end + "c", newline="")
    (found,) = long_lines.find_long_lines(str(path), LIMIT)
    assert (found.number, found.start, found.size - len(end) + 1) == (701, 700 * (500 + len(end)), 400_000)
    assert "400,00" in found.description
    assert found.beginning == "b" * 1000


@pytest.mark.slow
def test_a_line_of_300_megabytes_in_a_small_packed_file_is_set_aside(world: World) -> None:
    write(world, "jsonl", json_line("a") + json_line("big", 300_000_000) + json_line("b"), packed=True)
    brought = world.take()
    assert (brought.new, brought.quarantined) == (2, {"line_too_long": 1})
