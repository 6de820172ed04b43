"""The files below a folder."""

from __future__ import annotations

import errno
import os
import stat as stat_module
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple


class FileEntry(NamedTuple):
    """A file of a tree: its name relative to the tree with ``/``, where it is, and its state."""

    name: str
    path: str
    state: os.stat_result


def files_of(folder: str | Path, *, without: Collection[str] = (), dead_links: bool = False) -> list[FileEntry]:
    """Every file below *folder*, links followed, sorted by name.

    Args:
        folder: Where to look.
        without: Names of files and folders that are left out wherever they stand.
        dead_links: Links that lead nowhere are left out too.

    Raises:
        OSError: a link that leads nowhere or in a circle.
    """
    found: list[FileEntry] = []
    _collect(str(folder), "", found, (), without, dead_links)
    found.sort(key=lambda entry: entry.name)
    return found


def _collect(folder: str, prefix: str, found: list[FileEntry], above: tuple[tuple[int, int], ...], without: Collection[str],
             dead_links: bool) -> None:
    state = os.stat(folder)
    here = (state.st_dev, state.st_ino)
    if here in above:
        raise OSError(errno.ELOOP, "a link leads back to a folder around it", folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in without:
                continue
            try:
                state = entry.stat()
            except FileNotFoundError:
                if dead_links and entry.is_symlink():
                    continue
                raise
            if stat_module.S_ISDIR(state.st_mode):
                _collect(entry.path, f"{prefix}{entry.name}/", found, (*above, here), without, dead_links)
            elif stat_module.S_ISREG(state.st_mode):
                found.append(FileEntry(prefix + entry.name, entry.path, state))
