"""Calibrated cameras whose labels come late, pulled and judged at every look, and the alarms that were told of them."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from monitor.engine.stages.drift import weigh_evidence
from monitor.model import DriftRule
from monitor.rules.pack import Rulebook, parse_pack
from tests.worlds.store import World

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LONGEST = 96.0  # hours until the last label
_RULE = """
[[rule]]
name = "drift"
kind = "drift"
severity = "info"
summary = "s"
slices = "marginals"
tolerance = {}
false_alarms = "1/day"
"""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """``cameras`` over ``days`` with ``hourly`` samples each, labels ``delay`` hours late on average (exponential, at most
    four days), looked at every ``step`` hours, under a budget of ``budget`` false alarms a day.

    Alarms are counted, so many are wanted: each camera's share of the budget is what matters to how often it is told, and
    a budget larger than the "1/day" that a pack may ask for lets many cameras have such a share.

    With ``frames`` above 1 samples are frames of clips, half of which have one draw for all frames; the labels of a clip come
    together, or ``apart``, frame by frame.
    """

    cameras: int
    days: int
    hourly: float
    delay: float
    step: int
    budget: float = 1.0
    frames: int = 1
    apart: bool = False

    @property
    def promised(self) -> float:
        """Alarms that a calibrated model may have told, on average: marginals have half of the budget."""
        return 0.5 * self.budget * self.days

    def rulebook(self) -> Rulebook:
        return Rulebook(
            tuple(
                replace(rule, false_alarms_per_year=365 * self.budget)
                for rule in parse_pack(_RULE, "own.toml")
                if isinstance(rule, DriftRule)
            )
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """Alarms of one run: ``told``; ``ever``: different ones (slice and bucket) that stood in the evidence at some look, which
    is what telling each of them would have told; ``scratch``: those of a run from scratch at the end."""

    told: int
    ever: int
    scratch: int


def play(plan: Plan, seed: int, room: Path) -> Counted:
    """Play it through files, the store and the weigh stage."""
    rng = np.random.default_rng(seed)
    world = World.make(room / "world", f"max_slice_values = {max(50, plan.cameras)}")
    book = plan.rulebook()
    samples = draw_samples(plan, rng)
    ever: set[tuple[str, datetime]] = set()
    try:
        for look in range(plan.step, plan.days * 24 + int(LONGEST) + plan.step, plan.step):
            now = BEGAN + look * HOUR
            arrived = (samples["labelled"] > look - plan.step) & (samples["labelled"] <= look)
            if arrived.any():
                write_samples(world.base / "in" / f"{look:06}.parquet", samples, arrived)
                world.pull(now)
            weigh_evidence(world.store(now), book, now)
            ever.update(world.rows("SELECT slice, bucket FROM evidence_alarms"))
        told, scratch = (world.one(f"SELECT count(*) FROM {table}") for table in ("told_alarms", "evidence_alarms"))
        return Counted(told, len(ever), scratch)
    finally:
        world.connection.close()


def draw_samples(
    plan: Plan, rng: np.random.Generator, began: float = np.inf, shift: float = 0.0
) -> dict[str, Floats]:  # fmt: skip
    """Columns of all samples: hours since the start, and outcomes that follow the scores, from hour ``began`` on with
    log-odds moved by ``shift``."""
    clips, frames = int(plan.cameras * plan.days * 24 * plan.hourly / plan.frames), plan.frames
    count = clips * frames
    observed = np.repeat(rng.uniform(0, plan.days * 24, clips), frames)
    logit = rng.normal(0.5, 1.5, count)
    score, chance = (1 / (1 + np.exp(-odds)) for odds in (logit, logit + np.where(observed >= began, shift, 0.0)))
    camera = np.repeat(rng.integers(plan.cameras, size=clips), frames)
    late, drawn = rng.exponential(plan.delay, count), rng.random(count)
    if frames > 1:
        drawn = np.where(np.repeat(rng.random(clips) < 0.5, frames), np.repeat(rng.random(clips), frames), drawn)
        late = late if plan.apart else np.repeat(late[::frames], frames)
    return {
        "number": np.arange(count, dtype=np.float64), "camera": camera.astype(np.float64),
        "observed": observed, "labelled": observed + np.minimum(late, LONGEST),
        "score": score, "outcome": (drawn < chance).astype(np.float64),
        **({"clip": np.repeat(np.arange(clips, dtype=np.float64), frames)} if frames > 1 else {}),
    }  # fmt: skip


def write_samples(path: Path, samples: dict[str, Floats], kept: NDArray[np.bool_]) -> None:
    """Those samples that are ``kept``, as a file."""
    columns = {name: part[kept] for name, part in samples.items()}
    clip = ", 'g' || clip::BIGINT AS group_id " if "clip" in columns else ""
    with duckdb.connect() as connection:
        connection.register("columns", columns)
        connection.execute(
            "COPY (SELECT 's' || number::BIGINT AS sample_id, 'c' || camera::BIGINT AS camera, 'v1' AS version, score, "
            f"outcome::BIGINT AS outcome, TIMESTAMP '{BEGAN:%Y-%m-%d}' + to_microseconds((observed * 3.6e9)::BIGINT) AS "
            f"observed_at, TIMESTAMP '{BEGAN:%Y-%m-%d}' + to_microseconds((labelled * 3.6e9)::BIGINT) AS labelled_at "
            f"{clip}FROM columns) TO '{path}' (FORMAT parquet)"
        )
