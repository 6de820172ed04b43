"""Whether a host can be reached: known at once when its name is unknown or it refuses, after a second when it is silent."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from . import sdk
from .problems import OutOfTime, first_words, unconnected
from .transport import Patience, Transport, bounded

_UNDER_WAY: Final = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)
_AGAIN: Final = 0.4  # of the time, after which another connection is tried: the packet that asked for the first may be lost

_LATER: Final = 1.25  # after what is told without any waiting
_MOMENTS: Final = (0, 1, 2, 4)  # pauses before looks at somebody in trouble, in those before a second attempt


def unreached(host: str, path: str, patience: Patience, slow: Callable[[], None] = lambda: None) -> str:
    """Why nobody at *host* answers over HTTPS, in words; empty when somebody does.

    Whatever the answer is, it is one, unless it tells of trouble at that end (5xx), and goes on so.

    A connection is the work of the systems at both ends: a busy process, here or there, does not delay it, so that a second of
    silence means that nobody is there. An answer is waited for longer: machines that are busy give it late.

    Args:
        host: Its name.
        path: What to ask it for.
        patience: How long silence is waited for.
        slow: Called once, in another thread, when nothing has been heard for a little more than a second.
    """
    core = sdk.module("azure.core.exceptions")
    url = f"https://{host}/{path}"
    proxy = _proxy(url)
    name, port = proxy or (host, 443)
    through = f" (through the proxy {name}:{port})" if proxy else ""
    try:
        with _announced(patience.silent * _LATER, slow):
            # bounded: the look-up of a name knows no limits
            addresses = bounded(lambda: socket.getaddrinfo(name, port, type=socket.SOCK_STREAM), patience.storage)
            knock(addresses, patience.silent)
            trouble: str = bounded(lambda: _trouble(url, patience), patience.storage)
    except TimeoutError:
        return f"nobody takes a connection at {_told(addresses)}{through}"
    except (OutOfTime, OSError, core.AzureError) as error:
        return f"{_words(error)}{through}"
    return f"{trouble}{through}" if trouble else ""


def knock(addresses: list[Any], seconds: float) -> None:
    """See that one of *addresses*, as ``getaddrinfo`` gives them, takes connections.

    Raises:
        TimeoutError: none has said anything; OSError: all have refused, or there is no way to them.
    """
    begun = time.monotonic()
    refused: OSError | None = None
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as waiting:
        for until in (begun + seconds * _AGAIN, begun + seconds):
            for family, kind, protocol, _, address in addresses:
                one = stack.enter_context(socket.socket(family, kind, protocol))
                one.setblocking(False)
                code = one.connect_ex(address)
                if code in _UNDER_WAY:
                    waiting.register(one, selectors.EVENT_WRITE)
                else:
                    refused = OSError(code, os.strerror(code))
            while waiting.get_map():
                # The last look is after the time: what came while this process had to wait for a processor counts.
                remaining = until - time.monotonic()
                for key, _ in waiting.select(max(remaining, 0)):
                    waiting.unregister(key.fileobj)
                    code = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # type: ignore[union-attr]
                    if code == 0:
                        return
                    refused = OSError(code, os.strerror(code))
                if remaining <= 0:
                    break
            if not waiting.get_map() and refused is not None:
                raise refused
    raise TimeoutError


def _proxy(url: str) -> tuple[str, int] | None:
    """The host and port that requests to *url* go through, as the process's variables say."""
    utils = sdk.module("requests.utils")
    proxy = utils.select_proxy(url, utils.get_environ_proxies(url))
    if not proxy:
        return None
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _trouble(url: str, patience: Patience) -> str:
    """What is wrong with who answers there; the SDK would try an upload for a minute and a half."""
    inner = sdk.module("azure.core.pipeline.transport").RequestsTransport()
    request = sdk.module("azure.core.rest").HttpRequest("GET", url)
    transport = Transport(inner, patience=Patience(attempts=1, connect=patience.storage, read=patience.storage))
    try:
        for pause in _MOMENTS:
            time.sleep(pause * patience.pause)
            response = transport.send(request)
            if response.status_code < 500:
                return ""
    finally:
        inner.close()
    identity = response.headers.get("x-ms-request-id", "")
    return f"it answers HTTP {response.status_code}{f', request {identity}' if identity else ''}"


def _words(error: Exception) -> str:
    core = sdk.module("azure.core.exceptions")
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    if isinstance(error, OutOfTime | core.ServiceRequestTimeoutError | core.ServiceResponseTimeoutError):
        return "it does not answer"
    return unconnected(first_words(getattr(error, "strerror", None) or str(error)))


@contextlib.contextmanager
def _announced(seconds: float, slow: Callable[[], None]) -> Iterator[None]:
    """Meanwhile *slow* is called when it takes longer than *seconds*."""
    timer = threading.Timer(seconds, slow)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _told(addresses: list[Any]) -> str:
    """Addresses in words; private ones are seen from inside their network only."""
    hosts = list(dict.fromkeys(str(address[0]) for *_, address in addresses))
    private = any(_is_private(host) for host in hosts)
    return ", ".join(hosts) + (", a private address: this machine has to be in its network" if private else "")


def _is_private(host: str) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    return address.is_private and not address.is_loopback


__all__ = ["knock", "unreached"]
