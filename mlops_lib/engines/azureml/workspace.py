"""A stage's workspace, opened: the SDK's client, plain requests beside it, and every call bounded and explained."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from ...errors import InputError, MlopsError, StageError
from ...infra import Stage
from . import sdk
from .credentials import Credential
from .problems import explained, raced
from .transport import Leash, Patience, Transport, Uploads, asked, bounded, connect, storing

MANAGEMENT: Final = "https://management.azure.com"
_SCOPE: Final = f"{MANAGEMENT}/.default"
VERSION: Final = "2024-10-01"
_THREADS: Final = 16
_RACES: Final = (1, 2, 4)  # pauses after lost ones, in those before a second attempt
_LOOK_AGAIN_S, _LONGEST_S = 2.0, 10.0  # between two looks at a long operation

Result = TypeVar("Result")


class Look(NamedTuple):
    """What was found at an address: nothing when it is not there, or when whoever asks may not see it, as *denied* says."""

    found: Any = None
    denied: MlopsError | None = None


Item = TypeVar("Item")


class Workspace:
    """The workspace of a stage; use it as a context manager.

    Args:
        stage: What Terraform made.
        environ: The process's variables.
        patience: How long and how often to try.

    Attributes:
        stage: As given.
        patience: As given, or the usual one.
    """

    def __init__(self, stage: Stage, *, environ: Mapping[str, str] | None = None, patience: Patience | None = None) -> None:
        self.stage = stage
        self.patience = patience or Patience()
        self._environ = os.environ if environ is None else environ
        self._credential = Credential(stage.name, stage.tenant_id, self._environ)
        self._transport: Transport = connect(self._credential.renewed, self.patience)
        self._client: Any = None
        self._about: Mapping[str, Any] | None = None

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *error: object) -> None:
        self._transport.shut()

    @property
    def name(self) -> str:
        return self.stage.workspace["name"]

    @property
    def sent(self) -> int:
        """How many requests went to Azure, those to storage not counted."""
        return self._transport.sent

    @property
    def path(self) -> str:
        """The workspace's id."""
        return (f"/subscriptions/{self.stage.subscription_id}/resourceGroups/{self.stage.resource_group}/providers/"
                f"Microsoft.MachineLearningServices/workspaces/{self.name}")

    @property
    def client(self) -> Any:
        """The SDK's client."""
        if self._client is None:
            with sdk.quiet():
                self._client = sdk.client(
                    self._credential, self.stage.subscription_id, self.stage.resource_group, self.name, show_progress=True,
                    enable_telemetry=False, transport=self._transport, retry_total=0)
        return self._client

    # --- calls -------------------------------------------------------------------------------------------------------

    def call(self, doing: str, call: Callable[[], Result], *, seconds: float | None = None, at: str = "") -> Result:
        """What *call* gives.

        Args:
            doing: What it does, for the case that it fails: ``read the compute 'cpu'``.
            call: Uses the client.
            seconds: It ends within these, one way or another; None for those of any operation.
            at: What it is done to.

        Raises:
            MlopsError: it failed; with the status, the code and the request's id when Azure answered.
        """
        for pause in (*_RACES, None):
            try:
                with sdk.quiet(), sdk.uploading(lambda: Uploads(self._transport)):
                    result: Result = bounded(call, self.patience.call if seconds is None else seconds)
                    return result
            except Exception as error:
                if pause is None or not raced(error):
                    raise explained(error, doing, stage=self.stage.name, at=at) from error
            time.sleep(pause * self.patience.pause)
        raise AssertionError("the last attempt has an end")

    def find(self, path: str, *, doing: str) -> Any:
        """As :meth:`get`, of something in the workspace; None when there is no such thing."""
        return self._maybe(f"{self.path}/{path}", doing=doing)

    def _maybe(self, path: str, *, doing: str, host: str = MANAGEMENT, version: str | None = VERSION, **query: str) -> Any:
        missing = sdk.module("azure.core.exceptions").ResourceNotFoundError

        def attempt() -> Any:
            try:
                return self._json("GET", host, path, version, query)
            except missing:
                return None

        return self.call(doing, attempt)

    def look(self, path: str, *, doing: str, version: str | None, **query: str) -> Look:
        """As :meth:`get`, for what may be absent, or closed to whoever asks.

        Raises:
            MlopsError: nobody answers, or with something else.
        """
        core = sdk.module("azure.core.exceptions")

        def attempt() -> Look:
            try:
                return Look(self._json("GET", MANAGEMENT, path, version, query))
            except core.HttpResponseError as error:
                # Of a subscription that one may not see, Azure says that there is none.
                hidden = error.error is not None and error.error.code == "SubscriptionNotFound"
                if error.status_code == 403 or hidden:
                    return Look(denied=explained(error, doing, stage=self.stage.name))
                if error.status_code == 404:
                    return Look()
                raise

        return self.call(doing, attempt)

    def look_at_all(self, path: str, *, doing: str, version: str, **query: str) -> Look:
        """The items of a list, all its pages, as :meth:`look` finds them."""
        items: list[Any] = []
        told: str | None = version
        while True:
            page = self.look(path, doing=doing, version=told, **query)
            if page.found is None:
                return page
            items += page.found.get("value") or ()
            if not (link := page.found.get("nextLink")):
                return Look(items)
            _, path = _split(link)
            told, query = None, {}

    def each(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """What *work* gives for each item, several at a time, in their order; the first failure is raised after all ended.

        At Ctrl-C no other item is begun, and nothing more is changed by those that are.
        """
        every: Sequence[Item] = list(items)
        if len(every) < 2:
            return [work(item) for item in every]
        futures: list[Future[Result]] = [Future() for _ in every]
        todo = iter(zip(every, futures, strict=True))
        lock, leash = threading.Lock(), Leash()

        def take() -> None:
            while True:
                with lock:
                    task = next(todo, None)
                if task is None or leash.is_let_go:
                    return
                item, future = task
                try:
                    future.set_result(work(item))
                except BaseException as error:
                    future.set_exception(error)

        # Not a pool: the end of the interpreter waits for its threads, and Ctrl-C is not to wait for what is on its way.
        for _ in range(min(_THREADS, len(every))):
            threading.Thread(target=leash.context().run, args=(take,), name="azure", daemon=True).start()
        try:
            wait(futures)
        except BaseException:
            leash.let_go()
            raise
        return [future.result() for future in futures]

    # --- plain requests ----------------------------------------------------------------------------------------------

    def get(self, path: str, *, doing: str, host: str = MANAGEMENT, version: str | None = VERSION, **query: str) -> Any:
        """The JSON that a path of the management address, or of another service of the workspace, answers.

        Raises:
            MlopsError: it does not.
        """
        return self.call(doing, lambda: self._json("GET", host, path, version, query))

    def post(self, path: str, body: Any = None, *, doing: str, host: str = MANAGEMENT, version: str | None = VERSION) -> Any:
        """As :meth:`get`, for what changes something, or is asked with a body."""
        return self.call(doing, lambda: self._json("POST", host, path, version, {}, body))

    def patch(self, path: str, body: Any, *, doing: str, version: str | None = VERSION) -> Any:
        """As :meth:`get`, for what changes something."""
        return self.call(doing, lambda: self._json("PATCH", MANAGEMENT, path, version, {}, body))

    def put(self, path: str, body: Any, *, doing: str, only_new: bool = False,
            seconds: float | None = None) -> Any:
        """Create or replace something in the workspace, and wait until Azure is done with it.

        Args:
            path: Below the workspace.
            body: What it is to be.
            doing: As for :meth:`call`.
            only_new: Nothing that is there already may be replaced.
            seconds: It ends within these.

        Raises:
            MlopsError: Azure refused it, at once or in the end.
        """
        headers = {"If-None-Match": "*"} if only_new else {}

        def attempt() -> Any:
            response = self._sent("PUT", MANAGEMENT, f"{self.path}/{path}", VERSION, {}, body, headers)
            self._await(response)
            return response.json() if response.content else None

        return self.call(doing, attempt, seconds=seconds)

    def delete(self, path: str, *, doing: str, seconds: float | None = None) -> None:
        """Delete something in the workspace, and wait until it is gone; what is gone already is fine."""
        missing = sdk.module("azure.core.exceptions").ResourceNotFoundError

        def attempt() -> None:
            try:
                response = self._sent("DELETE", MANAGEMENT, f"{self.path}/{path}", VERSION, {})
            except missing:
                return
            self._await(response)

        self.call(doing, attempt, seconds=seconds)

    def _await(self, response: Any) -> None:
        """The end of the operation that an answer says has begun, if any has.

        Of what it makes Azure ML gives a status, of what it deletes an address that answers 202 until it is gone.
        """
        exceptions = sdk.module("azure.core.exceptions")
        status = response.headers.get("Azure-AsyncOperation")
        place = status or (response.headers.get("Location") if response.status_code == 202 else None)
        while place:
            response = self._sent("GET", *_split(place), None, {})
            told = str(response.json().get("status", "Succeeded")) if status else response.status_code
            if told in ("Failed", "Canceled"):
                raise exceptions.HttpResponseError(response=response)
            if told in ("Succeeded", 200, 204):
                return
            time.sleep(asked(response.headers, otherwise=_LOOK_AGAIN_S, longest=min(_LONGEST_S, self.patience.longest)))

    def pages(self, path: str, *, doing: str, host: str = MANAGEMENT, version: str | None = VERSION,
              may_lack: bool = False) -> Iterator[Mapping[str, Any]]:
        """The items of a list, page after page; none of a list that is not there, when it *may_lack*."""
        query: dict[str, str] = {}
        get = self._maybe if may_lack else self.get
        while True:
            page = get(path, doing=doing, host=host, version=version, **query) or {}
            yield from page.get("value") or ()
            link, token = page.get("nextLink"), page.get("continuationToken")
            if link:
                base, path = _split(link)
                host, version, query = base, None, {}
            elif token:
                query = {"$continuationToken": token}
            else:
                return

    def _json(self, method: str, host: str, path: str, version: str | None, query: Mapping[str, str], body: Any = None) -> Any:
        response = self._sent(method, host, path, version, query, body)
        return response.json() if response.content else None

    def _sent(self, method: str, host: str, path: str, version: str | None, query: Mapping[str, str], body: Any = None,
              more: Mapping[str, str] | None = None) -> Any:
        """An answer that is no refusal, read.

        Raises:
            InputError: a name in the path leads to something else than it is a name of.
        """
        if not {".", ".."}.isdisjoint(path.partition("?")[0].split("/")):
            raise InputError(f"stage {self.stage.name!r}: nothing there has a name with a '.' or '..' for a part",
                             why=f"it was to be found at {path.removeprefix(self.path)}", fix="correct the name")
        rest, exceptions = sdk.module("azure.core.rest"), sdk.module("azure.core.exceptions")
        wanted = {**({"api-version": version} if version else {}), **query}
        url = f"{host}{path}" + (("&" if "?" in path else "?") + urlencode(wanted) if wanted else "")
        headers = {"Authorization": f"Bearer {self._credential.get_token(_SCOPE).token}", "Accept": "application/json",
                   **(more or {})}
        request = rest.HttpRequest(method, url, headers=headers, **({"json": body} if body is not None else {}))
        response = self._transport.send(request)
        response.read()
        if response.status_code >= 300:
            kind = exceptions.ResourceNotFoundError if response.status_code == 404 else exceptions.HttpResponseError
            raise kind(response=response)
        return response

    def container(self, account: str, name: str, *, suffix: str, block: int) -> Any:
        """A client for a container of a storage account, which signs in as everything here does.

        Args:
            account: The account's name.
            name: The container's.
            suffix: Where the cloud has its storage: ``core.windows.net``.
            block: How many bytes are read or written at once.
        """
        return sdk.module("azure.storage.blob").ContainerClient(
            f"https://{account}.blob.{suffix}", name, credential=self._credential, transport=storing(self._transport),
            retry_total=0, max_single_put_size=block, max_block_size=block, max_single_get_size=block,
            max_chunk_get_size=block)

    def raw(self, url: str, *, start: int, size: int, token_for: str = "") -> Any:
        """The answer, read, to who wants *size* bytes from *start* on of a file that a signed URL names; it may be a refusal.

        Args:
            url: As Azure gave it.
            start: How many bytes are known already.
            size: How many more are wanted at most.
            token_for: A scope whose token goes along; none by default, since the URL is signed.
        """
        rest = sdk.module("azure.core.rest")
        headers = {"Range": f"bytes={start}-{start + size - 1}", "x-ms-version": "2023-11-03"}
        if token_for:
            headers["Authorization"] = f"Bearer {self._credential.get_token(token_for).token}"
        response = self._transport.send(rest.HttpRequest("GET", url, headers=headers))
        response.read()
        return response

    def send(self, url: str, body: bytes, headers: Mapping[str, str], *, doing: str,
             token_for: str = "") -> tuple[int, Mapping[str, str], bytes]:
        """What another service than Azure's management answers to a request; refusals are answers, too.

        Args:
            url: Where to.
            body: What is sent.
            headers: What is said of it.
            doing: As for :meth:`call`.
            token_for: A scope whose token goes along.

        Raises:
            StageError: no answer came.
        """
        def attempt() -> tuple[int, Mapping[str, str], bytes]:
            told = dict(headers)
            if token_for:
                told["Authorization"] = f"Bearer {self._credential.get_token(token_for).token}"
            request = sdk.module("azure.core.rest").HttpRequest("POST", url, headers=told, content=body)
            response = self._transport.send(request)
            response.read()
            return response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content

        return self.call(doing, attempt)

    # --- what the workspace says of itself ---------------------------------------------------------------------------

    @property
    def about(self) -> Mapping[str, Any]:
        """The workspace's properties; asked for once.

        Raises:
            StageError: there is no such workspace, or it is not ready.
        """
        if self._about is None:
            found = self.get(self.path, doing=f"read the workspace {self.name!r}")
            properties: Mapping[str, Any] = found.get("properties") or {}
            state = str(properties.get("provisioningState") or "Succeeded")
            if state not in ("Succeeded", "Updating"):
                raise StageError(f"stage {self.stage.name!r}: the workspace {self.name!r} is {state.lower()}",
                                 why="its provisioning has not come to a good end",
                                 fix="see it in the Azure portal, or apply again")
            self._about = properties
        return self._about

    @property
    def identity(self) -> str:
        """What tells this workspace from one that is made anew under its name."""
        return str(self.about.get("workspaceId") or self.path)

    def studio(self, job: str) -> str:
        """Where people look at a job in a browser."""
        return f"https://ml.azure.com/runs/{quote(job)}?wsid={self.path}&tid={self.stage.tenant_id}"


def _split(link: str) -> tuple[str, str]:
    scheme, _, rest = link.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", f"{slash}{path}"
