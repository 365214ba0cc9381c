"""Parquet files whose statistics do not tell the truth: each value is looked at all the same."""

import struct
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.worlds.arrivals import play
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, World, at

ROWS = 60
MARK = 0.123456789  # stands where the forged value goes: 40 rows amid smaller and larger ones
WHOLE = 0x1234_5678_9ABC
MOMENT = at("2026-03-10 10:00:00")
EPOCH = at("1970-01-01 00:00:00")


def micros(text: str) -> int:
    return (at(text) - EPOCH) // timedelta(microseconds=1)


def table(**columns: Any) -> pa.Table:
    base = {
        "sample_id": [f"p{index}" for index in range(ROWS)],
        "observed_at": pa.array([MOMENT] * ROWS, pa.timestamp("us")),
        "labelled_at": pa.array([MOMENT + HOUR] * ROWS, pa.timestamp("us")),
        "score": [0.5] * ROWS,
        "outcome": pa.array([1] * ROWS, pa.int64()),
        "camera": ["c1"] * ROWS,
    }
    return pa.table(base | columns)


def forge(path: Path, columns: pa.Table, mark: bytes, value: bytes) -> None:
    """Write the table, its statistics as they are, then put another value wherever ``mark`` stands among the data."""
    pq.write_table(columns, path, compression="none", use_dictionary=False)
    held = path.read_bytes()
    assert mark in held
    path.write_bytes(held.replace(mark, value))


def doubles(mark: float = MARK) -> list[float]:
    return [0.01, 0.9, *[mark] * (ROWS - 2)]


def wholes(low: int = 0, high: int = 2 * WHOLE) -> Any:
    return pa.array([low, high, *[WHOLE] * (ROWS - 2)], pa.int64())


@pytest.mark.parametrize("name", ["score", "raw_score"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (-0.5, "score_outside_0_1"), (101.0, "score_outside_0_1"), (-1e159, "score_outside_0_1"),
        (float("inf"), "score_outside_0_1"), (float("nan"), "score_not_a_number"),
    ],
)  # fmt: skip
def test_scores_beyond_what_the_statistics_say_are_set_aside(
    world: World, name: str, value: float, reason: str
) -> None:
    forge(
        world.base / "in" / "x.parquet", table(**{name: doubles()}), struct.pack("<d", MARK), struct.pack("<d", value)
    )
    brought = world.take()
    assert (brought.new, brought.quarantined) == (2, {reason: ROWS - 2})


@pytest.mark.parametrize("value", [1.0000001, -0.0000001])
def test_scores_a_hair_beyond_the_statistics_are_clipped(world: World, value: float) -> None:
    forge(world.base / "in" / "x.parquet", table(score=doubles()), struct.pack("<d", MARK), struct.pack("<d", value))
    assert world.take().clipped == ROWS - 2
    assert world.one("SELECT min(score) >= 0 AND max(score) <= 1 FROM samples")


@pytest.mark.parametrize("value", [57.0, 1.5])
def test_percentages_beyond_the_statistics_refuse_the_file(world: World, value: float) -> None:
    forge(world.base / "in" / "x.parquet", table(score=doubles()), struct.pack("<d", MARK), struct.pack("<d", value))
    brought = world.take()
    assert (brought.new, [problem.reason for problem in brought.problems]) == (0, ["percentages"])


@pytest.mark.parametrize(
    ("value", "new", "reason"), [(2, 0, "unknown_outcome"), (-7, 0, "unknown_outcome"), (1 << 60, 0, "unknown_outcome")]
)
def test_outcomes_beyond_the_statistics_are_set_aside(world: World, value: int, new: int, reason: str) -> None:
    outcome = pa.array([WHOLE] * ROWS, pa.int64())
    forge(world.base / "in" / "x.parquet", table(outcome=outcome), struct.pack("<q", WHOLE), struct.pack("<q", value))
    assert world.take().quarantined == {reason: ROWS - new}


@pytest.mark.parametrize(("value", "outcomes"), [(1, [1]), (0, [0])])
def test_outcomes_are_the_values_and_not_the_statistics(world: World, value: int, outcomes: list[int]) -> None:
    outcome = pa.array([WHOLE] * ROWS, pa.int64())
    forge(world.base / "in" / "x.parquet", table(outcome=outcome), struct.pack("<q", WHOLE), struct.pack("<q", value))
    assert world.take().quarantined == {}
    assert [row[0] for row in world.rows("SELECT DISTINCT positives FROM samples")] == outcomes


def test_minus_one_beyond_the_statistics_is_told_apart(world: World) -> None:
    outcome = pa.array([1, *[WHOLE] * (ROWS - 1)], pa.int64())
    forge(world.base / "in" / "x.parquet", table(outcome=outcome), struct.pack("<q", WHOLE), struct.pack("<q", -1))
    assert world.take().problems == []
    assert world.rows("SELECT positives, count(*) FROM samples GROUP BY ALL ORDER BY ALL") == [(0, ROWS - 1), (1, 1)]


@pytest.mark.parametrize("name", ["n", "positives"])
@pytest.mark.parametrize("value", [-3, 0x7000_0000_0000_0000])
def test_counts_beyond_the_statistics_are_set_aside(world: World, name: str, value: int) -> None:
    other = {"n": "positives", "positives": "n"}[name]
    columns = table(**{name: wholes(1, WHOLE + 1), other: pa.array([1] * ROWS, pa.int64())}).drop_columns(["outcome"])
    forge(world.base / "in" / "x.parquet", columns, struct.pack("<q", WHOLE), struct.pack("<q", value))
    brought = world.take()
    assert set(brought.quarantined) == {"bad_count"}
    assert brought.quarantined["bad_count"] >= ROWS - 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-10 13:00:00", "time_in_future"), ("1969-06-01 00:00:00", "time_before_1970"),
        ("1980-01-01 00:00:00", "older_than_retention"), ("2200-01-01 00:00:00", "time_in_future"),
    ],
)  # fmt: skip
def test_times_beyond_the_statistics_are_set_aside(world: World, text: str, reason: str) -> None:
    mark = at("2026-03-10 09:12:34.567891")
    times = pa.array([MOMENT - HOUR, MOMENT, *[mark] * (ROWS - 2)], pa.timestamp("us"))
    forge(
        world.base / "in" / "x.parquet", table(observed_at=times),
        struct.pack("<q", micros(str(mark))), struct.pack("<q", micros(text)),
    )  # fmt: skip
    brought = world.take()
    assert (brought.new, brought.quarantined) == (2, {reason: ROWS - 2})


def test_a_label_time_beyond_the_statistics_is_set_aside(world: World) -> None:
    mark = at("2026-03-10 11:12:34.567891")
    times = pa.array([MOMENT, MOMENT + 2 * HOUR, *[mark] * (ROWS - 2)], pa.timestamp("us"))
    forge(
        world.base / "in" / "x.parquet", table(labelled_at=times),
        struct.pack("<q", micros(str(mark))), struct.pack("<q", micros("2026-04-01 00:00:00")),
    )  # fmt: skip
    assert world.take().quarantined == {"time_in_future": ROWS - 2}


@pytest.mark.parametrize("name", ["sample_id", "camera", "label", "predicted_class", "version", "group_id"])
def test_texts_beyond_the_statistics_are_as_they_are(make_world: MakeWorld, name: str) -> None:
    world = make_world('task = "multiclass"\n')
    held = {"label": ["b"] * ROWS, "predicted_class": ["b"] * ROWS, "version": ["b"] * ROWS, "group_id": ["b"] * ROWS}
    texts = ["aa", "zz", *(f"mark{index:04}" if name == "sample_id" else "mark0000" for index in range(ROWS - 2))]
    columns = table(**held, **{name: texts} if name not in held else {}).drop_columns(["outcome"])
    if name in held:
        columns = columns.set_column(columns.column_names.index(name), name, pa.array(texts))
    forge(world.base / "in" / "x.parquet", columns, b"mark", b" ~.0")
    assert world.take().new == ROWS
    shown = "labels['camera'] FROM slices" if name == "camera" else (
        "version FROM streams" if name == "version" else f"{name} FROM samples"
    )  # fmt: skip
    assert world.one(f"SELECT count(*) FILTER (v LIKE '~.0%') > 0 FROM (SELECT {shown.replace(' FROM', ' AS v FROM')})")


@pytest.mark.parametrize("word", [b"nan ", b"None"])
def test_words_beyond_the_statistics_are_missing_labels(make_world: MakeWorld, word: bytes) -> None:
    world = make_world('task = "multiclass"\n')
    labels, classes = ["a", "z", *["mark"] * (ROWS - 2)], ["z"] * ROWS
    columns = table(label=labels, predicted_class=classes).drop_columns(["outcome"])
    forge(world.base / "in" / "x.parquet", columns, b"mark", word)
    assert world.take().new == ROWS
    assert world.rows("SELECT positives, count(*) FROM samples GROUP BY ALL ORDER BY ALL NULLS LAST") == [
        (0, 1), (1, 1), (None, ROWS - 2),
    ]  # fmt: skip


def test_logits_beyond_the_statistics_are_set_aside(world: World) -> None:
    logits = pa.array([[MARK, 0.5]] * ROWS, pa.list_(pa.float64()))
    forge(
        world.base / "in" / "x.parquet", table(logits=logits), struct.pack("<d", MARK), struct.pack("<d", float("nan"))
    )
    assert world.take().quarantined == {"bad_logits": ROWS}


@pytest.mark.parametrize("name", ["score", "sample_id", "observed_at", "outcome", "label"])
def test_a_count_of_nulls_that_lies_hides_none(world: World, name: str) -> None:
    """The statistics say that nothing is missing, where a half is."""
    kinds = {"score": pa.float64(), "observed_at": pa.timestamp("us"), "outcome": pa.int64()}
    values = {"score": 0.5, "observed_at": MOMENT, "outcome": 1, "sample_id": "p", "label": "1"}
    column = [values[name] if index % 2 else None for index in range(ROWS)]
    if name == "sample_id":
        column = [value and f"p{index}" for index, value in enumerate(column)]
    path = world.base / "in" / "x.parquet"
    columns = table(**{name: pa.array(column, kinds.get(name, pa.string()))})
    pq.write_table(columns, path, compression="none", use_dictionary=False)
    held = path.read_bytes()
    # thrift compact: field 3 of Statistics, an i64, zigzag: 30 nulls are 0x3c
    field = bytes([0x16, 2 * (ROWS // 2)])
    footer = held.rindex(b"PAR1") - struct.unpack("<i", held[-8:-4])[0] - 4
    assert field in held[footer:] or bytes([0x36, 2 * (ROWS // 2)]) in held[footer:]
    forged = held[footer:].replace(field, b"\x16\x00").replace(bytes([0x36, 2 * (ROWS // 2)]), b"\x36\x00")
    path.write_bytes(held[:footer] + forged)
    brought = world.take()
    reasons = {"score": "missing_score", "sample_id": "missing_sample_id", "observed_at": "unreadable_time"}
    if name in reasons:
        assert (brought.new, brought.quarantined) == (ROWS // 2, {reasons[name]: ROWS // 2})
    elif name == "outcome":
        assert world.rows("SELECT positives, count(*) FROM samples GROUP BY ALL ORDER BY ALL NULLS LAST") == [
            (1, ROWS // 2), (None, ROWS // 2),
        ]  # fmt: skip
    else:
        assert world.one("SELECT count(label) FROM samples") == ROWS // 2


def test_a_backtest_looks_at_each_value_too(world: World) -> None:
    forge(world.base / "in" / "x.parquet", table(score=doubles()), struct.pack("<d", MARK), struct.pack("<d", -0.5))
    brought = play(world, NOW - 3 * HOUR)
    assert sum(each.new for each in brought) == 2
    assert sum(each.quarantined.get("score_outside_0_1", 0) for each in brought) == ROWS - 2
