"""Every alert has a runbook, and what a runbook tells people to type works."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import typer.main

from monitor.cli.app import app
from monitor.config.settings import load_config
from monitor.engine.backtest import play_history
from monitor.store.published.snapshot import SNAPSHOT
from tests.deploy.test_prometheus_rules import NAMES, RECORDED
from tests.deploy.tools import DEPLOY
from tests.loops import each
from tests.readme_parts import metrics_table

ROOT = DEPLOY.parent
PAGES = sorted((DEPLOY / "runbooks").glob("*.md"))
BOOKS = [path for path in PAGES if path.stem != "README"]
EACH_PAGE = each("path", {path.stem: path for path in PAGES})
EACH_BOOK = each("path", {path.stem: path for path in BOOKS})
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
    config = load_config(ROOT / "monitor" / "cli" / "demo" / "calwatch.toml")
    play_history(config, state, datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC), timedelta(hours=12))
    with duckdb.connect(str(state / SNAPSHOT), read_only=True) as connection:
        yield connection


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert {path.stem for path in BOOKS} == NAMES


@EACH_BOOK
def test_a_runbook_says_what_it_means_where_to_look_what_to_do_and_how_it_ends(path: Path) -> None:
    text = path.read_text("utf-8")
    headings = ["What it means", "Look", "Do", "How it resolves"]
    assert re.findall(r"^# (.+)$", text, re.MULTILINE)[0] == path.stem
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == headings
    assert all(part.strip() for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:])


@each("query", {query: query for query in QUERIES})
def test_every_query_runs_on_a_real_snapshot(query: str, snapshot: duckdb.DuckDBPyConnection) -> None:
    snapshot.execute(query).fetchall()


def _typed(text: str) -> list[list[str]]:
    """The words after ``calwatch`` of every command in blocks of shell and between backticks."""
    shell = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    found = re.findall(r"^calwatch (\w[^#\n]*)", shell, re.MULTILINE)
    found += re.findall(r"`calwatch (\w[^`]*)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [command.split() for command in found]


@EACH_PAGE
def test_the_commands_of_calwatch_and_their_options_are_there(path: Path) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a click group
    for words in _typed(path.read_text("utf-8")):
        assert words[0] in known, words
        command = known[words.pop(0)]
        if words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, words


def test_the_commands_are_found() -> None:
    typed = [" ".join(words) for path in BOOKS for words in _typed(path.read_text("utf-8"))]
    assert len(typed) > 40
    assert "recalibrate MODEL --slice camera=c3,lighting=night" in typed


SOURCE = "\n".join(path.read_text("utf-8") for path in (ROOT / "monitor").rglob("*.py"))


@EACH_BOOK
def test_what_is_looked_for_in_the_log_is_what_is_logged(path: Path) -> None:
    foreign = {"Main process exited", "oom-kill", "watchdog"}  # systemd's
    for wanted in re.findall(r"journalctl[^\n]*\| grep (?:-E )?'([^']+)'", path.read_text("utf-8")):
        for text in set(wanted.split("|")) - foreign:
            assert re.search(rf'log\.\w+\(\s*"{text}\b', SOURCE), text


@EACH_BOOK
def test_series_that_are_named_are_there(path: Path) -> None:
    known = set(re.findall(r"`(calwatch_\w+)`", metrics_table())) | RECORDED
    named = set(re.findall(r"\bcalwatch[_:][\w:]+\w", path.read_text("utf-8")))
    assert {re.sub(r"_(sum|count|bucket)$", "", name) for name in named} <= known


def test_the_way_to_type_sql_works(snapshot: duckdb.DuckDBPyConnection) -> None:
    (program,) = re.findall(
        r'^python -c "(.+)" /var/lib', (DEPLOY / "runbooks" / "README.md").read_text("utf-8"), re.MULTILINE
    )
    (held,) = snapshot.execute("SELECT path FROM duckdb_databases() WHERE path IS NOT NULL").fetchone() or ("",)
    told = subprocess.run(
        [sys.executable, "-c", program, held, "FROM drift_now"], capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "fired_at" in told.stdout


@each("path", {str(path): path for path in [*PAGES, DEPLOY / "README.md"]})
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text("utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name}: {target}"
