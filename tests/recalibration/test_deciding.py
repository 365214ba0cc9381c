"""Thresholds that go with a calibrator: global, by predicted class, one-vs-rest, and what they say together."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from monitor.config.settings import Model, parse_config
from monitor.model import Slice
from monitor.model.errors import ConfigError
from monitor.model.samples import Samples
from monitor.model.words import tell_reasons
from monitor.recalibration.calibrators import Identity, Isotonic, Temperature, Vector
from monitor.recalibration.thresholds import choose_thresholds, class_probabilities
from tests.worlds.line import model_section

Stream = Callable[..., Samples]
NOW = datetime(2026, 3, 1, tzinfo=UTC)
NIGHT = Slice.of({"lighting": "night"})


def _model(threshold: str, classes: tuple[str, ...] = ()) -> Model:
    extra = f"threshold = {{ {threshold} }}" + (f"\nclasses = {list(classes)}" if classes else "")
    text = model_section(extra=extra)
    if "class" in threshold or "accuracy" in threshold:
        text = text.replace('task = "binary"', 'task = "multiclass"')
    return parse_config(text, "calwatch.toml", Path()).model[0]


def test_accuracy_and_classes_need_a_model_that_predicts_classes() -> None:
    extra = 'threshold = { policy = "accuracy>=0.9", per = ["class"] }'
    with pytest.raises(ConfigError) as error:
        parse_config(model_section(extra=extra), "calwatch.toml", Path())
    told = str(error.value)
    assert "for this task write 'precision>=0.9'" in told
    assert 'per "class" needs task "multiclass"' in told


def _three_classes(n: int, seed: int, *, known: bool = True) -> Samples:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 3))
    truth = softmax(logits / 1.5, axis=1).cumsum(axis=1)
    label = (rng.random((n, 1)) > truth).sum(axis=1).clip(0, 2)
    predicted = logits.argmax(axis=1)
    names = np.array(["cat", "dog", "eel"])
    return Samples(
        score=softmax(logits, axis=1).max(axis=1), outcome=(predicted == label).astype(np.float64), logits=logits,
        label_index=label.astype(np.int64), group=None, observed_at=np.arange(n, dtype=np.float64),
        slice_index=np.zeros(n, np.int64), predicted_class=names[predicted] if known else None,
    )  # fmt: skip


def test_a_promise_is_chosen_and_stated_on_the_later_samples(stream: Stream) -> None:
    early, late = stream(np.random.default_rng(1), 4000), stream(np.random.default_rng(2), 3000)
    decided, why = choose_thresholds(
        _model('policy = "precision>=0.9", confidence = 0.9'), NIGHT, Identity(), early, late, "id", NOW
    )
    (one,) = decided
    chosen = one.threshold
    assert (chosen.scope, chosen.calibrator, chosen.kept, chosen.confidence) == (NIGHT, "id", True, 0.9)
    assert chosen.samples == 3000
    assert chosen.threshold is not None
    above = late.score >= chosen.threshold
    assert chosen.precision == pytest.approx(late.outcome[above].mean())
    assert chosen.precision_lower is not None
    assert chosen.precision_lower >= 0.9
    assert tell_reasons(why) == (chosen.reason,)
    assert one.curve is not None
    # other early samples change nothing: they have no part in it
    again, _ = choose_thresholds(
        _model('policy = "precision>=0.9", confidence = 0.9'), NIGHT, Identity(), late, late, "id", NOW
    )
    assert again[0].threshold == chosen


def test_an_optimum_is_chosen_on_the_early_and_measured_on_the_later_samples(stream: Stream) -> None:
    early, late = stream(np.random.default_rng(3), 4000), stream(np.random.default_rng(4), 2000, temperature=3.0)
    decided, _ = choose_thresholds(_model('policy = "f1"'), Slice(), Identity(), early, late, "id", NOW)
    own, _ = choose_thresholds(_model('policy = "f1"'), Slice(), Identity(), early, early, "id", NOW)
    assert decided[0].threshold.threshold == own[0].threshold.threshold
    assert decided[0].threshold.kept is None
    assert decided[0].threshold.threshold is not None
    above = late.score >= decided[0].threshold.threshold
    assert decided[0].threshold.precision == pytest.approx(late.outcome[above].mean())


def test_a_promise_none_can_make_is_recorded_as_such(stream: Stream) -> None:
    samples = stream(np.random.default_rng(5), 1000)
    decided, why = choose_thresholds(
        _model('policy = "precision>=0.999"'), Slice(), Identity(), samples, samples, "id", NOW
    )
    assert (decided[0].threshold.threshold, decided[0].threshold.kept) == (None, False)
    assert decided[0].threshold.best is not None
    assert "no threshold can promise" in tell_reasons(why)[0]


def test_each_predicted_class_gets_a_threshold_among_its_own_predictions() -> None:
    early, late = _three_classes(4000, 6), _three_classes(6000, 7)
    model = _model('policy = "accuracy>=0.8", per = ["predicted_class"]')
    decided, why = choose_thresholds(model, Slice(), Temperature(1.5, multiclass=True), early, late, "id", NOW)
    assert [(each.threshold.per, each.threshold.class_name) for each in decided] == [
        ("", ""), ("predicted_class", "cat"), ("predicted_class", "dog"), ("predicted_class", "eel"),
    ]  # fmt: skip
    assert late.predicted_class is not None
    cats = late.predicted_class == "cat"
    cat = decided[1].threshold
    assert cat.samples == cats.sum()
    score = Temperature(1.5, multiclass=True).apply(late.score, late.logits)
    assert cat.threshold is not None
    assert cat.precision == pytest.approx(late.outcome[cats & (score >= cat.threshold)].mean())
    assert tell_reasons(why)[-1] == (
        "thresholds per predicted_class: 3 classes; 3 promise accuracy>=0.8, each by itself with 95 % confidence, "
        "all at once with at least 85 %"
    )


def test_one_vs_rest_thresholds_are_on_the_calibrated_probability_of_the_class() -> None:
    early, late = _three_classes(3000, 8), _three_classes(5000, 9)
    model = _model('policy = "recall>=0.8", per = ["class"]', ("cat", "dog", "eel"))
    decided, _ = choose_thresholds(model, Slice(), Temperature(1.5, multiclass=True), early, late, "id", NOW)
    dog = decided[2].threshold
    assert (dog.per, dog.class_name, dog.samples) == ("class", "dog", 5000)
    assert late.logits is not None
    assert late.label_index is not None
    assert dog.threshold is not None
    kept = softmax(late.logits / 1.5, axis=1)[:, 1] >= dog.threshold
    assert dog.recall == pytest.approx(kept[late.label_index == 1].mean())
    assert dog.recall_lower is not None
    assert dog.recall_lower >= 0.8


def test_classes_that_cannot_be_told_or_are_too_few_are_named() -> None:
    early, late = _three_classes(2000, 10, known=False), _three_classes(2000, 11, known=False)
    model = _model('policy = "f1", per = ["predicted_class", "class"]')
    decided, why = choose_thresholds(model, Slice(), Isotonic((0.1, 0.9), (0.1, 0.9)), early, late, "id", NOW)
    assert len(decided) == 1
    assert "needs a predicted_class in every sample" in tell_reasons(why)[1]
    assert "needs logits and a calibrator on them" in tell_reasons(why)[2]
    few = _three_classes(100, 12)
    _, why = choose_thresholds(
        _model('policy = "f1", per = ["predicted_class"]'), Slice(), Identity(), early, few, "id", NOW
    )
    assert "needs a predicted_class" in tell_reasons(why)[1]
    _, why = choose_thresholds(
        _model('policy = "f1", per = ["predicted_class"]'), Slice(), Identity(), few, few, "id", NOW
    )
    assert "3 with too few later samples or one outcome only (cat, dog, eel)" in tell_reasons(why)[1]


def test_class_probabilities_agree_with_the_calibrated_score_of_the_predicted_class() -> None:
    samples = _three_classes(500, 13)
    assert samples.logits is not None
    predicted = samples.logits.argmax(axis=1)
    for calibrator in (Temperature(2.0, multiclass=True), Vector((1.0, 0.5, 2.0), (0.1, 0.0, -0.3))):
        probabilities = class_probabilities(calibrator, samples)
        assert probabilities is not None
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
        np.testing.assert_allclose(
            probabilities[np.arange(500), predicted], calibrator.apply(samples.score, samples.logits)
        )
    assert class_probabilities(Temperature(2.0), samples) is None


def test_without_the_section_or_later_samples_nothing_is_decided(stream: Stream) -> None:
    samples = stream(np.random.default_rng(14), 100)
    bare = parse_config(model_section(), "calwatch.toml", Path()).model[0]
    assert choose_thresholds(bare, Slice(), Identity(), samples, samples, "id", NOW) == ((), ())
    nobody = samples.subset(np.zeros(100, dtype=np.bool_))
    assert choose_thresholds(_model('policy = "f1"'), Slice(), Identity(), samples, nobody, "id", NOW) == ((), ())


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ('policy = "precision>0.9"', 'policy must be "f1"'),
        ('policy = "f1", confidence = 1.0', "confidence"),
        ('policy = "f1", confidence = 0.3', "confidence"),
        ('policy = "f1", per = ["slice"]', "per"),
    ],
)
def test_settings_that_make_no_sense_are_refused(threshold: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        _model(threshold)
    assert message in str(error.value)
