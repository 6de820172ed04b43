"""Folders of this machine that stand for a registry, a workspace or a datastore: what is in them, and nothing around them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError, did_you_mean
from ..references import AssetReference, escapes

_FILES = {"components": ("component", "spec"), "environments": ("environment", "spec")}
_MOVING = ("latest", "default")  # labels that are the highest version when no folder has their name


def inside(root: str | Path, path: str) -> Path:
    """*path* below *root*.

    Raises:
        InputError: it would be somewhere else, also by way of a link.
    """
    if escapes(path):
        raise InputError(f"the path {path!r} leads out of its folder", fix="write a path without '..' below it")
    full = Path(os.path.normpath(os.path.join(root, path)))
    _refuse_outside(root, [full])
    return full


def within(root: str | Path, path: Path) -> None:
    """Refuse *path* when it, or a link below it, leads out of *root*.

    Raises:
        InputError: it does.
    """
    _refuse_outside(root, [path, *_links(path)] if path.is_dir() else [path])


def _refuse_outside(root: str | Path, paths: Sequence[Path]) -> None:
    real = os.path.realpath(root)
    for link in paths:
        end = os.path.realpath(link)
        if end != real and not end.startswith(real.rstrip(os.sep) + os.sep):
            raise InputError(f"{os.path.relpath(link, root)!r} is a link out of its folder", why=f"it leads to {end}",
                             fix="put the data itself there, or map the folder that it leads to")


def _links(folder: Path) -> list[Path]:
    return [Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files)
            if os.path.islink(os.path.join(parent, name))]


def find_asset(root: str, reference: AssetReference) -> Path:
    """The folder of an asset's version: ``ROOT/KIND/NAME/VERSION``.

    A label is a folder or link of its name; without one ``latest`` and ``default`` are the highest version.

    Raises:
        InputError: there is none, or it leads out of the folder.
    """
    shelf = inside(root, f"{reference.kind}/{reference.name}")
    where = f"the folder of {reference.owner!r} in mlops.yml, {root},"
    if not shelf.is_dir():
        parent = shelf.parent
        known = sorted(entry.name for entry in parent.iterdir()) if parent.is_dir() else []
        raise InputError(f"{where} has no {reference.kind}/{reference.name}",
                         fix=did_you_mean(reference.name, known) or f"put the asset into {shelf}/VERSION")
    versions = sorted((entry.name for entry in shelf.iterdir() if not entry.name.startswith(".")), key=version_order)
    wanted = reference.version or reference.label or "latest"
    if wanted not in versions:
        if reference.label in _MOVING and versions:
            wanted = versions[-1]
        else:
            raise InputError(f"{where} has no {reference.kind}/{reference.name}/{wanted}", fix=did_you_mean(wanted, versions))
    return inside(root, f"{reference.kind}/{reference.name}/{wanted}")


def file_of_asset(folder: Path, reference: AssetReference) -> Path:
    """The YAML file of a component or an environment in its version's folder.

    Raises:
        InputError: it is not there.
    """
    names: Sequence[str] = [f"{stem}.{suffix}" for stem in _FILES[reference.kind] for suffix in ("yml", "yaml")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder} holds no {names[0]}", why=f"it stands for {reference.kind} {reference.name!r}",
                     fix=f"put the YAML there as {names[0]}")


def version_order(version: str) -> tuple[bool, list[tuple[bool, int, str]]]:
    """Versions in the order that people count them: 1.10 after 1.9, and plain words before all numbers."""
    parts = [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"[.\-_]", version)]
    return parts[0][0], parts
