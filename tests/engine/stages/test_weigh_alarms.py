"""Many alarms at once: all kept with their numbers, the newest of each stream put into words, the others told apart."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import duckdb
import numpy as np
import pytest

from monitor.engine.stages import drift as stage
from monitor.engine.stages import drift_told as weigh_told
from monitor.model import Slice
from monitor.model.wording import describe_shifts
from monitor.statistics.cells import Cells
from monitor.statistics.drift.bets import DETECTOR_BINS, EDGES, BinSums, Tolerance
from monitor.statistics.drift.budget import slice_threshold
from monitor.statistics.drift.eprocess import Block, EvidenceState, advance_evidence
from monitor.statistics.drift.explain import BinDrift, explain_drift, find_shifts
from monitor.store.cells import fold_and_drop
from monitor.store.connection import open_live
from monitor.store.published.snapshot import Publisher
from tests.worlds.evidence import afresh, assert_same, held, hour, rules, some, stamp, taken
from tests.worlds.store import DAY, HOUR, Row, World

BOOK = rules("tolerance = { odds = 1.1 }")
ALARMS = "SELECT bucket, onset, samples, ratio, explained, direction FROM {table} WHERE slice = $1 ORDER BY bucket"
Said = tuple[datetime, datetime, int, float, bool, str]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World.make(tmp_path / "world")
    yield world
    world.connection.close()


def alarms_of(world: World, slice_: str, table: str = "evidence_alarms") -> list[Said]:
    rows = world.connection.execute(ALARMS.format(table=table), [slice_]).fetchall()
    return [(bucket.replace(tzinfo=UTC), onset.replace(tzinfo=UTC), *rest) for bucket, onset, *rest in rows]


def oracle(rows: Sequence[Row], slice_: str, rank: int, marginals: int) -> list[Said]:
    """The alarms of a slice that was there from the first hour on, straight from its rows and in one piece; every one of
    them explained, as long as all rows have come."""
    own = [row for row in rows if slice_ in ("all", f"camera={row['camera']}")]
    when = np.array([(datetime.fromisoformat(row["observed_at"]).replace(tzinfo=UTC) - hour(0)) // HOUR for row in own])
    columns = ([row[name] for row in own] for name in ("score", "outcome"))
    cells = Cells.from_samples(*columns, unit=when)
    grid = np.unique(when)
    sums = BinSums.from_cells(cells, 1, int(grid[-1]) + 1)
    block = Block.against_scores(sums, np.arange(int(grid[-1]) + 1), Tolerance("odds", 1.1))
    limit = slice_threshold(1.0, Slice.parse(slice_).order, rank, 1, marginals if slice_ != "all" else 1)
    found = advance_evidence(EvidenceState.begin(1), block, limit, 1 / 24).alarms
    return [
        (
            hour(a.bucket), hour(a.onset), int(a.samples), float(np.exp(min(a.log_evidence - np.log(limit), 700))), True,
            describe_shifts(find_shifts(explain_drift(block, 0, a.onset, a.bucket)), "score"),
        )
        for a in found
    ]  # fmt: skip


def told_words(rows: Sequence[Row], slice_: str, alarms: Sequence[Said]) -> str:
    """What is said of the newest of these alarms, row by row: of the time since its drift began, a day at most unless the
    alarm itself took longer."""
    began, last_end, last_onset = alarms[0][1], alarms[0][0] + HOUR, alarms[0][1]
    for bucket, onset, *_ in alarms[1:]:
        if bucket + HOUR - last_end >= max(7 * DAY, 3 * (last_end - last_onset)):
            began = onset
        last_end, last_onset = bucket + HOUR, onset
    since = min(last_onset, max(began, last_end - DAY))
    held: dict[tuple[int, datetime], list[Row]] = {}
    for row in rows:
        at = datetime.fromisoformat(row["observed_at"]).replace(tzinfo=UTC, minute=0, second=0)
        if slice_ in ("all", f"camera={row['camera']}") and since <= at < last_end:
            part = next(b for b in reversed(range(DETECTOR_BINS)) if row["score"] >= EDGES[b])
            held.setdefault((part, at), []).append(row)
    bins = []
    for part in range(DETECTOR_BINS):
        own = [found for (b, _), found in held.items() if b == part]
        count, expected = sum(map(len, own)), 0.0
        for found in own:
            odds = 1 / (1 / (sum(row["score"] for row in found) / len(found)) - 1)
            expected += len(found) * sum(o / (1 + o) for o in (odds / 1.1, odds * 1.1)) / 2
        came = sum(row["outcome"] for found in own for row in found)
        mean, rate = (expected / count, came / count) if count else (None, None)
        bins.append(BinDrift(EDGES[part], EDGES[part + 1], float(count), mean, rate))
    return describe_shifts(find_shifts(tuple(bins)), "score")


def ranks(world: World) -> dict[str, int]:
    return {text: rank for (*_, text), (rank, *_) in held(world).items()}


def off(rng: np.random.Generator, hours: Sequence[int], shift: float = -2.5, count: int = 12) -> list[Row]:
    """Cameras c1 and c2 off by ``shift``, c3 honest."""
    shifts = {"c1": shift, "c2": shift, "c3": 0.0}
    return [row for camera, by in shifts.items() for row in some(rng, hours, count, camera=camera, shift=by)]


def mended(rng: np.random.Generator, rows: Sequence[Row], since: float, told_at: float) -> list[Row]:
    """The rows from an hour on with labels that follow their scores, as a later correction sends them."""
    late = [row for row in rows if row["observed_at"] >= stamp(hour(since))]
    return [{**row, "outcome": int(rng.random() < row["score"]), "labelled_at": stamp(hour(told_at))} for row in late]


@pytest.mark.parametrize("seed", range(3))
def test_all_alarms_have_the_numbers_and_the_newest_the_words_of_an_oracle_that_explains_each(
    world: World, seed: int
) -> None:
    rows = off(np.random.default_rng(seed), range(80), shift=(-2.5, 2.0, -1.5)[seed])
    shown = taken(world, BOOK, hour(80), rows)
    for text, rank in ranks(world).items():
        mine, theirs = alarms_of(world, text), oracle(rows, text, rank, marginals=3)
        assert [one[:3] for one in mine] == [one[:3] for one in theirs], text
        np.testing.assert_allclose([one[3] for one in mine], [one[3] for one in theirs], rtol=1e-9)
        assert [one[4:] for one in mine[:-1]] == [(False, "")] * len(mine[:-1])
        assert shown[text].alarms == len(theirs)
        if theirs:
            assert mine[-1][4:] == (True, theirs[-1][5])
            told = alarms_of(world, text, "told_alarms")
            assert [one[:4] for one in told] == [one[:4] for one in mine], "in one look what is told is what is found"
            said = told_words(rows, text, theirs)
            assert [one[4:] for one in told] == [(False, "")] * (len(told) - 1) + [(True, said)]
            assert (shown[text].direction, shown[text].explained, bool(said)) == (said, True, True)
            assert (shown[text].alarm_at, shown[text].onset) == (theirs[-1][0] + HOUR, theirs[-1][1])
            assert shown[text].samples_since_onset == theirs[-1][2]
            assert shown[text].alarm_ratio == pytest.approx(theirs[-1][3], rel=1e-9)
    assert {text: shown[text].alarms > 3 for text in shown} == {
        "all": True, "camera=c1": True, "camera=c2": True, "camera=c3": False,
    }  # fmt: skip


def test_one_alarm_of_each_stream_is_explained_however_many_there_are(world: World) -> None:
    rng = np.random.default_rng(3)
    with patch.object(stage, "explain_drift", wraps=explain_drift) as explained:
        taken(world, BOOK, hour(100), off(rng, range(100)))
        assert world.one("SELECT count(*) FROM evidence_alarms") > 30
        assert explained.call_count == 3
        taken(world, BOOK, hour(101), some(rng, [100], 12, camera="c3"))
        assert explained.call_count == 3, "nothing new to say"


def test_who_watches_alarms_come_one_by_one_keeps_what_was_said_of_each(world: World) -> None:
    rng = np.random.default_rng(4)
    rows: list[Row] = []
    for index in range(40):
        came = off(rng, [index])
        rows += came
        taken(world, BOOK, hour(index + 1), came)
    for text, rank in ranks(world).items():
        mine, theirs = alarms_of(world, text), oracle(rows, text, rank, marginals=3)
        assert [one[:3] + one[4:] for one in mine] == [one[:3] + one[4:] for one in theirs]
    mine_held = held(world)
    afresh(world, BOOK, hour(40))
    assert_same(mine_held, held(world))


def test_late_labels_that_raise_other_alarms_have_the_newest_explained_again(world: World) -> None:
    rng = np.random.default_rng(5)
    rows = off(rng, range(60))
    taken(world, BOOK, hour(60), rows)
    before = alarms_of(world, "camera=c1")
    late = some(rng, [30, 45, 58, 59], 40, camera="c1", shift=-4)
    taken(world, BOOK, hour(61), late)
    after = alarms_of(world, "camera=c1")
    assert after != before
    theirs = oracle(rows + late, "camera=c1", ranks(world)["camera=c1"], marginals=3)
    assert [one[:3] for one in after] == [one[:3] for one in theirs]
    assert after[-1][4:] == (True, theirs[-1][5])


def test_when_late_labels_take_back_the_newest_alarm_the_one_before_is_explained(world: World) -> None:
    rng = np.random.default_rng(6)
    rows = off(rng, range(60))
    taken(world, BOOK, hour(60), rows)
    first = alarms_of(world, "camera=c1")
    corrected = mended(rng, rows, 24, told_at=60)
    shown = taken(world, BOOK, hour(61), corrected)["camera=c1"]
    left = alarms_of(world, "camera=c1")
    assert [one[:4] for one in left] == [one[:4] for one in first[: len(left)]]
    assert left[-1][0] < hour(24) <= first[len(left)][0]
    theirs = oracle(rows, "camera=c1", ranks(world)["camera=c1"], marginals=3)[len(left) - 1]
    assert left[-1][4:] == (True, theirs[5])
    # what was told stays told
    assert (shown.alarms, shown.alarm_at) == (len(first), first[-1][0] + HOUR)
    final = [row for row in rows if row["observed_at"] < stamp(hour(24))] + corrected
    assert told_words(final, "camera=c1", first) == "", "nothing is clear any more"
    assert shown.direction == told_words(rows, "camera=c1", first)


def test_an_alarm_that_becomes_the_newest_after_its_buckets_were_folded_is_said_to_be_unexplained(
    tmp_path: Path,
) -> None:
    world = World.make(tmp_path / "world", 'windows = ["24h"]\nfold_after = "1d"')
    rng = np.random.default_rng(7)
    rows = off(rng, [*range(20), *range(80, 90)])
    now = hour(91)
    taken(world, BOOK, now, rows)
    first = alarms_of(world, "camera=c1")
    assert fold_and_drop(world.store(now), now)
    corrected = mended(rng, rows, 80, told_at=91)
    shown = taken(world, BOOK, hour(92), corrected)["camera=c1"]
    assert shown.alarm_at is not None
    assert shown.alarm_at > hour(80), "what was told stays told"
    assert told_words(corrected, "camera=c1", first) == "", "nothing is clear any more"
    assert (shown.direction, shown.explained) == (told_words(rows, "camera=c1", first), True)
    assert published(world, "SELECT DISTINCT direction FROM evidence_alarms WHERE slice = 'camera=c1' ORDER BY 1") == [
        ("not explained: a newer alarm of the stream is",),
        ("not explained: its buckets were folded before it was the newest",),
    ]
    world.connection.close()


def test_the_snapshot_counts_the_alarms_of_each_stream_and_says_which_are_not_explained(world: World) -> None:
    rng = np.random.default_rng(8)
    rows = off(rng, range(60))
    taken(world, BOOK, hour(60), rows)
    counts = dict(world.rows("SELECT slice, count(*) FROM evidence_alarms GROUP BY slice"))
    assert counts["camera=c1"] > 3
    assert published(world, "SELECT slice, alarms FROM evidence_streams") == [
        (text, counts.get(text, 0)) for text in ("all", "camera=c1", "camera=c2", "camera=c3")
    ]
    found = published(world, "SELECT direction FROM evidence_alarms WHERE slice = 'camera=c1' ORDER BY bucket")
    said = [str(text) for (text,) in found]
    assert said[:-1] == ["not explained: a newer alarm of the stream is"] * (counts["camera=c1"] - 1)
    assert said[-1] == oracle(rows, "camera=c1", ranks(world)["camera=c1"], marginals=3)[-1][5]
    told = published(world, "SELECT direction FROM told_alarms WHERE slice = 'camera=c1' ORDER BY bucket")
    expected = told_words(rows, "camera=c1", alarms_of(world, "camera=c1"))
    assert [text for (text,) in told] == ["not explained"] * (counts["camera=c1"] - 1) + [expected]


def test_an_explained_alarm_without_a_clear_direction_is_told_from_one_that_is_not_explained(world: World) -> None:
    rng = np.random.default_rng(9)
    with patch.object(stage, "find_shifts", return_value=()), patch.object(weigh_told, "find_shifts", return_value=()):
        shown = taken(world, BOOK, hour(60), off(rng, range(60)))["camera=c1"]
    assert (shown.direction, shown.explained) == ("", True)
    found = published(world, "SELECT direction FROM evidence_alarms WHERE slice = 'camera=c1' ORDER BY bucket")
    assert found[-1] == ("no clear direction",)


def test_alarms_that_an_earlier_version_stored_count_as_explained(tmp_path: Path) -> None:
    world = World.make(tmp_path / "world")
    rng = np.random.default_rng(10)
    taken(world, BOOK, hour(60), off(rng, range(60)))
    world.connection.execute("ALTER TABLE evidence_alarms DROP COLUMN explained")
    for table in ("evidence_alarms", "told_alarms"):
        world.connection.execute(f"UPDATE {table} SET direction = 'over-confident at all scores'")
    world.connection.execute("DELETE FROM migrations WHERE name LIKE '%_alarms_explained'")
    world.connection.close()
    again = World(world.base, world.model, open_live(world.base / "state", now=hour(60)))
    with patch.object(stage, "explain_drift", wraps=explain_drift) as explained:
        shown = taken(again, BOOK, hour(61), some(rng, [60], 6, camera="c3"))["camera=c1"]
    assert explained.call_count == 0
    assert (shown.direction, shown.explained) == ("over-confident at all scores", True)
    again.connection.close()


def published(world: World, query: str) -> list[tuple[object, ...]]:
    """Rows of metrics.duckdb as it is now; those of slices in their order."""
    path = Publisher(world.base / "state").publish(world.connection, hour(0) + 10 * DAY)
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(query).fetchall()
    return sorted(found) if "ORDER BY" not in query else found
