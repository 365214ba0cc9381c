"""Many small files of three formats and many small pushes, against DuckDB reading each of them by a statement of its own, and
against one large file of the same rows."""

import csv
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import process_time
from typing import Any

import duckdb
import numpy as np

from monitor.config.settings import Config, parse_config
from monitor.config.tokens import hash_of
from monitor.sources.inbox import Inbox
from monitor.sources.pull import configured_sources, pull_sources
from monitor.store.connection import open_live, quote_text
from monitor.store.model_store import ModelStore

from .figures import MEMORY_LIMIT, Figure, apart, median
from .scale import Scale
from .traffic import BEGAN, connection_with_traffic, rows_between

_ROWS = 58  # of an input, about
_DAY = timedelta(days=1)
_DAYS = 14
_NOW = BEGAN + _DAYS * _DAY
_COLUMNS = ("sample_id", "observed_at", "labelled_at", "score", "outcome", "camera", "lighting")
_DELIMITERS = ",;\t"
_AGAIN = 0.02  # of the rows: such that come again with the next input, and say another outcome
_BAD = 0.01


@dataclass(frozen=True, slots=True)
class Run:
    """Processor seconds, and the samples that are there afterwards."""

    seconds: float
    samples: int


def measure(scale: Scale, room: Path) -> list[Figure]:
    files, pushes = scale.small_inputs
    rows = write_inputs(room, files, pushes)
    runs: dict[str, list[Run]] = {"ours": [], "one": [], "base": []}
    for turn in range(scale.repeats):  # in turns, so that other work on the machine falls on all alike
        runs["base"].append(apart(read_each, room))
        runs["one"].append(apart(take_one, room, turn))
        runs["ours"].append(apart(take_many, room, turn, files + pushes))
    if len({run.samples for run in (*runs["ours"], *runs["one"])}) > 1:
        raise AssertionError(f"many inputs and one file give different samples: {runs}")
    many, one, base = ([run.seconds for run in runs[name]] for name in ("ours", "one", "base"))
    ratios = [mine / theirs for mine, theirs in zip(many, base, strict=True)]
    return [
        Figure(
            f"{files:,} files and {pushes:,} pushes, {rows:,} rows, against DuckDB reading each by a statement",
            median(ratios), "×", 4, "processor time; " + ", ".join(f"{ratio:.2f}" for ratio in ratios),
        ),
        Figure("  the same against one file of these rows", median(many) / median(one), "×"),
        Figure("  calwatch", median(many), "s", None, f"{1000 * median(many) / (files + pushes):.1f} ms an input"),
        Figure("  baseline: one INSERT from each file into a table", median(base), "s"),
        Figure("  calwatch, one file of these rows", median(one), "s"),
    ]  # fmt: skip


def write_inputs(room: Path, files: int, pushes: int) -> int:
    """``room``/in, /pushes and /one: the same rows in many files and bodies, in order of arrival, and in one. How many."""
    for name in ("in", "pushes", "one"):
        (room / name).mkdir()
    maker = connection_with_traffic()
    inputs = files + pushes
    rows = maker.execute(rows_between(0, inputs * _ROWS, BEGAN, _DAYS * _DAY, cameras=4, lightings=3)).fetchall()
    rng = np.random.default_rng(11)
    is_push = np.isin(np.arange(inputs), rng.choice(inputs, pushes, replace=False))
    again: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    everything: list[dict[str, Any]] = []
    for number in range(inputs):
        pushed = bool(is_push[number])
        held = again[pushed]
        for row in rows[number * _ROWS : (number + 1) * _ROWS]:
            named = dict(zip(_COLUMNS, (row[0], *map(str, row[1:3]), *row[3:]), strict=True))
            held.append({**named, "score": 7.0} if rng.random() < _BAD else named)
        # of its own kind of input: files are taken before pushes, whichever came first
        again[pushed] = [{**row, "outcome": 1 - row["outcome"]} for row in held if rng.random() < _AGAIN]
        everything += held
        _write(maker, room, number, held, rng, pushed=pushed)
    # in the order in which they are taken
    _parquet(maker, room / "one" / "all.parquet", everything)
    maker.close()
    return len(everything)


def _write(
    maker: duckdb.DuckDBPyConnection, room: Path, number: int, rows: Sequence[dict[str, Any]], rng: np.random.Generator,
    *, pushed: bool,
) -> None:  # fmt: skip
    folder = room / ("pushes" if pushed else "in")
    kind = rng.choice(["jsonl", "parquet"], p=[0.8, 0.2]) if pushed else rng.choice(["csv", "jsonl", "parquet"])
    path = folder / f"{number:05}.{kind}"
    if kind == "parquet":
        _parquet(maker, path, rows)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    else:
        names = list(_COLUMNS) if rng.random() < 0.5 else [str(name) for name in rng.permutation(_COLUMNS)]
        with path.open("w", encoding="utf-8", newline="") as held:
            writer = csv.DictWriter(held, names, delimiter=str(rng.choice(list(_DELIMITERS))), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    os.utime(path, (BEGAN.timestamp() + number, BEGAN.timestamp() + number))


def _parquet(maker: duckdb.DuckDBPyConnection, path: Path, rows: Sequence[dict[str, Any]]) -> None:
    held = {name: np.array([row[name] for row in rows]) for name in _COLUMNS}  # noqa: F841  # DuckDB finds it by its name
    times = ", ".join(f"{name}::TIMESTAMP AS {name}" for name in _COLUMNS[1:3])
    maker.execute(f"COPY (SELECT * REPLACE ({times}) FROM held) TO {quote_text(str(path))} (FORMAT parquet)")


def configuration(base: Path) -> Config:
    """One model over ``base``/in and pushes, its state in ``base``/state."""
    text = f"""
[monitor]
state_dir = "state"
memory_limit = "{MEMORY_LIMIT}"
[[server.token]]
name = "line"
role = "write"
hash = "{hash_of(48 * "t")}"
[[model]]
name = "line"
task = "binary"
slices = ["camera", "lighting"]
[[model.source]]
name = "files"
path = "in/*"
[[model.source]]
name = "pushed"
kind = "http"
"""
    return parse_config(text, "calwatch.toml", base)


def take_many(room: Path, turn: int, inputs: int) -> Run:
    """The pull stage of a first cycle that finds all files and pushes."""
    base = room / f"many-{turn}"
    base.mkdir()
    (base / "in").symlink_to(room / "in")
    config = configuration(base)
    box = Inbox.of(config.state_dir, "line", "pushed")
    for number, path in enumerate(sorted((room / "pushes").iterdir())):
        written = box.temporary_path(path.name)
        shutil.copyfile(path, written)
        box.add_push(written, f"{number:032x}", "d" * 32, BEGAN)
    return _take(config, base, inputs)


def take_one(room: Path, turn: int) -> Run:
    """The same of the one file."""
    base = room / f"one-{turn}"
    base.mkdir()
    (base / "in").symlink_to(room / "one")
    return _take(configuration(base), base, 1)


def _take(config: Config, base: Path, inputs: int) -> Run:
    model = config.model[0]
    connection = open_live(config.state_dir, memory_limit=MEMORY_LIMIT, now=_NOW)
    store = ModelStore.load(connection, model, _NOW)
    sources = configured_sources(model, base, config.state_dir)
    began = process_time()
    brought = pull_sources(store, sources, (), _NOW)
    seconds = process_time() - began
    taken = sum(pulled.files for pulled in brought.values())
    if taken != inputs:
        raise AssertionError(f"{taken} of {inputs} inputs were taken: {brought}")
    samples = connection.execute("SELECT count(*) FROM samples").fetchone()
    connection.close()
    assert samples is not None
    return Run(seconds, int(samples[0]))


def read_each(room: Path) -> Run:
    """The least that takes each input by itself: DuckDB finds out its columns and inserts its rows into one table."""
    connection = duckdb.connect(config={"memory_limit": MEMORY_LIMIT})
    connection.execute("SET enable_progress_bar = false")
    typed = "sample_id VARCHAR, observed_at TIMESTAMP, labelled_at TIMESTAMP, score DOUBLE, outcome BIGINT"
    connection.execute(f"CREATE TABLE samples ({typed}, camera VARCHAR, lighting VARCHAR)")
    began = process_time()
    for folder in ("in", "pushes"):
        for path in sorted((room / folder).iterdir()):
            connection.execute(f"INSERT INTO samples BY NAME SELECT {', '.join(_COLUMNS)} FROM {quote_text(str(path))}")
    seconds = process_time() - began
    rows = connection.execute("SELECT count(*) FROM samples").fetchone()
    connection.close()
    assert rows is not None
    return Run(seconds, int(rows[0]))
