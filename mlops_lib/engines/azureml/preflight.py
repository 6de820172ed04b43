"""What a stage must have before the first byte goes there: found out at once, in parallel, and told together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from ...catalogue import Catalogue
from ...errors import InputError, MlopsError, Place, StageError, did_you_mean, duration, listing, nearest
from ...graph import External, Given, Graph
from ...infra import Stage
from ...references import DatastorePath, parse_asset, parse_reference
from ...spec import MODEL_TYPES, Environment, PipelineComponent, PipelineJob
from ...spec.ports import NOWHERE
from ...stores.mapped import version_order
from . import sdk
from .blobs import Blobs
from .reaching import unreached
from .workspace import VERSION, Workspace

_BUILT_IN: Final = ("serverless", "local")
_DATASTORES: Final = ("workspaceblobstore", "workspaceartifactstore", "workspaceworkingdirectory", "workspacefilestore")


@dataclass(frozen=True, slots=True)
class Named:
    """Something in the workspace that the pipeline names.

    Attributes:
        kind: ``compute``, ``datastore``, ``data asset``, ``model``, ``environment`` or ``component``.
        version: None for the latest, and for what has no versions.
        place: Where it is named.
        jobs: The jobs that want it.
    """

    kind: str
    name: str
    version: str | None = None
    place: Place = NOWHERE
    jobs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}{f' version {self.version}' if self.version else ''}{_at(self.place)}{self.wanted}"

    @property
    def wanted(self) -> str:
        """Who wants it, in words that follow its name."""
        return f" for {'job' if len(self.jobs) == 1 else 'jobs'} {listing(map(repr, self.jobs), 4)}" if self.jobs else ""


def _at(place: Place) -> str:
    return "" if place == NOWHERE else f" ({place})"


_SEGMENTS: Final[Mapping[str, str]] = {"compute": "computes", "datastore": "datastores", "data asset": "data",
                                       "model": "models", "environment": "environments", "component": "components"}
_REGISTERED: Final = ("data asset", "model", "environment", "component")


def named(job: PipelineJob, graph: Graph) -> tuple[Named, ...]:
    """What a pipeline names in its workspace, each once.

    Args:
        job: The pipeline, with versions for the labels that there are.
        graph: Its steps.
    """
    found: dict[tuple[str, str, str | None], Named] = {}
    for one in (*_components(job), *_named(graph, job.places.get("settings", job.places.get("compute", NOWHERE)))):
        key = one.kind, one.name, one.version
        known = found.setdefault(key, one)
        found[key] = replace(known, jobs=tuple(dict.fromkeys((*known.jobs, *one.jobs))))
    return tuple(found.values())


def _components(pipeline: PipelineJob | PipelineComponent) -> Iterator[Named]:
    whole = parse_asset(pipeline.component) if isinstance(pipeline, PipelineJob) and pipeline.component is not None else None
    if whole is not None:
        yield Named("component", whole.name, whole.version, pipeline.place)
    for node in pipeline.jobs.values():
        asset = parse_asset(node.reference) if node.reference is not None else None
        if asset is not None:
            yield Named("component", asset.name, asset.version, node.places.get("component", node.place), (node.name,))
        elif isinstance(node.component, PipelineComponent):
            yield from _components(node.component)


def _named(graph: Graph, defaults: Place) -> Iterator[Named]:
    if graph.default_datastore:
        yield Named("datastore", graph.default_datastore.removeprefix("azureml:"), None, defaults)
    for name, step in graph.steps.items():
        compute = (step.compute or "").removeprefix("azureml:")
        if compute and compute not in _BUILT_IN and "/" not in compute and "${{" not in compute:
            yield Named("compute", compute, None, step.job.places.get("compute", defaults), (name,))
        asset = parse_asset(step.environment) if isinstance(step.environment, str) else None
        if asset is not None and not asset.name.startswith("AzureML-"):
            place = step.job.places.get("environment") or step.component.places.get("environment", NOWHERE)
            yield Named("environment", asset.name, asset.version, place, (name,))
        for given in step.inputs.values():
            if isinstance(given, External):
                yield from _of_data(given, name)


def _of_data(given: External, job: str) -> Iterator[Named]:
    reference = _in_datastore(given.path)
    if reference is not None:
        yield Named("datastore", reference.datastore, None, given.place, (job,))
    elif (asset := parse_asset(given.path)) is not None:
        kind = "model" if given.type in MODEL_TYPES else "data asset"
        if asset.label not in (None, "latest"):
            raise InputError(f"{given.path!r} names the {kind} by the label {asset.label!r}", place=given.place,
                             why="labels become versions in the pipeline itself, and not in the files that it names",
                             fix=f"make it an input of the pipeline, or write azureml:{asset.name}:VERSION")
        yield Named(kind, asset.name, asset.version, given.place, (job,))


class _Look(NamedTuple):
    """What came of looking for something: what lacks, in words; or the file of an environment that is to be registered.

    *see* is the command that shows what there is of its kind.
    """

    lack: str = ""
    see: str = ""
    unregistered: Path | None = None


def check(workspace: Workspace, job: PipelineJob, graph: Graph, catalogue: Catalogue,
          say: Callable[[str], None] = lambda text: None, *, now: bool = False) -> None:
    """See that the workspace is there and ready, has what a pipeline names, and that its storage answers.

    An environment that the project has and the workspace lacks is registered once nothing else lacks: a run on this machine
    took it too.

    Args:
        workspace: Where it is to run.
        job: The pipeline.
        graph: Its steps.
        catalogue: The files that it was read from.
        say: Told, in another thread, what is being waited for.
        now: It is to run at once, so that the data that it reads is there by now.

    Raises:
        StageError: with everything that is missing.
    """
    _ = workspace.about  # is it there at all?
    graph = _shortened(graph, workspace.path)
    tasks: list[Callable[[], _Look]] = [lambda: _Look(_storage(workspace, say))]
    tasks += [lambda one=one: _look(workspace, one, catalogue) for one in named(job, graph)]  # type: ignore[misc]
    if now:
        tasks += [lambda one=one: _Look(_nothing_at(workspace, one)) for one in _read(graph)]  # type: ignore[misc]
    lacks = [*(_Look(lack) for lack in _without_compute(workspace.stage, graph)),
             *_judged(workspace, workspace.each(lambda task: task(), tasks))]
    if lacks:
        stage = workspace.stage.name
        many = "" if len(lacks) == 1 else f" {len(lacks)} things"
        see = dict.fromkeys(look.see or f"mlops stage show {stage}" for look in lacks)
        raise StageError(f"stage {stage!r} lacks{many or ' something'} that the pipeline needs",
                         why="\n       ".join(look.lack for look in lacks), fix=f"see: {'; '.join(see)}")


def lacking(workspace: Workspace, things: Sequence[Named], catalogue: Catalogue) -> list[str]:
    """What of *things* a workspace lacks, in words; when nothing, environments of the project's are registered there."""
    return [look.lack for look in _judged(workspace, workspace.each(lambda one: _look(workspace, one, catalogue), things))]


def _judged(workspace: Workspace, looks: Sequence[_Look]) -> list[_Look]:
    lacks = [look for look in looks if look.lack]
    if not lacks:
        workspace.each(lambda path: _register(workspace, path), [look.unregistered for look in looks if look.unregistered])
    return lacks


def _look(workspace: Workspace, one: Named, catalogue: Catalogue) -> _Look:
    segment = f"{_SEGMENTS[one.kind]}/{one.name}" + (f"/versions/{one.version}" if one.version else "")
    found = workspace.find(segment, doing=f"look for {one.kind} {one.name!r}{one.wanted}")
    see = f"mlops {_SEGMENTS[one.kind]} list --on {workspace.stage.name}" if one.kind in _REGISTERED else ""
    if found is not None:
        return _Look(_unfit(one, found.get("properties") or {}), see)
    path = _of_project(one, catalogue) if one.kind == "environment" else None
    return _Look(unregistered=path) if path is not None else _Look(f"no {one}{_hint(workspace, one, catalogue)}", see)


def _unfit(one: Named, properties: Mapping[str, Any]) -> str:
    """Why something that exists is of no use."""
    state = str(properties.get("provisioningState") or "Succeeded")
    if one.kind == "compute" and state in ("Failed", "Deleting", "Canceled"):
        return f"{one} is {state.lower()}"
    if one.kind in ("data asset", "model", "component") and one.version is None and properties.get("latestVersion", "") is None:
        return f"{one} has no version"
    return ""


def _hint(workspace: Workspace, one: Named, catalogue: Catalogue) -> str:
    stage = workspace.stage
    if one.kind == "compute" and one.name in stage.computes and stage.computes[one.name].kind == "kubernetes":
        return f"; it is to be attached: mlops stage configure {stage.name}"
    names = {"compute": stage.computes, "datastore": stage.datastores}.get(one.kind)
    if names is not None:
        return f"; Terraform made {listing(sorted(names))}: {did_you_mean(one.name, [*names, *_DATASTORES])}" if names else \
            "; Terraform made none"
    if one.version is not None and (versions := _names(workspace, one, f"/{one.name}/versions")):
        return f"; there is {'version' if len(versions) == 1 else 'are versions'} {listing(versions)}"
    if one.kind == "component" and (file := catalogue.names("components").get(one.name)):
        return f"; register it: mlops components register {catalogue.display(file)} --on {stage.name}"
    if one.kind in ("data asset", "model"):
        asset = catalogue.asset("model" if one.kind == "model" else "data", one.name, one.version)
        if asset is not None:
            return f"; register it: mlops {_SEGMENTS[one.kind]} register {asset.place.file} --on {stage.name}"
        if makers := catalogue.makers(one.name):
            return f"; make it first: {' or '.join(f'mlops run {maker} --on {stage.name}' for maker in makers)}"
    if similar := nearest(one.name, _names(workspace, one)):
        return f": {similar}"
    return "" if one.kind in ("component", "environment") else \
        f"; run the pipeline that registers it: mlops run PIPELINE --on {stage.name}"


def _names(workspace: Workspace, one: Named, below: str = "") -> list[str]:
    """The names of a kind, or the versions of one, that a workspace has, as far as it tells."""
    try:
        look = workspace.look_at_all(f"{workspace.path}/{_SEGMENTS[one.kind]}{below}", version=VERSION,
                                     doing=f"look for {one.kind} {one.name!r}", listViewType="ActiveOnly")
    except StageError:
        return []  # that it lacks is known without
    return sorted((str(item["name"]) for item in look.found or ()), key=version_order)


def _of_project(one: Named, catalogue: Catalogue) -> Path | None:
    """The file of an environment of the project's that has that name and version."""
    path = catalogue.names("environments").get(one.name)
    spec = catalogue.spec(path, "environment") if path is not None else None
    return path if isinstance(spec, Environment) and one.version in (None, spec.version) else None


def _register(workspace: Workspace, path: Path) -> None:
    environment = sdk.module("azure.ai.ml").load_environment(str(path))
    workspace.call(f"register the environment {environment.name!r}",
                   lambda: workspace.client.environments.create_or_update(environment), seconds=workspace.patience.upload)


def _without_compute(stage: Stage, graph: Graph) -> Iterator[str]:
    bare = [name for name, step in graph.steps.items() if not step.compute]
    if bare:
        names = sorted(name for name, told in stage.computes.items() if told.kind != "instance")
        yield (f"no compute is set for {listing(bare)}; Terraform made {listing(names) or 'none'}: add "
               f"'settings: {{default_compute: azureml:{names[0] if names else 'NAME'}}}' to the pipeline")


def _shortened(graph: Graph, workspace: str) -> Graph:
    """*graph* with short names for data that it names in full, and that is in the workspace itself."""
    names = (f"azureml:{workspace}", f"azureml:/{workspace.replace('/providers/Microsoft.MachineLearningServices', '')}")
    full = re.compile(rf"(?:{'|'.join(map(re.escape, names))})/(?:(datastores/.+)|(?:data|models)/([^/]+)/versions/([^/]+))",
                      re.IGNORECASE)

    def short(given: Given) -> Given:
        match = full.fullmatch(given.path) if isinstance(given, External) else None
        if match is None or not isinstance(given, External):
            return given
        return replace(given, path=f"azureml://{match[1]}" if match[1] else f"azureml:{match[2]}:{match[3]}")

    return replace(graph, steps={name: replace(step, inputs={key: short(given) for key, given in step.inputs.items()})
                                 for name, step in graph.steps.items()})


def _in_datastore(path: str) -> DatastorePath | None:
    """A path in a datastore of the workspace that the pipeline runs in: others are named in full."""
    reference = parse_reference(path)
    return reference if isinstance(reference, DatastorePath) and path.startswith("azureml://datastores/") else None


def _read(graph: Graph) -> tuple[External, ...]:
    """The data in datastores that steps read, each path once."""
    found = {given.path: given for step in graph.steps.values() for given in step.inputs.values()
             if isinstance(given, External) and _in_datastore(given.path) is not None
             and not any(word in given.path for word in ("*", "?", "${{"))}
    return tuple(found.values())


def _nothing_at(workspace: Workspace, given: External) -> str:
    """That a datastore has nothing where a step reads; what may not be seen from here, jobs may see."""
    reference, patience = _in_datastore(given.path), workspace.patience
    if reference is None:
        return ""
    try:
        blobs = Blobs(workspace, reference.datastore)
        there = bool(unreached(blobs.host, "?comp=list", patience)) or blobs.has(reference.path, seconds=patience.storage)
    except MlopsError:
        return ""
    return "" if there else f"nothing at {given.path!r}{_at(given.place)}"


def _storage(workspace: Workspace, say: Callable[[str], None]) -> str:
    """Why the workspace's storage account cannot be reached: the SDK takes a minute and a half to find out."""
    account = str(workspace.about.get("storageAccount") or workspace.stage.storage["id"]).rpartition("/")[2]
    host, patience = f"{account}.blob.core.windows.net", workspace.patience
    why = unreached(host, "?comp=list", patience, lambda: say(
        f"the storage account {account!r} has not answered yet; it is waited for {duration(patience.storage)} at most"))
    return f"the storage account {account!r} cannot be reached at {host}: {why}" if why else ""


__all__ = ["Named", "check", "lacking", "named"]
