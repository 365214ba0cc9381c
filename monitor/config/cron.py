"""Cron schedules with cron's own day numbers, as a calculator: which run is due at a given time."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

# APScheduler counts Monday as 0; cron counts Sunday as 0 and 7. Names mean the same to both.
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LARGEST_CHANGE = timedelta(hours=3)  # of clocks at once, amply


_RECURS = "2000-2040"  # 28 years hold each date on each weekday


def demand_some_run(expression: str) -> None:
    """Raises ValueError unless the text is a cron expression, and of times that come."""
    never = (
        cron_trigger(expression, "UTC", years=_RECURS).get_next_fire_time(None, datetime(2000, 1, 1, tzinfo=UTC))
        is None
    )
    if never:
        raise ValueError(f'must be a cron expression such as "0 2 * * *" (got {expression!r}, a time that never comes)')


def cron_trigger(expression: str, time_zone: str, years: str = "*") -> "CronTrigger":
    """The trigger of a five-field cron expression. Raises ValueError saying what is wrong with it."""
    from apscheduler.triggers.cron import CronTrigger  # takes as long to import as all of the configuration

    fields = expression.split()
    if len(fields) != 5 or len(expression) > 200:
        raise ValueError(f'must be five cron fields such as "0 2 * * *" (got {expression[:200]!r})')
    *times, weekday = fields
    named = dict(zip(("minute", "hour", "day", "month"), times, strict=True))
    try:
        return CronTrigger(year=years, **named, day_of_week=_named_days(weekday), timezone=ZoneInfo(time_zone))
    except ValueError as error:
        raise ValueError(f'must be a cron expression such as "0 2 * * *" (got {expression!r}: {error})') from None


def _named_days(field: str) -> str:
    """``0-5`` → ``sun,mon,tue,wed,thu,fri``: spelled out, because a range from Sunday runs backwards in APScheduler."""
    names: list[str] = []
    numbered = re.sub("|".join(_DAY_NAMES[:7]), lambda name: str(_DAY_NAMES.index(name[0])), field.lower())
    for part in numbered.split(","):
        span, _, step = part.partition("/")
        if span == "*" and not step:
            return "*"
        span = "0-6" if span == "*" else span
        numbers = re.fullmatch(r"([0-7])(?:-([0-7]))?", span)
        if not numbers:
            names.append(part)
            continue
        first = int(numbers[1])
        last = int(numbers[2]) if numbers[2] else (6 if step else first)
        if last == 0:
            last = 7 if first else 0  # fri-sun
        if step and not step.strip("0"):
            raise ValueError(f"weekday step must be at least 1 in {part!r}")
        if last < first:
            raise ValueError(f"weekday range {span!r} runs backwards")
        names += [_DAY_NAMES[number] for number in range(first, last + 1, int(step or 1))]
    return ",".join(names)


def latest_due(expression: str, time_zone: str, after: datetime, now: datetime) -> datetime | None:
    """The newest scheduled time in (after, now], or None: runs missed in between coalesce into one.

    A time that a change of clocks skips is due as much later as the clocks moved; one that comes twice is due once.
    """
    zone = ZoneInfo(time_zone)
    # The trigger reckons in wall-clock time, said to be UTC: in a zone it never ends looking for a time that is skipped.
    trigger = cron_trigger(expression, "UTC")
    moment = trigger.get_next_fire_time(None, after.astimezone(zone).replace(tzinfo=UTC) - _LARGEST_CHANGE)
    last = now.astimezone(zone).replace(tzinfo=UTC) + _LARGEST_CHANGE
    newest: datetime | None = None
    while moment is not None and moment <= last:
        due = moment.replace(tzinfo=zone).astimezone(UTC)
        if after < due <= now and (newest is None or due > newest):
            newest = due
        moment = trigger.get_next_fire_time(moment, moment + timedelta(microseconds=1))
    return newest.astimezone(zone) if newest is not None else None
