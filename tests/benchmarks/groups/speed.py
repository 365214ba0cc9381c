"""A new hour of many groups, weighed through the store: what it costs beside DuckDB's own reading of the same samples."""

import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb

from monitor.engine.stages.drift import weigh_evidence
from monitor.store.evidence.streams import load_traffic
from monitor.store.evidence.traffic import load_sums
from tests.worlds.evidence import hour, rules
from tests.worlds.store import World

GROUPS = {"tiny": 100, "small": 10_000, "full": 10_000}
MEMBERS, CAMERAS, HOURS = 8, 4, 4
_WRITE = """
COPY (
    SELECT 's' || g || '-' || m || '-' || $hour AS sample_id, 'g' || g || '-' || $hour AS group_id,
           'c' || g % $cameras AS camera, 'v1' AS version,
           1 / (1 + exp(-x)) AS score, (random() < 1 / (1 + exp(-x)))::INT AS outcome,
           $observed::TIMESTAMP AS observed_at, $observed::TIMESTAMP + INTERVAL 10 MINUTE AS labelled_at
    FROM (
        SELECT g, m, 0.5 + 1.5 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS x
        FROM range($groups) AS t(g), range($members) AS u(m)
    )
) TO '{path}' (FORMAT parquet)
"""


def of_speed(scale: str) -> Iterator[str]:
    """One hour of groups of eight, over four cameras: the whole and four marginals."""
    groups = GROUPS[scale]
    with tempfile.TemporaryDirectory(prefix="calwatch-groups-") as room:
        world = World.make(Path(room))
        book = rules('slices = "all"', 'slices = "marginals"')
        spent = []
        for index in range(HOURS):
            _write(world.base / "in" / f"{index}.parquet", groups, index)
            world.pull(hour(index + 1))
            began = time.process_time()
            weigh_evidence(world.store(hour(index + 1)), book, hour(index + 1))
            spent.append(time.process_time() - began)
        store = world.store(hour(HOURS))
        traffic = load_traffic(store, hour(HOURS - 1), hour(HOURS))
        began = time.process_time()
        load_sums(store, traffic, traffic.buckets)
        reading = time.process_time() - began
        began = time.process_time()
        world.one(
            f"SELECT (count(*), sum(score), sum(hash(group_id))) FROM samples WHERE observed_at >= '{hour(HOURS - 1)}'"
        )
        scan = time.process_time() - began
        state = world.one("SELECT max(octet_length(state)) FROM evidence_streams")
        world.connection.close()
    yield (
        f"{groups:,} groups of {MEMBERS} an hour: {sorted(spent[1:])[1]:.2f} CPU s to weigh an hour under two rules, of "
        f"which reading it is {reading:.2f} a rule (DuckDB's own scan of these samples: {scan:.3f}); state of a slice "
        f"{state:,} bytes; nothing stored beside the samples"
    )


def _write(path: Path, groups: int, index: int) -> None:
    observed = (hour(index) + timedelta(minutes=5)).replace(tzinfo=None)
    values = {"groups": groups, "members": MEMBERS, "cameras": CAMERAS, "observed": observed, "hour": index}
    with duckdb.connect() as connection:
        connection.execute(_WRITE.format(path=path), values)
