"""Labels whose prediction is there, and came earlier than label_horizon: told as such, with numbers, at their own source."""

import pytest

from tests.sources.labels.test_labels import TWO_TABLES, label, prediction
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import DAY, HOUR, NOW, World, assert_cells_match_their_samples

SHORT = 'label_horizon = "1h"\n'
MIDNIGHT = "2026-03-10 00:00:00"  # twelve hours before NOW
FEW = 8


@pytest.fixture
def short(make_world: MakeWorld) -> World:
    return make_world(SHORT, TWO_TABLES)


def predictions(world: World, when: str = "2026-03-09 00:00:00") -> None:
    world.send(*(prediction(f"s{n}", observed_at=when) for n in range(FEW)))


def labels(world: World, when: str = MIDNIGHT, **values: object) -> None:
    world.send(*(label(f"s{n}", labelled_at=when, **values) for n in range(FEW)), folder="labels")


def reasons(world: World) -> list[tuple[str, str, int]]:
    return world.rows("SELECT source, reason, count(*) FROM quarantine GROUP BY ALL ORDER BY ALL")


LATE = [("labels", "label_too_late", FEW)]
TOLD = (
    "8 of 8 rows that came were set aside: 8 label_too_late (raise label_horizon (1h): labels that come later take 1d at the "
    "median, 1d at most)"
)


def test_late_labels_beside_their_predictions_are_too_late_in_the_pull_that_brings_them(short: World) -> None:
    predictions(short)
    labels(short)
    brought = short.pull()
    assert reasons(short) == LATE
    assert (brought["labels"].quarantined, brought["predictions"].quarantined) == ({"label_too_late": FEW}, {})
    assert [each.message for each in brought["labels"].problems] == [TOLD]
    assert brought["predictions"].problems == []
    assert short.rows("SELECT source, quarantined, problem FROM pulls ORDER BY ALL") == [
        ("labels", FEW, TOLD), ("predictions", 0, None),
    ]  # fmt: skip


def test_late_labels_that_name_the_time_of_their_prediction_are_too_late(short: World) -> None:
    predictions(short)
    labels(short, observed_at="2026-03-09 00:00:00")
    short.pull()
    assert reasons(short) == LATE


def test_labels_that_name_another_time_have_no_prediction(short: World) -> None:
    predictions(short)
    labels(short, observed_at="2026-03-09 00:00:01")
    short.pull()
    assert reasons(short) == [("labels", "no_prediction", FEW)]


def test_late_labels_that_wait_first_are_too_late_once_they_have_waited_for_label_horizon(short: World) -> None:
    predictions(short)
    labels(short, "2026-03-10 11:30:00")
    short.pull()
    assert short.one("SELECT count(*) FROM parked_labels") == FEW
    assert reasons(short) == []
    (problem,) = short.pull(NOW + HOUR)["labels"].problems
    assert reasons(short) == LATE
    assert problem.message.startswith("8 of 8 labels that waited were set aside: 8 label_too_late (raise label_horizon")


def test_late_labels_that_come_before_their_predictions_are_too_late(short: World) -> None:
    labels(short, "2026-03-10 11:30:00")
    short.pull()
    predictions(short)
    short.pull(NOW + HOUR)
    assert reasons(short) == LATE


def test_a_label_of_the_past_joins_a_prediction_that_the_same_pull_brings_later(
    make_world: MakeWorld, short: World
) -> None:
    """Its own source is named first, and it is older than label_horizon when it comes."""
    one, two = TWO_TABLES.split("[[model.source]]\n")[1:]
    turned = make_world(SHORT, f"[[model.source]]\n{two}[[model.source]]\n{one}", folder="turned")
    predictions(turned, "2026-03-09 23:30:00")
    labels(turned)
    brought = turned.pull()
    assert (brought["labels"].labelled, reasons(turned)) == (FEW, [])
    assert_cells_match_their_samples(turned, turned.base / "again")


def test_a_label_whose_prediction_came_newly_joins_it_though_an_older_one_has_its_id(short: World) -> None:
    predictions(short)
    predictions(short, "2026-03-09 23:30:00")
    labels(short)
    assert short.pull()["labels"].labelled == FEW
    assert reasons(short) == []


def test_labels_without_any_prediction_are_told_so_and_few_of_many_that_wait_are_no_problem(two_days: World) -> None:
    brought = two_days.pull(NOW + 30 * DAY)
    assert brought["labels"].quarantined == {"no_prediction": 1}
    assert brought["labels"].problems == []


@pytest.fixture
def two_days(make_world: MakeWorld) -> World:
    world = make_world(source=TWO_TABLES)
    world.send(label("old", labelled_at="2026-03-08 00:00:00"), folder="labels")
    world.send(*(label(f"new{n}", labelled_at="2026-03-10 12:00:00") for n in range(50)), folder="labels")
    world.pull()
    return world


def test_labels_of_a_source_that_is_gone_are_told_at_the_first(make_world: MakeWorld) -> None:
    world = make_world(SHORT, TWO_TABLES)
    labels(world, "2026-03-10 11:30:00")
    world.pull()
    left = make_world(SHORT, '[[model.source]]\nname = "predictions"\npath = "in/*"\n', folder="left")
    world.model = left.model
    assert world.pull(NOW + 2 * HOUR)["predictions"].quarantined == {"no_prediction": FEW}
