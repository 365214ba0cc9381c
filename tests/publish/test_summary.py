from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from monitor.model import Alert, AlertState, Health, ModelStatus, Published, ReadingState, Severity, Slice
from monitor.model.reasons import Code, Reason
from monitor.publish.web.summary import Condition, summarise_model


@pytest.fixture
def digits(small: Published) -> ModelStatus:
    return replace(small.models[0], alerts=())


def test_a_model_without_trouble_is_healthy_and_says_how_much_was_looked_at(digits: ModelStatus) -> None:
    found = summarise_model(digits)
    assert found.condition is Condition.HEALTHY
    assert found.reasons == ("no rule fires (1 rule, 3 slices)",)


def test_a_firing_alert_outranks_a_failed_cycle_and_both_are_told(
    digits: ModelStatus, alert: Callable[..., Alert]
) -> None:
    found = summarise_model(replace(digits, alerts=(alert(),), problem="SourceError: gone"))
    assert found.condition is Condition.FIRING
    assert found.reasons == (
        "ece-high fires for camera=c3,lighting=night since 2026-02-28 23:00",
        "the last cycle failed: SourceError: gone",
    )


def test_pages_are_told_before_tickets_and_the_rest_is_counted(
    digits: ModelStatus, alert: Callable[..., Alert]
) -> None:
    alerts = [alert(Slice.of({"camera": f"c{number}"})) for number in range(5)]
    found = summarise_model(replace(digits, alerts=(*alerts, alert(rule="ece-severe", severity=Severity.PAGE))))
    assert found.reasons[0].startswith("ece-severe fires")
    assert found.reasons[-1] == "and 3 more alerts fire"
    assert len(found.reasons) == 4


def test_too_few_labels_on_the_whole_make_a_model_unknown_not_healthy(digits: ModelStatus) -> None:
    readings = tuple(replace(each, state=ReadingState.INSUFFICIENT, samples=9) for each in digits.readings)
    found = summarise_model(replace(digits, readings=readings))
    assert found.condition is Condition.UNKNOWN
    assert found.reasons == ("too few labelled samples in every window (at most 9)",)


def test_one_window_with_enough_labels_is_enough_to_know(digits: ModelStatus) -> None:
    short = replace(digits.readings[0], window="1h", state=ReadingState.INSUFFICIENT)
    assert summarise_model(replace(digits, readings=(*digits.readings, short))).condition is Condition.HEALTHY


def test_a_model_without_readings_is_unknown(digits: ModelStatus) -> None:
    assert summarise_model(replace(digits, readings=())).reasons == ("there is no reading yet",)


def test_a_model_whose_samples_are_older_than_its_windows_says_when_the_last_one_was(digits: ModelStatus) -> None:
    silent = replace(
        digits, readings=(), last_sample_at=datetime(2026, 11, 18, 23, 52, tzinfo=UTC), longest_window="7d"
    )
    found = summarise_model(silent)
    assert (found.condition, found.reasons) == (
        Condition.UNKNOWN, ("no samples within 7d; last at 2026-11-18 23:52 UTC",),
    )  # fmt: skip


def test_a_rule_that_watches_nothing_makes_a_model_unknown(digits: ModelStatus, alert: Callable[..., Alert]) -> None:
    why = Reason.of(Code.ONLY_UNSEEN, slice="shift=nigth", known="none")
    blind = alert(Slice.of({"shift": "nigth"}), state=AlertState.INACTIVE, health=Health.UNKNOWN, why=why)
    found = summarise_model(replace(digits, alerts=(blind,)))
    assert found.condition is Condition.UNKNOWN
    assert "ece-high cannot be evaluated for shift=nigth: this rule watches nothing" in found.reasons[0]


def test_a_failed_cycle_makes_a_model_unknown(digits: ModelStatus) -> None:
    assert summarise_model(replace(digits, problem="x")).condition is Condition.UNKNOWN


@pytest.mark.parametrize(
    ("state", "health", "condition"),
    [
        (AlertState.PENDING, Health.UNKNOWN, Condition.UNKNOWN),
        (AlertState.INACTIVE, Health.ERROR, Condition.UNKNOWN),
        (AlertState.PENDING, Health.OK, Condition.HEALTHY),
        (AlertState.RESOLVED, Health.UNKNOWN, Condition.HEALTHY),
        (AlertState.INACTIVE, Health.UNKNOWN, Condition.HEALTHY),
    ],
)
def test_a_rule_nobody_can_evaluate_makes_a_model_unknown_when_it_matters(
    digits: ModelStatus, alert: Callable[..., Alert], state: AlertState, health: Health, condition: Condition
) -> None:
    assert summarise_model(replace(digits, alerts=(alert(state=state, health=health),))).condition is condition


def test_a_model_without_rules_is_told_to_be_unwatched(digits: ModelStatus) -> None:
    assert summarise_model(replace(digits, rules=())).reasons == ("no rule watches this model",)


def test_what_a_source_could_not_give_is_told_whatever_the_state(
    digits: ModelStatus, alert: Callable[..., Alert]
) -> None:
    troubles = ("a.csv: 199 of 200 scores lie between 1 and 100", "b.csv: has no column score")
    told = "2 troubles of its sources: a.csv: 199 of 200 scores lie between 1 and 100"
    troubled = replace(digits, source_problems=troubles)
    healthy, firing = summarise_model(troubled), summarise_model(replace(troubled, alerts=(alert(),)))
    assert (healthy.condition, healthy.rest[-1]) == (Condition.HEALTHY, told)
    assert (firing.condition, firing.rest[-1]) == (Condition.FIRING, told)
    assert summarise_model(replace(troubled, problem="x")).rest[-1] == told
