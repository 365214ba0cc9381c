"""What the last release without codes left, brought up to date once: read, told and handed on as if it had had them."""

import json
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.cli.output import tell_refits
from monitor.jobs.actions.delivery import Delivery
from monitor.jobs.actions.message import EventContext, Message, message_of
from monitor.model import Code, JobState, Reason
from monitor.model.refits import RollbackOrder
from monitor.model.sentences.tuning import OF_TUNING
from monitor.model.words import name_kind, tell_reason
from monitor.publish.web.filters import explain_alert, has_untold_onset
from monitor.store.connection import LIVE, make_naive, open_live
from monitor.store.published.snapshot import Publisher
from monitor.store.readings import load_alerts, load_jobs
from monitor.store.thresholds import load_thresholds
from tests.worlds.store import NOW

STORED = Path(__file__).parents[1] / "data" / "told" / "stored.sql"


def left_by_old(base: Path, *more: str, last: str = "0015") -> duckdb.DuckDBPyConnection:
    """Return the database of that release, in which it did ``more`` too, opened by this one; ``last``: its newest migration."""
    with duckdb.connect(str(base / LIVE)) as old:
        old.execute("CREATE TABLE migrations (name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)")
        scripts = (entry for entry in files("monitor.store.migrations").iterdir() if entry.name.endswith(".sql"))
        for script in sorted(scripts, key=lambda entry: entry.name):
            if script.name[:4] <= last:
                old.execute(script.read_text("utf-8"))
                old.execute("INSERT INTO migrations VALUES (?, ?)", [script.name.removesuffix(".sql"), make_naive(NOW)])
        old.execute(STORED.read_text("utf-8"))
        for sql in more:
            old.execute(sql)
    return open_live(base, now=NOW)


def old_job(name: str, kind: str, reasons: str, details: Any, state: str = "queued") -> str:
    """Return the SQL that puts a job as that release did."""
    return (
        "INSERT INTO jobs BY NAME SELECT "
        f"'{name}' AS id, 'old' AS model, '{kind}' AS kind, 'manual' AS trigger, 'all' AS scope, "
        f"TIMESTAMP '2026-03-10' AS requested_at, '{state}' AS state, {reasons} AS reasons, "
        f"$${json.dumps(details)}$$ AS details, 0 AS attempts"
    )


def messages(connection: duckdb.DuckDBPyConnection, model: str = "m") -> list[tuple[dict[str, Any], Message]]:
    """Return what waits to be told, with what people would read."""
    waiting = [job for job in load_jobs(connection, model, states=(JobState.QUEUED,)) if job.payload is not None]
    settings: Any = None  # whom to tell, which no word depends on
    return [
        (
            dict(job.payload or {}),
            message_of(Delivery(settings, job.payload or {}, job.id, 1, NOW, Path()), EventContext()),
        )
        for job in waiting
    ]


def test_every_text_stays_as_it_was_and_gets_its_code(tmp_path: Path) -> None:
    with left_by_old(tmp_path) as connection:
        jobs, alerts, thresholds = (
            load_jobs(connection, "m"),
            load_alerts(connection, "m"),
            load_thresholds(connection, "m"),
        )
        events = connection.execute("SELECT code, facts ->> 'text' FROM alert_events").fetchall()
    stored = STORED.read_text("utf-8")
    for told in [*(text for job in jobs for text in job.reasons), *(alert.reason for alert in alerts)]:
        assert told.replace("'", "''") in stored
    found = {reason.code for job in jobs for reason in job.why} | {alert.why.code for alert in alerts}
    found |= {threshold.why.code for threshold in thresholds}
    assert found | {code for code, _ in events} == {
        "samples_since", "samples_left_to_refits", "samples_left_to_calibrators", "method_asked_for", "refit_few_samples",
        "gate_few_samples", "gate_same", "gate_chance", "gate_worse", "gate_accepted", "gate_no_slice_worse", "rolled_back",
        "guard_worse", "failed", "tried_again", "threshold_promised", "threshold_not_promised", "threshold", "drift",
        "absent", "no_reading",
    }  # fmt: skip
    assert all(text for _, text in events)


TEXTS = {
    "no labels for 9h (last at 2026-03-02 00:00 UTC), longer than 6h": Code.ABSENT,
    "no pulls were ever seen, in longer than 1d12h": Code.NEVER_SEEN,
    "no samples were seen yet, waiting since 2026-03-02 00:00 UTC": Code.NOT_SEEN_YET,
    "newest labels are 29s old (last at 2026-03-01 23:59 UTC), not older than 3d": Code.PRESENT,
    "labels are unknown for this slice": Code.NO_SIGHT,
    "Scores of camera=no labels for 9h\nrejected: have drifted since about 2026-03-01 00:00 UTC (9 labelled samples since). "
    "The evidence reached 4.01 times what raises an alarm; a calibrated model raises such an alarm at most once a year over "
    "all its slices.": Code.DRIFT,
    "no further drift alarm since 2026-03-02 00:00 UTC": Code.DRIFT_OVER,
    "drift evidence is unknown for this slice": Code.NO_EVIDENCE,
    "drift evidence is 0.0002 of what raises an alarm, scores as they come since 2026-03-02 00:00 UTC": Code.DRIFT_NONE,
    "drift is not judged yet: its reference lacks 9 labelled samples, scores as they come since 2026-03-02 00:00 UTC":
        Code.DRIFT_NOT_JUDGED,
    "debiased ECE against the rest of the model is unknown over 24h (9 samples, rest 90; 100 needed in both)":
        Code.DISPARITY_UNKNOWN,
    "calibration gap +0.166 against −0.138 in the rest of the model: worse by 0.3 over 24h (6,288 samples, rest 6,288)":
        Code.DISPARITY,
    "the difference from the rest of the model is unknown: no reading over 24h": Code.NO_COMPARISON,
    "label_coverage is unknown: no reading over 24h": Code.NO_READING,
    "ece is unknown over 24h (3 samples, 200 needed)": Code.THRESHOLD_UNKNOWN,
    "samples 12,345 is above 1,000, where it clears, over 24h (12,345 samples)": Code.THRESHOLD,
    "rule could not be evaluated: KeyError('no labels for')": Code.RULE_FAILED,
    'rule "no labels" is no longer in the packs of this model': Code.RULE_GONE,
    'rule "a" no longer covers this slice': Code.RULE_ELSEWHERE,
    'rule "a" is now of kind "drift"': Code.RULE_OTHER_KIND,
    "slice camera=version 1 has no samples in any window any more": Code.SLICE_GONE,
    "version 1 has no samples in any window any more": Code.VERSION_GONE,
    "nothing of this slice was observed within retention: its place is free, and it is watched again once it comes back":
        Code.SLICE_FORGOTTEN,
    "its stream of evidence is closed: another model version is in use": Code.STREAM_CLOSED,
    "rejected: needs 200 later samples, has 3: 97 of 120 later samples are in groups that lie on both sides of the cut in time "
    "and take part in neither (9 of 12 groups lie so); is group_id the patient rather than the visit?": Code.GATE_STRADDLED,
    "97 of 120 later samples are in groups that lie on both sides of the cut in time and take part in neither":
        Code.GROUPS_STRADDLE,
    "rejected: needs 1,000 labelled samples, has 3; nothing changes": Code.REFIT_FEW_SAMPLES,
    "rejected: needs 1,000 later samples, has 3": Code.GATE_FEW_SAMPLES,
    "rejected: needs later samples of 30 groups (images, clips), has 3": Code.GATE_FEW_GROUPS,
    "rejected: there are no later samples": Code.GATE_NO_SAMPLES,
    "rejected: platt cannot be fitted: one outcome; nothing changes": Code.REFIT_UNFIT,
    "rejected: the candidate gives the same scores as the calibrator in use on 960 later samples": Code.GATE_SAME,
    "rejected: slice camera=log-loss log-loss worse by 0.104 ± 0.091 on 126 samples": Code.GATE_SLICE_WORSE,
    "rejected: log-loss worse by 0.104 on 126 later samples, which may be chance (an improvement of at least −0.2 with 95 % "
    "confidence)": Code.GATE_CHANCE,
    "rejected: log-loss worse by 0.104 on 126 later samples": Code.GATE_WORSE,
    "on the whole: log-loss better by 0.1 (at least 0.05 with 95 % confidence) on 500 later samples": Code.GATE_BETTER,
    "accepted: log-loss better by 0.1 (at least 0.05 with 95 % confidence) on 500 later samples": Code.GATE_ACCEPTED,
    "accepted: no slice is significantly worse (7 with at least 100 samples)": Code.GATE_NO_SLICE_WORSE,
    "failed: interrupted: calwatch ended, or lost its disk, meanwhile, 5 times; it may be what ends calwatch: try it by hand, "
    "mend it, and ask again": Code.INTERRUPTED_TOO_OFTEN,
    "failed: rejected: by the server (attempt 5 of 5)": Code.FAILED,
    "attempt 2 of 5: /bin/sh: exit code 1; tried again in about 1m6s": Code.TRIED_AGAIN,
    "interrupted: calwatch ended, or lost its disk, meanwhile; tried again at once, which uses up no attempt": Code.INTERRUPTED,
    "calwatch ended while it waited for its turn; nothing of it had begun": Code.NOT_BEGUN,
    "calibrators in charge changed while it ran; it runs again": Code.OUTDATED,
    "cancelled by hand while it ran": Code.CANCELLED,
    "rolled back from c1 to no calibrator (scores as they come)": Code.ROLLED_BACK,
    "calibrator 5775 does worse than none since its promotion: log-loss higher by 0.080 on 600 samples; evidence 3.59e+03, "
    "limit 100": Code.GUARD_WORSE,
    "threshold 0.5000 promises precision >= 0.9 with 95 % confidence on 500 samples: precision 0.93 (0.9 to 0.95)":
        Code.THRESHOLD_PROMISED,
    "threshold 0.5032 by f1; on 2,496 samples: precision 0.5957 (0.5792 to 0.6121)": Code.THRESHOLD_CHOSEN,
    "no threshold can promise recall >= 0.9 with 95 % confidence on 5 samples: nothing can be bounded":
        Code.THRESHOLD_NOT_PROMISED,
    "no threshold for f1: the samples it is chosen on must hold both outcomes": Code.THRESHOLD_NOT_CHOSEN,
    "no threshold: there are no samples to choose and measure it on": Code.THRESHOLD_NO_SAMPLES,
    "thresholds per class: 3 classes": Code.CLASSES,
    "no thresholds per class: that needs logits and a calibrator on them": Code.CLASSES_UNKNOWN,
    "samples since 2026-03-02 00:00 UTC (estimated onset)": Code.SAMPLES_SINCE,
    "500 of 12,345 samples, each with 80 logits, chosen by a hash of their id": Code.SAMPLES_CHOSEN,
    "left out 5 samples that carry a calibrated score but no raw_score or logits": Code.SAMPLES_WITHOUT_RAW,
    "9 rows, some pre-counted, for 1,000 samples in all": Code.SAMPLES_PRECOUNTED,
    "left 9 of 90 samples to refits of their own, which alerts there ask for: camera=c1": Code.SAMPLES_LEFT_TO_REFITS,
    "left to calibrators of their own: camera=c1": Code.SAMPLES_LEFT_TO_CALIBRATORS,
    "selected and fitted on all 90 samples from 2026-03-01 00:00 to 2026-03-02 00:00 UTC, as counted per 1h and score":
        Code.SAMPLES_AS_COUNTED,
    "vector and matrix are fitted on scores: logits come without the index of the true class": Code.LOGITS_WITHOUT_CLASS,
    "vector is fitted on scores: 3 of 90 samples have no logits": Code.LOGITS_LACKING,
    "temperature chosen: asked for by name": Code.METHOD_ASKED_FOR,
    "temperature chosen: no other method can be fitted": Code.METHOD_ALONE,
    "beta chosen: best cross-validated log-loss (0.6397)": Code.METHOD_BEST,
    "platt chosen: beta is better by 0.005 ± 0.011, which may be chance": Code.METHOD_SIMPLER,
    "platt chosen: a comparison needs samples of 5 time buckets, has 3": Code.METHOD_FEW_BUCKETS,
    "identity rejected: beta is better by 0.090 ± 0.011": Code.METHOD_BEHIND,
    "isotonic rejected: 62 positives, needs 1,000": Code.METHOD_UNFIT,
    "predicted_class is the class of the largest logit in 100 % of 778 samples": "",
    "": "",
    "whatever a release before the last said, 3 times": "",
}  # fmt: skip


def test_the_texts_of_all_codes_are_read(tmp_path: Path) -> None:
    listed = ", ".join("$$" + text + "$$" for text in TEXTS)
    with left_by_old(tmp_path, old_job("a", "recalibrate", f"[{listed}]", {}, "rejected")) as connection:
        (held,) = load_jobs(connection, "old")
    assert dict(zip(held.reasons, (reason.code for reason in held.why), strict=True)) == TEXTS
    told_by_others, new = {Code.LOGITS, Code.DELIVERED}, {
        Code.CYCLE_FAILED, Code.ONLY_UNSEEN, Code.RECALL_UNKNOWN, Code.THRESHOLD_NEEDS_TRUTH, Code.THRESHOLD_NEEDS_NEGATIVES,
        Code.THRESHOLD_FROM_DETECTIONS, *OF_TUNING, Code.TUNE_NO_POLICY, Code.TUNE_UNTOLD, Code.TUNE_FEW_IMAGES,
        Code.TUNE_SPLITS_IMAGES, Code.TUNE_SAME, Code.TUNE_NOT_PROMISED, Code.POINTS_MORE, Code.IMAGES_WITHOUT_RAW,
        Code.SUPPRESSION_NOT_TUNED,
    }  # fmt: skip
    assert set(TEXTS.values()) == {*Code, ""} - told_by_others - new


COURSES: dict[str, dict[str, Any]] = {
    "": {},
    " since 2026-03-02 00:00 UTC": {"since": "2026-03-02T00:00:00+00:00"},
    " since 2026-03-02 00:00 UTC; fires after 1d2h30m5s": {"since": "2026-03-02T00:00:00+00:00", "fires_after": 95405},
    "; kept firing until 2026-03-02 00:00 UTC": {"kept_until": "2026-03-02T00:00:00+00:00"},
    "; stays firing": {"stays": "firing"},
}


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("text", [text for text, code in TEXTS.items() if code in {
    Code.THRESHOLD, Code.DISPARITY, Code.DRIFT, Code.ABSENT, Code.NEVER_SEEN,
}])  # fmt: skip
def test_an_old_alert_says_once_since_when_it_is_in_force(tmp_path: Path, text: str, course: str) -> None:
    known = COURSES[course]
    told = text + (" In force" if "since" in known and text.startswith("Scores") else "") + course
    onset = "TIMESTAMP '2026-03-01 00:00:00.5'"
    put = (
        f"UPDATE alerts SET model = 'old', state = 'firing', onset = {onset}, reason = $${told}$$ "
        "WHERE slice = 'all' AND rule = 'drift'"
    )
    with left_by_old(tmp_path, put) as connection:
        (alert,) = load_alerts(connection, "old")
    assert alert.reason == told
    assert {name: value for name, value in alert.why.values.items() if name not in ("text", "began")} == known
    assert explain_alert(alert) == told.replace(" In force", "").replace(" since 2026-03-02 00:00 UTC", "")
    assert has_untold_onset(alert) is (alert.why.code != Code.DRIFT)


def test_an_absence_that_waits_to_be_told_asks_who_delivers(tmp_path: Path) -> None:
    with left_by_old(tmp_path) as connection:
        told = {
            payload["alert"]["rule"]: dict(message.facts)
            for payload, message in messages(connection) if "alert" in payload
        }  # fmt: skip
    assert told["silent"]["to do"] == "ask who delivers: something is missing, and no refit can mend that"
    assert told["drift"]["to do"].startswith("look at images of this slice")
    assert told["silent"]["what"].startswith("no samples for 1d ")


def test_the_end_of_a_job_that_waits_to_be_told_says_what_decided_and_not_each_step(tmp_path: Path) -> None:
    with left_by_old(tmp_path) as connection:
        waiting = [
            (payload["job"], dict(message.facts)) for payload, message in messages(connection) if "job" in payload
        ]
    assert {job["state"] for job, _ in waiting} == {"promoted", "rejected", "done", "failed"}
    for job, facts in waiting:
        decided = [text for text in job["reasons"] if text.startswith(("accepted: ", "rejected: ", "failed: "))]
        assert facts["why"] == "; ".join(decided or job["reasons"])
        chosen = [text.removeprefix("threshold ") for text in job["reasons"] if text.startswith("threshold ")]
        assert ("threshold" in facts) is (job["state"] == "promoted" and bool(chosen))
        assert facts.get("threshold", chosen[:1] and chosen[0]) == (chosen[0] if chosen else [])
        assert len(job["codes"]) == len(job["facts"]) == len(job["reasons"])
    assert any("threshold" in facts for _, facts in waiting)


def test_a_payload_keeps_all_that_it_held_and_gets_codes_beside(tmp_path: Path) -> None:
    alert: dict[str, Any] = {
        "reason": "no labels for 9h since 2026-03-02 00:00 UTC",
        "onset": None,
        "refit": None,
        "labels": {},
    }
    also = {"event": "alert.firing", "also": ["camera=c1"], "alert": alert}
    job = {"event": "job.done", "job": {"reasons": [], "before": None, "calibrator": None}}
    orders = [
        old_job("a", "action", "[]", {"action": "x", "payload": also}, "running"),
        old_job("b", "action", "[]", {"action": "x", "payload": job}),
        old_job("c", "action", "[]", {"action": "x", "payload": also}, "done"),
    ]
    with left_by_old(tmp_path, *orders) as connection:
        held = {job.id: job.payload for job in load_jobs(connection, "old")}
    found = {"code": "absent", "facts": {"text": "no labels for 9h", "since": "2026-03-02T00:00:00+00:00"}}
    assert held["a"] == {**also, "alert": {**alert, **found}}
    assert held["b"] == {**job, "job": {**job["job"], "codes": [], "facts": []}}  # type: ignore[dict-item]
    assert held["c"] == also, "it was sent so: the record says what was"


def test_a_rollback_that_a_guard_ordered_knows_its_code(tmp_path: Path) -> None:
    why = "calibrator c1 does worse than none since its promotion: log-loss higher by 0.080 on 600 samples"
    with left_by_old(tmp_path, old_job("a", "rollback", "[]", {"why": why, "expected": "c1"})) as connection:
        (job,) = load_jobs(connection, "old")
    order = RollbackOrder.from_details(job.details)
    assert order == RollbackOrder(expected="c1", why=Reason(Code.GUARD_WORSE, {"text": why}))
    assert tell_reason(order.why or Reason("")) == why


def test_reasons_of_a_job_that_a_build_with_codes_took_up_keep_theirs(tmp_path: Path) -> None:
    held = "codes = ['', 'not_begun'], facts = '[{\"text\": \"failed: it broke\"}, {}]'"
    took_up = (
        old_job("a", "recalibrate", "['failed: it broke', 'it waits']", {}),
        f"UPDATE jobs SET {held} WHERE id = 'a'",
    )
    with left_by_old(tmp_path, *took_up, last="0016") as connection:
        codes = connection.execute("SELECT codes, facts FROM jobs WHERE id = 'a'").fetchone()
    assert codes is not None
    assert (codes[0], json.loads(codes[1])) == (
        ["failed", "not_begun"], [{"text": "it broke", "problem": "it broke"}, {}],
    )  # fmt: skip


def _rejected(number: int, reason: str) -> str:
    return old_job(f"x{number}", "recalibrate", f"['{reason}']", {}, "rejected")


def test_a_report_counts_old_rejections_together_by_what_they_say(tmp_path: Path) -> None:
    texts = [
        *(f"rejected: log-loss worse by 0.{i:03} on {i},000 later samples" for i in range(1, 10)),
        *(f"failed: no room on /srv (attempt {i} of 5)" for i in range(1, 4)),
        *(f"what a release before said {i} times, on {i} samples (at least 0.{i})" for i in range(1, 5)),
    ]
    with left_by_old(tmp_path, *(_rejected(i, text) for i, text in enumerate(texts))) as connection:
        jobs = load_jobs(connection, "old")
    new = replace(jobs[0], why=(Reason.of(Code.GATE_WORSE, mean=-0.1, samples=9),))
    kinds = Counter(name_kind(job.why[-1]) for job in (*jobs, new))
    assert sorted(kinds.values()) == [3, 4, 10]


def test_the_report_and_the_command_line_group_what_an_old_state_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with left_by_old(tmp_path) as connection:
        Publisher(tmp_path).publish(connection, NOW)
        jobs = [
            job for job in load_jobs(connection, "m") if job.kind == "recalibrate" and job.state is JobState.REJECTED
        ]
    counts = Counter((job.verdict or Reason("")).code for job in jobs)
    assert max(counts.values()) > 1
    tell_refits(jobs)
    said = capsys.readouterr().out
    assert f"{counts[Code.GATE_CHANCE]} × rejected: improvement may be chance" in said
    few = counts[Code.GATE_FEW_SAMPLES] + counts[Code.REFIT_FEW_SAMPLES]
    assert f"{few} × rejected: too little data" in said
