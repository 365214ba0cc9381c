"""States as the code of each migration left them (see tests/data/levels), put somewhere with the files they had read."""

import gzip
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
from prometheus_client import CollectorRegistry

from monitor.config.settings import load_config
from monitor.engine.cycle import Cycle, Tick, build_watched
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import LIVE, open_live

DATA = Path(__file__).parents[1] / "data" / "levels"
LEVELS = sorted(folder.name for folder in DATA.iterdir() if (folder / "live.duckdb.gz").exists())
NEWEST = LEVELS[-1]
MADE_AT = "/srv/line"  # where the files were when they were read
CHANGED = 1_773_100_000


def left_by(base: Path, level: str, *, live: bool = False) -> Path:
    """The state directory. ``live``: its times get fractions of a second, as a real clock's have."""
    shutil.copytree(DATA / "line", base, dirs_exist_ok=True)
    shutil.copy(DATA / level / "own.toml", base)
    state = base / "state"
    state.mkdir()
    shutil.copytree(DATA / level / "calibrators", state / "calibrators")
    (state / LIVE).write_bytes(gzip.decompress((DATA / level / "live.duckdb.gz").read_bytes()))
    for path in (base / "in").iterdir():
        os.utime(path, (CHANGED, CHANGED))
    with duckdb.connect(str(state / LIVE)) as old:
        old.execute("UPDATE cursors SET item = replace(item, ?, ?)", [MADE_AT, str(base)])
        if live:
            for table, column in (("pulls", "pulled_at"), ("stages", "succeeded_at"), ("jobs", "finished_at")):
                old.execute(f"UPDATE {table} SET {column} = {column} + INTERVAL 123457 MICROSECOND")
    return state


def run_cycle(base: Path, now: datetime) -> Tick:
    """One cycle over the state by this calwatch."""
    config = load_config(base / "calwatch.toml")
    connection = open_live(config.state_dir, now=now)
    try:
        cycle = Cycle(config, build_watched(config), connection, Instruments(CollectorRegistry()))
        return cycle.tick(now)
    finally:
        connection.close()


def tables_of(live: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table with its rows, in order."""
    with duckdb.connect(str(live), read_only=True) as held:
        names = [name for (name,) in held.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]
        return {name: held.execute(f'SELECT * FROM "{name}" ORDER BY rowid').fetchall() for name in names}


def files_below(directory: Path) -> dict[str, bytes]:
    """Every file by its name."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


MINUTE = timedelta(minutes=1)
