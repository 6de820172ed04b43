"""The files of a component's code, after ignore rules: what Azure ML would upload."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import InputError, Place
from .files import FileEntry, files_of

# Compiled files; this library's own folder; and git's, which changes with every command given to git. Azure ML uploads
# the last one, and no job has been seen to read it.
_LEFT_OUT = frozenset({"__pycache__", ".git", ".mlops"})
_IGNORE_FILES = (".amlignore", ".gitignore")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first that an archive can say


def snapshot(code: Path | None, includes: Sequence[Path] = (), *, place: Place | None = None,
             zips: Path | None = None) -> list[FileEntry]:
    """The files that a job finds in its working directory, sorted by name.

    Args:
        code: A folder, a single file, or None.
        includes: ``additional_includes``: each is copied under its base name; ``NAME.zip``, which does not exist, is the
            folder NAME beside it, zipped.
        place: Where the code is named, for messages.
        zips: A folder that keeps zipped includes, by content; None to leave them out.

    Raises:
        InputError: a path is absent, or two files would have one name.
    """
    entries: dict[str, FileEntry] = {}
    rules: list[Matcher] = []
    if code is not None:
        if os.path.isdir(code):
            rules = [_rules_of(code)]
            entries = {entry.name: entry for entry in _kept(code, nested=bool(includes))}
        elif os.path.isfile(code):
            entries[code.name] = FileEntry(code.name, str(code), code.stat())
        else:
            raise InputError(f"the code {str(code)!r} does not exist", place=place, fix="correct the path")
    for include in includes:
        for entry in _included(include, rules, zips, place):
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


def archived(include: Path) -> Path | None:
    """The folder that an include stands for, zipped: ``NAME.zip`` when only the folder ``NAME`` exists."""
    folder = include.with_suffix("")
    return folder if include.suffix == ".zip" and not os.path.exists(include) and os.path.isdir(folder) else None


Matcher = Callable[[str], bool]


def _included(include: Path, rules: Sequence[Matcher], zips: Path | None, place: Place | None) -> list[FileEntry]:
    """The files of an include, named inside it; the code's own ignore file counts from the include's parent on."""
    folder = archived(include)
    if folder is not None:
        kept = _within(folder, rules)
        return [_zipped(folder, kept, zips)] if zips is not None else []
    if not os.path.exists(include):
        raise InputError(f"the additional include {str(include)!r} does not exist", place=place, fix="correct the path")
    if os.path.isdir(include):
        return _within(include, rules)
    return [] if any(rule(include.name) for rule in rules) else [FileEntry("", str(include), include.stat())]


def _within(folder: Path, rules: Sequence[Matcher]) -> list[FileEntry]:
    return [entry for entry in _kept(folder, nested=True)
            if not any(rule(f"{folder.name}/{entry.name}") for rule in rules)]


def _kept(folder: Path, *, nested: bool = False) -> list[FileEntry]:
    """The files of a folder that its ignore file keeps; ``.amlignore`` replaces ``.gitignore``.

    Further down ignore files mean nothing, unless *nested*: where there are includes, Azure ML goes through all folders one
    by one, and reads those too.
    """
    entries = files_of(folder, without=_LEFT_OUT, dead_links=True)
    below = {""}
    if nested:
        below |= {os.path.dirname(entry.name) for entry in entries if os.path.basename(entry.name) in _IGNORE_FILES}
    for inside in sorted(below):
        leaves_out = _rules_of(folder / inside)
        start = f"{inside}/" if inside else ""
        entries = [entry for entry in entries
                   if not (entry.name.startswith(start) and leaves_out(entry.name[len(start):]))]
    return entries


def _rules_of(folder: Path) -> Matcher:
    """What a folder's own ignore file leaves out."""
    for name in _IGNORE_FILES:
        if (folder / name).is_file():
            return _matcher(folder, name)
    return lambda name: False


def _matcher(folder: Path, rules: str) -> Matcher:
    if not (folder / rules).is_file():
        return lambda name: False
    import pathspec  # only code with an ignore file pays for it

    lines = (folder / rules).read_text(encoding="utf-8", errors="replace").splitlines()
    return pathspec.GitIgnoreSpec.from_lines(lines).match_file


def _zipped(folder: Path, entries: Sequence[FileEntry], zips: Path) -> FileEntry:
    """*entries* of *folder* as an archive with the folder in it: the same bytes for the same names and content."""
    import hashlib
    import zipfile

    from .digests import Whole

    whole = Whole()
    for entry in entries:
        whole.add(entry.name, hashlib.sha256(Path(entry.path).read_bytes()).hexdigest())
    archive = zips / f"{folder.name}-{whole.digest[:32]}.zip"
    if not archive.exists():
        zips.mkdir(parents=True, exist_ok=True)
        fresh = zips / f".{secrets.token_hex(8)}"
        try:
            with zipfile.ZipFile(fresh, "w", zipfile.ZIP_STORED) as made:
                for name, source in [(f"{folder.name}/", None), *((f"{folder.name}/{e.name}", e.path) for e in entries)]:
                    info = zipfile.ZipInfo(name, date_time=_EPOCH)
                    info.external_attr = (0o755 if source is None or os.access(source, os.X_OK) else 0o644) << 16
                    made.writestr(info, b"" if source is None else Path(source).read_bytes())
            fresh.replace(archive)
        finally:
            fresh.unlink(missing_ok=True)
    return FileEntry("", str(archive), archive.stat())


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
