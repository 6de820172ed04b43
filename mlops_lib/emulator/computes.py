"""Computes: clusters and instances that are there at once, idle, and cost nothing."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from ..infra.contract import Compute
from . import arm
from .resources import Resource
from .router import WORKSPACE, Route, Service
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

_LIST = f"{WORKSPACE}/computes"
_ONE = f"{_LIST}/{{name}}"
_SCHEDULES = 4  # of an instance, at most


def body_of(told: Compute, location: str) -> dict[str, Any]:
    """A compute of a stage's outputs, as Azure answers it."""
    inner: dict[str, Any]
    if told.kind == "instance":
        kind = "ComputeInstance"
        inner = {"vmSize": told.vm_size, "schedules": {"computeStartStop": []}}
    else:
        kind = "AmlCompute"
        scale = {"minNodeCount": told.min_nodes or 0, "maxNodeCount": told.max_nodes or 1,
                 "nodeIdleTimeBeforeScaleDown": "PT120S"}
        inner = {"vmSize": told.vm_size, "vmPriority": "LowPriority" if told.low_priority else "Dedicated", "osType": "Linux",
                 "scaleSettings": scale}
    return _complete({"location": location, "properties": {"computeType": kind, "properties": inner}})


def _complete(body: dict[str, Any]) -> dict[str, Any]:
    """*body* with what Azure adds: a compute that is ready."""
    properties = body.get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("computeType"), str):
        raise Problem(400, "UserError", "A compute has properties with a computeType.")
    inner = properties.get("properties") or {}
    if not isinstance(inner, dict) or not isinstance(inner.get("scaleSettings") or {}, dict):
        raise Problem(400, "UserError", "The properties and scaleSettings of a compute are objects.")
    inner = dict(inner)
    if properties["computeType"] == "AmlCompute":
        smallest = (inner.get("scaleSettings") or {}).get("minNodeCount", 0)
        inner |= {"allocationState": "Steady", "currentNodeCount": smallest, "targetNodeCount": smallest, "errors": None,
                  "nodeStateCounts": {"idleNodeCount": smallest, "runningNodeCount": 0, "preparingNodeCount": 0,
                                      "unusableNodeCount": 0, "leavingNodeCount": 0, "preemptedNodeCount": 0}}
    elif properties["computeType"] == "ComputeInstance":
        inner.setdefault("state", "Running")
    elif properties["computeType"] == "Kubernetes" and not properties.get("resourceId"):
        raise Problem(400, "BadRequest", "A Kubernetes compute has the resourceId of its cluster.")
    return {**body, "properties": {**properties, "properties": inner, "provisioningState": "Succeeded",
                                   "computeLocation": body.get("location"), "isAttachedCompute": bool(
                                       properties.get("resourceId"))}}


def listed(world: World, request: Request) -> Response:
    return arm.page(world, request, map(arm.shown, world.resources.all_in(arm.identifier(world, request, "computes"))))


def get(world: World, request: Request) -> Response:
    return arm.answer(_found(world, request))


def _found(world: World, request: Request) -> Resource:
    found = world.resources.find(arm.identifier(world, request, "computes", "name"))
    if found is None:
        raise Problem(404, "ComputeNotFound", f"Compute '{request['name']}' was not found.")
    return found


def put(world: World, request: Request) -> Response:
    key = arm.identifier(world, request, "computes", "name")
    return arm.begun(world, request, arm.replace(world, request, key, _complete(request.json())))


def patch(world: World, request: Request) -> Response:
    with world.resources.together():
        found = _found(world, request)
        arm.check_conditions(request, found)
        changed = world.resources.put(found.id, _complete(arm.merged(found.body, request.json())))
    return arm.begun(world, request, arm.answer(changed))


def delete(world: World, request: Request) -> Response:
    found = _found(world, request)
    arm.remove(world, request, found.id)
    return arm.begun(world, request, Response(status=202))


def _switch(state: str) -> Any:
    def handle(world: World, request: Request) -> Response:
        _change(world, _instance(world, request), {"state": state})
        return arm.begun(world, request, Response(status=202))
    return handle


def set_idle_shutdown(world: World, request: Request) -> Response:
    """After how long without work an instance is to stop. Here it does not."""
    found = _instance(world, request)
    span = request.json().get("idleTimeBeforeShutdown")
    if not isinstance(span, str) or not re.fullmatch(r"P(?=.)(\d+D)?(T(\d+H)?(\d+M)?(\d+S)?)?", span):
        raise Problem(400, "BadRequest", f"'{span}' is no duration for idleTimeBeforeShutdown.")
    _change(world, found, {"idleTimeBeforeShutdown": span})
    return Response(status=200)


def set_schedules(world: World, request: Request) -> Response:
    """When an instance is to start and stop, all of it anew. Here it does not."""
    found = _instance(world, request)
    told = request.json().get("computeStartStop")
    if not isinstance(told, list) or len(told) > _SCHEDULES:
        raise Problem(400, "BadRequest", f"computeStartStop is a list of at most {_SCHEDULES} schedules.")
    for schedule in told:
        if schedule.get("action") not in ("Start", "Stop") or not isinstance(schedule.get("cron"), dict):
            raise Problem(400, "BadRequest", "A schedule has an action, Start or Stop, and a cron with an expression.")
    _change(world, found, {"schedules": {"computeStartStop": [
        {"status": "Enabled", "triggerType": "Cron", **schedule, "id": str(uuid.uuid4()), "provisioningStatus": "Completed"}
        for schedule in told]}})
    return Response(status=200)


def _instance(world: World, request: Request) -> Resource:
    found = _found(world, request)
    if found.properties.get("computeType") != "ComputeInstance":
        raise Problem(400, "BadRequest", f"'{found.name}' is no compute instance.")
    return found


def _change(world: World, found: Resource, inner: dict[str, Any]) -> None:
    world.resources.put(found.id, arm.merged(found.body, {"properties": {"properties": inner}}))


ROUTES = (
    Route(Service.MANAGEMENT, "GET", _LIST, listed, "list computes"),
    Route(Service.MANAGEMENT, "GET", _ONE, get, "read a compute"),
    Route(Service.MANAGEMENT, "PUT", _ONE, put, "create or replace a compute"),
    Route(Service.MANAGEMENT, "PATCH", _ONE, patch, "change a compute"),
    Route(Service.MANAGEMENT, "DELETE", _ONE, delete, "delete a compute"),
    Route(Service.MANAGEMENT, "POST", f"{_ONE}/start", _switch("Running"), "start a compute instance"),
    Route(Service.MANAGEMENT, "POST", f"{_ONE}/stop", _switch("Stopped"), "stop a compute instance"),
    Route(Service.MANAGEMENT, "POST", f"{_ONE}/restart", _switch("Running"), "restart a compute instance"),
    Route(Service.MANAGEMENT, "POST", f"{_ONE}/updateIdleShutdownSetting", set_idle_shutdown,
          "when a compute instance stops for want of work"),
    Route(Service.MANAGEMENT, "POST", f"{_ONE}/updateSchedules", set_schedules, "when a compute instance starts and stops"),
)
