"""Calibrators taken out of the state directory, for programs that do without calwatch."""

from pathlib import Path

from monitor.durable import directory_name
from monitor.errors import CalwatchError
from monitor.model import Slice
from monitor.recalibration.artefacts import Artefact, artefact_path, read_artefact, read_current
from monitor.recalibration.onnx_export import Precision, onnx_model


def artefact_to_export(directory: Path, model: str, slice_: Slice, artefact_id: str | None) -> Artefact:
    """The named artefact, or the one in charge of a slice: of the finest scope that contains it.

    ``directory`` is that of all calibrators. Raises CalwatchError if none is in charge, ArtefactError if a file is bad.
    """
    if artefact_id is not None:
        return read_artefact(artefact_path(directory, model, artefact_id))
    current = {Slice.parse(scope): id_ for scope, id_ in read_current(directory / directory_name(model)).items()}
    around = [scope for scope in current if scope.contains(slice_)]
    if not around:
        raise CalwatchError(
            f'model "{model}": no calibrator is in charge of {slice_.text}',
            f"promote one with: calwatch recalibrate {model}; or name one with --id (calwatch jobs lists them)",
        )
    finest = min(around, key=lambda scope: (-scope.order, scope.labels))
    return read_artefact(artefact_path(directory, model, current[finest]))


def export_onnx(artefact: Artefact, target: Path, precision: Precision) -> None:
    """Write the artefact's calibrator as an ONNX file with its id, model, scope and task in the metadata.

    Raises CalwatchError if the package onnx is missing or the file cannot be written.
    """
    notes = {
        "calibrator": artefact.id,
        "model": artefact.model,
        "scope": artefact.scope.text,
        "task": artefact.task.value,
        "fitted_at": artefact.fitted_at.isoformat(),
    }
    graph = onnx_model(artefact.calibrator, precision=precision, notes=notes, logits_are=artefact.logits_are)
    written = graph.SerializeToString()
    try:
        target.write_bytes(written)
    except OSError as error:
        raise CalwatchError(f"{target}: cannot be written: {error.strerror}", "choose another file") from error
