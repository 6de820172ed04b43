"""A pipeline as a graph of steps: nested pipelines opened, every binding followed to the value or step behind it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from .binding import JobPort, PipelinePort, substitute
from .checks import upstream
from .distribution import Distribution, read_distribution
from .errors import InputError, Place
from .parallel import Parallel, Task, task_of
from .parallel import read as read_parallel
from .references import AssetReference, how_to_map, parse_reference, redacted
from .runsettings import with_values
from .spec import (
    Bound,
    CommandComponent,
    Data,
    Environment,
    Input,
    InputValue,
    Job,
    JobOutput,
    Literal,
    OtherComponent,
    PipelineComponent,
    PipelineJob,
    SingleJob,
)
from .spec.ports import NOWHERE
from .sweep import Sweep
from .sweep import read as read_sweep

EVALUATED = ("eval_mount", "eval_download")  # modes in which a step gets the files of a table


@dataclass(frozen=True, slots=True)
class Value:
    """A literal: the text that the command gets."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class External:
    """Data from outside the pipeline: *path* as written, relative to *folder* when it is a local path."""

    path: str
    type: str
    mode: str | None = None
    folder: str = ""
    place: Place = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class FromStep:
    """An output of another step."""

    step: str
    output: str


Given = Value | External | FromStep


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A command to run once; of a sweep, once a trial.

    Attributes:
        name: The job's name; inside nested pipelines with the names around it: ``outer.inner``.
        inputs: What each input port gets; an optional port without a value is absent.
        outputs: What the job says of each output of its component.
        environment_folder: The folder that a ``file:`` in *environment* starts from.
        waits: The steps whose outputs it reads, sorted.
        distribution: How many processes run the command; None for one.
        compute: What runs it on Azure ML: the job's own, or the nearest default around it.
        sweep: What a sweep searches; *inputs* are then those that all its trials have in common.
        parallel: Of a parallel job, how its input is divided among processes that run its component's code; the
            component's command only shows what that is then.
    """

    name: str
    component: CommandComponent
    job: Job
    inputs: Mapping[str, Given]
    outputs: Mapping[str, JobOutput]
    environment: str | Environment | None
    environment_folder: str = field(compare=False)
    environment_variables: Mapping[str, str]
    waits: tuple[str, ...]
    distribution: Distribution | None = None
    parallel: Parallel | None = None
    compute: str | None = field(default=None, compare=False)
    sweep: Sweep | None = None

    def mode_of(self, name: str) -> str | None:
        """How data comes to an input: what the job says of it, or what was said where the data is named, or the component."""
        given = self.inputs.get(name)
        told = getattr(self.job.inputs.get(name), "mode", None)
        return told or (given.mode if isinstance(given, External) else None) or self.component.inputs[name].mode


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphOutput:
    """An output of the whole pipeline: where it comes from and what the pipeline says of it."""

    source: FromStep
    type: str
    spec: JobOutput


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """Steps, each after all that it waits for, and the pipeline's outputs.

    Attributes:
        nested_paths: The paths that jobs of type pipeline give to their outputs: a step's output, what the job calls it, its
            path and where that stands.
    """

    name: str
    steps: Mapping[str, Step]
    outputs: Mapping[str, GraphOutput]
    continue_on_step_failure: bool = True
    force_rerun: bool = False
    experiment: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    default_datastore: str | None = None
    nested_paths: tuple[tuple[FromStep, str, str, Place], ...] = ()


def build(pipeline: PipelineJob, *, name: str | None = None) -> Graph:
    """The graph of a linked pipeline that compiles without an error.

    Raises:
        InputError: a job of a type that only Azure ML runs.
    """
    if pipeline.component is not None and not pipeline.jobs:
        raise _elsewhere(f"the component {pipeline.component!r} of the pipeline", pipeline.component, pipeline.place)
    builder = _Builder()
    given: dict[str, Given] = {key: _given(value, pipeline.folder) for key, value in pipeline.inputs.items()
                               if not isinstance(value, Bound)}
    compute = pipeline.settings.default_compute or pipeline.compute
    ends = builder.expand(pipeline, given, prefix="", environment_variables={},
                          compute=substitute(compute, _texts({}, given).get) if compute else None)
    outputs = {}
    for key, spec in pipeline.outputs.items():
        source = ends.get(key)
        if isinstance(source, FromStep):
            port = builder.steps[source.step].component.outputs[source.output]
            outputs[key] = GraphOutput(source=source, type=spec.type or port.type, spec=spec)
    return Graph(
        name=name or pipeline.name or pipeline.display_name or "pipeline", steps=in_order(builder.steps), outputs=outputs,
        continue_on_step_failure=pipeline.settings.continue_on_step_failure, force_rerun=pipeline.settings.force_rerun,
        experiment=pipeline.experiment_name, default_datastore=pipeline.settings.default_datastore,
        nested_paths=tuple(builder.paths),
        inputs={key: value.text if isinstance(value, Value) else redacted(value.path) for key, value in given.items()
                if isinstance(value, Value | External)},
    )


def as_pipeline(job: SingleJob) -> PipelineJob:
    """A command or sweep job as the pipeline of one job that does the same: its inputs and outputs are the pipeline's."""
    inner = replace(
        job.job,
        inputs={key: Bound(to=PipelinePort("inputs", key), mode=getattr(value, "mode", None), place=value.place)
                for key, value in job.inputs.items()},
        outputs={key: JobOutput(bound=PipelinePort("outputs", key), mode=output.mode, place=output.place)
                 for key, output in job.outputs.items()},
    )
    return PipelineJob(
        jobs={job.job.name: inner}, name=job.name, display_name=job.display_name, experiment_name=job.experiment_name,
        description=job.description, tags=job.tags, inputs=job.inputs, outputs=job.outputs, folder=job.folder, place=job.place,
        places=job.places,
    )


def trial(step: Step, number: int, parameters: Mapping[str, str]) -> Step:
    """A trial of a sweep as a step of its own: its inputs are the sweep's and those that the search space gives."""
    if step.sweep is None:
        raise ValueError(f"step {step.name!r} is no sweep")
    ports = dict.fromkeys((name for name in parameters if name not in step.component.inputs), Input(type="any"))
    return replace(
        step, name=f"{step.name}.trial_{number}", sweep=None, outputs={}, waits=(),
        component=replace(step.component, inputs={**step.component.inputs, **ports}),
        job=replace(step.job, timeout=step.sweep.limits.trial_timeout),
        inputs={**step.inputs, **{name: Value(text) for name, text in parameters.items()}})


def in_order(steps: Mapping[str, Step]) -> dict[str, Step]:
    """*steps* sorted so that each comes after all it waits for; otherwise in the order given."""
    names = list(steps)
    rank = {name: index for index, name in enumerate(names)}
    waiting = {name: len(set(steps[name].waits)) for name in names}
    followers: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        for before in set(steps[name].waits):
            followers[before].append(name)
    ready = [rank[name] for name in names if waiting[name] == 0]
    heapq.heapify(ready)
    ordered: dict[str, Step] = {}
    while ready:
        name = names[heapq.heappop(ready)]
        ordered[name] = steps[name]
        for follower in followers[name]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, rank[follower])
    if len(ordered) != len(names):
        raise ValueError("a cycle: check the pipeline before building its graph")
    return ordered


def _elsewhere(what: str, reference: str | None, place: Place) -> InputError:
    named = parse_reference(reference or "")
    return InputError(f"{what} is not on this machine", place=place,
                      why="it is in a registry or a workspace, which only Azure ML can read",
                      fix=how_to_map(named) if isinstance(named, AssetReference) else "name the component's file")


def _given(value: Literal | Data, folder: str) -> Given:
    if isinstance(value, Data):
        return External(path=value.path, type=value.type or "any", mode=value.mode, folder=folder, place=value.place)
    return Value(value.text)


class _Builder:
    def __init__(self) -> None:
        self.steps: dict[str, Step] = {}
        self.paths: list[tuple[FromStep, str, str, Place]] = []

    def expand(self, pipeline: PipelineJob | PipelineComponent, given: Mapping[str, Given], *, prefix: str,
               environment_variables: Mapping[str, str], compute: str | None) -> dict[str, Given]:
        """Add the steps of one pipeline; what its outputs turn out to be."""
        ends: dict[str, Given] = {}
        made: dict[str, Mapping[str, Given]] = {}
        taken: dict[str, Mapping[str, Given]] = {}
        for job in _in_file_order(pipeline):
            inputs = self._inputs(job, pipeline, given, made, taken)
            taken[job.name] = inputs
            made[job.name] = self._job(job, inputs, prefix, environment_variables, pipeline.folder, compute, given)
            for name, output in job.outputs.items():
                if isinstance(output.bound, PipelinePort):
                    ends[output.bound.name] = made[job.name][name]
        for name, declared in pipeline.outputs.items():
            if isinstance(declared, JobOutput) and isinstance(declared.bound, JobPort):
                ends[name] = made[declared.bound.job][declared.bound.name]
        return ends

    def _job(self, job: Job, inputs: Mapping[str, Given], prefix: str, variables: Mapping[str, str],
             folder: str, compute: str | None, given: Mapping[str, Given]) -> Mapping[str, Given]:
        name = f"{prefix}{job.name}"
        around = _texts({}, given)
        job = with_values(job, around.get)
        variables = {**variables, **job.environment_variables}
        component = job.component
        if component is None and job.type in ("command", "parallel", "pipeline", "sweep"):
            raise _elsewhere(f"the component {job.reference!r} of job {name!r}", job.reference, job.place)
        if isinstance(component, PipelineComponent):
            ends = self.expand(component, inputs, prefix=f"{name}.", environment_variables=variables,
                               compute=_default_compute(job) or compute)
            self.paths += [(end, key, output.path, output.place) for key, output in job.outputs.items()
                           if output.path and isinstance(end := ends.get(key), FromStep)]
            return ends
        parallel, environment, environment_folder = None, job.environment, folder
        if isinstance(component, OtherComponent) and job.type == "parallel":
            task = task_of(job, component, folder)
            parallel = read_parallel(job, component, task, _texts(inputs, given).get,
                                     {key: value.mode for key, value in inputs.items() if isinstance(value, External)})
            component, environment = _as_command(component, task), task.environment
            environment_folder = task.environment_folder
            variables = {**variables, **task.environment_variables}
        if not isinstance(component, CommandComponent) or job.type not in ("command", "parallel", "sweep"):
            raise InputError(f"job {name!r} is of type {job.type!r}, which does not run on this machine", place=job.place,
                             why="command, sweep, parallel and pipeline jobs do", fix="submit the pipeline to Azure ML")
        waits = sorted({value.step for value in inputs.values() if isinstance(value, FromStep)})
        self.steps[name] = Step(
            name=name, component=component, job=job, inputs=inputs,
            outputs={key: job.outputs.get(key, JobOutput()) for key in component.outputs},
            environment=environment or component.environment,
            environment_folder=environment_folder if environment else component.folder,
            environment_variables={**_of_component(job, component, around.get), **variables}, waits=tuple(waits),
            parallel=parallel,
            distribution=read_distribution(job.rest.get("distribution") or component.rest.get("distribution")),
            compute=job.compute or compute,
            sweep=read_sweep(job.document) if job.type == "sweep" else None,
        )
        return {key: FromStep(name, key) for key in component.outputs}

    def _inputs(self, job: Job, pipeline: PipelineJob | PipelineComponent, given: Mapping[str, Given],
                made: Mapping[str, Mapping[str, Given]], taken: Mapping[str, Mapping[str, Given]]) -> dict[str, Given]:
        ports: Mapping[str, Input] = job.component.inputs if job.component else {}
        found: dict[str, Given] = {}
        for name, port in ports.items():
            value = job.inputs.get(name)
            result = self._follow(value, pipeline, given, made, taken) if value is not None else None
            if result is None and port.default is not None and name not in job.searched:
                result = Value(port.default)
            if isinstance(result, External) and result.type == "any":
                result = replace(result, type=port.type)
            if isinstance(result, Value) and not port.literal and port.type not in ("any", "unknown"):
                place = value.place if value is not None else port.place
                result = External(path=result.text, type=port.type, mode=port.mode, folder=pipeline.folder, place=place)
            if result is not None:
                found[name] = result
        return found

    @staticmethod
    def _follow(value: InputValue, pipeline: PipelineJob | PipelineComponent, given: Mapping[str, Given],
                made: Mapping[str, Mapping[str, Given]], taken: Mapping[str, Mapping[str, Given]]) -> Given | None:
        if not isinstance(value, Bound):
            return _given(value, pipeline.folder)
        to = value.to
        if isinstance(to, JobPort):
            return (made if to.side == "outputs" else taken)[to.job].get(to.name)
        name = to.name if to.name in pipeline.inputs else to.name.rpartition(".")[2]  # an input group's, told by its own name
        if name in given:
            return given[name]
        port = pipeline.inputs.get(name)
        return Value(port.default) if isinstance(port, Input) and port.default is not None else None


def _of_component(job: Job, component: CommandComponent, value_of: Callable[[str], str | None]) -> Mapping[str, str]:
    """The variables of a component; one that stands in the job itself may name the pipeline's inputs."""
    variables = component.environment_variables
    return {name: substitute(text, value_of) for name, text in variables.items()} if job.inline else variables


def _default_compute(job: Job) -> str | None:
    """What a job that is a pipeline gives to the jobs in it."""
    settings = job.rest.get("settings")
    given = settings.get("default_compute") if isinstance(settings, Mapping) else None
    return given if isinstance(given, str) else job.compute


def _texts(inputs: Mapping[str, Given], given: Mapping[str, Given]) -> dict[str, str]:
    """The values that expressions such as ``inputs.x`` and ``parent.inputs.x`` stand for."""
    return {f"{prefix}inputs.{name}": value.text for prefix, values in (("parent.", given), ("", inputs))
            for name, value in values.items() if isinstance(value, Value)}


def _as_command(component: OtherComponent, task: Task) -> CommandComponent:
    """A parallel component as what else looks at a step sees it: ports, code, environment, and what is started."""
    place = task.document.entries.get("code")
    return CommandComponent(
        command=task.command, name=component.name, version=component.version, display_name=component.display_name,
        description=component.description, tags=component.tags, inputs=component.inputs, outputs=component.outputs,
        code=task.code, is_deterministic=component.is_deterministic, rest=component.rest, folder=task.folder,
        file=component.file, place=component.place,
        places={**component.places, **({"code": place.place} if place is not None else {})},
    )


def _in_file_order(pipeline: PipelineJob | PipelineComponent) -> list[Job]:
    """The jobs, each after those it waits for (also for another job's inputs)."""
    jobs = pipeline.jobs
    ordered: dict[str, Job] = {}

    waits = {name: {to for to, _ in upstream(job)} for name, job in jobs.items()}
    todo = [(name, False) for name in reversed(list(jobs))]
    while todo:
        name, children_done = todo.pop()
        if name in ordered or name not in jobs:
            continue
        if children_done:
            ordered[name] = jobs[name]
        else:
            todo.append((name, True))
            todo += [(before, False) for before in sorted(waits[name], reverse=True) if before not in ordered]
    return list(ordered.values())
