"""Thresholds of detection whose rows users matched: what rests on missed objects is unknown, all else goes on."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from monitor.config.settings import Model, parse_config
from monitor.model import Slice, ThresholdInUse
from monitor.model.reasons import NOT_HELD, Code
from monitor.model.samples import Samples
from monitor.model.words import tell_reasons
from monitor.recalibration.calibrators import Identity
from monitor.recalibration.refit import Refit, RefitInputs, run_refit
from monitor.recalibration.thresholds import choose_thresholds, find_unanswerable, is_choice_due
from tests.worlds.line import model_section

Stream = Callable[..., Samples]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
OTHERS = ("binary", "multiclass", "segmentation")
NEED_TRUTH = ("f1", "fbeta:2", "fbeta:0.5", "recall>=0.5", "recall>=0.9")
NEED_NEGATIVES = ("youden", "cost:fp=1,fn=4,prior=0.02")
ANSWERED = ("cost:fp=1,fn=4", "precision>=0.6", "fp_per_image<=3")


def _model(policy: str | None, task: str = "detection", per: str = "") -> Model:
    extra = "" if policy is None else f'threshold = {{ policy = "{policy}"{per} }}'
    text = model_section(extra=extra, recalibration='method = "temperature"')
    return parse_config(text.replace('"binary"', f'"{task}"'), "calwatch.toml", Path()).model[0]


def _refit(
    model: Model, samples: Samples, *, standing: ThresholdInUse | None = None, stays: str | None = None
) -> Refit:
    charge = {} if stays is None else {Slice(): (stays, Identity())}
    task = RefitInputs(model, Slice(), samples, (Slice(),), charge, NOW, (), standing=standing)
    return run_refit(task, calwatch_version="1")


@pytest.mark.parametrize("policy", [*NEED_TRUTH, *NEED_NEGATIVES])
def test_a_refit_promotes_its_calibrator_without_a_threshold_and_says_why(policy: str, stream: Stream) -> None:
    samples = stream(np.random.default_rng(1), 4000, temperature=3.0, clip=4)
    found = _refit(_model(policy), samples)
    assert found.accepted
    assert found.threshold is not None
    assert (found.threshold.threshold, found.threshold.kept, found.threshold.recall) == (None, None, None)
    code = Code.THRESHOLD_NEEDS_TRUTH if policy in NEED_TRUTH else Code.THRESHOLD_NEEDS_NEGATIVES
    assert (found.threshold.why.code, found.why[-1].code) == (code, code)
    assert found.threshold.samples == 800
    plain = _refit(_model(None), samples)
    assert plain.accepted


@pytest.mark.parametrize("policy", ANSWERED)
def test_policies_that_need_no_recall_choose_what_they_choose_of_other_tasks(policy: str, stream: Stream) -> None:
    samples = stream(np.random.default_rng(2), 4000, temperature=3.0, clip=4)
    own, other = (_refit(_model(policy, task), samples).threshold for task in ("detection", "binary"))
    assert own is not None
    assert other is not None
    assert own.threshold is not None
    unknown = dict.fromkeys(("recall", "recall_lower", "recall_upper"))
    assert replace(own, why=other.why, calibrator=other.calibrator) == replace(other, **unknown)  # type: ignore[arg-type]
    assert other.recall is not None


@pytest.mark.parametrize("task", OTHERS)
@pytest.mark.parametrize("policy", [*NEED_TRUTH, *NEED_NEGATIVES, *ANSWERED])
def test_other_tasks_know_what_they_miss(task: str, policy: str, stream: Stream) -> None:
    early, late = stream(np.random.default_rng(3), 4000), stream(np.random.default_rng(4), 3000)
    model = _model(policy, task)
    assert find_unanswerable(model) is None
    decided, _ = choose_thresholds(model, Slice(), Identity(), early, late, "id", NOW)
    chosen = decided[0].threshold
    assert chosen.why.code not in NOT_HELD
    if chosen.threshold is not None:
        assert chosen.recall == pytest.approx(late.outcome[late.score >= chosen.threshold].sum() / late.outcome.sum())
    assert decided[0].curve is not None
    assert np.isfinite(decided[0].curve.recall).all()


@pytest.mark.parametrize("policy", ["f1", "recall>=0.9", "youden"])
def test_classes_have_no_threshold_either_and_nothing_is_said_of_them(policy: str, stream: Stream) -> None:
    early, late = (
        replace(stream(np.random.default_rng(seed), 2000), predicted_class=np.array(["car", "dog"] * 1000))
        for seed in (5, 6)
    )
    model = _model(policy, per=', per = ["predicted_class"]')
    decided, why = choose_thresholds(model, Slice(), Identity(), early, late, "id", NOW)
    assert [(each.threshold.class_name, each.threshold.threshold) for each in decided] == [
        ("", None), ("car", None), ("dog", None),
    ]  # fmt: skip
    assert [reason.code for reason in why] == [decided[0].threshold.why.code]
    promised, told = choose_thresholds(
        _model("precision>=0.6", per=', per = ["predicted_class"]'), Slice(), Identity(), early, late, "id", NOW
    )
    assert [each.threshold.recall for each in promised] == [None] * 3
    assert "2 promise precision>=0.6" in tell_reasons(told)[-1]


def _standing(policy: str, threshold: float | None, calibrator: str = "before") -> ThresholdInUse:
    return ThresholdInUse("m", Slice(), policy, threshold, 0.8, None, calibrator, NOW)


@pytest.mark.parametrize("policy", [*NEED_TRUTH, *NEED_NEGATIVES])
@pytest.mark.parametrize("threshold", [0.4, None])
def test_what_an_earlier_release_chose_stands_and_no_choice_is_due(
    policy: str, threshold: float | None, stream: Stream
) -> None:
    late = stream(np.random.default_rng(7), 1000)
    stays = ("before", Identity())
    assert not is_choice_due(_model(policy), _standing(policy, threshold), stays, late)
    assert is_choice_due(_model(policy, "binary"), _standing(policy, None), stays, late)


@pytest.mark.parametrize("policy", ["f1", "recall>=0.9", "youden"])
def test_the_answer_that_there_is_none_is_given_once(policy: str, stream: Stream) -> None:
    samples = stream(np.random.default_rng(8), 4000)  # calibrated: nothing is promoted
    first = _refit(_model(policy), samples, stays="before")
    assert not first.accepted
    assert first.threshold is not None
    assert (first.threshold.calibrator, first.threshold.threshold) == ("before", None)
    again = _refit(_model(policy), samples, stays="before", standing=first.threshold)
    assert again.decided == ()
    assert [reason for reason in again.why if reason.code in NOT_HELD] == []


def test_a_threshold_by_f1_stands_through_a_refit_that_promotes_nothing(stream: Stream) -> None:
    samples = stream(np.random.default_rng(9), 4000)
    assert _refit(_model("f1"), samples, stays="before", standing=_standing("f1", 0.4)).decided == ()


def test_a_policy_that_can_be_answered_takes_its_place_at_the_next_refit(stream: Stream) -> None:
    samples = stream(np.random.default_rng(10), 4000)
    found = _refit(_model("precision>=0.7"), samples, stays="before", standing=_standing("f1", 0.4))
    assert found.threshold is not None
    assert (found.threshold.policy, found.threshold.kept) == ("precision>=0.7", True)


def test_the_words_name_the_remedy_where_there_is_one() -> None:
    told = {policy: tell_reasons([why])[0] for policy in (*NEED_TRUTH, *NEED_NEGATIVES) if (why := find_unanswerable(_model(policy)))}  # fmt: skip # noqa: E501
    assert all(told[policy].startswith(f"no threshold for {policy}: ") for policy in told)
    assert all('holds = "truth"' in told[policy] for policy in NEED_TRUTH)
    assert 'holds = "truth"' not in told["youden"] + told["cost:fp=1,fn=4,prior=0.02"]
    assert told["cost:fp=1,fn=4,prior=0.02"].endswith("leave the prior out")
