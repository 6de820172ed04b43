"""Azure at its worst: each fault against each thing that a run asks of it, and what comes of it.

What passes is tried again, what lasts is told in bounded time, and however it goes there is never a second job.
"""

import base64
import dataclasses
import json
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from mlops_lib.emulator import Fault
from mlops_lib.emulator.router import Service
from mlops_lib.emulator.wire import Request, Response
from mlops_lib.engines import Run
from mlops_lib.engines.assets import wanted
from mlops_lib.engines.azureml import sdk
from mlops_lib.engines.azureml.assets import register
from mlops_lib.engines.azureml.blobs import Blobs
from mlops_lib.engines.azureml.transport import Patience
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import InputError, MlopsError, StageError
from mlops_lib.infra import Stage
from mlops_lib.project import Project
from mlops_lib.stores.records import Status

from .conftest import write_project
from .stage import Play, ScriptedAzure, Step

# Nothing here waits longer than that, whatever Azure does.
QUICK = Patience(attempts=3, connect=20.0, read=20.0, pause=0.001, longest=0.01, storage=120.0, call=120.0, upload=120.0,
                 submit=120.0)
BOUND_S = 40.0  # a fault that is waited for takes 45 s and more; with an eighth of a processor all of it takes 10

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
TWICE = ["status=408", "status=429", "status=429 retry-after=3600", "status=500", "status=503", "reset", "lost"]
PASSING = [*(f"{fault} times=2" for fault in TWICE), "delay=3600 times=1"]
GATEWAY = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body></html>"
JUDGED = {400: InputError, 401: StageError, 403: StageError, 404: StageError, 409: InputError, 412: InputError}


@pytest.fixture
def small(tmp_path: Path) -> Project:
    """A project of one component; nothing of it is registered."""
    write_project(tmp_path, ["only"])
    return Project(tmp_path)


def run(project: Project, stage: Stage, fault: str = "", **wishes: Any) -> Run:
    """Run it there, and wait for an answer that is late for less than half a second. It is over soon, one way or another."""
    patience = dataclasses.replace(QUICK, read=0.4) if "delay" in fault else QUICK
    job, name, catalogue = project.load("p")
    sdk.module("azure.ai.ml")  # which takes seconds, once
    begin = time.monotonic()
    try:
        return project.run_on(stage, job, name, catalogue, request={}, **{"follow": False, "patience": patience, **wishes})
    finally:
        took = time.monotonic() - begin
        assert took < BOUND_S, f"it took {took:.1f} s"


class Answers:
    """A twist: *response* to the next requests, so many, that *operation* is about."""

    def __init__(self, operation: str, response: Response, times: int = 10**9) -> None:
        self._fault, self._response, self.left = Fault.parse(f"{operation} status=500"), response, times

    def __call__(self, request: Request) -> Response | None:
        if not self.left or not self._fault.concerns(request):
            return None
        self.left -= 1
        return self._response


# --- storage ---------------------------------------------------------------------------------------------------------


ACCOUNT = "stmlopsdev.blob.core.windows.net"
UPLOADS = [
    ("status=503", f"HTTP 503, ServiceUnavailable, request .*, {ACCOUNT}", "try again later"),
    ("reset", f"{ACCOUNT}: the connection ended without an answer", "private endpoint"),
    ("delay=3600", f"{ACCOUNT}: no answer in the time that it has", "private endpoint"),
    *((f"status=403 code={code}", f"HTTP 403, {code}, ", "'Storage Blob Data Contributor'")
      for code in ("AuthorizationPermissionMismatch", "AuthorizationFailure")),
    ("status=404", "HTTP 404", ""), ("status=409", "HTTP 409", ""),
]  # fmt: skip


@pytest.mark.parametrize(("file", "doing"), [
    ("main.py", "register the component of job 'only'"), ("rows.csv", "submit the pipeline 'p-"),
])  # fmt: skip
@pytest.mark.parametrize(("fault", "why", "fix"), UPLOADS)
def test_an_upload_that_fails_on_the_way_is_told_soon(
        small: Project, stage: Stage, azure: ScriptedAzure, file: str, doing: str, fault: str, why: str, fix: str) -> None:
    azure.faults.add(f"PUT *.blob.core.windows.net/*{file} {fault}")
    with pytest.raises(MlopsError, match=f"stage 'dev': could not {doing}") as caught:
        run(small, stage, fault)
    assert re.search(why, caught.value.why)
    assert fix in caught.value.fix
    assert "may have arrived" not in caught.value.fix
    assert azure.jobs == {}
    store = small.store()
    assert not store.records.runs()
    store.close()


@pytest.mark.parametrize("fault", ["status=503 times=4", "reset times=4", "lost times=4"])
def test_storage_that_is_in_trouble_in_the_middle_of_an_upload_is_waited_for(
        small: Project, stage: Stage, azure: ScriptedAzure, fault: str) -> None:
    for file in ("main.py", "rows.csv"):
        azure.faults.add(f"PUT *.blob.core.windows.net/*{file} {fault}")
    submitted = run(small, stage)
    assert azure.faults.unspent() == ()
    assert list(azure.jobs) == [submitted.id]


def test_of_many_files_no_other_one_is_tried_once_one_was_in_vain(
        small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    code = small.root / "components" / "only" / "src"
    for number in range(100):
        (code / f"m{number}.py").write_text("")
    azure.faults.add("PUT *.blob.core.windows.net/*/src/m* reset after=10")
    with pytest.raises(StageError, match="could not register the component"):
        run(small, stage)
    failed = [call for call in azure.requests(Service.BLOB) if call.method == "PUT" and not call.status]
    assert len(failed) < 100
    azure.faults.clear()
    submitted = run(small, stage)
    assert list(azure.jobs) == [submitted.id]


def test_an_asset_s_upload_that_fails_has_no_hours_for_it(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    file = small.root / "data.yml"
    file.write_text("$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\nname: rows\ntype: uri_folder\npath: data\n")
    azure.faults.add("PUT *.blob.core.windows.net/*rows.csv reset")
    catalogue, store = small.catalogue(), small.store()
    try:
        with Workspace(stage, patience=QUICK) as workspace, pytest.raises(StageError, match="could not register the data ") as caught:
            register(workspace, wanted([file], "data", catalogue, store), catalogue)
    finally:
        store.close()
    assert caught.value.why == f"{ACCOUNT}: the connection ended without an answer"


@pytest.mark.parametrize(("fault", "words"), [
    ("status=503", "'stmlopsdev' cannot be reached at stmlopsdev.blob.core.windows.net: it answers HTTP 503, request "),
    ("reset", "'stmlopsdev' cannot be reached at stmlopsdev.blob.core.windows.net: "),
])  # fmt: skip
def test_storage_that_fails_from_the_start_is_told_before_anything_is_sent(
        small: Project, stage: Stage, azure: ScriptedAzure, fault: str, words: str) -> None:
    azure.faults.add(f"* *.blob.core.windows.net/* {fault}")
    with pytest.raises(StageError, match="lacks something that the pipeline needs") as caught:
        run(small, stage)
    assert words in caught.value.why
    assert not [call for call in azure.told() if call.startswith(("PUT", "POST"))]


@pytest.mark.parametrize("file", ["main.py", "rows.csv"])
def test_an_upload_of_what_another_one_brings_at_the_same_time_finds_it(small: Project, stage: Stage, azure: ScriptedAzure, file: str) -> None:
    azure.faults.add(f"PUT *.blob.core.windows.net/*{file} status=409 code=BlobAlreadyExists times=2")
    submitted = run(small, stage)
    assert azure.faults.unspent() == ()
    assert list(azure.jobs) == [submitted.id]


def test_storage_that_is_in_trouble_for_a_moment_is_waited_for(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.faults.add("GET *.blob.core.windows.net/* status=503 times=2")
    submitted = run(small, stage)
    assert azure.faults.unspent() == ()
    assert list(azure.jobs) == [submitted.id]


def test_keys_that_may_not_be_read_are_done_without(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    with Workspace(stage) as workspace:
        place = "datastores/workspaceblobstore"
        told = workspace.find(place, doing="read it")["properties"]
        key = {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "none"}}
        workspace.put(place, {"properties": {**told, "credentials": key}}, doing="give it a key")
    azure.faults.add("POST */listsecrets status=403")
    submitted = run(small, stage)
    assert [call.status for call in azure.requests() if call.path.lower().endswith("/listsecrets")] == [403]
    assert list(azure.jobs) == [submitted.id]


# --- the workspace ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_for_everything_makes_one_job(small: Project, stage: Stage, azure: ScriptedAzure, fault: str) -> None:
    for operation in OPERATIONS.values():
        azure.faults.add(f"{operation} {fault}")
    submitted = run(small, stage, fault)
    assert azure.faults.unspent() == (), "these met nobody"
    assert submitted.status is Status.RUNNING
    assert list(azure.jobs) == [submitted.id]


def test_a_page_of_a_gateway_s_is_tried_again_and_told_in_words(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    page = Response(status=502, body=GATEWAY, headers={"Content-Type": "text/html", "x-ms-request-id": "r-1"})
    twists = [Answers(operation, page, times=2) for operation in OPERATIONS.values()]
    azure.twists += twists
    submitted = run(small, stage)
    assert [twist.left for twist in twists] == [0] * len(OPERATIONS)
    assert list(azure.jobs) == [submitted.id]
    for operation in ("look for the compute", "submit"):
        azure.twists[:] = [Answers(OPERATIONS[operation], page)]
        with pytest.raises(StageError) as caught:
            run(small, stage)
        assert caught.value.why == "Operation returned an invalid status 'Bad Gateway' (HTTP 502, request r-1)"
    assert len(azure.jobs) == 1


@pytest.mark.parametrize("status", [200, 302])
@pytest.mark.parametrize("operation", ["read the workspace", "look for the compute", "look for the job", "register the component", "submit"])
def test_a_page_in_the_place_of_azure_s_answer_is_told_as_what_it_is(
    small: Project, stage: Stage, azure: ScriptedAzure, operation: str, status: int
) -> None:
    page = Response(status=status, body=b"<html><body>Sign in to the network</body></html>", headers={
        "Content-Type": "text/html", "Location": "https://portal.example.invalid/?token=1234"})
    azure.twists.append(Answers(OPERATIONS[operation], page))
    with pytest.raises(StageError, match="stage 'dev': could not ") as caught:
        run(small, stage)
    assert "is not Azure ML" in caught.value.why
    assert caught.value.fix.startswith("see whether the network, a proxy or a private endpoint is in the way")
    assert "1234" not in str(caught.value)



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
    method = OPERATIONS[operation].split()[0]
    heard = [call for call in azure.requests(Service.MANAGEMENT) if (call.method, call.status) == (method, status)]
    assert len(heard) == (2 if status == 401 else 1), "it is not asked for again, but with another token"
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


@pytest.mark.parametrize("fault", ["reset", "delay=3600"])
def test_a_job_of_which_nobody_knows_whether_it_arrived_is_recorded(small: Project, stage: Stage, azure: ScriptedAzure, fault: str) -> None:
    azure.faults.add(f"PUT */jobs/* {fault}")
    with pytest.raises(StageError) as caught:
        run(small, stage, fault, key="nightly")
    azure.faults.clear()
    assert azure.jobs == {}
    store = small.store()
    try:
        [record] = store.records.runs()
        assert record.status is Status.RUNNING
        assert caught.value.fix.endswith(f"; it may have arrived all the same: mlops runs show {record.id}")
        assert "network" in caught.value.fix
        azure.faults.add(f"GET */runs/{record.id}/* status=404")
        assert small.refresh([record], into={}) == []
        assert store.records.run(record.id).error == "stage 'dev' has no job of that name any more"
    finally:
        store.close()
    assert run(small, stage, key="nightly").id == record.id
    assert list(azure.jobs) == [record.id]


def test_a_job_that_arrived_unheard_is_found_by_its_key(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.faults.add("PUT */jobs/* lost")
    azure.faults.add("GET */jobs/* reset after=1")
    with pytest.raises(StageError, match="could not submit the pipeline") as caught:
        run(small, stage, key="nightly")
    [name] = azure.jobs
    assert name in caught.value.fix
    azure.faults.clear()
    assert run(small, stage, key="nightly").id == name
    assert azure.puts == [name] * QUICK.attempts


def test_what_a_token_has_to_claim_is_claimed(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    claims = '{"access_token":{"acrs":{"essential":true,"value":"p1"}}}'
    challenge = f'Bearer error="insufficient_claims", claims="{base64.urlsafe_b64encode(claims.encode()).decode()}"'
    asked: list[str] = []

    def spy(request: Request) -> None:
        if request.path.endswith("/oauth2/v2.0/token"):
            asked.extend(parse_qs(request.body.decode()).get("claims", []))

    refusal = Response(status=401, body={"error": {"code": "InvalidAuthenticationToken", "message": "more"}},
                       headers={"WWW-Authenticate": challenge})
    twists = [Answers(OPERATIONS[operation], refusal, times=1) for operation in ("read the workspace", "register the code", "submit")]
    azure.twists += [spy, *twists]
    submitted = run(small, stage)
    assert [twist.left for twist in twists] == [0] * 3
    assert [json.loads(text)["access_token"]["acrs"]["value"] for text in asked] == ["p1"] * 3
    assert list(azure.jobs) == [submitted.id]


def test_a_token_that_ends_while_it_is_used_is_renewed(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    for operation in OPERATIONS.values():
        azure.faults.add(f"{operation} status=401 times=1")
    submitted = run(small, stage)
    assert azure.faults.unspent() == ()
    assert list(azure.jobs) == [submitted.id]


# --- the way to the end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["status=429 retry-after=3600", "status=500 times=2", "status=404", "lost", "delay=3600"])
def test_following_goes_on_after_what_passes(small: Project, stage: Stage, azure: ScriptedAzure, fault: str) -> None:
    azure.begin(Play(steps={"only": Step(["Running", "Completed"], log="ready\n")}))
    for asked in ("details", "children"):
        azure.faults.add(f"GET */runs/*/{asked} {fault}" + ("" if "times" in fault else " times=1"))
    assert run(small, stage, fault, follow=True).status is Status.COMPLETED
    assert azure.faults.unspent() == ()


@pytest.mark.parametrize("fault", ["status=503", "status=429", "status=500"])
def test_storage_in_trouble_when_a_step_has_ended_costs_nothing_of_its_log(small: Project, stage: Stage, azure: ScriptedAzure, fault: str) -> None:
    azure.begin(Play(steps={"only": Step(["Completed"], log="ready\n")}))
    azure.faults.add(f"GET *.api.azureml.ms/logs/only {fault} times={2 * QUICK.attempts}")
    ended = run(small, stage, follow=True)
    assert ended.steps["only"].log
    assert (small.root / ".mlops" / ended.steps["only"].log).read_text() == "ready\n"
    assert (ended.status, azure.faults.unspent()) == (Status.COMPLETED, ())


def test_a_log_of_any_size_is_brought_in_pieces(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    text = "".join(f"line {number}\n" for number in range(700_000))
    asked: list[tuple[int, int]] = []

    def piece(request: Request) -> Response | None:
        if request.path != "/logs/only":
            return None
        first, last = map(int, request.headers["range"].removeprefix("bytes=").split("-"))
        asked.append((first, last))
        part = text.encode()[first : last + 1]
        return Response(status=206 if part else 416, body=part)

    azure.begin(Play(steps={"only": Step(["Completed"], log=text)}))
    azure.twists.append(piece)
    ended = run(small, stage, follow=True)
    assert (small.root / ".mlops" / ended.steps["only"].log).read_text() == text
    assert [last - first + 1 for first, last in asked] == [4 << 20] * 2


def test_a_log_that_may_not_be_read_fails_nothing_and_is_told(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"only": Step(["Running", "Completed"], log="ready\n")}))
    azure.faults.add("GET *.api.azureml.ms/logs/only status=403 code=AuthorizationPermissionMismatch message='not yours'")
    ended = run(small, stage, follow=True, key="one")
    assert ended.status is Status.COMPLETED
    [notice] = [notice for notice in ended.notices if "prints" in notice]
    assert notice.startswith("what 'only' prints is not all known: not yours (HTTP 403, AuthorizationPermissionMismatch, request ")
    azure.begin(Play(steps={"only": Step(["Running", "Completed"], log="ready\n")}))
    azure.faults.add("GET *.api.azureml.ms/logs/only status=403 message='not yours'")
    later = run(small, stage)
    store = small.store()
    told = [str(problem) for _ in range(3) for problem in small.refresh([store.records.run(later.id)], into={})]
    assert [text.partition(" (")[0] for text in told] == ["what 'only' prints is not all known: not yours"] * 2
    assert store.records.run(later.id).status is Status.COMPLETED
    store.close()


def test_only_looks_in_a_row_that_nobody_answers_end_following(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"only": Step(["Running", "Completed"])}))
    for after in (0, 1):
        azure.faults.add(f"GET */runs/p-*/details status=500 after={after} times={4 * QUICK.attempts}")
    assert run(small, stage, follow=True).status is Status.COMPLETED
    assert azure.faults.unspent() == ()


@pytest.mark.parametrize("fault", ["status=503", "status=403", "reset"])
def test_following_ends_when_nobody_answers_any_more(small: Project, stage: Stage, azure: ScriptedAzure, fault: str) -> None:
    azure.faults.add(f"GET */runs/* {fault}")
    with pytest.raises(StageError, match="could not follow") as caught:
        run(small, stage, follow=True)
    [job] = azure.jobs
    assert caught.value.fix.endswith(f"; the job goes on there: mlops runs show {job}")
    looks = [call for call in azure.requests() if "/runs/" in call.path]
    assert (len(looks) == 1) == ("403" in fault), "a refusal is not asked for again"


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


def test_a_download_that_stops_in_the_middle_is_begun_again_and_told_when_that_lasts(small: Project, stage: Stage, azure: ScriptedAzure) -> None:
    azure.faults.add("PUT */nothing status=503")  # so that requests to storage are seen one by one
    with Workspace(stage, patience=dataclasses.replace(QUICK, read=0.4)) as workspace:
        blobs = Blobs(workspace)
        blobs.write("x/rows.txt", b"rows" * 1000)
        [blob] = blobs.below("x/rows.txt")
        half = Response(status=206, body=b"rows" * 500, headers={
            "Content-Length": "4000", "Content-Range": "bytes 0-3999/4000", "ETag": '"1"', "x-ms-blob-type": "BlockBlob"})
        azure.twists.append(Answers("GET *.blob.core.windows.net/*rows.txt", half, times=1))
        with blobs.open(blob) as stream:
            assert stream.read() == b"rows" * 1000
        azure.twists[:] = [Answers("GET *.blob.core.windows.net/*rows.txt", half)]
        with pytest.raises(StageError, match="could not read 'x/rows") as caught, blobs.open(blob) as stream:
            stream.read()
    assert caught.value.why == f"{ACCOUNT}: no answer in the time that it has"
