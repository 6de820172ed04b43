"""Pipelines in Python, the way azure-ai-ml writes them: ``@pipeline``, components as functions, ``.outputs.name``."""

from __future__ import annotations

import functools
import inspect
import keyword
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .binding import JobPort, PipelinePort
from .engines import Listener, Run
from .errors import InputError, Place, did_you_mean, listing
from .inputs import texts
from .request import Found, find, opener
from .request import run as run_requested
from .spec import (
    Bound,
    Component,
    Data,
    Input,
    InputValue,
    Job,
    JobOutput,
    Literal,
    Output,
    PipelineComponent,
    PipelineJob,
    Settings,
    typed,
)
from .spec.kinds import NODE_NAME, NODE_NAME_HINT

if TYPE_CHECKING:
    from .project import Project


class InputReference:
    """A parameter of a ``@pipeline`` function while the function runs: stands for a value that comes later."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<input {self.name!r}>"

    def _no_value(self, *others: object) -> Any:
        raise InputError(f"the pipeline's input {self.name!r} has no value while the pipeline is put together",
                         why="its value comes when the pipeline runs", fix="hand it to a component, and compute there",
                         place=_caller())

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __mod__ = _no_value
    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __int__ = __float__ = __iter__ = __len__ = __getitem__ = _no_value


class OutputReference:
    """An output of a job; hand it to another job's input."""

    def __init__(self, node: Node, name: str, type_: str) -> None:
        self.node, self.name, self.type = node, name, type_

    def __repr__(self) -> str:
        return f"<output {self.name!r} of {self.node.name!r}>"


class Outputs:
    """The outputs of a job by name: ``job.outputs.model`` or ``job.outputs["model"]``."""

    def __init__(self, node: Node, ports: Mapping[str, Output]) -> None:
        self._node, self._ports = node, ports

    def __getattr__(self, name: str) -> OutputReference:
        if name.startswith("_") and (name in ("_node", "_ports") or name not in self._ports):
            raise AttributeError(name)  # what copy, pickle and notebooks ask of every object
        if name not in self._ports:
            raise InputError(f"component {self._node.component.name!r} has no output {name!r}",
                             fix=did_you_mean(name, self._ports), place=_caller())
        return OutputReference(self._node, name, self._ports[name].type)

    __getitem__ = __getattr__

    def __dir__(self) -> list[str]:
        return sorted(self._ports)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ports)


class Node:
    """A job of the pipeline that is being built; its name may be changed, which its place in the graph follows.

    Attributes:
        name: Unique in the pipeline: the component's name, with a number from the second on.
        compute: Where it runs on Azure ML; None for the pipeline's default.
    """

    def __init__(self, name: str, component: Component, inputs: Mapping[str, Any]) -> None:
        self.name = name
        self.component = component
        self.inputs = dict(inputs)
        self.compute: str | None = None
        self.environment_variables: dict[str, str] = {}
        self.place = _caller()
        self.outputs = Outputs(self, component.outputs)

    def __repr__(self) -> str:
        return f"<job {self.name!r}>"


class ComponentFunction:
    """A component; calling it inside a ``@pipeline`` adds a job to that pipeline."""

    def __init__(self, project: Project, component: Component) -> None:
        self.project, self.component = project, component
        self.__name__ = component.name or "component"
        self.__doc__ = component.description
        order = sorted(component.inputs.items(), key=lambda item: not item[1].required)
        self.__signature__ = inspect.Signature([
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=port.type,
                              default=inspect.Parameter.empty if port.required else
                              None if port.default is None else typed(port.type, port.default))
            for name, port in order if not keyword.iskeyword(name)])

    def __call__(self, *values: object, **inputs: Any) -> Node:
        """A job of this component.

        Raises:
            InputError: not inside a ``@pipeline``, an unknown input, or values without names.
        """
        building = _building.get()
        if building is None:
            raise InputError(f"component {self.__name__!r} was called outside a pipeline",
                             why="a component becomes a job of a pipeline", fix="call it in a function under @pipeline",
                             place=_caller())
        if values:
            raise InputError(f"component {self.__name__!r} takes its inputs by name",
                             fix=f"write {self.__name__}({listing(f'{name}=…' for name in self.component.inputs)})",
                             place=_caller())
        for name in inputs:
            if name not in self.component.inputs:
                raise InputError(f"component {self.__name__!r} has no input {name!r}",
                                 fix=did_you_mean(name, self.component.inputs), place=_caller())
        return building.add(self.component, inputs, self.project)

    def __repr__(self) -> str:
        return f"<component {self.__name__!r}: {listing(self.component.inputs)} -> {listing(self.component.outputs)}>"


class _Building:
    """The pipeline function that is running."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.project: Project | None = None

    def add(self, component: Component, inputs: Mapping[str, Any], project: Project | None) -> Node:
        taken = {node.name for node in self.nodes}
        base = name = component.name or "job"
        number = 1
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        node = Node(name, component, {key: value for key, value in inputs.items() if value is not None})
        self.nodes.append(node)
        self.project = self.project or project
        return node


_building: ContextVar[_Building | None] = ContextVar("building", default=None)


@contextmanager
def _collect() -> Iterator[_Building]:
    building = _Building()
    token = _building.set(building)
    try:
        yield building
    finally:
        _building.reset(token)


def _caller() -> Place:
    """The line of the user's code that led here."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename) == os.path.dirname(__file__):
        frame = frame.f_back
    name = frame.f_code.co_filename
    return Place(os.path.relpath(name) if os.path.exists(name) else name, frame.f_lineno, 1)


def pipeline(function: Callable[..., Any] | None = None, /, *, name: str | None = None, compute: str | None = None,
             experiment: str | None = None, continue_on_step_failure: bool = True, force_rerun: bool = False) -> Any:
    """Make a pipeline of a function that calls components.

    Args:
        function: Returns the pipeline's outputs: a dict of name to ``job.outputs.x``, a job (all its outputs), or None.
        name: Default: the function's name.
        compute: The default compute on Azure ML, as ``azureml:cpu``; default: the project's.
        experiment: Default: the project's.
        continue_on_step_failure: Whether other branches go on when a job fails.
        force_rerun: Never reuse a step.

    Returns:
        A function that takes values for the pipeline's inputs and returns a :class:`PipelineCall`; called inside another
        ``@pipeline`` it returns a job.

    Raises:
        ValueError: the function has ``*args``, ``**kwargs`` or positional-only parameters, which have no names to bind to.
    """
    if function is None:
        return functools.partial(pipeline, name=name, compute=compute, experiment=experiment,
                                 continue_on_step_failure=continue_on_step_failure, force_rerun=force_rerun)
    signature = inspect.signature(function)
    title = name or function.__name__
    if any(parameter.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
           for parameter in signature.parameters.values()):
        raise ValueError(f"pipeline {title!r}: each parameter needs a name of its own")

    @functools.wraps(function)
    def call(*values: Any, **named: Any) -> Any:
        for key in named:
            if key not in signature.parameters:
                raise InputError(f"pipeline {title!r} has no input {key!r}", fix=did_you_mean(key, signature.parameters),
                                 place=_caller())
        try:
            bound = signature.bind(*values, **named)
        except TypeError as error:
            raise InputError(f"pipeline {title!r}: {error}", place=_caller()) from None
        bound.apply_defaults()
        given = {key: value for key, value in bound.arguments.items() if value is not None}
        outer = _building.get()
        with _collect() as building:
            result = function(**{key: InputReference(key) if key in given else None for key in bound.arguments})
        if building.project is None:
            raise InputError(f"pipeline {title!r} has no job", fix="call a component in it", place=_caller())
        parts = _Parts(title, building, result)
        if outer is not None:
            return outer.add(parts.component(signature, str(building.project.root)), given, building.project)
        job = parts.job(given, building.project, compute=compute, experiment=experiment,
                        continues=continue_on_step_failure, force=force_rerun)
        return _made(building.project, job, title)

    return call


class _Parts:
    """What a pipeline function made, as values."""

    def __init__(self, name: str, building: _Building, result: Any) -> None:
        self.name = name
        self.nodes = building.nodes
        names = [node.name for node in self.nodes]
        for node in self.nodes:
            if names.count(node.name) > 1:
                raise InputError(f"two jobs are named {node.name!r}", fix="give them different names", place=node.place)
            if not re.fullmatch(NODE_NAME, node.name):
                raise InputError(f"a job is named {node.name!r}", why=NODE_NAME_HINT, fix="rename it", place=node.place)
        self.outputs = self._outputs(result)

    def _outputs(self, result: Any) -> dict[str, OutputReference]:
        if isinstance(result, Node):
            return {name: result.outputs[name] for name in result.outputs}
        if result is None:
            return {}
        if not isinstance(result, Mapping):
            raise InputError(f"pipeline {self.name!r} returned {type(result).__name__}",
                             fix="return a dict of names to job.outputs.NAME, or a job", place=_caller())
        seen: dict[tuple[str, str], str] = {}
        for name, reference in result.items():
            if not isinstance(reference, OutputReference) or reference.node not in self.nodes:
                raise InputError(f"output {name!r} of pipeline {self.name!r} is no output of one of its jobs",
                                 fix="return job.outputs.NAME", place=_caller())
            twin = seen.setdefault((reference.node.name, reference.name), name)
            if twin != name:
                raise InputError(f"outputs {twin!r} and {name!r} are the same output of {reference.node.name!r}",
                                 why="Azure ML binds an output once", fix="return it under one name", place=_caller())
        return dict(result)

    def jobs(self) -> dict[str, Job]:
        bound: dict[str, dict[str, JobOutput]] = {}
        for name, reference in self.outputs.items():
            bound.setdefault(reference.node.name, {})[reference.name] = JobOutput(bound=PipelinePort("outputs", name))
        return {node.name: Job(
            name=node.name, type=node.component.type,
            component=node.component, inputs={key: self._value(node, key, value) for key, value in node.inputs.items()},
            outputs=bound.get(node.name, {}), compute=node.compute, environment_variables=node.environment_variables,
            place=node.place,
        ) for node in self.nodes}

    def _value(self, node: Node, key: str, value: Any) -> InputValue:
        if isinstance(value, InputReference):
            return Bound(to=PipelinePort("inputs", value.name), place=node.place)
        if isinstance(value, Node):
            outputs = list(value.outputs)
            if len(outputs) != 1:
                raise InputError(f"input {key!r} of {node.name!r} got the job {value.name!r}, which has {len(outputs)} outputs",
                                 fix=f"hand over one of them: {value.name}.outputs.{outputs[0] if outputs else 'NAME'}",
                                 place=node.place)
            value = value.outputs[outputs[0]]
        if isinstance(value, OutputReference):
            if value.node not in self.nodes:
                raise InputError(f"input {key!r} of {node.name!r} is an output of a job of another pipeline",
                                 fix="hand it over as an input of this pipeline", place=node.place)
            return Bound(to=JobPort(value.node.name, "outputs", value.name), place=node.place)
        return _given(node.component.inputs[key], value, node.place)

    def component(self, signature: inspect.Signature, folder: str) -> PipelineComponent:
        """The function as a job of another pipeline: its parameters become typed ports."""
        jobs = self.jobs()
        ports: dict[str, Input] = {}
        for name, parameter in signature.parameters.items():
            port = self._consumer(name)
            default = parameter.default
            ports[name] = Input(
                type=port.type if port else "string", optional=default is None,
                default=str(default) if default not in (None, inspect.Parameter.empty) else None)
        outputs = {name: Output(type=reference.type) for name, reference in self.outputs.items()}
        return PipelineComponent(name=self.name, jobs=jobs, inputs=ports, outputs=outputs, folder=folder)

    def job(self, given: Mapping[str, Any], project: Project, *, compute: str | None, experiment: str | None,
            continues: bool, force: bool) -> PipelineJob:
        inputs = {name: _given(self._consumer(name) or Input(type="string"), value, _caller()) for name, value in given.items()}
        return PipelineJob(
            jobs=self.jobs(), display_name=self.name, experiment_name=experiment or project.settings.experiment, inputs=inputs,
            outputs={name: JobOutput(type=reference.type) for name, reference in self.outputs.items()},
            settings=Settings(default_compute=compute or project.settings.compute, continue_on_step_failure=continues,
                              force_rerun=force),
            folder=str(project.root))

    def _consumer(self, name: str) -> Input | None:
        """The first port that a parameter goes to; it decides the parameter's type."""
        for node in self.nodes:
            for key, value in node.inputs.items():
                if isinstance(value, InputReference) and value.name == name:
                    return node.component.inputs[key]
        return None


def _given(port: Input, value: Any, place: Place) -> InputValue:
    if port.literal and not isinstance(value, Path):
        return _literal(value, place)
    return Data(path=str(value), type=port.type, place=place)


def _literal(value: Any, place: Place) -> Literal:
    value = value.item() if hasattr(value, "item") else value  # NumPy's scalars are not YAML's
    return Literal(text=str(value), value=str(value) if isinstance(value, Path) else value, place=place)


def _made(project: Project, job: PipelineJob, name: str) -> PipelineCall:
    """A pipeline that a function has put together."""
    catalogue = project.catalogue()
    linked = catalogue.link(job)
    catalogue.raise_errors()

    def read(request: Mapping[str, Any]) -> Found:
        return Found(job=linked, name=name, catalogue=catalogue, on=opener(project, name, request))

    return PipelineCall(project, {"python": name}, read)


def named(project: Project, name: str, values: Mapping[str, Any], *, against: str | None = None) -> PipelineCall:
    """A pipeline of the project by name or file: see :meth:`~mlops_lib.project.Project.pipeline`."""
    place = _caller()
    given = {key: _literal(value, place) for key, value in values.items() if value is not None}
    asked: dict[str, Any] = {"pipeline": name, "outputs": {}, "folder": str(project.root)}
    if against is not None:
        asked["against"] = against
    call = PipelineCall(project, asked, lambda request: find(project, request, given, folder=project.root))
    asked["values"] = texts(call.job, given)  # so that 'mlops runs resume' has them
    return call


class PipelineCall:
    """A pipeline with its values: look at it, run it, write it out. In a notebook it shows its graph.

    Args:
        project: Its project.
        request: What is asked for, whatever :meth:`run` adds.
        read: Gives the pipeline as it is where a request is for: champions are a stage's own.

    Attributes:
        job: The pipeline as it was on this machine when this was made.
    """

    def __init__(self, project: Project, request: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Found]) -> None:
        self.project, self._request, self._read = project, request, read
        found = read(request)
        self.job, self.name, self.catalogue = found.job, found.name, found.catalogue

    def run(self, *, on: str | None = None, jobs: int | None = None, cache: bool = True, isolate: bool | None = None,
            key: str | None = None, outputs: Iterable[str] | None = None, follow: bool = True, cancel: bool = False,
            listener: Listener | None = None) -> Run:
        """Run it on this machine, or on Azure ML; one of the project's by name is read anew.

        Args:
            on: The stage whose workspace runs it; default: this machine.
            jobs: How many steps at once, on this machine; default: the cores.
            cache: False runs every step again.
            isolate: Whether each step runs in an environment of its own, on this machine; default: as the project's settings
                say.
            key: On a stage: the same pipeline with the same key is the same run. None for another one.
            outputs: On a stage: the outputs to bring here at the end; default: all.
            follow: On a stage: False returns as soon as it is submitted.
            cancel: On a stage: whether Ctrl-C cancels it, and does not only stop following it.
            listener: Told of every event; default: prints progress.

        Raises:
            InputError: data that is not there; RunError: the machine refused; StageError: the stage cannot be reached, or
            lacks something; Canceled: interrupted.
        """
        if listener is None:
            from .progress import plain_progress

            listener = plain_progress(sys.stdout)
        if on is not None:
            if jobs is not None or isolate is not None:
                raise InputError("jobs and isolate are for runs on this machine", fix="leave them out", place=_caller())
        elif key is not None or outputs is not None or not follow or cancel:
            raise InputError("key, outputs, follow and cancel are for runs on a stage", fix="say which: on=…", place=_caller())
        request: dict[str, Any] = {**self._request, "cache": cache, "jobs": jobs, "isolate": isolate}
        if on is not None:
            request |= {"on": on, "stage_outputs": None, "key": key, "follow": follow, "cancel": cancel}
        found = self._read(request)
        wanted = list(found.job.outputs) if outputs is None else list(outputs)
        for name in wanted:
            if name not in found.job.outputs:
                raise InputError(f"the pipeline has no output {name!r}", fix=did_you_mean(name, found.job.outputs),
                                 place=_caller())
        return run_requested(self.project, found, request, outputs=wanted, listener=listener)

    def to_yaml(self) -> str:
        """The pipeline as Azure ML YAML that stands in the project's folder and names the components' files.

        Raises:
            InputError: a pipeline in a pipeline, which Azure ML's YAML can only name as a file.
        """
        from .document import unparse
        from .engines.azureml.submission import document

        return unparse(document(self.job))

    def to_svg(self) -> str:
        """The graph as a picture."""
        from .graph import build
        from .picture import draw

        return draw(build(self.job, name=self.name))

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def __repr__(self) -> str:
        return f"<pipeline {self.name!r}: {listing(self.job.jobs)}>"
