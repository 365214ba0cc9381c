"""Labels that wait and groups that reach too far, on the page, in the API, as metrics and in the summary."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from monitor.model import GroupSpans, ModelStatus, Published, Straddling, Task, WaitingLabels
from monitor.publish.metrics.collector import MetricsCollector
from monitor.publish.web.summary import Condition, summarise_model
from monitor.store.connection import make_naive
from tests.publish.outline import outline
from tests.worlds.api import api_world
from tests.worlds.page import EVIL, Site
from tests.worlds.published import AT, HOUR

LOST = WaitingLabels(
    "digits", "verdicts", 600, AT - 30 * HOUR, AT - HOUR, 98, 2, ("007", EVIL), ("7", "8"),
    'all of the 600 ids compared are those of predictions but for leading zeros: label "007", prediction "7"', AT,
)  # fmt: skip
WIDE = GroupSpans(
    "digits", AT, AT - 720 * HOUR, HOUR,
    Straddling(4000, 4000, 90, 0.97, 0.95, ("patient-17",), (42,), (timedelta(days=38),)),
)  # fmt: skip


@pytest.fixture
def digits(small: Published) -> ModelStatus:
    return replace(small.models[0], alerts=())


@pytest.fixture
def page(digits: ModelStatus, tmp_path: Path) -> Callable[..., str]:
    def shown(path: str, **changed: object) -> str:
        published = Published(AT, (replace(digits, **changed),))  # type: ignore[arg-type]  # fields of ModelStatus
        with api_world(tmp_path) as world:
            site = Site(published, AT)
            site.history = world.history  # type: ignore[method-assign]  # a database without rows
            answer = site.client.get(path)
        assert answer.status_code == 200
        assert "script" not in outline(answer.text).seen
        return answer.text

    return shown


def test_labels_that_find_no_prediction_stand_at_the_top_of_their_model_and_among_the_sources(
    page: Callable[..., str],
) -> None:
    html = page("/model?model=digits", waiting_labels=(LOST,))
    banner = html.partition('<p class="banner" role="alert">')[2].partition("</p>")[0]
    assert (
        "Source <bdi>verdicts</bdi>: 600 labels wait for their prediction, the oldest since 2026-02-27 20:00 UTC"
        in banner
    )
    assert "of the newest 100 whose prediction should be there 98 found none" in banner
    assert "but for leading zeros" in banner
    for path in ("/intake", "/intake?model=digits"):
        table = page(path, waiting_labels=(LOST,)).partition('id="waiting"')[2].partition('id="aside"')[0]
        for text in (
            "verdicts",
            "600",
            "2026-02-27 20:00",
            "98 %",
            "&#34;007&#34;",
            "&#34;7&#34;",
            "but for leading zeros",
        ):
            assert text in table, text
        assert EVIL not in table


def test_what_pulls_told_once_stands_among_the_sources_for_a_week(digits: ModelStatus, tmp_path: Path) -> None:
    with api_world(tmp_path) as world:
        for days, text in ((1, f"a.csv: was written anew {EVIL}"), (6, "b.csv: older"), (8, "c.csv: long ago")):
            world.connection.execute(
                "INSERT INTO source_notes VALUES ('digits', 'lake', 'withdrawn_rows', 'a.csv', $text, $at)",
                {"text": text, "at": make_naive(AT - timedelta(days=days))},
            )
        site = Site(Published(AT, (digits,)), AT)
        site.history = world.history  # type: ignore[method-assign]
        for path in ("/intake", "/intake?model=digits"):
            table = site.client.get(path).text.partition('id="notes"')[2].partition('id="waiting"')[0]
            assert table.index("a.csv: was written anew") < table.index("b.csv: older")
            assert "c.csv" not in table
            assert EVIL not in table


def test_early_labels_are_told_quietly_and_none_not_at_all(page: Callable[..., str]) -> None:
    early = WaitingLabels("digits", "verdicts", 1, AT - HOUR, AT - HOUR, compared_at=AT)
    html = page("/model?model=digits", waiting_labels=(early,))
    assert "1 label waits for its prediction, since 2026-03-01 01:00 UTC." in html
    assert 'role="alert"' not in html
    none = WaitingLabels("digits", "verdicts", 0)
    assert "wait for their prediction" not in page("/model?model=digits", waiting_labels=(none,))
    assert "No source holds labels only" in page("/intake", waiting_labels=())
    row = page("/intake", waiting_labels=(none,)).partition('id="waiting"')[2].partition("</tbody>")[0]
    assert '<td class="n">0</td><td class="when">–</td>' in row


def test_groups_that_reach_too_far_are_a_banner_and_others_a_quiet_line(page: Callable[..., str]) -> None:
    for path in ("/model?model=digits", "/intake?model=digits"):
        html = page(path, group_spans=WIDE)
        assert (
            '<p class="banner">97 % of the rows lie in groups that span buckets of 1h, 95 % in groups that span days'
            in html
        )
        assert "such as &#34;patient-17&#34; with 42 rows over 38 d" in html
        assert (
            '<p class="quiet">0.4 % of the rows lie in groups that span buckets of 1h, none in groups that span days'
            in page(path)
        )
        assert "in groups that span" not in page(path, group_spans=None)


def test_rows_without_a_group_among_others_are_a_banner(page: Callable[..., str]) -> None:
    mixed = replace(WIDE, straddling=Straddling(3000, 2000, 200, 0.0, 0.0))
    for path in ("/model?model=digits", "/intake?model=digits"):
        banners = [part.partition("</p>")[0] for part in page(path, group_spans=mixed).split('<p class="banner">')[1:]]
        (said,) = [each for each in banners if "group_id" in each]
        assert "33 % of the rows have no group_id and count as independent: where they belong together" in said


def test_a_model_whose_labels_find_no_prediction_is_unknown_with_why(digits: ModelStatus) -> None:
    assert summarise_model(digits).condition is Condition.HEALTHY, "early ones are no doubt"
    found = summarise_model(replace(digits, waiting_labels=(LOST,)))
    assert found.condition is Condition.UNKNOWN
    assert found.reasons[0].startswith("labels of verdicts find no prediction: 600 labels wait")


def _gauges(*waiting: WaitingLabels) -> Callable[[str, str], float | None]:
    registry = CollectorRegistry()
    MetricsCollector(registry).swap_snapshot(
        Published(AT, (ModelStatus("digits", Task.BINARY, (), waiting_labels=waiting),))
    )
    return lambda name, source: registry.get_sample_value(
        f"calwatch_waiting_labels{name}", {"model": "digits", "source": source}
    )


def test_gauges_of_waiting_labels_are_a_true_zero_or_absent_where_not_known() -> None:
    gauge = _gauges(LOST, WaitingLabels("digits", "calm", 0), WaitingLabels("digits", "early", 3, AT, AT))
    assert (gauge("", "verdicts"), gauge("_ratio", "verdicts")) == (600.0, 0.98)
    assert gauge("_oldest_timestamp_seconds", "verdicts") == (AT - 30 * HOUR).timestamp()
    assert (gauge("", "calm"), gauge("_ratio", "calm"), gauge("_oldest_timestamp_seconds", "calm")) == (0.0, None, None)
    assert (gauge("", "early"), gauge("_ratio", "early")) == (3.0, None)
    assert gauge("", "unheard-of") is None


LABELS = """
[[model]]
name = "m"
task = "binary"
slices = ["camera"]
windows = ["24h"]
rules = []
[[model.source]]
path = "in/*.csv"
[[model.source]]
name = "verdicts"
holds = "labels"
path = "labels/*.csv"
"""


def test_the_api_tells_them_of_a_real_cycle_and_picks_by_model_and_source(tmp_path: Path) -> None:
    with api_world(tmp_path, LABELS) as world:
        (tmp_path / "labels").mkdir()
        rows = [f"{i},2026-03-01 0{i % 9}:00:00,0.5,c1,p{i % 2}" for i in range(50)]
        (tmp_path / "in" / "a.csv").write_text("sample_id,observed_at,score,camera,group_id\n" + "\n".join(rows) + "\n")
        (tmp_path / "labels" / "a.csv").write_text(
            "sample_id,outcome\n" + "".join(f"{i:05},1\n" for i in range(10, 40))
        )
        world.tick()
        client = world.client("read")
        found = client.get("/api/v1/waiting-labels").json()
        assert (found["total"], found["next_offset"]) == (1, None)
        item = found["items"][0]
        assert (item["model"], item["source"], item["labels"], item["suspicious"]) == ("m", "verdicts", 30, True)
        assert (item["due"], item["joined"], item["share"]) == (0, 0, None)
        assert "but for leading zeros" in item["guess"]
        assert item["guess"] in item["finding"]
        assert client.get("/api/v1/waiting-labels?model=m&source=other").json()["items"] == []
        assert client.get("/api/v1/waiting-labels?model=none").status_code == 404
        (model,) = client.get("/api/v1/models").json()["items"]
        assert model["waiting_labels"] == 30
        spans = model["group_spans"]
        assert (spans["rows"], spans["grouped"], spans["groups"], spans["over_buckets"], spans["over_days"]) == (
            50,
            50,
            2,
            1.0,
            0.0,
        )
        assert (spans["suspicious"], spans["bucket"]) == (True, "1h")
