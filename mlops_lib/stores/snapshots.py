"""The files of a component's code, after ignore rules: what Azure ML would upload."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import InputError, Place
from .files import FileEntry, files_of

# Compiled files; this library's own folder; and git's, which changes with every command given to git. Azure ML uploads
# the last one, and no job has been seen to read it.
_LEFT_OUT = frozenset({"__pycache__", ".git", ".mlops"})


def snapshot(code: Path | None, includes: Sequence[Path] = (), *, place: Place | None = None) -> list[FileEntry]:
    """The files that a job finds in its working directory, sorted by name.

    Args:
        code: A folder, a single file, or None.
        includes: ``additional_includes``: each is copied under its base name.
        place: Where the code is named, for messages.

    Raises:
        InputError: a path is absent, or two files would have one name.
    """
    entries: dict[str, FileEntry] = {}
    if code is not None:
        if code.is_dir():
            entries = {entry.name: entry for entry in _kept(code)}
        elif code.is_file():
            entries[code.name] = FileEntry(code.name, str(code), code.stat())
        else:
            raise InputError(f"the code {str(code)!r} does not exist", place=place, fix="correct the path")
    for include in includes:
        if not include.exists():
            raise InputError(f"the additional include {str(include)!r} does not exist", place=place, fix="correct the path")
        added = _kept(include) if include.is_dir() else [FileEntry("", str(include), include.stat())]
        for entry in added:
            name = f"{include.name}/{entry.name}" if entry.name else include.name
            if name in entries:
                raise InputError(f"the additional include {include.name!r} brings {name!r}, which the code has too",
                                 place=place, fix="rename one of them")
            entries[name] = FileEntry(name, entry.path, entry.state)
    return [entries[name] for name in sorted(entries)]


def ignored(folder: Path, rules: str) -> list[str]:
    """The files of *folder* that its ignore file *rules* names, sorted; none when there is no such file."""
    leaves_out = _matcher(folder, rules)
    return [entry.name for entry in files_of(folder, without=_LEFT_OUT, dead_links=True) if leaves_out(entry.name)]


def _kept(folder: Path) -> list[FileEntry]:
    """The files of a folder that the root's ignore file keeps; ``.amlignore`` replaces ``.gitignore``."""
    entries = files_of(folder, without=_LEFT_OUT, dead_links=True)
    names = {entry.name for entry in entries}
    for name in (".amlignore", ".gitignore"):
        if name in names:
            leaves_out = _matcher(folder, name)
            return [entry for entry in entries if not leaves_out(entry.name)]
    return entries


def _matcher(folder: Path, rules: str) -> Callable[[str], bool]:
    if not (folder / rules).is_file():
        return lambda name: False
    import pathspec  # only code with an ignore file pays for it

    lines = (folder / rules).read_text(encoding="utf-8", errors="replace").splitlines()
    return pathspec.GitIgnoreSpec.from_lines(lines).match_file


def copy_to(entries: Sequence[FileEntry], folder: Path) -> None:
    """Copy a snapshot, modes included: the job may change its copy, never the original."""
    for entry, target in _targets(entries, folder):
        shutil.copy(entry.path, target)


def take(entries: Sequence[FileEntry], folder: Path) -> tuple[list[FileEntry], str]:
    """Copy a snapshot to keep it as it is now: the copies, and the digest of exactly what was copied."""
    import hashlib  # with OpenSSL: only a run pays for it

    from .digests import Whole

    copies = []
    whole = Whole()
    for entry, target in _targets(entries, folder):
        digest = hashlib.sha256()
        with open(entry.path, "rb") as source, open(target, "wb") as copy:
            while block := source.read(1 << 20):
                digest.update(block)
                copy.write(block)
        shutil.copymode(entry.path, target)
        copies.append(FileEntry(entry.name, target, entry.state))
        whole.add(entry.name, digest.hexdigest())
    return copies, whole.digest


def _targets(entries: Sequence[FileEntry], folder: Path) -> Iterator[tuple[FileEntry, str]]:
    """Where each file goes; its folder is made first."""
    made = {""}
    for entry in entries:
        parent = os.path.dirname(entry.name)
        if parent not in made:
            (folder / parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        yield entry, os.path.join(folder, entry.name)
