"""A web server on loopback whose files, and whose failings, a test decides."""

import base64
import email.utils
import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Page:
    """What is at a path; *failures* are answered first, one a request: a status, or ``"break"``, ``"hang"``, ``"damage"``."""

    body: bytes = b""
    etag: str | None = None
    modified: float | None = None
    failures: list[Any] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    redirect: str | None = None
    status: int = 200
    on_get: Callable[[], None] = lambda: None


@dataclass
class Web:
    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str, int]] = field(default_factory=list)  # method, path, status
    hanging: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def put(self, path: str, body: bytes = b"", **more: Any) -> None:
        self.pages[path] = Page(body, **more)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def log_message(self, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("http://"):  # asked as a proxy
            path = "/proxied/" + path.removeprefix("http://")
        page = self.web.pages.get(path)
        failure = page.failures.pop(0) if page and page.failures else None
        status = 404 if page is None else failure if isinstance(failure, int) else 302 if page.redirect else page.status
        if page and status == 200 and not failure:
            modified = email.utils.formatdate(page.modified, usegmt=True) if page.modified else None
            same_tag = page.etag and self.headers.get("If-None-Match") == page.etag
            if same_tag or (not page.etag and modified and self.headers.get("If-Modified-Since") == modified):
                status = 304
        self.web.asked.append((self.command, self.path, status))
        self.send_response(status)
        body = page.body if page and status == 200 else b""
        if page:
            if page.redirect:
                self.send_header("Location", page.redirect)
            if page.etag:
                self.send_header("ETag", page.etag)
            if page.modified:
                self.send_header("Last-Modified", email.utils.formatdate(page.modified, usegmt=True))
            for name, value in page.headers.items():
                self.send_header(name, value)
        if failure == "damage":
            self.send_header("Content-MD5", base64.b64encode(hashlib.md5(body + b"!").digest()).decode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not with_body:
            return
        if failure in ("break", "hang"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if failure == "hang":
                self.web.hanging.set()
                self.web.released.wait(20)
            self.close_connection = True
        else:
            self.wfile.write(body)
            if page:
                page.on_get()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that goes away, or that does not trust us, is what the test is about


def _serve(context: ssl.SSLContext | None = None) -> Iterator[Web]:
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    scheme = "http"
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https"
    handler.web = web = Web(f"{scheme}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        web.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine has set for its own way to the network is not what the tests are about."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def web() -> Iterator[Web]:
    yield from _serve()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, with its key, in one file."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


@pytest.fixture
def secure_web(certificate: Path) -> Iterator[Web]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    yield from _serve(context)
