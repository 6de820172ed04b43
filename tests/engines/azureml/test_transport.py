"""Retries and limits, against a server that fails as it is told to."""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_lib.engines.azureml import sdk
from mlops_lib.engines.azureml.problems import NotUploaded, OutOfTime, explained
from mlops_lib.engines.azureml.transport import Patience, Transport, Uploads, asked, bounded, connect, within
from mlops_lib.errors import StageError

QUICK = Patience(attempts=3, connect=30.0, read=1.0, pause=0.001, longest=0.01)


class Server(ThreadingHTTPServer):
    """Answers requests with what is in *script*, one after the other, and 200 afterwards."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.seen: list[tuple[str, str, bytes]] = []
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.headers.get("Authorization", ""), body))
        told = self.server.script.pop(0) if self.server.script else 200
        if told == "reset":
            self.connection.close()
            return
        if told == "silence":
            self.server.over.wait(5)
            return
        status, headers = told if isinstance(told, tuple) else (told, {})
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name, value)
        self.end_headers()

    do_GET = do_POST = do_PUT = answer  # noqa: N815  http.server's names

    def log_message(self, *told: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def send(server: Server, method: str = "POST", patience: Patience = QUICK, renewed: Any = lambda token, claims: None, **headers: str) -> Any:
    transport = connect(renewed, patience)
    request = sdk.module("azure.core.rest").HttpRequest(method, f"http://127.0.0.1:{server.server_port}/x", headers=headers, json={"a": 1})
    try:
        return transport.send(request)
    finally:
        transport.shut()


@pytest.mark.parametrize("fault", ["reset", "silence", 429, 500, 502, 503, (429, {"Retry-After": "3600"}), (503, {"retry-after-ms": "1"})])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_what_passes_is_tried_again_with_the_same_body(server: Server, method: str, fault: Any) -> None:
    server.script = [fault]
    assert send(server, method).status_code == 200
    assert [(seen[0], seen[2]) for seen in server.seen] == [(method, b'{"a": 1}')] * 2


@pytest.mark.parametrize(("fault", "attempts"), [("reset", QUICK.attempts), ("silence", 2)])
def test_what_does_not_pass_is_raised_after_so_many_attempts(server: Server, fault: str, attempts: int) -> None:
    server.script = [fault] * 9
    with pytest.raises(sdk.module("azure.core.exceptions").AzureError):
        send(server)
    assert len(server.seen) == attempts


def test_what_is_read_from_a_file_is_sent_again_whole(server: Server) -> None:
    server.script = [503, "reset"]
    content = io.BytesIO(b"before it,and it")
    content.seek(10)
    transport = connect(lambda token, claims: None, QUICK)
    request = sdk.module("azure.core.rest").HttpRequest("PUT", f"http://127.0.0.1:{server.server_port}/x", content=content,
                                                        headers={"Content-Length": "6"})
    assert transport.send(request).status_code == 200
    transport.shut()
    assert [seen[2] for seen in server.seen] == [b"and it"] * 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_that_lasts_is_the_answer(server: Server, status: int) -> None:
    server.script = [status] * 9
    assert send(server).status_code == status
    assert len(server.seen) == QUICK.attempts


def test_uploads_of_one_operation_end_together(server: Server) -> None:
    """The SDK sends them from threads that know nothing of the operation."""
    around = connect(lambda token, claims: None, QUICK)

    def put(uploads: Uploads) -> Any:
        request = sdk.module("azure.core.rest").HttpRequest("PUT", f"http://127.0.0.1:{server.server_port}/x", content=b"1")
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(uploads.send, request).result()

    with within(30):
        uploads = Uploads(around)
        server.script = [503] * 9
        assert put(uploads).status_code == 503
        assert len(server.seen) == QUICK.attempts + 2, "storage may be busy for longer"
        with pytest.raises(NotUploaded) as caught:
            put(uploads)
        assert len(server.seen) == QUICK.attempts + 2, "nothing more is sent"
        with within(0):
            late = Uploads(around)
    told = explained(caught.value, "bring it", stage="dev")
    assert (type(told), told.why) == (StageError, "127.0.0.1: HTTP 503")
    with pytest.raises(OutOfTime):
        put(late)
    server.script = []
    assert put(Uploads(around)).status_code == 200
    around.shut()


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412])
def test_a_judgement_is_not_asked_for_twice(server: Server, status: int) -> None:
    server.script = [status]
    assert send(server).status_code == status
    assert len(server.seen) == 1


def test_a_refused_token_is_renewed_once(server: Server) -> None:
    server.script = [401]
    assert send(server, renewed=lambda token, claims: {"old": "new"}.get(token), Authorization="Bearer old").status_code == 200
    assert [seen[1] for seen in server.seen] == ["Bearer old", "Bearer new"]
    server.seen.clear()
    server.script = [401, 401]
    assert send(server, renewed=lambda token, claims: f"{token}er", Authorization="Bearer old").status_code == 401
    assert len(server.seen) == 2


@pytest.mark.parametrize("third", ["newer", "old"])  # one that was refused once may be given again
def test_a_token_that_was_refused_is_not_sent_again_before_it_is_given_again(server: Server, third: str) -> None:
    server.script = [401, 200, 401]
    transport = connect(lambda token, claims: {"old": "new", "new": third}[token], QUICK)
    for _ in range(3):
        request = sdk.module("azure.core.rest").HttpRequest("GET", f"http://127.0.0.1:{server.server_port}/x",
                                                            headers={"Authorization": "Bearer old"})
        assert transport.send(request).status_code == 200
    transport.shut()
    assert [seen[1] for seen in server.seen] == [f"Bearer {token}" for token in ("old", "new", "new", third, third)]


@pytest.mark.parametrize(("challenge", "claims"), [
    ('Bearer error="insufficient_claims", claims="eyJhIjogIj8-In0"', '{"a": "?>"}'), ("Bearer", ""), ('Bearer claims="\u0001"', ""),
])  # fmt: skip
def test_what_a_challenge_wants_to_be_claimed_is_told_to_who_gives_tokens(server: Server, challenge: str, claims: str) -> None:
    server.script = [(401, {"WWW-Authenticate": challenge})]
    told: list[str] = []

    def renewed(token: str, claims: str) -> str:
        told.append(claims)
        return "new"

    assert send(server, renewed=renewed, Authorization="Bearer old").status_code == 200
    assert told == [claims]


@pytest.mark.parametrize(("headers", "pause"), [
    ({}, 1.5), ({"Retry-After": "3"}, 3), ({"Retry-After": "3600"}, 20), ({"Retry-After": "inf"}, 20), ({"Retry-After": "nan"}, 1.5),
    ({"Retry-After": "-1"}, 1.5), ({"Retry-After": "Fri, 27 Nov 2026 07:28:00 GMT"}, 1.5), ({"retry-after-ms": "250", "Retry-After": "3"}, 0.25),
    ({"x-ms-retry-after-ms": "90000"}, 20),
])  # fmt: skip
def test_a_server_that_asks_for_a_pause_gets_one_within_bounds(headers: dict[str, str], pause: float) -> None:
    assert asked(headers, otherwise=1.5, longest=20) == pause


def test_a_pause_that_would_outlast_the_operation_is_not_made(server: Server) -> None:
    server.script = [(503, {"Retry-After": "60"})] * 9
    with within(5):
        assert send(server, patience=Patience(longest=60)).status_code == 503
    assert len(server.seen) == 1


def test_nothing_is_sent_after_the_end(server: Server) -> None:
    for outer, inner in ((60, 0), (0, 60)):
        with within(outer), within(inner), pytest.raises(OutOfTime):
            send(server)
    assert server.seen == []


def test_no_request_waits_longer_than_its_operation_may_take() -> None:
    asked: list[dict[str, float]] = []

    class Inner:
        def send(self, request: Any, **options: float) -> Any:
            asked.append(options)
            return SimpleNamespace(status_code=200, headers={})

    transport = Transport(Inner(), patience=Patience(connect=10, read=60))
    request = sdk.module("azure.core.rest").HttpRequest("GET", "http://127.0.0.1/x")
    transport.send(request, read_timeout=300)
    with within(5):
        transport.send(request)
    assert asked[0] == {"connection_timeout": 10, "read_timeout": 60}
    assert max(asked[1].values()) <= 5


def test_attempts_are_counted(server: Server) -> None:
    server.script = ["reset"]
    transport = connect(lambda token, claims: None, QUICK)
    transport.send(sdk.module("azure.core.rest").HttpRequest("GET", f"http://127.0.0.1:{server.server_port}/x"))
    transport.shut()
    assert transport.sent == 2


def test_a_call_that_hangs_is_left() -> None:
    stuck = threading.Event()
    with pytest.raises(OutOfTime, match="within"):
        bounded(lambda: stuck.wait(30), 0.01)
    stuck.set()
    assert bounded(lambda: 7, 10) == 7
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 // 0, 10)


def test_a_client_that_closes_it_leaves_it_open_for_the_others() -> None:
    closed: list[str] = []

    class Inner:
        def open(self) -> None:
            closed.append("opened")

        def close(self) -> None:
            closed.append("closed")

    transport = Transport(Inner())
    with transport:
        transport.close()
    assert closed == ["opened"]
    transport.shut()
    assert closed == ["opened", "closed"]
