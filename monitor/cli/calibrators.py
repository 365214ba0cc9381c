"""The command ``calwatch export``: a calibrator as an ONNX file."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import output as console
from monitor.config.settings import Config, load_config
from monitor.model import Slice
from monitor.model.errors import UsageError


def named_scope(config: Path, model: str, slice_: str) -> tuple[Config, Slice]:
    """The configuration, and the slice ``--slice`` means; UsageError lists what there is where a name is unknown."""
    loaded = load_config(config)
    named = loaded.model_named(model)
    if named is None:
        names = ", ".join(each.name for each in loaded.model)
        raise UsageError(f'{config}: has no model "{model}"', f"models: {names}")
    try:
        scope = Slice.parse(slice_)
    except ValueError as error:
        raise UsageError(f"--slice: {error}") from error
    for dimension in scope.as_dict().keys() - set(named.slices):
        raise UsageError(
            f'--slice: model "{model}" has no slice dimension "{dimension}"', f"dimensions: {', '.join(named.slices)}"
        )
    return loaded, scope


def export(
    model: Annotated[str, typer.Argument(help="the model's name")],
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="where to write; an old file is replaced")],
    slice_: Annotated[str, typer.Option("--slice", help='"all", or e.g. "camera=c3,lighting=night"')] = "all",
    id_: Annotated[
        str | None, typer.Option("--id", help="artefact id; default: the one in charge of the slice")
    ] = None,
    double: Annotated[bool, typer.Option("--double", help="input and output as float64 instead of float32")] = False,
    config: Annotated[Path, typer.Option("--config", help="the configuration file")] = Path("calwatch.toml"),
) -> None:
    """Write a calibrator as an ONNX file, for servers that do without calwatch. Needs the extra onnx."""
    from monitor.recalibration.onnx import artefact_to_export, export_onnx
    from monitor.recalibration.registry import CALIBRATORS

    loaded, scope = named_scope(config, model, slice_)
    artefact = artefact_to_export(loaded.state_dir / CALIBRATORS, model, scope, id_)
    export_onnx(artefact, file, "double" if double else "float")
    held = ", which hold probabilities" if artefact.logits_are == "probabilities" else ""
    source = f"logits (N, C){held}" if artefact.calibrator.needs_logits else "score (N,)"
    console.say(f"wrote {file}: {artefact.method} {artefact.id} of {model} {artefact.scope.text}")
    console.say(f"input {source}, output calibrated (N,), {'float64' if double else 'float32'}")
