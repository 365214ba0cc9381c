"""What calwatch writes fits the published JSON Schemas, and what it would refuse to read does not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from monitor.recalibration.artefact_schema import artefact_schema, current_schema
from monitor.recalibration.artefacts import write_artefact, write_current
from monitor.recalibration.methods import calibrator_from
from tests.recalibration.examples import EVERY_METHOD
from tests.recalibration.test_artefacts import ARTEFACT

ARTEFACTS = Draft202012Validator(artefact_schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
CURRENT = Draft202012Validator(current_schema())


def _written(directory: Path, name: str) -> dict[str, Any]:
    calibrator = EVERY_METHOD[name]
    path = write_artefact(directory, replace(ARTEFACT, method=calibrator.method, parameters=calibrator.parameters()))
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


@pytest.mark.parametrize("schema", [artefact_schema(), current_schema()])
def test_the_schemas_are_schemas_of_draft_2020_12(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_a_written_artefact_of_every_method_fits(tmp_path: Path, name: str) -> None:
    assert [error.message for error in ARTEFACTS.iter_errors(_written(tmp_path, name))] == []


def test_an_artefact_that_was_never_gated_fits(tmp_path: Path) -> None:
    first = replace(ARTEFACT, method="identity", parameters={}, gate_window=None, parent=None, before={}, after={})
    ARTEFACTS.validate(json.loads(write_artefact(tmp_path, first).read_text("utf-8")))


CHANGES: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("platt", lambda document: document.update(schema_version=1)),
    ("temperature", lambda document: document.update(schema_version=2)),
    ("platt", lambda document: document.update(schema_version=3)),
    ("platt", lambda document: document["parameters"].update(slope=-0.1)),
    ("platt", lambda document: document["parameters"].update(offset=1)),
    ("beta", lambda document: document["parameters"].pop("c")),
    ("beta", lambda document: document["parameters"].update(a="1")),
    ("temperature", lambda document: document["parameters"].update(temperature=0)),
    ("vector", lambda document: document["parameters"].update(weights=[1.0])),
    ("isotonic", lambda document: document["parameters"].update(y=[0.0] * 5)),
    ("identity", lambda document: document.update(method="magic")),
    ("identity", lambda document: document.update(id="x")),
    ("identity", lambda document: document.update(scope="camera")),
    ("identity", lambda document: document.update(task="guessing")),
    ("identity", lambda document: document.update(fit_window=None)),
    ("identity", lambda document: document.update(before={"ece": "0.1"})),
    ("identity", lambda document: document.pop("reasons")),
]


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_what_calwatch_would_refuse_does_not_fit(
    tmp_path: Path, name: str, change: Callable[[dict[str, Any]], Any]
) -> None:
    document = _written(tmp_path, name)
    change(document)
    assert not ARTEFACTS.is_valid(document)


def test_every_method_there_is_stands_in_the_schema() -> None:
    with pytest.raises(ValueError, match=r"one of (.*) \(got") as refused:
        calibrator_from("?", {})
    known = str(refused.value).partition("one of ")[2].partition(" (")[0].split(", ")
    properties: Any = artefact_schema()["properties"]
    assert sorted(known) == sorted(properties["method"]["enum"])


def test_current_fits_and_what_maps_no_scope_to_an_id_does_not(tmp_path: Path) -> None:
    path = write_current(tmp_path, {"all": "a" * 16, "camera=c3,lighting=night\\, late": "b" * 16})
    document = json.loads(path.read_text("utf-8"))
    CURRENT.validate(document)
    for wrong in ({"camera": "a" * 16}, {"all": "A"}, {"all": 3}):
        assert not CURRENT.is_valid({**document, "current": wrong})
    assert not CURRENT.is_valid({**document, "schema_version": 2})
    CURRENT.validate(json.loads(write_current(tmp_path, {}).read_text("utf-8")))


def test_a_schema_may_be_changed_by_who_asked_for_it() -> None:
    mine: Any = artefact_schema()
    mine["$defs"].clear()
    mine["properties"]["scope"].clear()
    theirs: Any = artefact_schema()
    assert theirs["$defs"]
    assert theirs["properties"]["scope"]
