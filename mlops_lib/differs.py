"""What a run on this machine does not do as Azure ML would: the short list that people are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import listing
from .graph import Graph, Step
from .spec import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One thing that differs.

    Attributes:
        what: ``compute``, ``environment``, ``identity`` …: the key of the YAML that says it.
        azure: What the YAML asks of Azure ML.
        here: What there is on this machine instead.
        steps: Where it says so, in the graph's order.
    """

    what: str
    azure: str
    here: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.what} {self.azure} of {listing(self.steps, 3)}: {self.here}"


def differences(graph: Graph, environments: Mapping[str, Environment | None],
                software: Mapping[str, str]) -> tuple[Difference, ...]:
    """What differs when *graph* runs here, each once for all the steps that it concerns.

    Args:
        graph: The steps.
        environments: The environment of each step, when the project has it.
        software: What each step finds here instead, in words.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, step in graph.steps.items():
        for told in _of_step(step, environments.get(name), software[name]):
            found.setdefault(told, []).append(name)
    return tuple(Difference(what=what, azure=azure, here=here, steps=tuple(steps))
                 for (what, azure, here), steps in found.items())


def _of_step(step: Step, environment: Environment | None, here: str) -> Iterator[tuple[str, str, str]]:
    if step.compute:
        yield "compute", step.compute, "this machine"
    resources = _told(step, "resources")
    if isinstance(resources, Mapping):
        count = resources.get("instance_count")
        if count not in (None, 1, "1"):
            yield "instance_count", str(count), "one node"
        for key in ("instance_type", "shm_size", "docker_args"):
            if resources.get(key):
                yield key, _short(resources[key]), "has no effect"
    yield from _of_environment(step, environment, here)
    identity = _told(step, "identity")
    if isinstance(identity, Mapping):
        yield "identity", str(identity.get("type", "")), "yours"
    services = _told(step, "services")
    if isinstance(services, Mapping) and services:
        yield "services", listing(map(str, services)), "none is started"
    if _told(step, "queue_settings"):
        yield "queue_settings", _short(_told(step, "queue_settings")), "has no effect"
    distribution = _told(step, "distribution")
    kind = str(distribution.get("type", "")).lower() if isinstance(distribution, Mapping) else ""
    if kind == "ray":
        yield "distribution", kind, "one process, without a cluster"
    elif kind == "mpi":
        yield "distribution", kind, "processes with Open MPI's variables, without mpirun"
    yield from _of_modes(step)


def _of_environment(step: Step, environment: Environment | None, here: str) -> Iterator[tuple[str, str, str]]:
    if environment is None:
        if isinstance(step.environment, str):
            yield "environment", step.environment, here
        return
    name = environment.name or "in place"
    if environment.image or environment.build:
        yield "environment", f"{name} ({environment.image or 'a Docker build'})", here
    elif environment.conda_file is not None:
        yield "environment", name, here


def _of_modes(step: Step) -> Iterator[tuple[str, str, str]]:
    for name in step.inputs:
        mode = step.mode_of(name)
        if mode == "rw_mount":
            yield "mode", f"rw_mount of input {name!r}", "the data itself, not a mount"
        elif mode == "download":
            yield "mode", f"download of input {name!r}", "a copy, or a link to what is large"


def _told(step: Step, key: str) -> Any:
    """What the job says of *key*, or else its component."""
    return step.job.rest.get(key) or step.component.rest.get(key)


def _short(value: Any) -> str:
    text = listing(map(str, value), 3) if isinstance(value, list) else \
        listing((f"{key} {inner}" for key, inner in value.items()), 3) if isinstance(value, Mapping) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
