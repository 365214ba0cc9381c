"""Charts drawn in a process of its own, so that the daemon's threads go on meanwhile, and a sandbox ends only the drawing.

Altair and the JavaScript engine of vl-convert hold Python's global lock for a tenth of a second per chart and take 150 MB:
in the daemon that would delay scrapes and the cycle. The process starts with the first chart, draws one after the other,
ends when nobody has asked for ten minutes, or with who asks, and is replaced when it fails.
"""

import pickle
import socket
import subprocess
import threading
from contextlib import closing
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Literal

from monitor.model.errors import CalwatchError
from monitor.model.own_python import own_environment, own_python

TIMEOUT = 30.0  # seconds for one chart, the start of the process included
MOST_BYTES = 1 << 26  # of an answer: beyond it what was read is no length
MISSING = "charts need two more packages. Install them with: pip install 'calwatch[charts]'"
Form = Literal["svg", "png"]


class ChartError(CalwatchError):
    """A chart could not be drawn."""


def can_draw() -> bool:
    """Return whether the extra ``charts`` is installed."""
    return find_spec("altair") is not None and find_spec("vl_convert") is not None


def draw_png(chart: str, *values: object) -> bytes:
    """Draw one chart as PNG in a process that ends with it. Raises ChartError as ``Drawer`` does."""
    with closing(Drawer(timeout=TIMEOUT)) as drawer:
        return drawer.draw_chart("png", chart, *values)


class Drawer:
    """Draws by asking the process. Safe to use from several threads; they wait for each other."""

    def __init__(self, *, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None
        self._ended: int | None = None  # the exit code of the newest that has ended
        self._turn = threading.Lock()

    def draw_svg(self, chart: str, *values: object, **options: object) -> bytes:
        """Draw the chart as SVG; see ``draw``."""
        return self.draw_chart("svg", chart, *values, **options)

    def draw_chart(self, form: Form, chart: str, *values: object, **options: object) -> bytes:
        """Return the picture of the chart named ``chart`` in ``monitor.charts.charts``, of these values.

        Raises ChartError when it cannot be drawn in time, or at all.
        """
        if not can_draw():
            raise ChartError(MISSING)
        asked = (form, chart, values, options)
        with self._turn:
            try:
                # a process that has ended since, of old age or killed, is replaced once
                picture, problem = (
                    self._ask(asked) or self._ask(asked) or (b"", f"the process ended with {self._ended}")
                )
            except TimeoutError:
                raise ChartError(
                    f"{chart}: could not be drawn within {self._timeout:.0f} s", "reload in a moment"
                ) from None
        if problem:
            raise ChartError(f"{chart}: could not be drawn: {problem}", "please report it with this line")
        return picture

    def close(self) -> None:
        """End the process."""
        with self._turn:
            self._end()

    def _ask(self, asked: object) -> tuple[bytes, str] | None:
        """Return the picture, or what is wrong; None when the process has ended. Raises TimeoutError."""
        process, line = self._open_line()
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        # its end ends whatever waits for it, in the middle of what is sent or answered too
        deadline = threading.Timer(self._timeout, give_up)
        deadline.daemon = True
        deadline.start()
        try:
            line.send(asked)
            answer = line.recv_bytes(MOST_BYTES)
        except (OSError, EOFError):
            self._end(patience=1.0)
            if late.is_set():
                raise TimeoutError from None
            return None
        finally:
            deadline.cancel()
        try:
            return _read_answer(answer)
        except ValueError as error:
            self._end()
            return b"", str(error)

    def _open_line(self) -> tuple[subprocess.Popen[bytes], Connection]:
        if self._process is None or self._line is None or self._process.poll() is not None:
            self._end()
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    own_python("-m", "monitor.charts.server", str(theirs.fileno())), env=own_environment(),
                    pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
            self._line = Connection(ours.detach())
        return self._process, self._line

    def _end(self, patience: float = 0.0) -> None:
        process, line, self._process, self._line = self._process, self._line, None, None
        if line is not None:
            line.close()
        if process is None:
            return
        try:
            self._ended = process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            self._ended = process.wait()


def _read_answer(answer: bytes) -> tuple[bytes, str]:
    """Return the picture, or what is wrong. Raises ValueError for what is neither."""
    try:
        found = pickle.loads(answer)
    # bytes that are no pickle raise whatever they come upon
    except Exception as error:
        raise ValueError(f"an answer that cannot be read: {type(error).__name__}: {error}") from error
    match found:
        case (bytes() as picture, str() as problem):
            return picture, problem
    raise ValueError(f"an answer of another form: {found!r:.200}")
