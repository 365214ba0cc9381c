"""From a drifting camera to the pager and back: calwatch, Prometheus and Alertmanager as processes, the shipped rules."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from monitor.model import Slice
from monitor.recalibration.artefacts import read_current
from tests.e2e.alerting import alerting, ask, webhook
from tests.worlds.line import Columns, model_section, traffic, write_config, write_file
from tests.worlds.process import Running, free_port, wait_for

pytestmark = [pytest.mark.server, pytest.mark.slow]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
DRIFTED = {"camera": "c3", "lighting": "night"}
SOFTNESS = 6.0  # the temperature at which scores of that slice would be right

# Buckets of a minute, so that what is written is judged within the test; everything else as shipped.
RULES = """
[[rule]]
name = "calibration-drift"
kind = "drift"
false_alarms = "1/year"
tolerance = { odds = 1.1 }
severity = "page"
actions = ["recalibrate"]

[[rule]]
name = "ece-high"
kind = "threshold"
metric = "ece_lower"
above = 0.05
clear_below = 0.03
window = "1h"
min_samples = 200
severity = "ticket"
actions = ["recalibrate"]
"""


def _configuration(base: Path, port: int) -> Path:
    section = model_section(extra='bucket = "1m"').replace('["24h", "7d"]', '["1h"]')
    path = write_config(base, section, monitor=f'listen = "127.0.0.1:{port}"\ncycle = "1s"')
    (base / "own.toml").write_text(RULES, "utf-8")
    return path


def _served_with(columns: Columns, calibrator: str) -> Columns:
    """The same predictions as a model server gives them that applies the right calibrator."""
    score = expit(logit(columns["score"]) / SOFTNESS)
    return {**columns, "score": score, "calibrator": np.full(len(score), calibrator, dtype=object)}


def test_a_drift_reaches_the_pager_with_its_slice_and_resolves_when_production_applies_the_refit(
    tmp_path: Path,
) -> None:
    port, scope = free_port(), Slice.of(DRIFTED).text
    config = _configuration(tmp_path, port)
    closed = datetime.now(UTC).replace(second=0, microsecond=0)  # the end of the newest bucket that is judged
    began = closed - 3 * MINUTE
    planted = {(DRIFTED["camera"], DRIFTED["lighting"]): SOFTNESS}
    rng = np.random.default_rng(1)
    write_file(tmp_path / "in" / "calm.parquet", traffic(rng, "calm", began - 6 * HOUR, began, 6000))
    write_file(tmp_path / "in" / "drift.parquet", traffic(rng, "drift", began, closed, 30_000, planted=planted))
    with (
        webhook() as pager,
        Running(port, tmp_path / "log.txt", "run", "--config", config) as daemon,
        alerting(tmp_path / "servers", scraped=port, told=pager.port) as prometheus,
    ):
        daemon.wait_ready()
        page = pager.wait("firing", alertname="CalwatchDrift", model="m", **DRIFTED)
        assert (page.path, page.labels["severity"], page.labels["rule"]) == ("/page", "page", "calibration-drift")
        assert page.labels["slice"] == scope
        assert f"slice {scope}, most likely since " in page.annotations["description"]
        assert page.annotations["runbook_url"] == "deploy/runbooks/CalwatchDrift.md"
        assert not [each for each in pager.told if each.labels.get("camera") in ("c1", "c2")]

        # the threshold rule fires for the same slice, and its ticket is held back while the page is out
        def both() -> bool:
            firing = ask(prometheus, 'ALERTS{alertstate="firing", camera="c3", lighting="night"}')
            return {labels["alertname"] for labels, _ in firing} == {"CalwatchDrift", "CalwatchRuleFiring"}

        wait_for(both, "both rules to fire in Prometheus")
        assert pager.latest(alertname="CalwatchRuleFiring", **DRIFTED) is None

        calibrators = tmp_path / "state" / "calibrators" / "m"
        wait_for(lambda: scope in read_current(calibrators), "the refit that the alert asked for to be promoted")
        adopted = 'calwatch_calibrator_adopted{camera="c3",lighting="night",model="m"}'
        assert daemon.metric(adopted) != 1
        # into the last whole minutes: a bucket is judged when it has closed, and the test does not wait for the next.
        # Twenty times the drifted traffic, so that the window of an hour, which still holds that, comes below the bound
        calibrator, now = read_current(calibrators)[scope], datetime.now(UTC)
        closed = now.replace(second=0, microsecond=0)
        for name, since, until, n in (
            ("fresh", closed - 2 * MINUTE, closed, 100_000),
            ("live", now, now + 1.1 * MINUTE, 500),
        ):
            columns = traffic(rng, name, since, until, n, cameras=["c3"], lightings=["night"], planted=planted)
            write_file(tmp_path / "in" / f"{name}.parquet", _served_with(columns, calibrator))
        daemon.wait_metric(adopted, lambda value: value == 1)
        pager.wait("resolved", alertname="CalwatchDrift", model="m", **DRIFTED)
        wait_for(
            lambda: not ask(prometheus, 'ALERTS{alertstate="firing", camera="c3", lighting="night"}'),
            "the threshold rule to resolve as well",
        )
        assert daemon.stop() == 0
        down = pager.wait("firing", alertname="CalwatchDown")
        assert down.path == "/page"
