"""What azurerm cannot do for a stage, done after it: when instances stop and start, and Kubernetes clusters attached.

What is wished for is in the stage's outputs, what there is the workspace says; only the difference is sent.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...errors import MlopsError, StageError, duration, listing
from ...infra import Compute, PowerSchedule, Stage
from ...trigger import TriggerError, parse_cron
from .following import Pace
from .workspace import Workspace

VERSION: Final = "2024-10-01"
_IDLE_VERSION: Final = "2021-07-01"  # the one that Microsoft's guide names
_SCHEDULES_VERSION: Final = "2021-03-01-preview"  # no later one has the call, and a PUT makes the instance anew
_ATTACH_S: Final = 1800.0
_SHORTEST_S, _LONGEST_S = 15 * 60, 3 * 86_400  # what Azure ML takes for idle shutdown
_SPAN: Final = re.compile(r"P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")

Properties = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that is not as it is wished for.

    Attributes:
        compute: Of which compute.
        what: What will be, and what is now.
        make: Makes it so.
    """

    compute: str
    what: str
    make: Callable[[Workspace], None]

    def __str__(self) -> str:
        return f"{self.compute}: {self.what}"


def configure(workspace: Workspace, *, dry_run: bool = False,
              done: Callable[[Change], None] = lambda change: None) -> tuple[Change, ...]:
    """Make a stage as its outputs wish; a second time, nothing is to be changed.

    Args:
        workspace: The stage's.
        dry_run: Only look.
        done: Told of each change once it is made.

    Returns:
        What was changed, or would be.

    Raises:
        StageError: a wish cannot be met, in which case nothing is changed; the stage cannot be reached; or some changes failed,
        after all others were made.
    """
    computes = {item["name"]: item.get("properties") or {} for item in workspace.pages(
        f"{workspace.path}/computes", doing="list the computes", version=VERSION)}
    hindered = list(hindrances(workspace.stage, computes))
    if hindered:
        raise StageError(f"stage {workspace.stage.name!r} cannot be configured as its outputs wish", why="; ".join(hindered),
                         fix="correct the variables of Terraform and apply again; nothing was changed")
    found = tuple(changes(workspace.stage, computes))
    failed: list[MlopsError] = []
    for change in found if not dry_run else ():
        try:
            change.make(workspace)
        except MlopsError as error:
            failed.append(error)
        else:
            done(change)
    if len(failed) > 1:
        raise StageError(f"stage {workspace.stage.name!r}: {len(failed)} of {len(found)} changes failed",
                         why="; ".join(f"{error.what.partition(': ')[2] or error.what}: {error.why}" for error in failed),
                         fix=" · ".join(dict.fromkeys(error.fix for error in failed if error.fix)))
    if failed:
        raise failed[0]
    return found


def hindrances(stage: Stage, computes: Mapping[str, Properties]) -> Iterator[str]:
    """Why wishes cannot be met.

    Args:
        stage: Whose outputs say the wishes.
        computes: The properties of those that there are, by name.
    """
    for name, told in sorted(stage.computes.items()):
        found = computes.get(name)
        if told.kind == "instance" and (told.idle_shutdown or told.schedules is not None):
            if found is None:
                yield f"there is no compute instance {name!r}"
            elif found.get("computeType") != "ComputeInstance":
                yield f"{name!r} is no compute instance but {found.get('computeType')}"
            yield from _bad_times(name, told)
        if told.kind == "kubernetes" and found is not None and not _broken(found) and not _attached(told, found):
            yield (f"the compute {name!r} is another one already ({found.get('computeType')} {found.get('resourceId') or ''}, "
                   f"namespace {(found.get('properties') or {}).get('namespace')}): detach it first")


def _bad_times(name: str, told: Compute) -> Iterator[str]:
    if told.idle_shutdown and not _SHORTEST_S <= (seconds(told.idle_shutdown) or 0) <= _LONGEST_S:
        yield f"{name!r} cannot stop after {told.idle_shutdown!r} without work: Azure ML takes 15 minutes to 3 days, like PT30M"
    for key, schedule in (told.schedules or {}).items():
        try:
            fires = parse_cron(schedule.cron).fires
        except TriggerError as error:
            yield f"the schedule {key!r} of {name!r}: {schedule.cron!r} is no cron expression: {error}"
        else:
            if not fires:
                yield f"the schedule {key!r} of {name!r}: {schedule.cron!r} never fires"
        if "/" in schedule.time_zone:
            yield f"the schedule {key!r} of {name!r}: {schedule.time_zone!r} is no time zone that Windows names"


def seconds(span: str) -> int | None:
    """A duration of ISO 8601 in seconds; None when it is none."""
    match = _SPAN.fullmatch(span)
    if match is None:
        return None
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return days * 86_400 + hours * 3600 + minutes * 60 + rest


def changes(stage: Stage, computes: Mapping[str, Properties]) -> Iterator[Change]:
    """What is not as it is wished for; the arguments are those of :func:`hindrances`."""
    for name, told in sorted(stage.computes.items()):
        found = computes.get(name) or {}
        inner: Properties = found.get("properties") or {}
        if told.kind == "instance" and found.get("computeType") == "ComputeInstance":
            yield from _idle(name, told, inner)
            yield from _schedules(name, told, inner)
        elif told.kind == "kubernetes" and (not found or _broken(found)):
            cluster = (told.cluster_id or "").rpartition("/")[2]
            yield Change(compute=name, what=f"attached: {cluster}, namespace {told.namespace}",
                         make=lambda workspace, name=name, told=told: _attach(workspace, name, told))  # type: ignore[misc]


# --- compute instances -----------------------------------------------------------------------------------------------


def _idle(name: str, told: Compute, inner: Properties) -> Iterator[Change]:
    wanted, now = told.idle_shutdown, inner.get("idleTimeBeforeShutdown")
    if wanted is None or (isinstance(now, str) and seconds(now) == seconds(wanted)):
        return

    def make(workspace: Workspace) -> None:
        workspace.post(f"{workspace.path}/computes/{name}/updateIdleShutdownSetting", {"idleTimeBeforeShutdown": wanted},
                       doing=f"say when the compute instance {name!r} stops", version=_IDLE_VERSION)

    before = duration(seconds(now) or 0) if isinstance(now, str) else "never"
    yield Change(compute=name, what=f"stops after {duration(seconds(wanted) or 0)} without work (now: {before})", make=make)


def _schedules(name: str, told: Compute, inner: Properties) -> Iterator[Change]:
    if told.schedules is None:
        return
    now = list((inner.get("schedules") or {}).get("computeStartStop") or ())
    wanted = sorted(told.schedules.values(), key=_words)
    if sorted(_words(schedule) for schedule in wanted) == sorted(_words_of(schedule) for schedule in now):
        return
    body = {"computeStartStop": [{
        "action": schedule.action.capitalize(), "status": "Enabled", "triggerType": "Cron",
        "cron": {"expression": schedule.cron, "timeZone": schedule.time_zone}} for schedule in wanted]}

    def make(workspace: Workspace) -> None:
        workspace.post(f"{workspace.path}/computes/{name}/updateSchedules", body,
                       doing=f"set the schedules of the compute instance {name!r}", version=_SCHEDULES_VERSION)

    yield Change(compute=name, make=make,
                 what=f"schedules: {_all(map(_words, wanted))} (now: {_all(map(_words_of, now))})")


def _words(schedule: PowerSchedule) -> str:
    return f"{schedule.action} {' '.join(schedule.cron.split())} {schedule.time_zone}"


def _words_of(schedule: Properties) -> str:
    """A schedule as Azure tells it; one that does not count, or has no cron expression, is like none of ours."""
    cron: Properties = schedule.get("cron") or {}
    expression = " ".join(str(cron.get("expression")).split())
    said = f"{str(schedule.get('action')).lower()} {expression} {cron.get('timeZone') or 'UTC'}"
    status = str(schedule.get("status") or "Enabled").lower()
    return said if status == "enabled" and cron else f"{said} ({status}, {schedule.get('triggerType')})"


def _all(words: Iterable[str]) -> str:
    return listing(sorted(words)) or "none"


# --- Kubernetes ------------------------------------------------------------------------------------------------------


def _broken(found: Properties) -> bool:
    return found.get("provisioningState") in ("Failed", "Canceled")


def _attached(told: Compute, found: Properties) -> bool:
    """Whether what there is, is what is wished for."""
    inner: Properties = found.get("properties") or {}
    return (found.get("computeType") == "Kubernetes"
            and str(found.get("resourceId")).lower() == str(told.cluster_id).lower()
            and inner.get("namespace", "default") == told.namespace
            and (told.instance_type is None or inner.get("defaultInstanceType") == told.instance_type))


def _attach(workspace: Workspace, name: str, told: Compute) -> None:
    """Attach a cluster, and wait until that is done; jobs on it sign in as those on other computes do."""
    path = f"{workspace.path}/computes/{name}"
    inner = {"namespace": told.namespace} | ({"defaultInstanceType": told.instance_type} if told.instance_type else {})
    doing = f"attach the Kubernetes cluster as compute {name!r}"
    workspace.put(f"computes/{name}", {
        "location": workspace.stage.workspace["location"],
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {workspace.stage.identities["jobs"].id: {}}},
        "properties": {"computeType": "Kubernetes", "resourceId": told.cluster_id, "properties": inner}}, doing=doing,
        seconds=_ATTACH_S)
    end = time.monotonic() + _ATTACH_S
    for pause in Pace.of(os.environ).pauses():
        properties: Properties = workspace.get(path, doing=doing, version=VERSION).get("properties") or {}
        state = str(properties.get("provisioningState") or "Succeeded")
        if state == "Succeeded":
            return
        if state in ("Failed", "Canceled") or time.monotonic() + pause > end:
            errors = [str((error.get("error") or error).get("message")) for error in properties.get("provisioningErrors") or ()]
            raise StageError(f"stage {workspace.stage.name!r}: could not {doing}: it is {state.lower()}",
                             why="; ".join(errors) or "Azure does not say why",
                             fix=f"see that {told.cluster_id} has Azure ML's extension and the namespace {told.namespace!r}, "
                                 "and configure again")
        time.sleep(pause)


__all__ = ["Change", "changes", "configure", "hindrances"]
