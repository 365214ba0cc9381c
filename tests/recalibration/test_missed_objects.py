"""Refits of detectors whose truth is known: objects that nothing found are missed by every threshold."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.config.settings import Model, parse_config
from monitor.model import Slice
from monitor.model.reasons import Code
from monitor.model.samples import LabelledImages, Missed, Samples
from monitor.model.words import tell_reasons
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


def _images(count: int, seconds: int = 60) -> LabelledImages:
    """So many labelled images, one each ``seconds``."""
    return LabelledImages(np.arange(count), np.arange(count, dtype=np.float64) * seconds)


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


def test_false_positives_are_per_labelled_image_also_of_those_with_nothing_in_them(stream: Stream) -> None:
    early, late = _samples(stream, 10), _samples(stream, 11)
    assert late.group is not None
    every = _images(2000, 60)
    with_some = len(np.unique(late.group))
    for images, divisor in ((None, with_some), (every, 2000)):
        own = replace(late, images=images)
        decided, why = choose_thresholds(_model("fp_per_image<=1"), Slice(), Identity(), early, own, "id", NOW)
        chosen, curve = decided[0].threshold, decided[0].curve
        assert chosen.threshold is not None
        assert curve is not None
        wrong = (late.outcome[late.score >= chosen.threshold] == 0).sum()
        over_all, of_some = (chosen.fp_per_image, chosen.fp_per_group)
        figure, unknown = (of_some, over_all) if images is None else (over_all, of_some)
        assert figure == pytest.approx(wrong / divisor)
        assert unknown is None
        assert chosen.groups == divisor
        column = curve.fp_per_group if images is None else curve.fp_per_image
        assert column[0] == pytest.approx((late.outcome[late.score >= curve.threshold[0]] == 0).sum() / divisor)
        per = "per labelled image" if images is not None else "per image that has a prediction"
        assert per in tell_reasons(why)[0]
    # four fifths of the images are empty, so a lower threshold keeps the promise
    lower, higher = (
        choose_thresholds(
            _model("fp_per_image<=0.5"), Slice(), Identity(), early, replace(late, images=images), "id", NOW
        )[0][0].threshold.threshold
        for images in (every, None)
    )
    assert lower is not None
    assert higher is not None
    assert lower < higher


def test_false_positives_of_a_class_are_per_labelled_image_of_all(stream: Stream) -> None:
    early, late = _samples(stream, 12), _samples(stream, 13)
    late = replace(late, images=_images(1000, 60))
    model = _model("fp_per_image<=0.5", 'per = ["predicted_class"]')
    decided, _ = choose_thresholds(model, Slice(), Identity(), early, late, "id", NOW)
    assert [each.threshold.class_name for each in decided] == ["", "car", "dog"]
    for each in decided[1:]:
        chosen = each.threshold
        assert chosen.threshold is not None
        own = (late.predicted_class == chosen.class_name) & (late.score >= chosen.threshold)
        assert chosen.fp_per_image == pytest.approx((late.outcome[own] == 0).sum() / 1000)


def test_a_labelled_image_goes_where_its_detections_go(stream: Stream) -> None:
    samples = _samples(stream, 14)
    samples = replace(samples, images=_images(700, 40))
    parts = [part.images for part in split_windows(samples, 0.4, thresholds=True)]
    assert all(part is not None and len(part) for part in parts)
    assert sum(len(part) for part in parts if part is not None) == 700
    assert len(np.unique(np.concatenate([part.group for part in parts if part is not None]))) == 700


@pytest.mark.parametrize(
    ("limit", "sources"),
    [
        (None, ("images", "detections", "truth")),
        (60, ("images", "detections", "truth")),
        (None, ("detections", "truth")),
    ],
)
def test_the_store_gives_all_labelled_images_where_a_source_lists_images(
    limit: int | None, sources: tuple[str, ...], tmp_path: Path
) -> None:
    detector = Detector(tmp_path, sources, settings="min_samples = 1")
    names = [f"i{number:03d}" for number in range(100)]
    empty = [f"e{number:03d}" for number in range(50)]
    if "images" in sources:
        detector.send("images", *map(an_image, (*names, *empty, "open")))
    time: dict[str, Any] = {} if "images" in sources else {"observed_at": NOW - timedelta(hours=1)}
    detector.send(
        "detections", *(a_box(name, x=40, score=0.3 + 0.005 * number, **time) for number, name in enumerate(names))
    )
    detector.send(
        "truth",
        *(a_box(name, x=40) for name in names),
        *({"image_id": name} for name in empty[:30]),
        *(a_box(name, x=40) for name in empty[30:]),
    )
    detector.pull()
    store = ModelStore.load(detector.connection, detector.model, NOW)
    covered = list(store.registry.slices.values())
    day = timedelta(days=2)
    samples = load_samples(store, "", covered, NOW - day, NOW + day, limit).samples
    if "images" not in sources:
        assert samples.images is None
        return
    assert samples.images is not None
    assert samples.group is not None
    assert np.isin(samples.group, samples.images.group).all()
    if limit is None:
        assert len(samples.images) == 150, "the image that nobody looked at is none of them"
    else:
        assert len(samples) <= 60
        assert len(samples) < len(samples.images) < 1.5 * 60 + 30


def test_labelled_images_of_a_camera_count_there_and_not_where_another_is_in_charge(tmp_path: Path) -> None:
    detector = Detector(tmp_path, settings='min_samples = 1\nslices = ["camera", "predicted_class"]')
    detector.send("images", *(an_image(f"i{number:02d}", camera=f"c{number % 3}") for number in range(30)))
    detector.send(
        "detections", *(a_box(f"i{number:02d}", ("cat", "dog")[number % 2], x=40, score=0.5) for number in range(20))
    )
    detector.send("truth", a_box("i00", x=40), *({"image_id": f"i{number:02d}"} for number in range(1, 30)))
    detector.pull()
    store = ModelStore.load(detector.connection, detector.model, NOW)
    day = timedelta(days=2)

    def count(scope: Slice, *charge: Slice) -> int:
        covered = store.registry.slices_in_charge_of(scope, [scope, *charge])
        images = load_samples(store, "", covered, NOW - day, NOW + day).samples.images
        assert images is not None
        return len(images)

    camera, cats = Slice.parse("camera=c1"), Slice.parse("predicted_class=cat")
    assert count(Slice()) == 30
    assert count(camera) == 10
    assert count(Slice(), camera) == 20
    assert count(cats) == 30, "on each image there could have been a cat"
    assert count(Slice(), cats) == 30
