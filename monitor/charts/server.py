"""The process that draws: reads which chart of which values, writes SVG, until its input ends or nobody asks."""

import pickle
import select
import struct
import sys
from io import FileIO

from monitor.charts import charts
from monitor.charts import render as rendering
from monitor.charts.client import write_answer

IDLE = 600.0  # seconds after which it ends


def main() -> None:
    """Serve standard input. What it reads was written by the process that started it, and by nobody else."""
    asked, answers = FileIO(0, "rb", closefd=False), sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing that a library prints gets between the answers
    while select.select([asked], [], [], IDLE)[0]:
        try:
            (length,) = struct.unpack("!I", _read(asked, 4))
            name, values, options = pickle.loads(_read(asked, length))
        except EOFError:
            return
        try:
            picture = rendering.svg(getattr(charts, name)(*values, **options)).encode()
        except Exception as error:  # noqa: BLE001  # told to the one who asked; the next chart may be fine
            write_answer(answers, False, f"{type(error).__name__}: {error}"[:500].encode())
        else:
            write_answer(answers, True, picture)


def _read(stream: FileIO, length: int) -> bytes:
    """Unbuffered, so that ``select`` sees what is left. Raises EOFError when the stream ends before."""
    held = b""
    while len(held) < length:
        part = stream.read(length - len(held))
        if not part:
            raise EOFError
        held += part
    return held


if __name__ == "__main__":
    main()
