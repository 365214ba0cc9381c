"""``kill -9`` at any moment, over and over, while files, labels, pushes, refits and deliveries go on: what is lost, what
doubled, what wrong."""

from pathlib import Path

from tests.kills.run import compare_from_scratch, kill_over_and_over

from .figures import Figure
from .scale import Scale


def measure(scale: Scale, room: Path) -> list[Figure]:
    found = kill_over_and_over(room, scale.kills)
    wrong = [*found.wrong, *compare_from_scratch(room, room / "scratch")]
    for told in [
        *found.lost[:5],
        *found.doubled[:5],
        *wrong[:10],
        *found.unread[:10],
        *found.jobs_lost[:10],
        *found.deliveries_lost[:10],
    ]:
        print(told)
    return [
        Figure(f"{found.kills:,} × kill -9 while everything goes on: rows lost", len(found.lost), "rows", 0,
               f"of {found.rows:,}; {found.pushes:,} pushes; {found.cycled:,} kills after a cycle"),
        Figure("  rows doubled", len(found.doubled), "rows", 0),
        Figure("  values, labels and cells unlike those of a run from scratch", len(wrong), "", 0),
        Figure("  looks at the snapshot that failed", len(found.unread), "", 0, f"of {found.looks:,}"),
        Figure("  refits lost", len(found.jobs_lost), "", 0, f"of {found.refits:,}"),
        Figure("  deliveries lost", len(found.deliveries_lost), "", 0,
               f"of {found.deliveries:,}; {found.repeated:,} came more than once under their key"),
        Figure("  a process of a job outlived its calwatch by", found.outlived, "s"),
    ]  # fmt: skip
