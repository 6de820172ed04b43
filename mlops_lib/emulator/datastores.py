"""Datastores: with credentials, which only ``listSecrets`` tells, or without, so that clients sign in to the storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..infra.contract import Datastore
from . import arm
from .resources import Resource
from .router import WORKSPACE, Route, Service
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

_SECRETS = "secrets"
_LIST = f"{WORKSPACE}/datastores"


def blob_datastore(world: World, container: str, *, default: bool, description: str = "",
                   told: Datastore | None = None) -> dict[str, Any]:
    """A datastore of the emulator's storage account, or of the one that is *told*."""
    keyed, setup, told = world.setup.storage_keys, world.setup, told or Datastore(type="blob")
    properties: dict[str, Any] = {
        "datastoreType": "AzureBlob", "accountName": told.account or setup.account,
        "containerName": told.container or container, "isDefault": default,
        "endpoint": "core.windows.net", "protocol": "https", "resourceGroup": told.resource_group or setup.group,
        "subscriptionId": told.subscription_id or setup.subscription, "description": description, "tags": {}, "properties": {},
        "credentials": {"credentialsType": "AccountKey" if keyed else "None"},
        "serviceDataAccessAuthIdentity": "None" if keyed else "WorkspaceSystemAssignedIdentity"}
    if keyed:
        properties["credentials"][_SECRETS] = {"secretsType": "AccountKey", "key": world.account.key}
    return {"properties": properties}


def _shown(resource: Resource) -> dict[str, Any]:
    """A datastore without what only ``listSecrets`` tells."""
    answer = arm.shown(resource)
    properties = dict(resource.properties)
    credentials = dict(properties.get("credentials") or {"credentialsType": "None"})
    credentials.pop(_SECRETS, None)
    return {**answer, "properties": {**properties, "credentials": credentials}}


def listed(world: World, request: Request) -> Response:
    found = world.resources.all_in(arm.identifier(world, request, "datastores"))
    if request.query.get("isDefault", "").lower() == "true":
        found = [resource for resource in found if resource.properties.get("isDefault")]
    if names := request.query.get("names"):
        found = [resource for resource in found if resource.name in names.split(",")]
    size = request.query.get("count")
    return arm.page(world, request, list(map(_shown, found))[: int(size) if size and size.isdecimal() else None])


def get(world: World, request: Request) -> Response:
    found = world.resources.get(arm.identifier(world, request, "datastores", "name"))
    return Response(body=_shown(found), headers={"ETag": found.etag})


def put(world: World, request: Request) -> Response:
    body = request.json()
    key = arm.identifier(world, request, "datastores", "name")
    properties = body.get("properties")
    if not isinstance(properties, dict) or "datastoreType" not in properties:
        raise Problem(400, "UserError", "A datastore has properties with a datastoreType.")
    if properties["datastoreType"] == "AzureBlob" and not properties.get("containerName"):
        raise Problem(400, "UserError", "A datastore of blob storage has a containerName.")
    account = world.account_of(properties.get("accountName"))
    if properties["datastoreType"] == "AzureBlob" and account is not None:
        account.create(properties["containerName"])
    properties = {"isDefault": False, **properties}
    response = arm.replace(world, request, key, {"properties": properties})
    return Response(status=response.status, body=_shown(world.resources.get(key)), headers=response.headers)


def delete(world: World, request: Request) -> Response:
    return arm.remove(world, request, arm.identifier(world, request, "datastores", "name"))


def secrets(world: World, request: Request) -> Response:
    """The credentials; for a client that asks for one that ends by itself, a signature instead of a key."""
    found = world.resources.get(arm.identifier(world, request, "datastores", "name"))
    credentials = found.properties.get("credentials") or {}
    if _SECRETS not in credentials:
        raise Problem(400, "UserError", f"The datastore '{found.name}' has no credentials: clients sign in with their own.")
    told = credentials[_SECRETS]
    # Clients that stream a job's log sign its address themselves, which takes a key.
    if request.json().get("expirableSecret") and told["secretsType"] == "AccountKey" and found.name != "workspaceartifactstore":
        account = world.account_of(found.properties["accountName"]) or world.account
        token = account.signed(found.properties["containerName"], permissions="rwdlac")
        return Response(body={"secretsType": "Sas", "sasToken": token})
    return Response(body=told)


ROUTES = (
    Route(Service.MANAGEMENT, "GET", _LIST, listed, "list datastores"),
    Route(Service.MANAGEMENT, "GET", f"{_LIST}/{{name}}", get, "read a datastore"),
    Route(Service.MANAGEMENT, "PUT", f"{_LIST}/{{name}}", put, "create or replace a datastore"),
    Route(Service.MANAGEMENT, "DELETE", f"{_LIST}/{{name}}", delete, "delete a datastore"),
    Route(Service.MANAGEMENT, "POST", f"{_LIST}/{{name}}/listSecrets", secrets, "a datastore's credentials"),
)
