"""Durations as people write them in configuration: ``30s``, ``5m``, ``1h``, ``7d``, ``2w``, ``1y``.

By itself, because every room reads or writes durations, and commands load no more for it.
"""

import re
from datetime import timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_PATTERN = re.compile(r"([0-9]+)([smhdwy])")


def parse_duration(text: str) -> timedelta:
    """``"1h30m"`` → 90 minutes. Raises ValueError unless the whole text is number-unit pairs (units s m h d w y), and
    OverflowError for what no timedelta holds."""
    if not isinstance(text, str) or not re.fullmatch(r"([0-9]+[smhdwy])+", text):
        raise ValueError(f'must be a duration such as "30m", "24h" or "7d" (got {text!r})')
    if len(text) > 1000:  # more digits than Python reads
        raise OverflowError("longer than any time")
    return timedelta(seconds=sum(int(count) * _SECONDS[unit] for count, unit in _PATTERN.findall(text)))


def format_duration(duration: timedelta) -> str:
    """The shortest text that ``parse_duration`` reads back: 90 minutes → ``1h30m``; zero → ``0s``."""
    left = int(duration.total_seconds())
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, _SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
