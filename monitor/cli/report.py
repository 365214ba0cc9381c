"""The command ``calwatch report``: a model and a period as one HTML file, or one chart of it as PNG."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import output as console
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, open_snapshot, parse_time
from monitor.model.errors import CalwatchError, UsageError

if TYPE_CHECKING:
    from monitor.publish.report.collect import Report


class ChartName(StrEnum):
    """The charts that ``--png`` draws."""

    RELIABILITY = "reliability"
    ECE = "ece"
    EVIDENCE = "evidence"
    REFIT = "refit"
    THRESHOLDS = "thresholds"
    HEAT_MAP = "heat-map"


def report(
    model: Annotated[str, typer.Argument(help="the model's name")],
    began: Annotated[
        str | None, typer.Option("--from", help="start of the period, e.g. 2026-01-01; default: 30 days before its end")
    ] = None,
    ended: Annotated[str | None, typer.Option("--to", help="its end; default: the newest snapshot's time")] = None,
    slice_: Annotated[
        str | None,
        typer.Option("--slice", help='the one to tell in full, e.g. "camera=c3"; default: all, and those in trouble'),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="where to write; default: MODEL.html or MODEL-CHART.png")
    ] = None,
    png: Annotated[ChartName | None, typer.Option("--png", help="only this chart, as PNG for a ticket")] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option("--state-dir", help="of that, as of what a backtest played, instead of [monitor] state_dir"),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write one self-contained HTML file about a model and a period, made to be printed; or one chart as PNG."""
    from monitor.charts.client import can_draw
    from monitor.config.settings import load_config
    from monitor.model import Slice
    from monitor.publish.report.collect import collect_report
    from monitor.publish.report.page import NO_CHARTS, report_page

    since = parse_time("--from", began) if began is not None else None
    until = parse_time("--to", ended) if ended is not None else None
    try:
        scope = Slice.parse(slice_) if slice_ is not None else Slice() if png is not None else None
    except ValueError as error:
        raise UsageError(f"--slice: {error}") from error
    loaded = load_config(config)
    with open_snapshot(config, state_dir) as snapshot:
        found = collect_report(snapshot, model, since=since, until=until, slice_=scope)
    named = loaded.model_named(model)
    event = named.event if named else None
    if png is not None:
        name, content = f"{_file_name(model)}-{png.value}.png", _png(found, png)
        told = f"{png.value} of {model}, {found.slices[0].slice.text}"
    else:
        name, content = f"{_file_name(model)}.html", report_page(found, event, named).encode()
        told = f"{model}, {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC"
    target = out or Path(name)
    with console.writing_to(target, "name another with --out FILE"):
        target.write_bytes(content)
    console.print_line(f"wrote {target}: {told}")
    if png is None and not can_draw():
        console.print_line(f"note: {NO_CHARTS}")


def _png(found: "Report", chart: ChartName) -> bytes:
    from monitor.charts.client import MISSING, can_draw

    if not can_draw():
        raise CalwatchError(MISSING, "pip install 'calwatch[charts]'")
    from monitor.charts import render as rendering
    from monitor.publish.report import charts as reportcharts

    return rendering.png(reportcharts.make_titled_chart(found, chart.value))


def _file_name(model: str) -> str:
    """The model's name as a file's: what is not a letter, digit, dot or dash becomes a dash."""
    name = "".join(mark if mark.isalnum() or mark in ".-_" else "-" for mark in model).lstrip(".")
    return name or "report"
