"""Traffic with planted drift, and a whole calwatch over it on a simulated clock."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from scipy.special import expit

from monitor.config.settings import load_config
from monitor.engine.cycle import Cycle, Tick, build_watched
from monitor.publish.metrics.instruments import Instruments
from monitor.store.connection import load_table, make_naive, quote_text
from tests.worlds.base import DAY as DAY
from tests.worlds.base import HOUR as HOUR
from tests.worlds.base import open_blank

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
Columns = dict[str, NDArray[Any]]

RULE = """
[[rule]]
name = "ece-high"
kind = "threshold"
metric = "ece_lower"
above = 0.05
clear_below = 0.03
window = "24h"
min_samples = 150
severity = "ticket"
actions = ["recalibrate"]
cooldown = "12h"
"""


def traffic(
    rng: np.random.Generator, name: str, began: datetime, ended: datetime, n: int, *,
    cameras: Sequence[str] = ("c1", "c2", "c3"), lightings: Sequence[str] = ("day", "night"),
    temperature: float = 1.0, planted: Mapping[tuple[str, str], float] | None = None,
) -> Columns:  # fmt: skip
    """n labelled samples spread over [began, ended): raw logit ~ N(0.5, 1.5²), P(y = 1) = sigmoid(logit / T).

    T is ``temperature``, or what is ``planted`` for a (camera, lighting). Labels come a minute after predictions.
    """
    offsets = np.sort(rng.integers(0, int((ended - began).total_seconds()) - 60, n))
    first = make_naive(began)
    assert first is not None
    observed = np.datetime64(first, "us") + offsets.astype("timedelta64[s]")
    camera, lighting = rng.choice(np.array(cameras), n), rng.choice(np.array(lightings), n)
    softness = np.full(n, temperature)
    for (one, other), planted_temperature in (planted or {}).items():
        softness[(camera == one) & (lighting == other)] = planted_temperature
    logit = rng.normal(0.5, 1.5, n)
    return {
        "sample_id": np.array([f"{name}-{index}" for index in range(n)], dtype=object),
        "observed_at": observed.astype("datetime64[us]"),
        "labelled_at": (observed + np.timedelta64(60, "s")).astype("datetime64[us]"),
        "score": expit(logit),
        "outcome": (rng.random(n) < expit(logit / softness)).astype(np.int64),
        "camera": camera.astype(object),
        "lighting": lighting.astype(object),
    }


def write_file(path: Path, columns: Columns) -> Path:
    """Parquet or CSV by the name's ending, put in place whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name("." + path.name)
    with duckdb.connect() as connection:
        load_table(connection, "rows", columns)
        form = "FORMAT parquet" if path.suffix == ".parquet" else "FORMAT csv, HEADER"
        connection.execute(f"COPY rows TO {quote_text(str(aside))} ({form})")
    return aside.replace(path)


def model_section(
    name: str = "m", *, extra: str = "", path: str = "in/*", recalibration: str = "", rules: str = "own.toml"
) -> str:
    """A binary model over cameras and lightings with the one rule above."""
    return f"""
[[model]]
name = "{name}"
task = "binary"
slices = ["camera", "lighting"]
windows = ["24h", "7d"]
rules = [{repr(rules) if rules else ""}]
{extra}
[model.source]
path = "{path}"
[model.recalibration]
min_samples = 400
{recalibration}
"""


@dataclass
class Line:
    """A state directory, a configuration, one database, and the cycle over them."""

    base: Path
    connection: duckdb.DuckDBPyConnection
    cycle: Cycle
    registry: CollectorRegistry
    rng: np.random.Generator
    files: int = field(default=0)

    def arrive(self, began: datetime, ended: datetime, n: int, *, into: str = "in", **planted: Any) -> Columns:
        """A file of traffic observed in [began, ended), there for the next tick."""
        self.files += 1
        extra = {name: planted.pop(name) for name in ("calibrator", "raw_score", "group_id") if name in planted}
        columns = traffic(self.rng, f"f{self.files}", began, ended, n, **planted)
        columns |= {name: np.full(n, value, dtype=object) for name, value in extra.items()}
        write_file(self.base / into / f"f{self.files:03}.parquet", columns)
        return columns

    def tick(self, now: datetime, **options: Any) -> Tick:
        """One cycle at a simulated time."""
        return self.cycle.tick(now, **options)

    def one(self, sql: str, **parameters: Any) -> Any:
        """The first value of a query's first row; None without a row."""
        row = self.connection.execute(sql, parameters).fetchone()
        return row[0] if row else None

    def counted(self, name: str, **labels: str) -> float | None:
        """The value of a Prometheus counter."""
        return self.registry.get_sample_value(f"calwatch_{name}", labels)


def write_config(base: Path, *sections: str, monitor: str = "") -> Path:
    base.mkdir(parents=True, exist_ok=True)
    (base / "in").mkdir(exist_ok=True)
    (base / "own.toml").write_text(RULE, "utf-8")
    path = base / "calwatch.toml"
    path.write_text(f"[monitor]\nstate_dir = 'state'\n{monitor}\n" + "\n".join(sections), "utf-8")
    return path


@contextmanager
def line(base: Path, *sections: str, seed: int = 1, now: datetime = BEGAN) -> Iterator[Line]:
    """A running line; without sections one model ``m``. Opened again on the same ``base``, it goes on where it was."""
    path = base / "calwatch.toml"
    if not path.exists() or sections:
        write_config(base, *(sections or (model_section(),)))
    config = load_config(path)
    registry = CollectorRegistry()
    instruments = Instruments(registry)
    watched = build_watched(config)
    connection = open_blank(config.state_dir, now)
    try:
        cycle = Cycle(config, watched, connection, instruments)
        files = len(list((base / "in").iterdir()))
        yield Line(base, connection, cycle, registry, np.random.default_rng([seed, files]), files)
    finally:
        connection.close()
