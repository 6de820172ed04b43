"""Data and models of files, registered on this machine: their bytes are kept, so that a version stays what it is."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path

from ...errors import InputError
from ...inspection import is_local, local_path
from ...plan import StoredOutput
from ...spec import Asset
from ...stores.artifacts import copy_out, remove
from ...stores.database import translated
from ...stores.store import Store
from ..assets import Registered, Wanted


def register(things: Sequence[Wanted], store: Store) -> tuple[Registered, ...]:
    """Register what is not there already.

    Raises:
        InputError: a version exists with other content, or what an asset names is not on this machine.
    """
    for one in things:
        if not isinstance(one.spec, Asset):
            raise InputError(f"the {one} is registered on a stage", why="on this machine files are read where they stand",
                             fix="write --on STAGE")
        if not is_local(one.spec.path):
            raise InputError(f"the {one} names {one.spec.path!r}, which is not on this machine", place=one.place,
                             why="here an asset is its bytes", fix="register it on a stage: --on STAGE")
    return tuple(_register(one, one.spec, store) for one in things if isinstance(one.spec, Asset))


def _register(one: Wanted, asset: Asset, store: Store) -> Registered:
    known = store.assets.versions(one.kind, one.name)
    stored = _kept(local_path(asset.path, asset.folder), asset, store)
    # Of no run: in its place stands the file that says what it is.
    record = store.assets.register(one.kind, one.name, one.version, stored, run="", step=str(one.place.file))
    new = record.version not in {other.version for other in known}
    if new:
        store.assets.tag(one.kind, one.name, record.version, asset.tags)
    return Registered(kind=one.kind, name=one.name, version=record.version, id=f"azureml:{one.name}:{record.version}",
                      new=new, file=one.file)


def _kept(path: Path, asset: Asset, store: Store) -> StoredOutput:
    """The bytes at *path* in the store, which are copied there unless it has them; a model of one file is a folder of it."""
    content, size = store.digests.tree(path)
    for record in store.assets.with_digest(content):
        stored = StoredOutput(path=record.path, digest=content, type=asset.type, size=size)
        if (record.kind, record.type) == (asset.kind, asset.type) and store.artifacts.intact(stored):
            return stored
    made = store.artifacts.folder / f".{uuid.uuid4().hex}"
    inside = "asset" if path.is_dir() else path.name
    try:
        folder = made / "model" if asset.kind == "model" and path.is_file() else made
        with translated(store.folder):
            folder.mkdir(parents=True)
        copy_out(path, folder / inside)
        return store.artifacts.adopt(made, {"asset": (inside if folder is made else folder.name, asset.type)})["asset"]
    finally:
        remove(made)


__all__ = ["register"]
