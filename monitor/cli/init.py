"""The command ``calwatch init``: a configuration to start from, or one guessed from a person's own file."""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import output as console
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.model.errors import CalwatchError, UsageError

if TYPE_CHECKING:
    from monitor.cli.guess.draft import Draft


def init(
    directory: Annotated[Path, typer.Argument(help="where to write; must not hold a calwatch.toml yet")],
    asked: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FILE", help="guess task, columns and slices from it: a file, directory or quoted glob"
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write a commented calwatch.toml, rules of your own and a compose file."""
    from monitor.cli.schema import write_schemas

    written = directory / "calwatch.toml"
    if written.exists():
        raise UsageError(f"{written}: exists already", "name another directory")
    draft = None
    if asked is not None:
        from monitor.cli.guess.apart import draft_apart

        draft = draft_apart(asked, directory)
    starter = files("monitor.cli.starter")
    targets = {
        "calwatch.toml": written, "own.toml": directory / "rules" / "own.toml",
        "own.test.toml": directory / "rules" / "own.test.toml",
        "compose.yaml": directory / "compose.yaml", "prometheus.yml": directory / "prometheus.yml",
    }  # fmt: skip
    try:
        for name, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            text = draft.text if draft and target == written else starter.joinpath(name).read_text("utf-8")
            target.write_text(text, "utf-8")
            console.print_line(f"wrote {target}")
        write_schemas(directory / "calwatch.schema.json", directory / "rules" / "rules.schema.json")
        if draft is None:
            (directory / "samples").mkdir(exist_ok=True)
    except OSError as error:
        raise CalwatchError(
            f"{error.filename}: cannot be written: {error.strerror}", "choose another directory"
        ) from error
    if draft is None:
        console.print_line(
            f"next: put Parquet into {directory / 'samples'} (for CSV or JSON Lines change `path` in calwatch.toml), then"
        )
    else:
        _tell(draft, written)
    console.print_line(f"{'      ' if draft is None else 'next: '}calwatch check --config {written}")


def _tell(draft: "Draft", written: Path) -> None:
    """Every guess with its reason, and what was not guessed with what to do."""
    from monitor.cli.guess.writing import toml_value

    console.print_line()
    console.print_line(f"guessed from {draft.read}; each is a comment in {written}:")
    for guess in draft.guesses:
        console.print_line(f"  {guess.key} = {toml_value(guess.value)}: {guess.why}")
    for said in draft.by_name:
        console.print_line(f"  {said}")
    if draft.todo:
        console.print_line("not guessed, and left to you:")
        for key, what in draft.todo:
            console.print_line(f"  {key}: {what}")
