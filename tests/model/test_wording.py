from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from monitor.model import LabelDelays, Task, wording

AT = datetime(2026, 2, 1, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATE = LabelDelays(
    model="m", checked_at=AT, label_maturity=timedelta(0), depends=True, samples=12_345, observed_from=AT, observed_until=AT,
    earlier=0.62, p_value=1e-9, median_true=2 * HOUR, median_false=9 * HOUR, settled=25.2 * HOUR,
)  # fmt: skip


@pytest.mark.parametrize(
    ("per_year", "text"),
    [
        (1, "once a year"), (2, "twice a year"), (4, "four times a year"), (12, "once a month"), (24, "twice a month"),
        (365 / 7, "once a week"), (3 * 365 / 7, "three times a week"), (365, "once a day"), (0.1, "once in ten years"),
        (0.5, "once in two years"), (0.01, "once in 100 years"), (0.3, "once in 3.3 years"), (5.5, "5.5 times a year"),
        (50, "50 times a year"), (1.2, "1.2 times a year"), (13.5, "13.5 times a year"), (1e-4, "once in 10,000 years"),
    ],
)  # fmt: skip
def test_a_budget_is_said_in_its_most_natural_period(per_year: float, text: str) -> None:
    assert wording.frequency(per_year) == text


def test_unknown_values_are_dashes_and_never_zero() -> None:
    unknown = (wording.number(None), wording.signed_number(None), wording.percent(None), wording.minute(None))
    assert unknown == ("–", "–", "–", "–")
    assert wording.interval(None, 0.5) == wording.interval(0.5, None) == "–"


def test_what_is_no_number_is_unknown_too() -> None:
    nan = float("nan")
    unknown = (
        wording.number(nan),
        wording.signed_number(nan),
        wording.percent(nan),
        wording.short_number(nan),
        wording.interval(nan, 1),
    )
    assert unknown == ("–", "–", "–", "–", "–")


def test_numbers_have_a_true_minus_sign_and_thousands_a_comma() -> None:
    assert (wording.number(-0.25), wording.signed_number(-0.25), wording.signed_number(0.25)) == (
        "−0.250",
        "−0.250",
        "+0.250",
    )
    assert (wording.percent(0.0), wording.percent(0.834)) == ("0 %", "83 %")
    assert wording.interval(-0.012, 0.034) == "−0.012 to 0.034"
    assert (wording.short_number(3.2), wording.short_number(0.08333), wording.short_number(12345.6)) == (
        "3.2",
        "0.0833",
        "12,346",
    )
    assert (wording.short_number(-0.05), wording.short_number(-12345.6), wording.short_number(1e-5)) == (
        "−0.05",
        "−12,346",
        "1e-05",
    )
    assert (wording.quantity(1), wording.quantity(1204, "label")) == ("1 sample", "1,204 labels")


def test_times_beyond_a_million_are_not_spelt_out() -> None:
    assert (wording.multiple(1.371), wording.multiple(1e304)) == ("1.37 times", "more than a million times")


def test_a_moment_is_utc_whatever_zone_it_comes_in_and_naive_ones_are_utc_already() -> None:
    paris = timezone(HOUR)
    assert wording.moment(AT.astimezone(paris)) == wording.moment(AT.replace(tzinfo=None)) == "2026-02-01 03:00 UTC"
    assert wording.minute(AT) == "2026-02-01 03:00"


def test_delays_that_depend_name_the_later_ones_and_the_maturity_that_would_wait_for_them() -> None:
    assert wording.describe_delays(LATE, Task.MULTICLASS) == (
        "labels of wrong predictions arrive later than those of right predictions (median 9 h against 2 h), so the "
        'false-alarm budget of drift rules is not guaranteed; label_maturity = "1d2h" would wait for them'
    )
    mirrored = replace(LATE, earlier=0.38, median_true=9 * HOUR, median_false=2 * HOUR)
    assert wording.describe_later_labels(mirrored, Task.BINARY) == (
        "labels of positives arrive later than those of negatives (median 9 h against 2 h)"
    )


def test_medians_that_do_not_show_who_is_later_give_way_to_pairs() -> None:
    for median_false in (2 * HOUR, 2.1 * HOUR, HOUR):  # equal, equal as shown, and the other way round
        text = wording.describe_later_labels(replace(LATE, median_false=median_false), Task.DETECTION)
        assert text == (
            "labels of unmatched boxes arrive later than those of matched boxes (in 62 of 100 pairs with equal scores)"
        )


def test_delays_without_a_warning_say_what_is_known() -> None:
    independent = replace(LATE, depends=False)
    assert wording.describe_delays(independent, Task.BINARY) == (
        "label delay does not depend on the outcome, as far as 12,345 samples show"
    )
    mature = replace(independent, label_maturity=26 * HOUR)
    assert wording.describe_delays(mature, Task.BINARY) == (
        "labels arrive before their bucket is judged, as far as 12,345 samples show"
    )
    unknown = replace(LATE, depends=None, unknown="no labelled sample is older than label_horizon (30d) yet")
    assert wording.describe_delays(unknown, Task.BINARY) == (
        "whether label delay depends on the outcome is unknown: no labelled sample is older than label_horizon (30d) yet"
    )


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(seconds=-3), "0 s"), (timedelta(seconds=45), "45 s"), (timedelta(minutes=12), "12 min"),
        (timedelta(seconds=119), "119 s"), (timedelta(minutes=2), "2 min"), (timedelta(minutes=119), "119 min"),
        (timedelta(hours=2), "2 h"), (timedelta(hours=7), "7 h"), (timedelta(days=2), "2 d"),
    ],
)  # fmt: skip
def test_lengths_of_time_take_the_largest_unit_that_is_at_least_two(length: timedelta, text: str) -> None:
    assert wording.span(length) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(days=294, hours=15, minutes=27, seconds=8), "294d15h"),
        (timedelta(days=1), "1d"),
        (timedelta(hours=2, minutes=5, seconds=59), "2h5m"),
        (timedelta(minutes=3, seconds=20), "3m20s"),
        (timedelta(0), "0s"),
    ],
)
def test_how_long_it_has_been_leaves_out_what_nobody_would_say(duration: timedelta, text: str) -> None:
    assert wording.rough_duration(duration) == text
