"""``calwatch check``: configuration, rule packs and the first rows of the sources, without touching the state."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from monitor.actions.secret import missing_secrets
from monitor.config import Config, Model, load_config
from monitor.cycle import watch
from monitor.errors import CalwatchError, SourceError
from monitor.httpsettings import host_of, is_loopback
from monitor.publish.access import Access
from monitor.sources.base import Batch, Problem, Source
from monitor.sources.inbox import InboxSource
from monitor.tls import demand_usable
from monitor.trial import Trial
from monitor.wording import counted


@dataclass(frozen=True, slots=True)
class Checked:
    """``mistakes`` keep calwatch from working; ``notes`` are worth knowing; ``sources`` say what rows can be taken of each;
    ``summary`` is said when all is well."""

    mistakes: list[str]
    notes: list[str]
    sources: list[str]
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
    sources: list[str] = []
    files = 0
    for each in watched:
        labelled = tried = 0
        for source in each.sources:
            if isinstance(source, InboxSource):
                continue  # what is there we wrote ourselves, and looked at when it came
            where = f'model "{each.model.name}": source "{source.name}"'
            found = _look(each.model, source)
            files += found.files
            mistakes += [f"{where}: {text}" for text in found.mistakes]
            notes += [f"{where}: {text}" for text in found.notes]
            trial = found.trial
            if trial.rows:
                sources.append(f"{where}: {trial.summary(source.holds)}")
                (notes if trial.taken else mistakes).extend(f"{where}: {text}" for text in trial.refused)
            tried += trial.taken
            labelled += trial.taken if source.holds == "labels" else trial.labelled
        if tried and not labelled:
            notes.append(
                f'model "{each.model.name}": no row tried has an outcome, and without any nothing can be measured: map '
                'outcome, or label and predicted_class, or add a [[model.source]] with holds = "labels"'
            )
    return Checked(mistakes, notes, sources, _summary(config, sum(len(each.rulebook) for each in watched), files))


@dataclass(slots=True)
class _Looked:
    """What a look at one source found; the texts go on from its name."""

    files: int = 0
    trial: Trial = field(default_factory=Trial)
    mistakes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _look(model: Model, source: Source) -> _Looked:
    """Read the layout of every file, and try the first rows of some."""
    looked = _Looked()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            for found in source.read(connection, {}, datetime.max.replace(tzinfo=UTC)):
                if isinstance(found, Batch):
                    looked.files += found.files
                    looked.trial.take(connection, found, model, source.holds)
                elif isinstance(found, Problem):
                    (looked.notes if found.reason in _WORTH_KNOWING else looked.mistakes).append(found.message)
        except SourceError as error:
            looked.mistakes.append(error.message)
        except duckdb.Error as error:  # a file turned out to be damaged
            looked.mistakes.append(f"cannot be read: {str(error).splitlines()[0]}")
    if not looked.files:
        looked.notes.append(f"no file to read yet{_looked_for(model, source.name)}")
    return looked


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
    return f"fine: {counted(len(config.model), 'model')}, {counted(rules, 'rule')}, {counted(files, 'readable file')}"


_WORTH_KNOWING = ("empty_file", "missing_slice_column")
