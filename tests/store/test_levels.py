"""States that earlier code left, of every migration there has been: opened with all that is in them, and gone on with."""

import csv
import shutil
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest

from monitor import __version__
from monitor.config.settings import load_config
from monitor.model.errors import StoreError
from monitor.recalibration.artefacts import read_artefact
from monitor.recalibration.mending import mend_files
from monitor.store.connection import LIVE, open_live
from monitor.store.published.snapshot import SNAPSHOT, open_snapshot
from tests.worlds.levels import DATA, LEVELS, NEWEST, files_below, left_by, run_cycle
from tests.worlds.store import World
from tests.worlds.upgraded import assert_cells_follow_samples

NOW = datetime(2026, 3, 10, 12, 2, tzinfo=UTC)
TOGETHER = {"0003", "0004", "0005", "0006", "0007"}  # came with 0008 in one commit
COUNTED = ("samples", "calibrators", "serving", "alert_events", "pulls")


def test_every_migration_before_these_states_know_their_writer_has_one() -> None:
    names = {entry.name[:4] for entry in files("monitor.store.migrations").iterdir() if entry.name.endswith(".sql")}
    assert {name for name in names if name < "0012"} - TOGETHER == set(LEVELS)


@pytest.mark.parametrize("level", LEVELS)
def test_a_state_of_every_level_loses_nothing_and_goes_on(tmp_path: Path, level: str) -> None:
    state = left_by(tmp_path, level)
    before = _counts(state)
    kept = files_below(state / "calibrators")
    assert not run_cycle(tmp_path, NOW).failed
    assert _counts(state) == before
    assert files_below(state / "calibrators") == kept
    rows = [row for path in (tmp_path / "in").iterdir() for row in csv.DictReader(path.read_text("utf-8").splitlines())]
    config = load_config(tmp_path / "calwatch.toml")
    connection = open_live(state, now=NOW)
    world = World(tmp_path, config.model[0], connection)
    try:
        assert {
            (one, str(at), told)
            for one, at, told in connection.execute("SELECT sample_id, observed_at, positives FROM samples").fetchall()
        } == {(row["sample_id"], row["observed_at"], int(row["outcome"])) for row in rows}
        assert_cells_follow_samples(world)
        assert mend_files(connection, state).written == ()
    finally:
        connection.close()


@pytest.mark.parametrize("level", LEVELS)
def test_cells_of_every_level_are_those_of_a_state_made_afresh(tmp_path: Path, level: str) -> None:
    left_by(tmp_path / "old", level)
    run_cycle(tmp_path / "old", NOW)
    shutil.copytree(DATA / "line", tmp_path / "new")
    shutil.copy(DATA / level / "own.toml", tmp_path / "new")
    run_cycle(tmp_path / "new", NOW)
    held = [_cells(tmp_path / name / "state") for name in ("old", "new")]
    assert held[0]
    assert held[0] == held[1]


@pytest.mark.parametrize("level", LEVELS)
def test_a_calibrator_of_every_level_that_is_cut_short_is_put_together_again(tmp_path: Path, level: str) -> None:
    state = left_by(tmp_path, level)
    path = next(each for each in (state / "calibrators" / "m").iterdir() if each.name != "current.json")
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    connection = open_live(state, now=NOW)
    try:
        assert len(mend_files(connection, state).written) == 1
    finally:
        connection.close()
    assert path.read_bytes() == whole
    assert read_artefact(path).model == "m"


def test_a_state_of_a_newer_calwatch_is_refused_with_both_versions_named(tmp_path: Path) -> None:
    open_live(tmp_path, now=NOW).close()
    with duckdb.connect(str(tmp_path / LIVE)) as newer:
        newer.execute("INSERT INTO migrations VALUES ('0999_tomorrow', TIMESTAMP '2030-01-01')")
        newer.execute("UPDATE state SET calwatch_version = '9.8.7'")
    with pytest.raises(StoreError) as raised:
        open_live(tmp_path, now=NOW)
    assert "9.8.7" in raised.value.message
    assert f"this is calwatch {__version__}" in raised.value.message
    assert "9.8.7" in raised.value.hint


def test_a_snapshot_of_a_newer_calwatch_is_refused_with_both_versions_named(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / SNAPSHOT)) as newer:
        newer.execute("CREATE TABLE snapshot AS SELECT 99 AS schema_version, '9.8.7' AS calwatch_version")
    with pytest.raises(StoreError, match=r"by calwatch 9\.8\.7 \(schema 99\)") as raised:
        open_snapshot(tmp_path)
    assert f"this is calwatch {__version__}" in raised.value.message


def test_a_calibrator_of_a_newer_calwatch_is_refused_with_both_versions_named_and_left_as_it_is(tmp_path: Path) -> None:
    state = left_by(tmp_path, NEWEST)
    path = next(each for each in (state / "calibrators" / "m").iterdir() if each.name != "current.json")
    text = path.read_text().replace('"schema_version": 1', '"schema_version": 99')
    path.write_text(text.replace('"calwatch_version": "0.1.0"', '"calwatch_version": "9.8.7"'))
    newer = path.read_bytes()
    connection = open_live(state, now=NOW)
    try:
        with pytest.raises(StoreError, match=r"9\.8\.7") as raised:
            mend_files(connection, state)
    finally:
        connection.close()
    assert __version__ in raised.value.message
    assert path.read_bytes() == newer


def test_who_wrote_a_database_is_kept_in_it(tmp_path: Path) -> None:
    with open_live(tmp_path, now=NOW) as connection:
        assert connection.execute("SELECT calwatch_version FROM state").fetchall() == [(__version__,)]
        connection.execute("UPDATE state SET calwatch_version = '0.0.1'")
    with open_live(tmp_path, now=NOW + timedelta(1)) as connection:
        assert connection.execute("SELECT calwatch_version FROM state").fetchall() == [(__version__,)]


def _counts(state: Path) -> dict[str, int]:
    with duckdb.connect(str(state / LIVE), read_only=True) as held:
        known = {name for (name,) in held.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        return {
            table: held.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
            for table in COUNTED if table in known
        }  # fmt: skip


def _cells(state: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(state / LIVE), read_only=True) as held:
        return held.execute(
            "SELECT l.labels::VARCHAR, t.version, c.bucket, c.bin, sum(c.n) FROM cells AS c JOIN slices AS l USING (slice_id) "
            "JOIN streams AS t USING (stream_id) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
