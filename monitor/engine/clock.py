"""The wall clock. By itself, because it is the only place that reads it, and light enough for every command to load; all else
is handed the time."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)
