"""Label delays that depend on the outcome, and models that fail, as a whole calwatch shows them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from monitor import __version__
from monitor.cli.output import tell_status
from monitor.engine import cycle
from monitor.engine.cycle import Tick
from monitor.model import AlertState
from monitor.model.errors import StoreError
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.web.pages.digest import Digest
from monitor.publish.web.pages.model import model_page
from monitor.publish.web.pages.render import PageContext
from monitor.store.published.queries import Snapshot
from monitor.store.published.snapshot import SNAPSHOT
from tests.worlds.line import BEGAN, DAY, HOUR, Line, line, model_section, traffic, write_config, write_file

DRIFT = '[[rule]]\nname = "drift"\nkind = "drift"\nseverity = "page"\nslices = "all"\n'
SECTION = model_section(extra='label_horizon = "1d"')
NOW = BEGAN + 5 * DAY
LATE = "abels of negatives arrive later than those of positives (median "
DOUBT = "over all its slices, which is not guaranteed while l" + LATE


def sent(base: Path, *, slow: float) -> None:
    """Three days of over-confident traffic; mean delays of ``slow`` hours for outcome 0, of two hours for outcome 1."""
    rng = np.random.default_rng(5)
    rows = traffic(rng, "f", BEGAN, BEGAN + 3 * DAY, 6000, temperature=3.0)
    hours = np.minimum(rng.exponential(np.where(rows["outcome"] > 0, 2.0, slow)), 23.0)
    rows["labelled_at"] = rows["observed_at"] + (hours * 3600e6).astype("timedelta64[us]")
    write_file(base / "in" / "f.parquet", rows)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    write_config(tmp_path, SECTION)
    (tmp_path / "own.toml").write_text(DRIFT, "utf-8")
    return tmp_path


def reason(tick: Tick) -> str:
    (alert,) = (alert for alert in tick.published.models[0].alerts if alert.state is AlertState.FIRING)
    return alert.reason


def gauge(tick: Tick) -> float | None:
    registry = CollectorRegistry()
    MetricsCollector(registry).swap_snapshot(tick.published)
    return registry.get_sample_value("calwatch_label_delay_depends_on_outcome", {"model": "m"})


def status(base: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with Snapshot(base / "state") as held:
        tell_status(held.status({"m": "7d"}))
    return capsys.readouterr().out


def warnings(logs: Sequence[Mapping[str, Any]]) -> int:
    return sum(entry["event"] == "label delay depends on the outcome" for entry in logs)


def test_a_dependence_is_logged_once_and_shown_everywhere(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent(base, slow=9.0)
    with capture_logs() as logs:
        with line(base) as here:
            first, second, next_day = here.tick(NOW), here.tick(NOW + HOUR), here.tick(NOW + DAY)
        with line(base) as here:
            after_restart = here.tick(NOW + DAY + HOUR)
    assert warnings(logs) == 1
    assert DOUBT not in reason(first), "the first cycle looks only after it has judged"
    for tick in (second, next_day, after_restart):
        assert DOUBT in reason(tick)
        assert gauge(tick) == 1.0
    page = model_page(PageContext(Digest.from_published(after_restart.published), NOW + DAY + HOUR, HOUR), model="m")
    assert '<p class="banner">L' + LATE in page
    told = status(base, capsys)
    assert "WARNING m: l" + LATE in told
    assert 'h" would wait for them' in told
    assert "FIRING [page] m drift on all: Scores of all traffic are over-confident" in told
    assert "It began" not in told, "the reason says it already"


def test_groups_that_span_buckets_are_a_doubt_in_the_alert_itself(base: Path) -> None:
    with line(base) as here:
        here.arrive(BEGAN, BEGAN + 3 * DAY, 6000, temperature=3.0, group_id="patient-17")
        here.arrive(BEGAN, BEGAN + 3 * DAY, 6000, temperature=3.0)
        told = [reason(here.tick(NOW + hours * HOUR)) for hours in (0, 1)]
    assert "which is not guaranteed while" not in told[0], "the first cycle looks only after it has judged"
    assert "which is not guaranteed while 50 % of the rows lie in groups that span buckets of 1h" in told[1]


def test_delays_without_dependence_are_a_zero_and_no_warning(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent(base, slow=2.0)
    with capture_logs() as logs, line(base) as here:
        tick = [here.tick(NOW), here.tick(NOW + HOUR)][-1]
    assert warnings(logs) == 0
    assert (gauge(tick), DOUBT in reason(tick)) == (0.0, False)
    told = status(base, capsys)
    assert "label delay" not in told
    assert "abels of" not in told


def test_a_model_that_has_not_run_long_enough_is_unknown_and_says_so(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with line(base) as here:
        here.arrive(NOW - 20 * HOUR, NOW, 1000)
        tick = here.tick(NOW)
    assert gauge(tick) is None
    unknown = (
        "hether label delay depends on the outcome is unknown: no labelled sample is older than label_horizon (1d) yet"
    )
    assert "UNKNOWN m: w" + unknown in status(base, capsys)
    assert "W" + unknown in model_page(PageContext(Digest.from_published(tick.published), NOW, HOUR), model="m")


def test_an_answer_that_was_unknown_is_looked_for_again_after_a_restart(base: Path) -> None:
    with line(base) as here:
        assert gauge(here.tick(NOW)) is None
        sent(base, slow=9.0)
        assert gauge(here.tick(NOW + HOUR)) is None, "once a day"
    with line(base) as here:
        assert gauge(here.tick(NOW + 2 * HOUR)) == 1.0


def test_a_model_that_fails_is_in_the_status_with_its_first_failure_until_it_goes_well(
    base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with line(base) as here:
        here.tick(NOW)
        assert "FAILED" not in status(base, capsys)
        with patch.object(cycle, "weigh_evidence", side_effect=ValueError("no such cell")), capture_logs():
            for hours in (1, 2):
                here.tick(NOW + hours * HOUR)
        assert (
            "FAILED m, every cycle since 2026-03-06 01:00 UTC, so its numbers are old: ValueError: no such cell"
            in status(base, capsys)
        )
        here.tick(NOW + 3 * HOUR)
        assert "FAILED" not in status(base, capsys)


def test_a_failure_that_cannot_be_stored_does_not_stop_the_cycle(base: Path) -> None:
    with line(base) as here, capture_logs() as logs:
        here.tick(NOW)
        here.connection.execute("DROP TABLE problems")
        tick = here.tick(NOW + HOUR)
    assert tick.failed == {}
    assert "problems" in str(tick.published.problem)
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["snapshot not published"]


@pytest.mark.parametrize(
    ("schema", "do"),
    [
        (1, "restart the daemon with this version, or publish it anew: calwatch snapshot"),
        (
            999, "ask with the calwatch that the daemon runs, which is newer than this one; or restart the daemon with this "
            "one, or publish it anew: calwatch snapshot",
        ),
    ],
)  # fmt: skip
def test_a_snapshot_of_another_version_is_refused_with_what_to_do(base: Path, schema: int, do: str) -> None:
    def stamp(here: Line) -> None:
        here.connection.execute(f"ATTACH '{base / 'state' / SNAPSHOT}' AS old")
        here.connection.execute("UPDATE old.snapshot SET schema_version = ?", [schema])
        here.connection.execute("DETACH old")

    with line(base) as here:
        here.tick(NOW)
        stamp(here)
    with pytest.raises(StoreError) as raised:
        Snapshot(base / "state")
    said = (
        f"was written by calwatch {__version__} (schema {schema}); this is calwatch {__version__}, which reads schema "
    )
    assert said in raised.value.message
    assert raised.value.hint == do
