"""The store's statements as text, one a file, parameters bound by name."""

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """The text of ``name.sql`` in this package."""
    return files(__name__).joinpath(f"{name}.sql").read_text("utf-8")
