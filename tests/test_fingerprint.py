import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.fingerprint import Facts, Fingerprint, changed, fingerprint, of_trial
from mlops_lib.graph import External, FromStep, Step, Value, trial
from mlops_lib.spec import CommandComponent, Input, Job, Output
from mlops_lib.sweep import Goal, Limits, Sweep, Uniform

RAW = External(path="raw", type="uri_folder")
COMPONENT = CommandComponent(
    command="run ${{inputs.raw}}",
    name="c",
    outputs={"out": Output(type="uri_folder")},
    inputs={"raw": Input(type="uri_folder"), "rate": Input(type="number"), "before": Input(type="uri_folder", optional=True)},
)
STEP = Step(
    name="s",
    component=COMPONENT,
    job=Job(name="s", type="command"),
    inputs={"raw": RAW, "rate": Value("0.5")},
    outputs={},
    environment="e",
    environment_folder="",
    environment_variables={"A": "1"},
    waits=(),
)
FACTS = Facts(code={"s": "code1"}, environment={"s": "env1"}, data={RAW: "raw1"})


def digest(step: Step = STEP, facts: Facts = FACTS, made: Mapping[FromStep, str] | None = None) -> Fingerprint:
    found = fingerprint(step, facts, made or {})
    assert found is not None
    return found


def replaced(**fields: Any) -> Step:
    return dataclasses.replace(STEP, **fields)


def component(**fields: Any) -> Step:
    return replaced(component=dataclasses.replace(COMPONENT, **fields))


def test_the_same_step_has_the_same_fingerprint() -> None:
    assert digest() == digest(
        dataclasses.replace(STEP), Facts(code=dict(FACTS.code), environment=dict(FACTS.environment), data=dict(FACTS.data))
    )


@pytest.mark.parametrize(
    "same",
    [
        component(name="other"),
        component(description="more", display_name="x", tags={"a": "b"}, version="2"),
        component(folder="/elsewhere"),
        replaced(inputs={"rate": Value("0.5"), "raw": RAW}),
        component(rest={"resources": {"instance_count": 2}}),
    ],
    ids=["name", "words", "folder", "order", "resources"],
)
def test_what_changes_nothing_for_the_command_changes_no_fingerprint(same: Step) -> None:
    assert digest(same).digest == digest().digest


def test_a_renamed_path_with_the_same_content_is_the_same_data() -> None:
    moved = External(path="elsewhere/raw", type="uri_folder", folder="/x")
    assert (
        digest(replaced(inputs={"raw": moved, "rate": Value("0.5")}), dataclasses.replace(FACTS, data={moved: "raw1"}))
        == digest()
    )


CHANGES: dict[str, tuple[Step, Facts, str]] = {
    "command": (component(command="run it"), FACTS, "command changed"),
    "code": (STEP, dataclasses.replace(FACTS, code={"s": "code2"}), "code changed"),
    "environment": (STEP, dataclasses.replace(FACTS, environment={"s": "env2"}), "environment changed"),
    "data": (STEP, dataclasses.replace(FACTS, data={RAW: "raw2"}), "input raw changed"),
    "literal": (replaced(inputs={"raw": RAW, "rate": Value("0.7")}), FACTS, "input rate changed: 0.5 → 0.7"),
    "variable": (replaced(environment_variables={"A": "2"}), FACTS, "environment variable A changed"),
    "new variable": (replaced(environment_variables={"A": "1", "B": "1"}), FACTS, "environment variable B is new"),
    "gone variable": (replaced(environment_variables={}), FACTS, "environment variable A is gone"),
    "gone input": (replaced(inputs={"raw": RAW}), FACTS, "input rate is gone"),
    "new output": (
        component(outputs={"out": Output(type="uri_folder"), "log": Output(type="uri_file")}),
        FACTS,
        "outputs changed",
    ),
    "output's type": (component(outputs={"out": Output(type="uri_file")}), FACTS, "outputs changed"),
    "input's type": (component(inputs={**COMPONENT.inputs, "rate": Input(type="string")}), FACTS, "input rate changed"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_kind_of_change_changes_the_fingerprint_and_is_told_in_words(name: str) -> None:
    step, facts, words = CHANGES[name]
    now = digest(step, facts)
    assert now.digest != digest().digest
    told = changed(digest().parts, now.parts)
    assert len(told) == 1
    assert told[0].startswith(words)


def test_all_changes_differ_from_each_other() -> None:
    assert len({digest(step, facts).digest for step, facts, _ in CHANGES.values()}) == len(CHANGES)


def test_a_step_has_no_fingerprint_before_its_inputs_exist() -> None:
    waiting = replaced(inputs={"raw": RAW, "rate": Value("1"), "before": FromStep("prep", "out")}, waits=("prep",))
    assert fingerprint(waiting, FACTS, {}) is None
    assert fingerprint(waiting, FACTS, {FromStep("prep", "other"): "x"}) is None
    assert (
        digest(waiting, FACTS, {FromStep("prep", "out"): "x"}).digest
        != digest(waiting, FACTS, {FromStep("prep", "out"): "y"}).digest
    )


def test_data_and_an_output_with_the_same_content_are_the_same_input() -> None:
    made = FromStep("prep", "out")
    assert digest(replaced(inputs={"raw": made, "rate": Value("0.5")}), FACTS, {made: "raw1"}) == digest()


PARTS = st.dictionaries(
    st.sampled_from(["command", "code", "input a", "input b"]), st.sampled_from(["x", "y", "number:1", "number:2"])
)


@given(PARTS, PARTS)
def test_a_difference_is_told_exactly_when_there_is_one(before: dict[str, str], now: dict[str, str]) -> None:
    told = changed(before, now)
    assert bool(told) == (before != now)
    assert len(told) == sum(before.get(name) != now.get(name) for name in before.keys() | now.keys())


VALUES = st.dictionaries(st.sampled_from(["A", "B", "input A"]), st.text(max_size=6), max_size=3)


@given(VALUES, VALUES)
def test_two_steps_are_the_same_exactly_when_their_parts_are(one: dict[str, str], two: dict[str, str]) -> None:
    first, second = digest(replaced(environment_variables=one)), digest(replaced(environment_variables=two))
    assert (first.digest == second.digest) == (first.parts == second.parts) == (one == two)


def test_long_values_and_digests_are_not_repeated() -> None:
    assert changed({"input a": "string:" + "x" * 50}, {"input a": "string:y"}) == ("input a changed",)
    assert changed({"input a": "uri_folder:abc"}, {"input a": "uri_folder:abd"}) == ("input a changed",)


# --- sweeps ----------------------------------------------------------------------------------------------------------

SEARCH = Sweep(space={"rate": Uniform(0, 1)}, metric="auc", goal=Goal.MAXIMIZE)
SWEPT = replaced(sweep=SEARCH, inputs={"raw": RAW})


def test_a_sweep_is_told_from_another_and_from_its_trial_alone() -> None:
    more = dataclasses.replace(SEARCH, limits=Limits(trials=5))
    before, after = digest(SWEPT), digest(dataclasses.replace(SWEPT, sweep=more))
    assert len({before.digest, after.digest, digest(replaced(inputs={"raw": RAW})).digest}) == 3
    assert changed(before.parts, after.parts) == ("the sweep's limits changed",)


def test_a_trial_is_the_same_as_a_step_that_gets_its_inputs_in_another_way() -> None:
    given_ = {"rate": "0.5"}
    assert of_trial(digest(SWEPT), trial(SWEPT, 0, given_), given_).digest == digest().digest
    assert of_trial(digest(SWEPT), trial(SWEPT, 1, {"rate": "0.6"}), {"rate": "0.6"}).digest != digest().digest
