"""A run on a stage whose data is elsewhere, what it leaves there, and its steps brought here and run once more."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.emulator.wire import Request, Response
from mlops_lib.engines.azureml import preflight
from mlops_lib.engines.azureml.bringing import _asset_in
from mlops_lib.engines.azureml.downloading import download
from mlops_lib.engines.azureml.history import History
from mlops_lib.engines.azureml.inspecting import inspect
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import StageError
from mlops_lib.infra import Stage, missing, read
from mlops_lib.infra import Used as NameUsed
from mlops_lib.project import Project
from mlops_lib.stores.records import Status

from .conftest import Mlops, write_project
from .stage import Play, ScriptedAzure, Step

PARTNER: dict[str, Any] = {
    "type": "blob", "account": "stpartner", "container": "landing", "access": "read",
    "subscription_id": "44444444-4444-4444-8444-444444444444", "resource_group": "rg-partner",
}  # fmt: skip
COPY = """\
import pathlib, sys

source, rate, made = map(pathlib.Path, sys.argv[1:])
made.mkdir(parents=True, exist_ok=True)
(made / "rows.csv").write_text("".join(path.read_text() for path in sorted(source.rglob("*.csv"))) + f"{rate}\\n")
print("read", sorted(path.name for path in source.rglob("*.csv")))
"""


@pytest.fixture
def partner(stage: Stage, azure: ScriptedAzure, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The stage with a second datastore: of another account, in another group of another subscription."""
    from mlops_lib.emulator.datastores import blob_datastore
    from mlops_lib.emulator.surroundings import make_surroundings

    outputs = json.loads(json.dumps(stage.outputs))
    outputs["datastores"]["partner"] = PARTNER
    found = read(outputs, "the test")
    azure.run_for_real()
    make_surroundings(azure.world, outputs)
    azure.world.resources.put(f"{stage.workspace['id']}/datastores/partner", blob_datastore(
        azure.world, "landing", default=False, told=found.datastores["partner"]))
    account = azure.world.others["stpartner"]
    account.create("landing")
    account.write("landing", "rows/first.csv", b"first\n")
    account.write("landing", "rows/second.csv", b"second\n")
    monkeypatch.setenv("MLOPS_DEV_OUTPUTS", json.dumps(outputs))
    return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A pipeline that reads the partner's data and some of this machine's, and registers what it makes."""
    write_project(tmp_path, ["prep", "train"])
    for name in ("prep", "train"):
        (tmp_path / "components" / name / "src" / "main.py").write_text(COPY)
    path = tmp_path / "pipelines" / "p.yml"
    text = path.read_text().replace("path: ../data", "path: azureml://datastores/partner/paths/rows/")
    path.write_text(text.replace("jobs:\n", "outputs:\n  table: {type: uri_folder, name: flights-table}\njobs:\n")
                    + "    outputs: {made: '${{parent.outputs.table}}'}\n  here:\n    type: command\n"
                      "    component: ../components/prep/component.yml\n    inputs: {source: {type: uri_folder, path: ../data}}\n"
                      "  asset:\n    type: command\n    component: ../components/train/component.yml\n"
                      "    inputs: {source: {type: uri_folder, path: 'azureml:rows@latest'}}\n")
    (tmp_path / "rows.yml").write_text("name: rows\ntype: uri_folder\npath: ./data\n"
                                       "$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n")
    return Project(tmp_path)


def test_data_of_another_subscription_is_read_what_is_made_is_registered_and_a_step_runs_here_again(
    project: Project, partner: Stage, azure: ScriptedAzure, mlops: Mlops
) -> None:
    assert missing([NameUsed("datastore", "partner", project.component("prep").component.place)], partner) == []
    with Workspace(partner) as workspace:
        report = inspect(workspace)
    assert (report.lacks, report.unread) == ((), ())
    assert "AzureBlob stpartner/landing" in [fact.about for fact in report.facts]

    assert mlops("data", "register", "rows.yml", "--on", "dev").code == 0
    done = mlops("run", "p", "--on", "dev", "--json")
    assert done.code == 0, done.out + done.err
    run = json.loads(done.out)["run"]
    landed = json.loads(done.out)["landed"]["table"]
    assert landed.startswith("azureml://datastores/workspaceblobstore/paths/")
    assert f"output table: {landed}\n" in mlops("runs", "show", run, "--offline").out

    # what a pipeline makes is in the default datastore, and is a data asset with a version
    asset = azure.world.resources.get(f"{partner.workspace['id']}/data/flights-table/versions/1").properties
    default = next(store for store in azure.world.resources.all_in(f"{partner.workspace['id']}/datastores")
                   if store.properties["isDefault"])
    before, _, path = asset["dataUri"].partition("/paths/")
    assert before.endswith(f"/datastores/{default.name}")
    assert landed == f"azureml://datastores/{default.name}/paths/{path}"
    [blob] = azure.world.account.list(default.properties["containerName"], path)
    assert azure.world.account.read(default.properties["containerName"], blob.path) == b"first\nsecond\n0.5\n0.5\n"

    # when the run history does not name it, as it may, it is looked for where Azure ML puts what has no path of its own
    def silent(request: Request) -> Response | None:
        return Response(body={"runMetadata": {}}) if request.path.endswith("/rundata") else None

    azure.twists.append(silent)
    with Workspace(partner) as workspace:
        places = History(workspace).outputs(run, ["table", "absent"])
    azure.twists.remove(silent)
    assert list(places) == ["table"]
    assert places["table"].endswith(f"/datastores/{default.name}/paths/{path.rstrip('/')}")

    # a step with what another one made there
    again = mlops("step", run, "train", "--json")
    assert again.code == 0, again.out + again.err
    made = Path(json.loads(again.out)["outputs"]["made"]["path"])
    assert (made / "rows.csv").read_text() == "first\nsecond\n0.5\n0.5\n"
    azure.calls.clear()
    job, name, _ = project.load("p")
    store = project.store()
    assert project.bring_inputs(store.records.run(run), "train", job, project.graph(job, name), store) == {}
    store.close()
    assert not [call for call in azure.requests() if call.path.endswith("/rundata")], "what is here is not brought again"

    # with data of a datastore and of a data asset, which are not on this machine; and with data of it, as it was then
    again = mlops("step", run, "prep")
    assert "prep | read ['first.csv', 'second.csv']" in again.err, again.err
    (project.root / "data" / "rows.csv").write_text("other\n")
    again = mlops("step", run, "here", "--json")
    made = Path(json.loads(again.out)["outputs"]["made"]["path"])
    assert (made / "rows.csv").read_text() == "a\n1\n0.5\n"

    again = mlops("step", run, "asset", "--json")
    assert (Path(json.loads(again.out)["outputs"]["made"]["path"]) / "rows.csv").read_text() == "a\n1\n0.5\n"

    missing_step = mlops("step", run, "tarin")
    assert (missing_step.code, "did you mean 'train'?" in missing_step.err) == (2, True)
    account = azure.world.others["stpartner"]
    for name in ("rows/first.csv", "rows/second.csv"):
        account._send("DELETE", f"/landing/{name}?{account.signed('landing', permissions='d')}", known=(202,))
    gone = mlops("step", run, "prep")
    assert (gone.code, "nothing is left of azureml://datastores/partner/paths/rows/" in gone.err) == (4, True), gone.err


@pytest.mark.parametrize(("path", "lacks"), [
    ("rows/", False), ("rows", False), ("rows/first.csv", False), ("", False), ("rows/*.csv", False),
    ("row", True), ("rows/first", True), ("rows/first.csv/", True), ("rows/third.csv", True),
])  # fmt: skip
def test_data_that_is_not_there_is_told_before_anything_is_sent_unless_nobody_may_look(
    project: Project, partner: Stage, azure: ScriptedAzure, path: str, lacks: bool
) -> None:
    file = project.root / "pipelines" / "p.yml"
    file.write_text(file.read_text().replace("paths/rows/", f"paths/{path}").replace("azureml:rows@latest", "../data"))

    def check(**options: Any) -> str:
        job, name, catalogue = project.load("p")
        with Workspace(partner) as workspace:
            try:
                preflight.check(workspace, job, project.graph(job, name), catalogue, **options)
            except StageError as error:
                return error.why
        return ""

    told = f"nothing at 'azureml://datastores/partner/paths/{path}' (pipelines/p.yml:6:"
    assert check(now=True).startswith(told) if lacks else check(now=True) == ""
    if path == "row":
        assert check() == "", "a schedule's data may come later"
        azure.faults.add("* stpartner.blob.core.windows.net/* status=403 code=AuthorizationPermissionMismatch")
        assert check(now=True) == "", "the job may see what we may not"


def test_a_step_whose_inputs_were_never_made_cannot_run_here(project: Project, partner: Stage, mlops: Mlops) -> None:
    path = project.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("azureml:rows@latest", "../data"))
    (project.root / "components" / "prep" / "src" / "main.py").write_text("raise SystemExit('no')\n")
    failed = mlops("run", "p", "--on", "dev", "--json")
    assert failed.code == 1
    done = mlops("step", json.loads(failed.out)["run"], "train")
    assert done.code == 2
    assert "was never" in done.err


# --- metrics -----------------------------------------------------------------------------------------------------------


def logged(metrics: dict[str, Any]) -> Any:
    from mlops_lib.emulator.wire import Request, Response

    def answer(request: Request) -> Response | None:
        if not request.path.endswith("/api/2.0/mlflow/runs/get"):
            return None
        assert request.host.endswith(".api.azureml.ms")
        assert "/mlflow/v1.0/subscriptions/" in request.path
        told = metrics.get(request.query["run_id"])
        if told is None:
            return Response(status=404, body={"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such run"})
        return Response(body={"run": {"data": {
            "metrics": [{"key": key, "value": value, "timestamp": 1, "step": 0} for key, value in told.items()],
            "params": [{"key": "trees", "value": "20"}]}}})

    return answer


@pytest.fixture
def plain(tmp_path: Path) -> Project:
    write_project(tmp_path, ["prep", "train"])
    return Project(tmp_path)


def test_what_the_steps_of_a_run_have_logged_is_in_the_run_and_in_its_records(plain: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Completed"], reused=True), "train": Step(["Running", "Completed"])}))
    azure.twists.append(logged({"prep": {"rows": 3}, "train": {"auc": 0.75, "loss": "NaN"}}))
    job, name, catalogue = plain.load("p")
    run = plain.run_on(stage, job, name, catalogue, request={})
    assert run.metrics["prep"] == {"rows": 3.0}
    assert run.metrics["train"]["auc"] == 0.75
    assert run.metrics["train"]["loss"] != run.metrics["train"]["loss"]
    store = plain.store()
    steps = {step.name: step for step in store.records.steps(run.id)}
    store.close()
    assert (steps["train"].metrics["auc"], steps["train"].params) == (0.75, {"trees": "20"})


def test_metrics_that_cannot_be_read_fail_nothing_and_are_said(plain: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Completed"]), "train": Step(["Completed"])}))
    azure.twists.append(logged({"prep": {"rows": 3}}))
    job, name, catalogue = plain.load("p")
    run = plain.run_on(stage, job, name, catalogue, request={})
    assert run.status is Status.COMPLETED
    assert dict(run.metrics) == {"prep": {"rows": 3.0}}
    [notice] = [notice for notice in run.notices if "metrics" in notice]
    assert notice.startswith("the metrics of 'train' are not known: ")


def test_a_run_that_is_looked_at_later_has_its_metrics(plain: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Completed"]), "train": Step(["Completed"])}))
    azure.twists.append(logged({"prep": {}, "train": {"auc": 0.5}}))
    job, name, catalogue = plain.load("p")
    run = plain.run_on(stage, job, name, catalogue, request={}, follow=False)
    assert dict(run.metrics) == {}
    store = plain.store()
    record = store.records.run(run.id)
    assert plain.refresh([record], into={}) == []
    assert plain.refresh([record], into={}) == []
    assert {step.name: dict(step.metrics) for step in store.records.steps(run.id)} == {"prep": {}, "train": {"auc": 0.5}}
    store.close()


def test_a_workspace_without_mlflow_has_no_metrics(plain: Project, stage: Stage, azure: ScriptedAzure) -> None:
    from mlops_lib.engines.azureml.measures import Measures

    with Workspace(stage) as workspace:
        workspace._about = {**workspace.about, "mlFlowTrackingUri": ""}
        assert Measures(workspace).of("x") == ({}, {})


def test_a_run_that_its_stage_has_no_more_brings_nothing(plain: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Completed"]), "train": Step(["Completed"])}))
    job, name, catalogue = plain.load("p")
    run = plain.run_on(stage, job, name, catalogue, request={}, follow=False)
    azure.jobs.clear()
    store = plain.store()
    record = store.records.run(run.id)
    with pytest.raises(StageError, match="has no job"):
        plain.bring_inputs(record, "prep", job, plain.graph(job, name), store)
    with pytest.raises(ValueError, match="was on this machine"):
        plain.bring_inputs(replace(record, stage=None), "prep", job, plain.graph(job, name), store)
    store.close()


def test_all_of_a_datastore_is_brought_when_its_root_is_named(stage: Stage, azure: ScriptedAzure, tmp_path: Path) -> None:
    for name in ("a.csv", "deep/b.csv"):
        azure.world.account.write(f"{stage.workspace['name']}-raw", name, name.encode())
    with Workspace(stage) as workspace:
        for number, ending in enumerate(("paths/", "paths")):
            there = download(workspace, f"azureml://datastores/raw/{ending}", tmp_path / str(number), "uri_folder", whose="r")
            assert {file.relative_to(there).as_posix(): file.read_text() for file in there.rglob("*.csv")} == {
                "a.csv": "a.csv", "deep/b.csv": "deep/b.csv"}  # fmt: skip


@pytest.mark.parametrize("name", ["../leads", "a/../../leads", "../new-else/leads"])
def test_a_file_whose_name_leads_out_of_where_it_is_brought_goes_nowhere(stage: Stage, azure: ScriptedAzure, tmp_path: Path, name: str) -> None:
    azure.world.account.write(f"{stage.workspace['name']}-raw", f"rows/{name}", b"led astray")
    with Workspace(stage) as workspace, pytest.raises(StageError, match="has a file"):
        download(workspace, "azureml://datastores/raw/paths/rows", tmp_path / "new", "uri_folder", whose="r")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize(("address", "asset"), [
    ("azureml:rows:1", ("", "rows", "1")),
    ("azureml:/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/data/rows/versions/2",
     ("data", "rows", "2")),
    ("azureml://locations/westeurope/workspaces/w/models/best/versions/3", ("models", "best", "3")),
    ("azureml://subscriptions/s/resourcegroups/g/workspaces/w/components/c/versions/1", ("", "", "")),
    ("azureml://datastores/raw/paths/rows", ("", "", "")),
    ("https://example.com/rows.csv", ("", "", "")),
])  # fmt: skip
def test_the_asset_that_an_address_means_is_read_in_every_form(address: str, asset: tuple[str, str, str]) -> None:
    assert _asset_in(address) == asset
