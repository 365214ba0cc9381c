"""``calwatch schema``: the schemas of the files that people write and programs read."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import output as console
from monitor.cli.options import DEFAULT_CONFIG
from monitor.model.errors import UsageError


def schema(
    rules: Annotated[bool, typer.Option("--rules", help="of rule packs instead of calwatch.toml")] = False,
    artefact: Annotated[bool, typer.Option("--artefact", help="of a calibrator's file, for production")] = False,
    current: Annotated[bool, typer.Option("--current", help="of current.json, for production")] = False,
    payload: Annotated[bool, typer.Option("--payload", help="of what webhooks and commands receive")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="a table of all keys instead, of calwatch.toml or with --rules of rules")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="write it there instead of printing it")] = None,
    config: Annotated[
        Path, typer.Option("--config", help="not read: the schema is the same for every one")
    ] = DEFAULT_CONFIG,
) -> None:
    """Print the JSON Schema of calwatch.toml, or of rule packs, for editors; or of what programs read."""
    from monitor.cli.schemas import keys_table, schema_text

    asked = {"--rules": rules, "--artefact": artefact, "--current": current, "--payload": payload}
    chosen = [name for name, wanted in asked.items() if wanted]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)}: one schema at a time", "ask for one of them")
    if markdown and chosen not in ([], ["--rules"]):
        raise UsageError(f"{chosen[0]}: has no table of keys", "leave out --markdown")
    text = keys_table(of_rules=rules) if markdown else schema_text(*chosen)
    if out is None:
        typer.echo(text, nl=False)
        return
    with console.writing_to(out):
        out.write_text(text, "utf-8")
    console.print_line(f"wrote {out}")


def write_schemas(config: Path, rules: Path) -> None:
    """Write both, where the first lines of the starter's files name them. Raises OSError."""
    from monitor.cli.schemas import schema_text

    for target, option in ((config, ""), (rules, "--rules")):
        target.write_text(schema_text(option), "utf-8")
        console.print_line(f"wrote {target}")
