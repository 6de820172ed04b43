"""The way to Azure and back: proxy, certificates, tokens, and what stays after a restart."""

import http.client
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from mlops_lib.emulator import Emulator, Setup
from mlops_lib.emulator.azurite import program
from mlops_lib.emulator.hosts import service_of
from mlops_lib.emulator.ledger import run_key
from mlops_lib.emulator.router import Service
from mlops_lib.errors import InputError

LOGIN = "https://login.microsoftonline.com"


def token_of(wire: Any, **form: str) -> Any:
    setup = wire.emulator.setup
    told = {"grant_type": "client_credentials", "client_id": setup.client, "scope": "https://ml.azure.com/.default", **form}
    return wire("POST", f"{LOGIN}/{setup.tenant}/oauth2/v2.0/token", urlencode(told).encode(), token=None)


@pytest.mark.parametrize(("host", "service"), [
    ("management.azure.com", Service.MANAGEMENT),
    ("Login.MicrosoftOnline.com", Service.LOGIN),
    ("westeurope.api.azureml.ms", Service.WORKSPACE),
    ("anything.blob.core.windows.net", Service.BLOB),
    ("name.westeurope.inference.ml.azure.com", Service.ENDPOINT),
    ("name.elsewhere.inference.ml.azure.com", None),
    ("a.b.blob.core.windows.net", None),
    ("management.azure.com.example.org", None),
    ("packages.example.org", None),
])  # fmt: skip
def test_azures_hosts_are_known_and_no_others(host: str, service: Service | None) -> None:
    assert service_of(host, "westeurope") is service


@pytest.mark.parametrize("target", ["packages.example.org:443", "management.azure.com:80", "127.0.0.1:22"])
def test_every_other_host_is_refused_and_noted_down(azure: Emulator, target: str) -> None:
    host, _, port = target.partition(":")
    with closing(http.client.HTTPSConnection("127.0.0.1", azure.port, timeout=10)) as connection:
        connection.set_tunnel(host, int(port))
        with pytest.raises(OSError, match="403"):
            connection.request("GET", "/")
    assert azure.refused == [target]
    azure.refused.clear()


def test_the_port_is_no_web_server(azure: Emulator) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", azure.port, timeout=10)) as connection:
        connection.request("GET", "http://example.org/")
        assert connection.getresponse().status == 403
    assert azure.refused == ["http://example.org/"]
    azure.refused.clear()


def test_a_client_secret_gives_a_token_that_opens_the_workspace(azure: Emulator, wire: Any) -> None:
    answer = token_of(wire, client_secret=azure.world.client_secret, scope="https://management.azure.com/.default")
    assert (answer.status, answer.json["token_type"]) == (200, "Bearer")
    assert wire("GET", "", token=answer.json["access_token"]).json["name"] == azure.setup.workspace
    known = wire("GET", f"{LOGIN}/common/discovery/instance?api-version=1.1", token=None).json
    assert [known["metadata"][0]["preferred_network"], known["tenant_discovery_endpoint"].split("/")[3]] == ["login.microsoftonline.com", azure.setup.tenant]


def test_a_token_of_ci_gives_one_in_exchange(azure: Emulator, wire: Any) -> None:
    assertion = Path(azure.environment(credential="federated")["AZURE_FEDERATED_TOKEN_FILE"]).read_text()
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    answer = token_of(wire, client_assertion=assertion, client_assertion_type=kind)
    claims = azure.world.tokens.check(answer.json["access_token"])
    assert (claims["aud"], claims["tid"]) == ("https://ml.azure.com", azure.setup.tenant)
    other = token_of(wire, client_assertion=wire.token, client_assertion_type=kind)
    assert (other.status, other.json["error_codes"]) == (401, [700213])


@pytest.mark.parametrize(("form", "status", "code"), [
    ({"client_secret": "wrong"}, 401, 7000215),
    ({"client_id": "somebody"}, 400, 700016),
    ({"grant_type": "password"}, 400, 70003),
])  # fmt: skip
def test_whoever_is_not_known_gets_no_token(wire: Any, form: dict[str, str], status: int, code: int) -> None:
    answer = token_of(wire, **form)
    assert (answer.status, answer.json["error_codes"]) == (status, [code])
    assert answer.json["error_description"].startswith(f"AADSTS{code}: ")


def test_without_a_token_of_ours_nothing_is_answered(azure: Emulator, wire: Any) -> None:
    assert wire("GET", "", token=None).status == 401
    expired = azure.world.tokens.issue("https://management.azure.com/.default", lifetime=-1)
    answer = wire("GET", "", token=expired)
    assert (answer.status, answer.json["error"]["code"]) == (401, "ExpiredAuthenticationToken")
    head, claims, signature = wire.token.split(".")
    assert wire("GET", "", token=f"{head}.{claims}.{signature[::-1]}").json["error"]["code"] == "InvalidAuthenticationToken"


def test_what_is_not_there_says_so(wire: Any) -> None:
    answer = wire("GET", "connections?api-version=2024-10-01")
    assert (answer.status, answer.json["error"]["code"]) == (501, "NotEmulated")
    assert "connections" in answer.json["error"]["message"]
    assert "x-ms-request-id" in answer.headers


def test_a_body_that_is_no_object_is_refused(wire: Any) -> None:
    for body in (b"{", b"[]"):
        answer = wire("PUT", "data/x/versions/1", body)
        assert (answer.status, answer.json["error"]["code"]) == (400, "InvalidRequestContent")


@pytest.mark.parametrize(("method", "path", "properties"), [
    ("PUT", "datastores/wrong", {"datastoreType": "AzureBlob"}),
    ("PUT", "datastores/wrong", {"datastoreType": "AzureBlob", "containerName": 9}),
    ("PUT", "datastores/wrong", {"datastoreType": "AzureBlob", "containerName": "c", "credentials": 7}),
    ("PUT", "computes/wrong", {"computeType": "AmlCompute", "properties": "x"}),
    ("PATCH", "computes/cpu", {"properties": {"scaleSettings": "x"}}),
    ("PUT", "data/wrong", "x"),
    ("PUT", "components/wrong/versions/1", {"componentSpec": "x"}),
    ("PUT", "jobs/wrong", {"jobType": "Pipeline", "jobs": [1]}),
    ("PUT", "jobs/wrong", {"jobType": "Pipeline", "settings": "x"}),
    ("PUT", "onlineEndpoints/wrong", {"authMode": "Key", "traffic": [1]}),
])  # fmt: skip
def test_what_has_the_wrong_shape_is_refused_and_no_bug_of_ours(wire: Any, method: str, path: str, properties: Any) -> None:
    answer = wire(method, path, {"properties": properties})
    assert answer.status == 400, answer.content
    assert wire("GET", "datastores").status == 200


@pytest.mark.parametrize(("length", "status"), [("abc", 400), ("-5", 400), (str(1 << 40), 413)])
def test_a_length_that_no_body_has_is_refused_at_once(wire: Any, length: str, status: int) -> None:
    assert wire("PUT", "data/x/versions/1", token=None, Content_Length=length).status == status


@pytest.mark.parametrize("name", ["..", "%2e%2e", "..%2f..%2fx", "x" * 300])
def test_a_name_that_leads_elsewhere_is_none(wire: Any, name: str) -> None:
    assert wire("PUT", f"jobs/{name}", {"properties": {"jobType": "Command"}}).status == 400
    assert wire("PUT", f"models/{name}/versions/1", {"properties": {"modelUri": "azureml://datastores/raw/paths/x"}}).status == 400


@pytest.mark.parametrize("name", ["..", "%2e%2e", "%2e", "..%2f..%2fx", "a%2fb", "a%0ab"])
@pytest.mark.parametrize(("path", "properties"), [
    ("models/leads/versions/{}", {"modelUri": "azureml://datastores/raw/paths/x"}),
    ("datastores/{}", {"datastoreType": "AzureBlob", "containerName": "leads"}),
    ("computes/{}", {"computeType": "AmlCompute"}),
    ("onlineEndpoints/{}", {"authMode": "Key"}),
])  # fmt: skip
def test_nothing_has_a_name_that_leads_elsewhere(wire: Any, path: str, properties: Any, name: str) -> None:
    assert wire("PUT", path.format(name), {"properties": properties}).status == 400


def test_data_comes_to_no_place_outside_of_what_stands_for_its_datastore(azure: Emulator, wire: Any) -> None:
    account, path = azure.world.account, "..%2f..%2f..%2f..%2fleads"
    account.create("mlw-mlops-dev-raw")
    query = account.signed("mlw-mlops-dev-raw", "../../../../leads/x.txt", permissions="cw")
    put = wire("PUT", f"{account.url}/mlw-mlops-dev-raw/{path}%2fx.txt?{query}", b"led astray", token=None, x_ms_blob_type="BlockBlob", x_ms_version="2021-12-02")
    assert put.status == 201, put.content
    job = {"jobType": "Command", "command": "true", "environmentId": "azureml://registries/azureml/environments/x/labels/latest",
           "inputs": {"data": {"jobInputType": "uri_folder", "uri": "azureml://datastores/raw/paths/../../../../leads"}}}
    assert wire("PUT", "jobs/leads", {"properties": job}).status == 201
    run = f"https://westeurope.api.azureml.ms/history/v1.0{azure.setup.workspace_id()}/runs/leads"
    while (told := wire("GET", run).json)["status"] in ("Queued", "Running"):
        pass
    assert (told["status"], list(azure.home.rglob("leads/x.txt"))) == ("Failed", [])
    assert "leads out of" in told["error"]["error"]["message"]


def test_ids_are_compared_without_regard_to_case(wire: Any) -> None:
    upper = wire("GET", wire.workspace.replace("resourceGroups", "resourcegroups").replace("mlw-", "MLW-"))
    assert upper.json["name"] == wire.emulator.setup.workspace


def test_etags_keep_two_writers_apart(wire: Any) -> None:
    body = {"properties": {"dataUri": "azureml://datastores/raw/paths/x", "dataType": "uri_folder"}}
    made = wire("PUT", "data/tagged/versions/1", body, If_None_Match="*")
    assert made.status == 201
    again = wire("PUT", "data/tagged/versions/1", body, If_None_Match="*")
    assert (again.status, again.json["error"]["code"]) == (412, "PreconditionFailed")
    body["properties"]["tags"] = {"a": "b"}
    changed = wire("PUT", "data/tagged/versions/1", body, If_Match=made.headers["ETag"])
    assert changed.status == 200
    assert wire("PUT", "data/tagged/versions/1", body, If_Match=made.headers["ETag"]).status == 412
    assert wire("GET", "data/tagged/versions/1").headers["ETag"] == changed.headers["ETag"] != made.headers["ETag"]


@pytest.fixture(scope="module")
def keyed() -> Iterator[Emulator]:
    """One whose storage has keys, and whose pages are small."""
    with Emulator(setup=Setup(storage_keys=True, page_size=2)) as emulator:
        yield emulator


def test_a_list_comes_page_by_page(keyed: Emulator, wire_to: Callable[[Emulator], Any]) -> None:
    wire = wire_to(keyed)
    for number in range(5):
        wire("PUT", f"models/m/versions/{number}", {"properties": {"modelUri": "azureml://datastores/raw/paths/x"}})
    url, seen = "models/m/versions?listViewType=All", []
    while url:
        page = wire("GET", url).json
        assert len(page["value"]) <= 2
        seen += [version["name"] for version in page["value"]]
        url = page.get("nextLink", "")
    assert seen == ["0", "1", "2", "3", "4"]
    newest = wire("GET", "models/m/versions?$orderBy=createdtime desc&$top=1".replace(" ", "%20")).json
    assert [version["name"] for version in newest["value"]] == ["4"]
    assert "nextLink" not in newest
    latest = wire("GET", "models/m").json["properties"]
    assert (latest["latestVersion"], latest["nextVersion"]) == ("4", "5")


def test_a_restart_forgets_nothing(tmp_path: Path, wire_to: Callable[[Emulator], Any]) -> None:
    body = {"properties": {"dataUri": "azureml://datastores/raw/paths/x", "dataType": "uri_folder"}}
    with Emulator(tmp_path) as emulator:
        wire = wire_to(emulator)
        etag = wire("PUT", "data/kept/versions/1", body).headers["ETag"]
        emulator.world.account.write("mlw-mlops-dev-raw", "deep/a b.txt", b"kept")
        secret, token = emulator.world.client_secret, wire.token
    with Emulator(tmp_path) as emulator:
        wire = wire_to(emulator)
        assert wire("GET", "data/kept/versions/1", token=token).headers["ETag"] == etag
        assert emulator.world.account.read("mlw-mlops-dev-raw", "deep/a b.txt") == b"kept"
        assert emulator.world.client_secret == secret


def test_storage_keys_are_told_when_a_stage_has_them(wire: Any, keyed: Emulator, wire_to: Callable[[Emulator], Any]) -> None:
    assert wire("POST", "datastores/workspaceblobstore/listSecrets", {}).status == 400
    wire = wire_to(keyed)
    datastore = wire("GET", "datastores/workspaceblobstore").json
    assert datastore["properties"]["credentials"] == {"credentialsType": "AccountKey"}
    told = wire("POST", "datastores/workspaceblobstore/listSecrets", {}).json
    assert told == {"secretsType": "AccountKey", "key": keyed.world.account.key}
    signed = wire("POST", "datastores/workspaceblobstore/listSecrets", {"expirableSecret": True}).json
    address = f"{keyed.world.account.url}/mlw-mlops-dev-workspaceblobstore/x.txt?{signed['sasToken']}"
    put = wire("PUT", address, b"x", token=None, x_ms_blob_type="BlockBlob", x_ms_version="2021-12-02")
    assert put.status == 201
    assert wire("GET", address, token=None).content == b"x"


def test_the_sdk_works_with_storage_keys_too(keyed: Emulator, sdk_of: Any, not_called: Any, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.txt").write_text("signed for\n")
    told = sdk_of(keyed)("sdk_keys.py", tmp_path)
    assert {step: result.get("value", result) for step, result in told.items()} == {
        "datastores.get_default": "SasTokenConfiguration", "data.create": "1", "models.create": "1", "models.download": ["signed for\n"],
        "stream": True, "download": ["signed for\n"]}  # fmt: skip
    assert not_called("sdk_keys.py", told) == []


def test_blob_storage_takes_tokens_of_ours_for_storage_only(azure: Emulator, wire: Any) -> None:
    azure.world.account.write("mlw-mlops-dev-raw", "open.txt", b"open")
    address = f"{azure.world.account.url}/mlw-mlops-dev-raw/open.txt"
    storage = azure.world.tokens.issue("https://storage.azure.com/.default")
    assert wire("GET", address, token=storage, x_ms_version="2021-12-02").content == b"open"
    assert wire("GET", address, x_ms_version="2021-12-02").status == 403
    assert wire("GET", address, token=None, x_ms_version="2021-12-02").status in (403, 404)


def test_many_clients_at_once_are_all_answered(wire: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    body = {"properties": {"dataUri": "azureml://datastores/raw/paths/x", "dataType": "uri_folder"}}
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda number: wire("PUT", f"data/crowd/versions/{number % 8}", body).status, range(64)))
    assert sorted(made) == [200] * 56 + [201] * 8


@pytest.mark.parametrize(("missing", "what"), [("node", "needs Node.js"), ("npm", "needs npm")])
def test_what_azurite_needs_is_told(missing: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == "npm":
        (tmp_path / "node").write_text("#!/bin/sh\n")
        (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=what):
        program(tmp_path / "cache")


def start(*arguments: str, **more: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "mlops_lib", "emulate", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


ASKS = """
import os, sys, urllib.error, urllib.request
for path in ("of-the-command-line", "of-the-file", "of-neither"):
    try:
        urllib.request.urlopen(f"https://management.azure.com/{path}")
    except urllib.error.HTTPError as error:
        print(error.code, error.headers["Retry-After"])
print(os.environ["MLOPS_QA_OUTPUTS"], os.environ["AZURE_TOKEN_CREDENTIALS"])
sys.exit(7)
"""


def test_a_command_gets_the_variables_and_faults_and_gives_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "faults").write_text("GET */of-the-file quota\n")
    faults = ("--fault", "GET */of-the-command-line status=503 retry-after=3", "--faults", str(tmp_path / "faults"))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with start("--stage", "qa", "--federated", *faults, "--", sys.executable, "-c", ASKS) as process:
        out, err = process.communicate(timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 4, "it takes 1.1 s of a processor; with the SDK in it, it would take 5"
    assert (process.returncode, err) == (7, "")
    *answers, out = out.splitlines()
    assert answers == ["503 3", "409 None", "501 None"]
    outputs, credential = out.rsplit(maxsplit=1)
    assert (json.loads(outputs)["workspace"]["name"], credential) == ("mlw-mlops-qa", "WorkloadIdentityCredential")


def test_without_a_command_it_goes_on_until_it_is_interrupted(tmp_path: Path) -> None:
    with start("--json", "--home", str(tmp_path / "home")) as process:
        assert process.stdout is not None
        text = ""
        while not text.endswith("\n}\n"):
            text += process.stdout.readline()
        told = json.loads(text)
        assert told["environment"]["HTTPS_PROXY"] == f"http://127.0.0.1:{told['port']}"
        assert told["outputs"]["stage"] == "dev"
        processes = [process.pid, *map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())]
        assert len(processes) == 2  # it, and the blob storage
        resident = [int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0]) >> 10 for pid in processes]
        assert sum(resident) < 150, resident  # MB
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err in ("", "mlw-mlops-dev answers through the proxy 127.0.0.1:{port}; end it with Ctrl-C\n".format(**told))
    assert (tmp_path / "home" / "azure.db").exists()
    for name in ("server.key", "azure.db", "federated-token", "."):
        assert os.stat(tmp_path / "home" / name).st_mode & 0o077 == 0, "who can sign in can have us run anything"


@pytest.mark.parametrize(("arguments", "words"), [
    (["--stage", "Dev!"], "is no stage"),
    (["--json", "--", "true"], "leave one of them out"),
    (["--", "/no/such/program"], "cannot be run"),
])  # fmt: skip
def test_wrong_usage_is_told(arguments: list[str], words: str) -> None:
    with start(*arguments) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert words in err
    assert "Traceback" not in err


def test_the_routes_are_listed() -> None:
    with start("--routes", "--json") as process:
        out, _ = process.communicate(timeout=60)
    assert {"service": "Azure Resource Manager", "method": "GET", "path": "{WS}", "does": "read a workspace"} in json.loads(out)


def test_a_job_goes_on_after_a_restart_in_the_same_workspace(
    azure: Emulator, tmp_path: Path, wire_to: Callable[[Emulator], Any]
) -> None:
    gate = tmp_path / "gate"
    command = f"until test -e {gate}; do sleep 0.05; done; echo through"
    run = "https://westeurope.api.azureml.ms/history/v1.0{}/runs/waits"
    with Emulator(tmp_path / "home") as emulator:
        wire = wire_to(emulator)
        environment = wire("PUT", "environments/any/versions/1", {"properties": {"image": "python:3.12"}}).json["id"]
        job = {"properties": {"jobType": "Command", "command": command, "environmentId": environment}}
        for name in ("waits", "canceled", "canceled-before-a-crash"):
            assert wire("PUT", f"jobs/{name}", job).status == 201
        identity = wire("GET", "").json["properties"]["workspaceId"]
        address = run.format(emulator.setup.workspace_id())
        for name in ("waits", "canceled", "canceled-before-a-crash"):
            while wire("GET", address.replace("waits", name)).json["status"] != "Running":
                pass
        assert wire("POST", "jobs/canceled/cancel").status == 202
        row = emulator.world.resources.get(run_key(emulator.setup.workspace_id(), "canceled-before-a-crash"))
        emulator.world.resources.put(row.id, {**row.body, "status": "CancelRequested"})
    gate.touch()
    with Emulator(tmp_path / "home") as emulator:
        wire = wire_to(emulator)
        assert wire("GET", "").json["properties"]["workspaceId"] == identity
        other = wire_to(azure)("GET", "").json["properties"]["workspaceId"]
        assert other != identity, "a workspace of the same name in another home is another one, as when it is made anew"
        while (status := wire("GET", address).json["status"]) in ("Queued", "Running"):
            pass
        assert status == "Completed", wire("GET", address).json.get("error")
        log = emulator.world.account.read("mlw-mlops-dev-workspaceartifactstore", "ExperimentRun/dcid.waits/user_logs/std_log.txt")
        assert log == b"through\n"
        for name in ("canceled", "canceled-before-a-crash"):
            while (status := wire("GET", address.replace("waits", name)).json["status"]) in ("CancelRequested", "Running"):
                pass
            assert status == "Canceled", "what was canceled does not begin again"


def test_a_step_takes_it_for_azure_too() -> None:
    program = Path(__file__).with_name("sdk_step.py")
    mine = {**os.environ, "AZURE_TENANT_ID": "mine", "AZURE_CLIENT_ID": "mine", "AZURE_CLIENT_SECRET": "mine"}
    with start("--", sys.executable, str(program), env=mine) as process:
        out, err = process.communicate(timeout=120)
    told = json.loads(out)["variables"]
    assert "value" in told, (told, err)
    tenant, client, proxy = told["value"]
    assert (tenant, client) == (Setup().tenant, Setup().client)
    assert proxy.startswith("http://127.0.0.1:")


def test_a_home_and_a_port_are_for_one(azure: Emulator, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another local Azure ML is using"):
        Emulator(azure.home)
    with pytest.raises(InputError, match="cannot listen on port"):
        Emulator(tmp_path, port=azure.port)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used"):
        Emulator(tmp_path / "file" / "home")
    with pytest.raises(InputError, match="cannot listen on port"):
        Emulator(tmp_path / "fresh", port=azure.port)
    assert (tmp_path / "fresh" / ".gitignore").read_text() == "*\n", "no key of it is ever committed"
    assert not (tmp_path / ".gitignore").exists(), "that folder was there"


def test_a_blob_whose_name_leads_out_of_its_folder_is_not_brought(azure: Emulator, tmp_path: Path) -> None:
    account = azure.world.account
    account.create("leads")
    for name in ("rows/a.txt", "rows/b/../../../x.txt"):
        account.write("leads", name, b"x")
    assert len(account.list("leads", "rows/")) == 2
    assert account.download("leads", "rows", tmp_path / "in" / "rows", tmp_path / "notes") == 1
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.txt")] == ["in/rows/a.txt"]
