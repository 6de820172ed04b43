"""Azure at its worst: each fault against each thing that a run asks of it, and what comes of it.

What passes is tried again, what lasts is told in bounded time, and however it goes there is never a second job.
"""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.engines import Run
from mlops_lib.engines.azureml.transport import Patience
from mlops_lib.errors import InputError, MlopsError, StageError
from mlops_lib.infra import Stage
from mlops_lib.project import Project
from mlops_lib.stores.records import Status

from .conftest import write_project
from .stage import Play, ScriptedAzure, Step

# Nothing here waits longer than that, whatever Azure does.
QUICK = Patience(attempts=3, connect=10.0, read=10.0, pause=0.001, longest=0.01, storage=30.0, call=30.0, upload=30.0, submit=30.0)

# What a first submission asks for, in its order.
OPERATIONS = {
    "read the workspace": "GET */workspaces/mlw-*[0-9]",
    "look for the compute": "GET */computes/cpu",
    "look for the job": "GET */jobs/*",
    "look for the code": "GET */codes/*/versions",
    "begin the upload": "POST */startpendingupload",
    "register the code": "PUT */codes/*",
    "register the environment": "PUT */environments/*",
    "register the component": "PUT */components/*",
    "submit": "PUT */jobs/*",
}  # fmt: skip
PASSING = ["status=408", "status=429 retry-after=3600", "status=500", "status=503", "reset", "lost", "delay=3600"]
JUDGED = {400: InputError, 401: StageError, 403: StageError, 404: StageError, 409: InputError, 412: InputError}


@pytest.fixture
def small(tmp_path: Path) -> Project:
    """A project of one component; nothing of it is registered."""
    write_project(tmp_path, ["only"])
    return Project(tmp_path)


def run(project: Project, stage: Stage, fault: str = "", **wishes: Any) -> Run:
    """Run it there, and wait for an answer that is late for less than half a second."""
    patience = dataclasses.replace(QUICK, read=0.4) if "delay" in fault else QUICK
    job, name, catalogue = project.load("p")
    return project.run_on(stage, job, name, catalogue, request={}, **{"follow": False, "patience": patience, **wishes})


# --- storage: first, since the SDK goes on trying for a while after nobody waits for it any more ------------------------


@pytest.mark.parametrize(("fault", "words"), [
    ("status=503", "no answer within"), ("reset", "no answer within"), ("status=403 code=AuthorizationPermissionMismatch", "HTTP 403"), ("status=404", "HTTP 404"), ("status=409", "HTTP 409"),
])  # fmt: skip
def test_an_upload_that_fails_is_told_in_the_time_that_it_has(small: Project, stage: Stage, azure: ScriptedAzure, fault: str, words: str) -> None:
    azure.faults.add(f"PUT *.blob.core.windows.net/*main.py {fault}")
    with pytest.raises(MlopsError, match="could not register the component of job 'only'") as caught:
        run(small, stage, patience=dataclasses.replace(QUICK, upload=0.8) if words == "no answer within" else QUICK)
    assert words in caught.value.why
    assert azure.jobs == {}


# --- the workspace ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_once_for_everything_makes_one_job(small: Project, stage: Stage, azure: ScriptedAzure, fault: str) -> None:
    for operation in OPERATIONS.values():
        azure.faults.add(f"{operation} {fault} times=1")
    submitted = run(small, stage, fault)
    assert azure.faults.unspent() == (), "these met nobody"
    assert submitted.status is Status.RUNNING
    assert list(azure.jobs) == [submitted.id]


@pytest.mark.parametrize(("operation", "fault"), [
    *((operation, "status=503") for operation in OPERATIONS),
    *((operation, "reset") for operation in ("read the workspace", "begin the upload", "register the component", "submit")),
    *((operation, fault) for operation in ("register the component", "submit")
      for fault in ("status=429 retry-after=3600", "status=500", "delay=3600")),
])  # fmt: skip
def test_what_lasts_is_told_and_makes_no_job(small: Project, stage: Stage, azure: ScriptedAzure, operation: str, fault: str) -> None:
    azure.faults.add(f"{OPERATIONS[operation]} {fault}")
    with pytest.raises(StageError, match="stage 'dev': could not ") as caught:
        run(small, stage, fault)
    assert caught.value.fix
    assert ("(HTTP " in caught.value.why) == fault.startswith("status")
    assert azure.jobs == {}


@pytest.mark.parametrize(("operation", "status"), [
    *(("submit", status) for status in JUDGED),
    *((operation, 403) for operation in ("read the workspace", "begin the upload", "register the environment", "register the component")),
])  # fmt: skip
def test_a_judgement_is_told_at_once(small: Project, stage: Stage, azure: ScriptedAzure, operation: str, status: int) -> None:
    azure.faults.add(f"{OPERATIONS[operation]} status={status} message='so it is'")
    with pytest.raises(JUDGED[status]) as caught:
        run(small, stage)
    assert f"so it is (HTTP {status}, " in caught.value.why
    assert azure.jobs == {}


@pytest.mark.parametrize(("fault", "kind", "fix"), [
    ("PUT */jobs/* quota", StageError, "more quota"),
    ("PUT */components/* quota", StageError, "more quota"),
    ("PUT */components/* soft-deleted", StageError, "recover"),
    ("GET */computes/* status=403 code=AuthorizationFailed message='no action Microsoft.MachineLearningServices/workspaces/computes/read'",
     StageError, "AzureML Compute Operator"),
    ("POST login.microsoftonline.com/* status=401 code=invalid_client", StageError, "az login"),
])  # fmt: skip
def test_every_refusal_has_a_way_out(small: Project, stage: Stage, azure: ScriptedAzure, fault: str, kind: type[MlopsError], fix: str) -> None:
    azure.faults.add(fault)
    with pytest.raises(kind) as caught:
        run(small, stage)
    assert fix in caught.value.fix
    assert azure.jobs == {}


def test_an_answer_that_is_always_lost_is_found_to_be_a_job(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.faults.add("PUT */jobs/* lost")
    submitted = run(small, stage)
    assert list(azure.jobs) == [submitted.id]


def test_a_token_that_ends_while_it_is_used_is_renewed(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    for operation in OPERATIONS.values():
        azure.faults.add(f"{operation} status=401 times=1")
    submitted = run(small, stage)
    assert azure.faults.unspent() == ()
    assert list(azure.jobs) == [submitted.id]


# --- the way to the end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["status=429 retry-after=3600", "status=404", "lost", "delay=3600"])
def test_following_goes_on_after_what_passes(small: Project, stage: Stage, azure: ScriptedAzure, fault: str) -> None:
    azure.begin(Play(steps={"only": Step(["Running", "Completed"], log="ready\n")}))
    for asked in ("details", "children"):
        azure.faults.add(f"GET */runs/*/{asked} {fault} times=1")
    assert run(small, stage, fault, follow=True).status is Status.COMPLETED
    assert azure.faults.unspent() == ()


@pytest.mark.parametrize("fault", ["status=503", "status=403", "reset"])
def test_following_ends_when_nobody_answers_any_more(small: Project, stage: Stage, azure: ScriptedAzure, fault: str) -> None:
    azure.faults.add(f"GET */runs/* {fault}")
    with pytest.raises(StageError, match="could not follow"):
        run(small, stage, follow=True)
    assert len(azure.jobs) == 1, "it goes on there"


def test_a_download_that_fails_is_told_and_can_be_had_later(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.run_for_real()
    path = small.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("jobs:\n", "outputs:\n  table: {type: uri_folder}\njobs:\n")
                    + "    outputs: {made: '${{parent.outputs.table}}'}\n")
    script = "import pathlib, sys\npathlib.Path(sys.argv[3], 'rows.txt').write_text('rows')\n"
    (small.root / "components" / "only" / "src" / "main.py").write_text(script)
    assert run(small, stage, follow=True, key="one").status is Status.COMPLETED
    for fault, words in (("status=403 code=AuthorizationPermissionMismatch", "Storage Blob Data Contributor"),
                         ("status=503", "rows.txt': a fault on demand: ServiceUnavailable (HTTP 503"), ("reset", "rows.txt': "),
                         ("delay=20", "no answer within")):
        azure.faults.add(f"GET *.blob.core.windows.net/*rows.txt {fault}")
        patience = dataclasses.replace(QUICK, download=0.5 if words == "no answer within" else 30.0)
        failed = run(small, stage, follow=True, key="one", outputs=["table"], patience=patience)
        assert failed.status is Status.FAILED
        assert failed.errors[0].startswith("stage 'dev': could not download the output 'table'\n  why: ")
        assert words in failed.errors[0]
        azure.faults.clear()
    assert (run(small, stage, follow=True, key="one", outputs=["table"]).outputs["table"].path / "rows.txt").read_text() == "rows"
    assert len(azure.told("PUT", "/jobs/")) == 1
