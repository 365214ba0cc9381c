"""The command ``calwatch schema``: what editors need to complete and check the files people write."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor import console
from monitor.errors import CalwatchError


def schema(
    rules: Annotated[bool, typer.Option("--rules", help="of rule packs instead of calwatch.toml")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="write it there instead of printing it")] = None,
    config: Annotated[Path, typer.Option("--config", help="not read: the schema is the same for every one")] = Path(
        "calwatch.toml"
    ),
) -> None:
    """Print the JSON Schema of calwatch.toml, or of rule packs, for editors."""
    from monitor.configschema import config_schema, rules_schema

    text = _text(rules_schema() if rules else config_schema())
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise CalwatchError(f"{out}: cannot be written: {error.strerror}") from error
    console.say(f"wrote {out}")


def write_schemas(config: Path, rules: Path) -> None:
    """Write both, where the first lines of the starter's files name them. Raises OSError."""
    from monitor.configschema import config_schema, rules_schema

    for target, held in ((config, config_schema()), (rules, rules_schema())):
        target.write_text(_text(held), "utf-8")
        console.say(f"wrote {target}")


def _text(held: dict[str, Any]) -> str:
    return json.dumps(held, indent=2, ensure_ascii=False) + "\n"
