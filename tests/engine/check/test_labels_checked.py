"""``calwatch check`` looks at labels: words that are none, labels that contradict each other, and labels of a source of their
own beside the predictions they belong to."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from monitor.engine.check.check import CheckResult, check_config

HEAD = '[[model]]\nname = "m"\ntask = "{task}"\n{more}\n'
ONE = '  [model.source]\n  path = "a.csv"\n'
TWO = '  [[model.source]]\n  path = "p.csv"\n  [[model.source]]\n  name = "v"\n  holds = "labels"\n  path = "l.csv"\n'
ROWS = 400
Rows = Sequence[Sequence[object]]


def _times() -> list[str]:
    return [f"2026-11-{1 + place // 24:02} {place % 24:02}:00:00" for place in range(ROWS)]


def _classes(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calibrated top-label scores, predicted classes 0 to 4 and labels."""
    random = np.random.default_rng(seed)
    score, predicted = random.uniform(0.4, 1, ROWS).round(4), random.integers(0, 5, ROWS)
    right = random.random(ROWS) < score
    return score, predicted, np.where(right, predicted, (predicted + random.integers(1, 5, ROWS)) % 5)


def _binary(seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    score = random.random(ROWS).round(4)
    return score, (random.random(ROWS) < score).astype(int)


def _csv(path: Path, header: str, rows: Rows) -> None:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", "utf-8")


def _check_one(base: Path, task: str, header: str, rows: Rows, more: str = "") -> CheckResult:
    _csv(base / "a.csv", header, rows)
    (base / "calwatch.toml").write_text(HEAD.format(task=task, more=more) + ONE, "utf-8")
    return check_config(base / "calwatch.toml")


def _check_two(
    base: Path, task: str, predictions: tuple[str, Rows], labels: tuple[str, Rows], more: str = ""
) -> CheckResult:
    _csv(base / "p.csv", *predictions)
    _csv(base / "l.csv", *labels)
    (base / "calwatch.toml").write_text(HEAD.format(task=task, more=more) + TWO, "utf-8")
    return check_config(base / "calwatch.toml")


def _labelled(base: Path, label: Callable[[int, object], object], more: str = "") -> CheckResult:
    score, predicted, labels = _classes()
    rows = [
        (place, at, score[place], predicted[place], label(place, labels[place])) for place, at in enumerate(_times())
    ]
    return _check_one(base, "multiclass", "sample_id,observed_at,score,predicted_class,label", rows, more)


def _labelled_apart(base: Path, label: Callable[[int, int], object], more: str = "") -> CheckResult:
    score, predicted, labels = _classes()
    predictions = [(place, at, score[place], predicted[place]) for place, at in enumerate(_times())]
    return _check_two(
        base, "multiclass", ("sample_id,observed_at,score,predicted_class", predictions),
        ("sample_id,label", [(place, label(place, int(labels[place]))) for place in range(ROWS)]), more,
    )  # fmt: skip


@pytest.mark.parametrize("word", ["unknown", "Pending", "?", "nil", "TBD", "unlabeled", "-999", "—"])
def test_words_that_say_that_there_is_no_label_are_suspicious_unless_they_are_predicted(
    word: str, tmp_path: Path
) -> None:
    found = _labelled(tmp_path, lambda place, label: word if place % 20 == 0 else label)
    (suspicion,) = found.suspicions
    assert f'labels "{word}" (20) are never predicted' in suspicion
    assert f'missing_labels = ["", "{word}"]' in suspicion


def test_such_a_word_that_classes_names_is_a_class(tmp_path: Path) -> None:
    more = 'classes = ["0", "1", "2", "3", "4", "unknown"]'
    found = _labelled(tmp_path, lambda place, label: "unknown" if place % 20 == 0 else label, more)
    assert found.suspicions == []


def test_a_third_of_all_labels_under_one_name_that_is_never_predicted_is_suspicious(tmp_path: Path) -> None:
    found = _labelled(tmp_path, lambda place, label: "later" if place % 3 == 0 else label)
    assert any('labels "later" (134) are never predicted' in each for each in found.suspicions)


def test_a_rare_class_that_is_never_predicted_is_not(tmp_path: Path) -> None:
    assert _labelled(tmp_path, lambda place, label: "rust" if place % 12 == 0 else label).suspicions == []


def test_labels_apart_that_are_as_they_should_be_are_fine(tmp_path: Path) -> None:
    found = _labelled_apart(tmp_path, lambda _, label: label)
    assert (found.mistakes, found.suspicions) == ([], [])


@pytest.mark.parametrize(
    ("label", "why"),
    [
        (lambda _, label: label + 1, "labels count from 1 where predicted classes count from 0"),
        (lambda _, label: "abcde"[label], "an index on one side and a name on the other"),
    ],
)
def test_labels_apart_that_name_other_classes_are_a_mistake(
    label: Callable[[int, int], object], why: str, tmp_path: Path
) -> None:
    (mistake,) = _labelled_apart(tmp_path, label).mistakes
    assert mistake.startswith('model "m": labels beside predictions: labels are ')
    assert why in mistake


def test_labels_apart_that_say_unknown_are_suspicious(tmp_path: Path) -> None:
    found = _labelled_apart(tmp_path, lambda place, label: "unknown" if place % 4 == 0 else label)
    assert any('labels "unknown" (100) are never predicted' in each for each in found.suspicions)


@pytest.mark.parametrize(
    ("turn", "why"),
    [(lambda y: 1 - y, "the wrong way round"), (lambda y: np.roll(y, 1), "do not tell the outcomes apart")],
)
def test_outcomes_apart_that_do_not_go_with_the_scores_are_suspicious(
    turn: Callable[[np.ndarray], np.ndarray], why: str, tmp_path: Path
) -> None:
    score, outcome = _binary()
    predictions = [(place, at, score[place]) for place, at in enumerate(_times())]
    found = _check_two(
        tmp_path, "binary", ("sample_id,observed_at,score", predictions),
        ("sample_id,outcome", list(enumerate(turn(outcome)))),
    )  # fmt: skip
    assert [why in each for each in found.suspicions] == [True]


def test_scores_of_the_predicted_class_beside_outcomes_of_the_positive_one_are_suspicious(tmp_path: Path) -> None:
    score, outcome = _binary()
    rows = [(place, at, max(score[place], 1 - score[place]), outcome[place]) for place, at in enumerate(_times())]
    found = _check_one(tmp_path, "binary", "sample_id,observed_at,score,outcome", rows)
    assert any("no score of 400 samples tried is below 0.5" in each for each in found.suspicions)


def test_calibrated_scores_of_which_only_those_above_one_half_were_kept_are_fine(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    score = random.uniform(0.5, 1, ROWS).round(4)
    rows = [(place, at, score[place], int(random.random() < score[place])) for place, at in enumerate(_times())]
    assert _check_one(tmp_path, "binary", "sample_id,observed_at,score,outcome", rows).suspicions == []


def _told_twice(base: Path, changed: int, *, dated: bool) -> CheckResult:
    score, outcome = _binary()
    at = ",2026-11-28 0{}:00:00".format if dated else lambda _: ""
    rows = [(place, when, score[place], f"{outcome[place]}{at(1)}") for place, when in enumerate(_times())]
    rows += [(place, _times()[place], score[place], f"{1 - outcome[place]}{at(2)}") for place in range(changed)]
    return _check_one(base, "binary", "sample_id,observed_at,score,outcome" + ",labelled_at" * dated, rows)


def test_labels_that_contradict_each_other_within_a_file_are_suspicious(tmp_path: Path) -> None:
    (suspicion,) = _told_twice(tmp_path, 80, dated=False).suspicions
    assert "80 of 400 labelled predictions have labels that contradict each other within one file" in suspicion


def test_a_few_of_them_or_labels_that_say_which_came_later_are_corrections(tmp_path: Path) -> None:
    assert _told_twice(tmp_path, 3, dated=False).suspicions == []
    assert _told_twice(tmp_path, 80, dated=True).suspicions == []


def _scored(base: Path, score: np.ndarray, outcome: np.ndarray) -> CheckResult:
    rows = list(zip(range(len(score)), _times(), score, outcome, strict=False))
    return _check_one(base, "binary", "sample_id,observed_at,score,outcome", rows)


def test_scores_that_are_only_0_and_1_are_suspicious(tmp_path: Path) -> None:
    score, outcome = _binary()
    (suspicion,) = _scored(tmp_path, (score > 0.5).astype(float), outcome).suspicions
    assert "every score of 400 samples tried is 0 or 1" in suspicion


def test_a_score_that_stands_where_there_is_none_is_suspicious(tmp_path: Path) -> None:
    score, outcome = _binary()
    found = _scored(tmp_path, np.where(np.arange(ROWS) % 3 == 0, 0.0, score), outcome)
    assert any("of 400 samples tried have the score 0," in each for each in found.suspicions)


def test_scores_that_are_sure_and_right_are_fine(tmp_path: Path) -> None:
    score, outcome = _binary()
    sure = np.arange(ROWS) % 3 == 0
    assert _scored(tmp_path, np.where(sure, outcome, score), outcome).suspicions == []


@pytest.mark.parametrize(("score", "outcome"), [(0.995, 1), (0.004, 0)])
def test_outcomes_that_are_all_alike_are_no_more_than_a_note_where_scores_say_so(
    score: float, outcome: int, tmp_path: Path
) -> None:
    scores = score + np.linspace(-0.002, 0.002, ROWS)
    found = _scored(tmp_path, scores, np.full(ROWS, outcome))
    assert found.suspicions == []
    assert any(f"every outcome of 400 samples tried is {outcome}" in each for each in found.notes)


def _seen_again(base: Path, second: Callable[[float], float]) -> CheckResult:
    score, outcome = _binary()
    rows = [
        (f"clip{place}", f"{at}{fraction}", change(score[place]), outcome[place])
        for place, at in enumerate(_times()) for fraction, change in (("", float), (".040", second))
    ]  # fmt: skip
    return _check_one(base, "binary", "sample_id,observed_at,score,outcome", rows)


def test_an_id_that_comes_again_within_a_second_with_its_score_is_suspicious(tmp_path: Path) -> None:
    (suspicion,) = _seen_again(tmp_path, lambda score: round(score, 3)).suspicions
    assert 'time_precision = "1s"' in suspicion


def test_frames_of_a_clip_under_one_id_are_a_note(tmp_path: Path) -> None:
    found = _seen_again(tmp_path, lambda score: round(min(1.0, 0.1 + 0.85 * score), 4))
    assert found.suspicions == []
    assert any("taken as predictions of their own" in each for each in found.notes)


@pytest.mark.parametrize("saturated", ["1.0000001", "-1e-8", "1.0"])
def test_scores_that_a_softmax_rounded_to_the_end_are_no_default(saturated: str, tmp_path: Path) -> None:
    score, outcome = _binary()
    texts = np.where(np.arange(ROWS) % 4 == 0, saturated, score.astype(str))
    assert _scored(tmp_path, texts, outcome).suspicions == []
