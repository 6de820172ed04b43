import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.document import parse, unparse
from mlops_lib.errors import InputError
from mlops_lib.graph import Step, as_pipeline, build
from mlops_lib.parallel import Options, Parallel, Tally, split_arguments
from mlops_lib.spec import Environment, OtherComponent, PipelineJob, Report, SingleJob, read

TASK = {"type": "run_function", "code": "./src", "entry_script": "score.py", "environment": "azureml:e@latest"}
JOB = {
    "type": "parallel",
    "inputs": {"data": {"type": "uri_folder", "path": "./data"}, "size": 7},
    "outputs": {"out": {"type": "uri_file"}, "models": {"type": "uri_folder"}},
    "input_data": "${{inputs.data}}",
    "task": TASK,
}


def step(**changes: Any) -> Step:
    document = {"type": "pipeline", "jobs": {"score": {**JOB, **changes}}}
    spec = read(parse(unparse(document), "p.yml"), Report(), folder="/home", kind="pipeline job")
    assert isinstance(spec, PipelineJob)
    return build(spec).steps["score"]


def parallel(**changes: Any) -> Parallel:
    found = step(**changes).parallel
    assert found is not None
    return found


# --- what a job says -------------------------------------------------------------------------------------------------


def test_azure_mls_defaults_hold_where_a_job_says_nothing() -> None:
    assert parallel() == Parallel(
        entry_script="score.py",
        arguments="",
        source="data",
        tabular=False,
        size=1,
        partition_keys=(),
        append_row_to=None,
        error_threshold=-1,
        mini_batch_error_threshold=-1,
        max_retries=2,
        timeout=60,
        workers=None,
        logging_level="INFO",
    )


def test_what_is_started_is_the_task() -> None:
    task = {**TASK, "program_arguments": "--x ${{inputs.size}}"}
    found = step(task=task, environment_variables={"A": "1"})
    assert (found.component.command, found.component.code) == ("score.py --x ${{inputs.size}}", "./src")
    assert (found.environment, found.environment_folder) == ("azureml:e@latest", "/home")
    assert found.environment_variables == {"A": "1"}
    inline = step(task={**TASK, "environment": {"image": "i", "conda_file": "c.yml"}}).environment
    assert isinstance(inline, Environment)
    assert (inline.image, inline.folder) == ("i", "/home")


@pytest.mark.parametrize(("text", "size"), [("10", 10), (10, 10), ("10kb", 10240), ("5Mb", 5 << 20), ("1GB", 1 << 30)])
def test_a_size_is_a_number_or_a_size_of_data(text: Any, size: int) -> None:
    assert parallel(mini_batch_size=text).size == size


def test_a_table_is_an_mltable_in_mode_direct() -> None:
    def of(**data: str) -> Parallel:
        return parallel(inputs={"data": {"path": "./data", **data}})

    assert of(type="mltable", mode="direct").tabular
    assert of(type="mltable", mode="direct").size == 1 << 20
    assert not of(type="mltable", mode="ro_mount").tabular
    assert not of(type="mltable").tabular
    assert not of(type="uri_folder", mode="direct").tabular


def test_numbers_may_come_from_inputs() -> None:
    assert parallel(mini_batch_size="${{inputs.size}}", max_concurrency_per_instance="${{inputs.size}}").size == 7


COMPONENT = {"type": "parallel", "name": "c", "inputs": {"data": {"type": "uri_folder"}}, "outputs": {"out": {"type": "uri_file"}}}


def of_component(component: dict[str, Any], **job: Any) -> Step:
    """A node that names a component whose file is in another folder."""
    document = {"type": "pipeline", "jobs": {"score": {"type": "parallel", "component": "./c.yml", "inputs": {"data": "./data"}, **job}}}
    spec = read(parse(unparse(document), "p.yml"), Report(), folder="/home", kind="pipeline job")
    made = read(parse(unparse({**COMPONENT, **component}), "c.yml"), Report(), folder="/parts", kind="parallel component")
    assert isinstance(spec, PipelineJob)
    assert isinstance(made, OtherComponent)
    linked = dataclasses.replace(spec, jobs={"score": dataclasses.replace(spec.jobs["score"], component=made)})
    return build(linked).steps["score"]


def test_a_job_says_what_its_component_says_unless_it_says_otherwise() -> None:
    component = {
        "input_data": "${{inputs.data}}",
        "task": TASK,
        "mini_batch_size": "5",
        "error_threshold": 3,
        "retry_settings": {"max_retries": 5, "timeout": 7},
    }
    found = of_component(component, mini_batch_size="6", retry_settings={"timeout": 9}, error_threshold=0).parallel
    assert found is not None
    assert (found.size, found.error_threshold, found.max_retries, found.timeout) == (6, 0, 5, 9)


def test_paths_start_from_the_file_that_says_them() -> None:
    component = {"input_data": "${{inputs.data}}", "task": TASK}
    assert of_component(component).component.folder == "/parts"
    assert of_component(component).environment_folder == "/parts"
    other = of_component(component, task={**TASK, "code": "./mine"})
    assert (other.component.folder, other.component.code) == ("/home", "./mine")
    assert of_component(component, environment="file:e.yml").environment_folder == "/home"


def test_a_job_by_itself_is_a_pipeline_of_one() -> None:
    spec = read(parse(unparse({**JOB, "name": "alone"}), "p.yml"), Report(), folder="/home", kind="parallel job")
    assert isinstance(spec, SingleJob)
    graph = build(as_pipeline(spec))
    assert graph.steps["parallel"].parallel == parallel()
    assert set(graph.outputs) == {"out", "models"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": {**TASK, "type": "model"}}, "task of job 'score' is of type 'model', which does not run on this machine"),
        ({"task": {"type": "run_function", "environment": "azureml:e:1"}}, "has no entry_script"),
        ({"input_data": None}, "has no input_data"),
        ({"input_data": "${{inputs.dat}}"}, "input_data of job 'score' is .*\n.*\n  fix: did you mean 'data'"),
        ({"task": {**TASK, "append_row_to": "${{outputs.ut}}"}}, "append_row_to of job 'score' is"),
        ({"mini_batch_size": "0"}, "mini_batch_size of job 'score' is '0'"),
        ({"mini_batch_size": "${{inputs.nope}}"}, "mini_batch_size of job 'score' is"),
        ({"error_threshold": "${{inputs.nope}}"}, "error_threshold of job 'score' is"),
    ],
)
def test_what_cannot_be_run_is_one_error_with_its_place(changes: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        step(**changes)
    assert caught.value.place is not None
    assert caught.value.place.line > 0


def test_how_many_work_at_once_makes_no_other_step() -> None:
    assert parallel(max_concurrency_per_instance=7, logging_level="DEBUG").parts() == parallel().parts()
    others: list[dict[str, Any]] = [
        {"mini_batch_size": "2"}, {"error_threshold": 1}, {"mini_batch_error_threshold": 1}, {"partition_keys": ["a"]},
        {"retry_settings": {"timeout": 9}}, {"task": {**TASK, "append_row_to": "${{outputs.out}}"}},
    ]  # fmt: skip
    for changes in others:
        assert parallel(**changes).parts() != parallel().parts()


# --- program_arguments -----------------------------------------------------------------------------------------------


def test_arguments_of_the_job_are_taken_out_and_the_others_kept() -> None:
    words = (
        "--model m --error_threshold 5 -x --allowed_failed_percent=30 --append_row_dataframe_header True "
        "--append_row_file_name rows.csv --copy_logs_to_parent True y"
    )
    options, rest = split_arguments(words.split())
    assert rest == ["--model", "m", "-x", "y"]
    assert options == Options(
        error_threshold=5, allowed_failed_percent=30, append_row_dataframe_header=True, append_row_file_name="rows.csv"
    )


@pytest.mark.parametrize("words", ["--error_threshold many", "--task_overhead_timeout 0", "--error_threshold", "--append_row_dataframe_header perhaps", "--append_row_file_name a/b"])
def test_a_value_that_an_argument_does_not_take_is_told(words: str) -> None:
    with pytest.raises(InputError, match=f"{words.split()[0]} in program_arguments is"):
        split_arguments(words.split())


@given(st.lists(st.text(alphabet="ab=-", min_size=1)))
def test_words_that_mean_nothing_to_the_job_stay_as_they_are(words: list[str]) -> None:
    assert split_arguments(words) == (Options(), words)


# --- what may fail ---------------------------------------------------------------------------------------------------


def tally(options: str = "", **changes: Any) -> Tally:
    return Tally(parallel(**changes), split_arguments(options.split())[0])


def test_any_number_may_fail_unless_something_is_said_but_not_all() -> None:
    found = tally()
    for _ in range(100):
        found.add_failed(3)
    assert found.problem() == ""
    assert found.verdict() == "all of its 100 mini-batches failed"
    found.add_done(3, 0)
    assert found.verdict() == ""


def test_one_more_than_the_threshold_is_too_much() -> None:
    found = tally(mini_batch_error_threshold=1)
    found.add_done(1, 1)
    found.add_failed(1)
    assert found.problem() == found.verdict() == ""
    found.add_failed(1)
    assert found.problem() == found.verdict() == "2 mini-batches failed, and mini_batch_error_threshold is 1"


def test_what_is_not_returned_are_failed_items_and_no_failed_mini_batch() -> None:
    found = tally(error_threshold=3, mini_batch_error_threshold=0)
    found.add_done(5, 2)
    found.add_done(5, 7)
    assert found.problem() == ""
    found.add_done(2, 1)
    assert found.problem() == "4 items failed, and error_threshold is 3"


def test_a_failed_mini_batch_fails_with_all_its_items() -> None:
    found = tally(error_threshold=3)
    found.add_failed(4)
    assert found.problem() == "4 items failed, and error_threshold is 3"


def test_arguments_come_before_the_keys_of_the_job() -> None:
    found = tally("--error_threshold 0", error_threshold=-1)
    found.add_done(2, 1)
    assert found.problem() == "1 item failed, and error_threshold is 0"
    found = tally("--allowed_failed_count 1", mini_batch_error_threshold=0)
    found.add_failed(1)
    assert found.problem() == ""


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 100))
def test_the_share_that_may_fail_is_judged_at_the_end(done: int, failed: int, percent: int) -> None:
    found = tally(f"--allowed_failed_percent {percent}")
    for _ in range(done):
        found.add_done(1, 1)
    for _ in range(failed):
        found.add_failed(1)
    assert found.problem() == ""
    too_many = failed > 0 and failed / (done + failed) > percent / 100
    assert bool(found.verdict()) == (too_many or (failed > 0 and done == 0))
