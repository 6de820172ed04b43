"""Endpoints, as the unmodified SDK makes, deploys to, invokes and deletes them."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.emulator import Emulator

SCORE = """\
import json, os
from pathlib import Path

def init():
    global weights
    weights = Path(os.environ["AZUREML_MODEL_DIR"], "weights.txt").read_text().strip()

def run(data):
    rows = json.loads(data)["rows"]
    if not isinstance(rows, list):
        raise ValueError("rows are no list")
    return {"by": "blue", "weights": weights, "rows": len(rows), "says": os.environ.get("GREETING"),
            "tells": os.environ.get("APPLICATIONINSIGHTS_CONNECTION_STRING")}
"""
RAW = """\
import json, time
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init(): pass

@rawhttp
def run(request: AMLRequest):
    told = request.get_json()
    print("asked", told.get("rows"), flush=True)
    time.sleep(told.get("sleep", 0))
    return AMLResponse({"by": "green", "method": request.method}, told.get("status", 200), {"x-colour": "green"}, json_str=True)
"""
BROKEN = "def init():\n    raise RuntimeError('no weights here')\n\ndef run(data): pass\n"
BATCH = """\
import os
from pathlib import Path

def init():
    global weights
    weights = Path(os.environ["AZUREML_MODEL_DIR"], "weights.txt").read_text().strip()

def run(batch):
    Path(os.environ["AZUREML_BI_OUTPUT_PATH"], "mine.txt").write_text(os.environ["GREETING"])
    return [f"{Path(file).name} {Path(file).read_text().strip()} {weights}" for file in batch]
"""
PIPELINE = {
    "type": "pipeline", "name": "say", "version": "1",
    "inputs": {"word": {"type": "string"}, "rows": {"type": "uri_folder"}, "times": {"type": "integer", "default": 2}},
    "outputs": {"said": {"type": "uri_folder"}},
    "jobs": {"say": {
        "type": "command", "component": "say.yml", "outputs": {"out": "${{parent.outputs.said}}"},
        "inputs": {"word": "${{parent.inputs.word}}", "rows": "${{parent.inputs.rows}}", "times": "${{parent.inputs.times}}"}}},
}  # fmt: skip
SAY = {
    "type": "command", "name": "say_word", "version": "1", "environment": "azureml:any:1",
    "inputs": {"word": {"type": "string"}, "rows": {"type": "uri_folder"}, "times": {"type": "integer"}},
    "outputs": {"out": {"type": "uri_folder"}},
    "command": "cat ${{inputs.rows}}/a.txt > ${{outputs.out}}/said.txt; echo ${{inputs.word}} ${{inputs.times}} >> ${{outputs.out}}/said.txt",
}  # fmt: skip
# A model of MLflow's whose loading takes nothing but MLflow itself.
MLMODEL = {"flavors": {"python_function": {"loader_module": "tiny_model", "code": "code"}}, "model_uuid": "0" * 32}
TINY = """\
class Model:
    def predict(self, table): return (table["a"] + 10 * table["b"]).tolist()

def _load_pyfunc(path): return Model()
"""


@pytest.fixture(scope="module")
def told(sdk_of: Callable[[Emulator], Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the SDK gave; of an Azure ML that nobody else has put anything into, since all endpoints are listed."""
    folder = tmp_path_factory.mktemp("endpoints")
    for name, text in {
        "code/score.py": SCORE, "code/raw.py": RAW, "code/broken.py": BROKEN, "code/batch.py": BATCH, "weights.txt": "0.5\n",
        "rows/a.txt": "one\n", "rows/b.txt": "two\n", "table.csv": "a,b\n1,2\n3,4\n", "pipeline.yml": json.dumps(PIPELINE),
        "say.yml": json.dumps(SAY), "tiny/MLmodel": json.dumps(MLMODEL), "tiny/code/tiny_model.py": TINY,
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    with Emulator() as emulator:
        yield sdk_of(emulator)("sdk_endpoints.py", folder)


def test_every_call_that_the_sdk_is_known_to_make_is_answered(told: dict[str, Any], not_called: Callable[[str, Any], list[str]]) -> None:
    assert not_called("sdk_endpoints.py", told) == []


BY = {"blue": {"by": "blue", "weights": "0.5", "rows": 2, "says": "hello", "tells": None}, "green": {"by": "green", "method": "POST"}}


@pytest.mark.parametrize(("step", "expected"), [
    ("create", ["shop", "https://shop.westeurope.inference.ml.azure.com/score", "Succeeded", "key", {"a": "b"}, {}]),
    ("deploy", ["blue", "Succeeded", 1, "shop", {"colour": "blue"}]),
    ("first", [{"blue": 100}, BY["blue"]]),
    ("beside", [{"blue": 100, "green": 0}, BY["green"]]),
    ("shared", ["blue"] * 6 + ["green"] * 2),
    ("mirrored", [["blue"] * 4, 2, {"green": 50}]),
    ("keys", [True, True, "blue"]),
    ("logs", ["POST", "/score", "200"]),
    ("initializer", "code:"),
    ("failed", ["Failed", "RuntimeError: no weights here"]),
    ("names", [["shop"], ["blue", "green", "broken"]]),
    ("remove", [["green", "broken"], []]),
    ("signed in", [[21, 43], True]),
    ("batch create", ["nightly", "https://nightly.westeurope.inference.ml.azure.com/jobs", "aad_token", "at night"]),
    ("batch deploy", ["model", "Succeeded", 1, "model"]),
    ("batch invoke", ["Completed", "batchscoring", {
        "named-outputs/score/mine.txt": "bye", "named-outputs/score/rows.csv": "a.txt one 0.5\nb.txt two 0.5\n"}]),
    ("batch pipeline", ["pipeline", "Completed", "one\nagain 2\n", "nights"]),
    ("batch mlflow", ["Completed", "0,21,table.csv\n1,43,table.csv\n"]),
    ("batch jobs", [3, [True]]),
    ("batch remove", [["model", "tiny"], []]),
])  # fmt: skip
def test_the_sdk_gets_what_azure_would_give(told: dict[str, Any], step: str, expected: object) -> None:
    assert told[step].get("value") == expected, told[step]


@pytest.mark.parametrize(("step", "status", "words"), [
    ("early deploy", 404, "Endpoint 'shop' was not found"),
    ("early traffic", 400, "the endpoint has no such deployment"),
    ("no traffic", 404, "no deployment with a share of the traffic"),
    ("too much", 400, "adds up to 70 %"),
    ("failing", 200, "RuntimeError: no weights here"),
    ("model error", 424, "An unexpected error occurred in scoring script"),
    ("teapot", 424, '{"by": "green", "method": "POST"}'),
    ("delete with traffic", 400, "'blue' has a share of the traffic"),
    ("gone", 404, "Endpoint 'shop' was not found"),
    ("batch no default", 400, "has no default deployment"),
    ("batch wrong", 400, "no input 'wrod'; it has: word, rows, times"),
    ("batch delete default", 400, "'model' is the endpoint's default"),
])  # fmt: skip
def test_what_azure_would_refuse_is_refused(told: dict[str, Any], step: str, status: int, words: str) -> None:
    assert (told[step].get("status"), words in told[step].get("message", "")) == (status, True), told[step]


# --- over the wire ---------------------------------------------------------------------------------------------------

SLOW = """\
import json, os, time

def init():
    while "wait" in os.environ and not os.path.exists(os.environ["wait"]): time.sleep(0.01)

def run(data):
    told = json.loads(data)
    if told.get("die"): os._exit(1)
    if told.get("until"):
        open(told["until"] + ".in", "w").close()
        while not os.path.exists(told["until"]): time.sleep(0.01)
    return os.environ.get("SAYS", "nothing") + str(told.get("add", ""))
"""


class Shop:
    """An endpoint with a deployment, made without the SDK."""

    def __init__(self, emulator: Emulator, wire: Any, name: str, script: str = SLOW) -> None:
        self.emulator, self.wire, self.name, self.host = emulator, wire, name, f"https://{name}.westeurope.inference.ml.azure.com"
        emulator.world.account.write("mlw-mlops-dev-raw", f"code/{name}/score.py", script.encode())
        uri = f"{emulator.world.account.url}/mlw-mlops-dev-raw/code/{name}"
        assert wire("PUT", f"codes/{name}/versions/1", {"properties": {"codeUri": uri}}).status == 201
        self.code = f"{emulator.setup.workspace_id()}/codes/{name}/versions/1"
        assert self.endpoint().status == 201

    def endpoint(self, **more: Any) -> Any:
        return self.wire("PUT", f"onlineEndpoints/{self.name}", {"location": "westeurope", "properties": {"authMode": "Key", **more}})

    def deploy(self, name: str = "blue", variables: dict[str, str] | None = None, **more: Any) -> Any:
        return self.wire("PUT", f"onlineEndpoints/{self.name}/deployments/{name}", {"properties": {
            "endpointComputeType": "Managed", "instanceType": "Standard_DS3_v2", "environmentVariables": variables or {},
            "codeConfiguration": {"codeId": self.code, "scoringScript": "score.py"}, **more}})

    def state(self, answer: Any) -> Any:
        """How the operation that an answer began ends."""
        assert answer.status in (200, 201, 202), answer.content
        deadline = time.monotonic() + 60
        while (told := self.wire("GET", answer.headers["Azure-AsyncOperation"]).json)["status"] == "InProgress":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return told

    def key(self, which: str = "primary") -> str:
        return str(self.wire("POST", f"onlineEndpoints/{self.name}/listKeys").json[f"{which}Key"])

    def ask(self, data: Any = None, token: str | None = "", **headers: str) -> Any:
        given = self.key() if token == "" else token
        return self.wire("POST", f"{self.host}/score", {} if data is None else data, token=given, azureml_model_deployment="blue", **headers)


@pytest.fixture(scope="module")
def shop(azure: Emulator, wire: Any) -> Shop:
    made = Shop(azure, wire, "counter")
    assert made.state(made.deploy())["status"] == "Succeeded"
    return made


def test_an_answer_says_which_deployment_it_is_of(shop: Shop) -> None:
    answer = shop.ask({"add": 1})
    assert (answer.status, answer.json, answer.headers["azureml-model-deployment"]) == (200, "nothing1", "blue")
    assert shop.wire("GET", f"{shop.host}/", token=None).content == b"Healthy"


def test_only_who_has_a_key_is_answered_and_keys_are_written_down_nowhere(shop: Shop) -> None:
    old = shop.key()
    assert [shop.ask(token=token).status for token in (None, "guess", shop.wire.token, old, shop.key("secondary"))] == [401, 401, 401, 200, 200]
    begun = shop.wire("POST", f"onlineEndpoints/{shop.name}/regenerateKeys", {"keyType": "Primary", "keyValue": old})
    assert [shop.wire("GET", begun.headers["Location"]).status for _ in range(3)] == [202, 204, 204]
    assert [shop.ask(token=token).status for token in (old, shop.key(), shop.key("secondary"))] == [401, 200, 200]
    for file in shop.emulator.home.rglob("*"):
        if file.is_file() and "blobs" not in file.parts:
            assert not any(key.encode() in file.read_bytes() for key in (old, shop.key(), shop.key("secondary"))), file


def test_the_token_of_an_endpoint_is_for_it_alone(shop: Shop) -> None:
    for name in ("first", "second"):
        told = {"location": "westeurope", "properties": {"authMode": "AMLToken"}}
        shop.state(shop.wire("PUT", f"onlineEndpoints/{name}-token", told))
    token = shop.wire("POST", "onlineEndpoints/first-token/token").json["accessToken"]
    asked = [shop.wire("POST", f"https://{name}-token.westeurope.inference.ml.azure.com/score", {}, token=token) for name in ("first", "second")]
    assert [answer.status for answer in asked] == [404, 401]  # let in, and there is no deployment; not let in
    assert shop.wire("POST", "onlineEndpoints/first-token/listKeys").status == 400
    assert shop.wire("POST", f"onlineEndpoints/{shop.name}/token").status == 400


def test_a_deployment_that_takes_too_long_is_408_and_one_with_too_much_to_do_429(shop: Shop, tmp_path: Path) -> None:
    settings = {"requestTimeout": "PT0.2S", "maxConcurrentRequestsPerInstance": 1}
    assert shop.state(shop.deploy(requestSettings=settings))["status"] == "Succeeded"
    assert shop.ask({"until": str(tmp_path / "late")}).json["error"]["code"] == "RequestTimeout"
    (tmp_path / "late").touch()
    assert shop.state(shop.deploy(requestSettings={**settings, "requestTimeout": "PT60S"}))["status"] == "Succeeded"
    key, go = shop.key(), tmp_path / "go"
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(shop.ask, {"until": str(go)}, key) for _ in range(2)]
        while len([call for call in shop.emulator.world.servers._waiting.values() if call == 2]) == 0:
            time.sleep(0.01)
        assert shop.ask({}, key).json["error"]["code"] == "TooManyRequests"
        go.touch()
        assert [future.result().status for future in asked] == [200, 200]


def test_a_process_that_ends_is_424_and_is_started_again(shop: Shop) -> None:
    shop.state(shop.deploy())
    answer = shop.ask({"die": True})
    assert (answer.status, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "502")
    assert shop.ask().status == 200


def test_what_is_there_serves_until_its_successor_does(shop: Shop, tmp_path: Path) -> None:
    shop.state(shop.deploy(variables={"SAYS": "old"}))
    go = tmp_path / "go"
    fresh = {"SAYS": "new", "wait": str(go)}
    begun = shop.deploy(variables=fresh)
    assert (begun.status, begun.json["properties"]["provisioningState"], shop.ask().json) == (200, "Updating", "old")
    assert shop.deploy(variables={"SAYS": "other"}).status == 409
    assert shop.deploy(variables=fresh).status == 200  # the same again, as after an answer that got lost
    go.touch()
    assert (shop.state(begun)["status"], shop.ask().json) == ("Succeeded", "new")
    assert shop.state(shop.deploy(codeConfiguration={"codeId": shop.code, "scoringScript": "absent.py"}))["error"] == {
        "code": "BadArgument", "message": "the code has no scoring script absent.py"}
    assert shop.ask().json == "new"  # a change that fails leaves what is there


@pytest.mark.parametrize(("path", "body", "status", "words"), [
    ("onlineEndpoints/a_b", {"properties": {"authMode": "Key"}}, 400, "no name for an endpoint"),
    ("onlineEndpoints/abc", {}, 400, "has properties"),
    ("onlineEndpoints/abc", {"properties": {"authMode": "None"}}, 400, "authMode is one of"),
    ("onlineEndpoints/counter", {"properties": {"authMode": "AMLToken"}}, 400, "authMode cannot be changed"),
    ("onlineEndpoints/counter", {"properties": {"authMode": "Key", "mirrorTraffic": {"blue": 60}}}, 400, "At most 50 %"),
    ("batchEndpoints/counter", {"properties": {}}, 409, "is taken in westeurope"),
    ("batchEndpoints/abc", {"properties": {"authMode": "Key"}}, 400, "is AADToken"),
    ("batchEndpoints/abc", {"properties": {"defaults": {"deploymentName": "x"}}}, 400, "none of the endpoint's deployments"),
    ("onlineEndpoints/none/deployments/blue", {"properties": {}}, 404, "Endpoint 'none' was not found"),
    ("onlineEndpoints/counter/deployments/x", {"properties": {}}, 400, "no name for a deployment"),
    ("onlineEndpoints/counter/deployments/green", {"properties": {"endpointComputeType": "Managed"}}, 400, "has an instanceType"),
    ("onlineEndpoints/counter/deployments/green", {"properties": {
        "endpointComputeType": "Managed", "instanceType": "x", "model": "/subscriptions/s/models/none/versions/1"}}, 400, "was not found"),
])  # fmt: skip
def test_what_is_no_endpoint_is_refused(shop: Shop, path: str, body: dict[str, Any], status: int, words: str) -> None:
    answer = shop.wire("PUT", path, body)
    assert (answer.status, words in answer.json["error"]["message"]) == (status, True), answer.content


def test_an_endpoint_that_is_not_there_is_404_and_the_way_to_jobs_is_for_batch_endpoints(shop: Shop) -> None:
    asked = [shop.wire("POST", "https://nobody.westeurope.inference.ml.azure.com/score", {}), shop.wire("POST", f"{shop.host}/jobs", {})]
    assert [answer.status for answer in asked] == [404, 404]
    assert shop.wire("DELETE", "onlineEndpoints/nobody").status == 204
    assert shop.wire("GET", f"onlineEndpoints/{shop.name}/deployments/blue/skus").json["value"][0]["sku"] == {"name": "Default"}


def test_the_same_invocation_again_is_the_same_job(shop: Shop) -> None:
    account, workspace = shop.emulator.world.account, shop.emulator.setup.workspace_id()
    account.write("mlw-mlops-dev-raw", "code/many/score.py", b"def init(): pass\ndef run(files): return [1 for _ in files]\n")
    account.write("mlw-mlops-dev-raw", "rows/a.txt", b"a")
    shop.wire("PUT", "codes/many/versions/1", {"properties": {"codeUri": f"{account.url}/mlw-mlops-dev-raw/code/many"}})
    shop.wire("PUT", "batchEndpoints/many", {"properties": {}})
    shop.wire("PUT", "batchEndpoints/many/deployments/only", {"properties": {"compute": "cpu", "codeConfiguration": {
        "codeId": f"{workspace}/codes/many/versions/1", "scoringScript": "score.py"}}})
    assert shop.wire("PATCH", "batchEndpoints/many", {"properties": {"defaults": {"deploymentName": "only"}}}).status == 200
    body = {"properties": {"name": "asked", "inputData": {"rows": {"jobInputType": "UriFolder", "uri": "azureml://datastores/raw/paths/rows"}}}}
    token = shop.emulator.world.tokens.issue("https://ml.azure.com/.default")

    def ask(request: str, told: Any = body) -> Any:
        return shop.wire("POST", "https://many.westeurope.inference.ml.azure.com/jobs", told, token=token, repeatability_request_id=request)

    shop.emulator.faults.add("POST many.*/jobs lost times=1")
    with pytest.raises((OSError, http.client.HTTPException)):
        ask("1")
    assert [(answer.status, answer.json.get("name")) for answer in (ask("1"), ask("1"))] == [(201, "asked")] * 2
    shop.emulator.faults.clear()
    assert ask("2").status == 409
    assert shop.wire("POST", "https://many.westeurope.inference.ml.azure.com/jobs", body).status == 401  # a token for something else
    assert ask("3", {"properties": {"inputData": {}}}).status == 400
    assert ask("4", {"properties": {"inputData": {"rows": {"jobInputType": "Strange", "uri": "x"}}}}).status == 400


def test_a_restart_forgets_no_endpoint(tmp_path: Path, wire_to: Callable[[Emulator], Any]) -> None:
    go = tmp_path / "go"
    with Emulator(tmp_path / "home") as emulator:
        shop = Shop(emulator, wire_to(emulator), "lasting")
        shop.state(shop.deploy(variables={"SAYS": "still"}))
        key = shop.key()
        assert shop.ask().json == "still"
        assert shop.deploy("green", {"wait": str(go)}).status == 201
    with Emulator(tmp_path / "home") as emulator:
        shop.emulator, shop.wire = emulator, wire_to(emulator)
        assert (shop.key(), shop.ask().json) == (key, "still")
        go.touch()
        path = f"onlineEndpoints/{shop.name}/deployments/green"
        while (state := shop.wire("GET", path).json["properties"]["provisioningState"]) == "Creating":
            time.sleep(0.02)
        assert state == "Succeeded"
