"""Log events with fields, as lines for people or as JSON objects for machines, on standard error."""

import logging
import sys
from typing import Literal

import structlog
import structlog.tracebacks


def configure_logging(log_format: Literal["text", "json"], *, level: int = logging.INFO) -> None:
    """Set up structlog once per process; times are UTC."""
    renderer: structlog.typing.Processor
    if log_format == "json":
        # without local variables: they may hold secrets, and rows of the source
        transformer = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        shown: list[structlog.typing.Processor] = [structlog.processors.ExceptionRenderer(transformer)]
        renderer = structlog.processors.JSONRenderer()
    else:
        shown = []
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shown,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
