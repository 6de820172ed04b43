"""Keeps a Python process on this machine: what it wants to reach elsewhere is refused, and noted in a file.

Stands alone, since a copy of it named ``sitecustomize.py`` is what child processes load: Python imports that at its start from
wherever PYTHONPATH says.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "LOOPBACK_ONLY"  # names the file, for child processes
# What Python says before it goes out, and which argument of that is where to; a look-up of a name goes out, too.
_EVENTS: Final = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0,
                  "socket.gethostbyname": 0, "socket.gethostbyaddr": 0}
_notes: list[str] = []  # the files that are noted in: none while nothing is guarded
_hooked: list[bool] = []  # there is no way to take a hook away


class Guard:
    """A guard for this process, and for children that get its variables.

    Args:
        folder: Of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._notes = folder, folder / "reached.txt"
        self._notes.touch()
        shutil.copyfile(__file__, folder / "sitecustomize.py")
        self._seen = 0

    def variables(self, environ: MutableMapping[str, str]) -> dict[str, str]:
        """What children have to have among their variables."""
        before = environ.get("PYTHONPATH")
        return {VARIABLE: str(self._notes), "PYTHONPATH": os.pathsep.join([str(self._folder), *([before] if before else [])])}

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Meanwhile this process is guarded."""
        _start(str(self._notes))
        try:
            yield
        finally:
            _notes.clear()

    def reached(self) -> list[str]:
        """What was wanted since this was asked last, each once."""
        with self._notes.open(encoding="utf-8") as file:
            file.seek(self._seen)
            news = file.read()
            self._seen = file.tell()
        return list(dict.fromkeys(news.splitlines()))


def is_here(host: object) -> bool:
    """Whether an address or a name, as sockets take it, is this machine."""
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if not isinstance(text, str) or text in ("", "localhost"):
        return True  # none; or a number: no family of addresses that lead elsewhere has those
    import ipaddress  # here, since most processes never ask

    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        import socket

        return text == socket.gethostname()
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_loopback or mapped.is_unspecified  # to connect to 0.0.0.0 is to connect to this machine


def _start(notes: str) -> None:
    _notes[:] = [notes]
    if not _hooked:
        _hooked.append(True)
        sys.addaudithook(_look)


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    position = _EVENTS.get(event)
    if position is None or not _notes:
        return
    told = arguments[position]
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if not isinstance(told, tuple):
            return  # a path, or where a socket is connected to already
        told = told[0]
    if is_here(told):
        return
    host = told.decode("ascii", "replace") if isinstance(told, bytes) else told
    with open(_notes[0], "a", encoding="utf-8") as file:
        file.write(f"{host}\n")
    raise ConnectionRefusedError(f"{host} is not this machine, and loopback_only lets nothing else be reached")


def _start_child() -> None:
    notes = os.environ.get(VARIABLE)
    if notes:
        _start(notes)
    # There may be another module of this name, whose place this one took.
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or ".") != own]
    this = sys.modules.pop(__name__)
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        sys.modules[__name__] = this


if __name__ == "sitecustomize":
    _start_child()
