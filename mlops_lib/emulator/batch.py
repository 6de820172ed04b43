"""Batch endpoints and their deployments, as resources: of a model with a scoring script, or of a pipeline component."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import arm, endpoints, translate
from .resources import Resource
from .router import WORKSPACE, Route, Service
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

COLLECTION: Final = "batchEndpoints"
_LIST = f"{WORKSPACE}/{COLLECTION}"
_ONE = f"{_LIST}/{{endpoint}}"
_DEPLOYMENTS = f"{_ONE}/deployments"
_DEPLOYMENT = f"{_DEPLOYMENTS}/{{name}}"
# What Azure ML has for a deployment of a model that says nothing.
_GIVEN: Final = {"errorThreshold": -1, "maxConcurrencyPerInstance": 1, "miniBatchSize": 10, "outputAction": "AppendRow",
                 "outputFileName": "predictions.csv", "loggingLevel": "Info",
                 "retrySettings": {"maxRetries": 3, "timeout": "PT30S"}}


def _body(world: World, key: str, body: dict[str, Any], existing: Resource | None) -> dict[str, Any]:
    """An endpoint as it is kept, checked against its deployments."""
    properties = body["properties"]
    if str(properties.get("authMode", "AADToken")).lower() != "aadtoken":
        raise Problem(400, "BadArgument", "The authMode of a batch endpoint is AADToken.")
    default = default_of(properties)
    if default and world.resources.find(f"{key}/deployments/{default}") is None:
        raise Problem(400, "BadArgument", f"The default deployment '{default}' is none of the endpoint's deployments.")
    properties.pop("keys", None)
    name = key.rpartition("/")[2]
    return {"location": world.location, **body, "properties": {
        **properties, "authMode": "AADToken", "provisioningState": "Succeeded",
        "scoringUri": endpoints.address(world, name, "/jobs"), "swaggerUri": endpoints.address(world, name, "/swagger.json")}}


def default_of(properties: Any) -> str | None:
    """The name of an endpoint's default deployment."""
    name = (properties.get("defaults") or {}).get("deploymentName")
    return str(name) if name else None


# --- deployments -----------------------------------------------------------------------------------------------------


def put_deployment(world: World, request: Request) -> Response:
    endpoints.check_name(request["name"], "a deployment")
    with world.resources.together():
        endpoint = endpoints.found(world, request, COLLECTION)
        body = _deployment(world, endpoint, endpoints.body_of(request, "A batch deployment"))
        return arm.begun(world, request, arm.replace(world, request, f"{endpoint.id}/deployments/{request['name']}", body))


def patch_deployment(world: World, request: Request) -> Response:
    with world.resources.together():
        found = endpoints.found_deployment(world, request, COLLECTION)
        endpoint = endpoints.found(world, request, COLLECTION)
        arm.check_conditions(request, found)
        told = endpoints.body_of(request, "A batch deployment", arm.merged(found.body, request.json()))
        changed = world.resources.put(found.id, _deployment(world, endpoint, told))
    return arm.begun(world, request, arm.answer(changed))


def component_of(deployment: Resource) -> str | None:
    """The id of the pipeline component that a deployment runs; None when it runs a model."""
    told = deployment.properties.get("deploymentConfiguration") or {}
    reference = (told.get("componentId") or {}).get("assetId")
    return str(reference) if reference else None


def _deployment(world: World, endpoint: Resource, body: dict[str, Any]) -> dict[str, Any]:
    """A deployment as it is kept: all that it names is there."""
    properties = body["properties"]
    told = properties.get("deploymentConfiguration")
    if told is not None:
        if told.get("deploymentConfigurationType") != "PipelineComponent" or not (told.get("componentId") or {}).get("assetId"):
            raise Problem(400, "BadArgument", "A deploymentConfiguration is of the type PipelineComponent, with a componentId.")
        properties["deploymentConfiguration"] = {**told, "settings": told.get("settings") or {}}
        endpoints.check_assets(world, endpoint, [told["componentId"]["assetId"]])
    else:
        code = properties.get("codeConfiguration") or {}
        model = (properties.get("model") or {}).get("assetId")
        if not model and not code.get("codeId"):
            raise Problem(400, "BadArgument", "A deployment has a model, code, or a pipeline component.")
        endpoints.check_assets(world, endpoint, [model, code.get("codeId"), properties.get("environmentId")])
        compute = translate.compute_name(properties.get("compute"))
        if compute is None:
            raise Problem(400, "BadArgument", "A deployment of a model has a compute.")
        name = compute.removeprefix("azureml:")
        if world.resources.find(f"{endpoints.workspace_of(endpoint.id)}/computes/{name}") is None:
            raise Problem(400, "UserError", f"Unknown compute target '{name}'.")
        properties = body["properties"] = {**_GIVEN, "environmentVariables": {}, **properties}
    properties["provisioningState"] = "Succeeded"
    return {"location": world.location, **body}


def _check_unused(endpoint: Resource, deployment: Resource) -> None:
    if (default_of(endpoint.properties) or "").lower() == deployment.name.lower():
        raise Problem(400, "BadArgument", f"The deployment '{deployment.name}' is the endpoint's default. Make another one the "
                      "default first.")


_KIND: Final = endpoints.Kind(collection=COLLECTION, noun="A batch endpoint", complete=_body, check_unused=_check_unused)
ROUTES = (
    Route(Service.MANAGEMENT, "GET", _LIST, _KIND.listed, "list batch endpoints"),
    Route(Service.MANAGEMENT, "GET", _ONE, _KIND.get, "read a batch endpoint"),
    Route(Service.MANAGEMENT, "PUT", _ONE, _KIND.put, "create a batch endpoint, or change it: its default deployment, for one"),
    Route(Service.MANAGEMENT, "PATCH", _ONE, _KIND.patch, "change a batch endpoint"),
    Route(Service.MANAGEMENT, "DELETE", _ONE, _KIND.delete, "delete a batch endpoint with its deployments"),
    Route(Service.MANAGEMENT, "GET", _DEPLOYMENTS, _KIND.deployments, "list deployments of a batch endpoint"),
    Route(Service.MANAGEMENT, "GET", _DEPLOYMENT, _KIND.get_deployment, "read a deployment"),
    Route(Service.MANAGEMENT, "PUT", _DEPLOYMENT, put_deployment, "create or change a deployment"),
    Route(Service.MANAGEMENT, "PATCH", _DEPLOYMENT, patch_deployment, "change a deployment"),
    Route(Service.MANAGEMENT, "DELETE", _DEPLOYMENT, _KIND.delete_deployment, "delete a deployment that is not the default"),
)
