"""The reference tables of the documents, from what the code says of itself; `python -m tests.readme_parts` writes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from monitor.config.actions import Action
from monitor.config.server import Server, Token
from monitor.config.settings import Model, Monitor, Recalibration, Source, Threshold, window_name
from monitor.model.durations import format_duration
from monitor.publish.metrics.catalogue import HELP
from monitor.publish.metrics.instruments import Instruments
from tests.documents import write_generated

_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[monitor]", Monitor), ("[[model]]", Model), ("[[model.source]]", Source), ("[model.recalibration]", Recalibration),
    ("[model.threshold]", Threshold), ("[[action]]", Action), ("[server]", Server), ("[[server.token]]", Token),
)  # fmt: skip
_SUBSECTIONS = ("source", "recalibration", "threshold", "token")


def configuration_table() -> str:
    """One Markdown table over all keys of calwatch.toml: section, key, default, meaning."""
    lines = ["| section | key | default | |", "| --- | --- | --- | --- |"]
    for section, model in _SECTIONS:
        for name, field in model.model_fields.items():
            if name in _SUBSECTIONS:
                continue
            default = "required" if field.is_required() else f"`{_shown(field.default)}`"
            lines.append(f"| `{section}` | `{name}` | {default} | {field.description or ''} |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if value is PydanticUndefined:
        return "{}"
    if isinstance(value, timedelta):
        return window_name(value) if value else format_duration(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{_shown(part)}"' for part in value) + "]"
    return "none" if value is None else str(value)


def metrics_table() -> str:
    """One Markdown table over all metric families with their HELP texts."""
    instruments = Instruments(CollectorRegistry())
    instruments.expect("m", sources=["s"], rules=["r"], quarantine_reasons=["q"], problem_reasons=["p"])
    instruments.job_finished("m", "recalibrate", "promoted", 1.0)
    instruments.stage("m", "pull")
    instruments.reloaded(True, datetime(2026, 1, 1, tzinfo=UTC))
    families = {family.name: family for family in instruments.collect()}
    suffix = {"counter": "_total"}
    live = {name + suffix.get(family.type, ""): family.documentation for name, family in families.items()}
    lines = ["| metric | |", "| --- | --- |"]
    lines += [f"| `{name}` | {text} |" for name, text in {**HELP, **live}.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_generated("house", "configuration", configuration_table())
    write_generated("publish", "metrics", metrics_table())
