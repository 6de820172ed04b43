"""Requests to online endpoints: who may send them, which deployment gets them, and what becomes of its answers."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..errors import MlopsError
from . import endpoints, online, rollout
from .resources import Resource
from .router import Route, Service
from .serving import Answer, NotServing
from .translate import seconds
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

_TARGET: Final = "azureml-model-deployment"
_PER_PLACE: Final = 2  # requests that are let in for each that is worked on
_TIMEOUT_S: Final = 5.0
_AUDIENCE: Final = "https://ml.azure.com"
# Of a client's headers those that are about its connection, or that are for the endpoint.
_KEPT_BACK: Final = ("host", "connection", "content-length", "transfer-encoding", "authorization", "expect", _TARGET)
_HOP: Final = ("connection", "content-length", "transfer-encoding", "date", "server")


def score(world: World, request: Request) -> Response:
    """Pass a request on to a deployment, and a copy of it to those that get one."""
    endpoint = endpoints.by_host(world, request)
    if endpoints.kind(endpoint) != online.COLLECTION:
        raise Problem(404, "NotFound", f"'{endpoint.name}' is a batch endpoint: its jobs are at /jobs.")
    _admit(world, request, endpoint)
    deployment, mirrors = _routed(world, request, endpoint)
    for mirror in mirrors:
        world.servers.later(lambda mirror=mirror: _mirrored(world, request, mirror))  # type: ignore[misc]
    return _answered(world, request, deployment)


def health(world: World, request: Request) -> Response:
    endpoints.by_host(world, request)
    return Response(body=b"Healthy", headers={"Content-Type": "text/plain"})


def _admit(world: World, request: Request, endpoint: Resource) -> None:
    """Refuse who has neither a key of the endpoint's nor a token for it."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret:
        raise Problem(401, "AuthorizationFailed", "The header 'Authorization: Bearer …' is missing.")
    mode = endpoint.properties["authMode"]
    if mode != "Key":
        world.tokens.check(secret, _AUDIENCE if mode == "AADToken" else online.audience(endpoint))
    elif not any(hmac.compare_digest(secret.encode(), key.encode()) for key in online.keys_of(world, endpoint).values()):
        raise Problem(401, "AuthorizationFailed", "The key is none of this endpoint's.")


def _routed(world: World, request: Request, endpoint: Resource) -> tuple[Resource, list[Resource]]:
    """The deployment that gets a request, and those that get a copy of it."""
    named = request.headers.get(_TARGET)
    shares = endpoint.properties["traffic"]
    name = named or world.rotation.pick(endpoint.id, shares)
    found = world.resources.find(f"{endpoint.id}/deployments/{name}") if name else None
    if found is None:
        what = f"no deployment '{named}'" if named else "no deployment with a share of the traffic"
        raise Problem(404, "NotFound", f"The endpoint '{endpoint.name}' has {what}.")
    copies = [] if named else world.rotation.mirrors(endpoint.id, endpoint.properties["mirrorTraffic"])
    mirrors = [world.resources.find(f"{endpoint.id}/deployments/{copy}") for copy in copies]
    return found, [mirror for mirror in mirrors if mirror is not None]


def _answered(world: World, request: Request, deployment: Resource) -> Response:
    """What a deployment answers; all but 200 and its kin is 424, as on Azure ML, with the model's own status in a header."""
    places = rollout.at_once(deployment) * _PER_PLACE
    with world.servers.waiting(deployment.id, places) as admitted:
        if not admitted:
            raise Problem(429, "TooManyRequests", f"The deployment '{deployment.name}' has {places} requests at work already.")
        try:
            answer = _asked(world, request, deployment)
        except TimeoutError:
            raise Problem(408, "RequestTimeout", f"The deployment '{deployment.name}' did not answer within its "
                          "request_timeout_ms.") from None
        except (NotServing, MlopsError) as problem:
            raise Problem(424, "FailedDependency", f"The deployment '{deployment.name}' does not serve: {problem}", headers={
                "ms-azureml-model-error-statuscode": "502", "ms-azureml-model-error-reason": "model_not_ready"}) from None
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
    headers[_TARGET] = deployment.name
    if 200 <= answer.status < 300:
        return Response(status=answer.status, body=answer.body, headers=headers)
    headers |= {"ms-azureml-model-error-statuscode": str(answer.status), "ms-azureml-model-error-reason": "model_error"}
    return Response(status=424, body=answer.body, headers=headers)


def _asked(world: World, request: Request, deployment: Resource) -> Answer:
    if deployment.properties["provisioningState"] == "Creating":
        raise NotServing("it is being created")
    timeout = seconds((deployment.properties.get("requestSettings") or {}).get("requestTimeout")) or _TIMEOUT_S
    process = world.servers.get(deployment.id, lambda: rollout.program_of(world, deployment))
    return process.ask(request.method, request.target, _passed(request.headers), request.body, timeout=float(timeout))


def _mirrored(world: World, request: Request, deployment: Resource) -> None:
    """Nobody waits for what becomes of a copy; it is in the deployment's log."""
    try:
        _asked(world, request, deployment)
    except (TimeoutError, NotServing, MlopsError):
        return


def _passed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _KEPT_BACK}


ROUTES = (
    Route(Service.ENDPOINT, "POST", "/score", score, "have an online deployment score", open=True),
    Route(Service.ENDPOINT, "GET", "/score", score, "the same, with the query for its data", open=True),
    Route(Service.ENDPOINT, "GET", "/", health, "whether an endpoint is there", open=True),
)
