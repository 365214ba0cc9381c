"""Types of configuration fields: durations, time zones, cron expressions, addresses, names; and the strict section."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from monitor.config.cron import cron_trigger
from monitor.model.durations import parse_duration

_DIMENSION = r"^[a-z][a-z0-9_]*$"
_LONGEST = timedelta(days=1000 * 365)  # times that far back can still be written as dates


def _duration(value: Any) -> Any:
    try:
        duration = value if isinstance(value, timedelta) else parse_duration(value)
    except OverflowError:
        duration = timedelta.max
    if duration > _LONGEST:
        raise ValueError(f'must be a duration of at most "1000y" (got {value!r})')
    return duration


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f'must be a time zone such as "UTC" or "Europe/Paris" (got {value!r})') from None
    return value


def _cron(value: str) -> str:
    cron_trigger(value, "UTC")
    return value


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f'must be host:port such as "127.0.0.1:9464" (got {value!r})')
    return value


def _external_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.password:
        raise ValueError(f'must be a URL such as "https://calwatch.example.org/" (got {value!r})')
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


DURATION_SCHEMA = {"type": "string", "pattern": r"^([0-9]+[smhdwy])+$"}
Duration = Annotated[timedelta, BeforeValidator(_duration)]
TimeZone = Annotated[str, AfterValidator(_zone)]
Cron = Annotated[str, AfterValidator(_cron)]
Listen = Annotated[str, AfterValidator(_listen)]
ExternalUrl = Annotated[str, AfterValidator(_external_url)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
SliceDimension = Annotated[
    str, AfterValidator(_dimension), Field(max_length=60, json_schema_extra={"pattern": _DIMENSION})
]
Probability = Annotated[float, Field(gt=0, lt=1)]


def find_repeated(names: Iterable[str]) -> list[str]:
    """Return the names that are there more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


class Section(BaseModel):
    """A table of calwatch.toml: unknown keys are mistakes, and nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if mistakes := list(self._mistakes()):
            raise ValueError("\n".join(mistakes))
        return self

    def _mistakes(self) -> Iterable[str]:
        """Yield what does not fit together in the table, each mistake as it is to be told."""
        return ()
