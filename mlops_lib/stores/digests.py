"""Digests of content: files and folders, by bytes and relative names, never by time or place."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from ..errors import RunError
from .database import Database
from .files import FileEntry, files_of

_BLOCK = 1 << 20
_SECOND = 1_000_000_000
_LARGEST = (1 << 63) - 1


class Digests:
    """Digests with a memory: a file that looks unchanged is not read again.

    A file counts as unchanged while its inode, size, modification time and change time are what they were, and were not
    so fresh when it was read that a later write could carry the same times.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._fresh: dict[bytes, tuple[int, int, int, int, int, str]] = {}

    def tree(self, path: str | Path, *, ours: bool = False) -> tuple[str, int]:
        """Digest and size of a file or a folder.

        A file's digest covers its own name (commands see it); a folder's covers the relative names of its files and not
        its own. Empty folders do not count. *ours* says that nobody else writes there, so that even a file of this very
        moment need not be read again.
        """
        path = os.path.abspath(path)
        try:
            entries = files_of(path)
        except NotADirectoryError:
            entries = [FileEntry(os.path.basename(path), path, os.stat(path))]
        return self.named(entries, ours=ours)

    def named(self, entries: Iterable[FileEntry], *, ours: bool = False) -> tuple[str, int]:
        """Digest and size of a set of named files."""
        whole = Whole()
        size = 0
        for entry in entries:
            whole.add(entry.name, self._digest(entry, ours=ours))
            size += entry.state.st_size
        return whole.digest, size

    def flush(self) -> None:
        """Remember what was read; where nothing can be written, it is forgotten."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        if not fresh or not self._database.writable:
            return
        try:
            self._database.write_many("INSERT OR REPLACE INTO hints VALUES (?, ?, ?, ?, ?, ?, ?)",
                                      [(path, *hint) for path, hint in fresh.items()])
        except RunError:
            if not self._database.reading:
                raise

    def _digest(self, entry: FileEntry, *, ours: bool) -> str:
        path, state = os.fsencode(entry.path if os.path.isabs(entry.path) else os.path.abspath(entry.path)), entry.state
        with self._lock:
            hint = self._fresh.get(path)
        if hint is None:
            rows = self._database.rows("SELECT inode, size, mtime, ctime, seen, digest FROM hints WHERE path = ?", [path])
            hint = rows[0] if rows else None
        # SQLite's numbers have a sign; some network drives use all 64 bits.
        seen_as = (state.st_ino & _LARGEST, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        if hint is not None and hint[:4] == seen_as and _settled(hint[4], state):
            return str(hint[5])
        seen = time.time_ns() + (_SECOND * 10 if ours else 0)
        digest = _read(entry.path)
        with self._lock:
            self._fresh[path] = (*seen_as, seen, digest)
        return digest


class Whole:
    """The digest of a set of named files, made of theirs; they are added in the order of their names."""

    def __init__(self) -> None:
        self._sum = hashlib.sha256()

    def add(self, name: str, digest: str) -> None:
        """Add a file by its name and the SHA-256 of its content, in hex."""
        self._sum.update(f"{name}\0{digest}\n".encode("utf-8", "surrogateescape"))

    @property
    def digest(self) -> str:
        """The digest of what was added so far."""
        return self._sum.hexdigest()


def _settled(seen: int, state: os.stat_result) -> bool:
    """Whether a write after *seen* would have left other times: clocks of file systems tick in steps."""
    last = max(state.st_mtime_ns, state.st_ctime_ns)
    coarse = state.st_ctime_ns % 1_000_000 == 0  # whole milliseconds or seconds: FAT and some network drives
    return seen - last > (2 * _SECOND if coarse else _SECOND // 20)


def _read(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
