"""Where outputs go that name a path: resolved and checked before anything runs, written whole when their step is done."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..binding import substitute
from ..errors import InputError, JobError, Place
from ..graph import External, FromStep, Graph
from ..references import DEFAULT_DATASTORE, redacted
from ..stores.artifacts import merge_out
from ..stores.database import translated
from ..stores.files import FileEntry, files_of
from ..stores.locks import exclusive
from ..stores.mapped import inside
from ..stores.store import Store
from . import Found, Remote, Sources


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """A place for an output.

    Attributes:
        output: The step's output.
        target: A path of this machine, or the URL of a store.
        root: The folder that *target* may not leave; None for a URL.
    """

    output: FromStep
    target: Path | str
    root: Path | None
    place: Place

    def __str__(self) -> str:
        return redacted(str(self.target))


def destinations(graph: Graph, sources: Sources, data: Mapping[External, Found | Remote]) -> tuple[Destination, ...]:
    """Where the outputs of *graph* go that have a ``path``.

    ``${{name}}`` is the step's name, ``${{output_name}}`` the output's, ``${{default_datastore}}`` that of the pipeline's
    settings.

    Args:
        graph: The steps.
        sources: Knows the datastores.
        data: What the run reads.

    Raises:
        InputError: a path is no place in a datastore, the datastore is not mapped, or what is there is read by the run or
            written by another of its outputs.
    """
    default = (graph.default_datastore or DEFAULT_DATASTORE).removeprefix("azureml:")
    found: list[Destination] = []
    for output, name, path, place in _paths(graph):
        known = {"name": output.step, "output_name": name, "default_datastore": default}
        text = substitute(path, known.get)
        port = graph.steps[output.step].component.outputs[output.output]
        if port.type == "uri_file" and text.endswith("/"):
            text += name
        try:
            target, root = sources.place_of(text, default)
        except InputError as error:
            error.place = error.place or (place if place.line else None)
            raise
        found.append(Destination(output=output, target=target, root=root, place=place))
    _refuse_overlaps(found, data)
    return tuple(found)


def _paths(graph: Graph) -> Iterable[tuple[FromStep, str, str, Place]]:
    """Every output with a path: the output, what it is called where the path stands, the path."""
    for name, step in graph.steps.items():
        for key, spec in step.outputs.items():
            if spec.path:
                yield FromStep(name, key), key, spec.path, spec.place
    yield from ((output.source, name, output.spec.path, output.spec.place) for name, output in graph.outputs.items()
                if output.spec.path)
    yield from ((source, name, path, place) for source, name, path, place in graph.nested_paths)


def _refuse_overlaps(found: Sequence[Destination], data: Mapping[External, Found | Remote]) -> None:
    read = {_key(given.uri): redacted(value.path) for value, given in data.items()}
    taken: dict[str, Destination] = {}
    for destination in found:
        key = _key(destination.target)
        for other, words in read.items():
            if _overlap(key, other):
                raise InputError(f"the output {destination.output.output!r} of job {destination.output.step!r} goes to "
                                 f"{destination}, which the run reads as {words!r}", place=destination.place,
                                 why="what a step reads must not change under it", fix="name another path")
        for other, earlier in taken.items():
            if _overlap(key, other) and earlier.output != destination.output:
                raise InputError(f"output {earlier.output.output!r} of job {earlier.output.step!r} and output "
                                 f"{destination.output.output!r} of job {destination.output.step!r} go to one place: "
                                 f"{destination}", place=destination.place,
                                 fix="put ${{name}} and ${{output_name}} into the paths")
        taken[key] = destination


def _key(target: Path | str) -> str:
    return target.rstrip("/") if isinstance(target, str) and "://" in target else os.path.realpath(target)


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def land(source: Path, destination: Destination, store: Store, *, give_up: Callable[[], bool] = lambda: False) -> bool:
    """Put an output where it goes, unless it is there already; what else is there stays.

    Returns:
        False when it was given up.

    Raises:
        InputError, RunError, JobError: it cannot be put there; what was there stays.
    """
    target = destination.target
    key = hashlib.sha256(str(target).encode()).hexdigest()
    with translated(store.folder), exclusive(store.folder / "locks" / f"landing-{key[:2]}", give_up=give_up) as held:
        return held and (_land_in_store(source, target, store, give_up) if isinstance(target, str) else
                         _land_here(source, target, destination, store))


def _land_here(source: Path, target: Path, destination: Destination, store: Store) -> bool:
    if destination.root is not None:
        inside(destination.root, os.path.relpath(target, destination.root))  # a link may have come there meanwhile
    if _is_there(source, target, store):
        return True
    if target.exists() and target.is_dir() != source.is_dir():
        kinds = ("a folder", "a file") if target.is_dir() else ("a file", "a folder")
        raise JobError(f"there is {kinds[0]} at {target}, and the output is {kinds[1]}", fix="move it, or name another path")
    merge_out(source, target)
    return True


def _is_there(source: Path, target: Path, store: Store) -> bool:
    """Whether every file of an output is at its place with the same content."""
    try:
        if not source.is_dir():
            return target.is_file() and _digest(target, store) == _digest(source, store)
        return target.is_dir() and all(_digest(target / entry.name, store) == _digest(Path(entry.path), store)
                                       for entry in files_of(source))
    except OSError:
        return False


def _digest(file: Path, store: Store) -> str:
    return store.digests.named([FileEntry("", str(file), file.stat())])[0]


def _land_in_store(source: Path, url: str, store: Store, give_up: Callable[[], bool]) -> bool:
    from .filesystems import StoredTree

    tree = StoredTree(url)
    digest = store.digests.tree(source)[0]
    note = store.folder / "landed" / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"
    names = [entry.name for entry in files_of(source)] if source.is_dir() else [""]
    known = _read(note)
    if known.get("digest") == digest and known.get("marks") and tree.marks_of(names) == known["marks"]:
        return True
    marks = tree.put(source, give_up=give_up)
    if marks is None and give_up():
        return False
    with translated(note):
        note.parent.mkdir(exist_ok=True)
        fresh = note.with_name(f".{note.name}.{secrets.token_hex(4)}")
        fresh.write_text(json.dumps({"url": redacted(url), "digest": digest, "marks": marks}), encoding="utf-8")
        fresh.replace(note)
    return True


def _read(note: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
