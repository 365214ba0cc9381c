"""Mistakes as they are told, without the lines they stand on: those have tests of their own."""

import re
from collections.abc import Iterable


def without_lines(mistakes: Iterable[str]) -> list[str]:
    """Return each mistake with ``calwatch.toml:12:`` as ``calwatch.toml:``."""
    return [re.sub(r"(\.toml):\d+(?=: )", r"\1", mistake) for mistake in mistakes]
