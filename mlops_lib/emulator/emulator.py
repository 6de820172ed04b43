"""A local Azure ML from start to end: its home, its storage, its server, and what a client's process has to be told."""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import os
import secrets
import ssl
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..stores.locks import exclusive
from . import authority, azurite, hosts, rollout
from .blobs import Account
from .faults import Faults
from .resources import Resources
from .router import Service
from .server import Doors, Dropped, Server
from .setup import Setup
from .table import ROUTER
from .tokens import Tokens
from .wire import Problem, Request, Response
from .workspaces import make_workspace
from .world import World

if TYPE_CHECKING:
    from typing_extensions import Self

_LOG = logging.getLogger("mlops_lib.emulator")
_SECRETS = "/emulator/secrets"
_REMEMBERED = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request that was answered; *route* is its path with names in braces, empty when there is none."""

    service: Service
    method: str
    path: str
    route: str
    version: str
    status: int
    at: float
    seconds: float


class Emulator:
    """A local Azure ML, running from when it is made until `close`; use it as a context manager.

    Args:
        home: Keeps rows and blobs, for the next start; None for a folder that goes away at the end.
        setup: The stage that is there.
        port: Where to listen on loopback; any free one by default.

    Attributes:
        faults: What goes wrong, which is nothing to begin with.
        calls: The latest requests, oldest first.
        refused: The hosts, with their ports, that clients wanted to reach and that are none of Azure's that are here.

    Raises:
        InputError: something it needs is not installed; RunError: Azurite did not start.
    """

    def __init__(self, home: Path | None = None, *, setup: Setup | None = None, port: int = 0) -> None:
        self.setup = setup or Setup()
        self.calls: collections.deque[Call] = collections.deque(maxlen=_REMEMBERED)
        self.refused: list[str] = []
        self.faults = Faults()
        self._closing = threading.Event()
        with contextlib.ExitStack() as stack:
            if home is None:
                home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mlops-azure-ml-")))
            self.home = home.absolute()
            stack.enter_context(_alone_in(self.home))
            main = azurite.program()
            certificates = authority.issue(self.home, hosts.names(self.setup.location))
            resources = Resources(_private(self.home / "azure.db"))
            stack.callback(resources.close)
            known = _secrets(resources)
            names = (self.setup.account, *self.setup.accounts)
            self._storage = azurite.Azurite(main, self.home / "blobs", certificates, dict.fromkeys(names, known["key"]))
            stack.callback(self._storage.close)
            account, *others = (Account(name, known["key"], port=self._storage.port, authority=certificates.authority)
                                for name in names)
            for one in (account, *others):
                stack.callback(one.close)
            tokens = Tokens(known["signing"].encode(), tenant=self.setup.tenant, client=self.setup.client)
            self.world = World(setup=self.setup, home=self.home, resources=resources, account=account, tokens=tokens,
                               client_secret=known["client"], others={other.name: other for other in others})
            stack.callback(self.world.close)
            make_workspace(self.world, self.setup.workspace)
            self._authority = certificates.authority
            self._federated = _private(self.home / "federated-token")
            self._federated.write_text(tokens.assertion())
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.certificate, certificates.key)
            self._server = _listening(port, Doors(
                location=self.setup.location, blob_port=self._storage.port, answer=self._answer,
                watched=lambda: bool(self.faults), refused=self.refused.append, context=context))
            stack.callback(self._server.close)
            stack.callback(self._closing.set)
            self._server.start()
            self.world.runner.resume()
            rollout.resume(self.world)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop; what is in a home that was given stays there."""
        self._stack.close()

    # --- for clients -------------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def storage_pid(self) -> int:
        """The process of the blob storage."""
        return self._storage.pid

    def environment(self, *, credential: str = "secret", workspace: str | None = None) -> dict[str, str]:
        """The variables with which a process takes this for Azure.

        Args:
            credential: ``secret`` for a client secret, ``federated`` for workload identity.
            workspace: The one that the stage's outputs are to name; default: the stage's own.
        """
        proxy = f"http://127.0.0.1:{self.port}"
        told = {
            "HTTPS_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": str(self._authority), "SSL_CERT_FILE": str(self._authority),
            "AZURE_TENANT_ID": self.setup.tenant, "AZURE_CLIENT_ID": self.setup.client,
            "AZURE_SUBSCRIPTION_ID": self.setup.subscription,
            "AZURE_FEDERATED_TOKEN_FILE": str(self._federated),  # beside a secret, too: 'mlops' itself takes none
            # Azure's pace of asking how a job is doing is 2 to 60 s.
            "AZUREML_RUN_POLLING_INTERVAL_MIN": "1", "AZUREML_RUN_POLLING_INTERVAL_MAX": "2",
            f"MLOPS_{self.setup.stage.upper().replace('-', '_')}_OUTPUTS": json.dumps(self.setup.outputs(workspace)),
        }
        if credential == "federated":
            return {**told, "AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential"}
        return {**told, "AZURE_CLIENT_SECRET": self.world.client_secret, "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}

    def add_workspace(self, name: str) -> Mapping[str, Any]:
        """Another workspace like the stage's own, empty; the stage's outputs with it in the place of that."""
        make_workspace(self.world, name)
        return self.setup.outputs(name)

    # --- the wire ----------------------------------------------------------------------------------------------------

    def _answer(self, service: Service, request: Request) -> Response:
        at, start, route = time.time(), time.monotonic(), ""
        fault = self.faults.take(request)
        try:
            if fault is not None and (self._closing.wait(fault.delay) or fault.reset):
                raise Dropped(reset=True)
            response = fault.answer() if fault is not None else None
            handled = response is None
            if response is None:
                route, response = self._handled(service, request)
            if fault is not None and fault.lost:
                raise Dropped(reset=False)
        except Dropped:
            self._note(service, request, route, 0, at, start)
            raise
        self._note(service, request, route, response.status, at, start)
        if service is Service.BLOB and handled:
            return response  # with Azurite's own ids
        identity = request.headers.get("x-ms-client-request-id") or secrets.token_hex(16)
        return Response(status=response.status, body=response.body, headers={
            "x-ms-request-id": secrets.token_hex(16), "x-ms-client-request-id": identity, **response.headers})

    def _handled(self, service: Service, request: Request) -> tuple[str, Response]:
        """What the route of a request answers, and that route."""
        route = ""
        try:
            if service is Service.BLOB:
                return "", self._forwarded(request)
            found, request = ROUTER.find(service, request)
            route = found.shown
            if not found.open:
                self.world.tokens.check_header(request.headers.get("authorization"))
            return route, found.handler(self.world, request)
        except Problem as problem:
            return route, problem.response()
        except Exception as error:
            _LOG.exception("%s %s", request.method, request.path)
            return route, Problem(500, "InternalServerError", f"the local Azure ML has a bug: {error!r}").response()

    def _forwarded(self, request: Request) -> Response:
        """What Azurite answers."""
        headers = {name: value for name, value in request.headers.items() if name not in ("connection", "content-length")}
        status, told, content = self.world.account.forward(request.method, request.target, headers, request.body)
        kept = {name.title() if name.lower().startswith("content-") else name: value for name, value in told.items()
                if name.lower() not in ("connection", "keep-alive", "transfer-encoding")}
        return Response(status=status, body=content, headers=kept)

    def _note(self, service: Service, request: Request, route: str, status: int, at: float, start: float) -> None:
        self.calls.append(Call(service=service, method=request.method, path=request.path, route=route, status=status, at=at,
                               version=request.query.get("api-version", ""), seconds=time.monotonic() - start))

    def requests(self, service: Service | None = None) -> Sequence[Call]:
        """The latest calls, of one service or of all, as they are now."""
        return [call for call in list(self.calls) if service in (None, call.service)]


@contextlib.contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """Nobody else uses *home* meanwhile, which is made when absent."""
    lock = home / "emulator.lock"
    try:
        if not home.exists():
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            (home / ".gitignore").write_text("*\n")  # keys and tokens are in it; a folder that was there is its owner's
        lock.touch()
    except OSError as error:
        raise InputError(f"{home} cannot be used: {error.strerror}", fix="give another home") from None
    with exclusive(lock, give_up=lambda: True) as held:
        if not held:
            raise InputError(f"another local Azure ML is using {home}", fix="end it, or give another home")
        yield


def _private(file: Path) -> Path:
    """A file for nobody else on this machine, made when absent: who can sign in here can have this user run anything."""
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
    file.chmod(0o600)
    return file


def _listening(port: int, doors: Doors) -> Server:
    try:
        return Server(port, doors)
    except OSError as error:
        raise InputError(f"the local Azure ML cannot listen on port {port}: {error.strerror}",
                         fix="give another port, or none for any that is free") from None


def _secrets(resources: Resources) -> Mapping[str, str]:
    """What the emulator keeps to itself, the same after a restart."""
    found = resources.find(_SECRETS)
    if found is None:
        found = resources.put(_SECRETS, {"key": azurite.new_key(), "signing": secrets.token_hex(32),
                                         "client": secrets.token_urlsafe(30)})
    return found.body


def foreign_variables(environ: Iterable[str]) -> list[str]:
    """Of the variables' names those that say how to reach Azure, or another network: ours take their place."""
    ours = ("AZURE_", "MSI_", "IDENTITY_", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
    return [name for name in environ if name.upper().startswith(ours)]


def environ_with(told: Mapping[str, str]) -> dict[str, str]:
    """The process's own variables for a child, with others in place of all that say how to reach Azure."""
    foreign = foreign_variables(os.environ)
    return {**{name: value for name, value in os.environ.items() if name not in foreign}, **told}
