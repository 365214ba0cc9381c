"""One bad file stops nothing: it is tried alone, named, and set aside after two tries, while all others are read."""

import json
import os
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.sources.ingest.ingest import ingest_batch as ingest_batch
from monitor.sources.isolation.set_aside import release_files
from monitor.sources.pulled import Pulled
from tests.sources.isolation.poisoned import DEEP, aside, good, no_process_is_started, number, poison, taken, world_of
from tests.worlds.poison import FUZZED, POISON, flat_list, text_bomb
from tests.worlds.store import World, a_row, model_of, write_csv, write_json_lines, write_parquet

STRUCT = '[[model.source]]\npath = "in/**/*"\ncolumns = { camera = "place.camera" }\n'

WITH_LABELS = DEEP + '[[model.source]]\nname = "verdicts"\npath = "labels/*"\nholds = "labels"\n'


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


def test_a_pipe_among_the_files_is_named_and_waited_for_by_nobody(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    os.mkfifo(world.base / "in" / "pipe.csv")
    good(world, 1, "a1")
    assert [problem.item for problem in world.take().problems][:1] == [str(world.base / "in" / "pipe.csv")]
    assert taken(world) == {"a1"}
