"""``calwatch check``: configuration, rule packs and a look at the sources, without touching the state."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from monitor.config import Config, Model, load_config
from monitor.cycle import watch
from monitor.errors import SourceError
from monitor.sources.base import Batch, Problem


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
    notes = [override for each in watched for override in each.rulebook.overrides]
    files = 0
    for each in watched:
        for source in each.sources:
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


def _looked_for(model: Model, source: str) -> str:
    return "".join(f" (looked for {each.path})" for each in model.source if each.name == source)


def _summary(config: Config, rules: int, files: int) -> str:
    return f"fine: {len(config.model)} model(s), {rules} rules, {files} readable file(s)"


_WORTH_KNOWING = ("empty_file", "missing_slice_column")
