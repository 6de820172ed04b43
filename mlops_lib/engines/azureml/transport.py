"""How requests reach Azure: one pool of connections, retries that are bounded, and a time by which an operation is over.

The SDK's clients all get this transport, and their own retries are switched off: those wait 300 s for an answer and as long
as a Retry-After says, and give up at once when a POST meets a closed connection.
"""

from __future__ import annotations

import base64
import contextlib
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlsplit

from ...errors import duration
from . import sdk
from .problems import NotUploaded, OutOfTime, unconnected

_RETRIED: Final = (408, 429, 500, 502, 503, 504)
_POOL: Final = 32
_SILENT: Final = 2  # requests that nobody answers are sent so often: a minute's wait is not made five times
_STORAGE_S: Final = 30.0  # which answers sooner than other services,
_MORE: Final = 2  # and is tried more often by uploads, since it may be busy for longer
_ON_ITS_WAY_S: Final = 10.0
_ends: ContextVar[float | None] = ContextVar("ends", default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long and how often to try.

    Attributes:
        attempts: Of one request.
        connect: Seconds until a connection stands.
        read: Seconds until an answer begins, or goes on.
        pause: Seconds before the second attempt; doubled each time.
        longest: Seconds that are waited at most, whatever a server asks for.
        silent: Seconds after which a storage account that takes no connection is out of reach, before anything is sent there.
        storage: Seconds until one that takes them has answered.
        call: Seconds for an operation, with all its requests.
        upload: Seconds for one that brings files along, such as a component's code.
        submit: Seconds for a job, with the data of this machine that it reads.
        download: Seconds for an output.
        endpoint: Seconds until an endpoint is made or changed, or a deployment deleted: Azure takes minutes.
    """

    attempts: int = 5
    connect: float = 10.0
    read: float = 60.0
    pause: float = 0.4
    longest: float = 20.0
    silent: float = 1.0
    storage: float = 6.0
    call: float = 120.0
    upload: float = 600.0
    submit: float = 900.0
    download: float = 6 * 3600.0
    endpoint: float = 1800.0


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Meanwhile requests of this context end so many seconds from now, or earlier when that was said around it."""
    end = time.monotonic() + seconds
    around = _ends.get()
    token = _ends.set(end if around is None else min(end, around))
    try:
        yield
    finally:
        _ends.reset(token)


def left() -> float | None:
    """The seconds that are left; None when nobody limited them."""
    end = _ends.get()
    return None if end is None else end - time.monotonic()


class Leash:
    """What an operation changes, for as long as somebody waits for it, and for the one that it is a part of."""

    def __init__(self) -> None:
        self._around = _leash.get()
        self._moved = threading.Condition()
        self._on_their_way = 0
        self.is_let_go = False

    def context(self) -> Context:
        """A context like this one, for a thread, whose changes are on the leash."""
        context = copy_context()
        context.run(_leash.set, self)
        return context

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Meanwhile something is changed.

        Raises:
            OutOfTime: nobody waits any more.
        """
        with self._around.held() if self._around is not None else contextlib.nullcontext():
            with self._moved:
                self.check()
                self._on_their_way += 1
            try:
                yield
            finally:
                with self._moved:
                    self._on_their_way -= 1
                    self._moved.notify_all()

    def check(self) -> None:
        """Raise when nobody waits for it any more."""
        if self._around is not None:
            self._around.check()
        if self.is_let_go:
            raise OutOfTime("that anybody waits for")

    def let_go(self) -> None:
        """From now on nothing is changed; what is on its way has arrived by then, unless that takes long."""
        with self._moved:
            self.is_let_go = True
            self._moved.wait_for(lambda: not self._on_their_way, timeout=_ON_ITS_WAY_S)


_leash: ContextVar[Leash | None] = ContextVar("leash", default=None)


class Transport:
    """A transport of azure-core around another one.

    Every request here may be sent twice: names are chosen before anything is created, and what is created is found again.

    Args:
        inner: Sends one request once.
        renewed: Gives another token in the place of one that was refused, for which it has to claim what is given; often "".
        patience: How long and how often to try.

    Attributes:
        sent: How many requests went out, attempts counted.
    """

    def __init__(self, inner: Any, renewed: Callable[[str, str], str | None] = lambda token, claims: None,
                 patience: Patience | None = None) -> None:
        self._inner, self._renewed, self._patience = inner, renewed, patience or Patience()
        self._lock = threading.Lock()
        self._refused: dict[str, str] = {}  # tokens, and what is sent in their place: the SDK's clients remember theirs
        core = sdk.module("azure.core.exceptions")
        self._broken = core.ServiceRequestError, core.ServiceResponseError
        self._late = core.ServiceRequestTimeoutError, core.ServiceResponseTimeoutError
        self.sent = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __enter__(self) -> Transport:
        self._inner.open()
        return self

    def __exit__(self, *error: object) -> None:
        """Stays open: the SDK's clients share it, and each thinks that it is its own."""

    def close(self) -> None:
        """As above; :meth:`shut` ends it."""

    def shut(self) -> None:
        """Close the connections."""
        self._inner.close()

    def send(self, request: Any, **options: Any) -> Any:
        """Send *request*, again if need be; the answer may still be a refusal.

        Raises:
            OutOfTime: the time that the operation has is over.
        """
        renewed, silent = False, 0
        body: Any = getattr(request, "data", None)
        start = body.tell() if hasattr(body, "seekable") and body.seekable() else None
        while (known := self._refused.get(request.headers.get("Authorization", ""))) is not None:
            request.headers["Authorization"] = known
        for attempt in range(1, self._patience.attempts + 1):
            last = attempt == self._patience.attempts
            if start is not None:
                body.seek(start)
            try:
                response = self._once(request, options)
            except self._broken as error:
                silent += isinstance(error, self._late)
                if last or silent == _SILENT or not self._may_wait(self._pause(attempt)):
                    raise
                self._wait(self._pause(attempt))
                continue
            if response.status_code == 401 and not renewed and self._renew(request, response):
                renewed = True
                continue
            if response.status_code not in _RETRIED or last:
                return response
            pause = self._asked(response, attempt)
            if not self._may_wait(pause):
                return response
            self._wait(pause)
        return response

    def _once(self, request: Any, options: dict[str, Any]) -> Any:
        remaining = left()
        if remaining is not None and remaining <= 0:
            raise OutOfTime("in the time that it has")
        limit = float("inf") if remaining is None else max(remaining, 0.05)
        with self._lock:
            self.sent += 1
        patience = self._patience
        limits = {"connection_timeout": patience.connect, "read_timeout": patience.read}
        told = {name: min(options.get(name) or ours, ours, limit) for name, ours in limits.items()}
        leash = _leash.get() if request.method not in ("GET", "HEAD") else None
        with leash.held() if leash is not None else contextlib.nullcontext():
            return self._inner.send(request, **{**options, **told})

    def _renew(self, request: Any, response: Any) -> bool:
        """Put another token into a request whose own was refused."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        fresh = self._renewed(token, _claims(response.headers)) if scheme == "Bearer" else None
        if fresh is None or fresh == token:
            return False
        with self._lock:
            self._refused.pop(f"Bearer {fresh}", None)  # one that is given again is good again, and no ring is made
            self._refused[f"Bearer {token}"] = f"Bearer {fresh}"
        request.headers["Authorization"] = f"Bearer {fresh}"
        return True

    def _pause(self, attempt: int) -> float:
        pause: float = self._patience.pause * 2 ** (attempt - 1) * (0.75 + random.random() / 2)  # noqa: S311  not a secret
        return min(pause, self._patience.longest)

    def _asked(self, response: Any, attempt: int) -> float:
        """The pause that a server asks for, within bounds."""
        return asked(response.headers, otherwise=self._pause(attempt), longest=self._patience.longest)

    def _may_wait(self, pause: float) -> bool:
        remaining = left()
        return remaining is None or pause < remaining

    def _wait(self, pause: float) -> None:
        time.sleep(pause)


class Uploads(Transport):
    """The transport of what the SDK uploads in one operation, by many threads of its own; they end with the operation.

    What one request has tried in vain to the end no other one tries: a folder of a thousand files would take hours.

    Args:
        around: The transport of the other clients, whose connections it uses.
    """

    def __init__(self, around: Transport) -> None:
        patience = _for_storage(around._patience)
        super().__init__(around._inner, around._renewed, replace(patience, attempts=patience.attempts + _MORE))
        self._context = copy_context()  # with the end of the operation, and its leash
        self._given_up = ""

    def send(self, request: Any, **options: Any) -> Any:
        """As above, unless another request was in vain.

        Raises:
            NotUploaded: it was.
        """
        host = urlsplit(request.url).hostname or ""
        try:
            response = self._context.copy().run(super().send, request, **options)
        except self._broken as error:
            self._given_up = self._given_up or unconnected(str(error), at=host)
            raise type(error)(self._given_up) from NotUploaded(host)
        if response.status_code in _RETRIED:
            self._given_up = self._given_up or f"{host}: HTTP {response.status_code}"
        return response

    def _once(self, request: Any, options: dict[str, Any]) -> Any:
        if self._given_up:
            raise NotUploaded(self._given_up)  # which is not tried again
        return super()._once(request, options)


def storing(around: Transport) -> Transport:
    """A transport for storage, on the connections of another one."""
    return Transport(around._inner, around._renewed, _for_storage(around._patience))


def _for_storage(patience: Patience) -> Patience:
    return replace(patience, read=min(patience.read, _STORAGE_S))


def asked(headers: Mapping[str, str], *, otherwise: float, longest: float) -> float:
    """The seconds that an answer wants to be waited, at most *longest*; *otherwise* when it does not say, or gives a date."""
    for name, unit in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("Retry-After", 1.0)):
        with contextlib.suppress(ValueError):
            told = float(headers.get(name, "")) * unit
            if told >= 0:  # which "nan" is not
                return min(told, longest)
    return otherwise


def _claims(headers: Mapping[str, str]) -> str:
    """What a token has to claim, as the challenge of an answer says; empty when it asks for nothing special."""
    found = re.search(r'claims="([^"]+)"', headers.get("WWW-Authenticate", ""))
    if found is None:
        return ""
    with contextlib.suppress(ValueError):
        text = found[1].rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_").decode()
    return ""


def bounded(call: Callable[[], Any], seconds: float) -> Any:
    """What *call* gives, or an end after so many seconds, whatever it is stuck in: uploads know nothing of our transport.

    Once nobody waits for it any more, at Ctrl-C or after the time, it changes nothing more at Azure.

    Raises:
        OutOfTime: it has not ended; its thread is left alone, and dies with the process.
    """
    result, failure, leash = [], [], Leash()

    def work() -> None:
        try:
            with within(seconds):
                result.append(call())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=leash.context().run, args=(work,), name="azure", daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    except BaseException:
        leash.let_go()
        raise
    if failure:
        raise failure[0]
    if not result:
        raise OutOfTime(f"within {duration(seconds)}")
    return result[0]


def connect(renewed: Callable[[str, str], str | None], patience: Patience | None = None) -> Transport:
    """A transport for all clients of a process: connections are made once, and kept."""
    requests = sdk.module("requests")
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_connections=_POOL, pool_maxsize=_POOL)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    inner = sdk.module("azure.core.pipeline.transport").RequestsTransport(session=session)
    return Transport(inner, renewed, patience)
