"""What a stage must have before the first byte goes there: found out at once, in parallel, and told together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...catalogue import Catalogue, parse_asset
from ...errors import InputError, Place, StageError, did_you_mean, duration, listing
from ...graph import External, Graph
from ...infra import Stage
from ...references import DatastorePath, parse_reference
from ...spec import MODEL_TYPES, Environment
from ...spec.ports import NOWHERE
from . import sdk
from .reaching import unreached
from .workspace import Workspace

_BUILT_IN: Final = ("serverless", "local")
_DATASTORES: Final = ("workspaceblobstore", "workspaceartifactstore", "workspaceworkingdirectory", "workspacefilestore")


@dataclass(frozen=True, slots=True)
class Named:
    """Something in the workspace that the pipeline names.

    Attributes:
        kind: ``compute``, ``datastore``, ``data asset``, ``model`` or ``environment``.
        version: None for the latest, and for what has no versions.
        place: Where it is named.
    """

    kind: str
    name: str
    version: str | None = None
    place: Place = NOWHERE

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place.file else ""
        return f"{self.kind} {self.name!r}{f' version {self.version}' if self.version else ''}{where}"


_SEGMENTS: Final[Mapping[str, str]] = {"compute": "computes", "datastore": "datastores", "data asset": "data",
                                       "model": "models", "environment": "environments"}


def named(graph: Graph) -> tuple[Named, ...]:
    """What a pipeline names in its workspace, each once."""
    found: dict[tuple[str, str, str | None], Named] = {}
    for one in _named(graph):
        found.setdefault((one.kind, one.name, one.version), one)
    return tuple(found.values())


def _named(graph: Graph) -> Iterator[Named]:
    if graph.default_datastore:
        yield Named("datastore", graph.default_datastore.removeprefix("azureml:"))
    for step in graph.steps.values():
        compute = (step.compute or "").removeprefix("azureml:")
        if compute and compute not in _BUILT_IN and "/" not in compute and "${{" not in compute:
            yield Named("compute", compute, None, step.job.places.get("compute", NOWHERE))
        asset = parse_asset(step.environment) if isinstance(step.environment, str) else None
        if asset is not None and not asset.name.startswith("AzureML-"):
            place = step.job.places.get("environment") or step.component.places.get("environment", NOWHERE)
            yield Named("environment", asset.name, asset.version, place)
        for given in step.inputs.values():
            if isinstance(given, External):
                yield from _of_data(given)


def _of_data(given: External) -> Iterator[Named]:
    reference = parse_reference(given.path)
    if isinstance(reference, DatastorePath):
        yield Named("datastore", reference.datastore, None, given.place)
    elif (asset := parse_asset(given.path)) is not None:
        kind = "model" if given.type in MODEL_TYPES else "data asset"
        if asset.label not in (None, "latest"):
            raise InputError(f"{given.path!r} names the {kind} by the label {asset.label!r}", place=given.place,
                             why="labels become versions in the pipeline itself, and not in the files that it names",
                             fix=f"make it an input of the pipeline, or write azureml:{asset.name}:VERSION")
        yield Named(kind, asset.name, asset.version, given.place)


def check(workspace: Workspace, graph: Graph, catalogue: Catalogue, say: Callable[[str], None] = lambda text: None) -> None:
    """See that the workspace is there and ready, has what *graph* names, and that its storage answers.

    An environment that the project has and the workspace lacks is registered: a run on this machine took it too.

    Args:
        workspace: Where it is to run.
        graph: The pipeline.
        catalogue: The files that it was read from.
        say: Told, in another thread, what is being waited for.

    Raises:
        StageError: with everything that is missing.
    """
    _ = workspace.about  # is it there at all?
    tasks: list[Callable[[], str]] = [lambda: _storage(workspace, say)]
    tasks += [lambda one=one: _lacks(workspace, one, catalogue) for one in named(graph)]  # type: ignore[misc]
    lacking = [told for told in workspace.each(lambda task: task(), tasks) if told]
    if lacking:
        many = "" if len(lacking) == 1 else f" {len(lacking)} things"
        raise StageError(f"stage {workspace.stage.name!r} lacks{many or ' something'} that the pipeline needs",
                         why="; ".join(lacking), fix=f"see: mlops stage show {workspace.stage.name}")


def lacking(workspace: Workspace, things: Sequence[Named], catalogue: Catalogue) -> list[str]:
    """What of *things* a workspace lacks, in words; an environment that the project has is registered there."""
    return [told for told in workspace.each(lambda one: _lacks(workspace, one, catalogue), things) if told]


def _lacks(workspace: Workspace, one: Named, catalogue: Catalogue) -> str:
    segment = f"{_SEGMENTS[one.kind]}/{one.name}" + (f"/versions/{one.version}" if one.version else "")
    found = workspace.find(segment, doing=f"look for {one.kind} {one.name!r}")
    if found is None and one.kind == "environment" and _register(workspace, one, catalogue):
        return ""
    if found is None:
        return f"no {one}{_hint(workspace.stage, one)}"
    return _unfit(one, found.get("properties") or {})


def _unfit(one: Named, properties: Mapping[str, Any]) -> str:
    """Why something that exists is of no use."""
    state = str(properties.get("provisioningState") or "Succeeded")
    if one.kind == "compute" and state in ("Failed", "Deleting", "Canceled"):
        return f"{one} is {state.lower()}"
    if one.kind in ("data asset", "model") and one.version is None and properties.get("latestVersion", "") is None:
        return f"{one} has no version"
    return ""


def _hint(stage: Stage, one: Named) -> str:
    if one.kind == "compute" and one.name in stage.computes and stage.computes[one.name].kind == "kubernetes":
        return f"; it is to be attached: mlops stage configure {stage.name}"
    names = {"compute": stage.computes, "datastore": stage.datastores}.get(one.kind)
    if names is not None:
        return f"; Terraform made {listing(sorted(names))}: {did_you_mean(one.name, [*names, *_DATASTORES])}" if names else \
            "; Terraform made none"
    return f"; run the pipeline that registers it: mlops run PIPELINE --on {stage.name}" if one.kind != "environment" else ""


def _register(workspace: Workspace, one: Named, catalogue: Catalogue) -> bool:
    """Register an environment of the project's; whether there is one of that name and version."""
    path = catalogue.names("environments").get(one.name)
    spec = catalogue.spec(path, "environment") if path is not None else None
    if not isinstance(spec, Environment) or path is None or one.version not in (None, spec.version):
        return False
    environment = sdk.module("azure.ai.ml").load_environment(str(path))
    workspace.call(f"register the environment {one.name!r}",
                   lambda: workspace.client.environments.create_or_update(environment), seconds=300)
    return True


def _storage(workspace: Workspace, say: Callable[[str], None]) -> str:
    """Why the workspace's storage account cannot be reached: the SDK takes a minute and a half to find out."""
    account = str(workspace.about.get("storageAccount") or workspace.stage.storage["id"]).rpartition("/")[2]
    host, patience = f"{account}.blob.core.windows.net", workspace.patience
    why = unreached(host, "?comp=list", patience, lambda: say(
        f"the storage account {account!r} has not answered yet; it is waited for {duration(patience.storage)} at most"))
    return f"the storage account {account!r} cannot be reached at {host}: {why}" if why else ""


__all__ = ["Named", "check", "lacking", "named"]
