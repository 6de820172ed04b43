"""Components, jobs and pipelines as values; ``from_document`` and ``to_dict`` are each other's inverse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..document import Items, Scalar, Table, Value
from ..errors import Place
from . import reading
from .assets import NOTHING, Environment
from .ports import NOWHERE, Input, InputValue, JobOutput, Literal, Output, read_input_value
from .shapes import Report


def _empty() -> Any:
    return field(default_factory=dict)


def _untold() -> Any:
    """Of ``inputs`` and ``outputs``, those that could not be read: reported, and so nothing is known to be absent there."""
    return field(default=frozenset(), compare=False, repr=False)


def _unseen(default: Any = NOWHERE) -> Any:
    if default is NOWHERE:
        return field(default=NOWHERE, compare=False, repr=False)
    return field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ported:
    """What a component has whatever it runs.

    Attributes:
        folder: The folder that relative paths start from.
        file: The file it was read from, absolute; empty when it was not.
        places: Where each key of the file stands, for messages.
    """

    name: str | None = None
    version: str | None = None
    display_name: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = _empty()
    inputs: Mapping[str, Input] = _empty()
    outputs: Mapping[str, Output] = _empty()
    is_deterministic: bool = True
    rest: Mapping[str, Any] = _empty()
    untold: frozenset[str] = _untold()
    folder: str = field(default="", compare=False)
    file: str = field(default="", compare=False)
    place: Place = _unseen()
    places: Mapping[str, Place] = _unseen({})

    @property
    def role(self) -> str | None:
        """What the component is for in an assembled pipeline: the tag ``role``."""
        return self.tags.get("role")


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandComponent(_Ported):
    """A command with typed ports.

    Attributes:
        environment: ``azureml:…`` text, an inline environment, or None (a pipeline may give a default).
        written: The command as the file has it.
    """

    command: str
    code: str | None = None
    environment: str | Environment | None = None
    environment_variables: Mapping[str, str] = _empty()
    additional_includes: tuple[str, ...] = ()
    written: Scalar | None = field(default=None, compare=False, repr=False)

    @property
    def type(self) -> str:
        """The type of a job that runs it."""
        return "command"

    def place_in_command(self, offset: int) -> Place:
        """Where in its file the word of the command stands that has the character at *offset*."""
        return self.written.place_of(offset) if self.written is not None else self.places.get("command", self.place)

    @classmethod
    def from_document(cls, value: Table, report: Report, *, folder: str) -> CommandComponent:
        """A component from its checked document."""
        return cls(**_component_fields(value, folder), **_command_fields(value, report, folder),
                   rest=reading.rest(value, _COMMAND_MODELLED))

    def to_dict(self) -> dict[str, Any]:
        """The component's YAML."""
        return _component_dict(self, "command") | _command_dict(self) | dict(self.rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineComponent(_Ported):
    """A pipeline with typed ports, usable as a job of another pipeline."""

    jobs: Mapping[str, Job]

    @property
    def type(self) -> str:
        """The type of a job that runs it."""
        return "pipeline"

    @classmethod
    def from_document(cls, value: Table, report: Report, *, folder: str) -> PipelineComponent:
        """A component from its checked document."""
        return cls(**_component_fields(value, folder), jobs=_read_jobs(value, report, folder),
                   rest=reading.rest(value, {*_COMPONENT_MODELLED, "jobs"}))

    def to_dict(self) -> dict[str, Any]:
        """The component's YAML."""
        return (_component_dict(self, "pipeline") | dict(self.rest)
                | {"jobs": {name: job.to_dict() for name, job in self.jobs.items()}})


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherComponent(_Ported):
    """A parallel, Spark or other component: typed ports, and the rest as its file says it.

    Attributes:
        type: ``parallel``, ``spark`` …: the type of a job that runs it.
        document: What it was read from, with the place of everything.
    """

    type: str
    document: Table = field(default=NOTHING, compare=False, repr=False)

    @classmethod
    def from_document(cls, value: Table, type_: str, *, folder: str) -> OtherComponent:
        """A component from its checked document."""
        return cls(**_component_fields(value, folder), type=type_, rest=reading.rest(value, _COMPONENT_MODELLED),
                   document=value)

    def to_dict(self) -> dict[str, Any]:
        """The component's YAML."""
        return _component_dict(self, self.type) | dict(self.rest)


Component = CommandComponent | PipelineComponent | OtherComponent


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A node of a pipeline.

    Attributes:
        type: ``command``, ``pipeline``, ``sweep``, or a type that only Azure ML runs.
        component: What it runs (of a sweep: its trial), once linked; None before, or when it could not be found.
        reference: The text that names the component; None when the job carries its command itself.
        timeout: Seconds.
        inline: The job carries what it runs itself: its ports are what it gives to them.
        searched: Of a sweep, the inputs of the trial that its search space gives.
        refused: Inputs that were given something without meaning: reported, and so not missing.
        document: What it was read from, with the place of everything.
    """

    name: str
    type: str = "command"
    component: Component | None = None
    reference: str | None = None
    inputs: Mapping[str, InputValue] = _empty()
    outputs: Mapping[str, JobOutput] = _empty()
    compute: str | None = None
    environment: str | Environment | None = None
    environment_variables: Mapping[str, str] = _empty()
    timeout: int | None = None
    inline: bool = False
    searched: frozenset[str] = frozenset()
    refused: frozenset[str] = field(default=frozenset(), compare=False, repr=False)
    untold: frozenset[str] = _untold()
    rest: Mapping[str, Any] = _empty()
    document: Table = field(default=NOTHING, compare=False, repr=False)
    place: Place = _unseen()
    places: Mapping[str, Place] = _unseen({})

    @classmethod
    def from_document(cls, name: str, value: Table, report: Report, *, folder: str, place: Place,
                      type_: str | None = None) -> Job:
        """A node from its checked document; a command given in the node itself becomes an inline component."""
        inputs = {}
        refused = set()
        for key, given in reading.entries(value, "inputs").items():
            found = read_input_value(given, report, f"input {key!r} of job {name!r}")
            if found is not None:
                inputs[key] = found
            else:
                refused.add(key)
        outputs = {key: JobOutput.from_document(given, report, f"output {key!r} of job {name!r}")
                   for key, given in reading.entries(value, "outputs").items()}
        type_ = type_ or reading.word(value, "type") or "command"
        component: Component | None = None
        known = set(_JOB_MODELLED)
        limits = reading.subtable(value, "limits") if type_ == "command" else None
        timeout = reading.whole(limits, "timeout") if limits else None
        if timeout is None:
            known.discard("limits")  # a sweep's are more than a timeout, and that of others may be an expression
        given_component = value.get("trial" if type_ == "sweep" else "component")
        inline = _CARRIED_BY.get(type_) in value.entries
        searched = _searched(value.get("search_space")) if type_ == "sweep" else frozenset()
        if inline and type_ == "command":
            known |= _COMMAND_ONLY
            component = _inline_component(value, report, folder, inputs, outputs)
        elif inline:
            ports, ends = _inline_ports(inputs, outputs)
            component = OtherComponent(type=type_, inputs=ports, outputs=ends, folder=folder, document=value,
                                       place=value.place, places=_places(value))
        elif isinstance(given_component, Table):
            inline = type_ == "sweep" and "inputs" not in given_component.entries
            if inline:
                component = _inline_component(given_component, report, folder, inputs, outputs, searched)
            else:
                component = component_from_document(given_component, report, folder=folder, type_=type_)
        if type_ not in ("command", "pipeline"):
            # Written back as it was read: only references are told apart from the rest.
            known -= {"environment", "environment_variables"}
            if isinstance(given_component, Table):
                known.discard("component")
            elif type_ == "sweep":
                known.add("trial")
        return cls(
            name=name, type=type_, component=component,
            reference=reading.text(value, "trial" if type_ == "sweep" else "component"),
            inputs=inputs, outputs=outputs, compute=reading.text(value, "compute"),
            environment=None if inline or "environment" not in known else _environment(value, folder),
            environment_variables={} if inline or "environment" not in known
            else reading.text_map(value, "environment_variables"),
            timeout=timeout, inline=inline, searched=searched,
            refused=frozenset(refused), untold=reading.untold(value), rest=reading.rest(value, known), document=value,
            place=place, places=_places(value),
        )

    def to_dict(self) -> dict[str, Any]:
        """The node's YAML."""
        result: dict[str, Any] = {"type": self.type}
        if self.inline and self.type == "command" and isinstance(self.component, CommandComponent):
            result |= _command_dict(self.component)
        elif self.reference is not None:
            result["trial" if self.type == "sweep" else "component"] = self.reference
        elif self.component is not None and not {"component", "trial"} & self.rest.keys() and not self.inline:
            result["trial" if self.type == "sweep" else "component"] = self.component.to_dict()
        if self.inputs:
            result["inputs"] = {key: value.to_dict() for key, value in self.inputs.items()}
        if self.outputs:
            result["outputs"] = {key: value.to_dict() for key, value in self.outputs.items()}
        if self.compute is not None:
            result["compute"] = self.compute
        if self.environment is not None:
            result["environment"] = _environment_dict(self.environment)
        if self.environment_variables:
            result["environment_variables"] = dict(self.environment_variables)
        if self.timeout is not None:
            result["limits"] = {"timeout": self.timeout}
        return result | dict(self.rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of a pipeline job; Azure ML's defaults where the file says nothing."""

    default_compute: str | None = None
    default_datastore: str | None = None
    continue_on_step_failure: bool = True
    force_rerun: bool = False
    rest: Mapping[str, Any] = _empty()

    @classmethod
    def from_document(cls, value: Table | None) -> Settings:
        """The settings of a checked pipeline job."""
        if value is None:
            return cls()
        continues = reading.flag(value, "continue_on_step_failure")
        return cls(default_compute=reading.text(value, "default_compute"),
                   default_datastore=reading.text(value, "default_datastore"),
                   continue_on_step_failure=True if continues is None else continues,
                   force_rerun=reading.flag(value, "force_rerun") or False,
                   rest=reading.rest(value, ("default_compute", "default_datastore", "continue_on_step_failure",
                                             "force_rerun")))

    def to_dict(self) -> dict[str, Any]:
        """The YAML, without what is the default."""
        result: dict[str, Any] = {"default_compute": self.default_compute, "default_datastore": self.default_datastore}
        result = {key: value for key, value in result.items() if value is not None}
        if not self.continue_on_step_failure:
            result["continue_on_step_failure"] = False
        if self.force_rerun:
            result["force_rerun"] = True
        return result | dict(self.rest)


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineJob:
    """A pipeline with its values: what ``mlops run`` and ``az ml job create`` start."""

    jobs: Mapping[str, Job]
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    experiment_name: str | None = None
    tags: Mapping[str, str] = _empty()
    compute: str | None = None
    inputs: Mapping[str, InputValue] = _empty()
    outputs: Mapping[str, JobOutput] = _empty()
    settings: Settings = field(default_factory=Settings)
    component: str | None = None
    rest: Mapping[str, Any] = _empty()
    untold: frozenset[str] = _untold()
    folder: str = field(default="", compare=False)
    place: Place = _unseen()
    places: Mapping[str, Place] = _unseen({})

    @classmethod
    def from_document(cls, value: Table, report: Report, *, folder: str) -> PipelineJob:
        """A pipeline job from its checked document."""
        return cls(
            jobs=_read_jobs(value, report, folder), **_job_fields(value, report),
            compute=reading.text(value, "compute"),
            settings=Settings.from_document(reading.subtable(value, "settings")),
            component=None if reading.entries(value, "jobs") else reading.text(value, "component"),
            rest=reading.rest(value, {*_RUN_MODELLED, "jobs", "settings", "component", "compute"}),
            folder=folder, place=value.place, places=_places(value),
        )

    def to_dict(self) -> dict[str, Any]:
        """The pipeline's YAML."""
        result = _job_dict(self, "pipeline", "pipelineJob")
        if self.compute is not None:
            result["compute"] = self.compute
        if settings := self.settings.to_dict():
            result["settings"] = settings
        result |= _ports_dict(self)
        result |= dict(self.rest)
        if self.component is not None:
            result["component"] = self.component
        if self.jobs:
            result["jobs"] = {name: job.to_dict() for name, job in self.jobs.items()}
        return result


@dataclass(frozen=True, kw_only=True, slots=True)
class SingleJob:
    """A command, a sweep … on its own; *job* is the node that it would be in a pipeline."""

    job: Job
    name: str | None = None
    display_name: str | None = None
    description: str | None = None
    experiment_name: str | None = None
    tags: Mapping[str, str] = _empty()
    inputs: Mapping[str, InputValue] = _empty()
    outputs: Mapping[str, JobOutput] = _empty()
    untold: frozenset[str] = _untold()
    folder: str = field(default="", compare=False)
    place: Place = _unseen()
    places: Mapping[str, Place] = _unseen({})

    @classmethod
    def from_document(cls, value: Table, report: Report, *, folder: str, type_: str = "command") -> SingleJob:
        """A job from its checked document."""
        fields = _job_fields(value, report)
        inner = _without(value, {*_RUN_MODELLED} - {"type", "inputs", "outputs"})
        unheard = Report()  # what is wrong with its ports was told just now
        job = Job.from_document(type_, inner, unheard, folder=folder, place=value.place, type_=type_)
        return cls(job=replace(job, inputs=fields["inputs"], outputs=fields["outputs"]), **fields, folder=folder,
                   place=value.place, places=_places(value))

    def to_dict(self) -> dict[str, Any]:
        """The job's YAML."""
        return _job_dict(self, self.job.type, f"{_camel(self.job.type)}Job") | self.job.to_dict()


# --- reading ---------------------------------------------------------------------------------------------------------

_COMPONENT_MODELLED = frozenset({"$schema", "type", "name", "version", "display_name", "description", "tags", "inputs",
                                 "outputs", "is_deterministic"})
_COMMAND_ONLY = frozenset({"command", "code", "environment", "environment_variables", "additional_includes"})
_COMMAND_MODELLED = _COMPONENT_MODELLED | _COMMAND_ONLY
# What a job of a type has that carries what it runs itself instead of naming a component.
_CARRIED_BY = {"command": "command", "parallel": "task", "spark": "entry"}
_JOB_MODELLED = frozenset({"type", "component", "inputs", "outputs", "compute", "limits", "environment",
                           "environment_variables"})
_RUN_MODELLED = frozenset({"$schema", "type", "name", "display_name", "description", "experiment_name", "tags", "inputs",
                           "outputs"})


def component_from_document(value: Table, report: Report, *, folder: str, type_: str) -> Component:
    """A component that stands in a job of type *type_*; its own ``type`` and keys come first."""
    word = reading.word(value, "type") or type_
    if word == "pipeline" or "jobs" in value.entries:
        return PipelineComponent.from_document(value, report, folder=folder)
    if word in ("command", "sweep") or "command" in value.entries:
        return CommandComponent.from_document(value, report, folder=folder)
    return OtherComponent.from_document(value, word, folder=folder)


def _places(value: Table) -> dict[str, Place]:
    return {key: item.place for key, item in value.entries.items()}


def _environment(value: Table, folder: str) -> str | Environment | None:
    given = value.get("environment")
    if isinstance(given, Table):
        return Environment.from_document(given, folder=folder)
    return reading.text(value, "environment")


def _environment_dict(environment: str | Environment) -> Any:
    return environment if isinstance(environment, str) else environment.to_dict(schema=False)


def _component_fields(value: Table, folder: str) -> dict[str, Any]:
    deterministic = reading.flag(value, "is_deterministic")
    inputs, outputs = reading.subtable(value, "inputs"), reading.subtable(value, "outputs")
    return {
        "name": reading.text(value, "name"), "version": reading.text(value, "version"),
        "display_name": reading.text(value, "display_name"), "description": reading.text(value, "description"),
        "tags": reading.text_map(value, "tags"),
        "inputs": {key: Input.from_document(port, inputs.places[key])
                   for key, port in inputs.entries.items()} if inputs else {},
        "outputs": {key: Output.from_document(port, outputs.places[key])
                    for key, port in outputs.entries.items()} if outputs else {},
        "is_deterministic": True if deterministic is None else deterministic,
        "untold": reading.untold(value), "folder": folder, "place": value.place, "places": _places(value),
    }


def _command_fields(value: Table, report: Report, folder: str) -> dict[str, Any]:
    written = value.get("command")
    return {
        "written": written if isinstance(written, Scalar) else None,
        "command": reading.text(value, "command") or "", "code": reading.text(value, "code"),
        "environment": _environment(value, folder),
        "environment_variables": reading.text_map(value, "environment_variables"),
        "additional_includes": reading.texts(value, "additional_includes"),
    }


def _inline_component(value: Table, report: Report, folder: str, inputs: Mapping[str, InputValue],
                      outputs: Mapping[str, JobOutput], searched: Iterable[str] = ()) -> CommandComponent:
    """The component that a job with a command of its own stands for: ports typed by what is given to them."""
    ports, ends = _inline_ports(inputs, outputs)
    space = {name: Input(type="any", place=value.place) for name in searched if name not in ports}
    return CommandComponent(inputs=ports | space, outputs=ends, **_command_fields(value, report, folder), folder=folder,
                            place=value.place, places=_places(value))


def _inline_ports(inputs: Mapping[str, InputValue],
                  outputs: Mapping[str, JobOutput]) -> tuple[dict[str, Input], dict[str, Output]]:
    ports = {name: Input(type=_type_given(given), mode=getattr(given, "mode", None), place=given.place)
             for name, given in inputs.items()}
    return ports, {name: Output(type=given.type or "uri_folder", mode=given.mode, place=given.place)
                   for name, given in outputs.items()}


def _type_given(given: InputValue) -> str:
    if isinstance(given, Literal):
        value = given.value
        return ("boolean" if isinstance(value, bool) else "integer" if isinstance(value, int)
                else "number" if isinstance(value, float) else "string")
    return given.type or "any"


def _read_jobs(value: Table, report: Report, folder: str) -> dict[str, Job]:
    jobs = reading.subtable(value, "jobs")
    if jobs is None:
        return {}
    return {name: Job.from_document(name, node, report, folder=folder, place=jobs.places[name])
            for name, node in jobs.entries.items() if isinstance(node, Table)}


def _searched(space: Value | None) -> frozenset[str]:
    """The parameters of a search space; a choice may hold spaces of further ones."""
    if not isinstance(space, Table):
        return frozenset()
    found = set(space.entries)
    for entry in space.entries.values():
        values = entry.get("values") if isinstance(entry, Table) else None
        for item in values.items if isinstance(values, Items) else ():
            found |= _searched(item)
    return frozenset(found)


def _without(value: Table, keys: set[str]) -> Table:
    return Table({key: item for key, item in value.entries.items() if key not in keys}, value.places, value.place)


def _job_fields(value: Table, report: Report) -> dict[str, Any]:
    inputs = {}
    for key, given in reading.entries(value, "inputs").items():
        found = read_input_value(given, report, f"input {key!r}")
        if found is not None:
            inputs[key] = found
    return {
        "name": reading.text(value, "name"), "display_name": reading.text(value, "display_name"),
        "description": reading.text(value, "description"), "experiment_name": reading.text(value, "experiment_name"),
        "tags": reading.text_map(value, "tags"), "inputs": inputs,
        "outputs": {key: JobOutput.from_document(given, report, f"output {key!r}")
                    for key, given in reading.entries(value, "outputs").items()},
        "untold": reading.untold(value),
    }


# --- writing ---------------------------------------------------------------------------------------------------------

_SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"


def _camel(word: str) -> str:
    """``data_transfer`` as the names of schemas spell it: ``dataTransfer``."""
    first, *rest = word.split("_")
    return first + "".join(part.title() for part in rest)


def _present(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if value is not None and value != {}}


def _component_dict(component: Component, type_: str) -> dict[str, Any]:
    return _present({
        "$schema": _SCHEMA.format(f"{_camel(type_)}Component"), "type": type_, "name": component.name,
        "version": component.version, "display_name": component.display_name, "description": component.description,
        "tags": dict(component.tags), "is_deterministic": None if component.is_deterministic else False,
        "inputs": {name: port.to_dict() for name, port in component.inputs.items()},
        "outputs": {name: port.to_dict() for name, port in component.outputs.items()},
    })


def _command_dict(component: CommandComponent) -> dict[str, Any]:
    return _present({
        "code": component.code,
        "environment": _environment_dict(component.environment) if component.environment is not None else None,
        "environment_variables": dict(component.environment_variables),
        "additional_includes": list(component.additional_includes) or None,
        "command": component.command,
    })


def _job_dict(job: PipelineJob | SingleJob, type_: str, schema: str) -> dict[str, Any]:
    return _present({
        "$schema": _SCHEMA.format(schema), "type": type_, "name": job.name, "display_name": job.display_name,
        "experiment_name": job.experiment_name, "description": job.description, "tags": dict(job.tags),
    })


def _ports_dict(job: PipelineJob) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if job.inputs:
        result["inputs"] = {name: value.to_dict() for name, value in job.inputs.items()}
    if job.outputs:
        result["outputs"] = {name: output.to_dict() for name, output in job.outputs.items()}
    return result
