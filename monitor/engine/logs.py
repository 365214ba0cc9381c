"""Log events with fields, as lines for people or as JSON objects for machines, on standard error.

One event is one line, whatever it tells: names and messages come from outside, and none of them may end the line, forge
another one or command the terminal. Only a traceback takes lines of its own, each indented.
"""

import io
import logging
import math
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import structlog
import structlog.tracebacks
from structlog.typing import EventDict, ExcInfo, Processor

_LONGEST = 10_000  # characters of one text: an error may quote a value of 10 MB
_INDENT = "    "  # of a traceback: no line of a message in it begins as an event does


def configure_logging(log_format: Literal["text", "json"], *, level: int = logging.INFO) -> None:
    """Set up structlog once per process, and what libraries warn of with it; times are UTC."""
    steps: list[Processor] = [
        structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True),
        *(_as_json() if log_format == "json" else _as_text()),
    ]  # fmt: skip
    structlog.configure(
        processors=steps,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for before in [each for each in root.handlers if isinstance(each, _Libraries)]:
        root.removeHandler(before)
    root.addHandler(_Libraries(steps, max(level, logging.WARNING)))


def escape_text(text: str) -> str:
    """The text in one line: what is not printable as Python writes it, ``\\n``, ``\\x1b``."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def _as_text() -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)
    return [_in_one_line, renderer]


def _as_json() -> list[Processor]:
    # without local variables: they may hold secrets, and rows of the source
    transformer = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(transformer), _valid, structlog.processors.JSONRenderer()]


class _Quoted:
    """A text that the renderer writes as it writes those with a space in them."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _in_one_line(logger: Any, method: str, event: EventDict) -> EventDict:
    return {escape_text(name): _shown(name, value) for name, value in event.items()}


def _shown(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = _cut(value)
    if value.isprintable():
        return value
    return escape_text(value) if name == "event" else _Quoted(value)


def _traceback(sink: TextIO, exc_info: ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    for line in written.getvalue().strip("\n").split("\n"):
        sink.write(f"\n{_INDENT}{escape_text(_cut(line))}")


def _valid(logger: Any, method: str, event: EventDict) -> EventDict:
    return {name: _json(value) for name, value in event.items()}


def _json(value: Any) -> Any:
    """With null for NaN and the infinities, which JSON does not know, and names for keys."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, Mapping):
        return {str(name): _json(each) for name, each in value.items()}
    return [_json(each) for each in value] if isinstance(value, list | tuple) else value


class _Libraries(logging.Handler):
    """Writes what libraries log, from warnings on, in the same form."""

    def __init__(self, steps: list[Processor], level: int) -> None:
        super().__init__(level)
        self._steps = steps

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.wrap_logger(
            structlog.WriteLogger(sys.stderr), self._steps, structlog.make_filtering_bound_logger(logging.NOTSET)
        )
        try:
            event = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit the message
            event = str(record.msg)
        tell = log.error if record.levelno >= logging.ERROR else log.warning
        tell(event, logger=record.name, **({"exc_info": record.exc_info} if record.exc_info else {}))
