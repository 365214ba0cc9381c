"""A small world with drift rules, and what is held of its evidence."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import numpy as np

from monitor.engine.stages.drift import weigh_evidence
from monitor.model import Evidence
from monitor.rules.pack import Rulebook, parse_pack
from monitor.statistics.drift.eprocess import EvidenceState
from monitor.statistics.drift.reference_pool import ReferencePool
from monitor.store.connection import open_live
from tests.worlds.store import HOUR, NOW, Row, World, a_row

MIDNIGHT = datetime(2026, 3, 1, tzinfo=NOW.tzinfo)
TABLES = ("evidence_streams", "evidence_checkpoints", "evidence_reach", "evidence", "evidence_alarms")


def rules(*names_and_keys: str) -> Rulebook:
    """A drift rule for each text, named r0, r1, …; the text holds further keys, by ";"."""
    pack = "".join(
        f'[[rule]]\nname = "r{index}"\nkind = "drift"\nseverity = "info"\nsummary = "s"\nfalse_alarms = "1/year"\n'
        + keys.replace(";", "\n")
        + "\n"
        for index, keys in enumerate(names_and_keys or ("",))
    )
    return Rulebook(parse_pack(pack, "own.toml"))


def hour(index: float) -> datetime:
    """So many hours after the first midnight."""
    return MIDNIGHT + index * HOUR


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def sample(
    rng: np.random.Generator, index: float, *, camera: str = "c1", shift: float = 0.0, delay: float = 0.5, **values: Any
) -> Row:
    """A prediction in hour ``index``, its label ``delay`` hours later; the outcome's log-odds are off by ``shift``."""
    logit = rng.normal(0.5, 1.5)
    return a_row(
        f"{camera}-{index}-{rng.integers(1 << 60)}", observed_at=stamp(hour(index + 0.25)), camera=camera,
        labelled_at=stamp(hour(index + 0.25 + delay)), score=float(1 / (1 + np.exp(-logit))),
        outcome=int(rng.random() < 1 / (1 + np.exp(-logit - shift))), **values,
    )  # fmt: skip


def some(rng: np.random.Generator, hours: Iterable[float], count: int = 6, **values: Any) -> list[Row]:
    """``count`` samples of a camera in each of the hours."""
    return [sample(rng, index, **values) for index in hours for _ in range(count)]


def weighed(world: World, book: Rulebook, now: datetime) -> dict[str, Evidence]:
    """Judge at ``now``; evidence by slice text, of the first rule."""
    found = weigh_evidence(world.store(now), book, now)
    return {one.slice.text: one for one in found if one.rule == "r0"}


def taken(world: World, book: Rulebook, now: datetime, rows: Iterable[Row] = ()) -> dict[str, Evidence]:
    """A tick: take the rows and judge."""
    world.take(*rows, now=now)
    return weighed(world, book, now)


def afresh(world: World, book: Rulebook, now: datetime) -> dict[str, Evidence]:
    """Forget all evidence and judge everything at once."""
    for table in TABLES:
        world.connection.execute(f"DELETE FROM {table}")
    return weighed(world, book, now)


def reopen(world: World) -> None:
    """A restart."""
    world.connection.close()
    world.connection = open_live(world.base / "state", now=NOW)


Held = dict[tuple[str, ...], tuple[Any, ...]]


def held(world: World) -> Held:
    """(rule, version, calibrator, slice) of every open stream → rank, opened, state, path, alarms."""
    found: Held = {}
    for *key, rank, opened, state, reference in world.rows(
        "SELECT rule, version, calibrator, slice, rank, opened, state, reference FROM evidence_streams "
        "WHERE closed IS NULL"
    ):
        assert state is not None
        assert len(state) + len(reference or b"") < 10_000
        where = "WHERE (rule, version, calibrator, slice) = ($1, $2, $3, $4) AND bucket >= $5 ORDER BY bucket"
        path, alarms = (
            world.connection.execute(f"SELECT bucket, {columns} FROM {table} {where}", [*key, opened]).fetchall()
            for table, columns in (
                ("evidence", "samples, ratio"),
                ("evidence_alarms", "onset, samples, explained, direction, ratio"),
            )
        )
        assert tuple(key) not in found, "a stream is open twice"
        against = ReferencePool.from_bytes(reference) if reference else ReferencePool()
        found[tuple(key)] = rank, opened, EvidenceState.from_bytes(state), path, alarms, against
    return found


def assert_same_reference(mine: ReferencePool, theirs: ReferencePool) -> None:
    np.testing.assert_allclose(mine.sums, theirs.sums, rtol=1e-9, atol=1e-9)
    assert (mine.reference is None) == (theirs.reference is None)
    if mine.reference is not None and theirs.reference is not None:
        assert mine.reference.kind == theirs.reference.kind
        for name in ("lower", "upper", "samples"):
            np.testing.assert_allclose(
                getattr(mine.reference, name), getattr(theirs.reference, name), rtol=1e-9, atol=1e-9
            )


def assert_same(mine: Held, theirs: Held) -> None:
    """Ranks, openings, paths and alarms the same, numbers to 1e-9; and the words of the newest alarm of each stream, as of
    every one that is explained in both: who watched alarms come one by one has seen each explained."""
    assert mine
    assert mine.keys() == theirs.keys()
    for key, (*start, state, path, alarms, against) in mine.items():
        *other_start, other_state, other_path, other_alarms, other_against = theirs[key]
        assert_same_reference(against, other_against)
        assert start == other_start, key
        for name in (
            "log_mass",
            "log_best",
            "start",
            "since_start",
            "log_standing",
            "last_scored",
            "informative",
            "informative_squared",
        ):
            np.testing.assert_allclose(
                getattr(state, name), getattr(other_state, name), rtol=1e-9, atol=1e-9, err_msg=f"{key} {name}"
            )
        assert [row[:-1] for row in path] == [row[:-1] for row in other_path], key
        assert [row[:3] for row in alarms] == [row[:3] for row in other_alarms], key
        for one, another in zip(alarms, other_alarms, strict=True):
            *_, explained, words, _ = one
            *_, also_explained, other_words, _ = another
            assert words == other_words or not (explained and also_explained), key
            assert all(
                said == "" for said, is_known in ((words, explained), (other_words, also_explained)) if not is_known
            )
        assert all(rows[-1][3] for rows in (alarms, other_alarms) if rows), key
        for own, other in ((path, other_path), (alarms, other_alarms)):
            np.testing.assert_allclose([row[-1] for row in own], [row[-1] for row in other], rtol=1e-9)
