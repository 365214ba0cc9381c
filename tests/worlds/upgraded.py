"""Databases as an earlier release left them (see tests/data/upgrade), opened by this one."""

import os
import shutil
from importlib.resources import files
from pathlib import Path

import duckdb
import numpy as np

from monitor.config.settings import Model, parse_config
from monitor.store.cells import renew_cells
from monitor.store.connection import LIVE, make_naive, open_live
from monitor.store.model_store import ModelStore
from tests.worlds.store import NOW, SUMS, World

DATA = Path(__file__).parents[1] / "data" / "upgrade"
KINDS = sorted(folder.name for folder in DATA.iterdir() if folder.is_dir() and (folder / "stored.sql").exists())
_LAST = "0008"  # the newest migration that release had
_IN_SOURCE = ("time_precision", "missing_labels", "outcomes", "columns")


def left_by_old(base: Path, kind: str, **settings: str) -> World:
    """The world of a folder: its files as they were when they were read, and its database, brought to the present schema.

    ``settings``: what calwatch.toml says now, by key; of the model, or of its first source.
    """
    shutil.copytree(DATA / kind, base, dirs_exist_ok=True)
    (base / "state").mkdir(exist_ok=True)
    with duckdb.connect(str(base / "state" / LIVE)) as old:
        old.execute("CREATE TABLE migrations (name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)")
        scripts = (entry for entry in files("monitor.store.migrations").iterdir() if entry.name.endswith(".sql"))
        for script in sorted(scripts, key=lambda entry: entry.name):
            if script.name[:4] <= _LAST:
                old.execute(script.read_text("utf-8"))
                old.execute("INSERT INTO migrations VALUES (?, ?)", [script.name.removesuffix(".sql"), make_naive(NOW)])
        old.execute((base / "stored.sql").read_text("utf-8").replace("{folder}", str(base)))
        for item, fingerprint in old.execute("SELECT item, fingerprint FROM cursors").fetchall():
            changed = int(fingerprint.partition(":")[2])
            os.utime(item, ns=(changed, changed))
    return World(base, configured(base, **settings), open_live(base / "state", now=NOW))


def configured(base: Path, **settings: str) -> Model:
    """The model of the folder's calwatch.toml, with other settings."""
    lines = (base / "calwatch.toml").read_text("utf-8").splitlines()
    for key, value in settings.items():
        lines = [line for line in lines if not line.startswith(f"{key} ")]
        place = lines.index("[[model.source]]") + (key in _IN_SOURCE)
        lines.insert(place, f"{key} = {value}")
    return parse_config("\n".join(lines), "calwatch.toml", base).model[0]


def touch(base: Path) -> None:
    """All files change their time, so that they are read again."""
    for path in base.rglob("*.csv"):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))


def assert_cells_follow_samples(world: World) -> None:
    """Cells and sums of groups are those of the stored samples, made afresh by the code that takes rows in.

    Of folded days the weights of groups, and their sums, are of hours until a row of them changes: those are not compared.
    """
    kept = world.cells(), world.group_cells()
    connection, registry = world.connection, world.registry()
    connection.execute("BEGIN")
    try:
        connection.execute("DELETE FROM cells")
        connection.execute("DELETE FROM group_cells")
        connection.execute("CREATE OR REPLACE TEMP TABLE incoming AS SELECT rowid AS row_key, * FROM samples")
        connection.execute("CREATE OR REPLACE TEMP TABLE replaced AS SELECT * FROM incoming LIMIT 0")
        span = connection.execute(
            "SELECT min(observed_at), max(observed_at) + INTERVAL 1 SECOND FROM samples"
        ).fetchone()
        assert span is not None
        renew_cells(ModelStore(connection, registry, world.model), *span)
        afresh = world.cells(), world.group_cells()
    finally:
        connection.execute("ROLLBACK")
    folded = world.one("SELECT folded_until FROM models")
    for mine, theirs, bucket in zip(kept, afresh, (3, 2), strict=True):
        recent = {key for key in mine if key[bucket] >= folded}
        assert recent == {key for key in theirs if key[bucket] >= folded}
        for key in recent:
            np.testing.assert_allclose(mine[key], theirs[key], rtol=1e-9, atol=1e-9, err_msg=str(key))
    sums = len(SUMS)
    assert kept[0].keys() == afresh[0].keys()
    for key in kept[0]:
        np.testing.assert_allclose(kept[0][key][:sums], afresh[0][key][:sums], rtol=1e-9, atol=1e-9, err_msg=str(key))
