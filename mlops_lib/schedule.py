"""A schedule's file as a value: when it fires, in which time zone.

Azure ML names time zones as Windows does; the calendar wants the names of the IANA.
"""

from __future__ import annotations

import datetime
import itertools
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .document import Scalar, Table
from .errors import InputError
from .rules.facts import items, number, scalar, table, word
from .spec import OtherFile, as_number
from .trigger import WEEK_DAYS, Cron, Recurrence, Trigger, parse_cron

_DEFAULT_ZONE = "UTC"
# Names that Azure ML still takes and Windows has given up.
_RETIRED = {"Kamchatka Standard Time": "Asia/Kamchatka", "Mid-Atlantic Standard Time": "Etc/GMT+2"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """When something is started again and again; *zone* is the time zone as the file names it."""

    name: str
    trigger: Trigger
    zone: str

    @property
    def counts_from_nothing(self) -> bool:
        """Whether it fires at the same times whenever it was created: cron expressions do."""
        return isinstance(self.trigger.pattern, Cron)

    def next(self, count: int = 5, *, after: datetime.datetime | None = None) -> list[datetime.datetime]:
        """The next times at which it fires, each in its time zone; fewer than *count* when it ends before.

        Args:
            count: How many.
            after: Times after this one, in UTC unless it says otherwise; default: now.
        """
        moment = after or datetime.datetime.now(datetime.timezone.utc)
        begin = moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.timezone.utc)
        return list(itertools.islice(self.trigger.after(begin), count))


def read_schedule(file: OtherFile) -> Schedule:
    """The schedule in a checked file.

    Raises:
        InputError: it has a time zone that is not known here, or no trigger.
    """
    trigger = table(file.document, "trigger")
    name = scalar(file.document, "name")
    if trigger is None:
        raise InputError("the schedule has no trigger", place=file.place, fix="add 'trigger: …'")
    given = scalar(trigger, "time_zone")
    zone_name = given.text if given is not None else _DEFAULT_ZONE
    zone = _zone(zone_name, given)
    expression = scalar(trigger, "expression")
    pattern = parse_cron(expression.text) if expression is not None else _recurrence(trigger)
    return Schedule(name=name.text if name is not None else "schedule", zone=zone_name, trigger=Trigger(
        pattern=pattern, zone=zone, start=_moment(trigger, "start_time", zone), end=_moment(trigger, "end_time", zone)))


def _zone(name: str, given: Scalar | None) -> ZoneInfo:
    from tzlocal.windows_tz import win_tz  # a table of 140 names, for schedules alone

    try:
        return ZoneInfo(win_tz.get(name) or _RETIRED[name])
    except (KeyError, ZoneInfoNotFoundError):
        raise InputError(f"the time zone {name!r} is not known here", place=given.place if given is not None else None,
                         why="Azure ML takes the names that Windows has", fix="write 'UTC', or the Windows name of the zone",
                         ) from None


def _recurrence(trigger: Table) -> Cron | Recurrence:
    pattern = table(trigger, "schedule")
    frequency = word(trigger, "frequency") or "day"
    days = [item.text.lower() for item in items(pattern, "week_days") if isinstance(item, Scalar)]
    return Recurrence(
        frequency=frequency, interval=max(1, int(number(trigger, "interval") or 1)), hours=_whole(pattern, "hours"),
        minutes=_whole(pattern, "minutes"), month_days=_whole(pattern, "month_days"),
        week_days=tuple(sorted(WEEK_DAYS.index(day) for day in days if day in WEEK_DAYS)))


def _whole(pattern: Table | None, key: str) -> tuple[int, ...]:
    numbers = [as_number(item.value) for item in items(pattern, key) if isinstance(item, Scalar)]
    return tuple(int(value) for value in numbers if value is not None)


def _moment(trigger: Table, key: str, zone: ZoneInfo) -> datetime.datetime | None:
    """A time of the trigger by the clocks of its zone, whatever zone it is written in."""
    given = scalar(trigger, key)
    if given is None:
        return None
    # As written: of a bare time with an offset YAML makes one in UTC that does not say so.
    text = given.text.strip().replace("Z", "+00:00")
    moment = datetime.datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(zone).replace(tzinfo=None)
