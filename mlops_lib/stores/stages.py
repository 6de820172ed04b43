"""Stages on this machine: a registry of models for each, in folders that are whole as soon as they have their name."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO

from ..errors import Refused, RunError
from .artifacts import remove
from .database import translated
from .digests import Whole
from .files import files_of
from .locks import exclusive
from .models import HERE, ModelFile, ModelVersion, Repointed, Stream, check_name, files_in, is_name, open_in

FOLDER = "stages"
KNOWN = ("dev", "qa", "prod")
_BLOCK = 1 << 20
_FRESH = ".new-"
_FACTS, _TAGS, _MODEL = "version.json", "tags.json", "model"


def stages(folder: Path, named: Iterable[str]) -> list[str]:
    """The stages that there are on this machine: dev, qa and prod, those that settings name, and those that have models."""
    home = folder / FOLDER
    return list(dict.fromkeys([*KNOWN, *named, *(sorted(entry.name for entry in home.iterdir()) if home.is_dir() else [])]))


class StageModels:
    """The registry of a stage: ``.mlops/stages/STAGE/models/NAME/VERSION/``.

    A version's folder has ``model/``, the bytes; ``version.json``, what never changes; ``tags.json``, what does; and notes.

    Args:
        folder: ``.mlops``.
        stage: Its name.
    """

    where = HERE
    referred = False  # schedules of this machine are files of the project

    def __init__(self, folder: Path, stage: str) -> None:
        self.name = stage
        self._home = folder / FOLDER / stage / "models"

    def names(self) -> Sequence[str]:
        if not self._home.is_dir():
            return []
        return sorted(entry.name for entry in self._home.iterdir() if self.versions(entry.name))

    def versions(self, name: str) -> Sequence[ModelVersion]:
        home = self._home / name
        if not is_name(name) or not home.is_dir():
            return []
        found = [self._read(entry) for entry in home.iterdir() if entry.name.isdecimal()]
        return sorted(found, key=lambda version: -int(version.version))

    def all(self) -> Sequence[Sequence[ModelVersion]]:
        """The versions of each model that has some, newest first; by name."""
        return [self.versions(name) for name in self.names()]

    def measured(self, version: ModelVersion) -> ModelVersion:
        return version

    def path(self, version: ModelVersion) -> Path:
        """The folder of a version's bytes."""
        return self._home / version.name / version.version / _MODEL

    def files(self, version: ModelVersion) -> Sequence[ModelFile]:
        return files_in(self.path(version))

    def open(self, version: ModelVersion, file: str) -> BinaryIO:
        return open_in(self.path(version), file)

    def note(self, version: ModelVersion, name: str) -> bytes | None:
        file = self.path(version).parent / name
        return file.read_bytes() if file.is_file() else None

    def tag(self, version: ModelVersion, tags: Mapping[str, str | None]) -> None:
        folder = self.path(version).parent
        with translated(folder), exclusive(self._home / version.name / ".tags"):
            now = {**self._read(folder).tags, **tags}
            fresh = folder / f"{_TAGS}{_FRESH}"
            _write(fresh, _json({name: value for name, value in now.items() if value is not None}))
            fresh.replace(folder / _TAGS)
            _settle(folder)

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[None]:
        check_name(name)
        home = self._home / name
        with translated(home):
            home.mkdir(parents=True, exist_ok=True)
        with exclusive(home / ".claim", give_up=lambda: True) as held:
            if not held:
                raise Refused(f"another promotion of {name!r} to {self.name} is at work",
                              why="they take turns, so that each is judged against the champion that there is",
                              fix="see what came of it, then promote again")
            yield

    def write(self, version: ModelVersion, contents: Iterable[tuple[str, Stream]],
              notes: Mapping[str, bytes]) -> ModelVersion:
        home = self._home / version.name
        check_name(version.name)
        with translated(home):
            home.mkdir(parents=True, exist_ok=True)
            for left in home.glob(f"{_FRESH}*"):  # of a process that was killed; nobody else is at it
                remove(left)
            highest = max((int(known.version) for known in self.versions(version.name)), default=0)
            stored = replace(version, version=str(1 + highest), created=time.time())
            fresh = home / f"{_FRESH}{secrets.token_hex(4)}"
            try:
                self._fill(fresh, stored, contents, notes)
                fresh.rename(home / stored.version)
            finally:
                remove(fresh)
            for parent in (home, *home.parents[:4]):  # up to .mlops: the first version of a stage has made them all
                _settle(parent)
        return stored

    def repoint(self, olds: Collection[str], new: ModelVersion) -> Iterable[Repointed]:
        return ()

    def _fill(self, fresh: Path, version: ModelVersion, contents: Iterable[tuple[str, Stream]],
              notes: Mapping[str, bytes]) -> None:
        (fresh / _MODEL).mkdir(parents=True)
        for name, stream in contents:
            file = fresh / _MODEL / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as target:
                shutil.copyfileobj(stream, target, _BLOCK)
                target.flush()
                os.fsync(target.fileno())
        if digest_of(fresh / _MODEL) != version.digest:
            raise Refused(f"the bytes of {version.name!r} that arrived in {self.name} are not those that were sent",
                          why="their digests differ", fix="promote again")
        for name, note in notes.items():
            _write(fresh / name, note)
        facts = asdict(version)
        _write(fresh / _TAGS, _json(facts.pop("tags")))
        _write(fresh / _FACTS, _json(facts))
        _protect(fresh / _MODEL)
        _settle(fresh)

    def _read(self, folder: Path) -> ModelVersion:
        try:
            with translated(folder):
                facts, tags = (json.loads((folder / name).read_bytes()) for name in (_FACTS, _TAGS))
            return ModelVersion(**facts, tags={str(name): str(text) for name, text in tags.items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise RunError(f"the version {folder.parent.name}:{folder.name} in {self.name} is damaged",
                           why=f"in {folder}: {error}", fix="bring that folder back from a copy") from None


def check_bytes(stage: str, version: ModelVersion, digest: str) -> None:
    """Refuse a version of a stage whose bytes have another digest than when it was promoted."""
    if digest != version.digest:
        raise Refused(f"the bytes of {version} in {stage} are not those that were promoted",
                      why=f"their digest is {digest[:12]}, and was {version.digest[:12]}",
                      fix=f"mlops models rollback {version.name} --in {stage}, or promote a model")


def digest_of(folder: Path) -> str:
    """The digest of a folder's content, read anew."""
    whole = Whole()
    for entry in files_of(folder):
        digest = hashlib.sha256()
        with open(entry.path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        whole.add(entry.name, digest.hexdigest())
    return whole.digest


def _json(told: object) -> bytes:
    return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())


def _settle(folder: Path) -> None:
    """Have the names in a folder survive the power switch as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _protect(folder: Path) -> None:
    """Settle all folders, and take away the right to write, so that nobody changes a model by accident."""
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            Path(parent, name).chmod(0o444)
        Path(parent).chmod(0o555)
        _settle(Path(parent))
