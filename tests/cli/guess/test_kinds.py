"""Files of other tools, kind by kind: task, columns, settings and slices."""

import random
from collections.abc import Callable

import pytest

from tests.cli.guess.meanings import columns, inspection, meaning_of, nannyml, settings, tutorial, unlabelled
from tests.cli.guess.people import Rows, binary, times, top_label


def parsed(roles: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in roles.split(", "))


def evidently() -> Rows:
    return [
        {
            "image_id": f"i{n}",
            "date": at,
            "prediction": predicted,
            "probability": p,
            "target": label,
            "line": f"l{n % 4}",
        }
        for n, (at, (p, predicted, label)) in enumerate(
            zip(times(300), top_label(["scratch", "dent", "stain"]), strict=True)
        )
    ]


def boxes() -> Rows:
    rng = random.Random(3)
    return [
        {"image_id": n // 4, "detection_id": f"d{n}", "ts": at, "category": rng.choice(["person", "car"]), "score": p,
         "x1": n % 50, "y1": n % 30, "x2": n % 50 + 20, "y2": n % 30 + 20, "matched": y}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]  # fmt: skip


def overlaps() -> Rows:
    return [
        {"det_id": n, "frame": n // 3, "time": at, "conf": p, "iou": 0.7 if y else 0.1, "is_tp": bool(y)}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]


def crops_of_images() -> Rows:
    return [
        {"crop_uuid": f"{n:08x}", "image_id": f"img{n // 5}", "observed_at": at, "score": p, "outcome": y}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]


def masks() -> Rows:
    return [
        {"mask": f"m{n}", "time": at, "score": p, "n_pixels": 1000, "positives": int(1000 * p), "scanner": f"s{n % 2}"}
        for n, (at, (p, _)) in enumerate(zip(times(300), binary(), strict=True))
    ]


def percentages() -> Rows:
    return [
        {"id": n, "time": at, "confidence_pct": round(100 * p, 2), "defect": y}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]


def of_two_units() -> Rows:
    return [
        {"id": n, "time": at, "confidence_pct": round(p if n % 2 else 100 * p, 4), "defect": y}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]


def in_german() -> Rows:
    return [
        {"Datei": f"b{n}.png", "Zeitstempel": at, "Kamera": f"K{n % 3}", "Vorhersage": own, "Sicherheit": p, "Wahrheit": label}
        for n, (at, (p, own, label)) in enumerate(zip(times(300), top_label(["Riss", "Delle", "Loch"]), strict=True))
    ]  # fmt: skip


def right_in_german() -> Rows:
    return [
        {"Bild": f"b{n}.png", "Zeitpunkt": at, "Klasse": own, "Konfidenz": p, "richtig": "ja" if own == label else "nein"}
        for n, (at, (p, own, label)) in enumerate(zip(times(300), top_label(["Riss", "Delle", "Loch"]), strict=True))
    ]  # fmt: skip


def two_probabilities() -> Rows:
    return [
        {"id": n, "time": at, "prob_ok": round(1 - p, 4), "prob_defect": p, "label": "defect" if y else "ok"}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]


def numbered_probabilities() -> Rows:
    return [
        {"id": n, "time": at, "proba_0": round(1 - p, 4), "proba_1": p, "y_true": y}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]


def right_or_wrong_words() -> Rows:
    return [
        {
            "uuid": f"u{n}",
            "created_at": at,
            "p": p,
            "is_correct": "yes" if predicted == label else "no",
            "store": f"s{n % 9}",
        }
        for n, (at, (p, predicted, label)) in enumerate(zip(times(300), top_label(["a", "b", "c"]), strict=True))
    ]


def two_classes_by_top_score() -> Rows:
    return [
        {"id": n, "time": at, "score": p, "predicted_class": predicted, "label": label}
        for n, (at, (p, predicted, label)) in enumerate(zip(times(300), top_label(["cat", "dog"]), strict=True))
    ]


def minus_ones() -> Rows:
    return [{**row, "y_true": 1 if row["y_true"] else -1, "y_pred": 1 if row["y_pred"] else -1} for row in nannyml()]


def nested() -> Rows:
    return [
        {
            "meta": {"requestId": f"r{n}", "time": f"{at}Z", "camera": f"c{n % 2}"},
            "response": {"probability": p},
            "truth": y,
        }
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]


def german() -> Rows:
    return [
        {"Teil": 1000 + n, "Zeit": at, "Kamera": f"k{n % 2}", "Konfidenz": p, "Urteil": "schlecht" if y else "gut"}
        for n, (at, (p, y)) in enumerate(zip(times(300), binary(), strict=True))
    ]


# kind of file → task, columns (calwatch's=own), settings, slices
KINDS: dict[Callable[[], Rows], tuple[str, str, dict[str, object], list[str]]] = {
    nannyml: (
        "binary",
        "sample_id=id, observed_at=timestamp, score=y_pred_proba, outcome=y_true, predicted_class=y_pred",
        {},
        ["site"],
    ),
    evidently: (
        "multiclass",
        "sample_id=image_id, observed_at=date, score=probability, label=target, predicted_class=prediction",
        {},
        ["line"],
    ),
    tutorial: ("multiclass", "sample_id=id, observed_at=time, score=confidence, outcome=correct", {}, ["camera"]),
    inspection: (
        "binary",
        "sample_id=Part No., observed_at=Inspected, score=Confidence, label=Verdict",
        {"positive": "NG"},
        ["lighting"],
    ),
    boxes: (
        "detection",
        "sample_id=detection_id, observed_at=ts, score=score, outcome=matched, group_id=image_id",
        {},
        ["category"],
    ),
    overlaps: ("detection", "sample_id=det_id, observed_at=time, score=conf, outcome=is_tp, group_id=frame", {}, []),
    crops_of_images: (
        "detection",
        "sample_id=crop_uuid, observed_at=observed_at, score=score, outcome=outcome, group_id=image_id",
        {},
        [],
    ),
    masks: (
        "segmentation",
        "sample_id=mask, observed_at=time, score=score, n=n_pixels, positives=positives",
        {},
        ["scanner"],
    ),
    percentages: (
        "binary",
        "sample_id=id, observed_at=time, score=confidence_pct, outcome=defect",
        {"score_unit": "percent"},
        [],
    ),
    in_german: (
        "multiclass",
        "sample_id=Datei, observed_at=Zeitstempel, score=Sicherheit, predicted_class=Vorhersage, label=Wahrheit",
        {},
        ["kamera"],
    ),
    right_in_german: (
        "multiclass",
        "sample_id=Bild, observed_at=Zeitpunkt, score=Konfidenz, predicted_class=Klasse, outcome=richtig",
        {"outcomes": {"true": ["ja"], "false": ["nein"]}},
        [],
    ),
    two_probabilities: (
        "binary",
        "sample_id=id, observed_at=time, score=prob_defect, label=label",
        {"positive": "defect"},
        [],
    ),
    numbered_probabilities: ("binary", "sample_id=id, observed_at=time, score=proba_1, outcome=y_true", {}, []),
    right_or_wrong_words: (
        "multiclass",
        "sample_id=uuid, observed_at=created_at, score=p, outcome=is_correct",
        {"outcomes": {"true": ["yes"], "false": ["no"]}},
        ["store"],
    ),
    two_classes_by_top_score: (
        "multiclass",
        "sample_id=id, observed_at=time, score=score, label=label, predicted_class=predicted_class",
        {},
        [],
    ),
    unlabelled: ("binary", "sample_id=id, observed_at=time, score=score", {}, []),
    minus_ones: (
        "binary",
        "sample_id=id, observed_at=timestamp, score=y_pred_proba, label=y_true, predicted_class=y_pred",
        {"positive": "1"},
        ["site"],
    ),
    nested: (
        "binary",
        "sample_id=meta.requestId, observed_at=meta.time, score=response.probability, outcome=truth",
        {},
        ["camera"],
    ),
    german: (
        "binary",
        "sample_id=Teil, observed_at=Zeit, score=Konfidenz, label=Urteil",
        {"positive": "schlecht"},
        ["kamera"],
    ),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_file_of_this_kind_is_understood(kind: Callable[[], Rows]) -> None:
    task, roles, set_, slices = KINDS[kind]
    found = meaning_of(kind())
    assert (found.task.value, columns(found), settings(found)) == (task, parsed(roles), set_)
    assert [name for name, _, _ in found.slices] == slices


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not unlabelled], ids=lambda kind: kind.__name__)
def test_of_a_file_that_is_whole_nothing_is_left_to_do(kind: Callable[[], Rows]) -> None:
    assert meaning_of(kind()).todo == []


def test_every_guess_says_why() -> None:
    for kind in KINDS:
        found = meaning_of(kind())
        assert all(guess.why for guess in (found.task, *found.model, *found.source)), kind.__name__
        assert set(found.roles.columns) <= set(found.roles.reasons), kind.__name__
