"""The documents' own `calibrated`, taken from its text and run without calwatch, equals what calwatch does."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.model import MISSING, Slice
from monitor.model.files import directory_name
from monitor.recalibration.artefacts import write_artefact, write_current
from monitor.recalibration.calibrators import Identity, Temperature
from monitor.recalibration.onnx import artefact_to_export
from monitor.store.values import normalize_word
from tests.documents import find_blocks
from tests.recalibration.examples import EVERY_METHOD, inputs
from tests.recalibration.test_artefacts import ARTEFACT

(SOURCE,) = [block for block in find_blocks("python") if "def calibrated(" in block]
Calibrated = Callable[..., NDArray[np.float64]]


def _reference() -> Calibrated:
    names: dict[str, Any] = {}
    exec(compile(SOURCE, "README.md", "exec"), names)
    found: Calibrated = names["calibrated"]
    return found


CALIBRATED = _reference()
DIRECTORY = directory_name(ARTEFACT.model)


def test_it_has_thirty_lines_and_needs_nothing_but_numpy() -> None:
    assert len(SOURCE.partition("def ")[2].splitlines()) <= 30
    assert set(re.findall(r"^(?:import|from) (\w+)", SOURCE, re.MULTILINE)) == {"json", "itertools", "numpy"}


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_every_method_is_applied_as_calwatch_does(tmp_path: Path, name: str) -> None:
    calibrator = EVERY_METHOD[name]
    artefact = replace(ARTEFACT, scope=Slice(), method=calibrator.method, parameters=calibrator.parameters())
    write_artefact(tmp_path, artefact)
    write_current(tmp_path / DIRECTORY, {"all": artefact.id})
    score, logits = inputs()
    found = CALIBRATED(tmp_path / DIRECTORY, {"camera": "c1"}, score, logits)
    np.testing.assert_allclose(found, calibrator.apply(score, logits), rtol=0, atol=1e-6)


def _plain(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: normalize_word(value) or MISSING for name, value in labels.items()}


words = st.text("a10.\\,=\n ", min_size=1, max_size=3)
label_maps = st.dictionaries(words, words, max_size=3)


@settings(deadline=None)
@given(scopes=st.lists(label_maps, max_size=5), labels=label_maps)
def test_the_scope_it_picks_is_the_one_in_charge(
    tmp_path_factory: pytest.TempPathFactory, scopes: list[dict[str, str]], labels: dict[str, str]
) -> None:
    """Scopes drawn from the slice's own labels too, with every character that canonical text escapes; as the store has them."""
    directory = tmp_path_factory.mktemp("calibrators")
    some = [dict(list(labels.items())[start:]) for start in range(len(labels) + 1)]
    current = {}
    for place, scope in enumerate([*scopes, *some[:: 1 + len(scopes)]]):
        calibrator = Temperature(1.0 + place)
        artefact = replace(ARTEFACT, scope=Slice.of(_plain(scope)), parameters=calibrator.parameters())
        write_artefact(directory, artefact)
        current[artefact.scope.text] = artefact.id
    write_current(directory / DIRECTORY, current)
    chosen = artefact_to_export(directory, ARTEFACT.model, Slice.of(_plain(labels)), None).calibrator
    score = np.array([0.2, 0.9])
    np.testing.assert_allclose(CALIBRATED(directory / DIRECTORY, labels, score), chosen.apply(score), atol=1e-12)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1.0", "1"), (1.0, "1"), (1, "1"), (" c1 ", "c1"), ("-3.00", "-3"), ("\ufeff7", "7"), ("1.10", "1.10"), ("1.", "1."),
        ("v1.0", "v1.0"), (".0", ".0"), ("", "__missing__"), (" ", "__missing__"), ("٣.0", "٣.0"), ("12,0", "12,0"),
        ("1e3", "1e3"), ("00.0", "00"),
    ],
)  # fmt: skip
def test_slice_values_are_looked_up_as_the_store_writes_them(tmp_path: Path, sent: object, kept: str) -> None:
    if isinstance(sent, str):
        assert (normalize_word(sent) or MISSING) == kept
    calibrator = Temperature(2.0)
    artefact = replace(ARTEFACT, scope=Slice.of({"camera": kept}), parameters=calibrator.parameters())
    write_artefact(tmp_path, artefact)
    write_current(tmp_path / DIRECTORY, {artefact.scope.text: artefact.id})
    score = np.array([0.2, 0.9])
    found = CALIBRATED(tmp_path / DIRECTORY, {"camera": sent, "lighting": "day"}, score)
    np.testing.assert_allclose(found, calibrator.apply(score), atol=1e-12)


def test_a_slice_that_no_calibrator_is_in_charge_of_keeps_its_scores(tmp_path: Path) -> None:
    write_current(tmp_path, {})
    score = np.array([0.2, 0.9])
    np.testing.assert_array_equal(CALIBRATED(tmp_path, {"camera": "c1"}, score), Identity().apply(score))


def test_a_method_from_the_future_is_an_error_and_no_guess(tmp_path: Path) -> None:
    write_current(tmp_path, {"all": "a" * 16})
    document = {"method": "magic", "parameters": {}}
    (tmp_path / f"{'a' * 16}.json").write_text(json.dumps(document), "utf-8")
    with pytest.raises(KeyError, match="magic"):
        CALIBRATED(tmp_path, {}, np.array([0.5]))
