"""When a schedule fires: cron expressions and recurrences, as a pure calendar.

Source: the schedule reference of Azure ML (the five fields of cron; recurrences by hours, minutes, week days, month days).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass

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
