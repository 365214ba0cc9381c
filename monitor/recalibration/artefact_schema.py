"""JSON Schemas (draft 2020-12) of the two files production reads: a calibrator's artefact, and ``current.json``.

They describe what this release writes. Readers should ignore keys they do not know.
"""

from copy import deepcopy

from monitor.model import Task
from monitor.model.methods import METHOD_NAMES, METHODS, Method
from monitor.recalibration.methods import calibrator_class

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_ID = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
_SCOPE = {
    "type": "string",
    "pattern": "^(all|[^=].*=.*)$",
    "description": 'canonical slice text: "all", or name=value pairs joined by commas; backslash escapes \\ , = and newline',
}
_TIME = {"type": "string", "format": "date-time"}

_OF_PROBABILITIES = 3  # schema version of those that take the logarithm of probabilities first


def artefact_schema() -> dict[str, object]:
    """Of ``<model>/<id>.json``. What a schema cannot say: ``id`` is the start of the SHA-256 of the rest."""
    metrics = {"type": "object", "additionalProperties": {"type": ["number", "null"]}}
    classes = [calibrator_class(name) for name in METHOD_NAMES]
    properties: dict[str, object] = {
        "id": {**_ID, "description": "the first 16 hex digits of the SHA-256 of all other keys, as canonical JSON"},
        "schema_version": {"enum": sorted({_OF_PROBABILITIES, *(made.schema_version for made in classes)})},
        "model": {"type": "string", "minLength": 1},
        "scope": _SCOPE,
        "method": {"enum": list(METHOD_NAMES)},
        "parameters": {"type": "object"},
        "task": {"enum": [task.value for task in Task]},
        "fitted_at": _TIME,
        "fit_window": {"$ref": "#/$defs/window"},
        "gate_window": {"anyOf": [{"$ref": "#/$defs/window"}, {"type": "null"}]},
        "parent": {"anyOf": [_ID, {"type": "null"}], "description": "the calibrator it replaced"},
        "before": {**metrics, "description": "on the gate window, of the calibrator that was in charge"},
        "after": {**metrics, "description": "on the gate window, of this calibrator"},
        "reasons": {"type": "array", "items": {"type": "string"}},
        "calwatch_version": {"type": "string"},
    }
    optional = {
        "logits_are": {
            "enum": ["logits", "probabilities"],
            "default": "logits",
            "description": "what z is made of: the logits that serving has, or ln(max(q, 1e-30)) of its probabilities q",
        }
    }
    return deepcopy(
        {
            "$schema": _DRAFT,
            "title": "A calibrator of calwatch",
            "type": "object",
            "properties": {**properties, **optional},
            "required": list(properties),
            "allOf": [
                *(_of_method(method) for method in METHODS),
                {
                    "if": {"properties": {"schema_version": {"const": _OF_PROBABILITIES}}},
                    "then": {
                        "required": ["logits_are"],
                        "properties": {
                            "logits_are": {"const": "probabilities"},
                            "parameters": {"properties": {"multiclass": {"const": True}}},
                        },
                    },
                    "else": {"properties": {"logits_are": {"const": "logits"}}},
                },
            ],
            "$defs": {
                "window": {
                    "type": "object",
                    "properties": {"start": _TIME, "end": _TIME, "n": {"type": "integer", "minimum": 0}},
                    "required": ["start", "end", "n"],
                }
            },
        }
    )


def current_schema() -> dict[str, object]:
    """Of ``<model>/current.json``."""
    return deepcopy(
        {
            "$schema": _DRAFT,
            "title": "The calibrators of a model that are in charge",
            "type": "object",
            "properties": {
                "schema_version": {"const": 1},
                "current": {
                    "type": "object",
                    "description": "scope → calibrator id; of those that contain a sample the one naming most labels counts",
                    "propertyNames": _SCOPE,
                    "additionalProperties": _ID,
                },
            },
            "required": ["schema_version", "current"],
        }
    )


def _of_method(method: Method) -> dict[str, object]:
    made = calibrator_class(method.name)
    on_logits = method.fit_logits and made.schema  # what has no parameters does the same to probabilities
    return {
        "if": {"properties": {"method": {"const": method.name}}},
        "then": {
            "properties": {
                "schema_version": {"enum": [made.schema_version, *([_OF_PROBABILITIES] if on_logits else [])]},
                "parameters": {
                    "description": made.formula,
                    "properties": made.schema,
                    "required": list(made.schema),
                    "additionalProperties": False,
                },
            }
        },
    }
