"""The pipelines that a project gets from the roles of its components: preprocess, train, evaluate, score, and all in one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..binding import JobPort, PipelinePort
from ..document import Table, plain
from ..errors import CompileError, Finding, InputError, Place, did_you_mean, listing
from ..inspection import is_local, local_path
from ..settings import Settings
from ..spec import DATA_TYPES, Bound, Component, Data, InputValue, Job, JobOutput, Literal, PipelineJob, reading, typed
from ..spec import Settings as PipelineSettings
from ..spec.kinds import MODEL_TYPES

ROLES = ("preprocess", "train", "evaluate", "score")
MOST_CANDIDATES = 8
LATEST = "latest"
_SWEEP_KEYS = ("sampling_algorithm", "search_space", "objective", "early_termination", "limits")

_FOLDERS = ("uri_folder", "mltable", "uri_file")
_TABLES: Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "preprocess": {
        "inputs": {"raw": _FOLDERS},
        "outputs": {"train": _FOLDERS, "validation": _FOLDERS, "test": _FOLDERS},
    },
    "train": {"inputs": {"train": _FOLDERS, "validation": _FOLDERS}, "outputs": {"model": ("mlflow_model",)}},
    "evaluate": {
        "inputs": {"model_1": ("mlflow_model",), "names": ("string",), "test": _FOLDERS},
        "outputs": {"metrics": ("uri_folder",), "best": ("mlflow_model",)},
    },
    "score": {
        "inputs": {"model": ("mlflow_model",), "data": _FOLDERS},
        "outputs": {"predictions": ("uri_folder",), "rejects": ("uri_folder",)},
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cast:
    """Which components fill which roles; *train* is sorted by name."""

    preprocess: Component | None = None
    train: tuple[Component, ...] = ()
    evaluate: Component | None = None
    score: Component | None = None


def cast(components: Iterable[Component]) -> Cast:
    """Sort components by their tag ``role``; components without one take no part.

    Raises:
        CompileError: an unknown role, a role filled twice, or a component that lacks a port of its role.
    """
    findings: list[Finding] = []
    by_role: dict[str, list[Component]] = {role: [] for role in ROLES}
    for component in sorted(components, key=lambda component: component.name or ""):
        role = component.role
        if role is None:
            continue
        if role not in by_role:
            findings.append(_finding("unknown-role", f"component {component.name!r} has the role {role!r}", component, "tags",
                                     f"the roles are {listing(ROLES)}"))
            continue
        if component.name is None:
            findings.append(_finding("missing-key", f"a component with the role {role} lacks 'name'", component, "tags",
                                     "assembled pipelines name their jobs and outputs after it"))
        findings += _lacks(component, role)
        by_role[role].append(component)
    for role in ("preprocess", "evaluate", "score"):
        for extra in by_role[role][1:]:
            findings.append(_finding("role-twice", f"component {extra.name!r} has the role {role}, as has "
                                     f"{by_role[role][0].name!r}", extra, "tags", f"one component is for {role}"))
    if len(by_role["train"]) > MOST_CANDIDATES:
        findings.append(_finding("too-many-candidates", f"{len(by_role['train'])} components have the role train",
                                 by_role["train"][MOST_CANDIDATES], "tags", f"evaluate compares at most {MOST_CANDIDATES}"))
    if findings:
        raise CompileError(findings)
    one = {role: by_role[role][0] if by_role[role] else None for role in ("preprocess", "evaluate", "score")}
    return Cast(train=tuple(by_role["train"]), **one)


def _finding(code: str, what: str, component: Component, key: str, why: str) -> Finding:
    place = component.places.get(key, component.place)
    return Finding(code=code, what=what, place=place, why=why)


def _lacks(component: Component, role: str) -> Iterable[Finding]:
    for side, ports in _TABLES[role].items():
        have = component.inputs if side == "inputs" else component.outputs
        for name, types in ports.items():
            port = have.get(name)
            if port is None:
                yield _finding("role-port", f"component {component.name!r} has the role {role} and no {side[:-1]} {name!r}",
                               component, side, f"a {role} component has the {side} {listing(ports)}")
            elif port.type not in types:
                yield _finding("role-port", f"{side[:-1]} {name!r} of component {component.name!r} is a {port.type}",
                               component, side, f"in the role {role} it is {' or '.join(types)}")


def available(parts: Cast, settings: Settings) -> list[str]:
    """The names of the pipelines that can be assembled."""
    names = [role for role in ROLES if getattr(parts, role)]
    if len(names) == len(ROLES) and settings.experiment not in ROLES:
        names.append(settings.experiment)
    return names


def assemble(name: str, parts: Cast, settings: Settings, *, folder: str, label: str = LATEST) -> PipelineJob:
    """One pipeline.

    Args:
        name: A role, or the settings' experiment for the pipeline that joins all four.
        parts: The components.
        settings: Names, compute and values of inputs.
        folder: The folder that the pipeline's relative paths start from: where it will be written, or the project.
        label: Of the model that score takes when it is not told another.

    Returns:
        A linked pipeline job: exactly what its YAML would compile to.

    Raises:
        InputError: no component fills a role that it needs, or an input has no value.
        CompileError: the settings name an input that no component has.
    """
    roles = (name,) if name in ROLES else ROLES
    _check_settings(parts, settings)
    for role in roles:
        if not getattr(parts, role):
            raise InputError(f"the {name} pipeline needs a component for {role}", why="no component has the tag role: "
                             f"{role}", fix=f"add 'tags: {{role: {role}}}' to the one that is for it")
    builder = _Builder(name, settings, folder, joined=len(roles) > 1, label=label)
    if "preprocess" in roles and parts.preprocess:
        builder.preprocess(parts.preprocess)
    if "train" in roles:
        for component in parts.train:
            builder.train(component)
    if "evaluate" in roles and parts.evaluate:
        builder.evaluate(parts.evaluate, parts.train)
    if "score" in roles and parts.score:
        builder.score(parts.score)
    return builder.pipeline()


def _check_settings(parts: Cast, settings: Settings) -> None:
    components = [component for component in (parts.preprocess, *parts.train, parts.evaluate, parts.score) if component]
    known = {"raw", "data", "champion", *(f"{component.name}_{name}" for component in components for name in component.inputs)}
    findings = [Finding(code="unknown-input", what=f"no pipeline has the input {name!r}", place=value.place,
                        why="an input is raw, data, champion or COMPONENT_INPUT", fix=did_you_mean(name, known))
                for name, value in settings.inputs.items() if name not in known]
    findings += _check_sweeps(parts, settings)
    if findings:
        raise CompileError(findings)


def _check_sweeps(parts: Cast, settings: Settings) -> Iterable[Finding]:
    """What only the components tell of the settings' sweeps; the rest is judged as that of any sweep."""
    trained = [component.name or "" for component in parts.train]
    for name, sweep in settings.sweeps.items():
        if name not in trained:
            yield Finding(code="unknown-component", what=f"no component with the role train is named {name!r}",
                          place=sweep.place, why=f"there {'is' if len(trained) == 1 else 'are'} {listing(trained) or 'none'}",
                          fix=did_you_mean(name, trained) if trained else "")
        for parameter in reading.entries(sweep, "search_space"):
            given = settings.inputs.get(f"{name}_{parameter}")
            if given is not None:
                yield Finding(code="bad-space", place=given.place, why="a trial can get one of them",
                              what=f"{name}_{parameter} has a value, and {parameter!r} is in the search space of {name!r}",
                              fix="remove one of them")


class _Builder:
    def __init__(self, name: str, settings: Settings, folder: str, *, joined: bool, label: str) -> None:
        self.name, self.settings, self.folder, self.joined, self.label = name, settings, folder, joined, label
        self.inputs: dict[str, InputValue] = {}
        self.outputs: dict[str, JobOutput] = {}
        self.jobs: dict[str, Job] = {}
        self.made: dict[str, JobPort] = {}  # what later roles use, by the name of their port

    def preprocess(self, component: Component) -> None:
        self._job(component, {"raw": self._setting("raw", component)}, {
            split: f"{self.settings.experiment}-{split}" for split in ("train", "validation", "test")})

    def train(self, component: Component) -> None:
        given = {split: self._made_or(split, component, split, f"-{split}@latest")
                 for split in ("train", "validation")}
        short = _short(component)
        self._job(component, given, {"model": f"{self.settings.experiment}-{short}"}, prefix=short,
                  sweep=self.settings.sweeps.get(component.name or ""))

    def evaluate(self, component: Component, candidates: Iterable[Component]) -> None:
        given: dict[str, InputValue] = {}
        names = []
        for number, candidate in enumerate(candidates, 1):
            port, short = f"model_{number}", _short(candidate)
            if port not in component.inputs:
                raise InputError(f"component {component.name!r} has no input {port!r}", place=component.places.get("inputs"),
                                 why=f"the project trains {number} or more algorithms",
                                 fix=f"add '{port}: {{type: mlflow_model, optional: true}}'")
            names.append(short)
            given[port] = self._made_or(f"model {short}", component, port, f"-{short}@latest")
        if not names:
            raise InputError("the evaluate pipeline needs a component for train", why="it compares trained models")
        given["names"] = Literal(text=",".join(names), value=",".join(names))
        given["test"] = self._made_or("test", component, "test", "-test@latest")
        if "champion" in self.settings.inputs and "champion" in component.inputs:
            given["champion"] = self._setting("champion", component)
        self._job(component, given, {"best": self.settings.experiment, "metrics": None})

    def score(self, component: Component) -> None:
        given: dict[str, InputValue] = {
            "model": self._made_or("best", component, "model", f"@{self.label}"),
            "data": self._setting("data", component) if "data" in self.settings.inputs else
                    self._made_or("test", component, "data", "-test@latest")}
        self._job(component, given, {"predictions": None, "rejects": None})

    def pipeline(self) -> PipelineJob:
        what = "preprocess, train, evaluate and score" if self.joined else self.name
        return PipelineJob(
            display_name=self.name, experiment_name=self.settings.experiment,
            description=f"{self.settings.experiment}: {what}.",
            inputs=self.inputs, outputs=self.outputs, jobs=self.jobs,
            settings=PipelineSettings(default_compute=self.settings.compute), folder=self.folder)

    def _job(self, component: Component, given: Mapping[str, InputValue], outputs: Mapping[str, str | None], *,
             prefix: str = "", sweep: Table | None = None) -> None:
        """Add a job: *given*, and what else the settings say or the defaults are, as inputs of the pipeline.

        With a *sweep* the component is its trial, and what the search space has is no input.
        """
        job = component.name or "job"
        inputs = dict(given)
        searched = frozenset(reading.entries(sweep, "search_space")) if sweep is not None else frozenset()
        for name, port in component.inputs.items():
            own = f"{job}_{name}"
            if name in inputs or name in searched:
                continue
            if own in self.settings.inputs:
                inputs[name] = self._setting(own, component, name)
            elif port.default is not None:
                inputs[name] = self._input(own, Literal(text=port.default, value=typed(port.type, port.default)))
            elif port.required:
                raise InputError(f"the input {name!r} of component {job!r} has no value",
                                 place=port.place, fix=f"give it a default, or in mlops.yml: inputs: {{{own}: …}}")
        bound = {}
        for name, asset in outputs.items():
            type_ = component.outputs[name].type
            own = f"{name}_{prefix}" if prefix else name
            self.outputs[own] = JobOutput(type=type_, name=asset)
            bound[name] = JobOutput(bound=PipelinePort("outputs", own))
            self.made[f"{name} {prefix}" if prefix else name] = JobPort(job, "outputs", name)
        node = Job(name=job, type="pipeline" if hasattr(component, "jobs") else "command", component=component,
                   reference=self._reference(component), inputs=inputs, outputs=bound)
        if sweep is not None:
            said = plain(sweep)
            rest = {"sampling_algorithm": "random"} | {key: said[key] for key in _SWEEP_KEYS if key in said}
            node = dataclasses.replace(node, type="sweep", searched=searched, rest=rest, document=sweep, place=sweep.place)
        self.jobs[job] = node

    def _reference(self, component: Component) -> str | None:
        """The component's file as a path that starts with a dot, as Azure ML's CLI wants it."""
        if not component.file:
            return None
        relative = os.path.relpath(component.file, self.folder).replace(os.sep, "/")
        return relative if relative.startswith("..") else f"./{relative}"

    def _input(self, name: str, value: InputValue) -> Bound:
        self.inputs[name] = value
        return Bound(to=PipelinePort("inputs", name))

    def _setting(self, name: str, component: Component, port: str = "") -> Bound:
        """A value of the settings for a port, by default the one of the same name; plain text is a path for data."""
        value = self.settings.inputs.get(name)
        type_ = component.inputs[port or name].type
        if value is None:
            raise InputError(f"the {self.name} pipeline needs a value for {name!r}", place=Place(self.settings.file),
                             why=f"component {component.name!r} reads it ({type_})",
                             fix=f"add to mlops.yml: inputs: {{{name}: {{type: {type_}, path: …}}}}")
        if isinstance(value, Literal) and type_ in DATA_TYPES:
            value = Data(path=value.text, type=type_, place=value.place)
        if isinstance(value, Data):
            value = dataclasses.replace(value, path=self._rebased(value.path), type=value.type or type_)
        return self._input(name, value)

    def _rebased(self, path: str) -> str:
        """A path of the settings, relative to where the pipeline will stand."""
        if not is_local(path) or os.path.isabs(path) or not self.settings.folder:
            return path
        relative = os.path.relpath(local_path(path, self.settings.folder), self.folder).replace(os.sep, "/")
        return relative if relative.startswith("..") else f"./{relative}"

    def _made_or(self, made: str, component: Component, port: str, asset: str) -> Bound:
        """What an earlier part of the pipeline makes, or else an input for what it has registered: the experiment's *asset*."""
        if source := self.made.get(made):
            return Bound(to=source)
        wanted = component.inputs[port]
        path = f"azureml:{self.settings.experiment}{asset}"
        return self._input(port, Data(path=path, type=wanted.type, place=wanted.place))


def _short(component: Component) -> str:
    """``train_lightgbm`` is ``lightgbm`` among the candidates."""
    return (component.name or "").removeprefix("train_")


__all__ = ["MODEL_TYPES", "MOST_CANDIDATES", "ROLES", "Cast", "assemble", "available", "cast"]
