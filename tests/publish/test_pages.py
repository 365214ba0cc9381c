"""Overview, model and thresholds: pages that a snapshot is enough for."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from monitor.model import (
    Alert,
    AlertState,
    LabelDelays,
    ModelStatus,
    Published,
    Reading,
    Slice,
)
from monitor.model.reasons import Code, Reason
from monitor.publish.web import filters as texts
from tests.publish.outline import outline
from tests.publish.pages import AT, MODEL, page, with_readings


def test_the_overview_says_of_every_model_in_which_state_it_is_and_why(small: Published) -> None:
    html = page(small)
    for text in (
        "the score is the probability that the predicted class is right (top-label)",
        "the score is the probability that the pixel belongs to the class",
        "the last cycle failed: SourceError: /in is gone",
        "<li>ece-high fires for camera=c3,lighting=night since 2026-02-28 23:00</li>",
        "<p>ece_lower 0.083 is above 0.05 over 24h (400 samples)</p>",
        "As of <time datetime=\"2026-03-01T02:00:00+00:00\">2026-03-01 02:00 UTC</time>",
        "Scores are off by more than five points.",
        '2026-02-28 23:00</time> <span class="quiet">(3 h ago)',
        '2026-02-27 20:00</time> <span class="quiet">(30 h ago)',
        "firing 1", "unknown 1", "healthy 0", "1 alert fires</a>",
    ):  # fmt: skip
        assert text in html, text


def test_the_models_page_shows_its_slices_calibrators_and_doubts(small: Published) -> None:
    html = page(small, MODEL)
    for text in (
        "insufficient: 12 labelled of 100 needed, 36 wait for a label",
        '<b>0.095</b> <span class="quiet range">[0.083, 0.120]</span>',
        "−0.010",
        "9f31c2aa01b4d7e6",
        "not known yet: no sample since",
        "Labels of wrong predictions arrive later than those of right predictions",
        'class="state firing">ece-high',
        ">0.42<",
    ):
        assert text in html, text


def test_a_threshold_says_what_it_promises_or_that_none_can(small: Published) -> None:
    told = page(small, "/thresholds?model=digits")
    for text in (
        "kept with 95 % confidence",
        "no threshold can: best bound 0.86",
        "none made",
        "0.2134",
        "0.840, 0.940",
    ):
        assert text in told, text
    assert "<bdi>8</bdi>: <b>–</b>" in told


@pytest.mark.parametrize("path", ["/", MODEL, "/thresholds?model=digits", "/settings", "/slice?model=digits&slice=all"])
def test_pages_are_well_formed_and_load_nothing_from_elsewhere(small: Published, path: str) -> None:
    found = outline(page(small, path))
    assert "script" not in found.seen
    assert not {"style", "onclick", "onload", "onerror"} & {name for name, _ in found.attributes}
    for address in (*found.links, *found.loaded):
        assert not address.startswith(("http", "//", "/")), address
    assert found.links[:2] == ["data:,", "style.css"]
    assert "#main" in found.links, "the first thing the keyboard reaches leads past the navigation"


def test_hostile_names_are_shown_and_do_nothing(small: Published, reading: Callable[..., Reading]) -> None:
    evil = "<script>alert(1)</script>\"'&,\n</svg>{{ 7 * 7 }}"
    slice_ = Slice.of({"camera": evil, "light": evil})
    digits = small.models[0]
    said = Reason.from_text(evil)
    hostile = replace(
        digits, name=evil, dimensions=("camera", "light"), problem=evil, last_success={evil: AT},
        readings=(reading(slice_, ece_lower=0.1, version=evil), reading()),
        alerts=tuple(replace(each, model=evil, why=said, rule=evil, version=evil, slice=slice_) for each in digits.alerts),
        calibrators=tuple(replace(each, calibrator=evil, method=evil, scope=slice_) for each in digits.calibrators),
        thresholds=tuple(replace(each, policy=evil, scope=slice_, class_name=evil, why=said) for each in digits.thresholds),
        evidence=tuple(replace(each, slice=slice_, rule=evil, direction=evil, caveat=evil) for each in digits.evidence),
    )  # fmt: skip
    published = Published(AT, (hostile,))
    asked = urlencode({"model": evil})
    for path in ("/", f"/model?{asked}", f"/thresholds?{asked}", f"/slice?{asked}&{urlencode({'slice': slice_.text})}"):
        html = page(published, path)
        found = outline(html)
        assert "script" not in found.seen, path
        assert "49" not in html.replace("2026", "").replace("%249", ""), path
    assert outline(page(published, f"/model?{asked}")).rows[0].startswith(slice_.text)
    assert "&lt;script&gt;" in page(published, f"/model?{asked}&{urlencode({'find': evil})}")


def test_a_very_long_slice_value_is_shortened(small: Published, reading: Callable[..., Reading]) -> None:
    html = page(with_readings(small, reading(Slice.of({"camera": "x" * 1000}), ece_lower=0.1)), MODEL)
    assert f">{'camera=' + 'x' * 112}…<" in html


def test_old_numbers_are_announced(small: Published) -> None:
    assert "These numbers are old" not in page(small, now=AT + timedelta(minutes=5))
    assert "the last cycle was 6 min ago" in page(small, MODEL, now=AT + timedelta(minutes=6))


def test_a_snapshot_for_ops_that_was_not_replaced_is_announced(small: Published) -> None:
    assert "could not be replaced" not in page(small)
    assert "could not be replaced:</b> disk &lt;full&gt;. Queries" in page(replace(small, problem="disk <full>"), MODEL)


@pytest.mark.parametrize("path", ["/", MODEL, "/thresholds?model=x", "/slice?model=digits&slice=all"])
def test_before_the_first_cycle_the_page_says_so(path: str) -> None:
    html = page(None, path)
    outline(html)
    assert "The first cycle has not ended yet" in html


def test_many_alerts_are_cut_and_counted_firing_ones_first(small: Published, alert: Callable[..., Alert]) -> None:
    alerts = [alert(Slice.of({"camera": f"p{number}"}), AlertState.PENDING) for number in range(60)]
    alerts += [alert(Slice.of({"camera": "burning"}), AlertState.FIRING)]
    html = page(Published(AT, (replace(small.models[0], alerts=tuple(alerts)),)))
    assert "And 11 more" in html
    assert html.index("camera=burning") < html.index("camera=p1")


def test_an_alert_tells_each_time_once(small: Published, alert: Callable[..., Alert]) -> None:
    since, onset = "2026-02-28 23:00", "2026-02-27 20:00"
    made = alert()
    off = made.why.with_values(since=made.since)
    drift = Reason.of(
        Code.DRIFT, slice="all", direction="", began=made.onset, newest_at=None, samples=9, ratio=2.0, reference="score",
        per_year=1.0, caveat="", since=made.since,
    )  # fmt: skip
    silent = Reason.of(Code.NO_READING, metric="ece_lower", window="24h").with_values(stays="firing")
    told = [
        (off, "It began about ", "(400 samples)</p>"),
        (drift, "", "over all its slices.</p>"),
        (silent, "It began about ", "stays firing</p>"),
    ]
    for why, began, ends in told:
        html = page(Published(AT, (replace(small.models[0], alerts=(alert(why=why),)),)))
        entry = re.sub(
            "<[^p>][^>]*>", "", html.partition('id="alerts">')[2].partition("</li>")[0].replace("</p>", "[/p]")
        )
        entry = entry.replace("[/p]", "</p>")
        assert entry.count(since) == 1, entry
        assert entry.count(onset) == 1, entry
        assert began in entry, entry
        assert ends in entry, entry
    waits = off.with_values(fires_after=timedelta(minutes=30))
    pending = replace(small.models[0], alerts=(alert(state=AlertState.PENDING, why=waits),))
    assert "<p>ece_lower 0.083 is above 0.05 over 24h (400 samples); fires after 30m</p>" in page(
        Published(AT, (pending,))
    )
    past = Reason.of(Code.DRIFT_OVER, alarm_at=made.since)
    over = alert(state=AlertState.RESOLVED, why=past)
    assert texts.explain_alert(over) == f"no further drift alarm since {since} UTC", "that is another time"


def test_a_count_that_is_no_number_is_unknown() -> None:
    assert (texts.format_count(float("nan")), texts.format_count(None), texts.format_count(-1234.0)) == (
        "–",
        "–",
        "−1,234",
    )


def test_a_quiet_model_says_that_nothing_fires(small: Published) -> None:
    quiet: ModelStatus = replace(small.models[0], alerts=())
    assert "No alert is firing or pending." in page(Published(AT, (quiet,)))


def test_label_delays_that_were_not_looked_at_are_unknown(small: Published) -> None:
    digits = small.models[0]
    assert "was not looked at yet" in page(Published(AT, (replace(digits, label_delays=None),)), MODEL)
    doubt = LabelDelays("digits", AT, timedelta(0), None, unknown="no sample is old enough")
    html = page(Published(AT, (replace(digits, label_delays=doubt),)), MODEL)
    assert "is unknown: no sample is old enough" in html


def test_a_job_without_comparable_metrics_claims_no_change(small: Published) -> None:
    first, second = small.models[0].jobs
    assert texts.describe_change(first) == ""
    assert texts.describe_change(replace(second, details={"before": {"ece": None}, "after": {"ece": 0.1}})) == ""


def test_without_the_extra_the_pages_say_what_charts_need(small: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.charts.client.find_spec", lambda name: None)
    for path in (MODEL, "/thresholds?model=digits", "/slice?model=digits&slice=all"):
        html = page(small, path)
        assert "pip install &#39;calwatch[charts]&#39;" in html or "pip install 'calwatch[charts]'" in html
        assert outline(html).loaded == []
