"""When a schedule fires: cron expressions and recurrences, as a pure calendar.

Source: the schedule reference of Azure ML (the five fields of cron; recurrences by hours, minutes, week days, month days).
Where it is silent: a cron expression that names days of the month and of the week fires on either, as cron does; a month
without the day that a recurrence names is left out.
"""

from __future__ import annotations

import calendar
import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from itertools import count

_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS: tuple[tuple[str, int, int, Mapping[str, int]], ...] = (
    ("minute", 0, 59, {}), ("hour", 0, 23, {}), ("day of the month", 1, 31, {}), ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")


class TriggerError(ValueError):
    """A cron expression that means nothing; the message says which part."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression: the values that each field takes; *any_day* and *any_week_day* when a field says ``*``."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    week_days: frozenset[int]
    any_day: bool
    any_week_day: bool

    @property
    def fires(self) -> bool:
        """Whether there is a day on which it fires: 31 February is none."""
        if not self.any_week_day:
            return True  # a day of the week comes in every month
        return any(day <= _LONGEST[month] for month in self.months for day in self.days)

    def moments(self, start: datetime) -> Iterator[datetime]:
        """Every time from *start* on, which has no time zone, in order; without end when it fires at all."""
        for day in _days(start.date()) if self.fires else ():
            if self._has(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        moment = datetime(day.year, day.month, day.day, hour, minute)
                        if moment >= start:
                            yield moment

    def _has(self, day: date) -> bool:
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.week_days
        if self.any_day or self.any_week_day:
            either = of_month and of_week
        else:
            either = of_month or of_week
        return day.month in self.months and either


_LONGEST = {month: 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in range(1, 13)}


def parse_cron(text: str) -> Cron:
    """A cron expression of five fields: ``minute hour day-of-month month day-of-week``.

    Raises:
        TriggerError: another number of fields, a value out of its range, a range that runs backwards.
    """
    parts = text.split()
    if len(parts) != len(_FIELDS):
        raise TriggerError(f"it has {len(parts)} fields, not 5: minute, hour, day of the month, month, day of the week")
    values = [_field(part, *told) for part, told in zip(parts, _FIELDS, strict=True)]
    minutes, hours, days, months, week_days = values
    return Cron(minutes, hours, days, months, frozenset(day % 7 for day in week_days), parts[2] == "*", parts[4] == "*")


def _field(text: str, name: str, least: int, most: int, words: Mapping[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise TriggerError(f"{part!r} is no {name}")
        star, first, last, step = match.groups()
        low = least if star else _value(first, name, least, most, words)
        high = most if star or (step and not last) else _value(last, name, least, most, words) if last else low
        if low > high:
            raise TriggerError(f"{part!r} runs backwards")
        if step is not None and int(step) == 0:
            raise TriggerError(f"{part!r} has a step of 0")
        found |= set(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def _value(text: str, name: str, least: int, most: int, words: Mapping[str, int]) -> int:
    number = words.get(text.lower(), int(text) if text.isdecimal() and len(text) < 5 else None)
    if number is None or not least <= number <= most:
        raise TriggerError(f"{text!r} is no {name}: it is from {least} to {most}")
    return number


# --- recurrences -----------------------------------------------------------------------------------------------------

WEEK_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EXACT = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recurrence:
    """Every *interval* minutes, hours, days, weeks or months.

    Attributes:
        frequency: ``minute``, ``hour``, ``day``, ``week`` or ``month``.
        interval: At least 1.
        hours: With *minutes*, the times of a day; empty for the time of the start. Both count by day, week and month only.
        week_days: 0 is Monday; counts by week only; empty for the week day of the start.
        month_days: 1 to 31, -1 for the last; counts by month only; empty for the day of the start.
    """

    frequency: str
    interval: int = 1
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    week_days: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()

    @property
    def exact(self) -> timedelta | None:
        """The interval when it is a span of time; None when it is one of the calendar, in which days differ in length.

        Raises:
            OverflowError: it is longer than any calendar.
        """
        unit = _EXACT.get(self.frequency)
        return unit * self.interval if unit is not None else None

    def moments(self, start: datetime) -> Iterator[datetime]:
        """Every time by day, week or month from *start* on, which has no time zone, in order and without end.

        Intervals are counted from *start*.
        """
        times = sorted((hour, minute, 0) for hour in self.hours for minute in self.minutes)
        for day in self._days(start.date()):
            for hour, minute, second in times or [(start.hour, start.minute, start.second)]:
                moment = datetime(day.year, day.month, day.day, hour, minute, second)
                if moment >= start.replace(microsecond=0):
                    yield moment

    def _days(self, first: date) -> Iterator[date]:
        week_days = self.week_days or (first.weekday(),)
        month_days = self.month_days or (first.day,)
        monday = first - timedelta(days=first.weekday())
        for day in _days(first):
            if self.frequency == "day":
                due = (day - first).days % self.interval == 0
            elif self.frequency == "week":
                due = (day - monday).days // 7 % self.interval == 0 and day.weekday() in week_days
            else:
                months = (day.year - first.year) * 12 + day.month - first.month
                last = calendar.monthrange(day.year, day.month)[1]
                due = months % self.interval == 0 and (day.day in month_days or (day.day == last and -1 in month_days))
            if due:
                yield day


@dataclass(frozen=True, kw_only=True, slots=True)
class Trigger:
    """A pattern in a time zone, between two times.

    Attributes:
        start: In the time zone, without one; None when the schedule starts as soon as it is created.
        end: The same; nothing fires after it.
    """

    pattern: Cron | Recurrence
    zone: tzinfo
    start: datetime | None = None
    end: datetime | None = None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """The times after *moment*, which has a time zone, in order; each in the trigger's time zone.

        A time that the clocks skip in spring is as much later as they are put forward; one that they show twice in autumn
        is the first.
        """
        last = moment.astimezone(timezone.utc)
        end = self._fixed(self.end) if self.end is not None else None
        for fires in self._from(last):
            if end is not None and fires > end:
                return
            if fires > last:  # in UTC: times of one zone are compared by their clocks, which go back in autumn
                yield fires.astimezone(self.zone)
                last = fires

    def _from(self, moment: datetime) -> Iterator[datetime]:
        """Times in UTC from somewhat before *moment* on; years of past ones need not be walked through."""
        now = moment.astimezone(self.zone).replace(tzinfo=None)
        start = self.start or now
        if isinstance(self.pattern, Cron):
            yield from map(self._fixed, self.pattern.moments(max(start, now - timedelta(days=1))))
            return
        with contextlib.suppress(OverflowError):  # the end of the calendar
            step = self.pattern.exact
            if step is None:
                yield from map(self._fixed, self.pattern.moments(start))
                return
            begin = self._fixed(start)
            for number in count(max(0, (moment - begin) // step)):
                yield begin + number * step

    def _fixed(self, local: datetime) -> datetime:
        """A time of the zone's clocks in UTC."""
        return local.replace(tzinfo=self.zone).astimezone(timezone.utc)


def _days(first: date) -> Iterator[date]:
    for ordinal in range(first.toordinal(), date.max.toordinal() + 1):
        yield date.fromordinal(ordinal)
