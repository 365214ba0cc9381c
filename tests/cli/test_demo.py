"""``calwatch demo --serve`` as people run it, once: the story it tells is the story that was planted."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.cli.demo import HAZE_BEGAN, SECOND_SITE_BEGAN, STREAM_BEGAN, STREAM_ENDED
from monitor.store.connection import make_naive, quote_text
from tests.worlds.process import Running, calwatch, free_port, wait_for

pytestmark = pytest.mark.slow
HAZED = "camera=c3,lighting=night"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Demo:
    """One demo, played and still serving."""

    directory: Path
    running: Running

    @property
    def story(self) -> str:
        return self.running.text()

    def rows(self, sql: str) -> list[Any]:
        with duckdb.connect(str(self.directory / "metrics.duckdb"), read_only=True) as held:
            return held.execute(sql).fetchall()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    base = tmp_path_factory.mktemp("demo")
    port = free_port()
    with Running(port, base / "story.txt", "demo", base / "out", "--serve", "--listen", f"127.0.0.1:{port}") as running:
        wait_for(
            lambda: running.process.poll() is not None or running.get("/readyz")[0] == 200, "the demo to serve", 900
        )
        assert running.process.poll() is None, running.text()
        yield Demo(base / "out", running)


def _utc(moment: datetime) -> datetime:
    found = make_naive(moment)
    assert found is not None
    return found


def test_the_haze_alert_fires_within_a_week_dated_to_a_day_and_nothing_fires_before(demo: Demo) -> None:
    fired = demo.rows(
        "SELECT changed_at, slice, onset FROM alert_events WHERE state = 'firing' ORDER BY changed_at"
    )  # fmt: skip
    assert fired, "nothing fired"
    assert fired[0][0] > _utc(HAZE_BEGAN), f"an alert fired before the haze: {fired[0]}"
    at, onset = next((at, onset) for at, slice_, onset in fired if slice_ == HAZED)
    assert at <= _utc(HAZE_BEGAN + 7 * DAY)
    assert abs(onset - _utc(HAZE_BEGAN)) <= DAY
    before_second_site = [slice_ for at, slice_, _ in fired if at < _utc(SECOND_SITE_BEGAN)]
    assert all("camera=c3" in slice_ or "night" in slice_ or slice_ == "all" for slice_ in before_second_site)


def test_the_refit_of_the_hazed_slice_is_promoted_and_better_on_later_samples(demo: Demo) -> None:
    (job,) = demo.rows(f"SELECT details, finished_at FROM jobs WHERE state = 'promoted' AND scope = '{HAZED}' LIMIT 1")
    details = json.loads(job[0])
    assert details["after"]["ece"] < details["before"]["ece"] / 2
    assert details["after"]["log_loss"] < details["before"]["log_loss"]
    assert details["gate"]["start"] > details["fit"]["end"]
    resolved = demo.rows(f"SELECT max(changed_at) FROM alert_events WHERE state = 'resolved' AND slice = '{HAZED}'")
    assert resolved[0][0] > job[1]
    assert job[1] < _utc(HAZE_BEGAN + 7 * DAY)


def test_what_is_wrong_at_night_is_mended_there_and_nothing_fires_at_the_end(demo: Demo) -> None:
    assert demo.rows("SELECT DISTINCT scope FROM jobs WHERE state = 'promoted' ORDER BY scope") == [("all",), (HAZED,)]
    assert demo.rows("SELECT slice, rule FROM alerts WHERE state = 'firing'") == []


def test_a_nightly_refit_of_the_whole_is_promoted_after_the_second_site_began(demo: Demo) -> None:
    finished = demo.rows(
        "SELECT finished_at FROM jobs WHERE state = 'promoted' AND scope = 'all' AND starts_with(trigger, 'schedule ')"
    )
    assert any(at > _utc(SECOND_SITE_BEGAN) for (at,) in finished)


def test_new_duplicate_corrected_and_bad_rows_are_counted_as_planted(demo: Demo) -> None:
    pattern = str(files("monitor.cli.demo").joinpath("digits-*.parquet"))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        expected = connection.execute(
            "WITH arrived AS (SELECT *, sample_id IS NOT NULL AND score BETWEEN 0 AND 1 AND NOT isnan(score) "
            "AND observed_at < TIMESTAMPTZ '2030-01-01' AS fit "
            f"FROM read_parquet({quote_text(pattern)}) WHERE observed_at > TIMESTAMPTZ '2030-01-01' AND labelled_at IS NULL "
            f"OR coalesce(labelled_at, observed_at) <= TIMESTAMPTZ '{STREAM_ENDED.isoformat()}') "
            "SELECT count(*), count(DISTINCT (sample_id, observed_at)) FILTER (fit), "
            "count(DISTINCT (sample_id, observed_at, labelled_at)) FILTER (fit) - "
            "count(DISTINCT (sample_id, observed_at)) FILTER (fit) FROM arrived"
        ).fetchone()
    assert expected is not None
    new, corrected, quarantined, duplicates = demo.rows(
        "SELECT sum(new), sum(corrected), sum(quarantined), sum(duplicates) FROM pulls"
    )[0]
    assert (new, corrected) == (expected[1], expected[2])
    assert 450 < duplicates < 810  # 1 % of 54,000 twice, half of them a third time, but for what arrives after the end
    assert corrected > 200
    reasons = dict(demo.rows("SELECT reason, sum(rows) FROM quarantine_counts GROUP BY reason"))
    assert reasons["missing_sample_id"] == 5
    assert reasons["score_not_a_number"] == 5
    assert reasons["score_outside_0_1"] == 10
    assert reasons["time_in_future"] in (4, 5)
    assert quarantined == sum(reasons.values())
    assert f"{new:,} new" in demo.story


def test_it_leaves_the_files_it_names_and_no_more(demo: Demo) -> None:
    promoted = demo.rows("SELECT id FROM calibrators ORDER BY id")
    found = {str(path.relative_to(demo.directory)) for path in demo.directory.rglob("*") if path.is_file()}
    wanted = {"live.duckdb", "metrics.duckdb", "calwatch.toml", "calibrators/digits/current.json"}
    wanted |= {f"calibrators/digits/{id_}.json" for (id_,) in promoted}
    assert {name for name in found if not name.startswith(".snapshot-")} == wanted
    for name in wanted - {"live.duckdb"}:
        assert name in demo.story
    current = json.loads((demo.directory / "calibrators" / "digits" / "current.json").read_text("utf-8"))["current"]
    assert dict(demo.rows("SELECT scope, calibrator FROM serving WHERE until IS NULL")) == current


def test_commands_that_look_find_the_demo_by_its_configuration(demo: Demo) -> None:
    config = demo.directory / "calwatch.toml"
    status = calwatch("status", "--config", config, cwd=demo.directory)
    assert (status.returncode, status.stderr) == (0, "")
    assert "in charge of digits camera=c3,lighting=night" in status.stdout
    assert calwatch("check", "--config", config, cwd=demo.directory).returncode == 0
    out = demo.directory.parent / "digits.html"
    assert calwatch("report", "digits", "--config", config, "--out", out, cwd=demo.directory).returncode == 0


def test_another_process_can_ask_the_snapshot(demo: Demo) -> None:
    asked = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); "
        "print([c.execute(f'SELECT count(*) FROM {v}').fetchone()[0] for v in ('drift_now', 'worst_slices', 'last_refits')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked, str(demo.directory / "metrics.duckdb")],
        capture_output=True,
        text=True,
        check=True,
    )
    drift_now, worst, refits = json.loads(done.stdout)
    assert drift_now >= 0
    assert worst > 5
    assert refits > 0


def test_the_story_names_its_planted_times_and_what_is_real(demo: Demo) -> None:
    for part in ("Real: the handwriting", "Planted drift 1", "2026-02-01 00:00", "the second site begins", HAZED):
        assert part in demo.story
    assert "FAILED" not in demo.story
    assert "error" not in demo.story.lower().replace("calibration_error", "")
    assert "Traceback" not in demo.story
    assert STREAM_BEGAN < HAZE_BEGAN


def test_a_directory_with_something_else_in_it_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", "utf-8")
    refused = calwatch("demo", tmp_path, cwd=tmp_path)
    assert refused.returncode == 2
    assert "holds thesis.txt, which no demo wrote" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_serve_says_where_answers_and_stops_on_sigterm(demo: Demo) -> None:
    assert f"page={demo.running.url}/" in demo.story
    assert demo.running.metric('calwatch_samples{camera="",lighting="",model="digits",version="digits-1",window="7d"}')
    status, page = demo.running.get("/")
    assert status == 200
    assert "digits" in page
    assert demo.running.stop() == 0
