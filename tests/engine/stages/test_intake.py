"""Labels that wait for their prediction and groups that reach too far, over a store."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from structlog.testing import capture_logs

from monitor.engine.stages import intake
from monitor.engine.stages.intake import Intake, watch_intake
from monitor.model import WaitingLabels
from monitor.model.wording import describe_waiting
from monitor.sources.labels.waiting import load_newest_waiting
from monitor.store.group_spans import measure_straddling
from monitor.store.model_store import ModelStore
from tests.sources.labels.test_labels import TWO_TABLES, label, prediction
from tests.worlds.store import DAY, HOUR, NOW, World, a_row, at

Write = Callable[[int], str]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[World]:
    world = World.make(tmp_path / "two", source=TWO_TABLES)
    yield world
    world.connection.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World.make(tmp_path / "one")
    yield world
    world.connection.close()


def look(world: World, known: Intake | None = None, now: object = NOW) -> Intake:
    assert isinstance(now, type(NOW))
    return watch_intake(world.store(now), now, known or Intake())


def waiting(world: World, known: Intake | None = None) -> WaitingLabels:
    (found,) = look(world, known).waiting
    return found


def send(two: World, n: int, write_label: Write, write_prediction: Write = str, **values: object) -> None:
    two.send(*(prediction(write_prediction(i), observed_at="2026-03-10 08:00:00") for i in range(n)))
    two.send(
        *({**label(write_label(i), labelled_at="2026-03-10 09:00:00"), **values} for i in range(n)), folder="labels"
    )
    two.pull()


def newer_predictions(two: World, n: int = 5, when: str = "2026-03-10 11:00:00") -> None:
    two.send(*(prediction(f"new{i}", observed_at=when) for i in range(n)))
    two.pull()


def test_labels_that_all_join_are_a_true_zero(two: World) -> None:
    send(two, 30, str)
    assert waiting(two) == WaitingLabels("m", "labels", 0)
    assert two.rows("SELECT source, labels, oldest_at, finding FROM waiting_labels") == [("labels", 0, None, "")]


def test_a_model_without_a_source_of_labels_has_nothing_to_say(world: World) -> None:
    world.take(a_row("a"))
    assert look(world).waiting == ()
    assert world.one("SELECT count(*) FROM waiting_labels") == 0


@pytest.mark.parametrize(
    ("write_label", "write_prediction", "why"),
    [
        (lambda i: f"{i:05}", str, "leading zeros"),
        (lambda i: f"img/{i}.jpg", str, "the path in front and the file ending"),
        (lambda i: f"CAM-{i}", lambda i: f"cam-{i}", "upper and lower case"),
        (lambda i: f"c{i % 3}_{i}", str, "what stands in front"),
    ],
)
def test_labels_that_join_nothing_are_counted_with_ids_of_both_sides_and_why(
    two: World, write_label: Write, write_prediction: Write, why: str
) -> None:
    send(two, 40, write_label, write_prediction)
    newer_predictions(two)
    found = waiting(two)
    assert (found.labels, found.oldest_at, found.newest_at) == (40, NOW - 3 * HOUR, NOW - 3 * HOUR)
    assert (found.due, found.joined, found.share, found.suspicious) == (40, 0, 1.0, True)
    assert set(found.label_examples) <= {write_label(i) for i in range(40)}
    assert len(found.label_examples) == 2
    assert found.prediction_examples == ("new0", "new1")
    assert f"but for {why}: label " in found.guess
    row = two.one("SELECT labels, oldest_at, label_examples, suspicious, finding FROM waiting_labels")
    assert row[:4] == (40, at("2026-03-10 09:00:00"), list(found.label_examples), True)
    assert row[4] == describe_waiting(found)
    assert row[4].startswith(
        "40 labels wait for their prediction, the oldest since 2026-03-10 09:00 UTC; of the newest 40 whose prediction "
        "should be there 40 found none; ids of labels "
    )


def test_early_labels_are_counted_and_are_no_trouble(two: World) -> None:
    two.send(*(prediction(f"old{i}", observed_at="2026-03-10 08:00:00") for i in range(5)))
    two.send(*(label(f"x{i}", labelled_at="2026-03-10 11:00:00") for i in range(200)), folder="labels")
    two.pull()
    found = waiting(two)
    assert (found.labels, found.due, found.share, found.guess, found.suspicious) == (200, 0, None, "", False)
    newer_predictions(two, when="2026-03-10 11:30:00")
    assert waiting(two).due == 0, "others of that time may still be under way"


@pytest.mark.parametrize(
    ("joining", "lost", "trouble"), [(90, 10, False), (10, 90, False), (5, 95, True), (0, 19, False)]
)
def test_nearly_all_of_the_newest_labels_must_wait_for_it_to_be_a_trouble(
    two: World, joining: int, lost: int, trouble: bool
) -> None:
    two.send(*(prediction(str(i), observed_at="2026-03-10 08:00:00") for i in range(max(joining, 1))))
    names = [str(i) for i in range(joining)] + [f"lost-{i * 7919 % 10007}" for i in range(lost)]
    two.send(*(label(name, labelled_at="2026-03-10 09:00:00") for name in names), folder="labels")
    two.pull()
    newer_predictions(two)
    found = waiting(two)
    assert (found.labels, found.due, found.joined, found.suspicious) == (lost, lost, joining, trouble)


def test_a_source_that_broke_yesterday_is_seen_though_a_few_have_always_waited(two: World) -> None:
    for day in range(2, 10):
        when = f"2026-03-{day:02} 08:00:00"
        two.send(*(prediction(f"{day}-{i}", observed_at=when) for i in range(200)))
        broken = "#" if day == 9 else ""
        good = [label(f"{day}-{i}{broken}", labelled_at=f"2026-03-{day:02} 09:00:00") for i in range(200)]
        never = [label(f"never-{day}-{i}", labelled_at=f"2026-03-{day:02} 09:00:00") for i in range(20)]
        two.send(*good, *never, folder="labels")
        two.pull()
        newer_predictions(two, when=f"2026-03-{day:02} 18:00:00")
        found = waiting(two)
        assert found.suspicious is (day == 9), day
    assert (found.labels, found.due, found.joined) == (200 + 8 * 20, 220, 0)
    assert "the marks between parts" in found.guess


@pytest.mark.parametrize("again", ["another file", "the same rows twice"])
def test_a_label_that_is_sent_again_counts_once(two: World, again: str) -> None:
    rows = [label(f"x{i}") for i in range(5)]
    two.send(*rows, folder="labels")
    two.send(*rows, *(rows if again != "another file" else ()), folder="labels")
    two.pull()
    assert waiting(two).labels == 5


OWN_WORDS = TWO_TABLES.replace('path = "labels/*"', 'path = "labels/*"\nmissing_labels = ["tbd", "None"]')


@pytest.mark.parametrize(
    ("source", "missing", "labels"),
    [
        (TWO_TABLES, ["nan", "NaN", "None", "N/A", "<NA>", "\\N", "-", "null"], ["cat", "tbd", "0"]),
        (OWN_WORDS, ["tbd", "TBD", "None", "none"], ["cat", "nan", "-"]),
    ],
)
def test_labels_that_say_not_labelled_yet_do_not_wait_for_a_prediction(
    tmp_path: Path, source: str, missing: list[str], labels: list[str]
) -> None:
    world = World.make(tmp_path, source=source)
    parked(world, [*missing, *labels])
    assert waiting(world).labels == len(labels)
    world.connection.close()


def test_a_word_that_is_a_class_is_a_label(tmp_path: Path) -> None:
    world = World.make(tmp_path, 'classes = ["none", "crack"]', TWO_TABLES)
    world.registry()
    world.connection.execute("INSERT INTO class_words VALUES (1, 'NA', TIMESTAMP '2026-03-10 10:00:00')")
    parked(world, ["none", "NA", "null", "nan"])
    assert waiting(world).labels == 2
    world.connection.close()


def parked(world: World, words: list[str]) -> None:
    """Labels that wait, with a word and no outcome."""
    world.registry()
    for row, word in enumerate(words):
        world.connection.execute(
            "INSERT INTO parked_labels VALUES (1, 'labels', 'f', $row, $id, NULL, '2026-03-10 09:00:00', NULL, $word)",
            {"row": row, "id": f"x{row}", "word": word},
        )


def test_labels_from_before_their_predictions_are_told_by_their_times(two: World) -> None:
    two.send(*(prediction(str(i), observed_at="2026-03-10 11:00:00") for i in range(30)))
    two.send(*(label(str(i), labelled_at="2026-03-10 09:30:00") for i in range(30)), folder="labels")
    two.pull()
    found = waiting(two)
    assert (found.labels, found.suspicious) == (30, True)
    assert found.guess == (
        "30 of them name a prediction that is there, but one observed after the label, by up to 90 min: is time_zone right on "
        "both sides?"
    )


def test_labels_that_name_another_time_are_told_by_it(two: World) -> None:
    send(two, 30, str, observed_at="2026-03-10 08:00:01")
    assert waiting(two).guess.startswith(
        "30 of them name a prediction that is there, but another observed_at: 2026-03-10 08:00:01"
    )


def test_counts_are_of_now_and_ids_are_compared_ever_more_rarely(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def counted(store: ModelStore, source: str, now: datetime) -> list[Any]:
        compared.append(source)
        return load_newest_waiting(store, source, now)

    monkeypatch.setattr(intake, "load_newest_waiting", counted)
    two.send(*(label(f"x{i}", labelled_at="2026-03-10 11:30:00") for i in range(25)), folder="labels")
    two.pull()
    first = look(two)
    two.send(label("another"), folder="labels")
    two.pull()
    found = look(two, first, NOW + HOUR / 2)
    assert (found.waiting[0].labels, len(compared)) == (26, 1)
    for hour in range(1, 24 * 10):
        found = look(two, found, NOW + hour * HOUR)
        assert found.waiting[0].looked_at == NOW + hour * HOUR
        if hour == 1:
            assert found.waiting[0].compared_at == NOW + HOUR
    assert 10 < len(compared) < 20


def test_labels_that_join_in_the_end_leave_nothing_behind(two: World) -> None:
    two.send(*(label(f"x{i}") for i in range(25)), folder="labels")
    two.pull()
    first = look(two)
    assert first.waiting[0].labels == 25
    two.send(*(prediction(f"x{i}") for i in range(25)))
    two.pull()
    assert look(two, first).waiting == (WaitingLabels("m", "labels", 0),)
    assert two.one("SELECT finding FROM waiting_labels") == ""


def test_a_trouble_is_logged_when_it_begins_and_when_it_ends(two: World) -> None:
    send(two, 25, lambda i: f"{i:04}")
    with capture_logs() as logs:
        first = look(two)
        second = look(two, first, NOW + HOUR)
        two.send(*(prediction(f"{i:04}", observed_at="2026-03-10 08:00:00") for i in range(25)))
        two.pull()
        look(two, second, NOW + 2 * HOUR)
    assert [entry["event"] for entry in logs] == ["labels join nothing", "labels join again"]


def test_labels_of_a_source_that_is_gone_from_the_configuration_are_still_told(two: World) -> None:
    two.send(label("x"), folder="labels")
    two.pull()
    two.connection.execute("UPDATE parked_labels SET source = 'former'")
    assert [(each.source, each.labels) for each in look(two).waiting] == [("labels", 0), ("former", 1)]


def test_two_sources_are_told_apart(tmp_path: Path) -> None:
    more = '[[model.source]]\nname = "more"\nholds = "labels"\npath = "more/*"\n'
    world = World.make(tmp_path, source=TWO_TABLES + more)
    (tmp_path / "more").mkdir()
    send(world, 25, str)
    world.send(*(label(f"{i:05}", labelled_at="2026-03-10 09:00:00") for i in range(25)), folder="more")
    world.pull()
    found = {each.source: (each.labels, bool(each.guess)) for each in look(world).waiting}
    assert found == {"labels": (0, False), "more": (25, True)}, (
        "also where the predictions they mean have labels by now"
    )
    world.connection.close()


# how far groups reach


def grouped(world: World, *rows: tuple[str | None, str]) -> None:
    world.take(*(a_row(f"s{i}", group_id=group, observed_at=when) for i, (group, when) in enumerate(rows)))


def test_groups_within_a_bucket_are_none(world: World) -> None:
    grouped(world, ("a", "2026-03-10 10:00:00"), ("a", "2026-03-10 10:59:59"), (None, "2026-03-10 10:00:00"))
    spans = look(world).spans
    assert spans is not None
    assert (spans.straddling.rows, spans.straddling.grouped, spans.straddling.groups) == (3, 2, 1)
    assert (spans.straddling.over_buckets, spans.straddling.over_days, spans.straddling.suspicious) == (0.0, 0.0, False)
    assert world.one("SELECT finding FROM group_spans") == (
        "none of the rows lie in groups that span buckets of 1h, none in groups that span days (rows since 2026-02-08 00:00 "
        "UTC); 33 % of the rows have no group_id and count as independent: where they belong together, drift rules raise "
        "false alarms on them and intervals are too narrow; is their group missing? Fill group_id in every row; one that is "
        "truly by itself takes an id of its own, such as its sample_id"
    )


@pytest.mark.parametrize(
    ("alone", "doubted"), [(0, False), (1, False), (3, True), (100, True), (197, True), (199, False)]
)
def test_rows_without_a_group_are_a_doubt_where_others_have_one(world: World, alone: int, doubted: bool) -> None:
    when = "2026-03-10 10:00:00"
    grouped(world, *((None if i < alone else f"g{i // 3}", when) for i in range(200)))
    with capture_logs() as logs:
        spans = look(world).spans
    assert spans is not None
    assert spans.straddling.alone == pytest.approx(alone / 200)
    assert not spans.straddling.suspicious
    assert (spans.suspicious, spans.straddling.partly_alone) == (doubted, doubted)
    suspicious, finding = world.rows("SELECT suspicious, finding FROM group_spans")[0]
    assert suspicious is doubted
    assert ("have no group_id and count as independent" in finding) is (alone > 0)
    assert ("Fill group_id in every row" in finding) is doubted
    assert [entry["event"] for entry in logs] == ["rows without a group"] * doubted


def test_how_many_rows_have_a_group_is_exact_where_only_some_groups_are_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.store.group_spans.EXAMINED", 50)
    grouped(world, *((f"g{i}", "2026-03-10 10:00:00") for i in range(300)))
    spans = look(world).spans
    assert spans is not None
    assert (spans.straddling.grouped, spans.suspicious) == (300, False), "an estimate would leave some without"


def test_rows_of_groups_that_span_buckets_and_days_are_counted_among_all_rows(world: World) -> None:
    grouped(
        world, ("p1", "2026-03-08 10:00:00"), ("p1", "2026-03-10 10:00:00"), ("p1", "2026-03-09 10:00:00"),
        ("clip", "2026-03-10 09:59:59"), ("clip", "2026-03-10 10:00:00"), ("x", "2026-03-10 10:00:00"),
        (None, "2026-03-10 10:00:00"), (None, "2026-03-10 11:00:00"),
    )  # fmt: skip
    spans = look(world).spans
    assert spans is not None
    found = spans.straddling
    assert (found.rows, found.grouped, found.groups, found.over_buckets, found.over_days) == (8, 6, 3, 5 / 8, 3 / 8)
    assert (found.examples, found.example_rows) == (("p1", "clip"), (3, 2))
    assert found.example_lengths == (2 * DAY, timedelta(seconds=1))
    assert found.suspicious
    told = world.one("SELECT finding FROM group_spans")
    assert told.startswith(
        "62 % of the rows lie in groups that span buckets of 1h, 38 % in groups that span days, such as "
        '"p1" with 3 rows over 2 d, "clip" with 2 rows over 1 s: '
    )
    assert "is group_id the patient or the camera rather than the visit or the image?" in told


def test_a_model_without_groups_has_no_row_and_is_looked_at_again_within_the_day(world: World) -> None:
    world.take(a_row("a"))
    first = look(world)
    assert (first.spans, world.one("SELECT count(*) FROM group_spans")) == (None, 0)
    world.take(a_row("b", group_id="g"))
    assert look(world, first, NOW + HOUR / 2).spans is None
    assert look(world, first, NOW + HOUR).spans is not None


def test_groups_are_looked_at_once_a_day(world: World) -> None:
    grouped(world, ("a", "2026-03-10 10:00:00"))
    first = look(world)
    world.take(a_row("b", group_id="a", observed_at="2026-03-09 10:00:00"))
    assert look(world, first, NOW + 11 * HOUR).spans == first.spans
    with capture_logs() as logs:
        later = look(world, first, NOW + DAY)
        look(world, later, NOW + 2 * DAY)
    assert later.spans is not None
    assert later.spans.straddling.over_days == 1.0
    assert [entry["event"] for entry in logs] == ["groups reach too far"]


def test_of_many_rows_some_groups_are_looked_at_and_shares_stay_shares(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.store.group_spans.EXAMINED", 100)
    days = ["2026-03-08 10:00:00", "2026-03-09 10:00:00"]
    grouped(world, *((f"g{i % 500}", days[i % 500 < 100 and i >= 500]) for i in range(1000)))
    spans = look(world).spans
    assert spans is not None
    assert (spans.straddling.rows, spans.straddling.over_buckets) == (1000, spans.straddling.over_days)
    assert spans.straddling.over_days == pytest.approx(0.2, abs=0.1)


def test_the_share_of_a_table_of_tried_rows_needs_no_store_and_leaves_bad_rows_out() -> None:
    night, midnight = "2026-03-10 23:59:00", "2026-03-11 00:00:00"
    rows = [("p", night, None), ("p", midnight, None), ("q", night, None), ("q", midnight, "bad")]
    with duckdb.connect() as connection:
        connection.execute("CREATE TEMP TABLE staged (group_id VARCHAR, observed_at TIMESTAMP, reason VARCHAR)")
        found = measure_straddling(connection, "staged", HOUR)
        assert (found.rows, found.over_buckets, found.over_days, found.examples) == (0, 0.0, 0.0, ())
        connection.executemany("INSERT INTO staged VALUES (?, ?, ?)", rows)
        found = measure_straddling(connection, "staged", HOUR)
    assert (found.rows, found.groups, found.over_buckets, found.over_days) == (3, 2, 2 / 3, 2 / 3)
