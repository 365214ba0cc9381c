"""Values of reasons are what JSON holds, and every sentence can be told of them."""

import json
from math import inf, nan
from typing import Any

import pytest

from monitor.jobs.actions.delivery import Delivery
from monitor.model import Code, Reason, tell_reason
from monitor.model.words import name_kind, restore_reason
from tests.worlds.every_reason import REASONS
from tests.worlds.store import NOW

FLOATS = [
    (code, name) for code, reason in REASONS.items() for name, value in reason.values.items() if isinstance(value, float)
]  # fmt: skip


def test_there_is_a_reason_of_every_code() -> None:
    assert set(REASONS) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_a_reason_comes_back_from_what_is_stored_of_it(code: Code) -> None:
    reason = REASONS[code]
    assert restore_reason(code, json.loads(json.dumps(reason.values, allow_nan=False)), "not told") == reason


@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize(("code", "name"), FLOATS)
def test_a_number_that_is_none_is_null_and_one_beyond_all_bounds_keeps_its_sign(
    code: Code, name: str, value: float
) -> None:
    reason = Reason.of(code, **{**REASONS[code].values, name: value})
    held = json.loads(json.dumps(reason.values, allow_nan=False))[name]
    assert held == {"nan": None, "inf": 1.7976931348623157e308, "-inf": -1.7976931348623157e308}[str(value)]
    told = tell_reason(reason)
    assert not any(each in told for each in ("nan", "None", "000,000,000"))


@pytest.mark.parametrize(("value", "said"), [(inf, "∞ is above"), (-inf, "−∞ is below")])
def test_a_value_beyond_all_bounds_is_told_with_its_sign(value: float, said: str) -> None:
    assert said in tell_reason(Reason.of(Code.THRESHOLD, **{**REASONS[Code.THRESHOLD].values, "value": value}))


def test_a_payload_with_a_number_that_is_none_can_be_sent() -> None:
    facts = Reason.of(
        Code.GATE_CHANCE, mean=nan, lower=-inf, confidence=0.95, samples=9, parts=[nan, {"one": inf}]
    ).values
    settings: Any = None
    body = Delivery(settings, {"facts": facts}, "a", 1, NOW, base=None).body  # type: ignore[arg-type]
    assert json.loads(body)["facts"]["parts"] == [None, {"one": 1.7976931348623157e308}]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (REASONS[Code.GATE_WORSE], Reason(Code.GATE_WORSE, {"text": "log-loss worse by 0.1 on 9 later samples"}), True),
        (REASONS[Code.FAILED], Reason.of(Code.FAILED, problem="took longer than 1h"), True),
        (REASONS[Code.FAILED], Reason.of(Code.FAILED, problem="took longer than 2h"), False),
        (REASONS[Code.GATE_WORSE], REASONS[Code.GATE_CHANCE], False),
        (Reason.from_text("worse by 0.1 on 1,000 (at least 0.05)"), Reason.from_text("worse by −2 on 9 (or 3)"), True),
        (Reason.from_text("worse by 0.1"), Reason.from_text("better by 0.1"), False),
    ],
)
def test_reasons_are_counted_together_by_what_they_say(one: Reason, other: Reason, together: bool) -> None:
    assert (name_kind(one) == name_kind(other)) is together


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"shifts": [{"confidence": "over", "low": 0.0, "high": 1.0, "expected": 0.5, "happened": 0.3}]},
         "are over-confident at all scores (expected 0.50, came true 0.30) since"),
        ({"shifts": [{"confidence": "under", "low": 0.0, "high": 0.35, "expected": 0.2, "happened": 0.2004},
                     {"confidence": "over", "low": 0.65, "high": 0.9, "expected": 0.8, "happened": 0.7}]},
         "are under-confident below 0.35 (expected 0.2000, came true 0.2004) and over-confident from 0.65 to 0.9 (expected "
         "0.80, came true 0.70) since"),
        ({"shifts": [], "direction": "over-confident above 0.8"}, "are over-confident above 0.8 since"),
        ({"direction": "over-confident above 0.8"}, "are over-confident above 0.8 since"),
        ({"direction": ""}, "have drifted since"),
    ],
)  # fmt: skip
def test_the_direction_of_a_drift_is_numbers_and_becomes_words_only_when_it_is_told(
    facts: dict[str, Any], words: str
) -> None:
    bare = {name: value for name, value in REASONS[Code.DRIFT].values.items() if name != "shifts"}
    assert words in tell_reason(Reason.of(Code.DRIFT, **bare, **facts))
    against = tell_reason(Reason.of(Code.DRIFT, **{**bare, "reference": "deployment"}, **facts))
    assert ("compared with its first samples" in against) is bool(facts.get("shifts"))
