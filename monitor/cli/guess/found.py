"""What was guessed of a table, each with its reason, and what is left to a person.

A short file, since those who guess all fill it, and none of them comes before the others.
"""

from dataclasses import dataclass, field

from monitor.cli.guess.columns import Column
from monitor.cli.guess.roles import Roles


@dataclass(frozen=True, slots=True)
class Guess:
    """One setting and why: ``task = "binary"``, "y_true holds 0 and 1". ``value``: as TOML writes it."""

    key: str
    value: object
    why: str


@dataclass(slots=True)
class Meaning:
    """Everything guessed of one table, and what is left to a person. ``todo`` pairs what is not known with what to do."""

    roles: Roles
    task: Guess
    slices: list[tuple[str, Column, str]] = field(default_factory=list)  # dimension, own column, reason
    model: list[Guess] = field(default_factory=list)  # further keys of [[model]]
    source: list[Guess] = field(default_factory=list)  # and of its source
    todo: list[tuple[str, str]] = field(default_factory=list)

    def leave_open(self, key: str, what: str) -> None:
        """Leave a setting to a person: ``what`` says why and what to do."""
        self.todo.append((key, what))
