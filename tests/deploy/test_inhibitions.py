"""Who silences whom: the shipped inhibitions in a real Alertmanager, asked alert by alert."""

import json
import re
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.alerting import SHIPPED, needed, server
from tests.worlds.process import free_port, wait_for

pytestmark = pytest.mark.server
Labels = Mapping[str, str]
TARGET = {"job": "calwatch", "instance": "line:9464"}
MODEL = {**TARGET, "model": "defects"}
CROSS = {**MODEL, "version": "v1", "camera": "c3", "lighting": "night", "slice": "camera=c3,lighting=night"}
SITE = {**MODEL, "version": "v1", "site": "a", "slice": "site=a"}  # dimensions of another name
OTHER_SITE = {**MODEL, "version": "v1", "site": "b", "slice": "site=b"}


def _alert(name: str, severity: str, labels: Labels, **more: str) -> Labels:
    return {"alertname": name, "severity": severity, **labels, **more}


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    base = tmp_path_factory.mktemp("alertmanager")
    url = f"http://127.0.0.1:{free_port()}"
    config = re.sub(r"127\.0\.0\.1:8099", "127.0.0.1:9", (SHIPPED / "alertmanager.yml").read_text("utf-8"))  # nobody
    (base / "alertmanager.yml").write_text(config, "utf-8")
    with server(
        "alertmanager", f"{url}/-/ready", base / "log.txt",
        needed("prometheus-alertmanager"), f"--config.file={base / 'alertmanager.yml'}",
        f"--storage.path={base / 'alerts'}", f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ):  # fmt: skip
        yield url


def _post(alertmanager: str, alerts: Sequence[Labels]) -> None:
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = json.dumps([{"labels": labels, "endsAt": ends} for labels in alerts]).encode()
    asked = urllib.request.Request(f"{alertmanager}/api/v2/alerts", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.status == 200


def _held(alertmanager: str, asked: Labels) -> bool:
    """Whether the alert with exactly these labels is inhibited."""
    with urllib.request.urlopen(f"{alertmanager}/api/v2/alerts", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return any(each["labels"] == asked and each["status"]["inhibitedBy"] for each in found)


def _settled(alertmanager: str, world: str) -> None:
    """Wait until everything posted before is weighed: alerts are taken in their order, and this pair is the last."""
    down = _apart(_alert("CalwatchDown", "page", TARGET), f"{world}, the fence")
    behind = _apart(_alert("CalwatchDrift", "page", MODEL), f"{world}, the fence")
    _post(alertmanager, [behind, down])
    wait_for(lambda: _held(alertmanager, behind), "the fence to stand", patience=30)


def _apart(labels: Labels, world: str) -> Labels:
    """The same in an instance of its own, so that the cases of one Alertmanager do not meet."""
    return {**labels, "instance": f"{labels['instance']}/{world}"}


CASES = {
    "down holds back a drift of that instance": (
        _alert("CalwatchDown", "page", TARGET), _alert("CalwatchDrift", "page", CROSS, rule="calibration-drift"), True,
    ),
    "stuck cycles hold back a failing model": (
        _alert("CalwatchCyclesStuck", "page", TARGET), _alert("CalwatchModelUnhealthy", "page", MODEL), True,
    ),
    "stuck cycles do not hold back down": (
        _alert("CalwatchCyclesStuck", "page", TARGET), _alert("CalwatchDown", "page", TARGET), False,
    ),
    "an unhealthy model holds back its tickets": (
        _alert("CalwatchModelUnhealthy", "page", MODEL), _alert("CalwatchCycleFailing", "ticket", MODEL), True,
    ),
    "an unhealthy model holds back its stale source": (
        _alert("CalwatchModelUnhealthy", "page", MODEL), _alert("CalwatchPullStale", "page", MODEL), True,
    ),
    "an unhealthy model lets its drift page through": (
        _alert("CalwatchModelUnhealthy", "page", MODEL),
        _alert("CalwatchDrift", "page", CROSS, rule="calibration-drift"), False,
    ),
    "an unhealthy model says nothing of another": (
        _alert("CalwatchModelUnhealthy", "page", MODEL),
        _alert("CalwatchCycleFailing", "ticket", {**MODEL, "model": "digits"}), False,
    ),
    "a stale source holds back calwatch's own rule about it": (
        _alert("CalwatchPullStale", "page", MODEL),
        _alert("CalwatchRuleFiring", "page", MODEL, rule="pulls-stale", slice="all"), True,
    ),
    "a page on the cross holds back the ticket of the same cross": (
        _alert("CalwatchDrift", "page", CROSS, rule="calibration-drift"),
        _alert("CalwatchRuleFiring", "ticket", CROSS, rule="ece-high"), True,
    ),
    "a page on the cross leaves the ticket of its camera": (
        _alert("CalwatchDrift", "page", CROSS, rule="calibration-drift"),
        _alert("CalwatchRuleFiring", "ticket", {**CROSS, "lighting": "", "slice": "camera=c3"}, rule="ece-high"), False,
    ),
    "a page leaves another version's ticket": (
        _alert("CalwatchDrift", "page", CROSS, rule="calibration-drift"),
        _alert("CalwatchRuleFiring", "ticket", {**CROSS, "version": "v2"}, rule="ece-high"), False,
    ),
    "a page holds back the ticket of its slice, whatever the dimension is called": (
        _alert("CalwatchDrift", "page", SITE, rule="calibration-drift"),
        _alert("CalwatchRuleFiring", "ticket", SITE, rule="ece-high"), True,
    ),
    "a page leaves the ticket of another slice, whatever the dimension is called": (
        _alert("CalwatchDrift", "page", SITE, rule="calibration-drift"),
        _alert("CalwatchRuleFiring", "ticket", OTHER_SITE, rule="ece-high"), False,
    ),
    "a page on scores leaves the ticket that labels are late": (
        _alert("CalwatchDrift", "page", {**MODEL, "version": "v1", "slice": "all"}, rule="calibration-drift"),
        _alert("CalwatchRuleFiring", "info", {**MODEL, "version": "v1", "slice": "all"}, rule="labels-late"), False,
    ),
    "a drift that pages holds back the broken promise of its slice": (
        _alert("CalwatchDrift", "page", CROSS, rule="calibration-drift"),
        _alert("CalwatchPromiseBroken", "ticket", CROSS, policy="precision>=0.95", window="24h"), True,
    ),
    "a drift of the cross leaves the broken promise of the whole": (
        _alert("CalwatchDrift", "page", CROSS, rule="calibration-drift"),
        _alert("CalwatchPromiseBroken", "ticket", {**MODEL, "version": "v1", "slice": "all"}, window="24h"), False,
    ),
    "that no threshold is left holds back that the last one broke its promise": (
        _alert("CalwatchNoThreshold", "ticket", {**MODEL, "camera": "c3", "slice": "camera=c3"}),
        _alert("CalwatchPromiseBroken", "ticket", {**MODEL, "version": "v1", "camera": "c3", "slice": "camera=c3"}), True,
    ),
    "that one slice has no threshold says nothing of another's": (
        _alert("CalwatchNoThreshold", "ticket", {**MODEL, "camera": "c3", "slice": "camera=c3"}),
        _alert("CalwatchPromiseBroken", "ticket", {**MODEL, "version": "v1", "slice": "all"}), False,
    ),
    "a page is never held back by a page of its slice": (
        _alert("CalwatchEceSevere", "page", CROSS), _alert("CalwatchDrift", "page", CROSS, rule="calibration-drift"), False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_who_silences_whom(alertmanager: str, case: str) -> None:
    source, target, held = CASES[case]
    source, target = _without_empty(_apart(source, case)), _without_empty(_apart(target, case))
    _post(alertmanager, [source, target])
    _settled(alertmanager, case)
    assert _held(alertmanager, target) is held


def _without_empty(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if value}
