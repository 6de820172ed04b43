"""A batch endpoint of a stage: what there is of it, and changes that are waited for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from ...errors import InputError, did_you_mean
from ...references import parse_asset
from .endpoint import Endpoint
from .workspace import Workspace

PIPELINE: Final = "mlops_pipeline"  # tag of endpoints and deployments: the pipeline that they run
CONTENT: Final = "mlops_content"  # tag of a deployment of ours: the digest of all that it is made of
PREVIOUS: Final = "mlops_previous"  # tag of an endpoint: the deployment that the default one has replaced
DEFAULT: Final = "mlops_default_"  # begins a tag of the deployment's jobs: what an input for data takes when none is given
_MODEL: Final = re.compile(r"^/subscriptions/.+/models/([^/]+)/versions/([^/]+)$")


class BatchEndpoint(Endpoint):
    """A batch endpoint, which may not be there yet.

    Args:
        workspace: Opened by the caller.
        name: The endpoint's.
    """

    def __init__(self, workspace: Workspace, name: str) -> None:
        super().__init__(workspace, name, "batchEndpoints")

    def make(self, tags: Mapping[str, str], description: str | None) -> None:
        """Create it, with nothing to run yet."""
        self._create({"authMode": "AADToken", **({"description": description} if description else {})}, tags)

    def switch(self, deployment: str, tags: Mapping[str, str]) -> None:
        """Make a deployment the default, and say so with tags, all in one request."""
        self._change(self.read() or {}, {"defaults": {"deploymentName": deployment}}, tags,
                     f"make {deployment!r} the default of {self.name!r}")

    def delete(self) -> None:
        """Delete it with its deployments; the jobs that it made stay."""
        self._workspace.delete(self._place, doing=f"delete the endpoint {self.name!r}")

    def put(self, name: str, body: Mapping[str, Any]) -> None:
        """Create a deployment, and wait until it is whole."""
        self._workspace.put(f"{self._place}/deployments/{name}", body, doing=f"make the deployment {name!r}",
                            seconds=self._workspace.patience.upload)


def every(workspace: Workspace) -> Iterator[Mapping[str, Any]]:
    """What Azure says of each batch endpoint of a workspace."""
    return workspace.pages(f"{workspace.path}/batchEndpoints", doing="list the batch endpoints")


def called(workspace: Workspace, name: str) -> BatchEndpoint:
    """The endpoint of that name, or the one that runs the pipeline of that name.

    Raises:
        InputError: there is none, or several run the pipeline.
    """
    if workspace.find(f"batchEndpoints/{name}", doing=f"look for the endpoint {name!r}") is not None:
        return BatchEndpoint(workspace, name)
    known = {str(found["name"]): tags(found).get(PIPELINE, "") for found in every(workspace)}
    named = [endpoint for endpoint, pipeline in known.items() if pipeline == name]
    if len(named) == 1:
        return BatchEndpoint(workspace, named[0])
    stage = workspace.stage.name
    if named:
        raise InputError(f"{len(named)} endpoints of stage {stage!r} run the pipeline {name!r}",
                         fix=f"name one: {', '.join(named)}")
    words = [word for word in [*known, *known.values()] if word]
    raise InputError(f"stage {stage!r} has no batch endpoint {name!r}, and none that runs a pipeline of that name",
                     fix=did_you_mean(name, words) if words else f"mlops deploy {name} --on {stage}")


def tags(found: Mapping[str, Any] | None) -> Mapping[str, str]:
    """The tags of something that Azure told."""
    told: Mapping[str, str] = (found or {}).get("tags") or {}
    return told


def default_of(found: Mapping[str, Any] | None) -> str | None:
    """The name of the default deployment of an endpoint that Azure told."""
    told = ((found or {}).get("properties") or {}).get("defaults") or {}
    return told.get("deploymentName") or None


def defaults_of(deployment: Mapping[str, Any]) -> Mapping[str, str]:
    """What the inputs for data of a deployment take when none is given: models as ``azureml:NAME:VERSION``."""
    told = ((deployment.get("properties") or {}).get("deploymentConfiguration") or {}).get("tags") or {}
    return {key.removeprefix(DEFAULT): _MODEL.sub(r"azureml:\1:\2", value) for key, value in told.items()
            if key.startswith(DEFAULT)}


def with_ids(workspace: Workspace, defaults: Mapping[str, str], models: Collection[str]) -> dict[str, str]:
    """Tags that say the *defaults*; those that are *models* by their ids, as what a promotion finds and changes."""
    found = {}
    for name, text in defaults.items():
        asset = parse_asset(text) if name in models else None
        if asset is not None and asset.version is not None:
            text = f"{workspace.path}/models/{asset.name}/versions/{asset.version}"
        found[f"{DEFAULT}{name}"] = text
    return found


def component_of(deployment: Mapping[str, Any]) -> str | None:
    """The id of the component that a deployment runs; None when it runs a model."""
    told = (deployment.get("properties") or {}).get("deploymentConfiguration") or {}
    found = (told.get("componentId") or {}).get("assetId")
    return str(found) if found else None
