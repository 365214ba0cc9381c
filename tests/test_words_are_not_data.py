"""No sentence is data: a calwatch that speaks backwards decides, groups and hands on the same."""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.output import tell_refits
from monitor.jobs.actions.delivery import Delivery
from monitor.jobs.actions.message import EventContext, message_of
from monitor.jobs.requests import leave_request
from monitor.jobs.runners import InlineRunner
from monitor.model import Alert, AlertState, Code, Job, JobState, Slice, tell_reason, words
from monitor.model.reasons import ABSENCES, BY_HAND, CHOSEN, VERDICTS, Reason, Trigger, TriggerKind, Verdict
from monitor.model.refits import RefitRecord, RollbackOrder, SampleSpan, job_of
from monitor.model.words import SENTENCES, TRIGGERS, restore_reason, tell_trigger
from monitor.publish.report.collect import Report, collect_report
from monitor.publish.report.page import _by_reason
from monitor.publish.report.words import name_state
from monitor.publish.web import filters
from monitor.publish.web.pages.advice import make_advice
from monitor.statistics.thresholds.policies import promised_rate
from monitor.store import readings as rows
from monitor.store.published.queries import Snapshot
from tests.worlds.every_reason import REASONS
from tests.worlds.line import BEGAN, DAY, HOUR, Line, line, model_section, write_config

NOW = BEGAN + DAY
MODEL = model_section(
    extra='[model.threshold]\npolicy = "precision>=0.8"', recalibration='method = "temperature"\nschedule = "0 2 * * *"'
)
TELL = """
[[action]]
name = "tell"
kind = "email"
smtp = "127.0.0.1:9"
sender = "calwatch@example.org"
to = ["oncall@example.org"]
on = ["firing", "resolved", "promoted", "rejected", "failed", "rolled_back"]
"""
RULES = """
[[rule]]
name = "drift"
kind = "drift"
false_alarms = "1/month"
severity = "page"
actions = ["tell"]

[[rule]]
name = "silent"
kind = "absence"
of = "samples"
longer_than = "6h"
severity = "page"
actions = ["tell"]

[[rule]]
name = "unfair"
kind = "disparity"
measure = "gap"
above = 0.02
level = 0.05
window = "24h"
min_samples = 100
severity = "ticket"
"""
_HEX = re.compile(r"(?<![.\w])(?:[0-9a-f]{16}|[0-9a-f]{12})(?!\w)")


def speak_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every word that ``words`` makes, in another order of letters, and nothing before or behind it."""

    def turned(say: Callable[..., str]) -> Callable[..., str]:
        return lambda *values, **named: say(*values, **named)[::-1].upper()

    for code, say in list(SENTENCES.items()):
        monkeypatch.setitem(SENTENCES, code, turned(say))
    for kind, name in list(TRIGGERS.items()):
        monkeypatch.setitem(TRIGGERS, kind, turned(name))
    monkeypatch.setattr(words, "_whose", lambda code: "")
    monkeypatch.setattr(words, "_course", lambda *_, **__: "")


def play(base: Path) -> Any:
    """Promoted, rejected and refused refits, rollbacks, alerts of all four kinds and their ends; all of it but the words."""
    write_config(base, MODEL, TELL)
    with (base / "own.toml").open("a", encoding="utf-8") as file:
        file.write(RULES.replace("actions", 'slices = ["all", "marginals"]\nactions'))
    with line(base) as held:
        held.cycle.runner = InlineRunner(rehearsal=True)
        jobs, alerts, deliveries = list[Job](), list[Alert](), list[Any]()

        def tick(now: Any) -> None:
            told = held.tick(now)
            assert told.failed == {}
            jobs.extend(told.jobs["m"])
            alerts.extend(told.rule_results["m"].changed)

        state = held.cycle.config.state_dir
        leave_request(state, "m", "recalibrate", Slice(), BEGAN + HOUR)
        tick(BEGAN + HOUR)  # too few samples
        held.arrive(BEGAN, NOW, 3000, temperature=3.0)
        tick(NOW)
        leave_request(state, "m", "recalibrate", Slice(), NOW + HOUR)
        tick(NOW + HOUR)  # nothing left to mend
        for hour in range(6, 25, 6):  # the drift is gone, but for one corner: what was promoted does worse
            held.arrive(NOW + (hour - 6) * HOUR, NOW + hour * HOUR, 600, planted={("c3", "night"): 0.2})
            tick(NOW + hour * HOUR)
        tick(NOW + 2 * DAY)  # silence
        leave_request(state, "m", "rollback", Slice(), NOW + 2 * DAY)
        tick(NOW + 2 * DAY + HOUR)  # nothing to roll back
        deliveries = [job for job in rows.load_jobs(held.connection, "m") if job.kind == "action"]
        return _seen(held, jobs, alerts, deliveries)


def _seen(held: Line, jobs: list[Job], alerts: list[Alert], deliveries: list[Job]) -> Any:
    status = held.tick(NOW + 2 * DAY + 2 * HOUR).published.models[0]
    with Snapshot(held.cycle.config.state_dir) as snapshot:
        report = collect_report(snapshot, "m")
        firing = snapshot.status({})["firing"]
    seen = {
        "alerts": [_of_alert(alert) for alert in alerts], "standing": [_of_alert(alert) for alert in status.alerts],
        "jobs": _sorted(_of_job(job) for job in jobs), "all jobs": _sorted(_of_job(job) for job in status.jobs),
        "messages": _sorted(_of_message(held, job) for job in deliveries),
        "thresholds": [(each.threshold, each.kept, each.why.code, each.why.values) for each in status.thresholds],
        "report": _of_report(report), "firing": [(row["code"], json.loads(row["facts"]), row["onset"]) for row in firing],
        "advice": [_of_advice(status, alert) for alert in status.alerts],
        "page": [(filters.has_untold_onset(alert), filters.explain_alert(alert) != "") for alert in status.alerts],
        "changes": _sorted(filters.describe_change(job) for job in status.jobs),
    }  # fmt: skip
    return _named_in_order(json.loads(json.dumps(seen, default=str)))


def _sorted(held: Iterable[Any]) -> list[Any]:
    """By all but ids: those of one time come by their ids."""
    return sorted(held, key=lambda each: _HEX.sub("", json.dumps(each, sort_keys=True, default=str)))


def _of_alert(alert: Alert) -> Any:
    return {
        name: getattr(alert, name) for name in Alert.__dataclass_fields__ if name != "why"
    } | {"code": alert.why.code, "facts": alert.why.values, "slice": alert.slice.text}  # fmt: skip


def _of_job(job: Job) -> Any:
    verdict = job.verdict
    return {
        "kind": job.kind, "state": job.state, "scope": job.scope.text, "asked by": job.asked_by, "onset": job.onset,
        "why": [(reason.code, _plainly(reason.values)) for reason in job.why],
        "verdict": verdict and VERDICTS[verdict.code], "record": job.refit and asdict(job.refit), "action": job.action,
        "payload": job.payload and _of_payload(job.payload), "attempts": job.attempts, "at": job.next_attempt_at,
    }  # fmt: skip


def _plainly(values: Mapping[str, Any]) -> Any:
    """But what the world outside said."""
    return {name: value for name, value in values.items() if name not in ("problem", "text")}


def _of_payload(payload: Mapping[str, Any]) -> Any:
    held = dict(payload)
    for part, names in (("alert", ("reason",)), ("job", ("reasons", "trigger", "facts"))):
        if part in held:
            held[part] = {name: value for name, value in held[part].items() if name not in names}
    return held


def _of_message(held: Line, job: Job) -> Any:
    assert job.payload is not None
    config = held.cycle.config
    told = message_of(Delivery(config.action[0], job.payload, job.id, 1, NOW, config.base), EventContext())
    advice_ = [text for name, text in told.facts if name in ("to do", "calwatch did")]
    return told.title, [name for name, _ in told.facts], told.colour, told.thread, advice_


def _of_report(report: Report) -> Any:
    return {
        "standing": name_state(report), "alerts": len(report.alerts), "refits": len(report.refits),
        "rejected": sorted(count for count, _, _ in _by_reason(report)),
        "bars": [(len(each.before), len(each.after)) for each in report.refits],
    }  # fmt: skip


def _of_advice(status: Any, alert: Alert) -> Any:
    found = make_advice(status, alert.slice, None)
    return found and (len(found.deeds), found.more, found.command)


def _named_in_order(held: Any) -> Any:
    """With ids by the order in which they come: a calibrator's is a hash of its file, in which its reasons stand in words."""
    names: dict[str, str] = {}
    text = json.dumps(held, sort_keys=True)
    named = _HEX.sub(lambda found: names.setdefault(found[0], f"id {len(names)}"), text)
    return json.loads(named, parse_float=lambda digits: f"{float(digits):.9g}")  # DuckDB adds up in no fixed order


def test_nothing_but_the_words_changes_with_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = play(tmp_path / "straight")
    with monkeypatch.context() as patch:
        speak_backwards(patch)
        turned = play(tmp_path / "turned")
    assert turned == straight
    codes = {code for job in straight["jobs"] for code, _ in job["why"]} | {each["code"] for each in straight["alerts"]}
    assert codes >= {"refit_few_samples", "gate_accepted", "rolled_back", "guard_worse", "threshold", "drift", "absent"}
    found = [why for job in straight["jobs"] for why in job["why"]] + [
        (e["code"], e["facts"]) for e in straight["alerts"]
    ]
    course = {"since", "fires_after", "kept_until", "stays"}
    assert all(set(facts) - course <= set(REASONS[code].values) for code, facts in found if code), (
        "as the documents say"
    )
    assert {job["asked by"].split("'")[1] for job in straight["jobs"]} >= {"manual", "guard", "rule"}
    assert any(each["thresholds"] for each in [straight])
    assert {title.partition("]")[0] for title, *_ in straight["messages"]} >= {"[page", "[promoted", "[rolled back"}


def test_the_words_themselves_do_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = Reason.of(Code.GATE_FEW_SAMPLES, needed=200, found=3)
    assert tell_reason(reason) == "rejected: needs 200 later samples, has 3"
    speak_backwards(monkeypatch)
    assert tell_reason(reason) == "3 SAH ,SELPMAS RETAL 002 SDEEN"
    assert tell_trigger(BY_HAND) == "LAUNAM"


def test_every_code_has_a_sentence_and_every_kind_of_trigger_its_words() -> None:
    assert set(SENTENCES) == set(Code)
    assert set(TRIGGERS) == set(TriggerKind)
    assert set(VERDICTS) | ABSENCES | CHOSEN <= set(Code)
    assert set(VERDICTS.values()) == set(Verdict)


def test_no_code_is_without_use() -> None:
    package = Path(inspect.getfile(words)).parents[1]
    texts = [
        path.read_text("utf-8") for path in package.rglob("*.py") if path.name not in ("reasons.py", "words.py")
        and path.parent.name != "sentences"
    ]  # fmt: skip
    assert [code.name for code in Code if not any(f"Code.{code.name}" in text for text in texts)] == []


@pytest.mark.parametrize(
    ("code", "values", "text"),
    [
        (None, {}, "ece_lower 0.07 is above 0.05 since 2026-03-01 00:00 UTC"),
        ("", {}, "rejected: needs 300 labelled samples, has 133; nothing changes"),
        ("of_a_later_release", {"metric": "ece"}, "what a later release said"),
        ("gate_few_samples", {"needed": 200}, "rejected: needs 200 later samples, has 3"),
        ("gate_few_samples", {"needed": "many", "found": 3}, "rejected: needs many later samples, has 3"),
        ("drift", {"began": "yesterday"}, "Scores have drifted since yesterday"),
    ],
)
def test_what_another_release_left_is_shown_as_the_text_it_left(
    code: str | None, values: dict[str, Any], text: str
) -> None:
    reason = restore_reason(code, values, text)
    assert (reason.code, tell_reason(reason)) == ("", text)


def test_values_of_a_reason_are_what_json_holds_and_come_back_the_same() -> None:
    reason = Reason.of(
        Code.ABSENT, absent="labels", silent=timedelta(hours=9), last=NOW, patience=timedelta(hours=6), most=float("inf"),
        slices=("a", "b"), state=AlertState.FIRING, parts={"one": NOW},
    )  # fmt: skip
    assert json.loads(json.dumps(reason.values, allow_nan=False)) == reason.values
    assert restore_reason(reason.code, json.loads(json.dumps(reason.values)), "") == reason
    assert reason.time("last") == NOW
    assert tell_reason(reason) == "no labels for 9h (last at 2026-03-02 00:00 UTC), longer than 6h"


@pytest.mark.parametrize(
    ("trigger", "text"),
    [
        (BY_HAND, "manual"),
        (Trigger(TriggerKind.RULE, "Tilt high"), "rule Tilt high"),
        (Trigger(TriggerKind.RULE, "ece-high", event="firing"), "rule ece-high firing"),
        (Trigger(TriggerKind.GUARD, "0123456789abcdef"), "guard of 0123456789abcdef"),
        (Trigger(TriggerKind.JOB, "0123456789ab", event="promoted"), "job 0123456789ab promoted"),
        (Trigger(TriggerKind.SCHEDULE, at=NOW), "schedule 2026-03-02T00:00:00+00:00"),
        (Trigger("", "as an earlier release said"), "as an earlier release said"),
    ],
)
def test_the_id_of_a_job_rests_on_who_asked_and_not_on_how_that_is_told(
    trigger: Trigger, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = job_of("m", "recalibrate", trigger, Slice(), NOW)
    assert (before.trigger, trigger.key) == (text, text)  # as every release so far made ids of it
    speak_backwards(monkeypatch)
    assert job_of("m", "recalibrate", trigger, Slice(), NOW).id == before.id


def test_records_of_refits_and_orders_of_rollbacks_come_back_from_details() -> None:
    span = SampleSpan(BEGAN, NOW, 300)
    record = RefitRecord(
        "c1", "temperature", {"temperature": 1.5}, {"ece": 0.1}, {"ece": None}, span, span, None, 0.8, ((1.0, 9.0),), ()
    )
    assert RefitRecord.from_details(json.loads(json.dumps(record.as_details))) == record
    assert RefitRecord.from_details({"to": "c0"}) is None
    old = RefitRecord.from_details({"calibrator": "c1", "method": "platt", "before": {}, "after": {}})
    assert old is not None
    assert (old.gate, old.bars_before, old.threshold) == (None, (), None)
    order = RollbackOrder("c0", "c1", Reason.of(Code.ROLLED_BACK, present="c1", target="c0"))
    assert RollbackOrder.from_details(json.loads(json.dumps(order.as_details))) == order
    assert RollbackOrder.from_details({}) == RollbackOrder()
    assert order.as_details["why"] == "rolled back from c1 to c0", "in words too, for whoever reads details"
    told = RollbackOrder.from_details({"why": "calibrator c1 does worse", "expected": "c1"}).why
    assert told is not None
    assert tell_reason(told) == "calibrator c1 does worse", "of an earlier release, whose job waits in the queue"


def test_a_backtest_tells_a_schedule_by_its_day_and_a_rule_by_its_whole_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = RefitRecord("c1", "platt", {}, {"ece": 0.1, "log_loss": 0.5}, {"ece": 0.05, "log_loss": 0.4})
    base = replace(
        job_of("m", "recalibrate", BY_HAND, Slice(), NOW, details=record.as_details), state=JobState.PROMOTED
    )
    tell_refits(
        [
            replace(base, asked_by=Trigger(TriggerKind.RULE, "Tilt")),
            replace(base, asked_by=Trigger(TriggerKind.SCHEDULE, at=NOW)),
        ]
    )
    shown = capsys.readouterr().out
    assert "rule Tilt" in shown
    assert "schedule 2026-03-02 " in shown
    assert "T00:00" not in shown


@pytest.mark.parametrize(
    ("policy", "promised"),
    [
        ("precision>=0.95", ("precision", 0.95)), ("recall>=0.9", ("recall", 0.9)), ("accuracy>=0.9", ("precision", 0.9)),
        ("fp_per_image<=0.1", None), ("f1", None), ("cost:fp=1,fn=4", None),
    ],
)  # fmt: skip
def test_what_a_policy_promises_on_a_curve_is_read_by_its_own_grammar(
    policy: str, promised: tuple[str, float] | None
) -> None:
    assert promised_rate(policy) == promised
