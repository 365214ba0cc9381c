"""``calwatch check``: configuration, rule packs and a look at the sources, without touching the state."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from monitor.actions.secret import missing_secrets
from monitor.config import Config, Model, load_config
from monitor.cycle import watch
from monitor.errors import CalwatchError, SourceError
from monitor.httpsettings import host_of, is_loopback
from monitor.publish.access import Access
from monitor.sources.base import Batch, Problem
from monitor.sources.inbox import InboxSource
from monitor.tls import demand_usable


@dataclass(frozen=True, slots=True)
class Checked:
    """``mistakes`` keep calwatch from working; ``notes`` are worth knowing; ``summary`` is said when all is well."""

    mistakes: list[str]
    notes: list[str]
    summary: str
    hint: str = "mend the lines named above, then run: calwatch check"


def check_config(path: Path) -> Checked:
    """Look at everything. Raises ConfigError when the configuration or a rule pack itself cannot be read."""
    config = load_config(path)
    watched = watch(config)
    mistakes: list[str] = []
    mistakes += _server_mistakes(config)
    notes = [override for each in watched for override in each.rulebook.overrides]
    if not config.server.tls_certificate and not is_loopback(host_of(config.monitor.listen)):
        notes.append(
            f"listens on {config.monitor.listen} without TLS: tokens can be read on the way. Set [server] tls_certificate and "
            "tls_key, or put a proxy that speaks TLS in front"
        )
    for action in config.action:
        notes += [f'action "{action.name}": {problem}' for problem in missing_secrets(action.secrets, config.base)]
    files = 0
    for each in watched:
        for source in each.sources:
            if isinstance(source, InboxSource):
                continue  # what is there we wrote ourselves, and looked at when it came
            where = f'model "{each.model.name}": source "{source.name}"'
            taken = 0
            with duckdb.connect() as connection:
                connection.execute("SET TimeZone = 'UTC'")
                try:
                    for found in source.read(connection, {}, datetime.max.replace(tzinfo=UTC)):
                        if isinstance(found, Batch):
                            taken += found.files
                        elif isinstance(found, Problem):
                            (notes if found.reason in _WORTH_KNOWING else mistakes).append(f"{where}: {found.message}")
                except SourceError as error:
                    mistakes.append(f"{where}: {error.message}")
            files += taken
            if not taken:
                notes.append(f"{where}: no file to read yet{_looked_for(each.model, source.name)}")
    return Checked(mistakes, notes, _summary(config, sum(len(each.rulebook) for each in watched), files))


def _server_mistakes(config: Config) -> list[str]:
    """What would keep the HTTP server from starting."""
    try:
        Access.of(config.server, config.monitor.listen, config.base)
        tls = config.tls
        if tls is not None:
            demand_usable(*tls)
    except CalwatchError as error:
        return [f"server: {error.message}"]
    return []


def _looked_for(model: Model, source: str) -> str:
    return "".join(f" (looked for {each.path})" for each in model.source if each.name == source)


def _summary(config: Config, rules: int, files: int) -> str:
    return f"fine: {len(config.model)} model(s), {rules} rules, {files} readable file(s)"


_WORTH_KNOWING = ("empty_file", "missing_slice_column")
