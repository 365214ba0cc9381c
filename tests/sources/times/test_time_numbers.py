"""Times that are numbers since 1970, or of columns with a type of their own, and how they are cut."""

import duckdb
import pytest

from monitor.config.sources import SourceSettings
from monitor.sources.batch import Batch
from monitor.sources.times.expressions import (
    other_expression,
    time_expression,
)
from monitor.store.connection import quote_text
from tests.sources.times.readings import a_batch, read, readings, utc

NUMBER = 1_773_136_800_123_456_789  # ns: 2026-03-10 10:00:00.123456789


@pytest.mark.parametrize("kind", ["BIGINT", "UBIGINT", "HUGEINT", "DECIMAL(20,0)", "VARCHAR"])
@pytest.mark.parametrize(
    ("unit", "per_second", "expected"),
    [
        ("s", 1, "2026-03-10 10:00:00"),
        ("ms", 10**3, "2026-03-10 10:00:00.123"),
        ("us", 10**6, "2026-03-10 10:00:00.123456"),
        ("ns", 10**9, "2026-03-10 10:00:00.123456"),
    ],
)
def test_whole_numbers_are_exact_in_every_unit(
    connection: duckdb.DuckDBPyConnection, kind: str, unit: str, per_second: int, expected: str
) -> None:
    value = NUMBER // (10**9 // per_second)
    batch = a_batch(f"SELECT '{value}'::{kind} AS observed_at", kind, time_unit=unit)
    assert readings(connection, batch) == [(utc(expected), None)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", ["DOUBLE", "DECIMAL(38,9)", "VARCHAR"])
def test_whole_microseconds_survive_a_number_with_a_fraction(
    connection: duckdb.DuckDBPyConnection, kind: str, unit: str
) -> None:
    value = {
        "s": "1773136800.123456",
        "ms": "1773136800123.456",
        "us": "1773136800123456.0",
        "ns": "1773136800123456000.0",
    }
    batch = a_batch(f"SELECT '{value[unit]}'::{kind} AS observed_at", kind, time_unit=unit)
    assert readings(connection, batch) == [(utc("2026-03-10 10:00:00.123456"), None)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_numbers_before_1970_stay_before_it(connection: duckdb.DuckDBPyConnection, unit: str) -> None:
    for kind in ("BIGINT", "VARCHAR"):
        ((time, _),) = readings(connection, a_batch(f"SELECT '-1'::{kind} AS observed_at", kind, time_unit=unit))
        assert time is not None
        assert time < utc("1970-01-01")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("value", ["170141183460469231731687303715884105727", "9223372036854775807"])
def test_numbers_out_of_all_range_do_no_harm(connection: duckdb.DuckDBPyConnection, unit: str, value: str) -> None:
    for kind in ("HUGEINT", "VARCHAR", "DOUBLE"):
        ((time, _),) = readings(connection, a_batch(f"SELECT '{value}'::{kind} AS observed_at", kind, time_unit=unit))
        assert time is None or time > utc("2200-01-01")


@pytest.mark.parametrize("kind", ["TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"])
def test_columns_with_a_zone_of_their_own_are_not_moved_to_the_sources(
    connection: duckdb.DuckDBPyConnection, kind: str
) -> None:
    batch = a_batch(f"SELECT '2026-10-25 02:30:00+02:00'::{kind} AS observed_at", kind, time_zone="Europe/Berlin")
    assert readings(connection, batch) == [(utc("2026-10-25 00:30"), None)]
    assert other_expression("observed_at", batch) == "NULL::TIMESTAMP"


@pytest.mark.parametrize("kind", ["TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP", "TIMESTAMP_NS"])
def test_columns_without_a_zone_are_in_the_sources(connection: duckdb.DuckDBPyConnection, kind: str) -> None:
    batch = a_batch(f"SELECT '2026-10-25 02:30:00'::{kind} AS observed_at", kind, time_zone="Europe/Berlin")
    assert readings(connection, batch) == [(utc("2026-10-25 00:30"), utc("2026-10-25 01:30"))]


def test_a_date_is_midnight_in_the_sources_zone(connection: duckdb.DuckDBPyConnection) -> None:
    batch = a_batch("SELECT DATE '2026-07-01' AS observed_at", "DATE", time_zone="Europe/Berlin")
    assert readings(connection, batch) == [(utc("2026-06-30 22:00"), None)]


def test_infinite_times_are_unreadable(connection: duckdb.DuckDBPyConnection) -> None:
    for kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP"):
        batch = a_batch(f"SELECT 'infinity'::{kind} AS observed_at", kind, time_zone="Europe/Berlin")
        assert readings(connection, batch) == [(None, None)]


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("1s", "2026-03-12 10:17:05"), ("1m", "2026-03-12 10:17"), ("1h", "2026-03-12 10:00"), ("7d", "2026-03-12")],
)
def test_observed_at_is_cut_down_to_a_multiple_of_time_precision(
    connection: duckdb.DuckDBPyConnection, precision: str, expected: str
) -> None:
    text = "2026-03-12 10:17:05.987654"
    assert read(connection, text, time_precision=precision) == utc(expected)
    batch = Batch(
        "", {"labelled_at": "VARCHAR"}, {}, SourceSettings.model_validate({"path": "x", "time_precision": precision})
    )
    expression = time_expression("labelled_at", batch)
    row = connection.execute(f"SELECT {expression} FROM (SELECT {quote_text(text)} AS labelled_at)").fetchone()
    assert row == (utc(text),)


def test_time_precision_keeps_times_before_1970_there(connection: duckdb.DuckDBPyConnection) -> None:
    assert read(connection, "1969-12-31 23:59:59.5", time_precision="1s") == utc("1969-12-31 23:59:59")


@pytest.mark.parametrize("kind", ["TIMESTAMP", "BIGINT", "TIMESTAMP WITH TIME ZONE"])
def test_a_column_that_can_have_no_second_reading_says_so_at_once(kind: str) -> None:
    assert other_expression("observed_at", a_batch("", kind, time_unit="s")) == "NULL::TIMESTAMP"
    assert other_expression("labelled_at", a_batch("", kind)) == "NULL::TIMESTAMP"  # no such column


def test_a_timestamp_column_in_utc_is_taken_as_it_is() -> None:
    assert time_expression("observed_at", a_batch("", "TIMESTAMP")) == '"observed_at"'
    assert time_expression("observed_at", a_batch("", "TIMESTAMP", time_zone="Etc/UTC")) == '"observed_at"'
