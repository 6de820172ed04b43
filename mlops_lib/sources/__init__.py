"""Data from outside a pipeline: found on this machine, or brought to it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from ..catalogue import Catalogue
from ..errors import InputError, MlopsError, StageError, did_you_mean
from ..graph import External
from ..inspection import is_local, local_path
from ..references import (
    DEFAULT_DATASTORE,
    STORES,
    WEB,
    AssetReference,
    DatastorePath,
    escapes,
    how_to_map,
    parse_asset,
    parse_reference,
    redacted,
    scheme_of,
)
from ..stores.mapped import find_asset, inside, within
from ..stores.models import CHAMPION, champion_of
from ..stores.stages import StageModels, check_bytes, stages
from ..stores.store import Store
from .downloads import Downloads, Marks, Origin, split_url

_FILES = ("uri_file",)
_FOLDERS = ("uri_folder", "mltable", "mlflow_model")
_MODELS = ("mlflow_model", "custom_model", "triton_model")
_AZURE_HOST = re.compile(r"(?P<account>[a-z0-9]+)\.(?:blob|dfs)\.core\.windows\.net")


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Where some data is.

    Attributes:
        path: On this machine.
        uri: What a step gets that reads it without help (mode ``direct``): a path of this machine, or a URL.
        writable: Whether a step with the mode ``rw_mount`` writes to the data itself: it is a user's own file, not a copy
            and not a version of an asset, which never changes.
    """

    path: Path
    uri: str
    writable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Remote:
    """Data that a step reads by itself, elsewhere.

    Attributes:
        uri: What the step gets.
        digest: Of its marks: it stands for the content.
        unchanged: Whether the marks still are the same; asks.
    """

    uri: str
    digest: str
    unchanged: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Local:
    path: Path
    writable: bool
    root: str | None = None  # what nothing below *path* may lead out of


class Sources:
    """Finds data.

    Args:
        catalogue: The project's files and mappings.
        store: Registered assets; what is brought is kept there.

    Attributes:
        notices: What a user should know, although all goes on.
    """

    def __init__(self, catalogue: Catalogue, store: Store) -> None:
        self._catalogue = catalogue
        self._store = store
        self.notices: list[str] = []
        self._downloads = Downloads(store.folder, store.digests, self.notices.append)

    def locate(self, value: External) -> Found:
        """The file or folder on this machine that a piece of data is; brought here when it is elsewhere.

        Raises:
            InputError: it does not exist, is of another kind than its type says, or nothing tells where it is.
            RunError: it could not be brought here.
        """
        with _placed(value):
            where = self._follow(value)
            if isinstance(where, _Local):
                path, uri, writable = where.path, str(where.path), where.writable
                if not path.exists():
                    raise InputError(f"the data {redacted(value.path)!r} does not exist",
                                     why="" if is_local(value.path) else f"it would be {path}", fix="correct the path")
                if where.root is not None:
                    within(where.root, path)
            else:
                path, uri, writable = self._downloads.get(_origin(where, value)), where, False
            _check_form(value, path)
            return Found(path=path, uri=uri, writable=writable)

    def look(self, value: External) -> Found | Remote:
        """As :meth:`locate`, but what is elsewhere is only looked at, when that tells one version of it from another."""
        with _placed(value):
            where = self._follow(value)
            if isinstance(where, _Local):
                return self.locate(value)
            origin = _origin(where, value)
            marks = origin.marks()
            if marks is None:
                return replace(self.locate(value), uri=where)
            return Remote(uri=where, digest=_digest(origin.url, marks), unchanged=lambda: _same(origin, marks))

    def place_of(self, path: str, default: str) -> tuple[Path | str, Path | None]:
        """A place to write to, and the folder that it may not leave: ``azureml://datastores/…`` or a URL of a store.

        Args:
            path: As written.
            default: The datastore that messages propose.

        Raises:
            InputError: it is none, or not mapped.
        """
        reference = parse_reference(path)
        if isinstance(reference, DatastorePath):
            found = self._in_datastore(reference, path)
            if not reference.path.strip("/."):
                raise InputError(f"an output cannot go to all of the datastore {reference.datastore!r}",
                                 fix=f"name a folder in it: {path.rstrip('/')}/${{{{name}}}}")
            return found, Path(self._home_of(reference) or "") if isinstance(found, Path) else None
        if scheme_of(path) in STORES:
            return path, None
        raise InputError(f"an output cannot go to {redacted(path)!r}", why="an output's path is a place in a datastore",
                         fix=f"write azureml://datastores/{default}/paths/…")

    # --- names -------------------------------------------------------------------------------------------------------

    def _follow(self, value: External) -> _Local | str:
        """Where a piece of data is: on this machine, or the URL that it has elsewhere."""
        asset = parse_asset(value.path)
        if asset is not None:
            if asset.label not in (None, "latest"):
                return self._champion(value.path, asset.name, asset.label)
            return self._named(value, asset.name, asset.version)
        if is_local(value.path):
            return _Local(local_path(value.path, value.folder), writable=True)
        reference = parse_reference(value.path)
        if isinstance(reference, DatastorePath):
            found = self._in_datastore(reference, value.path)
            return _Local(found, True, self._home_of(reference)) if isinstance(found, Path) else found
        if isinstance(reference, AssetReference):
            return _Local(self._in_registry(reference, value), False, self._catalogue.mappings.folder_of(reference))
        if scheme_of(value.path) in (*WEB, *STORES):
            return value.path
        raise InputError(f"{redacted(value.path)!r} is not on this machine", why=_why_not(value.path),
                         fix="give a local path, or a data asset that a pipeline here has made")

    def _named(self, value: External, name: str, version: str | None) -> _Local | str:
        kinds = ("model", "data") if value.type in _MODELS else ("data", "model")
        for kind in kinds:
            written = self._catalogue.asset(kind, name, version)
            if written is not None:
                if parse_asset(written.path) is not None:
                    raise InputError(f"the asset {name!r} is another asset, {written.path!r}", fix="give its file a path",
                                     place=written.place)
                return self._follow(replace(value, path=written.path, folder=written.folder))
        kind = next((kind for kind in kinds if self._store.assets.versions(kind, name)), kinds[0])
        try:
            return _Local(self._store.folder / self._store.assets.find(kind, name, version or "latest").path, writable=False)
        except InputError as error:
            if (makers := self._catalogue.makers(name)) and not self._store.assets.versions(kind, name):
                error.fix = f"make it first: mlops run {' or '.join(makers)}"
            raise

    def _champion(self, path: str, name: str, label: str) -> _Local:
        """The champion of a stage: the label is the stage's name, or ``champion`` for that of the stage in question."""
        stage = self._catalogue.against if label == CHAMPION else label
        if stage is None:
            raise InputError(f"{path!r} asks for a champion, and nothing says of which stage",
                             fix=f"name the stage: azureml:{name}@dev, --against dev, or in mlops.yml: champion: dev")
        known = stages(self._store.folder, self._catalogue.stages)
        if stage not in known:
            raise InputError(f"{path!r} asks for the label {label!r}", why="here a label is 'latest', 'champion' or a stage",
                             fix=did_you_mean(label, ["latest", CHAMPION, *known]))
        models = StageModels(self._store.folder, stage)
        version = champion_of(models, name)
        if version is None:
            raise StageError(f"the stage {stage} has no champion of {name!r}", why=f"{path!r} is it",
                             fix=f"mlops models promote {name} --from runs --to {stage}")
        found = models.path(version)
        check_bytes(stage, version, self._store.digests.tree(found)[0])
        return _Local(found, writable=False)

    def _in_datastore(self, reference: DatastorePath, text: str) -> Path | str:
        home = self._home_of(reference)
        if escapes(reference.path):
            raise InputError(f"{text!r} leads out of its datastore", fix="write a path without '..'")
        if home is None:
            raise InputError(f"the datastore {reference.datastore!r} is not mapped to anything on this machine",
                             why=f"{text!r} is in it", fix=how_to_map(reference))
        if is_local(home):
            return inside(home, reference.path)
        return f"{home.rstrip('/')}/{reference.path}".rstrip("/")

    def _home_of(self, reference: DatastorePath) -> str | None:
        """The folder or URL that stands for a datastore."""
        home = self._catalogue.mappings.datastores.get(reference.datastore)
        if home is None and reference.datastore == DEFAULT_DATASTORE:
            return str(self._store.folder / "datastores" / DEFAULT_DATASTORE)
        return home

    def _in_registry(self, reference: AssetReference, value: External) -> Path:
        root = self._catalogue.mappings.folder_of(reference)
        if reference.kind not in ("data", "models"):
            raise InputError(f"{value.path!r} is no data", fix="name a data asset or a model: …/data/NAME/versions/1")
        if root is None:
            word = "registry" if reference.shelf == "registries" else "workspace"
            raise InputError(f"the {word} {reference.owner!r} is not on this machine", why=f"{value.path!r} is in it",
                             fix=how_to_map(reference))
        folder = find_asset(root, reference)
        if value.type in _FILES and folder.is_dir():
            files = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
            if len(files) == 1 and files[0].is_file():
                return files[0]  # of a registered file the version's folder holds just that
        return folder


class _placed:  # noqa: N801 - it is used like a function
    """Errors tell where the data was named; an assembled pipeline stands in no file."""

    def __init__(self, value: External) -> None:
        self._place = value.place if value.place.line or value.place.file.startswith("--") else None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MlopsError) and error.place is None:
            error.place = self._place


def _origin(url: str, value: External) -> Origin:
    """The data at *url*.

    Raises:
        InputError: it cannot be of the type that is asked for, or a package is missing.
    """
    if scheme_of(url) in WEB:
        parts = split_url(url)
        azure = _AZURE_HOST.fullmatch(parts.hostname or "")
        container, _, path = parts.path.strip("/").partition("/")
        if value.type not in _FOLDERS:
            from .web import WebFile

            return WebFile(url)
        if not azure or parts.query or not container:
            raise InputError(f"{redacted(url)!r} is one file, and the input is a {value.type}",
                             why="a web server does not tell what a folder holds",
                             fix="make the input a uri_file, or give a folder: a local path, abfss://…, azureml://datastores/…")
        url = f"abfss://{container}@{azure['account']}.dfs.core.windows.net/{path}"
    from .filesystems import StoredTree

    tree = StoredTree(url)
    if value.type in (*_FILES, *_FOLDERS) and tree.is_file() != (value.type in _FILES):
        _refuse_form(value, file=tree.is_file())
    return tree


def _check_form(value: External, path: Path) -> None:
    if (value.type in _FILES and path.is_dir()) or (value.type in _FOLDERS and not path.is_dir()):
        _refuse_form(value, file=not path.is_dir())


def _refuse_form(value: External, *, file: bool) -> NoReturn:
    shown = redacted(value.path)
    if file:
        raise InputError(f"{shown!r} is a file, and the input is a {value.type}", fix="name the folder that holds it")
    raise InputError(f"{shown!r} is a folder, and the input is a {value.type}")


def _why_not(path: str) -> str:
    scheme = scheme_of(path)
    if scheme == "azureml":
        return "it is none of azureml:NAME:VERSION, azureml://datastores/NAME/paths/…, azureml://registries/NAME/data/…"
    return f"{scheme}: is none of {', '.join((*WEB[:1], *STORES))}"


def _digest(url: str, marks: Marks) -> str:
    return hashlib.sha256(json.dumps([url, dict(marks)], sort_keys=True).encode()).hexdigest()


def _same(origin: Origin, marks: Marks) -> bool:
    try:
        return origin.marks() == marks
    except MlopsError:
        return True  # nobody answers: nothing says that it changed
