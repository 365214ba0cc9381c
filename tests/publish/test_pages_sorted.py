"""Models and slices on their pages: in which order, by page, found and filtered."""

from collections.abc import Callable
from dataclasses import replace

from monitor.model import (
    Published,
    Reading,
    ReadingState,
    Slice,
    ThresholdRule,
)
from monitor.publish.web import filters as texts
from monitor.publish.web.pages.digest import sort_worst_first
from tests.publish.outline import outline
from tests.publish.pages import AT, MODEL, cameras, page, with_readings
from tests.worlds.page import Site


def test_slices_are_ordered_by_lower_bound_then_estimate_and_unknown_ones_come_last(
    reading: Callable[..., Reading],
) -> None:
    def camera(name: str, **metrics: float | None) -> Reading:
        return reading(Slice.of({"camera": name}), **metrics)

    readings = (
        replace(camera("insufficient", ece_lower=0.9), state=ReadingState.INSUFFICIENT),
        camera("unknown"),
        camera("third", ece_lower=0.0, ece_debiased=-0.01),
        camera("second", ece_lower=0.0, ece_debiased=0.02),
        camera("first", ece_lower=0.01, ece_debiased=0.015),
    )
    names = [reading.slice.as_dict()["camera"] for reading in sort_worst_first(readings)]
    assert names == ["first", "second", "third", "unknown", "insufficient"]


def test_slices_sort_by_any_column_both_ways_and_what_is_not_known_stays_last(
    small: Published, reading: Callable[..., Reading]
) -> None:
    def camera(number: int, auroc: float | None) -> Reading:
        return reading(Slice.of({"camera": f"c{number}"}), auroc=auroc, ece_lower=0.0)

    published = with_readings(small, camera(1, 0.9), camera(2, None), camera(3, 0.6), camera(4, 0.7))
    assert cameras(page(published, f"{MODEL}&sort=auroc")) == ["camera=c3", "camera=c4", "camera=c1", "camera=c2"]
    assert cameras(page(published, f"{MODEL}&sort=-auroc")) == ["camera=c1", "camera=c4", "camera=c3", "camera=c2"]
    assert cameras(page(published, f"{MODEL}&sort=-slice"))[0] == "camera=c4"
    assert 'aria-sort="ascending"' in page(published, f"{MODEL}&sort=auroc")


def test_slices_are_found_by_words_and_by_what_is_wrong_with_them(small: Published) -> None:
    assert outline(page(small, f"{MODEL}&find=night+c3")).rows[0].startswith("camera=c3,lighting=night")
    assert "No slice fits" in page(small, f"{MODEL}&find=nowhere")
    assert cameras(page(small, f"{MODEL}&show=firing")) == ["camera=c3,lighting=nightece-high"]
    assert cameras(page(small, f"{MODEL}&show=unknown")) == ["camera=c4"]


def test_a_thousand_slices_take_ten_pages_that_follow_each_other(
    small: Published, reading: Callable[..., Reading]
) -> None:
    readings = [reading(Slice.of({"camera": f"c{number:04}"}), ece_lower=number / 1e4) for number in range(1000)]
    client = Site(with_readings(small, *readings), AT).client
    shown: list[str] = []
    path: str | None = MODEL
    while path:
        found = outline(client.get(path).text)
        here = [row for row in found.rows if row.startswith("camera=c0")]
        assert len(here) == 100
        shown += here
        number = len(shown) // 100 + 1
        path = next((f"/{link}" for link in found.links if link.endswith(f"page={number}#slices")), None)
    assert shown == [f"camera=c{number:04}" for number in reversed(range(1000))]
    assert client.get(f"{MODEL}&page=999999").text == client.get(f"{MODEL}&page=10").text


def test_eight_hundred_models_are_paged_searched_and_filtered(small: Published) -> None:
    quiet = replace(small.models[0], alerts=())
    models = tuple(replace(quiet, name=f"line {number:03}") for number in range(800))
    published = Published(AT, (*models, *small.models))
    first = page(published)
    assert first.count('<h3><a href="model?') == 60
    assert first.index(">digits<") < first.index(">seams<") < first.index(">line 000<"), "those in trouble come first"
    assert page(published, "/?page=999").count('<h3><a href="model?') == 802 - 13 * 60
    assert page(published, "/?find=LINE+79").count('<h3><a href="model?') == 10
    assert page(published, "/?state=firing").count('<h3><a href="model?') == 1
    assert "No model fits" in page(published, "/?find=zzz")


def test_the_window_of_a_firing_rule_comes_before_one_with_more_readings(
    small: Published, reading: Callable[..., Reading]
) -> None:
    digits = small.models[0]
    (of_a_day,) = digits.rules
    assert isinstance(of_a_day, ThresholdRule)
    rules = (of_a_day, replace(of_a_day, name="ece-week", window="7d"))
    camera = Slice.of({"camera": "c1"})
    readings = (reading(window="24h"), reading(window="7d"), reading(camera, window="7d"))
    fires = replace(digits, rules=rules, readings=readings)
    assert 'aria-current="page">24h</a>' in page(Published(AT, (fires,)), MODEL)
    assert 'aria-current="page">7d</a>' in page(Published(AT, (replace(fires, alerts=()),)), MODEL)
    assert 'aria-current="page">7d</a>' in page(Published(AT, (fires,)), f"{MODEL}&window=7d")


def test_evidence_that_is_not_known_is_a_dash_and_comes_last() -> None:
    assert texts.format_ratio(float("nan")) == "–"
    assert texts.format_ratio(None) == "–"
    assert texts.format_ratio(float("inf")) == "over a million"


def test_evidence_is_an_alarm_while_its_rule_fires_there(small: Published) -> None:
    """An alarm empties the evidence: the ratio alone would look quiet."""
    digits = small.models[0]
    (alert, *_) = digits.alerts
    assert "0.42" in page(small, MODEL)
    drifting = replace(digits, alerts=(replace(alert, rule="calibration-drift"),))
    html = page(Published(AT, (drifting,)), MODEL)
    assert "0.42" not in html
    assert '<td class="n">1</td>' in html


def test_versions_get_a_column_when_there_are_several(small: Published, reading: Callable[..., Reading]) -> None:
    assert '<th scope="col">version</th>' not in page(small, MODEL)
    both = with_readings(small, reading(ece_lower=0.1), reading(version="v2", ece_lower=0.2))
    assert '<th scope="col">version</th>' in page(both, MODEL)
