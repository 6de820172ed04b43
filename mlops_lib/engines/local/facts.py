"""What the disk and the interpreter say about a graph: the facts that fingerprints are made of."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...catalogue import Catalogue, code_of, parse_asset
from ...differs import Difference, differences
from ...document import parse, plain
from ...errors import InputError, Place
from ...fingerprint import Facts
from ...graph import External, Graph
from ...inspection import is_local, local_path
from ...spec import CommandComponent, Environment
from ...stores.files import FileEntry
from ...stores.snapshots import snapshot
from ...stores.store import Store

_FILES = ("uri_file",)
_FOLDERS = ("uri_folder", "mltable", "mlflow_model")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What a plan stands on: its facts, the files behind them, and what Azure ML would do otherwise."""

    facts: Facts
    code: Mapping[str, Sequence[FileEntry]]
    data: Mapping[External, Path]
    differences: tuple[Difference, ...] = ()


def gather(graph: Graph, catalogue: Catalogue, store: Store) -> Ground:
    """Read what the fingerprints of *graph* depend on.

    Raises:
        InputError: data or code that is absent or of the wrong kind, or data that this machine cannot reach.
    """
    code: dict[str, Sequence[FileEntry]] = {}
    code_digests: dict[str, str] = {}
    environments: dict[str, str] = {}
    data: dict[External, Path] = {}
    seen_code: dict[tuple[str | None, str, tuple[str, ...]], tuple[Sequence[FileEntry], str]] = {}
    seen_environments: dict[tuple[int | str | None, str], tuple[str, Environment | None]] = {}
    described: dict[str, Environment | None] = {}
    for name, step in graph.steps.items():
        component = step.component
        source = component.code, component.folder, component.additional_includes
        if source not in seen_code:
            with _readable(f"the code {component.code!r}", component.places.get("code")):
                entries = _code(component)
                seen_code[source] = entries, store.digests.named(entries)[0] if entries else ""
        code[name], code_digests[name] = seen_code[source]
        given, folder = step.environment, step.environment_folder
        key = (given if given is None or isinstance(given, str) else id(given), folder)
        if key not in seen_environments:
            environment = catalogue.environment(given, folder)
            seen_environments[key] = environment_digest(given, environment), environment
        environments[name], described[name] = seen_environments[key]
        for value in step.inputs.values():
            if isinstance(value, External) and value not in data:
                data[value] = locate(value, store)
    digests = {}
    for value, path in data.items():
        with _readable(f"the data {value.path!r}", value.place):
            digests[value] = store.digests.tree(path)[0]
    store.digests.flush()
    return Ground(facts=Facts(code=code_digests, environment=environments, data=digests), code=code, data=data,
                  differences=differences(graph, described))


@contextlib.contextmanager
def _readable(what: str, place: Place | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{what} cannot be read: {error.strerror}: {error.filename}", place=place,
                         fix="make it readable, or leave it out") from None


def _code(component: CommandComponent) -> Sequence[FileEntry]:
    code = code_of(component)
    if component.code is not None and code is None:
        raise InputError(f"the code {component.code!r} is not on this machine", place=component.places.get("code"),
                         fix="name a folder beside the component")
    includes = [Path(component.folder, include) for include in component.additional_includes]
    return snapshot(code, includes, place=component.places.get("code"))


def locate(value: External, store: Store) -> Path:
    """The file or folder on this machine that a piece of data is.

    Raises:
        InputError: it does not exist, is of another kind than its type says, or is not on this machine.
    """
    asset = parse_asset(value.path)
    if asset is not None:
        kinds = ("model", "data") if value.type in ("mlflow_model", "custom_model", "triton_model") else ("data", "model")
        if asset.label not in (None, "latest"):
            raise InputError(f"{value.path!r} asks for the label {asset.label!r}", place=value.place,
                             why="here only 'latest' is known", fix=f"write 'azureml:{asset.name}@latest'")
        kind = next((kind for kind in kinds if store.assets.versions(kind, asset.name)), kinds[0])
        try:
            record = store.assets.find(kind, asset.name, asset.version or "latest")
        except InputError as error:
            error.place = value.place if value.place.line else None  # an assembled pipeline stands in no file
            raise
        path = store.folder / record.path
    elif not is_local(value.path):
        raise InputError(f"{value.path!r} is not on this machine", place=value.place,
                         fix="give a local path, or a data asset that a pipeline here has made")
    else:
        path = local_path(value.path, value.folder)
    if not path.exists():
        raise InputError(f"the data {value.path!r} does not exist", place=value.place, fix="correct the path")
    if value.type in _FILES and path.is_dir():
        raise InputError(f"{value.path!r} is a folder, and the input is a {value.type}", place=value.place)
    if value.type in _FOLDERS and not path.is_dir():
        raise InputError(f"{value.path!r} is a file, and the input is a {value.type}", place=value.place,
                         fix="name the folder that holds it")
    return path


def environment_digest(given: str | Environment | None, environment: Environment | None) -> str:
    """The software that a step will find: what the environment says, and what is installed of what it names."""
    described: dict[str, Any] = {"python": platform.python_version()}
    if environment is None:
        described["name"] = given if isinstance(given, str) else None
    else:
        conda = conda_of(environment)
        described["environment"] = environment.to_dict() | {"conda_file": conda}
        described["installed"] = {name: _version(name) for name in packages(conda)}
    text = json.dumps(described, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def conda_of(environment: Environment) -> Any:
    """The content of an environment's conda file; None when it has none."""
    conda = environment.conda_file
    if not isinstance(conda, str):
        return conda
    path = Path(environment.folder, conda)
    try:
        return plain(parse(path.read_bytes(), str(path)))
    except OSError as error:
        raise InputError(f"the conda file {conda!r} cannot be read: {error.strerror}",
                         place=environment.places.get("conda_file")) from None


def packages(conda: Any) -> list[str]:
    """The names of the packages that a conda file lists, pip's included."""
    found: list[str] = []
    dependencies = conda.get("dependencies") if isinstance(conda, Mapping) else None
    for entry in dependencies if isinstance(dependencies, list) else []:
        listed = entry.get("pip") if isinstance(entry, Mapping) else [entry]
        for text in listed if isinstance(listed, list) else []:
            match = _PACKAGE.match(text.strip()) if isinstance(text, str) else None
            if match:
                found.append(match[0].lower())
    return sorted(set(found) - {"python", "pip"})


def _version(name: str) -> str | None:
    from importlib import metadata  # only a project with environments pays for it

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
