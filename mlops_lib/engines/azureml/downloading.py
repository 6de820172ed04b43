"""What is at a path of a datastore, brought to this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ...errors import StageError
from ...references import DatastorePath, parse_reference
from .blobs import Blob, Blobs
from .workspace import Workspace


def download(workspace: Workspace, uri: str, target: Path, type_: str, *, whose: str) -> Path:
    """Bring what an address names to *target*, a new folder, or of a single file into it.

    Args:
        workspace: Has the datastore.
        uri: The address.
        target: The folder.
        type_: What the YAML says that it is: ``uri_file`` is a single file.
        whose: The run that it belongs to, for messages.

    Returns:
        Where it is now.

    Raises:
        StageError: nothing is there, or it cannot be read.
    """
    place = parse_reference(uri)
    if not isinstance(place, DatastorePath):
        raise StageError(f"{uri!r} is in no datastore", why=f"run {whose} names it", fix="give the step another input")
    blobs, path = Blobs(workspace, place.datastore), place.path.rstrip("/")
    found = blobs.below(path)
    if not found:
        raise StageError(f"nothing is left of {uri}", why=f"run {whose} had it", fix="start the pipeline again")
    target.mkdir(parents=True)

    def bring(blob: Blob) -> None:
        file = target / blob.name_in(path)
        if target not in Path(os.path.normpath(file)).parents:
            raise StageError(f"{uri} has a file {blob.name_in(path)!r}", why="its name leads out of where it is")
        file.parent.mkdir(parents=True, exist_ok=True)
        with blobs.open(blob) as source, file.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)

    workspace.each(bring, found)
    single = len(found) == 1 and (type_ == "uri_file" or found[0].path == path)
    return target / found[0].name_in(path) if single else target


__all__ = ["download"]
