"""A pipeline job as a pipeline component: what a batch endpoint can run, with other values each time."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...binding import JobPort, PipelinePort
from ...errors import InputError, listing
from ...graph import Graph
from ...inspection import is_local
from ...spec import (
    DATA_TYPES,
    MODEL_TYPES,
    Bound,
    Data,
    Input,
    Job,
    JobOutput,
    Literal,
    Output,
    PipelineComponent,
    PipelineJob,
)
from .submission import named

# In the place of data that an invocation gives: what the pipeline is made of does not depend on it.
_GIVEN: Final = "azureml://datastores/workspaceblobstore/paths/given"


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A pipeline as a component, and what a component has no place for.

    Attributes:
        component: The pipeline; values of the job are defaults of its inputs.
        data: Inputs for data whose value is in the cloud, which is what an invocation takes that gives none.
        settings: Of the deployment that runs it.
        notices: What the job says and an endpoint does not do.
    """

    component: PipelineComponent
    data: Mapping[str, str]
    settings: Mapping[str, str]
    notices: tuple[str, ...] = ()

    @property
    def models(self) -> tuple[str, ...]:
        """The inputs that are models."""
        return tuple(name for name, port in self.component.inputs.items() if port.type in MODEL_TYPES)

    def document(self) -> dict[str, Any]:
        """The component's YAML, which names the components of its jobs by their files."""
        folder = self.component.folder
        jobs = {name: named(job, folder) for name, job in self.component.jobs.items()}
        return dataclasses.replace(self.component, jobs=jobs).to_dict()


def package(job: PipelineJob, graph: Graph, *, name: str) -> Package:
    """A linked pipeline as a component called *name*.

    Raises:
        InputError: a job reads data of this machine that is no input of the pipeline.
    """
    for inner in job.jobs.values():
        for port, value in inner.inputs.items():
            if isinstance(value, Data) and is_local(value.path):
                raise InputError(f"input {port!r} of job {inner.name!r} is data of this machine", place=value.place,
                                 why="an endpoint is asked from anywhere: what it reads is in the cloud, or given each time",
                                 fix="make it an input of the pipeline")
    ports = {key: _port(key, value, job) for key, value in job.inputs.items() if isinstance(value, Data | Literal)}
    paths = {key: value.path if isinstance(value, Data) else value.text for key, value in job.inputs.items()
             if isinstance(value, Data) or (isinstance(value, Literal) and ports[key].type in DATA_TYPES)}
    component = PipelineComponent(
        name=name, display_name=job.display_name, description=job.description, tags=job.tags, inputs=ports,
        outputs={key: Output(type=output.type) for key, output in graph.outputs.items()}, folder=job.folder,
        jobs={key: _ends(inner, job.outputs) for key, inner in job.jobs.items()})
    return Package(component=component, data={key: path for key, path in paths.items() if not is_local(path)},
                   settings=_settings(job), notices=tuple(_unkept(job)))


def template(job: PipelineJob) -> PipelineJob:
    """*job* with nothing of the data that each invocation may give anew."""
    inputs = {key: dataclasses.replace(value, path=_GIVEN) if isinstance(value, Data) else
              dataclasses.replace(value, text=_GIVEN, value=_GIVEN)
              if isinstance(value, Literal) and _port(key, value, job).type in DATA_TYPES else value
              for key, value in job.inputs.items()}
    return dataclasses.replace(job, inputs=inputs)


def component_name(project: str, pipeline: str) -> str:
    """What a project's pipeline is called among a workspace's components: lower-case letters, digits and underscores."""
    words = [re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_") for word in dict.fromkeys((project, pipeline))]
    name = "_".join(word for word in words if word)
    return name if name[:1].isalpha() else f"pipeline_{name}"


def _port(name: str, value: Data | Literal, job: PipelineJob) -> Input:
    """An input of the component: of the type of the first port that it goes into."""
    found = next(_fed(name, job), None)
    kind = found.type if found is not None else None
    if isinstance(value, Data):
        return Input(type=value.type or kind or "uri_folder", mode=value.mode)
    if kind in DATA_TYPES:
        return Input(type=str(kind), mode=found.mode if found is not None else None)
    if kind is None or kind == "unknown":
        kind = {bool: "boolean", int: "integer", float: "number"}.get(type(value.value), "string")
    bounds = {"min": found.min, "max": found.max, "enum": found.enum} if found is not None else {}
    return Input(type=kind, default=value.text, **bounds)  # type: ignore[arg-type]


def _fed(name: str, job: PipelineJob) -> Iterator[Input]:
    for inner in job.jobs.values():
        for port, given in inner.inputs.items():
            if isinstance(given, Bound) and given.to == PipelinePort("inputs", name) and inner.component is not None:
                found = inner.component.inputs.get(port)
                if found is not None:
                    yield found


def _ends(inner: Job, outputs: Mapping[str, JobOutput]) -> Job:
    """A job whose outputs are bound to the pipeline's, also where the pipeline has named the job's output instead."""
    ours = {output.bound.name: JobOutput(bound=PipelinePort("outputs", name)) for name, output in outputs.items()
            if isinstance(output.bound, JobPort) and output.bound.job == inner.name}
    return dataclasses.replace(inner, outputs={**inner.outputs, **ours}) if ours else inner


def _settings(job: PipelineJob) -> dict[str, str]:
    told = job.settings
    compute, datastore = told.default_compute or job.compute, told.default_datastore
    return {**({"default_compute": compute.removeprefix("azureml:")} if compute else {}),
            **({"default_datastore": datastore.removeprefix("azureml:")} if datastore else {}),
            "continue_on_step_failure": str(told.continue_on_step_failure), "force_rerun": str(told.force_rerun)}


def _unkept(job: PipelineJob) -> Iterator[str]:
    registered = [name for name, output in job.outputs.items() if output.name]
    if registered:
        yield (f"{listing(registered)}: the outputs of an endpoint's job are not registered; register what comes of it, or run "
               "the pipeline")
    placed = [name for name, output in job.outputs.items() if output.path and not output.name]
    if placed:
        yield f"{listing(placed)}: an endpoint's job puts its outputs into the workspace's default datastore"
