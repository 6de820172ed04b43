"""The server: a proxy to which Azure's clients say where they want to go, and which is there already.

One port on loopback. A client asks it, as it would any proxy, to connect it with a host of Azure's; for those that are
answered here it goes on with TLS on the same connection, blob storage is passed on to Azurite, and every other host is refused
and noted down. ``http.server`` does: one client, a few connections, and no server library has this turn from proxy to
server within a connection. It starts in milliseconds and needs nothing installed.
"""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from . import hosts
from .router import Service
from .wire import Request, Response, reason

_IDLE_S: Final = 600
_CHUNK: Final = 1 << 16
_MAX_BODY: Final = 256 << 20


class Dropped(Exception):
    """The connection ends here without an answer; *reset* as a crashed server's would."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


@dataclass(frozen=True, kw_only=True, slots=True)
class Doors:
    """What the server asks of whoever owns it.

    Attributes:
        answer: The answer to a request to a service; may raise `Dropped`.
        watched: Whether requests to blob storage are to be seen one by one, and not only passed on.
        refused: Told of a host that is none of ours.
    """

    location: str
    blob_port: int
    answer: Callable[[Service, Request], Response]
    watched: Callable[[], bool]
    refused: Callable[[str], None]
    context: ssl.SSLContext


class Server(socketserver.ThreadingTCPServer):
    """Listens as soon as it is made, serves once `start` is called."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, doors: Doors) -> None:
        self.doors = doors
        super().__init__(("127.0.0.1", port), _Connection)
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="emulator", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; what our own code gets wrong is answered with 500 before it comes here."""


class _Connection(BaseHTTPRequestHandler):
    """A connection: first to the proxy, then, after CONNECT, to one host."""

    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer leaves in one piece
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    host = ""
    service: Service | None = None

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        doors = self.server.doors
        service = hosts.service_of(host, doors.location) if port == "443" and not self.service else None
        if service is None:
            self._refuse(self.path)
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.wfile.flush()
        if service is Service.BLOB and not doors.watched():
            self.close_connection = True
            _tunnel(self.connection, doors.blob_port)
            return
        secured = doors.context.wrap_socket(self.connection, server_side=True)
        self.request = self.connection = secured
        self.rfile = secured.makefile("rb", -1)
        self.wfile = secured.makefile("wb", -1)
        self.host, self.service = host.lower(), service
        self.close_connection = False

    def _any(self) -> None:
        if self.service is None:
            self._refuse(self.path)
            return
        told = self.headers.get("Content-Length") or "0"
        if not told.isdecimal():
            self.close_connection = True
            self._send(Response(status=400, body={"error": {"code": "BadRequest", "message": "Content-Length is no number."}}))
            return
        length = int(told)
        if length > _MAX_BODY or "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            self.close_connection = True
            self._send(Response(status=413, body={"error": {"code": "RequestTooLarge", "message": "The body is too large."}}))
            return
        body = self.rfile.read(length) if length else b""
        target = urlsplit(self.path)
        request = Request(method=self.command, host=self.host, path=target.path,
                          target=self.path, query=dict(parse_qsl(target.query, keep_blank_values=True)),
                          headers={name.lower(): value for name, value in self.headers.items()}, body=body)
        try:
            self._send(self.server.doors.answer(self.service, request))
        except Dropped as dropped:
            self.close_connection = True
            if dropped.reset:
                # nothing lingers: the kernel answers with RST
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                self.connection.close()

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = _any  # noqa: N815 - http.server's names

    def _send(self, response: Response) -> None:
        content, kind = response.content()
        self.send_response_only(response.status, reason(response.status))
        headers: Mapping[str, str] = {**({"Content-Type": kind} if kind else {}), "Content-Length": str(len(content)),
                                      **response.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()

    def _refuse(self, target: str) -> None:
        self.server.doors.refused(target)
        self.close_connection = True
        self._send(Response(status=403, body={"error": {
            "code": "HostNotEmulated", "message": f"{target} is no host that this local Azure ML answers for"}}))

    def log_message(self, *arguments: object) -> None:
        """Say nothing: the emulator notes requests down itself."""

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        with contextlib.suppress(OSError):
            self.connection.close()


def _tunnel(client: socket.socket, port: int) -> None:
    """Pass on bytes between a client and a port of this machine until either has enough."""
    try:
        other = socket.create_connection(("127.0.0.1", port), timeout=10)
    except OSError:
        return
    with other:
        ends = {client: other, other: client}
        for end in ends:
            end.settimeout(_IDLE_S)
        with contextlib.suppress(OSError):
            while ready := select.select(list(ends), [], [], _IDLE_S)[0]:
                for end in ready:
                    data = end.recv(_CHUNK)
                    if not data:
                        return
                    ends[end].sendall(data)
