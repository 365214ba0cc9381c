"""Databases as the release before the basis of labels left them, see tests/data/upgrade: opened by this one."""

import os
import shutil
from importlib.resources import files
from pathlib import Path

import duckdb

from monitor.config import parse_config
from monitor.store.connection import LIVE, naive, open_live
from tests.store.builder import NOW, World

DATA = Path(__file__).parents[1] / "data" / "upgrade"
_LAST = "0008"  # the newest migration that release had


def left_by_old(base: Path, kind: str, **settings: str) -> World:
    """The world of a folder: its files untouched since they were read, and its database, brought to the present schema.

    ``settings``: texts put in place of lines of calwatch.toml that begin with the name, or before the first source.
    """
    shutil.copytree(DATA / kind, base, dirs_exist_ok=True)
    (base / "state").mkdir(exist_ok=True)
    with duckdb.connect(str(base / "state" / LIVE)) as old:
        old.execute("CREATE TABLE migrations (name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)")
        scripts = (entry for entry in files("monitor.store.migrations").iterdir() if entry.name.endswith(".sql"))
        for script in sorted(scripts, key=lambda entry: entry.name):
            if script.name[:4] <= _LAST:
                old.execute(script.read_text("utf-8"))
                old.execute("INSERT INTO migrations VALUES (?, ?)", [script.name.removesuffix(".sql"), naive(NOW)])
        old.execute((base / "stored.sql").read_text("utf-8").replace("{folder}", str(base)))
        for item, fingerprint in old.execute("SELECT item, fingerprint FROM cursors").fetchall():
            changed = int(fingerprint.partition(":")[2])
            os.utime(item, ns=(changed, changed))
    return World(base, configured(base, **settings), open_live(base / "state", now=NOW))  # type: ignore[arg-type]


def configured(base: Path, **settings: str) -> object:
    text = (base / "calwatch.toml").read_text("utf-8")
    for name, line in settings.items():
        kept = [own for own in text.splitlines() if not own.startswith(f"{name} ")]
        at = kept.index("[[model.source]]")
        within = at + 1 if name in IN_SOURCE else at
        text = "\n".join([*kept[:within], f"{name} = {line}", *kept[within:]])
    return parse_config(text, "calwatch.toml", base).model[0]


IN_SOURCE = ("time_precision", "missing_labels", "outcomes", "columns")


def touch(base: Path) -> None:
    """Every file changes its time, so that all are read again."""
    for path in base.rglob("*.csv"):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
