"""``python -m tests.benchmarks.coverage [--scale tiny|small|full]``: how often the 95 % intervals hold the truth."""

import argparse

import numpy as np

from tests.benchmarks.coverage.judge import INTERVALS, Outcome, judge
from tests.benchmarks.coverage.worlds import World, worlds

SLICES = {
    "tiny": (20, 10, 2),
    "small": (1_000, 500, 100),
    "full": (4_000, 2_000, 500),
}  # at 200, 1,000, 10,000 samples
LEAST, MOST = 93.0, 99.9
FEW = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.coverage", description=__doc__)
    parser.add_argument("--scale", choices=sorted(SLICES), default="small")
    parser.add_argument("--only", default="", help="worlds whose title contains this")
    asked = parser.parse_args()
    print("Nominal 95 %. Each entry: coverage ± Monte Carlo error in percent (interval above / below the truth).")
    print("Reliability bin: the average over a slice's occupied bins. Live: from cells, as readings have them.")
    print(f"! below {LEAST:g} and ^ above {MOST:g}, by more than two errors.")
    print(
        f"* fewer than {FEW:g} groups with a surprising outcome expected, were their members all alike: groups then do not"
    )
    print("  tell how alike they are, intervals assume the worst, and coverage may reach 100.")
    marks = {"!": 0, "^": 0, "^ outside *": 0}
    title = ""
    for world in worlds():
        if asked.only not in world.title:
            continue
        here = f"{world.traffic.name}, {world.grouping.name}"
        if here != title:
            title = here
            print(f"\n{title:<32}" + "".join(f"{name:>23}" for name in INTERVALS))
        found = judge(world, _slices(world, asked.scale))
        few = world.surprising_groups < FEW
        for one in found.values():
            mark = _mark(one)
            if mark in marks:
                marks[mark] += 1
                marks["^ outside *"] += mark == "^" and not few
        name = f"  {world.truth.name:<17}{world.samples:>7,}{'*' if few else ' '}"
        print(f"{name:<32}" + "".join(f"{_entry(one):>23}" for one in found.values()), flush=True)
    print("\n" + ", ".join(f"{mark}: {count}" for mark, count in marks.items()))


def _slices(world: World, scale: str) -> int:
    few_samples, some, many = SLICES[scale]
    return few_samples if world.samples <= 200 else some if world.samples <= 1_000 else many


def _mark(one: Outcome) -> str:
    if one.coverage + 2 * one.error < LEAST:
        return "!"
    return "^" if one.coverage - 2 * one.error > MOST else " "


def _entry(one: Outcome) -> str:
    if np.isnan(one.coverage):
        return "no slice has it "
    return f"{one.coverage:5.1f}{_mark(one)}±{one.error:3.1f} ({one.too_high:4.1f}/{one.too_low:4.1f})"


if __name__ == "__main__":
    main()
