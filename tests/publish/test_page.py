from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from monitor.errors import UsageError
from monitor.model import Alert, AlertState, ModelStatus, Published, Reading, ReadingState, Slice
from monitor.publish import texts
from monitor.publish.page import render_page, worst_first

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
VOID = {"meta", "link", "wbr", "rect", "line", "circle"}


class Outline(HTMLParser):
    """Collects tags, texts of row headers and links; fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.rows: list[str] = []
        self.in_row = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if ("class", "name") in attrs and tag == "th":
            self.rows.append("")
            self.in_row = True
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.in_row = self.in_row and tag != "th"

    def handle_data(self, data: str) -> None:
        if self.in_row:
            self.rows[-1] += data.strip()

    @property
    def links(self) -> list[str]:
        return [value for name, value in self.attributes if name == "href" and value]


def outline(html: str) -> Outline:
    parsed = Outline()
    parsed.feed(html)
    assert parsed.open == []
    return parsed


def page(published: Published | None, *, now: datetime = AT, model: str | None = None, window: str | None = None,
         number: int = 1) -> str:  # fmt: skip
    return render_page(published, now, stale_after=timedelta(minutes=5), model=model, window=window, page=number)


def with_readings(small: Published, *readings: Reading) -> Published:
    return Published(AT, (replace(small.models[0], readings=readings),))


def test_the_page_says_what_there_is_to_know(small: Published) -> None:
    html = page(small)
    for text in (
        "the score is the probability that the predicted class is right (top-label)",
        "the score is the probability that the pixel belongs to the class",
        "the last cycle failed: SourceError: /in is gone",
        "ece_lower 0.083 is above 0.05 over 24h (400 samples)",
        "Scores are off by more than five points.",
        "2026-02-28 23:00 UTC</time> <span class=\"quiet\">(3 h ago)",
        "2026-02-27 20:00 UTC</time> <span class=\"quiet\">(30 h ago)",
        "insufficient: 12 labelled of 100 needed, 36 wait for a label",
        "<b>0.095</b> <span class=\"quiet\">[0.083, 0.120]</span>",
        "−0.010",
        "1 of 2 bins have an interval that misses the diagonal",
        "9f31c2aa01b4d7e6",
        "not known yet: no sample since",
        "0.2134",
        "rejected: needs 200 later samples, has 141",
        "ECE 0.083 → 0.012, log-loss 0.410 → 0.390",
    ):  # fmt: skip
        assert text in html, text


def test_the_page_is_well_formed_and_loads_nothing_but_its_style_sheet(small: Published) -> None:
    found = outline(page(small))
    assert "script" not in found.seen
    assert "style" not in {name for name, _ in found.attributes}
    assert {link for link in found.links if not link.startswith("?")} == {"data:,", "style.css", "metrics", "healthz"}
    assert not {"src", "onclick", "onload"} & {name for name, _ in found.attributes}


def test_hostile_names_are_shown_and_do_nothing(small: Published, reading: Callable[..., Reading]) -> None:
    evil = "<script>alert(1)</script>\"'&,\n</svg>{{ 7 * 7 }}"
    slice_ = Slice.of({"camera": evil})
    digits = small.models[0]
    hostile = replace(
        digits, name=evil, readings=(reading(slice_, ece_lower=0.1), reading()), problem=evil,
        alerts=tuple(replace(each, reason=evil, rule=evil, version=evil, slice=slice_) for each in digits.alerts),
        jobs=tuple(replace(each, trigger=evil, reasons=(evil,), scope=slice_) for each in digits.jobs),
        calibrators=tuple(replace(each, calibrator=evil, method=evil, scope=slice_) for each in digits.calibrators),
        thresholds=tuple(replace(each, policy=evil) for each in digits.thresholds), last_success={evil: AT},
    )  # fmt: skip
    html = page(Published(AT, (hostile,)), model=evil)
    found = outline(html)
    assert "script" not in found.seen
    assert found.rows[0] == slice_.text
    assert "49" not in html.replace("2026", "")
    assert any("model=%3Cscript%3E" in link for link in found.links)


def test_a_very_long_slice_value_is_shortened(small: Published, reading: Callable[..., Reading]) -> None:
    html = page(with_readings(small, reading(Slice.of({"camera": "x" * 10_000}), ece_lower=0.1)))
    assert "x" * 200 not in html
    assert "x…" in html


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
    names = [reading.slice.as_dict()["camera"] for reading in worst_first(readings)]
    assert names == ["first", "second", "third", "unknown", "insufficient"]


def test_a_thousand_slices_take_ten_pages_that_follow_each_other(
    small: Published, reading: Callable[..., Reading]
) -> None:
    readings = [reading(Slice.of({"camera": f"c{number:04}"}), ece_lower=number / 1e4) for number in range(1000)]
    published = with_readings(small, *readings)
    rows, number = [], 1
    while True:
        found = outline(page(published, number=number))
        shown = [row for row in found.rows if row.startswith("camera=c0")]
        assert len(shown) == 100
        rows += shown
        number += 1
        link = f"?model=digits&window=24h&page={number}#slices"
        if link not in found.links:
            break
    assert rows == [f"camera=c{number:04}" for number in reversed(range(1000))]
    assert "page 10 of 10" in page(published, number=10)


def test_a_page_beyond_the_last_shows_the_last(small: Published) -> None:
    assert page(small, number=10**9) == page(small, number=1)


def test_the_first_model_in_trouble_is_shown_unless_another_is_asked_for(small: Published) -> None:
    turned = Published(AT, tuple(reversed(small.models)))
    assert '<h2 id="model"><bdi>digits</bdi></h2>' in page(turned)
    assert '<h2 id="model"><bdi>seams</bdi></h2>' in page(turned, model="seams")


def test_the_window_that_the_rules_watch_is_shown_first(small: Published, reading: Callable[..., Reading]) -> None:
    published = with_readings(small, reading(window="1h", ece_lower=0.1), reading(window="24h", ece_lower=0.2))
    assert '#slices" aria-current="page">24h</a>' in page(published)
    assert '#slices" aria-current="page">1h</a>' in page(published, window="1h")


def test_the_window_of_a_firing_rule_comes_before_one_with_more_readings(
    small: Published, reading: Callable[..., Reading]
) -> None:
    digits = small.models[0]
    rules = (*digits.rules, replace(digits.rules[0], name="ece-week", window="7d"))
    camera = Slice.of({"camera": "c1"})
    readings = (reading(window="24h"), reading(window="7d"), reading(camera, window="7d"))
    fires = replace(digits, rules=rules, readings=readings)
    assert '#slices" aria-current="page">24h</a>' in page(Published(AT, (fires,)))
    quiet = replace(fires, alerts=())
    assert '#slices" aria-current="page">7d</a>' in page(Published(AT, (quiet,)))


def test_versions_get_a_column_when_there_are_several(small: Published, reading: Callable[..., Reading]) -> None:
    assert '<th scope="col">version</th>' not in page(small)
    both = with_readings(small, reading(ece_lower=0.1), reading(version="v2", ece_lower=0.2))
    assert '<th scope="col">version</th>' in page(both)


def test_an_unknown_model_or_window_names_the_known_ones(small: Published) -> None:
    with pytest.raises(UsageError, match='there is no model "x"') as unknown:
        page(small, model="x")
    assert unknown.value.hint == "known: digits, seams"
    with pytest.raises(UsageError, match='model "digits" has no readings over window "5h"') as missing:
        page(small, window="5h")
    assert missing.value.hint == "known: 24h"


def test_old_numbers_are_announced(small: Published) -> None:
    assert "These numbers are old" not in page(small, now=AT + timedelta(minutes=5))
    assert "the last cycle was 6 min ago" in page(small, now=AT + timedelta(minutes=6))


def test_a_snapshot_for_ops_that_was_not_replaced_is_announced(small: Published) -> None:
    assert "could not be replaced" not in page(small)
    assert "could not be replaced:</b> disk &lt;full&gt;. Queries" in page(replace(small, problem="disk <full>"))


def test_before_the_first_cycle_the_page_says_so() -> None:
    html = page(None)
    outline(html)
    assert "The first cycle has not ended yet" in html


def test_many_alerts_are_cut_and_counted_firing_ones_first(small: Published, alert: Callable[..., Alert]) -> None:
    alerts = [alert(Slice.of({"camera": f"p{number}"}), AlertState.PENDING) for number in range(60)]
    alerts += [alert(Slice.of({"camera": "burning"}), AlertState.FIRING)]
    html = page(Published(AT, (replace(small.models[0], alerts=tuple(alerts)),)))
    assert "And 11 more" in html
    assert "<b><bdi>camera=burning</bdi></b>" in html


def test_a_quiet_model_says_that_nothing_fires(small: Published) -> None:
    quiet: ModelStatus = replace(small.models[0], alerts=())
    assert "No alert is firing or pending." in page(Published(AT, (quiet,)))


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=119), "119 s"),
        (timedelta(minutes=2), "2 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=2), "2 d"),
    ],
)
def test_lengths_of_time_take_the_largest_unit_that_is_at_least_two(length: timedelta, text: str) -> None:
    assert texts.span(length) == text


def test_an_unknown_number_is_a_dash_never_zero() -> None:
    assert (texts.number(None), texts.signed(None), texts.share(None)) == ("–", "–", "–")
    assert (texts.number(0.0), texts.signed(-0.25), texts.share(0.0)) == ("0.000", "−0.250", "0 %")


def test_a_job_without_comparable_metrics_claims_no_change(small: Published) -> None:
    first, second = small.models[0].jobs
    assert texts.change(first) == ""
    assert texts.change(replace(second, details={"before": {"ece": None}, "after": {"ece": 0.1}})) == ""
