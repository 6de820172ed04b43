"""A batch endpoint asked to run its pipeline: values for its inputs, and a job that is followed like any other."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...catalogue import Catalogue
from ...errors import InputError, StageError, did_you_mean, listing
from ...fingerprint import Facts
from ...graph import External, Graph, Step
from ...inspection import is_local, local_path
from ...plan import Action, Plan, PlannedStep
from ...references import parse_asset
from ...spec import DATA_TYPES, MODEL_TYPES, CommandComponent, Input, Job, JobOutput, PipelineJob, value_problem
from ...stores.store import Store
from .. import Listener, Run
from . import sdk
from .batch import PIPELINE, BatchEndpoint, component_of, default_of, defaults_of, tags
from .engine import AzureEngine, Wishes
from .labels import Labels, labelled
from .submission import Submission, content_of, digest
from .workspace import Workspace

_DEEP: Final = 8  # pipelines in pipelines


class Invocation:
    """An endpoint's deployment, and what it takes.

    Args:
        workspace: Opened by the caller.
        endpoint: The endpoint.
        deployment: The deployment; None for the default one.

    Raises:
        InputError: there is none, or it runs no pipeline.
    """

    def __init__(self, workspace: Workspace, endpoint: BatchEndpoint, deployment: str | None = None) -> None:
        self._workspace, self._endpoint = workspace, endpoint
        known = endpoint.read()
        name = deployment or default_of(known)
        if known is None or name is None:
            raise InputError(f"the batch endpoint {endpoint.name!r} {'is not there' if known is None else 'has no default'}",
                             fix=f"mlops deploy PIPELINE --on {workspace.stage.name}")
        found = endpoint.deployment(name)
        if found is None:
            raise InputError(f"the batch endpoint {endpoint.name!r} has no deployment {name!r}",
                             fix=did_you_mean(name, [str(one["name"]) for one in endpoint.deployments()]))
        component = component_of(found)
        if component is None:
            raise InputError(f"the deployment {name!r} of {endpoint.name!r} runs a model, and no pipeline",
                             fix=f"az ml batch-endpoint invoke --name {endpoint.name}")
        self.deployment, self._explicit = name, deployment is not None
        self.pipeline = tags(found).get(PIPELINE) or endpoint.name
        self._spec = self._component(component)
        self.defaults = defaults_of(found)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """What the pipeline takes."""
        return {name: _port(told) for name, told in (self._spec.get("inputs") or {}).items()}

    @property
    def outputs(self) -> Mapping[str, str]:
        """The types of what it makes, by name."""
        return {name: str(told.get("type") or "uri_folder") for name, told in (self._spec.get("outputs") or {}).items()}

    def invoke(self, values: Mapping[str, str], catalogue: Catalogue, store: Store, *, request: Mapping[str, Any],
               wishes: Wishes, listener: Listener, key: str | None = None) -> Run:
        """Start a job, and stay with it as long as is wished.

        Args:
            values: Texts for inputs: data is a path of this machine, or in the cloud.
            catalogue: The project's files.
            store: Keeps the record of the run.
            request: What to ask for to run it again.
            wishes: What else is wanted.
            listener: Told of every event.
            key: The same values with the same key are the same job; None for another one.

        Raises:
            InputError: a value that does not fit, or one that lacks; StageError: the stage cannot be reached;
            Canceled: the user stopped following it.
        """
        for name in wishes.outputs:
            if name not in self.outputs:
                raise InputError(f"the pipeline has no output {name!r}", fix=did_you_mean(name, list(self.outputs)))
        given = self._given(values)
        contents = {name: [kind, content_of(External(path=value, type=kind), store) if kind in DATA_TYPES else value]
                    for name, (kind, value) in given.items()}
        store.digests.flush()
        job = self._name([self._endpoint.name, self.deployment, contents, key or secrets.token_hex(16)])
        outputs = {name: JobOutput(type=kind) for name, kind in self.outputs.items()}
        submission = Submission(name=job, job=PipelineJob(jobs={}, outputs=outputs), text="", folder="", environments={})
        engine = AzureEngine(self._workspace, submission, catalogue, store, wishes)
        return engine.launch(self._plan(), lambda: self._send(engine, job, given), request=request, listener=listener)

    def _name(self, parts: Any) -> str:
        stem = re.sub(r"[^A-Za-z0-9]+", "-", self.pipeline).strip("-").lower()[:40] or "run"
        return f"{stem}-{digest(parts)[:16]}"

    # --- values ------------------------------------------------------------------------------------------------------

    def _given(self, values: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """The type and the value of each input that has one."""
        ports = self.inputs
        for name in values:
            if name not in ports:
                raise InputError(f"the pipeline of {self._endpoint.name!r} has no input {name!r}",
                                 why=f"it has {listing(ports) or 'none'}", fix=did_you_mean(name, list(ports)) if ports else "")
        found = {}
        for name, port in ports.items():
            if name in values or name in self.defaults:
                found[name] = port.type, self._value(name, port, values.get(name, self.defaults.get(name, "")))
            elif port.required:
                raise InputError(f"the input {name!r} ({port.type}) has no value", fix=f"give it one: --set {name}=…")
        return found

    def _value(self, name: str, port: Input, text: str) -> str:
        if port.type not in DATA_TYPES:
            problem = value_problem(port, text, text)
            if problem is not None:
                raise InputError(f"the value {text!r} of input {name!r} {problem[0]}", fix=problem[1])
            return text
        if is_local(text):
            path = local_path(text, os.getcwd())
            if not path.exists():
                raise InputError(f"the data {text!r} of input {name!r} does not exist", fix="correct the path")
            return str(path)
        one = labelled("model" if port.type in MODEL_TYPES else "data asset", text)
        version = Labels(self._workspace).version(one) if one is not None else None
        found = text if one is None or version is None else f"azureml:{one.name}:{version}"
        return self._files_of(found) if port.type in MODEL_TYPES else found

    def _files_of(self, text: str) -> str:
        """Where a model's files are: of names, an invocation knows those of data only."""
        asset = parse_asset(text)
        if asset is None or asset.version is None:
            return text
        found = self._workspace.find(f"models/{asset.name}/versions/{asset.version}", doing=f"look for the model {text!r}")
        if found is None:
            raise StageError(f"stage {self._workspace.stage.name!r} has no model {asset.name}:{asset.version}",
                             fix=f"mlops models list --on {self._workspace.stage.name}")
        return str(found["properties"]["modelUri"])

    # --- the job -----------------------------------------------------------------------------------------------------

    def _send(self, engine: AzureEngine, job: str, given: Mapping[str, tuple[str, str]]) -> None:
        ml, fields = sdk.module("azure.ai.ml"), sdk.module("azure.ai.ml.constants._endpoint").EndpointInvokeFields
        inputs = {name: ml.Input(type=kind, path=value) if kind in DATA_TYPES else ml.Input(type=kind, default=value)
                  for name, (kind, value) in given.items()}
        named = {"deployment_name": self.deployment} if self._explicit else {}
        # The SDK keeps the deployment that one invocation names for all later ones.
        fields.DEFAULT_HEADER.pop(fields.MODEL_DEPLOYMENT, None)
        try:
            with sdk.muted():
                engine.send(
                    f"invoke the batch endpoint {self._endpoint.name!r}", at=f"the batch endpoint {self._endpoint.name!r}",
                    call=lambda: self._workspace.client.batch_endpoints.invoke(
                        self._endpoint.name, inputs=inputs or None, job_name=job, experiment_name=self.pipeline, **named))
        finally:
            fields.DEFAULT_HEADER.pop(fields.MODEL_DEPLOYMENT, None)

    # --- what it consists of -----------------------------------------------------------------------------------------

    def _component(self, reference: str) -> Mapping[str, Any]:
        """A component's specification."""
        place = reference.removeprefix("azureml:")
        found = self._workspace.get(place, doing=f"read the component of {self.deployment!r}")
        spec: Mapping[str, Any] = (found.get("properties") or {}).get("componentSpec") or {}
        return spec

    def _plan(self) -> Plan:
        """The steps, of which nothing is known but their names: the files that they were made from may be others by now."""
        steps = {name: Step(name=name, component=CommandComponent(command=""), job=Job(name=name), inputs={}, outputs={},
                            environment=None, environment_folder="", environment_variables={}, waits=())
                 for name in self._steps(self._spec, "", 0)}
        graph = Graph(name=self.pipeline, steps=steps, outputs={})
        return Plan(graph=graph, facts=Facts(code={}, environment={}, data={}), steps={
            name: PlannedStep(step=step, action=Action.RUN, reason="submitted", fingerprint=None)
            for name, step in steps.items()})

    def _steps(self, spec: Mapping[str, Any], prefix: str, depth: int) -> Iterator[str]:
        for name, node in (spec.get("jobs") or {}).items():
            reference = node.get("componentId")
            if node.get("type") == "pipeline" and isinstance(reference, str) and depth < _DEEP:
                yield from self._steps(self._component(reference), f"{prefix}{name}.", depth + 1)
            else:
                yield f"{prefix}{name}"


def _port(told: Mapping[str, Any]) -> Input:
    default = told.get("default")
    return Input(type=str(told.get("type") or "string"), optional=str(told.get("optional", False)).lower() == "true",
                 default=None if default is None else str(default), min=_number(told.get("min")), max=_number(told.get("max")),
                 enum=tuple(str(choice) for choice in told.get("enum") or ()), description=told.get("description"))


def _number(told: Any) -> float | None:
    return None if told is None else float(told)
