"""Times that clocks showed twice: by what is stored, by the order of rows, by now, and else by a guess that is counted."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pytest

from monitor.config.sources import SourceSettings
from monitor.sources.batch import Batch
from monitor.sources.times.expressions import other_expression, time_expression
from monitor.sources.times.folds import delay_labels, settle_folds, settle_labels

# zone, and the moment its clocks went back
CHANGES = [
    ("Europe/Berlin", datetime(2025, 10, 26, 1, tzinfo=UTC)),
    ("America/New_York", datetime(2025, 11, 2, 6, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2025, 4, 5, 15, tzinfo=UTC)),  # by half an hour
]
LONG_AFTER = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Row = tuple[str, datetime]  # sample_id, moment


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE TABLE samples (model_id USMALLINT, sample_id VARCHAR, observed_at TIMESTAMP)")
        yield connection


def rows_of(change: datetime, minutes: Sequence[int], *, name: str = "s") -> list[Row]:
    """Rows so many minutes after the change of the clocks."""
    return [(f"{name}{minute}", change + minute * MINUTE) for minute in minutes]


def stage(connection: duckdb.DuckDBPyConnection, zone: str, files: Sequence[Sequence[Row]], **own: Any) -> None:
    """`staged` as it comes from files that say local time."""
    held = {
        "observed_at": np.array(
            [moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for file in files for _, moment in file],
            dtype="datetime64[us]",
        ),
        "sample_id": np.array([sample for file in files for sample, _ in file], dtype=object),
        "file": np.array([f"{index}.csv" for index, file in enumerate(files) for _ in file], dtype=object),
        "row": np.array([row for file in files for row in range(len(file))], dtype=np.int64),
        "slice_key": np.array(own.get("slices", [""] * sum(map(len, files))), dtype=object),
    }  # fmt: skip
    connection.register("held", held)
    batch = Batch("", {"observed_at": "TIMESTAMP"}, {}, SourceSettings.model_validate({"path": "x", "time_zone": zone}))
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE staged AS SELECT row_number() OVER () AS position, file, row, sample_id, slice_key, "
        f"{time_expression('observed_at', batch)} AS observed_at, {other_expression('observed_at', batch)} AS observed_other, "
        "NULL::VARCHAR AS reason FROM held"
    )


def settled(connection: duckdb.DuckDBPyConnection) -> list[datetime]:
    found = connection.execute("SELECT observed_at FROM staged ORDER BY position").fetchall()
    return [time.replace(tzinfo=UTC) for (time,) in found]


def truth(*files: Sequence[Row]) -> list[datetime]:
    return [moment for file in files for _, moment in file]


def keep(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("INSERT INTO samples SELECT DISTINCT 1, sample_id, observed_at FROM staged")


@pytest.mark.parametrize("step", [1, 5, 7, 10])
@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_file_across_the_change_is_read_by_the_order_of_its_rows(
    connection: duckdb.DuckDBPyConnection, zone: str, change: datetime, rising: bool, step: int
) -> None:
    file = rows_of(change, range(-300, 300, step))
    file = file if rising else file[::-1]
    stage(connection, zone, [file])
    assert settle_folds(connection, 1, LONG_AFTER) == 0
    assert settled(connection) == truth(file)


@pytest.mark.parametrize("rising", [True, False])
def test_a_file_of_nothing_but_what_was_shown_twice_is_read_by_the_step_back_in_it(
    connection: duckdb.DuckDBPyConnection, rising: bool
) -> None:
    zone, change = CHANGES[0]
    file = rows_of(change, range(-60, 60, 5))[:: 1 if rising else -1]
    stage(connection, zone, [file])
    assert settle_folds(connection, 1, LONG_AFTER) == 0
    assert settled(connection) == truth(file)


@pytest.mark.parametrize(
    "minutes",
    [
        range(-100, -20, 5),  # goes on from what was shown once
        range(20, 100, 5),  # leads on to what was shown once
        [*range(-90, -30, 5), *range(200, 300, 5)],
        [*range(-300, -200, 5), *range(30, 90, 5)],
    ],
)
@pytest.mark.parametrize("rising", [True, False])
def test_times_shown_once_beside_them_tell_of_those_shown_twice(
    connection: duckdb.DuckDBPyConnection, minutes: Sequence[int], rising: bool
) -> None:
    zone, change = CHANGES[0]
    file = rows_of(change, minutes)[:: 1 if rising else -1]
    stage(connection, zone, [file])
    assert settle_folds(connection, 1, LONG_AFTER) == 0
    assert settled(connection) == truth(file)


def test_rows_somewhat_out_of_order_are_no_change_of_the_clocks(connection: duckdb.DuckDBPyConnection) -> None:
    zone, change = CHANGES[0]
    draw = np.random.default_rng(5)
    seconds = np.arange(-7200, 7200, 20) + draw.integers(-90, 90, 720)
    file = [(f"s{index}", change + timedelta(seconds=int(each))) for index, each in enumerate(seconds)]
    file = [row for row in file if abs(row[1] - change) > 2 * MINUTE]  # there two orders look the same
    stage(connection, zone, [file])
    assert settle_folds(connection, 1, LONG_AFTER) == 0
    assert settled(connection) == truth(file)


def test_a_file_without_order_is_guessed_and_counted(connection: duckdb.DuckDBPyConnection) -> None:
    zone, change = CHANGES[0]
    file = rows_of(change, range(-600, 600, 5))
    order = np.random.default_rng(1).permutation(len(file))
    stage(connection, zone, [[file[index] for index in order]])
    assert settle_folds(connection, 1, LONG_AFTER) == 24  # two hours of five minutes
    assert all(time >= change or time < change - 60 * MINUTE for time in settled(connection))


def test_cameras_one_after_the_other_are_no_change_of_the_clocks(connection: duckdb.DuckDBPyConnection) -> None:
    zone, change = CHANGES[0]
    blocks = [rows_of(change, range(20, 60, 5), name=camera) for camera in "ab"]
    slices = [camera for camera in "ab" for _ in blocks[0]]
    stage(connection, zone, [blocks[0] + blocks[1]], slices=slices)
    assert settle_folds(connection, 1, LONG_AFTER) == 16
    assert settled(connection) == truth(*blocks)  # the guess is right, and said to be one


def test_cameras_one_after_the_other_across_the_change_are_each_read_by_their_order(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    zone, change = CHANGES[0]
    blocks = [rows_of(change, range(-300, 300, 5), name=camera) for camera in "abc"]
    stage(connection, zone, [[row for block in blocks for row in block]], slices=[c for c in "abc" for _ in blocks[0]])
    assert settle_folds(connection, 1, LONG_AFTER) == 0
    assert settled(connection) == truth(*blocks)


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_rows_live_of_the_first_time_are_not_read_ahead_of_now(
    connection: duckdb.DuckDBPyConnection, zone: str, change: datetime
) -> None:
    file = rows_of(change, [-25, -20])
    stage(connection, zone, [file])
    assert settle_folds(connection, 1, change - 19 * MINUTE) == 0
    assert settled(connection) == truth(file)


def test_an_hour_of_the_first_time_taken_at_its_end_is_read_as_one(connection: duckdb.DuckDBPyConnection) -> None:
    zone, change = CHANGES[0]
    file = rows_of(change, range(-60, 0, 5))
    stage(connection, zone, [file])
    assert settle_folds(connection, 1, change + 2 * MINUTE) == 0  # read later, the first would not be ahead of now
    assert settled(connection) == truth(file)


def test_rows_that_nothing_tells_of_are_read_later_and_counted(connection: duckdb.DuckDBPyConnection) -> None:
    zone, change = CHANGES[0]
    file = rows_of(change, [20, 25])
    stage(connection, zone, [file])
    assert settle_folds(connection, 1, LONG_AFTER) == 2
    assert settled(connection) == truth(file)


def test_what_is_stored_decides_before_all_else(connection: duckdb.DuckDBPyConnection) -> None:
    zone, change = CHANGES[0]
    file = rows_of(change, [-25, -20])
    stage(connection, zone, [file])
    settle_folds(connection, 1, change - 19 * MINUTE)
    keep(connection)
    stage(connection, zone, [rows_of(change, [35, 40], name="other"), [("s-25", file[0][1]), ("s-20", file[1][1])]])
    assert settle_folds(connection, 1, LONG_AFTER) == 2
    assert settled(connection)[2:] == truth(file)
    stage(connection, zone, [file])
    assert settle_folds(connection, 2, LONG_AFTER) == 2  # another model's samples say nothing


def test_known_rows_of_a_file_tell_of_the_new_ones_among_them(connection: duckdb.DuckDBPyConnection) -> None:
    zone, change = CHANGES[0]
    stage(connection, zone, [rows_of(change, [-50, -45])])
    settle_folds(connection, 1, change - 44 * MINUTE)
    keep(connection)
    file = rows_of(change, [-50, -45, -40, -35])  # grown, and read only after an outage
    stage(connection, zone, [file])
    assert settle_folds(connection, 1, LONG_AFTER) == 0
    assert settled(connection) == truth(file)


def test_one_identity_shown_twice_in_a_file_is_two(connection: duckdb.DuckDBPyConnection) -> None:
    zone, change = CHANGES[0]
    file = [("door", moment) for _, moment in rows_of(change, range(-120, 120, 5))]
    stage(connection, zone, [file[:20]])
    settle_folds(connection, 1, change - 20 * MINUTE)
    keep(connection)
    for _ in range(2):
        stage(connection, zone, [file])
        assert settle_folds(connection, 1, LONG_AFTER) == 0
        assert settled(connection) == truth(file)
        keep(connection)


def test_two_changes_in_one_batch_are_two(connection: duckdb.DuckDBPyConnection) -> None:
    zone = "Europe/Berlin"
    changes = (datetime(2024, 10, 27, 1, tzinfo=UTC), datetime(2025, 10, 26, 1, tzinfo=UTC))
    file = [row for change in changes for row in rows_of(change, range(-300, 300, 5), name=str(change.year))]
    other = rows_of(changes[1], range(-90, 90, 5), name="x")[::-1]
    stage(connection, zone, [file, other])
    assert settle_folds(connection, 1, LONG_AFTER) == 0
    assert settled(connection) == truth(file, other)


def test_rows_set_aside_stay_as_they_are(connection: duckdb.DuckDBPyConnection) -> None:
    zone, change = CHANGES[0]
    stage(connection, zone, [rows_of(change, [20, 25])])
    connection.execute("UPDATE staged SET reason = 'missing_score' WHERE row = 0")
    before = settled(connection)
    assert settle_folds(connection, 1, LONG_AFTER) == 1
    assert settled(connection) == [before[0], change + 25 * MINUTE]


def test_without_two_readings_nothing_is_done(connection: duckdb.DuckDBPyConnection) -> None:
    stage(connection, "UTC", [rows_of(CHANGES[0][1], range(-60, 60, 5))])
    assert settle_folds(connection, 1, LONG_AFTER) == 0
    assert connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'folded'").fetchone() is None


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ("2025-10-25 23:50", "2025-10-26 00:30"),
        ("2025-10-26 00:30", "2025-10-26 00:30"),
        ("2025-10-26 00:50", "2025-10-26 01:30"),
    ],
)
def test_a_label_comes_at_the_earlier_time_unless_that_is_before_its_prediction(
    connection: duckdb.DuckDBPyConnection, observed: str, expected: str
) -> None:
    for late in (False, True):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE staged AS SELECT TIMESTAMP '{observed}' AS observed_at, NULL AS reason, "
            "TIMESTAMP '2025-10-26 00:30' AS labelled_at, TIMESTAMP '2025-10-26 01:30' AS labelled_other"
        )
        if late:
            delay_labels(connection, LONG_AFTER)
            assert connection.execute("SELECT labelled_at FROM staged").fetchone() == (
                datetime.fromisoformat("2025-10-26 01:30"),
            )
        settle_labels(connection)
        assert connection.execute("SELECT labelled_at FROM staged").fetchone() == (datetime.fromisoformat(expected),)


def test_a_label_is_not_read_ahead_of_now(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TEMP TABLE staged AS SELECT NULL::TIMESTAMP AS observed_at, NULL AS reason, "
        "TIMESTAMP '2025-10-26 00:30' AS labelled_at, TIMESTAMP '2025-10-26 01:30' AS labelled_other"
    )
    delay_labels(connection, datetime(2025, 10, 26, 0, 35, tzinfo=UTC))
    assert connection.execute("SELECT labelled_at FROM staged").fetchone() == (
        datetime.fromisoformat("2025-10-26 00:30"),
    )
