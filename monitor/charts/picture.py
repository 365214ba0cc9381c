"""One chart as PNG, drawn by a process of its own: where a sandbox kills the drawing, only the picture is missing."""

import pickle
import subprocess
import sys

from monitor.charts.client import MISSING, ChartError, can_draw
from monitor.model.own_python import own_environment, own_python

TIMEOUT = 20.0  # seconds


def png_apart(chart: str, *values: object) -> bytes:
    """The chart named ``chart`` in ``monitor.charts.charts``, of these values. Raises ChartError when it cannot be drawn,
    or not in time."""
    if not can_draw():
        raise ChartError(MISSING)
    command = own_python("-m", "monitor.charts.picture")
    try:
        drawn = subprocess.run(
            command, env=own_environment(), input=pickle.dumps((chart, values)), capture_output=True, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        raise ChartError(f"{chart}: could not be drawn within {TIMEOUT:.0f} s") from None
    if drawn.returncode or not drawn.stdout:
        last = drawn.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise ChartError(f"{chart}: could not be drawn: {last[:300] or f'the process ended with {drawn.returncode}'}")
    return drawn.stdout


def main() -> None:
    """Draw what standard input asks for; it was written by the process that started this one, and by nobody else."""
    from monitor.charts import charts
    from monitor.charts import render as rendering

    name, values = pickle.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(rendering.png(getattr(charts, name)(*values)))


if __name__ == "__main__":
    main()
