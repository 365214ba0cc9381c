"""The process that carries out one attempt, led by ``recalibration.lifeline`` with a directory.

It reads ``work`` in the directory and leaves ``report`` there. Its stdin is its lifeline: when that ends, because calwatch
cancels the work or was killed, the process ends, and so do the commands it runs.
"""

import os
import pickle
import resource
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from monitor.jobs.actions.command import leave_process
from monitor.jobs.lifeline import call_at_end
from monitor.jobs.work import Work, WorkResult, carry_out_work

WORK, REPORT = "work", "report"
LAST_MOMENTS = 10.0  # seconds until a process that was told to end is ended
_NICE = 5  # refits give way to the cycle


def write_pickle(path: Path, value: Work | WorkResult) -> None:
    """Put the file in place whole, readable for this user only."""
    aside = path.with_name(path.name + ".part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        pickle.dump(value, file, protocol=5)
    aside.replace(path)


def main(directory: Path) -> None:
    """Carry the work out and leave the report."""
    with (directory / WORK).open("rb") as file:
        work: Work = pickle.load(file)
    (directory / WORK).unlink()
    signal.signal(signal.SIGTERM, leave_process)
    if work.is_refit:
        os.nice(_NICE)
    else:
        call_at_end(_end_commands)
        signal.signal(signal.SIGALRM, leave_process)  # what it runs is to be ended too; a refit ends where it is
    signal.setitimer(signal.ITIMER_REAL, max(work.timeout.total_seconds(), 0.001))
    report = carry_out_work(work)
    signal.setitimer(signal.ITIMER_REAL, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    write_pickle(directory / REPORT, replace(report, peak_memory=peak))


def _end_commands() -> None:
    os.kill(os.getpid(), signal.SIGTERM)  # unwinds through the clearing away of commands
    threading.Event().wait(LAST_MOMENTS)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
