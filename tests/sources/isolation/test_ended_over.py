"""Files over which calwatch itself ended, or that it was reading when it did: they are found, named, and waited for."""

import errno
import pickle
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.sources.batch import GuardedSource
from monitor.sources.ingest.ingest import ingest_batch as ingest_batch
from monitor.sources.isolation import alone, patience
from monitor.sources.isolation.journal import JOURNAL, Entry, Journal
from monitor.sources.isolation.set_aside import take_up_journal
from monitor.sources.pull import configured_sources
from monitor.sources.pulled import Pulled
from tests.sources.isolation.poisoned import aside, good, no_process_is_started, number, poison, taken, world_of
from tests.worlds.poison import poison_readers
from tests.worlds.store import HOUR, NOW, World, a_row, write_csv, write_parquet


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


def test_without_room_for_what_a_process_needs_no_file_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **named: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    world = world_of(tmp_path)
    poison(world, "flat.jsonl", 0)
    good(world, 1, "a1")
    for where in ("Pipe", "tempfile.TemporaryFile", "subprocess.Popen"):
        with monkeypatch.context() as patch:
            patch.setattr(f"monitor.sources.isolation.alone.{where}", refuse)
            (told,) = world.take().problems
            assert "could not be tried in a process of its own (no process could be started: Too many" in told.message
    assert taken(world) == {"a1"}
    assert world.one("SELECT count(*) FROM files_set_aside") == 0


@pytest.mark.parametrize(
    ("then", "kind"), [("sys.stdin.read()", "timed_out"), ("os.abort()", "crashed"), ("sys.exit(3)", "crashed")]
)
def test_a_process_that_says_half_an_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str, kind: str
) -> None:
    said = pickle.dumps(None)
    half = (len(said)).to_bytes(4, "big") + said + (100).to_bytes(4, "big") + b"half"
    child = f"import os, sys; os.write(int(sys.argv[1]), {half!r}); {then}"
    monkeypatch.setattr(alone, "own_python", lambda *given: [sys.executable, "-c", child, given[-1]])
    world = world_of(tmp_path)
    source, *_ = configured_sources(world.model, world.base, world.base / "state")
    assert isinstance(source, GuardedSource)
    tried = alone.try_alone(source, world.model, [("a.csv", 600.0)], NOW, memory_limit="1GB", spill=tmp_path / "spill")
    ((item, failed),) = tried
    assert failed is not None
    assert (item, failed.kind) == ("a.csv", kind)
