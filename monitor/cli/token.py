"""``calwatch token``: access tokens for the HTTP API."""

from typing import Annotated

import typer

from monitor.cli import output as console
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption
from monitor.config.tokens import Role, hash_of, new_token

token_app = typer.Typer(no_args_is_help=True, help="Access tokens of the HTTP API.")


@token_app.command("new")
def new(
    role: Annotated[Role, typer.Option(help="what it may do; each role may do what those before it may")] = Role.READ,
    name: Annotated[str, typer.Option(help="who gets it; named in the log")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
) -> None:
    """Make a token: shown this once, while the configuration keeps only its hash. Nothing is written."""
    token = new_token()
    named = name or role.value
    if json:
        console.print_json({"token": token, "name": named, "role": role.value, "hash": hash_of(token)})
        return
    console.print_line(f"token, shown only now: {token}")
    console.print_line(f"add to {config}, then reload (SIGHUP):")
    console.print_line("")
    console.print_line("[[server.token]]")
    console.print_line("name = " + '"' + named.replace("\\", "\\\\").replace('"', '\\"') + '"')
    console.print_line(f'role = "{role.value}"')
    console.print_line(f'hash = "{hash_of(token)}"')
