"""One bad file stops nothing: it is tried alone, named, and set aside after two tries, while all others are read."""

import json
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.model import FileSetAside
from monitor.sources.ingest.ingest import ingest_batch as ingest_batch
from monitor.sources.isolation import alone, patience
from monitor.sources.isolation.journal import JOURNAL, Entry, Journal
from monitor.sources.isolation.set_aside import load_set_aside, release_files, take_up_journal
from monitor.sources.pulled import Pulled
from tests.worlds.poison import FUZZED, MEMORY, POISON, flat_list, poison_readers, text_bomb
from tests.worlds.store import HOUR, NOW, World, a_row, model_of, write_csv, write_json_lines, write_parquet

STRUCT = '[[model.source]]\npath = "in/**/*"\ncolumns = { camera = "place.camera" }\n'
DEEP = '[[model.source]]\npath = "in/**/*"\n'
WITH_LABELS = DEEP + '[[model.source]]\nname = "verdicts"\npath = "labels/*"\nholds = "labels"\n'


def world_of(base: Path, source: str = DEEP) -> World:
    world = World.make(base, source=source)
    world.connection.execute(f"SET memory_limit = '{MEMORY}'")
    return world


def number(world: World, path: Path, at: int) -> Path:
    """The same file, changed so many seconds after the first: files are read in that order."""
    os.utime(path, (1_773_000_000 + at, 1_773_000_000 + at))
    return path


def good(world: World, at: int, *ids: str, ending: str = "jsonl", folder: str = "in") -> None:
    (world.base / folder).mkdir(parents=True, exist_ok=True)
    number(world, world.send(*[a_row(each) for each in ids], ending=ending, folder=folder), at)


def poison(world: World, name: str, at: int, folder: str = "in") -> Path:
    path = world.base / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    POISON[name](path)
    return number(world, path, at)


def taken(world: World) -> set[str]:
    return {sample_id for (sample_id,) in world.rows("SELECT sample_id FROM samples")}


def aside(world: World) -> list[FileSetAside]:
    return list(load_set_aside(world.connection, "m"))


def no_process_is_started(patch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **named: Any) -> Any:
        raise AssertionError("a process was started")

    patch.setattr("monitor.sources.isolation.alone.subprocess.Popen", refuse)


@pytest.mark.parametrize("name", POISON)
def test_poison_among_good_files_is_named_and_they_are_read_in_the_same_cycle(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(tmp_path, STRUCT if name == "struct.parquet" else DEEP)
    good(world, 0, "a1", "a2")
    path = poison(world, name, 1)
    good(world, 2, "b1", ending="csv")
    good(world, 3, "c1", ending="parquet")
    brought = world.take()
    assert taken(world) == {"a1", "a2", "b1", "c1"}
    (told,) = [problem for problem in brought.problems if problem.reason == "file_set_aside"]
    assert told.item == str(path)
    assert "memory" in told.message
    assert "once more in the next cycle" in told.message
    assert aside(world) == []
    world.take()
    (held,) = aside(world)
    assert (held.item, held.kind, held.tries) == (str(path), "out_of_memory", 2)
    assert "memory_limit" in held.remedy
    no_process_is_started(monkeypatch)
    good(world, 4, "d1")
    again = world.take()
    assert "d1" in taken(world)
    assert [problem.item for problem in again.problems if problem.reason == "file_set_aside"] == [str(path)]


def test_poison_in_folders_that_speak_stops_none_of_the_files_of_its_kind(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    for at, day in enumerate(("2026-03-08", "2026-03-09", "2026-03-10")):
        folder = world.base / "in" / f"day={day}"
        folder.mkdir(parents=True)
        (folder / "good.jsonl").write_text(json.dumps(a_row(f"g{at}"), default=str) + "\n", "utf-8")
        number(world, folder / "good.jsonl", 2 * at)
    path = poison(world, "flat.jsonl", 3, folder="in/day=2026-03-09")
    brought = world.take()
    assert taken(world) == {"g0", "g1", "g2"}
    assert [problem.item for problem in brought.problems if problem.reason == "file_set_aside"] == [str(path)]


def test_two_poisoned_files_are_both_named_and_both_set_aside(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    paths = {str(poison(world, name, at)) for at, name in enumerate(("flat.jsonl", "deep.jsonl"))}
    good(world, 5, "a1")
    assert {problem.item for problem in world.take().problems} == paths
    world.take()
    assert {held.item for held in aside(world)} == paths
    assert taken(world) == {"a1"}


def test_a_poisoned_file_of_labels_stops_neither_labels_nor_samples(tmp_path: Path) -> None:
    world = world_of(tmp_path, WITH_LABELS)
    good(world, 0, "a1", "a2")
    write_csv(
        world.base / "labels" / "1.csv", [{"sample_id": "a1", "outcome": 0, "labelled_at": "2026-03-10 11:30:00"}]
    )
    poison(world, "flat.jsonl", 1, folder="labels")
    write_csv(
        world.base / "labels" / "3.csv", [{"sample_id": "a2", "outcome": 0, "labelled_at": "2026-03-10 11:30:00"}]
    )
    brought = world.pull()
    assert world.rows("SELECT sample_id, positives FROM samples ORDER BY ALL") == [("a1", 0), ("a2", 0)]
    assert [problem.reason for problem in brought["verdicts"].problems] == ["file_set_aside"]
    assert not brought["samples"].problems
    world.pull()
    assert [held.source for held in aside(world)] == ["verdicts"]


def test_a_file_whose_statistics_lie_is_read_and_its_impossible_rows_are_set_aside(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    shutil.copy(FUZZED, world.base / "in" / "fuzzed.parquet")
    brought = world.take(now=datetime.fromisoformat("2026-11-29T15:00:00+00:00"))
    assert (brought.new, brought.quarantined, brought.problems[1:]) == (57, {"score_outside_0_1": 3}, [])
    assert aside(world) == []


def test_a_bomb_in_a_column_that_nobody_reads_is_no_poison(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    text_bomb(world.base / "in" / "unused.parquet")
    assert world.take().new == 400


def _set_aside(world: World) -> Path:
    path = world.base / "in" / "flat.jsonl"
    flat_list(path)
    world.take()
    world.take()
    assert [held.item for held in aside(world)] == [str(path)]
    return path


def test_a_file_that_changes_is_read_again_and_one_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    path = _set_aside(world)
    write_json_lines(path, [a_row("mended")])
    assert world.take().problems == []
    assert (taken(world), aside(world)) == ({"mended"}, [])
    assert world.one("SELECT count(*) FROM files_set_aside") == 0
    path = _set_aside(world)
    path.unlink()
    assert world.take().problems == []
    assert world.one("SELECT count(*) FROM files_set_aside") == 0


def test_a_file_that_is_let_go_or_gets_more_memory_is_tried_again(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    _set_aside(world)
    assert release_files(world.connection, "m", "other", None) == 0
    assert release_files(world.connection, "m", None, "other.jsonl") == 0
    assert release_files(world.connection, "m", "samples", None) == 1
    (told,) = world.take().problems
    assert told.news
    assert aside(world) == []
    world.take()
    assert len(aside(world)) == 1
    world.connection.execute("SET memory_limit = '1GB'")
    assert world.take().new == 1
    assert world.one("SELECT count(*) FROM files_set_aside") == 0


@pytest.fixture
def ingesting(monkeypatch: pytest.MonkeyPatch) -> list[Exception | None]:
    """What taking a file called bad… raises in this process, and in this one only; by default nothing."""
    raised: list[Exception | None] = [None]
    real = ingest_batch

    def ingest(*arguments: Any, **named: Any) -> Pulled:
        batch = arguments[3]
        if raised[0] is not None and any("bad" in item for item in batch.cursor):
            raise raised[0]
        return real(*arguments, **named)

    monkeypatch.setattr("monitor.sources.pull.ingest_batch", ingest)
    return raised


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("x"), RecursionError("deep"), MemoryError(), duckdb.InternalException("INTERNAL Error: x"),
              duckdb.ConstraintException("No space left, says a text of the file"), duckdb.OutOfMemoryException("no more")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_taking_a_file_raises_stops_no_other_file(
    tmp_path: Path, error: Exception, ingesting: list[Exception | None]
) -> None:
    world = world_of(tmp_path)
    for name in ("a", "bad", "z"):
        write_parquet(world.base / "in" / f"{name}.parquet", [a_row(name)])
    ingesting[0] = error
    (told,) = world.take().problems
    assert taken(world) == {"a", "z"}
    assert type(error).__name__ in told.message
    assert "can be read by itself" in told.message
    world.take()
    (held,) = aside(world)
    assert held.kind == ("out_of_memory" if isinstance(error, (MemoryError, duckdb.OutOfMemoryException)) else "failed")


@pytest.mark.parametrize(
    "error", [duckdb.OutOfMemoryException("failed to offload: No space left on device"), duckdb.IOException("cannot write"),
              OSError(28, "No space left on device"), duckdb.InterruptException("INTERRUPT Error"),
              duckdb.TransactionException("Failed to commit: Could not write file: No space left on device"),
              RuntimeError("Query interrupted"), duckdb.FatalException("checkpoint: No space left on device")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_full_disks_stores_out_of_reach_and_stops_are_no_files_fault(
    tmp_path: Path, error: Exception, ingesting: list[Exception | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(tmp_path)
    write_parquet(world.base / "in" / "bad.parquet", [a_row("bad")])
    ingesting[0] = error
    no_process_is_started(monkeypatch)
    for _ in range(3):
        with pytest.raises(type(error)):
            world.take()
    assert world.one("SELECT count(*) FROM files_set_aside") == 0
    ingesting[0] = None
    assert world.take().new == 1


def test_a_half_written_file_is_tried_every_cycle_and_never_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(tmp_path)
    no_process_is_started(monkeypatch)
    write_parquet(world.base / "in" / "whole.parquet", [a_row("a")])
    whole = (world.base / "in" / "whole.parquet").read_bytes()
    (world.base / "in" / "half.parquet").write_bytes(whole[: len(whole) // 2])
    for _ in range(3):
        assert [problem.reason for problem in world.take().problems] == ["unreadable_file"]
    assert world.one("SELECT count(*) FROM files_set_aside") == 0


def _ended_over(world: World, *paths: Path) -> None:
    """As a process leaves the journal that was killed while it read these."""
    items = {str(path): f"{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in paths}
    Journal(world.base / "state" / JOURNAL).note_entry(Entry("m", "samples", items))


@pytest.mark.parametrize(("name", "by"), [("killer.csv", "SIGKILL"), ("crasher.csv", "SIGSEGV")])
def test_a_file_that_kills_whoever_reads_it_is_named_and_others_that_were_read_with_it_are_taken(
    tmp_path: Path, name: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison_readers(tmp_path, monkeypatch)
    world = world_of(tmp_path)
    paths = [world.base / "in" / each for each in ("a.csv", name, "z.csv")]
    for path in paths:
        write_csv(path, [a_row(path.stem)])
    _ended_over(world, *paths)
    (told,) = world.take().problems
    assert (told.item, by in told.message) == (str(paths[1]), True)
    assert taken(world) == {"a", "z"}
    world.take()
    assert [(held.item, held.kind) for held in aside(world)] == [(str(paths[1]), "crashed")]
    assert world.one("SELECT count(*) FROM files_set_aside") == 1, "what is held of the innocent is forgotten"


def test_a_file_that_hangs_whoever_reads_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poison_readers(tmp_path, monkeypatch)
    monkeypatch.setattr(patience, "LEAST", 1.0)
    world = world_of(tmp_path)
    for name in ("sleeper", "z"):
        write_csv(world.base / "in" / f"{name}.csv", [a_row(name)])
    _ended_over(world, world.base / "in" / "sleeper.csv")
    (told,) = world.take().problems
    assert "was not read within 2 seconds" in told.message
    assert taken(world) == {"z"}


@pytest.mark.slow
def test_a_statement_that_never_ends_is_interrupted_and_stops_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LEAST", 4.0)
    monkeypatch.setattr("monitor.sources.isolation.guard._ONCE_MORE", 1)
    real_trial = alone.try_alone
    monkeypatch.setattr(
        alone, "try_alone",
        lambda source, model, items, now, **named: real_trial(source, model, [(each, 60.0) for each, _ in items], now, **named),
    )  # fmt: skip
    real = ingest_batch

    def ingest(*arguments: Any, **named: Any) -> Pulled:
        connection, batch = arguments[0].connection, arguments[3]
        if any("bad" in item for item in batch.cursor):
            connection.execute(
                "SELECT count(*) FROM range(100000000) AS a, range(100000000) AS b WHERE a.range + b.range < 0"
            )
        return real(*arguments, **named)

    monkeypatch.setattr("monitor.sources.pull.ingest_batch", ingest)
    world = world_of(tmp_path)
    for name in ("a", "bad", "z"):
        write_parquet(world.base / "in" / f"{name}.parquet", [a_row(name)])
    (told,) = world.take().problems
    assert taken(world) == {"a", "z"}
    assert "was not read within" in told.message


def test_files_that_were_read_when_calwatch_was_killed_are_read_in_their_order_and_forgotten(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    paths = [world.base / "in" / f"{at}.parquet" for at in range(4)]
    for at, path in enumerate(paths):
        write_parquet(path, [a_row("a1", score=at / 10)])
        number(world, path, at)
    _ended_over(world, *paths)
    world.take()
    assert world.rows("SELECT score FROM samples") == [(0.3,)]
    assert world.one("SELECT count(*) FROM files_set_aside") == 0
    assert Journal(world.base / "state" / JOURNAL).load_entry() is None


def test_a_file_over_which_calwatch_ends_again_and_again_waits_and_is_not_blamed_where_others_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(tmp_path)
    paths = [world.base / "in" / f"{name}.parquet" for name in ("slow", "good")]
    for path in paths:
        write_parquet(path, [a_row(path.stem)])

    def crash(*over: Path, now: datetime = NOW) -> None:
        _ended_over(world, *over)
        take_up_journal(world.connection, Journal.beside_database(world.connection), now)

    for _ in range(5):  # together with others no file is to blame, however often
        crash(*paths)
    assert world.rows("SELECT DISTINCT crashes FROM files_set_aside") == [(2,)]
    for _ in range(3):
        crash(paths[0])
    with monkeypatch.context() as patch:
        (told,) = world.take().problems
        assert "ended 3 times while it read it alone" in told.message
        assert "it is read again after 2026-03-10 13:00 UTC" in told.message
        assert (taken(world), aside(world)) == ({"good"}, [])
        no_process_is_started(patch)
        assert world.take().problems == [told], "neither tried nor told as news meanwhile"
    crash(paths[0])
    (told,) = world.take().problems
    assert "it is read again after 2026-03-10 14:00 UTC" in told.message
    assert world.take(now=NOW + 2 * HOUR).new == 1
    assert world.one("SELECT count(*) FROM files_set_aside") == 0


@pytest.mark.parametrize("alone", [1, 2])
def test_a_file_is_read_however_often_calwatch_ended_over_several_and_less_than_three_times_over_it_alone(
    tmp_path: Path, alone: int
) -> None:
    world = world_of(tmp_path)
    path = world.base / "in" / "good.parquet"
    write_parquet(path, [a_row("good")])
    for _ in range(alone):
        _ended_over(world, path)
        take_up_journal(world.connection, Journal.beside_database(world.connection), NOW)
    assert world.take().problems == []
    assert taken(world) == {"good"}


def test_a_file_that_was_committed_just_before_calwatch_ended_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = world_of(tmp_path)
    good(world, 0, "a")
    world.take()
    _ended_over(world, *(world.base / "in").iterdir())
    no_process_is_started(monkeypatch)
    assert world.take().problems == []
    assert world.one("SELECT count(*) FROM files_set_aside") == 0


@pytest.mark.parametrize(
    "source", ['[[model.source]]\nname = "renamed"\npath = "in/**/*"\n', STRUCT.replace("in/", "other/")]
)
def test_what_is_set_aside_of_a_source_that_is_renamed_or_of_a_path_that_left_is_forgotten(
    tmp_path: Path, source: str
) -> None:
    world = world_of(tmp_path)
    _set_aside(world)
    (tmp_path / "other").mkdir()
    world.model = model_of(world.base, source=source)
    world.pull()
    assert aside(world) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"model": "m"}', '{"model": "m", "source": "s", "items": 3}', "\udcff"]
)
def test_a_journal_that_was_cut_short_names_nobody(tmp_path: Path, text: str) -> None:
    world = world_of(tmp_path)
    (world.base / "state" / JOURNAL).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert world.take(a_row("a")).new == 1


def test_a_process_that_cannot_be_started_blames_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of(tmp_path)
    poison(world, "flat.jsonl", 0)
    good(world, 1, "a1")
    monkeypatch.setattr(alone, "CHILD", "monitor.no_such_module")
    for _ in range(3):
        (told,) = world.take().problems
        assert told.reason == "unreadable_file"
        assert "could not be tried" in told.message
    assert taken(world) == {"a1"}
    assert world.one("SELECT count(*) FROM files_set_aside") == 0


def test_a_pipe_among_the_files_is_named_and_waited_for_by_nobody(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    os.mkfifo(world.base / "in" / "pipe.csv")
    good(world, 1, "a1")
    assert [problem.item for problem in world.take().problems][:1] == [str(world.base / "in" / "pipe.csv")]
    assert taken(world) == {"a1"}
