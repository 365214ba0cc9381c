"""The command ``calwatch``. Each command is thin: it reads arguments, calls one function below it and prints.

Imports stand inside the commands, so that none of them loads what only another needs: numpy, scipy, the web server.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from monitor import __version__
from monitor.cli import output as console
from monitor.cli.backup import backup, restore
from monitor.cli.calibrators import export, recalibrate, rollback, tune
from monitor.cli.docs import docs
from monitor.cli.init import init
from monitor.cli.jobs import jobs_app
from monitor.cli.objects import tell_objects
from monitor.cli.options import (
    DEFAULT_CONFIG,
    ConfigOption,
    JsonOption,
    StateDirOption,
    StoryName,
    open_snapshot,
    parse_time,
)
from monitor.cli.report import report
from monitor.cli.retry import retry
from monitor.cli.schema import schema
from monitor.cli.token import token_app
from monitor.model.errors import CalwatchError, ConfigError, UsageError

EXIT_FAILED, EXIT_MISUSE, EXIT_DRIFT, EXIT_STOPPED = 1, 2, 3, 130

app = typer.Typer(
    name="calwatch", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Watches whether a vision model's confidence is still honest in production, slice by slice.",
)  # fmt: skip
rules_app = typer.Typer(no_args_is_help=True, help="Rule packs.")
app.add_typer(rules_app, name="rules")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors people can act on become ``error:`` and ``try:`` lines."""
    try:
        app(args=arguments, prog_name="calwatch", standalone_mode=True)
    except CalwatchError as error:
        console.print_error(error.message, error.hint)
        sys.exit(EXIT_MISUSE if isinstance(error, (ConfigError, UsageError)) else EXIT_FAILED)
    except RuntimeError as error:
        from monitor.store.connection import is_ctrl_c

        if not is_ctrl_c(error):
            raise
        sys.exit(EXIT_STOPPED)


def _version(asked: bool) -> None:
    if asked:
        console.print_line(f"calwatch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    directory: Annotated[Path, typer.Argument(help="where its files go")] = Path("calwatch-demo"),
    story: Annotated[
        StoryName, typer.Option(help="a digit reader that drifts; or a detector that is exchanged for another")
    ] = StoryName.DIGITS,
    serve: Annotated[bool, typer.Option("--serve", help="then keep /metrics and the page up")] = False,
    listen: Annotated[str, typer.Option(help="host:port to serve on")] = "127.0.0.1:9464",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """The whole loop on bundled real data; nothing to configure."""
    from monitor.cli.demo.detectors import STORY, tell_detectors
    from monitor.cli.demo.play import CONFIG, DIGITS, play_demo
    from monitor.cli.demo.story import tell_story
    from monitor.config.settings import load_config

    bundled, tell = (STORY, tell_detectors) if story is StoryName.DETECTION else (DIGITS, tell_story)
    played = play_demo(directory, story=bundled)
    tell(played, directory)
    if played.failures:
        raise CalwatchError("\n".join(played.failures), "the demo should not fail: please report it with these lines")
    if serve:
        from monitor.engine.logs import configure_logging
        from monitor.engine.played_server import serve_published

        configure_logging("text")
        looked_at = load_config(directory / CONFIG) if story is StoryName.DETECTION else None
        serve_published(played.published, listen, directory, looked_at)


app.command()(init)


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Configuration, rules and the first rows of the sources: every mistake at once."""
    from monitor.engine.check.apart import check_in_process
    from monitor.engine.check.check import CheckResult
    from monitor.engine.clock import utc_now

    try:
        found = check_in_process(config, utc_now())
    except ConfigError as error:
        if not json:
            raise
        found = CheckResult(error.mistakes, [], [], "")
    if json:
        console.print_json({name: getattr(found, name) for name in ("mistakes", "suspicions", "notes", "sources")})
        raise typer.Exit(EXIT_MISUSE if found.mistakes else EXIT_FAILED if found.suspicions else 0)
    for word, said in (("", found.sources), ("note: ", found.notes), ("suspicious: ", found.suspicions)):
        for line in said:
            console.print_line(f"{word}{line}")
    if found.mistakes:
        raise ConfigError(found.mistakes, found.hint)
    if found.suspicions:
        console.print_line(f"{config}: not fine: see what is suspicious above; numbers may come out wrong")
        raise typer.Exit(EXIT_FAILED)
    console.print_line(f"{config}: {found.summary}")


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """The daemon: pull, measure, judge, recalibrate, publish, every cycle. SIGHUP reloads, SIGTERM stops."""
    from monitor.engine.daemon import Daemon

    Daemon(config).run()


@app.command()
def once(
    config: ConfigOption = DEFAULT_CONFIG,
    fail_on_drift: Annotated[bool, typer.Option("--fail-on-drift", help="exit 3 when an alert fires")] = False,
    json: JsonOption = False,
) -> None:
    """One cycle in the foreground; the exit code tells how it went."""
    from monitor.engine.once import run_once
    from monitor.model.wording import quantity
    from monitor.sources.pulled import NotRead

    tick = run_once(config)
    not_read = NotRead.of(tick.pulled)
    firing = [alert for model in tick.published.models for alert in model.alerts if alert.state == "firing"]
    if json:
        console.print_json(
            {
                "failed": tick.failed, "snapshot_problem": tick.published.problem,
                "firing": [{"model": a.model, "rule": a.rule, "slice": a.slice.text, "reason": a.reason} for a in firing],
                "jobs": [{"id": j.id, "scope": j.scope.text, "state": j.state.value, "reasons": list(j.reasons)}
                         for jobs in tick.jobs.values() for j in jobs],
                "not_read": not_read.new, "set_aside": not_read.aside,
            }
        )  # fmt: skip
    else:
        for alert in firing:
            console.print_line(f"firing: {alert.model} {alert.rule} {alert.slice.text}: {alert.reason}")
        for sentence in (*not_read.new, *not_read.aside):
            console.print_line(f"not read: {sentence}")
        counts = f"{quantity(len(tick.published.models), 'model')}, {quantity(len(firing), 'alert')} firing"
        console.print_line(f"{counts}, {len(tick.failed)} failed")
    for model, problem in tick.failed.items():
        console.print_error(f'model "{model}": {problem}', "")
    if not_read.read_nothing:
        console.print_error(
            "nothing that was new could be read: see what was not read above", "calwatch check names every mistake"
        )
    if tick.failed or tick.published.problem or not_read.read_nothing:
        raise typer.Exit(EXIT_FAILED)
    if fail_on_drift and firing:
        raise typer.Exit(EXIT_DRIFT)


@app.command()
def backtest(
    began: Annotated[str, typer.Option("--from", help="first simulated time, e.g. 2026-01-01 or 2026-01-01T06:00Z")],
    ended: Annotated[str, typer.Option("--to", help="last simulated time")],
    step: Annotated[str, typer.Option(help="simulated time between two cycles")] = "1h",
    state_dir: Annotated[Path | None, typer.Option(help="its own state directory; default calwatch-backtest")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """History through the same cycle on a simulated clock: what would have fired, been refitted, been promoted."""
    from monitor.cli.backtest import play_apart
    from monitor.config.settings import load_config
    from monitor.model.durations import parse_duration

    try:
        width = parse_duration(step)
    except ValueError as error:
        raise UsageError(f"--step {error}") from error
    if not width:
        raise UsageError(f"--step must be longer than 0s (got {step!r})")
    first, last = parse_time("--from", began), parse_time("--to", ended)
    loaded = load_config(config)
    directory = state_dir or Path("calwatch-backtest")
    played = play_apart(loaded, directory, first, last, width)
    if json:
        console.print_json(console.backtest_json(played))
    else:
        console.tell_backtest(played, directory)
    if not json and not played.absent:
        if directory.resolve() == loaded.state_dir.resolve():
            console.print_line(
                f"note: that is the state_dir of {config} too, and run and once refuse what was played: before you go live "
                "name another, or move this one away"
            )
        else:
            console.print_line(f"look at it: calwatch status, slices, jobs or report, with --state-dir {directory}")
    if played.failures:
        raise CalwatchError("\n".join(played.failures), "the models named above failed in at least one cycle")
    if played.read_nothing:
        raise CalwatchError(
            "nothing could be read: see the source problems above", "calwatch check names every mistake"
        )
    if played.absent:
        raise CalwatchError(
            played.absent,
            "name a time with rows in it by --from and --to, or put your files where the configuration looks",
        )


@app.command()
def status(state_dir: StateDirOption = None, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Models, alerts that fire and why, calibrators in charge, troubles with the sources."""
    from monitor.config.settings import load_config

    with open_snapshot(config, state_dir) as held:
        answers = held.status({model.name: model.longest_window for model in load_config(config).model})
    console.print_answer(answers, console.tell_status, as_json=json)
    if not json:
        tell_objects(answers["models"], by_slice=False)


@app.command()
def slices(
    model: Annotated[str | None, typer.Option(help="only this model")] = None,
    window: Annotated[str | None, typer.Option(help="only this window, e.g. 24h")] = None,
    limit: Annotated[int, typer.Option(min=1, help="rows at most")] = 20,
    state_dir: StateDirOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """The newest reading of each slice, worst first."""
    with open_snapshot(config, state_dir) as held:
        if model is not None:
            held.demand_model(model)
        if window is not None:
            held.demand_window(window)
        rows = held.slices(model, window, limit)
    console.print_answer(rows, console.tell_slices, as_json=json)
    if not json:
        tell_objects(rows, by_slice=True)


app.add_typer(jobs_app, name="jobs")
app.add_typer(token_app, name="token")


for command in (recalibrate, tune, rollback, backup, restore, retry, export, report, schema, docs):
    app.command()(command)


@app.command()
def snapshot(
    target: Annotated[Path | None, typer.Argument(help="copy the snapshot there")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Publish metrics.duckdb anew (when no daemon does), and copy it to a file of your own."""
    from monitor.engine.once import publish_now

    path = publish_now(config)
    if target is not None:
        with console.writing_to(target):
            shutil.copyfile(path, target)
    console.print_line(str(target or path))


@rules_app.command("test")
def rules_test(
    test_files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="*.test.toml: series in, expected alerts")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Run rule tests, as promtool does for Prometheus: series in, expected alerts at t."""
    from monitor.rules import testing as ruletest

    failed = count = 0
    for path in test_files:
        for result in ruletest.run_tests(path):
            count += 1
            failed += not result.has_passed
            console.print_line(f"{'ok    ' if result.has_passed else 'FAILED'} {result.place}")
            for failure in result.failures:
                console.print_line(f"       {failure}")
    console.print_line(f"{count} tests, {failed} failed")
    if failed:
        raise typer.Exit(EXIT_FAILED)
