"""Faults: how they are written, and what a client sees of them."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.emulator import Emulator, Fault, Faults
from mlops_lib.emulator.wire import Request
from mlops_lib.errors import InputError


def request(method: str = "GET", path: str = "/x", host: str = "management.azure.com") -> Request:
    return Request(method=method, host=host, path=path)


@pytest.fixture(autouse=True)
def well_again(azure: Emulator) -> Iterator[None]:
    yield
    azure.faults.clear()


@pytest.mark.parametrize(("line", "fault"), [
    ("GET */computes/* status=503 retry-after=2 times=2", Fault(method="GET", pattern="*/computes/*", status=503, retry_after=2, times=2)),
    ("put */jobs/* lost times=1", Fault(method="PUT", pattern="*/jobs/*", lost=True, times=1)),
    ("* *.blob.core.windows.net/* reset after=3", Fault(pattern="*.blob.core.windows.net/*", reset=True, after=3)),
    ("GET * delay=0.5", Fault(method="GET", delay=0.5)),
    ("GET * status=429 code=Slow message='not so fast'", Fault(method="GET", status=429, code="Slow", message="not so fast")),
])  # fmt: skip
def test_a_fault_is_a_line(line: str, fault: Fault) -> None:
    assert Fault.parse(line) == fault


@pytest.mark.parametrize(("line", "words"), [
    ("GET", "is no fault"),
    ("GET * 'status=503", "is no fault"),
    ("FETCH * reset", "is no method"),
    ("GET * statsu=503", "did you mean 'status'?"),
    ("GET * rest", "did you mean 'reset'?"),
    ("GET * status=soon", "status is a number, not 'soon'\n  fix: write status=503"),
    ("GET * status=200", "is no status of an error"),
    ("GET * times=2", "has to do something"),
    ("GET * reset lost", "does one thing"),
])  # fmt: skip
def test_a_line_that_is_none_is_refused(line: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        Fault.parse(line)
    assert words in str(caught.value)


def test_a_fault_strikes_as_often_as_it_says() -> None:
    faults = Faults()
    fault = faults.add("GET */x status=500 after=1 times=2")
    assert [faults.take(request()) for _ in range(5)] == [None, fault, fault, None, None]
    faults = Faults()
    faults.add("PUT */x reset")
    assert faults.take(request()) is None
    assert faults.take(request("PUT", "/Y/X")) is not None


def test_a_file_of_faults_is_heeded_when_it_changes(tmp_path: Path) -> None:
    file, faults = tmp_path / "faults.txt", Faults()
    file.write_text("# nothing yet\n\n")
    faults.read(file)
    assert not faults
    file.write_text("GET * status=500\n")
    assert faults.take(request()) is not None
    file.write_text("GET * what\nand more\n")
    assert faults.take(request()) is not None
    file.write_text("")
    assert faults.take(request()) is None


def test_a_wrong_line_of_a_file_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "faults.txt"
    file.write_text("GET * reset\nGET * rest\n")
    with pytest.raises(InputError) as caught:
        Faults().read(file)
    assert str(caught.value).startswith(f"{file}:2:1: a fault has no 'rest'")
    with pytest.raises(InputError, match="cannot be read"):
        Faults().read(tmp_path / "absent")


def test_a_status_is_answered_with_its_retry_after(azure: Emulator, wire: Any) -> None:
    azure.faults.add("GET */computes/* status=429 retry-after=7 times=1")
    answer = wire("GET", "computes/cpu")
    assert (answer.status, answer.headers["Retry-After"], answer.json["error"]["code"]) == (429, "7", "TooManyRequests")
    assert wire("GET", "computes/cpu").status == 200


@pytest.mark.parametrize(("word", "code"), [("quota", "OperationNotAllowed"), ("soft-deleted", "Conflict")])
def test_what_azure_has_words_for_is_said_in_them(azure: Emulator, wire: Any, word: str, code: str) -> None:
    azure.faults.add(f"PUT * {word} times=1")
    answer = wire("PUT", "computes/x", {})
    assert (answer.status, answer.json["error"]["code"]) == (409, code)


def test_a_reset_comes_before_anything_is_done_and_a_lost_answer_after(azure: Emulator, wire: Any) -> None:
    body = {"properties": {"dataUri": "azureml://datastores/raw/paths/x", "dataType": "uri_folder"}}
    azure.faults.add("PUT */data/reset/* reset times=1")
    with pytest.raises(ConnectionError):
        wire("PUT", "data/reset/versions/1", body)
    assert wire("GET", "data/reset/versions/1").status == 404
    azure.faults.add("PUT */data/lost/* lost times=1")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError, OSError)):
        wire("PUT", "data/lost/versions/1", body)
    assert wire("GET", "data/lost/versions/1").status == 200
    assert [call.status for call in azure.requests() if call.path.endswith(("reset/versions/1", "lost/versions/1"))] == [0, 404, 0, 200]


def test_a_delay_is_waited_for_and_ends_with_the_emulator(azure: Emulator, wire: Any) -> None:
    azure.faults.add("GET */computes/* delay=0.2 times=1")
    begin = time.monotonic()
    assert wire("GET", "computes/cpu").status == 200
    assert time.monotonic() - begin >= 0.2


def test_blob_storage_has_faults_too_and_is_as_ever_otherwise(azure: Emulator, wire: Any) -> None:
    azure.faults.add("GET *.blob.core.windows.net/*/faulty.txt status=503 times=1")
    address = f"{azure.world.account.url}/mlw-mlops-dev-raw/faulty.txt"
    head = {"token": azure.world.tokens.issue("https://storage.azure.com/.default"), "x_ms_version": "2021-12-02"}
    assert wire("PUT", address, b"whole", x_ms_blob_type="BlockBlob", **head).status == 201
    assert wire("GET", address, **head).status == 503
    answer = wire("GET", address, **head)
    assert (answer.status, answer.content, answer.headers["x-ms-blob-type"]) == (200, b"whole", "BlockBlob")
    assert wire("HEAD", address, **head).headers["Content-Length"] == "5"


def test_the_sdk_meets_faults_as_on_azure(azure: Emulator, sdk: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.txt").write_text("faulty rows\n")
    (tmp_path / "job.yml").write_text(json.dumps({
        "type": "command", "command": "echo once", "environment": {"image": "python:3.12"}, "compute": "azureml:cpu"}))  # fmt: skip
    azure.faults.add("GET */computes/cpu status=429 retry-after=1 times=1")
    azure.faults.add("PUT */jobs/lost-answer lost times=1")
    azure.faults.add("PUT */LocalUpload/*/a.txt status=403 code=AuthorizationPermissionMismatch")
    azure.faults.add("PUT */computes/* quota")
    told = sdk("sdk_faults.py", tmp_path)
    assert told["busy, then well"]["value"] == "cpu"
    assert told["answer lost"]["value"] == "lost-answer"
    puts = [call.status for call in azure.requests() if call.method == "PUT" and call.path.endswith("/jobs/lost-answer")]
    assert puts == [0, 200]  # one job: the second was told that it is there
    assert "error" in told["storage denied"]
    assert (told["quota"]["status"], "Cores quota" in told["quota"]["message"]) == (409, True)
