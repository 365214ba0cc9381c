"""What a few values of a column look like: times, or numbers counted since 1970."""

import re
from collections.abc import Sequence

_TIME = re.compile(r"\s*(\d{4}-\d\d-\d\d[T ]\d\d?:\d\d.*|\d{1,2}[./]\d{1,2}[./]\d{4},? \d\d?:\d\d.*)", re.DOTALL)
_NUMBER = re.compile(r"\d+(\.\d*)?([eE]\+?\d\d?)?")
_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_EARLIEST, _LATEST = 0.9e9, 4.2e9  # 1998 to 2103: no number means a time there in two units


def hold_times(values: Sequence[str]) -> bool:
    """Whether all values are times of day with their date, and there are any."""
    return bool(values) and all(_TIME.fullmatch(value) for value in values)


def hold_numbers(values: Sequence[str]) -> bool:
    """Whether all values are numbers that count since 1970 in one unit, and there are any."""
    return len({time_unit(value) for value in values}) == 1 and time_unit(values[0]) != ""


def time_unit(text: str) -> str:
    """The unit in which a number is a time of ours, counted since 1970: s, ms, us or ns; "" where it is none such."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return ""
    number = float(text)
    return next((unit for unit, scale in _UNITS.items() if _EARLIEST <= number / scale < _LATEST), "")
