"""JSON Lines: keys that no line has, nested values, and JSON that is no lines."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.engine.check.check import check_config
from monitor.sources.formats import json_files
from tests.sources.formats.json_texts import cameras, lines, put, without
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import Row, World, a_row, reasons, unreadable


@pytest.mark.parametrize("rows", [1, 3, 2_000])
def test_a_slice_key_that_no_line_has_is_told_with_the_one_that_may_be_meant(world: World, rows: int) -> None:
    path = put(world, lines(*(without(a_row(str(place), kamera="c1"), "camera") for place in range(rows))))
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (rows, ["missing_slice_column"])
    assert brought.problems[0].message == (
        f"{path}: has no column camera; its rows count under the slice value __missing__. "
        'Perhaps meant: columns = { camera = "kamera" }'
    )


@pytest.mark.parametrize("place", [0, 5, 1_999])
@pytest.mark.parametrize("key", ["camera", "score"])
def test_a_key_that_one_line_has_is_there_however_late_it_comes(world: World, place: int, key: str) -> None:
    rows = [without(a_row(str(number)), key) for number in range(2_000)]
    rows[place] = a_row("whole")
    put(world, lines(*rows))
    brought = world.take()
    assert unreadable(brought.problems) == []
    assert brought.new == (2_000 if key == "camera" else 1)
    assert brought.quarantined == ({} if key == "camera" else {"missing_score": 1_999})


@pytest.mark.parametrize("key", ["camera", "score"])
def test_a_key_that_is_null_throughout_is_there(world: World, key: str) -> None:
    put(world, lines(a_row("a", **{key: None})))
    assert unreadable(world.take().problems) == []


@pytest.mark.parametrize(
    ("missing", "has", "proposal"),
    [
        ("sample_id", {"uid": "a"}, 'columns = { sample_id = "uid" }'),
        ("score", {"confidence": 0.5}, 'columns = { score = "confidence" }'),
        ("observed_at", {"made": "2026-03-10T10:00:00Z"}, 'columns = { observed_at = "made" }'),
        ("observed_at", {"meta": {"timestamp": "x"}}, 'columns = { observed_at = "meta.timestamp" }'),
    ],
)
def test_a_required_key_that_no_line_has_refuses_the_file(world: World, missing: str, has: Row, proposal: str) -> None:
    put(world, lines(*({**without(a_row(str(place)), missing, "labelled_at"), **has} for place in range(3))))
    brought = world.take()
    assert (brought.new, reasons(brought.problems), brought.quarantined) == (0, ["missing_column"], {})
    assert f"has no column {missing}; it has " in brought.problems[0].message
    assert f"perhaps {proposal}" in brought.problems[0].message


def test_keys_are_looked_for_as_they_are_mapped(make_world: MakeWorld) -> None:
    world = make_world(source='[[model.source]]\npath = "in/*"\ncolumns = { score = "p", camera = "cam" }\n')
    put(world, lines(a_row("a")))
    (problem,) = world.take().problems
    assert 'has no column score (looked for as "p"); it has sample_id, ' in problem.message


def test_labels_need_a_key_for_what_came_true(make_world: MakeWorld) -> None:
    source = '[[model.source]]\npath = "in/*"\n[[model.source]]\nname = "l"\nholds = "labels"\npath = "labels/*"\n'
    world = make_world(source=source)
    (world.base / "labels" / "a.jsonl").write_text(lines({"sample_id": "a", "verdict": 1}))
    (problem,) = world.take().problems
    assert "has no column outcome (or label); it has sample_id, verdict" in problem.message


def listed(rows: list[Row]) -> str:
    return json.dumps(rows)


def pretty(rows: list[Row]) -> str:
    return json.dumps(rows, indent=2)


def a_row_a_line(rows: list[Row]) -> str:
    return "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n"


def pretty_objects(rows: list[Row]) -> str:
    return "\n".join(json.dumps(row, indent=4) for row in rows)


def within(rows: list[Row]) -> str:
    return json.dumps({"version": 1, "records": rows})


def within_pretty(rows: list[Row]) -> str:
    return json.dumps({"version": 1, "data": rows}, indent=1)


def in_columns(rows: list[Row]) -> str:
    return json.dumps({name: {str(place): row[name] for place, row in enumerate(rows)} for name in rows[0]})


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("count", [1, 3, 1_000])
@pytest.mark.parametrize(
    ("written", "what", "remedy"),
    [
        (listed, "is one JSON list", "jq -c '.[]' {name} > lines.jsonl"),
        (pretty, "is one JSON list", "jq -c '.[]' {name} > lines.jsonl"),
        (a_row_a_line, "is one JSON list", "jq -c '.[]' {name} > lines.jsonl"),
        (pretty_objects, "is JSON over several lines", "jq -c '.' {name} > lines.jsonl"),
        (within_pretty, "is JSON over several lines", "jq -c '.data[]' {name} > lines.jsonl"),
        (within, 'its rows lie within "records"', "jq -c '.records[]'"),
        (in_columns, "", 'to_json(orient="records", lines=True)'),
    ],
)
def test_json_that_is_not_one_object_a_line_is_refused_with_what_makes_it_so(
    world: World, written: Callable[[list[Row]], str], what: str, remedy: str, count: int, name: str
) -> None:
    put(world, written([a_row(str(place)) for place in range(count)]), name)
    brought = world.take()
    assert (brought.rows, len(brought.problems)) == (0, 1)
    assert what in brought.problems[0].message
    assert remedy.format(name=name) in brought.problems[0].message


def ending_in_commas(rows: list[Row]) -> str:
    return ",\n".join(map(json.dumps, rows)) + "\n"


def on_one_line(rows: list[Row]) -> str:
    return "".join(map(json.dumps, rows))


def in_lists(rows: list[Row]) -> str:
    return json.dumps({"columns": list(rows[0]), "index": [0], "data": [list(row.values()) for row in rows]})


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (ending_in_commas, "its lines end with commas; take them away: sed 's/,$//' a.jsonl > lines.jsonl"),
        (on_one_line, "several on one; calwatch reads one object a line: jq -c '.' a.jsonl > lines.jsonl"),
        (
            in_lists,
            "its only object seems to hold whole columns; calwatch reads one object a line: with pandas, to_json(",
        ),
    ],
)
def test_rows_parted_otherwise_are_refused_with_what_parts_them(
    world: World, written: Callable[[list[Row]], str], told: str
) -> None:
    put(world, written([a_row(str(place)) for place in range(4)]))
    brought = world.take()
    assert (brought.rows, len(brought.problems)) == (0, 1)
    assert told in brought.problems[0].message


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + lines(a_row("a"), a_row("b")),
        lines(a_row("a"), a_row("b")).replace("\n", "\r\n"),
        lines(a_row("a")) + lines(a_row("b")).replace("\n", "\r\n"),
        lines(a_row("a")).replace("\n", "\r\n") + lines(a_row("b")),
        "\n\n" + lines(a_row("a")) + "\n" + lines(a_row("b")),
        lines(a_row("a", logits=[0.5] * 50_000), a_row("b")),
        lines(a_row("a", note=float("nan")), a_row("b")),
        lines({"meta": {"x": [1]}, **a_row("a")}, a_row("b")),
        lines(a_row("a", rows=[{"x": 1}]), a_row("b")),
    ],
    ids=range(9),
)
def test_lines_are_read_however_they_end_and_whatever_else_they_hold(world: World, text: str) -> None:
    put(world, text)
    brought = world.take()
    assert unreadable(brought.problems) == []
    assert (brought.quarantined, cameras(world)) == ({}, [("a", "c1"), ("b", "c1")])


@pytest.mark.parametrize("first", ["[1, 2]", '[{"a": 1}]', "{", '{"sample_id": "x", ', "garbage", '"x"'])
def test_a_first_line_that_is_no_row_does_not_refuse_those_after_it(world: World, first: str) -> None:
    put(world, first + "\n" + lines(*(a_row(str(place)) for place in range(3))))
    brought = world.take()
    assert (brought.new, brought.quarantined, unreadable(brought.problems)) == (3, {"unreadable_line": 1}, [])


@pytest.mark.parametrize("text", ["garbage\nmore\n", '{"sample_id": "a", "obs', "1\n2\n", "<html>\n</html>\n"])
def test_lines_of_which_none_is_a_row_are_set_aside_one_by_one(world: World, text: str) -> None:
    put(world, text)
    brought = world.take()
    assert (brought.new, unreadable(brought.problems)) == (0, [])
    assert set(brought.quarantined) == {"unreadable_line"}


def test_a_good_file_is_looked_at_once_and_only_at_its_beginning(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def scan(*arguments: object) -> set[str]:
        raise AssertionError("the whole file was looked at")

    monkeypatch.setattr(json_files, "_absent", scan)
    put(world, lines(*(a_row(str(place)) for place in range(500))))
    assert world.take().new == 500


def test_check_tells_a_slice_key_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "calwatch.toml").write_text(
        '[[model]]\nname = "m"\ntask = "binary"\nslices = ["cam"]\n[[model.source]]\npath = "*.jsonl"\n'
    )
    (tmp_path / "a.jsonl").write_text(lines(*(a_row(str(place)) for place in range(30))))
    found = check_config(tmp_path / "calwatch.toml")
    assert any("has no column cam; its rows" in each and '{ cam = "camera" }' in each for each in found.suspicions)
