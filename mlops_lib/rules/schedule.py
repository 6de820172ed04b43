"""A schedule's trigger: cron expressions, recurrences and times that cannot be.

Source: the schedule reference; the SDK's list of time zones, which are those of Windows.
"""

from __future__ import annotations

import datetime
import re

from ..document import Scalar, Table
from ..errors import Severity
from ..spec import Report
from ..spec.reading import as_number
from ..trigger import TriggerError, parse_cron
from .facts import items, number, place, scalar, table, word

_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?")


def check_schedule(value: Table, report: Report) -> None:
    """Report what is wrong with a schedule's trigger."""
    if "trigger" not in value.entries:
        report.add("missing-key", "a schedule lacks 'trigger'", value.place, fix="add 'trigger: …'")
    if not value.entries.keys() & {"create_job", "create_monitor", "import_data"}:
        report.add("missing-key", "a schedule lacks 'create_job'", value.place, why="there is nothing that it would start",
                   fix="add 'create_job: …'")
    trigger = table(value, "trigger")
    if trigger is None:
        return
    expression = scalar(trigger, "expression")
    if expression is not None:
        _check_cron(expression, report)
    if word(trigger, "type") == "recurrence":
        _check_recurrence(trigger, report)
    start, end = _check_time(trigger, "start_time", report), _check_time(trigger, "end_time", report)
    if start is not None and end is not None and end <= start:
        report.add("bad-time", "the schedule ends before it starts", place(trigger, "end_time"), fix="exchange the times")
    zone = scalar(trigger, "time_zone")
    if zone is not None and "/" in zone.text:
        report.add("bad-time", f"{zone.text!r} is no time zone of Azure ML", zone.place,
                   why="it takes the names that Windows has: UTC, W. Europe Standard Time",
                   fix="write 'UTC', or the Windows name of the zone")


def _check_cron(expression: Scalar, report: Report) -> None:
    try:
        cron = parse_cron(expression.text)
    except TriggerError as error:
        report.add("bad-cron", f"{expression.text!r} is no cron expression", expression.place, why=str(error),
                   fix="write 'MINUTE HOUR DAY MONTH WEEKDAY', as in '30 6 * * MON-FRI'")
        return
    if not cron.fires:
        report.add("bad-cron", f"{expression.text!r} never fires", expression.place,
                   why="none of its months has such a day", fix="correct the day or the month")


def _check_recurrence(trigger: Table, report: Report) -> None:
    interval = number(trigger, "interval")
    if interval is not None and interval < 1:
        report.add("out-of-range", f"interval is {interval:g}", place(trigger, "interval"), why="it is at least 1")
    frequency = word(trigger, "frequency")
    pattern = table(trigger, "schedule")
    if pattern is None:
        return
    for key, least, most in (("hours", 0, 23), ("minutes", 0, 59), ("month_days", -1, 31)):
        for item in items(pattern, key):
            amount = as_number(item.value) if isinstance(item, Scalar) else None
            if amount is not None and (not least <= amount <= most or (key == "month_days" and amount == 0)):
                report.add("out-of-range", f"{key} has {amount:g}", item.place,
                           why="it is from 1 to 31, or -1 for the last day" if key == "month_days" else
                           f"it is from {least} to {most}")
    for key, wanted in (("week_days", "week"), ("month_days", "month")):
        if key in pattern.entries and frequency is not None and frequency != wanted:
            report.add("bad-recurrence", f"{key} are given, and the frequency is {frequency!r}", pattern.places[key],
                       why=f"they count only with 'frequency: {wanted}'", fix=f"write 'frequency: {wanted}', or remove {key}",
                       severity=Severity.WARNING)
    if frequency in ("minute", "hour"):
        report.add("bad-recurrence", f"a schedule of hours and minutes is given, and the frequency is {frequency!r}",
                   pattern.place, why="it counts only by day, week or month", fix="remove it", severity=Severity.WARNING)


def _check_time(trigger: Table, key: str, report: Report) -> datetime.datetime | None:
    given = scalar(trigger, key)
    if given is None:
        return None
    if isinstance(given.value, datetime.datetime):
        moment = given.value
    elif isinstance(given.value, datetime.date):
        return datetime.datetime(given.value.year, given.value.month, given.value.day)
    elif isinstance(given.value, str):
        text = given.value.strip()
        text = re.sub(r"(?:Z|[+-]\d\d:?\d\d)$", "", text) if "T" in text or ":" in text else text
        if not _TIME.fullmatch(text):
            report.add("bad-time", f"{key} is {text!r}", given.place, why="a time is written 2026-05-10T10:00:00")
            return None
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            report.add("bad-time", f"{key} is {text!r}, which no calendar has", given.place, fix="correct the date")
            return None
    else:
        report.add("bad-time", f"{key} is {given.text!r}", given.place, why="a time is written 2026-05-10T10:00:00")
        return None
    return moment.replace(tzinfo=None)
