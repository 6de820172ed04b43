"""Assets of files, about to be registered: what they are, and the digest of what they consist of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ..catalogue import Catalogue
from ..document import Table, plain
from ..errors import InputError, Place
from ..graph import External
from ..inspection import is_local, local_code, local_path, nearby
from ..spec import Asset, CommandComponent, Component, Data, Environment, OtherComponent, PipelineComponent
from ..spec.ports import NOWHERE
from ..stores.models import check_tags
from ..stores.snapshots import snapshot
from ..stores.store import Store
from .azureml.submission import content_of, digest, environment_key
from .local.facts import code_files

# The word of each kind in addresses and commands.
SEGMENTS: Final[Mapping[str, str]] = {"component": "components", "environment": "environments", "data": "data",
                                      "model": "models"}
# What may be said of a version without making it another one.
_WORDS: Final = ("$schema", "name", "version", "description", "display_name", "tags")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Something to register, as its file says it.

    Attributes:
        kind: ``component``, ``environment``, ``data`` or ``model``.
        version: None for the next number, unless the newest version is the same.
        content: The digest of what it consists of, wherever it stands.
        code: The digest of the code that goes along; empty when none does.
        spec: The file, read.
    """

    kind: str
    name: str
    version: str | None
    content: str
    file: Path
    code: str
    spec: Component | Environment | Asset = field(compare=False, repr=False)
    place: Place = NOWHERE

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """A version that is registered; *new* when it was not before."""

    kind: str
    name: str
    version: str
    id: str
    new: bool
    file: Path


def wanted(files: Iterable[Path], kind: str, catalogue: Catalogue, store: Store) -> tuple[Wanted, ...]:
    """What *files* say, checked.

    Raises:
        CompileError: files have mistakes; InputError: one is of another kind, has no name, or two say the same.
    """
    found: list[Wanted] = []
    for file in files:
        if os.path.isdir(file):
            inside = sorted(path for path in file.iterdir() if path.suffix in (".yml", ".yaml"))
            raise InputError(f"{catalogue.display(file)!r} is a folder", why="a file is registered",
                             fix=f"name the one in it: {catalogue.display(inside[0])}" if len(inside) == 1
                             else "name a file in it")
        if not os.path.isfile(file):
            raise InputError(f"the file {catalogue.display(file)!r} does not exist", fix=nearby(file))
        catalogue.check_file(file)
        spec = catalogue.spec(file)
        if isinstance(spec, CommandComponent | PipelineComponent | OtherComponent):
            spec = catalogue.component(file) or spec  # with what it refers to
        catalogue.raise_errors()
        found.append(_wanted(spec, file, kind, catalogue, store))
    store.digests.flush()
    seen: dict[str, Wanted] = {}
    for one in found:
        other = seen.setdefault(f"{one.name}:{one.version}", one)
        if other is not one:
            raise InputError(f"the {one} is in two files", place=one.place,
                             why=f"{catalogue.display(other.file)} and {catalogue.display(one.file)}", fix="name one of them")
    return tuple(found)


def _wanted(spec: Any, file: Path, kind: str, catalogue: Catalogue, store: Store) -> Wanted:
    of = spec.kind if isinstance(spec, Asset) else "environment" if isinstance(spec, Environment) else \
        "component" if isinstance(spec, CommandComponent | PipelineComponent | OtherComponent) else "something else"
    shown = Place(catalogue.display(file))
    if of != kind:
        raise InputError(f"{shown} is no {kind}", why=f"it is {'a ' if of in ('component', 'model') else ''}{of}",
                         fix=f"mlops {SEGMENTS[of]} register {shown}" if of in SEGMENTS else f"name the file of a {kind}")
    if not spec.name:
        raise InputError(f"the {kind} has no name", place=spec.place if spec.place.file else shown,
                         why="it is registered by its name", fix="add 'name: …'")
    if of == "model":
        check_tags(spec.tags, spec.places.get("tags", shown))
    code = _code(spec, store) if of == "component" else ""
    return Wanted(kind=kind, name=spec.name, version=spec.version, content=_content(spec, code, catalogue, store), file=file,
                  code=code, spec=spec, place=spec.place if spec.place.file else shown)


def _content(spec: Component | Environment | Asset, code: str, catalogue: Catalogue, store: Store) -> str:
    """A digest of all that makes a version the one that it is."""
    if isinstance(spec, Environment):
        return environment_key(replace(spec, name=None, version=None, description=None, tags={}), store)
    if isinstance(spec, Asset):
        return digest([spec.kind, spec.type, _bytes(spec, store)])
    told = {key: value for key, value in spec.to_dict().items() if key not in (*_WORDS, "code", "environment")}
    if isinstance(spec, PipelineComponent):
        inside = {name: _content(job.component, _code(job.component, store), catalogue, store)
                  for name, job in spec.jobs.items() if job.component is not None}
        data = sorted([name, port, content_of(External(path=value.path, type=value.type or "", folder=spec.folder), store)]
                      for name, job in spec.jobs.items() for port, value in job.inputs.items()
                      if isinstance(value, Data) and is_local(value.path))
        return digest([told, inside, *data])
    environments = [environment_key(catalogue.environment(given, spec.folder), store) or str(given)
                    for given in _environments(spec)]
    return digest([told, code, environments])


def _environments(spec: CommandComponent | OtherComponent) -> list[str | Environment | None]:
    """The environments that a component names, or writes out: its own, and of a parallel one its task's."""
    if isinstance(spec, CommandComponent):
        return [spec.environment]
    found = [table.get("environment") for table in _tables(spec)]
    return [Environment.from_document(given, folder=spec.folder) if isinstance(given, Table) else str(plain(given))
            for given in found if given is not None]


def _tables(spec: OtherComponent) -> list[Table]:
    """Where a component that is not a command says its code and environment: itself, and of a parallel one its task."""
    task = spec.document.get("task")
    return [spec.document, task] if isinstance(task, Table) else [spec.document]


def _code(spec: Any, store: Store) -> str:
    """The digest of the code that goes along with a component; empty when none does."""
    if isinstance(spec, CommandComponent):
        entries = list(code_files(spec, store.folder / "zips"))
    elif isinstance(spec, OtherComponent):
        entries = []
        for table in _tables(spec):
            told = {key: plain(table.entries[key]) for key in ("code", "additional_includes") if key in table.entries}
            code = local_code(told.get("code"), spec.folder)
            includes = [Path(spec.folder, str(include)) for include in told.get("additional_includes") or ()]
            if code is not None or includes:
                entries += snapshot(code, includes, zips=store.folder / "zips")
    else:
        entries = []
    return store.digests.named(entries)[0] if entries else ""


def _bytes(asset: Asset, store: Store) -> str:
    """The content of an asset that is on this machine, the address of one that is not."""
    if not is_local(asset.path):
        return asset.path
    path = local_path(asset.path, asset.folder)
    if not path.exists():
        raise InputError(f"the path {asset.path!r} of the {asset.kind} does not exist", fix="correct the path",
                         place=asset.places.get("path", asset.place))
    return store.digests.tree(path)[0]


__all__ = ["SEGMENTS", "Registered", "Wanted", "wanted"]
