"""What would run, what is reused, and why: with a store that is a dictionary."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.document import parse, unparse
from mlops_lib.fingerprint import Facts, Fingerprint, fingerprint
from mlops_lib.graph import External, FromStep, Graph, Step, build
from mlops_lib.plan import Action, Plan, Stored, StoredOutput, judge, make_plan
from mlops_lib.spec import PipelineJob, Report, read


def chain(settings: dict[str, Any] | None = None, **components: Any) -> Graph:
    """prep → train → score, each reading what the one before has made."""
    jobs = {}
    for name, before in (("prep", None), ("train", "prep"), ("score", "train")):
        component = {
            "command": f"{name} ${{{{inputs.x}}}} ${{{{outputs.out}}}}",
            "environment": "azureml:e:1",
            "inputs": {"x": {"type": "uri_folder"}},
            "outputs": {"out": {"type": "uri_folder"}},
        }
        jobs[name] = {
            "component": component | components.get(name, {}),
            "inputs": {"x": f"${{{{parent.jobs.{before}.outputs.out}}}}" if before else {"type": "uri_folder", "path": "raw"}},
        }
    spec = read(
        parse(unparse({"type": "pipeline", "settings": settings or {}, "jobs": jobs}), "p.yml"),
        Report(),
        folder="",
        kind="pipeline job",
    )
    assert isinstance(spec, PipelineJob)
    return build(spec, name="p")


def facts(graph: Graph, *, raw: str = "raw", **code: str) -> Facts:
    data = {value: raw for step in graph.steps.values() for value in step.inputs.values() if isinstance(value, External)}
    return Facts(
        code={name: code.get(name, "code") for name in graph.steps}, environment=dict.fromkeys(graph.steps, "env"), data=data
    )


class World:
    """Runs plans: what a step makes is a function of *content*, or of all it was made from."""

    def __init__(self, content: Mapping[str, str] | None = None) -> None:
        self.content = content or {}
        self.stored: dict[str, Stored] = {}
        self.past: dict[str, Mapping[str, str]] = {}
        self.ran: list[str] = []

    def lookup(self, found: Fingerprint) -> Stored | None:
        return self.stored.get(found.digest)

    def history(self, step: Step) -> Mapping[str, str] | None:
        return self.past.get(step.name)

    def plan(self, graph: Graph, about: Facts, *, reuse: bool = True) -> Plan:
        return make_plan(graph, about, self.lookup, self.history, reuse=reuse)

    def run(self, graph: Graph, about: Facts, *, reuse: bool = True) -> list[str]:
        """Run what must; the names of the steps that ran."""
        made: dict[FromStep, str] = {}
        self.ran = []
        for name, step in graph.steps.items():
            planned = judge(step, about, made, self.lookup, self.history, reuse=reuse and not graph.force_rerun)
            assert planned.action is not Action.DEPENDS, "its inputs exist by now"
            found = fingerprint(step, about, made)
            assert found is not None
            if planned.stored is None:
                self.ran.append(name)
                outputs = {
                    key: StoredOutput(path="", digest=self.content.get(name, found.digest), type=port.type)
                    for key, port in step.component.outputs.items()
                }
                self.stored[found.digest] = Stored(fingerprint=found.digest, outputs=outputs)
                self.past[name] = found.parts
            made.update({FromStep(name, key): output.digest for key, output in self.stored[found.digest].outputs.items()})
        return self.ran


def verdicts(plan: Plan) -> dict[str, tuple[str, str]]:
    return {name: (planned.action.value, planned.reason) for name, planned in plan.steps.items()}


def test_a_first_plan_runs_the_first_step_and_cannot_know_the_others() -> None:
    graph = chain()
    plan = World().plan(graph, facts(graph))
    assert verdicts(plan) == {
        "prep": ("run", "never ran here"),
        "train": ("depends", "waits for prep"),
        "score": ("depends", "waits for train"),
    }
    assert (plan.count(Action.RUN), plan.count(Action.DEPENDS), plan.count(Action.REUSE)) == (1, 2, 0)


def test_what_has_run_and_has_not_changed_is_reused() -> None:
    world, graph = World(), chain()
    assert world.run(graph, facts(graph)) == ["prep", "train", "score"]
    assert set(verdicts(world.plan(graph, facts(graph))).values()) == {("reuse", "nothing changed")}
    assert world.run(graph, facts(graph)) == []


def test_a_change_runs_the_step_and_leaves_open_what_comes_after() -> None:
    world, graph = World(), chain()
    world.run(graph, facts(graph))
    assert verdicts(world.plan(graph, facts(graph, train="new"))) == {
        "prep": ("reuse", "nothing changed"),
        "train": ("run", "code changed"),
        "score": ("depends", "waits for train"),
    }
    assert world.run(graph, facts(graph, train="new")) == ["train", "score"]


def test_a_step_that_makes_the_same_bytes_again_lets_what_follows_be_reused() -> None:
    world, graph = World({"train": "the same model"}), chain()
    world.run(graph, facts(graph))
    assert world.run(graph, facts(graph, train="reformatted")) == ["train"]


def test_going_back_to_what_was_before_runs_nothing() -> None:
    world, graph = World(), chain()
    world.run(graph, facts(graph))
    world.run(graph, facts(graph, raw="other"))
    assert world.run(graph, facts(graph)) == []


def test_changed_data_is_told_at_the_step_that_reads_it() -> None:
    world, graph = World(), chain()
    world.run(graph, facts(graph))
    assert verdicts(world.plan(graph, facts(graph, raw="more")))["prep"] == ("run", "input x changed")


def test_lost_outputs_are_told() -> None:
    world, graph = World(), chain()
    world.run(graph, facts(graph))
    world.stored.clear()
    assert verdicts(world.plan(graph, facts(graph)))["prep"] == ("run", "the same as last time, but no result is there: it failed, or was removed")


def test_a_step_that_is_not_deterministic_runs_every_time() -> None:
    world, graph = World(), chain(train={"is_deterministic": False})
    world.run(graph, facts(graph))
    assert verdicts(world.plan(graph, facts(graph))) == {
        "prep": ("reuse", "nothing changed"),
        "train": ("run", "is_deterministic is false"),
        "score": ("depends", "waits for train"),
    }
    assert world.run(graph, facts(graph)) == ["train"]  # and made the same again


@pytest.mark.parametrize(
    ("settings", "reuse", "reason"),
    [
        ({}, False, "reuse is switched off"),
        ({"force_rerun": True}, True, "force_rerun is true"),
        ({"force_rerun": True}, False, "reuse is switched off"),
    ],
)
def test_nothing_is_reused_when_reuse_is_off(settings: dict[str, Any], reuse: bool, reason: str) -> None:
    world, graph = World(), chain(settings)
    world.run(chain(), facts(graph))
    assert set(verdicts(world.plan(graph, facts(graph), reuse=reuse)).values()) == {("run", reason)}
    assert world.run(graph, facts(graph), reuse=reuse) == ["prep", "train", "score"]


@given(st.lists(st.tuples(st.sampled_from(["prep", "train", "score"]), st.sampled_from("abc")), max_size=8))
def test_a_plan_never_reuses_what_a_run_would_run(edits: list[tuple[str, str]]) -> None:
    """And what it calls open is decided by the run, one way or the other."""
    world, graph = World(), chain()
    code: dict[str, str] = {}
    for name, text in edits:
        code[name] = text
        plan = world.plan(graph, facts(graph, **code))
        ran = set(world.run(graph, facts(graph, **code)))
        for step, planned in plan.steps.items():
            if planned.action is not Action.DEPENDS:
                assert (step in ran) == (planned.action is Action.RUN)
        assert world.run(graph, facts(graph, **code)) == []
