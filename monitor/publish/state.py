"""What the process shows over HTTP: the interface between whatever ticks and the routers."""

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from monitor.config import Config
from monitor.model import Published
from monitor.store.history import History


class State(Protocol):
    """What the process shows. Read on each request, from several threads."""

    @property
    def published(self) -> Published | None:
        """The newest snapshot; None before the first cycle has ended."""
        ...

    @property
    def stale_after(self) -> timedelta:
        """Age from which the last cycle counts as too long ago: some multiple of the interval."""
        ...

    @property
    def config(self) -> Config | None:
        """The configuration in force; None where nothing is configured, as in the demo."""
        ...

    def exposition(self) -> bytes:
        """The Prometheus text."""
        ...

    def history(self) -> AbstractContextManager[History]:
        """The past, for one request. Raises StoreError while there is no database to ask: stopping, or being reopened."""
        ...
