"""What a pipeline's jobs are made of, brought to the workspace: each thing once, many at a time, and never again.

The SDK registers the component of each job by four requests, one after the other, each time. Here what the workspace is known
to have, by content, is not sent; the rest goes at once. How a component becomes an asset is left to the SDK, so that both
give the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from ...fingerprint import Facts
from ...graph import External, Graph
from ...spec import Component, PipelineComponent
from ...stores.registered import Registered
from ...stores.store import Store
from . import sdk
from .labels import Labels, environment
from .submission import Submission, digest, environment_key
from .workspace import Workspace

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """A component that a job of the SDK's names, with ours.

    Attributes:
        name: The step's name, or that of the job that is a pipeline.
        depth: How many pipelines are around it.
    """

    name: str
    depth: int
    ours: Component
    theirs: Any

    @property
    def environment(self) -> Any:
        """The environment as YAML names it: of a name the SDK keeps what comes after the scheme."""
        given = getattr(self.carrier, "environment", None)
        return f"azureml:{given}" if isinstance(given, str) and not given.startswith("azureml:") else given

    @property
    def carrier(self) -> Any:
        """What of the component has the environment: itself, or of a parallel one its task."""
        task = getattr(self.theirs, "task", None)
        return self.theirs if task is None else task


class Registration:
    """Brings the parts of one pipeline to a workspace.

    Args:
        workspace: Where to.
        submission: The pipeline.
        graph: Its steps.
        facts: Digests of their code.
        store: Knows what was registered before.
    """

    def __init__(self, workspace: Workspace, submission: Submission, graph: Graph, facts: Facts, store: Store) -> None:
        self._workspace, self._submission, self._graph, self._facts = workspace, submission, graph, facts
        self._store = store
        self._known = Registered(store.database, workspace.identity)
        self.used_memory = False

    def job(self) -> Any:
        """The SDK's pipeline job, whose components and environments are all registered."""
        with sdk.quiet():
            job = load(self._submission)
        self._bring(job)
        return job

    def component(self, text: str, name: str) -> str:
        """The id of the pipeline itself as a component, registered with all that it consists of; *text* is its YAML."""
        with sdk.quiet():
            component = sdk.module("azure.ai.ml").load_component(StringIO(text), relative_origin=_origin(self._submission))
        self._bring(component)
        return str(self._workspace.call(f"register the pipeline {name!r} as a component",
                                        lambda: self._workspace.client.components.create_or_update(component).id,
                                        seconds=self._workspace.patience.upload))

    def _bring(self, theirs: Any) -> None:
        """Register what the SDK's pipeline consists of, and let it name that."""
        parts = list(_parts(self._submission.job.jobs, theirs.jobs, "", 0))
        self._resolve(parts)
        self._environments([part for part in parts if part.name in self._graph.steps])
        self._components(parts)

    def forget(self) -> None:
        """Believe no longer that the workspace has what it had."""
        self._known.forget()

    # --- environments ------------------------------------------------------------------------------------------------

    def _resolve(self, parts: Sequence[_Part]) -> None:
        """Versions for the labels of environments, in the components' own files: those that are registered name versions."""
        found = [(part, one) for part in parts if (one := environment(part.environment)) is not None]
        every = list(dict.fromkeys(one for _, one in found))
        versions = dict(zip(every, self._workspace.each(Labels(self._workspace).version, every), strict=True))
        for part, one in found:
            if versions[one] is not None:
                part.carrier.environment = f"azureml:{one.name}:{versions[one]}"

    def _environments(self, parts: Sequence[_Part]) -> None:
        groups: dict[str, list[_Part]] = {}
        for part in parts:
            given = getattr(part.carrier, "environment", None)
            if given is None or isinstance(given, str):
                continue
            key = environment_key(self._submission.environments.get(part.name), self._store)
            if key:
                groups.setdefault(f"environment {key}", []).append(part)
        ids = self._remembered(groups)
        missing = [key for key in groups if key not in ids]

        def register(key: str) -> str:
            part = groups[key][0]
            fresh = part.carrier.environment
            return str(self._workspace.call(
                f"register the environment of job {part.name!r}",
                lambda: self._workspace.client.environments.create_or_update(fresh).id,
                seconds=self._workspace.patience.upload))

        self._note(ids, dict(zip(missing, self._workspace.each(register, missing), strict=True)))
        for key, group in groups.items():
            for part in group:
                part.carrier.environment = ids[key]

    # --- components --------------------------------------------------------------------------------------------------

    def _components(self, parts: Sequence[_Part]) -> None:
        """Register components: those inside of pipelines first, since a pipeline's content is also which ones it names."""
        keys: dict[str, str] = {}
        leaf = [part for part in parts if self._is_leaf(part)]
        self._layer(leaf, {part.name: self._leaf_key(part) for part in leaf}, keys)
        pipelines = [part for part in parts if not self._is_leaf(part)]
        for depth in sorted({part.depth for part in pipelines}, reverse=True):
            layer = [part for part in pipelines if part.depth == depth]
            self._layer(layer, {part.name: self._pipeline_key(part, keys) for part in layer}, keys)

    @staticmethod
    def _is_leaf(part: _Part) -> bool:
        return not isinstance(part.ours, PipelineComponent)

    def _leaf_key(self, part: _Part) -> str:
        given = getattr(part.carrier, "environment", None)
        return digest([_spec(part.ours), self._facts.code.get(part.name, ""), str(given), _sdk_version()])

    def _pipeline_key(self, part: _Part, keys: Mapping[str, str]) -> str:
        start = f"{part.name}."
        inside = sorted([name[len(start):], key] for name, key in keys.items() if name.startswith(start))
        data = sorted([name[len(start):], port, self._facts.data[given]]
                      for name, step in self._graph.steps.items() if name.startswith(start)
                      for port, given in step.inputs.items() if isinstance(given, External))
        return digest([_spec(part.ours), inside, data, _sdk_version()])

    def _layer(self, parts: Sequence[_Part], told: Mapping[str, str], keys: dict[str, str]) -> None:
        keys.update(told)
        groups: dict[str, list[_Part]] = {}
        for part in parts:
            groups.setdefault(f"component {told[part.name]}", []).append(part)
        ids = self._remembered(groups)
        missing = [key for key in groups if key not in ids]
        for wave in waves(missing, lambda key: self._facts.code.get(groups[key][0].name) or key):
            fresh = self._workspace.each(lambda key: self._register(groups[key][0]), wave)
            self._note(ids, dict(zip(wave, fresh, strict=True)))
        for key, group in groups.items():
            for part in group:
                sdk.note_registered(part.theirs, ids[key])

    def _register(self, part: _Part) -> str:
        return self._workspace.call(f"register the component of job {part.name!r}",
                                    lambda: sdk.register_anonymously(self._workspace.client, part.theirs),
                                    seconds=self._workspace.patience.upload)

    def _remembered(self, contents: Iterable[str]) -> dict[str, str]:
        ids = self._known.find(contents)
        self.used_memory = self.used_memory or bool(ids)
        return ids

    def _note(self, ids: dict[str, str], fresh: Mapping[str, str]) -> None:
        ids.update(fresh)
        self._known.remember(fresh)


def waves(items: Iterable[Item], code: Callable[[Item], str]) -> tuple[list[Item], list[Item]]:
    """*items* in two parts, one to be registered after the other: uploads of the same code at once get in each other's way.

    The first of each code brings it, the others find it.
    """
    first: dict[str, Item] = {}
    rest = [item for item in items if first.setdefault(code(item), item) is not item]
    return list(first.values()), rest


def load(submission: Submission) -> Any:
    """The SDK's job of a submission."""
    ml = sdk.module("azure.ai.ml")
    return ml.load_job(StringIO(submission.text), relative_origin=_origin(submission))


def _origin(submission: Submission) -> str:
    return str(Path(submission.folder, "pipeline.yml"))


def _parts(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str, depth: int) -> Iterator[_Part]:
    for name, node in ours.items():
        their = theirs[name]
        component = getattr(their, "trial", None) if node.type == "sweep" else getattr(their, "component", None)
        if node.component is None or component is None or isinstance(component, str):
            continue  # it is registered already
        yield _Part(name=f"{prefix}{name}", depth=depth, ours=node.component, theirs=component)
        if isinstance(node.component, PipelineComponent):
            yield from _parts(node.component.jobs, component.jobs, f"{prefix}{name}.", depth + 1)


def _spec(component: Component) -> Any:
    """A component's YAML without what depends on where it stands."""
    return {key: value for key, value in component.to_dict().items() if key not in ("code", "environment", "$schema")}


def _sdk_version() -> str:
    """Ids depend on how the SDK writes a component."""
    version: str = sdk.module("azure.ai.ml").__version__
    return version


__all__ = ["Registration", "load", "waves"]
