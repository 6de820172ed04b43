"""The files of a project linked to each other, and checked: a pipeline's components, their environments, a schedule's job."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from . import document
from .binding import PipelinePort
from .checks import check_component, check_pipeline, check_submission, connects
from .errors import InputError, Place, Severity, did_you_mean, is_slip, listing, nearest
from .inspection import DEFAULT_LIMITS, Inspector, Limits, is_local, local_code, local_path, nearby
from .references import NO_MAPPINGS, AssetReference, Mappings, parse_asset, parse_reference
from .rules.conda import check_conda
from .rules.storage import check_datastore
from .spec import (
    DATA_TYPES,
    Asset,
    Bound,
    CommandComponent,
    Component,
    Data,
    Environment,
    Input,
    InputValue,
    Job,
    JobOutput,
    Literal,
    OtherComponent,
    OtherFile,
    PipelineComponent,
    PipelineJob,
    SingleJob,
    Spec,
    kind_of_document,
)
from .stores.mapped import file_of_asset, find_asset, version_order
from .yamlfiles import YAML, YamlFiles

if TYPE_CHECKING:
    from .gate import Gate
    from .infra import Used

_NOT_A_COMPONENT = {PipelineJob: "it is a pipeline job; a component of type pipeline declares ports instead of values",
                    SingleJob: "it is a job; a component declares ports instead of values", Environment: "it is an environment"}

Carried = TypeVar("Carried", CommandComponent, OtherComponent)
Change = Callable[[PipelineJob], PipelineJob]


class Catalogue(YamlFiles):
    """A project's YAML files, and what they are to each other.

    Args:
        root: The project's folder.
        near: Places name files relative to this folder when they lie below it; default: the working directory.
        limits: How much code a component may have before there is a warning.
        mappings: What stands on this machine for datastores, registries and workspaces.
        stages: The stages that the settings name.
        against: The stage whose champion ``@champion`` is.
    """

    def __init__(self, root: Path, *, near: Path | None = None, limits: Limits = DEFAULT_LIMITS,
                 mappings: Mappings = NO_MAPPINGS, stages: Collection[str] = (), against: str | None = None) -> None:
        super().__init__(root, near=near)
        self.mappings = mappings
        self.stages = stages
        self.against = against
        self.limits = limits
        self._linked: dict[Path, Component | None] = {}
        self._assets: dict[str, list[Asset]] = {}
        self._inspector = Inspector(self.report, self.content, self.display, limits)

    def spec(self, path: Path, kind: str | None = None) -> Spec | None:
        """What a file is, and what an environment names looked at; mistakes go to the report, once.

        Raises:
            InputError: the file cannot be read.
        """
        found = super().spec(path, kind)
        if isinstance(found, Environment):
            self._inspector.environment(found)
        return found

    def gate(self, path: Path) -> Gate:
        """The gate in a file, wherever it stands.

        Raises:
            InputError: the file cannot be read; CompileError: it has mistakes.
        """
        from .gate import Gate

        self.check_file(path, "gate")
        self.raise_errors()
        spec = self.spec(path)
        if not isinstance(spec, OtherFile):
            raise ValueError(f"the gate {path} was refused without a finding")
        return Gate.from_document(spec.document)

    # --- linking -----------------------------------------------------------------------------------------------------

    def pipeline(self, path: Path, change: Change | None = None) -> PipelineJob:
        """A pipeline or command job with everything it names in place.

        Args:
            path: Its file, or that of a schedule which starts it.
            change: Applied before values are judged: what ``--set`` gives.

        Raises:
            CompileError: with every mistake of every file that it reaches.
            InputError: the file cannot be read or is no job.
        """
        before = len(self.report.findings)
        spec = self.spec(path)
        if isinstance(spec, OtherFile) and spec.kind == "schedule":
            from .rules.schedule import check_schedule

            check_schedule(spec.document, self.report)
            spec = self._started_by(spec) or spec
        linked = self.link(spec, change) if isinstance(spec, PipelineJob | SingleJob) else None
        self.raise_errors()
        if linked is None:
            del self.report.findings[before:]
            component = isinstance(spec, CommandComponent | PipelineComponent | OtherComponent)
            kind = "a component, not a pipeline" if component else "neither a pipeline nor a job"
            if isinstance(spec, OtherFile) and spec.kind == "schedule":
                kind = "a schedule of something that only Azure ML runs"
            raise InputError(f"{self.display(path)} is {kind}", fix="name a pipeline job's file")
        return linked

    def link(self, job: PipelineJob | SingleJob, change: Change | None = None) -> PipelineJob:
        """*job* with its components in place, checked; what is wrong goes to the report."""
        if isinstance(job, SingleJob):
            from .graph import as_pipeline

            job = as_pipeline(job)
        if job.component is not None:
            before = len(self.report.findings)
            job = self._from_component(job)
            if len(self.report.findings) > before:
                return job  # what does not fit its component would be told again at every job inside
        linked = dataclasses.replace(job, jobs=self._link_jobs(job, ()))
        if change is not None:
            linked = change(linked)
        for name, value in linked.inputs.items():
            if isinstance(value, Bound):
                self.report.add("bad-binding", f"input {name!r} is bound to {value.to}", value.place,
                                why="nothing is around this job", fix="give a value or a path")
        check_pipeline(linked, self.report)
        self._inspector.paths(linked.inputs.values(), linked.folder)
        self._inspector.outputs(linked.outputs)
        self._check_texts(linked)
        return linked

    def component(self, path: Path) -> Component | None:
        """The linked, checked component in a file; None when it is none (reported)."""
        return self._component(path if path in self._linked else Path(os.path.abspath(path)), (), None)

    def find_component(self, name: str) -> Component:
        """A component of the project by name.

        Raises:
            InputError: there is none; CompileError: it has mistakes.
        """
        path = self.names("components").get(name)
        if path is None:
            raise InputError(f"the project has no component {name!r}", fix=did_you_mean(name, self.names("components")))
        component = self.component(path)
        self.raise_errors()
        if component is None:
            raise ValueError(f"component {name!r} was refused without a finding")
        return component

    def environment(self, given: str | Environment | None, folder: str) -> Environment | None:
        """The environment that a component names, when the project has it; *folder* is where a ``file:`` starts."""
        if given is None or isinstance(given, Environment):
            return given
        if given.startswith("file:"):
            path = Path(os.path.abspath(os.path.join(folder, given.removeprefix("file:"))))
            found = self.spec(path, "environment") if os.path.isfile(path) else None
            return found if isinstance(found, Environment) else None
        reference = parse_reference(given)
        if isinstance(reference, AssetReference):
            return self._mapped_environment(reference)
        asset = parse_asset(given)
        named = self.names("environments").get(asset.name) if asset else None
        spec = self.spec(named, "environment") if named else None
        if not isinstance(spec, Environment) or asset is None:
            return None
        return spec if asset.version in (None, spec.version) else None

    def _mapped_environment(self, reference: AssetReference) -> Environment | None:
        """The environment of a mapped registry or workspace. One that is not there is known to Azure ML only."""
        root = self.mappings.folder_of(reference)
        if root is None or reference.kind != "environments":
            return None
        try:
            spec = self.spec(file_of_asset(find_asset(root, reference), reference), "environment")
        except InputError:
            return None
        return spec if isinstance(spec, Environment) else None

    def asset(self, kind: str, name: str, version: str | None) -> Asset | None:
        """The data asset or model of the project with that name; None when no file of ``data/`` or ``models/`` is it.

        Args:
            kind: ``data`` or ``model``.
            name: Its name.
            version: None for the latest.
        """
        if kind not in self._assets:
            folder = self.root / _ASSET_FOLDERS[kind]
            files = sorted(path for path in folder.iterdir() if path.suffix in YAML) if folder.is_dir() else []
            self._assets[kind] = [spec for path in files if _is_asset(self.peek(path), kind)
                                  and isinstance(spec := self.spec(path), Asset)]
        found = [asset for asset in self._assets[kind] if asset.name == name and version in (None, asset.version)]
        return max(found, key=lambda asset: version_order(asset.version or ""), default=None)

    def _from_component(self, job: PipelineJob) -> PipelineJob:
        """A pipeline job that names a pipeline component takes its jobs and outputs."""
        component = self._resolve(job.component or "", job.folder, job.places.get("component", job.place), ())
        if not isinstance(component, PipelineComponent):
            if component is not None:
                self.report.add("wrong-component", "a pipeline job's component must be a pipeline component",
                                job.places.get("component", job.place))
            return job
        defaults = {name: Literal(text=port.default, value=port.default, place=port.place)
                    for name, port in component.inputs.items() if port.default is not None}
        for name, value in job.inputs.items():
            if name not in component.inputs and "inputs" not in component.untold:
                self.report.add("unknown-input", f"the pipeline component has no input {name!r}", value.place,
                                fix=did_you_mean(name, component.inputs))
        for name, port in component.inputs.items():
            if port.required and name not in job.inputs and "inputs" not in job.untold:
                self.report.add("missing-input", f"the pipeline component's input {name!r} has no value", job.place,
                                fix=f"add '{name}: …' to the inputs")
        for name, output in job.outputs.items():
            if name not in component.outputs and "outputs" not in component.untold:
                self.report.add("unknown-output", f"the pipeline component has no output {name!r}", output.place,
                                fix=did_you_mean(name, component.outputs))
        outputs = {name: job.outputs.get(name, JobOutput(type=port.type)) for name, port in component.outputs.items()}
        jobs = {name: _moved(inner, component.folder) for name, inner in component.jobs.items()}
        known = {name: value for name, value in job.inputs.items() if name in component.inputs}
        return dataclasses.replace(job, jobs=jobs, inputs={**defaults, **known}, outputs=outputs)

    def _link_jobs(self, pipeline: PipelineJob | PipelineComponent, above: tuple[Path, ...]) -> dict[str, Job]:
        linked = {}
        for name, job in pipeline.jobs.items():
            component = job.component
            if component is not None and component.file:
                pass  # linked and checked as the file it came from
            elif isinstance(component, CommandComponent):
                component = self._open_ports(job, component, pipeline)
                self._check_command(component)
            elif isinstance(component, PipelineComponent):
                component = dataclasses.replace(component, jobs=self._link_jobs(component, above))
                check_component(component, self.report)
            elif component is not None:
                component = self._open_ports(job, component, pipeline)
                self._check_other(component)
            elif job.reference is not None:
                component = self._resolve(job.reference, pipeline.folder, self._place_of_reference(job), above)
            elif job.type in _CARRIES and not _CARRIES[job.type] & job.places.keys() and not any(
                    nearest(key, _CARRIES[job.type]) for key in job.rest):  # it is misspelt, and told so
                [other] = _CARRIES[job.type] - {"component"}
                self.report.add("missing-key", f"job {name!r} has neither a component nor {_with_article(other)}", job.place,
                                fix="add 'component: …'")
            expected = "command" if job.type == "sweep" else job.type
            if component is not None and component.type != expected and job.type in (*_CARRIES, "pipeline", "sweep"):
                what = "its trial" if job.type == "sweep" else "its component"
                self.report.add("wrong-component",
                                f"job {name!r} is of type {job.type}, {what} is a {component.type} component",
                                self._place_of_reference(job),
                                fix="name a command component" if job.type == "sweep" else f"write 'type: {component.type}'")
                component = None
            self._inspector.paths(job.inputs.values(), pipeline.folder)
            self._inspector.outputs(job.outputs)
            self._check_environment_of(job.environment, pipeline.folder, job.places.get("environment", job.place))
            if job.type == "sweep":
                self._inspector.sweep(job, component)
            elif job.type == "automl":
                self._inspector.automl(job, pipeline.folder)
            linked[name] = dataclasses.replace(job, component=component)
        return linked

    @staticmethod
    def _place_of_reference(job: Job) -> Place:
        return job.places.get("trial" if job.type == "sweep" else "component", job.place)

    @staticmethod
    def _open_ports(job: Job, component: Carried, pipeline: PipelineJob | PipelineComponent) -> Carried:
        """What a job carries itself declares no port types: one bound to a declared port of the pipeline takes its type."""
        if not job.inline:
            return component
        inputs, outputs = dict(component.inputs), dict(component.outputs)
        for name, value in job.inputs.items():
            if isinstance(value, Bound) and value.type is None and isinstance(value.to, PipelinePort):
                source = pipeline.inputs.get(value.to.name)
                if isinstance(source, Literal):
                    inputs[name] = Input(type="string", place=value.place)
                elif isinstance(source, Input | Data) and source.type:
                    inputs[name] = dataclasses.replace(inputs[name], type=source.type)
        for name, output in job.outputs.items():
            if output.type is None and isinstance(output.bound, PipelinePort):
                declared = pipeline.outputs.get(output.bound.name)
                if declared is not None and declared.type:
                    outputs[name] = dataclasses.replace(outputs[name], type=declared.type)
        return dataclasses.replace(component, inputs=inputs, outputs=outputs)

    def _resolve(self, reference: str, folder: str, place: Place, above: tuple[Path, ...]) -> Component | None:
        asset = parse_asset(reference)
        if asset is not None:
            names = self.names("components")
            path = names.get(asset.name)
            if path is None:
                # Another name is one of the workspace's, as far as the files can tell.
                if any(is_slip(asset.name, name) for name in names):
                    self.report.add("unknown-component", f"the project has no component {asset.name!r}", place,
                                    why=f"it has {listing(names)}", fix=did_you_mean(asset.name, names))
                return None
            component = self._component(path, above, place)
            if component is not None and asset.version not in (None, component.version):
                has = f"version {component.version}" if component.version else "no version"
                self.report.add("unknown-component", f"component {asset.name!r} has {has}, not {asset.version}", place,
                                why="Azure ML takes the version that its workspace has; on this machine it does not run",
                                fix=f"write 'azureml:{asset.name}@latest'", severity=Severity.WARNING)
                return None
            return component
        if reference.startswith("azureml:"):
            return self._mapped_component(reference, place, above)
        path = Path(os.path.abspath(os.path.join(folder, reference.removeprefix("file:"))))
        return self._component(path, above, place)

    def _mapped_component(self, reference: str, place: Place, above: tuple[Path, ...]) -> Component | None:
        """The component of a mapped registry or workspace; of one that is not mapped only Azure ML knows."""
        named = parse_reference(reference)
        root = self.mappings.folder_of(named) if isinstance(named, AssetReference) else None
        if not isinstance(named, AssetReference) or root is None:
            return None
        try:
            if named.kind != "components":
                raise InputError(f"{reference!r} is no component", fix="name one: …/components/NAME/versions/1")
            path = file_of_asset(find_asset(root, named), named)
        except InputError as error:
            self.report.add("unknown-component", error.what, place, why=error.why, fix=error.fix)
            return None
        return self._component(path, above, place)

    def _component(self, path: Path, above: tuple[Path, ...], place: Place | None) -> Component | None:
        if path in above:
            walk = " -> ".join(self.display(p) for p in [*above[above.index(path):], path])
            self.report.add("cycle", f"a pipeline component contains itself: {walk}", place or Place(self.display(path)))
            return None
        if path not in self._linked:
            known = path in self.parsed  # and so a file
            if not known and os.path.isdir(path):
                self.report.add("wrong-component", f"{self.display(path)} is a folder", place or Place(self.display(path)),
                                why="a job names its component's file", fix="name the YAML file in it")
                self._linked[path] = None
                return None
            if not known and not os.path.isfile(path):
                self.report.add("missing-file", f"the component file {self.display(path)!r} does not exist",
                                place or Place(self.display(path)), fix=nearby(path))
                self._linked[path] = None
                return None
            spec = self.spec(path)
            if isinstance(spec, CommandComponent | PipelineComponent | OtherComponent):
                spec = dataclasses.replace(spec, file=str(path))
            if isinstance(spec, PipelineComponent):
                spec = dataclasses.replace(spec, jobs=self._link_jobs(spec, (*above, path)))
            if isinstance(spec, CommandComponent):
                self._check_command(spec)
            elif isinstance(spec, PipelineComponent):
                check_component(spec, self.report)
                self._check_texts(spec)
            elif isinstance(spec, OtherComponent):
                self._check_other(spec)
            elif spec is not None or path in self.foreign:
                # That the file is of no known kind is no mistake of the file, but of the job that names it.
                if isinstance(self.peek(path), document.Table):
                    self.report.findings = [finding for finding in self.report.findings if not (
                        finding.code == "unknown-kind" and finding.place.file == self.display(path))]
                self.report.add("wrong-component", f"{self.display(path)} is not a component",
                                place or Place(self.display(path)),
                                why=_NOT_A_COMPONENT.get(type(spec), "it is of another kind"))
            self._linked[path] = spec if isinstance(spec, CommandComponent | PipelineComponent | OtherComponent) else None
        return self._linked[path]

    # --- checks that need the disk -----------------------------------------------------------------------------------

    def _check_environment_of(self, given: str | Environment | None, folder: str, place: Place) -> None:
        if isinstance(given, Environment):
            self._inspector.environment(given)
            return
        if given is not None and given.startswith("file:"):
            path = Path(os.path.abspath(os.path.join(folder, given.removeprefix("file:"))))
            if not os.path.isfile(path):
                self.report.add("missing-file", f"the environment file {self.display(path)!r} does not exist", place,
                                fix=nearby(path))
        self.environment(given, folder)

    def _check_command(self, component: CommandComponent) -> None:
        check_component(component, self.report)
        self._inspector.command(component)
        self._check_environment_of(component.environment, component.folder,
                                   component.places.get("environment", component.place))

    def _check_other(self, component: OtherComponent) -> None:
        check_component(component, self.report)
        if component.type == "parallel":
            self._inspector.parallel(component)
            task = component.document.get("task")
            given = task.get("environment") if isinstance(task, document.Table) else None
            if isinstance(given, document.Table):
                self._inspector.environment(Environment.from_document(given, folder=component.folder))
            elif isinstance(given, document.Scalar) and given.value is not None:
                self._check_environment_of(given.text, component.folder, given.place)
        elif component.type == "spark":
            self._inspector.spark(component)

    def _check_texts(self, pipeline: PipelineJob | PipelineComponent) -> None:
        """Paths against the ports that they go into; plain strings that go into data ports are paths too."""
        for job in pipeline.jobs.values():
            for name, value in job.inputs.items():
                port = job.component.inputs.get(name) if job.component else None
                given: object = value
                if isinstance(value, Bound) and isinstance(value.to, PipelinePort):
                    given = pipeline.inputs.get(value.to.name)
                if port is None or port.type not in DATA_TYPES:
                    continue
                if isinstance(given, Literal) and isinstance(given.value, str):
                    self._inspector.path(given.text, given.place, pipeline.folder)
                    self._inspector.form(given.text, given.place, pipeline.folder, port.type)
                elif isinstance(given, Data) and connects(given.type or port.type, port.type):  # else that is what is told
                    self._inspector.form(given.path, given.place, pipeline.folder, given.type or port.type)

    def check_file(self, path: Path, kind: str | None = None) -> None:
        """Check one file of any kind, or of the one that whoever names it expects, and all that it refers to."""
        spec = self.spec(path, kind)
        if isinstance(spec, PipelineJob | SingleJob):
            linked = self.link(spec)
            if isinstance(spec, PipelineJob):
                check_submission(linked, self.report)
        elif isinstance(spec, CommandComponent | PipelineComponent | OtherComponent):
            self.component(path)
        elif isinstance(spec, Asset) and spec.path:
            data = Data(path=spec.path, type=spec.type, place=spec.places.get("path", spec.place))
            self._inspector.paths([data], spec.folder)
        elif isinstance(spec, OtherFile):
            self._check_file_of_kind(spec)

    def _check_file_of_kind(self, spec: OtherFile) -> None:
        value, kind = spec.document, spec.kind
        # What few projects have is imported when it is met.
        if kind == "schedule":
            from .rules.schedule import check_schedule

            check_schedule(value, self.report)
            self._check_scheduled(spec)
        elif kind == "gate":
            from .rules.gates import check_gate

            check_gate(value, self.report)
        elif kind == "datastore":
            check_datastore(value, self.report)
        elif kind == "mltable":
            self._inspector.mltable(value, spec.folder)
        elif kind == "conda file":
            check_conda(value, self.report)
        elif kind.endswith("endpoint"):
            from .rules.serving import check_endpoint

            name = value.get("name")
            found = self._served(kind.replace("endpoint", "deployment"), name.text if isinstance(name, document.Scalar) else "")
            check_endpoint(value, self.report, deployments=found or None)
        elif kind.endswith("deployment"):
            from .rules.serving import check_deployment

            endpoints = self._served(kind.replace("deployment", "endpoint"), None)
            check_deployment(value, self.report, endpoints=endpoints or None, entry=self._inspector.scoring(value, spec.folder))

    def used(self) -> list[Used]:
        """The computes, datastores and endpoints that the files looked at so far name."""
        from .infra.usage import used_in

        return used_in(value for path, value in self.parsed.items() if path in self._specs)

    def _served(self, kind: str, endpoint: str | None) -> set[str]:
        """The names of the project's endpoints, or of its deployments to one."""
        found = set()
        for path in self.of_kind(kind):
            value = self.peek(path)
            if isinstance(value, document.Table):
                name, target = value.get("name"), value.get("endpoint_name")
                to = target.text if isinstance(target, document.Scalar) else None
                if isinstance(name, document.Scalar) and (endpoint is None or to == endpoint):
                    found.add(name.text)
        return found

    def _check_scheduled(self, spec: OtherFile) -> None:
        """What a schedule starts: a job's file, changes to one, or a job in place."""
        job = self._started_by(spec)
        if job is not None:
            self.link(job)

    def _started_by(self, spec: OtherFile) -> PipelineJob | SingleJob | None:
        from .started import started_by

        return started_by(spec, self)


_ASSET_FOLDERS = {"data": "data", "model": "models"}

# What a job of a type has: a component that it names, or what it runs itself.
_CARRIES = {"command": {"component", "command"}, "parallel": {"component", "task"}, "spark": {"component", "entry"}}


def code_of(component: CommandComponent) -> Path | None:
    """The folder or file that a component's code is; None when it has none, or it is not local."""
    return local_code(component.code, component.folder)


def _moved(job: Job, folder: str) -> Job:
    """*job* with its paths made absolute, so that it means the same in a pipeline of another folder."""
    inputs: dict[str, InputValue] = dict(job.inputs)
    for name, value in job.inputs.items():
        port = job.component.inputs.get(name) if job.component else None
        if isinstance(value, Data) and is_local(value.path):
            inputs[name] = dataclasses.replace(value, path=str(local_path(value.path, folder)))
        elif isinstance(value, Literal) and port and port.type in DATA_TYPES and is_local(value.text):
            path = str(local_path(value.text, folder))
            inputs[name] = dataclasses.replace(value, text=path, value=path)
    environment = job.environment
    if isinstance(environment, str) and environment.startswith("file:"):
        environment = f"file:{local_path(environment, folder)}"
    return dataclasses.replace(job, inputs=inputs, environment=environment)


def _is_asset(value: document.Value | None, kind: str) -> bool:
    """Whether a file is a data asset, or a model; other YAML in the folder is data."""
    return isinstance(value, document.Table) and kind_of_document(value) == kind


def _with_article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"
