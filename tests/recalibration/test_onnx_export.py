"""ONNX files say what ``apply`` says, in ONNX Runtime."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from monitor.model import Slice
from monitor.model.errors import CalwatchError
from monitor.model.files import directory_name
from monitor.model.samples import Samples
from monitor.recalibration.artefacts import write_artefact, write_current
from monitor.recalibration.calibrators import Beta, Calibrator, Isotonic, Platt, Temperature
from monitor.recalibration.fit_scores import fit_isotonic
from monitor.recalibration.onnx import artefact_to_export, export_onnx, onnx_model
from tests.recalibration.examples import EVERY_METHOD, inputs
from tests.recalibration.test_artefacts import ARTEFACT

Floats = NDArray[np.float64]
Precision = Literal["float", "double"]


def _run(model: bytes, values: NDArray[Any]) -> NDArray[Any]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    (calibrated,) = session.run(["calibrated"], {source.name: values})
    found: NDArray[Any] = calibrated
    return found


def _onnx(calibrator: Calibrator, precision: Precision, values: NDArray[Any]) -> NDArray[Any]:
    return _run(onnx_model(calibrator, precision=precision).SerializeToString(), values)


@pytest.mark.parametrize("precision", ["float", "double"])
@pytest.mark.parametrize("name", EVERY_METHOD)
def test_the_graph_of_every_method_equals_apply(name: str, precision: Precision) -> None:
    calibrator = EVERY_METHOD[name]
    kind = np.float32 if precision == "float" else np.float64
    score, logits = (each.astype(kind) for each in inputs())
    found = _onnx(calibrator, precision, logits if calibrator.needs_logits else score)
    assert found.dtype == kind
    assert found.shape == score.shape
    expected = calibrator.apply(score.astype(np.float64), logits.astype(np.float64))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 if precision == "float" else 1e-12)


def test_any_number_of_rows_goes_through_one_graph() -> None:
    model = onnx_model(EVERY_METHOD["isotonic"]).SerializeToString()
    for n in (0, 1, 7):
        assert _run(model, np.linspace(0, 1, n, dtype=np.float32)).shape == (n,)


@pytest.mark.parametrize("name", [name for name, each in EVERY_METHOD.items() if not each.needs_logits])
def test_a_score_that_is_nan_stays_nan(name: str) -> None:
    found = _onnx(EVERY_METHOD[name], "double", np.array([np.nan, 0.5]))
    assert np.isnan(found).tolist() == [True, False]


@pytest.mark.parametrize("knots", [1, 2, 3, 4, 5, 8, 9, 33])
def test_isotonic_finds_the_right_piece_for_any_number_of_knots(knots: int) -> None:
    rng = np.random.default_rng(knots)
    x, y = np.sort(rng.random((2, knots)))
    calibrator = Isotonic(tuple(x), tuple(y))
    score = np.concatenate([np.linspace(0, 1, 301), x, np.nextafter(x, 0), np.nextafter(x, 1)])
    np.testing.assert_allclose(_onnx(calibrator, "double", score), calibrator.apply(score), atol=1e-9)


def test_a_fitted_isotonic_of_hundreds_of_knots_equals_apply(stream: Callable[..., Samples]) -> None:
    samples = stream(np.random.default_rng(41), 20_000, temperature=2.0)
    fitted = fit_isotonic(samples.score, samples.outcome)
    assert len(fitted.x) > 60
    np.testing.assert_allclose(_onnx(fitted, "double", samples.score), fitted.apply(samples.score), atol=1e-6)


@pytest.mark.parametrize("calibrator", [Temperature(0.05), Platt(1000.0, -700.0), Beta(1000.0, 0.0, 700.0)])
def test_the_steepest_curves_equal_apply(calibrator: Calibrator) -> None:
    score, _ = inputs()
    np.testing.assert_allclose(_onnx(calibrator, "double", score), calibrator.apply(score), atol=1e-9)


def test_without_the_package_onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(CalwatchError, match="the package onnx is not installed") as refused:
        onnx_model(EVERY_METHOD["platt"])
    assert refused.value.hint == "pip install 'calwatch[onnx]'"


def test_a_file_carries_its_origin_and_runs_on_old_runtimes(tmp_path: Path) -> None:
    target = tmp_path / "calibrator.onnx"
    export_onnx(ARTEFACT, target, "float")
    model = onnx.load(target)
    notes = {entry.key: entry.value for entry in model.metadata_props}
    assert notes["calibrator"] == ARTEFACT.id
    assert notes["scope"] == ARTEFACT.scope.text
    assert notes["task"] == "multiclass"
    assert model.ir_version == 8
    assert [opset.version for opset in model.opset_import] == [17]
    score = inputs()[0].astype(np.float32)
    expected = ARTEFACT.calibrator.apply(score.astype(np.float64))
    np.testing.assert_allclose(_run(target.read_bytes(), score), expected, atol=1e-6)
    with pytest.raises(CalwatchError, match=r"cannot be written: No such file or directory"):
        export_onnx(ARTEFACT, tmp_path / "no" / "where.onnx", "float")


def test_exported_is_the_finest_in_charge_of_the_slice_or_the_one_named(tmp_path: Path) -> None:
    whole = replace(ARTEFACT, scope=Slice(), parent=None)
    camera = replace(ARTEFACT, scope=Slice.of({"camera": "c3"}))
    spare = replace(ARTEFACT, reasons=("never in charge",))
    for artefact in (whole, camera, spare):
        write_artefact(tmp_path, artefact)
    directory = tmp_path / directory_name(ARTEFACT.model)
    write_current(directory, {"camera=c3": camera.id})
    night = Slice.of({"camera": "c3", "lighting": "night"})
    assert artefact_to_export(tmp_path, ARTEFACT.model, night, None) == camera
    with pytest.raises(CalwatchError, match=r'model "parcels/v2": no calibrator is in charge of all') as refused:
        artefact_to_export(tmp_path, ARTEFACT.model, Slice(), None)
    assert "calwatch recalibrate parcels/v2" in refused.value.hint
    write_current(directory, {"camera=c3": camera.id, "all": whole.id})
    assert artefact_to_export(tmp_path, ARTEFACT.model, Slice.of({"camera": "c1"}), None) == whole
    assert artefact_to_export(tmp_path, ARTEFACT.model, night, spare.id) == spare
    with pytest.raises(CalwatchError, match="there is no such calibrator"):
        artefact_to_export(tmp_path, ARTEFACT.model, night, "0" * 16)
