"""Sentences say groups before samples where samples come in groups, and are as they were where they do not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.model import Code, Reason, tell_reason
from monitor.model.words import restore_reason
from tests.worlds.every_reason import REASONS

AT = datetime(2026, 3, 2, tzinfo=UTC)
GROUPS: dict[str, Any] = {"groups": 57, "noun": "image"}
SPLIT: dict[str, Any] = {"left_out": 97, "later": 120, "straddling": 9, "groups": 12}
CASES: list[tuple[Code, dict[str, Any], str]] = [
    (Code.THRESHOLD, GROUPS, "ece_lower 0.0833 is above 0.05 over 24h (57 images, 1,200 samples)"),
    (Code.THRESHOLD, {"kind": "object"}, "ece_lower 0.0833 is above 0.05 over 24h (1,200 objects)"),
    (Code.THRESHOLD_UNKNOWN, GROUPS, "ece_lower is unknown over 24h (57 images, 96 samples of 200 needed)"),
    (Code.THRESHOLD_UNKNOWN, {**GROUPS, "needed": None}, "ece_lower is unknown over 24h (57 images, 96 samples)"),
    (Code.THRESHOLD_UNKNOWN, {"kind": "object"}, "ece_lower is unknown over 24h (96 objects, 200 needed)"),
    (Code.DISPARITY_UNKNOWN, GROUPS,
     "calibration gap against the rest of the model is unknown over 24h (57 images, 393 samples, rest 12,183 samples; 500 "
     "samples needed in both)"),
    (Code.DRIFT_NOT_JUDGED, {"noun": "study"},
     "drift is not judged yet: its reference lacks 180 labelled studies, calibrator 0123456789abcdef "
     "since 2026-03-02 00:00 UTC"),
    (Code.REFIT_FEW_SAMPLES, GROUPS, "rejected: needs 500 labelled samples, has 57 images (104 samples); nothing changes"),
    (Code.GATE_FEW_GROUPS, {"noun": "study"}, "rejected: needs later samples of 30 studies, has 3"),
    (Code.GATE_SAME, GROUPS,
     "rejected: the candidate gives the same scores as the calibrator in use on 57 later images (960 samples)"),
    (Code.GATE_SLICE_WORSE, GROUPS, "rejected: slice camera=c3 log-loss worse by 0.104 ± 0.091 on 57 images (126 samples)"),
    (Code.GATE_ACCEPTED, GROUPS,
     "accepted: log-loss better by 0.060 (at least 0.010 with 95 % confidence) on 57 later images (960 samples)"),
    (Code.GROUPS_STRADDLE, {"noun": "clip"},
     "97 of 120 later samples are in clips that lie on both sides of the cut in time and take part in neither (9 of 12 clips "
     "lie so); is group_id the patient rather than the visit?"),
    (Code.GATE_STRADDLED, {"lacks": "gate_few_groups", "needed": 20, "found": 3, "groups": SPLIT, "noun": "clip"},
     "rejected: needs later samples of 20 clips, has 3: 97 of 120 later samples are in clips that lie on both sides of the "
     "cut in time and take part in neither (9 of 12 clips lie so); is group_id the patient rather than the visit?"),
    (Code.TUNE_ACCEPTED, {"points": 1, "later": 57, "unit": "study"},
     "accepted: 1 operating point chosen, and shown on 57 later studies"),
]  # fmt: skip


def _with(code: Code, values: dict[str, Any]) -> Reason:
    return Reason.of(code, **{**REASONS[code].values, **values})


@pytest.mark.parametrize(("code", "values", "said"), CASES)
def test_a_reason_with_groups_says_them_first(code: Code, values: dict[str, Any], said: str) -> None:
    assert tell_reason(_with(code, values)) == said


@pytest.mark.parametrize("code", sorted({code for code, *_ in CASES}))
def test_a_reason_that_an_earlier_release_left_without_groups_is_told_as_it_was(code: Code) -> None:
    held = REASONS[code]
    restored = restore_reason(held.code, held.values, "")
    assert restored == held
    assert tell_reason(restored) == tell_reason(held)
    assert "noun" not in held.values


@pytest.mark.parametrize(
    ("noun", "many"), [("image", "labelled images"), ("study", "labelled studies"), (None, "labelled samples")]
)
def test_a_drift_counts_what_it_weighs(noun: str | None, many: str) -> None:
    named = {} if noun is None else {"noun": noun}
    assert f"since about 2026-03-02 00:00 UTC (248 {many} since)." in tell_reason(_with(Code.DRIFT, named))
    later = _with(Code.DRIFT, {**named, "newest_at": AT + timedelta(days=3)})
    assert f"(newest alarm 2026-03-05 00:00 UTC, on 248 {many})." in tell_reason(later)


def test_a_disparity_says_the_groups_of_the_slice() -> None:
    said = tell_reason(_with(Code.DISPARITY, GROUPS))
    assert said.endswith(" over 24h (57 images, 393 samples, rest 12,183 samples)")
    assert tell_reason(REASONS[Code.DISPARITY]).endswith(" over 24h (393 samples, rest 12,183)")


def test_a_guard_says_the_groups_it_compared() -> None:
    said = tell_reason(_with(Code.GUARD_WORSE, GROUPS))
    assert f"on 57 images ({REASONS[Code.GUARD_WORSE].values['samples']:,} samples); evidence" in said


def test_a_promise_on_groups_says_what_they_are_called_and_where_nobody_did_that_they_are_groups() -> None:
    named = tell_reason(_with(Code.THRESHOLD_PROMISED, GROUPS))
    old = tell_reason(_with(Code.THRESHOLD_PROMISED, {"groups": 57}))
    assert "with 95 % confidence on 57 images (500 samples):" in named
    assert "with 95 % confidence on 500 samples in 57 groups:" in old


@pytest.mark.parametrize("code", [Code.GATE_FEW_GROUPS, Code.THRESHOLD_PROMISED, Code.GROUPS_STRADDLE])
def test_groups_are_named_where_a_reason_speaks_of_them(code: Code) -> None:
    spoken = _with(code, {"groups": 57}) if code is not Code.GATE_FEW_GROUPS else REASONS[code]
    assert spoken.name_groups("clip").values["noun"] == "clip"


@pytest.mark.parametrize("code", [Code.GATE_ACCEPTED, Code.THRESHOLD_CHOSEN, Code.METHOD_BEST])
def test_a_reason_of_independent_samples_is_not_named(code: Code) -> None:
    held = _with(code, {"groups": None} if code is Code.THRESHOLD_CHOSEN else {})
    assert held.name_groups("clip") == held
