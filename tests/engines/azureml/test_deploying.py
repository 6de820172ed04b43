"""A pipeline behind a batch endpoint of a stage: deployed, invoked, changed, switched back; jobs really run there."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.endpoints import Endpoint
from mlops_lib.engines import Event, StepPrinted
from mlops_lib.engines.azureml.batch import BatchEndpoint
from mlops_lib.engines.azureml.frozen import repoint
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import InputError, StageError
from mlops_lib.infra import Stage
from mlops_lib.project import Project
from mlops_lib.stores.models import ModelVersion
from mlops_lib.stores.records import Status

from .conftest import Mlops
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
def real(tmp_path: Path, project: Project, azure: ScriptedAzure) -> Project:
    """A pipeline of two steps, with a rate and data that the first of them takes."""
    azure.run_for_real()
    for name in ("prep", "train"):
        (tmp_path / "components" / name / "src" / "main.py").write_text(SCRIPT)
    path = tmp_path / "pipelines" / "p.yml"
    text = path.read_text().replace("inputs:\n  raw:", "inputs:\n  rate: 0.25\n  raw:", 1)
    text = text.replace("jobs:\n", "outputs:\n  table: {type: uri_folder}\njobs:\n", 1)
    text = text.replace("{source: '${{parent.inputs.raw}}'}", "{source: '${{parent.inputs.raw}}', rate: '${{parent.inputs.rate}}'}")
    path.write_text(text + "    outputs: {made: '${{parent.outputs.table}}'}\n")
    return project


def quiet(text: str) -> None:
    """Say nothing."""


def deploy(project: Project, **more: Any) -> Endpoint:
    return project.deploy("p", on="dev", say=quiet, **more)


def edit(project: Project, text: str) -> None:
    (project.root / "components" / "train" / "src" / "main.py").write_text(SCRIPT + text)


def describe(project: Project, text: str) -> None:
    """A change that is in the component's file alone."""
    file = project.root / "components" / "train" / "component.yml"
    file.write_text(file.read_text() + f"description: {text}\n")


def test_a_pipeline_is_deployed_invoked_and_followed(real: Project, stage: Stage) -> None:
    endpoint = deploy(real)
    assert endpoint.outcome is not None
    assert (endpoint.name, endpoint.outcome.changed, endpoint.outcome.previous) == (stage.endpoints["batch"], True, None)
    events: list[Event] = []
    run = endpoint.invoke(raw=str(real.root / "data"), rate=0.125, outputs=["table"], listener=events.append)
    assert run.status is Status.COMPLETED, run.errors
    assert (run.outputs["table"].path / "rows.csv").read_text() == "a\n1\n0.125\n0.5\n"
    printed = [(event.step, line) for event in events if isinstance(event, StepPrinted) for line in event.lines]
    assert {("prep", "wrote 1 rows at 0.125"), ("train", "wrote 1 rows at 0.5")} <= set(printed)
    store = real.store()
    record = store.records.run(run.id)
    store.close()
    assert (record.pipeline, record.stage, record.status) == ("p", "dev", Status.COMPLETED)


def test_a_boolean_reaches_a_step_as_in_a_job_that_is_submitted(real: Project) -> None:
    for path, number in (("components/prep/component.yml", "rate: {type: number, default: 0.5}"), ("pipelines/p.yml", "rate: 0.25")):
        file = real.root / path
        text = file.read_text()
        assert number in text
        file.write_text(text.replace(number, "rate: {type: boolean, default: false}" if "{" in number else "rate: false"))
    run = deploy(real).invoke(raw=str(real.root / "data"), rate="true", outputs=["table"], listener=lambda event: None)
    assert (run.outputs["table"].path / "rows.csv").read_text() == "a\n1\nTrue\n0.5\n"


def test_what_is_unchanged_is_left_alone_and_a_change_takes_over_when_it_is_whole(real: Project, stage: Stage, azure: ScriptedAzure) -> None:
    first = deploy(real).outcome
    azure.calls.clear()
    again = deploy(real).outcome
    assert first is not None
    assert again is not None
    assert (again.changed, again.deployment) == (False, first.deployment)
    assert azure.told("PUT") == []
    edit(real, "# two\n")
    second = deploy(real).outcome
    assert second is not None
    assert (second.changed, second.previous, second.removed) == (True, first.deployment, ())
    describe(real, "three")
    third = deploy(real).outcome
    assert third is not None
    assert (third.previous, third.removed) == (second.deployment, (first.deployment,))
    endpoint = real.endpoint("p", on="dev")
    assert {told.name for told in endpoint.state().deployments} == {second.deployment, third.deployment}
    back = endpoint.rollback(say=quiet)
    assert (back.deployment, back.previous) == (second.deployment, third.deployment)
    assert endpoint.rollback(say=quiet).deployment == third.deployment
    file = real.root / "components" / "train" / "component.yml"
    file.write_text(file.read_text().replace("description: three\n", ""))
    known = deploy(real).outcome  # what was deployed before is there already
    assert known is not None
    assert (known.deployment, known.previous, known.removed) == (second.deployment, third.deployment, ())


def test_a_deployment_that_fails_changes_nothing_and_goes_on_when_it_is_run_again(real: Project, stage: Stage, azure: ScriptedAzure) -> None:
    first = deploy(real).outcome
    edit(real, "# two\n")
    azure.faults.add("PUT */deployments/* status=400 message='no room'")
    with pytest.raises(InputError, match="could not make the deployment 'p-"):
        deploy(real)
    azure.faults.clear()
    azure.faults.add("PUT */batchEndpoints/*-batch status=400 message='not now' times=1")
    with pytest.raises(InputError, match="the default of"):
        deploy(real)
    azure.faults.clear()
    assert first is not None
    assert real.endpoint("p", on="dev").state().default == first.deployment
    azure.calls.clear()
    second = deploy(real).outcome
    assert second is not None
    assert (second.previous, second.changed) == (first.deployment, True)
    assert [call.split()[1].rpartition("/")[2] for call in azure.told("PUT")] == ["{endpoint}"]  # the rest was there


def test_of_two_deployments_at_once_one_goes_on_and_the_other_is_told(real: Project, stage: Stage) -> None:
    deploy(real)
    edit(real, "# two\n")
    told: list[str] = []

    def another(line: str) -> None:
        if line.startswith("making the deployment"):
            edit(real, "# three\n")
            for act in (lambda: deploy(real), lambda: real.endpoint("p", on="dev").rollback(say=quiet)):
                with pytest.raises(StageError, match=f"another deployment to '{stage.endpoints['batch']}' is at work") as caught:
                    act()
                told.append(caught.value.fix)
            edit(real, "# two\n")

    second = real.deploy("p", on="dev", say=another).outcome
    assert second is not None
    assert (len(told), "in the way for a minute" in told[0]) == (2, True)
    assert real.endpoint("p", on="dev").state().default == second.deployment
    edit(real, "# three\n")
    third = deploy(real).outcome
    assert third is not None
    assert third.previous == second.deployment, "it is free again"


def test_what_another_one_is_making_is_not_deleted_as_left(real: Project, stage: Stage) -> None:
    first = deploy(real).outcome
    edit(real, "# two\n")

    def same_as_first(line: str) -> None:
        if line.startswith("making the deployment"):
            with Workspace(stage) as workspace:  # made already, and not the default yet
                name = line.rpartition(" ")[2]
                body = dict(BatchEndpoint(workspace, stage.endpoints["batch"]).deployments()[0])
                BatchEndpoint(workspace, stage.endpoints["batch"]).put(name, {key: body[key] for key in ("location", "tags", "properties")})
            edit(real, "")
            with pytest.raises(StageError, match="is at work"):
                deploy(real)
            edit(real, "# two\n")

    second = real.deploy("p", on="dev", say=same_as_first).outcome
    assert first is not None
    assert second is not None
    assert second.previous == first.deployment


def test_what_an_invocation_lacks_or_has_too_much_is_told(real: Project, stage: Stage) -> None:
    endpoint = deploy(real)
    for values, words in (({}, r"the input 'raw' \(uri_folder\) has no value"), ({"rwa": "x"}, "has no input 'rwa'"),
                          ({"raw": "nowhere"}, "does not exist"), ({"raw": ".", "rate": "fast"}, "is not a number")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            endpoint.invoke(values)
    with pytest.raises(InputError, match="no output 'tabel'"):
        endpoint.invoke(raw=".", outputs=["tabel"])
    with pytest.raises(InputError, match="has no deployment 'p-none'"):
        endpoint.invoke(raw=".", deployment="p-none")
    with pytest.raises(InputError, match="has no batch endpoint 'q'"):
        real.endpoint("q", on="dev").invoke()
    with pytest.raises(InputError, match="nothing to go back to"):
        endpoint.rollback()
    assert endpoint.outcome is not None
    with pytest.raises(InputError, match="is what 'flights-"):
        endpoint.delete(endpoint.outcome.deployment)


def test_an_invocation_whose_answer_is_lost_is_one_job(real: Project, stage: Stage, azure: ScriptedAzure) -> None:
    endpoint = deploy(real)
    azure.faults.add("POST *.inference.ml.azure.com/jobs lost times=1")
    run = endpoint.invoke(raw=str(real.root / "data"), key="night 1", follow=False, listener=lambda event: None)
    azure.faults.clear()
    assert endpoint.invoke(raw=str(real.root / "data"), key="night 1", listener=lambda event: None).id == run.id
    jobs = [resource.name for resource in azure.world.resources.all_in(f"{azure.setup.workspace_id(stage.workspace['name'])}/jobs")]
    assert jobs == [run.id]


def test_a_key_is_of_what_the_data_of_an_invocation_is(real: Project, stage: Stage) -> None:
    endpoint, data = deploy(real), real.root / "data"

    def invoke() -> str:
        return endpoint.invoke(raw=str(data), key="night 1", follow=False, listener=lambda event: None).id

    first = invoke()
    assert invoke() == first
    (data / "rows.csv").write_text("of today\n")
    assert invoke() != first


def test_a_pipeline_in_the_pipeline_with_other_data_is_another_deployment(real: Project, stage: Stage) -> None:
    inner = {"type": "command", "component": "../prep/component.yml", "inputs": {"source": {"type": "uri_folder", "path": "../../data"}}}
    (real.root / "components" / "both").mkdir()
    (real.root / "components" / "both" / "component.yml").write_text(json.dumps({"type": "pipeline", "name": "both", "version": "1", "jobs": {"inner": inner}}))
    outer = {"type": "pipeline", "component": "../components/both/component.yml"}
    (real.root / "pipelines" / "p.yml").write_text(json.dumps({
        "type": "pipeline", "settings": {"default_compute": "azureml:cpu"}, "jobs": {"outer": outer}}))
    first = deploy(real).outcome
    (real.root / "data" / "rows.csv").write_text("of today\n")
    second = deploy(real).outcome
    assert first is not None
    assert second is not None
    assert (second.previous, second.changed) == (first.deployment, True)


def test_a_model_of_the_workspace_is_taken_when_none_is_given_and_a_promotion_changes_it(real: Project, stage: Stage, azure: ScriptedAzure) -> None:
    workspace, account = azure.setup.workspace_id(stage.workspace["name"]), azure.world.account
    account.write(f"{stage.workspace['name']}-raw", "models/rows.csv", b"models\n")
    uri = f"azureml:/{workspace.replace('/providers/Microsoft.MachineLearningServices', '')}/datastores/raw/paths/models"
    azure.world.resources.put(f"{workspace}/models/kept", {"properties": {}})
    azure.world.resources.put(f"{workspace}/models/kept/versions/3", {"properties": {"modelUri": uri, "modelType": "custom_model"}})
    for file in (*(real.root / "components").glob("*/component.yml"), real.root / "pipelines" / "p.yml"):
        text = file.read_text().replace("raw: {type: uri_folder, path: ../data}", "raw: {type: custom_model, path: azureml:kept@latest}")
        file.write_text(text.replace("source: {type: uri_folder}", "source: {type: custom_model}") if "prep" in text else text)
    endpoint = deploy(real)
    assert endpoint.interface().defaults == {"raw": "azureml:kept:3"}
    run = endpoint.invoke(outputs=["table"], listener=lambda event: None)
    assert (run.outputs["table"].path / "rows.csv").read_text() == "models\n0.25\n0.5\n", run.errors
    with pytest.raises(StageError, match="has no model kept:9"):
        endpoint.invoke(raw="azureml:kept:9")
    with Workspace(stage) as opened:
        new = ModelVersion(name="kept", version="4", type="custom_model", digest="", created=0)
        told = list(repoint(opened, ["3"], new))
    assert [(one.what.split()[1], one.problem) for one in told] == [("batch", None)]
    assert endpoint.interface().defaults == {"raw": "azureml:kept:4"}


def test_an_endpoint_runs_one_pipeline_and_the_settings_name_those_of_others(real: Project, stage: Stage, azure: ScriptedAzure) -> None:
    deploy(real)
    text = (real.root / "pipelines" / "p.yml").read_text()
    (real.root / "pipelines" / "q.yml").write_text(text)
    with pytest.raises(InputError, match="runs the pipeline 'p'") as caught:
        real.deploy("q", on="dev", say=quiet)
    assert "stages: {dev: {endpoints: {q: NAME}}}" in caught.value.fix
    other = f"{stage.endpoints['batch'][:20]}-q"
    (real.root / "mlops.yml").write_text(json.dumps({"stages": {"dev": {"endpoints": {"q": other}}}}))
    project = Project(real.root)
    assert project.deploy("q", on="dev", say=quiet).name == other
    assert {found.name: found.pipeline for found in project.endpoints(on="dev")} == {stage.endpoints["batch"]: "p", other: "q"}
    project.endpoint("q", on="dev").delete()
    assert [found.name for found in project.endpoints(on="dev")] == [stage.endpoints["batch"]]


def test_what_a_stage_lacks_or_does_not_take_is_told_before_anything_is_made(real: Project, stage: Stage, azure: ScriptedAzure) -> None:
    (real.root / "mlops.yml").write_text("stages: {dev: {pipelines: [score]}}\n")
    with pytest.raises(InputError, match="does not run on stage 'dev'"):
        Project(real.root).deploy("p", on="dev")
    (real.root / "mlops.yml").unlink()
    path = real.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("azureml:cpu", "azureml:gpu"))
    with pytest.raises(StageError, match="lacks something"):
        deploy(real)
    assert azure.told("PUT") == []
    assert real.endpoints(on="dev") == []


def test_the_commands_deploy_show_invoke_switch_back_and_delete(real: Project, stage: Stage, mlops: Mlops) -> None:
    name = stage.endpoints["batch"]
    assert "--auth is not for a pipeline" in mlops("deploy", "p", "--on", "dev", "--auth", "key").err
    for options in ([], ["--rollback"]):
        done = mlops("deploy", "pp", "--on", "dev", *options)
        assert done.code == 2
        assert done.err.endswith("no pipeline 'pp', and dev no model of that name\n  fix: did you mean 'p'?\n")
    assert mlops("deploy", "pp", "--on", "dev", "--set", "rate=1").err.endswith("fix: did you mean 'p'?\n")
    assert "--set is not for a model" in mlops("deploy", "p:1", "--on", "dev", "--set", "rate=1").err
    ahead = mlops("deploy", "p", "--on", "dev", "--dry-run").out.splitlines()
    assert [line.split()[0] for line in ahead] == ["make", "register", "make", "make"]
    assert mlops("endpoints", "list", "--on", "dev").err.startswith("stage 'dev' has no batch endpoint")
    first = json.loads(mlops("deploy", "p", "--on", "dev", "--json").out)
    assert (first["endpoint"], first["changed"]) == (name, True)
    assert mlops("deploy", "p", "--on", "dev").out == f"{name} runs p as {first['deployment']} already\n"
    edit(real, "# two\n")
    done = mlops("deploy", "pipelines/p.yml", "--on", "dev", "--set", "rate=0.75")
    assert done.code == 0, done.err
    second = done.out.split()[4].rstrip(";")
    assert done.out == f"{name} runs p as {second}; before it: {first['deployment']}\n"
    assert f"{name} runs {second}, and no longer {first['deployment']}" in done.err.splitlines()
    shown = mlops("endpoints", "show", "p", "--on", "dev").out.splitlines()
    assert shown[-3:] == ["input rate: number = 0.75", "input raw: uri_folder", "output table: uri_folder"]
    listed = json.loads(mlops("endpoints", "list", "--on", "dev", "--json").out)
    assert [(one["name"], one["pipeline"], one["default"], one["previous"]) for one in listed] == [(name, "p", second, first["deployment"])]
    done = mlops("endpoints", "invoke", "p", "--on", "dev", "--set", "raw=data", "--output", "table=out/table")
    assert done.code == 0, done.err
    assert (real.root / "out" / "table" / "rows.csv").read_text() == "a\n1\n0.75\n0.5\n"
    assert {"prep: started", "prep | wrote 1 rows at 0.75"} <= set(done.err.splitlines())
    again = mlops("runs", "resume")
    assert (again.code, "mlops endpoints invoke p --on dev" in again.err) == (2, True)
    back = json.loads(mlops("deploy", "p", "--on", "dev", "--rollback", "--json").out)
    assert (back["deployment"], back["previous"]) == (first["deployment"], second)
    assert mlops("endpoints", "delete", "p", "--on", "dev", "--deployment", first["deployment"]).code == 2
    assert mlops("endpoints", "delete", "p", "--on", "dev").out == "deleted p\n"
    assert mlops("endpoints", "show", "p", "--on", "dev").code == 2
