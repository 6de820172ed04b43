"""Online endpoints and their deployments, as resources: created, changed, read, deleted; keys, tokens and logs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from . import arm, endpoints, rollout, traffic
from .resources import Resource
from .router import WORKSPACE, Route, Service
from .tokens import LIFETIME_S
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

COLLECTION: Final = "onlineEndpoints"
_LIST = f"{WORKSPACE}/{COLLECTION}"
_ONE = f"{_LIST}/{{endpoint}}"
_DEPLOYMENTS = f"{_ONE}/deployments"
_DEPLOYMENT = f"{_DEPLOYMENTS}/{{name}}"
_MODES: Final = {"key": "Key", "amltoken": "AMLToken", "aadtoken": "AADToken"}
_INITIALIZER: Final = "StorageInitializer"


# --- endpoints -------------------------------------------------------------------------------------------------------


def _body(world: World, key: str, body: dict[str, Any], existing: Resource | None) -> dict[str, Any]:
    """An endpoint as it is kept, checked against its deployments."""
    properties = body["properties"]
    mode = _MODES.get(str(properties.get("authMode", "")).lower())
    if mode is None:
        raise Problem(400, "BadArgument", f"authMode is one of {', '.join(_MODES.values())}.")
    if existing is not None and mode != existing.properties["authMode"]:
        raise Problem(400, "BadArgument", "authMode cannot be changed. Create another endpoint.")
    before = existing.properties if existing is not None else {}
    shares = {word: properties.get(word, before.get(word, {})) for word in ("traffic", "mirrorTraffic")}
    names = [deployment.name for deployment in world.resources.all_in(f"{key}/deployments")]
    traffic.check(shares["traffic"], shares["mirrorTraffic"], names)
    properties.pop("keys", None)
    name = key.rpartition("/")[2]
    identity = {"principalId": world.setup.client, "tenantId": world.setup.tenant,
                **(body.get("identity") or {"type": "SystemAssigned"})}
    return {"location": world.location, "kind": "Managed", **body, "identity": identity, "properties": {
        "publicNetworkAccess": "Enabled", **properties, **shares, "authMode": mode, "provisioningState": "Succeeded",
        "scoringUri": endpoints.address(world, name, "/score"),
        "swaggerUri": endpoints.address(world, name, "/swagger.json")}}


# --- keys ------------------------------------------------------------------------------------------------------------


def keys_of(world: World, endpoint: Resource) -> dict[str, str]:
    """The keys of an endpoint. They are nowhere written down: they follow from the emulator's secret and a number."""
    row = world.resources.find(_numbers(endpoint))
    numbers: Mapping[str, Any] = row.body if row is not None else {}
    return {f"{which}Key": base64.b64encode(hmac.digest(
        world.client_secret.encode(), f"{endpoint.id.lower()}/{endpoint.created}/{which}/{numbers.get(which, 0)}".encode(),
        hashlib.sha256)).decode() for which in ("primary", "secondary")}


def _numbers(endpoint: Resource) -> str:
    return f"{endpoint.id}/keys/numbers"


def list_keys(world: World, request: Request) -> Response:
    return Response(body=keys_of(world, _with_keys(world, request)))


def regenerate_keys(world: World, request: Request) -> Response:
    """Another key in the place of one. Which one it is cannot be chosen: what a client sends for that is the key that goes."""
    endpoint = _with_keys(world, request)
    which = str(request.json().get("keyType", "")).lower()
    if which not in ("primary", "secondary"):
        raise Problem(400, "BadArgument", "keyType is Primary or Secondary.")
    with world.resources.together():
        row = world.resources.find(_numbers(endpoint))
        numbers = dict(row.body) if row is not None else {}
        world.resources.put(_numbers(endpoint), {**numbers, which: numbers.get(which, 0) + 1})
    return arm.begun(world, request, Response(status=202))


def _with_keys(world: World, request: Request) -> Resource:
    found = endpoints.found(world, request, COLLECTION)
    if found.properties["authMode"] != "Key":
        raise Problem(400, "BadArgument", f"The endpoint '{found.name}' has authMode {found.properties['authMode']}, so it has "
                      "no keys.")
    return found


def token(world: World, request: Request) -> Response:
    """A token for an endpoint of the mode AMLToken."""
    found = endpoints.found(world, request, COLLECTION)
    if found.properties["authMode"] != "AMLToken":
        raise Problem(400, "BadArgument", f"The endpoint '{found.name}' has authMode {found.properties['authMode']}.")
    now = int(time.time())
    return Response(body={"accessToken": world.tokens.issue(audience(found)), "expiryTimeUtc": now + LIFETIME_S,
                          "refreshAfterTimeUtc": now + LIFETIME_S // 2, "tokenType": "Bearer"})


def audience(endpoint: Resource) -> str:
    """Whom a token of an endpoint's own is for."""
    return f"endpoint:{endpoint.id.lower()}"


# --- deployments -----------------------------------------------------------------------------------------------------


def put_deployment(world: World, request: Request) -> Response:
    endpoint = endpoints.found(world, request, COLLECTION)
    endpoints.check_name(request["name"], "a deployment")
    body = _deployment(world, endpoint, endpoints.body_of(request, "An online deployment"))
    return _rolled_out(world, request, f"{endpoint.id}/deployments/{request['name']}", body)


def patch_deployment(world: World, request: Request) -> Response:
    found = endpoints.found_deployment(world, request, COLLECTION)
    told = endpoints.body_of(request, "An online deployment", arm.merged(found.body, request.json()))
    endpoint = endpoints.found(world, request, COLLECTION)
    return _rolled_out(world, request, found.id, _deployment(world, endpoint, told))


def _rolled_out(world: World, request: Request, key: str, body: dict[str, Any]) -> Response:
    """Keep a deployment and start it; the same again while it is being started is that one."""
    with world.resources.together():
        existing = world.resources.find(key)
        arm.check_conditions(request, existing)
        if existing is not None and existing.properties["provisioningState"] in endpoints.AT_WORK:
            if endpoints.content(existing.body) != endpoints.content(body):
                raise endpoints.busy(existing)
            return arm.begun(world, request, arm.answer(existing), of=key)
        state = "Creating" if existing is None else "Updating"
        body["properties"]["provisioningState"] = state
        kept = world.resources.put(key, body)
    rollout.begin(world, key)
    return arm.begun(world, request, arm.answer(kept, 201 if existing is None else 200), of=key)


def _deployment(world: World, endpoint: Resource, body: dict[str, Any]) -> dict[str, Any]:
    """A deployment as it is kept: all that it names is there."""
    properties = body["properties"]
    managed = properties.get("endpointComputeType")
    if managed not in ("Managed", "Kubernetes"):
        raise Problem(400, "BadArgument", "endpointComputeType is Managed or Kubernetes.")
    if managed == "Managed" and not properties.get("instanceType"):
        raise Problem(400, "BadArgument", "A managed deployment has an instanceType.")
    endpoints.check_assets(world, endpoint, [
        properties.get("model"), (properties.get("codeConfiguration") or {}).get("codeId"), properties.get("environmentId")])
    properties.setdefault("scaleSettings", {"scaleType": "Default"})
    properties.setdefault("egressPublicNetworkAccess", "Enabled")
    return {"location": world.location, "kind": managed, **body, "sku": body.get("sku") or {"name": "Default", "capacity": 1}}


def _check_unused(endpoint: Resource, deployment: Resource) -> None:
    if any(share and name.lower() == deployment.name.lower() for word in ("traffic", "mirrorTraffic")
           for name, share in endpoint.properties[word].items()):
        raise Problem(400, "BadArgument", f"The deployment '{deployment.name}' has a share of the traffic. Give it to others "
                      "first.")


def logs(world: World, request: Request) -> Response:
    """The last lines of what a deployment printed, or where its files came from."""
    found = endpoints.found_deployment(world, request, COLLECTION)
    told = request.json()
    if told.get("containerType") == _INITIALIZER:
        code = (found.properties.get("codeConfiguration") or {}).get("codeId")
        lines = [f"{word}: {value}" for word, value in (("code", code), ("model", found.properties.get("model"))) if value]
    else:
        lines = rollout.log_of(world, found.id).splitlines()
    count = told.get("tail")
    kept = lines[-int(count):] if count else lines
    return Response(body={"content": "".join(f"{line}\n" for line in kept)})


def skus(world: World, request: Request) -> Response:
    """How many instances a deployment may have: as many as one likes, here."""
    found = endpoints.found_deployment(world, request, COLLECTION)
    capacity = {"default": 1, "minimum": 1, "maximum": 1000, "scaleType": "Manual"}
    return Response(body={"value": [{"resourceType": f"{arm.shown(found)['type']}", "sku": {"name": "Default"},
                                     "capacity": capacity}]})


_KIND: Final = endpoints.Kind(collection=COLLECTION, noun="An online endpoint", complete=_body, check_unused=_check_unused,
                              ended=lambda world, deployment: world.servers.drop(deployment.id))
ROUTES = (
    Route(Service.MANAGEMENT, "GET", _LIST, _KIND.listed, "list online endpoints"),
    Route(Service.MANAGEMENT, "GET", _ONE, _KIND.get, "read an online endpoint"),
    Route(Service.MANAGEMENT, "PUT", _ONE, _KIND.put, "create an online endpoint, or change it: its traffic, for one"),
    Route(Service.MANAGEMENT, "PATCH", _ONE, _KIND.patch, "change an online endpoint"),
    Route(Service.MANAGEMENT, "DELETE", _ONE, _KIND.delete, "delete an online endpoint with its deployments"),
    Route(Service.MANAGEMENT, "POST", f"{_ONE}/listKeys", list_keys, "an online endpoint's keys"),
    Route(Service.MANAGEMENT, "POST", f"{_ONE}/regenerateKeys", regenerate_keys, "make a key anew"),
    Route(Service.MANAGEMENT, "POST", f"{_ONE}/token", token, "a token for an online endpoint"),
    Route(Service.MANAGEMENT, "GET", _DEPLOYMENTS, _KIND.deployments, "list deployments of an online endpoint"),
    Route(Service.MANAGEMENT, "GET", _DEPLOYMENT, _KIND.get_deployment, "read a deployment"),
    Route(Service.MANAGEMENT, "PUT", _DEPLOYMENT, put_deployment, "create or change a deployment, and start it"),
    Route(Service.MANAGEMENT, "PATCH", _DEPLOYMENT, patch_deployment, "change a deployment, and start it anew"),
    Route(Service.MANAGEMENT, "DELETE", _DEPLOYMENT, _KIND.delete_deployment, "delete a deployment without traffic"),
    Route(Service.MANAGEMENT, "POST", f"{_DEPLOYMENT}/getLogs", logs, "a deployment's log"),
    Route(Service.MANAGEMENT, "GET", f"{_DEPLOYMENT}/skus", skus, "how many instances a deployment may have"),
)
