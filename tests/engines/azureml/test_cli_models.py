"""``mlops models`` on the workspaces of stages, as people type it."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mlops_lib.cli import cli
from mlops_lib.emulator import Fault
from mlops_lib.errors import MlopsError
from mlops_lib.project import Project

from .stage import ScriptedAzure

SETTINGS = """\
experiment: shop
stages:
  dev: {gate: gates/shop.yml}
  qa: {gate: gates/shop.yml, approval: required, after: dev}
"""
GATE = "objective: {primary_metric: loss, goal: minimize}\nsignature: required\ntags: {reviewed: 'yes'}\n"
COMPONENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: made
inputs: {loss: {type: string}}
outputs: {model: {type: mlflow_model}}
environment: {image: x}
command: >-
  echo '${{inputs.loss}}' > ${{outputs.model}}/loss;
  echo 'signature: {inputs: "[{\\"type\\": \\"long\\", \\"name\\": \\"a\\"}]"}' > ${{outputs.model}}/MLmodel
"""
PIPELINE = """\
type: pipeline
inputs: {loss: '0.5'}
settings: {default_compute: azureml:cpu}
outputs: {model: {type: mlflow_model, name: shop}}
jobs:
  make:
    type: command
    component: ../components/made/component.yml
    inputs: {loss: '${{parent.inputs.loss}}'}
    outputs: {model: '${{parent.outputs.model}}'}
"""


JUDGED = """\
type: pipeline
settings: {default_compute: azureml:cpu}
inputs: {loss: '0.5'}
outputs: {model: {type: mlflow_model, name: shop}}
jobs:
  make:
    type: command
    component: ../components/made/component.yml
    inputs: {loss: '${{parent.inputs.loss}}'}
    outputs: {model: '${{parent.outputs.model}}'}
  judge:
    type: command
    component: ../components/judge/component.yml
    inputs: {model: '${{parent.jobs.make.outputs.model}}'}
"""
USE = """\
type: pipeline
settings: {default_compute: azureml:cpu}
inputs: {model: {type: mlflow_model, path: azureml:shop@champion}}
outputs: {out: {type: uri_folder}}
jobs:
  use:
    type: command
    inputs: {model: '${{parent.inputs.model}}'}
    outputs: {out: '${{parent.outputs.out}}'}
    environment: {image: x}
    command: cp ${{inputs.model}}/loss ${{outputs.out}}/
"""
JUDGE_COMPONENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: judge
inputs: {model: {type: mlflow_model}}
outputs: {metrics: {type: uri_folder}}
code: src
environment: {image: x}
command: python judge.py ${{inputs.model}} ${{outputs.metrics}}
"""
JUDGE = """\
import hashlib, json, pathlib, sys

model, metrics = map(pathlib.Path, sys.argv[1:])
files = sorted(path for path in model.rglob("*") if path.is_file())
lines = (f"{path.relative_to(model).as_posix()}\\0{hashlib.sha256(path.read_bytes()).hexdigest()}\\n" for path in files)
told = {"digest": hashlib.sha256("".join(lines).encode()).hexdigest(), "metrics": {"loss": float((model / "loss").read_text())}}
(metrics / "metrics.json").write_text(json.dumps({
    "schema_version": 2, "test": {"digest": "sha256:1", "rows": 9}, "models": {"a": told}}))
"""


class Shop:
    """A project with a pipeline that registers models, and dev and qa on the local Azure ML."""

    def __init__(self, root: Path, azure: ScriptedAzure) -> None:
        self.root = root
        files = {"mlops.yml": SETTINGS, "gates/shop.yml": GATE, "components/made/component.yml": COMPONENT, "pipelines/make.yml": PIPELINE}
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        self.outputs: Mapping[str, Any] = {}
        for stage in ("dev", "qa"):
            (root / f"{stage}.json").write_text(json.dumps({**azure.own_workspace(), "stage": stage}))

    def make(self, loss: str) -> str:
        """Register a model on this machine, with an evaluation; its version."""
        project = Project(self.root)
        job, name, catalogue = project.load("make", {"loss": loss})
        run = project.run(job, name, catalogue, request={})
        return str(run.outputs["model"].asset).rpartition(":")[2]

    def evaluate(self, *versions: str) -> None:
        """Measure versions on the same data."""
        models = {}
        for version in versions:
            shown = self.json("models", "show", f"shop:{version}")
            loss = float((Path(shown["path"]) / "loss").read_text())
            models[f"m{version}"] = {"digest": shown["content"] if "content" in shown else shown["digest"], "metrics": {"loss": loss}}
        (self.root / "evidence").mkdir(exist_ok=True)
        (self.root / "evidence/metrics.json").write_text(json.dumps({
            "schema_version": 2, "test": {"digest": "sha256:1", "rows": 9}, "models": models}))

    def __call__(self, *arguments: str, expect: int = 0) -> Result:
        done = CliRunner().invoke(cli, ["--project", str(self.root), *arguments])
        error = done.exception if isinstance(done.exception, MlopsError) else None
        assert (error.exit_code if error else done.exit_code) == expect, (done.output, done.exception)
        return done

    def json(self, *arguments: str, expect: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", expect=expect).stdout)


@pytest.fixture
def shop(tmp_path: Path, azure: ScriptedAzure, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.chdir(tmp_path)
    made = Shop(tmp_path, azure)
    for stage in ("dev", "qa"):
        monkeypatch.setenv(f"MLOPS_{stage.upper()}_OUTPUTS", str(tmp_path / f"{stage}.json"))
    yield made
    for parent, _, _ in os.walk(tmp_path):  # what is promoted is read-only
        os.chmod(parent, 0o755)


def test_a_model_goes_from_a_run_here_to_one_workspace_after_the_other_and_back(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_ACTOR", "ann")
    first, second = shop.make("0.5"), shop.make("0.4")
    shop.evaluate(first, second)
    to_dev = ("models", "promote", f"shop:{first}", "--from", "runs", "--to", "dev", "--evidence", "evidence")
    told = shop.json(*to_dev, expect=3)
    assert [check["name"] for check in told["decision"]["checks"] if not check["passed"]] == ["tag reviewed"]
    for version in (first, second):
        shop("models", "tag", f"shop:{version}", "reviewed=yes")
    done = shop(*to_dev)
    where = json.loads((shop.root / "dev.json").read_text())["workspace"]["name"]
    assert done.stderr.splitlines() == [f"dev is the workspace {where}, as MLOPS_DEV_OUTPUTS says",
                                        "shop:1 of runs is now the champion shop:1 of dev"]
    around = shop.json("models", "promote", f"shop:{second}", "--from", "runs", "--to", "qa", "--evidence", "evidence",
                       "--approved-by", "bob", expect=3)
    assert [check["name"] for check in around["decision"]["checks"] if not check["passed"]] == ["way"]
    onwards = ("models", "promote", "shop", "--from", "dev", "--to", "qa", "--evidence", "evidence")
    assert shop.json(*onwards, expect=3)["decision"]["checks"][-1]["name"] == "approval"
    assert shop.json(*onwards, "--approved-by", "bob")["champion"] == "1"
    shown = shop.json("models", "show", "shop@champion", "--in", "qa")
    assert (shown["champion"], shown["in"], shown["decision"]["passed"]) == ("1", "qa", True)
    assert shown["path"].startswith("azureml://subscriptions/")
    assert [step["to"] for step in shown["lineage"]["promotions"]] == ["dev", "qa"]
    assert shown["lineage"]["origin"]["step"] == "make"
    assert "approved by bob" in shop("models", "show", "shop", "--in", "qa").stdout

    told = shop.json("models", "promote", f"shop:{second}", "--from", "runs", "--to", "dev", "--evidence", "evidence")
    assert (told["champion"], told["replaced"]) == ("2", "shop:1")
    assert told["repointed"] == []
    lines = shop("models", "compare", "dev/shop", "qa/shop", f"shop:{second}", "--evidence", "evidence").stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["dev/shop:2", "0.4000"], ["qa/shop:1", "0.5000"], ["shop:2", "0.4000"]]
    assert "owner=eve" in shop("models", "tag", "shop", "owner=eve", "--in", "dev").stdout
    assert shop("models", "list", "--in", "dev").stdout.splitlines()[1].split()[:3] == ["shop", "2", "2"]
    assert shop.json("models", "rollback", "shop", "--in", "dev")["champion"] == "1"
    # A version of the workspace itself: its runs register there, and one of theirs may be the champion.
    told = shop.json("models", "promote", "shop:2", "--from", "dev", "--to", "dev", "--evidence", "evidence")
    assert (told["model"], told["champion"], told["replaced"]) == ("shop:2", "3", "shop:1")


def test_a_model_that_was_made_and_measured_on_a_stage_becomes_its_champion(shop: Shop, azure: ScriptedAzure) -> None:
    for name, text in {"pipelines/judged.yml": JUDGED, "components/judge/component.yml": JUDGE_COMPONENT,
                       "components/judge/src/judge.py": JUDGE}.items():
        (shop.root / name).parent.mkdir(parents=True, exist_ok=True)
        (shop.root / name).write_text(text)
    azure.run_for_real()
    project = Project(shop.root)
    job, name, catalogue = project.load("judged")
    run = project.run_on(project.stage("dev"), job, name, catalogue, request={})
    assert run.succeeded
    promoted = ("models", "promote", "shop:1", "--from", "dev", "--to", "dev")
    shop("models", "tag", "shop:1", "reviewed=yes", "--in", "dev")
    refused = [check["told"] for check in shop.json(*promoted, expect=3)["decision"]["checks"] if not check["passed"]]
    assert any("of a run on a stage: --evidence RUN" in told for told in refused)
    assert shop.json(*promoted, "--evidence", run.id)["champion"] == "2"
    lineage = shop.json("models", "show", "shop@champion", "--in", "dev")["lineage"]
    assert lineage["origin"]["run"] == run.id
    assert lineage["promotions"][0]["from"] == "dev/shop:1"
    assert shop.json("models", "compare", "dev/shop")[0]["metrics"] == {"loss": 0.5}, "it is known here from now on"
    # What is promoted is what a job reads that asks for the champion.
    (shop.root / "pipelines/use.yml").write_text(USE)
    job, name, catalogue = project.load("use")
    used = project.run_on(project.stage("dev"), job, name, catalogue, request={}, outputs=["out"])
    assert (used.outputs["out"].path / "loss").read_text() == "0.5\n"
    done = shop(*promoted, "--evidence", "gone", expect=2)
    assert "'gone' is neither a folder nor a past run" in str(done.exception)
    made = project.run(*project.load("make"), request={}).id
    done = shop(*promoted, "--evidence", made, expect=2)
    assert f"run {made} has no evaluation" in str(done.exception)
    # A version that somebody has tagged with another tool is told to be one that no gate has judged.
    assert "decision " not in shop("models", "show", "shop", "--in", "dev").stdout
    home = json.loads((shop.root / "dev.json").read_text())["workspace"]["id"]
    found = azure.world.resources.get(f"{home}/models/shop/versions/1")
    tags = {**found.properties["tags"], "deployment": "champion", "promotion": "9"}
    azure.world.resources.put(found.id, {"properties": {**found.properties, "tags": tags}})
    assert re.search("^decision +none: it was tagged by other means", shop("models", "show", "shop", "--in", "dev").stdout, re.MULTILINE)


def test_what_still_names_the_old_champion_is_told_with_the_command_that_mends_it(shop: Shop, azure: ScriptedAzure) -> None:
    first, second = shop.make("0.5"), shop.make("0.4")
    shop.evaluate(first, second)
    for version in (first, second):
        shop("models", "tag", f"shop:{version}", "reviewed=yes")
    to_dev = ("--from", "runs", "--to", "dev", "--evidence", "evidence")
    shop("models", "promote", f"shop:{first}", *to_dev)
    home = json.loads((shop.root / "dev.json").read_text())["workspace"]["id"]
    model = {"jobInputType": "mlflow_model", "uri": "azureml:shop:1"}
    for name in ("daily", "nightly"):
        azure.world.resources.put(f"{home}/schedules/{name}", {"properties": {
            "trigger": {}, "action": {"actionType": "CreateJob", "jobDefinition": {"inputs": {"model": model}}}}})
    azure.faults.add(Fault(method="PUT", pattern="*/schedules/nightly", status=403, code="AuthorizationFailed"))
    try:
        done = shop("models", "promote", f"shop:{second}", *to_dev, expect=4)
    finally:
        azure.faults.clear()
    lines = done.stderr.splitlines()
    assert lines[1:4] == ["shop:2 of runs is now the champion shop:2 of dev; before: shop:1", "updated: the schedule 'daily'",
                          "not updated: the schedule 'nightly'"]
    assert lines[4].startswith("  why: stage 'dev': could not update the schedule 'nightly'")
    assert lines[5].endswith("; then mlops models refresh shop --in dev")
    assert shop.json("models", "refresh", "shop", "--in", "dev")["repointed"] == [
        {"what": "the schedule 'nightly'", "done": True, "why": None}]
    assert shop("models", "refresh", "shop", "--in", "dev").stdout == "shop:2 is the champion of dev, and nothing was left to do\n"
    # The same promotion again, after one that was not finished, is done, and a tie when it was.
    found = azure.world.resources.get(f"{home}/models/shop/versions/2")
    tags = {**found.properties["tags"], "follow_up": "1"}
    azure.world.resources.put(found.id, {"properties": {**found.properties, "tags": tags}})
    azure.world.resources.put(f"{home}/schedules/late", {"properties": {
        "trigger": {}, "action": {"actionType": "CreateJob", "jobDefinition": {"inputs": {"model": model}}}}})
    done = shop("models", "promote", f"shop:{second}", *to_dev)
    assert done.stderr.splitlines()[1:] == ["shop:2 is the champion of dev already; what its promotion had left is done now",
                                            "updated: the schedule 'late'"]
    shop("models", "promote", f"shop:{second}", *to_dev, expect=3)


def test_where_a_stage_is_is_told_and_may_be_said(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    done = shop("models", "list", "--in", "dev", "--local")
    assert "dev is on this machine, in .mlops/stages/dev" in done.stderr
    monkeypatch.delenv("MLOPS_QA_OUTPUTS")
    assert "qa is on this machine" in shop("models", "list", "--in", "qa").stderr
    assert "as qa.json says" in shop("models", "list", "--in", "qa", "--outputs", "qa.json").stderr
    done = shop("models", "promote", "shop", "--from", "dev", "--to", "qa", expect=2)
    assert isinstance(done.exception, MlopsError)
    assert done.exception.what.startswith("dev is in the workspace mlw-")
    assert done.exception.what.endswith("and qa on this machine")
    done = shop("models", "rollback", "shop", "--in", "qa", "--azure", expect=4)
    assert "nothing says where the workspace of 'qa' is" in str(done.exception)
    monkeypatch.setenv("MLOPS_QA_OUTPUTS", "gone.json")
    done = shop("models", "list", "--in", "qa", expect=4)
    assert "--local means the qa on this machine" in str(done.exception)
