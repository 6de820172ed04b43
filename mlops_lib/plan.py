"""Which steps of a graph run, which are reused, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from .fingerprint import Facts, Fingerprint, changed, fingerprint
from .graph import FromStep, Graph, Step


class Action(str, Enum):
    """What happens to a step."""

    RUN = "run"
    REUSE = "reuse"
    DEPENDS = "depends"  # on whether a step before it makes something new


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredOutput:
    """An output that exists: where its bytes are, and the digest of their content."""

    path: str
    digest: str
    type: str
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """What an earlier run of the same step left."""

    fingerprint: str
    outputs: Mapping[str, StoredOutput]
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    log: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStep:
    """A step with its verdict and the reason, in words that a person understands."""

    step: Step
    action: Action
    reason: str
    fingerprint: Fingerprint | None = None
    stored: Stored | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A graph, the facts it was judged by, and the verdict on each step, in the graph's order."""

    graph: Graph
    facts: Facts
    steps: Mapping[str, PlannedStep]
    reuse: bool = True

    def count(self, action: Action) -> int:
        """How many steps have that verdict."""
        return sum(planned.action is action for planned in self.steps.values())


Lookup = Callable[[Fingerprint], "Stored | None"]
History = Callable[[Step], "Mapping[str, str] | None"]


def make_plan(graph: Graph, facts: Facts, lookup: Lookup, history: History, *, reuse: bool = True) -> Plan:
    """Judge every step with what is known before anything runs.

    Args:
        graph: The steps.
        facts: Digests of code, environments and external data.
        lookup: What is stored, whole and intact, under a fingerprint.
        history: The fingerprint's parts the last time a step of that name ran; None when it never did.
        reuse: False to run everything again.
    """
    made: dict[FromStep, str] = {}
    steps: dict[str, PlannedStep] = {}
    for name, step in graph.steps.items():
        planned = judge(step, facts, made, lookup, history, reuse=reuse and not graph.force_rerun)
        if reuse and graph.force_rerun:
            planned = replace(planned, reason="force_rerun is true")
        steps[name] = planned
        if planned.stored is not None:
            made.update({FromStep(name, key): output.digest for key, output in planned.stored.outputs.items()})
    return Plan(graph=graph, facts=facts, steps=steps, reuse=reuse)


def judge(step: Step, facts: Facts, made: Mapping[FromStep, str], lookup: Lookup, history: History, *,
          reuse: bool) -> PlannedStep:
    """Judge one step, given the digests of the outputs that exist."""
    found = fingerprint(step, facts, made)
    if not reuse:
        return PlannedStep(step=step, action=Action.RUN, reason="reuse is switched off", fingerprint=found)
    if not step.component.is_deterministic:
        return PlannedStep(step=step, action=Action.RUN, reason="is_deterministic is false", fingerprint=found)
    if found is None:
        unknown = sorted({given.step for given in step.inputs.values() if isinstance(given, FromStep) and given not in made})
        return PlannedStep(step=step, action=Action.DEPENDS, reason=f"waits for {', '.join(unknown)}")
    stored = lookup(found)
    if stored is not None:
        return PlannedStep(step=step, action=Action.REUSE, reason="nothing changed", fingerprint=found, stored=stored)
    before = history(step)
    if before is None:
        reason = "never ran here"
    else:
        reason = (", ".join(changed(before, found.parts))
                  or "the same as last time, but no result is there: it failed, or was removed")
    return PlannedStep(step=step, action=Action.RUN, reason=reason, fingerprint=found)
