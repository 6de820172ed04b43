"""One file by http or https.

The standard library's client does: it knows proxies, redirects and certificates, and a download needs nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from email.message import Message
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote, unquote, urlsplit

from ..errors import InputError, RunError
from ..references import WEB, escapes, redacted
from .downloads import Brought, Marks, Unreachable, split_url, unreadable

_BLOCK: Final = 1 << 18
_TRIES: Final = 3
_RETRIED: Final = (429, 500, 502, 503, 504)
_SLOWEST: Final = 1024  # bytes a second, over a minute: less is no download any more
_MINUTE: Final = 60.0
_AZURE: Final = (".blob.core.windows.net", ".dfs.core.windows.net")


class WebFile:
    """A file on a web server.

    Args:
        url: ``https://…`` or ``http://…``.
        patience: Seconds to wait for a connection, and for each answer.
        pause: Seconds before the second attempt; twice as long before the third.

    Raises:
        InputError: the URL cannot be one of a file.
    """

    def __init__(self, url: str, *, patience: float = 30.0, pause: float = 0.5) -> None:
        parts = split_url(url)
        self._name = unquote(parts.path.rpartition("/")[2]) or "data"
        if not parts.hostname or escapes(self._name) or "/" in self._name:
            raise InputError(f"{redacted(url)!r} is no URL of a file", fix="write https://HOST/…/FILE")
        if parts.username is not None:
            raise InputError(f"{redacted(url)!r} holds a user's name or password", why="it would be written down with the run",
                             fix="read it from a store that one signs in to: abfss://… or azureml://datastores/…")
        self._url = quote(url, safe="%:/?#[]@!$&'()*+,;=~")  # a person may have written blanks and umlauts
        self._host = parts.hostname
        self._patience, self._pause = patience, pause

    @property
    def url(self) -> str:
        return redacted(self._url)

    def marks(self) -> Marks | None:
        with self._answer("HEAD", {}) as answer:
            found = _marks_of(answer.headers)
        return found if "etag" in found or "modified" in found else None

    def bring(self, folder: Path, known: Brought | None) -> Brought | None:
        headers = {}
        if known is not None:
            for header, mark in (("If-None-Match", "etag"), ("If-Modified-Since", "modified")):
                if mark in known.marks:
                    headers[header] = known.marks[mark]
        place = folder / self._name
        for attempt in range(_TRIES):
            try:
                with self._answer("GET", headers) as answer:
                    if answer.status == HTTPStatus.NOT_MODIFIED:
                        return None
                    self._store(answer, place)
                    return Brought(_marks_of(answer.headers), place)
            except (_BrokeOff, Unreachable):
                if attempt == _TRIES - 1:
                    raise
            time.sleep(self._pause * 2**attempt)
        raise ValueError("no attempt was the last one")

    # --- one request -------------------------------------------------------------------------------------------------

    def _answer(self, method: str, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the opener below knows http and https only
            self._url, method=method,
            headers={"User-Agent": "mlops-lib", "Accept-Encoding": "identity", "Accept": "*/*", **headers})
        try:
            return _opener().open(request, timeout=self._patience)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_MODIFIED:
                return error
            with error:
                raise self._refused(error) from None
        except urllib.error.URLError as error:
            raise self._unreachable(error.reason) from error
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise self._unreachable(error) from error

    def _store(self, answer: Any, place: Path) -> None:
        """Write the answer's body to *place*, and check it against what the server said of it."""
        expected = answer.headers.get("Content-Length")
        told = answer.headers.get("Content-MD5")
        size, check = 0, hashlib.md5(usedforsecurity=False)
        begun, then = time.monotonic(), 0
        with place.open("wb") as file:
            while block := self._block(answer):
                file.write(block)
                check.update(block)
                size += len(block)
                if time.monotonic() - begun > _MINUTE:
                    if size - then < _SLOWEST * _MINUTE:
                        raise _BrokeOff(f"{self.url!r} comes too slowly to be waited for",
                                        why=f"{size - then:,} bytes in a minute", fix="give a local copy")
                    begun, then = time.monotonic(), size
        if expected is not None and expected.isdecimal() and int(expected) != size:
            raise _BrokeOff(f"{self.url!r} broke off", why=f"{size:,} of {int(expected):,} bytes came", fix="start again")
        if told is not None and base64.b64encode(check.digest()).decode() != told.strip():
            raise _BrokeOff(f"{self.url!r} was damaged on its way", why="the server says another MD5", fix="start again")

    def _block(self, answer: Any) -> bytes:
        try:
            return bytes(answer.read1(_BLOCK))
        except (http.client.HTTPException, OSError) as error:
            raise _BrokeOff(f"{self.url!r} broke off", why=_words(error), fix="start again, or give a local copy") from error

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    def _refused(self, error: urllib.error.HTTPError) -> Exception:
        what = f"{error.code} {error.reason}".strip()
        azure = (self._host).endswith(_AZURE)
        sign_in = "read it as abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/…, which signs in" if azure else \
            "give a URL that needs no sign-in, or a local copy"
        if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT):
            return unreadable(self._url, f"the server answered {what}", fix=sign_in)
        if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return InputError(f"{self.url!r} does not exist", why=f"the server answered {what}",
                              fix="correct the URL" + (f"; if it is private, {sign_in}" if azure else ""))
        if error.code in _RETRIED:
            return Unreachable(f"{self.url!r} could not be had", why=f"the server answered {what}",
                               fix="try again later, or give a local copy")
        return unreadable(self._url, f"the server answered {what}", fix="correct the URL, or give a local copy")

    def _unreachable(self, reason: object) -> RunError:
        if isinstance(reason, ssl.SSLCertVerificationError):
            return RunError(  # nothing that may do without: somebody else may be answering
                f"the certificate of {self._host!r} is not trusted", why=reason.verify_message,
                fix="set SSL_CERT_FILE to the file with your organisation's certificates, or correct the URL")
        proxies = "; ".join(f"{name}={redacted(value)}" for name, value in sorted(os.environ.items())
                            if name.lower() in ("http_proxy", "https_proxy", "all_proxy") and value)
        return Unreachable(f"{self.url!r} could not be reached",
                           why=redacted(_words(reason)) + (f"; through the proxy that is set: {proxies}" if proxies else ""),
                           fix="check the network (a proxy is taken from HTTPS_PROXY), or give a local copy")


class _BrokeOff(RunError):
    """Part of a file came."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to http; 308 too, which Python 3.10 does not know."""

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any,
                         newurl: str) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme.lower()
        if scheme not in WEB or (req.type == "https" and scheme != "https"):
            fp.close()
            raise InputError(f"{redacted(req.full_url)!r} leads to {redacted(newurl)!r}",
                             why="only a redirect to the web is followed, and from https only to one with encryption",
                             fix="give the address of the file itself")
        found = super().redirect_request(req, fp, HTTPStatus.TEMPORARY_REDIRECT if code == 308 else code, msg, headers, newurl)
        if found is not None and req.get_method() == "HEAD":
            found.method = "HEAD"
        return found


def _opener() -> urllib.request.OpenerDirector:
    """A client that knows http and https and nothing else: no files, no ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(),
                    urllib.request.HTTPSHandler(context=ssl.create_default_context()), _Redirects(),
                    urllib.request.HTTPErrorProcessor(), urllib.request.HTTPDefaultErrorHandler(),
                    urllib.request.UnknownHandler()):
        opener.add_handler(handler)
    return opener


def _marks_of(headers: Message) -> dict[str, str]:
    """What a server says to tell one version of a file from another."""
    told = {"etag": headers.get("ETag"), "modified": headers.get("Last-Modified"), "size": headers.get("Content-Length")}
    return {name: value for name, value in told.items() if value}


def _words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "nothing came in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
