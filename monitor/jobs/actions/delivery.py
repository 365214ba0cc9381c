"""One attempt of an action: what it is to do, and what came of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from monitor.config.actions import Action

OUTPUT_KEPT = 64 * 1024  # bytes, the last ones


@dataclass(frozen=True, slots=True)
class Delivery:
    """Call ``action`` with ``payload``, a JSON object, at the time ``at``."""

    action: Action
    payload: Mapping[str, object]
    key: str  # the same for every attempt of one event
    attempt: int  # 1, 2, …
    at: datetime
    base: Path  # where relative paths start
    state_dir: Path | None = None  # where metrics.duckdb stands; None: nowhere
    external_url: str | None = None  # of the page, as people reach it

    @property
    def body(self) -> bytes:
        """The payload as UTF-8 JSON: the same bytes for every attempt."""
        return json.dumps(self.payload, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What came of it. ``may_pass``: whether trying again makes sense; ``wait``: how long the other side asks to."""

    done: bool
    message: str
    may_pass: bool = False
    wait: timedelta | None = None
    output: str = ""
