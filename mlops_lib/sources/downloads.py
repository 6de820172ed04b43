"""What was brought to this machine: one folder a URL, whole or not there, and replaced only by what is whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from ..errors import InputError, RunError
from ..references import redacted
from ..stores.artifacts import remove
from ..stores.database import translated
from ..stores.digests import Digests
from ..stores.locks import exclusive

Marks = Mapping[str, Any]  # what tells one version of some data from another without reading it; fit for JSON


class Unreachable(RunError):
    """Nobody answered; what was brought before may do."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What is on this machine of some data: the marks that it had, and where it is."""

    marks: Marks
    path: Path


class Origin(Protocol):
    """Where some data comes from."""

    @property
    def url(self) -> str:
        """What it is known by; signatures and the like are no part of it."""

    def marks(self) -> Marks | None:
        """What it has now, without reading it; None when nothing tells versions apart.

        Raises:
            InputError: it is not there, or may not be read; Unreachable: nobody answered.
        """

    def bring(self, folder: Path, known: Brought | None) -> Brought | None:
        """Put it into *folder*, which is empty; None when it still is what is *known*.

        Raises:
            InputError: it is not there, or may not be read; Unreachable: nobody answered; RunError: it broke off.
        """


class Downloads:
    """``.mlops/downloads``.

    Args:
        folder: ``.mlops``.
        digests: Tells whether something is as it was.
        notice: Gets what a user should know, although all goes on.
    """

    def __init__(self, folder: Path, digests: Digests, notice: Callable[[str], None] = lambda text: None) -> None:
        self._folder = folder
        self._digests = digests
        self._notice = notice

    def get(self, origin: Origin) -> Path:
        """The data on this machine: as it is now where it comes from, or when nobody answers there, as it last was.

        Raises:
            InputError, RunError: as :meth:`Origin.bring`.
        """
        key = hashlib.sha256(origin.url.encode()).hexdigest()[:32]
        home = self._folder / "downloads" / key
        with translated(home):
            home.mkdir(parents=True, exist_ok=True)
            (self._folder / "locks").mkdir(exist_ok=True)
            with exclusive(self._folder / "locks" / f"download-{key[:2]}"):  # two runs bring the same once
                return self._get(origin, home)

    def _get(self, origin: Origin, home: Path) -> Path:
        entry = _read(home / "entry.json")
        known = self._known(entry, home)
        fresh = home / f"v-{secrets.token_hex(8)}"
        fresh.mkdir()
        try:
            brought = origin.bring(fresh, known)
        except Unreachable as error:
            remove(fresh)
            if known is None:
                raise
            since = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.get("fetched", 0)))
            self._notice(f"{error.what}: used as it was at {since}")
            return known.path
        except BaseException:
            remove(fresh)
            raise
        if brought is None:
            remove(fresh)
            if known is None:
                raise ValueError("an origin said that nothing changed, and nothing was there")
            return known.path
        _seal(fresh)  # first: it changes what tells the digests that a file is the one that they have read
        digest = self._digests.tree(brought.path, ours=True)[0]
        path, before = brought.path, entry.get("path")
        if known is not None and digest == entry["digest"]:
            remove(fresh)  # the same bytes under other marks: steps that read the old ones are not disturbed
            path, before = known.path, entry.get("before")
        _write(home / "entry.json", {
            "url": redacted(origin.url), "digest": digest, "marks": dict(brought.marks), "fetched": time.time(),
            "path": str(path.relative_to(home)), "before": before})
        self._tidy(home, {path, home / before} if before else {path})
        return path

    def _known(self, entry: Mapping[str, Any], home: Path) -> Brought | None:
        """What is there, unless it was damaged."""
        if not entry:
            return None
        path = home / entry["path"]
        with contextlib.suppress(OSError):
            if self._digests.tree(path)[0] == entry["digest"]:
                return Brought(entry["marks"], path)
        return None

    @staticmethod
    def _tidy(home: Path, kept: set[Path]) -> None:
        """Remove what is older than the version before, which a run at work may still read, and what broke off."""
        for folder in home.glob("v-*"):
            if not any(path == folder or folder in path.parents for path in kept):
                remove(folder)


def _seal(folder: Path) -> None:
    """Take away the right to write."""
    for parent, _, names in os.walk(folder):
        for name in names:
            os.chmod(os.path.join(parent, name), 0o444)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and {"path", "digest", "marks"} <= found.keys() else {}


def _write(file: Path, value: Mapping[str, Any]) -> None:
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    fresh.write_text(json.dumps(value, indent=1), encoding="utf-8")
    fresh.replace(file)


def split_url(url: str) -> SplitResult:
    """The parts of *url*.

    Raises:
        InputError: it has none.
    """
    try:
        return urlsplit(url)
    except ValueError as error:
        raise InputError(f"{redacted(url)!r} is no URL", why=str(error), fix="correct it") from None


def unreadable(url: str, why: str, *, fix: str = "") -> InputError:
    """Data that is there, or should be, and cannot be had."""
    return InputError(f"{redacted(url)!r} cannot be read", why=redacted(why), fix=fix)


__all__ = ["Brought", "Downloads", "Marks", "Origin", "Unreachable", "split_url", "unreadable"]
