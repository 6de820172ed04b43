"""Labels of assets become versions when a job is submitted."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.dsl import PipelineCall
from mlops_lib.engines.azureml import frozen
from mlops_lib.engines.azureml.registry import WorkspaceModels
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import InputError, StageError
from mlops_lib.infra import Stage, read
from mlops_lib.project import Project
from mlops_lib.spec import Data
from mlops_lib.stores.models import ModelVersion, find_version
from mlops_lib.stores.stages import digest_of

from .stage import ScriptedAzure

COMPONENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: {name}
version: "1"
{more}
environment: azureml:py@latest
"""
SCORE = COMPONENT.format(name="score", more="""\
tags: {role: score}
inputs: {model: {type: mlflow_model}, data: {type: uri_folder}}
outputs: {predictions: {type: uri_folder}, rejects: {type: uri_folder}}
command: ls ${{inputs.model}} ${{inputs.data}} ${{outputs.predictions}} ${{outputs.rejects}}""")
EVALUATE = COMPONENT.format(name="evaluate", more="""\
tags: {role: evaluate}
inputs:
  model_1: {type: mlflow_model}
  names: {type: string}
  test: {type: uri_folder}
  champion: {type: mlflow_model, optional: true}
outputs: {metrics: {type: uri_folder}, best: {type: mlflow_model}}
command: >-
  ls ${{inputs.model_1}} ${{inputs.names}} ${{inputs.test}} $[[${{inputs.champion}}]] ${{outputs.metrics}} ${{outputs.best}}""")
TRAIN = COMPONENT.format(name="train_a", more="""\
tags: {role: train}
inputs: {train: {type: uri_folder}, validation: {type: uri_folder}}
outputs: {model: {type: mlflow_model}}
command: ls ${{inputs.train}} ${{inputs.validation}} ${{outputs.model}}""")


class Assets:
    """What a stage's workspace has of assets, by their ids."""

    def __init__(self, azure: ScriptedAzure, stage: Stage) -> None:
        self._azure, self.stage = azure, stage
        self._home = Workspace(stage).path

    def add(self, kind: str, name: str, version: str, **properties: Any) -> None:
        resources = self._azure.world.resources
        resources.put(f"{self._home}/{kind}/{name}", {"properties": {}})
        resources.put(f"{self._home}/{kind}/{name}/versions/{version}", {"properties": {"tags": {}, "properties": {}, **properties}})

    def model(self, name: str, version: str, *, promotion: int = 0, digest: str = "") -> None:
        tags = {"deployment": "champion", "promotion": str(promotion)} if promotion else {}
        self.add("models", name, version, tags=tags, modelUri="azureml://datastores/workspaceblobstore/paths/x", modelType="mlflow_model",
                 properties={"mlops.digest": digest or f"{name}{version}"})


@pytest.fixture
def assets(azure: ScriptedAzure, stage: Stage) -> Assets:
    made = Assets(azure, stage)
    made.add("environments", "py", "7", image="python:3.12")
    made.add("data", "shop-test", "4", dataUri="azureml://datastores/workspaceblobstore/paths/d/", dataType="uri_folder")
    made.model("shop", "1", promotion=1)
    made.model("shop", "2", promotion=2)
    made.model("shop", "3")
    made.model("shop-a", "5")
    return made


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    for name, text in (("score", SCORE), ("evaluate", EVALUATE), ("train_a", TRAIN)):
        path = tmp_path / "components" / name / "component.yml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (tmp_path / "mlops.yml").write_text("experiment: shop\n")
    return Project(tmp_path)


def submitted(project: Project, azure: ScriptedAzure, stage: Stage, pipeline: str, values: dict[str, str] | None = None,
              against: str | None = None) -> dict[str, Any]:
    """What a pipeline's inputs are when it has reached Azure."""
    job, name, catalogue = project.load(pipeline, values, against, on=lambda: stage)
    run = project.run_on(stage, job, name, catalogue, request={}, against=against, follow=False)
    sent = azure.jobs[run.id]["properties"]
    return {name: given.get("uri", given.get("value")) for name, given in sent["inputs"].items()} | {
        "component of the environment": next(
            row.properties["componentSpec"]["environment"] for row in reversed(azure.world.resources.below(f"{Workspace(stage).path}/components"))
            if "componentSpec" in row.properties)}


def ids(stage: Stage, given: dict[str, Any]) -> dict[str, str]:
    """Ids of assets as people write them."""
    home = f"{Workspace(stage).path}/"
    return {name: re.sub("(?:data|models)/(.+)/versions/", r"\1:", str(value).removeprefix("azureml:").removeprefix(home))
            for name, value in given.items()}


def test_a_model_is_scored_with_the_champion_of_the_stage_unless_another_is_named(shop: Project, assets: Assets, azure: ScriptedAzure) -> None:
    stage = assets.stage
    sent = ids(stage, submitted(shop, azure, stage, "score"))
    assert sent == {"model": "shop:2", "data": "shop-test:4", "component of the environment": "environments/py/versions/7"}
    for label, version in (("latest", "3"), ("champion", "2"), ("dev", "2")):
        assert ids(stage, submitted(shop, azure, stage, "score", {"model": f"azureml:shop@{label}"}))["model"] == f"shop:{version}"
    assert ids(stage, submitted(shop, azure, stage, "score", {"model": "azureml:shop:1"}))["model"] == "shop:1"


def test_a_pipeline_by_name_in_python_takes_the_champion_of_the_stage_that_it_is_run_on(
        shop: Project, assets: Assets, azure: ScriptedAzure) -> None:
    score = shop.pipeline("score")
    assert isinstance(model := score.job.inputs["model"], Data)
    assert model.path == "azureml:shop@latest", "this machine has no champion"

    def sent(call: PipelineCall, **wishes: Any) -> dict[str, Any]:
        inputs = azure.jobs[call.run(on="dev", follow=False, **wishes).id]["properties"]["inputs"]
        return ids(assets.stage, {name: given["uri"] for name, given in inputs.items() if "uri" in given})

    assert sent(score) == {"model": "shop:2", "data": "shop-test:4"}
    assert sent(shop.pipeline("score", model="azureml:shop:1"))["model"] == "shop:1"
    assert sent(shop.pipeline("evaluate", against="dev"))["champion"] == "shop:2"
    assert "champion" not in sent(shop.pipeline("evaluate"))


def test_a_pipeline_by_name_in_python_runs_only_where_it_may(shop: Project, stage: Stage, azure: ScriptedAzure) -> None:
    train = shop.pipeline("evaluate")
    with pytest.raises(InputError, match="'evaluate' does not run on stage 'prod'"):
        train.run(on="prod")
    with pytest.raises(InputError, match="no output 'bst'") as caught:
        train.run(on="dev", outputs=["bst"])
    assert caught.value.place is not None
    assert Path(caught.value.place.file).name == Path(__file__).name
    assert not azure.jobs


def test_evaluate_compares_with_the_champion_of_a_stage(shop: Project, assets: Assets, azure: ScriptedAzure,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    stage = assets.stage
    assert "champion" not in submitted(shop, azure, stage, "evaluate")
    sent = ids(stage, submitted(shop, azure, stage, "evaluate", against="dev"))
    assert (sent["champion"], sent["model_1"]) == ("shop:2", "shop-a:5")
    # Another stage's champion is read as the version that has the same bytes here.
    told = {**azure.own_workspace(), "stage": "qa"}
    monkeypatch.setenv("MLOPS_QA_OUTPUTS", json.dumps(told))
    qa = Assets(azure, read(told, "the test"))
    assert "champion" not in submitted(shop, azure, stage, "evaluate", against="qa")
    qa.model("shop", "9", promotion=4, digest="shop1")
    assert ids(stage, submitted(shop, azure, stage, "evaluate", against="qa"))["champion"] == "shop:1"
    qa.model("shop", "10", promotion=5, digest="other")
    with pytest.raises(StageError, match="the champion shop:10 of qa is not in dev"):
        submitted(shop, azure, stage, "evaluate", against="qa")


def test_a_newer_version_of_an_environment_is_taken_by_a_component_that_is_known(shop: Project, stage: Stage, azure: ScriptedAzure, assets: Assets) -> None:
    values = {"model": "azureml:shop@latest", "data": "azureml:shop-test@latest"}
    found = []
    for version in ("7", "8"):
        assets.add("environments", "py", version, image="python:3.12")
        found.append(submitted(shop, azure, stage, "score", values)["component of the environment"].rpartition("/")[2])
    assert found == ["7", "8"], "what was registered before has the environment of before"


def test_a_schedule_is_made_with_the_champion_and_told_of_the_next_one(shop: Project, assets: Assets, azure: ScriptedAzure) -> None:
    stage, home = assets.stage, Workspace(assets.stage).path
    shop.write_pipeline("score", shop.export("score"))
    (shop.root / "schedules").mkdir()
    file = shop.root / "schedules/nightly.yml"
    file.write_text("$schema: https://azuremlschemas.azureedge.net/latest/schedule.schema.json\nname: nightly\n"
                    "trigger: {type: cron, expression: '0 4 * * *'}\ncreate_job: ../pipelines/score.yml\n")

    def model() -> str:
        action = azure.world.resources.get(f"{home}/schedules/nightly").properties["action"]
        return ids(stage, {"model": action["jobDefinition"]["inputs"]["model"]["uri"]})["model"]

    for done in ("created", "unchanged"):
        outcome = shop.create_schedule(file, on="dev").outcome
        assert outcome is not None
        assert (outcome.done, model()) == (done, "shop:2")
    with Workspace(stage) as workspace:
        client = workspace.client
        from azure.ai.ml.entities import BatchEndpoint, ModelBatchDeployment

        client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="shop-batch")).result()
        client.batch_deployments.begin_create_or_update(ModelBatchDeployment(
            name="blue", endpoint_name="shop-batch", model="azureml:shop:2", compute="cpu")).result()
        champion = find_version(WorkspaceModels(workspace), "shop", "3")
        assert [(one.what, one.problem) for one in frozen.repoint(workspace, {"2"}, champion)] == [
            ("the schedule 'nightly'", None), ("the batch deployment 'blue' of 'shop-batch'", None)]
        assert str(client.batch_deployments.get("blue", "shop-batch").model).endswith("/models/shop/versions/3")
        assert str(client.schedules.get("nightly").create_job.inputs["model"].path).endswith("/models/shop/versions/3")
    assert model() == "shop:3"


def test_azure_mls_own_tools_find_what_is_promoted(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "made/data").mkdir(parents=True)
    files = {"MLmodel": b"flavors: {}\n", "data/loss": b"1"}
    for name, content in files.items():
        (tmp_path / "made" / name).write_bytes(content)
    version = ModelVersion(name="own", version="", type="mlflow_model", digest=digest_of(tmp_path / "made"), created=0, tags={"a": "b"})
    with Workspace(stage) as workspace:
        models = WorkspaceModels(workspace)
        with models.claim("own"):
            models.write(version, ((name, io.BytesIO(content)) for name, content in files.items()), {"decision.json": b"{}"})
        found = workspace.client.models.get("own", label="latest")
        assert (found.version, found.type, found.tags) == ("1", "mlflow_model", {"a": "b"})
        workspace.client.models.download("own", "1", download_path=str(tmp_path / "got"))
    assert {path.relative_to(tmp_path / "got/own/model").as_posix(): path.read_bytes()
            for path in (tmp_path / "got/own/model").rglob("*") if path.is_file()} == files


@pytest.mark.parametrize(("reference", "error", "said"), [
    ("azureml:shop@champoin", InputError, "did you mean 'champion'?"),
    ("azureml:other@champion", StageError, "the stage dev has no champion of 'other'"),
    ("azureml:other@latest", StageError, "no model 'other' (--set model)"),
])  # fmt: skip
def test_a_label_that_means_nothing_is_told_before_anything_is_sent(
        shop: Project, assets: Assets, azure: ScriptedAzure, reference: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        submitted(shop, azure, assets.stage, "score", {"model": reference})
    assert said in str(caught.value)
    assert azure.puts == []


def test_components_of_the_workspace_are_named_by_their_version(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    path = project.root / "pipelines/p.yml"
    path.write_text(path.read_text().replace("../components/train/component.yml", "azureml:train@default"))
    job, name, catalogue = project.load("p")
    assets = Assets(azure, stage)
    spec = {"name": "train", "version": "3", "type": "command", "command": "ls", "environment": "azureml:py:1",
            "inputs": {"source": {"type": "uri_folder"}}, "outputs": {"made": {"type": "uri_folder"}}}
    assets.add("components", "train", "3", componentSpec=spec)
    run = project.run_on(stage, job, name, catalogue, request={}, follow=False)
    assert azure.jobs[run.id]["properties"]["jobs"]["train"]["componentId"].endswith("/components/train/versions/3")


def test_in_files_that_the_pipeline_names_a_label_but_the_latest_is_refused(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    outer = project.root / "components/outer/component.yml"
    outer.parent.mkdir()
    outer.write_text("""\
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: outer
inputs: {source: {type: uri_folder}}
outputs: {made: {type: uri_folder}}
jobs:
  inner:
    type: command
    component: ../train/component.yml
    inputs: {source: {type: uri_folder, path: 'azureml:rows@dev'}}
    outputs: {made: '${{parent.outputs.made}}'}
""")
    path = project.root / "pipelines/p.yml"
    path.write_text(path.read_text().replace("type: command\n    component: ../components/train", "type: pipeline\n    component: ../components/outer"))
    job, name, catalogue = project.load("p")
    with pytest.raises(InputError, match="names the data asset by the label 'dev'") as caught:
        project.run_on(stage, job, name, catalogue, request={}, follow=False)
    assert caught.value.why.startswith("labels become versions in the pipeline itself")
    assert azure.puts == []
