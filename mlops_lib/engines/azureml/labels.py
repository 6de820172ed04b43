"""Labels of assets, turned into versions when a job is submitted: Azure ML's SDK knows one of them, and has no champions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ...errors import InputError, MlopsError, Place, StageError, did_you_mean
from ...infra import Stage
from ...promotions import read_lineage
from ...references import parse_asset
from ...spec import MODEL_TYPES, CommandComponent, Data, Environment, InputValue, Job, PipelineJob
from ...spec.ports import NOWHERE
from ...stores.models import CHAMPION, ModelVersion, champion_of
from .registry import WorkspaceModels
from .workspace import Workspace

LATEST: Final = "latest"
_DEFAULT: Final = "default"  # of a component: Azure ML's word for the version that it takes by itself
_MODEL, _DATA, _ENVIRONMENT, _COMPONENT = "model", "data asset", "environment", "component"
_SEGMENTS: Final[Mapping[str, str]] = {_MODEL: "models", _DATA: "data", _ENVIRONMENT: "environments", _COMPONENT: "components"}


class Labelled(NamedTuple):
    """An asset that is named by a label."""

    kind: str
    name: str
    label: str


class Labels:
    """What the labels of a stage's workspace mean now.

    ``latest`` is the newest version; ``champion`` and names of stages are champions, and so of models only.

    Args:
        workspace: Where the job is to run.
        against: The stage that ``champion`` is about; None for the workspace's own.
        known: The stages that there are.
        opened: What Terraform made of a stage.
    """

    def __init__(self, workspace: Workspace, *, against: str | None = None, known: Collection[str] = (),
                 opened: Callable[[str], Stage] | None = None) -> None:
        self._workspace, self._against, self._opened = workspace, against, opened
        self._known = sorted({*known, workspace.stage.name})

    def resolved(self, job: PipelineJob) -> PipelineJob:
        """*job* with versions for labels, as far as it says them itself and not in files that it names.

        What has no latest version is left to the look at all that the stage lacks.

        Raises:
            InputError: a label means nothing; StageError: a stage has no such champion.
        """
        places: dict[Labelled, Place] = {}
        for found, place in _labelled(job):
            places.setdefault(found, place)
        versions = dict(zip(places, self._workspace.each(lambda one: self.version(one, places[one]), places), strict=True))

        def written(kind: str, text: str) -> str:
            found = labelled(kind, text)
            version = versions[found] if found is not None else None
            return text if found is None or version is None else f"azureml:{found.name}:{version}"

        jobs = job.jobs if job.component is not None else {name: _node(node, written) for name, node in job.jobs.items()}
        return dataclasses.replace(job, inputs=_inputs(job.inputs, {}, written), jobs=jobs)

    def version(self, one: Labelled, place: Place = NOWHERE) -> str | None:
        """The version that a label is; None when there is none that is the latest.

        Raises:
            InputError, StageError: as :meth:`resolved`.
        """
        kind, name, label = one
        if label == LATEST:
            found = self._workspace.find(f"{_SEGMENTS[kind]}/{name}", doing=f"look for {kind} {name!r}")
            return ((found or {}).get("properties") or {}).get("latestVersion")
        if label == _DEFAULT and kind == _COMPONENT:
            found = self._workspace.find(f"components/{name}/versions/{_DEFAULT}", doing=f"look for {kind} {name!r}")
            return str(found["name"]) if found is not None else None
        try:
            stage = (self._against or self._workspace.stage.name) if label == CHAMPION else label
            if kind != _MODEL or stage not in self._known:
                others = [CHAMPION, *self._known] if kind == _MODEL else [_DEFAULT] if kind == _COMPONENT else []
                raise InputError(f"the {kind} {name!r} is named by the label {label!r}",
                                 why=f"of a {kind} that is {', '.join([LATEST, *others[:-1]])} or {others[-1]}" if others
                                 else f"a {kind} has no label but {LATEST!r}",
                                 fix=did_you_mean(label, [LATEST, *others]) if others else f"write azureml:{name}:VERSION")
            return self._champion(name, stage).version
        except MlopsError as error:
            error.place = error.place or (None if place == NOWHERE else place)
            raise

    def _champion(self, name: str, stage: str) -> ModelVersion:
        """The champion of a stage, as a version in the workspace: jobs read models of their own workspace only."""
        ours = WorkspaceModels(self._workspace)
        if stage == ours.name:
            return _champion(ours, name)
        if self._opened is None:
            raise ValueError(stage)
        with Workspace(self._opened(stage)) as workspace:
            theirs = WorkspaceModels(workspace)
            champion = theirs.measured(_champion(theirs, name))
            came = {str(step["from"]) for step in read_lineage(theirs, champion)["promotions"]}
        for version in ours.versions(name):
            if version.digest == champion.digest or (
                    f"{ours.name}/{version}" in came and ours.measured(version).digest == champion.digest):
                return version
        raise StageError(f"the champion {champion} of {stage} is not in {ours.name}",
                         why="a job reads models of its own workspace",
                         fix=f"name a champion of {ours.name}, or promote it there first: mlops models promote {name} "
                             f"--from {stage} --to {ours.name}")


def has_champion(stage: Stage, name: str) -> bool:
    """Whether a model has a champion in a stage's workspace."""
    with Workspace(stage) as workspace:
        return champion_of(WorkspaceModels(workspace), name) is not None


def labelled(kind: str, text: object) -> Labelled | None:
    """The asset that *text* names by a label, or by nothing, which is the latest; None of any other text."""
    asset = parse_asset(text) if isinstance(text, str) else None
    if asset is None or asset.label is None or (kind == _ENVIRONMENT and asset.name.startswith("AzureML-")):
        return None  # those that Azure ML has made are not in the workspace
    return Labelled(kind, asset.name, asset.label)


def environment(text: object) -> Labelled | None:
    """As :func:`labelled`, of an environment."""
    return labelled(_ENVIRONMENT, text)


def _champion(models: WorkspaceModels, name: str) -> ModelVersion:
    found = champion_of(models, name)
    if found is None:
        raise StageError(f"the stage {models.name} has no champion of {name!r}",
                         fix=f"mlops models promote {name} --from runs --to {models.name}")
    return found


def _kind(value: Data, port: str | None) -> str:
    return _MODEL if (value.type or port) in MODEL_TYPES else _DATA


def _ports(node: Job) -> Mapping[str, Any]:
    return {name: port.type for name, port in node.component.inputs.items()} if node.component is not None else {}


def _labelled(job: PipelineJob) -> Iterator[tuple[Labelled, Place]]:
    """What a job names by labels, each with its place."""
    def of(kind: str, text: object, place: Place) -> Iterator[tuple[Labelled, Place]]:
        found = labelled(kind, text)
        if found is not None:
            yield found, place

    def data(inputs: Mapping[str, InputValue], ports: Mapping[str, Any]) -> Iterator[tuple[Labelled, Place]]:
        for name, value in inputs.items():
            if isinstance(value, Data):
                yield from of(_kind(value, ports.get(name)), value.path, value.place)

    yield from data(job.inputs, {})
    for node in job.jobs.values() if job.component is None else ():
        yield from data(node.inputs, _ports(node))
        yield from of(_COMPONENT, node.reference, node.places.get("component", node.place))
        yield from of(_ENVIRONMENT, node.environment, node.places.get("environment", node.place))
        if isinstance(node.component, CommandComponent) and not node.component.file:
            yield from of(_ENVIRONMENT, node.component.environment, node.place)


def _node(node: Job, written: Callable[[str, str], str]) -> Job:
    def environment_of(value: str | Environment | None) -> str | Environment | None:
        return written(_ENVIRONMENT, value) if isinstance(value, str) else value

    component = node.component
    if isinstance(component, CommandComponent) and not component.file:
        component = dataclasses.replace(component, environment=environment_of(component.environment))
    return dataclasses.replace(
        node, inputs=_inputs(node.inputs, _ports(node), written), component=component,
        environment=environment_of(node.environment),
        reference=written(_COMPONENT, node.reference) if node.reference is not None else None)


def _inputs(inputs: Mapping[str, InputValue], ports: Mapping[str, Any],
            written: Callable[[str, str], str]) -> dict[str, InputValue]:
    return {name: dataclasses.replace(value, path=written(_kind(value, ports.get(name)), value.path))
            if isinstance(value, Data) else value for name, value in inputs.items()}
