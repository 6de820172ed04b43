import json
import subprocess
import sys
from datetime import datetime, timezone

import pytest

from mlops_lib.document import Table, parse
from mlops_lib.errors import InputError
from mlops_lib.schedule import Schedule, read_schedule
from mlops_lib.spec import OtherFile, Report, read

NOW = datetime(2026, 11, 26, 0, 30, tzinfo=timezone.utc)


def schedule(trigger: str) -> Schedule:
    value = parse(f"name: s\ncreate_job: job.yml\ntrigger: {trigger}\n", "s.yml")
    report = Report()
    spec = read(value, report, folder="", kind="schedule")
    assert isinstance(spec, OtherFile)
    assert isinstance(value, Table)
    assert not report.findings
    return read_schedule(spec)


def first(trigger: str, count: int = 2) -> list[str]:
    return [moment.isoformat() for moment in schedule(trigger).next(count, after=NOW)]


def test_a_time_without_a_zone_is_one_in_utc_and_without_a_time_it_is_now() -> None:
    found = schedule('{type: cron, expression: "30 6 * * *", time_zone: W. Europe Standard Time}')
    assert found.next(2, after=NOW.replace(tzinfo=None)) == found.next(2, after=NOW)
    assert len(found.next()) == 5
    assert found.next(1)[0] > datetime.now(timezone.utc)


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ('{type: cron, expression: "30 6 * * *"}', ["2026-11-26T06:30:00+00:00", "2026-11-27T06:30:00+00:00"]),
        (
            '{type: cron, expression: "30 6 * * *", time_zone: W. Europe Standard Time}',
            ["2026-11-26T06:30:00+01:00", "2026-11-27T06:30:00+01:00"],
        ),
        (
            "{type: recurrence, frequency: week, interval: 1, schedule: {hours: [4, 16], minutes: 0, week_days: [friday]}}",
            ["2026-11-27T04:00:00+00:00", "2026-11-27T16:00:00+00:00"],
        ),
        (
            "{type: recurrence, frequency: Day, interval: 1, start_time: 2026-12-01T10:00:00, end_time: 2026-12-01T11:00:00}",
            ["2026-12-01T10:00:00+00:00"],
        ),
        (
            '{type: recurrence, frequency: day, interval: 1, time_zone: Tokyo Standard Time, start_time: "2026-12-01T10:00:00Z"}',
            ["2026-12-01T19:00:00+09:00", "2026-12-02T19:00:00+09:00"],
        ),
        (
            "{type: recurrence, frequency: month, interval: 1, schedule: {hours: 1, minutes: [0], month_days: [-1]}}",
            ["2026-11-30T01:00:00+00:00", "2026-12-31T01:00:00+00:00"],
        ),
    ],
)
def test_a_schedules_file_says_when_it_fires(trigger: str, expected: list[str]) -> None:
    assert first(trigger) == expected


def test_every_time_zone_of_the_sdk_is_known() -> None:
    # Asked in a process of its own: the SDK warns of itself when it is imported.
    code = "import json; from azure.ai.ml.constants import TimeZone; print(json.dumps([zone.value for zone in TimeZone]))"
    names = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert len(names) > 100
    for name in names:
        assert schedule(f'{{type: cron, expression: "0 0 * * *", time_zone: "{name}"}}').zone == name


def test_another_time_zone_is_refused_where_it_stands() -> None:
    with pytest.raises(InputError) as caught:
        schedule('{type: cron, expression: "0 0 * * *", time_zone: Middle Earth}')
    assert str(caught.value.place) == "s.yml:3:59"
    assert "Windows" in caught.value.fix
