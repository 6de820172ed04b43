from typing import Any

import pytest

from mlops_lib.document import parse
from mlops_lib.errors import InputError
from mlops_lib.graph import Graph, as_pipeline, build
from mlops_lib.spec import PipelineJob, Report, SingleJob, read
from mlops_lib.sweep import Choice, Goal, Limits, Uniform

COMMAND = "type: command, environment: 'azureml:e:1', command: x"
SWEEP = """
    type: sweep
    trial: {command: "x ${{search_space.rate}} ${{search_space.kind}}", environment: 'azureml:e:1'}
    search_space:
      rate: {type: uniform, min_value: 1, max_value: "${{parent.inputs.high}}"}
      kind: {type: choice, values: ["${{parent.inputs.kind}}", b]}
    objective: {primary_metric: "${{parent.inputs.metric}}", goal: "${{parent.inputs.goal}}"}
    limits: {max_total_trials: "${{parent.inputs.trials}}", trial_timeout: "${{parent.inputs.seconds}}"}
"""


def pipeline(text: str) -> PipelineJob:
    spec = read(parse(text, "p.yml"), Report(), folder="/home", kind="pipeline job")
    assert isinstance(spec, PipelineJob)
    return spec


def graph(jobs: str, **inputs: Any) -> Graph:
    return build(pipeline(f"type: pipeline\ninputs: {inputs}\njobs:\n  a: {jobs}\n"))


def test_a_sweep_has_the_limits_the_space_and_the_objective_that_the_pipeline_is_given() -> None:
    sweep = graph(SWEEP, high=3.5, kind="c", metric="auc", goal="minimize", trials=4, seconds=60).steps["a"].sweep
    assert sweep is not None
    assert sweep.limits == Limits(trials=4, at_once=4, trial_timeout=60)
    assert sweep.space == {"rate": Uniform(1, 3.5), "kind": Choice(("c", "b"))}
    assert (sweep.metric, sweep.goal) == ("auc", Goal.MINIMIZE)


def test_a_command_has_the_time_the_machines_the_processes_and_the_variables_that_the_pipeline_is_given() -> None:
    step = graph(
        f"""{{{COMMAND}, compute: "azureml:${{{{parent.inputs.on}}}}", limits: {{timeout: "${{{{parent.inputs.seconds}}}}"}},
         resources: {{instance_count: "${{{{parent.inputs.nodes}}}}"}}, environment_variables: {{A: "${{{{parent.inputs.on}}}}-${{{{inputs.x}}}}"}},
         distribution: {{type: pytorch, process_count_per_instance: "${{{{parent.inputs.nodes}}}}"}}}}""",
        seconds=9, nodes=2, on="gpu",
    ).steps["a"]  # fmt: skip
    assert (step.job.timeout, step.compute) == (9, "azureml:gpu")
    assert step.job.rest["resources"] == {"instance_count": "2"}
    assert step.distribution is not None
    assert step.distribution.processes == 2
    assert step.environment_variables == {"A": "gpu-${{inputs.x}}"}


def test_what_stands_for_nothing_or_does_not_fit_is_one_error_with_its_place() -> None:
    for inputs, message in (
        ({"seconds": "soon"}, "p.yml:4:120: jobs.a.limits.timeout must be an integer, not the string 'soon'"),
        ({"seconds": 0}, "p.yml:4:120: jobs.a.limits.timeout is 0\n  why: it is at least 1"),
        ({}, "p.yml:4:120: ${{parent.inputs.seconds}} in limits of job 'a' stands for nothing\n  why: "),
    ):
        with pytest.raises(InputError) as caught:
            graph(f'{{{COMMAND}, compute: "azureml:a-name-of-a-cluster", limits: {{timeout: "${{{{parent.inputs.seconds}}}}"}}}}', **inputs)
        assert message in str(caught.value)
    with pytest.raises(InputError, match="max_total_trials is 0"):
        graph(SWEEP, high=3.5, kind="c", metric="auc", goal="minimize", trials=0, seconds=60)


def test_a_job_by_itself_has_no_pipeline_whose_inputs_it_could_name() -> None:
    text = f"{{{COMMAND}, inputs: {{n: 3}}, limits: {{timeout: '${{{{inputs.n}}}}'}}}}"
    job = read(parse(text, "j.yml"), Report(), folder="/home", kind="command job")
    assert isinstance(job, SingleJob)
    with pytest.raises(InputError, match="in limits of job 'command' stands for nothing"):
        build(as_pipeline(job))


def test_limits_that_are_an_expression_are_written_out_as_they_are() -> None:
    text = f"type: pipeline\njobs:\n  a: {{{COMMAND}, limits: {{timeout: '${{{{parent.inputs.seconds}}}}'}}}}\n"
    assert pipeline(text).to_dict()["jobs"]["a"]["limits"] == {"timeout": "${{parent.inputs.seconds}}"}
