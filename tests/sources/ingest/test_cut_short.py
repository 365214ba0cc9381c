"""A pull that ended between its batches: what follows on all of them is made up for by the next, though nothing new comes."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal

import duckdb
import pytest

from monitor.model.problems import Problem
from monitor.sources import pull as pulling
from monitor.sources.batch import Batch, Source
from monitor.sources.pull import file_sources
from monitor.sources.pulled import Pulled
from tests.sources.labels.test_labels import TWO_TABLES, label, prediction
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, World, a_row, assert_cells_match_their_samples


class Killed(BaseException):
    """The process has ended."""


class Killing:
    """A source, beside the others, in whose reading the process ends."""

    name = "killing"
    holds: Literal["samples", "labels"] = "samples"

    def read_batches(
        self, connection: duckdb.DuckDBPyConnection, cursor: Mapping[str, str], now: datetime, guard: object = None
    ) -> Iterator[Batch | Problem]:
        raise Killed
        yield  # a generator, as sources are


def _end_in(name: str, world: World, patch: pytest.MonkeyPatch) -> None:
    def end(*given: object) -> Pulled:
        raise Killed

    with patch.context() as within:
        within.setattr(pulling, name, end)
        with pytest.raises(Killed):
            world.pull(NOW + HOUR)


def _before_the_retry(world: World, patch: pytest.MonkeyPatch) -> None:
    _end_in("retry_parked", world, patch)


def _before_the_record(world: World, patch: pytest.MonkeyPatch) -> None:
    _end_in("_record", world, patch)


def _in_a_later_source(world: World, patch: pytest.MonkeyPatch) -> None:
    sources: list[Source] = [*file_sources(world.model, world.base), Killing()]
    with pytest.raises(Killed):
        world.pull(NOW + HOUR, sources=sources)


ENDS: list[Callable[[World, pytest.MonkeyPatch], None]] = [_before_the_retry, _before_the_record, _in_a_later_source]


@pytest.mark.parametrize("end", ENDS)
def test_labels_that_waited_join_though_nothing_comes_after_the_pull_that_was_cut_short(
    make_world: MakeWorld,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[World, pytest.MonkeyPatch], None],
    tmp_path: Path,
) -> None:
    world = make_world(source=TWO_TABLES)
    world.send(label("a"), folder="labels")
    world.pull()
    assert world.one("SELECT count(*) FROM parked_labels") == 1
    world.send(prediction("a"))
    end(world, monkeypatch)
    assert world.one("SELECT count(*) FROM samples") == 1, "the predictions are in"
    world.pull(NOW + 2 * HOUR)
    assert world.one("SELECT positives FROM samples") == 1
    assert world.one("SELECT count(*) FROM parked_labels") == 0
    assert_cells_match_their_samples(world, tmp_path / "again")


def test_nothing_is_tried_again_after_a_pull_that_came_to_its_end(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(source=TWO_TABLES)
    world.send(label("a"), folder="labels")
    world.send(prediction("b"))
    world.pull()
    monkeypatch.setattr(pulling, "retry_parked", lambda *given: pytest.fail("nothing has come since"))
    world.pull(NOW + HOUR)
    world.pull(NOW + 2 * HOUR)


@pytest.mark.parametrize("end", ENDS[1:])
def test_what_is_told_once_is_kept_though_the_pull_was_cut_short(
    world: World, monkeypatch: pytest.MonkeyPatch, end: Callable[[World, pytest.MonkeyPatch], None]
) -> None:
    world.take(a_row("a", score=0.7))
    world.send(a_row("a", score=0.2))
    end(world, monkeypatch)
    world.pull(NOW + 2 * HOUR)
    assert world.rows("SELECT reason FROM source_notes") == [("changed_predictions",)]
