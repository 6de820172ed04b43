from datetime import datetime, timedelta, timezone, tzinfo
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.trigger import Cron, Recurrence, Trigger, TriggerError, parse_cron

BERLIN = ZoneInfo("Europe/Berlin")
UTC = timezone.utc


def times(
    pattern: Cron | Recurrence, after: str, count: int = 4, *, zone: tzinfo = UTC, start: str | None = None, end: str | None = None
) -> list[str]:
    trigger = Trigger(
        pattern=pattern,
        zone=zone,
        start=datetime.fromisoformat(start) if start else None,
        end=datetime.fromisoformat(end) if end else None,
    )
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    return [f"{found:%Y-%m-%d %H:%M %z}".removesuffix(" +0000") for found in islice(trigger.after(moment), count)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 6 * * *", ["2026-11-26 06:30", "2026-11-27 06:30"]),
        ("*/20 23 * * *", ["2026-11-26 23:00", "2026-11-26 23:20"]),
        ("0 0 1,15 * *", ["2026-12-01 00:00", "2026-12-15 00:00"]),
        ("0 9 * * MON-TUE", ["2026-11-30 09:00", "2026-12-01 09:00"]),
        ("0 9 * * 7", ["2026-11-29 09:00", "2026-12-06 09:00"]),
        ("0 0 29 FEB *", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("0 0 13 * FRI", ["2026-11-27 00:00", "2026-12-04 00:00"]),
        ("0 0 31 2 *", []),
    ],
)
def test_a_cron_expression_fires_at_the_times_it_names(expression: str, expected: list[str]) -> None:
    assert times(parse_cron(expression), "2026-11-26T01:00", 2) == expected


FIELDS = st.one_of(st.just("*"), st.integers(1, 2).map(lambda step: f"*/{step + 1}"))


@given(
    st.tuples(
        st.one_of(st.just("0"), st.integers(0, 59).map(str), st.just("*/15")),
        st.one_of(FIELDS, st.integers(0, 23).map(str)),
        st.one_of(FIELDS, st.integers(1, 28).map(str), st.just("10-20")),
        FIELDS,
        st.one_of(st.just("*"), st.integers(0, 7).map(str), st.just("MON-FRI")),
    ),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
)
def test_between_two_times_of_a_cron_expression_no_minute_fits_it(fields: tuple[str, ...], start: datetime) -> None:
    cron = parse_cron(" ".join(fields))
    found = list(islice(cron.moments(start), 3))
    assert found == sorted(set(found))
    minute = start.replace(second=0, microsecond=0)
    minute += timedelta(minutes=minute < start)
    fitting = []
    for number in range(60 * 24 * 3):
        moment = minute + timedelta(minutes=number)
        of_month, of_week = moment.day in cron.days, moment.isoweekday() % 7 in cron.week_days
        day = (of_month or of_week) if not cron.any_day and not cron.any_week_day else (of_month and of_week)
        if day and moment.month in cron.months and moment.hour in cron.hours and moment.minute in cron.minutes:
            fitting.append(moment)
    last = minute + timedelta(days=3)
    assert [moment for moment in found if moment < last] == fitting[:3]


def test_a_time_that_the_clocks_skip_comes_as_much_later() -> None:
    assert times(parse_cron("30 2 * * *"), "2026-03-28T12:00", 2, zone=BERLIN) == ["2026-03-29 03:30 +0200", "2026-03-30 02:30 +0200"]


def test_a_time_that_the_clocks_show_twice_comes_once() -> None:
    assert times(parse_cron("30 2 * * *"), "2026-10-24T12:00", 2, zone=BERLIN) == ["2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"]


def test_an_interval_of_minutes_goes_on_while_the_clocks_are_put_back() -> None:
    found = times(Recurrence(frequency="minute", interval=30), "2026-10-25T00:10", 5, zone=BERLIN, start="2026-10-01T00:00")
    assert found == [
        "2026-10-25 02:30 +0200",
        "2026-10-25 02:00 +0100",
        "2026-10-25 02:30 +0100",
        "2026-10-25 03:00 +0100",
        "2026-10-25 03:30 +0100",
    ]


@pytest.mark.parametrize(
    ("pattern", "start", "expected"),
    [
        (Recurrence(frequency="hour", interval=5), "2020-01-01T00:00", ["2026-11-26 01:00", "2026-11-26 06:00"]),
        (Recurrence(frequency="day", interval=2), "2026-11-25T06:00", ["2026-11-27 06:00", "2026-11-29 06:00"]),
        (
            Recurrence(frequency="day", hours=(4, 16), minutes=(0, 30)),
            "2026-01-01T00:00",
            ["2026-11-26 04:00", "2026-11-26 04:30"],
        ),
        (
            Recurrence(frequency="week", interval=2, hours=(4,), minutes=(0,), week_days=(0, 4)),
            "2026-11-16T00:00",
            ["2026-11-30 04:00", "2026-12-04 04:00"],
        ),
        (Recurrence(frequency="week"), "2026-11-04T10:00", ["2026-12-02 10:00", "2026-12-09 10:00"]),
        (Recurrence(frequency="month", hours=(1,), minutes=(0,), month_days=(-1, 30)), "2026-01-01T00:00", ["2026-11-30 01:00", "2026-12-30 01:00"]),
        (Recurrence(frequency="month"), "2026-10-31T10:00", ["2026-12-31 10:00", "2027-01-31 10:00"]),
        (Recurrence(frequency="month", interval=3), "2026-02-05T10:00", ["2027-02-05 10:00", "2027-05-05 10:00"]),
    ],
)
def test_a_recurrence_fires_by_its_interval_and_pattern(pattern: Recurrence, start: str, expected: list[str]) -> None:
    assert times(pattern, "2026-11-26T00:30", 2, start=start) == expected


def test_without_a_start_intervals_count_from_the_moment_asked_for() -> None:
    assert times(Recurrence(frequency="hour", interval=2), "2026-11-26T00:30", 2) == ["2026-11-26 02:30", "2026-11-26 04:30"]


def test_nothing_fires_before_the_start_or_after_the_end() -> None:
    every_day = parse_cron("0 6 * * *")
    found = times(every_day, "2026-11-26T00:00", 9, start="2026-12-01T00:00", end="2026-12-03T06:00")
    assert found == ["2026-12-01 06:00", "2026-12-02 06:00", "2026-12-03 06:00"]


def test_an_interval_longer_than_the_calendar_ends_with_it() -> None:
    assert times(Recurrence(frequency="hour", interval=10**9), "2026-11-26T00:00", 3) == []
    assert times(Recurrence(frequency="minute", interval=10**30), "2026-11-26T00:00", 3) == []


@given(st.integers(1, 500), st.sampled_from(["minute", "hour"]), st.datetimes(datetime(2015, 1, 1), datetime(2040, 1, 1)))
def test_exact_intervals_are_as_long_as_they_say(interval: int, frequency: str, start: datetime) -> None:
    trigger = Trigger(pattern=Recurrence(frequency=frequency, interval=interval), zone=BERLIN, start=start)
    found = [moment.astimezone(UTC) for moment in islice(trigger.after(datetime(2026, 11, 26, tzinfo=UTC)), 3)]
    step = timedelta(minutes=interval) if frequency == "minute" else timedelta(hours=interval)
    assert [later - earlier for earlier, later in pairwise(found)] == [step, step]


@pytest.mark.parametrize("text", ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "x * * * *"])
def test_what_is_no_cron_expression_says_which_part(text: str) -> None:
    with pytest.raises(TriggerError):
        parse_cron(text)
