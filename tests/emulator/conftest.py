"""One local Azure ML for all of these tests; each takes a workspace of its own where it would be in another's way."""

import http.client
import importlib.metadata
import json
import re
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
from mlops_lib.emulator.emulator import Call

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def azure() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator
        assert emulator.refused == [], "a client wanted to reach what is no host of Azure's"


Sdk = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def sdk_of() -> Callable[[Emulator], Sdk]:
    """Run a program beside this file as a client of Azure's would be, and give what it printed, with the calls of each step."""

    def client_of(emulator: Emulator) -> Sdk:
        def run(program: str, *arguments: object, **variables: str) -> dict[str, Any]:
            environment = environ_with({**emulator.environment(), **variables})
            done = subprocess.run(
                [sys.executable, str(HERE / program), *map(str, arguments)],
                env=environment, text=True, capture_output=True, timeout=240,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr[-3000:]
            told: dict[str, Any] = json.loads(done.stdout)
            calls = emulator.requests()
            for step in told.values():
                step["calls"] = [call for call in calls if step["start"] <= call.at <= step["end"]]
            return told

        return run

    return client_of


@pytest.fixture(scope="session")
def sdk(azure: Emulator, sdk_of: Callable[[Emulator], Sdk]) -> Sdk:
    return sdk_of(azure)


@pytest.fixture(scope="session")
def not_called() -> Callable[[str, Mapping[str, Any]], list[str]]:
    """Of what ``calls.txt`` says of a program, the calls that its steps have not made, or that were answered with an error.

    Other versions of the SDK than the one that it was written from call the same paths at other api-versions.
    """

    sections: list[tuple[str, str, list[str], list[str]]] = []
    for line in (HERE / "calls.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            sections[-1][3].append(line.strip())
        elif not line.startswith("#"):
            operation, _, where = line.partition(" < ")
            program, _, steps = where.partition(": ")
            sections.append((operation, program, steps.split(", "), []))

    def missing(program: str, told: Mapping[str, Any]) -> list[str]:
        of_program = [section for section in sections if section[1] == program]
        assert of_program
        parts = 3 if importlib.metadata.version("azure-ai-ml").startswith("1.35.") else 2
        return [f"{operation}: {call}" for operation, _, steps, calls in of_program for call in calls
                if call.split()[:parts] not in [called(made)[:parts] for step in steps for made in told[step]["calls"]]]  # fmt: skip

    return missing


def called(call: Call) -> list[str]:
    """A call as the words of ``calls.txt``; how a client asks for the end of an operation depends on what it was."""
    version = "*" if "{operation}" in call.route else call.version or "-"
    shape = re.sub(r"\{(?!WS|ARM)\w+\}", "{}", call.route)
    return [call.method, shape, version] if call.status < 500 else [call.method, f"{shape} was answered {call.status}"]


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
