from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

from monitor.config.settings import Config
from monitor.model import Published
from monitor.model.errors import StoreError
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.metrics.exposition import exposition
from monitor.publish.web.app import create_app
from monitor.store.published.history import History

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)


@dataclass
class Shown:
    """A state and a clock that tests set."""

    published: Published | None = None
    config: Config | None = None
    stale_after: timedelta = timedelta(minutes=5)
    now: datetime = AT
    collector: MetricsCollector = field(default_factory=lambda: MetricsCollector(CollectorRegistry(), version="1.2.3"))

    def exposition(self) -> bytes:
        return exposition(self.collector)

    def history(self) -> AbstractContextManager[History]:
        raise StoreError("there is no database to ask for the past")


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
def client(shown: Shown) -> TestClient:
    return TestClient(create_app(shown, now=lambda: shown.now))


def test_metrics_are_text_of_the_version_prometheus_expects(client: TestClient, shown: Shown, small: Published) -> None:
    shown.collector.swap_snapshot(small)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.content == shown.exposition()
    assert b"calwatch_ece{" in answer.content


def test_not_ready_before_the_first_cycle_and_ready_after(client: TestClient, shown: Shown, small: Published) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the first cycle has not ended yet")
    shown.published = small
    assert client.get("/readyz").status_code == 200
    assert client.head("/readyz").status_code == 200


def test_healthy_until_the_last_cycle_is_too_long_ago(client: TestClient, shown: Shown, small: Published) -> None:
    shown.published = small
    shown.now = AT + timedelta(minutes=5)
    assert (client.get("/healthz").status_code, client.get("/healthz").json()) == (200, {"status": "ok"})
    shown.now = AT + timedelta(minutes=6)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "stale", "reason": "the last cycle was 6 min ago, more than 5 min"}
    assert client.head("/healthz").status_code == 503


def test_a_first_cycle_that_never_ends_is_unhealthy(client: TestClient, shown: Shown) -> None:
    assert client.get("/healthz").status_code == 200
    shown.now = AT + timedelta(minutes=7)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["reason"] == "no cycle has ended in 7 min since the start, more than 5 min"


def test_the_page_is_html_for_one_model_and_window(client: TestClient, shown: Shown, small: Published) -> None:
    shown.published = small
    answer = client.get("/model", params={"model": "digits", "window": "24h", "page": "1"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "camera=c3,<wbr>lighting=night" in answer.text


def test_an_unknown_model_is_not_found_and_its_name_does_nothing(
    client: TestClient, shown: Shown, small: Published
) -> None:
    shown.published = small
    answer = client.get("/model", params={"model": "<script>"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "There is no model &#34;&lt;script&gt;&#34;." in answer.text


def test_a_page_number_that_is_none_is_refused(client: TestClient) -> None:
    assert client.get("/", params={"page": "0"}).status_code == 422
    assert client.get("/", params={"page": "x"}).status_code == 422


def test_the_style_sheet_is_served_from_here(client: TestClient) -> None:
    answer = client.get("/style.css")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "prefers-color-scheme: dark" in answer.text


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz", "/style.css", "/nowhere", "/?page=0"])
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'self'" in policy
    assert "script-src" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthz/", "/nowhere"])
def test_the_host_header_is_never_repeated(client: TestClient, shown: Shown, small: Published, path: str) -> None:
    shown.published = small
    sent = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Accept": "text/html"}
    answer = client.get(path, headers=sent, follow_redirects=False)
    assert not answer.is_redirect
    assert "evil.example" not in answer.text
    assert "evil.example" not in str(answer.headers)
