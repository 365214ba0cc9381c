"""The levers of the HTTP API: what it may ask of the daemon, by the same request files as the command line."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from monitor.config.settings import Config, load_config
from monitor.engine.backups import ask_backup, load_backup
from monitor.engine.cycle import watch
from monitor.jobs import requests
from monitor.model import Slice
from monitor.model.errors import CalwatchError
from monitor.model.reasons import BY_HAND
from monitor.model.refits import job_of
from monitor.publish.web.access import Access
from monitor.store.backup.create import BACKUPS


class Levers:
    """Of one daemon. ``hold`` gives it the configuration in force, at the start and after each reload."""

    def __init__(self, path: Path, reload: Callable[[], bool], now: Callable[[], datetime], config: Config) -> None:
        self._path = path
        self._reload = reload
        self._now = now
        self.hold(config, access_of(config, config.monitor.listen))

    def hold(self, config: Config, access: Access) -> None:
        """Swap what is in force."""
        self._config, self._access = config, access

    def access(self) -> Access:
        """Who may ask what, by the configuration in force."""
        return self._access

    def ask(self, model: str, kind: str, scope: Slice, to: str | None) -> str:
        """Leave a request for a job; returns the id the job will have. Raises StoreError when it cannot be written."""
        now = self._now()
        requests.leave(self._config.state_dir, model, kind, scope, now, to=to)
        return job_of(model, kind, BY_HAND, scope, now).id

    def cancel(self, model: str, job: str) -> None:
        """Leave a request to cancel a job. Raises StoreError when it cannot be written."""
        requests.leave_cancellation(self._config.state_dir, model, job)

    def backup(self, name: str) -> str:
        """Leave a request for a backup in ``backups/NAME`` of the state directory; returns its id. Raises StoreError."""
        return ask_backup(self._config.state_dir, (self._config.state_dir / BACKUPS / name).absolute())

    def backup_told(self, token: str) -> tuple[str, str, int | None, str | None] | None:
        """(state, file name, bytes, problem) of a backup; None when it is not known."""
        found = load_backup(self._config.state_dir, token)
        if found is None:
            return None
        problem = ": ".join(part for part in (found.problem, found.hint) if part) or None
        return found.state, Path(found.file).name, found.bytes, problem

    def reload(self) -> list[str]:
        """The mistakes that keep the old configuration in force; none when the new one is."""
        mistakes = []
        try:
            config = load_config(self._path)
            watch(config)
            access_of(config, self._config.monitor.listen)
        except CalwatchError as error:
            mistakes = str(error).split("\n")
        if self._reload():
            return []
        return mistakes or ["reload failed, the log says why"]


def access_of(config: Config, listen: str) -> Access:
    """``listen``: the address that is bound, which may no longer be the one configured. Raises SecretError when a token's
    hash is not where the configuration says."""
    return Access.of(config.server, listen, config.base)
