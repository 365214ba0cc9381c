"""Secrets are named in the configuration, never written there: ``env:NAME`` or ``file:PATH``, read when used."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from monitor.model.errors import CalwatchError

MASK = "***"
NAMED = r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\n\u0000]+"
REFERENCE = f"^({NAMED})$"  # as schemas have it


class SecretError(CalwatchError):
    """A secret is not where the configuration says; neither message nor hint holds any of its text."""


def is_reference(text: str) -> bool:
    """Whether the text names a secret instead of being one."""
    return re.fullmatch(NAMED, text) is not None


def _reference(value: Any) -> Any:
    if not isinstance(value, str) or not is_reference(value):
        raise ValueError('must name a secret as "env:NAME" or "file:PATH" (what is there is not shown)')
    return value


SecretName = Annotated[str, BeforeValidator(_reference), Field(json_schema_extra={"pattern": REFERENCE})]


def reveal_secret(reference: str, base: Path) -> str:
    """The secret's text, without the newline at its end. ``base``: where relative paths start. Raises SecretError."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        value = os.environ.get(name)
        if not value:
            raise SecretError(f"{reference}: the environment variable is not set", "set it where calwatch is started")
        return value
    path = base / name
    try:
        value = path.read_text("utf-8-sig").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise SecretError(f"{reference}: cannot be read: {problem}", "let the daemon's user read it") from None
    if not value:
        raise SecretError(f"{reference}: is empty", "write the secret into it")
    return value


def missing_secrets(references: Iterable[str], base: Path) -> list[str]:
    """For each that cannot be read here and now: why. The daemon may see another environment."""
    problems = []
    for reference in references:
        try:
            reveal_secret(reference, base)
        except SecretError as error:
            problems.append(error.message)
    return problems


def mask_secrets(text: str, secrets: list[str]) -> str:
    """The text with every secret that occurs in it blotted out."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 4:  # shorter ones would blot out ordinary words
            text = text.replace(secret, MASK)
    return text
