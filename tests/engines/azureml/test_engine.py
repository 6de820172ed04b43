"""Submitting to and following on a stage, over HTTPS, with the SDK as it is."""

import dataclasses
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.emulator import Fault
from mlops_lib.emulator.wire import Request, Response
from mlops_lib.engines import Event, Noticed, Preparing, Run, RunStarted, StepFinished, StepPrinted, StepStarted
from mlops_lib.engines.azureml import preflight
from mlops_lib.engines.azureml.following import Pace
from mlops_lib.engines.azureml.transport import Patience
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import Canceled, InputError, MlopsError, StageError
from mlops_lib.infra import Stage
from mlops_lib.project import Project
from mlops_lib.stores.records import Status

from .conftest import black_hole, write_project
from .stage import Play, ScriptedAzure, Step


def submit(project: Project, stage: Stage, *, follow: bool = False, **wishes: Any) -> Run:
    job, name, catalogue = project.load("p")
    return project.run_on(stage, job, name, catalogue, request={"pipeline": "p"}, follow=follow, **wishes)


# --- what is submitted -----------------------------------------------------------------------------------------------


def test_the_job_is_the_one_that_the_sdk_makes_of_the_exported_file(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    submit(project, stage)
    [ours] = azure.jobs.values()
    from azure.ai.ml import load_job

    from mlops_lib.engines.azureml import sdk
    from mlops_lib.engines.azureml.workspace import Workspace

    text = project.export("p")
    azure.jobs.clear()
    with Workspace(stage) as workspace, sdk.quiet():
        workspace.client.jobs.create_or_update(load_job(StringIO(text), relative_origin=str(project.root / "pipelines" / "x.yml")))
    [theirs] = azure.jobs.values()
    for job in (ours, theirs):
        assert job["properties"].pop("displayName") == job["name"], "a file that gives none shows the name"
    assert ours["properties"] == theirs["properties"]
    node = ours["properties"]["jobs"]["train"]
    assert node["componentId"].startswith(stage.workspace["id"])
    assert ours["properties"]["settings"]["default_compute"].endswith("/computes/cpu")


def test_nothing_is_registered_twice(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    submit(project, stage)
    first = azure.told()
    assert sum("PUT {WS}/components" in call for call in first) == 2
    assert sum("PUT {WS}/environments" in call for call in first) == 1
    assert sum("PUT {WS}/codes" in call for call in first) == 2
    azure.calls.clear()
    submit(project, stage)
    # older versions of the SDK ask for a datastore's keys first, also when it has none
    assert not [call for call in azure.told() if call.startswith(("PUT {WS}/c", "PUT {WS}/e", "POST", "GET {WS}/codes"))
                and "/listSecrets" not in call]
    assert len(set(azure.puts)) == 2, "another run of the same pipeline"


def test_only_what_changed_is_registered(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    submit(project, stage)
    (project.root / "components/train/src/main.py").write_text("print('new')\n")
    azure.calls.clear()
    submit(project, stage)
    told = azure.told()
    assert sum("PUT {WS}/components" in call for call in told) == 1
    assert sum("PUT {WS}/codes" in call for call in told) == 1
    assert not [call for call in told if "environments" in call]


def test_fifty_components_that_are_known_cost_at_most_ten_calls(tmp_path: Path, stage: Stage, azure: ScriptedAzure) -> None:
    write_project(tmp_path, [f"step_{number}" for number in range(50)])
    project = Project(tmp_path)
    submit(project, stage)
    azure.calls.clear()
    azure.puts.clear()
    submit(project, stage)
    assert len(azure.told()) <= 10, azure.told()
    [job] = [job for name, job in azure.jobs.items() if name in azure.puts]
    assert len(job["properties"]["jobs"]) == 50


def test_a_key_makes_it_the_same_run(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    first, again = submit(project, stage, key="nightly-7"), submit(project, stage, key="nightly-7")
    assert first.id == again.id
    assert azure.puts == [first.id]
    assert submit(project, stage, key="nightly-8").id != first.id
    file = project.root / "components" / "train" / "component.yml"
    file.write_text(file.read_text().replace("python main.py", "python -u main.py"))
    assert submit(project, stage, key="nightly-7").id != first.id  # it is another pipeline now


def swap(one: Path, other: Path) -> None:
    one.rename(one.with_name("between"))
    other.rename(one)
    one.with_name("between").rename(other)


def test_data_that_two_inputs_have_swapped_is_other_data(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    (project.root / "more").mkdir()
    (project.root / "more" / "rows.csv").write_text("b\n2\n")
    path = project.root / "pipelines" / "p.yml"
    text = path.read_text().replace("${{parent.jobs.prep.outputs.made}}", "${{parent.inputs.more}}")
    path.write_text(text.replace("jobs:\n", "  more: {type: uri_folder, path: ../more}\njobs:\n"))
    first = submit(project, stage, key="nightly-7")
    swap(project.root / "data", project.root / "more")
    assert submit(project, stage, key="nightly-7").id != first.id


def test_a_pipeline_in_the_pipeline_whose_data_is_swapped_is_registered_anew(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    jobs = {name: {"type": "command", "component": f"../{name}/component.yml", "inputs": {"source": {"type": "uri_folder", "path": f"../../{data}"}}}
            for name, data in (("prep", "data"), ("train", "more"))}
    both = project.root / "components" / "both"
    for folder in (both, project.root / "more"):
        folder.mkdir()
    (project.root / "more" / "rows.csv").write_text("b\n2\n")
    (both / "component.yml").write_text(json.dumps({"type": "pipeline", "name": "both", "version": "1", "jobs": jobs}))
    (project.root / "pipelines" / "p.yml").write_text(json.dumps({
        "type": "pipeline", "settings": {"default_compute": "azureml:cpu"}, "jobs": {"inner": {"type": "pipeline", "component": "../components/both/component.yml"}}}))

    def sent() -> Any:
        return azure.jobs[submit(project, stage).id]["properties"]["jobs"]["inner"]["componentId"]

    first = sent()
    assert sent() == first
    swap(project.root / "data", project.root / "more")
    assert sent() != first


def test_no_cache_is_force_rerun(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    submit(project, stage, reuse=False)
    [job] = azure.jobs.values()
    assert job["properties"]["settings"]["force_rerun"] is True


def test_values_and_local_data_go_along(project: Project, stage: Stage, azure: ScriptedAzure, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.csv").write_text("x\n")
    job, name, catalogue = project.load("p", {"raw": str(tmp_path / "other")})
    project.run_on(stage, job, name, catalogue, request={}, follow=False)
    [sent] = azure.jobs.values()
    assert sent["properties"]["inputs"]["raw"]["uri"].startswith("azureml://")
    assert sent["properties"]["inputs"]["raw"]["uri"].rstrip("/").endswith("other")


# --- once, whatever happens ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404])
def test_what_was_deleted_there_is_registered_anew(project: Project, stage: Stage, azure: ScriptedAzure, status: int) -> None:
    submit(project, stage)
    azure.calls.clear()
    azure.faults.add(f"PUT */jobs/* status={status} code=UserError message='Component azureml_anonymous:… does not exist' times=1")
    run = submit(project, stage)
    assert sum("PUT {WS}/components" in call for call in azure.told()) == 2
    assert azure.puts.count(run.id) == 1


def test_a_refusal_of_what_was_just_registered_is_told(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.faults.add("PUT */jobs/* status=400 code=ValidationError message='Node train: the rate is odd'")
    with pytest.raises(InputError) as caught:
        submit(project, stage)
    assert "could not submit the pipeline" in caught.value.what
    assert re.fullmatch(r"Node train: the rate is odd \(HTTP 400, ValidationError, request [0-9a-f]{32}\)", caught.value.why)


def test_a_lost_answer_makes_one_job(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.faults.add("PUT */jobs/* lost times=1")
    run = submit(project, stage)
    assert list(azure.jobs) == [run.id]
    assert azure.puts == [run.id, run.id]


def test_fifty_submissions_at_once_make_fifty_jobs_of_fifty_keys_and_one_of_one(tmp_path: Path, stage: Stage,
                                                                                azure: ScriptedAzure) -> None:
    write_project(tmp_path, ["only"])
    real = sys.stderr

    def run(key: str) -> str:
        return submit(Project(tmp_path), stage, key=key).id

    with ThreadPoolExecutor(max_workers=10) as pool:  # all of them have something to register
        assert len(set(pool.map(run, ["release"] * 10))) == 1
    assert len(azure.jobs) == 1
    azure.begin()
    with ThreadPoolExecutor(max_workers=50) as pool:
        names = list(pool.map(run, [f"nightly-{number}" for number in range(50)]))
    assert len(set(names)) == 50
    assert sorted(azure.jobs) == sorted(azure.puts) == sorted(names), "each was sent once"
    assert sys.stderr is real


def test_a_registration_that_is_refused_names_its_job(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.faults.add(Fault(method="PUT", pattern="*/components/*", status=403, message="The client 'me' does not have authorization to "
                           "perform action 'Microsoft.MachineLearningServices/workspaces/components/versions/write' over scope x."))
    with pytest.raises(StageError) as caught:
        submit(project, stage)
    assert "could not register the component of job 'prep'" in caught.value.what
    assert "'AzureML Data Scientist'" in caught.value.fix
    assert caught.value.exit_code == 4
    assert azure.puts == []


# --- before the first byte -------------------------------------------------------------------------------------------


def test_all_that_a_stage_lacks_is_told_before_anything_is_sent(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    path = project.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("azureml:cpu", "azureml:gpu, default_datastore: azureml:rwa")
                    .replace("path: ../data", "path: azureml:rows:3"))
    with pytest.raises(StageError) as caught:
        submit(project, stage)
    assert str(caught.value) == """\
stage 'dev' lacks 3 things that the pipeline needs
  why: no datastore 'rwa' (pipelines/p.yml:4:11); Terraform made raw: did you mean 'raw'?
       no compute 'gpu' (pipelines/p.yml:4:11) for jobs 'prep', 'train'; Terraform made cpu: did you mean 'cpu'?
       no data asset 'rows' version 3 (pipelines/p.yml:6:33) for job 'prep'; run the pipeline that registers it: mlops run PIPELINE --on dev
  fix: see: mlops stage show dev; mlops data list --on dev"""
    assert not [call for call in azure.told() if call.startswith(("PUT", "POST"))]


@pytest.fixture
def elsewhere(stage: Stage, azure: ScriptedAzure, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Says what the look-up of the workspace's storage account gives, which is not reached through the local Azure ML then."""
    host, resolve = "stelsewhere.blob.core.windows.net", socket.getaddrinfo

    def set_up(answer: Callable[[], Any]) -> None:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, f"127.0.0.1,localhost,{host}")
        monkeypatch.setattr(socket, "getaddrinfo", lambda name, *rest, **more: answer() if name == host else resolve(name, *rest, **more))
        azure.twists.append(lambda request: Response(body={"properties": {
            "workspaceId": "w", "storageAccount": "/x/storageAccounts/stelsewhere"}})
            if request.method == "GET" and request.path == stage.workspace["id"] else None)

    return set_up


def unknown() -> Any:
    raise socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize(("answer", "why", "seconds"), [
    (unknown, "there is no such host", 0),
    (lambda: [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))], "Connection refused", 0),
    (None, "nobody takes a connection at 127.0.0.1", 1),
])  # fmt: skip
def test_a_storage_account_that_cannot_be_reached_is_found_out_in_a_second(
    project: Project, stage: Stage, azure: ScriptedAzure, elsewhere: Any, answer: Any, why: str, seconds: float
) -> None:
    with black_hole() as silent:
        elsewhere(answer or (lambda: [silent.address]))
        job, name, catalogue = project.load("p")
        with Workspace(stage) as workspace:
            assert workspace.about
            begun = time.monotonic()
            with pytest.raises(StageError, match="lacks something that the pipeline needs") as caught:
                preflight.check(workspace, job, project.graph(job, name), catalogue)
        assert seconds <= time.monotonic() - begun < seconds + 20, "the SDK would try for minutes"
    assert f"the storage account 'stelsewhere' cannot be reached at stelsewhere.blob.core.windows.net: {why}" in caught.value.why
    assert not [call for call in azure.told() if call.startswith(("PUT", "POST"))]
    assert caught.value.exit_code == 4


def test_data_that_a_workspace_lacks_is_told_with_what_there_is_or_what_makes_it(project: Project, stage: Stage) -> None:
    path = project.root / "pipelines" / "p.yml"
    text = path.read_text()

    def said(reference: str) -> str:
        path.write_text(text.replace("path: ../data", f"path: {reference}"))
        with pytest.raises(StageError, match="lacks something") as caught:
            submit(project, stage)
        assert caught.value.fix == "see: mlops data list --on dev"
        return caught.value.why.partition(" for job 'prep'")[2]

    assert said("azureml:rows:3") == "; run the pipeline that registers it: mlops run PIPELINE --on dev"
    (project.root / "pipelines" / "make.yml").write_text(text.replace("jobs:\n", "outputs: {o: {type: uri_folder, name: rows}}\njobs:\n", 1))
    assert said("azureml:rows@latest") == "; make it first: mlops run make --on dev"
    (project.root / "data" / "rows.yml").write_text("name: rows\ntype: uri_folder\npath: .\n")
    assert said("azureml:rows") == "; register it: mlops data register data/rows.yml --on dev"
    project.register("data", [project.root / "data/rows.yml"], on="dev")
    assert said("azureml:rows:3") == "; there is version 1"
    assert said("azureml:rwos") == ": did you mean 'rows'?"
    assert said(f"azureml:{stage.workspace['id']}/data/rows/versions/3") == "; there is version 1"


def test_a_path_in_a_datastore_is_looked_for_however_it_is_named(project: Project, stage: Stage) -> None:
    path = project.root / "pipelines" / "p.yml"
    text = path.read_text()
    here = f"subscriptions/{stage.subscription_id}/resourcegroups/{stage.resource_group}/workspaces/{stage.workspace['name']}/"
    for full in ("", here):
        path.write_text(text.replace("path: ../data", f"path: azureml://{full}datastores/workspaceblobstore/paths/gone"))
        with pytest.raises(StageError, match="lacks something") as caught:
            submit(project, stage)
        assert caught.value.why == "nothing at 'azureml://datastores/workspaceblobstore/paths/gone' (pipelines/p.yml:6:33)"


def test_components_that_a_workspace_lacks_are_told_with_what_registers_them(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    path = project.root / "pipelines" / "p.yml"
    text = path.read_text()
    for reference, told in (("azureml:train:1", "no component 'train' version 1 ("), ("azureml:train@latest", "no component 'train' (")):
        path.write_text(text.replace("../components/train/component.yml", reference))
        with pytest.raises(StageError, match="lacks something") as caught:
            submit(project, stage)
        assert told in caught.value.why
        assert "pipelines/p.yml:14:" in caught.value.why
        assert caught.value.why.endswith("register it: mlops components register components/train/component.yml --on dev")
    assert not [call for call in azure.told() if call.startswith(("PUT", "POST"))]
    project.register("component", [project.root / "components/train/component.yml"], on="dev")
    submit(project, stage)
    [job] = azure.jobs.values()
    assert job["properties"]["jobs"]["train"]["componentId"].endswith("/components/train/versions/1")


def test_a_pipeline_without_a_compute_gets_the_usual_one_or_the_only_one_that_there_is(project: Project, stage: Stage,
                                                                                       azure: ScriptedAzure) -> None:
    path = project.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("settings: {default_compute: azureml:cpu}\n", ""))

    def computes(*names: str) -> Stage:
        there = stage.computes["cpu"]
        for name in names:
            azure.world.resources.put(f"{stage.workspace['id']}/computes/{name}", {"properties": {"computeType": "AmlCompute"}})
        return dataclasses.replace(stage, computes={**dict.fromkeys(names, there), "anna": dataclasses.replace(there, kind="instance")})

    for names, chosen in ((("cpu", "gpu"), "cpu"), (("gpu",), "gpu")):
        azure.jobs.clear()
        submit(project, computes(*names))
        [job] = azure.jobs.values()
        assert job["properties"]["settings"]["default_compute"].endswith(f"/computes/{chosen}")
    azure.calls.clear()
    with pytest.raises(StageError) as caught:
        submit(project, computes("gpu", "big"))
    assert caught.value.why == ("no compute is set for prep, train; Terraform made big, gpu: add 'settings: "
                                "{default_compute: azureml:big}' to the pipeline")
    assert not [call for call in azure.told() if call.startswith(("PUT", "POST"))]


def test_a_storage_account_that_is_slow_is_waited_for_and_that_is_said(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.faults.add("* *.blob.core.windows.net/* delay=0.6 times=1")
    told: list[Event] = []
    submit(project, stage, patience=Patience(silent=0.2), listener=told.append)
    assert [event.text for event in told if isinstance(event, Noticed)] == [
        "the storage account 'stmlopsdev' has not answered yet; it is waited for 6.0 s at most"]


def test_a_proxy_that_lets_nobody_through_to_a_storage_account_is_told(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.twists.append(lambda request: Response(body={"properties": {"workspaceId": "w", "storageAccount": "/x/storageAccounts/st.other"}})
                        if request.method == "GET" and request.path == stage.workspace["id"] else None)
    with pytest.raises(StageError) as caught:
        submit(project, stage)
    assert "the storage account 'st.other' cannot be reached at st.other.blob.core.windows.net: the proxy lets nobody through: 403 Forbidden (" in caught.value.why


def test_a_storage_account_that_says_nothing_is_not_waited_for(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.faults.add("* *.blob.core.windows.net/* delay=200")  # longer than this test may take
    with pytest.raises(StageError) as caught:
        submit(project, stage, patience=Patience(storage=0.3))
    assert "cannot be reached at stmlopsdev.blob.core.windows.net: it does not answer" in caught.value.why
    assert not [call for call in azure.told() if call.startswith(("PUT", "POST"))]


def test_code_that_is_too_large_is_told_before_anything_is_asked(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    (project.root / "mlops.yml").write_text("limits: {snapshot_megabytes: 0.01}\n")
    (project.root / "components/train/src/weights.bin").write_bytes(bytes(20_000))
    with pytest.raises(InputError, match=r"the code of job 'train' has 19\.6 kB, over the limit of 10\.2 kB") as caught:
        submit(Project(project.root), stage)
    assert caught.value.why.startswith("the largest: weights.bin (19.5 kB)")
    assert ".amlignore" in caught.value.fix
    assert caught.value.place is not None
    assert azure.told() == []


def test_what_it_may_cost_is_told_before_anything_is_sent(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    (project.root / "mlops.yml").write_text("prices: {Standard_DS3_v2: 0.25}\n")
    sent: list[list[str]] = []

    def listen(event: Event) -> None:
        if isinstance(event, Noticed):
            assert event.text == "cost: 0.50 USD an hour while prep, train run (no limits.timeout)"
            sent.append([call for call in azure.told() if call.startswith(("PUT", "POST"))])

    run = submit(Project(project.root), stage, listener=listen)
    assert sent == [[]]
    assert run.cost is not None
    assert run.cost.unlimited == {"prep": 0.25, "train": 0.25}


def test_packages_that_do_not_go_together_are_told_when_asked(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    (project.root / "environments/py/environment.yml").write_text(
        "name: py\nversion: '1'\nimage: python:3.12\nconda_file: {dependencies: [python=3.11, {pip: [--no-index, nowhere==1]}]}\n")
    with pytest.raises(InputError, match="the packages of the environment 'py' do not go together"):
        submit(project, stage, resolve=True)
    assert azure.told() == []
    assert submit(project, stage).status is Status.RUNNING, "nobody asked"


def test_a_workspace_that_is_not_there_is_told(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    gone = dataclasses.replace(stage, workspace={**stage.workspace, "name": "mlw-gone"})
    with pytest.raises(StageError, match="could not read the workspace 'mlw-gone'") as caught:
        submit(project, gone)
    assert "HTTP 404" in caught.value.why


def test_an_environment_of_the_project_is_registered_when_it_is_named(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    for name in ("prep", "train"):
        path = project.root / "components" / name / "component.yml"
        path.write_text(path.read_text().replace("file:../../environments/py/environment.yml", "azureml:py:1"))
    path = project.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("azureml:cpu", "azureml:gone"))
    with pytest.raises(StageError, match="lacks something"):
        submit(project, stage)
    assert not [call for call in azure.told() if call.startswith("PUT")], "something else lacks"
    path.write_text(path.read_text().replace("azureml:gone", "azureml:cpu"))
    submit(project, stage)
    assert sum("PUT {WS}/environments" in call for call in azure.told()) == 1
    azure.calls.clear()
    submit(project, stage)
    assert not [call for call in azure.told() if "PUT {WS}/environments" in call]


def test_no_token_is_written_to_a_file(project: Project, stage: Stage, azure: ScriptedAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    home = project.root / "home"
    home.mkdir()
    for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(home))
    tokens: set[str] = set()

    def listen(request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            tokens.add(token)

    azure.twists.append(listen)
    azure.play = Play(steps={"prep": Step(["Running", "Completed"], log="ready\n")})
    submit(project, stage, follow=True)
    assert len(tokens) >= 1
    written = [path for path in project.root.rglob("*") if path.is_file()]
    assert any(".mlops" in path.parts for path in written)
    federated = Path(os.environ["AZURE_FEDERATED_TOKEN_FILE"]).read_text()
    assert not [path for path in written for token in (*tokens, federated) if token.encode() in path.read_bytes()]


def test_a_stage_takes_only_what_it_is_for(project: Project) -> None:
    with pytest.raises(InputError, match="the pipeline 'p' does not run on stage 'prod'") as caught:
        project.check_allowed("p", "prod")
    assert "preprocess, score" in caught.value.why
    project.check_allowed("score", "prod")
    project.check_allowed("p", "dev")


# --- following -------------------------------------------------------------------------------------------------------


def test_a_job_is_followed_as_events_logs_and_records(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Queued", "Running", "Running", "Completed"], log="rows: 3\nready\n"),
                            "train": Step(["NotStarted", "Completed"], reused=True)}))
    events: list[Event] = []
    run = submit(project, stage, follow=True, listener=events.append)
    assert run.status is Status.COMPLETED
    assert run.seconds == 60.5
    assert [type(event) for event in events[:3]] == [Preparing, Preparing, RunStarted]
    told = [(type(event), event.step) for event in events[3:] if not isinstance(event, Noticed | Preparing | RunStarted)]
    assert told.index((StepStarted, "prep")) < told.index((StepPrinted, "prep")) < told.index((StepFinished, "prep"))
    assert (StepStarted, "train") not in told, "what was reused did not start"
    assert [event.lines for event in events if isinstance(event, StepPrinted)] == [("rows: 3", "ready")]
    assert run.steps["prep"].seconds == 15.25
    assert run.steps["train"].status is Status.REUSED
    store = project.store()
    try:
        record = store.records.run(run.id)
        assert (record.status, record.stage) == (Status.COMPLETED, "dev")
        assert record.url.startswith(f"https://ml.azure.com/runs/{run.id}?wsid=/subscriptions/")
        assert (store.folder / store.records.steps(run.id)[0].log).read_text() == "rows: 3\nready\n"
    finally:
        store.close()


def test_two_processes_that_look_at_a_job_write_its_log_once(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Running"] * 9, log="one\ntwo\n")}))
    run = submit(project, stage)
    both = threading.Barrier(2)

    def meet(request: Request) -> Response | None:
        if request.path.startswith("/logs/"):
            both.wait(60)
        return None

    azure.twists.append(meet)
    with ThreadPoolExecutor() as pool:
        store = project.store()
        try:
            record = store.records.run(run.id)
        finally:
            store.close()
        for problems in pool.map(lambda into: project.refresh([record], into=into), ({}, {})):
            assert problems == []
    [log] = (project.root / ".mlops/runs" / run.id).glob("*.log")
    assert log.read_text() == "one\ntwo\n"


def test_a_failed_step_says_why_and_shows_its_last_lines(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Running", "Failed"], log="one\ntwo\n", error="exit code 3")}, ends="Failed"))
    run = submit(project, stage, follow=True)
    assert run.status is Status.FAILED
    [error] = run.errors
    assert error.startswith("step 'prep' failed on stage 'dev'\n  why: exit code 3\n  | one\n  | two\n  fix: see https://ml.azure.com/runs/prep?")
    assert run.steps["train"].status is Status.SKIPPED


def test_a_job_that_fails_without_a_step_says_why(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(ends="Failed", error="no image could be built"))
    run = submit(project, stage, follow=True)
    assert "no image could be built" in run.errors[0]


def test_following_goes_on_after_moments_without_an_answer(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Running", "Completed"])}))
    azure.faults.add("GET */details status=404 message='Run not found yet' times=2")
    assert submit(project, stage, follow=True).status is Status.COMPLETED


def test_a_label_that_only_this_machine_knows_is_refused(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    path = project.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("path: ../data", "path: azureml:rows@champion"))
    with pytest.raises(InputError, match="the data asset 'rows' is named by the label 'champion'"):
        submit(project, stage)


def test_ctrl_c_leaves_the_job_running(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Running"] * 3)}))

    def interrupt(event: Event) -> None:
        if isinstance(event, StepStarted):
            raise KeyboardInterrupt

    with pytest.raises(Canceled, match="the job goes on in stage 'dev'"):
        submit(project, stage, follow=True, listener=interrupt)
    assert azure.canceled == []
    [name] = azure.puts
    store = project.store()
    try:
        record = store.records.run(name)
    finally:
        store.close()
    assert record.status is Status.RUNNING, "it is not this process that runs it"
    fresh: dict[str, Any] = {}
    for step in azure.play.steps.values():
        step.states, step.looks = ["Completed"], 9
    assert project.refresh([record], into=fresh) == []
    assert fresh[name].status is Status.COMPLETED


@pytest.mark.parametrize("cancel", [False, True])
def test_ctrl_c_while_the_job_is_on_its_way_loses_no_job(project: Project, stage: Stage, azure: ScriptedAzure, cancel: bool) -> None:
    asked = threading.Event()

    def interrupt(request: Request) -> Response | None:
        if "/jobs/" not in request.path or asked.is_set():
            return None
        if request.method == "PUT":
            os.kill(os.getpid(), signal.SIGINT)
            assert not asked.wait(0.5), "it is too early to ask whether it has arrived"
            azure.twists.clear()
        return None

    def ask(request: Request) -> Response | None:
        if azure.jobs == {} and request.method == "GET" and "/jobs/" in request.path and looks.pop(0):
            asked.set()
        return None

    looks = [False, True]  # the first is before it is sent
    azure.twists += [ask, interrupt]
    with pytest.raises(Canceled, match="canceled" if cancel else "the job goes on in stage 'dev'"):
        submit(project, stage, cancel=cancel)
    [name] = azure.puts
    assert azure.canceled == ([name] if cancel else [])
    store = project.store()
    try:
        assert store.records.run(name).status is (Status.CANCELED if cancel else Status.RUNNING)
        assert [step.status for step in store.records.steps(name)] == [Status.WAITING] * 2
    finally:
        store.close()


def test_ctrl_c_before_the_job_is_on_its_way_submits_nothing(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    def interrupt(request: Request) -> Response | None:
        if request.method == "PUT" and "/environments/" in request.path:
            azure.twists.clear()
            os.kill(os.getpid(), signal.SIGINT)
        return None

    azure.twists.append(interrupt)
    with pytest.raises(Canceled) as caught:
        submit(project, stage)
    assert caught.value.why == "nothing was submitted to stage 'dev'"
    assert azure.puts == []


def test_ctrl_c_cancels_when_asked_to(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Running"] * 3)}))

    def interrupt(event: Event) -> None:
        if isinstance(event, StepStarted):
            raise KeyboardInterrupt

    with pytest.raises(Canceled, match="canceled"):
        submit(project, stage, follow=True, cancel=True, listener=interrupt)
    assert azure.canceled == azure.puts


def test_a_job_that_is_gone_is_recorded_so_and_one_that_cannot_be_read_keeps_no_other_from_being_asked(
        project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    runs = [submit(project, stage).id for _ in range(3)]
    del azure.jobs[runs[0]]
    azure.faults.add(Fault(method="GET", pattern=f"*/runs/{runs[0]}/*", status=404, message="no run"))
    azure.faults.add(Fault(method="GET", pattern=f"*/runs/{runs[1]}/*", status=403, message="not yours"))
    store = project.store()
    try:
        records = [store.records.run(run) for run in runs]
        fresh: dict[str, Any] = {}
        [problem] = project.refresh(records, into=fresh)
        assert "not yours" in problem.why
        assert {run: record.status for run, record in fresh.items()} == {runs[0]: Status.INTERRUPTED, runs[2]: Status.COMPLETED}
        assert store.records.run(runs[0]).error == "stage 'dev' has no job of that name any more"
        assert store.records.run(runs[1]).status is Status.RUNNING
    finally:
        store.close()


def test_a_stage_that_cannot_be_asked_is_told_and_nothing_is_lost(project: Project, stage: Stage, azure: ScriptedAzure,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit(project, stage)
    monkeypatch.setenv("MLOPS_DEV_OUTPUTS", json.dumps({}))
    store = project.store()
    try:
        record = store.records.run(run.id)
    finally:
        store.close()
    fresh: dict[str, Any] = {}
    [problem] = project.refresh([record], into=fresh)
    assert isinstance(problem, MlopsError)
    assert fresh == {}


@pytest.mark.parametrize(("told", "pace"), [
    ({}, Pace(first=2.0, last=15.0)),
    ({"AZUREML_RUN_POLLING_INTERVAL_MIN": "0.5", "AZUREML_RUN_POLLING_INTERVAL_MAX": "4"}, Pace(first=0.5, last=4.0)),
    ({"AZUREML_RUN_POLLING_INTERVAL_MIN": "0", "AZUREML_RUN_POLLING_INTERVAL_MAX": "0"}, Pace(first=2.0, last=15.0)),
    ({"AZUREML_RUN_POLLING_INTERVAL_MIN": "soon", "AZUREML_RUN_POLLING_INTERVAL_MAX": "1"}, Pace(first=2.0, last=2.0)),
])  # fmt: skip
def test_azure_is_never_asked_without_a_pause(told: dict[str, str], pace: Pace) -> None:
    assert Pace.of(told) == pace
