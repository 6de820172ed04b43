"""Brings a deployment of an online endpoint to where it serves, or says why it does not."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import MlopsError
from . import arm, endpoints
from .materials import Materials
from .serving import NotServing, Program
from .translate import seconds

if TYPE_CHECKING:
    from .resources import Resource
    from .world import World

_LOG = logging.getLogger("mlops_lib.emulator")
_GUIDE: Final = "https://aka.ms/oe-tsg"
_LAST: Final = 10  # lines of a log that an error repeats
# Of the process that the emulator is what a deployment is not to have: who it is, and how it reaches what.
_TELEMETRY: Final = "APPLICATIONINSIGHTS_CONNECTION_STRING"
_FOREIGN: Final = ("AZURE_", "AZUREML_", "MSI_", "IDENTITY_", "MLFLOW_TRACKING", "MLFLOW_RUN", "MLFLOW_EXPERIMENT", "MLOPS_")


def begin(world: World, key: str) -> None:
    """Start a deployment in the background; its state says how that ends."""
    world.servers.later(lambda: _provision(world, key))


def resume(world: World) -> None:
    """Go on with those that were being started when the emulator was stopped."""
    for found in world.resources.below(""):
        if "/onlineendpoints/" in found.id.lower() and found.properties.get("provisioningState") in endpoints.AT_WORK:
            begin(world, found.id)


def _provision(world: World, key: str) -> None:
    deployment = world.resources.find(key)
    if deployment is None:
        return
    error: Mapping[str, Any] | None = None
    try:
        world.servers.replace(key, program_of(world, deployment))
    except NotServing as problem:
        last = "\n".join(log_of(world, key).splitlines()[-_LAST:])
        error = {"code": "ResourceNotReady", "message": f"User container has crashed or terminated: {problem}. Please see "
                 f"troubleshooting guide, available here: {_GUIDE}#error-resourcenotready\n{last}"}
    except (MlopsError, OSError, ValueError) as problem:
        error = {"code": "BadArgument", "message": str(problem)}
    except Exception as problem:
        _LOG.exception("deployment %s", key)
        error = {"code": "InternalServerError", "message": f"the local Azure ML has a bug: {problem!r}"}
    if world.servers.closing.is_set():
        return  # it goes on at the next start
    with world.resources.together():
        found = world.resources.find(key)
        if found is not None:
            if error:
                world.resources.put(arm.problem_key(key), error)
            state = "Failed" if error else "Succeeded"
            world.resources.put(key, arm.merged(found.body, {"properties": {"provisioningState": state}}))
    if found is None:  # it was deleted meanwhile
        world.servers.drop(key)


def program_of(world: World, deployment: Resource) -> Program:
    """What a deployment runs, with its files on this machine.

    Raises:
        MlopsError: something that it names is not there, or it is of a kind that does not run here.
    """
    told = deployment.properties
    materials = Materials(world, endpoints.workspace_of(deployment.id))
    code = told.get("codeConfiguration") or {}
    model = materials.model(told["model"]) if told.get("model") else None
    script = materials.code(code["codeId"]) / code["scoringScript"] if code.get("codeId") else None
    if script is not None and not script.is_file():
        raise MlopsError(f"the code has no scoring script {code['scoringScript']}")
    mlflow = next((file.parent for file in sorted(model.rglob("MLmodel"))), None) if model else None
    if script is None and mlflow is None:
        raise MlopsError("the deployment has neither a scoring script nor a model of MLflow's",
                         why="a server of its own, in its image, does not run on this machine")
    probe = told.get("readinessProbe") or {}
    start_s = (seconds(probe.get("initialDelay")) or 10) + (seconds(probe.get("period")) or 10) * (
        probe.get("failureThreshold") or 30)
    return Program(script=script, mlflow=None if script else mlflow, log=log_file(world, deployment.id), start_s=float(start_s),
                   at_once=at_once(deployment), variables=_variables(deployment, model, script))


def _variables(deployment: Resource, model: Path | None, script: Path | None) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items()
           if not name.startswith(_FOREIGN) and not name.upper().endswith("_PROXY")}
    known = {
        "PYTHONDONTWRITEBYTECODE": "1",  # the code's files are shared with jobs, whose cache looks at all of them
        "AML_APP_ROOT": str(script.parent) if script else "", "AZUREML_ENTRY_SCRIPT": script.name if script else "",
        "AZUREML_MODEL_DIR": str(model) if model else "", "SERVICE_NAME": deployment.id.split("/")[10],
    }
    given = {name: str(value) for name, value in (deployment.properties.get("environmentVariables") or {}).items()}
    variables = {**own, **{name: value for name, value in known.items() if value}, **given}
    variables.pop(_TELEMETRY, None)  # what a deployment here would tell is for nobody elsewhere
    return variables


def at_once(deployment: Resource) -> int:
    """How many requests a deployment works on at once: of all of its instances, which are one process here."""
    settings = deployment.properties.get("requestSettings") or {}
    instances = (deployment.body.get("sku") or {}).get("capacity") or 1
    return int(settings.get("maxConcurrentRequestsPerInstance") or 1) * max(1, int(instances))


def log_file(world: World, key: str) -> Path:
    """The file of a deployment's log."""
    parts = key.lower().split("/")
    return world.home / "workspaces" / parts[8] / "deployments" / parts[10] / f"{parts[12]}.log"


def log_of(world: World, key: str) -> str:
    """What a deployment has printed since it was started."""
    file = log_file(world, key)
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
