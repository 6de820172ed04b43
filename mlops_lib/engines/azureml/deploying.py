"""A pipeline takes over a batch endpoint: deployed beside the one that runs there, made the default once it is whole.

Azure is asked each time how things stand, and each step can be done again: a deployment that was interrupted goes on when it is
run again. What makes the switch is one request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...catalogue import Catalogue
from ...errors import InputError
from ...graph import build
from ...inspection import is_local
from ...plan import Plan
from ...spec import PipelineJob
from ...stores.store import Store
from . import preflight, sdk
from .batch import CONTENT, PIPELINE, PREVIOUS, BatchEndpoint, default_of, tags, with_ids
from .endpoint import alone
from .packaging import Package, package, template
from .registration import Registration
from .submission import Submission, digest, prepare, whole
from .workspace import Workspace

Say = Callable[[str], None]
_DIGITS: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a deployment.

    Attributes:
        deployment: The endpoint's default now.
        previous: What a rollback goes to; None when there is nothing.
        changed: Whether anything was done.
        removed: Deployments that were deleted: older than the previous one.
        notices: What the pipeline says and an endpoint does not do.
    """

    endpoint: str
    pipeline: str
    deployment: str
    previous: str | None
    changed: bool
    removed: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class Deployment:
    """A pipeline on its way to an endpoint.

    Args:
        workspace: Where to.
        job: The linked pipeline, without labels.
        pipeline: What ``mlops run`` calls it.
        component: What it is to be called as a component.
        catalogue: The files that it was read from.
        store: Remembers digests, and what was registered before.

    Raises:
        InputError: it cannot run behind an endpoint.
    """

    def __init__(self, workspace: Workspace, job: PipelineJob, *, pipeline: str, component: str, catalogue: Catalogue,
                 store: Store) -> None:
        self.workspace, self._catalogue, self._store, self.pipeline = workspace, catalogue, store, pipeline
        self._job, self._graph = job, build(job, name=pipeline)
        self.package: Package = package(job, self._graph, name=component)
        bare = template(job)
        plan, submission = prepare(bare, build(bare, name=pipeline), catalogue, store, key="")
        self._plan: Plan = plan
        self._submission: Submission = submission
        # of this machine's it is what components inside read: they bring it along
        data = [[given.path, content] for given, content in plan.facts.data.items() if is_local(given.path)]
        # not its name, which may be that of the folder that the project was checked out into
        self.content = digest([self.package.document() | {"name": None}, whole(self.package.component) | {"name": None},
                               plan.facts.code, plan.facts.environment, self.package.data, self.package.settings, *data])
        self.name = f"p-{self.content[:_DIGITS]}"

    def ahead(self, endpoint: BatchEndpoint) -> list[str]:
        """What :meth:`deploy` would do, in words."""
        known = self._checked(endpoint)
        if default_of(known) == self.name:
            return []
        steps = [] if known is not None else [f"make the batch endpoint {endpoint.name}"]
        if endpoint.deployment(self.name) is None:
            steps += [f"register the pipeline as the component {self.package.component.name}:{self._version}",
                      f"make the deployment {self.name}"]
        return [*steps, f"make it the default of {endpoint.name}"]

    def deploy(self, endpoint: BatchEndpoint, say: Say) -> Outcome:
        """Let the pipeline be what the endpoint runs.

        Raises:
            InputError: the endpoint runs another pipeline, or Azure refuses this one; StageError: the stage cannot be reached,
            or lacks something, or another deployment to the endpoint is at work. What ran before still does.
        """
        if default_of(self._checked(endpoint)) != self.name:
            preflight.check(self.workspace, self._job, self._graph, self._catalogue, say)
        elif not left(endpoint):
            return self._outcome(endpoint, changed=False, removed=())
        with alone(self.workspace, endpoint.name) as still_ours:
            return self._deployed(endpoint, say, still_ours)

    def _deployed(self, endpoint: BatchEndpoint, say: Say, still_ours: Callable[[], None]) -> Outcome:
        known = self._checked(endpoint)
        before = default_of(known)
        if before == self.name:
            return self._outcome(endpoint, changed=False, removed=clear(endpoint))
        if known is None:
            say(f"making the batch endpoint {endpoint.name}")
            endpoint.make({PIPELINE: self.pipeline}, self.package.component.description)
        there = endpoint.deployment(self.name)
        if there is None or (there.get("properties") or {}).get("provisioningState") != "Succeeded":
            component = self._component(say)
            say(f"making the deployment {self.name}")
            endpoint.put(self.name, self._body(component))
        still_ours()
        endpoint.switch(self.name, {PIPELINE: self.pipeline, PREVIOUS: before or ""})
        say(f"{endpoint.name} runs {self.name}" + (f", and no longer {before}" if before else ""))
        return self._outcome(endpoint, changed=True, removed=clear(endpoint))

    def _checked(self, endpoint: BatchEndpoint) -> Mapping[str, Any] | None:
        known = endpoint.read()
        other = tags(known).get(PIPELINE, self.pipeline)
        if other != self.pipeline:
            stage = self.workspace.stage.name
            raise InputError(f"the batch endpoint {endpoint.name!r} runs the pipeline {other!r}",
                             why="an endpoint runs one pipeline: what is its default is what its clients get",
                             fix=f"name another endpoint: --endpoint NAME, or in mlops.yml: stages: {{{stage}: {{endpoints: "
                                 f"{{{self.pipeline}: NAME}}}}}}")
        return known

    @property
    def _version(self) -> str:
        return self.content[:16]

    def _component(self, say: Say) -> str:
        """The id of the pipeline as a component; it is registered when it is not there."""
        name, version = str(self.package.component.name), self._version
        found = self.workspace.find(f"components/{name}/versions/{version}", doing=f"look for the component {name}:{version}")
        if found is not None:
            return str(found["id"])
        say(f"registering the pipeline as the component {name}:{version}")
        text = json.dumps({**self.package.document(), "version": version})
        registration = Registration(self.workspace, self._submission, self._plan.graph, self._plan.facts, self._store)
        with sdk.muted():
            try:
                return registration.component(text, self.pipeline)
            except InputError:
                if not registration.used_memory:
                    raise
                registration.forget()  # what the workspace was believed to have may have been deleted there
                return registration.component(text, self.pipeline)

    def _body(self, component: str) -> dict[str, Any]:
        return {
            "location": self.workspace.stage.location, "tags": {PIPELINE: self.pipeline, CONTENT: self.content},
            "properties": {
                **({"description": self.package.component.description} if self.package.component.description else {}),
                "deploymentConfiguration": {
                    "deploymentConfigurationType": "PipelineComponent", "settings": dict(self.package.settings),
                    "tags": with_ids(self.workspace, self.package.data, self.package.models),
                    "componentId": {"referenceType": "Id", "assetId": component}}}}

    def _outcome(self, endpoint: BatchEndpoint, *, changed: bool, removed: tuple[str, ...]) -> Outcome:
        return Outcome(endpoint=endpoint.name, pipeline=self.pipeline, deployment=self.name, previous=previous(endpoint),
                       changed=changed, removed=removed, notices=self.package.notices)


def roll_back(workspace: Workspace, endpoint: BatchEndpoint, say: Say) -> Outcome:
    """Make the deployment the default again that the present one has replaced; done twice, nothing has changed.

    Raises:
        InputError: there is none; StageError: a deployment to the endpoint is at work.
    """
    with alone(workspace, endpoint.name) as still_ours:
        known = endpoint.read()
        current, before = default_of(known), previous(endpoint)
        if before is None or current is None:
            stage = workspace.stage.name
            raise InputError(f"the batch endpoint {endpoint.name!r} has nothing to go back to" if known is not None else
                             f"stage {stage!r} has no batch endpoint {endpoint.name!r}",
                             why="one deployment before the present one is kept" if known is not None else "",
                             fix=f"deploy the pipeline as it is to be: mlops deploy PIPELINE --on {stage}")
        still_ours()
        endpoint.switch(before, {PREVIOUS: current})
    say(f"{endpoint.name} runs {before} again, and no longer {current}")
    return Outcome(endpoint=endpoint.name, pipeline=tags(known).get(PIPELINE, ""), deployment=before, previous=current,
                   changed=True)


def previous(endpoint: BatchEndpoint) -> str | None:
    """The deployment that a rollback goes to: the one that was replaced, as long as it is there."""
    known = endpoint.read()
    name = tags(known).get(PREVIOUS) or ""
    return name if name and name != default_of(known) and endpoint.deployment(name) is not None else None


def left(endpoint: BatchEndpoint) -> tuple[str, ...]:
    """Deployments of ours that nothing goes back to."""
    kept = {default_of(endpoint.read()), previous(endpoint)}
    ours = (str(found["name"]) for found in endpoint.deployments() if tags(found).get(CONTENT))
    return tuple(name for name in ours if name not in kept)


def clear(endpoint: BatchEndpoint) -> tuple[str, ...]:
    """Delete deployments of ours that nothing goes back to, which another deployment might be making; their names."""
    old = left(endpoint)
    for name in old:
        endpoint.remove(name)
    return old
