"""Overview, model and thresholds: pages that a snapshot is enough for."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlencode

import pytest

from monitor.model import (
    Alert,
    AlertState,
    LabelDelays,
    ModelStatus,
    Published,
    Reading,
    ReadingState,
    Slice,
    ThresholdRule,
)
from monitor.model.reasons import Code, Reason
from monitor.publish.web import filters as texts
from monitor.publish.web.pages.digest import sort_worst_first
from tests.publish.outline import Outline, outline
from tests.worlds.page import Site

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
MODEL = "/model?model=digits"


def page(published: Published | None, path: str = "/", *, now: datetime = AT) -> str:
    answer = Site(published, now, stale_after=timedelta(minutes=5)).client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def refused(site: Site, path: str, status: int) -> tuple[Outline, str]:
    """The page in place of one that cannot be shown, and what it says."""
    answer = site.client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return outline(answer.text), " ".join(unescape(re.sub("<[^>]*>", " ", answer.text)).split())


def with_readings(small: Published, *readings: Reading) -> Published:
    return Published(AT, (replace(small.models[0], readings=readings),))


def cameras(html: str) -> list[str]:
    """Of the table of slices, which comes before that of calibrators."""
    before = html.partition("<h2>Calibrators in use")[0].partition("<tbody>")[2]
    return [row for row in Outline.of(before).rows if row.startswith("camera=c")]


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


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/model?model=x", 'There is no model "x". Known: digits, seams.'),
        (f"{MODEL}&window=5h", 'Model "digits" has no readings over window "5h". Known: 24h.'),
        (f"{MODEL}&sort=price", 'Slices cannot be sorted by "price". Known: worst, slice, debiased, ece, luck, evidence, '
         "samples, labelled, gap, brier, auroc."),
        ("/slice?model=digits&slice=camera%3Dzz", 'Model "digits" has no reading of slice "camera=zz". Its slices are on '
         "the model's page."),
        ("/slice?model=digits&slice=zz", "Slice must be \"all\" or \"name=value,…\" (got 'zz' in 'zz')."),
        ("/slice?model=digits&slice=all&version=v0",
         'The slice has no reading of version "v0" over 24h. Known: v1 over 24h.'),
        ("/slice?model=digits&slice=all&span=5y", 'There is no span "5y". Known: 7d, 30d, 90d, 2y.'),
    ],
)  # fmt: skip
def test_what_there_is_not_is_not_found_and_the_page_says_what_there_is_and_leads_on(
    small: Published, path: str, told: str
) -> None:
    found, said = refused(Site(small, AT), path, 404)
    assert told in said
    assert "./" in found.links
    assert ("model?model=digits" in found.links) is ("digits" in path), "where the model is known, its page"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/?page=0", "Page: Input should be greater than or equal to 1."),
        (f"{MODEL}&page=x", "Page: Input should be a valid integer"),
        ("/model", "Model: Field required."),
        ("/slice?model=digits", "Slice: Field required."),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_with_a_page(small: Published, path: str, told: str) -> None:
    assert told in refused(Site(small, AT), path, 422)[1]


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("path", "up"), [("/nosuch", ""), ("/model/digits/", "../../"), ("/a%2Fb", ""), ("/model/", "../")]
)
def test_a_path_there_is_not_is_a_page_for_a_browser_that_leads_on(small: Published, path: str, up: str) -> None:
    answer = Site(small, AT).client.get(path, headers=BROWSER)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such page" in answer.text
    assert answer.headers["vary"] == "Accept"
    links = [link for link in outline(answer.text).links if not link.startswith(("#", "data:"))]
    assert {f"{up}./", f"{up}style.css", f"{up}jobs", f"{up}metrics"} <= set(links)
    assert all(link.startswith(up) for link in links), links


def test_a_path_there_is_not_is_a_page_before_the_first_cycle_too() -> None:
    assert Site(None, AT).client.get("/nosuch", headers=BROWSER).status_code == 404


@pytest.mark.parametrize("path", ["/nosuch", "/api/v1/nosuch", "/api/nosuch", "/api"])
def test_a_path_there_is_not_is_json_for_programs_and_in_the_api_for_everybody(small: Published, path: str) -> None:
    for headers in ({"Accept": "*/*"}, *([BROWSER] if path.startswith("/api") else [])):
        answer = Site(small, AT).client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
        assert answer.json()["detail"].startswith("nothing is served under this path")


def test_a_picture_that_is_not_found_says_so_in_plain_text(small: Published) -> None:
    answer = Site(small, AT).client.get("/reliability.svg?model=digits&slice=all&window=9d")
    assert (answer.status_code, answer.text) == (404, "the slice has no reading over 9d\nknown: v1 over 24h\n")


@pytest.mark.parametrize("path", ["/jobs", "/job?id=x", "/rules?model=digits", "/intake"])
def test_pages_of_the_past_say_when_it_cannot_be_asked(small: Published, path: str) -> None:
    assert "There is no database to ask for the past." in refused(Site(small, AT), path, 503)[1]


def test_a_chart_of_a_past_that_cannot_be_asked_is_a_picture_that_says_so(small: Published) -> None:
    answer = Site(small, AT).client.get("/ece.svg?model=digits&slice=all&window=24h")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "image/svg+xml")
    assert ">there is no database to ask for the past</text>" in answer.text


def test_a_slice_is_shown_without_its_past(small: Published) -> None:
    html = page(small, "/slice?model=digits&slice=camera%3Dc4")
    assert "Nothing can be said of its calibration over 24h" in html
    assert "Unknown: the past cannot be asked now." in html, "unknown is not none"


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
