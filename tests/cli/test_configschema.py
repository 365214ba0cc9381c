"""The schemas for editors: what is shipped fits them, what calwatch refuses they refuse where they can, and they know
every key there is."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from monitor.cli.app import main
from monitor.cli.schemas import config_schema, rules_schema
from monitor.config.reference import sections
from monitor.config.settings import parse_config
from monitor.config.tables import item_of, keys_of, members_of
from monitor.jobs.actions.payload import payload_schema
from monitor.model.errors import ConfigError
from monitor.recalibration.artefact_schema import artefact_schema, current_schema
from monitor.rules.pack import parse_pack
from monitor.rules.tables import Pack

ROOT = Path(__file__).parents[2]
CONFIGS = ("monitor/cli/starter", "monitor/cli/demo", "deploy/compose", "deploy/kubernetes")
PACKS = [
    *(path for path in (ROOT / "rules").glob("*.toml") if not path.name.endswith(".test.toml")),
    ROOT / "monitor/cli/starter/own.toml", ROOT / "monitor/cli/demo/rules.toml",
]  # fmt: skip
MODEL = '[[model]]\nname = "m"\ntask = "binary"\nsource = { path = "in/*" }\n'
RULE = '[[rule]]\nname = "r"\nseverity = "page"\n'


def _mistakes(schema: dict[str, Any], text: str) -> list[str]:
    return [each.message for each in jsonschema.Draft7Validator(schema).iter_errors(tomllib.loads(text))]


def test_both_are_schemas_of_draft_7() -> None:
    for schema in (config_schema(), rules_schema()):
        jsonschema.Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("folder", CONFIGS)
def test_every_configuration_that_is_shipped_fits(folder: str) -> None:
    assert _mistakes(config_schema(), (ROOT / folder / "calwatch.toml").read_text("utf-8")) == []


@pytest.mark.parametrize("path", PACKS, ids=lambda path: path.name)
def test_every_rule_pack_that_is_shipped_fits(path: Path) -> None:
    assert _mistakes(rules_schema(), path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "", "[monitor]\ncycel = '1m'\n" + MODEL, "[monitor]\ncycle = 60\n" + MODEL, "[monitor]\ncycle = '1 minute'\n" + MODEL,
        "[monitor]\nlisten = '9464'\n" + MODEL, MODEL.replace("binary", "binry"), MODEL.replace('name = "m"\n', ""),
        MODEL + "slices = ['Camera']", MODEL + "max_order = 9",
        MODEL + "recalibration = { method = 'spline' }", MODEL + "recalibration = { gate_fraction = 1 }",
        MODEL + "[[action]]\nname = 'a'\nkind = 'pager'", MODEL + "[[action]]\nname = 'a'\nkind = 'webhook'",
        MODEL + "[[action]]\nname = 'a'\nkind = 'command'\ncommand = ['x']\nurl = 'https://h/'",
        MODEL + "[[action]]\nname = 'a'\nkind = 'webhook'\nurl = 'https://h/'\nsecret = 'hunter2'",
        MODEL + "[[action]]\nname = 'a'\nkind = 'email'\nsmtp = 'h:25'\nsender = 'a@b'",
        MODEL + "[[server.token]]\nname = 't'\nrole = 'root'\nhash = 'env:T'",
    ],
)  # fmt: skip
def test_what_the_configuration_refuses_the_schema_refuses(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_config(text, "calwatch.toml", Path())
    assert _mistakes(config_schema(), text)


@pytest.mark.parametrize(
    "text",
    [
        "", RULE, RULE + "kind = 'hunch'", RULE + "kind = 'drift'\nmetric = 'ece'", RULE + "kind = 'absence'\nof = 'labels'",
        RULE + "kind = 'threshold'\nmetric = 'ecee'\nabove = 0.1\nwindow = '24h'",
        RULE + "kind = 'threshold'\nmetric = 'ece_lower'\nabove = 0.1",
        RULE + "kind = 'disparity'\nwindow = '7d'\nmeasure = 'gap'\nlevel = 0.9",
        RULE + "kind = 'drift'\ntolerance = { odds = 0.9 }", RULE + "kind = 'drift'\nslices = 'corners'",
        RULE + "kind = 'drift'\nfalse_alarms = 'rarely'", RULE.replace("page", "panic") + "kind = 'drift'",
    ],
)  # fmt: skip
def test_what_the_rule_book_refuses_the_schema_refuses(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_pack(text, "own.toml")
    assert _mistakes(rules_schema(), text)


def test_a_pack_that_does_not_ship_is_marked() -> None:
    assert _mistakes(config_schema(), MODEL + "rules = ['defalt']")
    assert _mistakes(config_schema(), MODEL + "rules = ['default', 'rules/own.toml']") == []


def test_every_key_of_the_configuration_is_there_and_most_are_explained() -> None:
    definitions = config_schema()["definitions"]
    for _, section in sections():
        held = definitions[section.__name__]["properties"]
        assert held.keys() == section.model_fields.keys()
        for name, field in section.model_fields.items():
            assert held[name].get("description") == field.description or "$ref" in json.dumps(held[name])


def test_every_key_of_a_rule_is_there_and_explained() -> None:
    held = rules_schema()["definitions"]["Rule"]["properties"]
    kinds = members_of(item_of(Pack.model_fields["rule"].annotation)).values()
    assert held.keys() == {key for kind in kinds for key in keys_of(kind)}
    assert all(each["description"] for each in held.values())


def test_durations_are_written_as_people_write_them() -> None:
    model = config_schema()["definitions"]["Model"]["properties"]
    assert model["windows"]["default"] == ["1h", "24h", "7d"]
    assert model["bucket"]["default"] == "1h"
    text = json.dumps(config_schema())
    assert '"null"' not in text
    assert ": null" not in text
    assert "[null" not in text


def test_the_starter_names_schemas_that_init_writes_and_an_editor_finds(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["init", str(tmp_path / "line")])
    for file in ("calwatch.toml", "rules/own.toml"):
        path = tmp_path / "line" / file
        marker, _, name = path.read_text("utf-8").splitlines()[0].partition(" ")
        assert marker == "#:schema"
        json.loads((path.parent / name).read_text("utf-8"))
    if shutil.which("taplo") is None:
        return  # the editors' own checker; the files above are what it would read
    told = subprocess.run(
        ["taplo", "lint", "calwatch.toml", "rules/own.toml"], cwd=tmp_path / "line", capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    path = tmp_path / "line" / "calwatch.toml"
    path.write_text(path.read_text("utf-8").replace('"binary"', '"binry"'), "utf-8")
    told = subprocess.run(["taplo", "lint", "calwatch.toml"], cwd=tmp_path / "line", capture_output=True, text=True)
    assert told.returncode != 0
    assert "binry" in told.stdout + told.stderr


@pytest.mark.parametrize(
    ("option", "schema"),
    [
        ((), config_schema), (("--rules",), rules_schema), (("--artefact",), artefact_schema),
        (("--current",), current_schema), (("--payload",), payload_schema),
    ],
    ids=["none", "rules", "artefact", "current", "payload"],
)  # fmt: skip
def test_each_schema_is_printed_on_demand(
    option: tuple[str, ...], schema: Callable[[], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["schema", *option])
    assert json.loads(capsys.readouterr().out) == schema()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--rules", "--payload"), "--rules and --payload: one schema at a time"),
        (("--artefact", "--current", "--payload"), "one schema at a time"),
        (("--artefact", "--markdown"), "--artefact: has no table of keys"),
    ],
)
def test_more_than_one_schema_or_a_table_that_is_none_is_refused(
    options: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["schema", *options])
    assert ended.value.code not in (0, None)
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.out == ""


def test_the_reference_has_a_row_for_every_key_with_its_type_default_and_meaning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["schema", "--markdown"])
    rows = capsys.readouterr().out.splitlines()
    assert "| `[[model]]` | `bucket` | duration | `1h` | width of a time bucket: divides a day evenly |" in rows
    assert "| `[[model]]` | `slices` | list of texts | `[]` | columns that cut the traffic into slices |" in rows
    assert any(
        row.startswith("| `[server]` | `without_token` | some of `health`, `metrics`, `reading` |") for row in rows
    )
    held = {tuple(cell.strip(" `") for cell in row.split(" | ")[:2]) for row in rows[2:]}
    headings = {heading.strip("[]").rpartition(".")[2] for heading, _ in sections()}
    for heading, model in sections():
        for key in keys_of(model).keys() - headings:
            assert any(key == name and heading in where for where, name in held), (heading, key)
    with pytest.raises(SystemExit):
        main(["schema", "--rules", "--markdown"])
    assert "| `absence` | `longer_than` | duration | required | for how long |" in capsys.readouterr().out


def test_the_old_place_of_the_schemas_of_artefacts_still_works_and_says_once_where_they_are() -> None:
    asked = (
        "import warnings; warnings.simplefilter('always')\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    import monitor.recalibration.schemas\n"
        "    from monitor.recalibration.schemas import artefact_schema, current_schema\n"
        "from monitor.recalibration import artefact_schema as module\n"
        "assert (artefact_schema(), current_schema()) == (module.artefact_schema(), module.current_schema())\n"
        "(only,) = told\n"
        "assert only.category is DeprecationWarning and 'calwatch schema --artefact' in str(only.message)\n"
    )
    ran = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
