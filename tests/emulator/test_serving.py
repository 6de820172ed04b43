"""The process of a deployment: what a scoring script may expect, and what becomes of what it answers.

The expectations are what azureml-inference-server-http 1.5.1 did with the same scripts."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.emulator.serving import NotServing, Process, Program, Servers

START = Callable[..., Process]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[START]:
    folder, running = tmp_path_factory.mktemp("serving"), []

    def make(text: str, start_s: float = 60.0) -> Process:
        script = folder / f"script{len(running)}" / "score.py"
        script.parent.mkdir()
        script.write_text(text)
        (script.parent / "beside.py").write_text("WORD = 'beside'\n")
        process = Process(Program(script=script, mlflow=None, variables=dict(os.environ), at_once=1, start_s=start_s,
                                  log=script.with_suffix(".log")))  # fmt: skip
        running.append(process)
        process.wait()
        return process

    yield make
    for process in running:
        process.close()


def ask(process: Process, body: bytes = b"{}", method: str = "POST", target: str = "/score", **headers: str) -> tuple[int, Any]:
    answer = process.ask(method, target, {"Content-Type": "application/json", **headers}, body, timeout=30)
    return answer.status, json.loads(answer.body) if answer.body.startswith((b"{", b"[", b'"')) else answer.body


ECHO = """\
import beside

def init(): print("init was here")

def run(data, request_headers):
    if data == '"raise"': raise ValueError("oh no")
    if data == '"set"': return {1, 2}
    return [type(data).__name__, data, request_headers.get("X-Mine"), beside.WORD]
"""


@pytest.fixture(scope="module")
def echo(start: START) -> Process:
    return start(ECHO)


@pytest.mark.parametrize(("request_", "status", "body"), [
    ({"body": b'{"a": 1}', "X-Mine": "yes"}, 200, ["str", '{"a": 1}', "yes", "beside"]),
    ({"body": b"no json"}, 200, ["str", "no json", None, "beside"]),
    ({"method": "GET", "target": "/score?a=1&b=[1,2]&c=x"}, 200, ["str", '{"a": 1, "b": [1, 2], "c": "x"}', None, "beside"]),
    ({"body": b"\xff\xfe"}, 400, {"message": "Input cannot be decoded as UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"}),
    ({"body": b'"raise"'}, 500, {"message": "An unexpected error occurred in scoring script. Check the logs for more info."}),
    ({"method": "PUT"}, 405, {"message": "The method is not allowed for the requested URL."}),
    ({"method": "GET", "target": "/"}, 200, b"Healthy"),
])  # fmt: skip
def test_a_request_is_answered_as_the_inference_server_would(echo: Process, request_: dict[str, Any], status: int, body: Any) -> None:
    assert ask(echo, **request_) == (status, body)


def test_what_cannot_be_json_is_an_error_of_the_script(echo: Process) -> None:
    assert ask(echo, b'"set"') == (500, {"message": "An unexpected internal error occurred. Check the logs for more info."})
    log = echo.log.read_text()
    assert "init was here" in log
    assert "not JSON serializable" in log


RAW = """\
from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

def init(): pass

@rawhttp
def run(request):
    if request.args.get("nothing"): return AMLResponse(None, 200)
    if request.args.get("bytes"): return AMLResponse(request.get_data()[::-1], 201, {"Content-Type": "image/png"})
    return {"method": request.method, "path": request.path, "json": request.get_json(silent=True), "type": request.content_type}
"""


def test_rawhttp_gives_the_request_and_a_response_goes_out_as_it_is(start: START) -> None:
    process = start(RAW)
    assert ask(process, b'{"a": 1}') == (200, {"method": "POST", "path": "/score", "json": {"a": 1}, "type": "application/json"})
    assert ask(process, b"x", **{"Content-Type": "text/plain"})[1]["json"] is None
    assert ask(process, target="/score?nothing=1") == (200, {})
    answer = process.ask("POST", "/score?bytes=1", {}, b"abc", timeout=30)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (201, b"cba", "image/png")


@pytest.mark.parametrize(("script", "words"), [
    ("def run(data): pass\n", "has no function init()"),
    ("def init(): pass\n", "has no function run()"),
    ("def init(): pass\ndef run(): pass\n", "takes no data"),
    ("import nothing_of_that_name\n", "No module named 'nothing_of_that_name'"),
    ("import sys\ndef init(): sys.exit('enough')\ndef run(data): pass\n", "SystemExit: enough"),
])  # fmt: skip
def test_a_script_that_cannot_be_served_says_why_in_its_log(start: START, tmp_path: Path, script: str, words: str) -> None:
    file = tmp_path / "score.py"
    file.write_text(script)
    process = Process(Program(script=file, mlflow=None, variables=dict(os.environ), at_once=1, start_s=60, log=tmp_path / "log"))
    with pytest.raises(NotServing, match="its process ended"):
        process.wait()
    assert words in (tmp_path / "log").read_text()


def test_init_has_so_long_and_no_longer(start: START) -> None:
    with pytest.raises(NotServing, match=r"init\(\) took longer than 0\.2 s"):
        start("import time\ndef init(): time.sleep(600)\ndef run(data): pass\n", start_s=0.2)


def test_closing_ends_what_is_being_started_too(tmp_path: Path) -> None:
    servers, file = Servers(), tmp_path / "score.py"
    file.write_text(f"import time\ndef init():\n    open({str(tmp_path / 'in')!r}, 'w').close()\n    time.sleep(600)\ndef run(data): pass\n")
    program = Program(script=file, mlflow=None, variables=dict(os.environ), at_once=1, start_s=600, log=tmp_path / "log")
    ended: list[str] = []

    def work() -> None:
        try:
            servers.replace("one", program)
        except NotServing as problem:
            ended.append(str(problem))

    servers.later(work)
    while not (tmp_path / "in").exists():
        assert servers.closing.is_set() is False
    servers.close()
    assert ended == ["its process ended"]
