"""What the process shows over HTTP: the interface between whatever ticks and the routers."""

from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Protocol

from monitor.config.settings import Config
from monitor.model import Published, Slice
from monitor.store.published.history import History


class Control(Protocol):
    """The levers. Called from several threads."""

    def ask_job(self, model: str, kind: str, scope: Slice, to: str | None) -> str:
        """Leave a request for a job; returns the id the job will have. Raises StoreError when it cannot be written."""

    def cancel(self, model: str, job: str) -> None:
        """Leave a request to cancel a job. Raises StoreError when it cannot be written."""

    def ask_backup(self, name: str) -> str:
        """Leave a request for a backup under a file name; returns its id. Raises StoreError when it cannot be written."""

    def find_backup(self, token: str) -> tuple[str, str, int | None, str | None] | None:
        """(waiting, done or failed; file name; bytes; problem) of a backup; None when it is not known."""

    def reload(self) -> list[str]:
        """Read configuration and rules anew; returns the mistakes that keep the old ones in force, none when it went
        well."""


class State(Protocol):
    """What the process shows. Read on each request, from several threads."""

    @property
    def published(self) -> Published | None:
        """The newest snapshot; None before the first cycle has ended."""

    @property
    def stale_after(self) -> timedelta:
        """Age from which the last cycle counts as too long ago: some multiple of the interval."""

    @property
    def config(self) -> Config | None:
        """The configuration in force; None where nothing is configured, as in the demo."""

    def exposition(self) -> bytes:
        """The Prometheus text."""

    def history(self) -> AbstractContextManager[History]:
        """The past, for one request. Raises StoreError while there is no database to ask: stopping, or being reopened."""
