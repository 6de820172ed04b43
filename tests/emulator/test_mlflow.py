"""MLflow at a workspace's address, with the packages that talk to Azure ML's: those that the example's environment pins."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from mlops_lib.emulator import Emulator, environ_with
from mlops_lib.emulator.ledger import logged_key, new_run, run_key

HERE = Path(__file__).parent
CONDA = HERE.parents[1] / "environments/flights/conda.yml"


def pins(conda: Path) -> dict[str, str]:
    """The versions that a conda file pins for pip, by name."""
    *_, last = yaml.safe_load(conda.read_text(encoding="utf-8"))["dependencies"]
    return dict(pin.split("==") for pin in last["pip"])


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python with MLflow and Azure ML's part of it, in the versions that are to work together."""
    versions = pins(CONDA)
    folder = tmp_path_factory.mktemp("mlflow") / "environment"
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, folder], check=True)
    subprocess.run([uv, "pip", "install", "-q", "-p", folder, f"azureml-mlflow=={versions['azureml-mlflow']}",
                    f"mlflow-skinny=={versions['mlflow']}"], check=True)
    return str(folder / "bin" / "python")


def test_a_notebook_logs_to_the_workspaces_mlflow_and_reads_there_what_a_job_has_logged(azure: Emulator, interpreter: str) -> None:
    workspace, resources = azure.setup.workspace_id(), azure.world.resources
    run = new_run("train-1", root="train-1", parent=None, experiment="flights", shown="train", kind="azureml.scriptrun")
    resources.put(run_key(workspace, "train-1"), {**run, "status": "Completed", "endTimeUtc": run["createdUtc"]})
    resources.put(logged_key(workspace, "train-1"), {"metrics": {"auc": 0.875}, "params": {"trees": 20}})
    address = f"azureml://{azure.setup.location}.api.azureml.ms/mlflow/v1.0{workspace}"
    done = subprocess.run([interpreter, HERE / "mlflow_client.py", address, "train-1"], env=environ_with(azure.environment()),
                          text=True, capture_output=True, timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert told == {
        "status": "FINISHED", "metrics": {"auc": 0.75, "loss": 0.25}, "params": {"rate": "0.1"}, "who": "me",
        "history": [0.5, 0.75], "found": True, "job": ["train-1", "FINISHED", {"auc": 0.875}, {"trees": "20"}, "train"]}


@pytest.mark.parametrize("name", ["flights", "flights_parallel"])
def test_an_environment_pins_the_newest_mlflow_that_azure_mls_part_of_it_admits_and_nothing_that_it_does_not(name: str, interpreter: str) -> None:
    code = "import importlib.metadata as m, json; print(json.dumps([m.requires('azureml-mlflow'), m.version('azure-storage-blob')]))"
    done = subprocess.run([interpreter, "-c", code], text=True, capture_output=True, check=True)
    required, blob = json.loads(done.stdout)
    wanted = {found.name: found for found in map(Requirement, required)}
    pinned = pins(CONDA.parents[1] / name / "conda.yml")
    assert pinned["azureml-mlflow"] == pins(CONDA)["azureml-mlflow"], "what is installed here is what it pins"
    pinned |= {"mlflow-skinny": pinned["mlflow"], "azure-storage-blob": blob}
    refused = {package: f"{pinned[package]} is not {found.specifier}" for package, found in wanted.items()
               if package in pinned and not found.specifier.contains(pinned[package])}  # fmt: skip
    assert refused == {}
    [newest] = [one.version for one in wanted["mlflow-skinny"].specifier if one.operator == "<="]
    assert Version(pinned["mlflow"]) == Version(newest)
