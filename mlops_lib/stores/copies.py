"""Which folders hold copies of outputs: they may be replaced whole, and no others."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from .database import translated

_NOTES = "copies"


def remember(store: Path, target: Path) -> None:
    """Note that an output was copied to *target*.

    Args:
        store: The project's ``.mlops``.
        target: Of the copy.

    Raises:
        RunError: the machine refuses.
    """
    note = _note(store, target)
    with translated(note):
        note.parent.mkdir(exist_ok=True)
        note.write_text(f"{target}\n", encoding="utf-8", errors="surrogateescape")


def holds_something_else(store: Path, target: Path) -> bool:
    """Whether *target* is a folder with something in it, and no output was ever copied there."""
    if target.is_symlink() or not target.is_dir():  # of a link only the link would be replaced
        return False
    return any(target.iterdir()) and not _note(store, target).exists()


def _note(store: Path, target: Path) -> Path:
    return store / _NOTES / hashlib.sha256(os.fsencode(os.path.realpath(target))).hexdigest()[:32]
