"""Refits of detectors whose truth is known: objects that nothing found are missed by every threshold."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from monitor.config.settings import Model, parse_config
from monitor.model import Slice
from monitor.model.reasons import Code
from monitor.model.samples import Missed, Samples
from monitor.recalibration.calibrators import Identity
from monitor.recalibration.gate import split_in_time
from monitor.recalibration.refit import split_windows
from monitor.recalibration.thresholds import choose_thresholds, find_unanswerable
from monitor.store.model_store import ModelStore
from monitor.store.samples import load_samples
from tests.sources.boxes.detector import Detector, a_box, an_image, source
from tests.worlds.store import NOW

Stream = Callable[..., Samples]


def _model(policy: str, per: str = "") -> Model:
    sources = "".join(map(source, ("images", "detections", "truth")))
    text = f'[[model]]\nname = "m"\ntask = "detection"\n{sources}[model.threshold]\npolicy = "{policy}"\n{per}\n'
    return parse_config(text, "calwatch.toml", Path()).model[0]


def _samples(stream: Stream, seed: int, images: int = 400, missed: int = 300) -> Samples:
    """Ten detections an image, and misses of some of these and of images without a detection."""
    rng = np.random.default_rng(seed)
    samples = stream(rng, 10 * images)
    group = np.repeat(np.arange(images), 10)
    time = group.astype(np.float64) * 60
    of = rng.integers(0, images + 100, missed)
    names = np.array(["car", "dog"])
    return replace(
        samples, group=group, observed_at=time, predicted_class=names[rng.integers(0, 2, 10 * images)],
        missed=Missed(of, np.where(of < images, of, of - images + 0.5) * 60.0, names[rng.integers(0, 2, missed)]),
    )  # fmt: skip


@pytest.mark.parametrize("policy", ["f1", "fbeta:2", "recall>=0.5", "cost:fp=1,fn=4"])
def test_policies_that_rest_on_recall_are_answered_and_count_the_missed(policy: str, stream: Stream) -> None:
    early, late = _samples(stream, 1), _samples(stream, 2)
    model = _model(policy)
    assert find_unanswerable(model) is None
    decided, _ = choose_thresholds(model, Slice(), Identity(), early, late, "id", NOW)
    chosen, curve = decided[0].threshold, decided[0].curve
    assert chosen.threshold is not None
    assert curve is not None
    assert late.missed is not None
    right = late.outcome[late.score >= chosen.threshold].sum()
    assert chosen.recall == pytest.approx(right / (late.outcome.sum() + len(late.missed)))
    assert curve.recall.max() <= late.outcome.sum() / (late.outcome.sum() + len(late.missed)) + 1e-12
    assert chosen.recall is not None
    assert chosen.recall_lower is not None
    assert chosen.recall_lower < chosen.recall


def test_f1_is_the_best_over_all_objects_of_the_earlier_part(stream: Stream) -> None:
    early, late = _samples(stream, 3, missed=3000), _samples(stream, 4)
    assert early.missed is not None
    decided, _ = choose_thresholds(_model("f1"), Slice(), Identity(), early, late, "id", NOW)
    objects = early.outcome.sum() + len(early.missed)

    def f1(threshold: float) -> float:
        above = early.score >= threshold
        return float(2 * early.outcome[above].sum() / (above.sum() + objects))

    best = max(np.unique(early.score).tolist(), key=f1)
    assert decided[0].threshold.threshold is not None
    assert f1(decided[0].threshold.threshold) == pytest.approx(f1(best))
    alone, _ = choose_thresholds(_model("f1"), Slice(), Identity(), replace(early, missed=None), late, "id", NOW)
    assert alone[0].threshold.threshold != decided[0].threshold.threshold


def test_a_promise_of_recall_beyond_the_ceiling_is_not_made(stream: Stream) -> None:
    early, late = _samples(stream, 5), _samples(stream, 6, missed=4000)
    decided, _ = choose_thresholds(_model("recall>=0.6"), Slice(), Identity(), early, late, "id", NOW)
    assert (decided[0].threshold.threshold, decided[0].threshold.kept) == (None, False)
    none, _ = choose_thresholds(
        _model("recall>=0.6"), Slice(), Identity(), early, replace(late, missed=None), "id", NOW
    )
    assert none[0].threshold.kept


@pytest.mark.parametrize("policy", ["youden", "cost:fp=1,fn=4,prior=0.02"])
def test_what_needs_true_negatives_has_no_answer_with_truth_either(policy: str) -> None:
    why = find_unanswerable(_model(policy))
    assert why is not None
    assert why.code == Code.THRESHOLD_NEEDS_NEGATIVES


def test_a_threshold_of_a_class_counts_the_missed_of_that_class(stream: Stream) -> None:
    early, late = _samples(stream, 7), _samples(stream, 8)
    assert late.missed is not None
    assert late.predicted_class is not None
    model = _model("f1", 'per = ["predicted_class"]')
    decided, _ = choose_thresholds(model, Slice(), Identity(), early, late, "id", NOW)
    assert [each.threshold.class_name for each in decided] == ["", "car", "dog"]
    for each in decided[1:]:
        chosen = each.threshold
        own = late.predicted_class == chosen.class_name
        objects = late.outcome[own].sum() + (late.missed.class_name == chosen.class_name).sum()
        assert chosen.recall == pytest.approx(
            late.outcome[own & (late.score >= (chosen.threshold or 0))].sum() / objects
        )


def test_a_miss_goes_where_the_detections_of_its_image_go(stream: Stream) -> None:
    samples = _samples(stream, 9)
    assert samples.missed is not None
    early, late = split_in_time(samples)
    assert early.missed is not None
    assert early.group is not None
    assert late.missed is not None
    assert len(early.missed) + len(late.missed) == len(samples.missed)
    border = early.observed_at.max()
    assert early.missed.observed_at.max() <= border < late.missed.observed_at.min()
    assert not np.isin(late.missed.group, early.group).any()
    parts = split_windows(samples, 0.4, thresholds=True)
    assert sum(len(part.missed) for part in parts if part.missed is not None) == len(samples.missed)


@pytest.mark.parametrize("limit", [None, 60])
def test_the_store_gives_the_objects_that_nothing_found_of_the_images_that_are_taken(
    limit: int | None, tmp_path: Path
) -> None:
    detector = Detector(tmp_path, settings="min_samples = 1")
    names = [f"i{number:03d}" for number in range(100)]
    detector.send("images", *(an_image(name) for name in (*names, "empty", "open")))
    detector.send("detections", *(a_box(name, x=40, score=0.3 + 0.005 * number) for number, name in enumerate(names)))
    detector.send("truth", *(a_box(name, x=x) for name in names for x in (40, 70)), a_box("empty", "dog"))
    detector.pull()
    store = ModelStore.load(detector.connection, detector.model, NOW)
    covered = list(store.registry.slices.values())
    day = timedelta(days=2)
    samples = load_samples(store, "", covered, NOW - day, NOW + day, limit).samples
    missed = samples.missed
    assert missed is not None
    assert samples.group is not None
    taken = len(samples)
    assert taken == 100 if limit is None else 20 < taken <= 60
    cats = missed.class_name == "cat"
    assert sorted(missed.group[cats].tolist()) == sorted(samples.group.tolist())
    if limit is None:
        assert (~cats).sum() == 1
        assert missed.group[~cats][0] not in samples.group
    none = load_samples(store, "", covered, NOW + day, NOW + 2 * day).samples.missed
    assert none is not None
    assert len(none) == 0
