"""Files and pushes as nobody should send them, by the thousand: what crashes, hangs, fails twice, or gets in wrongly.

What goes wrong is told with the numbers of its mutants: ``python -m tests.mutants NUMBER …`` tries them alone.
"""

import sys
from pathlib import Path

from tests.mutants.herd import Finding, Tally, drive, make_mutant

from .figures import Figure, median
from .scale import Scale

KINDS = {
    "crash": "processes that died",
    "hang": "cycles or answers that did not end",
    "failure": "cycles that failed twice",
    "failed once": "cycles that failed, and the next did not",
    "500": "pushes answered by an error of ours",
    "values": "values out of range, rows lost or miscounted, cells unlike their samples",
}


def measure(scale: Scale, room: Path) -> list[Figure]:
    tally = Tally()
    drive(room, 0, scale.mutants, tally, tell)
    figures = [
        Figure(
            f"{tally.mutants:,} mutants of files and pushes, beside honest files: all that went wrong", len(tally.findings),
            "findings", 0, f"{tally.cycles:,} cycles, median {median(tally.seconds or [0]):.2f} s",
        )
    ]  # fmt: skip
    figures += [Figure(f"  {told}", tally.count(kind), "", 0) for kind, told in KINDS.items()]
    return [*figures, Figure("  peak memory of a process that took them", tally.peak, "MB", 1_500)]


def tell(finding: Finding) -> None:
    """One finding, where it can be read while others are sought."""
    numbers = f"{finding.numbers[0]}" + (f" to {finding.numbers[-1]}" if len(finding.numbers) > 1 else "")
    how = make_mutant(finding.numbers[0]).how if len(finding.numbers) == 1 else "together"
    print(f"mutant {numbers} ({how}): {finding.kind}: {finding.told}", file=sys.stdout)
