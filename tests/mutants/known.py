"""What an independent reader makes of a row: score, outcome and time, as far as nobody could read them otherwise."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from .worlds import World

Known = dict[str, dict[str, list[Any]]]  # id → field → the values it may have; None: any
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_OUTCOMES = {"0": 0, "1": 1}


def note(known: Known, world: World, sample_id: Any, found: Mapping[str, Sequence[Any]]) -> None:
    """``found``: field → what stands there, twice where it stands twice. A score that is no number may not be taken."""
    fields = known.setdefault(plain(sample_id), {"score": [], "outcome": [], "observed_at": []})
    scores = [number(value) for name in ("score", "raw_score") for value in found.get(name, ())]
    fields["score"] += [value for value in scores if value is not None]
    fields["outcome"] += [_outcome(value) if world.has_outcomes else None for value in found.get("outcome", ())] or [
        None
    ]
    fields["observed_at"] += [_time(value) for value in found.get("observed_at", ())]


def note_unsure(known: Known, sample_id: str) -> None:
    """A row that other readers may be able to read."""
    known[sample_id] = {"score": [None], "outcome": [None], "observed_at": [None]}


def plain(value: Any) -> str:
    """An id without blanks around it; 3.0 as 3."""
    if isinstance(value, list | dict):
        return ""
    text = value if isinstance(value, str) else repr(value)
    text = text.strip(" \t\n\x0b\x0c\r\u00a0\u2007\u202f\u3000\u200b\ufeff")
    return text.partition(".")[0] if re.fullmatch(r"-?[0-9]+\.0+", text) else text


def number(value: Any) -> float | None:
    """As Python reads it; None where it does not."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    try:
        return float(value) if isinstance(value, str | int | float | Decimal | np.floating) else None
    except (ValueError, OverflowError):
        return None


def _outcome(value: Any) -> int | None:
    if isinstance(value, bool | int) and value in (0, 1):
        return int(value)
    return _OUTCOMES.get(value) if isinstance(value, str) else None


def _time(value: Any) -> str | None:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.isoformat(sep=" ", timespec="seconds") if not value.microsecond else None
    return value if isinstance(value, str) and _TIME.fullmatch(value) else None
