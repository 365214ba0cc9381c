"""A detector to ingest from: sources of images, detections and truth, and files of real boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from monitor.config.settings import Model, parse_config
from monitor.sources.pull import file_sources, pull_sources
from monitor.sources.pulled import Pulled
from monitor.store.connection import open_live, quote_text
from monitor.store.model_store import ModelStore
from monitor.store.scores.served import Serving
from tests.worlds.store import NOW, write_csv, write_json_lines, write_parquet

DATA = Path(__file__).parents[2] / "data" / "vision"
TAKEN = "2026-03-10 10:00:00"
Row = dict[str, Any]
WRITERS = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet}


def source(holds: str, extra: str = "") -> str:
    """A source of what it ``holds``, in a folder of that name."""
    return f'[[model.source]]\nname = "{holds}"\nholds = "{holds}"\npath = "{holds}/*"\n{extra}\n'


ALL = ("images", "detections", "truth")


@dataclass
class Detector:
    """One model of task detection, its state below ``base``; ``settings``: lines of [[model]]."""

    base: Path
    holds: Sequence[str] = ALL
    settings: str = ""
    matching: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)  # lines of a source
    serving: Sequence[Serving] = ()
    sent: int = 0

    def __post_init__(self) -> None:
        self.connection: duckdb.DuckDBPyConnection = open_live(self.base / "state", now=NOW)
        for name in ALL:
            (self.base / name).mkdir(parents=True, exist_ok=True)

    @property
    def model(self) -> Model:
        """As it is configured now."""
        sources = "".join(source(name, self.extra.get(name, "")) for name in self.holds)
        matching = f"[model.matching]\n{self.matching}\n" if self.matching else ""
        text = f'[[model]]\nname = "m"\ntask = "detection"\n{self.settings}\n{sources}{matching}'
        return parse_config(text, "calwatch.toml", self.base).model[0]

    def send(self, holds: str, *rows: Row, name: str = "", ending: str = "csv") -> Path:
        """Write a file of a source; of the same name: anew."""
        self.sent += 1
        names = dict.fromkeys(key for row in rows for key in row)
        whole = [{key: row.get(key) for key in names} for row in rows]
        path = self.base / holds / f"{name or f'{self.sent:03d}'}.{ending}"
        WRITERS[ending](path, whole)
        return path

    def copy(self, holds: str, query: str, name: str = "all") -> None:
        """Write a Parquet file of a source."""
        path = self.base / holds / f"{name}.parquet"
        duckdb.sql(f"COPY ({query}) TO {quote_text(str(path))} (FORMAT parquet)")

    def pull(self, now: datetime = NOW) -> dict[str, Pulled]:
        """One pull of all sources."""
        store = ModelStore.load(self.connection, self.model, now)
        return pull_sources(store, file_sources(self.model, self.base), self.serving, now)

    def one(self, query: str) -> Any:
        """The first row of a query; its value where it has one column."""
        row = self.connection.execute(query).fetchone()
        return row[0] if row is not None and len(row) == 1 else row

    def outcomes(self) -> dict[str, int | None]:
        """Of each sample whether it was right."""
        return dict(self.connection.execute("SELECT sample_id, positives FROM samples ORDER BY ALL").fetchall())

    def aside(self) -> dict[str, int]:
        """How many rows are in quarantine, by reason."""
        return dict(
            self.connection.execute("SELECT reason, count(*) FROM quarantine GROUP BY ALL ORDER BY ALL").fetchall()
        )

    def ece(self, bins: int = 15) -> float:
        """Of the stored samples."""
        rows = self.connection.execute("SELECT score, positives FROM samples WHERE positives IS NOT NULL").fetchnumpy()
        score, outcome = np.asarray(rows["score"], np.float64), np.asarray(rows["positives"], np.float64)
        index = np.minimum(np.searchsorted(np.linspace(0, 1, bins + 1), score, side="left") - 1, bins - 1).clip(0)
        sums = [np.bincount(index, each, bins) for each in (np.ones(len(score)), score, outcome)]
        return float(np.abs(sums[1] - sums[2]).sum() / len(score))


def a_box(image: str = "a", class_: str = "cat", **more: Any) -> Row:
    """A row of detections or truth: a box as corner and size, 20 pixels wide and high from 10 on."""
    return {"image_id": image, "class": class_, "x": 10, "y": 10, "w": 20, "h": 20, **more}


def an_image(image: str = "a", **more: Any) -> Row:
    """A row of images, 100 pixels wide and high."""
    return {"image_id": image, "observed_at": TAKEN, "width": 100, "height": 100, **more}
