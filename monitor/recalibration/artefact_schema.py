"""JSON Schemas (draft 2020-12) of the two files production reads: a calibrator's artefact, and ``current.json``.

They describe what this release writes. Readers should ignore keys they do not know.
"""

import json

from monitor.model import Task
from monitor.recalibration.calibrators import MAX_EXPONENT, MAX_INTERCEPT

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_ID = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
_SCOPE = {
    "type": "string",
    "pattern": "^(all|[^=].*=.*)$",
    "description": 'canonical slice text: "all", or name=value pairs joined by commas; backslash escapes \\ , = and newline',
}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_EXPONENT = {"type": "number", "minimum": 0, "maximum": MAX_EXPONENT}
_INTERCEPT = {"type": "number", "minimum": -MAX_INTERCEPT, "maximum": MAX_INTERCEPT}
_TIME = {"type": "string", "format": "date-time"}

# method → (schema version, formula, parameters); p is the score, z the logits
_METHODS: dict[str, tuple[int, str, dict[str, object]]] = {
    "identity": (1, "p", {}),
    "temperature": (
        1,
        "sigmoid(logit(p) / temperature); multiclass: max over classes of softmax(z / temperature)",
        {"temperature": {"type": "number", "exclusiveMinimum": 0}, "multiclass": {"type": "boolean"}},
    ),
    "isotonic": (
        1,
        "linear between the knots (x, y), constant outside; x rises strictly, y never falls, as many y as x",
        {
            "x": {"type": "array", "minItems": 1, "items": {"type": "number", "minimum": 0, "maximum": 1}},
            "y": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            },
        },
    ),
    "platt": (2, "sigmoid(slope * logit(p) + intercept)", {"slope": _EXPONENT, "intercept": _INTERCEPT}),
    "beta": (
        2,
        "sigmoid(a * ln(p) - b * ln(1 - p) + c)",
        {"a": _EXPONENT, "b": _EXPONENT, "c": _INTERCEPT},
    ),
    "vector": (
        2,
        "softmax(weights * z + biases) at the first maximum of z; a z of minus infinity stays so",
        {"weights": {**_NUMBERS, "minItems": 2}, "biases": {**_NUMBERS, "minItems": 2}},
    ),
}

_ON_LOGITS = ("temperature", "vector")
_OF_PROBABILITIES = 3  # schema version of those that take the logarithm of probabilities first


def artefact_schema() -> dict[str, object]:
    """Of ``<model>/<id>.json``. What a schema cannot say: ``id`` is the start of the SHA-256 of the rest."""
    metrics = {"type": "object", "additionalProperties": {"type": ["number", "null"]}}
    properties: dict[str, object] = {
        "id": {**_ID, "description": "the first 16 hex digits of the SHA-256 of all other keys, as canonical JSON"},
        "schema_version": {"enum": [*sorted({version for version, _, _ in _METHODS.values()}), _OF_PROBABILITIES]},
        "model": {"type": "string", "minLength": 1},
        "scope": _SCOPE,
        "method": {"enum": list(_METHODS)},
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
    return _copied(
        {
            "$schema": _DRAFT,
            "title": "A calibrator of calwatch",
            "type": "object",
            "properties": {**properties, **optional},
            "required": list(properties),
            "allOf": [
                *(_method(name, *described) for name, described in _METHODS.items()),
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
    return _copied(
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


def _method(name: str, version: int, formula: str, parameters: dict[str, object]) -> dict[str, object]:
    return {
        "if": {"properties": {"method": {"const": name}}},
        "then": {
            "properties": {
                "schema_version": {"enum": [version, _OF_PROBABILITIES]} if name in _ON_LOGITS else {"const": version},
                "parameters": {
                    "description": formula,
                    "properties": parameters,
                    "required": list(parameters),
                    "additionalProperties": False,
                },
            }
        },
    }


def _copied(schema: dict[str, object]) -> dict[str, object]:
    """The caller's own, with nothing shared: it may be changed freely."""
    own: dict[str, object] = json.loads(json.dumps(schema))
    return own
