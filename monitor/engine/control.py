"""The levers of the HTTP API: what it may ask of the daemon, by the same request files as the command line."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from monitor.config.settings import Config
from monitor.engine.backups import ask_backup, load_backup
from monitor.engine.cycle import WatchedModel, load_watched
from monitor.jobs import requests
from monitor.model import Slice
from monitor.model.reasons import BY_HAND
from monitor.model.refits import job_of
from monitor.publish.web.access import Access
from monitor.store.backup.create import BACKUPS


class DaemonControl:
    """Of one daemon. ``swap_config`` gives it the configuration in force, at the start and after each reload."""

    def __init__(
        self, reload: Callable[[], list[str]], now: Callable[[], datetime], config: Config, access: Access
    ) -> None:
        self._reload = reload
        self._now = now
        self.swap_config(config, access)

    def swap_config(self, config: Config, access: Access) -> None:
        """Swap what is in force."""
        self._config, self._access = config, access

    def access(self) -> Access:
        """Who may ask what, by the configuration in force."""
        return self._access

    def ask_job(self, model: str, kind: str, scope: Slice, to: str | None) -> str:
        """Leave a request for a job; returns the id the job will have. Raises StoreError when it cannot be written."""
        now = self._now()
        requests.leave_request(self._config.state_dir, model, kind, scope, now, to=to)
        return job_of(model, kind, BY_HAND, scope, now).id

    def cancel(self, model: str, job: str) -> None:
        """Leave a request to cancel a job. Raises StoreError when it cannot be written."""
        requests.leave_cancellation(self._config.state_dir, model, job)

    def ask_backup(self, name: str) -> str:
        """Leave a request for a backup in ``backups/NAME`` of the state directory; returns its id. Raises StoreError."""
        return ask_backup(self._config.state_dir, (self._config.state_dir / BACKUPS / name).absolute())

    def find_backup(self, token: str) -> tuple[str, str, int | None, str | None] | None:
        """(state, file name, bytes, problem) of a backup; None when it is not known."""
        found = load_backup(self._config.state_dir, token)
        if found is None:
            return None
        problem = ": ".join(part for part in (found.problem, found.hint) if part) or None
        return found.state, Path(found.file).name, found.bytes, problem

    def reload(self) -> list[str]:
        """Read configuration and rules anew; returns the mistakes for which the old ones stay in force."""
        return self._reload()


class LoadedConfig(NamedTuple):
    """All that is read from the configuration: at the start, on SIGHUP and when the API asks for it."""

    config: Config
    watched: list[WatchedModel]
    access: Access


def load_all(path: Path, listen: str | None = None) -> LoadedConfig:
    """Read the configuration with its rules and who may ask. Raises CalwatchError with every mistake in one of them.

    ``listen``: the address that is bound already, which may no longer be the one configured.
    """
    config, watched = load_watched(path)
    return LoadedConfig(
        config, watched, Access.from_server(config.server, listen or config.monitor.listen, config.base)
    )
