"""What several commands share: their options, and what these mean."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import output as console
from monitor.model.errors import StoreError, UsageError

if TYPE_CHECKING:
    from monitor.store.published.queries import Snapshot

ConfigOption = Annotated[Path, typer.Option("--config", help="the configuration file")]
StateDirOption = Annotated[
    Path | None,
    typer.Option("--state-dir", help="look there, as at what a backtest played, instead of [monitor] state_dir"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for machines")]
DEFAULT_CONFIG = Path("calwatch.toml")


def open_snapshot(config: Path, state_dir: Path | None = None) -> "Snapshot":
    """Open the published snapshot; where the database beside it is lost, that is told on standard error."""
    from monitor.config.settings import load_config
    from monitor.store.damage import refuse_lost
    from monitor.store.published.queries import Snapshot

    found = state_dir or load_config(config).state_dir
    snapshot = Snapshot(found)
    try:
        refuse_lost(found, found / "live.duckdb")
    except StoreError as error:
        console.warn(f"this is what was published last: {error.message}", error.hint)
    return snapshot


def parse_time(option: str, text: str) -> datetime:
    """Return the moment that an option names, in UTC where it has no offset. Raises UsageError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} must be a date or time such as 2026-01-01 or 2026-01-01T06:00Z (got {text!r})"
        ) from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
