"""Faults on demand: what of Azure goes wrong, for which requests, and how often.

A fault is a line: a method, a pattern of host and path, and what happens::

    GET  */computes/*   status=503 retry-after=2 times=2
    PUT  */jobs/*       lost times=1
    *    *.blob.core.windows.net/*  reset
"""

from __future__ import annotations

import fnmatch
import re
import shlex
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import InputError, Place, did_you_mean
from .wire import Problem, Request, Response

_METHODS: Final = ("*", "GET", "PUT", "POST", "PATCH", "DELETE", "HEAD")
_WORDS: Final = ("reset", "lost", "quota", "soft-deleted")
_VALUES: Final = ("status", "code", "message", "retry-after", "delay", "times", "after")
_CODES: Final = {400: "BadRequest", 401: "InvalidAuthenticationToken", 403: "AuthorizationFailed", 404: "ResourceNotFound",
                 409: "Conflict", 412: "PreconditionFailed", 429: "TooManyRequests", 500: "InternalServerError",
                 502: "BadGateway", 503: "ServiceUnavailable", 504: "GatewayTimeout"}
_QUOTA: Final = ("OperationNotAllowed", "Operation results in exceeding approved Total Regional Cores quota.")
_SOFT_DELETED: Final = ("Conflict", "A resource of this name was deleted and can be recovered. Purge or recover it first.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        method: ``*`` for any.
        pattern: Of the host and path, with ``*`` and ``?``; case does not matter.
        status: What is answered instead.
        code, message: Of that answer's error.
        retry_after: Its Retry-After, in seconds.
        delay: How long to wait first, in seconds; by itself the request is then answered as ever.
        reset: The connection is reset before anything is done.
        lost: The request is done, and then the connection closed without an answer.
        times: How often; None for ever.
        after: How many matching requests are let through first.
    """

    method: str = "*"
    pattern: str = "*"
    status: int | None = None
    code: str | None = None
    message: str | None = None
    retry_after: int | None = None
    delay: float = 0.0
    reset: bool = False
    lost: bool = False
    times: int | None = None
    after: int = 0

    def __post_init__(self) -> None:
        if self.method not in _METHODS:
            raise InputError(f"{self.method!r} is no method of a request", fix=did_you_mean(self.method, _METHODS))
        if (self.status is not None) + self.reset + self.lost + (self.delay > 0) == 0:
            raise InputError("a fault has to do something", fix=f"give one of status=…, delay=…, {', '.join(_WORDS)}")
        if (self.status is not None) + self.reset + self.lost > 1:
            raise InputError("a fault does one thing: a status, a reset, or a lost answer", fix="make several of it")
        if self.status is not None and not 400 <= self.status < 600:
            raise InputError(f"{self.status} is no status of an error", fix="give one from 400 to 599")

    @classmethod
    def parse(cls, text: str, *, place: Place | None = None) -> Fault:
        """A fault from a line.

        Raises:
            InputError: it is none.
        """
        try:
            return cls._parse(shlex.split(text))
        except ValueError as error:
            raise InputError(f"{text!r} is no fault: {error}", place=place, fix=_EXAMPLE) from None
        except InputError as error:
            raise InputError(error.what, why=error.why, fix=error.fix, place=place) from None

    @classmethod
    def _parse(cls, words: Sequence[str]) -> Fault:
        if len(words) < 3:
            raise InputError(f"{' '.join(words)!r} is no fault", why="it has a method, a pattern, and what happens",
                             fix=_EXAMPLE)
        told: dict[str, object] = {}
        for word in words[2:]:
            name, equals, value = word.partition("=")
            known = _VALUES if equals else _WORDS
            if name not in known:
                raise InputError(f"a fault has no {name!r}", fix=did_you_mean(name, known))
            if name == "quota":
                told |= {"status": 409, "code": _QUOTA[0], "message": _QUOTA[1]}
            elif name == "soft-deleted":
                told |= {"status": 409, "code": _SOFT_DELETED[0], "message": _SOFT_DELETED[1]}
            elif not equals:
                told[name] = True
            elif name in ("code", "message"):
                told[name] = value
            else:
                told[name.replace("-", "_")] = _number(name, value)
        return cls(method=words[0].upper(), pattern=words[1], **told)  # type: ignore[arg-type]

    def concerns(self, request: Request) -> bool:
        """Whether it is a request that goes wrong."""
        path = f"{request.host}{request.path}".lower()
        return self.method in ("*", request.method) and fnmatch.fnmatchcase(path, self.pattern.lower())

    def answer(self) -> Response | None:
        """What is answered; None when the request is answered as ever, or not at all."""
        if self.status is None:
            return None
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        code = self.code or _CODES.get(self.status, "Fault")
        return Problem(self.status, code, self.message or f"a fault on demand: {code}", headers=headers).response()


_EXAMPLE: Final = "write it as: PUT */jobs/* status=503 retry-after=2 times=2"


def _number(name: str, text: str) -> float | int:
    pattern = r"\d+(\.\d+)?" if name == "delay" else r"\d+"
    if not re.fullmatch(pattern, text):
        raise InputError(f"{name} is a number, not {text!r}",
                         fix=f"write {name}={503 if name == 'status' else 2}")
    return float(text) if name == "delay" else int(text)


@dataclass(slots=True)
class _Entry:
    """A fault, how many requests it has seen, and whether the file says it."""

    fault: Fault
    seen: int = 0
    of_file: bool = False

    def strikes(self, request: Request) -> bool:
        """Whether a request goes wrong by it; it is counted when it concerns one."""
        fault, before = self.fault, self.seen
        if not fault.concerns(request) or (fault.times is not None and before >= fault.after + fault.times):
            return False
        self.seen += 1
        return before >= fault.after


class Faults:
    """The faults of an emulator; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []
        self._file: Path | None = None
        self._seen: tuple[int, int] | None = None

    def add(self, fault: Fault | str) -> Fault:
        """From now on this goes wrong; a text is parsed."""
        made = Fault.parse(fault) if isinstance(fault, str) else fault
        with self._lock:
            self._entries.append(_Entry(made))
        return made

    def unspent(self) -> tuple[Fault, ...]:
        """Those that are to strike so many times, and have not yet."""
        with self._lock:
            return tuple(entry.fault for entry in self._entries
                         if entry.fault.times is not None and entry.seen < entry.fault.after + entry.fault.times)

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        with self._lock:
            self._entries = []

    def read(self, file: Path) -> None:
        """Take faults from a file too, a line each; it is read again whenever it has changed.

        Raises:
            InputError: it cannot be read, or a line is no fault.
        """
        with self._lock:
            self._file = file
            self._refresh()

    def _refresh(self) -> None:
        if self._file is None:
            return
        try:
            state = self._file.stat()
            seen = state.st_mtime_ns, state.st_size
            if seen == self._seen:
                return
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise InputError(f"{self._file} cannot be read: {error.strerror}", fix="correct the path") from None
        fresh = [Fault.parse(line, place=Place(str(self._file), number, 1)) for number, line in enumerate(lines, 1)
                 if line.split("#")[0].strip()]
        self._seen = seen
        self._entries = [entry for entry in self._entries if not entry.of_file]
        self._entries += [_Entry(fault, of_file=True) for fault in fresh]

    def __bool__(self) -> bool:
        with self._lock:
            self._reread()
            return bool(self._entries)

    def take(self, request: Request) -> Fault | None:
        """The first fault by which a request goes wrong."""
        with self._lock:
            self._reread()
            return next((entry.fault for entry in self._entries if entry.strikes(request)), None)

    def _reread(self) -> None:
        """A file that is being written, or has become wrong, leaves things as they were."""
        try:
            self._refresh()
        except InputError:
            return
