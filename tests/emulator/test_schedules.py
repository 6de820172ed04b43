"""Schedules, as the unmodified SDK creates, switches, fires and deletes them."""

from collections.abc import Callable
from typing import Any

import pytest

TRIGGER = {"triggerType": "Cron", "expression": "0 2 * * *"}


@pytest.fixture(scope="module")
def told(sdk: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("schedules")
    for name, text in {"src/echo.sh": "cat $1\n", "rows/a.txt": "scheduled\n"}.items():
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    return sdk("sdk_schedules.py", folder)


def test_every_call_that_the_sdk_is_known_to_make_is_answered(told: dict[str, Any], not_called: Callable[[str, Any], list[str]]) -> None:
    assert not_called("sdk_schedules.py", told) == []


@pytest.mark.parametrize(("step", "expected"), [
    ("create", ["nightly", True, "Succeeded"]),
    ("create again", ["nightly", True, "Succeeded"]),
    ("get", ["0 2 * * *", "at night", ["echo"]]),
    ("list", ["nightly"]),
    ("switch", [False, [], True]),
    ("trigger", [True, "Completed"]),
])  # fmt: skip
def test_the_sdk_gets_what_azure_would_give(told: dict[str, Any], step: str, expected: object) -> None:
    assert told[step].get("value") == expected, told[step]


def test_a_deleted_schedule_is_gone(told: dict[str, Any]) -> None:
    assert told["delete"]["error"] == "ResourceNotFoundError"


@pytest.mark.parametrize(("name", "properties"), [("x", {}), ("x", {"trigger": TRIGGER}), ("-", {"trigger": TRIGGER, "action": {}})])
def test_what_is_no_schedule_is_refused(wire: Any, name: str, properties: dict[str, Any]) -> None:
    answer = wire("PUT", f"schedules/{name}", {"properties": properties})
    assert (answer.status, answer.json["error"]["code"]) == (400, "UserError")


def test_a_schedule_of_something_else_than_a_job_is_not_started(wire: Any) -> None:
    monitor = {"trigger": TRIGGER, "action": {"actionType": "CreateMonitor"}}
    wire("PUT", "schedules/monitor", {"properties": monitor})
    answer = wire("POST", "schedules/monitor/trigger", {})
    assert (answer.status, answer.json["error"]["code"]) == (501, "NotEmulated")
    assert wire("DELETE", "schedules/monitor").status == 400, "it is enabled"
    wire("PUT", "schedules/monitor", {"properties": {**monitor, "isEnabled": False}})
    assert wire("DELETE", "schedules/monitor").status == 200
