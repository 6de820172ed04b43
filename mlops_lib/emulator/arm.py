"""What all resources have in common: how they are shown, listed page by page, replaced, and waited for."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from . import hosts
from .resources import Resource
from .router import Route, Service
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

_POLL_MS = "50"  # how often clients ask for the end of a long operation; Azure's own pace is seconds
_DEFAULT_PAGE = 100
_OPERATIONS = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
_STATUS, _RESULT = "mfeOperationsStatus", "mfeOperationResults"


def workspace_id(request: Request) -> str:
    """The id of the workspace that a request is about."""
    return (f"/subscriptions/{request['subscription']}/resourceGroups/{request['group']}/providers/"
            f"Microsoft.MachineLearningServices/workspaces/{request['workspace']}")


def workspace(world: World, request: Request) -> Resource:
    """The workspace that a request is about.

    Raises:
        Problem: 404, there is none.
    """
    found = world.resources.find(workspace_id(request))
    if found is None:
        raise Problem(404, "ResourceNotFound", f"The Resource 'Microsoft.MachineLearningServices/workspaces/"
                      f"{request['workspace']}' under resource group '{request['group']}' was not found.")
    return found


def identifier(world: World, request: Request, *segments: str) -> str:
    """The id of something in the workspace, which is there: each segment a word, or the name of a path's parameter."""
    return "/".join([workspace(world, request).id, *(request.parameters.get(segment, segment) for segment in segments)])


def shown(resource: Resource) -> dict[str, Any]:
    """A resource as Azure Resource Manager answers it."""
    _, _, provider = resource.id.rpartition("/providers/")
    namespace, *segments = provider.split("/")
    return {"id": resource.id, "name": resource.name, "type": "/".join([namespace, *segments[::2]]),
            "systemData": {"createdAt": stamp(resource.created), "createdBy": "mlops emulate", "createdByType": "Application",
                           "lastModifiedAt": stamp(resource.modified), "lastModifiedBy": "mlops emulate",
                           "lastModifiedByType": "Application"},
            **resource.body}


def stamp(moment: float) -> str:
    """A time as Azure writes it."""
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def answer(resource: Resource, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A resource, with its ETag."""
    return Response(status=status, body=shown(resource), headers={"ETag": resource.etag, **(headers or {})})


def page(world: World, request: Request, items: Iterable[Mapping[str, Any]]) -> Response:
    """The part of *items* that a request asks for, with the address of the next part."""
    every = list(items)
    start = _number(request, "$skip", _number(request, "$skipToken", 0))
    size = min(_number(request, "$top", _DEFAULT_PAGE), world.page_size)
    body: dict[str, Any] = {"value": every[start : start + size]}
    if "$top" in request.query and size == _number(request, "$top", size):
        return Response(body=body)  # that many were asked for, and no more
    if start + size < len(every):
        query = {name: value for name, value in request.query.items() if name.lower() not in ("$skip", "$skiptoken")}
        body["nextLink"] = f"https://{request.host}{request.path}?{urlencode({**query, '$skipToken': start + size})}"
    return Response(body=body)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise Problem(400, "InvalidQueryParameter", f"{name} is a number, not '{text}'.")
    return int(text)


def check_conditions(request: Request, existing: Resource | None) -> None:
    """Heed ``If-Match`` and ``If-None-Match``.

    Raises:
        Problem: 412, what is there is not what the client thinks.
    """
    match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    if match is not None and (existing is None or match not in ("*", existing.etag)):
        raise Problem(412, "PreconditionFailed", "The resource has been changed since it was read.")
    if none_match == "*" and existing is not None:
        raise Problem(412, "PreconditionFailed", "The resource exists already.")


def replace(world: World, request: Request, key: str, body: Mapping[str, Any],
            guard: Callable[[Resource], None] = lambda existing: None) -> Response:
    """Create a resource (201) or put another in its place (200); *guard* raises when it may not be."""
    with world.resources.together():
        existing = world.resources.find(key)
        check_conditions(request, existing)
        if existing is not None:
            guard(existing)
        return answer(world.resources.put(key, body), 201 if existing is None else 200)


def merged(body: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """*body* with what *patch* says, null taking a key away (RFC 7396)."""
    result = dict(body)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            result[key] = value
    return result


def remove(world: World, request: Request, key: str) -> Response:
    """Delete a resource; 204 when it was not there."""
    with world.resources.together():
        check_conditions(request, world.resources.find(key))
        return Response(status=200 if world.resources.delete(key) else 204)


# --- long operations -------------------------------------------------------------------------------------------------


def begun(world: World, request: Request, response: Response, *, of: str | None = None) -> Response:
    """*response* as the beginning of a long operation, whose end the client has to ask for.

    One that answers with what it makes says where its status is; one that answers with nothing, as a deletion does, where its
    result will be. Azure ML gives the one address or the other, and so a client has to know both.

    When *of* is the id of a resource, its provisioning state is the operation's; otherwise all is done already.
    """
    operation = secrets.token_hex(16)
    place = _OPERATIONS.format(subscription=request["subscription"], location=world.location)
    world.resources.put(f"{place}/{_STATUS}/{operation}", {"polls": 1, "of": of})
    header, word = ("Location", _RESULT) if response.body is None else ("Azure-AsyncOperation", _STATUS)
    url = f"https://{hosts.MANAGEMENT}{place}/{word}/{operation}?api-version={request.query.get('api-version', '2024-10-01')}"
    return Response(status=response.status, body=response.body,
                    headers={**response.headers, header: url, "retry-after-ms": _POLL_MS})


def operation_status(world: World, request: Request) -> Response:
    """As the resource that it is about; without one at work when first asked, done from then on."""
    found, status, error = _looked_at(world, request)
    body: dict[str, Any] = {"id": found.id, "name": found.name, "status": status, "startTime": stamp(found.created)}
    if status == "InProgress":
        return Response(body=body, headers={"retry-after-ms": _POLL_MS})
    return Response(body={**body, "endTime": stamp(found.modified), **({"error": error} if error else {})})


def operation_result(world: World, request: Request) -> Response:
    """202 as long as it is at work, then nothing."""
    at_work = _looked_at(world, request)[1] == "InProgress"
    return Response(status=202, headers={"retry-after-ms": _POLL_MS}) if at_work else Response(status=204)


def _looked_at(world: World, request: Request) -> tuple[Resource, str, Mapping[str, Any] | None]:
    """An operation, how it is doing, and what went wrong."""
    place = _OPERATIONS.format(subscription=request["subscription"], location=request["location"])
    key = f"{place}/{_STATUS}/{request['operation']}"
    with world.resources.together():
        found = world.resources.get(key)
        of = found.body.get("of")
        status, error = _provisioned(world, of) if of else ("InProgress" if found.body["polls"] else "Succeeded", None)
        return world.resources.put(key, {"polls": 0, "of": of}), status, error


def _provisioned(world: World, key: str) -> tuple[str, Mapping[str, Any] | None]:
    """How an operation on a resource is doing, and what went wrong."""
    resource = world.resources.find(key)
    state = "Deleted" if resource is None else resource.properties.get("provisioningState")
    if state == "Failed":
        problem = world.resources.find(problem_key(key))
        return "Failed", problem.body if problem is not None else {"code": "Failed", "message": "It failed."}
    return ("InProgress" if state in ("Creating", "Updating") else "Succeeded"), None


def problem_key(key: str) -> str:
    """Where it stands why a resource's last operation failed."""
    return f"{key}/problems/last"


ROUTES = (
    Route(Service.MANAGEMENT, "GET", f"{_OPERATIONS}/{_STATUS}/{{operation}}", operation_status, "how far a long operation is"),
    Route(Service.MANAGEMENT, "GET", f"{_OPERATIONS}/{_RESULT}/{{operation}}", operation_result,
          "the end of a long operation that gives nothing, such as a deletion"),
)


def is_name(text: str) -> bool:
    """Whether Azure ML would take *text* as the name of an asset or a job."""
    return re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}", text) is not None
