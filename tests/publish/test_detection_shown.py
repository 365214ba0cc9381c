"""Detection whose rows users matched, wherever people look: no recall is shown, and why there is no threshold is told."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from markupsafe import escape
from prometheus_client import CollectorRegistry, generate_latest

from monitor.cli.output import tell_status
from monitor.config.actions import Action
from monitor.jobs.actions.delivery import Delivery
from monitor.jobs.actions.message import EventContext, message_of
from monitor.model import Published
from monitor.model.reasons import Code
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.report.collect import collect_report
from monitor.publish.report.page import report_page
from monitor.store.published.queries import Snapshot
from tests.publish.pages import page
from tests.worlds.line import BEGAN, DAY, HOUR, Line, line, model_section, write_config
from tests.worlds.page import Site

POLICIES = ("f1", "recall>=0.9", "youden", "precision>=0.7")
RULE = """
[[rule]]
name = "recall-promise-broken"
kind = "threshold"
metric = "threshold_recall_upper"
below = 0.999
window = "7d"
severity = "page"
"""
NOW = BEGAN + 3 * DAY + 4 * HOUR


@pytest.fixture(scope="module", params=POLICIES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Line, Published]]:
    base = tmp_path_factory.mktemp("detection")
    section = model_section(
        extra=f'threshold = {{ policy = "{request.param}" }}',
        recalibration='apply = "monitor"\nschedule = "0 2 * * *"\nmethod = "temperature"',
    ).replace('"binary"', '"detection"')  # fmt: skip
    write_config(base, section)
    (base / "own.toml").write_text(RULE, "utf-8")
    with ExitStack() as stack:
        held = stack.enter_context(line(base))
        held.arrive(BEGAN, BEGAN + 3 * DAY, 9000, temperature=0.5)
        for after in (timedelta(0), timedelta(minutes=181), timedelta(minutes=182)):
            held.tick(BEGAN + 3 * DAY + after)
        held.arrive(BEGAN + 3 * DAY + 3 * HOUR, NOW, 900, temperature=0.5)  # scored by the calibrator in charge
        yield held, held.tick(NOW).published


def _policy(published: Published) -> str:
    (threshold,) = published.models[0].thresholds
    return threshold.policy


def test_metrics_have_no_series_of_recall(world: tuple[Line, Published]) -> None:
    registry = CollectorRegistry()
    MetricsCollector(registry, version="1.2.3").swap_snapshot(world[1])
    told = generate_latest(registry).decode()
    series = [each for each in told.splitlines() if each.startswith("calwatch_")]
    names = {each.partition("{")[0] for each in series}
    assert not {"calwatch_threshold_recall", "calwatch_live_recall"} & names
    is_answered = _policy(world[1]).startswith("precision")
    for name in ("threshold", "threshold_promised", "threshold_promise_kept", "threshold_precision", "live_precision"):
        assert (f"calwatch_{name}" in names) == is_answered, name
    assert "calwatch_rule_health{" in told
    healths = [each for each in series if each.startswith("calwatch_rule_health") and each.endswith(" 1.0")]
    assert healths
    assert all('health="unknown"' in each for each in healths)
    assert not [each for each in series if each.startswith("calwatch_rule_firing") and each.endswith(" 1.0")]


def test_pages_show_a_dash_for_recall_and_say_why_there_is_no_threshold(world: tuple[Line, Published]) -> None:
    html = page(world[1], "/thresholds?model=m", now=NOW)
    recall = html.partition("<dt>recall</dt><dd>")[2].partition("</dd>")[0]
    assert recall.strip() == "–"
    threshold = world[1].models[0].thresholds[0]
    if threshold.threshold is None:
        assert str(escape(threshold.reason)) in html
        promise = html.partition("<dt>promise</dt><dd>")[2].partition("</dd>")[0]
        assert promise == ("unknown" if "recall" in threshold.policy else "none made")
    else:
        assert "recall unknown" in html
    assert "threshold_recall_upper is unknown" in page(world[1], "/", now=NOW)


def test_the_api_says_null_and_why(world: tuple[Line, Published]) -> None:
    client = Site(world[1], NOW, stale_after=timedelta(minutes=5)).client
    (item,) = client.get("/api/v1/thresholds?model=m").json()["items"]
    assert (item["recall"], item["recall_lower"], item["recall_upper"]) == (None, None, None)
    assert item["reason"]
    readings = client.get("/api/v1/readings?model=m").json()["items"]
    assert readings
    assert not [each for each in readings if each.get("metrics", {}).get("threshold_recall") is not None]


def test_status_and_report_tell_the_same(world: tuple[Line, Published], capsys: pytest.CaptureFixture[str]) -> None:
    held, published = world
    reason = published.models[0].thresholds[0].reason
    with Snapshot(held.base / "state") as snapshot:
        tell_status(snapshot.status({"m": "7d"}))
        told = " ".join(capsys.readouterr().out.split())
        report = collect_report(snapshot, "m")
        html = report_page(report, "the box matches")
    (shown,) = report.thresholds
    assert shown.chosen.recall is None
    assert shown.curve
    assert all(point.recall is None and point.f1 is None for point in shown.curve)
    assert any(point.precision is not None for point in shown.curve)
    assert str(escape(reason)) in html
    if published.models[0].thresholds[0].threshold is None:
        assert f"NO THRESHOLD of m all: {reason}" in told
    else:
        assert "threshold of m all: 0." in told


def test_the_message_of_the_promotion_says_why_there_is_no_threshold(world: tuple[Line, Published]) -> None:
    (job,) = world[1].models[0].jobs
    payload = {
        "event": "job.promoted", "model": "m",
        "job": {
            "id": job.id, "kind": job.kind, "state": job.state, "slice": "all", "trigger": job.trigger, "before": None,
            "after": None, "calibrator": "c", "method": "temperature", "reasons": list(job.reasons),
            "codes": [each.code for each in job.why], "facts": [dict(each.values) for each in job.why],
        },
    }  # fmt: skip
    room = Action.model_validate({"name": "room", "kind": "slack", "url": "env:ROOM"})
    delivery = Delivery(room, payload, "feedfacecafe", 1, NOW, Path())
    facts = dict(message_of(delivery, EventContext()).facts)
    assert "recall unknown" in facts["threshold"] or facts["threshold"].startswith("no threshold for ")
    assert Code.THRESHOLD_CHOSEN not in [each.code for each in job.why]
