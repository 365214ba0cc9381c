"""What several commands share: their options, and what these mean."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import output as console
from monitor.model.errors import StoreError, UsageError

if TYPE_CHECKING:
    from monitor.config.settings import Config, Model
    from monitor.store.published.queries import Snapshot

ConfigOption = Annotated[Path, typer.Option("--config", help="the configuration file")]
StateDirOption = Annotated[
    Path | None,
    typer.Option("--state-dir", help="look there, as at what a backtest played, instead of [monitor] state_dir"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="print JSON for machines")]
DEFAULT_CONFIG = Path("calwatch.toml")


class StoryName(StrEnum):
    """The stories that ``calwatch demo`` can play."""

    DIGITS = "digits"
    DETECTION = "detection"


CYCLES_UNTIL_OLD = 10
YOUNG = timedelta(minutes=10)  # never old until then, however short cycles are


def open_snapshot(config: Path, state_dir: Path | None = None) -> "Snapshot":
    """Open the published snapshot. Where it is old, or the database beside it lost, that is told on standard error."""
    from monitor.config.settings import load_config
    from monitor.engine.clock import utc_now
    from monitor.model.wording import span
    from monitor.store.damage import refuse_lost, refuse_no_database
    from monitor.store.published.queries import Snapshot

    loaded = None if state_dir else load_config(config)
    found = loaded.state_dir if loaded else Path(state_dir or "")
    snapshot = Snapshot(found)
    try:
        refuse_lost(found, found / "live.duckdb")
        refuse_no_database(found / "live.duckdb")
    except StoreError as error:
        console.print_note(f"this is what was published last: {error.message}", error.hint)
    age = utc_now() - snapshot.published_at()
    if loaded is not None and not snapshot.is_played() and age > max(CYCLES_UNTIL_OLD * loaded.monitor.cycle, YOUNG):
        console.print_note(
            f"this is OLD: published {span(age)} ago, and no cycle has ended since", "does the daemon run? calwatch run"
        )
    return snapshot


def demand_model(loaded: "Config", config: Path, name: str, more: str = "") -> "Model":
    """The model of that name. Raises UsageError, with what there is and ``more``, where there is none."""
    named = loaded.model_named(name)
    if named is None:
        names = ", ".join(each.name for each in loaded.model)
        raise UsageError(f'{config}: has no model "{name}"', f"models: {names}{more}")
    return named


def parse_time(option: str, text: str) -> datetime:
    """Return the moment that an option names, in UTC where it has no offset. Raises UsageError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} must be a date or time such as 2026-01-01 or 2026-01-01T06:00Z (got {text!r})"
        ) from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
