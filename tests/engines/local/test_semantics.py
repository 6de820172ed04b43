"""Azure ML's rules as a job meets them, one test a rule, each with a real process.

Sweeps, parallel jobs, data and MLTable have their own; what a command gets is also in test_workplace and test_engine.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.engines import StepPrinted
from mlops_lib.stores.records import Status


@pytest.fixture
def shop(project: Callable[..., Any]) -> Any:
    return project()


def printed(shop: Any, step: str) -> list[str]:
    return [line for event in shop.events if isinstance(event, StepPrinted) and event.step == step for line in event.lines]


def say(shop: Any, inputs: dict[str, Any], given: str = "", *, command: str | None = None) -> list[str]:
    """What a component prints of its inputs; *given* is the YAML of the values that its job gives."""
    told = " ".join(f"${{{{inputs.{name}}}}}" for name in inputs)
    shop.component("say", command or f"echo '{told}'", inputs=inputs)
    shop.write(
        "pipelines/p.yml",
        "type: pipeline\ncompute: azureml:cpu\njobs:\n  say:\n    type: command\n    component: ../components/say/component.yml\n"
        f"    inputs: {{{given}}}\n",
    )
    run = shop.run()
    assert run.succeeded, run.errors
    return printed(shop, "say")


# --- literals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "written", "text"),
    [
        ("boolean", "true", "True"),
        ("boolean", "off", "False"),
        ("number", "1.0", "1.0"),
        ("number", "3", "3"),
        ("number", "1e-3", "1e-3"),
        ("number", "1.0e-3", "0.001"),
        ("integer", "0x1F", "31"),
        ("string", "yes", "True"),
        ("string", "'yes'", "yes"),
        ("string", "12:30", "750"),
        ("string", "'007'", "007"),
        ("string", "007", "7"),
    ],
)
def test_a_jobs_literal_is_what_python_makes_of_yaml_and_never_coerced(shop: Any, type_: str, written: str, text: str) -> None:
    assert say(shop, {"x": type_}, f"x: {written}") == [text]


@pytest.mark.parametrize(
    ("type_", "default", "text"),
    [("number", "2", "2.0"), ("number", "1e-3", "0.001"), ("integer", "2", "2"), ("boolean", "yes", "True"), ("string", "yes", "True"), ("string", "2", "2.0")],
)
def test_a_components_default_is_coerced_to_its_type_first(shop: Any, type_: str, default: str, text: str) -> None:
    shop.write(
        "components/say/component.yml",
        "type: command\nname: say\nenvironment: azureml:any@latest\ncommand: echo '${{inputs.x}}'\n"
        f"inputs:\n  x: {{type: {type_}, default: {default}}}\n",
    )
    shop.pipeline({"say": "say"})
    assert shop.run().succeeded
    assert printed(shop, "say") == [text]


def test_a_script_that_reads_false_with_type_bool_gets_true_as_on_azure(shop: Any) -> None:
    shop.component("say", "python -c \"import sys; print(bool(sys.argv[1]))\" ${{inputs.x}}", inputs={"x": "boolean"})
    shop.pipeline({"say": ("say", {"x": False})})
    assert shop.run().succeeded
    assert printed(shop, "say") == ["True"]


# --- commands --------------------------------------------------------------------------------------------------------


def test_a_value_is_put_into_the_command_as_plain_text_without_quotes(shop: Any) -> None:
    assert say(shop, {"x": "string"}, "x: 'a b; echo $((1 + 1))'", command="echo ${{inputs.x}}") == ["a b", "2"]


def test_a_command_is_bash_with_pipes_and_redirects_over_several_lines(shop: Any) -> None:
    command = "echo one | tr a-z A-Z > f\nset -- a b\n[[ -f f ]] && cat f; echo $2"
    assert say(shop, {"x": "string"}, "x: y", command=f"{command} ${{{{inputs.x}}}}") == ["ONE", "b y"]


def test_a_failing_line_does_not_end_the_command(shop: Any) -> None:
    assert say(shop, {"x": "string"}, "x: on", command="false\necho went ${{inputs.x}}") == ["went True"]


def test_an_optional_part_goes_with_its_input_and_stays_with_a_default(shop: Any) -> None:
    inputs = {"a": {"type": "string", "optional": True}, "b": {"type": "string", "optional": True, "default": "two"}}
    command = "echo begin $[[--a ${{inputs.a}}]] $[[--b ${{inputs.b}}]]"
    assert say(shop, inputs, command=command) == ["begin --b two"]
    assert say(shop, inputs, "a: one", command=command) == ["begin --a one --b two"]


# --- where it runs ---------------------------------------------------------------------------------------------------


def test_a_job_without_code_starts_in_an_empty_folder_but_for_outputs_and_logs(shop: Any) -> None:
    assert say(shop, {"x": "string"}, "x: y", command="ls; echo ${{inputs.x}}") == ["logs", "outputs", "y"]


def test_of_a_single_file_as_code_only_that_file_is_there(shop: Any) -> None:
    shop.component("say", "ls; sh run.sh ${{inputs.x}}", inputs={"x": "string"}, code={"run.sh": "echo ran $1", "other.sh": ""})
    path = shop.root / "components/say/component.yml"
    path.write_text(path.read_text().replace('"code": "src"', '"code": "src/run.sh"'))
    shop.pipeline({"say": ("say", {"x": "y"})})
    assert shop.run().succeeded
    assert printed(shop, "say") == ["logs", "outputs", "run.sh", "ran y"]


def test_additional_includes_lie_beside_the_code_also_as_a_zip(shop: Any) -> None:
    shop.write("shared/lib/one.py", "ONE = 1\n")
    shop.write("shared/packed/two.py", "TWO = 2\n")
    shop.component(
        "say",
        "PYTHONPATH=packed.zip/packed python -c 'from lib.one import ONE; from two import TWO; print(ONE, TWO)'",
        code={"main.py": ""},
        additional_includes=["../../shared/lib", "../../shared/packed.zip"],
    )
    shop.pipeline({"say": "say"})
    run = shop.run()
    assert run.succeeded, run.errors
    assert printed(shop, "say") == ["1 2"]
    shop.write("shared/packed/two.py", "TWO = 3\n")
    assert shop.run().steps["say"].reason == "code changed"


def test_the_amlignore_replaces_the_gitignore(shop: Any) -> None:
    shop.component("say", "ls", code={".gitignore": "a.txt", ".amlignore": "b.txt", "a.txt": "", "b.txt": "", "c.py": ""})
    shop.pipeline({"say": "say"})
    assert shop.run().succeeded
    assert printed(shop, "say") == ["a.txt", "c.py", "logs", "outputs"]


def test_scripts_can_find_out_where_they_are(shop: Any) -> None:
    shop.component("say", "echo $AZUREML_CR_AZUREML_CONTEXT; echo $AZUREML_RUN_ID; echo $AZUREML_ARM_SUBSCRIPTION/$AZUREML_ARM_RESOURCEGROUP/$AZUREML_ARM_WORKSPACE_NAME")
    shop.pipeline({"say": "say"}, experiment_name="trials")
    assert shop.run().succeeded
    context, run, workspace = printed(shop, "say")
    told = json.loads(context)
    assert told["run_id"] == run
    assert told["experiment_name"] == "trials"
    assert f"{told['subscription_id']}/{told['resource_group']}/{told['workspace_name']}" == workspace


# --- inputs and outputs ----------------------------------------------------------------------------------------------


def test_copying_an_input_brings_its_folders_name_along(shop: Any) -> None:
    shop.write("data/a.txt", "a\n")
    shop.component("copy", "cp -r ${{inputs.d}} ${{outputs.o}}", inputs={"d": "uri_folder"}, outputs={"o": "uri_folder"})
    shop.pipeline(
        {"copy": ("copy", {"d": "${{parent.inputs.d}}"})},
        inputs={"d": {"type": "uri_folder", "path": "../data"}},
        outputs={"o": "${{parent.jobs.copy.outputs.o}}"},
    )
    run = shop.run()
    assert (Path(run.outputs["o"].path) / "INPUT_d" / "a.txt").read_text() == "a\n"


def test_an_output_without_a_type_is_a_folder_and_a_file_has_the_outputs_name(shop: Any) -> None:
    shop.component(
        "write", "test -d ${{outputs.folder}}; test ! -e ${{outputs.file}}; echo $(basename ${{outputs.file}}) > ${{outputs.file}}; cp ${{outputs.file}} ${{outputs.folder}}/copy",
        outputs={"folder": {"type": "uri_folder"}, "file": "uri_file"},
    )
    shop.pipeline({"write": "write"}, outputs={"folder": "${{parent.jobs.write.outputs.folder}}", "file": "${{parent.jobs.write.outputs.file}}"})
    run = shop.run()
    assert (run.outputs["folder"].type, run.outputs["file"].type) == ("uri_folder", "uri_file")
    assert Path(run.outputs["file"].path).read_text() == "file\n"


@pytest.mark.parametrize("spelling", ["${{parent.outputs.o}}", {"path": "${{parent.outputs.o}}"}, {"path": "${{parent.outputs.o}}", "mode": "upload"}])
def test_an_output_may_be_bound_from_the_job_in_three_spellings(shop: Any, spelling: Any) -> None:
    shop.component("write", "echo x > ${{outputs.o}}", outputs={"o": "uri_file"})
    shop.pipeline({"write": {"component": "../components/write/component.yml", "outputs": {"o": spelling}}}, outputs={"o": {"type": "uri_file"}})
    assert Path(shop.run().outputs["o"].path).read_text() == "x\n"


# --- scheduling and reuse --------------------------------------------------------------------------------------------


def test_a_forced_rerun_is_no_source_for_reuse_of_itself(shop: Any) -> None:
    shop.component("write", "echo x > ${{outputs.o}}", outputs={"o": "uri_file"})
    shop.pipeline({"write": "write"}, settings={"force_rerun": True, "default_compute": "azureml:cpu"})
    assert [shop.run().steps["write"].status for _ in range(2)] == [Status.COMPLETED, Status.COMPLETED]


def test_a_command_job_on_its_own_runs_as_a_pipeline_of_one(shop: Any) -> None:
    shop.write("data/a.txt", "a\n")
    shop.write(
        "jobs/count.yml",
        "type: command\ncommand: wc -l < ${{inputs.d}}/a.txt > ${{outputs.n}}; echo ${{inputs.word}}\n"
        "environment: azureml:any@latest\ncompute: azureml:cpu\n"
        "inputs: {d: {type: uri_folder, path: ../data}, word: hi}\noutputs: {n: {type: uri_file}}\n",
    )
    run = shop.run("jobs/count.yml", {"word": "ho"})
    assert run.succeeded, run.errors
    assert Path(run.outputs["n"].path).read_text().strip() == "1"
    assert [event.lines for event in shop.events if isinstance(event, StepPrinted)] == [("ho",)]


@pytest.mark.parametrize("type_", ["if_else", "do_while", "parallel_for"])
def test_what_azure_has_only_in_private_preview_is_refused_with_one_error(shop: Any, type_: str) -> None:
    body = {
        "if_else": {"type": "if_else", "condition": "${{parent.jobs.write.outputs.o}}", "true_block": "${{parent.jobs.write}}"},
        "do_while": {"type": "do_while", "body": "${{parent.jobs.write}}", "condition": "${{parent.jobs.write.outputs.o}}", "limits": {"max_iteration_count": 3}},
        "parallel_for": {"type": "parallel_for", "body": "${{parent.jobs.write}}", "items": "[]"},
    }[type_]
    shop.component("write", "echo x > ${{outputs.o}}", outputs={"o": "uri_file"})
    shop.pipeline({"write": "write", "choose": body})
    done = shop.mlops("run", "p", expect=2)
    [first] = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    assert f"job 'choose' is of type '{type_}'" in first
    assert not (shop.root / ".mlops/runs").exists()
