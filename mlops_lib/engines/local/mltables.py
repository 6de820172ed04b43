"""MLTable files on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ... import mltable
from ...document import parse
from ...errors import InputError
from ...stores.files import FileEntry
from .workers import files


def plan_in(folder: str | Path) -> dict[str, Any]:
    """How the table in a folder is read, as plain data.

    Raises:
        InputError: it has no MLTable file, or one that nobody could read.
    """
    file = Path(folder, "MLTable")
    try:
        return mltable.plan_of(parse(file.read_bytes(), str(file))).to_dict(str(folder))
    except OSError as error:
        raise InputError(f"the table's file {file} cannot be read: {error.strerror}",
                         why="it says how the table is read", fix="add one, or make the input a uri_folder") from None


def files_of_table(folder: Path) -> list[FileEntry]:
    """The files that the table in a folder is made of, with their names in it.

    Raises:
        InputError: the MLTable file names what is not there.
    """
    try:
        return [FileEntry(os.path.relpath(path, folder), path, os.stat(path)) for path in files.files(plan_in(folder))]
    except files.Refused as error:
        raise InputError(f"{folder}: {error}", fix="correct the paths of the MLTable file") from None
