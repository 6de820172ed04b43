"""Schedules: kept, switched on and off, and fired when a client says so. Here they do not fire by themselves."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from . import arm
from .jobs import submitted
from .resources import Resource
from .router import WORKSPACE, Route, Service
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

_LIST = f"{WORKSPACE}/schedules"
_ONE = f"{_LIST}/{{name}}"


def _found(world: World, request: Request) -> Resource:
    found = world.resources.find(arm.identifier(world, request, "schedules", "name"))
    if found is None:
        raise Problem(404, "UserError", f"Schedule {request['name']} was not found.")
    return found


def listed(world: World, request: Request) -> Response:
    found = world.resources.all_in(arm.identifier(world, request, "schedules"))
    view = request.query.get("listViewType", "EnabledOnly").lower()
    if view in ("enabledonly", "disabledonly"):
        found = [schedule for schedule in found if bool(schedule.properties.get("isEnabled")) == (view == "enabledonly")]
    return arm.page(world, request, map(arm.shown, found))


def get(world: World, request: Request) -> Response:
    return arm.answer(_found(world, request))


def put(world: World, request: Request) -> Response:
    if not arm.is_name(request["name"]):
        raise Problem(400, "UserError", f"'{request['name']}' is no name for a schedule.")
    properties = request.json().get("properties")
    if not isinstance(properties, dict) or not all(isinstance(properties.get(key), dict) for key in ("trigger", "action")):
        raise Problem(400, "UserError", "A schedule has properties with a trigger and an action.")
    body = {"properties": {"isEnabled": True, **properties, "provisioningState": "Succeeded"}}
    key = arm.identifier(world, request, "schedules", "name")
    return arm.begun(world, request, arm.replace(world, request, key, body))


def delete(world: World, request: Request) -> Response:
    found = _found(world, request)
    if found.properties.get("isEnabled"):
        raise Problem(400, "UserError", f"The schedule {found.name} is enabled; disable it before it is deleted.")
    return arm.remove(world, request, found.id)


def trigger(world: World, request: Request) -> Response:
    """Start the job of a schedule now."""
    schedule = _found(world, request)
    action: dict[str, Any] = schedule.properties["action"]
    definition = action.get("jobDefinition")
    if not isinstance(definition, dict):
        raise Problem(501, "NotEmulated", f"A schedule whose action is {action.get('actionType')} is not started here.")
    stem = re.sub(r"[^A-Za-z0-9_-]", "-", schedule.name)[:200]
    name = f"{stem}_{secrets.token_hex(4)}"
    submitted(world, arm.workspace(world, request).id, name, {
        **definition, "properties": {**(definition.get("properties") or {}), "azureml.scheduleName": schedule.name}})
    return Response(body={"scheduleActionType": action.get("actionType"), "submissionId": name})


ROUTES = (
    Route(Service.MANAGEMENT, "GET", _LIST, listed, "list schedules"),
    Route(Service.MANAGEMENT, "GET", _ONE, get, "read a schedule"),
    Route(Service.MANAGEMENT, "PUT", _ONE, put, "create or change a schedule; switch it on or off"),
    Route(Service.MANAGEMENT, "DELETE", _ONE, delete, "delete a schedule that is switched off"),
    Route(Service.MANAGEMENT, "POST", f"{_ONE}/trigger", trigger, "start a schedule's job now"),
)
