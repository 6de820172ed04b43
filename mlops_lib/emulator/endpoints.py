"""What online and batch endpoints have in common: names, of which a region has each once, addresses, and deployments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from . import arm, hosts
from .resources import Resource
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

AT_WORK: Final = ("Creating", "Updating")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", re.IGNORECASE)
# What a client says of a resource besides its properties.
_TOLD: Final = ("location", "tags", "identity", "sku", "kind")


def check_name(name: str, noun: str) -> None:
    """Refuse what Azure ML would not take as the name of an endpoint or a deployment."""
    if not _NAME.fullmatch(name):
        raise Problem(400, "BadRequest", f"'{name}' is no name for {noun}: it has 3 to 32 letters, digits and hyphens, begins "
                      "with a letter and does not end with a hyphen.")


def address(world: World, name: str, path: str) -> str:
    """The address of a path of an endpoint."""
    return f"https://{hosts.endpoint(name, world.location)}{path}"


def claim(world: World, key: str) -> None:
    """Take an endpoint's name, which is for one endpoint of the region, online or batch, in whichever workspace.

    Raises:
        Problem: 409, another one has it.
    """
    place = _claimed(key.rpartition("/")[2])
    holder = world.resources.find(place)
    if holder is not None and holder.body["id"].lower() != key.lower():
        raise Problem(409, "Conflict", f"The endpoint name '{key.rpartition('/')[2]}' is taken in {world.location}. "
                      "Use another name.")
    world.resources.put(place, {"id": key})


def release(world: World, key: str) -> None:
    """Give an endpoint's name back."""
    world.resources.delete(_claimed(key.rpartition("/")[2]))


def _claimed(name: str) -> str:
    return f"/emulator/endpoints/{name.lower()}"


def by_host(world: World, request: Request) -> Resource:
    """The endpoint whose address a request was sent to.

    Raises:
        Problem: 404, there is none.
    """
    name = request.host.partition(".")[0]
    holder = world.resources.find(_claimed(name))
    found = world.resources.find(holder.body["id"]) if holder is not None else None
    if found is None:
        raise Problem(404, "NotFound", f"No endpoint has the address {request.host}.")
    return found


def kind(endpoint: Resource) -> str:
    """``onlineEndpoints`` or ``batchEndpoints``."""
    return endpoint.id.rsplit("/", 2)[1]


def workspace_of(key: str) -> str:
    """The id of the workspace that something is in."""
    return "/".join(key.split("/")[:9])


def found(world: World, request: Request, collection: str) -> Resource:
    """The endpoint that a request is about.

    Raises:
        Problem: 404, there is none.
    """
    endpoint = world.resources.find(arm.identifier(world, request, collection, "endpoint"))
    if endpoint is None:
        raise Problem(404, "NotFound", f"Endpoint '{request['endpoint']}' was not found.")
    return endpoint


def found_deployment(world: World, request: Request, collection: str) -> Resource:
    """The deployment that a request is about.

    Raises:
        Problem: 404, there is none, or no such endpoint.
    """
    endpoint = found(world, request, collection)
    deployment = world.resources.find(f"{endpoint.id}/deployments/{request['name']}")
    if deployment is None:
        raise Problem(404, "NotFound", f"Deployment '{request['name']}' of endpoint '{endpoint.name}' was not found.")
    return deployment


def body_of(request: Request, noun: str, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A resource's body as the client says it, less what it leaves open; *told* when it is not the request's own."""
    body = request.json() if told is None else told
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise Problem(400, "BadRequest", f"{noun} has properties.")
    given = {key: value for key, value in properties.items() if value is not None}
    kept = {key: body[key] for key in _TOLD if body.get(key) is not None}
    return {"tags": {}, **kept, "properties": {"properties": {}, **given}}


def content(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body less what the service adds to it."""
    properties = {key: value for key, value in (body.get("properties") or {}).items() if key != "provisioningState"}
    return {**body, "properties": properties}


def busy(resource: Resource) -> Problem:
    """An operation is at work on it that has to end first."""
    return Problem(409, "Conflict", f"'{resource.name}' is being changed by another operation, which has to end first.")


def check_assets(world: World, endpoint: Resource, references: Iterable[str | None]) -> None:
    """Refuse a deployment that names an asset of the workspace's that is not there.

    Raises:
        Problem: 400, with the asset.
    """
    for reference in references:
        told = str(reference or "").removeprefix("azureml:")
        if told.lower().startswith("/subscriptions/") and world.resources.find(told) is None:
            raise Problem(400, "UserError", f"The asset {told} was not found; the deployment names it.")


def scoring_key(job: str) -> str:
    """Where it stands what a job of a model's deployment is made of, as it was when the job was made."""
    return f"{job}/scoring/settings"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What is done with online and with batch endpoints alike; what each has of its own it says here.

    Attributes:
        collection: ``onlineEndpoints`` or ``batchEndpoints``.
        noun: What one is called in errors.
        complete: The body of an endpoint as it is kept, of its id, what is told, and what was there; raises `Problem`.
        check_unused: Refuses that a deployment of an endpoint is deleted.
        ended: Told of a deployment that goes.
    """

    collection: str
    noun: str
    complete: Callable[[World, str, dict[str, Any], Resource | None], dict[str, Any]]
    check_unused: Callable[[Resource, Resource], None]
    ended: Callable[[World, Resource], None] = lambda world, deployment: None

    def listed(self, world: World, request: Request) -> Response:
        key = arm.identifier(world, request, self.collection)
        return arm.page(world, request, map(arm.shown, world.resources.all_in(key)))

    def get(self, world: World, request: Request) -> Response:
        return arm.answer(found(world, request, self.collection))

    def put(self, world: World, request: Request) -> Response:
        """Create an endpoint, or change it."""
        check_name(request["endpoint"], "an endpoint")
        key = arm.identifier(world, request, self.collection, "endpoint")
        with world.resources.together():
            body = self.complete(world, key, body_of(request, self.noun), world.resources.find(key))
            claim(world, key)
            return arm.begun(world, request, arm.replace(world, request, key, body))

    def patch(self, world: World, request: Request) -> Response:
        with world.resources.together():
            existing = found(world, request, self.collection)
            arm.check_conditions(request, existing)
            told = body_of(request, self.noun, arm.merged(existing.body, request.json()))
            changed = world.resources.put(existing.id, self.complete(world, existing.id, told, existing))
        return arm.begun(world, request, arm.answer(changed))

    def delete(self, world: World, request: Request) -> Response:
        """Delete an endpoint with its deployments; the jobs that they made stay."""
        existing = world.resources.find(arm.identifier(world, request, self.collection, "endpoint"))
        if existing is None:
            return Response(status=204)
        for deployment in world.resources.all_in(f"{existing.id}/deployments"):
            self.ended(world, deployment)
        with world.resources.together():
            arm.remove(world, request, existing.id)
            release(world, existing.id)
        return arm.begun(world, request, Response(status=202))

    def deployments(self, world: World, request: Request) -> Response:
        endpoint = found(world, request, self.collection)
        return arm.page(world, request, map(arm.shown, world.resources.all_in(f"{endpoint.id}/deployments")))

    def get_deployment(self, world: World, request: Request) -> Response:
        return arm.answer(found_deployment(world, request, self.collection))

    def delete_deployment(self, world: World, request: Request) -> Response:
        """Delete a deployment that is not in use."""
        endpoint = found(world, request, self.collection)
        existing = world.resources.find(f"{endpoint.id}/deployments/{request['name']}")
        if existing is None:
            return Response(status=204)
        self.check_unused(endpoint, existing)
        arm.remove(world, request, existing.id)
        self.ended(world, existing)
        return arm.begun(world, request, Response(status=202))
