"""The commands about calibrators: ``calwatch recalibrate``, ``tune``, ``rollback``, ``export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import output as console
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, demand_model
from monitor.model import Slice
from monitor.model.errors import CalwatchError, StoreInUseError, UsageError

if TYPE_CHECKING:
    from monitor.config.settings import Config


def named_scope(config: Path, model: str, slice_: str) -> "tuple[Config, Slice]":
    """The configuration, and the slice ``--slice`` means; UsageError lists what there is where a name is unknown."""
    from monitor.config.settings import load_config

    loaded = load_config(config)
    named = demand_model(loaded, config, model)
    try:
        scope = Slice.parse(slice_)
    except ValueError as error:
        raise UsageError(f"--slice: {error}") from error
    for dimension in scope.as_dict().keys() - set(named.slices):
        raise UsageError(
            f'--slice: model "{model}" has no slice dimension "{dimension}"', f"dimensions: {', '.join(named.slices)}"
        )
    return loaded, scope


def recalibrate(
    model: Annotated[str, typer.Argument(help="the model's name")],
    slice_: Annotated[str, typer.Option("--slice", help='"all", or e.g. "camera=c3,lighting=night"')] = "all",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Ask for a refit; the daemon runs it in its next cycle, or it runs here when there is no daemon."""
    loaded, scope = named_scope(config, model, slice_)
    _demand_seen(loaded, model, scope)
    _ask(config, model, "recalibrate", slice_, None)


def tune(
    model: Annotated[str, typer.Argument(help="the model's name")],
    slice_: Annotated[str, typer.Option("--slice", help='"all", or e.g. "camera=c3,lighting=night"')] = "all",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Ask for thresholds without a refit, of detectors with the NMS IoU; the daemon runs it, or it runs here without one."""
    loaded, scope = named_scope(config, model, slice_)
    named = loaded.model_named(model)
    if named is not None and named.threshold is None:
        raise UsageError(
            f'model "{model}" has nothing to tune for', 'say what in [model.threshold], as policy = "precision>=0.95"'
        )
    _demand_seen(loaded, model, scope)
    _ask(config, model, "tune", slice_, None)


def _demand_seen(loaded: "Config", model: str, scope: Slice) -> None:
    from monitor.rules.conditions import find_unseen_scope
    from monitor.store.published.queries import load_seen_slices

    named, seen = loaded.model_named(model), load_seen_slices(loaded.state_dir, model)
    if named and (unseen := find_unseen_scope(scope, seen, named.max_order)) is not None:
        raise UsageError(f'--slice: model "{model}" has no sample of {scope.text}: {unseen}', "see: calwatch slices")


def rollback(
    model: Annotated[str, typer.Argument(help="the model's name")],
    slice_: Annotated[str, typer.Option("--slice", help="the calibrator's scope")] = "all",
    to: Annotated[str | None, typer.Option("--to", help="artefact id; default: the one in charge before")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put the previous (or a named) calibrator back in charge."""
    _ask(config, model, "rollback", slice_, to)


def export(
    model: Annotated[str, typer.Argument(help="the model's name")],
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="where to write; an old file is replaced")],
    slice_: Annotated[str, typer.Option("--slice", help='"all", or e.g. "camera=c3,lighting=night"')] = "all",
    id_: Annotated[
        str | None, typer.Option("--id", help="artefact id; default: the one in charge of the slice")
    ] = None,
    double: Annotated[bool, typer.Option("--double", help="input and output as float64 instead of float32")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write a calibrator as an ONNX file, for servers that do without calwatch. Needs the extra onnx."""
    from monitor.recalibration.onnx import artefact_to_export, export_onnx
    from monitor.recalibration.registry import CALIBRATORS

    loaded, scope = named_scope(config, model, slice_)
    artefact = artefact_to_export(loaded.state_dir / CALIBRATORS, model, scope, id_)
    export_onnx(artefact, file, "double" if double else "float")
    held = ", which hold probabilities" if artefact.logits_are == "probabilities" else ""
    source = f"logits (N, C){held}" if artefact.calibrator.needs_logits else "score (N,)"
    console.print_line(f"wrote {file}: {artefact.method} {artefact.id} of {model} {artefact.scope.text}")
    console.print_line(f"input {source}, output calibrated (N,), {'float64' if double else 'float32'}")


def _ask(config: Path, model: str, kind: str, slice_: str, to: str | None) -> None:
    from monitor.engine.byhand import run_by_hand
    from monitor.engine.clock import utc_now
    from monitor.jobs.requests import leave_request

    loaded, scope = named_scope(config, model, slice_)
    left = leave_request(loaded.state_dir, model, kind, scope, utc_now(), to=to)
    try:
        tick = run_by_hand(config, kind)
    except StoreInUseError:
        console.print_line(f"asked for: {kind} {model} {scope.text}; the running daemon takes it up in its next cycle")
        console.print_line("see: calwatch jobs")
        return
    except CalwatchError:
        left.unlink(missing_ok=True)  # told as failed: it must not be done later
        raise
    done = [job for job in tick.jobs.get(model, ()) if job.kind == kind and job.scope == scope]
    for job in done:
        console.print_line(f"{job.kind} {job.scope.text}: {job.state.value}")
        for reason in job.reasons:
            console.print_line(f"  {reason}")
    if model in tick.failed:
        raise CalwatchError(f'{kind}: the cycle failed for model "{model}": {tick.failed[model]}', "see: calwatch jobs")
    if not done or any(job.state == "failed" for job in done):
        raise CalwatchError(f"{kind} did not succeed", "see the reasons above, and: calwatch jobs")
