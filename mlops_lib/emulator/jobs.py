"""Jobs: what was asked for, as rows; how they are going is in the run of the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import arm, mlflow
from .ledger import ARTIFACTS, CANCELING, TERMINAL, new_run, run_key
from .resources import Resource
from .router import WORKSPACE, Route, Service
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

_LIST = f"{WORKSPACE}/jobs"
_ONE = f"{_LIST}/{{name}}"
_KINDS = {"Pipeline": "azureml.PipelineRun", "Command": "azureml.scriptrun", "Sweep": "hyperdrive"}
_MUTABLE = ("displayName", "description", "tags", "properties", "isArchived", "status", "services")


def shown(world: World, job: Resource) -> dict[str, Any]:
    """A job with the state of its run."""
    workspace = job.id.rpartition("/jobs/")[0]
    run = world.resources.get(run_key(workspace, job.name)).body
    place = workspace.replace("/providers/Microsoft.MachineLearningServices", "")
    studio = f"https://ml.azure.com/runs/{job.name}?wsid={place}&tid={world.setup.tenant}"
    properties = {
        **job.properties, "status": run["status"], "displayName": run["displayName"], "tags": run["tags"],
        "description": run.get("description") or job.properties.get("description"), "isArchived": run["hidden"],
        "properties": {**(job.properties.get("properties") or {}), **run["properties"]},
        "services": {"Studio": {"jobServiceType": "Studio", "endpoint": studio},
                     "Tracking": {"jobServiceType": "Tracking", "endpoint": mlflow.address(world.location, workspace)}}}
    if world.setup.storage_keys and properties.get("jobType") != "Pipeline":
        # Whoever is told of it signs the addresses of logs itself, which takes the account's key.
        properties["outputs"] = {**(properties.get("outputs") or {}), "default": {
            "jobOutputType": "uri_folder", "mode": "ReadWriteMount",
            "uri": f"azureml://datastores/{ARTIFACTS}/ExperimentRun/dcid.{job.name}"}}
    return {**arm.shown(job), "properties": properties}


def listed(world: World, request: Request) -> Response:
    every = reversed(world.resources.all_in(arm.identifier(world, request, "jobs")))
    view = request.query.get("listViewType", "ActiveOnly").lower()
    jobs = [shown(world, job) for job in every]
    if view in ("activeonly", "archivedonly"):
        jobs = [job for job in jobs if job["properties"]["isArchived"] == (view == "archivedonly")]
    if kind := request.query.get("jobType"):
        jobs = [job for job in jobs if job["properties"].get("jobType", "").lower() == kind.lower()]
    if tag := request.query.get("tag"):
        name, _, value = tag.partition("=")
        jobs = [job for job in jobs if name in job["properties"]["tags"]
                and (not value or job["properties"]["tags"][name] == value)]
    return arm.page(world, request, jobs)


def get(world: World, request: Request) -> Response:
    """A job; of a step's run its name and nothing else, so that clients ask the run history."""
    key = arm.identifier(world, request, "jobs", "name")
    job = world.resources.find(key)
    if job is not None:
        return Response(body=shown(world, job), headers={"ETag": job.etag})
    run = world.resources.find(run_key(arm.workspace(world, request).id, request["name"]))
    if run is None:
        raise _absent(request["name"])
    return Response(body={"id": key, "name": request["name"], "properties": None,
                          "type": "Microsoft.MachineLearningServices/workspaces/jobs"})


def put(world: World, request: Request) -> Response:
    """Submit a job. The same again, as after an answer that got lost, is the job that is there."""
    name, workspace = request["name"], arm.workspace(world, request).id
    if not arm.is_name(name):
        raise Problem(400, "UserError", f"'{name}' is no name for a job.")
    properties = request.json().get("properties")
    if not isinstance(properties, dict) or not isinstance(properties.get("jobType"), str):
        raise Problem(400, "UserError", "A job has properties with a jobType.")
    key = f"{workspace}/jobs/{name}"
    _check_compute(world, workspace, properties)
    with world.resources.together():
        existing = world.resources.find(key)
        arm.check_conditions(request, existing)
        if existing is not None:
            if _content(existing.properties) != _content(properties):
                raise Problem(409, "UserError", f"A job with the name {name} exists already, and it is another one.")
            return Response(body=shown(world, existing), headers={"ETag": existing.etag})
        made = submitted(world, workspace, name, properties)
    return Response(status=201, body=shown(world, made), headers={"ETag": made.etag})


def submitted(world: World, workspace: str, name: str, properties: Mapping[str, Any]) -> Resource:
    """A new job, which runs when its turn comes."""
    with world.resources.together():
        run = new_run(name, root=name, parent=None, experiment=properties.get("experimentName") or "Default",
                      shown=properties.get("displayName") or name, kind=_KINDS.get(properties["jobType"], "azureml.run"))
        world.resources.put(run_key(workspace, name), {**run, "status": "Queued", "tags": properties.get("tags") or {},
                                                       "description": properties.get("description")})
        made = world.resources.put(f"{workspace}/jobs/{name}", {"properties": properties})
    world.runner.submit(workspace, name)
    return made


def _content(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if key not in _MUTABLE and value is not None}


def _check_compute(world: World, workspace: str, properties: Mapping[str, Any]) -> None:
    """Whether the computes that a job names are there."""
    settings = properties.get("settings") or {}
    named = [properties.get("computeId"), settings.get("default_compute")]
    named += [node.get("computeId") for node in (properties.get("jobs") or {}).values() if isinstance(node, dict)]
    for compute in named:
        if compute and world.resources.find(f"{workspace}/computes/{str(compute).rpartition('/')[2]}") is None:
            raise Problem(400, "UserError", f"Unknown compute target '{str(compute).rpartition('/')[2]}'.")


def cancel(world: World, request: Request) -> Response:
    """End a job; it is canceled once its steps have ended."""
    job = _found(world, request)
    workspace = job.id.rpartition("/jobs/")[0]
    key = run_key(workspace, job.name)
    with world.resources.together():
        run = world.resources.get(key)
        if run.body["status"] in TERMINAL:
            return Response(status=200)
        world.resources.put(key, {**run.body, "status": CANCELING})
    world.runner.cancel(workspace, job.name)
    return arm.begun(world, request, Response(status=202))


def delete(world: World, request: Request) -> Response:
    job = _found(world, request)
    workspace = job.id.rpartition("/jobs/")[0]
    if world.resources.get(run_key(workspace, job.name)).body["status"] not in TERMINAL:
        raise Problem(409, "Conflict", f"The job {job.name} has not ended; cancel it first.")
    with world.resources.together():
        for run in world.resources.all_in(f"{workspace}/runs"):
            if run.body.get("rootRunId") == job.name:
                world.resources.delete(run.id)
        world.resources.delete(job.id)
    return Response(status=200)


def _found(world: World, request: Request) -> Resource:
    found = world.resources.find(arm.identifier(world, request, "jobs", "name"))
    if found is None:
        raise _absent(request["name"])
    return found


def _absent(name: str) -> Problem:
    return Problem(404, "UserError", f"Job {name} was not found.")


ROUTES = (
    Route(Service.MANAGEMENT, "GET", _LIST, listed, "list jobs"),
    Route(Service.MANAGEMENT, "GET", _ONE, get, "read a job"),
    Route(Service.MANAGEMENT, "PUT", _ONE, put, "submit a pipeline, command or sweep job"),
    Route(Service.MANAGEMENT, "POST", f"{_ONE}/cancel", cancel, "cancel a job"),
    Route(Service.MANAGEMENT, "DELETE", _ONE, delete, "delete a job that has ended"),
)
