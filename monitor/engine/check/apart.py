"""``calwatch check`` in a process of its own: ``python -m monitor.engine.check.apart DIRECTORY``.

By itself, because it is what that process runs.
"""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from monitor.engine.check.check import CheckResult, check_config
from monitor.engine.check.watch import CheckWatch
from monitor.sources.isolation.alone import Failure
from monitor.sources.isolation.apart import answer_apart, work_apart
from monitor.sources.isolation.journal import Journal
from monitor.sources.isolation.patience import seconds_for


def check_in_process(path: Path, at: datetime | None) -> CheckResult:
    """What ``check_config`` finds. Raises what it raises, and CalwatchError when the process ends over no file."""
    return work_apart(
        "monitor.engine.check.apart", (path, at), CheckResult, name="check", seconds_of=lambda _: seconds_for(0)
    )  # fmt: skip


def _check(asked: tuple[Path, datetime | None], known: Mapping[str, Failure], journal: Journal) -> CheckResult:
    return check_config(*asked, CheckWatch(known=known, journal=journal))


if __name__ == "__main__":
    answer_apart(Path(sys.argv[1]), _check)
