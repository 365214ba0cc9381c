"""The inbox as a source: crashes at every step, order, refusals, receipts kept and dropped."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.model.problems import Outcome
from monitor.sources import inbox as inbox_module
from monitor.sources.inbox import Inbox, WaitingPush
from monitor.sources.waitlist import Waitlist
from monitor.store.connection import make_naive
from tests.worlds.api import World, api_world

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with api_world(tmp_path) as held:
        yield held


def box(world: World) -> Inbox:
    return Inbox.of(world.config.state_dir, "m", "pushed")


def put(held: Inbox, name: str, *rows: dict[str, Any] | str, now: datetime = NOW) -> WaitingPush:
    """Leave rows as the HTTP server would; text as it is."""
    written = held.temporary_path(f"{name}.jsonl")
    written.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return held.add_push(written, name * 32, "d" * 32, now)


def row(name: str, **changed: Any) -> dict[str, Any]:
    return {
        "sample_id": name,
        "observed_at": "2026-03-01T06:00:00Z",
        "score": 0.5,
        "outcome": 1,
        "camera": "c",
        **changed,
    }


def samples(world: World) -> list[tuple[str, int]]:
    return world.connection.execute("SELECT sample_id, positives FROM samples ORDER BY ALL").fetchall()


def counted(world: World) -> list[tuple[int, int]]:
    return world.connection.execute("SELECT rows, new FROM pulls WHERE files > 0 ORDER BY pulled_at").fetchall()


def test_a_crash_between_commit_and_deletion_counts_nothing_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put(box(world), "a", row("x", outcome=1), row("bad", score=7))
    second = put(box(world), "b", row("x", outcome=0))

    def crash(self: Inbox, file: WaitingPush, outcome: Outcome | None, now: datetime) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Inbox, "complete_push", crash)
        with pytest.raises(KeyboardInterrupt):
            world.tick()
    assert samples(world) == [("x", 0)], "both pushes are one transaction"
    assert first.path.exists()
    third = put(box(world), "c", row("y"))
    world.tick()
    assert samples(world) == [("x", 0), ("y", 1)], "the first push, read again, would have taken the correction back"
    assert not any(push.path.exists() for push in (first, second, third))
    assert world.connection.execute("SELECT count(*) FROM quarantine").fetchone() == (1,)
    receipts = [Waitlist(box(world)).find_receipt(name * 32) for name in "abc"]
    assert [receipt and (receipt.state, receipt.rows) for receipt in receipts] == [
        ("taken", None), ("taken", None), ("taken", 1),
    ], "what a crash took is unknown, not nought"  # fmt: skip


def test_a_crash_before_the_commit_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put(box(world), "a", row("x"))

    def crash(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("monitor.sources.ingest.ingest.write_cursor", crash)
        with pytest.raises(KeyboardInterrupt):
            world.tick()
    assert samples(world) == []
    world.tick()
    assert samples(world) == [("x", 1)]


def test_what_has_been_deleted_is_forgotten_so_that_the_cursor_stays_small(world: World) -> None:
    for name in "abcd":
        put(box(world), name, row(name), now=world.now)
        world.tick()
    (items,) = world.connection.execute("SELECT list(item) FROM cursors").fetchone() or ([],)
    assert [item.split("-")[1] for item in items] == ["d" * 32]
    assert len(samples(world)) == 4


@pytest.mark.parametrize("name", ["half.jsonl", "half.parquet", f"looking-{64 * 'd'}"])
def test_half_written_bodies_and_marks_are_not_read_and_are_swept_away(world: World, name: str) -> None:
    left = box(world).temporary_path(name)
    left.write_text(json.dumps(row("x")))
    world.tick()
    assert samples(world) == []
    box(world).sweep_leftovers()
    assert not left.exists()


def test_a_file_that_cannot_be_read_is_kept_aside_with_a_receipt_and_the_next_is_taken(world: World) -> None:
    written = box(world).temporary_path("a.parquet")
    written.write_bytes(b"PAR1 damaged")
    put_aside = box(world).add_push(written, "a" * 32, "d" * 32, NOW)
    put(box(world), "b", row("x"))
    tick = world.tick()
    assert samples(world) == [("x", 1)]
    (problem,) = tick.pulled["m"]["pushed"].problems
    assert problem.reason == "unreadable_file"
    receipt = Waitlist(box(world)).find_receipt("a" * 32)
    assert receipt is not None
    assert receipt.state == "refused"
    assert "cannot be read" in (receipt.problem or "")
    assert (box(world).directory / "refused" / put_aside.path.name).read_bytes() == b"PAR1 damaged"
    assert not world.tick().pulled["m"]["pushed"].problems


def test_lines_that_are_no_rows_are_quarantined_by_their_number(world: World) -> None:
    put(box(world), "a", row("x"), "not json", "[1]", row("y"))
    world.tick()
    found = world.connection.execute("SELECT row, reason FROM quarantine ORDER BY row").fetchall()
    assert found == [(1, "unreadable_line"), (2, "unreadable_line")]
    assert len(samples(world)) == 2


def test_order_is_that_of_arrival_even_when_the_clock_goes_back(world: World) -> None:
    put(box(world), "a", row("x", outcome=1), now=NOW)
    put(box(world), "b", row("x", outcome=0), now=NOW - timedelta(hours=1))
    assert [each.id[0] for each in box(world).list_waiting()] == ["a", "b"]
    world.tick()
    assert samples(world) == [("x", 0)]


def test_receipts_are_kept_up_to_a_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "KEPT_RECEIPTS", 3)
    for name in "abcdef":
        put(box(world), name, row(name))
    world.tick()
    kept = [name for name in "abcdef" if Waitlist(box(world)).find_receipt(name * 32)]
    assert kept == ["d", "e", "f"]


@pytest.mark.parametrize("name", ["..", "a/b", "Ünï", "receipts"])
def test_names_of_models_and_sources_stay_inside_the_inbox(tmp_path: Path, name: str) -> None:
    directory = Inbox.of(tmp_path, name, name).directory
    assert directory.parent.parent == tmp_path / "inbox"
    assert (tmp_path / "inbox") in directory.resolve().parents


def test_columns_and_time_zone_of_the_source_hold_for_pushes(tmp_path: Path) -> None:
    options = 'columns = { score = "confidence" }\ntime_zone = "Europe/Paris"\n'
    with api_world(tmp_path) as plain:
        text = plain.path.read_text("utf-8").replace('kind = "http"\n', f'kind = "http"\n{options}')
    (tmp_path / "own").mkdir()
    sections = text[text.index("[[model]]") : text.index("[server]")]
    with api_world(tmp_path / "own", sections) as world:
        put(box(world), "a", {"sample_id": "x", "observed_at": "2026-03-01T06:00:00", "confidence": 0.5, "outcome": 1})
        world.tick()
        found = world.connection.execute("SELECT observed_at, score FROM samples").fetchall()
        assert found == [(make_naive(datetime(2026, 3, 1, 5, tzinfo=UTC)), 0.5)]


def test_a_push_that_lacks_a_required_key_throughout_is_refused_and_one_that_has_it_once_is_taken(world: World) -> None:
    put(box(world), "a", *({**row(str(place)), "score": None} for place in range(2)))
    lacking = [{name: value for name, value in row(str(place)).items() if name != "score"} for place in range(3)]
    put(box(world), "b", *lacking)
    put(box(world), "c", *lacking, row("whole"))
    tick = world.tick()
    told = {name: Waitlist(box(world)).find_receipt(name * 32) for name in "abc"}
    assert {name: receipt and receipt.state for name, receipt in told.items()} == {
        "a": "taken", "b": "refused", "c": "taken",
    }  # fmt: skip
    assert told["b"]
    assert (told["b"].problem or "").startswith("has no column score; it has sample_id, observed_at, outcome, camera")
    assert tick.pulled["m"]["pushed"].quarantined == {"missing_score": 5}


@pytest.mark.parametrize(
    "lines", [["garbage", "more"], ["["], ["[1, 2]"], ["{", '"a": 1', "}"], ['{"sample_id": "x", "obs']]
)
def test_a_push_of_which_no_line_is_a_row_is_taken_line_by_line(world: World, lines: list[str]) -> None:
    put(box(world), "a", *lines)
    tick = world.tick()
    assert tick.pulled["m"]["pushed"].quarantined == {"unreadable_line": len(lines)}
    receipt = Waitlist(box(world)).find_receipt("a" * 32)
    assert receipt
    assert (receipt.state, receipt.rows) == ("taken", len(lines))


def test_a_slice_key_that_no_push_has_is_told_once_and_one_that_some_lack_is_not(world: World) -> None:
    bare = [{name: value for name, value in row(str(place)).items() if name != "camera"} for place in range(3)]
    put(box(world), "a", bare[0])
    put(box(world), "b", {**bare[1], "kamera": "c"})
    (problem,) = world.tick().pulled["m"]["pushed"].problems
    assert problem.reason == "missing_slice_column"
    assert problem.message == (
        f"push {'a' * 32} and 1 more: has no column camera; its rows count under the slice value __missing__"
    )
    put(box(world), "c", bare[2], now=NOW + timedelta(minutes=1))
    put(box(world), "d", row("x"), now=NOW + timedelta(minutes=1))
    assert world.tick().pulled["m"]["pushed"].problems == []
