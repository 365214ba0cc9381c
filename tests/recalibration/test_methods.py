"""A method of calibration is listed once: what the entry says holds everywhere."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from monitor.cli.schemas import config_schema
from monitor.config.settings import Recalibration
from monitor.config.tables import choices_of
from monitor.model.methods import METHOD_NAMES, METHODS, Method, method_named
from monitor.recalibration.artefact_schema import artefact_schema
from monitor.recalibration.fit_cells import ON_SCORES
from monitor.recalibration.methods import calibrator_class, calibrator_from, part_of
from monitor.recalibration.selection import ON_LOGITS
from tests.recalibration.examples import EVERY_METHOD


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_place_that_an_entry_names_is_there(method: Method) -> None:
    assert calibrator_class(method.name).name == method.name
    assert method.fit or method.fit_logits
    for place in filter(None, (method.fit, method.fit_logits)):
        assert callable(part_of(place))


def test_the_configuration_its_schema_and_the_schema_of_artefacts_take_the_methods_of_the_list() -> None:
    assert choices_of(Recalibration.model_fields["method"].annotation) == ["auto", *METHOD_NAMES]
    assert config_schema()["definitions"]["Recalibration"]["properties"]["method"]["enum"] == ["auto", *METHOD_NAMES]
    schema: Any = artefact_schema()
    assert schema["properties"]["method"]["enum"] == list(METHOD_NAMES)


def test_candidates_are_in_the_order_of_the_list_which_begins_with_the_identity() -> None:
    assert METHOD_NAMES[0] == ON_SCORES[0] == ON_LOGITS[0] == "identity"
    assert tuple(name for name in METHOD_NAMES if method_named(name).fit) == ON_SCORES
    assert tuple(name for name in METHOD_NAMES if method_named(name).fit_logits) == ON_LOGITS


@pytest.mark.parametrize("name", EVERY_METHOD)
def test_parameters_are_those_of_the_published_schema_and_rebuild_the_calibrator(name: str) -> None:
    calibrator = EVERY_METHOD[name]
    held = json.loads(json.dumps(calibrator.parameters()))
    assert held.keys() == calibrator.schema.keys()
    for key, schema in calibrator.schema.items():
        Draft202012Validator(schema).validate(held[key])
    assert calibrator_from(calibrator.method, held) == calibrator


def test_a_name_that_is_no_method_is_told_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"^method must be one of identity, .*, vector \(got 'spline'\)$"):
        method_named("spline")
    with pytest.raises(ValueError, match=r"^method must be one of a, b \(got 'platt'\)$"):
        method_named("platt", ("a", "b"))
