"""Pre-counted rows (pixels of a mask) say in a refit what as many samples of one group would say."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from monitor.config.settings import Model, parse_config
from monitor.jobs.requests import leave_request
from monitor.model import JobState, Slice
from monitor.model.samples import Samples
from monitor.recalibration.calibrators import Calibrator, Platt, Temperature
from monitor.recalibration.fit_scores import fit_isotonic
from monitor.recalibration.gate import count_bars, judge_candidate
from monitor.recalibration.refit import RefitInputs, run_refit
from monitor.recalibration.selection import select_calibrator
from monitor.statistics.paired_loss import improvement, log_losses
from monitor.statistics.sequential_comparison import compare_losses
from monitor.statistics.thresholds.choice import ScoredSamples, choose_threshold, is_broken
from monitor.statistics.thresholds.policies import parse_policy
from tests.worlds.line import BEGAN, DAY, Columns, line, model_section, write_file
from tests.worlds.reasons import sentences

NOW = datetime(2026, 3, 1, tzinfo=UTC)
IMAGES, PER_IMAGE = 120, 8


def _masks(seed: int = 1, *, temperature: float = 2.0, groups: bool = True) -> Samples:
    """Rows of some scores of each image, each for 1 to 30 pixels, whose outcomes depend on each other."""
    rng = np.random.default_rng(seed)
    rows = IMAGES * PER_IMAGE
    logit = rng.normal(0.5, 1.5, rows).round(1)
    n = rng.integers(1, 31, rows).astype(np.float64)
    image = np.repeat(np.arange(IMAGES), PER_IMAGE)
    rate = expit(logit / temperature + rng.normal(0, 0.5, IMAGES)[image])
    positives = rng.binomial(n.astype(np.int64), rate)
    return Samples(
        score=expit(logit), outcome=positives / n, logits=None, label_index=None, group=image if groups else None,
        observed_at=image.astype(np.float64), slice_index=image % 2, n=n,
    )  # fmt: skip


def _one_by_one(samples: Samples) -> Samples:
    """The same pixels, each a row; rows of a group of their own become one."""
    assert samples.n is not None
    count = samples.n.astype(np.int64)
    each = np.repeat(np.arange(len(samples)), count)
    place = np.arange(len(each)) - np.repeat(np.cumsum(count) - count, count)
    positives = np.rint(samples.positives).astype(np.int64)
    plain = replace(samples, n=None, outcome=(samples.outcome > 0.5).astype(np.float64), group=samples.units())
    return replace(plain.subset(each), outcome=(place < positives[each]).astype(np.float64))


@pytest.mark.parametrize("method", ["temperature", "platt", "beta", "isotonic"])
def test_a_fit_is_that_of_the_pixels_one_by_one(method: str) -> None:
    samples = _masks()
    one, other = (
        select_calibrator(method, samples).calibrator,
        select_calibrator(method, _one_by_one(samples)).calibrator,
    )
    asked = np.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(one.apply(asked), other.apply(asked), atol=1e-7)


def test_auto_weighs_candidates_by_pixels_and_asks_isotonic_for_rows() -> None:
    rng = np.random.default_rng(4)
    samples = _masks(2)
    assert "isotonic" not in select_calibrator("auto", samples).log_loss  # 960 rows, though 15,000 pixels
    heavy = np.where(samples.score > 0.5, 1e4, 1.0)  # weight decides what is best: above one half it is a shift
    score = np.where(samples.score > 0.5, samples.score, rng.random(len(samples)) / 2)
    tilted = replace(samples, score=score, n=heavy, outcome=np.where(score > 0.5, expit(0.8), 1.0))
    assert fit_isotonic(tilted.score, tilted.outcome, tilted.n).y[-1] == pytest.approx(float(expit(0.8)), abs=1e-3)
    assert select_calibrator("auto", tilted).calibrator.apply(np.array([0.9]))[0] == pytest.approx(
        float(expit(0.8)), abs=0.05
    )


@pytest.mark.parametrize("groups", [True, False])
def test_improvement_bars_and_gate_are_those_of_the_pixels_in_groups(groups: bool) -> None:
    samples = _masks(groups=groups)
    pixels = _one_by_one(samples)
    softer: Calibrator = Temperature(2.0)
    names = ["camera=c1", "camera=c2"]
    verdicts = []
    for each in (samples, pixels):
        candidate = softer.apply(each.score)
        gain = log_losses(each.score, each.outcome) - log_losses(candidate, each.outcome)
        verdicts.append(
            (
                improvement(gain, each.units(), 0.95, each.n),
                judge_candidate(each.score, candidate, each, names),
                count_bars(candidate, each),
            )
        )
    (one, decided, drawn), (other, decided_too, drawn_too) = verdicts
    assert (one.mean, one.lower, one.upper) == pytest.approx((other.mean, other.lower, other.upper), rel=1e-9)
    assert one.groups == other.groups == (IMAGES if groups else IMAGES * PER_IMAGE)
    assert decided.accepted
    assert decided.accepted == decided_too.accepted
    assert decided.improvement is not None
    assert decided.worst_slice is not None
    assert decided_too.worst_slice is not None
    assert decided.worst_slice.improvement.upper == pytest.approx(decided_too.worst_slice.improvement.upper)
    for name in ("log_loss", "log_loss_lower", "ece", "ece_lower", "brier"):
        assert decided.after[name] == pytest.approx(decided_too.after[name], rel=1e-6), name
    assert [bar[1:3] for bar in drawn] == [pytest.approx(bar[1:3], rel=1e-6) for bar in drawn_too]
    assert [bar[4] for bar in drawn] == pytest.approx([bar[4] for bar in drawn_too], rel=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    "policy", ["f1", "cost:fp=1,fn=3", "youden", "precision>=0.6", "recall>=0.7", "fp_per_image<=60", "accuracy>=0.6"]
)
def test_thresholds_and_their_bounds_are_those_of_the_pixels_in_groups(policy: str) -> None:
    chosen = []
    for each in (_masks(3), _one_by_one(_masks(3))):
        scored = ScoredSamples(each.score, each.outcome, each.group, each.n)
        found = choose_threshold(parse_policy(policy), scored, confidence=0.9)
        chosen.append(found)
        if found.threshold is not None and parse_policy(policy).is_promise:
            assert not is_broken(parse_policy(policy), found.threshold, scored, 0.9)
    one, other = chosen
    assert one.threshold == pytest.approx(other.threshold, abs=1e-9)
    assert one.bound == other.bound
    for name in ("precision", "recall", "fp_per_group"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert (ours.estimate, ours.lower, ours.upper) == pytest.approx(
            (theirs.estimate, theirs.lower, theirs.upper), rel=2e-3
        ), name  # the effective size knows how many trials there are by Student's t alone


def test_rows_without_a_group_are_groups_of_their_own_for_a_promise() -> None:
    samples = _masks(5, groups=False)
    alone = ScoredSamples(samples.score, samples.outcome, None, samples.n)
    found = choose_threshold(parse_policy("precision>=0.6"), alone, confidence=0.9)
    assert found.bound != "clopper-pearson"
    assert found.groups == IMAGES * PER_IMAGE


@pytest.mark.parametrize("groups", [True, False])
def test_the_guard_hears_an_image_once_however_many_pixels_it_has(groups: bool) -> None:
    samples = _masks(6, groups=groups)
    pixels = _one_by_one(samples)
    one, other = (
        compare_losses(Platt(1.0, 0.5).apply(each.score), each.score, each.outcome, each.units(), n=each.n)
        for each in (samples, pixels)
    )
    assert one.log_factors == pytest.approx(other.log_factors, rel=1e-9)
    assert one.groups == other.groups
    assert one.loss == pytest.approx(other.loss)


def test_a_share_without_a_count_and_a_count_below_one_are_refused() -> None:
    samples = _masks()
    with pytest.raises(ValueError, match="outcome must be 0 or 1, or a share where rows are pre-counted"):
        replace(samples, n=None)
    with pytest.raises(ValueError, match="n must be at least 1"):
        replace(samples, n=np.zeros(len(samples)))
    with pytest.raises(ValueError, match="n has shape"):
        replace(samples, n=np.ones(3))


def _model(policy: str) -> Model:
    text = model_section(extra=f'threshold = {{ policy = "{policy}" }}', recalibration='method = "auto"')
    return parse_config(text, "calwatch.toml", Path()).model[0]


def test_a_refit_of_masks_is_promoted_and_promises_a_threshold() -> None:
    samples = replace(_masks(7, temperature=3.0), slice_index=np.zeros(IMAGES * PER_IMAGE, dtype=np.int64))
    found = run_refit(
        RefitInputs(_model("precision>=0.55"), Slice(), samples, (Slice(),), {}, NOW, ()), calwatch_version="1"
    )
    assert found.accepted, sentences(found)
    assert found.threshold is not None
    assert found.threshold.bound == "clopper-pearson at the effective size of groups"


def test_masks_that_a_segmenter_logs_are_refitted_by_the_daemon(tmp_path: Path) -> None:
    rows = _masks(8, temperature=3.0)
    assert rows.n is not None
    seconds = (np.arange(len(rows)) * 85_000 // len(rows)).astype("timedelta64[s]")
    observed = np.datetime64(BEGAN.replace(tzinfo=None), "us") + seconds
    columns: Columns = {
        "sample_id": np.array([f"r{index}" for index in range(len(rows))], dtype=object),
        "observed_at": observed.astype("datetime64[us]"), "labelled_at": observed.astype("datetime64[us]"),
        "score": rows.score, "n": rows.n.astype(np.int64), "positives": np.rint(rows.positives).astype(np.int64),
        "group_id": np.array([f"image-{index}" for index in np.arange(len(rows)) // PER_IMAGE], dtype=object),
        "camera": np.full(len(rows), "c1", dtype=object), "lighting": np.full(len(rows), "day", dtype=object),
    }  # fmt: skip
    section = model_section(rules="", recalibration='method = "temperature"').replace("binary", "segmentation")
    with line(tmp_path, section) as held:
        write_file(tmp_path / "in" / "masks.parquet", columns)
        leave_request(held.cycle.config.state_dir, "m", "recalibrate", Slice(), BEGAN + DAY)
        tick = held.tick(BEGAN + DAY, publish=False)
        assert tick.failed == {}
        (job,) = tick.jobs["m"]
        assert job.state is JobState.PROMOTED, job.reasons
        pixels = int(rows.n.sum())
        assert job.reasons[1] == f"{len(rows):,} rows, some pre-counted, for {pixels:,} samples in all"
        assert held.one("SELECT count(*) FROM guards WHERE state = 'watching'") == 1
