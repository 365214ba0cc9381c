"""What calwatch did about a slice that fires, and what is left to do; and that a page says when an alert is over."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.model import (
    AbsenceRule,
    Alert,
    AlertState,
    CalibratorInUse,
    Job,
    JobState,
    ModelStatus,
    Published,
    Reading,
    Slice,
)
from monitor.model.reasons import Reason, Trigger, TriggerKind
from monitor.publish.web.filters import name_asker
from monitor.publish.web.pages.advice import DEEDS, make_advice
from tests.worlds.page import Site

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
FIRED = AT - 3 * HOUR
NIGHT = Slice.of({"camera": "c3", "lighting": "night"})
PATH = "/slice?model=digits&slice=camera%3Dc3%2Clighting%3Dnight"


def job(name: str, state: JobState, at: datetime = AT - HOUR, scope: Slice = NIGHT, kind: str = "recalibrate") -> Job:
    why = (Reason.from_text("first"), Reason.from_text(f"{state.value}: because"))
    return Job(name, "digits", kind, Trigger(TriggerKind.RULE, "ece-high"), scope, at, state, why=why)


def charge(promoted_at: datetime, adopted: bool | None = None) -> CalibratorInUse:
    return CalibratorInUse("digits", NIGHT, "9f31c2aa01b4d7e6", "temperature", promoted_at, promoted_at, adopted)


@pytest.fixture
def digits(small: Published, alert: Callable[..., Alert]) -> ModelStatus:
    return replace(small.models[0], alerts=(replace(alert(), fired_at=FIRED),), jobs=())


def shown(status: ModelStatus, path: str = PATH) -> str:
    return Site(Published(AT, (status,)), AT).client.get(path).text


def test_only_refits_and_rollbacks_that_hold_the_slice_and_came_since_it_fired_count(digits: ModelStatus) -> None:
    jobs = (
        job("early", JobState.PROMOTED, at=FIRED - HOUR),
        job("elsewhere", JobState.PROMOTED, scope=Slice.of({"camera": "c1"})),
        job("told", JobState.DONE, kind="action"),
        job("whole", JobState.REJECTED, scope=Slice(), at=AT - 2 * HOUR),
        job("own", JobState.REJECTED),
    )
    found = make_advice(replace(digits, jobs=jobs), NIGHT, None)
    assert found is not None
    assert [each.id for each in found.deeds] == ["own", "whole"]
    assert found.more == 0


def test_many_deeds_are_cut_and_counted(digits: ModelStatus) -> None:
    jobs = tuple(job(str(number), JobState.REJECTED) for number in range(DEEDS + 2))
    found = make_advice(replace(digits, jobs=jobs), NIGHT, None)
    assert found is not None
    assert (len(found.deeds), found.more) == (DEEDS, 2)


@pytest.mark.parametrize(
    ("jobs", "used", "told"),
    [
        ((), None, "No refit was asked for by itself"),
        ((job("a", JobState.RUNNING),), None, "A refit is on its way. Meanwhile: look at images"),
        ((job("a", JobState.REJECTED),), None, "The gate says above why it kept what is in charge"),
        ((job("a", JobState.FAILED),), None, "The newest refit failed: see its job."),
        ((job("a", JobState.PROMOTED),), charge(AT - HOUR), "Wait: a new calibrator is in charge since 2026-03-01 01:00 UTC"),
        ((job("a", JobState.PROMOTED),), charge(AT - HOUR, adopted=False), "Reload the model server: calibrator 9f31c2aa"),
        ((job("a", JobState.REJECTED),), charge(FIRED - HOUR), "The gate says above"),
    ],
)  # fmt: skip
def test_what_to_do_follows_from_what_was_done(
    digits: ModelStatus, jobs: tuple[Job, ...], used: CalibratorInUse | None, told: str
) -> None:
    found = make_advice(replace(digits, jobs=jobs), NIGHT, used)
    assert found is not None
    assert told in found.next
    assert found.command == "calwatch recalibrate digits --slice camera=c3,lighting=night"


def test_a_command_with_a_hostile_name_is_quoted_for_the_shell(
    digits: ModelStatus, alert: Callable[..., Alert]
) -> None:
    evil = Slice.of({"camera": "$(rm x)"})
    found = make_advice(replace(digits, alerts=(alert(evil),)), evil, None)
    assert found is not None
    assert found.command == "calwatch recalibrate digits --slice 'camera=$(rm x)'"


def test_what_is_absent_is_no_matter_for_a_refit(digits: ModelStatus) -> None:
    (rule,) = digits.rules
    absence = AbsenceRule(rule.name, rule.severity, rule.origin, absent="samples", longer_than=2 * HOUR)
    found = make_advice(replace(digits, rules=(absence,)), NIGHT, None)
    assert found is not None
    assert (found.next.startswith("Ask who delivers"), found.command) == (True, "")


def test_a_firing_slice_says_what_it_means_what_was_done_and_what_to_do(digits: ModelStatus) -> None:
    html = shown(replace(digits, jobs=(job("a1b2", JobState.REJECTED),)))
    for text in (
        '<span class="state firing">firing</span>',
        "Scores are off by more than five points.",
        "What calwatch did since",
        "rejected: because",
        "What to do now",
        "Look at images of this slice",
    ):
        assert text in html, text
    assert "What to do now" not in shown(digits, "/slice?model=digits&slice=all")


def test_the_slices_that_hold_a_slice_say_whether_they_fire(digits: ModelStatus, alert: Callable[..., Alert]) -> None:
    camera = Slice.of({"camera": "c3"})
    html = shown(replace(digits, alerts=(*digits.alerts, alert(camera))))
    around = html.partition("Part of ")[2].partition("</p>")[0]
    assert around.count("state firing") == 1
    assert around.index("camera=c3</bdi>") < around.index("firing")


def test_an_alert_that_is_over_stays_told_on_the_overview_the_model_and_the_slice(digits: ModelStatus) -> None:
    over = replace(
        digits.alerts[0],
        state=AlertState.INACTIVE,
        since=None,
        resolved_at=AT - HOUR,
        why=Reason.from_text("ece_lower 0 is below 0.05"),
    )
    quiet = replace(digits, alerts=(over,))
    resolved = '2026-03-01 01:00</time> <span class="quiet">(60 min ago)'
    overview = shown(quiet, "/").partition("No alert is firing or pending.")[2]
    assert "The last one to end: ece-high" in overview
    assert resolved in overview
    assert resolved in shown(quiet, "/model?model=digits").partition("Resolved, the last ones:")[2]
    own = shown(quiet)
    assert '<span class="state resolved">resolved</span> <b>ece-high</b>' in own
    assert "<p>Now: ece_lower 0 is below 0.05</p>" in own
    assert f'Resolved <time datetime="2026-03-01T01:00:00+00:00">{resolved}' in own
    assert '<span class="state healthy">healthy</span></h1>' in own


def test_a_scheduled_job_tells_its_time_once() -> None:
    nightly = replace(job("a", JobState.REJECTED), asked_by=Trigger(TriggerKind.SCHEDULE, at=AT))
    assert (name_asker(nightly), name_asker(job("a", JobState.REJECTED))) == ("schedule", "rule ece-high")


def test_a_slice_with_too_few_samples_is_unknown_and_not_healthy(digits: ModelStatus) -> None:
    html = shown(digits, "/slice?model=digits&slice=camera%3Dc4")
    assert '<span class="state unknown">unknown</span></h1>' in html


def test_a_model_that_fires_shows_its_alerts_the_first_three(digits: ModelStatus, alert: Callable[..., Alert]) -> None:
    alerts = tuple(alert(Slice.of({"camera": f"c{number}"})) for number in range(7))
    html = shown(replace(digits, alerts=alerts), "/model?model=digits")
    assert html.count('<li class="firing">') == 3
    assert "And 4 more" in html


def test_hostile_lengths_are_cut_where_alerts_are_told(digits: ModelStatus, reading: Callable[..., Reading]) -> None:
    long = Slice.of({"camera": "x" * 3000})
    alerts = (replace(digits.alerts[0], slice=long, rule="y" * 3000),)
    for path in ("/", "/model?model=digits"):
        text = shown(replace(digits, alerts=alerts, readings=(*digits.readings, reading(long))), path)
        assert ">" + "y" * 3000 not in text
        assert "y" * 119 + "…" in text
