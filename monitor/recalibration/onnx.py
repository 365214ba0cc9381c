"""A calibrator as an ONNX graph, for servers that run models in ONNX Runtime and know nothing of calwatch.

Input ``score`` (N,), or ``logits`` (N, C) where the method works on those; output ``calibrated`` (N,), all float32 or all
float64. Inside, everything is calculated in float64. Opset 17, so that runtimes from 2022 on can run it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from monitor.model.errors import CalwatchError
from monitor.recalibration.calibrators import Calibrator

if TYPE_CHECKING:
    import onnx

from pathlib import Path

from monitor.model import Slice, finest_scope
from monitor.model.files import directory_name
from monitor.recalibration.artefacts import Artefact, artefact_path, read_artefact, read_current

Precision = Literal["float", "double"]

_INT64 = 7  # onnx.TensorProto.INT64
_OPSET = 17
_IR_VERSION = 8  # that of the opset; a newer one would shut out older runtimes for nothing


def onnx_model(
    calibrator: Calibrator, *, precision: Precision = "float", notes: Mapping[str, str] | None = None,
    logits_are: Literal["logits", "probabilities"] = "logits",
) -> "onnx.ModelProto":  # fmt: skip
    """The checked graph of a calibrator; ``notes`` go into its metadata.

    With ``logits_are`` "probabilities" the input ``logits`` holds these, and the graph takes their logarithm first.
    Equal to ``calibrator.apply`` but for rounding (1e-6 in float32); rows of NaN come out as NaN instead of being
    refused. Raises CalwatchError if the package onnx is not installed, ValueError for an unknown kind of calibrator.
    """
    try:
        import onnx
    except ImportError as missing:
        raise CalwatchError("the package onnx is not installed", "pip install 'calwatch[onnx]'") from missing
    kind = onnx.TensorProto.DOUBLE if precision == "double" else onnx.TensorProto.FLOAT
    graph = Graph()
    source = "logits" if calibrator.needs_logits else "score"
    wide = graph.add("Cast", source, to=onnx.TensorProto.DOUBLE)
    if calibrator.needs_logits and logits_are == "probabilities":
        wide = _logarithm(graph, wide)
    graph.add("Cast", calibrator.draw(graph, wide), to=kind, out="calibrated")
    shape: list[str | int] = ["N"]
    if calibrator.needs_logits:
        shape.append(calibrator.classes or "C")
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            f"calwatch {calibrator.method}",
            [onnx.helper.make_tensor_value_info(source, kind, shape)],
            [onnx.helper.make_tensor_value_info("calibrated", kind, ["N"])],
            [onnx.numpy_helper.from_array(value, name) for name, value in graph.constants.items()],
        ),
        opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="calwatch",
    )
    about_logits = {"logits_are": logits_are} if calibrator.needs_logits else {}
    onnx.helper.set_model_props(model, {"method": calibrator.method, **about_logits, **(notes or {})})
    onnx.checker.check_model(model, full_check=True)
    return model


class Graph:
    """Nodes in order and constants by name; ``add`` returns the name of what a node yields."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[np.generic]] = {}

    def constant(self, value: object, kind: type[np.generic] = np.float64) -> str:
        name = f"constant{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype=kind)
        return name

    def add(self, operator: str, *inputs: str, out: str = "", **attributes: int | list[int]) -> str:
        import onnx

        name = out or f"value{len(self.nodes)}"
        node = onnx.helper.make_node(operator, list(inputs), [name])
        node.attribute.extend(onnx.helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return name

    def whole(self, value: str) -> str:
        """The value as whole numbers."""
        return self.add("Cast", value, to=_INT64)

    def row_maximum(self, z: str) -> str:
        """The greatest of each row, (N, 1)."""
        return self.add("ReduceMax", z, axes=[1], keepdims=1)

    def row_sum(self, z: str) -> str:
        """The sum of each row, (N,)."""
        return self.add("ReduceSum", z, self.constant([1], np.int64), keepdims=0)

    def power_curve(self, p: str, a: float, b: float, c: float) -> str:
        """As ``power_curve``: 1 / (1 + e^(−c)·(1 − p)^b / p^a), with one power where a = b."""
        rest = self.add("Sub", self.constant(1.0), p)
        if a == b:
            odds = self.add("Pow", self.add("Div", rest, p), self.constant(a))
        else:
            odds = self.add("Div", self.add("Pow", rest, self.constant(b)), self.add("Pow", p, self.constant(a)))
        scaled = self.add("Mul", odds, self.constant(np.exp(-c)))
        curve = self.add("Reciprocal", self.add("Add", scaled, self.constant(1.0)))
        return self.add("Where", self.add("IsNaN", p), p, curve)  # NaN to the power 0 is 1


def _logarithm(graph: Graph, q: str) -> str:
    """Of probabilities, zeros floored as calwatch does at intake; NaN stays NaN, which Max would not promise."""
    floored = graph.add("Max", q, graph.constant(1e-30))
    return graph.add("Log", graph.add("Where", graph.add("IsNaN", q), q, floored))


def artefact_to_export(directory: Path, model: str, slice_: Slice, artefact_id: str | None) -> Artefact:
    """The named artefact, or the one in charge of a slice: of the finest scope that contains it.

    ``directory`` is that of all calibrators. Raises CalwatchError if none is in charge, ArtefactError if a file is bad.
    """
    if artefact_id is not None:
        return read_artefact(artefact_path(directory, model, artefact_id))
    current = {Slice.parse(scope): id_ for scope, id_ in read_current(directory / directory_name(model)).items()}
    finest = finest_scope(slice_, list(current))
    if finest is None:
        raise CalwatchError(
            f'model "{model}": no calibrator is in charge of {slice_.text}',
            f"promote one with: calwatch recalibrate {model}; or name one with --id (calwatch jobs lists them)",
        )
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
