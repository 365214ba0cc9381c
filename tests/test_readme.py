"""The documents keep their word: commands, tables, queries and examples are run or compared with the code."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest
import typer.main

from monitor.cli.app import app
from monitor.config.actions import Event
from monitor.config.reference import configuration_table, rules_table
from monitor.config.settings import load_config, parse_config
from monitor.engine.backtest import play_history
from monitor.jobs.actions.webhook import signature
from monitor.model import COUNTS, METRICS, RuleKind
from monitor.model.problems import PROBLEM_REASONS
from monitor.rules.pack import parse_pack, shipped_packs
from monitor.rules.tables import Pack
from monitor.sources.remedies import REMEDIES
from monitor.store.published.snapshot import SNAPSHOT
from tests.documents import ROOT, TEXT, find_blocks, find_generated, read_chapter, read_document
from tests.readme_parts import codes_table, methods_table, metrics_table

README = read_document("readme")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The snapshot of the demo's days around the haze, opened as ops would."""
    state = tmp_path_factory.mktemp("readme") / "state"
    config = load_config(ROOT / "monitor" / "cli" / "demo" / "calwatch.toml")
    play_history(config, state, datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 8, tzinfo=UTC), timedelta(hours=12))
    with duckdb.connect(str(state / SNAPSHOT), read_only=True) as connection:
        yield connection


def test_the_two_commands_are_there_as_ci_runs_them() -> None:
    shell = "\n".join(find_blocks("sh", README))
    assert len(re.findall(r"^python3 -m venv \.venv && .*/calwatch demo$", shell, re.MULTILINE)) == 1
    assert len(re.findall(r"^python3 -m venv \.venv && .*python -m pytest -n auto$", shell, re.MULTILINE)) == 1


def test_files_are_put_in_place_before_anything_looks_for_them() -> None:
    (block,) = find_blocks("sh", read_chapter("readme", "## Going live"))
    assert [line.split()[:2] for line in block.splitlines()] == [
        ["calwatch", "init"], ["cp", "/where/they/are/*.parquet"], ["calwatch", "check"],
        ["calwatch", "backtest"], ["calwatch", "run"],
    ]  # fmt: skip


@pytest.mark.parametrize("query", [line for block in find_blocks("sql") for line in block.split(";") if line.strip()])
def test_every_query_runs_on_a_real_snapshot_and_answers(query: str, snapshot: duckdb.DuckDBPyConnection) -> None:
    rows = snapshot.execute(query).fetchall()
    assert rows, "a query that answers nothing teaches nothing"


def test_the_configuration_table_is_that_of_the_code() -> None:
    assert find_generated("configuration") == configuration_table(), "write it with: python -m tests.readme_parts"


def test_the_table_of_methods_is_that_of_the_code() -> None:
    assert find_generated("methods") == methods_table(), "write it with: python -m tests.readme_parts"


def test_the_table_of_the_keys_of_a_rule_is_that_of_the_code() -> None:
    assert find_generated("keys") == rules_table(Pack), "write it with: python -m tests.readme_parts"


def test_the_table_of_codes_is_that_of_the_code() -> None:
    assert find_generated("codes") == codes_table(), "write it with: python -m tests.readme_parts"


def test_the_metrics_table_is_that_of_the_code() -> None:
    assert find_generated("metrics") == metrics_table(), "write it with: python -m tests.readme_parts"


def test_every_command_is_in_the_table_of_commands() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a click group
    names = [name for name in commands if name != "rules"] + ["rules test"]
    missing = [name for name in names if f"| `calwatch {name}" not in README]
    assert not missing


@pytest.mark.parametrize("word", [*METRICS, *COUNTS, *REMEDIES, *PROBLEM_REASONS, *RuleKind, *shipped_packs()])
def test_every_metric_reason_rule_kind_and_pack_is_explained(word: str) -> None:
    assert f"`{word}`" in TEXT


def test_the_example_rules_are_valid() -> None:
    rules = [rule for block in find_blocks("toml") if "[[rule]]" in block for rule in parse_pack(block, "README.md")]
    assert [rule.name for rule in rules] == [
        "camera-c2",
        "calibration-drift",
        "ece-high",
        "labels-absent",
        "slice-worse",
    ]


def test_the_example_actions_are_valid(tmp_path: Path) -> None:
    model = '[[model]]\nname = "m"\ntask = "binary"\nsource = { path = "in/*" }\n'
    found = [
        action.name
        for block in find_blocks("toml")
        if "[[action]]" in block
        for action in parse_config(model + block, "README.md", tmp_path).action
    ]
    assert found == ["room", "oncall", "retrain", "room", "mail"]


def test_the_example_that_checks_a_signature_accepts_ours_and_no_other() -> None:
    (text,) = [block for block in find_blocks("python") if "def genuine" in block]
    names: dict[str, Any] = {}
    exec(compile(text, "README.md", "exec"), names)
    now = int(time.time())
    assert names["genuine"](signature("key", now, b"{}"), b"{}", "key")
    assert not names["genuine"](signature("key", now, b"{}"), b"{ }", "key")
    assert not names["genuine"](signature("other", now, b"{}"), b"{}", "key")
    assert not names["genuine"](signature("key", now - 3600, b"{}"), b"{}", "key")


def test_every_event_of_an_action_is_explained() -> None:
    for event in get_args(Event):
        assert event in TEXT
