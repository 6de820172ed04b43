"""What in a workspace names one version of a model and is told another: schedules and batch deployments."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from ...errors import InputError, MlopsError
from ...spec import MODEL_TYPES
from ...stores.models import ModelVersion, Repointed
from .workspace import Workspace

_KINDS: Final = ("job_input_type", "jobInputType", "type")
_READ_ONLY: Final = ("id", "name", "type", "systemData", "etag")
_SECONDS: Final = 900.0  # Azure ML sees to the model of a deployment


def repoint(workspace: Workspace, olds: Collection[str], new: ModelVersion) -> Iterator[Repointed]:
    """Let what names one of the versions *olds* of a model name *new*, and tell of each thing how that went."""
    written = _Written(workspace.path, new, frozenset(olds) - {new.version})
    if not written.olds:
        return
    yield from _told("the schedules", lambda: _schedules(workspace, written))
    yield from _told("the batch deployments", lambda: _deployments(workspace, written))


class _Written:
    """Documents with another version of a model.

    Azure ML's clients write a version as ``azureml:NAME:VERSION``, as the id of the resource, or as an ``azureml://`` address.
    The short form is one of data as well: it is a model's beside a type of models.
    """

    def __init__(self, workspace: str, new: ModelVersion, olds: frozenset[str]) -> None:
        self.olds, self.new = olds, new
        versions = "|".join(re.escape(old) for old in sorted(olds))
        name = re.escape(new.name)
        home = (r"(?:azureml:)?/*subscriptions/[^/]+/resourceGroups/[^/]+/(?:providers/Microsoft\.MachineLearningServices/)?"
                rf"workspaces/{re.escape(workspace.rpartition('/')[2])}")
        self._long = re.compile(rf"(?i:{home}"
                                rf"|azureml://locations/[^/]+/workspaces/[^/]+)(?i:/models/){name}(?i:/versions/)(?:{versions})/?")
        self._short = re.compile(rf"azureml:{name}:(?:{versions})")

    def anew(self, value: Any, *, is_model: bool = False) -> Any:
        """*value*, of JSON, with the new version in the place of the old ones."""
        if isinstance(value, Mapping):
            kind = next((str(value[key]).lower() for key in _KINDS if isinstance(value.get(key), str)), "")
            inner = kind in MODEL_TYPES
            return {key: self.anew(one, is_model=inner and key in ("uri", "path")) for key, one in value.items()}
        if isinstance(value, list):
            return [self.anew(one) for one in value]
        if isinstance(value, str) and (self._long.fullmatch(value) or (is_model and self._short.fullmatch(value))):
            return re.sub(r"([:/])[^:/]+(/?)$", lambda match: f"{match[1]}{self.new.version}{match[2]}", value)
        return value


def _told(what: str, work: Callable[[], Iterator[Repointed]]) -> Iterator[Repointed]:
    """What *work* tells; that it could not even look, when it could not."""
    try:
        yield from work()
    except MlopsError as error:
        yield Repointed(what=what, problem=error)


def _schedules(workspace: Workspace, written: _Written) -> Iterator[Repointed]:
    for told in list(workspace.pages(f"{workspace.path}/schedules?listViewType=All", doing="list the schedules")):
        properties = told["properties"]
        fresh = {**properties, "action": written.anew(properties.get("action"))}
        if fresh != properties:
            yield _put(workspace, f"schedules/{told['name']}", f"the schedule {told['name']!r}", told, fresh)


def _deployments(workspace: Workspace, written: _Written) -> Iterator[Repointed]:
    every = list(workspace.pages(f"{workspace.path}/batchEndpoints", doing="list the batch endpoints"))
    for name in [str(told["name"]) for told in every]:
        path = f"batchEndpoints/{name}/deployments"
        for told in list(workspace.pages(f"{workspace.path}/{path}", doing=f"list the deployments of {name!r}", may_lack=True)):
            what = f"the batch deployment {told['name']!r} of {name!r}"
            properties = told["properties"]
            fresh = written.anew(properties)
            if fresh != properties:
                yield _put(workspace, f"{path}/{told['name']}", what, told, fresh)
            elif _component_names(workspace, properties, written):
                yield Repointed(what=what, problem=InputError(
                    "its pipeline component names the old version itself", why="a component's version never changes",
                    fix=f"deploy the pipeline again: mlops deploy PIPELINE --on {workspace.stage.name}"))


def _component_names(workspace: Workspace, properties: Mapping[str, Any], written: _Written) -> bool:
    """Whether the pipeline component of a deployment has an old version inside."""
    told = (properties.get("deploymentConfiguration") or {}).get("componentId") or {}
    reference = str(told.get("assetId") or "").removeprefix("azureml:")
    if not reference.startswith(f"{workspace.path}/"):
        return False
    found = workspace.find(reference.removeprefix(f"{workspace.path}/"), doing="read the component of a deployment")
    spec = ((found or {}).get("properties") or {}).get("componentSpec")
    return bool(written.anew(spec) != spec)


def _put(workspace: Workspace, path: str, what: str, told: Mapping[str, Any], properties: Mapping[str, Any]) -> Repointed:
    kept = {key: value for key, value in told.items() if key not in _READ_ONLY}
    body = {**kept, "properties": {key: value for key, value in properties.items() if key != "provisioningState"}}
    try:
        workspace.put(path, body, doing=f"update {what}", seconds=_SECONDS)
    except MlopsError as error:
        return Repointed(what=what, problem=error)
    return Repointed(what=what)
