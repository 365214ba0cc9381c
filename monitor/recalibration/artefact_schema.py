"""JSON Schemas (draft 2020-12) of the two files production reads: a calibrator's artefact, and ``current.json``.

They describe what this release writes. Readers should ignore keys they do not know.
"""

import json
from copy import deepcopy
from importlib.resources import files
from typing import Any

from monitor.model import Task
from monitor.model.methods import METHOD_NAMES, METHODS, Method
from monitor.recalibration.methods import calibrator_class
from monitor.recalibration.tuning.operating import OPERATING_VERSION

_OF_PROBABILITIES = 3  # schema version of those that take the logarithm of probabilities first


def artefact_schema() -> dict[str, Any]:
    """Of ``<model>/<id>.json``. What a schema cannot say: ``id`` is the start of the SHA-256 of the rest."""
    schema = _read("artefact")
    properties = schema["properties"]
    versions = {calibrator_class(name).schema_version for name in METHOD_NAMES}
    properties["schema_version"]["enum"] = sorted({_OF_PROBABILITIES, OPERATING_VERSION, *versions})
    properties["method"]["enum"] = list(METHOD_NAMES)
    properties["task"]["enum"] = [task.value for task in Task]
    schema["allOf"] = [*map(_of_method, METHODS), *schema["allOf"]]
    return schema


def current_schema() -> dict[str, Any]:
    """Of ``<model>/current.json``."""
    return _read("current")


def _read(name: str) -> dict[str, Any]:
    """The schema as far as it says nothing of methods and tasks."""
    schema: dict[str, Any] = json.loads((files(__package__) / f"{name}.schema.json").read_text("utf-8"))
    return schema


def _of_method(method: Method) -> dict[str, object]:
    made = calibrator_class(method.name)
    on_logits = method.fit_logits and made.schema  # what has no parameters does the same to probabilities
    return {
        "if": {"properties": {"method": {"const": method.name}}},
        "then": {
            "properties": {
                "schema_version": {
                    "enum": [made.schema_version, *([_OF_PROBABILITIES] if on_logits else []), OPERATING_VERSION]
                },
                "parameters": {
                    "description": made.formula,
                    "properties": deepcopy(dict(made.schema)),
                    "required": list(made.schema),
                    "additionalProperties": False,
                },
            }
        },
    }
