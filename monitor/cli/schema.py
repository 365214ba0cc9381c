"""JSON Schemas of the files people write, for editors: calwatch.toml, from the models that read it, and rule packs.

Draft 7, which editors' TOML extensions know. A schema cannot say everything: ``calwatch check`` has the last word.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from monitor.cli import output as console
from monitor.config.actions import KEYS_OF_KIND as KEYS_OF_ACTION
from monitor.config.actions import NEEDED_KEYS
from monitor.config.settings import Config, window_name
from monitor.model import COUNTS, METRICS, RuleKind, Severity
from monitor.model.errors import CalwatchError
from monitor.rules.pack import (
    ABSENT,
    BUILT_IN_ACTIONS,
    COMMON_KEYS,
    KEYS_OF_KIND,
    LEAST_REFERENCE_SAMPLES,
    MAX_LEVEL,
    MEASURES,
    ORDERS,
    REFERENCES,
    shipped_packs,
)

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+[smhdwy])+$"}
_REFERENCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"
_PATTERNS = {  # checked by code that leaves no trace in the models: (section, key) → pattern
    ("Monitor", "listen"): r"^.+:[0-9]{1,5}$", ("Monitor", "external_url"): r"^https?://",
    ("Action", "smtp"): r"^.+:[0-9]{1,5}$", ("Action", "secret"): _REFERENCE, ("Action", "password"): _REFERENCE,
    ("Action", "url"): r"^(https?://|env:|file:)", ("Action", "sender"): r"^[^@\s]+@[^@\s]+$",
}  # fmt: skip


def config_schema() -> Schema:
    """Of calwatch.toml."""
    made = Config.model_json_schema()
    definitions: Schema = {name: _plain(held) for name, held in made.pop("$defs").items()}
    whole = _plain(made)
    del whole["properties"]["base"]
    model, action = definitions["Model"]["properties"], definitions["Action"]
    told = model["source"].get("description", "")
    model["source"] = {
        "description": told,
        "anyOf": [{"type": "array", "minItems": 1, "items": _to("Source")}, _to("Source")],
    }
    model["rules"]["items"] = {"anyOf": [{"enum": list(shipped_packs())}, {"type": "string", "pattern": r"/|\.toml$"}]}
    for (section, key), pattern in _PATTERNS.items():
        definitions[section]["properties"][key]["pattern"] = pattern
    foreign = {key for keys in KEYS_OF_ACTION.values() for key in keys}
    action["allOf"] = [
        _of_kind(kind, list(NEEDED_KEYS[kind]), sorted(foreign - set(keys))) for kind, keys in KEYS_OF_ACTION.items()
    ]
    return {"$schema": DRAFT, "title": "calwatch.toml", **whole, "definitions": definitions}


def rules_schema() -> Schema:
    """Of a rule pack."""
    foreign = {key for keys in KEYS_OF_KIND.values() for key in keys}
    rule: Schema = {
        "type": "object", "additionalProperties": False, "required": ["name", "kind", "severity"],
        "properties": {key: _RULE_KEYS[key] for key in (*COMMON_KEYS, *sorted(foreign))},
        "allOf": [
            _of_kind(kind.value, _REQUIRED[kind], sorted(foreign - set(keys))) for kind, keys in KEYS_OF_KIND.items()
        ],
    }  # fmt: skip
    return {
        "$schema": DRAFT, "title": "A rule pack of calwatch", "type": "object", "additionalProperties": False,
        "required": ["rule"],
        "properties": {"rule": {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/Rule"}}},
        "definitions": {"Rule": rule},
    }  # fmt: skip


_REQUIRED = {
    RuleKind.THRESHOLD: ["metric", "window"], RuleKind.ABSENCE: ["of", "longer_than"], RuleKind.DRIFT: [],
    RuleKind.DISPARITY: ["measure", "window"],
}  # fmt: skip
_ORDER: Schema = {"enum": list(ORDERS)}
_NUMBER: Schema = {"type": "number"}
_RULE_KEYS: dict[str, Schema] = {
    "name": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        "description": "a later pack's rule of the same name replaces it"},
    "kind": {"enum": list(RuleKind),
        "description": "drift: evidence with a false-alarm budget; threshold: a metric above or below a value; "
        "disparity: a slice worse than the rest; absence: nothing came"},
    "severity": {"enum": list(Severity), "description": "how urgent"},
    "summary": {"type": "string", "description": "what to tell people, in a sentence"},
    "actions": {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True,
        "description": f"what to do when it fires: {', '.join(BUILT_IN_ACTIONS)}, or names of [[action]]"},
    "cooldown": {**DURATION, "default": "24h", "description": "while it fires, actions run again after this long"},
    "for": {**DURATION, "default": "0s", "description": "it must hold this long before it fires"},
    "keep_firing_for": {**DURATION, "default": "0s", "description": "it fires this long after it last held"},
    "slices": {"anyOf": [_ORDER, {"type": "array", "minItems": 1, "items": _ORDER}],
        "description": "which slices it covers; default: every one"},
    "only": {"type": "object", "additionalProperties": {"type": "string"},
        "description": 'only inside this slice, e.g. { lighting = "night" }'},
    "metric": {"enum": [*METRICS, *COUNTS], "description": "threshold: what is compared; alert on ece_lower"},
    "above": {**_NUMBER, "description": "threshold: fires above this; disparity: the least difference that matters"},
    "below": {**_NUMBER, "description": "threshold: fires below this"},
    "clear_above": {**_NUMBER, "description": "with below: resolves only above this"},
    "clear_below": {**_NUMBER, "description": "with above: resolves only below this"},
    "window": {**DURATION, "description": "one of the model's windows"},
    "min_samples": {"type": "integer", "minimum": 0, "description": "labelled samples below which nothing is judged"},
    "of": {"enum": list(ABSENT), "description": "absence: what does not come"},
    "longer_than": {**DURATION, "description": "absence: for how long"},
    "false_alarms": {"type": "string", "pattern": r"^[0-9.]+ ?/ ?(year|month|week|day)$", "default": "1/year",
        "description": "drift: alarms told by luck, over all slices together, on average at most"},
    "tolerance": {"type": "object", "additionalProperties": False, "maxProperties": 1,
        "properties": {
            "odds": {"type": "number", "minimum": 1, "maximum": 100},
            "probability": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        },
        "description": "drift: differences this small are none; {} for none at all"},
    "reference": {"enum": list(REFERENCES), "default": "score",
        "description": "drift away from perfect calibration, or from how it was at deployment"},
    "reference_samples": {"type": "integer", "minimum": LEAST_REFERENCE_SAMPLES,
        "description": 'with reference = "deployment": its first samples'},
    "measure": {"enum": list(MEASURES), "description": "disparity: error: debiased ECE; gap: calibration gap in size"},
    "level": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_LEVEL, "default": 0.05,
        "description": "disparity: how often any slice may be named by luck"},
}  # fmt: skip


def _of_kind(kind: str, required: list[str], foreign: list[str]) -> Schema:
    """What a table of this kind must and must not have."""
    then: Schema = {"properties": dict.fromkeys(foreign, False)}
    if required:
        then["required"] = required
    return {"if": {"required": ["kind"], "properties": {"kind": {"const": kind}}}, "then": then}


def _to(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _plain(held: Any) -> Any:
    """pydantic's schema without titles and nulls (TOML has none), durations as people write them, references as draft 7
    has them."""
    if isinstance(held, list):
        return [_plain(each) for each in held]
    if not isinstance(held, dict):
        return held
    if held.get("format") == "duration":
        held = {**DURATION, **{key: value for key, value in held.items() if key in ("description", "default")}}
    if "anyOf" in held:
        options = [each for each in held["anyOf"] if each != {"type": "null"}]
        rest = {key: value for key, value in held.items() if key != "anyOf"}
        held = {**rest, **options[0]} if len(options) == 1 else {**rest, "anyOf": options}
    if "$ref" in held and len(held) > 1:  # draft 7 reads nothing beside a reference
        rest = {key: value for key, value in held.items() if key != "$ref"}
        held = {**rest, "allOf": [{"$ref": held["$ref"]}]}
    found: Schema = {}
    for key, value in held.items():
        if key in ("title", "format") and isinstance(value, str):
            continue
        if key == "$ref":
            found[key] = str(value).replace("#/$defs/", "#/definitions/")
        elif key == "default":
            if value is not None:
                found[key] = _default(value)
        elif key in ("properties", "$defs"):  # a key may be called title, too
            found[key] = {name: _plain(each) for name, each in value.items()}
        else:
            found[key] = _plain(value)
    return found


def _default(value: Any) -> Any:
    """As it would be written in TOML: ``PT1H`` is ``1h``."""
    if isinstance(value, list):
        return [_default(each) for each in value]
    if isinstance(value, str) and value.startswith("P") and value[1:2] in {"T", *"0123456789"}:
        return window_name(TypeAdapter(timedelta).validate_python(value))
    return value


def schema(
    rules: Annotated[bool, typer.Option("--rules", help="of rule packs instead of calwatch.toml")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="write it there instead of printing it")] = None,
    config: Annotated[Path, typer.Option("--config", help="not read: the schema is the same for every one")] = Path(
        "calwatch.toml"
    ),
) -> None:
    """Print the JSON Schema of calwatch.toml, or of rule packs, for editors."""

    text = _text(rules_schema() if rules else config_schema())
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise CalwatchError(f"{out}: cannot be written: {error.strerror}") from error
    console.say(f"wrote {out}")


def write_schemas(config: Path, rules: Path) -> None:
    """Write both, where the first lines of the starter's files name them. Raises OSError."""

    for target, held in ((config, config_schema()), (rules, rules_schema())):
        target.write_text(_text(held), "utf-8")
        console.say(f"wrote {target}")


def _text(held: dict[str, Any]) -> str:
    return json.dumps(held, indent=2, ensure_ascii=False) + "\n"
