"""Jobs, as the unmodified SDK submits, follows and downloads them; what they make is what a local run makes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.emulator import Emulator
from mlops_lib.project import Project

ENVIRONMENT = {"image": "python:3.12"}
FOLDER, NUMBER = {"type": "uri_folder"}, {"type": "number"}
COPY = {
    "type": "command", "name": "copy", "version": "1", "code": "src", "environment": ENVIRONMENT,
    "inputs": {"rows": FOLDER, "times": {"type": "integer", "default": 2}, "flag": {"type": "boolean", "optional": True}},
    "outputs": {"out": FOLDER},
    "command": "bash copy.sh ${{inputs.rows}} ${{outputs.out}} ${{inputs.times}} $[[--flag ${{inputs.flag}}]]",
}  # fmt: skip
SCRIPT = 'for i in $(seq $3); do cat "$1"/*.txt; done > "$2/out.txt"; echo "$4 $5 in $PLACE" >> "$2/out.txt"; echo copied\n'
NESTED = {
    "type": "pipeline", "name": "nested", "version": "1", "inputs": {"rows": FOLDER, "n": {"type": "integer"}},
    "outputs": {"out": FOLDER},
    "jobs": {"inner": {
        "type": "command", "component": "copy.yml", "environment_variables": {"PLACE": "inner"},
        "inputs": {"rows": "${{parent.inputs.rows}}", "times": "${{parent.inputs.n}}"},
        "outputs": {"out": "${{parent.outputs.out}}"}}},
}  # fmt: skip
COUNT = {
    "type": "parallel", "name": "count", "version": "1", "inputs": {"rows": FOLDER}, "outputs": {"out": {"type": "uri_file"}},
    "input_data": "${{inputs.rows}}", "mini_batch_size": "1", "resources": {"instance_count": 1},
    "max_concurrency_per_instance": 1, "task": {
        "type": "run_function", "code": "src", "entry_script": "count.py", "environment": ENVIRONMENT,
        "append_row_to": "${{outputs.out}}"},
}  # fmt: skip
COUNT_SCRIPT = """\
from pathlib import Path
def init(): pass
def run(batch): return [f"{Path(str(file)).name} {Path(str(file)).stat().st_size}" for file in batch]
"""
PIPELINE = {
    "type": "pipeline", "experiment_name": "small", "settings": {"default_compute": "azureml:cpu"},
    "inputs": {"raw": {"type": "uri_folder", "path": "rows"}, "n": 2},
    "outputs": {"final": FOLDER, "counted": {"type": "uri_file", "path": "azureml://datastores/raw/paths/counts/${{name}}.txt"}},
    "jobs": {
        "first": {
            "type": "command", "component": "copy.yml", "environment_variables": {"PLACE": "first"}, "limits": {"timeout": 60},
            "inputs": {"rows": "${{parent.inputs.raw}}", "times": "${{parent.inputs.n}}", "flag": True},
            "outputs": {"out": {"type": "uri_folder", "name": "kept-rows", "version": "7"}}},
        "second": {
            "type": "pipeline", "component": "nested.yml", "inputs": {"rows": "${{parent.jobs.first.outputs.out}}", "n": 1},
            "outputs": {"out": "${{parent.outputs.final}}"}},
        "third": {
            "type": "parallel", "component": "count.yml", "inputs": {"rows": "${{parent.inputs.raw}}"},
            "outputs": {"out": "${{parent.outputs.counted}}"}},
        "inline": {
            "type": "command", "display_name": "In line", "command": "cp ${{inputs.rows}}/out.txt ${{outputs.model}}/weights", "environment": ENVIRONMENT,
            "inputs": {"rows": {"type": "uri_folder", "path": "${{parent.jobs.first.outputs.out}}", "mode": "download"}},
            "outputs": {"model": {"type": "custom_model", "name": "kept-model"}}}},
}  # fmt: skip
COMMAND = {
    "type": "command", "code": "src", "outputs": {"out": FOLDER},
    "command": "echo hello ${{inputs.k}} from $AREA; until test -e $GO; do sleep 0.05; done; cat ${{inputs.rows}}/a.txt > ${{outputs.out}}/copy",
    "environment": ENVIRONMENT, "compute": "azureml:cpu", "environment_variables": {"AREA": "here"},
    "inputs": {"rows": {"type": "uri_folder", "path": "rows"}, "k": 3},
}  # fmt: skip
SWEEP = {
    "type": "sweep", "compute": "azureml:cpu", "inputs": {"k": 3}, "outputs": {"out": FOLDER}, "search_space": {
        "rate": {"type": "choice", "values": [0.25, 0.5]}},
    "trial": {
        "code": "src", "environment": ENVIRONMENT,
        "command": "python log.py ${{search_space.rate}}; echo ${{search_space.rate}} ${{inputs.k}} > ${{outputs.out}}/best"},
    "sampling_algorithm": "grid", "objective": {"goal": "minimize", "primary_metric": "loss"},
    "limits": {"max_total_trials": 2, "max_concurrent_trials": 2, "timeout": 600},
}  # fmt: skip
LOG = """\
import json, os, sys, time, urllib.request
def log_metric(key, value):  # as mlflow's, which takes seconds to import
    told = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": key, "value": value, "timestamp": 1, "step": 0}
    address = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric"
    request = urllib.request.Request(address, json.dumps(told).encode(), {"Content-Type": "application/json"})
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).read()
log_metric("loss", float(sys.argv[1]))
"""
ONE_JOB = {"type": "pipeline", "settings": {"default_compute": "azureml:cpu"}}


def one(command: str, **more: Any) -> dict[str, Any]:
    return {**ONE_JOB, "jobs": {"only": {"type": "command", "command": command, "environment": ENVIRONMENT, **more}}}


AGAIN = {
    **ONE_JOB, "outputs": {"out": FOLDER}, "jobs": {"only": {
        "type": "command", "component": "azureml:copy:1", "outputs": {"out": "${{parent.outputs.out}}"},
        "inputs": {"rows": {"type": "uri_folder", "path": "azureml:kept-rows:7"}, "times": 1}}},
}  # fmt: skip
FILES: dict[str, Any] = {
    "copy.yml": COPY, "nested.yml": NESTED, "count.yml": COUNT, "pipeline.yml": PIPELINE, "command.yml": COMMAND,
    "sweep.yml": SWEEP, "again.yml": AGAIN, "fails.yml": one("echo before; exit 3"), "sleeps.yml": one("sleep 600"),
    "elsewhere.yml": one("true", compute="azureml:nowhere"), "src/copy.sh": SCRIPT, "src/count.py": COUNT_SCRIPT,
    "src/log.py": LOG, "rows/a.txt": "1\n2\n", "rows/b.txt": "3\n",
}  # fmt: skip


def write(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def told(sdk: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return sdk("sdk_jobs.py", write(tmp_path_factory.mktemp("jobs")))


def test_every_call_that_the_sdk_is_known_to_make_is_answered(told: dict[str, Any], not_called: Callable[[str, Any], list[str]]) -> None:
    assert not_called("sdk_jobs.py", told) == []


@pytest.fixture
def value(told: dict[str, Any]) -> Callable[[str], Any]:
    def get(step: str) -> Any:
        assert "value" in told[step], told[step]
        return told[step]["value"]

    return get


def test_a_pipeline_runs_and_its_log_is_streamed(value: Callable[[str], Any]) -> None:
    assert value("pipeline submit")
    lines = value("pipeline stream")
    assert lines[0].startswith("RunId: ")
    assert any(line.endswith("the pipeline is over: Completed") for line in lines)
    assert any("step second.inner is completed" in line for line in lines)
    assert value("pipeline get") == ["Completed", "small", ["first", "inline", "second", "third"]]


def test_each_step_is_a_run_below_the_jobs(value: Callable[[str], Any]) -> None:
    children, nested = value("pipeline children"), value("pipeline nested")
    assert {name: status for name, (status, _) in children.items()} == dict.fromkeys(("first", "In line", "second", "third"), "Completed")
    told = {name: properties for name, (_, properties) in (children | nested).items()}
    assert len({properties["azureml.nodeid"] for properties in told.values()}) == 5
    assert told["first"]["azureml.moduleName"] == "azureml_anonymous"
    assert told["first"]["azureml.runsource"] == "azureml.StepRun"
    assert told["inner"]["azureml.pipelinerunid"] not in ("", told["first"]["azureml.pipelinerunid"])
    assert nested["inner"][0] == "Completed"
    kind, files = value("pipeline child")
    assert kind == "_BaseJob"
    assert files == {"artifacts/user_logs/std_log.txt": "copied\n",
                     "named-outputs/out/out.txt": "1\n2\n3\n1\n2\n3\n--flag True in first\n"}  # fmt: skip


def test_the_outputs_are_those_of_a_local_run(value: Callable[[str], Any], tmp_path: Path) -> None:
    root = write(tmp_path)
    stripped = json.loads(json.dumps(PIPELINE))
    stripped["outputs"]["counted"].pop("path")
    (root / "pipelines").mkdir()
    (root / "pipeline.yml").write_text(json.dumps(stripped))
    project = Project(root)
    job, name, catalogue = project.load(str(root / "pipeline.yml"))
    run = project.run(job, name, catalogue, request={})
    assert run.succeeded, run.errors
    downloaded = value("pipeline download")
    assert downloaded.pop("artifacts/logs/azureml/executionlogs.txt")
    final = (run.outputs["final"].path / "out.txt").read_text()
    [counted] = [text for path, text in downloaded.items() if path.startswith("named-outputs/counted")]
    assert counted == run.outputs["counted"].path.read_text() == "a.txt 4\nb.txt 2\n"
    assert downloaded["named-outputs/final/out.txt"] == final
    assert value("pipeline download one") == {"named-outputs/final/out.txt": final}
    assert list(value("model").values()) == ["1\n2\n3\n1\n2\n3\n--flag True in first\n"]


def test_named_outputs_are_assets_afterwards(value: Callable[[str], Any], azure: Emulator) -> None:
    assert value("registered") == {"kept-rows": ["7", "uri_folder", "workspaceblobstore"],
                                   "kept-model": ["1", "custom_model", "workspaceblobstore"]}  # fmt: skip
    assert value("again")["named-outputs/out/out.txt"] == "1\n2\n3\n1\n2\n3\n--flag True in first\n  in\n".replace("  in", "  in ")


def test_an_output_goes_where_the_job_says(told: dict[str, Any], azure: Emulator) -> None:
    assert told
    written = [blob.path for blob in azure.world.account.list("mlw-mlops-dev-raw", "counts/")]
    assert len(written) == 2  # the job ran twice, and a path that has its name in it is another one each time
    assert azure.world.account.read("mlw-mlops-dev-raw", written[0]) == b"a.txt 4\nb.txt 2\n"


def test_the_same_again_is_reused(value: Callable[[str], Any]) -> None:
    status, properties, files = value("pipeline reuse")
    assert status == "Completed"
    assert {name: told.get("azureml.isreused") for name, told in properties.items() if name != "second"} == dict.fromkeys(
        ("first", "In line", "third"), "true")  # fmt: skip
    first = value("pipeline download")
    assert files["named-outputs/final/out.txt"] == first["named-outputs/final/out.txt"]


def test_a_command_job_runs_and_prints(value: Callable[[str], Any]) -> None:
    assert "hello 3 from here" in value("command stream")
    assert value("command download") == {"artifacts/user_logs/std_log.txt": "hello 3 from here\n",
                                         "named-outputs/out/copy": "1\n2\n"}  # fmt: skip


def test_the_run_history_has_names_of_its_own_for_types_of_data(told: dict[str, Any], value: Callable[[str], Any], wire: Any) -> None:
    setup = wire.emulator.setup
    address = f"https://{setup.location}.api.azureml.ms/history/v1.0{setup.workspace_id()}/rundata"
    outputs = wire("POST", address, {"runId": value("pipeline name")}).json["runMetadata"]["outputs"]
    assert {name: reference["type"] for name, reference in outputs.items()} == {"final": "UriFolder", "counted": "UriFile"}


def test_a_failed_step_fails_the_job_and_says_why(told: dict[str, Any], value: Callable[[str], Any]) -> None:
    assert told["failing"]["error"] == "JobException"
    assert "step 'only' exited with code 3" in told["failing"]["message"]
    assert "before" in told["failing"]["message"]
    assert value("failing get") == "Failed"


def test_words_about_a_job_are_kept(value: Callable[[str], Any]) -> None:
    assert value("tags") == [{"checked": "yes"}, "other words"]
    assert value("archive") == [False, True]


def test_a_canceled_job_ends_with_its_steps(told: dict[str, Any], value: Callable[[str], Any]) -> None:
    status, children = value("cancel")
    assert (status, {name: told[0] for name, told in children.items()}) == ("Canceled", {"only": "Canceled"})
    assert told["delete"]["error"] == "ResourceNotFoundError"


def test_what_azure_would_refuse_is_refused(told: dict[str, Any]) -> None:
    assert told["command twice"]["error"] == "ResourceExistsError"
    assert "nowhere" in told["no compute"]["message"]


def test_a_sweep_has_trials_and_a_best_one(value: Callable[[str], Any]) -> None:
    children = value("sweep children")
    assert {name: status for name, (status, _) in children.items()} == {"trial_0": "Completed", "trial_1": "Completed"}
    assert value("sweep best")["score"] == "0.25"
    assert value("sweep download")["named-outputs/out/best"] == "0.25 3\n"


def test_a_job_is_a_run_of_the_same_name_in_the_workspaces_mlflow(value: Callable[[str], Any], wire: Any) -> None:
    address = f"https://{wire.emulator.setup.location}.api.azureml.ms/mlflow/v2.0{wire.emulator.setup.workspace_id()}"
    best = value("sweep best")["best_child_run_id"]
    found = wire("GET", f"{address}/api/2.0/mlflow/runs/get?run_id={best}").json["run"]
    assert (found["info"]["status"], found["info"]["run_id"]) == ("FINISHED", best)
    assert {"key": "mlflow.parentRunId", "value": best.rpartition("_")[0]} in found["data"]["tags"]
    [loss] = found["data"]["metrics"]
    assert (loss["key"], loss["value"]) == ("loss", 0.25)
    assert wire("GET", f"{address}/api/2.0/mlflow/runs/get?run_id=nobody").json["error_code"] == "RESOURCE_DOES_NOT_EXIST"
