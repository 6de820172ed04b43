"""What the disk shows to be wrong with a component's code: absent files, clashes, ignore rules, size."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import InputError, Place, Severity, listing, nearest
from .spec import Report
from .stores.digests import FileEntry
from .stores.snapshots import ignored, snapshot


class Limits(NamedTuple):
    """How much code a component may have before there is a warning; the defaults are Azure ML's documented limits."""

    snapshot_bytes: int = 300 * 2**20
    snapshot_files: int = 2000


DEFAULT_LIMITS = Limits()
_MOVES = re.compile(r"\b(?:cd|pushd|git|curl|wget|unzip|tar|azcopy)\s")  # then a script's path says little


def moves(command: str) -> bool:
    """Whether a command changes its folder or brings files, so that the code's files say little about what it finds."""
    return _MOVES.search(command) is not None


def local_code(code: str | None, folder: str) -> Path | None:
    """The folder or file that *code* names; None when there is none, or it is not local."""
    if code is None or code.startswith(("azureml:", "http:", "https:", "git+")):
        return None
    return Path(os.path.normpath(os.path.join(folder, code.removeprefix("file:"))))


def inspect_code(code: Path, includes: Sequence[Path], report: Report, *, place: Place, include_place: Place,
                 limits: Limits = DEFAULT_LIMITS) -> None:
    """Report what would go wrong when *code* is uploaded.

    Args:
        code: A folder or a single file that exists.
        includes: ``additional_includes``.
        report: Gets what is wrong.
        place: Where the code is named.
        include_place: Where the includes are named.
        limits: What is too much.
    """
    for include in includes:
        archived = include.with_suffix("") if include.suffix == ".zip" else include  # NAME.zip stands for the folder NAME
        if not include.exists() and not archived.exists():
            report.add("missing-code", f"the additional include {include.name!r} does not exist", include_place,
                       why=f"it would be {include}", fix=nearby(include))
    found = [include for include in includes if include.exists()]
    try:
        entries = snapshot(code, found)
    except InputError as error:
        report.add("include-clash", error.what, include_place, why="both would have the same place in the job's folder",
                   fix=error.fix)
        return
    except OSError as error:
        name = os.path.relpath(error.filename, code) if error.filename else str(code)
        report.add("unreadable-code", f"the code cannot be read: {name}: {error.strerror}", place,
                   why="it could not be uploaded", fix="mend or remove the file or link")
        return
    _inspect_size(entries, report, place, limits)
    if code.is_dir():
        _inspect_links(code, report, place)
        _inspect_ignores(code, report, place)


def _inspect_size(entries: Sequence[FileEntry], report: Report, place: Place, limits: Limits) -> None:
    size = sum(entry.state.st_size for entry in entries)
    if size > limits.snapshot_bytes:
        largest = sorted(entries, key=lambda entry: (-entry.state.st_size, entry.name))[:3]
        limit = _size(limits.snapshot_bytes)
        report.add("large-snapshot", f"the code has {_size(size)}, over the limit of {limit}", place,
                   why="the largest: " + listing(f"{entry.name} ({_size(entry.state.st_size)})" for entry in largest),
                   fix="list what the job does not need in .amlignore", severity=Severity.WARNING)
    if len(entries) > limits.snapshot_files:
        report.add("large-snapshot", f"the code has {len(entries):,} files, over the limit of {limits.snapshot_files:,}", place,
                   why="each submission uploads and checks them all",
                   fix="list what the job does not need in .amlignore", severity=Severity.WARNING)


def _inspect_links(code: Path, report: Report, place: Place) -> None:
    for folder, folders, files in os.walk(code):
        for name in sorted([*folders, *files]):
            path = os.path.join(folder, name)
            if os.path.islink(path) and not os.path.exists(path):
                report.add("dead-link", f"the link {os.path.relpath(path, code)!r} in the code leads nowhere", place,
                           why=f"it names {os.readlink(path)!r}; it would be left out", fix="mend or remove the link",
                           severity=Severity.WARNING)


def _inspect_ignores(code: Path, report: Report, place: Place) -> None:
    if not ((code / ".amlignore").is_file() and (code / ".gitignore").is_file()):
        return
    kept = [name for name in ignored(code, ".gitignore") if name not in set(ignored(code, ".amlignore"))]
    if kept:
        report.add("shadowed-ignore", f".amlignore replaces .gitignore, so {listing(kept, 3)} would be uploaded", place,
                   why="Azure ML reads one of the two, not both", fix="repeat in .amlignore what .gitignore leaves out",
                   severity=Severity.WARNING)


def _size(size: int) -> str:
    for unit, name in ((2**30, "GB"), (2**20, "MB"), (2**10, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size < 1000 * unit else f"{size / unit:,.0f} {name}"
    return f"{size} bytes"


def nearby(path: Path) -> str:
    """Did you mean … for a path: what its folder has, or the first folder that is absent."""
    missing = path
    while not missing.parent.is_dir() and missing.parent != missing:
        missing = missing.parent
    near = nearest(missing.name, sorted(entry.name for entry in missing.parent.iterdir())[:200])
    return near or ("correct the path" if missing == path else f"there is no folder {missing.name!r}")
