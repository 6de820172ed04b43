"""What can be known to be wrong in a component or a pipeline without running it: bindings, types, values, cycles."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence

from .binding import (
    BindingError,
    CommandReference,
    JobPort,
    PipelinePort,
    command_references,
    expressions,
    has_expression,
    idle_options,
    parse_expression,
)
from .commands import broken_lines
from .document import Table, leaves
from .errors import Place, Severity, Suggestion, did_you_mean, listing
from .rules.literals import surprise
from .spec import (
    DATA_TYPES,
    LITERAL_TYPES,
    Bound,
    CommandComponent,
    Component,
    Data,
    Input,
    InputValue,
    Job,
    JobOutput,
    Literal,
    PipelineComponent,
    PipelineJob,
    Report,
    value_problem,
)
from .spec.reading import misspelt

# What a job says of its run, in which an input of the pipeline may stand.
RUN_SETTINGS = ("compute", "distribution", "early_termination", "environment_variables", "limits", "objective",
                "queue_settings", "resources", "sampling_algorithm", "search_space", "settings")
_OF_PARALLEL = ("error_threshold", "logging_level", "max_concurrency_per_instance", "mini_batch_error_threshold",
                "mini_batch_size", "retry_settings")
_FOLDERS = frozenset({"uri_folder", "mltable", "mlflow_model", "triton_model"})
_RESERVED = frozenset({"home", "ld_library_path", "logname", "path", "pwd", "shell", "user"})
_KNOWN = frozenset({*DATA_TYPES, *LITERAL_TYPES})


def check_component(component: Component, report: Report) -> None:
    """Report what is wrong inside one component, whatever uses it."""
    _check_ports(component, report)
    if isinstance(component, CommandComponent):
        _check_command(component, report)
    elif isinstance(component, PipelineComponent):
        check_pipeline(component, report)


def _check_ports(component: Component, report: Report) -> None:
    for name, given in component.inputs.items():
        if name.lower() in _RESERVED:
            report.add("reserved-name", f"an input cannot be called {name!r}", given.place,
                       why=f"Azure ML keeps {listing(sorted(_RESERVED))} for itself", fix="rename it")
    for side, ports in (("inputs", component.inputs), ("outputs", component.outputs)):
        folded: dict[str, str] = {}
        for name, port in ports.items():
            if name.lower() in folded:
                report.add("bad-name", f"{side[:-1]} {name!r} differs from {folded[name.lower()]!r} in case only", port.place,
                           why="Azure ML does not tell them apart", fix="rename one of them")
            folded[name.lower()] = name
    for name, port in component.inputs.items():
        if port.literal and port.min is not None and port.max is not None and port.min > port.max:
            report.add("bad-limits", f"min of input {name!r} is {port.min:g}, more than max ({port.max:g})", port.place,
                       why="no value fits both", fix="exchange them")
        if port.default is not None and port.type in DATA_TYPES:
            report.add("bad-value", f"the input {name!r} is a {port.type} and has a default", port.place,
                       why="only literals have one", fix="write 'optional: true' instead, or nothing")
        elif port.literal and port.default is not None:
            problem = value_problem(port, port.default, _as_value(port.default))
            odd = surprise(port.written, port.type) if port.written is not None else None
            if problem:
                shown, place = (port.written.text, port.written.place) if port.written else (port.default, port.place)
                report.add("bad-value", f"the default {shown!r} of input {name!r} {problem[0]}", place,
                           why=odd[0] if odd else f"it is {_taking(port)}", fix=odd[1] if odd else problem[1])
            elif odd and port.written is not None and isinstance(port.written.value, datetime.date):
                report.add("date-literal", f"the default of input {name!r} is the date {port.written.text}", port.written.place,
                           why=odd[0], fix=odd[1])
            elif odd and port.written is not None:
                report.add("odd-literal", f"the default of input {name!r} is written {port.written.text}", port.written.place,
                           why=odd[0], fix=odd[1], severity=Severity.WARNING)


def _taking(port: Input) -> str:
    """What a port for literals takes: ``a number from 0 to 1``."""
    noun = "an integer" if port.type == "integer" else f"a {port.type}"
    if port.enum:
        return f"one of {listing(port.enum)}"
    if port.min is not None and port.max is not None:
        return f"{noun} from {port.min:g} to {port.max:g}"
    return f"{noun} of at least {port.min:g}" if port.min is not None else f"{noun} of at most {port.max:g}" if (
        port.max is not None) else noun


def check_submission(pipeline: PipelineJob, report: Report) -> None:
    """Warn of what this machine does without and Azure ML does not: a compute, and an environment for every command."""
    for name, job in _own_commands(pipeline, ""):
        if job.environment is None and isinstance(job.component, CommandComponent) and job.component.environment is None:
            report.add("no-environment", f"job {name!r} names no environment", job.place,
                       why="Azure ML refuses the pipeline; on this machine it runs",
                       fix="add 'environment: azureml:NAME@latest'", severity=Severity.WARNING)
    if pipeline.compute is not None or pipeline.settings.default_compute is not None:
        return
    if misspelt("settings", pipeline.rest) or misspelt("default_compute", pipeline.settings.rest):
        return  # told as an unknown key
    bare = list(without_compute(pipeline))
    if bare:
        report.add("no-compute", f"no compute is set for {listing(bare)}", pipeline.places.get("jobs", pipeline.place),
                   why="Azure ML refuses the pipeline; on this machine it runs",
                   fix="add 'settings: {default_compute: azureml:NAME}' to the pipeline", severity=Severity.WARNING)


def _own_commands(pipeline: PipelineJob | PipelineComponent, prefix: str) -> Iterable[tuple[str, Job]]:
    """The jobs that carry their command themselves, nested ones too."""
    for name, job in pipeline.jobs.items():
        if isinstance(job.component, PipelineComponent):
            yield from _own_commands(job.component, f"{prefix}{name}.")
        elif job.inline and job.type == "command":
            yield f"{prefix}{name}", job


def without_compute(pipeline: PipelineJob | PipelineComponent, prefix: str = "") -> Iterable[str]:
    """The steps that name no compute themselves."""
    for name, job in pipeline.jobs.items():
        if isinstance(job.component, PipelineComponent):
            yield from without_compute(job.component, f"{prefix}{name}.")
        elif job.compute is None and job.type in ("command", "parallel", "sweep") and not misspelt("compute", job.rest):
            yield f"{prefix}{name}"


def _as_value(text: str) -> object:
    return text == "True" if text in ("True", "False") else text


def _check_command(component: CommandComponent, report: Report) -> None:
    if not component.command.strip():
        if component.written is not None:
            report.add("missing-value", "the command is empty", component.written.place, fix="write what is to be run")
        return  # one that is absent is told by its shape
    references, slips = command_references(component.command)
    mentioned: set[tuple[str, str]] = set()
    unclear: set[str] = set()  # sides with a port that is misspelt: one that seems unused is then likely the one that was meant
    for slip in slips:
        unclear |= {"inputs", "outputs"}
        report.add("bad-binding", f"in the command, {slip.what}", component.place_in_command(slip.offset),
                   fix=Suggestion(slip.text, slip.instead, certain=True) if slip.instead else "")
    for slip in idle_options(component.command):
        report.add("bad-binding", f"in the command, {slip.what}", component.place_in_command(slip.offset),
                   why="$[[…]] is left out when an input in it has no value; without one it always stays",
                   fix=Suggestion(slip.text, slip.instead, certain=True) if slip.instead else "write it without $[[ and ]]",
                   severity=Severity.WARNING)
    for broken in broken_lines(component.command):
        report.add("line-break", broken.what, component.place_in_command(broken.offset), why=broken.why, fix=broken.fix,
                   severity=broken.severity)
    unclosed = any(slip.text == "$[[" for slip in slips)
    for reference in references:
        side, name = reference.port.side, reference.port.name
        if side == "search_space":
            mentioned.add(("inputs", name))
        elif side not in component.untold:
            mentioned.add((side, name.partition(".")[0]))
            _check_reference(reference, component, unclear, report, unclosed=unclosed)
    _check_unused(component, mentioned, unclear, report)


def _check_reference(reference: CommandReference, component: CommandComponent, unclear: set[str], report: Report, *,
                     unclosed: bool) -> None:
    """One port that a command names; *unclosed* when it cannot be told what stands in ``$[[…]]``."""
    side, name = reference.port.side, reference.port.name
    place = component.place_in_command(reference.offset)
    ports: Mapping[str, object] = component.inputs if side == "inputs" else component.outputs
    others: Mapping[str, object] = component.outputs if side == "inputs" else component.inputs
    if name.partition(".")[0] not in ports:
        unclear.add(side)
        fix = did_you_mean(name, ports)
        if name in others:
            other = "outputs" if side == "inputs" else "inputs"
            unclear.add(other)
            fix = Suggestion(f"{side}.{name}", f"{other}.{name}", certain=True)
        report.add("unknown-port", f"the command uses {side}.{name}, and the component has no such {side[:-1]}", place, fix=fix)
        return
    port = component.inputs.get(name) if side == "inputs" else None
    if port is None or unclosed:
        return
    if reference.optional and not port.optional:
        report.add("not-optional", f"the command has inputs.{name} inside $[[…]], and the input is not optional", place,
                   why="only optional inputs may stand there", fix=f"write 'optional: true' for {name!r}")
    elif port.optional and port.default is None and not reference.optional:
        report.add("optional-input", f"the command needs the optional input {name!r} outside $[[…]]", place,
                   why="without a value the text would be empty", fix=f"write $[[… ${{{{inputs.{name}}}}}]]")


def _check_unused(component: CommandComponent, mentioned: Collection[tuple[str, str]], unclear: Collection[str],
                  report: Report) -> None:
    for name, output in component.outputs.items():
        if ("outputs", name) not in mentioned and "outputs" not in unclear and output.type not in LITERAL_TYPES:
            report.add("unused-output", f"the command never mentions the output {name!r}", output.place,
                       why="the job cannot know where to write it", fix=f"pass ${{{{outputs.{name}}}}} to the command")
    for name, port in component.inputs.items():
        if ("inputs", name) not in mentioned and "inputs" not in unclear and port.required:
            report.add("unused-input", f"the command never mentions the input {name!r}", port.place,
                       why="every job must give it, and nothing reads it",
                       fix=f"pass ${{{{inputs.{name}}}}} to the command, or remove the input", severity=Severity.WARNING)


def check_pipeline(pipeline: PipelineJob | PipelineComponent, report: Report) -> None:
    """Report what is wrong between the jobs of one pipeline; components given as jobs are checked by themselves."""
    scope = _Scope(pipeline, report)
    for job in pipeline.jobs.values():
        scope.check_job(job)
    scope.check_outputs()
    walk = cycle({name: [to for to, _ in upstream(job) if to in pipeline.jobs] for name, job in pipeline.jobs.items()})
    if walk:
        first, second, *more = walk
        place = next(place for to, place in upstream(pipeline.jobs[first]) if to == second)
        what = f"the jobs wait for each other: {' -> '.join(walk)}" if more else f"job {first!r} waits for itself"
        report.add("cycle", what, place, why="no job of a cycle can ever start" if more else "it could never start",
                   fix="remove one of these bindings" if more else "bind it to another job")


def upstream(job: Job) -> Iterable[tuple[str, Place]]:
    """The jobs that *job* needs to be known first, for their outputs or their inputs, with the place of the binding."""
    for value in job.inputs.values():
        if isinstance(value, Bound) and isinstance(value.to, JobPort):
            yield value.to.job, value.place


def cycle(waits: Mapping[str, Sequence[str]]) -> list[str]:
    """A walk ``a -> b -> a`` through a graph of names, or an empty list when there is no cycle."""
    done: set[str] = set()
    for start in waits:
        if start in done:
            continue
        path: list[str] = [start]
        on_path = {start: 0}
        todo = [iter(waits[start])]
        while todo:
            following = next(todo[-1], None)
            if following is None:
                todo.pop()
                finished = path.pop()
                done.add(finished)
                del on_path[finished]
            elif following in on_path:
                return [*path[on_path[following]:], following]
            elif following not in done and following in waits:
                on_path[following] = len(path)
                path.append(following)
                todo.append(iter(waits[following]))
    return []


def _place_of(document: Table, side: str, name: str) -> Place | None:
    """Where the name of an input or output stands, not what is given to it."""
    ports = document.get(side)
    return ports.places.get(name) if isinstance(ports, Table) else None


class _Scope:
    """One pipeline's names, and the checks that need them."""

    def __init__(self, pipeline: PipelineJob | PipelineComponent, report: Report) -> None:
        self.pipeline = pipeline
        self.report = report
        self.bound_outputs: dict[str, str] = {}
        self.judged: set[str] = set()  # inputs of the pipeline whose value was found wrong: told once, not once a consumer

    def check_job(self, job: Job) -> None:
        component = job.component
        for name, value in job.inputs.items():
            port = component.inputs.get(name) if component else None
            if component and port is None and "inputs" not in component.untold:
                self.report.add("unknown-input", f"job {job.name!r} gives the input {name!r}, which its component lacks",
                                _place_of(job.document, "inputs", name) or value.place, why="Azure ML drops it silently",
                                fix=did_you_mean(name, component.inputs))
            self.check_value(job, name, value, port)
        if component and "inputs" not in job.untold:
            given = job.inputs.keys() | job.refused | job.searched
            for name, port in component.inputs.items():
                if port.required and name not in given:
                    self.report.add("missing-input", f"job {job.name!r} does not give the input {name!r}", job.place,
                                    why=f"its component requires it ({port.type})", fix=f"add '{name}: …' to its inputs")
        for name, output in job.outputs.items():
            if component and name not in component.outputs and not job.inline and "outputs" not in component.untold:
                self.report.add("unknown-output", f"job {job.name!r} names the output {name!r}, which its component lacks",
                                _place_of(job.document, "outputs", name) or output.place,
                                fix=did_you_mean(name, component.outputs))
            self.check_output(job, name, output)
        self.check_settings(job)

    def check_settings(self, job: Job) -> None:
        """What a job says of its run may name inputs of the pipeline."""
        for key in (*RUN_SETTINGS, *_OF_PARALLEL):
            given = job.document.get(key)
            for leaf in leaves(given) if given is not None else ():
                for inside in expressions(leaf.text) if has_expression(leaf.text) else ():
                    with contextlib.suppress(BindingError):
                        to = parse_expression(inside)
                        if isinstance(to, PipelinePort) and to.side == "inputs":
                            self.source_type(Bound(to=to, place=leaf.place), f"a value in {key} of job {job.name!r}")

    def check_value(self, job: Job, name: str, value: InputValue, port: Input | None) -> None:
        where = f"input {name!r} of job {job.name!r}"
        if isinstance(value, Bound):
            source = self.source_type(value, where)
            if source is not None and port is not None:
                self.check_types(source, port, value, where)
        elif port is not None:
            self.check_literal(value, port, where)

    def check_literal(self, value: Literal | Data, port: Input, where: str) -> None:
        if isinstance(value, Data):
            if port.literal:
                self.report.add("data-into-literal", f"{where} is data, and the port is a {port.type}", value.place,
                                fix="give the value itself")
            elif value.type and not connects(value.type, port.type):
                # Of what is given, unlike of what another job makes, Azure ML takes a file for a folder and the reverse.
                form = "a file" if value.type == "uri_file" else "a folder"
                self.report.add("wrong-form", f"{where} is a {value.type}, and the port is a {port.type}", value.place,
                                why=f"the job gets the path of {form}", fix="give both the same type",
                                severity=Severity.WARNING)
        elif port.literal:
            problem = value_problem(port, value.text, value.value)
            odd = surprise(value.written, port.type) if value.written is not None else None
            why, fix = odd or (f"the input is {_taking(port)}", problem[1] if problem else "")
            if problem:
                self.report.add("bad-value", f"{where} is {value.text!r}, which {problem[0]}", value.place, why=why, fix=fix)
            elif isinstance(value.value, datetime.date):
                self.report.add("date-literal", f"{where} is the date {value.text}", value.place, why=why, fix=fix)
            elif value.written is not None and odd:
                self.report.add("odd-literal", f"{where} is written {value.written.text}", value.place, why=why, fix=fix,
                                severity=Severity.WARNING)
        elif port.type in DATA_TYPES and not isinstance(value.value, str):
            self.report.add("literal-into-data", f"{where} is {value.text!r}, and the port is a {port.type}", value.place,
                            fix="give 'type' and 'path'")

    def source_type(self, value: Bound, where: str) -> str | None:
        """The type of what a binding refers to; None when that is unknown or wrong (reported)."""
        to = value.to
        if isinstance(to, PipelinePort):
            if to.side == "outputs":
                self.report.add("bad-binding", f"{where} is bound to an output of the pipeline", value.place,
                                fix="bind it to the job that makes it: ${{parent.jobs.JOB.outputs.NAME}}")
                return None
            ports = self.pipeline.inputs
            name = to.name if to.name in ports else to.name.rpartition(".")[2] if "." in to.name else to.name
            if name not in ports:
                if "inputs" not in self.pipeline.untold:
                    self.report.add("unknown-input", f"{where} is bound to {to}, and the pipeline has no input {to.name!r}",
                                    value.place, fix=did_you_mean(to.name, ports))
                return None
            given = ports[name]
            if isinstance(given, Input):
                return given.type
            if isinstance(given, Data):
                return given.type or "any"
            return "any"
        job = self.pipeline.jobs.get(to.job)
        if job is None:
            self.report.add("unknown-job", f"{where} is bound to {to}, and the pipeline has no job {to.job!r}", value.place,
                            fix=did_you_mean(to.job, self.pipeline.jobs))
            return None
        if job.component is None:
            return None
        ports_of_job: Mapping[str, object] = job.component.outputs if to.side == "outputs" else job.component.inputs
        if to.name not in ports_of_job:
            if to.side == "outputs" and (job.type not in ("command", "pipeline") or to.name in job.outputs):
                return None
            if to.side in job.component.untold:
                return None
            self.report.add("unknown-output" if to.side == "outputs" else "unknown-input",
                            f"{where} is bound to {to}, and job {to.job!r} has no {to.side[:-1]} {to.name!r}", value.place,
                            fix=did_you_mean(to.name, ports_of_job))
            return None
        return str(getattr(ports_of_job[to.name], "type", "any"))

    def check_types(self, source: str, port: Input, value: Bound, where: str) -> None:
        to = value.to
        if isinstance(to, PipelinePort) and isinstance(self.pipeline, PipelineJob):
            given = self.pipeline.inputs.get(to.name)
            if isinstance(given, Literal | Data) and to.name not in self.judged:
                # The mistake, if it is one, stands where the value was given, not where it is used.
                before = len(self.report.findings)
                self.check_literal(given, port, f"input {to.name!r} (used as {where})")
                if len(self.report.findings) > before:
                    self.judged.add(to.name)
            return
        outer = self.pipeline.inputs.get(to.name) if isinstance(to, PipelinePort) else None
        if isinstance(outer, Input) and outer.optional and not port.optional:
            self.report.add("optional-input", f"{where} is required, and {to} is optional", value.place,
                            why="without a value the job could not run",
                            fix=f"remove 'optional: true' from {to.name!r}, or make the job's input optional")
        if not connects(source, port.type):
            self.report.add("type-clash", f"{where} is a {port.type}, and {to} is a {source}", value.place,
                            why="Azure ML connects ports of matching types only")

    def check_output(self, job: Job, name: str, output: JobOutput) -> None:
        to = output.bound
        where = f"output {name!r} of job {job.name!r}"
        if to is None:
            return
        if not isinstance(to, PipelinePort) or to.side != "outputs":
            self.report.add("bad-binding", f"{where} is bound to {to}", output.place,
                            fix="an output is bound to an output of the pipeline: ${{parent.outputs.NAME}}")
            return
        if to.name not in self.pipeline.outputs:
            if "outputs" not in self.pipeline.untold:
                self.report.add("unknown-output", f"{where} is bound to {to}, and the pipeline has no output {to.name!r}",
                                output.place, fix=did_you_mean(to.name, self.pipeline.outputs))
            return
        if to.name in self.bound_outputs:
            self.report.add("output-bound-twice", f"{where} is bound to {to}, as is {self.bound_outputs[to.name]}",
                            output.place, why="one output has one source", fix="remove one of these bindings")
            return
        self.bound_outputs[to.name] = where
        declared = self.pipeline.outputs[to.name].type
        port = job.component.outputs.get(name) if job.component else None
        if declared and port and not connects(port.type, declared):
            self.report.add("type-clash", f"{where} is a {port.type}, and {to} is a {declared}", output.place)

    def check_outputs(self) -> None:
        for name, output in self.pipeline.outputs.items():
            if isinstance(output, JobOutput) and isinstance(output.bound, JobPort) and output.bound.side == "outputs":
                self.source_type(Bound(to=output.bound, place=output.place), f"output {name!r}")
            elif isinstance(output, JobOutput) and output.bound is not None:
                self.report.add("bad-binding", f"output {name!r} is bound to {output.bound}", output.place,
                                fix="bind it to what a job makes: ${{parent.jobs.JOB.outputs.NAME}}")
            elif name not in self.bound_outputs and all(job.component for job in self.pipeline.jobs.values()):
                self.report.add("unbound-output", f"no job is bound to the pipeline's output {name!r}", output.place,
                                why="it would stay empty",
                                fix=f"write '{name}: ${{{{parent.outputs.{name}}}}}' under a job's outputs")


def connects(source: str, target: str) -> bool:
    """Whether Azure ML lets *source* flow into *target*: any folder type into another, a literal into a wider one."""
    if source == target or not {source, target} <= _KNOWN:  # unknown ones were reported where they are written
        return True
    if source in LITERAL_TYPES or target in LITERAL_TYPES:
        return source in LITERAL_TYPES and (target == "string" or (source, target) == ("integer", "number"))
    return "custom_model" in (source, target) or (source in _FOLDERS) == (target in _FOLDERS)
