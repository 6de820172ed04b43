"""Where versions of models are: what promotion asks of a registry, and the models that runs here have registered."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from ..errors import InputError, MlopsError, Place, Refused, did_you_mean
from .database import translated
from .digests import Whole
from .files import files_of
from .store import Store

CHAMPION, DEPLOYMENT, PROMOTION, REPLACES, ROLLBACK_OF = "champion", "deployment", "promotion", "replaces", "rollback_of"
LINEAGE, DECISION, EVIDENCE, GATE = "lineage.json", "decision.json", "evidence.json", "gate.yml"
FOLLOW_UP = "follow_up"  # of a champion: the versions that something may still name in its place
# What promotion and rollback say with tags; nobody else writes these.
RESERVED = (DEPLOYMENT, PROMOTION, REPLACES, "promoted_by", "promoted_at", "approved_by", ROLLBACK_OF, FOLLOW_UP)
RUNS = "runs"
HERE = "on this machine"
MODEL = "model"  # the kind of asset
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelVersion:
    """A version of a model in a registry. Only its tags ever change.

    Attributes:
        digest: Of its bytes, as :class:`~mlops_lib.stores.digests.Whole` makes it; empty when nobody has written it down, and
            :meth:`Models.measured` reads the bytes for it.
    """

    name: str
    version: str
    type: str
    digest: str
    created: float
    tags: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


class ModelFile(NamedTuple):
    """A file of a model: its name below the model's folder, with ``/``, and its size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Repointed:
    """Something that named a champion of before, and what came of telling it the new one.

    Attributes:
        what: For people: ``the schedule 'nightly'``.
        problem: Why it still names the old one; None when it does not.
    """

    what: str
    problem: MlopsError | None = None


class Stream(Protocol):
    """Bytes that are read once, in pieces."""

    def read(self, size: int = -1, /) -> bytes:
        """At most *size* bytes; none at the end."""


class Models(Protocol):
    """Somewhere that models are read from, and tagged.

    Attributes:
        name: How messages and records call it: ``runs``, or a stage's name.
        where: Where that is, for people: ``on this machine``, or a workspace.
    """

    name: str
    where: str

    def names(self) -> Sequence[str]:
        """The names of the models, sorted."""

    def versions(self, name: str) -> Sequence[ModelVersion]:
        """The versions of a model, newest first; empty when there is none."""

    def measured(self, version: ModelVersion) -> ModelVersion:
        """The version with its digest."""

    def files(self, version: ModelVersion) -> Sequence[ModelFile]:
        """The files of a version, sorted by name."""

    def open(self, version: ModelVersion, file: str) -> BinaryIO:
        """The bytes of a file, from its beginning; the caller closes it."""

    def note(self, version: ModelVersion, name: str) -> bytes | None:
        """A document beside the bytes, such as ``decision.json``; None when there is none."""

    def tag(self, version: ModelVersion, tags: Mapping[str, str | None]) -> None:
        """Set tags of one version, all or none; None takes one away."""


class Registry(Models, Protocol):
    """Somewhere that models are promoted to. There are no transactions: one version is written, or tagged, at a time.

    Attributes:
        referred: Whether the stage has things that name versions of models: see :meth:`repoint`.
    """

    referred: bool

    def claim(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Hold the right to change the champion of *name*; it ends with the process at the latest.

        Raises:
            Refused: somebody else holds it.
        """

    def write(self, version: ModelVersion, contents: Iterable[tuple[str, Stream]],
              notes: Mapping[str, bytes]) -> ModelVersion:
        """Store a version with its tags and notes, so that it is there whole or not at all.

        Args:
            version: What to store; its ``version`` is chosen here.
            contents: The names and bytes of its files, sorted by name; read once, in pieces.
            notes: The documents beside them.

        Raises:
            Refused: what was stored, read back, has not the digest of *version*.
        """

    def repoint(self, olds: Collection[str], new: ModelVersion) -> Iterable[Repointed]:
        """Let what else the stage has, and names one of the versions *olds* of the model, name *new*."""


def is_name(name: str) -> bool:
    """Whether a model may be called that: names become folders, and parts of addresses."""
    return re.fullmatch(_NAME, name) is not None


def check_name(name: str) -> None:
    """Refuse what is no name for a model.

    Raises:
        Refused: it is none.
    """
    if not is_name(name):
        raise Refused(f"{name!r} is no name for a model here", why="it has letters, digits, '.', '_' and '-'")


def check_tags(tags: Iterable[str], place: Place | None = None) -> None:
    """Refuse tags that say which version is the champion: promotion gives them.

    Raises:
        InputError: one of *tags* is such a one.
    """
    for tag in tags:
        if tag in RESERVED:
            raise InputError(f"the tag {tag!r} is not for hands", why="it says which version is the champion, and why",
                             fix="mlops models promote, or rollback", place=place)


def champion_of(models: Models, name: str) -> ModelVersion | None:
    """The champion: of the versions that are tagged so, the one with the highest promotion.

    A new champion is written before the tag of the old one is taken away, so that there is one at every moment.
    """
    return champion_among(models.versions(name))


def champion_among(versions: Iterable[ModelVersion]) -> ModelVersion | None:
    """As :func:`champion_of`, of the versions of one model."""
    return max((version for version in versions if version.tags.get(DEPLOYMENT) == CHAMPION), key=promotion_of, default=None)


def promotion_of(version: ModelVersion) -> int:
    """The number of the promotion that made a version champion; 0 when none did."""
    return number_in(version.tags.get(PROMOTION, ""))


def number_in(text: str) -> int:
    """A whole number, as versions and promotions are counted; 0 when it is none."""
    return int(text) if text.isdecimal() and len(text) < 18 else 0


def find_version(models: Models, name: str, wanted: str = "latest") -> ModelVersion:
    """A version by its number, ``latest`` or ``champion``.

    Raises:
        InputError: there is none.
    """
    known = models.versions(name)
    where = "is registered here" if models.name == RUNS else f"is in {models.name}"
    if not known:
        names = models.names()
        raise InputError(f"no model {name!r} {where}",
                         why="a pipeline's named output registers it" if models.name == RUNS else "models are promoted to it",
                         fix=did_you_mean(name, names) if names else "run the pipeline that makes it first"
                         if models.name == RUNS else f"mlops models promote {name} --from {RUNS} --to {models.name}")
    if wanted == CHAMPION:
        found = champion_of(models, name)
        if found is None:
            raise InputError(f"the model {name!r} has no champion in {models.name}", fix=f"name a version: {known[0]}")
        return found
    for version in known:
        if wanted in ("latest", version.version):
            return version
    raise InputError(f"the model {name!r} has no version {wanted!r}" + ("" if models.name == RUNS else f" in {models.name}"),
                     fix=did_you_mean(wanted, ["latest", *([] if models.name == RUNS else [CHAMPION]),
                                              *(version.version for version in known)]))


def files_in(folder: Path) -> Sequence[ModelFile]:
    """The files of a version whose bytes are in a folder."""
    with translated(folder):
        return [ModelFile(entry.name, entry.state.st_size) for entry in files_of(folder)]


def open_in(folder: Path, file: str) -> BinaryIO:
    """The bytes of one of them."""
    with translated(folder):
        return (folder / file).open("rb")


@contextlib.contextmanager
def streamed(models: Models, version: ModelVersion) -> Iterator[Iterator[tuple[str, Stream]]]:
    """The files of a version, sorted by name, each open when it is its turn.

    Raises:
        Refused: at their end, when they have together not the digest that was written down.
    """
    with contextlib.ExitStack() as opened:
        yield _checked(models, version, opened)


def _checked(models: Models, version: ModelVersion, opened: contextlib.ExitStack) -> Iterator[tuple[str, Stream]]:
    whole = Whole()
    for file in models.files(version):
        stream = _Hashed(opened.enter_context(models.open(version, file.name)))
        yield file.name, stream
        whole.add(file.name, stream.digest)
        opened.close()
    if version.digest and whole.digest != version.digest:
        raise Refused(f"the bytes of {version} in {models.name} are not what they were when it was made",
                      why=f"their digest is {whole.digest[:12]}, and was {version.digest[:12]}",
                      fix="make the model again, and evaluate that")


class _Hashed:
    """A stream that counts what is read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._sum = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        block = self._stream.read(size)
        self._sum.update(block)
        return block

    @property
    def digest(self) -> str:
        """Of what was read, and of what was left unread."""
        while self.read(1 << 20):
            pass
        return self._sum.hexdigest()


class RunModels:
    """The models that runs on this machine have registered, as :class:`Models`."""

    name = RUNS
    where = HERE

    def __init__(self, store: Store) -> None:
        self._store = store

    def names(self) -> Sequence[str]:
        return [record.name for record in self._store.assets.latest(MODEL)]

    def versions(self, name: str) -> Sequence[ModelVersion]:
        assets = self._store.assets
        return [ModelVersion(name=name, version=record.version, type=record.type, digest=record.digest,
                             created=record.created, tags=assets.tags(MODEL, name, record.version))
                for record in assets.versions(MODEL, name)]

    def measured(self, version: ModelVersion) -> ModelVersion:
        return version

    def path(self, version: ModelVersion) -> Path:
        """The folder of a version."""
        return self._store.folder / self._store.assets.find(MODEL, version.name, version.version).path

    def files(self, version: ModelVersion) -> Sequence[ModelFile]:
        return files_in(self.path(version))

    def open(self, version: ModelVersion, file: str) -> BinaryIO:
        return open_in(self.path(version), file)

    def note(self, version: ModelVersion, name: str) -> bytes | None:
        return json.dumps({"origin": self._origin(version), "promotions": []}).encode() if name == LINEAGE else None

    def tag(self, version: ModelVersion, tags: Mapping[str, str | None]) -> None:
        self._store.assets.tag(MODEL, version.name, version.version, tags)

    def _origin(self, version: ModelVersion) -> dict[str, Any]:
        """What made a version: the run, the step that wrote these bytes first, its code, and all data that it depends on."""
        records = self._store.records
        asset = self._store.assets.find(MODEL, version.name, version.version)
        if not asset.run:
            return {"run": None, "step": None, "file": asset.step, "digest": version.digest}
        run = records.run(asset.run)
        steps = {step.name: step for step in records.steps(run.id)}
        maker = next((step for step in steps.values()
                      if version.digest in {output.digest for output in step.outputs.values()}), None)
        told: dict[str, Any] = {"run": run.id, "pipeline": run.pipeline, "started": run.started,
                                "git_commit": records.commit(run.id), "digest": version.digest}
        if maker is None:
            return told | {"step": asset.step}
        names, todo = [maker.name], [*maker.waits]
        while todo:
            name = todo.pop()
            if name in steps and name not in names:
                names.append(name)
                todo += steps[name].waits
        made = {output.digest for step in steps.values() for output in step.outputs.values()}
        data: dict[str, dict[str, Any]] = {}
        for name in sorted(names):
            for part, text in (records.parts(steps[name].fingerprint or "") or {}).items():
                type_, _, digest = text.partition(":")
                known = [str(f"{found.name}:{found.version}") for found in self._store.assets.with_digest(digest)
                         if found.kind == "data"] if part.startswith("input ") else []
                if part.startswith("input ") and (known or (type_.split(" ")[0] in _DATA and digest not in made)):
                    data[f"{name}.{part.removeprefix('input ')}"] = {"digest": digest, "asset": known[0] if known else None}
        parts = records.parts(maker.fingerprint or "") or {}
        return told | {"step": maker.name, "fingerprint": maker.fingerprint, "code": parts.get("code"),
                       "environment": parts.get("environment"), "params": dict(maker.params), "data": data}


_DATA = ("uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model")
