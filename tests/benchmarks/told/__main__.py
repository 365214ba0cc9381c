"""The command: how many alarms are told of calibrated models, by delay of labels and step between looks.

    python -m tests.benchmarks.told [--days 60] [--cameras 40] [--step 24] [--delay 12] [--budget 1] [--runs 3]

The promise is met when the rate told is not above it by more than two standard errors.
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path

from .play import Plan, play


def main() -> int:
    """Returns 0 when the promise is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.told", description=__doc__)
    for name, value in {"days": 60, "cameras": 40, "step": 24, "runs": 3, "first-seed": 0, "frames": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--hourly", type=float, default=4.0, help="samples of a camera an hour")
    parser.add_argument("--delay", type=float, default=12.0, help="hours, on average")
    parser.add_argument("--budget", type=float, default=1.0, help="false alarms a day")
    parser.add_argument("--apart", action="store_true", help="labels of a clip come frame by frame")
    chosen = parser.parse_args()
    plan = Plan(
        chosen.cameras,
        chosen.days,
        chosen.hourly,
        chosen.delay,
        chosen.step,
        chosen.budget,
        chosen.frames,
        chosen.apart,
    )
    found = []
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.runs):
        with tempfile.TemporaryDirectory(prefix="calwatch-told-") as room:
            found.append(play(plan, seed, Path(room)))
        sys.stdout.write(f"run {seed}: {found[-1]}, promised {plan.promised:g}\n")
        sys.stdout.flush()
    told = [run.told for run in found]
    mean, error = sum(told) / len(told), math.sqrt(max(sum(told), 1)) / len(told)
    sys.stdout.write(
        f"{plan}: told {mean:.2f} ± {error:.2f} a run ({mean / plan.promised:.3f} ± {error / plan.promised:.3f} of what is "
        f"promised); every alarm that ever stood: {sum(run.ever for run in found) / len(found):.2f}; "
        f"from scratch at the end: {sum(run.scratch for run in found) / len(found):.2f}\n"
    )
    return int(mean - 2 * error > plan.promised)


if __name__ == "__main__":
    sys.exit(main())
