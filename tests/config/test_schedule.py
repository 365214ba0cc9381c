from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from monitor.config.cron import cron_trigger, latest_due

SUNDAY = datetime(2026, 3, 1, tzinfo=UTC)  # a Sunday
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def days_of(weekday: str) -> list[str]:
    """The days of one week on which ``0 2 * * <weekday>`` is due."""
    due = [
        latest_due(f"0 2 * * {weekday}", "UTC", SUNDAY + timedelta(days=day), SUNDAY + timedelta(days=day, hours=3))
        for day in range(7)
    ]
    return [DAYS[day] for day, moment in enumerate(due) if moment is not None]


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("0", ["sun"]), ("7", ["sun"]), ("sun", ["sun"]), ("SUN", ["sun"]), ("1", ["mon"]), ("6", ["sat"]),
        ("0-2", ["sun", "mon", "tue"]), ("5-7", ["sun", "fri", "sat"]), ("1-5", ["mon", "tue", "wed", "thu", "fri"]),
        ("sun-tue", ["sun", "mon", "tue"]), ("fri-sun", ["sun", "fri", "sat"]),
        ("mon-fri", ["mon", "tue", "wed", "thu", "fri"]),
        ("0,3", ["sun", "wed"]), ("mon,6", ["mon", "sat"]), ("*/2", ["sun", "tue", "thu", "sat"]),
        ("1-5/2", ["mon", "wed", "fri"]), ("mon-fri/2", ["mon", "wed", "fri"]), ("2/2", ["tue", "thu", "sat"]),
        ("*", list(DAYS)),
    ],
)  # fmt: skip
def test_weekdays_mean_what_cron_means_by_them(weekday: str, days: list[str]) -> None:
    assert days_of(weekday) == days


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("0 2 * *", "must be five cron fields such as \"0 2 * * *\" (got '0 2 * *')"),
        ("", "must be five cron fields such as \"0 2 * * *\" (got '')"),
        ("0 2 * * 5-2", "weekday range '5-2' runs backwards"),
        ("0 2 * * */0", "weekday step must be at least 1 in '*/0'"),
        ("0 2 * * 8", "must be a cron expression"),
        ("0 2 * * funday", "must be a cron expression"),
        ("60 2 * * *", "must be a cron expression"),
        ("0 2 0 * *", "must be a cron expression"),
    ],
)
def test_an_expression_that_is_not_cron_is_told(expression: str, problem: str) -> None:
    with pytest.raises(ValueError, match="must be") as raised:
        cron_trigger(expression, "UTC")
    assert problem in str(raised.value)


def test_runs_missed_meanwhile_become_the_newest_one() -> None:
    due = latest_due("0 2 * * *", "UTC", SUNDAY, SUNDAY + timedelta(days=9, hours=1))
    assert due == datetime(2026, 3, 9, 2, tzinfo=UTC)


def test_a_run_is_due_at_its_very_minute_and_once() -> None:
    at = datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert latest_due("0 2 * * *", "UTC", SUNDAY, at - timedelta(microseconds=1)) is None
    assert latest_due("0 2 * * *", "UTC", SUNDAY, at) == at
    assert latest_due("0 2 * * *", "UTC", at, at + timedelta(hours=23)) is None


PARIS = ZoneInfo("Europe/Paris")


def all_due(expression: str, first: datetime, days: int) -> list[datetime]:
    """Every run that asking once an hour finds."""
    after, seen = first, []
    for hour in range(24 * days + 1):
        due = latest_due(expression, "Europe/Paris", after, first + timedelta(hours=hour))
        if due is not None:
            seen.append(due)
            after = due
    return seen


def test_times_are_in_the_zone_of_the_model() -> None:
    for month, utc_hour in ((1, 1), (7, 0)):
        after = datetime(2026, month, 10, tzinfo=PARIS)
        due = latest_due("0 2 * * *", "Europe/Paris", after, after + timedelta(hours=12))
        assert due is not None
        assert (due.hour, due.astimezone(UTC).hour) == (2, utc_hour)


@pytest.mark.parametrize("minute", [0, 30, 59])
def test_a_nightly_run_in_the_hour_that_clocks_skip_is_due_an_hour_later(minute: int) -> None:
    seen = all_due(f"{minute} 2 * * *", datetime(2026, 3, 28, tzinfo=PARIS), 3)  # clocks go forward on 29 March 2026
    assert [(due.day, due.hour, due.minute) for due in seen] == [(28, 2, minute), (29, 3, minute), (30, 2, minute)]


def test_a_nightly_run_in_the_hour_that_comes_twice_is_due_once() -> None:
    seen = all_due("30 2 * * *", datetime(2026, 10, 24, tzinfo=PARIS), 3)  # clocks go back on 25 October 2026
    assert [(due.day, due.hour, due.fold) for due in seen] == [(24, 2, 0), (25, 2, 0), (26, 2, 0)]


def test_a_day_that_never_comes_is_never_due() -> None:
    assert latest_due("0 2 30 2 *", "UTC", SUNDAY, SUNDAY + timedelta(days=800)) is None


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        # clocks go from 02:00 to 03:00: 02:30 does not exist, the night's run comes once, at the moment it would have been
        (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        # clocks go from 03:00 back to 02:00: 02:30 comes twice, the first is the night's run
        (datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_night_in_which_clocks_change_has_one_run_however_often_it_is_asked(
    day: datetime, expected: datetime
) -> None:
    after, runs = day - timedelta(hours=12), []
    for minute in range(0, 36 * 60, 5):
        now = day - timedelta(hours=12) + timedelta(minutes=minute)
        due = latest_due("30 2 * * *", BERLIN, after, now)
        if due is not None:
            runs.append(due.astimezone(UTC))
            after = due
    assert runs == [expected]
    missed = latest_due("30 2 * * *", BERLIN, day - timedelta(hours=12), day + timedelta(hours=20))
    assert missed is not None
    assert missed.astimezone(UTC) == expected


def test_nights_missed_over_a_change_of_clocks_become_one_run() -> None:
    due = latest_due("30 2 * * *", BERLIN, datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 10, 27, 12, tzinfo=UTC))
    assert due == datetime(2026, 10, 27, 1, 30, tzinfo=UTC)
