"""The sentences that are the same in every case, as ``sentences.toml`` has them by their codes. Reached by ``words``."""

import tomllib
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib.resources import files
from string import Formatter
from typing import Any

from monitor.model.reasons import Code
from monitor.model.wording import amount, duration_of, minute_of, moment_of, rough_duration


def tell_length(seconds: float) -> str:
    """Return so many seconds as people would say how long it has been."""
    return rough_duration(timedelta(seconds=seconds))


FORMS: dict[str, Callable[..., str]] = {
    "amount": amount, "duration": duration_of, "lasted": tell_length, "minute": minute_of, "moment": moment_of,
}  # fmt: skip


class _InWords(Formatter):
    def format_field(self, value: Any, form: str) -> str:
        return FORMS[form](value) if form in FORMS else format(value, form)


_TEMPLATES: dict[str, str] = tomllib.loads((files(__package__) / "sentences.toml").read_text("utf-8"))
OF_TEMPLATES: dict[Code, Callable[..., str]] = {
    Code(code): partial(_InWords().format, text) for code, text in _TEMPLATES.items()
}
