"""``python -m tests.benchmarks.detectors [--scale small|full]``: calwatch's drift rule beside other detectors."""

import argparse

from tests.benchmarks.detectors.compare import detectors, judge
from tests.benchmarks.detectors.ours import ALLOWED
from tests.benchmarks.detectors.rivals import river_available
from tests.benchmarks.detectors.streams import SCENARIOS

RUNS = {"small": 40, "full": 400}
RIVER_RUNS = {"small": 8, "full": 40}
LABELS = (20, 100, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.detectors", description=__doc__)
    parser.add_argument("--scale", choices=sorted(RUNS), default="small")
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--labels", type=int, nargs="+", default=list(LABELS), help="labels per bucket")
    asked = parser.parse_args()
    print(f"Budget 1/year with daily buckets: {ALLOWED:.1f} false alarms per 10,000 buckets over all slices.")
    print("Rivals watch the whole only. Delay: buckets from the change to the alarm, 1 = in the first bucket.")
    if not river_available():
        print("river is not installed: ADWIN and Page-Hinkley are left out (pip install river).")
    for scenario in SCENARIOS:
        if asked.only not in scenario.name:
            continue
        note = " (not covered by the guarantee)" if scenario.covered is False else ""
        unit = "median delay in buckets" if scenario.drifts else "false alarms per 10,000 buckets"
        print(f"\n{scenario.name}{note}: {unit} at {', '.join(map(str, asked.labels))} labels per bucket")
        for name, detector in detectors(True).items():
            runs = (RIVER_RUNS if name in ("ADWIN", "Page-Hinkley") else RUNS)[asked.scale]
            results = [judge(scenario, detector, labels, runs) for labels in asked.labels]
            cells = [f"{one.value:7.1f} ±{one.error:5.1f}" + f" {_missed(one.missed):>12}" for one in results]
            print(f"  {name:<28}" + " ".join(cells), flush=True)


def _missed(share: float) -> str:
    return f"({share:.0%} missed)" if share else ""


if __name__ == "__main__":
    main()
