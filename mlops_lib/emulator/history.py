"""The run history: how jobs and their steps are going, their logs, and where their outputs are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import arm
from .ledger import log_files, run_key
from .resources import Resource
from .router import WORKSPACE, Route, Service
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

_BASE = f"/history/v1.0{WORKSPACE}"
_RUN = f"{_BASE}/runs/{{run}}"
_OF_EXPERIMENT = f"{_BASE}/experiments/{{experiment}}/runs/{{run}}"


def _found(world: World, request: Request, name: str | None = None) -> Resource:
    run = name or request["run"]
    found = world.resources.find(run_key(arm.workspace(world, request).id, run))
    if found is None:
        raise Problem(404, "UserError", f"Run {run} was not found.")
    return found


def get(world: World, request: Request) -> Response:
    return Response(body=_found(world, request).body)


def details(world: World, request: Request) -> Response:
    """A run with the addresses of its logs."""
    run = _found(world, request)
    return Response(body={**run.body, "logFiles": log_files(world, arm.workspace(world, request).id, run.name),
                          "warnings": [], "inputDatasets": [], "outputDatasets": []})


def children(world: World, request: Request) -> Response:
    above = _found(world, request)
    runs = world.resources.all_in(f"{arm.workspace(world, request).id}/runs")
    return arm.page(world, request, [run.body for run in runs if run.body.get("parentRunId") == above.name])


def change(world: World, request: Request) -> Response:
    """Words about a run: tags, a name to show, a description; *hidden* archives it."""
    told = request.json()
    allowed = ("tags", "displayName", "description", "properties", "hidden")
    with world.resources.together():
        run = _found(world, request)
        changed = arm.merged(run.body, {key: told[key] for key in allowed if told.get(key) is not None})
        return Response(body=world.resources.put(run.id, changed).body)


def data(world: World, request: Request) -> Response:
    """A run with references to its outputs."""
    return Response(body={"runMetadata": _found(world, request, str(request.json().get("runId"))).body})


def data_addresses(world: World, request: Request) -> Response:
    return _addresses(world, request, "uri")


def model_addresses(world: World, request: Request) -> Response:
    return _addresses(world, request, "path")


def _addresses(world: World, request: Request, word: str) -> Response:
    """Where the outputs are that references stand for."""
    found: dict[str, Any] = {}
    for reference in request.json().get("values") or ():
        asset = world.resources.get(reference)
        place = arm.workspace(world, request).id.replace("/providers/Microsoft.MachineLearningServices", "")
        address = f"azureml:/{place}/{asset.body['uri'].removeprefix('azureml://')}"
        found[reference] = {word: address, "type": asset.body["type"]}
    return Response(body={"values": found})


ROUTES = (
    Route(Service.WORKSPACE, "GET", _RUN, get, "read a run"),
    Route(Service.WORKSPACE, "GET", f"{_RUN}/details", details, "a run with its logs"),
    Route(Service.WORKSPACE, "GET", f"{_RUN}/children", children, "the runs of a job's steps"),
    Route(Service.WORKSPACE, "PATCH", _OF_EXPERIMENT, change, "tag, describe, archive or restore a run"),
    Route(Service.WORKSPACE, "POST", f"{_BASE}/rundata", data, "a run with its outputs"),
    Route(Service.WORKSPACE, "POST", f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris", data_addresses,
          "where outputs are"),
    Route(Service.WORKSPACE, "POST", f"/modelregistry/v1.0{WORKSPACE}/models/batchGetResolvedUris", model_addresses,
          "where models are"),
)
