"""What a message learns from the snapshot: the slice's reading and picture, what was done since; and what it says without."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.charts import client
from monitor.charts.client import ChartError
from monitor.config.actions import Action
from monitor.config.settings import load_config
from monitor.engine.backtest import play_history
from monitor.jobs.actions import context as looking
from monitor.jobs.actions.context import load_context
from monitor.jobs.actions.delivery import Delivery
from monitor.store.published.snapshot import SNAPSHOT

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 2, 16, tzinfo=UTC)
_ACTION = Action.model_validate({"name": "a", "kind": "slack", "url": "env:U"})
NIGHT = "camera=c3,lighting=night"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's days around the haze."""
    directory = tmp_path_factory.mktemp("looking") / "state"
    config = load_config(ROOT / "monitor" / "cli" / "demo" / "calwatch.toml")
    play_history(config, directory, datetime(2026, 2, 8, tzinfo=UTC), AT, timedelta(hours=12))
    return directory


def _delivery(state: Path | None, **alert: Any) -> Delivery:
    about = {"rule": "r", "slice": NIGHT, "version": "", "fired_at": "2026-02-08T00:00:00Z", **alert}
    return Delivery(_ACTION, {"model": "digits", "alert": about}, "k", 1, AT, Path(), state)


def test_the_picture_is_that_of_the_slice_with_its_reading_in_words(state: Path) -> None:
    pytest.importorskip("vl_convert", reason="NOT TESTED: pictures need the extra charts")
    found = load_context(_delivery(state), draw=True)
    assert found.picture is not None
    assert found.picture.startswith(b"\x89PNG")
    assert found.sure.startswith("ECE 0.")
    assert "95 % interval" in found.sure
    assert found.note.startswith("Reliability diagram of the slice over 7d until ")


def test_refits_since_it_fired_of_scopes_around_the_slice_are_told(state: Path) -> None:
    with duckdb.connect(str(state / SNAPSHOT), read_only=True) as snapshot:
        row = snapshot.execute(
            "SELECT id, scope FROM jobs WHERE kind = 'recalibrate' AND scope = 'all' LIMIT 1"
        ).fetchone()
    assert row is not None
    found = load_context(_delivery(state), draw=False)
    assert any(f"(job {row[0]})" in deed for deed in found.deeds)
    assert load_context(_delivery(state, fired_at="2026-02-20T00:00:00Z"), draw=False).deeds == ()


def test_nothing_is_drawn_where_no_picture_is_wanted(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_picture", None)
    found = load_context(_delivery(state), draw=False)
    assert (found.picture, found.note) == (None, "")
    assert found.sure


def test_without_the_extra_it_says_what_to_install(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "can_draw", lambda: False)
    found = load_context(_delivery(state), draw=True)
    assert found.picture is None
    assert found.note == "no picture: charts need two more packages. Install them with: pip install 'calwatch[charts]'"


def test_an_unknown_slice_and_no_snapshot_are_notes_not_failures(state: Path, tmp_path: Path) -> None:
    assert (
        load_context(_delivery(state, slice="camera=c9"), draw=True).note
        == "no picture: the slice has too few labelled samples"
    )
    assert load_context(_delivery(tmp_path), draw=True).note == "no picture: no reading has been published yet"
    assert load_context(_delivery(None), draw=True).note == "no snapshot to look at"
    (tmp_path / SNAPSHOT).write_bytes(b"no database")
    assert "cannot be read" in load_context(_delivery(tmp_path), draw=True).note


def test_a_chart_that_fails_or_is_killed_keeps_no_mail_back(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vl_convert", reason="NOT TESTED: pictures need the extra charts")
    with pytest.raises(ChartError, match="could not be drawn: AttributeError"):
        client.draw_png("pie")
    monkeypatch.setattr(client, "TIMEOUT", 0.01)
    found = load_context(_delivery(state), draw=True)
    assert (found.picture, found.note) == (None, "no picture: reliability: could not be drawn within 0 s")
    assert found.sure
    monkeypatch.setattr("sys.executable", "/bin/false")
    monkeypatch.setattr(client, "TIMEOUT", 20.0)
    assert "the process ended with 1" in load_context(_delivery(state), draw=True).note
