"""What the disk and the interpreter say about a graph: the facts that fingerprints are made of."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...catalogue import Catalogue, code_of
from ...differs import Difference, differences
from ...document import parse, plain
from ...errors import InputError, Place, listing
from ...fingerprint import Facts
from ...graph import External, Graph, Step
from ...references import redacted
from ...requirements import names, wanted
from ...sources import Found, Remote, Sources
from ...sources.landing import Destination, destinations
from ...spec import CommandComponent, Environment
from ...stores.files import FileEntry
from ...stores.snapshots import snapshot
from ...stores.store import Store
from .environments import Software, isolated


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What a plan stands on: its facts, the files behind them, and what Azure ML would do otherwise.

    Attributes:
        destinations: Where outputs go that name a path.
        software: The isolated environment of each step; empty when this process's does for all.
        notices: What a user should know, although all goes on.
    """

    facts: Facts
    code: Mapping[str, Sequence[FileEntry]]
    data: Mapping[External, Found | Remote]
    differences: tuple[Difference, ...] = ()
    destinations: tuple[Destination, ...] = ()
    notices: tuple[str, ...] = ()
    software: Mapping[str, Software] = field(default_factory=dict)


def gather(graph: Graph, catalogue: Catalogue, store: Store, *, isolate: bool = False) -> Ground:
    """Read what the fingerprints of *graph* depend on.

    With *isolate* each step has its own environment, which is built when the first step runs that needs it.

    Data that is elsewhere is brought here, unless every step that gets it reads it by itself.

    Raises:
        InputError: data or code that is absent or of the wrong kind, or data that nothing maps to this machine.
        RunError: data that could not be brought here.
    """
    sources = Sources(catalogue, store)
    code: dict[str, Sequence[FileEntry]] = {}
    code_digests: dict[str, str] = {}
    environments: dict[str, str] = {}
    data: dict[External, Found | Remote] = {}
    direct = _read_by_themselves(graph)
    seen_code: dict[tuple[str | None, str, tuple[str, ...]], tuple[Sequence[FileEntry], str]] = {}
    seen_environments: dict[tuple[int | str | None, str], tuple[str, Environment | None, Software | None]] = {}
    software: dict[str, Software] = {}
    described: dict[str, Environment | None] = {}
    for name, step in graph.steps.items():
        component = step.component
        source = component.code, component.folder, component.additional_includes
        if source not in seen_code:
            with _readable(f"the code {component.code!r}", component.places.get("code")):
                entries = code_files(component, store.folder / "zips")
                seen_code[source] = entries, store.digests.named(entries)[0] if entries else ""
        code[name], code_digests[name] = seen_code[source]
        given, folder = step.environment, step.environment_folder
        key = (given if given is None or isinstance(given, str) else id(given), folder)
        if key not in seen_environments:
            environment = catalogue.environment(given, folder)
            own = _isolated(step, environment, store) if isolate else None
            seen_environments[key] = environment_digest(given, environment, own), environment, own
        environments[name], described[name], own = seen_environments[key]
        if own is not None:
            software[name] = own
        for value in step.inputs.values():
            if isinstance(value, External) and value not in data:
                data[value] = sources.look(value) if value in direct else sources.locate(value)
    digests = {}
    for value, found in data.items():
        with _readable(f"the data {redacted(value.path)!r}", value.place):
            digests[value] = found.digest if isinstance(found, Remote) else store.digests.tree(found.path)[0]
    store.digests.flush()
    return Ground(facts=Facts(code=code_digests, environment=environments, data=digests), code=code, data=data,
                  differences=differences(graph, described, _here(described, software)),
                  destinations=destinations(graph, sources, data),
                  notices=tuple(sources.notices), software=software)


def _read_by_themselves(graph: Graph) -> set[External]:
    """The data that steps get as a URL or a path and nothing else; a table that is divided here is read here."""
    direct: set[External] = set()
    others: set[External] = set()
    for step in graph.steps.values():
        for name, value in step.inputs.items():
            if isinstance(value, External):
                divided = step.parallel is not None and step.parallel.source == name
                (direct if step.mode_of(name) == "direct" and not divided else others).add(value)
    return direct - others


@contextlib.contextmanager
def _readable(what: str, place: Place | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{what} cannot be read: {error.strerror}: {error.filename}", place=place,
                         fix="make it readable, or leave it out") from None


def code_files(component: CommandComponent, zips: Path) -> Sequence[FileEntry]:
    """The files that a job of *component* finds in its working directory; *zips* keeps zipped includes.

    Raises:
        InputError: they are not here.
    """
    code = code_of(component)
    if component.code is not None and code is None:
        raise InputError(f"the code {component.code!r} is not on this machine", place=component.places.get("code"),
                         fix="name a folder beside the component")
    includes = [Path(component.folder, include) for include in component.additional_includes]
    return snapshot(code, includes, place=component.places.get("code"), zips=zips)


def _isolated(step: Step, environment: Environment | None, store: Store) -> Software:
    given = step.environment
    named = given if isinstance(given, str) else (given.name if given else None) or "in place"
    place = step.job.places.get("environment") or step.component.places.get("environment")
    return isolated(environment, conda_of(environment) if environment else None, named, store.folder / "environments", place)


def _here(described: Mapping[str, Environment | None], software: Mapping[str, Software]) -> Mapping[str, str]:
    """The software that each step finds on this machine, in words; of this process's, the pins that it does not meet."""
    ours: dict[int, str] = {}
    told = {}
    for name, environment in described.items():
        own = software.get(name)
        if id(environment) not in ours:
            unmet = unmet_pins(conda_of(environment)) if environment is not None and own is None else ()
            lacks = f", which does not meet {listing(unmet)}" if unmet else ""
            ours[id(environment)] = f"the Python {platform.python_version()} that runs mlops{lacks}"
        told[name] = f"an environment of its own, with Python {own.version}" if own else ours[id(environment)]
    return told


def unmet_pins(conda: Any) -> tuple[str, ...]:
    """What a conda file asks for and this process does not have: ``pandas==2.3.3 (2.2.0)``, ``torch (absent)``."""
    from packaging.requirements import InvalidRequirement, Requirement

    found = wanted(conda)
    unmet = []
    ours = platform.python_version()
    if found.python is not None and not Requirement(f"python{_bounds(found.python)}").specifier.contains(ours):
        unmet.append(f"python {found.python} ({ours})")
    for line in found.requirements:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue  # an option of pip
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        version = _version(requirement.name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            unmet.append(f"{requirement.name}{requirement.specifier} ({version or 'absent'})")
    return tuple(unmet)


def _bounds(python: str) -> str:
    return python if python[0] in "=<>!~" else f"=={python}.*"


def environment_digest(given: str | Environment | None, environment: Environment | None, own: Software | None = None) -> str:
    """The software that a step will find: what the environment says, and what is installed of what it names."""
    described: dict[str, Any] = {"python": own.version if own else platform.python_version()}
    if own is not None and environment is not None:
        described["environment"] = environment.to_dict() | {"conda_file": conda_of(environment)}
        described["requirements"] = own.requirements
    elif environment is None:
        described["name"] = given if isinstance(given, str) else None
    else:
        conda = conda_of(environment)
        described["environment"] = environment.to_dict() | {"conda_file": conda}
        described["installed"] = {name: _version(name) for name in names(conda)}
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


def _version(name: str) -> str | None:
    from importlib import metadata  # only a project with environments pays for it

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
