"""What is played goes into a directory of its own and is looked at there; commands that go on at today's clock refuse it."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from monitor.cli.app import main
from monitor.sources.isolation.set_aside import Suspect, store_suspect
from monitor.store.connection import LIVE, open_live
from monitor.store.published.snapshot import Publisher
from tests.documents import PATHS
from tests.worlds.levels import NEWEST, left_by, tables_of
from tests.worlds.process import calwatch, calwatch_here

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 3, 10, 12, 2, tzinfo=UTC)
TEXTS = [
    *PATHS,
    "monitor/cli/demo/README.md",
    "monitor/cli/starter/calwatch.toml",
    "monitor/cli/starter/own.toml",
]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A directory with a configuration and files, and nothing in its state directory."""
    state = left_by(tmp_path, NEWEST)
    state.rename(tmp_path / "before")
    return tmp_path


def test_no_text_plays_into_the_directory_that_the_daemon_is_given() -> None:
    for name in TEXTS:
        text = (ROOT / name).read_text("utf-8")
        for command in re.findall(r"calwatch backtest[^\n`]*", text):
            assert "--state-dir calwatch-state" not in command, name


def test_after_a_backtest_the_daemon_can_begin_and_what_was_played_is_shown_on_demand(made: Path) -> None:
    span = ("--from", "2026-03-09", "--to", "2026-03-10T12:00", "--step", "12h")
    played = calwatch("backtest", *span, cwd=made)
    assert played.returncode == 0, played.stderr
    assert "look at it: calwatch status, slices, jobs or report, with --state-dir calwatch-backtest" in played.stdout
    there = ("--state-dir", "calwatch-backtest")
    assert "PLAYED" in calwatch_here("status", *there, cwd=made).stdout
    assert json.loads(calwatch_here("slices", "--json", *there, cwd=made).stdout)
    assert calwatch_here("report", "m", *there, "--out", "played.html", cwd=made).returncode == 0
    listed = calwatch_here("jobs", "--json", *there, cwd=made)
    assert listed.returncode == 0
    for job in json.loads(listed.stdout)[:1]:
        assert calwatch_here("jobs", "show", job["id"], *there, cwd=made).returncode == 0
    assert not (made / "state").exists()
    live = calwatch("once", cwd=made)
    assert "would go on at today's clock" not in live.stderr
    assert live.returncode == 0, live.stderr


def test_a_backtest_into_the_daemons_own_directory_says_what_that_means(made: Path) -> None:
    span = ("--from", "2026-03-09", "--to", "2026-03-09T12:00", "--step", "12h", "--state-dir", "state")
    played = calwatch_here("backtest", *span, cwd=made)
    assert played.returncode == 0, played.stderr
    assert "run and once refuse what was played: before you go live name another" in played.stdout


def _played(state: Path) -> None:
    """As it was left."""


def _half(state: Path) -> None:
    content = (state / LIVE).read_bytes()
    (state / LIVE).write_bytes(content[: len(content) // 2])


def _newer(state: Path) -> None:
    with duckdb.connect(str(state / LIVE)) as held:
        held.execute("INSERT INTO migrations VALUES ('9999_later', TIMESTAMP '2026-03-10 12:00:00')")
        held.execute("UPDATE state SET calwatch_version = '99.1'")


def _foreign(state: Path) -> None:
    with duckdb.connect(str(state / LIVE)) as held:
        held.execute("DELETE FROM serving")


@pytest.mark.parametrize(
    ("spoil", "live", "code", "told"),
    [
        (_played, False, 2, "calwatch retry would go on at today's clock"), (_half, True, 1, "calwatch restore FILE"),
        (_newer, True, 1, "was written by a newer calwatch, 99.1"),
        (_foreign, True, 1, "is not the database that these are of"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", [(), ("m",), ("m", "poison.csv")], ids=["all", "model", "file"])
def test_retry_leaves_a_state_alone_that_it_must_not_go_on_with(
    tmp_path: Path, spoil: Callable[[Path], None], live: bool, code: int, told: str, named: tuple[str, ...]
) -> None:
    state = left_by(tmp_path, NEWEST, live=live)
    connection = open_live(state, now=AT)
    held = Suspect(str(tmp_path / "in" / "poison.csv"), "1:1", 2, 0, True, "failed", "cannot be read", "Mend it", "")
    store_suspect(connection, "m", "samples", held, AT)
    Publisher(state).publish(connection, AT)
    connection.close()
    spoil(state)
    before = tables_of(state / LIVE) if spoil is not _half else {}
    done = calwatch_here("retry", *named, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("error:")) == (code, 1), done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not list((state / "requests").glob("*")), "it would be done at the next start"
    assert (tables_of(state / LIVE) if spoil is not _half else {}) == before


@pytest.mark.parametrize(
    "command", [("status",), ("slices",), ("jobs",), ("report", "m"), ("retry",)], ids=lambda c: c[0]
)
def test_a_snapshot_damaged_within_is_one_error_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    state = left_by(tmp_path, NEWEST, live=True)
    connection = open_live(state, now=AT)
    Publisher(state).publish(connection, AT)
    connection.close()
    with duckdb.connect(
        str(state / "metrics.duckdb")
    ) as held:  # as a block that cannot be read: its tables are not there
        for name, kind in held.execute(
            "SELECT view_name, 'VIEW' FROM duckdb_views() WHERE NOT internal UNION ALL "
            "SELECT table_name, 'TABLE' FROM duckdb_tables() WHERE table_name <> 'snapshot'"
        ).fetchall():
            held.execute(f'DROP {kind} "{name}"')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(list(command))
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("error:")) == (1, 1)
    assert "metrics.duckdb: cannot be read" in said
    assert "calwatch snapshot" in said
