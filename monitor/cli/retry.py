"""``calwatch retry``: files that were set aside, to be tried again."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from monitor.cli import output as console
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, demand_model
from monitor.model.errors import CalwatchError, StoreInUseError, UsageError


def retry(
    model: Annotated[str | None, typer.Argument(help="only this model; default: all")] = None,
    file: Annotated[
        str | None, typer.Argument(help="only this file, as calwatch status names it, or the end of it")
    ] = None,
    source: Annotated[str | None, typer.Option(help="only this source")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Try files again that were set aside; the daemon does it in its next cycle, or it is done here when there is none."""
    from monitor.config.settings import load_config
    from monitor.engine.clock import utc_now
    from monitor.engine.once import run_once
    from monitor.engine.opening import open_ready
    from monitor.jobs.requests import leave_retry
    from monitor.model.problems import NOTHING_TAKEN
    from monitor.store.published.queries import Snapshot

    loaded = load_config(config)
    of_files = "; a file comes after its model: calwatch retry MODEL FILE"
    chosen = loaded.model if model is None else [demand_model(loaded, config, model, of_files)]
    sources = [each.name for own in chosen for each in own.source]
    if source is not None and source not in sources:
        raise UsageError(f'{config}: has no source "{source}"', f"sources: {', '.join(dict.fromkeys(sources))}")
    with Snapshot(loaded.state_dir) as held:
        rows = [
            row for row in held.files_set_aside()
            if row["model"] in [each.name for each in chosen] and source in (None, row["source"])
        ]  # fmt: skip
    rows = _named(rows, file) if file is not None else rows
    try:
        with open_ready(loaded, utc_now(), live_only="retry"):
            is_running = False
    except StoreInUseError:  # a daemon runs, which then does it
        is_running = True
    if not rows:
        for each in chosen if file is None else ():  # those that wait for their turn are held, not set aside
            leave_retry(loaded.state_dir, each.name, source, None)
        console.print_line("no file is set aside; one that waits to be tried again is tried in the next cycle")
        return
    left = [leave_retry(loaded.state_dir, row["model"], row["source"], row["item"]) for row in rows]
    try:
        if is_running:
            raise StoreInUseError("a daemon runs")
        tick = run_once(config)
    except StoreInUseError:
        for row in rows:
            console.print_line(f"asked for: {row['item']}; the running daemon tries it again in its next cycle")
        console.print_line("see: calwatch status")
        return
    except CalwatchError:
        for path in left:  # told as failed: it must not be done later
            path.unlink(missing_ok=True)
        raise
    failed = 0
    for row in rows:
        pulled = tick.pulled.get(row["model"], {}).get(row["source"])
        problems = pulled.problems if pulled else []
        told = [each for each in problems if each.item == row["item"] and each.reason in NOTHING_TAKEN]
        console.print_line(
            f"released and tried again: {row['item']}: {'; '.join(each.message for each in told) or 'taken'}"
        )
        failed += bool(told) or pulled is None
    for name, problem in tick.failed.items():
        console.print_error(f'model "{name}": {problem}', "")
    if failed or tick.failed:
        raise CalwatchError(f"{failed} of {len(rows)} could not be taken", "see the reasons above")


def _named(rows: Sequence[dict[str, Any]], file: str) -> list[dict[str, Any]]:
    """Those that ``file`` names, by all of their name or the end of it. Raises UsageError where it names none, or several."""
    end = "/" + file.removeprefix("./")
    found = [row for row in rows if row["item"] == file] or [row for row in rows if f"/{row['item']}".endswith(end)]
    names = ", ".join(row["item"] for row in found or rows)
    if not found:
        raise UsageError(f"{file}: is not set aside", f"set aside: {names or 'no file'}")
    if len({row["item"] for row in found}) > 1:
        raise UsageError(f"{file}: names several files that are set aside", f"name one: {names}")
    return found
