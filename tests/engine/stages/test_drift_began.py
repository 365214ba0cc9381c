"""When a drift began, where it raised several alarms: the same whether they were seen one by one or all at once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.worlds.evidence import afresh, hour, rules, some, taken, weighed
from tests.worlds.store import HOUR, World

BOOK = rules('slices = "marginals"')


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World.make(tmp_path / "world")
    yield world
    world.connection.close()


def test_history_seen_at_once_began_when_it_began_for_who_watched_it_come(world: World) -> None:
    rng = np.random.default_rng(31)
    taken(world, BOOK, hour(60), some(rng, range(60), 20))
    for until in range(70, 161, 10):
        came = some(rng, range(until - 10, until), 20, shift=-1.2)
        watched = taken(world, BOOK, hour(until), came)["camera=c1"]
    alarms = world.rows("SELECT onset FROM evidence_alarms WHERE slice = 'camera=c1' ORDER BY bucket")
    assert len(alarms) > 1
    assert watched.onset is not None
    assert watched.onset.replace(tzinfo=None) == alarms[-1][0]
    assert watched.began is not None
    assert watched.began.replace(tzinfo=None) == alarms[0][0]
    assert abs(watched.began - hour(60)) <= 6 * HOUR
    assert afresh(world, BOOK, hour(160))["camera=c1"] == watched


def test_after_a_quiet_time_a_drift_begins_anew(world: World) -> None:
    rng = np.random.default_rng(32)
    rows = some(rng, range(30), 20) + some(rng, range(30, 50), 20, shift=-2)
    rows += some(rng, range(50, 50 + 10 * 24), 8) + some(rng, range(290, 310), 20, shift=-2)
    taken(world, BOOK, hour(310), rows)
    found = weighed(world, BOOK, hour(310))["camera=c1"]
    assert found.began is not None
    assert abs(found.began - hour(290)) <= 6 * HOUR


def test_without_an_alarm_nothing_began(world: World) -> None:
    rng = np.random.default_rng(33)
    assert taken(world, BOOK, hour(20), some(rng, range(20), 8))["camera=c1"].began is None
