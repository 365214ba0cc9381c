"""Pages of a played line: a slice that drifted and was refitted, its jobs, rules, bad rows; and the configuration."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from fastapi.testclient import TestClient

from monitor.config.settings import parse_config
from monitor.model import Slice
from monitor.publish.web.pages.settings import MASKED
from tests.publish.outline import outline
from tests.worlds.line import BEGAN
from tests.worlds.page import EVIL, HAZED, Site, played

SLICE = f"model=m&slice={quote(HAZED)}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with played(tmp_path_factory.mktemp("line")) as here:
        yield here


@pytest.fixture
def client(site: Site) -> TestClient:
    return site.client


def shown(client: TestClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    found = outline(answer.text)
    assert "script" not in found.seen
    assert "onerror" not in {name for name, _ in found.attributes}
    return answer.text


def test_a_slices_page_tells_its_story(client: TestClient) -> None:
    html = shown(client, f"/slice?{SLICE}&window=24h")
    told = ["drift began (estimate)", "alert fired", "calibrator promoted", "alert resolved"]
    events = html.partition("<h3>Events</h3>")[2]
    places = [events.index(text) for text in told]
    assert places == sorted(places, reverse=True), "newest first"
    assert "Before and after the calibrator" in html
    assert "of the limit, of samples since" in html
    assert "reliability.svg?" in html
    assert "evidence.svg?" in html


def test_jobs_come_with_the_gates_reasons_and_their_attempts(client: TestClient) -> None:
    html = shown(client, "/jobs?model=m")
    assert "accepted: log-loss better by" in html
    assert "ECE 0." in html
    promoted = shown(client, "/jobs?model=m&state=promoted")
    assert promoted.count('<li class="promoted">') == 1
    job = promoted.partition('href="job?id=')[2].partition('"')[0]
    detail = shown(client, f"/job?id={job}")
    assert "<h2>Attempts</h2>" in detail
    assert "temperature" in detail
    assert "<dt>bars</dt>" not in detail, "they are drawn"
    assert f'src="refit.svg?id={job}"' in detail
    assert "Guard over promoted calibrators" in html
    lost = client.get("/jobs?state=lost")
    assert lost.status_code == 404
    assert "There is no state &#34;lost&#34;." in lost.text
    assert client.get("/job?id=nope").status_code == 404


def test_a_page_of_jobs_beyond_the_last_shows_the_first_and_not_that_there_are_none(client: TestClient) -> None:
    assert shown(client, "/jobs?model=m&page=99") == shown(client, "/jobs?model=m")


def test_rules_are_shown_with_state_apart_from_health_and_what_they_judge_by(client: TestClient) -> None:
    html = shown(client, "/rules?model=m")
    for text in (
        "ece_lower above 0.05 over 24h, resolved below 0.03, from 150 samples on",
        "evidence of drift from perfect calibration",
        "calibration error worse than the rest by more than 0.02 over 24h",
        "unknown: needs 100 samples",
        "÷ limit",
    ):
        assert text in html, text
    one = shown(client, "/rules?model=m&rule=drift&state=firing").partition('id="states"')[2]
    assert "Scores of camera=c1 are over-confident" in one
    assert "In force" not in one, "since when stands in a column of its own"
    assert outline(f"<div>{one.partition('<tbody>')[2].partition('</tbody>')[0]}</div>").rows == ["drift"]
    assert client.get("/rules?model=m&rule=zz").status_code == 404
    assert client.get("/rules?model=m&state=zz").status_code == 404


def test_rows_set_aside_are_shown_as_text(client: TestClient) -> None:
    html = shown(client, "/intake?model=m&source=samples&reason=score_outside_0_1")
    assert EVIL not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "score_outside_0_1" in html
    assert html.count('class="record"') == 4
    assert 'class="record"' not in shown(client, "/intake"), "rows are shown of one model at a time"


def test_thresholds_without_a_promise_that_holds_say_so(client: TestClient) -> None:
    assert "tradeoff.svg?" in shown(client, "/thresholds?model=m")


def test_a_model_without_any_reading_is_unknown_on_every_page(client: TestClient) -> None:
    assert "There is no reading yet" in shown(client, "/model?model=quiet")
    assert "there is no reading yet" in shown(client, "/?state=unknown")
    assert "No rule watches this model" in shown(client, "/rules?model=quiet")
    assert "No row was set aside" in shown(client, "/intake?model=quiet")
    assert "no refit or tuning was promoted yet" in shown(client, "/thresholds?model=quiet")


@pytest.mark.parametrize(
    "path",
    [
        f"/reliability.svg?{SLICE}&window=24h",
        f"/reliability.svg?{SLICE}&window=24h&compare=true",
        f"/ece.svg?{SLICE}&window=24h&narrow=true",
        f"/evidence.svg?{SLICE}",
        "/refit.svg?id=PROMOTED",
        "/heatmap.svg?model=m&window=24h&rows=camera&columns=lighting",
    ],
)
def test_pictures_are_drawn_once_for_a_snapshot(site: Site, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, int]] = []

    def svg(drawer: object, chart: str, *values: object, **options: object) -> bytes:
        first = values[0]
        assert isinstance(first, list | tuple)
        drawn.append((chart, len(first)))
        return b"<svg/>"

    monkeypatch.setattr("monitor.charts.client.Drawer.draw_svg", svg)
    client = site.client
    promoted = client.get("/jobs?model=m&state=promoted").text.partition('href="job?id=')[2].partition('"')[0]
    path = path.replace("PROMOTED", promoted)
    for _ in range(2):
        answer = client.get(path)
        assert (answer.status_code, answer.content) == (200, b"<svg/>")
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert len(drawn) == 1
    assert drawn[0][1] > 5


def test_a_picture_of_nothing_says_so(client: TestClient) -> None:
    answer = client.get(f"/ece.svg?model=m&slice={quote(Slice.of({'camera': EVIL}).text)}&window=7d")
    assert answer.status_code == 200
    assert "no reading with enough samples yet" in answer.text


def test_the_past_is_503_in_a_sentence_once_it_is_closed(site: Site) -> None:
    assert site.archive is not None
    gone = Site(site.published, site.now, site.config, None)
    answer = gone.client.get("/jobs")
    assert answer.status_code == 503
    assert "There is no database to ask for the past." in answer.text


SECRETS = """
[monitor]
cycle = "1m"
[[model]]
name = "m"
task = "binary"
[model.source]
path = "s3://key:topsecret@bucket/in/*"
[[action]]
name = "hook"
kind = "webhook"
url = "https://hooks.example.com/services/T0PSECRET?token=topsecret"
secret = "env:SIGNING_KEY"
headers = { Authorization = "file:/run/secrets/hook", X-Team = "topsecret" }
[[action]]
name = "run"
kind = "command"
command = ["/usr/bin/retrain", "--password=topsecret"]
env = { A = "topsecret", B = "env:B" }
"""


def test_the_configuration_says_where_secrets_are_and_never_what_they_are(tmp_path: Path) -> None:
    config = parse_config(SECRETS, "calwatch.toml", tmp_path)
    html = shown(Site(None, BEGAN, config).client, "/settings?" + urlencode({"model": "m"}))
    assert "topsecret" not in html.casefold()
    assert "t0psecret" not in html.casefold()
    for text in ("env:SIGNING_KEY", "file:/run/secrets/hook", f"A = {MASKED}", "B = env:B", "https://hooks.example.com/…",
                 "/usr/bin/retrain …", "s3://…@bucket/in/*", "[[model]] &#34;m&#34;", "[model.recalibration]"):  # fmt: skip
        assert text in html, text
