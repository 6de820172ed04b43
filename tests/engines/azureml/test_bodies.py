"""What is sent for every kind of job, byte for byte, and whether the models of Azure's own packages read all of it.

``MLOPS_WRITE_GOLDEN=1 pytest …/test_bodies.py`` writes what is sent now, for people to read the difference.
"""

import copy
import io
import json
import os
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.emulator.wire import Request, Response
from mlops_lib.engines.azureml import sdk
from mlops_lib.engines.azureml.registry import WorkspaceModels
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.infra import Stage
from mlops_lib.project import Project
from mlops_lib.serving.deployment import Deployment, Wish
from mlops_lib.serving.rollout import roll_out
from mlops_lib.stores.models import ModelVersion
from mlops_lib.stores.stages import digest_of

from .stage import ScriptedAzure

GOLDEN = Path(__file__).parent / "golden"
FOLDER = {"type": "uri_folder"}
FILES: dict[str, Any] = {
    "environments/py/environment.yml": {
        "name": "py", "version": "1", "image": "ubuntu:24.04", "description": "What all of them run in.", "tags": {"of": "tests"},
        "conda_file": {"dependencies": ["python=3.11", {"pip": ["pandas==2.3.3"]}]}},
    "components/prep/component.yml": {
        "type": "command", "name": "prep", "version": "3", "display_name": "Prepare", "description": "Rows.", "tags": {"role": "preprocess"},
        "inputs": {"raw": {**FOLDER, "mode": "download", "description": "As it comes."}, "share": {"type": "number", "default": 0.5},
                   "seed": {"type": "integer", "optional": True, "min": 0}, "kind": {"type": "string", "enum": ["a", "b"], "default": "a"}},
        "outputs": {"rows": FOLDER}, "code": "src", "environment": "azureml:py:1", "is_deterministic": False,
        "command": "python main.py ${{inputs.raw}} ${{inputs.share}} ${{inputs.kind}} $[[${{inputs.seed}}]] ${{outputs.rows}}"},
    "components/prep/src/main.py": "print('prep')\n",
    "components/fit/component.yml": {
        "type": "command", "name": "fit", "version": "1", "inputs": {"rows": FOLDER, "rate": {"type": "number"}},
        "outputs": {"model": {"type": "mlflow_model"}}, "environment": {"image": "ubuntu:24.04"},
        "command": "fit ${{inputs.rows}} ${{inputs.rate}} ${{outputs.model}}"},
    "components/count/component.yml": {
        "type": "parallel", "name": "count", "version": "1", "inputs": {"rows": FOLDER}, "outputs": {"out": {"type": "uri_file"}},
        "input_data": "${{inputs.rows}}", "mini_batch_size": "10", "mini_batch_error_threshold": 2, "error_threshold": 3,
        "resources": {"instance_count": 2}, "max_concurrency_per_instance": 2, "retry_settings": {"max_retries": 1, "timeout": 30},
        "task": {"type": "run_function", "code": "src", "entry_script": "count.py", "environment": "azureml:py:1",
                 "program_arguments": "--fast", "append_row_to": "${{outputs.out}}"}},
    "components/count/src/count.py": "def init(): pass\ndef run(batch): return list(batch)\n",
    "components/twice/component.yml": {
        "type": "pipeline", "name": "twice", "version": "1", "inputs": {"raw": FOLDER}, "outputs": {"rows": FOLDER},
        "jobs": {"inner": {"type": "command", "component": "../prep/component.yml", "inputs": {"raw": "${{parent.inputs.raw}}"},
                           "outputs": {"rows": "${{parent.outputs.rows}}"}}}},
    "data/rows.csv": "1\n",
}  # fmt: skip
FITTED = {"inputs": {"rows": "${{parent.jobs.first.outputs.rows}}"}}
JOBS: dict[str, dict[str, Any]] = {
    "command": {"first": {
        "type": "command", "component": "../components/prep/component.yml", "inputs": {"raw": "${{parent.inputs.raw}}", "seed": 7},
        "limits": {"timeout": 3600}, "resources": {"instance_count": 2, "shm_size": "4g"}, "environment_variables": {"AREA": "tests"},
        "distribution": {"type": "pytorch", "process_count_per_instance": 2}, "compute": "azureml:cpu",
        "outputs": {"rows": {"type": "uri_folder", "mode": "upload", "name": "rows", "version": "4"}}}},
    "inline": {"first": {
        "type": "command", "command": "cp -r ${{inputs.raw}} ${{outputs.rows}}", "environment": "azureml:py:1",
        "inputs": {"raw": {"type": "uri_folder", "path": "${{parent.inputs.raw}}", "mode": "ro_mount"}}, "outputs": {"rows": FOLDER}}},
    "sweep": {
        "first": {"type": "command", "component": "../components/prep/component.yml", "inputs": {"raw": "${{parent.inputs.raw}}"}},
        "fitted": {
            "type": "sweep", "trial": "../components/fit/component.yml", **FITTED,
            "search_space": {"rate": {"type": "loguniform", "min_value": -3.0, "max_value": -1.0}},
            "sampling_algorithm": {"type": "random", "seed": 5, "rule": "sobol"},
            "objective": {"goal": "minimize", "primary_metric": "loss"},
            "early_termination": {"type": "bandit", "slack_factor": 0.1, "evaluation_interval": 1, "delay_evaluation": 2},
            "limits": {"max_total_trials": 4, "max_concurrent_trials": 2, "timeout": 7200, "trial_timeout": 600}}},
    "parallel": {
        "first": {"type": "command", "component": "../components/prep/component.yml", "inputs": {"raw": "${{parent.inputs.raw}}"}},
        "counted": {"type": "parallel", "component": "../components/count/component.yml", **FITTED}},
    "nested": {"first": {"type": "pipeline", "component": "../components/twice/component.yml", "inputs": {"raw": "${{parent.inputs.raw}}"}}},
}  # fmt: skip


# What is kept in a workspace besides jobs and what they need.
KEPT: dict[str, Any] = {
    "schedules/nightly.yml": {
        "$schema": "https://azuremlschemas.azureedge.net/latest/schedule.schema.json", "name": "nightly", "display_name": "At night",
        "description": "While nobody works.", "tags": {"of": "tests"}, "trigger": {"type": "cron", "expression": "30 4 * * *", "time_zone": "UTC"},
        "create_job": "../pipelines/p.yml"},
    "assets/rows.yml": {
        "$schema": "https://azuremlschemas.azureedge.net/latest/data.schema.json", "name": "rows", "version": "2", "type": "uri_file",
        "description": "All of them.", "tags": {"of": "tests"}, "path": "../data/rows.csv"},
    "assets/best.yml": {
        "$schema": "https://azuremlschemas.azureedge.net/latest/model.schema.json", "name": "best", "version": "3", "type": "custom_model",
        "description": "The one.", "tags": {"of": "tests"}, "path": "../data/rows.csv"},
}  # fmt: skip


class Recorder:
    """Notes the bodies that are put, as a twist that changes nothing."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, Any]] = []

    def __call__(self, request: Request) -> Response | None:
        if request.method == "PUT" and request.host == "management.azure.com":
            collections = request.path.partition("/workspaces/")[2].split("/")[1::2]
            self.bodies.append((collections[0] if "versions" in collections else "/".join(collections), json.loads(request.body)))
        return None


def sent(kind: str, tmp_path: Path, stage: Stage, azure: ScriptedAzure) -> list[tuple[str, Any]]:
    """What is put for a kind of job, or for all that is kept besides: the collection and the body."""
    job = {"type": "pipeline", "display_name": f"of {kind}", "experiment_name": "tests", "description": "All that it may say.",
           "tags": {"kind": kind}, "settings": {"default_compute": "azureml:cpu", "continue_on_step_failure": False},
           "inputs": {"raw": {"type": "uri_folder", "path": "../data"}}, "jobs": JOBS.get(kind, JOBS["inline"])}  # fmt: skip
    for name, content in {**FILES, **KEPT, "pipelines/p.yml": job}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    project, recorder = Project(tmp_path), Recorder()
    azure.twists.append(recorder)
    if kind == "served":
        serve(tmp_path, stage)
        return recorder.bodies
    if kind == "kept":
        azure.run_for_real()
        project.register("data", [tmp_path / "assets/rows.yml"], on="dev")
        project.register("model", [tmp_path / "assets/best.yml"], on="dev")
        project.create_schedule(tmp_path / "schedules/nightly.yml", on="dev")
        project.deploy("p", on="dev", say=lambda line: None)
        return recorder.bodies
    pipeline, name, catalogue = project.load("p")
    project.run_on(stage, pipeline, name, catalogue, request={}, follow=False)
    return recorder.bodies


def serve(tmp_path: Path, stage: Stage) -> None:
    """A model, as promotion writes it, behind an online endpoint."""
    model = {"name": "flights", "version": "", "type": "custom_model", "created": 0, "tags": {"of": "tests"}}
    deployment = Deployment(
        name="flights-1", key="1", model="flights:1", sample={"data": []}, conda={"dependencies": ["python=3.11"]}, variables={"AREA": "tests"},
        files={"score.py": b"def init(): pass\ndef run(data): return {'predictions': [1.0], 'model': 'flights:1'}\n", "sample.json": b"{}"})
    with Workspace(stage) as workspace:
        version = ModelVersion(digest=digest_of(tmp_path / "data"), **model)
        WorkspaceModels(workspace).write(version, [("rows.csv", io.BytesIO(b"1\n"))], {})
        roll_out(workspace, deployment, Wish(endpoint=stage.endpoints["online"], instance_type="Standard_DS3_v2", watch=0.0, start=60.0),
                 lambda line: None)


def normal(bodies: list[tuple[str, Any]], stage: Stage) -> Any:
    """Without what differs from run to run: names that are made of content or chance are numbered as they come."""
    order = list(MODELS)
    bodies = sorted(bodies, key=lambda body: (order.index(body[0]), re.sub(r"[0-9a-f-]{16,}", "", json.dumps(body[1], sort_keys=True))))
    text = json.dumps(bodies, indent=1, sort_keys=True).replace(stage.workspace["id"], "{WS}")
    text = re.sub(r"mlw-\d+", "{workspace}", text)
    found: dict[str, str] = {}

    def numbered(match: re.Match[str]) -> str:
        return found.setdefault(match[0], f"{{id {len(found) + 1}}}")

    return json.loads(re.sub(r"\bp-[0-9a-f]{16}\b|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b[0-9a-f]{32,64}\b", numbered, text))


@pytest.mark.parametrize("kind", [*JOBS, "kept", "served"])
def test_the_bodies_are_those_of_the_golden_files(kind: str, tmp_path: Path, stage: Stage, azure: ScriptedAzure,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # or the SDK says from which commit of this repository it came
    folder = tmp_path / "flights"  # a component that a deployment runs is called after it
    file, told = GOLDEN / f"{kind}.json", normal(sent(kind, folder, stage, azure), stage)
    if os.environ.get("MLOPS_WRITE_GOLDEN"):
        file.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    wanted = json.loads(file.read_text())
    if version("azure-ai-ml").startswith("1.28."):
        differently(wanted)
    assert told == wanted


def differently(bodies: list[tuple[str, Any]]) -> None:
    """All that the oldest version of the SDK that is allowed sends otherwise."""
    for collection, body in bodies:
        properties = body["properties"]
        if collection == "codes" and "properties" in properties:  # and not put by the engine itself
            properties["isArchived"] = False
            properties["properties"]["hash_version"] = str(properties["properties"]["hash_version"])
        elif properties.get("componentSpec", {}).get("type") == "pipeline":
            properties["isArchived"] = False


MODELS = {
    "environments": "EnvironmentVersion", "codes": "CodeVersion", "components": "ComponentVersion", "jobs": "JobBase", "data": "DataVersionBase",
    "models": "ModelVersion", "schedules": "Schedule", "batchEndpoints": "BatchEndpoint", "batchEndpoints/deployments": "BatchDeployment",
    "onlineEndpoints": "OnlineEndpoint", "onlineEndpoints/deployments": "OnlineDeployment"}  # fmt: skip


@pytest.mark.parametrize("kind", [*JOBS, "kept", "served"])
def test_azures_own_models_read_all_of_it(kind: str) -> None:
    models = sdk.module("azure.mgmt.machinelearningservices.models")
    for collection, body in json.loads((GOLDEN / f"{kind}.json").read_text()):
        if collection == "batchEndpoints/deployments":
            assert "deployment_configuration" not in models.BatchDeploymentProperties._attribute_map, "it reads that now, too"
            del body["properties"]["deploymentConfiguration"]  # this version knows deployments of models only
        notes = body["properties"].get("properties") or {}
        notes.update({name: str(value) for name, value in notes.items()})  # texts, by the contract; the SDK sends a number
        model = getattr(models, MODELS[collection]).deserialize(copy.deepcopy(body))  # which takes its argument apart
        assert model.serialize() == body, collection
