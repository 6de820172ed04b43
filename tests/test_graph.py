from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.document import parse, unparse
from mlops_lib.errors import InputError
from mlops_lib.graph import External, FromStep, Graph, Step, Value, as_pipeline, build, trial
from mlops_lib.spec import PipelineJob, Report, SingleJob, read


def pipeline(document: Any) -> PipelineJob:
    spec = read(
        parse(document if isinstance(document, str) else unparse(document), "p.yml"),
        Report(),
        folder="/home",
        kind="pipeline job",
    )
    assert isinstance(spec, PipelineJob)
    return spec


def graph(document: Any) -> Graph:
    return build(pipeline(document), name="p")


def joining(waits: list[str]) -> dict[str, Any]:
    """A job that reads an output of each job it waits for."""
    return {
        "command": "x",
        "environment": "azureml:e:1",
        "outputs": {"o": None},
        "inputs": {f"from_{name}": f"${{{{parent.jobs.{name}.outputs.o}}}}" for name in waits},
    }


@st.composite
def dags(draw: st.DrawFn) -> tuple[dict[str, list[str]], list[str]]:
    """What each job waits for, and the order in which the file has them."""
    names = [f"j{number}" for number in range(draw(st.integers(1, 10)))]
    waits = {
        name: draw(st.lists(st.sampled_from(names[:index]), unique=True, max_size=4)) if index else []
        for index, name in enumerate(names)
    }
    return waits, draw(st.permutations(names))


@given(dags())
def test_every_step_comes_after_the_steps_it_waits_for(dag: tuple[dict[str, list[str]], list[str]]) -> None:
    waits, order = dag
    found = graph({"type": "pipeline", "jobs": {name: joining(waits[name]) for name in order}})
    place = {name: index for index, name in enumerate(found.steps)}
    assert place.keys() == waits.keys()
    assert all(place[before] < place[name] for name, after in waits.items() for before in after)
    assert all(found.steps[name].waits == tuple(sorted(after)) for name, after in waits.items())


@given(dags())
def test_what_each_step_is_does_not_depend_on_the_order_of_the_file(dag: tuple[dict[str, list[str]], list[str]]) -> None:
    waits, order = dag
    document = {"type": "pipeline", "jobs": {name: joining(waits[name]) for name in order}}
    other = {"type": "pipeline", "jobs": {name: joining(waits[name]) for name in sorted(order)}}
    assert dict(graph(document).steps) == dict(graph(other).steps)


def test_steps_that_could_change_places_keep_the_order_of_the_file() -> None:
    document = {"type": "pipeline", "jobs": {name: joining([]) for name in ["c", "a", "b"]}}
    assert list(graph(document).steps) == ["c", "a", "b"]


def test_a_long_chain_is_opened_without_recursion() -> None:
    count = 1500
    jobs = {f"j{number}": joining([f"j{number + 1}"] if number + 1 < count else []) for number in range(count)}
    assert next(iter(graph({"type": "pipeline", "jobs": jobs}).steps)) == f"j{count - 1}"


# --- values ----------------------------------------------------------------------------------------------------------

TYPED = {
    "command": "x",
    "environment": "azureml:e:1",
    "outputs": {"out": {"type": "uri_folder"}},
    "inputs": {
        "raw": {"type": "uri_folder", "mode": "download"},
        "rate": {"type": "number", "default": 2},
        "note": {"type": "string", "optional": True},
    },
}


def step(inputs: dict[str, Any], top: dict[str, Any] | None = None) -> dict[str, Any]:
    found = graph({"type": "pipeline", "inputs": top or {}, "jobs": {"a": {"component": TYPED, "inputs": inputs}}})
    return dict(found.steps["a"].inputs)


def test_a_value_comes_from_the_job_else_from_the_default_and_else_is_absent() -> None:
    data = External(path="d", type="uri_folder", folder="/home")
    assert step({"raw": {"type": "uri_folder", "path": "d"}}) == {"raw": data, "rate": Value("2.0")}
    assert step({"raw": {"type": "uri_folder", "path": "d"}, "rate": 3, "note": True}) == {
        "raw": data,
        "rate": Value("3"),
        "note": Value("True"),
    }


def test_a_value_is_followed_through_the_pipelines_inputs() -> None:
    found = step(
        {"raw": "${{parent.inputs.r}}", "rate": "${{parent.inputs.q}}", "note": "${{ parent.inputs.n }}"},
        {"r": {"type": "uri_folder", "path": "d"}, "q": "1e-3", "n": False},
    )
    assert found == {
        "raw": External(path="d", type="uri_folder", folder="/home"),
        "rate": Value("1e-3"),
        "note": Value("False"),
    }


@pytest.mark.parametrize("given", ["d", {"path": "d"}])
def test_data_without_a_type_takes_the_ports(given: object) -> None:
    for found in (step({"raw": given}), step({"raw": "${{parent.inputs.r}}"}, {"r": given})):
        assert isinstance(found["raw"], External)
        assert (found["raw"].path, found["raw"].type, found["raw"].folder) == ("d", "uri_folder", "/home")


def test_another_jobs_input_is_the_same_value() -> None:
    found = graph(
        {
            "type": "pipeline",
            "jobs": {
                "b": {
                    "component": TYPED,
                    "inputs": {
                        "raw": "${{parent.jobs.a.inputs.raw}}",
                        "rate": "${{parent.jobs.a.inputs.rate}}",
                        "note": "${{parent.jobs.a.inputs.note}}",
                    },
                },
                "a": {"component": TYPED, "inputs": {"raw": {"type": "uri_folder", "path": "d"}, "rate": 7}},
            },
        }
    )
    assert found.steps["b"].inputs == found.steps["a"].inputs
    assert found.steps["b"].waits == ()


def test_an_output_flows_even_when_its_maker_stands_later_in_the_file() -> None:
    found = graph(
        {
            "type": "pipeline",
            "jobs": {
                "b": {"component": TYPED, "inputs": {"raw": "${{parent.jobs.a.outputs.out}}"}},
                "a": {"component": TYPED, "inputs": {"raw": "d"}},
            },
        }
    )
    assert found.steps["b"].inputs["raw"] == FromStep("a", "out")
    assert list(found.steps) == ["a", "b"]


def test_the_graph_tells_what_its_inputs_were() -> None:
    found = graph({"type": "pipeline", "inputs": {"r": {"path": "d"}, "q": True}, "jobs": {"a": joining([])}})
    assert found.inputs == {"r": "d", "q": "True"}


# --- outputs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outputs",
    [
        ({"o": None}, {"out": "${{parent.outputs.o}}"}),
        ({"o": {"type": "uri_folder"}}, {"out": {"path": "${{parent.outputs.o}}"}}),
        ({"o": "${{parent.jobs.a.outputs.out}}"}, {}),
    ],
)
def test_an_output_of_the_pipeline_has_a_source_and_its_ports_type(outputs: tuple[dict[str, Any], dict[str, Any]]) -> None:
    found = graph(
        {
            "type": "pipeline",
            "outputs": outputs[0],
            "jobs": {"a": {"component": TYPED, "inputs": {"raw": "d"}, "outputs": outputs[1]}},
        }
    )
    assert found.outputs["o"].source == FromStep("a", "out")
    assert found.outputs["o"].type == "uri_folder"


def test_what_the_pipeline_says_of_an_output_is_kept() -> None:
    found = graph(
        {
            "type": "pipeline",
            "outputs": {"o": {"type": "uri_file", "name": "asset", "version": 3}},
            "jobs": {"a": {"component": TYPED, "inputs": {"raw": "d"}, "outputs": {"out": "${{parent.outputs.o}}"}}},
        }
    )
    output = found.outputs["o"]
    assert (output.type, output.spec.name, output.spec.version) == ("uri_file", "asset", "3")


# --- nested pipelines ------------------------------------------------------------------------------------------------


def nested(depth: int) -> dict[str, Any]:
    """A pipeline component that passes its data down to one job, *depth* levels below, and hands its output up."""
    if depth == 0:
        return {
            "component": TYPED,
            "inputs": {"raw": "${{parent.inputs.raw}}", "rate": "${{parent.inputs.rate}}", "note": "${{parent.inputs.note}}"},
            "outputs": {"out": "${{parent.outputs.out}}"},
        }
    return {
        "type": "pipeline",
        "component": {
            "inputs": {
                "raw": {"type": "uri_folder"},
                "rate": {"type": "number", "default": depth},
                "note": {"type": "string", "optional": True},
            },
            "outputs": {"out": {"type": "uri_folder"}},
            "jobs": {f"level{depth}": nested(depth - 1)},
        },
        "inputs": {"raw": "${{parent.inputs.raw}}"},
        "outputs": {"out": "${{parent.outputs.out}}"},
    }


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_pipelines_in_pipelines_are_opened_with_dotted_names(depth: int) -> None:
    found = graph(
        {
            "type": "pipeline",
            "inputs": {"raw": {"type": "uri_folder", "path": "d"}},
            "outputs": {"out": None},
            "jobs": {
                "after": {"component": TYPED, "inputs": {"raw": "${{parent.jobs.top.outputs.out}}"}},
                "top": nested(depth),
            },
        }
    )
    name = ".".join(["top", *(f"level{number}" for number in range(depth, 0, -1))])
    assert list(found.steps) == [name, "after"]
    assert found.steps[name].inputs == {"raw": External(path="d", type="uri_folder", folder="/home"), "rate": Value("1.0")}
    assert found.steps["after"].inputs["raw"] == FromStep(name, "out")
    assert found.outputs["out"].source == FromStep(name, "out")


def test_values_given_from_outside_replace_the_defaults_inside() -> None:
    job = nested(2)
    job["inputs"] |= {"rate": 9, "note": "hi"}
    found = graph({"type": "pipeline", "inputs": {"raw": {"path": "d"}}, "outputs": {"out": None}, "jobs": {"top": job}})
    [only] = found.steps.values()
    assert only.inputs["rate"] == Value("1.0")  # the innermost pipeline was not given the rate, so its own default holds
    job["component"]["jobs"]["level2"]["inputs"] |= {"rate": "${{parent.inputs.rate}}", "note": "${{parent.inputs.note}}"}
    found = graph({"type": "pipeline", "inputs": {"raw": {"path": "d"}}, "outputs": {"out": None}, "jobs": {"top": job}})
    [only] = found.steps.values()
    assert (only.inputs["rate"], only.inputs["note"]) == (Value("9"), Value("hi"))


# --- environments and variables --------------------------------------------------------------------------------------


def test_a_jobs_variables_replace_its_components_and_its_environment_too() -> None:
    component = TYPED | {"environment_variables": {"A": "component", "B": "component"}}
    found = graph(
        {
            "type": "pipeline",
            "jobs": {
                "plain": {"component": component, "inputs": {"raw": "d"}},
                "own": {
                    "component": component,
                    "inputs": {"raw": "d"},
                    "environment": "azureml:mine:2",
                    "environment_variables": {"B": "job", "C": 1},
                },
            },
        }
    )
    assert found.steps["plain"].environment_variables == {"A": "component", "B": "component"}
    assert found.steps["own"].environment_variables == {"A": "component", "B": "job", "C": "1"}
    assert (found.steps["plain"].environment, found.steps["own"].environment) == ("azureml:e:1", "azureml:mine:2")


def test_settings_reach_the_graph() -> None:
    found = graph(
        {
            "type": "pipeline",
            "experiment_name": "e",
            "settings": {"continue_on_step_failure": False, "force_rerun": True},
            "jobs": {"a": joining([])},
        }
    )
    assert (found.continue_on_step_failure, found.force_rerun, found.experiment) == (False, True, "e")
    plain = graph({"type": "pipeline", "jobs": {"a": joining([])}})
    assert (plain.continue_on_step_failure, plain.force_rerun) == (True, False)


# --- what does not run here ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["spark", "automl"])
def test_a_job_that_only_azure_runs_is_refused_by_name(kind: str) -> None:
    with pytest.raises(InputError, match=f"job 'a' is of type '{kind}'") as caught:
        graph({"type": "pipeline", "jobs": {"a": {"type": kind}}})
    assert caught.value.place is not None
    assert caught.value.place.line == 3


def test_a_component_of_a_registry_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="not on this machine") as caught:
        graph({"type": "pipeline", "jobs": {"a": {"component": "azureml://registries/r/components/c/versions/1"}}})
    assert "registry" in caught.value.why


def test_a_pipeline_of_a_registry_is_refused_too() -> None:
    with pytest.raises(InputError, match="not on this machine"):
        graph({"type": "pipeline", "component": "azureml://registries/r/components/c/versions/1"})


# --- a command on its own --------------------------------------------------------------------------------------------


def test_a_command_job_is_a_pipeline_of_one_job_with_the_same_inputs_and_outputs() -> None:
    text = """
type: command
name: solo
experiment_name: e
command: x ${{inputs.raw}} ${{inputs.rate}} ${{outputs.out}} ${{outputs.model}}
environment: azureml:e:1
environment_variables: {A: 1}
inputs:
  raw: {type: uri_file, path: d, mode: direct}
  rate: 0.5
outputs:
  out:
  model: {type: mlflow_model, name: m}
limits: {timeout: 60}
"""
    spec = read(parse(text, "c.yml"), Report(), folder="/home", kind="command job")
    assert isinstance(spec, SingleJob)
    found = build(as_pipeline(spec))
    [only] = found.steps.values()
    assert (found.name, found.experiment, only.name) == ("solo", "e", "command")
    assert only.inputs == {"raw": External(path="d", type="uri_file", mode="direct", folder="/home"), "rate": Value("0.5")}
    assert only.environment_variables == {"A": "1"}
    assert only.job.timeout == 60
    assert {name: (output.source.output, output.type, output.spec.name) for name, output in found.outputs.items()} == {
        "out": ("out", "uri_folder", None),
        "model": ("model", "mlflow_model", "m"),
    }
    assert not any(output.name for output in only.outputs.values())  # registered once, as the pipeline's


# --- sweeps ----------------------------------------------------------------------------------------------------------

SWEEP = """
type: sweep
trial:
  command: run ${{inputs.data}} ${{search_space.rate}} ${{outputs.model}}
  environment: azureml:e@latest
inputs: {data: {type: uri_folder, path: ./d}}
outputs: {model: {type: mlflow_model}}
search_space: {rate: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: maximize, primary_metric: auc}
limits: {max_total_trials: 3, trial_timeout: 7}
"""


def sweep_step() -> Step:
    job = read(parse(SWEEP, "s.yml"), Report(), folder="/home", kind="sweep job")
    assert isinstance(job, SingleJob)
    return build(as_pipeline(job)).steps["sweep"]


def test_a_sweep_is_a_step_whose_inputs_are_those_that_all_trials_share() -> None:
    step = sweep_step()
    assert step.sweep is not None
    assert (step.sweep.metric, step.sweep.limits.trials, list(step.sweep.space)) == ("auc", 3, ["rate"])
    assert list(step.inputs) == ["data"]
    assert step.component.outputs["model"].type == "mlflow_model"


def test_what_a_search_space_gives_takes_no_default_of_the_trial() -> None:
    found = graph(
        {"type": "pipeline", "jobs": {"a": {
            "type": "sweep", "search_space": {"rate": {"type": "choice", "values": [1]}},
            "objective": {"goal": "minimize", "primary_metric": "m"}, "limits": {"max_total_trials": 1},
            "trial": {"command": "x", "environment": "azureml:e:1",
                      "inputs": {"rate": {"type": "number", "default": 0.5}, "depth": {"type": "integer", "default": 3}}}}}})
    assert found.steps["a"].inputs == {"depth": Value("3")}


def test_a_trial_is_a_step_with_the_inputs_of_the_sweep_and_its_own() -> None:
    step = sweep_step()
    found = trial(step, 2, {"rate": "0.5", "group": "{}"})
    assert (found.name, found.sweep, found.job.timeout, found.waits) == ("sweep.trial_2", None, 7, ())
    assert found.inputs == {**step.inputs, "rate": Value("0.5"), "group": Value("{}")}
    assert found.component.inputs.keys() == {"data", "rate", "group"}
    with pytest.raises(ValueError, match="no sweep"):
        trial(found, 0, {})
