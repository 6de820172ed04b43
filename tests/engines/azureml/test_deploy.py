"""mlops deploy: a model in a stage's workspace behind its endpoint, with the scoring script that it gets."""

import io
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mlops_lib.cli import cli
from mlops_lib.engines.azureml.online import OnlineEndpoint
from mlops_lib.engines.azureml.registry import WorkspaceModels
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import InputError, Refused, StageError
from mlops_lib.infra import Stage
from mlops_lib.project import Project
from mlops_lib.stores.models import ModelVersion
from mlops_lib.stores.stages import digest_of

TINY = runpy.run_path(str(Path(__file__).parents[2] / "serving" / "tiny.py"))


@pytest.fixture
def register(stage: Stage, tmp_path: Path) -> Callable[..., str]:
    """Put a model into the stage's workspace; the number of its version."""

    def put(*, champion: bool = False, **more: Any) -> str:
        folder = TINY["write"](tmp_path / f"m{len(list(tmp_path.iterdir()))}", **more)
        tags = {"deployment": "champion", "promotion": "1"} if champion else {}
        version = ModelVersion(name="flights", version="", type="mlflow_model", digest=digest_of(folder), created=0, tags=tags)
        files = ((path.name, io.BytesIO(path.read_bytes())) for path in sorted(folder.iterdir()))
        with Workspace(stage) as workspace:
            return WorkspaceModels(workspace).write(version, files, {}).version

    return put


@pytest.fixture
def deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    (tmp_path / "mlops.yml").write_text("stages: {dev: {online: {steps: [50, 100], models: any}}}\n")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, on: str = "dev") -> Any:
        done = CliRunner().invoke(cli, ["deploy", *arguments, "--on", on, "--watch", "0", "--json"], catch_exceptions=False)
        assert done.exit_code == 0
        return json.loads(done.stdout)

    return run


def test_the_champion_is_served_and_a_version_that_is_named(
    stage: Stage, register: Any, deploy: Any, tmp_path: Path
) -> None:
    register(champion=True)
    register()
    endpoint = stage.endpoints["online"]
    assert deploy("flights", "--dry-run")["steps"][0] == f"make the endpoint {endpoint} (aad_token)"
    told = deploy("flights")
    assert "InstrumentationKey" not in json.dumps(told)
    assert (told["endpoint"], told["model"], told["changed"]) == (endpoint, "flights:1", True)
    assert told["traffic"] == {told["deployment"]: 100}
    with Workspace(stage) as workspace:
        online = OnlineEndpoint(workspace, endpoint)
        answer = online.ask({"dataframe_records": [{"carrier": 1, "distance": 7.5}, {"carrier": 2, "distance": 3}]})
        variables = (online.deployment(told["deployment"]) or {})["properties"]["environmentVariables"]
        refused = online.ask({"dataframe_records": [{"carrier": "AA", "distance": 7.5}]})
    assert answer.json == {"predictions": [TINY["FAR"], TINY["NEAR"]], "model": "flights:1"}
    assert answer.headers["x-mlops-model"] == "flights:1"
    assert (refused.status, refused.json["errors"][0]["field"]) == (400, "carrier")
    assert variables["APPLICATIONINSIGHTS_CONNECTION_STRING"].startswith("InstrumentationKey=")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"InstrumentationKey" in path.read_bytes()]
    assert deploy("flights@champion")["changed"] is False
    plan = deploy("flights:2", "--dry-run")
    assert plan["steps"][-2:] == ["give it 50 % of the traffic", "give it 100 % of the traffic"]


def test_python_deploys_a_model_and_goes_back(stage: Stage, register: Any, tmp_path: Path) -> None:
    register(champion=True)
    register()
    endpoint = Project(tmp_path).online_endpoint(on="dev")
    quick: dict[str, Any] = {"steps": (100,), "watch": 0}
    with pytest.raises(InputError, match="10,50 are no steps"):
        endpoint.deploy("flights", steps=(10, 50))
    with pytest.raises(InputError, match="and dev no model of that name") as caught:
        endpoint.ahead("flihgts")
    assert caught.value.fix == "did you mean 'flights'?"
    assert endpoint.ahead("flights", **quick).steps[0] == f"make the endpoint {stage.endpoints['online']} (aad_token)"
    said: list[str] = []
    first = endpoint.deploy("flights", say=said.append, **quick)
    second = endpoint.deploy("flights:2", say=said.append, **quick)
    assert [(one.endpoint, one.model, one.changed) for one in (first, second)] == [
        (endpoint.name, "flights:1", True), (endpoint.name, "flights:2", True)]  # fmt: skip
    assert f"{second.deployment} has 100 % of the traffic" in said
    assert endpoint.ahead("flights:2", **quick).steps == ()
    back = endpoint.rollback("flights", say=said.append)
    assert (back.deployment, back.traffic[first.deployment]) == (first.deployment, 100)


def test_prod_serves_its_champion_unless_it_is_told_otherwise(
    stage: Stage, register: Any, deploy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_PROD_OUTPUTS", json.dumps({**stage.outputs, "stage": "prod"}))
    register()
    with pytest.raises(Refused, match="flights:1 is not the champion of prod") as caught:
        deploy("flights:1", on="prod")
    assert caught.value.exit_code == 3
    assert caught.value.why == "there is none, and only a champion is served there"
    with pytest.raises(InputError, match="has no champion in prod"):
        deploy("flights", on="prod")
    assert deploy("flights:1", "--any-version", "--dry-run", on="prod")["model"] == "flights:1"
    register(champion=True)
    with pytest.raises(Refused) as caught:
        deploy("flights:1", on="prod")
    assert caught.value.why == "that is flights:2, and only a champion is served there"
    assert deploy("flights:2", "--dry-run", on="prod")["model"] == "flights:2"


def test_what_it_is_given_is_checked_first(stage: Stage, register: Any, deploy: Any, tmp_path: Path) -> None:
    register(example=None)
    with pytest.raises(InputError, match="the model flights:1 has no input example"):
        deploy("flights:1")
    (tmp_path / "sample.json").write_text('{"data": [[1, 2, 3]]}')
    assert deploy("flights:1", "--sample", "sample.json", "--dry-run")["steps"]
    (tmp_path / "sample.json").write_text("[1]")
    with pytest.raises(InputError, match=r"sample\.json is no request"):
        deploy("flights:1", "--sample", "sample.json")
    for steps in ("10,5,100", "10,50", "a", "0,100", "100,100"):
        with pytest.raises(InputError, match="are no steps"):
            deploy("flights:1", "--steps", steps)
    with pytest.raises(InputError, match="has no version '7'"):
        deploy("flights:7")
    with pytest.raises(InputError, match="no model 'delays'"):
        deploy("delays:1")
    with pytest.raises(StageError, match="has no endpoint"):
        deploy("flights", "--rollback")
