"""Recall of detection that an earlier release took from detections alone: gone from every table, and never measured again."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from monitor.model import AlertState, Health, Job, JobState, Slice, ThresholdInUse
from monitor.model.readings import RECALL_METRICS
from monitor.model.reasons import BY_HAND, NOT_HELD, Code, Reason
from monitor.model.words import tell_reason
from monitor.recalibration.recall import forget_recall, hide_recall
from monitor.recalibration.registry import take_charge
from monitor.statistics.thresholds.choice import ScoredSamples, choose_threshold
from monitor.statistics.thresholds.policies import parse_policy
from monitor.store.model_store import ModelStore
from monitor.store.readings import load_jobs, store_job
from monitor.store.thresholds import load_thresholds, store_thresholds
from tests.worlds.line import BEGAN, DAY, HOUR, line, model_section, write_config

RULES = """
[[rule]]
name = "recall-promise-broken"
kind = "threshold"
metric = "threshold_recall_upper"
below = 0.9999
window = "24h"
severity = "page"
"""
BEFORE = model_section(recalibration='apply = "serving"')
DETECTION = BEFORE.replace('"binary"', '"detection"')
FIGURES: dict[str, Any] = {"precision": (0.92, 0.9, 0.94), "recall": (0.629, 0.6, 0.65)}


def _chosen(policy: str) -> tuple[ThresholdInUse, Any]:
    """What the release before would have chosen and stored."""
    rng = np.random.default_rng(1)
    score = rng.uniform(0, 1, 3000)
    choice = choose_threshold(parse_policy(policy), ScoredSamples(score, (rng.random(3000) < score).astype(np.float64)))
    assert choice.threshold is not None
    recall, precision = choice.recall, choice.precision
    return ThresholdInUse(
        "m", Slice(), policy, choice.threshold, precision.estimate, recall.estimate, "cal", BEGAN, kept=choice.kept,
        recall_lower=recall.lower, recall_upper=recall.upper, precision_lower=precision.lower, best=choice.best,
        best_threshold=choice.best_threshold, why=choice.why,
    ), choice.curve  # fmt: skip


def _job(*why: Reason) -> Job:
    return Job("j1", "m", "recalibrate", BY_HAND, Slice(), BEGAN, JobState.PROMOTED, why=why)


def _left_by_the_release_before(base: Path, policy: str) -> dict[str, Any]:
    """A state in which the model's recall was measured: as if its task were another one."""
    write_config(base, BEFORE)
    (base / "own.toml").write_text(RULES, "utf-8")
    with line(base) as held:
        threshold, curve = _chosen(policy)
        take_charge(held.connection, "m", Slice(), "cal", BEGAN)
        store_thresholds(held.connection, [(threshold, curve)])
        store_job(held.connection, _job(threshold.why))
        held.arrive(BEGAN, BEGAN + DAY, 3000, calibrator="cal")
        held.tick(BEGAN + DAY)
        held.arrive(BEGAN + DAY, BEGAN + DAY + HOUR, 300, calibrator="cal")
        (alert,) = [each for each in held.tick(BEGAN + DAY + HOUR).published.models[0].alerts if not each.slice.order]
        assert held.one("SELECT count(threshold_recall) FROM readings") > 0
        assert _snapshot(base, "SELECT count(threshold_recall) FROM slice_history") > 0
        assert alert.state is AlertState.FIRING
        columns = ", ".join(f'"{name}"' for name in ("threshold", "precision", "precision_lower", "calibrator"))
        row = held.connection.execute(f"SELECT {columns} FROM thresholds").fetchone()
    write_config(base, DETECTION)
    (base / "own.toml").write_text(RULES, "utf-8")
    assert row is not None
    return dict(zip(("threshold", "precision", "precision_lower", "calibrator"), row, strict=True))


def _snapshot(base: Path, query: str) -> Any:
    with duckdb.connect(str(base / "state" / "metrics.duckdb"), read_only=True) as snapshot:
        row = snapshot.execute(query).fetchone()
    return row[0] if row else None


@pytest.mark.parametrize("policy", ["f1", "fbeta:2", "recall>=0.8", "youden", "cost:fp=1,fn=4", "precision>=0.8"])
def test_recall_of_earlier_releases_is_gone_and_the_threshold_stays_in_charge(policy: str, tmp_path: Path) -> None:
    before = _left_by_the_release_before(tmp_path, policy)
    with line(tmp_path) as held:
        tick = held.tick(BEGAN + DAY + 2 * HOUR)
        (stands,) = load_thresholds(held.connection, "m")
        assert {name: getattr(stands, name) for name in before} == before
        assert (stands.recall, stands.recall_lower, stands.recall_upper) == (None, None, None)
        for table, column in (
            ("readings", "threshold_recall"), ("readings", "threshold_recall_upper"), ("newest_readings", "threshold_recall"),
            ("threshold_curves", "recall"), ("threshold_curves", "recall_upper"), ("threshold_curves", "f1"),
        ):  # fmt: skip
            assert held.one(f"SELECT count({column}) FROM {table}") == 0, (table, column)
        assert held.one("SELECT count(threshold_precision) FROM readings") > 0
        assert held.one("SELECT count(precision) FROM threshold_curves") > 0
        needs = parse_policy(policy)
        if needs.needs_recall or needs.needs_negatives:
            assert (stands.kept, stands.best, stands.why.code) == (None, None, Code.THRESHOLD_FROM_DETECTIONS)
            assert f"by {policy} stays until a refit" in stands.reason
        else:
            assert stands.why.values["figures"]["recall"] == [None, None, None]
            assert "recall unknown" in stands.reason
        (job,) = load_jobs(held.connection, "m")
        assert "recall 0." not in " ".join(job.reasons)
        assert "recall 1" not in " ".join(job.reasons)
        assert [tell_reason(reason) for reason in job.why] == list(job.reasons)
        (status,) = tick.published.models
        assert all(reading.metrics[name] is None for reading in status.readings for name in RECALL_METRICS)
        assert {alert.health for alert in status.alerts} == {Health.UNKNOWN}
        assert AlertState.FIRING not in {alert.state for alert in status.alerts}
        assert {alert.why.code for alert in status.alerts} == {Code.RECALL_UNKNOWN}
    assert _snapshot(tmp_path, "SELECT count(threshold_recall) + count(threshold_recall_upper) FROM slice_history") == 0
    assert _snapshot(tmp_path, "SELECT count(threshold_recall) FROM slice_metrics") == 0
    assert _snapshot(tmp_path, "SELECT count(threshold_precision) FROM slice_history") > 0
    assert _snapshot(tmp_path, "SELECT count(recall) + count(f1) FROM threshold_curves") == 0
    assert _snapshot(tmp_path, "SELECT count(recall) FROM thresholds") == 0


def test_what_is_forgotten_once_is_looked_for_no_more_and_nothing_else_changes(tmp_path: Path) -> None:
    _left_by_the_release_before(tmp_path, "f1")
    with line(tmp_path) as held:
        store = ModelStore.load(held.connection, held.cycle.watched[0].model, BEGAN)
        rows = "SELECT * EXCLUDE (sequence, threshold_recall, threshold_recall_lower, threshold_recall_upper) FROM readings ORDER BY ALL"  # noqa: E501  # one statement
        before = held.connection.execute(rows).fetchall()
        assert forget_recall(store)
        assert held.connection.execute(rows).fetchall() == before
        numbers = held.connection.execute("SELECT sequence FROM readings ORDER BY sequence").fetchall()
        assert not forget_recall(store)
        assert held.connection.execute("SELECT sequence FROM readings ORDER BY sequence").fetchall() == numbers
        assert len(set(numbers)) == len(numbers)


def test_a_policy_that_this_release_does_not_know_fails_nothing(tmp_path: Path) -> None:
    with line(tmp_path, DETECTION) as held:
        take_charge(held.connection, "m", Slice(), "cal", BEGAN)
        store_thresholds(held.connection, [(replace(_chosen("f1")[0], policy="best of all"), None)])
        assert forget_recall(ModelStore.load(held.connection, held.cycle.watched[0].model, BEGAN))
        (stands,) = load_thresholds(held.connection, "m")
        assert (stands.policy, stands.recall, stands.why.code) == ("best of all", None, Code.THRESHOLD_CHOSEN)


@pytest.mark.parametrize("task", ["binary", "multiclass", "segmentation"])
def test_other_tasks_keep_theirs(task: str, tmp_path: Path) -> None:
    threshold, curve = _chosen("f1")
    with line(tmp_path, BEFORE.replace('"binary"', f'"{task}"')) as held:
        take_charge(held.connection, "m", Slice(), "cal", BEGAN)
        store_thresholds(held.connection, [(threshold, curve)])
        held.arrive(BEGAN, BEGAN + DAY, 2000, calibrator="cal")
        held.tick(BEGAN + DAY)
        assert load_thresholds(held.connection, "m") == (threshold,)
        assert held.one("SELECT count(threshold_recall) FROM newest_readings") > 0


@pytest.mark.parametrize("policy", ["f1", "recall>=0.9", "youden", "precision>=0.7"])
def test_a_new_model_of_detection_lives_with_any_policy_and_is_told_once(policy: str, tmp_path: Path) -> None:
    section = model_section(
        rules="", extra=f'threshold = {{ policy = "{policy}" }}',
        recalibration='apply = "monitor"\nschedule = "0 2 * * *"\nmethod = "temperature"',
    ).replace('"binary"', '"detection"')  # fmt: skip
    with line(tmp_path, section) as held:
        held.arrive(BEGAN, BEGAN + 3 * DAY, 9000, temperature=0.5)
        held.tick(BEGAN + 3 * DAY)
        ticks = [held.tick(BEGAN + 3 * DAY + timedelta(minutes=minutes)) for minutes in (181, 182, 183, 184)]
        assert not any(tick.failed for tick in ticks)
        (job,) = load_jobs(held.connection, "m")
        assert job.state is JobState.PROMOTED
        (chosen,) = load_thresholds(held.connection, "m")
        assert (chosen.recall, chosen.recall_upper) == (None, None)
        if policy.startswith("precision"):
            assert chosen.kept
            assert held.one("SELECT count(threshold_precision) FROM newest_readings") >= 0
        else:
            assert (chosen.threshold, chosen.kept) == (None, None)
            assert chosen.why.code in NOT_HELD
            assert [reason.code for reason in job.why].count(chosen.why.code) == 1
        assert held.one("SELECT count(ece) FROM readings") > 0


@pytest.mark.parametrize(
    ("told", "now"),
    [
        (
            Reason.of(Code.THRESHOLD_CHOSEN, threshold=0.4, policy="f1", cheapest=None, prior=None, rate=None, figures=FIGURES,
                      samples=9, groups=None),
            "threshold 0.4000 by f1; on 9 samples: precision 0.92 (0.9 to 0.94), recall unknown",
        ),
        (
            Reason.of(Code.THRESHOLD_PROMISED, kind="precision", target=0.9, confidence=0.95, samples=9, groups=None,
                      threshold=0.4, figures=FIGURES, coverage=None),
            "threshold 0.4000 promises precision >= 0.9 with 95 % confidence on 9 samples: precision 0.92 (0.9 to 0.94), "
            "recall unknown",
        ),
        (
            Reason.of(Code.THRESHOLD_PROMISED, kind="recall", target=0.6, confidence=0.95, samples=9, groups=None,
                      threshold=0.4, figures=FIGURES, coverage=None),
            "threshold 0.4000 by recall>=0.6 stays until a refit: an earlier release chose it by detections alone, which tell "
            "nothing of objects that were missed",
        ),
        (
            Reason(Code.THRESHOLD_CHOSEN, {"text": "0.4000 by f1; on 9 samples: precision 0.92 (0.9 to 0.94), recall 0.629 (0.6 to 0.65)"}),  # noqa: E501  # a sentence
            "threshold 0.4000 by f1; on 9 samples: precision 0.92 (0.9 to 0.94), recall unknown",
        ),
        (Reason.from_text("recall 0.629 (0.6 to 0.65), so it was said"), "recall unknown, so it was said"),
        (Reason.of(Code.GATE_SAME, samples=9), tell_reason(Reason.of(Code.GATE_SAME, samples=9))),
    ],
)  # fmt: skip
def test_what_jobs_said_is_told_without_recall(told: Reason, now: str) -> None:
    hidden = hide_recall(told)
    assert tell_reason(hidden) == now
    assert hide_recall(hidden) == hidden


def test_no_promise_of_recall_could_be_made_is_not_known_either() -> None:
    goal = {"kind": "recall", "target": 0.9, "confidence": 0.95, "samples": 9, "groups": None}
    hidden = hide_recall(Reason.of(Code.THRESHOLD_NOT_PROMISED, **goal, best=0.6, best_at=0.1))
    assert hidden == Reason.of(Code.THRESHOLD_NEEDS_TRUTH, policy="recall>=0.9")
    other = Reason.of(Code.THRESHOLD_NOT_PROMISED, **goal | {"kind": "precision"}, best=0.6, best_at=0.1)
    assert hide_recall(other) == replace(other)
