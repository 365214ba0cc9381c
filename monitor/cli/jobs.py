"""``calwatch jobs``: the list, one job with its attempts, and cancelling."""

from dataclasses import asdict
from typing import Annotated

import typer

from monitor.cli import output as console
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, StateDirOption, open_snapshot
from monitor.model.errors import CalwatchError, StoreInUseError, UsageError

jobs_app = typer.Typer(invoke_without_command=True)


@jobs_app.callback()
def jobs(
    context: typer.Context,
    model: Annotated[str | None, typer.Option(help="only this model")] = None,
    limit: Annotated[int, typer.Option(min=1, help="rows at most")] = 20,
    state_dir: StateDirOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Refits, rollbacks and actions, newest first, with the gate's reasons."""
    if context.invoked_subcommand is not None:
        return
    with open_snapshot(config, state_dir) as held:
        if model is not None:
            held.demand_model(model)
        rows = held.job_rows(model, limit)
    console.print_answer(rows, console.tell_jobs, as_json=json)


@jobs_app.command()
def show(
    job: Annotated[str, typer.Argument(help="the job's id")],
    state_dir: StateDirOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """One job with all its attempts: how long each took, what came out, and the output that was kept."""
    with open_snapshot(config, state_dir) as held:
        row = held.job_row(job)
        attempts = held.attempts(job)
    if json:
        console.print_json({**row, "log": [asdict(attempt) for attempt in attempts]})
        return
    console.tell_jobs([row])
    console.tell_attempts(attempts)


@jobs_app.command()
def cancel(
    job: Annotated[str, typer.Argument(help="the job's id, as calwatch jobs prints it")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Cancel a queued or running job; the daemon does it in its next cycle, or it is done here when there is none."""
    from monitor.config.settings import load_config
    from monitor.engine.byhand import run_by_hand
    from monitor.jobs.requests import CANCEL, leave_cancellation

    with open_snapshot(config) as held:
        row = held.job_row(job)
    if row["state"] not in ("queued", "running"):
        raise UsageError(f"job {job} has ended already: {row['state']}", "see: calwatch jobs")
    leave_cancellation(load_config(config).state_dir, row["model"], job)
    try:
        tick = run_by_hand(config, CANCEL)
    except StoreInUseError:
        console.print_line(f"asked to cancel {job}; the running daemon does it in its next cycle (see: calwatch jobs)")
        return
    for each in tick.jobs.get(row["model"], ()):
        if each.id == job:
            console.print_line(f"{each.kind} {each.scope.text}: {each.state.value}")
            return
    raise CalwatchError(f"job {job} was not cancelled", "it may have ended meanwhile, see: calwatch jobs")
