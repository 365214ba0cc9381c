"""Every alert has a runbook, and what a runbook tells people to type works."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import typer.main

from monitor.backtest import play
from monitor.cli import app
from monitor.config import load_config
from monitor.store.snapshot import SNAPSHOT
from tests.deploy.test_prometheus_rules import NAMES
from tests.deploy.tools import DEPLOY

ROOT = DEPLOY.parent
BOOKS = sorted((DEPLOY / "runbooks").glob("*.md"))
QUERIES = sorted({
    query.strip()
    for path in BOOKS
    for block in re.findall(r"^```sql\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for query in block.split(";")
    if query.strip()
})  # fmt: skip


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A snapshot of two days of the demo, opened as ops would."""
    state = tmp_path_factory.mktemp("runbooks") / "state"
    config = load_config(ROOT / "monitor" / "demo" / "calwatch.toml")
    play(config, state, datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC), timedelta(hours=12))
    with duckdb.connect(str(state / SNAPSHOT), read_only=True) as connection:
        yield connection


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert {path.stem for path in BOOKS} == NAMES


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_runbook_says_what_it_means_where_to_look_what_to_do_and_how_it_ends(path: Path) -> None:
    text = path.read_text("utf-8")
    headings = ["What it means", "Look", "Do", "How it resolves"]
    assert re.findall(r"^# (.+)$", text, re.MULTILINE)[0] == path.stem
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == headings
    assert all(part.strip() for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:])


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_every_query_runs_on_a_real_snapshot(query: str, snapshot: duckdb.DuckDBPyConnection) -> None:
    snapshot.execute(query).fetchall()


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_the_commands_of_calwatch_are_there(path: Path) -> None:
    known = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # a click group
    text = path.read_text("utf-8")
    shell = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    typed = re.findall(r"^calwatch (\w+)", shell, re.MULTILINE) + re.findall(r"`calwatch (\w+)", text)
    assert set(typed) <= known


@pytest.mark.parametrize("path", [*BOOKS, DEPLOY / "README.md"], ids=lambda path: path.stem)
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name}: {target}"
