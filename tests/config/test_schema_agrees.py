"""What the program takes and what its published schemas take is the same: each key with each of many awkward values.

A schema cannot say everything: mistakes that need a calendar, another key or another section are told by the program
alone, each listed here. What the program takes the schema takes always.
"""

import copy
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from monitor.cli.schemas import config_schema, rules_schema
from monitor.config.settings import parse_config
from monitor.model.errors import ConfigError
from monitor.rules.offered import read_rules
from monitor.rules.pack import parse_pack

pytestmark = pytest.mark.slow  # some 13,000 documents

VALUES: tuple[Any, ...] = (
    True, False, 0, 1, -1, 2, 50, 200, 10**18, 1.0, 0.5, 0.1, -0.0, 100.0, 101.0, 1e300, "", "x", "1h", "24h", "7d", "0s",
    "00s", "1d12h", " 1h", "1H", "٣d", "1h\n", "1_00", "5", "0.5", "1.0", "true", "2026-01-01", date(2026, 1, 1),
    datetime(2026, 1, 1, tzinfo=UTC), time(1, 0), [], ["x"], ["1h"], ["x", "x"], [5],
    [True], [[]], [{}], {}, {"x": 1}, {"x": "y"}, ["a", "b"], "all",
    ["all", "all"], "marginals", ["crosses"], ["marginals", "crosses"], "recalibrate", ["recalibrate"], ["a", "a"], "a\0b",
    "\u202ex", "é", "a" * 300, "a\nb", "camera\n", "default", ["default"], ["nope"], ["x\0.toml"], ["a@b\n.toml"],
    "127.0.0.1:9464", "0.0.0.0:80\n", "[::1]:80", "localhost:70000", ":80", "h:65535", "h:65536", "h:٣٣", "UTC", "Europe/Paris",
    "utc", "f1", "precision>=0.9", "0 2 * * *", "0 0 31 2 *", "@daily", "1GB", "1 KB", "1GB\n", "٣GB", "http://x/", "https://x",
    "http://[::1", "http://a b/", "http://a:99999999/", "http://a:80/b?c", "HTTP://x", "env:X", "env:X\n", "file:y", "file:\0",
    {"odds": 1.2}, {"probability": 0.1}, {"odds": 1.2, "probability": 0.1}, {"odds": True}, {"odds": "1.2"}, {"prob": 1},
    "1/year", "5 / week", "1/hour", "0/day", ".5/day", "1./day", "1/day ", "0.0/day", "400/year", "..", "a@b.c", ["a@b.c"],
    "sha256:" + "0" * 64, "sha256:" + "0" * 64 + "\n",
)  # fmt: skip
CONFIG: dict[str, Any] = {
    "monitor": {},
    "model": [{
        "name": "m", "task": "multiclass", "slices": ["camera"], "recalibration": {}, "threshold": {}, "rules": [],
                "source": [{"path": "s/*.csv", "outcomes": {}}],
    }, {
        "name": "boxes", "task": "detection", "matching": {}, "source": [{"path": "d/*", "holds": "detections", "name": "x"}],
    }],
    "action": [
        {"name": "a", "kind": "webhook", "url": "https://x/"}, {"name": "b", "kind": "command", "command": ["true"]},
        {"name": "c", "kind": "slack", "url": "env:X"},
        {"name": "d", "kind": "email", "to": ["a@b.c"], "sender": "a@b.c", "smtp": "x:25"},
    ],
    "server": {"token": [{"name": "t", "role": "write", "hash": "sha256:" + "0" * 64}]},
}  # fmt: skip
RULES: dict[str, Any] = {
    "rule": [
        {"name": "a", "kind": "threshold", "severity": "page", "metric": "ece", "above": 0.1, "window": "24h"},
        {"name": "b", "kind": "absence", "severity": "page", "of": "labels", "longer_than": "2h"},
        {"name": "c", "kind": "drift", "severity": "page", "tolerance": {}},
        {"name": "d", "kind": "disparity", "severity": "page", "measure": "gap", "window": "24h"},
    ]
}  # fmt: skip
BEYOND_A_SCHEMA = (  # parts of the mistakes that only the program tells
    "must be a time zone", "must be a cron expression", "must be five cron fields", "must divide a day evenly",
    "must be multiples of the bucket", "names a window twice", "must not be shorter", "must not be below min_samples",
    'at most "1000y"', "belongs to task", "needs task", "reserved name", "columns maps unknown", "columns has",
    "at least one must hold samples", "needs a name of its own", "as true and as false", "nobody may push",
    "there is no model", "are called", "user and password go together", "timeout must lie between", "no HTTP header",
    "no name of a variable", "must be a plain address", "policy must be", "threshold policy", "go together: name both",
    "can be reached from elsewhere", "without scheme, port", "must be a URL", "must name the secret",
    "is no slice dimension", "can never hold", "give either above or below", "goes with", "must not exceed",
    "must not be less than", "leaves out every slice", "more than one a day", "no such file", "has the name of rule",
    "Is a directory", "must not hold", "must be a list that begins with a program", "would silence", "is none of the model",
    "at least 50", "has no rest", "unknown action", "does not go with of", "must be a number per year",
    "which calwatch sets itself", "goes with task", "needs holds", "of a detector one must hold",
    "two lengths in pixels", "matching is for boxes", "beside sources of boxes", "must rise, each once", "show_images needs",
    "must name one host", "has the unknown field", "must have its fields in single braces", "is the same for many images",
    "must be singular",
)  # fmt: skip


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return (
        json.dumps(value)
        if isinstance(value, str)
        else str(value)
        if isinstance(value, int | float)
        else value.isoformat()
    )


def _paths(schema: Any, value: Any, root: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key that the schema knows of the tables in the document."""
    forms = [schema]
    for form in forms:
        forms += [*form.get("anyOf", ()), *form.get("allOf", ())]
        if "$ref" in form:
            forms.append(root["definitions"][form["$ref"].rpartition("/")[2]])
    if isinstance(value, list):
        for number, each in enumerate(value):
            for form in forms:
                if isinstance(form.get("items"), dict):
                    yield from _paths(form["items"], each, root, (*above, number))
    for form in forms:
        for key, inner in form.get("properties", {}).items():
            if isinstance(value, dict):
                yield (*above, key)
            if isinstance(value, dict) and key in value:
                yield from _paths(inner, value[key], root, (*above, key))


def _changed(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed: Any = copy.deepcopy(document)
    held = changed
    for step in path[:-1]:
        held = held[step]
    held[path[-1]] = value
    return changed  # type: ignore[no-any-return]


def _refusals(document: dict[str, Any], is_pack: bool, folder: Path) -> list[str]:
    text = "\n".join(f"{json.dumps(key)} = {_written(value)}" for key, value in document.items())
    try:
        if is_pack:
            parse_pack(text, "own.toml")
            return []
        return read_rules(parse_config(text, "calwatch.toml", folder))[1]
    except ConfigError as error:
        return error.mistakes


CONFIG_VALIDATOR = jsonschema.Draft7Validator(config_schema())
RULES_VALIDATOR = jsonschema.Draft7Validator(rules_schema())
SHARED = (
    "on", "models", "timeout", "attempts", "severity", "summary", "actions", "cooldown", "for", "keep_firing_for", "only"
)  # fmt: skip
CASES = [
    (is_pack, path)
    for is_pack, schema, document in ((False, config_schema(), CONFIG), (True, rules_schema(), RULES))
    for path in dict.fromkeys(_paths(schema, document, schema))
    # keys of every kind once
    if path[:2] != ("model", 1) or path[2:3] == ("matching",) or path[3:] == ("holds",)
    if not (path[0] in ("action", "rule") and len(path) > 2 and path[1] and path[2] in SHARED)
]


@pytest.mark.parametrize(("is_pack", "path"), CASES, ids=[".".join(map(str, path)) for _, path in CASES])
def test_the_program_takes_what_the_schema_takes(is_pack: bool, path: tuple[Any, ...], tmp_path: Path) -> None:
    document, validator = (RULES, RULES_VALIDATOR) if is_pack else (CONFIG, CONFIG_VALIDATOR)
    for value in VALUES:
        changed = _changed(document, path, value)
        told = _refusals(changed, is_pack, tmp_path)
        # JSON has no times: nothing that a list holds may be taken for one
        as_json = json.loads(json.dumps(changed, default=lambda held: [[str(held)]]))
        taken = validator.is_valid(as_json)
        assert taken or told, f"{path} = {value!r}: the program takes it, the schema does not"
        assert not taken or all(any(part in each for part in BEYOND_A_SCHEMA) for each in told), (path, value, told)
        assert all(each.isprintable() and len(each) < 1500 for each in told), told
        assert not any("Input should" in each or "Value should" in each for each in told), told


def test_the_values_are_tried_at_every_key() -> None:
    assert len(CASES) > 110
