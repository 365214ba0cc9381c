"""The process that draws: ``python -m monitor.charts.server DESCRIPTOR``, of the socket by which it is asked.

It reads which chart of which values, answers with the picture or what is wrong, and ends with who asks, or when nobody does.
"""

import sys
from multiprocessing.connection import Connection

from monitor.charts import boxes, charts, render

IDLE = 600.0  # seconds after which it ends


def main(descriptor: int) -> None:
    """Answer until nobody asks. What it reads was written by the process that started it, and by nobody else."""
    line = Connection(descriptor)
    while line.poll(IDLE):
        try:
            form, name, values, options = line.recv()
        except EOFError:
            return
        try:
            chart = getattr(boxes if hasattr(boxes, name) and not hasattr(charts, name) else charts, name)(
                *values, **options
            )
            answer = render.png(chart) if form == "png" else render.svg(chart).encode(), ""
        # told to the one who asked; the next chart may be fine
        except Exception as error:  # noqa: BLE001
            answer = b"", f"{type(error).__name__}: {error}"[:500]
        line.send(answer)


if __name__ == "__main__":
    main(int(sys.argv[1]))
