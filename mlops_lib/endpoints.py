"""Batch endpoints that run a project's pipelines: deployed, looked at, invoked, switched back, deleted."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .references import redacted

if TYPE_CHECKING:
    from .catalogue import Catalogue
    from .engines import Listener, Run
    from .engines.azureml.deploying import Deployment, Outcome
    from .engines.azureml.workspace import Workspace
    from .infra import Stage
    from .project import Project
    from .spec import Input, PipelineJob


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentState:
    """A deployment of an endpoint, as it is now.

    Attributes:
        runs: The pipeline or the component that it runs; empty of a model's deployment.
        created: When, as Azure writes it.
    """

    name: str
    runs: str
    state: str
    created: str


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointState:
    """An endpoint, as it is now.

    Attributes:
        pipeline: What its default deployment runs; empty when that is none of ours.
        address: Where its clients send invocations.
        default: The deployment that runs when none is named; None before the first is whole.
        previous: The deployment that a rollback goes to.
    """

    name: str
    pipeline: str
    address: str
    default: str | None
    previous: str | None
    deployments: tuple[DeploymentState, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Interface:
    """What an invocation takes and gives.

    Attributes:
        defaults: Data that is taken when none is given.
        outputs: The types of outputs by name.
    """

    inputs: Mapping[str, Input]
    defaults: Mapping[str, str]
    outputs: Mapping[str, str]


class Endpoint:
    """A batch endpoint of a stage.

    Args:
        project: The project whose records get its jobs.
        stage: The stage.
        name: The endpoint, or the pipeline that it runs.
        outcome: What came of the deployment that gave it.

    Attributes:
        outcome: What came of the last deployment or rollback.
    """

    def __init__(self, project: Project, stage: Stage, name: str, *, outcome: Outcome | None = None) -> None:
        self.project, self.stage, self.name, self.outcome = project, stage, name, outcome

    def __repr__(self) -> str:
        return f"<Endpoint {self.name} on {self.stage.name}>"

    def invoke(self, inputs: Mapping[str, Any] | None = None, /, *, deployment: str | None = None, key: str | None = None,
               outputs: Iterable[str] = (), follow: bool = True, cancel: bool = False, listener: Listener | None = None,
               request: Mapping[str, Any] | None = None, **values: Any) -> Run:
        """Run the pipeline with values for its inputs: data is a path of this machine, or in the cloud.

        Args:
            inputs: Values by name, for inputs that are called as one of the options below; else give them by keyword.
            deployment: The one that is to run; default: the endpoint's default.
            key: The same values with the same key are the same job; None for another one.
            outputs: Outputs to bring here at the end.
            follow: False returns as soon as the job is there.
            cancel: Whether Ctrl-C cancels the job, and does not only stop following it.
            listener: Told of every event; default: prints progress.
            request: What is recorded of how it was asked for.
            values: Values by name.

        Raises:
            InputError: a value that does not fit, or that lacks; StageError: the stage cannot be reached; Canceled: the user
            stopped following it.
        """
        from .engines.azureml.batch import called
        from .engines.azureml.engine import Wishes
        from .engines.azureml.invoking import Invocation
        from .stores.store import Store

        if listener is None:
            from .progress import plain_progress

            listener = plain_progress(sys.stdout)
        texts = {name: str(value).lower() if isinstance(value, bool) else str(value)
                 for name, value in {**(inputs or {}), **values}.items()}
        wishes = Wishes(outputs=tuple(outputs), follow=follow, cancel=cancel)
        asked = {"endpoint": self.name, "on": self.stage.name, **(request or {}),
                 "values": {name: redacted(text) for name, text in texts.items()}}
        store = Store.open(self.project.root)
        try:
            with self._open() as workspace:
                invocation = Invocation(workspace, called(workspace, self.name), deployment)
                return invocation.invoke(texts, self.project.catalogue(), store, request=asked, wishes=wishes, key=key,
                                         listener=listener)
        finally:
            store.close()

    def state(self) -> EndpointState:
        """How it is now.

        Raises:
            InputError: there is none; StageError: the stage cannot be reached.
        """
        from .engines.azureml.batch import called

        with self._open() as workspace:
            endpoint = called(workspace, self.name)
            return _state(workspace, endpoint.read() or {}, deployments=True)

    def interface(self, deployment: str | None = None) -> Interface:
        """What an invocation takes and gives.

        Raises:
            InputError: there is no such endpoint, or it runs no pipeline; StageError: the stage cannot be reached.
        """
        from .engines.azureml.batch import called
        from .engines.azureml.invoking import Invocation

        with self._open() as workspace:
            found = Invocation(workspace, called(workspace, self.name), deployment)
            return Interface(inputs=found.inputs, defaults=found.defaults, outputs=found.outputs)

    def rollback(self, *, say: Callable[[str], None] = print) -> Outcome:
        """Make the deployment the default again that the present one has replaced; done twice, nothing has changed.

        Raises:
            InputError: there is none; StageError: the stage cannot be reached.
        """
        from .engines.azureml.batch import called
        from .engines.azureml.deploying import roll_back

        with self._open() as workspace:
            self.outcome = roll_back(workspace, called(workspace, self.name), say)
            return self.outcome

    def delete(self, deployment: str | None = None) -> None:
        """Delete it with its deployments, or one of them; the jobs that it made stay.

        Raises:
            InputError: there is none, or it is the default; StageError: the stage cannot be reached.
        """
        from .engines.azureml.batch import called, default_of

        with self._open() as workspace:
            endpoint = called(workspace, self.name)
            if deployment is None:
                endpoint.delete()
            elif deployment == default_of(endpoint.read()):
                raise InputError(f"the deployment {deployment!r} is what {endpoint.name!r} runs",
                                 fix="deploy another one first, or delete the endpoint")
            else:
                endpoint.remove(deployment)

    @contextlib.contextmanager
    def _open(self) -> Iterator[Workspace]:
        from .engines.azureml.workspace import Workspace

        with Workspace(self.stage) as workspace:
            yield workspace


def endpoints(stage: Stage) -> list[EndpointState]:
    """The batch endpoints of a stage, without their deployments.

    Raises:
        StageError: the stage cannot be reached.
    """
    from .engines.azureml.batch import every
    from .engines.azureml.workspace import Workspace

    with Workspace(stage) as workspace:
        return [_state(workspace, found, deployments=False) for found in every(workspace)]


@contextlib.contextmanager
def deployment(project: Project, stage: Stage, job: PipelineJob, pipeline: str, catalogue: Catalogue, *,
               against: str | None = None, known: Iterable[str] = ()) -> Iterator[Deployment]:
    """A linked pipeline on its way to an endpoint of a stage.

    Args:
        project: The pipeline's project.
        stage: The stage.
        job: The pipeline.
        pipeline: What ``mlops run`` calls it.
        catalogue: The files that it was read from.
        against: The stage that ``@champion`` is about; None for *stage*.
        known: The stages that there are.

    Raises:
        InputError: it cannot run behind an endpoint; StageError: the stage cannot be reached.
    """
    from .engines.azureml.deploying import Deployment
    from .engines.azureml.labels import Labels
    from .engines.azureml.packaging import component_name
    from .engines.azureml.submission import placed
    from .engines.azureml.workspace import Workspace
    from .stores.store import Store

    store = Store.open(project.root)
    try:
        with Workspace(stage) as workspace:
            labels = Labels(workspace, against=against, known=list(known), opened=project.stage)
            there = placed(labels.resolved(job), stage, project.settings.compute)
            yield Deployment(workspace, there, pipeline=pipeline, catalogue=catalogue, store=store,
                             component=component_name(project.settings.experiment, pipeline))
    finally:
        store.close()


def _state(workspace: Workspace, found: Mapping[str, Any], *, deployments: bool) -> EndpointState:
    from .engines.azureml.batch import PIPELINE, PREVIOUS, BatchEndpoint, component_of, default_of, tags

    def one(told: Mapping[str, Any]) -> DeploymentState:
        component = (component_of(told) or "").rpartition("/components/")[2].replace("/versions/", ":")
        return DeploymentState(name=str(told["name"]), runs=tags(told).get(PIPELINE) or component,
                               state=str((told.get("properties") or {}).get("provisioningState", "")),
                               created=str((told.get("systemData") or {}).get("createdAt", "")))

    name, default = str(found["name"]), default_of(found)
    each = tuple(one(told) for told in BatchEndpoint(workspace, name).deployments()) if deployments else ()
    previous = tags(found).get(PREVIOUS) or None
    return EndpointState(name=name, pipeline=tags(found).get(PIPELINE, ""), default=default,
                         address=str((found.get("properties") or {}).get("scoringUri", "")),
                         previous=previous if previous != default else None, deployments=each)
