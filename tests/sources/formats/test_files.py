"""Files that come, change, break and go."""

import os
import random
from pathlib import Path

import pytest

from monitor.model.problems import Problem
from monitor.sources.batch import Batch
from monitor.sources.files import FileSource
from monitor.sources.formats import relations as formats
from monitor.sources.formats.layout import Needs
from monitor.sources.pull import SOURCE_FAILED
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, World, a_row, reasons, unreadable, write_csv, write_parquet

FORMATS = ["csv", "jsonl", "parquet"]


def stored(world: World) -> set[str]:
    return {sample_id for (sample_id,) in world.rows("SELECT sample_id FROM samples")}


@pytest.mark.parametrize("ending", FORMATS)
def test_only_new_and_changed_files_are_read(world: World, ending: str) -> None:
    world.send(a_row("a"), ending=ending)
    grown = world.send(a_row("b"), ending=ending)
    assert world.take().files == 2
    assert world.take().files == 0
    world.send(a_row("c"), ending=ending)
    assert world.take().files == 1
    world.send(a_row("b"), a_row("d"), name=grown.name)
    assert world.take().files == 1
    assert stored(world) == {"a", "b", "c", "d"}


def test_files_are_taken_in_the_order_they_changed(world: World) -> None:
    for stamp, name, score in ((3, "a.jsonl", 0.3), (1, "b.jsonl", 0.1), (2, "c.jsonl", 0.2)):
        path = world.send(a_row("x", score=score), name=name)
        os.utime(path, (stamp, stamp))
    world.take()
    assert world.one("SELECT score FROM samples") == 0.3


def test_a_format_may_be_named_where_the_file_name_does_not_tell(make_world: MakeWorld) -> None:
    world = make_world(source='[[model.source]]\npath = "in/*"\n')
    write_csv(world.base / "in" / "export.2026", [a_row("a")])
    brought = world.take()
    assert reasons(brought.problems) == ["unreadable_file"]
    assert 'its name does not tell the format; set format = "parquet", "csv" or "json"' in brought.problems[0].message
    named = make_world(source='[[model.source]]\npath = "in/*"\nformat = "csv"\n', folder="named")
    write_csv(named.base / "in" / "export.2026", [a_row("a")])
    assert named.take().new == 1


@pytest.mark.parametrize("name", ["in put[1].csv", "it's.csv", "naïve ✓.csv", "with_unreadable_inside.csv", "100%.csv"])
def test_awkward_file_names_are_read(make_world: MakeWorld, name: str) -> None:
    world = make_world(folder="we[i]rd 'base' _unreadable")
    write_csv(world.base / "in" / name, [a_row("a")])
    write_parquet(world.base / "in" / (name + ".parquet"), [a_row("b")])
    brought = world.take()
    assert (brought.new, brought.problems) == (2, [])


def test_subdirectories_are_searched_with_two_stars(make_world: MakeWorld) -> None:
    world = make_world(source='[[model.source]]\npath = "in/**/*.csv"\n')
    (world.base / "in" / "2026" / "03").mkdir(parents=True)
    write_csv(world.base / "in" / "2026" / "03" / "a.csv", [a_row("a")])
    write_csv(world.base / "in" / "b.csv", [a_row("b")])
    assert world.take().new == 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_usual_dialects_of_csv_are_understood(world: World, delimiter: str, newline: str) -> None:
    lines = [
        "\ufeffsample_id,observed_at,score,outcome,camera",
        'a,2026-03-10 10:00:00,0.7,1,"c ""1"""',
        "",
        "b,2026-03-10 10:00:00,0.7,,c2",
    ]
    text = newline.join(line.replace(",", delimiter) for line in lines) + newline
    (world.base / "in" / "a.csv").write_bytes(text.encode())
    brought = world.take()
    assert (brought.new, brought.quarantined) == (2, {})
    assert world.rows("SELECT labels['camera'] FROM slices ORDER BY ALL") == [('c "1"',), ("c2",)]


@pytest.mark.parametrize("ending", FORMATS)
def test_an_empty_file_is_told_once_and_read_when_it_has_grown(world: World, ending: str) -> None:
    path = world.base / "in" / f"a.{ending}"
    path.touch()
    world.send(a_row("other"), ending="jsonl")
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (1, ["empty_file"])
    assert brought.problems[0].message == f"{path}: is empty; looked at again when it changes"
    assert world.take(now=NOW + HOUR).problems == []
    world.send(a_row("a"), name=path.name)
    assert world.take().new == 1


def test_a_csv_with_a_header_alone_holds_no_rows(world: World) -> None:
    (world.base / "in" / "a.csv").write_text("sample_id,observed_at,score,camera\n")
    brought = world.take()
    assert (brought.files, brought.rows, brought.problems) == (1, 0, [])


def test_a_half_written_parquet_file_is_told_and_read_when_whole(world: World) -> None:
    path = world.send(*(a_row(f"a{index}") for index in range(50)), name="a.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    world.send(a_row("other"), ending="parquet")
    brought = world.take()
    assert (brought.new, reasons(brought.problems)) == (1, ["unreadable_file"])
    assert brought.problems[0].message.startswith(f"{path}: cannot be read (")
    assert brought.problems[0].message.endswith("perhaps it is still being written: tried again next cycle")
    assert world.one("SELECT count(*) FROM cursors") == 1
    path.write_bytes(whole)
    assert world.take().new == 50


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_half_written_last_line_is_quarantined_and_read_when_whole(world: World, ending: str) -> None:
    path = world.send(a_row("a"), a_row("b"), name=f"a.{ending}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    first = world.take()
    assert (first.new, first.quarantined) == (1, {"unreadable_line": 1})
    assert world.quarantined() == [(path.name, 1, "unreadable_line")]
    assert str(world.one("SELECT record FROM quarantine"))[:6] in whole.decode()
    path.write_bytes(whole)
    second = world.take()
    assert (second.new, second.duplicates, second.quarantined) == (1, 1, {})
    assert stored(world) == {"a", "b"}


@pytest.mark.parametrize("seed", range(3))
def test_damaged_pages_under_a_whole_footer_spoil_their_file_alone(world: World, seed: int) -> None:
    rng = random.Random(seed)
    world.send(a_row("before"), ending="parquet")
    rows = [a_row(f"a{index}", score=index / 3000, camera=f"c{index % 7}") for index in range(3000)]
    path = world.send(*rows, ending="parquet")
    world.send(a_row("after"), ending="parquet")
    whole = path.read_bytes()
    for _ in range(8):
        damaged = bytearray(whole)
        start = rng.randrange(4, len(whole) // 2)
        damaged[start : start + 60] = rng.randbytes(60)
        path.write_bytes(bytes(damaged))
        brought = world.take()
        assert reasons(brought.problems) == ["unreadable_file"], brought
        assert str(path) in brought.problems[0].message
        assert stored(world) == {"before", "after"}
    path.write_bytes(whole)
    assert world.take().new == 3000


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_line_that_is_no_row_is_quarantined_and_its_neighbours_are_taken(world: World, ending: str) -> None:
    path = world.send(a_row("a"), a_row("b"), a_row("c"), name=f"a.{ending}")
    lines = path.read_text().splitlines()
    at = 2 if ending == "csv" else 1
    for wrong in ("[1, 2]", "garbage", '"lonely"'):
        path.write_text("\n".join([*lines[:at], wrong, *lines[at + 1 :]]) + "\n")
        brought = world.take()
        assert brought.quarantined == {"unreadable_line": 1}
    assert stored(world) == {"a", "c"}
    assert world.rows("SELECT DISTINCT row FROM quarantine") == [(1,)]


def test_rejected_lines_of_a_damaged_csv_are_not_blamed_on_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = world.send(a_row("a"), ending="csv")
    one.write_text(one.read_text() + "too,short\n")
    world.pull()
    world.connection.execute("CREATE TEMP TABLE reject_errors AS SELECT 1 AS line, 'stale' AS csv_line")
    world.send(a_row("b"), ending="csv")
    assert world.take().quarantined == {}


@pytest.mark.parametrize("path", ["gone/*.csv", "gone/**/*.csv", "gone/a.csv"])
def test_a_directory_that_vanished_is_told_and_read_when_it_is_back(make_world: MakeWorld, path: str) -> None:
    world = make_world(source=f'[[model.source]]\npath = "{path}"\n')
    brought = world.take()
    assert reasons(brought.problems) == ["directory_missing"]
    assert brought.problems[0].message == f"{world.base / 'gone'}: no such directory"
    assert brought.problems[0].reason in SOURCE_FAILED
    world.take(now=NOW + HOUR)
    assert world.one("SELECT count(*) FROM pulls") == 1, "the same trouble again is no news"
    (world.base / "gone").mkdir()
    write_csv(world.base / "gone" / "a.csv", [a_row("a")])
    assert world.take().new == 1


def test_a_directory_that_may_not_be_listed_fails_its_source(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.send(a_row("a"))
    with monkeypatch.context() as patched:
        patched.setattr("monitor.sources.files.os.access", lambda path, mode: False)
        brought = world.take()
    assert reasons(brought.problems) == ["source_unreachable"]
    assert brought.problems[0].message == f'source "samples": {world.base / "in"}: may not be listed by this user'
    assert world.take().new == 1


def test_a_file_without_read_permission_is_told_and_the_others_are_read(world: World) -> None:
    closed = world.send(a_row("a"), name="closed.parquet")
    world.send(a_row("b"), ending="parquet")
    (world.base / "in" / "loop.csv").symlink_to("loop.csv")  # may not even be looked at
    closed.chmod(0)
    brought = world.take()
    expected = {"loop.csv"} if os.access(closed, os.R_OK) else {"loop.csv", "closed.parquet"}  # root reads everything
    assert {Path(problem.item).name for problem in brought.problems} == expected
    assert set(reasons(brought.problems)) == {"unreadable_file"}
    assert "b" in stored(world)
    closed.chmod(0o600)
    (world.base / "in" / "loop.csv").unlink()
    world.take()
    assert stored(world) == {"a", "b"}


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_vanishes_between_listing_and_reading_is_told(world: World, ending: str) -> None:
    gone = world.send(a_row("a"), name=f"a.{ending}")
    world.send(a_row("b"), name=f"b.{ending}")
    source = FileSource(world.model.source[0], world.base, Needs.of(world.model))
    found = source.read_batches(world.connection, {}, NOW)
    gone.unlink()  # nothing has been listed yet: the generator has not begun
    first = next(found)
    assert isinstance(first, Batch)
    assert list(first.cursor) == [str(world.base / "in" / f"b.{ending}")]


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_vanishes_after_it_was_looked_at_spoils_no_other(
    world: World, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = world.send(a_row("a"), name=f"a.{ending}")
    world.send(a_row("b"), name=f"b.{ending}")
    look = formats.relation_of

    def look_and_remove(paths: list[str], layout: formats.Layout) -> tuple[str, str | None]:
        gone.unlink(missing_ok=True)
        return look(paths, layout)

    with monkeypatch.context() as patched:
        patched.setattr(formats, "relation_of", look_and_remove)
        brought = world.take()
    assert stored(world) == {"b"}
    assert reasons(brought.problems) == ["unreadable_file"]
    world.send(a_row("a"), name=gone.name)
    assert world.take().new == 1


def test_a_source_without_files_yet_is_no_problem(world: World) -> None:
    brought = world.take()
    assert (brought.problems, brought.files) == ([], 0)
    assert world.one("SELECT count(*) FROM pulls") == 0


def test_a_remote_glob_is_read_through_fsspec(make_world: MakeWorld) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/calwatch-test/a.jsonl", b'{"sample_id": "a", "observed_at": "2026-03-10 10:00:00", "score": 0.7}\n')
    try:
        world = make_world(source='[[model.source]]\npath = "memory://calwatch-test/*.jsonl"\n')
        assert world.take().new == 1
        assert world.take().files == 0
    finally:
        memory.rm("/calwatch-test", recursive=True)


def test_a_remote_place_that_is_not_there_fails_its_source(make_world: MakeWorld) -> None:
    world = make_world(source='[[model.source]]\npath = "nosuch://bucket/*.csv"\n')
    brought = world.take()
    assert reasons(brought.problems) == ["source_unreachable"]
    assert brought.problems[0].message.startswith('source "samples": nosuch://bucket/*.csv: ')


def test_parquet_files_of_one_layout_make_one_batch_and_large_ones_are_parted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(4):
        world.send(a_row(f"a{index}"), a_row(f"b{index}"), ending="parquet")
    source = FileSource(world.model.source[0], world.base, Needs.of(world.model))
    assert [batch.files for batch in source.read_batches(world.connection, {}, NOW) if isinstance(batch, Batch)] == [4]
    monkeypatch.setattr("monitor.sources.inspect.BATCH_ROWS", 4)
    batches = [batch for batch in source.read_batches(world.connection, {}, NOW) if not isinstance(batch, Problem)]
    assert [batch.files for batch in batches] == [2, 2]


def test_a_json_line_that_is_no_utf8_or_holds_a_control_character_is_quarantined_and_the_others_are_taken(
    world: World,
) -> None:
    good = b'{"sample_id": "%s", "observed_at": "2026-03-10T10:00:00Z", "score": 0.7, "outcome": 1, "camera": "c1"}\n'
    (world.base / "in").mkdir(exist_ok=True)
    (world.base / "in" / "x.jsonl").write_bytes(b"".join(good % name for name in (b"a", b"\xff", b"x\x01y", b"b")))
    brought = world.take()
    assert brought.new == 2
    assert brought.quarantined == {"unreadable_line": 2}
    assert not unreadable(brought.problems)
