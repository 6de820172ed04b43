"""Invocations of batch endpoints: what a client asks for, as a job."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from . import arm, batch, endpoints
from .jobs import shown, submitted
from .resources import Resource
from .router import WORKSPACE, Route, Service
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

ENDPOINT: Final = "azureml.batchendpointname"
DEPLOYMENT: Final = "azureml.batchdeploymentname"
STEP: Final = "batchscoring"
OUTPUT: Final = "score"
_AUDIENCE: Final = "https://ml.azure.com"
_TYPES: Final = {"literal": "literal", "urifile": "uri_file", "urifolder": "uri_folder", "mltable": "mltable",
                 "mlflowmodel": "mlflow_model", "custommodel": "custom_model", "tritonmodel": "triton_model"}
_ONCE: Final = ("repeatability_request-id", "repeatability-request-id")  # as the SDK spells it, and as OData does
_FLAGS: Final = {"true": True, "false": False}
_LITERALS: Final = ("string", "number", "integer", "boolean")


def invoke(world: World, request: Request) -> Response:
    """Make a job of what is asked for. The same request again, as after an answer that got lost, is the job that is there."""
    endpoint = endpoints.by_host(world, request)
    if endpoints.kind(endpoint) != batch.COLLECTION:
        raise Problem(404, "NotFound", f"'{endpoint.name}' is an online endpoint: it answers at /score.")
    world.tokens.check(_bearer(request), _AUDIENCE)
    deployment = _routed(world, request, endpoint)
    told = request.json().get("properties")
    if not isinstance(told, dict):
        raise Problem(400, "BadArgument", "An invocation has properties.")
    workspace = endpoints.workspace_of(endpoint.id)
    once = next((request.headers[name] for name in _ONCE if request.headers.get(name)), str(uuid.uuid4()))
    known = f"{endpoint.id}/requests/{once}"
    with world.resources.together():
        before = world.resources.find(known)
        if before is not None:
            return Response(status=201, body=_answer(world, endpoint, world.resources.get(before.body["job"])))
        name = str(told.get("name") or f"batchjob-{uuid.uuid4()}")
        if not arm.is_name(name):
            raise Problem(400, "UserError", f"'{name}' is no name for a job.")
        if world.resources.find(f"{workspace}/jobs/{name}") is not None:
            raise Problem(409, "UserError", f"A job with the name {name} exists already.")
        reference = batch.component_of(deployment)
        if reference is not None:
            properties = _of_component(world, told, deployment, reference)
        else:
            properties = _of_model(told, deployment)
            settings = {"deployment": deployment.properties, "own": _own(told)}
            world.resources.put(endpoints.scoring_key(f"{workspace}/jobs/{name}"), settings)
        properties["properties"] = {**properties["properties"], ENDPOINT: endpoint.name, DEPLOYMENT: deployment.name}
        made = submitted(world, workspace, name, properties)
        world.resources.put(known, {"job": made.id})
    return Response(status=201, body=_answer(world, endpoint, made))


def _bearer(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Problem(401, "AuthorizationFailed", "The header 'Authorization: Bearer …' is missing.")
    return token


def _routed(world: World, request: Request, endpoint: Resource) -> Resource:
    name = request.headers.get("azureml-model-deployment") or batch.default_of(endpoint.properties)
    if name is None:
        raise Problem(400, "BadArgument", f"The endpoint '{endpoint.name}' has no default deployment, and none is named.")
    found = world.resources.find(f"{endpoint.id}/deployments/{name}")
    if found is None:
        raise Problem(404, "NotFound", f"The endpoint '{endpoint.name}' has no deployment '{name}'.")
    return found


# --- jobs ------------------------------------------------------------------------------------------------------------


def _common(told: Mapping[str, Any], deployment: Resource) -> dict[str, Any]:
    own = {name: str(value) for name, value in (told.get("properties") or {}).items() if name != "experimentName"}
    experiment = (told.get("properties") or {}).get("experimentName") or deployment.id.split("/")[10]
    return {"jobType": "Pipeline", "experimentName": experiment, "displayName": f"{deployment.name} of {experiment}",
            "description": deployment.properties.get("description"), "tags": {
                **(deployment.body.get("tags") or {}),
                **((deployment.properties.get("deploymentConfiguration") or {}).get("tags") or {})},
            "properties": own}


def _of_component(world: World, told: Mapping[str, Any], deployment: Resource, reference: str) -> dict[str, Any]:
    """The job of a pipeline component's deployment: of the component, with values for its inputs."""
    spec = world.resources.get(reference.removeprefix("azureml:")).properties["componentSpec"]
    ports, given = spec.get("inputs") or {}, _inputs(told)
    for name in given:
        if name not in ports:
            raise Problem(400, "BadArgument", f"The pipeline has no input '{name}'; it has: {', '.join(ports) or 'none'}.")
    lacking = [name for name, port in ports.items()
               if name not in given and port.get("default") is None and not port.get("optional")]
    if lacking:
        raise Problem(400, "BadArgument", f"The input '{lacking[0]}' of the pipeline has no value.")
    places = told.get("outputData") or {}
    for name in places:
        if name not in (spec.get("outputs") or {}):
            raise Problem(400, "BadArgument", f"The pipeline has no output '{name}'.")
    settings = {key.rpartition(".")[2]: _FLAGS.get(str(value).lower(), value)
                for key, value in deployment.properties["deploymentConfiguration"]["settings"].items() if value is not None}
    outputs = {name: _output(port.get("type"), (places.get(name) or {}).get("uri"))
               for name, port in (spec.get("outputs") or {}).items()}
    return {**_common(told, deployment), "componentId": reference, "settings": settings, "inputs": given, "outputs": outputs,
            "jobs": {}}


def _of_model(told: Mapping[str, Any], deployment: Resource) -> dict[str, Any]:
    """The job of a model's deployment: one step, which scores the files of one input."""
    given = {name: value for name, value in _inputs(told).items() if value["jobInputType"] not in ("literal",)}
    if len(given) != 1:
        raise Problem(400, "BadArgument", f"A deployment of a model takes one input of data, not {len(given)}.")
    [name] = given
    node = {"name": STEP, "type": "parallel", "componentId": f"{endpoints.workspace_of(deployment.id)}/components/"
            f"azureml_anonymous/versions/{uuid.uuid5(uuid.NAMESPACE_URL, deployment.id + deployment.etag)}",
            "inputs": {name: {"job_input_type": "literal", "value": f"${{{{parent.inputs.{name}}}}}"}},
            "outputs": {OUTPUT: {"value": f"${{{{parent.outputs.{OUTPUT}}}}}", "type": "literal"}}}
    uri = _destination(told)[0]
    return {**_common(told, deployment), "settings": {"default_compute": deployment.properties["compute"]}, "inputs": given,
            "outputs": {OUTPUT: _output("uri_folder", uri)}, "jobs": {STEP: node}}


def _own(told: Mapping[str, Any]) -> dict[str, Any]:
    """What an invocation of a model says otherwise than the deployment."""
    names = ("miniBatchSize", "errorThreshold", "retrySettings", "outputFileName")
    named = _destination(told)[1]
    return {**{name: told[name] for name in names if told.get(name) is not None},
            **({"outputFileName": named} if named else {})}


def _destination(told: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The folder that predictions go to, and the name of their file, where these are said."""
    places = [place["uri"] for place in (told.get("outputData") or {}).values() if isinstance(place, dict) and place.get("uri")]
    kinds = [str(place.get("jobOutputType", "")).lower() for place in (told.get("outputData") or {}).values()]
    if places and kinds[0] == "urifile":
        folder, _, name = places[0].rstrip("/").rpartition("/")
        return f"{folder}/", name
    if places:
        return places[0], None
    dataset = told.get("outputDataset") or {}
    if dataset.get("datastoreId"):
        datastore = str(dataset["datastoreId"]).rpartition("/")[2].removeprefix("azureml:")
        return f"azureml://datastores/{datastore}/paths/{str(dataset.get('path') or '').strip('/')}/", None
    return None, None


def _inputs(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The inputs of an invocation as a job's."""
    found = {}
    for name, value in (told.get("inputData") or {}).items():
        kind = _TYPES.get(str(value.get("jobInputType", "")).replace("_", "").lower()) if isinstance(value, dict) else None
        if kind is None or value.get("value" if kind == "literal" else "uri") is None:
            raise Problem(400, "BadArgument", f"The input '{name}' has a jobInputType with a uri, or Literal with a value.")
        found[name] = {"jobInputType": kind, "value": str(value["value"])} if kind == "literal" else {
            "jobInputType": kind, "uri": value["uri"], "mode": value.get("mode") or "ReadOnlyMount"}
    return found


def _output(kind: Any, uri: str | None) -> dict[str, Any]:
    return {"jobOutputType": str(kind or "uri_folder"), "mode": "ReadWriteMount", **({"uri": uri} if uri else {})}


# --- answers ---------------------------------------------------------------------------------------------------------


def _answer(world: World, endpoint: Resource, job: Resource) -> dict[str, Any]:
    """A job as an endpoint answers it."""
    told = shown(world, job)
    kind = "Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs"
    return {**told, "id": f"{endpoint.id}/jobs/{job.name}", "type": kind}


def jobs_of_endpoint(world: World, request: Request) -> Response:
    return _listed(world, request, None)


def jobs_of_deployment(world: World, request: Request) -> Response:
    return _listed(world, request, endpoints.found_deployment(world, request, batch.COLLECTION).name)


def _listed(world: World, request: Request, deployment: str | None) -> Response:
    """The jobs that an endpoint has made, the latest first."""
    endpoint = endpoints.found(world, request, batch.COLLECTION)
    workspace = endpoints.workspace_of(endpoint.id)
    found = []
    for job in reversed(world.resources.all_in(f"{workspace}/jobs")):
        told = job.properties.get("properties") or {}
        if told.get(ENDPOINT) == endpoint.name and job.created >= endpoint.created and deployment in (
                None, told.get(DEPLOYMENT)):
            found.append(_answer(world, endpoint, job))
    return arm.page(world, request, found)


_JOBS = f"/mferp/managementfrontend{WORKSPACE}/{batch.COLLECTION}/{{endpoint}}"
ROUTES = (
    Route(Service.ENDPOINT, "POST", "/jobs", invoke, "have a batch deployment make a job", open=True),
    Route(Service.WORKSPACE, "GET", f"{_JOBS}/jobs", jobs_of_endpoint, "the jobs that a batch endpoint has made"),
    Route(Service.WORKSPACE, "GET", f"{_JOBS}/deployments/{{name}}/jobs", jobs_of_deployment, "those of one deployment"),
)
