"""A pipeline on a stage from beginning to end: jobs really run there, and make what they make here."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from mlops_lib.emulator import environ_with
from mlops_lib.engines import Event, Run, StepPrinted
from mlops_lib.infra import Stage
from mlops_lib.project import Project
from mlops_lib.stores.records import Status

from .conftest import write_project
from .stage import ScriptedAzure

SCRIPT = """\
import pathlib, sys

source, rate, made = sys.argv[1:]
rows = sorted(path.read_text() for path in pathlib.Path(source).rglob("*.csv"))
pathlib.Path(made).mkdir(parents=True, exist_ok=True)
pathlib.Path(made, "rows.csv").write_text("".join(rows) + f"{rate}\\n")
print("wrote", len(rows), "rows at", rate)
"""


@pytest.fixture
def real(tmp_path: Path, azure: ScriptedAzure) -> Project:
    azure.run_for_real()
    write_project(tmp_path, ["prep", "train"])
    for name in ("prep", "train"):
        (tmp_path / "components" / name / "src" / "main.py").write_text(SCRIPT)
    path = tmp_path / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("jobs:\n", "outputs:\n  table: {type: uri_folder}\njobs:\n")
                    + "    outputs: {made: '${{parent.outputs.table}}'}\n")
    return Project(tmp_path)


def test_a_run_on_a_stage_makes_what_a_run_here_makes(real: Project, stage: Stage) -> None:
    job, name, catalogue = real.load("p")
    here = real.run(job, name, catalogue, request={})
    assert here.succeeded, here.errors
    job, name, catalogue = real.load("p")
    events: list[Event] = []
    there = real.run_on(stage, job, name, catalogue, request={}, outputs=["table"], listener=events.append)
    assert there.status is Status.COMPLETED, there.errors
    assert (there.outputs["table"].path / "rows.csv").read_text() == (here.outputs["table"].path / "rows.csv").read_text()
    assert {step.status for step in there.steps.values()} == {Status.COMPLETED}
    printed = [(event.step, line) for event in events if isinstance(event, StepPrinted) for line in event.lines]
    assert {("prep", "wrote 1 rows at 0.5"), ("train", "wrote 1 rows at 0.5")} <= set(printed)


def test_a_step_that_fails_there_is_told_with_its_last_lines(real: Project, stage: Stage) -> None:
    (real.root / "components" / "train" / "src" / "main.py").write_text("print('so far so good')\nraise SystemExit('no rows')\n")
    job, name, catalogue = real.load("p")
    there = real.run_on(stage, job, name, catalogue, request={}, outputs=["table"])
    assert there.status is Status.FAILED
    assert there.steps["prep"].status is Status.COMPLETED
    [error] = there.errors
    assert error.startswith("step 'train' failed on stage 'dev'\n  why: step 'train' exited with code 1\n  | so far so good\n")
    assert error.count("no rows") == 1
    assert error.count("  fix: ") == 1, "what could be done about it on this machine is of no use there"


# --- jobs of every kind ----------------------------------------------------------------------------------------------

FOLDER = {"type": "uri_folder"}
ENVIRONMENT = {"image": "python:3.12"}
COUNT = """\
from pathlib import Path

def init(): pass
def run(batch): return [f"{Path(str(file)).name} {Path(str(file)).stat().st_size}" for file in batch]
"""
MIXED: dict[str, Any] = {
    "components/copy/component.yml": {
        "type": "command", "name": "copy", "version": "1", "inputs": {"rows": FOLDER, "times": {"type": "integer", "default": 2}},
        "outputs": {"out": FOLDER}, "environment": ENVIRONMENT,
        "command": "mkdir -p ${{outputs.out}}; for i in $(seq ${{inputs.times}}); do cat ${{inputs.rows}}/*; done > ${{outputs.out}}/rows.txt"},
    "components/pack/component.yml": {
        "type": "command", "name": "pack", "version": "1", "inputs": {"rows": FOLDER}, "outputs": {"made": {"type": "custom_model"}},
        "environment": ENVIRONMENT, "command": "cp ${{inputs.rows}}/*.txt ${{outputs.made}}/"},
    "components/count/component.yml": {
        "type": "parallel", "name": "count", "version": "1", "inputs": {"rows": FOLDER}, "outputs": {"out": {"type": "uri_file"}},
        "input_data": "${{inputs.rows}}", "mini_batch_size": "1", "resources": {"instance_count": 1}, "max_concurrency_per_instance": 1,
        "task": {"type": "run_function", "code": "src", "entry_script": "count.py", "environment": ENVIRONMENT,
                 "append_row_to": "${{outputs.out}}"}},
    "components/count/src/count.py": COUNT,
    "components/twice/component.yml": {
        "type": "pipeline", "name": "twice", "version": "1", "inputs": {"rows": FOLDER, "n": {"type": "integer"}}, "outputs": {"out": FOLDER},
        "jobs": {
            "once": {"type": "command", "component": "../copy/component.yml",
                     "inputs": {"rows": "${{parent.inputs.rows}}", "times": "${{parent.inputs.n}}"}},
            "again": {"type": "command", "component": "../copy/component.yml", "inputs": {"rows": "${{parent.jobs.once.outputs.out}}"},
                      "outputs": {"out": "${{parent.outputs.out}}"}}}},
    "pipelines/mixed.yml": {
        "type": "pipeline", "experiment_name": "tests", "settings": {"default_compute": "azureml:cpu"},
        "inputs": {"raw": {"type": "uri_folder", "path": "../data"}},
        "outputs": {"copied": {"type": "uri_folder", "name": "copied-rows"}, "counted": {"type": "uri_file"},
                    "model": {"type": "custom_model", "path": "azureml://datastores/raw/paths/packed/${{name}}/"}},
        "jobs": {
            "pack": {"type": "command", "component": "../components/pack/component.yml", "inputs": {"rows": "${{parent.inputs.raw}}"},
                     "outputs": {"made": "${{parent.outputs.model}}"}},
            "nested": {"type": "pipeline", "component": "../components/twice/component.yml",
                       "inputs": {"rows": "${{parent.inputs.raw}}", "n": 3}, "outputs": {"out": "${{parent.outputs.copied}}"}},
            "counted": {"type": "parallel", "component": "../components/count/component.yml",
                        "inputs": {"rows": "${{parent.jobs.nested.outputs.out}}"}, "outputs": {"out": "${{parent.outputs.counted}}"}}}},
    "data/a.txt": "1\n2\n", "data/b.txt": "3\n",
}  # fmt: skip


def test_a_parallel_job_and_a_pipeline_in_a_pipeline_make_there_what_they_make_here(tmp_path: Path, stage: Stage, azure: ScriptedAzure) -> None:
    azure.run_for_real()
    for name, content in MIXED.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    (tmp_path / "mlops.yml").write_text("datastores: {raw: raw}\n")
    project = Project(tmp_path)
    job, name, catalogue = project.load("mixed")
    here = project.run(job, name, catalogue, request={})
    assert here.succeeded, here.errors
    job, name, catalogue = project.load("mixed")
    wanted = ["copied", "counted", "model"]
    there = project.run_on(stage, job, name, catalogue, request={}, outputs=wanted)
    assert there.status is Status.COMPLETED, there.errors
    assert {name: files(there, name) for name in wanted} == {name: files(here, name) for name in wanted}
    assert files(there, "copied") == {"rows.txt": "1\n2\n3\n" * 6}
    assert files(there, "model") == {"a.txt": "1\n2\n", "b.txt": "3\n"}
    assert set(there.steps) == {"nested.once", "nested.again", "counted", "pack"}
    default = "azureml://datastores/workspaceblobstore/paths/azureml"
    assert {name: address.rstrip("/") for name, address in there.landed.items()} == {
        "copied": f"{default}/{there.id}/copied", "counted": f"{default}/{there.id}/counted",
        "model": f"azureml://datastores/raw/paths/packed/{there.id}"}  # fmt: skip
    store = project.store()
    assert store.records.run(there.id).landed == there.landed
    store.close()
    assert {step.status for step in there.steps.values()} == {Status.COMPLETED}


def files(run: Run, output: str) -> dict[str, str]:
    """The files of an output, by their names inside it; of a single file by none."""
    path = run.outputs[output].path
    if path.is_file():
        return {"": path.read_text()}
    return {found.relative_to(path).as_posix(): found.read_text() for found in sorted(path.rglob("*")) if found.is_file()}


# --- the example -----------------------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[3]


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    """The example with one of its trainers, whose sweep has one trial, on every 100th flight: most of it is imports."""
    for name in ("common", "prep", "train_lightgbm", "evaluate", "score"):
        shutil.copytree(ROOT / "components" / name, tmp_path / "components" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "environments", tmp_path / "environments")
    settings = yaml.safe_load((ROOT / "mlops.yml").read_text())
    sweep = settings["sweeps"]["train_lightgbm"]
    sweep["limits"] = {"max_total_trials": 1}
    (tmp_path / "mlops.yml").write_text(json.dumps({
        "experiment": "flights", "compute": settings["compute"], "inputs": settings["inputs"], "sweeps": {"train_lightgbm": sweep}}))
    data = tmp_path / "data" / "flights"
    data.mkdir(parents=True)
    rows = pq.read_table(ROOT / "data" / "flights" / "flights.parquet")
    pq.write_table(rows.take(pa.array(range(0, rows.num_rows, 100))), data / "flights.parquet")
    shutil.copy(ROOT / "data" / "flights" / "weather.parquet", data)
    return tmp_path


def test_the_flights_pipeline_makes_there_what_it_makes_here(flights: Path, stage: Stage, azure: ScriptedAzure) -> None:
    azure.run_for_real()
    told = {**azure.environment(credential="federated"), "MLOPS_DEV_OUTPUTS": os.environ["MLOPS_DEV_OUTPUTS"],
            "AZUREML_RUN_POLLING_INTERVAL_MIN": "0.2", "AZUREML_RUN_POLLING_INTERVAL_MAX": "0.2"}

    def mlops(*arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-m", "mlops_lib", "run", "flights", *arguments], cwd=flights, text=True,
                                env=environ_with(variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    with mlops("--on", "dev", "--output", "predictions=there/predictions", "--output", "metrics=there/metrics", **told) as there, \
            mlops("--output", "predictions=here/predictions", "--output", "metrics=here/metrics") as here:  # fmt: skip
        said = {name: run.communicate(timeout=200)[1] for name, run in (("there", there), ("here", here))}
    assert (there.returncode, here.returncode) == (0, 0), said
    lines = said["there"].splitlines()
    assert any(line.startswith("prep | train: ") for line in lines), "what the steps print is told while they run"
    assert any(line.startswith("train_lightgbm: done (") for line in lines)
    assert any(line.startswith("train_lightgbm | trial_0: done in ") for line in lines), "a sweep's trials are told as they are here"
    predictions = {name: pq.read_table(flights / name / "predictions", columns=["flight_id", "probability"]) for name in ("there", "here")}
    assert predictions["there"].num_rows > 400
    assert predictions["there"].equals(predictions["here"])
    metrics = {name: json.loads((flights / name / "metrics" / "metrics.json").read_text()) for name in ("there", "here")}
    assert metrics["there"] == metrics["here"]
    store = Project(flights).store()
    [ours, theirs] = [[(trial.step, trial.parameters, trial.objective, trial.best) for trial in store.records.trials(run.id)]
                      for run in store.records.runs()]  # fmt: skip
    assert ours == theirs
    assert len(ours) == 1
    assert ours[0][-1], "the only trial is the best"
    measured = {run.stage: {step.name: dict(step.metrics) for step in store.records.steps(run.id) if "trial" not in step.name}
                for run in store.records.runs()}  # fmt: skip
    store.close()
    assert measured["dev"]["evaluate"], "what a step logs with MLflow is in its run on the stage"
    assert set(measured["dev"]) == set(measured[None])
    assert {name: set(found) for name, found in measured["dev"].items()} == {name: set(found) for name, found in measured[None].items()}
