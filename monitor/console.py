"""What the command line prints: tables and sentences on a terminal, the same without colour in a pipe."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from monitor.wording import visible

out = Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 160)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Iterable[str] = ()) -> None:
    """Print a table; columns named in ``numeric`` are set flush right."""
    shown = Table(title=title, title_justify="left", header_style="bold")
    right = set(numeric)
    for column in columns:
        shown.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(escape(visible(cell)) for cell in row))
    out.print(shown)


def say(text: str = "") -> None:
    """One line of prose."""
    out.print(escape(visible(text, lines=True)), soft_wrap=True)


def as_json(value: Any) -> None:
    """The value as JSON on standard output: times in ISO 8601 with their UTC marker."""
    text = json.dumps(value, indent=2, default=_plain, ensure_ascii=False)
    sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat() + ("" if value.tzinfo else "+00:00")
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def fail(message: str, hint: str) -> None:
    """``error:`` and ``try:`` on standard error."""
    for line in message.split("\n"):
        err.print(f"[bold red]error:[/] {escape(visible(line))}")
    if hint:
        err.print(f"[bold]try:[/] {escape(hint)}")
