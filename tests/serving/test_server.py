"""mlops serve: Microsoft's server, in an environment of its own, with the code of a deployment."""

import contextlib
import gzip
import hashlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_lib.cli import cli
from mlops_lib.cli.serve import _workplace
from mlops_lib.errors import InputError
from mlops_lib.serving import code
from mlops_lib.stores.digests import Whole
from mlops_lib.stores.models import ModelVersion
from mlops_lib.stores.stages import StageModels

from .tiny import FAR, NEAR, write

ROWS = [{"carrier": 1, "distance": 7.5, "temp": None}, {"carrier": 2, "distance": 3}]


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    json: Any


class Client:
    """Sends requests to a server."""

    def __init__(self, root: Path, told: Mapping[str, Any]) -> None:
        self.root, self.told = root, told
        self.port = urlsplit(told["address"]).port

    def __call__(self, body: Any = None, *, method: str = "POST", path: str = "/score", **headers: str) -> Answer:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        told = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have heard enough
                connection.request(method, path, content, told)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), json.loads(response.read()))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, "subprocess.Popen[str]"]]:
    """The champion of dev, served; and the process of mlops."""
    root = tmp_path_factory.mktemp("serve")
    (root / "mlops.yml").write_text("champion: dev\n")
    files = {path.name: path.read_bytes() for path in sorted(write(root / "saved").iterdir())}
    whole = Whole()
    for name, content in files.items():
        whole.add(name, hashlib.sha256(content).hexdigest())
    version = ModelVersion(name="flights", version="", type="mlflow_model", digest=whole.digest, created=0, tags={
        "deployment": "champion", "promotion": "1"})  # fmt: skip
    StageModels(root / ".mlops", "dev").write(version, ((name, io.BytesIO(content)) for name, content in files.items()), {})
    process = start(root, "flights@champion", "--port", "0", "--json", "--telemetry", "told.jsonl")
    yield Client(root, told_by(process)), process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    for parent, _, _ in os.walk(root):  # what is promoted is read-only
        os.chmod(parent, 0o755)


def start(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "mlops_lib", "serve", *arguments]
    return subprocess.Popen(
        command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def told_by(process: "subprocess.Popen[str]") -> Any:
    """The document that is printed once it answers."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line == "}\n":
            return json.loads("".join(lines))
    raise AssertionError(process.communicate()[1])


@pytest.fixture
def ask(served: Any) -> Client:
    client: Client = served[0]
    return client


def test_rows_become_predictions_with_the_models_version(ask: Client) -> None:
    answer = ask({"dataframe_records": ROWS})
    assert answer.json == {"predictions": [FAR, NEAR], "model": "flights:1"}
    assert answer.headers["x-mlops-model"] == "flights:1"
    assert answer.headers["x-ms-server-version"] == "azmlinfsrv/1.5.1"


def test_the_sample_is_a_request(ask: Client) -> None:
    assert ask.told["model"] == "flights:1"
    assert ask.told["kind"] == "lightgbm"
    assert ask(ask.told["sample"]).json["predictions"] == [FAR]


def test_its_documents_are_served(ask: Client) -> None:
    second = ask(method="GET", path="/swagger.json").json
    third = ask(method="GET", path="/swagger.json?version=3").json
    assert second["definitions"]["ServiceInput"]["example"] == ask.told["sample"]
    assert third["openapi"] == "3.0.3"
    assert third["components"]["schemas"]["ServiceInput"]["oneOf"][1]["properties"]["dataframe_records"]["items"]["required"] == [
        "carrier", "distance",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "how", "status", "words"),
    [
        ({"dataframe_records": [{"carrier": "AA", "distance": 1}]}, {}, 400, "row 0: carrier is not a whole number"),
        (b'{"data": [[1, ', {}, 400, "the body is not JSON"),
        (b"[" * 50_000, {}, 400, "nested too deeply"),
        (b"\xff\xfe\xfd", {}, 400, "the body is not"),
        (b"a,b\n1,2\n", {"Content_Type": "text/csv"}, 415, "text/csv"),
        (gzip.compress(b" " * 10**8), {"Content_Encoding": "gzip"}, 415, "packed with gzip"),
        (None, {"method": "GET"}, 405, "POST"),
        (b" " * (10 * 2**20 + 1), {}, 413, "10485760 bytes"),
        (iter([b" " * 2**20] * 11), {"Transfer_Encoding": "chunked"}, 413, "10485760 bytes"),
        ({"data": [[1, 2, 3]] * 10_001}, {}, 413, "10001 rows"),
    ],
)
def test_bad_requests_are_told_what_is_bad_and_do_no_harm(ask: Client, body: Any, how: Any, status: int, words: str) -> None:
    if hasattr(body, "__next__"):
        body = b"".join(body)
        content = b"".join(b"%x\r\n%s\r\n" % (2**20, body[at : at + 2**20]) for at in range(0, len(body), 2**20)) + b"0\r\n\r\n"
        answer = raw(ask.port, content)
    else:
        answer = ask(body, **how)
    assert answer.status == status
    assert words in answer.json["message"]
    assert ask(ask.told["sample"]).status == 200


def raw(port: Any, chunks: bytes) -> Answer:
    """The answer to a body that comes in chunks."""
    head = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have heard enough
            connection.sendall(head + chunks)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return Answer(response.status, dict(response.headers), json.loads(response.read()))


def test_a_client_that_keeps_its_connection_or_says_nothing_keeps_nobody_waiting(ask: Client) -> None:
    body = json.dumps(ask.told["sample"]).encode()
    with socket.create_connection(("127.0.0.1", ask.port)), \
            closing(http.client.HTTPConnection("127.0.0.1", ask.port, timeout=120)) as kept:
        begun = time.monotonic()
        for _ in range(3):
            kept.request("POST", "/score", body, {"Content-Type": "application/json"})
            opened = kept.sock
            response = kept.getresponse()
            assert json.loads(response.read())["predictions"] == [FAR]
            assert kept.sock is opened, "it is the same connection"
            assert ask(ask.told["sample"]).status == 200
        assert time.monotonic() - begun < 12, "it waits for nobody: each of the three would take five seconds"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FORMS = st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "input_data", "data"])


@settings(max_examples=40)
@given(st.dictionaries(FORMS, JSON, min_size=1, max_size=1) | JSON | st.binary(max_size=20))
def test_no_body_makes_an_error_of_the_servers(served: Any, body: Any) -> None:
    answer = served[0](b"null" if body is None else body)
    assert answer.status in (200, 400), answer


def test_a_second_server_on_its_port_is_told(ask: Client, tmp_path: Path) -> None:
    folder = write(tmp_path / "m")
    out, err = start(tmp_path, str(folder), "--port", str(ask.port)).communicate(timeout=120)
    assert out == ""
    assert f"port {ask.port} is in use" in err
    assert "--port 0" in err


def test_telemetry_that_cannot_be_written_is_told_before_anything_is_served(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    model = write(tmp_path / "m")
    for place in (".", "file/told.jsonl"):
        process = start(tmp_path, str(model), "--port", "0", "--telemetry", place)
        out, err = process.communicate(timeout=60)
        assert (process.returncode != 0, out, place.partition("/")[0] in err, "Traceback" in err) == (True, "", True, False)


def test_a_model_that_cannot_be_loaded_is_told_with_what_the_server_said(ask: Client, tmp_path: Path) -> None:
    folder = write(tmp_path / "m")
    (folder / "model.lgb").write_text("feature_names=carrier distance temp\npandas_categorical:null\n")
    process = start(ask.root, str(folder), "--port", "0", "--json")  # there, where the environment is
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "did not come up" in err
    assert "Unknown model format" in err
    assert json.loads(out)["errors"]


def test_a_library_that_sets_up_logging_brings_no_second_line_of_a_request(ask: Client) -> None:
    """As MLflow does, which only some scripts import."""
    python = next((ask.root / ".mlops" / "environments").glob("*/bin/python"))
    script = ("import logging.config, mlops_azure; "
              "logging.config.dictConfig({'version': 1, 'disable_existing_loggers': False}); logging.basicConfig(level='INFO'); "
              "logging.getLogger('gunicorn.access').info('the second'); logging.getLogger('azmlinfsrv').info('the one')")  # fmt: skip
    said = subprocess.run([python, "-c", script], env={**os.environ, "PYTHONPATH": str(code.FOLDER)}, stderr=subprocess.PIPE,
                          text=True, check=True, timeout=60).stderr  # fmt: skip
    assert ("the one" in said, "the second" in said) == (True, False)


def test_ctrl_c_ends_it_and_all_that_it_has_started(served: Any, ask: Client) -> None:
    """Last: nothing answers afterwards."""
    _, process = served
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 0
    with pytest.raises(ConnectionRefusedError):
        ask(ask.told["sample"])
    told = [json.loads(line) for line in (ask.root / "told.jsonl").read_text().splitlines()]
    counted = {point["attributes"]["status"] for line in told if "resource_metrics" in line
               for metric in line["resource_metrics"][0]["scope_metrics"][0]["metrics"] if metric["name"] == "mlops.requests"
               for point in metric["data"]["data_points"]}
    assert {200, 400, 413, 415} <= counted, "what was told until then"
    assert process.stderr is not None
    said = process.stderr.read()
    assert ("POST /score 200" in said, "gunicorn.access" in said, "HTTP Response" in said) == (True, False, False), "a line for each"


# --- what is meant by MODEL ------------------------------------------------------------------------------------------


def test_a_name_means_what_runs_have_registered_or_a_stages_champion(project: Callable[..., Any]) -> None:
    shop = project()
    saved = write(shop.root / "saved", inputs=None)  # enough to see which one is meant
    shop.component("make", f"cp -r {saved}/. ${{{{outputs.model}}}}; echo $RANDOM$RANDOM > ${{{{outputs.model}}}}/x",
                   outputs={"model": "mlflow_model"})  # fmt: skip
    shop.pipeline({"make": "make"}, outputs={"model": {"type": "mlflow_model", "mode": "upload"}})
    text = json.loads((shop.root / "pipelines/p.yml").read_text())
    text["outputs"] = {"model": {"type": "mlflow_model", "name": "flights"}}
    text["jobs"]["make"]["outputs"] = {"model": "${{parent.outputs.model}}"}
    (shop.root / "pipelines/p.yml").write_text(json.dumps(text))
    for _ in range(2):
        assert shop.run("p", reuse=False).succeeded

    def said(model: str) -> str:
        with pytest.raises(InputError) as caught:
            CliRunner().invoke(cli, ["--project", str(shop.root), "serve", model], catch_exceptions=False)
        return str(caught.value)

    assert "the model 'flights:2' cannot be served: the model has no signature" in said("flights")
    assert "'flights:2'" in said("flights@latest")
    assert "'flights:1'" in said("azureml:flights:1")
    assert "'saved'" in said(str(saved))
    assert "no model 'flight' is registered here" in said("flight")
    assert "has no version '9'" in said("flights:9")
    assert "no model 'flights' is in dev" in said("flights@dev")
    assert "there is no stage 'lab'" in said("flights@lab")
    assert "there is no stage whose champion it is" in said("flights@champion")
    assert "the folder './saved2' does not exist" in said("./saved2")


def test_a_server_finds_nothing_of_one_that_was_killed(tmp_path: Path) -> None:
    left = tmp_path / "serving" / str(os.getpid()) / "model" / "weights"  # in a container this number comes again
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of another model")
    with _workplace(tmp_path) as one, _workplace(tmp_path) as other:
        assert one != other
        assert [*one.iterdir(), *other.iterdir()] == []
        assert one.parents[1] == tmp_path
        (one / "model").mkdir()
    assert not one.exists()
