"""A small world to ingest into: a state directory, one model, files of any format, and a from-scratch oracle."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from monitor.config.settings import Model, parse_config
from monitor.model import Slice
from monitor.model.problems import Problem
from monitor.sources.batch import Source
from monitor.sources.pull import file_sources, pull_sources
from monitor.sources.pulled import Pulled
from monitor.statistics.cells import Cells
from monitor.store.connection import open_live, quote_name, quote_text
from monitor.store.dictionaries import Registry
from monitor.store.model_store import ModelStore
from monitor.store.scores.served import Serving
from tests.worlds.base import DAY as DAY
from tests.worlds.base import HOUR as HOUR
from tests.worlds.base import open_blank

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
SUMS = ("n", "unlabelled", "score", "outcome", "score_squared", "score_outcome", "log_loss", "lag")
WEIGHTS = ("weight", "weight_score", "weight_outcome")
Row = dict[str, Any]


def at(text: str) -> datetime:
    """A time in UTC as the TIMESTAMP columns hold it, without its marker."""
    return datetime.fromisoformat(text)


def a_row(sample_id: str, **values: Any) -> Row:
    """A labelled row of camera c1, two hours old, as a source would send it; None leaves a value out."""
    row: Row = {
        "sample_id": sample_id,
        "observed_at": "2026-03-10 10:00:00",
        "labelled_at": "2026-03-10 11:00:00",
        "score": 0.7,
        "outcome": 1,
        "camera": "c1",
        "version": "v1",
    }
    return {**row, **values}


def model_of(base: Path, extra: str = "", source: str = "", slices: Sequence[str] = ("camera",)) -> Model:
    """The model of a configuration with one source: ``in/*``, and a binary task, unless ``source`` and ``extra`` say else."""
    source = source or '[[model.source]]\npath = "in/*"\n'
    task = "" if "task =" in extra else 'task = "binary"\n'
    text = f'[[model]]\nname = "m"\n{task}slices = {json.dumps(list(slices))}\n{extra}\n{source}'
    return parse_config(text, "calwatch.toml", base).model[0]


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Quoted throughout, so that values with commas, quotes and newlines stand as they are; None is an empty field."""

    def field(value: Any) -> str:
        return "" if value is None else '"' + str(value).replace('"', '""') + '"'

    names = list(rows[0])
    lines = [",".join(names), *(",".join(field(row.get(name)) for name in names) for row in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def write_json_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(dict(row)) + "\n" for row in rows), "utf-8")


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]], types: Mapping[str, str] | None = None) -> None:
    """Columns as TIMESTAMP (times), DOUBLE (score), BIGINT (outcome) and VARCHAR, or as ``types`` says."""
    known = {
        "observed_at": "TIMESTAMP", "labelled_at": "TIMESTAMP", "score": "DOUBLE", "raw_score": "DOUBLE",
        "outcome": "BIGINT", "n": "BIGINT", "positives": "BIGINT", "logits": "DOUBLE[]",
    }  # fmt: skip
    chosen = {name: (types or {}).get(name, known.get(name, "VARCHAR")) for name in rows[0]}
    with duckdb.connect() as connection:
        connection.execute(
            f"CREATE TABLE t ({', '.join(f'{quote_name(name)} {type_}' for name, type_ in chosen.items())})"
        )
        marks = ", ".join("?" for _ in chosen)
        connection.executemany(f"INSERT INTO t VALUES ({marks})", [[row.get(name) for name in chosen] for row in rows])
        connection.execute(f"COPY t TO {quote_text(str(path))} (FORMAT parquet)")


WRITERS = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet}


@dataclass
class World:
    """One model over one state directory; ``take`` is a pull of everything new."""

    base: Path
    model: Model
    connection: duckdb.DuckDBPyConnection
    written: int = 0

    @classmethod
    def make(cls, base: Path, extra: str = "", source: str = "", slices: Sequence[str] = ("camera",)) -> "World":
        (base / "in").mkdir(parents=True, exist_ok=True)
        (base / "labels").mkdir(exist_ok=True)
        return cls(base, model_of(base, extra, source, slices), open_blank(base / "state", NOW))

    def registry(self, now: datetime = NOW) -> Registry:
        return Registry.load(self.connection, self.model, now)

    def store(self, now: datetime = NOW) -> ModelStore:
        return ModelStore.load(self.connection, self.model, now)

    def send(self, *rows: Row, ending: str = "jsonl", name: str = "", folder: str = "in") -> Path:
        """Write the rows as a new file, or over the file called ``name``."""
        self.written += 1
        path = self.base / folder / (name or f"{self.written:03}.{ending}")
        WRITERS[path.suffix[1:]](path, rows)
        return path

    def pull(
        self, now: datetime = NOW, serving: Sequence[Serving] = (), sources: Sequence[Source] = ()
    ) -> dict[str, Pulled]:
        chosen = sources or file_sources(self.model, self.base)
        return pull_sources(self.store(now), chosen, serving, now)

    def take(self, *rows: Row, now: datetime = NOW, serving: Sequence[Serving] = (), ending: str = "jsonl") -> Pulled:
        """Send the rows, if any, as a new file and pull; what all sources brought together."""
        if rows:
            self.send(*rows, ending=ending)
        total = Pulled()
        for brought in self.pull(now, serving).values():
            total.add_counts(brought)
        return total

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def one(self, query: str) -> Any:
        (row,) = self.rows(query)
        return row[0] if len(row) == 1 else row

    def samples(self) -> list[tuple[Any, ...]]:
        """Every stored sample by what it means: texts instead of the store's numbers."""
        return self.rows(
            "SELECT s.sample_id, s.observed_at, s.labelled_at, s.score, s.raw_score, s.n, s.positives, s.group_id, "
            "s.predicted_class, s.label, t.version, t.calibrator, l.labels::VARCHAR FROM samples AS s "
            "JOIN streams AS t ON t.stream_id = s.stream_id JOIN slices AS l ON l.slice_id = s.slice_id ORDER BY ALL"
        )

    def quarantined(self) -> list[tuple[str, int, str]]:
        found = self.rows("SELECT file, row, reason FROM quarantine ORDER BY ALL")
        return [(Path(file).name, row, reason) for file, row, reason in found]

    def cells(self) -> dict[tuple[Any, ...], tuple[float, ...]]:
        """(version, calibrator, slice, bucket, bin) → the sums of SUMS and WEIGHTS."""
        found = self.rows(
            f"SELECT t.version, t.calibrator, l.labels::VARCHAR, c.bucket, c.bin, {', '.join('c.' + name for name in SUMS)}, "
            "coalesce(c.weight, c.n), coalesce(c.weight_score, c.score), coalesce(c.weight_outcome, c.outcome) "
            "FROM cells AS c JOIN streams AS t ON t.stream_id = c.stream_id JOIN slices AS l ON l.slice_id = c.slice_id"
        )
        assert len({row[:5] for row in found}) == len(found), "a cell stands twice"
        return {row[:5]: tuple(float(value) for value in row[5:]) for row in found}

    def group_cells(self) -> dict[tuple[Any, ...], tuple[float, ...]]:
        found = self.rows(
            "SELECT t.version, g.slice, g.bucket, g.score_bin, g.squared_residual, g.groups::DOUBLE "
            "FROM group_cells AS g JOIN streams AS t ON t.stream_id = g.stream_id"
        )
        return {row[:4]: row[4:] for row in found}

    def rebuilt(self, base: Path) -> "World":
        """Another world that gets the final samples of this one as a single file."""
        other = World(base, self.model, open_live(base / "state", now=NOW))
        (base / "in").mkdir(exist_ok=True)
        columns = [
            "sample_id", "observed_at", "labelled_at", "score", "raw_score", "n", "positives", "group_id",
            "predicted_class", "label", "version", "calibrator",
        ]  # fmt: skip
        rows = [{**dict(zip(columns, row, strict=False)), **self._labels(row[-1])} for row in self.samples()]
        if rows:
            write_parquet(base / "in" / "all.parquet", rows)
            brought = pull_sources(other.store(), file_sources(other.model, base), (), NOW)
            assert sum(each.new for each in brought.values()) == len(rows), brought
        return other

    def _labels(self, text: str) -> dict[str, str]:
        names = self.rows(f"SELECT unnest(map_entries(labels)) FROM slices WHERE labels::VARCHAR = {quote_text(text)}")
        return {entry["key"]: "" if entry["value"] == "__missing__" else entry["value"] for (entry,) in names}


def assert_same_cells(left: World, right: World) -> None:
    """Equal to 1e-9, cell by cell, group sums included."""
    for mine, theirs in ((left.cells(), right.cells()), (left.group_cells(), right.group_cells())):
        assert mine.keys() == theirs.keys()
        for key, sums in mine.items():
            np.testing.assert_allclose(sums, theirs[key], rtol=1e-9, atol=1e-9, err_msg=str(key))


def assert_cells_match_their_samples(world: World, base: Path) -> None:
    """The incrementally kept cells are those of the stored samples taken afresh."""
    other = world.rebuilt(base)
    try:
        assert [row[:-1] for row in world.samples()] == [row[:-1] for row in other.samples()]
        assert_same_cells(world, other)
    finally:
        other.connection.close()


def reasons(problems: Sequence[Problem]) -> list[str]:
    return [problem.reason for problem in problems]


def unreadable(problems: Sequence[Problem]) -> list[str]:
    """The reasons, without the one that sums up how many rows were set aside."""
    return [reason for reason in reasons(problems) if reason != "rows_set_aside"]


def cells_of_whole(world: World, start: datetime, end: datetime) -> Cells:
    from monitor.store.cells import load_window_cells

    found = load_window_cells(world.store(), start, end)
    whole = found.slices.index(Slice())
    return found.cells.regroup(np.array([[whole, 0]]))
