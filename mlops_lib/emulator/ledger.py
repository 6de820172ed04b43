"""What happens in a job, written down as Azure's run history has it: runs with their states, logs, outputs and assets.

A job's row says what was asked for; the run of the same name says how it is going, and so does one run for each step.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..engines import Event, RunStarted, StepFinished, StepPrinted, StepStarted
from ..plan import StoredOutput
from ..stores.records import Status, StepRecord, TrialRecord
from . import arm, translate
from .materials import Materials, is_model
from .setup import container
from .versions import next_version

if TYPE_CHECKING:
    from .world import World

TERMINAL: Final = ("Completed", "Failed", "Canceled")
CANCELING: Final = "CancelRequested"
ARTIFACTS: Final = "workspaceartifactstore"
_DEFAULT_STORE: Final = "workspaceblobstore"
_STEPS: Final = {"command": "PythonScriptStep", "sweep": "HyperDriveStep"}
_SWEEP: Final = "HD_"
_LOG_S: Final = 0.5  # how often the log of a step that prints is put where clients read it
_WORDS: Final = {Status.COMPLETED: "Completed", Status.REUSED: "Completed", Status.FAILED: "Failed",
                 Status.SKIPPED: "Canceled", Status.CANCELED: "Canceled", Status.INTERRUPTED: "Canceled"}
# The run history has names of its own for the types of outputs.
_TYPES: Final = {"uri_file": "UriFile", "uri_folder": "UriFolder", "mltable": "MLTable",
                 "mlflow_model": "MLFlowModel", "custom_model": "CustomModel", "triton_model": "TritonModel"}


def run_key(workspace: str, name: str) -> str:
    """The id of a run's row."""
    return f"{workspace}/runs/{name}"


def logged_key(workspace: str, name: str) -> str:
    """The id of the row with what a run has logged to MLflow."""
    return f"{workspace}/logged/{name}"


def new_run(name: str, *, root: str, parent: str | None, experiment: str, shown: str, kind: str) -> dict[str, Any]:
    """A run that has not started."""
    now = arm.stamp(time.time())
    return {"runId": name, "runUuid": str(uuid.uuid4()), "rootRunId": root, "parentRunId": parent, "experimentId": experiment,
            "experimentName": experiment, "displayName": shown, "name": shown, "status": "NotStarted", "runType": kind,
            "createdUtc": now, "createdBy": {"userName": "mlops emulate"}, "tags": {}, "properties": {}, "services": {},
            "hidden": False, "outputs": {}, "target": "local"}


@dataclass(slots=True)
class _Log:
    """A log that grows: its blob, and what of it has been put there."""

    path: str
    lines: list[str] = field(default_factory=list)
    written: int = 0
    at: float = 0.0


class Ledger:
    """The events of one job's run, as a listener of the engine's.

    Args:
        workspace: Its id.
        name: The job's name.
    """

    def __init__(self, world: World, workspace: str, name: str, materials: Materials, properties: Mapping[str, Any]) -> None:
        self._world, self._workspace, self.name = world, workspace, name
        self._materials, self._properties = materials, properties
        self._experiment = str(properties.get("experimentName") or "Default")
        self._pipeline = properties.get("jobType") == "Pipeline"
        self._steps: dict[str, str] = {}  # the names of steps' runs
        self._logs: dict[str, _Log] = {}
        self._container = container(workspace.rpartition("/")[2], ARTIFACTS)

    # --- runs --------------------------------------------------------------------------------------------------------

    def change(self, name: str, **told: Any) -> None:
        """Write down something about a run."""
        key = run_key(self._workspace, name)
        with self._world.resources.together():
            if (found := self._world.resources.find(key)) is not None:  # it was not deleted meanwhile
                self._world.resources.put(key, arm.merged(found.body, told))

    def begin(self) -> None:
        self.change(self.name, status="Running", startTimeUtc=arm.stamp(time.time()))
        self._say("the pipeline is being prepared")

    def end(self, status: str, error: str = "") -> None:
        """The job is over, and so is every run of it that is not."""
        now = arm.stamp(time.time())
        self._say(f"the pipeline is over: {status}" + (f"\n{error}" if error else ""))
        if error and not self._pipeline:
            self._print(self.name, error.splitlines())
        for log in self._logs.values():
            self._put(log)
        for step in sorted(self._steps, key=lambda step: -step.count(".")):
            if self._state(step) not in TERMINAL:
                self.change(self._steps[step], status=self._of_nested(step), endTimeUtc=now)
        told = {"error": {"error": {"code": "UserError", "message": error}}} if error else {}
        self.change(self.name, status=status, endTimeUtc=now, **told)

    def _state(self, step: str) -> str:
        return str(self._world.resources.get(run_key(self._workspace, self._steps[step])).body["status"])

    def _of_nested(self, step: str) -> str:
        """How a nested pipeline has ended: as its steps have."""
        inner = {self._state(name) for name in self._steps if name.rpartition(".")[0] == step}
        return "Failed" if "Failed" in inner else "Completed" if inner == {"Completed"} else "Canceled"

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            for step in event.plan.graph.steps:
                self._run_of(step)
        elif isinstance(event, StepStarted):
            name = self._run_of(event.step)
            self._started(event.step)
            if name != self.name:
                self.change(name, status="Running", startTimeUtc=arm.stamp(time.time()))
                self._say(f"step {event.step} is running as {name}")
        elif isinstance(event, StepPrinted):
            self._print(self._steps.get(f"{event.step}.") or self._run_of(event.step), event.lines)
        elif isinstance(event, StepFinished):
            self._finished(event.step, event.record, event.error)

    def _run_of(self, step: str) -> str:
        """The name of a step's run; of a command's or sweep's only step it is the job's."""
        if not self._pipeline and "." not in step:
            return self.name
        if step not in self._steps:
            above, _, leaf = step.rpartition(".")
            parent = self._run_of(above) if above else self.name
            node, name = self._node(step), str(uuid.uuid4())
            kind = _STEPS.get(str(node.get("type")), "Unknown")
            run = new_run(name, root=self.name, parent=parent, experiment=self._experiment, kind="azureml.StepRun",
                          shown=str(node.get("display_name") or leaf))
            identity = {"azureml.nodeid": hashlib.sha256(step.encode()).hexdigest()[:8]}
            run["tags"] = identity
            run["properties"] = {**identity, "azureml.runsource": "azureml.StepRun", "azureml.pipelinerunid": parent,
                                 "azureml.moduleName": str(self._spec(node).get("name") or ""), "StepType": kind}
            self._world.resources.put(run_key(self._workspace, name), run)
            self._steps[step] = name
        return self._steps[step]

    def _node(self, step: str) -> Mapping[str, Any]:
        """What was asked for of a step: of one in a nested pipeline, what that pipeline's component says."""
        above, _, leaf = step.rpartition(".")
        found: Mapping[str, Any] = (self._spec(self._node(above)) if above else self._properties).get("jobs") or {}
        if not found and not above and self._properties.get("componentId"):
            found = self._spec(self._properties).get("jobs") or {}
        node: Mapping[str, Any] = found.get(leaf) or {}
        return node

    def _spec(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the component of a node is."""
        reference = node.get("componentId") or (node.get("trial") or {}).get("componentId")
        found = self._world.resources.find(str(reference).removeprefix("azureml:")) if reference else None
        spec: Mapping[str, Any] = (found.properties.get("componentSpec") if found is not None else None) or {}
        return spec

    def _started(self, step: str) -> None:
        """Nested pipelines run as soon as one of their steps does."""
        above = step.rpartition(".")[0]
        if above and (name := self._run_of(above)) != self.name:
            if self._world.resources.get(run_key(self._workspace, name)).body["status"] == "NotStarted":
                self.change(name, status="Running", startTimeUtc=arm.stamp(time.time()), runType="azureml.PipelineRun")
            self._started(above)

    def _print_of(self, name: str, record: StepRecord) -> None:
        """All that a step has printed."""
        log = self._materials.project / ".mlops" / record.log
        if record.log and log.is_file():
            self._print(name, log.read_text(encoding="utf-8", errors="replace").splitlines())

    def _finished(self, step: str, record: StepRecord, error: str,
                  curves: Mapping[str, Sequence[float]] | None = None) -> None:
        name = self._run_of(step)
        reused = record.status is Status.REUSED
        if reused:
            self._started(step)
            self._print_of(name, record)
        outputs = {key: self._keep(name, step, key, stored, again=reused) for key, stored in record.outputs.items()}
        if name in self._logs:
            self._put(self._logs[name])
        self._world.resources.put(logged_key(self._workspace, name),
                                  {"metrics": dict(record.metrics), "params": dict(record.params), "curves": curves or {}})
        if name == self.name:
            self.change(name, outputs=outputs)
            return
        if f"{step}." in self._steps:
            self.change(self._steps[f"{step}."], status=_WORDS[record.status], endTimeUtc=arm.stamp(time.time()))
        told = {"error": {"error": {"code": "UserError", "message": _reason(error)}}} if error else {}
        properties = {"azureml.isreused": "true"} if reused else {}
        self.change(name, status=_WORDS[record.status], outputs=outputs, properties=properties,
                    endTimeUtc=arm.stamp(time.time()), **told)
        self._say(f"step {step} is {record.status.value}" + (f": {record.reason}" if record.reason else ""))

    def trials(self, sweep: str, trials: Iterable[tuple[TrialRecord, StepRecord]]) -> None:
        """The trials of a sweep as they are now, as runs below its own."""
        above = self._sweep_of(sweep)
        for trial, record in trials:
            step, name = f"{sweep}.trial_{trial.number}", f"{above}_{trial.number}"
            if step not in self._steps:
                self._steps[step] = name
                run = new_run(name, root=self.name, parent=above, experiment=self._experiment, kind="azureml.scriptrun",
                              shown=f"trial_{trial.number}")
                told = json.dumps(dict(trial.parameters))
                run["tags"] = {**trial.parameters, "hyperparameters": told}
                self._world.resources.put(run_key(self._workspace, name), run)
                self.change(name, status="Running", startTimeUtc=arm.stamp(record.started or time.time()))
                self.change(above, tags={name: told})
            if record.status is not Status.RUNNING and self._state(step) not in TERMINAL:
                if record.status is not Status.REUSED:  # whose log comes with the rest
                    self._print_of(name, record)
                self._finished(step, record, "", curves={trial.metric: list(trial.curve)})
            objective = {} if trial.objective is None else {"score": str(trial.objective)}
            if trial.best:
                self.change(above, properties={"best_child_run_id": name, **objective})

    def _sweep_of(self, step: str) -> str:
        """The name of a sweep's own run: a job's, or in a pipeline the one run below its step's."""
        name = self._run_of(step)
        if name == self.name:
            return name
        inner = f"{step}."
        if inner not in self._steps:
            self._steps[inner] = f"{_SWEEP}{uuid.uuid4()}"
            run = new_run(self._steps[inner], root=self.name, parent=name, experiment=self._experiment, kind="hyperdrive",
                          shown=self._steps[inner])
            run["properties"] = {"runTemplate": "HyperDrive", "azureml.runsource": "hyperdrive"}
            self._world.resources.put(run_key(self._workspace, self._steps[inner]), run)
            self.change(self._steps[inner], status="Running", startTimeUtc=arm.stamp(time.time()))
        return self._steps[inner]

    # --- logs --------------------------------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        """A line in the log of a pipeline itself."""
        if not self._pipeline:
            return
        log = self._logs.setdefault("", _Log(f"ExperimentRun/dcid.{self.name}/logs/azureml/executionlogs.txt"))
        log.lines += [f"[{arm.stamp(time.time())}] {line}" for line in text.splitlines()]
        self._put(log)

    def _print(self, name: str, lines: Sequence[str]) -> None:
        file = "azureml-logs/hyperdrive.txt" if name.startswith(_SWEEP) else "user_logs/std_log.txt"
        log = self._logs.setdefault(name, _Log(f"ExperimentRun/dcid.{name}/{file}"))
        log.lines += lines
        if time.monotonic() - log.at > _LOG_S:
            self._put(log)

    def _put(self, log: _Log) -> None:
        if len(log.lines) > log.written:
            self._world.account.write(self._container, log.path, "".join(f"{line}\n" for line in log.lines).encode())
            log.written, log.at = len(log.lines), time.monotonic()

    # --- outputs -----------------------------------------------------------------------------------------------------

    def _keep(self, name: str, step: str, key: str, stored: StoredOutput, *, again: bool) -> dict[str, str]:
        """Put an output of a step into blob storage; how the run history refers to it."""
        known = f"{self._workspace}/artifacts/{stored.digest}"
        found = self._world.resources.find(known)
        if again and found is not None:
            uri = found.body["uri"]
        else:
            uri = self._put_output(_DEFAULT_STORE, f"azureml/{name}/{key}/", stored)
            self._world.resources.put(known, {"uri": uri})
        return self._reference(name, key, stored.type, uri)

    def _put_output(self, datastore: str, path: str, stored: StoredOutput) -> str:
        source = self._materials.project / ".mlops" / stored.path
        target = path.rstrip("/") if source.is_file() else f"{path.rstrip('/')}/"
        account, where = self._materials.store_of(datastore)
        account.upload(source, where, target)
        return f"azureml://datastores/{datastore}/paths/{target}"

    def _reference(self, name: str, key: str, kind: str, uri: str) -> dict[str, str]:
        family = "models" if is_model(kind) else "data"
        asset = (f"azureml://locations/{self._world.location}/workspaces/{self._workspace.rpartition('/')[2]}/{family}/"
                 f"azureml_{name}_output_{key}/versions/1")
        self._world.resources.put(asset, {"uri": uri, "type": kind})
        return {"assetId": asset, "type": _TYPES.get(kind, kind)}

    def publish(self, outputs: Mapping[str, StoredOutput], reused: Container[str]) -> None:
        """The outputs of the whole job: where it says that they go, under the names that it says.

        Those that were *reused* are registered already.
        """
        told = self._properties.get("outputs") or {}
        references = {}
        for key, stored in outputs.items():
            spec = told.get(key) or {}
            datastore, path = _destination(spec.get("uri"), self.name, key)
            uri = self._put_output(datastore, path, stored)
            references[key] = self._reference(self.name, key, stored.type, uri)
            if key not in reused:
                self._register(spec, stored, uri)
        self.change(self.name, outputs=references)

    def publish_step(self, record: StepRecord, specs: Mapping[str, Mapping[str, Any]]) -> None:
        """What a node says of its own outputs: a place, or a name."""
        step, outputs = record.name, record.outputs
        for key, spec in specs.items():
            if key in outputs and isinstance(spec, dict) and "value" not in spec:
                datastore, path = _destination(spec.get("uri"), self._run_of(step), key)
                uri = self._put_output(datastore, path, outputs[key])
                self.change(self._run_of(step), outputs={key: self._reference(self._run_of(step), key, outputs[key].type, uri)})
                if record.status is not Status.REUSED:
                    self._register(spec, outputs[key], uri)

    def _register(self, spec: Mapping[str, Any], stored: StoredOutput, uri: str) -> None:
        name, version = translate.output_name(spec)
        if name is None:
            return
        model = is_model(stored.type)
        key = f"{self._workspace}/{'models' if model else 'data'}/{name}"
        resources = self._world.resources
        with resources.together():
            versions = resources.all_in(f"{key}/versions")
            version = version or next_version(versions)
            if any(found.name == version for found in versions):
                raise ValueError(f"the version {version} of {name} exists already, and a version never changes")
            if resources.find(key) is None:
                resources.put(key, {"properties": {}})
            common = {"tags": {}, "properties": {}, "isAnonymous": False, "isArchived": False}
            long = f"azureml:/{self._workspace}/{uri.removeprefix('azureml://')}".replace(
                "/providers/Microsoft.MachineLearningServices", "")
            resources.put(f"{key}/versions/{version}", {"properties": {
                **common, **({"modelUri": long, "modelType": stored.type, "flavors": {}, "jobName": self.name} if model else
                             {"dataUri": long, "dataType": stored.type})}})


def _reason(error: str) -> str:
    """Why a step failed, less what is in its log, and what a user of the local engine could do about it."""
    left_out = re.compile(r"  (?:fix: |\| |(?:why: )?the end of its log, ).*")
    return "\n".join(line for line in error.splitlines() if not left_out.fullmatch(line))


def _destination(uri: str | None, run: str, key: str) -> tuple[str, str]:
    """The datastore and path where an output goes."""
    if uri and "datastores/" in uri:
        text = uri.replace("${{name}}", run).replace("${{output_name}}", key)
        datastore, _, path = text.partition("datastores/")[2].partition("/")
        return datastore, path.removeprefix("paths/")
    return _DEFAULT_STORE, f"azureml/{run}/{key}/"


def output_specs(properties: Mapping[str, Any]) -> dict[str, Mapping[str, Mapping[str, Any]]]:
    """Of each node of a pipeline job, what it says of its outputs."""
    return {name: told.get("outputs") or {} for name, told in (properties.get("jobs") or {}).items()}


def log_files(world: World, workspace: str, name: str) -> dict[str, str]:
    """The logs of a run by name, with addresses that can be read without a token."""
    prefix = f"ExperimentRun/dcid.{name}/"
    store = container(workspace.rpartition("/")[2], ARTIFACTS)
    return {blob.path.removeprefix(prefix): world.account.address(store, blob.path)
            for blob in world.account.list(store, prefix)
            if blob.path.removeprefix(prefix).startswith(("user_logs/", "logs/", "system_logs/", "azureml-logs/"))}


__all__ = ["CANCELING", "TERMINAL", "Ledger", "log_files", "logged_key", "new_run", "output_specs", "run_key"]
