"""Schemas of the files people write and programs read, for editors and readers, from the models that read or write them.

Draft 7 for calwatch.toml and rule packs, which editors' TOML extensions know. A schema cannot say everything:
``calwatch check`` has the last word.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from monitor.config.actions import KEYS_OF_KIND as KEYS_OF_ACTION
from monitor.config.actions import NEEDED_KEYS
from monitor.config.fields import DURATION_SCHEMA
from monitor.config.reference import configuration_table, rules_table
from monitor.config.secrets import REFERENCE
from monitor.config.section import Section
from monitor.config.settings import Config, window_name
from monitor.config.sources import SourceSettings
from monitor.config.tables import item_of, members_of
from monitor.jobs.actions.payload import payload_schema
from monitor.rules.pack import shipped_packs
from monitor.rules.tables import Pack

Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
_OF_ACTIONS: Mapping[str, Mapping[str, Any]] = {
    "slack": {"url": {"pattern": REFERENCE}}, "email": {"to": {"minItems": 1}}, "command": {"command": {"minItems": 1}}
}  # fmt: skip


def config_schema() -> Schema:
    """Return the JSON Schema of calwatch.toml."""
    whole = _schema_of(Config)
    definitions = whole["definitions"]
    model, action = definitions["Model"]["properties"], definitions["Action"]
    told = model["source"].get("description", "")
    model["source"] = {
        "description": told,
        "anyOf": [
            {"type": "array", "minItems": 1, "items": _to(SourceSettings.__name__)},
            _to(SourceSettings.__name__),
        ],
    }
    path = {"type": "string", "pattern": r"^[^\u0000]*(/[^\u0000]*|\.toml)$"}
    model["rules"]["items"] = {"anyOf": [{"enum": list(shipped_packs())}, _plain(path)]}
    source = definitions[SourceSettings.__name__]
    pushed = _of_kind("http", (), {"path": False, "format": False})
    source |= {**pushed, "else": {"required": ["path"]}}
    action["properties"]["name"]["not"] = {"const": "recalibrate"}
    foreign = {key for keys in KEYS_OF_ACTION.values() for key in keys}
    action["allOf"] = [
        _of_kind(
            kind,
            NEEDED_KEYS[kind],
            {**dict.fromkeys(sorted(foreign - set(keys)), False), **_plain(_OF_ACTIONS.get(kind, {}))},
        )
        for kind, keys in KEYS_OF_ACTION.items()
    ]
    return {"$schema": DRAFT, **whole, "title": "calwatch.toml"}


def rules_schema() -> Schema:
    """Return the JSON Schema of a rule pack: one table whose keys depend on its kind, which editors tell best."""
    whole = _schema_of(Pack)
    definitions, members = whole["definitions"], members_of(item_of(Pack.model_fields["rule"].annotation))
    kinds = {str(kind): definitions.pop(table.__name__) for kind, table in members.items()}
    told = {kind: table["properties"].pop("kind")["description"] for kind, table in kinds.items()}
    every = {key for table in kinds.values() for key in table["properties"]}
    shared = {key for key in every if all(key in table["properties"] for table in kinds.values())}
    properties: Schema = {
        "kind": {"enum": list(kinds), "description": "; ".join(f"{kind}: {what}" for kind, what in told.items())}
    }
    for kind, table in kinds.items():
        for key, held in table["properties"].items():
            what = held.pop("description")
            known = properties.setdefault(key, {**held, "description": what if key in shared else f"{kind}: {what}"})
            if key not in shared and what not in known["description"]:
                known["description"] += f"; {kind}: {what}"
    definitions["Rule"] = {
        "type": "object", "additionalProperties": False, "properties": properties,
        "required": sorted(set.intersection(*(set(table["required"]) for table in kinds.values()))),
        "allOf": [
            _of_kind(kind, table["required"], {
                **{key: held for key, held in table["properties"].items() if not held.items() <= properties[key].items()},
                **dict.fromkeys(sorted(every - set(table["properties"])), False),
            })
            for kind, table in kinds.items()
        ],
    }  # fmt: skip
    whole["properties"]["rule"]["items"] = _to("Rule")
    return {"$schema": DRAFT, **whole, "title": "A rule pack of calwatch"}


def _of_kind(kind: str, required: Iterable[str], properties: Mapping[str, Any]) -> Schema:
    """What a table of this kind must have and what its keys are; False for those it must not have."""
    then: Schema = {"properties": dict(properties)}
    if required := list(required):
        then["required"] = required
    return {"if": {"required": ["kind"], "properties": {"kind": {"const": kind}}}, "then": then}


def _to(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


class _Written(GenerateJsonSchema):
    """Of what is written in TOML: without nulls, and with durations as people write them."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Schema:
        return self.generate_inner(schema["schema"])

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> Schema:
        return {**DURATION_SCHEMA}

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, tuple):
            return [self.encode_default(each) for each in dft]
        return window_name(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def _schema_of(model: type[Section]) -> Schema:
    return dict(_plain(model.model_json_schema(ref_template="#/definitions/{model}", schema_generator=_Written)))


def _plain(held: Any) -> Any:
    """pydantic's schema without titles, references as draft 7 has them."""
    if isinstance(held, list):
        return [_plain(each) for each in held]
    if not isinstance(held, dict):
        return held
    if "$ref" in held and len(held) > 1:  # draft 7 reads nothing beside a reference
        rest = {key: value for key, value in held.items() if key != "$ref"}
        held = {**rest, "allOf": [{"$ref": held["$ref"]}]}
    if held.get("type") == "integer":
        held = {"maximum": 2**63 - 1, "minimum": -(2**63), **held}
    found: Schema = {}
    for key, value in held.items():
        if key == "discriminator" or (key in ("title", "format") and isinstance(value, str)):
            continue
        if key == "pattern" and isinstance(value, str) and value.endswith("$"):
            # some readers let a line break stand behind the end
            value += r"(?!\n)"
        if key == "default":
            found |= {} if value is None else {key: value}
        elif key in ("properties", "$defs"):  # a key may be called title, too
            found[key.replace("$defs", "definitions")] = {name: _plain(each) for name, each in value.items()}
        else:
            found[key] = _plain(value)
    return found


def schema_text(option: str = "") -> str:
    """Return the JSON Schema that an option asks for, of calwatch.toml without one, as it is printed."""
    if option in ("--artefact", "--current"):  # numpy and scipy load only for these
        from monitor.recalibration.artefact_schema import artefact_schema, current_schema

        made = artefact_schema() if option == "--artefact" else current_schema()
    else:
        made = {"": config_schema, "--rules": rules_schema, "--payload": payload_schema}[option]()
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def keys_table(*, of_rules: bool) -> str:
    """Return the table of all keys of calwatch.toml or of rule packs, in Markdown."""
    return rules_table(Pack) if of_rules else configuration_table()
