"""Charts drawn in a process of its own, so that the daemon's threads go on meanwhile.

Altair and the JavaScript engine of vl-convert hold Python's global lock for a tenth of a second per chart and take 150 MB:
in the daemon that would delay scrapes and the cycle. The process starts with the first chart, draws one after the other,
ends when nobody has asked for ten minutes, and is replaced when it fails.
"""

import pickle
import struct
import subprocess
import threading
from importlib.util import find_spec
from typing import IO

from monitor.model.errors import CalwatchError
from monitor.model.own_python import own_environment, own_python

TIMEOUT = 30.0  # seconds for one chart, the start of the process included
MISSING = "charts need two more packages. Install them with: pip install 'calwatch[charts]'"
_LENGTH = struct.Struct("!BI")


class ChartError(CalwatchError):
    """A chart could not be drawn."""


def can_draw() -> bool:
    """Whether the extra ``charts`` is installed."""
    return find_spec("altair") is not None and find_spec("vl_convert") is not None


class Drawer:
    """Draws by asking the process. Safe to use from several threads; they wait for each other."""

    def __init__(self, *, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    def svg(self, chart: str, *values: object, **options: object) -> bytes:
        """The chart named ``chart`` in ``monitor.charts.charts``, of these values. Raises ChartError when it cannot be
        drawn in time, or at all."""
        if not can_draw():
            raise ChartError(MISSING)
        asked = pickle.dumps((chart, values, options))
        with self._turn:
            for _ in range(2):  # a process that has ended since, of old age or killed, is replaced once
                answer = self._ask(asked)
                if answer is not None:
                    break
        if answer is None:
            raise ChartError(f"{chart}: could not be drawn within {self._timeout:.0f} s", "reload in a moment")
        drawn, text = answer
        if not drawn:
            raise ChartError(f"{chart}: could not be drawn: {text.decode()}", "please report it with this line")
        return text

    def close(self) -> None:
        """End the process."""
        with self._turn:
            self._end()

    def _ask(self, asked: bytes) -> tuple[bool, bytes] | None:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                own_python("-m", "monitor.charts.server"), env=own_environment(), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        watch = threading.Timer(self._timeout, process.kill)
        watch.daemon = True
        watch.start()
        try:
            process.stdin.write(struct.pack("!I", len(asked)) + asked)
            process.stdin.flush()
            return read_answer(process.stdout)
        except (OSError, EOFError):
            self._end()
            return None
        finally:
            watch.cancel()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # a broken pipe; what could not be flushed goes nowhere anyway
                    continue
        process.wait()


def read_exactly(stream: IO[bytes], length: int) -> bytes:
    """Raises EOFError when the stream ends before."""
    held = stream.read(length)
    if len(held) < length:
        raise EOFError
    return held


def read_answer(stream: IO[bytes]) -> tuple[bool, bytes]:
    """Whether it was drawn, and the picture or the reason. Raises EOFError when the process has ended."""
    drawn, length = _LENGTH.unpack(read_exactly(stream, _LENGTH.size))
    return bool(drawn), read_exactly(stream, length)


def write_answer(stream: IO[bytes], drawn: bool, text: bytes) -> None:
    """The other side of ``read_answer``."""
    stream.write(_LENGTH.pack(drawn, len(text)) + text)
    stream.flush()
