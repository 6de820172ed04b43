"""What the SDK sends, as YAML again."""

from typing import Any

import pytest

from mlops_lib.emulator.translate import Places, command, component, compute_name, node, output_name, pipeline, seconds, sweep

PLACES = Places(
    component=lambda name: f"/components/{name}",
    environment=lambda name: f"file:/environments/{name}",
    code=lambda name: f"/codes/{name}",
    data=lambda uri: f"here:{uri}",
)


@pytest.mark.parametrize(("told", "expected"), [
    ("PT1M40S", 100), ("P1DT2H", 93600), ("PT0.5S", 0.5), (60, 60), (None, None),
])  # fmt: skip
def test_durations_are_seconds(told: Any, expected: Any) -> None:
    assert seconds(told) == expected


def test_what_is_no_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="'soon' is no duration"):
        seconds("soon")


@pytest.mark.parametrize(("told", "expected"), [
    ("/subscriptions/s/computes/cpu", "azureml:cpu"), ("azureml:cpu", "azureml:cpu"), ("cpu", "azureml:cpu"), (None, None),
])  # fmt: skip
def test_a_compute_is_named_as_in_yaml(told: Any, expected: Any) -> None:
    assert compute_name(told) == expected


def test_a_pipeline_is_its_nodes_inputs_and_outputs() -> None:
    told = {
        "experimentName": "e", "settings": {"default_compute": "/x/computes/gpu", "continue_on_step_failure": False, "_source": "Y"},
        "inputs": {"raw": {"uri": "u", "jobInputType": "uri_folder", "mode": "ReadOnlyMount"}, "n": {"value": "3", "jobInputType": "literal"}},
        "outputs": {"o": {"jobOutputType": "mlflow_model", "assetName": "m"}},
        "jobs": {"a": {"type": "command", "componentId": "c", "_source": "Y"}},
    }  # fmt: skip
    assert pipeline(told, PLACES) == {
        "type": "pipeline", "experiment_name": "e", "settings": {"default_compute": "azureml:gpu", "continue_on_step_failure": False},
        "inputs": {"raw": {"type": "uri_folder", "path": "here:u", "mode": "ro_mount"}, "n": "3"},
        "outputs": {"o": {"type": "mlflow_model"}}, "jobs": {"a": {"type": "command", "component": "/components/c"}},
    }  # fmt: skip


def test_a_pipeline_of_a_component_names_it() -> None:
    assert pipeline({"componentId": "c"}, PLACES) == {
        "type": "pipeline", "settings": {"default_compute": "azureml:cpu"}, "component": "/components/c"}  # fmt: skip


@pytest.mark.parametrize(("told", "expected"), [
    ({"inputs": {"x": {"value": "${{parent.inputs.x}}", "job_input_type": "literal"}}}, {"inputs": {"x": "${{parent.inputs.x}}"}}),
    ({"inputs": {"x": {"value": "${{parent.inputs.x}}", "job_input_type": "literal", "mode": "Download"}}},
     {"inputs": {"x": {"path": "${{parent.inputs.x}}", "mode": "download"}}}),
    ({"outputs": {"o": {"value": "${{parent.outputs.o}}", "type": "literal"}}}, {"outputs": {"o": "${{parent.outputs.o}}"}}),
    ({"computeId": "/x/computes/gpu"}, {"compute": "azureml:gpu"}),
    ({"limits": {"timeout": "PT5M", "job_limits_type": "Command"}}, {"limits": {"timeout": 300}}),
    ({"distribution": {"distribution_type": "PyTorch", "process_count_per_instance": 2}},
     {"distribution": {"type": "pytorch", "process_count_per_instance": 2}}),
    ({"environment_variables": {"A": "b"}, "resources": {"instance_count": 2}},
     {"environment_variables": {"A": "b"}, "resources": {"instance_count": 2}}),
])  # fmt: skip
def test_a_node_says_what_its_yaml_said(told: dict[str, Any], expected: dict[str, Any]) -> None:
    assert node({"type": "command", "name": "n", "componentId": "c", **told}, PLACES) == {
        "type": "command", "component": "/components/c", **expected}  # fmt: skip


def test_a_parallel_node_leaves_its_task_to_its_component() -> None:
    told = {"type": "parallel", "componentId": "c", "task": {"code": "x"}, "input_data": "y", "mini_batch_size": 1,
            "partition_keys": '["a", "b"]'}  # fmt: skip
    assert node(told, PLACES) == {"type": "parallel", "component": "/components/c", "mini_batch_size": 1, "partition_keys": ["a", "b"]}


def test_a_sweep_node_has_a_trial() -> None:
    told = {"type": "sweep", "trial": {"componentId": "c"}, "early_termination": {
        "policy_type": "MedianStopping", "delay_evaluation": 1, "evaluation_interval": 2}}  # fmt: skip
    assert node(told, PLACES) == {"type": "sweep", "trial": "/components/c", "early_termination": {
        "type": "median_stopping", "delay_evaluation": 1, "evaluation_interval": 2}}  # fmt: skip


def test_a_command_job_is_yaml_of_one() -> None:
    told = {"command": "x", "codeId": "k", "environmentId": "e", "computeId": "/x/computes/cpu", "limits": {"timeout": "PT1M"},
            "distribution": {"distributionType": "Mpi", "processCountPerInstance": 2}, "resources": {"instanceCount": 2},
            "outputs": {"default": {"uri": "u"}}}  # fmt: skip
    assert command(told, PLACES) == {
        "type": "command", "command": "x", "code": "/codes/k", "environment": "file:/environments/e", "compute": "azureml:cpu",
        "limits": {"timeout": 60}, "distribution": {"type": "mpi", "process_count_per_instance": 2},
        "resources": {"instance_count": 2}}  # fmt: skip


def test_a_sweep_job_is_yaml_of_one() -> None:
    told = {
        "trial": {"command": "x"}, "searchSpace": {"a": ["uniform", [0.1, 0.2]], "b": ["choice", [[1, 2]]], "c": ["qnormal", [0, 1, 2]]},
        "samplingAlgorithm": {"samplingAlgorithmType": "Random", "rule": "Sobol", "seed": 3},
        "objective": {"goal": "Minimize", "primaryMetric": "m"}, "earlyTermination": {"policyType": "Bandit", "slackFactor": 0.1},
        "limits": {"maxTotalTrials": 4, "timeout": "PT1M", "trialTimeout": None}}  # fmt: skip
    assert sweep(told, PLACES) == {
        "type": "sweep", "compute": "azureml:cpu", "trial": {"command": "x"}, "search_space": {
            "a": {"type": "uniform", "min_value": 0.1, "max_value": 0.2}, "b": {"type": "choice", "values": [1, 2]},
            "c": {"type": "qnormal", "mu": 0, "sigma": 1, "q": 2}},
        "sampling_algorithm": {"type": "random", "rule": "sobol", "seed": 3},
        "objective": {"goal": "minimize", "primary_metric": "m"}, "early_termination": {"type": "bandit", "slack_factor": 0.1},
        "limits": {"max_total_trials": 4, "timeout": 60}}  # fmt: skip


def test_a_component_names_files_instead_of_ids() -> None:
    told = {"type": "parallel", "_source": "Y", "$schema": "s", "task": {"code": "k", "environment": "e"}}
    assert component(told, PLACES) == {"type": "parallel", "task": {"code": "/codes/k", "environment": "file:/environments/e"}}
    including = {"type": "command", "code": "k", "additional_includes": ["../common/training.py"]}
    assert component(including, PLACES) == {"type": "command", "code": "/codes/k"}
    nested = {"type": "pipeline", "jobs": {"a": {"type": "command", "componentId": "c"}}}
    assert component(nested, PLACES) == {"type": "pipeline", "jobs": {"a": {"type": "command", "component": "/components/c"}}}


@pytest.mark.parametrize(("told", "expected"), [
    ({"assetName": "a", "assetVersion": 2}, ("a", "2")), ({"name": "a"}, ("a", None)), ({"uri": "u"}, (None, None)),
])  # fmt: skip
def test_an_output_may_have_a_name(told: dict[str, Any], expected: Any) -> None:
    assert output_name(told) == expected
