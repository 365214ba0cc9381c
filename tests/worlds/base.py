"""What worlds share: lengths of time, and a database as a first start leaves it."""

import tempfile
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb

from monitor.store.connection import LIVE, make_state_dir, open_live

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@cache
def _blank(now: datetime) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        open_live(Path(place), now=now).close()
        return (Path(place) / LIVE).read_bytes()


def open_blank(state_dir: Path, now: datetime) -> duckdb.DuckDBPyConnection:
    """Open what ``open_live`` opens there; where nothing is yet, a copy of a database that a first start at ``now`` left.

    Every test on its own would apply all migrations anew; tests of those call ``open_live``.
    """
    if not (state_dir / LIVE).exists():
        make_state_dir(state_dir)
        (state_dir / LIVE).write_bytes(_blank(now))
    return open_live(state_dir, now=now)
