"""Labels of the past that say no time: their lag is unknown while windows hold them, and known of those that come later."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.engine.stages.measure import hide_lags
from monitor.sources.labels.history import load_dated_since
from tests.sources.labels.test_labels import TWO_TABLES, label, prediction
from tests.worlds.alerts import START, reading
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, World, a_row

Send = Callable[[World], object]


def beside(world: World) -> None:
    world.send(a_row("a", labelled_at=None), a_row("b", labelled_at=None))


def apart(world: World) -> None:
    world.send(prediction("a"), prediction("b"))
    world.send(label("a", labelled_at=None), label("b", labelled_at=None), folder="labels")


@pytest.mark.parametrize(("source", "send"), [("", beside), (TWO_TABLES, apart)])
def test_times_of_labels_are_known_from_the_first_pull_on_where_the_past_says_none(
    make_world: MakeWorld, source: str, send: Send
) -> None:
    world = make_world(source=source)
    send(world)
    world.pull()
    assert load_dated_since(world.store()) == NOW
    send(world)
    world.pull(NOW + HOUR)
    assert load_dated_since(world.store()) == NOW


@pytest.mark.parametrize(
    "first",
    [
        [a_row("a"), a_row("b")],
        [a_row("a"), a_row("b"), a_row("c", labelled_at="")],
        [a_row("a", outcome=None, labelled_at=None)],
    ],
    ids=["dated", "most dated", "no labels"],
)
def test_times_of_labels_that_say_them_or_come_after_their_predictions_are_all_known(
    world: World, first: list[dict[str, object]]
) -> None:
    world.take(*first)
    world.take(a_row("z", labelled_at=None), now=NOW + HOUR)
    assert load_dated_since(world.store()) is None


def test_a_window_that_begins_before_has_an_unknown_lag_and_a_later_one_its_own() -> None:
    old, new = reading(0.1, START), reading(0.1, START + 25 * HOUR)
    old, new = (replace(each, label_lag_seconds=60.0) for each in (old, new))
    found = list(hide_lags([old, new], START - timedelta(seconds=1)))
    assert [each.label_lag_seconds for each in found] == [None, 60.0]
    assert list(hide_lags([old, new], None)) == [old, new]
