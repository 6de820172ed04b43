"""A storage account from the emulator's own side: the few operations on blobs that it needs, and signed URLs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import io
import os
import re
import ssl
import threading
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from ..errors import RunError
from . import hosts

_VERSION = "2021-12-02"
_HOURS = 24


class Blob(NamedTuple):
    """A blob of a container: its path, and what changes when its content does."""

    path: str
    etag: str
    size: int


class Account:
    """An account of Azurite's.

    Args:
        name, key: The account and its key, in base64.
        port: Where Azurite listens on loopback.
        authority: The certificate that its own is signed with.
    """

    def __init__(self, name: str, key: str, *, port: int, authority: Path) -> None:
        self.name, self.key = name, key
        self._port = port
        self._context = ssl.create_default_context(cafile=str(authority))
        self._idle: list[http.client.HTTPSConnection] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return hosts.account_url(self.name)

    def signed(self, container: str, path: str | None = None, *, permissions: str = "r") -> str:
        """The query that gives *permissions* on a container, or on one blob of it, for a day."""
        now = datetime.now(timezone.utc)
        start, end = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (now - timedelta(minutes=15), now + timedelta(hours=_HOURS)))
        kind = "c" if path is None else "b"
        resource = f"/blob/{self.name}/{container}" + (f"/{path}" if path else "")
        # permissions, start, expiry, resource, identifier, IP, protocol, version, kind, snapshot, encryption scope, and the
        # five headers that an answer may be given
        fields = [permissions, start, end, resource, "", "", "", _VERSION, kind, "", "", "", "", "", "", ""]
        digest = hmac.digest(base64.b64decode(self.key), "\n".join(fields).encode(), hashlib.sha256)
        return urlencode({"sv": _VERSION, "st": start, "se": end, "sr": kind, "sp": permissions,
                          "sig": base64.b64encode(digest).decode()})

    def address(self, container: str, path: str) -> str:
        """A blob's URL, signed for reading."""
        return f"{self.url}/{container}/{quote(path)}?{self.signed(container, path)}"

    def create(self, container: str) -> None:
        """Make a container, unless it is there."""
        now = f"{datetime.now(timezone.utc):%a, %d %b %Y %H:%M:%S GMT}"
        text = (f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{now}\nx-ms-version:{_VERSION}\n/{self.name}/{container}\n"
                "restype:container")
        digest = hmac.digest(base64.b64decode(self.key), text.encode(), hashlib.sha256)
        headers = {"x-ms-date": now, "x-ms-version": _VERSION, "Content-Length": "0",
                   "Authorization": f"SharedKey {self.name}:{base64.b64encode(digest).decode()}"}
        self._send("PUT", f"/{container}?restype=container", headers=headers, known=(201, 409))

    def list(self, container: str, prefix: str = "") -> list[Blob]:
        """The blobs whose path begins with *prefix*."""
        found: list[Blob] = []
        marker = ""
        while True:
            query = {"restype": "container", "comp": "list", "prefix": prefix, **({"marker": marker} if marker else {})}
            body = self._send("GET", f"/{container}?{urlencode(query)}&{self.signed(container, permissions='rl')}",
                              known=(200, 404))
            if not body.lstrip().startswith(b"<?xml") or b"<EnumerationResults" not in body:
                return found
            tree = ElementTree.fromstring(body)  # noqa: S314 - Azurite's own answer
            for blob in tree.iterfind("Blobs/Blob"):
                found.append(Blob(blob.findtext("Name", ""), blob.findtext("Properties/Etag", ""),
                                  int(blob.findtext("Properties/Content-Length", "0"))))
            marker = tree.findtext("NextMarker") or ""
            if not marker:
                return found

    def read(self, container: str, path: str) -> bytes:
        return self._send("GET", f"/{container}/{quote(path)}?{self.signed(container, path)}")

    def write(self, container: str, path: str, content: bytes | Path) -> None:
        """Put a blob; of a path its file's content."""
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": _VERSION, "Content-Length": str(size)}
        query = self.signed(container, path, permissions="cw")
        self._send("PUT", f"/{container}/{quote(path)}?{query}", content, headers=headers)

    def download(self, container: str, prefix: str, folder: Path, notes: Path) -> int:
        """Bring a blob, or all below a folder of blobs, to *folder*; how many there were.

        What is there with the same ETag is left alone; what is not among the blobs any more is removed. *notes* is a file for
        what was brought the last time, the same for the same blobs.
        """
        prefix = prefix.strip("/")
        blobs = [blob for blob in self.list(container, prefix)
                 if not prefix or blob.path == prefix or blob.path.startswith(f"{prefix}/")]
        known = dict(line.split("\t", 1) for line in notes.read_text().splitlines()) if notes.exists() else {}
        wanted: dict[str, Blob] = {}
        for blob in blobs:
            name = blob.path[len(prefix):].strip("/") or "."
            if name != "." and any(part in ("", "..") for part in name.split("/")):
                continue  # no file could be called that
            wanted[name] = blob
        for name in set(known) - set(wanted):
            (folder / name).unlink(missing_ok=True)
        for name, blob in wanted.items():
            target = folder if name == "." else folder / name
            if known.get(name) == blob.etag and target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.read(container, blob.path))
        if wanted:
            notes.parent.mkdir(parents=True, exist_ok=True)
            notes.write_text("".join(f"{name}\t{blob.etag}\n" for name, blob in wanted.items()))
        return len(wanted)

    def upload(self, source: Path, container: str, prefix: str) -> None:
        """Put a file, or all files below a folder, under *prefix*."""
        for file in _files(source):
            name = file.relative_to(source).as_posix()
            self.write(container, prefix if file == source else f"{prefix.rstrip('/')}/{name}", file)

    def _send(self, method: str, target: str, body: bytes | Path = b"", *, headers: Mapping[str, str] | None = None,
              known: Iterable[int] = (200, 201)) -> bytes:
        """One request; on a connection that was idle and that Azurite has closed meanwhile, once more on a new one."""
        connection, used = self._connection()
        try:
            status, content = self._exchange(connection, method, target, body, headers or {})
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if used:
                return self._send(method, target, body, headers=headers, known=known)
            raise RunError(f"the blob storage of the local Azure ML does not answer: {error}", fix="start it again") from None
        with self._lock:
            self._idle.append(connection)
        if status in known:
            return content
        raise RunError(f"blob storage answered {status} to {method} {target.partition('?')[0]}",
                       why=re.sub(r"<[^>]*>|\s+", " ", content.decode("utf-8", "replace"))[:300].strip())

    def _exchange(self, connection: http.client.HTTPSConnection, method: str, target: str, body: bytes | Path,
                  headers: Mapping[str, str]) -> tuple[int, bytes]:
        with body.open("rb") if isinstance(body, Path) else io.BytesIO(body) as content:
            connection.request(method, target, content if body else None, {"Host": self.url[8:], **headers})
            response = connection.getresponse()
            return response.status, response.read()

    def _connection(self) -> tuple[http.client.HTTPSConnection, bool]:
        """An idle connection, or a new one; whether it has been used."""
        with self._lock:
            if self._idle:
                return self._idle.pop(), True
        return http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=60), False

    def forward(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Pass on a client's request: status, headers and content of the answer."""
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=60)
        with closing(connection):
            connection.request(method, target, body, dict(headers))
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


def _files(source: Path) -> Iterable[Path]:
    if source.is_file():
        yield source
        return
    for folder, _, names in os.walk(source):
        yield from (Path(folder, name) for name in sorted(names))
