"""The outputs of steps: folders that are whole as soon as they exist, and never change."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import shutil
import stat
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path

from ..errors import JobError, RunError
from ..plan import StoredOutput
from .database import is_full, translated
from .digests import Digests
from .files import files_of


class Artifacts:
    """``.mlops/artifacts``: one folder a step that ran, with one entry an output."""

    def __init__(self, folder: Path, digests: Digests) -> None:
        self.folder = folder
        self._root = str(folder.parent)
        self._digests = digests

    def adopt(self, made: Path, outputs: Mapping[str, tuple[str, str]]) -> dict[str, StoredOutput]:
        """Take over what a step wrote, in one move.

        Args:
            made: A folder on the same file system; it is gone afterwards.
            outputs: Of each output, its path inside *made* and its type.

        Returns:
            Where the outputs are now (relative to the project's ``.mlops``), with their digests.

        Raises:
            JobError: an output has something that cannot be kept: a link that leads nowhere, a pipe.
            RunError: the machine refuses.
        """
        with translated(self.folder):
            _seal(made)
            identity = uuid.uuid4().hex
            home = self.folder / identity[:2] / identity
            home.parent.mkdir(parents=True, exist_ok=True)
            made.rename(home)
            home.chmod(0o555)
            digests = {name: self._digests.tree(home / inside, ours=True) for name, (inside, _) in outputs.items()}
        stored = {}
        for name, (inside, type_) in outputs.items():
            digest, size = digests[name]
            relative = os.path.join(self.folder.name, identity[:2], identity, inside)
            stored[name] = StoredOutput(path=relative, digest=digest, type=type_, size=size)
        return stored

    def discard(self, outputs: Mapping[str, StoredOutput]) -> None:
        """Remove what was adopted, because it could not be recorded."""
        for output in outputs.values():
            remove((self.folder.parent / output.path).parent)

    def intact(self, output: StoredOutput) -> bool:
        """Whether an output still is what it was when it was made."""
        try:
            return self._digests.tree(os.path.join(self._root, output.path))[0] == output.digest
        except OSError:
            return False


def remove(path: Path) -> None:
    """Remove a file or folder of ours, protected ones included; an absent one is fine, and so is one that is not ours."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        return
    _open_up(str(path))
    for parent, folders, _ in os.walk(path):
        for name in folders:
            _open_up(os.path.join(parent, name))
    shutil.rmtree(path, ignore_errors=True)


def _open_up(folder: str) -> None:
    if not os.path.islink(folder):
        with contextlib.suppress(OSError):
            os.chmod(folder, stat.S_IRWXU)


def in_the_way(target: Path, *, folder: bool) -> str:
    """What is at *target* that a folder, or a file, must not take the place of, in words; empty when there is no such thing."""
    if target.is_dir():
        return "" if folder or not any(target.iterdir()) else "a folder"
    if target.is_file():
        return "a file" if folder else ""
    return "neither a file nor a folder" if target.exists() else ""  # a device


def copy_out(source: Path, target: Path) -> None:
    """Copy an output out of the store, whole or not at all; what was there stays until then, and is replaced whole.

    Raises:
        RunError: the machine refuses, or what is there is of another kind: whoever named it meant something else.
    """
    there = in_the_way(target, folder=source.is_dir())
    if there:
        raise RunError(f"the output was not copied to {target}, which is {there}",
                       why=f"the output is {'a folder' if source.is_dir() else 'a file'}; it is whole in {source}",
                       fix="give another path")
    fresh = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    old = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _copy(source, fresh)
            plain = not fresh.is_dir() and (target.is_file() or not target.exists())
            if not plain and os.path.lexists(target):  # a folder takes the place of something only when that is away
                target.rename(old)
            try:
                fresh.replace(target)
            except OSError:
                if os.path.lexists(old):
                    old.rename(target)
                raise
        finally:
            remove(fresh)
        remove(old)
    except OSError as error:
        full = is_full(target.parent)
        raise RunError(f"the output could not be copied to {target}: {'the disk is full' if full else error.strerror or error}",
                       why=f"it is whole in {source}", fix="give another path") from error


def merge_out(source: Path, target: Path) -> None:
    """Copy an output out of the store over what is at *target*, in one move: other files in a folder there stay.

    Nobody else may be at it meanwhile. What a process left that was killed at it is cleared, or put back.

    Raises:
        RunError: the machine refuses; what was there stays.
    """
    stem = f".{target.name}.{secrets.token_hex(4)}"
    fresh, old = target.parent / f"{stem}.new", target.parent / f"{stem}.old"
    try:
        _clear_after_death(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not source.is_dir():
                _copy(source, fresh)
                fresh.replace(target)
                return
            fresh.mkdir()
            replaced = {entry.name for entry in files_of(source)}
            if target.is_dir():
                _link_tree(str(target), str(fresh), without=replaced)
            _merge(source, fresh)
            if target.is_dir():
                target.rename(old)
            try:
                fresh.rename(target)
            except OSError:
                if old.is_dir():
                    old.rename(target)
                raise
            remove(old)
        finally:
            remove(fresh)
    except OSError as error:
        full = is_full(target.parent)
        raise RunError(f"the output could not be put into {target}: {'the disk is full' if full else error.strerror or error}",
                       why=f"it is whole in {source}", fix="mend that and run again: finished steps are reused") from error


def _clear_after_death(target: Path) -> None:
    """Put *target* back when its process died between two moves, and remove the rest."""
    for old in target.parent.glob(f".{glob.escape(target.name)}.????????.old"):
        if os.path.lexists(target):
            remove(old)
        else:
            old.rename(target)
    for fresh in target.parent.glob(f".{glob.escape(target.name)}.????????.new"):
        remove(fresh)


def _link_tree(source: str, target: str, *, without: Collection[str]) -> None:
    """Show the files of *source* in *target* too, links as links, except those named in *without*."""
    for folder, folders, files in os.walk(source):
        inside = os.path.relpath(folder, source)
        for name in folders:
            path = os.path.join(folder, name)
            place = os.path.join(target, inside, name)
            if os.path.islink(path):
                os.symlink(os.readlink(path), place)
            else:
                os.mkdir(place)
        for name in files:
            if os.path.normpath(os.path.join(inside, name)) not in without:
                path, place = os.path.join(folder, name), os.path.join(target, inside, name)
                try:
                    os.link(path, place, follow_symlinks=False)
                except OSError:  # a file system without hard links
                    shutil.copy2(path, place, follow_symlinks=False)


def _merge(source: Path, target: Path) -> None:
    """Copy the files and folders of *source* into *target*, which has none of these files."""
    for folder, folders, _ in os.walk(source):
        for name in folders:
            (target / os.path.relpath(folder, source) / name).mkdir(exist_ok=True)
    for file in files_of(source):
        _copy(Path(file.path), target / file.name)


def _seal(folder: Path) -> None:
    """Make what a step wrote depend on nothing else, and take away the right to write.

    A later step cannot damage it by accident then. Links, also hard ones, are replaced by what they lead to.
    """
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        path = Path(entry.path)
        if entry.is_symlink():
            _replace(path)
        state = os.stat(path)
        if stat.S_ISDIR(state.st_mode):
            _seal(path)
            path.chmod(0o555)
        elif stat.S_ISREG(state.st_mode):
            if state.st_nlink > 1:
                _replace(path)
            path.chmod(0o555 if state.st_mode & stat.S_IXUSR else 0o444)
        else:
            raise JobError(f"wrote {entry.name!r}, which is neither a file nor a folder", fix="write files and folders only")


def _replace(link: Path) -> None:
    target, here = Path(os.path.realpath(link)), Path(os.path.realpath(link.parent))
    copy = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
    try:
        if target in (here, *here.parents):
            raise OSError(errno.ELOOP, "")
        _copy(target, copy)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        where = "nowhere" if error.errno == errno.ENOENT else "in a circle"
        raise JobError(f"wrote a link that leads {where}: {link.name} -> {os.readlink(link)}",
                       fix="write a file instead of a link") from None
    link.unlink()
    copy.rename(link)


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, links followed; what is copied may be written to."""
    if not source.is_dir():
        shutil.copyfile(source, target)
        target.chmod(0o755 if source.stat().st_mode & stat.S_IXUSR else 0o644)
        return
    files = files_of(source)
    target.mkdir()
    for folder, folders, _ in os.walk(source):  # empty folders belong to it as well
        for name in folders:
            (target / os.path.relpath(folder, source) / name).mkdir(exist_ok=True)
    for file in files:
        place = target / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        _copy(Path(file.path), place)
