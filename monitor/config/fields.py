"""Types of configuration fields: numbers, durations, time zones, cron expressions, addresses, names, paths."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field

from monitor.config.cron import demand_some_run
from monitor.config.section import MustError, Words
from monitor.model.durations import parse_duration
from monitor.model.nouns import NOUN, find_flaw

_DIMENSION = r"^[a-z][a-z0-9_]*$"
_PORT = "([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_URL = rf"^[hH][tT][tT][pP][sS]?://([^\s/?#@:\[\]]+|\[[0-9a-fA-F:.]+\])(:{_PORT})?(/[^\s?#]*)?$"
_LONGEST = timedelta(days=1000 * 365)  # times that far back can still be written as dates


def _duration(value: Any) -> Any:
    try:
        duration = value if isinstance(value, timedelta) else parse_duration(value)
    except OverflowError:
        duration = timedelta.max
    except ValueError:
        raise MustError('be a duration such as "30m", "24h" or "7d"') from None
    if duration > _LONGEST:
        raise MustError('be a duration of at most "1000y"')
    return duration


def _positive(value: timedelta) -> timedelta:
    if not value:
        raise MustError('be longer than 0s, such as "30m", "24h" or "7d"')
    return value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise MustError('be a time zone such as "UTC" or "Europe/Paris"') from None
    return value


def _cron(value: str) -> str:
    demand_some_run(value)
    return value


def _path(value: Any) -> Any:
    if value == "":
        raise MustError("have at least 1 character")
    if isinstance(value, str) and "\0" in value:
        raise MustError("be a path, which holds no NUL")
    return value


def _group_noun(value: str) -> str:
    if (flaw := find_flaw(value)) is not None:
        raise MustError(flaw)
    return value


def _external_url(value: str) -> str:
    try:
        urlsplit(value)
    except ValueError:
        raise MustError(_OWN_URL) from None
    return value if value.endswith("/") else f"{value}/"


def _dimension(value: str) -> str:
    if re.fullmatch(_DIMENSION, value):
        return value
    name = re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")
    name = name if name[:1].isalpha() else f"slice_{name}".rstrip("_")
    raise ValueError(
        f'must be a lower-case name such as "{name}" (got {value!r}); if your column is called otherwise, map it: '
        f'columns = {{ {name} = "{value}" }}'
    )


_OWN_URL = 'be a URL such as "https://calwatch.example.org/"'
DURATION_SCHEMA = {"type": "string", "pattern": r"^([0-9]+[smhdwy])+$"}
POSITIVE_DURATION_SCHEMA = {
    "type": "string", "pattern": "^([0-9]+[smhdwy])*0*[1-9][0-9]*[smhdwy]([0-9]+[smhdwy])*$"
}  # fmt: skip
Duration = Annotated[timedelta, BeforeValidator(_duration)]
PositiveDuration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_positive),
    Field(json_schema_extra={**POSITIVE_DURATION_SCHEMA}),
]
# as in JSON Schema, 1.0 is a whole number; true and "1" are none
Whole = Annotated[int, BeforeValidator(_whole), Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
TimeZone = Annotated[str, AfterValidator(_zone)]
Cron = Annotated[str, AfterValidator(_cron), Field(json_schema_extra={"pattern": r"^\s*\S+(\s+\S+){4}\s*$"})]
Listen = Annotated[str, Field(pattern=rf"^\S+:{_PORT}$"), Words('be host:port such as "127.0.0.1:9464"')]
ExternalUrl = Annotated[str, Field(pattern=_URL), AfterValidator(_external_url), Words(_OWN_URL)]
GroupNoun = Annotated[
    str, Field(max_length=30), AfterValidator(_group_noun), Field(json_schema_extra={"pattern": NOUN})
]
Name = Annotated[str, Field(min_length=1, max_length=100)]
SliceDimension = Annotated[
    str, Field(max_length=60), AfterValidator(_dimension), Field(json_schema_extra={"pattern": _DIMENSION})
]
Probability = Annotated[Number, Field(gt=0, lt=1)]
_PATH = Field(json_schema_extra={"minLength": 1, "pattern": r"^[^\u0000]*$"})
PathText = Annotated[str, BeforeValidator(_path), _PATH]  # or a glob, or an address of fsspec
OwnPath = Annotated[Path, BeforeValidator(_path), _PATH]


def find_repeated(names: Iterable[str]) -> list[str]:
    """Return the names that are there more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)
