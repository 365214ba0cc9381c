"""Times as people write them, pulled: the change of the clocks live and read again, and what a source means by its numbers."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import Row, World, a_row, write_csv, write_parquet

CHANGES = [
    ("Europe/Berlin", datetime(2025, 10, 26, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2025, 11, 2, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2025, 4, 5, 15, tzinfo=UTC)),  # by half an hour
]
ENDINGS = ["csv", "jsonl", "parquet"]
WEEKS = timedelta(days=21)


def a_source(zone: str, **settings: str) -> str:
    own = "".join(f"{name} = {value!r}\n" for name, value in settings.items())
    return f'[[model.source]]\npath = "in/*"\ntime_zone = "{zone}"\n{own}'


def written(zone: str, moments: Iterable[datetime]) -> list[Row]:
    """A row for each moment, in local time, named after the moment."""
    return [
        a_row(
            moment.strftime("%d-%H:%M"),
            observed_at=moment.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S"),
            labelled_at=None,
        )
        for moment in moments
    ]


def every(minutes: int, around: datetime, hours: int = 3) -> list[datetime]:
    return [around + timedelta(minutes=minute) for minute in range(-60 * hours, 60 * hours, minutes)]


def truth(moments: Iterable[datetime]) -> list[tuple[str, datetime]]:
    return sorted((moment.strftime("%d-%H:%M"), moment.replace(tzinfo=None)) for moment in moments)


def stored(world: World) -> list[tuple[str, datetime]]:
    return world.rows("SELECT sample_id, observed_at FROM samples ORDER BY ALL")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_rows_written_live_across_the_change_are_all_taken(
    make_world: MakeWorld, zone: str, change: datetime, ending: str
) -> None:
    world = make_world(source=a_source(zone), extra='retention = "730d"')
    moments = every(5, change)
    for first in range(0, len(moments), 2):  # a file every ten minutes
        due = moments[first : first + 2]
        brought = world.take(*written(zone, due), now=due[-1] + timedelta(minutes=1), ending=ending)
        assert (brought.new, brought.quarantined) == (2, {})
    assert stored(world) == truth(moments)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_growing_file_across_the_change_is_taken_row_by_row(
    make_world: MakeWorld, zone: str, change: datetime, newest_first: bool
) -> None:
    world = make_world(source=a_source(zone), extra='retention = "730d"')
    moments = every(5, change)
    for count in range(2, len(moments) + 1, 2):
        rows = written(zone, moments[:count])
        world.send(*(rows[::-1] if newest_first else rows), name="a.csv")
        brought = world.take(now=moments[count - 1] + timedelta(minutes=1))
        assert (brought.new, brought.corrected, brought.ambiguous_times) == (2, 0, 0)
    assert stored(world) == truth(moments)


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize("order", [1, -1])
def test_the_same_rows_read_again_weeks_later_are_duplicates(
    make_world: MakeWorld, zone: str, change: datetime, order: int
) -> None:
    world = make_world(source=a_source(zone), extra='retention = "730d"')
    moments = every(5, change)
    for first in range(0, len(moments), 2):
        due = moments[first : first + 2]
        world.take(*written(zone, due), now=due[-1] + timedelta(minutes=1), ending="csv")
    whole = world.take(*written(zone, moments)[::order], now=change + WEEKS)
    assert (whole.new, whole.corrected, whole.duplicates) == (0, 0, len(moments))
    for path in (world.base / "in").glob("*.csv"):
        path.write_text(path.read_text() + "\n")  # touched, and read each by itself
    assert world.take(now=change + WEEKS).new == 0
    assert stored(world) == truth(moments)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("order", [1, -1])
def test_a_first_load_across_the_change_reads_both_hours_by_the_order_of_rows(
    make_world: MakeWorld, ending: str, order: int
) -> None:
    zone, change = CHANGES[0]
    world = make_world(source=a_source(zone))
    moments = every(5, change, hours=20)
    brought = world.take(*written(zone, moments)[::order], now=change + WEEKS, ending=ending)
    assert (brought.new, brought.ambiguous_times) == (len(moments), 0)
    assert stored(world) == truth(moments)


def test_what_nothing_tells_of_is_counted(make_world: MakeWorld) -> None:
    zone, change = CHANGES[0]
    world = make_world(source=a_source(zone))
    brought = world.take(*written(zone, [change - timedelta(minutes=25)]), now=change + WEEKS)
    assert (brought.new, brought.ambiguous_times) == (1, 1)


def test_labels_of_their_own_find_predictions_on_both_sides_of_the_change(make_world: MakeWorld) -> None:
    zone, change = CHANGES[0]
    labels = f'[[model.source]]\nname = "labels"\nholds = "labels"\npath = "labels/*"\ntime_zone = "{zone}"\n'
    world = make_world(source=a_source(zone) + labels)
    moments = every(5, change)
    world.take(*[{**row, "outcome": None} for row in written(zone, moments)], now=change + WEEKS)
    late = [moment + timedelta(minutes=20) for moment in moments]
    rows = [
        {"sample_id": sample["sample_id"], "labelled_at": label["observed_at"], "outcome": 1}
        for sample, label in zip(written(zone, moments), written(zone, late), strict=True)
    ]
    world.send(*rows, folder="labels", ending="csv")
    brought = world.take(now=change + WEEKS)
    assert (brought.labelled, world.one("SELECT count(*) FROM parked_labels")) == (len(moments), 0)
    assert world.one("SELECT min(labelled_at - observed_at) >= INTERVAL 0 SECONDS FROM samples") is True
    assert world.one("SELECT count(*) FROM samples WHERE labelled_at - observed_at > INTERVAL 20 MINUTES") == 0


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-10 20:00:00 GMT+8", "12:00:00"),
        ("2026-03-10 07:00:00 UTC-5", "12:00:00"),
        ("2026-03-10 17:30:00 +5:30", "12:00:00"),
        ("2026-03-10 07:00:00 Etc/GMT+5", "12:00:00"),
        ("2026-03-10 12:00:00,5", "12:00:00.5"),
    ],
)
def test_offsets_are_never_dropped(make_world: MakeWorld, ending: str, text: str, utc: str) -> None:
    world = make_world()
    row = a_row("a", observed_at=text, labelled_at=None)
    if ending == "parquet":
        write_parquet(world.base / "in" / "a.parquet", [row], {"observed_at": "VARCHAR"})
    else:
        world.send(row, ending=ending)
    assert world.take().quarantined == {}
    assert world.one("SELECT observed_at FROM samples") == datetime.fromisoformat(f"2026-03-10 {utc}")


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize("name", ["BST", "CEST", "CST", "IST", "AST"])
def test_a_foreign_zone_is_never_read_as_some_other(make_world: MakeWorld, ending: str, name: str) -> None:
    world = make_world()
    brought = world.take(a_row("a", observed_at=f"2026-03-10 10:00:00 {name}", labelled_at=None), ending=ending)
    assert brought.new == 0


def test_nanoseconds_of_a_parquet_file_in_the_sources_zone_or_their_own(make_world: MakeWorld) -> None:
    world = make_world(source=a_source("Europe/Berlin"))
    for name, kind in (("naive", "TIMESTAMP_NS"), ("own", "TIMESTAMPTZ_NS")):
        row = a_row(name, observed_at="2026-03-10 10:00:00", labelled_at=None)
        write_parquet(world.base / "in" / f"{name}.parquet", [row], {"observed_at": kind})
    world.take()
    assert world.rows("SELECT sample_id, hour(observed_at) FROM samples ORDER BY ALL") == [("naive", 9), ("own", 10)]


def test_time_precision_makes_exports_with_and_without_fractions_one(make_world: MakeWorld) -> None:
    world = make_world(source=a_source("UTC", time_precision="1s"))
    first = [a_row(f"s{index}", observed_at=f"2026-03-10 10:00:0{index}.7{index}") for index in range(5)]
    second = [a_row(f"s{index}", observed_at=f"2026-03-10 10:00:0{index}") for index in range(5)]
    assert world.take(*first).new == 5
    again = world.take(*second)
    assert (again.new, again.duplicates) == (0, 5)


def test_one_file_may_write_its_times_in_many_ways(make_world: MakeWorld) -> None:
    world = make_world(source=a_source("Europe/Berlin"))
    texts = [
        "2026-03-10 11:00:00", "2026-03-10T10:00:00Z", "2026-03-10 11:00:00 CET", "2026-03-10 15:30 +5:30",
        "2026/03/10 11:00", "2026-03-10t11:00:00,000", "2026-03-10 18:00 GMT+8",
    ]  # fmt: skip
    rows = [a_row(f"s{index}", observed_at=text, labelled_at=None) for index, text in enumerate(texts)]
    write_csv(world.base / "in" / "a.csv", rows)
    assert world.take().new == len(texts)
    assert world.rows("SELECT DISTINCT observed_at FROM samples") == [(datetime.fromisoformat("2026-03-10 10:00"),)]
