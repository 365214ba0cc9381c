"""Every kind of bad value: quarantined with its reason, and nothing else lost."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import pytest

from monitor.model import MISSING, OTHER, Slice
from monitor.sources.remedies import REMEDIES
from monitor.store.cells import load_window_cells
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import HOUR, NOW, Row, World, a_row, at, unreadable, write_parquet

NAN, INF = float("nan"), float("inf")
FORMATS = ["csv", "jsonl", "parquet"]


def reasons_of(world: World, ending: str, cases: Sequence[Row]) -> list[str]:
    """The reason given for each case, a row that differs in what it names; "" where it was taken.

    Cases that differ in the same columns by values of the same types are rows of one file, so that its columns are of the types
    they would be of without the others. Rows before and after them must be there.
    """
    files = groupby(
        sorted(range(len(cases)), key=lambda case: _kinds(cases[case])), key=lambda case: _kinds(cases[case])
    )
    return [
        reason for _, reason in sorted(found for _, file in files for found in _taken(world, ending, cases, list(file)))
    ]


def _kinds(case: Row) -> list[tuple[str, str]]:
    return [(name, type(value).__name__) for name, value in case.items()]


def _taken(world: World, ending: str, cases: Sequence[Row], numbers: list[int]) -> Iterator[tuple[int, str]]:
    """(number, reason) of the cases of one file, with a good row before each and one after the last."""
    absent = dict.fromkeys(cases[numbers[0]])
    rows: list[Row] = []
    for number in numbers:
        rows += [{**absent, **a_row(f"before {number}")}, {**a_row(f"case {number}"), **cases[number]}]
    rows.append({**absent, **a_row(f"after {numbers[-1]}")})
    name = f"{numbers[0]}.{ending}"
    if ending == "parquet":  # a column is of one type there: text can hold what the others hold
        rows = [{name: None if value is None else str(value) for name, value in row.items()} for row in rows]
        write_parquet(world.base / "in" / name, rows, dict.fromkeys(rows[1], "VARCHAR"))
    else:
        world.send(*rows, name=name)
    brought = world.take()
    assert unreadable(brought.problems) == []
    stored = {sample_id for (sample_id,) in world.rows("SELECT sample_id FROM samples")}
    assert {f"before {number}" for number in numbers} | {f"after {numbers[-1]}"} <= stored
    assert brought.rows == len(rows)
    assert set(brought.quarantined) <= set(REMEDIES)
    found = world.rows(f"SELECT row, reason, record FROM quarantine WHERE file LIKE '%/{name}'")
    assert sum(brought.quarantined.values()) == len(found)
    assert all(record for _, _, record in found)
    told = {row: reason for row, reason, _ in found}
    assert set(told) <= set(range(1, len(rows), 2))
    for position, number in enumerate(numbers):
        yield number, told.get(2 * position + 1, "")


WRONG: list[tuple[Row, str]] = [
        ({"score": -0.1}, "score_outside_0_1"),
        ({"score": 1.0001}, "score_outside_0_1"),
        ({"score": "NaN"}, "score_not_a_number"),
        ({"score": "inf"}, "score_outside_0_1"),
        ({"score": "-Infinity"}, "score_outside_0_1"),
        ({"score": "high"}, "score_not_a_number"),
        ({"score": None}, "missing_score"),
        ({"score": ""}, "missing_score"),
        ({"outcome": 2}, "unknown_outcome"),
        ({"outcome": "yes"}, "unknown_outcome"),
        ({"outcome": 0.5}, "unknown_outcome"),
        ({"outcome": "nanometre"}, "unknown_outcome"),
        ({"sample_id": None}, "missing_sample_id"),
        ({"sample_id": ""}, "missing_sample_id"),
        ({"observed_at": None}, "unreadable_time"),
        ({"observed_at": "yesterday"}, "unreadable_time"),
        ({"observed_at": "2026-02-30 10:00:00"}, "unreadable_time"),
        ({"observed_at": "infinity"}, "unreadable_time"),
        ({"observed_at": "1773136800"}, "unreadable_time"),
        ({"observed_at": "2026-03-10T12:05:01Z"}, "time_in_future"),
        ({"observed_at": "2262-01-01"}, "time_in_future"),
        ({"labelled_at": "2026-03-10T12:05:01Z"}, "time_in_future"),
        ({"labelled_at": "soon"}, "unreadable_time"),
        ({"observed_at": "1969-12-31 23:59:59"}, "time_before_1970"),
        ({"observed_at": "0001-01-01"}, "time_before_1970"),
        ({"labelled_at": "1970-01-01 00:00:00"}, "time_before_1970"),
        ({"labelled_at": "1970-01-01T01:00:00+01:00"}, "time_before_1970"),
        ({"labelled_at": "1969-12-31 16:00:00"}, "time_before_1970"),
        ({"labelled_at": "0001-01-01"}, "time_before_1970"),
        ({"observed_at": "1970-01-01"}, "older_than_retention"),
        ({"logits": "[1, 2"}, "bad_logits"),
        ({"logits": "[1, NaN]"}, "bad_logits"),
        ({"outcome": None, "label": "cat", "predicted_class": None}, "unknown_outcome"),
]  # fmt: skip
FINE: list[Row] = [
        {"score": "0.7"}, {"score": " 0.7 "}, {"score": 0}, {"score": 1}, {"score": "7e-1"}, {"outcome": "1"},
        {"outcome": "true"}, {"outcome": "False"}, {"outcome": "1.0"}, {"outcome": None, "labelled_at": None},
        {"outcome": None, "labelled_at": "1970-01-01"},
        {"outcome": "NaN"}, {"score": 1.0000001}, {"score": -0.0000001},
        {"observed_at": "2026-03-10T12:04:59Z", "labelled_at": None}, {"logits": "[1.5, -2]"},
        {"observed_at": "2026-03-10"},
]  # fmt: skip


@pytest.mark.parametrize("ending", FORMATS)
def test_a_bad_value_is_quarantined_under_its_reason(world: World, ending: str) -> None:
    found = reasons_of(world, ending, [wrong for wrong, _ in WRONG])
    assert [(wrong, told) for (wrong, _), told in zip(WRONG, found, strict=True)] == WRONG


@pytest.mark.parametrize("ending", FORMATS)
def test_a_value_written_in_another_usual_way_is_accepted(world: World, ending: str) -> None:
    found = reasons_of(world, ending, FINE)
    assert [(fine, told) for fine, told in zip(FINE, found, strict=True)] == [(fine, "") for fine in FINE]


@pytest.mark.parametrize("score", [NAN, INF, -INF, -0.1, 1.0001])
def test_bad_scores_in_a_column_of_doubles_are_quarantined(world: World, score: float) -> None:
    brought = world.take(a_row("a"), a_row("bad", score=score), ending="parquet")
    assert brought.new == 1
    assert sum(brought.quarantined.values()) == 1
    assert world.one("SELECT max(bin) FROM cells") < 14 * 192, "a NaN must not land in the top bin"


def test_an_outcome_column_of_booleans_or_floats_is_read(world: World) -> None:
    for name, type_, values in (("a", "BOOLEAN", (True, False, None)), ("b", "FLOAT", (1.0, 0.0, None))):
        rows = [a_row(f"{name}{index}", outcome=value) for index, value in enumerate(values)]
        write_parquet(world.base / "in" / f"{name}.parquet", rows, {"outcome": type_})
    world.take()
    assert world.rows("SELECT positives FROM samples ORDER BY sample_id") == [(1,), (0,), (None,), (1,), (0,), (None,)]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("zone", "utc"),
    [
        ("UTC", {"2026-03-10 10:00:00": (10, 0)}),
        ("Europe/Paris", {"2026-03-10 10:00:00": (9, 0)}),
        ("Asia/Kolkata", {"2026-03-10T10:00:00.000001": (4, 30)}),
        (
            "Asia/Tokyo",
            {
                "2026-03-10T10:00:00Z": (10, 0),
                "2026-03-10T10:00:00+02:00": (8, 0),
                "2026-03-10 10:00:00-01": (11, 0),
                "2026-03-10 10:00:00+0530": (4, 30),
                "2026-03-10 10:00:00 UTC": (10, 0),
                "2026-03-10 10:00:00 Europe/Paris": (9, 0),
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_times_without_an_offset_are_in_the_zone_of_the_source(
    make_world: MakeWorld, ending: str, zone: str, utc: dict[str, tuple[int, int]]
) -> None:
    world = make_world(source=f'[[model.source]]\npath = "in/*"\ntime_zone = "{zone}"\n')
    rows = [a_row(text, observed_at=text, labelled_at=None) for text in utc]
    if ending == "parquet":
        write_parquet(world.base / "in" / "a.parquet", rows, {"observed_at": "VARCHAR"})
    else:
        world.send(*rows, ending=ending)
    world.take()
    found = world.rows("SELECT sample_id, observed_at FROM samples")
    assert {text: (observed.hour, observed.minute) for text, observed in found} == utc


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1_000), ("us", 1_000_000)])
def test_numeric_times_are_read_in_the_unit_the_source_names(
    make_world: MakeWorld, ending: str, unit: str, factor: int
) -> None:
    world = make_world(source=f'[[model.source]]\npath = "in/*"\ntime_unit = "{unit}"\n')
    row = a_row("a", observed_at=1_773_136_800 * factor, labelled_at=1_773_140_400 * factor)
    if ending == "parquet":
        write_parquet(world.base / "in" / "a.parquet", [row], {"observed_at": "BIGINT", "labelled_at": "DOUBLE"})
    else:
        world.send(row, a_row("b"), ending=ending)
    world.take()
    assert world.rows("SELECT DISTINCT observed_at, labelled_at FROM samples") == [
        (at("2026-03-10 10:00:00"), at("2026-03-10 11:00:00"))
    ]


def test_numeric_times_out_of_any_range_are_unreadable(make_world: MakeWorld) -> None:
    world = make_world(source='[[model.source]]\npath = "in/*"\ntime_unit = "s"\n')
    times = [NAN, INF, 1e300, 9.2e18, -1e18]
    rows = [a_row(f"bad{index}", observed_at=value, labelled_at=None) for index, value in enumerate(times)]
    types = {"observed_at": "DOUBLE", "labelled_at": "DOUBLE"}
    write_parquet(
        world.base / "in" / "a.parquet", [*rows, a_row("a", observed_at=1.7731368e9, labelled_at=None)], types
    )
    brought = world.take()
    assert (brought.new, brought.quarantined) == (1, {"unreadable_time": 5})


AWKWARD = ['"quoted"', "a,b", "line\nbreak", "a=b", "back\\slash", "it's", "naïve ✓", "all", "tab\there"]


@pytest.mark.parametrize("ending", FORMATS)
def test_awkward_slice_values_are_slices_of_their_own(world: World, ending: str) -> None:
    world.take(*(a_row(f"s{index}", camera=value) for index, value in enumerate(AWKWARD)), ending=ending)
    shown = load_window_cells(world.store(), NOW - 12 * HOUR, NOW).slices
    assert {slice_.as_dict()["camera"] for slice_ in shown if slice_.order} == set(AWKWARD)
    assert all(Slice.parse(slice_.text) == slice_ for slice_ in shown)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("value", ["", None])
def test_an_empty_slice_value_is_shown_as_missing(world: World, ending: str, value: str | None) -> None:
    world.take(a_row("a", camera=value), a_row("b"), ending=ending)
    assert world.rows("SELECT labels['camera'] FROM slices ORDER BY ALL") == [(MISSING,), ("c1",)]


def test_the_separator_inside_a_slice_value_does_not_shift_the_dimensions(make_world: MakeWorld) -> None:
    world = make_world(slices=("camera", "lighting"))
    world.take(a_row("a", camera="c\x1f1", lighting="night"))
    assert world.one("SELECT labels FROM slices") == {"camera": "c 1", "lighting": "night"}


@pytest.mark.parametrize("ending", FORMATS)
def test_a_very_long_slice_value_is_cut_and_told_apart_by_a_hash(world: World, ending: str) -> None:
    long = "x" * 10_000
    world.take(a_row("a", camera=long), a_row("b", camera=long + "y"), a_row("c", camera=long), ending=ending)
    values = [value for (value,) in world.rows("SELECT labels['camera'] FROM slices")]
    assert len(set(values)) == 2
    assert all(value.startswith("x" * 120 + "…") and len(value) == 129 for value in values)


@pytest.mark.parametrize("limit", [1, 100])
def test_values_beyond_the_limit_fold_into_other_the_most_frequent_keep_their_own(
    make_world: MakeWorld, limit: int
) -> None:
    world = make_world(f"max_slice_values = {limit}\n")
    rows = [a_row(f"s{index}", camera=f"camera {index}") for index in range(10_000)]
    rows += [a_row(f"often{index}", camera="often") for index in range(3)]
    world.take(*rows)
    counts = dict(
        world.rows(
            "SELECT l.labels['camera'], sum(c.n)::INTEGER FROM cells c JOIN slices l USING (slice_id) GROUP BY 1"
        )
    )
    assert len(counts) == limit + 1
    assert counts["often"] == 3
    assert counts[OTHER] == 10_003 - 3 - (limit - 1)
    world.take(a_row("later", camera="camera 9999"), a_row("known", camera="often"))
    assert world.one("SELECT count(*) FROM slice_values") == limit


@pytest.mark.parametrize("files", [1, 2])
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_rows_after_lines_that_are_no_utf8_are_told_by_their_true_place(world: World, ending: str, files: int) -> None:
    header, line = {
        "csv": ("sample_id,observed_at,score,outcome\n", "{},2026-03-10T10:00:00Z,{},1\n"),
        "jsonl": ("", '{{"sample_id": "{}", "observed_at": "2026-03-10T10:00:00Z", "score": {}, "outcome": 1}}\n'),
    }[ending]
    # a broken line first, two beside each other, one last; the rows with score 7 are those whose places are told
    held = [
        ("\udcff", 0),
        ("a", 7),
        ("b", 0),
        ("\udcff", 0),
        ("\udcfe", 0),
        ("c", 7),
        ("d", 0),
        ("e", 7),
        ("\udcff", 0),
    ]
    (world.base / "in").mkdir(exist_ok=True)
    for number in range(files):
        text = header + "".join(line.format(f"{name}{number}", score) for name, score in held)
        (world.base / "in" / f"{number}.{ending}").write_bytes(text.encode("utf-8", "surrogateescape"))
    world.take()
    where = "SELECT row FROM quarantine WHERE reason {} 'unreadable_line' AND file LIKE '%{}.{}' ORDER BY row"
    for number in range(files):
        assert world.rows(where.format("<>", number, ending)) == [(1,), (5,), (7,)]
        assert world.rows(where.format("=", number, ending)) == [(0,), (3,), (4,), (8,)]
