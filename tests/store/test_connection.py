import os
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest

from monitor import __version__
from monitor.model.errors import StoreError
from monitor.store import migrations
from monitor.store.connection import (
    LIVE,
    fetch_row,
    is_ctrl_c,
    load_table,
    make_aware,
    make_naive,
    migrate_database,
    name_writer,
    open_live,
    quote_name,
    quote_text,
    transaction,
)
from tests.worlds.store import NOW, at

OPEN = (
    "import sys, pathlib, datetime; from monitor.store.connection import open_live\n"
    "from monitor.model.errors import StoreError\n"
)

MIGRATIONS = sorted(path.stem for path in Path(migrations.__file__).parent.glob("*.sql"))


def test_a_fresh_database_has_every_migration_once(tmp_path: Path) -> None:
    with open_live(tmp_path / "deep" / "state", now=NOW) as connection:
        assert connection.execute("SELECT name, applied_at FROM migrations").fetchall() == [
            (name, make_naive(NOW)) for name in MIGRATIONS
        ]
        assert migrate_database(connection, NOW) == []
    with open_live(tmp_path / "deep" / "state", now=NOW) as connection:
        assert connection.execute("SELECT count(*) FROM migrations").fetchone() == (len(MIGRATIONS),)


def test_a_fresh_database_is_what_all_statements_of_all_migrations_make(tmp_path: Path) -> None:
    with duckdb.connect() as whole, open_live(tmp_path, now=NOW) as fresh:
        for path in sorted(Path(migrations.__file__).parent.glob("*.sql")):
            whole.execute(path.read_text("utf-8"))
        own = {"version": __version__, "id": fetch_row(fresh, "SELECT id FROM state")[0]}
        whole.execute("UPDATE state SET calwatch_version = $version, id = $id", own)
        fresh.execute("DROP TABLE migrations")
        tables = "SELECT table_name, sql FROM duckdb_tables() ORDER BY ALL"
        made = whole.execute(tables).fetchall()
        assert fresh.execute(tables).fetchall() == made
        for name, _ in made:
            rows = f"SELECT * FROM {quote_name(name)} ORDER BY ALL"
            assert fresh.execute(rows).fetchall() == whole.execute(rows).fetchall()


def test_a_database_of_a_newer_version_is_left_alone_and_let_go(tmp_path: Path) -> None:
    with open_live(tmp_path, now=NOW) as connection:
        connection.execute("INSERT INTO migrations VALUES ('0999_tomorrow', now())")
    with pytest.raises(StoreError) as raised:
        open_live(tmp_path, now=NOW)
    assert raised.value.message == (
        f"{tmp_path / LIVE}: was written by a newer calwatch, {__version__} (migration '0999_tomorrow'); this is calwatch "
        f"{__version__}, which knows migrations up to {max(MIGRATIONS)!r}"
    )
    assert raised.value.hint == (
        f"run the build of calwatch {__version__} that wrote it, which has migration '0999_tomorrow': this one is older, or "
        "restore a backup made before it: calwatch restore FILE"
    )
    assert name_writer("9.8.7", "0999_tomorrow") == "install calwatch 9.8.7 again"
    with duckdb.connect(str(tmp_path / LIVE)) as connection:  # another configuration: fails while it is held open
        assert connection.execute("SELECT count(*) FROM migrations").fetchone() == (len(MIGRATIONS) + 1,)


def test_a_migration_that_fails_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "0001_good.sql").write_text("CREATE TABLE good (x INTEGER)")
    (tmp_path / "0002_bad.sql").write_text("CREATE TABLE bad (x INTEGER); CREATE TABLE bad (x INTEGER)")
    monkeypatch.setattr("monitor.store.connection.files", lambda package: tmp_path)
    with duckdb.connect() as connection:
        with pytest.raises(duckdb.CatalogException):
            migrate_database(connection, NOW)
        assert connection.execute("SELECT name FROM migrations").fetchall() == [("0001_good",)]
        assert connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall() == [
            ("good",), ("migrations",),
        ]  # fmt: skip


def test_a_second_process_is_told_who_holds_the_database(tmp_path: Path) -> None:
    with open_live(tmp_path, now=NOW):
        script = OPEN + (
            "try: open_live(pathlib.Path(sys.argv[1]), now=datetime.datetime.now(datetime.UTC))\n"
            "except StoreError as error: print(type(error).__name__); print(error.message); print(error.hint)"
        )
        done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    kind, message, hint = done.stdout.splitlines()
    assert kind == "StoreInUseError"
    assert message.startswith(f"{tmp_path / LIVE}: in use by process {os.getpid()} (")
    assert hint == (
        f"stop that process, or ask the running daemon instead: status, slices and jobs read {tmp_path}/metrics.duckdb"
    )


def test_a_file_in_place_of_the_state_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(StoreError) as raised:
        open_live(tmp_path / "state", now=NOW)
    assert raised.value.message == f"{tmp_path / 'state'}: cannot be made: File exists"
    assert raised.value.hint == "choose another [monitor] state_dir"


def test_a_directory_that_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.store.connection.os.access", lambda path, mode: False)
    with pytest.raises(StoreError) as raised:
        open_live(tmp_path, now=NOW)
    assert raised.value.message == f"{tmp_path}: is not writable for this user"


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / LIVE).write_text("not a database " * 1000)
    with pytest.raises(StoreError) as raised:
        open_live(tmp_path, now=NOW)
    assert raised.value.message.startswith(f"{tmp_path / LIVE}: ")
    assert "not a valid DuckDB database file" in raised.value.message
    assert raised.value.hint


def insert_and_stop(connection: duckdb.DuckDBPyConnection) -> None:
    with transaction(connection):
        connection.execute("INSERT INTO t VALUES (2)")
        raise KeyboardInterrupt


def insert_two(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    with transaction(connection):
        connection.execute(f"INSERT INTO t VALUES ({one})")
        connection.execute(f"INSERT INTO t VALUES ({other})")


def test_atomic_keeps_all_or_nothing() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (x INTEGER)")
        with transaction(connection):
            connection.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(KeyboardInterrupt):
            insert_and_stop(connection)
        with pytest.raises(duckdb.ConversionException):
            insert_two(connection, "3", "'x'")
        assert connection.execute("SELECT x FROM t").fetchall() == [(1,)]
        with transaction(connection):  # no transaction lingers
            connection.execute("INSERT INTO t VALUES (4)")
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_a_table_is_made_of_columns_and_leaves_no_other_name_behind() -> None:
    with duckdb.connect() as connection:
        for share in ([0.5, np.nan], [0.25]):
            ids = np.arange(len(share), dtype=np.int64)
            load_table(connection, "loaded", {"id": ids, "share": np.ma.masked_invalid(np.array(share))})
        assert connection.execute("FROM loaded").fetchall() == [(0, 0.25)]
        assert connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall() == []


def test_columns_become_a_table_also_while_a_result_is_read_and_after_a_transaction_that_failed() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TEMP VIEW taken AS SELECT 1")
        with pytest.raises(duckdb.CatalogException, match="taken"), transaction(connection):
            load_table(connection, "taken", {"id": np.arange(2)})
        assert connection.execute("FROM range(3)").fetchone() == (0,)
        load_table(connection, "free", {"id": np.arange(2)})
        assert connection.execute("SELECT count(*) FROM free").fetchone() == (2,)


def test_times_go_in_without_and_come_out_with_their_zone() -> None:
    assert make_naive(None) is None
    assert make_aware(None) is None
    assert make_naive(NOW) == at("2026-03-10 12:00:00")
    assert make_aware(make_naive(NOW)) == NOW


def test_quotes_inside_identifiers_and_texts_are_doubled() -> None:
    assert quote_name('a"b') == '"a""b"'
    assert quote_text("it's") == "'it''s'"


def test_ctrl_c_during_a_query_is_told_from_other_errors() -> None:
    assert is_ctrl_c(RuntimeError("Query interrupted"))
    assert not is_ctrl_c(RuntimeError("no such luck"))
    assert not is_ctrl_c(duckdb.InterruptException("INTERRUPT Error: Interrupted!"))
