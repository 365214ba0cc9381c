"""How long a planted drift takes to be told when labels come late, beside labels on time and evidence from scratch.

python -m tests.benchmarks.told.delay [--runs 12] [--delay 12] [--step 1] [--shift 0.8] [--frames 6]
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from monitor.engine.stages.drift import weigh_evidence
from tests.worlds.store import World

from .play import BEGAN, DAY, HOUR, Plan, draw_samples, write_samples

BEFORE = 4  # days without drift
LONGEST = 20  # days with it


@dataclass(frozen=True, slots=True)
class Found:
    """Hours from the beginning of a drift: until its first alarm were all labels ``on_time``; until evidence from scratch
    on the labels there were first ``showed`` one; and until one was ``told``. None: not within the days played."""

    on_time: float | None
    showed: float | None
    told: float | None


def find(plan: Plan, seed: int, shift: float, room: Path) -> Found:
    """One camera whose outcomes' log-odds fall by ``shift``, looked at every ``plan.step`` hours until it is told."""
    rng = np.random.default_rng(seed)
    world, book = World.make(room / "world"), plan.rulebook()
    began = BEFORE * 24
    samples = draw_samples(plan, rng, began=began, shift=-shift)
    since, showed, told, seen = BEGAN + BEFORE * DAY, None, None, -1.0
    alarms = f"FROM {{}} WHERE slice = 'camera=c0' AND bucket >= TIMESTAMP '{since:%Y-%m-%d}'"
    try:
        for look in range(began, plan.days * 24 + 1, plan.step):
            arrived = (samples["labelled"] > seen) & (samples["labelled"] <= look)
            seen, now = look, BEGAN + look * HOUR
            if arrived.any():
                write_samples(world.base / "in" / f"{look:06}.parquet", samples, arrived)
                world.pull(now)
            weigh_evidence(world.store(now), book, now)
            if showed is None and world.one(f"SELECT count(*) {alarms.format('evidence_alarms')}"):
                showed = float(look - began)
            if world.one(f"SELECT count(*) {alarms.format('told_alarms')}"):
                told = float(look - began)
                break
        rest, end = samples["labelled"] > seen, BEGAN + (plan.days + 5) * DAY
        write_samples(world.base / "in" / "rest.parquet", samples, rest)
        world.pull(end)
        weigh_evidence(world.store(end), book, end)
        (first,) = world.rows(f"SELECT min(bucket) {alarms.format('evidence_alarms')}")[0]
        on_time = None if first is None else (first.replace(tzinfo=BEGAN.tzinfo) + HOUR - since) / HOUR
        return Found(on_time, showed, told)
    finally:
        world.connection.close()


def main() -> int:
    """Returns 1 when a drift was not told."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.told.delay", description=__doc__)
    for name, value in {"runs": 12, "delay": 12.0, "step": 1, "hourly": 6.0, "shift": 0.8, "frames": 1}.items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    chosen = parser.parse_args()
    plan = Plan(1, BEFORE + LONGEST, chosen.hourly, chosen.delay, chosen.step, budget=1 / 30, frames=chosen.frames)
    found = []
    for seed in range(chosen.runs):
        with tempfile.TemporaryDirectory(prefix="calwatch-told-") as room:
            found.append(find(plan, seed, chosen.shift, Path(room)))
        sys.stdout.write(f"run {seed}: {found[-1]}\n")
        sys.stdout.flush()
    for name in ("on_time", "showed", "told"):
        hours = [getattr(one, name) for one in found]
        reached = sorted(float("inf") if one is None else one for one in hours)
        sys.stdout.write(f"{name}: median {median(reached):.0f} h, {reached[0]:.0f} to {reached[-1]:.0f} h\n")
    after = [one.told - one.showed for one in found if one.told is not None and one.showed is not None]
    sys.stdout.write(f"told after it showed: median {median(after):.0f} h, at most {max(after):.0f} h\n")
    return int(any(one.told is None for one in found))


if __name__ == "__main__":
    sys.exit(main())
