"""A history across the autumn change of the clocks, in local time, seen row by row on a simulated clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.sources.pull import file_sources
from monitor.sources.replay.source import ReplaySource
from tests.worlds.fixtures import MakeWorld
from tests.worlds.store import Row, a_row, write_parquet

CHANGE = datetime(2025, 10, 26, 1, tzinfo=UTC)  # of the clocks in Berlin
BERLIN = ZoneInfo("Europe/Berlin")


def local(moment: datetime) -> str:
    return moment.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S")


def history() -> dict[str, tuple[datetime, Row]]:
    """Rows every five minutes, labelled twenty later; each beside its moment."""
    rows = {}
    for minutes in range(-240, 240, 5):
        moment = CHANGE + timedelta(minutes=minutes)
        sample = f"s{minutes}"
        row = a_row(sample, observed_at=local(moment), labelled_at=local(moment + timedelta(minutes=20)))
        rows[sample] = moment, row
    return rows


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_times_shown_twice_are_played_at_their_own_time(make_world: MakeWorld, ending: str) -> None:
    world = make_world(source='[[model.source]]\npath = "in/*"\ntime_zone = "Europe/Berlin"\n')
    world.connection.execute("ATTACH ':memory:' AS replay")
    rows = history()
    path = world.base / "in" / f"a.{ending}"
    if ending == "parquet":
        write_parquet(path, [row for _, row in rows.values()])
    else:
        world.send(*(row for _, row in rows.values()), name=path.name)
    source = ReplaySource(file_sources(world.model, world.base)[0], "m/samples", world.model)
    for minutes in range(-240, 300, 10):
        now = CHANGE + timedelta(minutes=minutes)
        world.pull(now, sources=[source])
        due = [sample for sample, (moment, _) in rows.items() if moment + timedelta(minutes=20) <= now]
        assert world.one("SELECT count(*) FROM samples") == len(due), now
    stored = {
        sample: (observed.replace(tzinfo=UTC), labelled.replace(tzinfo=UTC))
        for sample, observed, labelled in world.rows("SELECT sample_id, observed_at, labelled_at FROM samples")
    }
    assert {sample: observed for sample, (observed, _) in stored.items()} == {
        sample: moment for sample, (moment, _) in rows.items()
    }
    assert {labelled - observed for observed, labelled in stored.values()} == {timedelta(minutes=20)}
    assert world.quarantined() == []
