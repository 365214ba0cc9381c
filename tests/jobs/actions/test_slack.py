"""Messages to chat rooms against a real HTTP server: the form three products take, and no mention by names from sources."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.config.actions import Action
from monitor.jobs.actions.deliver import deliver_event
from monitor.jobs.actions.delivery import Delivery
from monitor.jobs.actions.message import EventContext, message_of
from monitor.jobs.actions.slack import plain_text
from monitor.model.reasons import Code, Reason
from monitor.model.words import tell_reasons
from tests.jobs.actions.receiver import Receiver
from tests.jobs.actions.test_mail import ALERT, PAYLOAD, RESOLVED, SEEN

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOB: dict[str, Any] = {
    "schema_version": 1, "event": "job.promoted", "at": "2026-03-01T12:00:00Z", "action": "room", "model": "digits",
    "job": {
        "id": "0123456789ab", "kind": "recalibrate", "trigger": "rule calibration-drift", "state": "promoted",
        "slice": "camera=c3", "labels": {"camera": "c3"}, "requested_at": "2026-03-01T12:00:00Z",
        "finished_at": "2026-03-01T12:01:00Z", "attempts": 1, "reasons": ["accepted: log-loss better by 0.054"],
        "calibrator": "feedfacecafebeef", "method": "temperature", "before": {"n": 203, "ece": 0.119, "log_loss": 0.546},
        "after": {"n": 203, "ece": 0.078, "log_loss": None},
    },
}  # fmt: skip


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    found = Receiver()
    monkeypatch.setenv("ROOM", found.url)
    yield found
    found.close()


def _delivery(payload: dict[str, Any], external_url: str | None = "https://watch.example.org/") -> Delivery:
    action = Action.model_validate({"name": "room", "kind": "slack", "url": "env:ROOM"})
    return Delivery(action, payload, "feedfacecafe", 1, AT, Path(), external_url=external_url)


def _body(receiver: Receiver) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(receiver.got[-1][1])
    return body


def test_the_message_has_text_and_one_attachment_with_the_facts(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.jobs.actions.context.load_context", lambda delivery, *, draw: SEEN)
    found = deliver_event(_delivery(PAYLOAD))
    assert (found.done, found.message) == (True, "env:ROOM: 200")
    headers = receiver.got[0][0]
    assert (headers["content-type"], headers["idempotency-key"]) == ("application/json", "feedfacecafe")
    body = _body(receiver)
    assert body.keys() == {"text", "attachments"}
    (shown,) = body["attachments"]
    assert shown["color"] == "#b3261e"
    assert shown["title_link"].startswith("https://watch.example.org/slice?model=digits&slice=camera%3Dc3")
    facts = {each["title"]: each["value"] for each in shown["fields"]}
    assert list(facts) == ["what", "where", "since", "how sure", "calwatch did", "to do"]
    assert facts["how sure"] == SEEN.sure
    assert "refit of all promoted" in facts["calwatch did"]


def test_a_picture_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROOM", "http://127.0.0.1:9/hook")
    asked = []

    def look(delivery: Delivery, *, draw: bool) -> EventContext:
        asked.append(draw)
        return EventContext()

    monkeypatch.setattr("monitor.jobs.actions.context.load_context", look)
    assert not deliver_event(_delivery(PAYLOAD)).done  # nobody is there
    assert asked == [False]


def test_resolved_is_green_and_says_when(receiver: Receiver) -> None:
    deliver_event(_delivery(RESOLVED))
    (shown,) = _body(receiver)["attachments"]
    assert shown["color"] == "#1c6b3c"
    assert "resolved 2026-03-02 12:00 UTC" in json.dumps(shown)
    assert "nothing: no refit was asked for" in json.dumps(shown)


def test_a_refit_tells_what_the_gate_decided_and_leaves_out_what_is_unknown(receiver: Receiver) -> None:
    deliver_event(_delivery(JOB))
    body = _body(receiver)
    assert body["text"] == "[promoted] digits camera=c3: refit"
    facts = {each["title"]: each["value"] for each in body["attachments"][0]["fields"]}
    assert facts["on later samples"] == "ECE 0.119 → 0.078"
    assert facts["why"] == "accepted: log-loss better by 0.054"
    assert body["attachments"][0]["title_link"] == "https://watch.example.org/job?id=0123456789ab"


def test_without_an_address_there_is_no_link(receiver: Receiver) -> None:
    deliver_event(_delivery(PAYLOAD, None))
    assert "title_link" not in _body(receiver)["attachments"][0]


def test_names_from_sources_mention_nobody_and_make_no_link(receiver: Receiver) -> None:
    evil = {**PAYLOAD, "alert": {**ALERT, "slice": "camera=<!channel> @all [x](https://e) *b*", "version": "<@U1>"}}
    deliver_event(_delivery(evil))
    text = receiver.got[-1][1].decode()
    for mark in ("<!channel>", "@all", "<@U1>", "[x](", "*b*"):
        assert mark not in text
    assert plain_text("[ticket] site_a=line_3") == "[ticket] site_a=line_3"  # names can be copied
    assert plain_text("_a_") == "_\u2060a_\u2060"


def test_a_room_that_is_full_is_tried_again_and_one_that_is_gone_is_not(receiver: Receiver) -> None:
    receiver.answers = [(429, {"Retry-After": "7"}, b"slow down"), (410, {}, b"channel_is_archived")]
    assert deliver_event(_delivery(PAYLOAD)).may_pass
    gone = deliver_event(_delivery(PAYLOAD))
    assert (gone.done, gone.may_pass, gone.output) == (False, False, "channel_is_archived")


def test_slices_that_fire_together_are_one_message_that_names_them(receiver: Receiver) -> None:
    others = ["camera=c4", *(f"camera=c4,lighting={number}" for number in range(20))]
    deliver_event(_delivery({**PAYLOAD, "also": others}))
    (shown,) = _body(receiver)["attachments"]
    assert shown["title"] == "[page] digits camera=c3,lighting=night and 21 more slices: calibration-drift fires"
    facts = {field["title"]: field["value"] for field in shown["fields"]}
    assert facts["at the same time"].startswith("fires on camera=c4, camera=c4,lighting=0, ")
    assert facts["at the same time"].endswith("lighting=10 and 9 more too")


def test_an_alert_whose_rule_asks_for_nothing_says_so() -> None:
    payload = {**PAYLOAD, "alert": {**ALERT, "refit": None}}
    facts = dict(message_of(_delivery(payload), EventContext()).facts)
    assert facts["calwatch did"] == "nothing by itself: its rule asks for no refit"


@pytest.mark.parametrize(
    ("alert", "told"),
    [
        ({}, "look at images of this slice since 2026-"),
        ({}, "only where later samples prove it better"),
        ({"refit": None}, "ask for one: calwatch recalibrate digits --slice camera=c3"),
        ({"refit": None, "slice": "camera=a b"}, "calwatch recalibrate digits --slice 'camera=a b'"),
        ({"refit": None, "reason": "no labels for 4d, longer than 3d", "code": "absent"}, "ask who delivers"),
        ({"refit": None, "reason": "no labels were ever seen", "code": "never_seen"}, "ask who delivers"),
        ({"reason": "no matter what it says"}, "look at images"),
    ],
)
def test_an_alert_that_fires_says_what_to_do(alert: dict[str, Any], told: str) -> None:
    payload = {**PAYLOAD, "alert": {**ALERT, **alert}}
    facts = dict(message_of(_delivery(payload), EventContext()).facts)
    assert told in facts["to do"]


@pytest.mark.parametrize(
    ("event", "state", "told"),
    [
        ("job.promoted", "promoted", "let the model server load this one"),
        ("job.rejected", "rejected", "what is in charge stays"),
        ("job.rolled_back", "done", "let the model server load the one now in charge"),
        ("job.failed", "failed", "calwatch jobs show 0123456789ab"),
    ],
)
def test_a_job_that_ended_says_what_to_do(event: str, state: str, told: str) -> None:
    payload = {**JOB, "event": event, "job": {**JOB["job"], "state": state}}
    assert told in dict(message_of(_delivery(payload), EventContext()).facts)["to do"]


def test_a_refit_is_told_by_what_decided_it_and_a_promoted_one_with_its_threshold() -> None:
    steps = [
        Reason.of(Code.SAMPLES_SINCE, start=AT, is_onset=False),
        Reason.of(Code.METHOD_UNFIT, method="isotonic", problem="140 positives, needs 1,000"),
    ]
    change = {"mean": 0.05, "lower": 0.03, "confidence": 0.95, "samples": 203}
    figures = {"precision": (0.9, 0.8, 1.0)}
    chosen = Reason.of(
        Code.THRESHOLD_CHOSEN, threshold=0.8, policy="f1", cheapest=None, prior=None, rate=None, samples=203, groups=None,
        figures=figures,
    )  # fmt: skip

    def told(event: str, state: str, *why: Reason) -> dict[str, str]:
        held = {"state": state, "reasons": list(tell_reasons(why)), "codes": [each.code for each in why],
                "facts": [dict(each.values) for each in why]}  # fmt: skip
        payload = {**JOB, "event": event, "job": {**JOB["job"], **held}}
        return dict(message_of(_delivery(payload), EventContext()).facts)

    worse = Reason.of(Code.GATE_WORSE, **{**change, "mean": -0.01})
    facts = told("job.rejected", "rejected", *steps, worse, chosen)
    assert facts["why"] == "rejected: log-loss worse by 0.010 on 203 later samples"
    assert "threshold" not in facts
    facts = told("job.promoted", "promoted", *steps, Reason.of(Code.GATE_ACCEPTED, **change), chosen)
    assert (
        facts["why"] == "accepted: log-loss better by 0.050 (at least 0.030 with 95 % confidence) on 203 later samples"
    )
    assert facts["threshold"] == "0.8000 by f1; on 203 samples: precision 0.9 (0.8 to 1)"
    bare = {**JOB, "event": "job.rolled_back", "job": {**JOB["job"], "state": "done", "reasons": ["asked for by hand"]}}
    assert dict(message_of(_delivery(bare), EventContext()).facts)["why"] == "asked for by hand"
