"""Reasons as the sentences that people read, for tests of what is said."""

from typing import Protocol

from monitor.model.reasons import Reason
from monitor.model.words import tell_reasons


class _Explained(Protocol):
    @property
    def why(self) -> Reason | tuple[Reason, ...]: ...


def sentences(found: _Explained) -> tuple[str, ...]:
    """Return a sentence for each reason of what a selection, a gate, a refit or a threshold's choice found."""
    return tell_reasons(found.why if isinstance(found.why, tuple) else (found.why,))
