"""The models that take mutants, honest rows for each, and how rows become files."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.random import Generator

from monitor.config.tokens import hash_of

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
Row = dict[str, Any]
TOKEN = "calwatch_" + "A" * 43
_HEAD = """
[monitor]
state_dir = "state"
listen = "127.0.0.1:{port}"
cycle = "1h"
memory_limit = "512MB"
[[server.token]]
name = "writer"
role = "write"
hash = "{hash}"
[[model]]
name = "m"
windows = ["24h"]
min_samples = 20
"""
_FILES = '[[model.source]]\nname = "samples"\npath = "in/*"\n'
_PUSHED = '[[model.source]]\nname = "pushed"\nkind = "http"\n'


@dataclass(frozen=True, slots=True)
class World:
    """A configuration, and the rows that fit it. ``columns``: canonical name → own name, a dotted path where it lies in
    something."""

    name: str
    text: str
    row: Callable[[Generator, str], Row]
    columns: Mapping[str, str]

    @property
    def has_outcomes(self) -> bool:
        """Whether its rows say 0 or 1."""
        return self.name in ("binary", "raw", "mapped")

    def identify(self, row: Row) -> list[Any]:
        """The id and the score of an honest row."""
        if self.name == "mapped":
            return [row["meta"]["id"], row["preds"][0]["score"]]
        return [row["sample_id"], row["score"]]


def _moment(rng: Generator) -> datetime:
    return NOW - timedelta(seconds=int(rng.integers(3_600, 72_000)))


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _binary(rng: Generator, sample_id: str) -> Row:
    score, seen = round(float(rng.uniform(0.05, 0.95)), 6), _moment(rng)
    return {
        "sample_id": sample_id,
        "observed_at": _text(seen),
        "labelled_at": _text(seen + timedelta(minutes=30)),
        "score": score,
        "outcome": int(rng.random() < score),
        "camera": f"c{rng.integers(1, 4)}",
        "lighting": "day" if rng.random() < 0.5 else "night",
        "version": "v1",
    }


def _classes(rng: Generator, sample_id: str) -> Row:
    logits = [round(float(value), 4) for value in rng.normal(0, 2, 3)]
    odds = np.exp(logits) / np.exp(logits).sum()
    best = int(odds.argmax())
    row = _binary(rng, sample_id)
    del row["outcome"]
    names = ("cat", "dog", "owl")
    right = rng.random() < odds[best]
    return {**row, "score": round(float(odds[best]), 6), "predicted_class": names[best], "logits": logits,
            "label": names[best if right else (best + 1) % 3]}  # fmt: skip


def _counted(rng: Generator, sample_id: str) -> Row:
    row = _binary(rng, sample_id)
    del row["outcome"]
    n = int(rng.integers(1, 500))
    return {**row, "group_id": f"g{rng.integers(0, 6)}", "n": n, "positives": int(rng.binomial(n, row["score"]))}


def _raw(rng: Generator, sample_id: str) -> Row:
    row = _binary(rng, sample_id)
    return {**row, "raw_score": row["score"]}


def _mapped(rng: Generator, sample_id: str) -> Row:
    row = _binary(rng, sample_id)
    return {
        "meta": {"id": sample_id, "camera": row["camera"], "at": row["observed_at"]},
        "preds": [{"score": row["score"]}, {"score": 0.01}],
        "truth": row["outcome"],
        "when": row["labelled_at"],
        "lighting": row["lighting"],
    }


_SAME = {name: name for name in ("sample_id", "observed_at", "score", "outcome")}
_SLICES = 'slices = ["camera", "lighting"]\n'
WORLDS = {
    world.name: world
    for world in (
        World("binary", f'task = "binary"\n{_SLICES}', _binary, _SAME),
        World("multiclass", f'task = "multiclass"\n{_SLICES}classes = ["cat", "dog", "owl"]\n', _classes,
              {**_SAME, "outcome": "label"}),
        World("counted", f'task = "segmentation"\n{_SLICES}', _counted, {**_SAME, "outcome": "positives"}),
        World("raw", f'task = "binary"\n{_SLICES}', _raw, _SAME),
        World("mapped", f'task = "binary"\n{_SLICES}', _mapped,
              {"sample_id": "meta.id", "observed_at": "meta.at", "score": "preds.0.score", "outcome": "truth"}),
    )
}  # fmt: skip


def config_text(world: World, port: int) -> str:
    """A model with a source of files and one of pushes, and the shipped rules."""
    columns = ""
    if world.name == "mapped":
        named = {**world.columns, "camera": "meta.camera", "labelled_at": "when"}
        columns = "columns = { " + ", ".join(f'{name} = "{own}"' for name, own in named.items()) + " }\n"
    refit = '[model.recalibration]\napply = "monitor"\n' if world.name == "raw" else ""
    return _HEAD.format(port=port, hash=hash_of(TOKEN)) + world.text + _FILES + columns + _PUSHED + columns + refit


def make_rows(world: World, rng: Generator, name: str, n: int) -> list[Row]:
    """n honest rows with ids of their own."""
    return [world.row(rng, f"{name}-{index}") for index in range(n)]


def as_json_lines(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows: Sequence[Row]) -> bytes:
    """Nested values as JSON within quotes."""

    def field(value: Any) -> str:
        text = json.dumps(value) if isinstance(value, dict | list) else str(value)
        return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text

    names = list(rows[0])
    return "\n".join([",".join(names), *(",".join(field(row[name]) for name in names) for row in rows), ""]).encode()


def as_table(rows: Sequence[Row]) -> pa.Table:
    """Times as timestamps."""
    table = pa.Table.from_pylist(list(rows))
    for name in ("observed_at", "labelled_at", "when"):
        if name in table.column_names:
            times = pa.array([datetime.fromisoformat(row[name]) for row in rows], pa.timestamp("us"))
            table = table.set_column(table.column_names.index(name), name, times)
    return table


def as_parquet(rows: Sequence[Row], **options: Any) -> bytes:
    return write_table(as_table(rows), **options)


def write_table(table: pa.Table, **options: Any) -> bytes:
    sink = BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


ENCODERS: Mapping[str, Callable[[Sequence[Row]], bytes]] = {
    "jsonl": as_json_lines, "csv": as_csv, "parquet": as_parquet,
}  # fmt: skip
