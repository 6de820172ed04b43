"""A workspace's MLflow at the address that Azure gives it: a job is a run there, and clients make runs of their own.

Runs that clients make are kept by the MLflow server that jobs log to; what jobs and their steps have logged is told under
their own names, as Azure ML has it.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import arm, hosts
from .ledger import logged_key, run_key
from .resources import Resource
from .router import WORKSPACE, Route, Service
from .wire import Problem, Request, Response

if TYPE_CHECKING:
    from .world import World

_BASE = f"/mlflow/{{api}}{WORKSPACE}"
_STATES = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED", "NotStarted": "SCHEDULED", "Queued": "SCHEDULED"}
_PATIENCE_S = 120  # the first request starts the server, which imports MLflow


def address(location: str, workspace: str) -> str:
    """What a workspace says is its MLflow's tracking address; only the package azureml-mlflow can read it."""
    return f"azureml://{hosts.data_plane(location)}/mlflow/v1.0{workspace}"


def get_run(world: World, request: Request) -> Response:
    """A run: a job's or a step's, or one that a client has made."""
    workspace = arm.workspace(world, request).id
    name = request.query.get("run_id") or request.query.get("run_uuid") or ""
    run = world.resources.find(run_key(workspace, name)) if name else None
    return forwarded(world, request, "api/2.0/mlflow/runs/get") if run is None else Response(body={
        "run": _shown(run, world.resources.find(logged_key(workspace, name)))})


def get_history(world: World, request: Request) -> Response:
    """All values of a metric: of a trial's what its sweep has seen, of other jobs and steps the last."""
    workspace = arm.workspace(world, request).id
    name, metric = request.query.get("run_id") or "", request.query.get("metric_key") or ""
    logged = world.resources.find(logged_key(workspace, name)) if name else None
    if logged is None:
        return forwarded(world, request, "api/2.0/mlflow/metrics/get-history")
    last = logged.body["metrics"].get(metric)
    values = (logged.body.get("curves") or {}).get(metric) or ([] if last is None else [last])
    return Response(body={"metrics": [{"key": metric, "value": value, "timestamp": 0, "step": step}
                                      for step, value in enumerate(values)]})


def _shown(run: Resource, logged: Resource | None) -> dict[str, Any]:
    """A run of a job, or of a step, in MLflow's words."""
    told: Mapping[str, Any] = logged.body if logged is not None else {"metrics": {}, "params": {}}
    body = run.body
    ended = _milliseconds(body.get("endTimeUtc"))
    tags = {"mlflow.runName": body["displayName"], "mlflow.rootRunId": body["rootRunId"],
            "mlflow.user": body["createdBy"]["userName"], **body["tags"]}
    if body["parentRunId"]:
        tags["mlflow.parentRunId"] = body["parentRunId"]
    return {
        "info": {"run_id": run.name, "run_uuid": run.name, "run_name": body["displayName"],
                 "experiment_id": body["experimentId"], "status": _STATES.get(body["status"], "RUNNING"),
                 "lifecycle_stage": "active", "artifact_uri": "",
                 "start_time": _milliseconds(body.get("startTimeUtc") or body["createdUtc"]), "end_time": ended},
        "data": {"metrics": [{"key": key, "value": value, "timestamp": ended or 0, "step": 0}
                             for key, value in told["metrics"].items()],
                 "params": _pairs(told["params"]), "tags": _pairs(tags)}}


def _pairs(told: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"key": key, "value": str(value)} for key, value in told.items()]


def _milliseconds(stamp: str | None) -> int | None:
    return int(datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() * 1000) if stamp else None


def anything(world: World, request: Request) -> Response:
    """Whatever else MLflow's own server answers."""
    return forwarded(world, request, request["rest"])


def forwarded(world: World, request: Request, path: str) -> Response:
    query = urlsplit(request.target).query
    url = f"{world.tracking(arm.workspace(world, request).id)}/{path}{'?' * bool(query)}{query}"
    asked = urllib.request.Request(url, data=request.body or None, method=request.method,  # noqa: S310 - our own server's
                                   headers={"Content-Type": request.headers.get("content-type", "application/json")})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(asked, timeout=_PATIENCE_S) as answer:
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read()
    except (OSError, http.client.HTTPException) as error:
        raise Problem(503, "ServiceUnavailable", f"MLflow does not answer: {error}") from None
    try:
        return Response(status=status, body=json.loads(content or b"{}"))
    except ValueError:
        return Response(status=status, body=content)


ROUTES = (
    Route(Service.WORKSPACE, "GET", f"{_BASE}/api/2.0/mlflow/runs/get", get_run, "the MLflow run of a job, a step or a client"),
    Route(Service.WORKSPACE, "GET", f"{_BASE}/api/2.0/mlflow/metrics/get-history", get_history,
          "what the MLflow run of a job, a step or a client has logged of a metric"),
    *(Route(Service.WORKSPACE, method, f"{_BASE}/{{rest:path}}", anything, "MLflow's own REST API")
      for method in ("GET", "POST", "PATCH", "DELETE")),
)
