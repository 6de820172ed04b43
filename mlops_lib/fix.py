"""Corrections that are certain, put into the files: the misspelt word alone changes, everything around it stays."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import Finding, RunError, Severity, Suggestion

_BOM = b"\xef\xbb\xbf"


class Edit(NamedTuple):
    """One word in a file's text: from *start* to *end*, in characters, comes *instead*."""

    start: int
    end: int
    instead: str


def edits_for(text: str, findings: Iterable[Finding]) -> list[Edit]:
    """The edits of one file that are certain, in order, none over another.

    A finding counts when its fix is a certain suggestion and the misspelt word stands exactly once, as a whole word, in the
    rest of its line, or else in the block of text that begins there.
    """
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    found: dict[tuple[int, int], Edit] = {}
    for finding in findings:
        fix, place = finding.fix, finding.place
        if not isinstance(fix, Suggestion) or not fix.certain or not 0 < place.line <= len(lines):
            continue
        first = starts[place.line - 1] + place.column - 1
        where = _only(text, fix.word, first, starts[place.line])
        where = where or _only(text, fix.word, first, _block_end(lines, starts, place.line))
        if where is not None:
            found[where] = Edit(*where, fix.instead)
    kept: list[Edit] = []
    for edit in sorted(found.values()):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept


def _only(text: str, word: str, start: int, end: int) -> tuple[int, int] | None:
    """Where *word* stands as a whole word between *start* and *end*, when it does exactly once."""
    before = r"(?<![\w-])" if word[:1] != "-" else r"(?<!\S)"
    matches = list(re.finditer(rf"{before}{re.escape(word)}(?![\w-])", text[start:end]))
    return (start + matches[0].start(), start + matches[0].end()) if len(matches) == 1 else None


def _block_end(lines: Sequence[str], starts: Sequence[int], number: int) -> int:
    """The end of the lines that are indented deeper than line *number*."""
    indent = len(lines[number - 1]) - len(lines[number - 1].lstrip(" "))
    at = number
    while at < len(lines) and (not lines[at].strip() or len(lines[at]) - len(lines[at].lstrip(" ")) > indent):
        at += 1
    return starts[at]


def apply(text: str, edits: Iterable[Edit]) -> str:
    """*text* with the edits made."""
    for edit in sorted(edits, reverse=True):
        text = text[:edit.start] + edit.instead + text[edit.end:]
    return text


class Fixed(NamedTuple):
    """What was changed: by file, its text before and after; and how many words."""

    texts: Mapping[Path, tuple[str, str]]
    words: int


def fix_files(findings: Sequence[Finding], root: Path, check: Callable[[], Sequence[Finding]], *, near: Path,
              skip: Callable[[Path], bool] = lambda path: False, write: bool = True) -> Fixed:
    """Correct what is certain in the files of a project.

    Args:
        findings: What was found.
        root: The project's folder; files outside it, or behind a link, are left alone.
        check: Finds again, after the change. A file that then has an error which it did not have before gets its old
            text back.
        near: What the places of findings are relative to.
        skip: Whether to leave a file alone.
        write: False only to see what would change.

    Raises:
        RunError: a file cannot be written.
    """
    changed: dict[Path, tuple[bytes, bytes]] = {}
    words: dict[Path, int] = {}
    for name in dict.fromkeys(finding.place.file for finding in findings):
        path = Path(os.path.abspath(os.path.join(near, name)))
        if not _ours(path, root) or skip(path):
            continue
        data = path.read_bytes()
        with contextlib.suppress(UnicodeDecodeError):
            text = data.removeprefix(_BOM).decode("utf-8")
            edits = edits_for(text, [finding for finding in findings if finding.place.file == name])
            if edits:
                lead = _BOM if data.startswith(_BOM) else b""
                changed[path] = data, lead + apply(text, edits).encode("utf-8")
                words[path] = len(edits)
    if write:
        for path, (_, after) in changed.items():
            _write(path, after)
        before = {(finding.place.file, finding.code, finding.what) for finding in findings}
        worse = {Path(os.path.abspath(os.path.join(near, finding.place.file))) for finding in check()
                 if finding.severity is Severity.ERROR and (finding.place.file, finding.code, finding.what) not in before}
        # A correction may show what the mistake hid; one that makes a mistake of its own is taken back.
        for path in worse & changed.keys():
            _write(path, changed.pop(path)[0])
            words.pop(path)
    texts = {path: (_text(old), _text(new)) for path, (old, new) in changed.items()}
    return Fixed(texts, sum(words.values()))


def _text(data: bytes) -> str:
    return data.removeprefix(_BOM).decode("utf-8")


def _ours(path: Path, root: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(root.resolve())
    except OSError:
        return False


def _write(path: Path, data: bytes) -> None:
    """Put *data* in the place of a file in one move, its mode kept."""
    try:
        mode = path.stat().st_mode & 0o7777
        handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(fresh, mode)
            os.replace(fresh, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from None
