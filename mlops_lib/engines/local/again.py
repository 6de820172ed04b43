"""One step of a past run once more, with the inputs that it had then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...catalogue import Catalogue
from ...errors import InputError, did_you_mean
from ...fingerprint import changed, fingerprint
from ...graph import External, FromStep, Given, Graph, GraphOutput, Step, Value, trial
from ...plan import Action, Plan, PlannedStep
from ...spec import JobOutput
from ...stores.records import RunRecord, StepRecord, TrialRecord
from ...stores.store import Store
from .facts import Ground, gather


def plan_again(graph: Graph, catalogue: Catalogue, store: Store, run: RunRecord, name: str, *,
               isolate: bool = False, brought: Mapping[str, Given] | None = None) -> tuple[Plan, Ground, tuple[str, ...]]:
    """A plan that runs one step of *run*, and nothing else; what it makes gets no name.

    Args:
        graph: The pipeline as it is now; the step's code and command are those of now too.
        catalogue: The files that it was read from.
        store: Where the run's records and artifacts are.
        run: The past run.
        name: The step.
        isolate: Whether it runs in an environment of its own.
        brought: Inputs from outside the pipeline that the step had then, when the run was not on this machine.

    Returns:
        The plan, what it stands on, and what differs from then, in words: ``code changed``.

    Raises:
        InputError: there is no such step, or an input of it is gone.
    """
    then = {step.name: step for step in store.records.steps(run.id)}
    if name not in then:
        raise InputError(f"run {run.id} has no step {name!r}", fix=did_you_mean(name, then))
    told = next((told for told in store.records.trials(run.id) if told.step == name), None)
    step = _trial(graph, told) if told is not None else graph.steps.get(name)
    if step is None:
        raise InputError(f"the pipeline no longer has a step {name!r}", fix=did_you_mean(name, graph.steps))
    before = store.records.parts(then[name].fingerprint or "") or {}
    inputs = {key: found for key, given in step.inputs.items()
              if (found := _as_then(step, key, given, then, before, store, run)) is not None} | dict(brought or {})
    ports = step.component.outputs
    step = replace(step, inputs=inputs, outputs={key: JobOutput() for key in ports}, waits=())
    alone = Graph(name=graph.name, steps={name: step}, experiment=graph.experiment, outputs={
        key: GraphOutput(source=FromStep(name, key), type=port.type, spec=JobOutput()) for key, port in ports.items()})
    ground = gather(alone, catalogue, store, isolate=isolate)
    now = fingerprint(step, ground.facts, {})
    if told is not None:
        searched = {f"AZUREML_SWEEP_{key}": text for key, text in told.parameters.items()}
        step = replace(step, environment_variables={**searched, **step.environment_variables})
    planned = PlannedStep(step=step, action=Action.RUN, reason=f"asked for, with the inputs of {run.id}", fingerprint=now)
    plan = Plan(graph=alone, facts=ground.facts, steps={name: planned}, reuse=False)
    return plan, ground, changed(before, now.parts) if now and before else ()


def _trial(graph: Graph, told: TrialRecord) -> Step | None:
    """A trial of a sweep that is still there."""
    sweep = graph.steps.get(told.sweep)
    return trial(sweep, told.number, told.parameters) if sweep is not None and sweep.sweep is not None else None


def _as_then(step: Step, key: str, given: Given, then: Mapping[str, StepRecord], before: Mapping[str, str], store: Store,
             run: RunRecord) -> Given | None:
    """What an input was in the past run; None when it was left out."""
    if isinstance(given, Value):
        _, known, text = before.get(f"input {key}", "").partition(":")
        return Value(text) if known else given
    if isinstance(given, External):
        return given
    record = then.get(given.step)
    output = record.outputs.get(given.output) if record else None
    port = step.component.inputs[key]
    if output is None and port.optional:
        return None
    if output is None or not store.artifacts.intact(output):
        state = "is gone, or damaged" if output else "was never made"
        raise InputError(f"input {key!r} of step {step.name!r} {state}: output {given.output!r} of step {given.step!r} in run "
                         f"{run.id}", fix=f"make it first: mlops runs resume {run.id}")
    return External(path=str(store.folder / output.path), type=port.type, mode=port.mode)
