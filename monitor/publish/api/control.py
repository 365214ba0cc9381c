"""What the API may ask of the process that it runs in."""

from typing import Protocol

from monitor.model import Slice


class Control(Protocol):
    """The levers. Called from several threads."""

    def ask(self, model: str, kind: str, scope: Slice, to: str | None) -> str:
        """Leave a request for a job; returns the id the job will have. Raises StoreError when it cannot be written."""
        ...

    def cancel(self, model: str, job: str) -> None:
        """Leave a request to cancel a job. Raises StoreError when it cannot be written."""
        ...

    def backup(self, name: str) -> str:
        """Leave a request for a backup under a file name; returns its id. Raises StoreError when it cannot be written."""
        ...

    def backup_told(self, token: str) -> tuple[str, str, int | None, str | None] | None:
        """(waiting, done or failed; file name; bytes; problem) of a backup; None when it is not known."""
        ...

    def reload(self) -> list[str]:
        """Read configuration and rules anew; returns the mistakes that keep the old ones in force, none when it went
        well."""
        ...
