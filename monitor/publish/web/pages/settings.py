"""The configuration in force, with secrets masked: where a secret comes from is shown, what it is never."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from monitor.config.secrets import is_reference
from monitor.config.settings import Config
from monitor.model.durations import format_duration
from monitor.publish.web.pages.render import Context, Text

MASKED = "set, not shown"
_SECRET = re.compile(r"secret|token|password|passwd|credential|api_?key|private|hash|salt|dsn", re.IGNORECASE)
_TEXTS = ("headers", "env")  # tables whose texts may be secrets
_USER = re.compile(r"(?<=://)[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a section; ``is_set``: whether the file names it, else ``value`` is the default."""

    key: str
    value: str
    is_set: bool
    meaning: str


def settings_page(context: Context, *, model: Text = None) -> str:
    """``[monitor]``, the actions, and one model: the one asked for or the first."""
    config, chosen = context.config, None
    if config is not None:
        chosen = (config.model_named(model) if model is not None else None) or config.model[0]
    sections = list(_sections(config, chosen)) if config is not None and chosen is not None else []
    return context.render_page(
        "settings.html", model=chosen.name if chosen else model, sections=sections,
        names=[each.name for each in config.model] if config is not None else [],
    )  # fmt: skip


def _sections(config: Config, chosen: BaseModel) -> Iterator[tuple[str, list[Setting]]]:
    for name, each in _inner(config):
        if name != "model" or each is chosen:
            yield from _described(each, name)


def _inner(section: BaseModel) -> Iterator[tuple[str, BaseModel]]:
    """The sections right inside one, each by its key."""
    for key in type(section).model_fields:
        held = getattr(section, key)
        for each in held if isinstance(held, tuple) else (held,):
            if isinstance(each, BaseModel):
                yield key, each


def _described(section: BaseModel, name: str) -> Iterator[tuple[str, list[Setting]]]:
    """A section as (heading, settings), and after it those inside it."""
    own = getattr(section, "name", None)
    inner = list(_inner(section))
    yield f"[{name}]" if own is None else f'[[{name}]] "{own}"', [
        Setting(key, mask_value(key, getattr(section, key)), key in section.model_fields_set, field.description or "")
        for key, field in type(section).model_fields.items() if key not in dict(inner)
    ]  # fmt: skip
    for key, each in inner:
        yield from _described(each, f"{name}.{key}")


def mask_value(key: str, value: Any) -> str:
    """A value as people may see it."""
    if value is None or value in ("", (), {}):
        return "–"
    if isinstance(value, Mapping):
        hidden = key in _TEXTS
        return ", ".join(
            f"{name} = {_masked(text) if hidden else mask_value(name, text)}" for name, text in value.items()
        )
    if key == "command":
        return f"{value[0]}{' …' if len(value) > 1 else ''}"
    if isinstance(value, list | tuple):
        return ", ".join(mask_value(key, each) for each in value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if is_reference(text):
        return text
    if _SECRET.search(key):
        return MASKED
    if key.endswith("url"):
        return f"{text.partition('://')[0]}://{urlsplit(text).hostname}/…"  # paths of webhooks often hold a token
    return _USER.sub("…@", text)


def _masked(text: object) -> str:
    return text if isinstance(text, str) and is_reference(text) else MASKED
