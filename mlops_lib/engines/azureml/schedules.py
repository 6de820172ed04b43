"""Schedules of a workspace: created once for each content, looked at, switched on and off, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from ...catalogue import Catalogue
from ...document import Scalar, Table, plain
from ...errors import InputError, MlopsError, did_you_mean
from ...plan import Plan
from ...spec import OtherFile
from ...stores.store import Store
from . import preflight, sdk
from .problems import misses
from .registration import Registration
from .submission import Submission, digest
from .workspace import Workspace

CONTENT: Final = "mlops_content"  # the property of a schedule that has the digest of all that it is
_SECONDS: Final = 900.0  # the data that goes along is uploaded meanwhile
_VERSION: Final = "2024-10-01"
# What of a trigger may have been changed elsewhere, as files call it and as Azure does.
_TRIGGER: Final[Mapping[str, str]] = {"expression": "expression", "frequency": "frequency", "interval": "interval",
                                      "time_zone": "timeZone"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheduled:
    """A schedule of a workspace.

    Attributes:
        when: Its trigger, in words.
        job: What it starts: the job's name for people.
        inputs: What it gives the job: literals as texts, data as Azure's address of it.
        told: All of it, as Azure tells it.
    """

    name: str
    enabled: bool
    when: str
    job: str
    inputs: Mapping[str, str]
    told: Mapping[str, Any]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Scheduled:
        """From what Azure answers."""
        properties = found.get("properties") or {}
        definition = (properties.get("action") or {}).get("jobDefinition") or {}
        return cls(name=str(found["name"]), enabled=bool(properties.get("isEnabled", True)), told=found,
                   when=" ".join(_when(properties.get("trigger") or {})),
                   inputs={key: str(value.get("value") or value.get("uri"))
                           for key, value in (definition.get("inputs") or {}).items()},
                   job=str(definition.get("displayName") or definition.get("experimentName")
                           or (properties.get("action") or {}).get("actionType") or ""))


def _when(trigger: Mapping[str, Any]) -> Iterator[str]:
    if trigger.get("expression"):
        yield str(trigger["expression"])
    else:
        yield f"every {trigger.get('interval')} {str(trigger.get('frequency')).lower()}(s)"
        pattern = trigger.get("schedule") or {}
        for word, key in (("on", "weekDays"), ("on day", "monthDays"), ("at hour", "hours"), ("minute", "minutes")):
            if pattern.get(key):
                yield f"{word} {','.join(map(str, pattern[key]))}"
    yield str(trigger.get("timeZone") or "UTC")
    for word, key in (("from", "startTime"), ("to", "endTime")):
        if trigger.get(key):
            yield f"{word} {trigger[key]}"


# --- creating --------------------------------------------------------------------------------------------------------


def create(workspace: Workspace, file: OtherFile, submission: Submission, plan: Plan, catalogue: Catalogue,
           store: Store) -> tuple[Scheduled, str]:
    """Create or change the schedule of a file, with all that its job needs.

    Args:
        workspace: Where.
        file: The schedule, checked.
        submission: Its job, prepared with a key that is always the same.
        plan: The job's plan.
        catalogue: The files.
        store: Knows what was registered before.

    Returns:
        The schedule, and ``created``, ``changed`` or ``unchanged``. One that is switched off stays so.

    Raises:
        StageError: the workspace lacks what the job names, or cannot be reached; InputError: Azure ML refuses it.
    """
    name = _name(file)
    content = digest([submission.name, _told(file)])
    preflight.check(workspace, submission.job, plan.graph, catalogue)
    before = workspace.find(f"schedules/{name}", doing=f"look for the schedule {name!r}")
    if before is not None and _is(before, content, file):
        return Scheduled.of(before), "unchanged"
    enabled = before is None or bool((before.get("properties") or {}).get("isEnabled", True))
    registration = Registration(workspace, submission, plan.graph, plan.facts, store)
    with sdk.muted():
        try:
            _put(workspace, name, file, registration.job(), content, enabled=enabled)
        except MlopsError as error:
            if not registration.used_memory or not misses(error):
                raise
            registration.forget()  # what it was believed to have may have been deleted there
            _put(workspace, name, file, registration.job(), content, enabled=enabled)
    return get(workspace, name), "created" if before is None else "changed"


def _name(file: OtherFile) -> str:
    given = file.document.get("name")
    if not isinstance(given, Scalar):
        raise InputError("the schedule has no name", place=file.place, why="it is found by its name", fix="add 'name: …'")
    return given.text


def _told(file: OtherFile) -> dict[str, Any]:
    """What a file says of the schedule itself."""
    return {key: plain(value) for key, value in file.document.entries.items() if key != "create_job"}


def _is(before: Mapping[str, Any], content: str, file: OtherFile) -> bool:
    """Whether a schedule is what the file says, and nobody has given it another trigger since."""
    properties = before.get("properties") or {}
    if (properties.get("properties") or {}).get(CONTENT) != content:
        return False
    trigger, told = file.document.get("trigger"), properties.get("trigger") or {}
    given = trigger.entries if isinstance(trigger, Table) else {}
    return all(str(plain(given[ours])).lower() == str(told.get(theirs)).lower()
               for ours, theirs in _TRIGGER.items() if ours in given)


def _put(workspace: Workspace, name: str, file: OtherFile, job: Any, content: str, *, enabled: bool) -> None:
    told = _told(file)

    def put() -> None:
        schedule = sdk.module("azure.ai.ml.entities").JobSchedule(
            name=name, trigger=_trigger(told["trigger"]), create_job=job, display_name=told.get("display_name"),
            description=told.get("description"), tags=told.get("tags"), is_enabled=enabled,
            properties={**(told.get("properties") or {}), CONTENT: content})
        workspace.client.schedules.begin_create_or_update(schedule).wait(_SECONDS)

    workspace.call(f"create the schedule {name!r}", put, seconds=_SECONDS)


def _trigger(told: Mapping[str, Any]) -> Any:
    """The SDK's trigger of a file's."""
    entities = sdk.module("azure.ai.ml.entities")
    times = {key: _time(told[key]) for key in ("start_time", "end_time") if told.get(key) is not None}
    zone = {"time_zone": told["time_zone"]} if told.get("time_zone") else {}
    if told.get("expression"):
        return entities.CronTrigger(expression=told["expression"], **times, **zone)
    pattern = told.get("schedule")
    return entities.RecurrenceTrigger(
        frequency=str(told["frequency"]).lower(), interval=int(told["interval"]), **times, **zone,
        **({"schedule": entities.RecurrencePattern(
            hours=pattern.get("hours", 0), minutes=pattern.get("minutes", 0),
            **{key: pattern[key] for key in ("week_days", "month_days") if key in pattern})} if pattern else {}))


def _time(value: Any) -> str:
    """A time as the SDK reads it, which knows no day without an hour."""
    text = value.isoformat() if isinstance(value, date) else str(value).strip().replace(" ", "T")
    return text if "T" in text else f"{text}T00:00:00"


# --- those that there are --------------------------------------------------------------------------------------------


def listed(workspace: Workspace) -> list[Scheduled]:
    """All schedules, switched off or not, by name."""
    found = workspace.pages(f"{workspace.path}/schedules?listViewType=All", doing="list the schedules", version=_VERSION)
    return sorted(map(Scheduled.of, found), key=lambda schedule: schedule.name)


def get(workspace: Workspace, name: str) -> Scheduled:
    """A schedule.

    Raises:
        InputError: there is none.
    """
    found = workspace.find(f"schedules/{name}", doing=f"look for the schedule {name!r}")
    if found is None:
        names = [schedule.name for schedule in listed(workspace)]
        stage = workspace.stage.name
        raise InputError(f"stage {stage!r} has no schedule {name!r}", fix=did_you_mean(name, names) if names else
                         f"mlops schedule create FILE --on {stage}")
    return Scheduled.of(found)


def switch(workspace: Workspace, name: str, *, on: bool) -> bool:
    """Switch a schedule on or off, and leave the rest of it as it is; whether it was not so already."""
    found = get(workspace, name)
    if found.enabled == on:
        return False
    properties = {key: value for key, value in found.told["properties"].items() if key != "provisioningState"}
    workspace.put(f"schedules/{name}", {"properties": {**properties, "isEnabled": on}},
                  doing=f"switch the schedule {name!r} {'on' if on else 'off'}")
    return True


def delete(workspace: Workspace, name: str) -> None:
    """Delete a schedule, which Azure ML does with those only that are switched off; jobs that it started stay."""
    switch(workspace, name, on=False)
    _quietly(workspace, f"delete the schedule {name!r}", lambda: workspace.client.schedules.begin_delete(name).wait(120))


def _quietly(workspace: Workspace, doing: str, call: Callable[[], Any]) -> None:
    with sdk.muted():
        workspace.call(doing, call)


__all__ = ["Scheduled", "create", "delete", "get", "listed", "switch"]
