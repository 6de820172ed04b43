"""One local Azure ML for all of these tests; each takes a workspace of its own where it would be in another's way."""

import http.client
import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mlops_lib.emulator import Emulator, environ_with

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def azure() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator
        assert emulator.refused == [], "a client wanted to reach what is no host of Azure's"


Sdk = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def sdk(azure: Emulator) -> Sdk:
    """Run a program beside this file as a client of Azure's would be, and give what it printed."""

    def run(program: str, *arguments: object, **variables: str) -> dict[str, Any]:
        environment = environ_with({**azure.environment(), **variables})
        done = subprocess.run(
            [sys.executable, str(HERE / program), *map(str, arguments)],
            env=environment, text=True, capture_output=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    return run


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Wire:
    """A client of Azure's that shows what goes over the wire."""

    def __init__(self, emulator: Emulator) -> None:
        told = emulator.environment()
        self.emulator = emulator
        self.context = ssl.create_default_context(cafile=told["SSL_CERT_FILE"])
        self.token = emulator.world.tokens.issue("https://management.azure.com/.default")
        self.workspace = f"https://management.azure.com{emulator.setup.workspace_id()}"

    def __call__(self, method: str, url: str, body: Any = None, *, token: str | None = "", **headers: str) -> Answer:
        """Send a request, its body as JSON or as it is; a path that begins without https is the workspace's."""
        address = url if url.startswith("https:") else f"{self.workspace}/{url}"
        target = urlsplit(address)
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            told["Authorization"] = f"Bearer {token or self.token}"
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPSConnection("127.0.0.1", self.emulator.port, context=self.context, timeout=30)
        with closing(connection):
            connection.set_tunnel(str(target.hostname), 443)
            connection.request(method, f"{target.path}?{target.query}" if target.query else target.path, content, told)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())


@pytest.fixture(scope="session")
def wire(azure: Emulator) -> Wire:
    return Wire(azure)


@pytest.fixture
def wire_to() -> Callable[[Emulator], Wire]:
    return Wire
