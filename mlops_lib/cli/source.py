"""The line that a finding is about, with a mark under the word, fitted to a terminal."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from typing import Any

_WORD = re.compile(r"\$\{\{.*?\}\}|\"[^\"]*\"|'[^']*'|[^\s,:{}\[\]]+")


def excerpt(finding: Any, width: int | None = None) -> tuple[str, str] | None:
    """The source line of a finding and the marks to print below it; None when it cannot be read.

    Args:
        finding: With a place in a file that is named from the working directory.
        width: Columns that there are; default: the terminal's, without the frame around the line.
    """
    if not finding.place.line:
        return None
    try:
        with open(finding.place.file, encoding="utf-8", errors="replace") as file:
            line = next(text for number, text in enumerate(file, 1) if number == finding.place.line).rstrip()
    except (OSError, StopIteration):
        return None
    start = min(max(finding.place.column - 1, 0), len(line))
    word = _WORD.match(line, start)
    end = word.end() if word else start + 1
    return fitted(line, start, end, width or shutil.get_terminal_size().columns - 4)


def fitted(line: str, start: int, end: int, width: int) -> tuple[str, str]:
    """*line* cut around its part from *start* to *end* so that it takes at most *width* columns, and the marks below."""
    line = "".join(character if character == "\t" or character.isprintable() else "\ufffd" for character in line)
    before, marked, after = line[:start].expandtabs(4), line[start:end], line[end:].replace("\t", " ")
    room = max(width - 1, 10)
    wanted = min(columns(marked), room // 2)
    if columns(before) + wanted > room:
        keep = max(room - wanted - 1, 0)
        while before and columns(before) > keep:
            before = before[1:]
        before = "\u2026" + before
    while marked and columns(before) + columns(marked) > room:
        marked = marked[:-1]
    while after and columns(before) + columns(marked) + columns(after) > room:
        after = after[:-1]
    return before + marked + after, " " * columns(before) + "^" * max(columns(marked), 1)


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters take two, combining ones none."""
    return sum(0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
               for character in text)


def text_of(file: str) -> str | None:
    """The text of a file, without a byte order mark; None when it cannot be read."""
    try:
        with open(os.path.abspath(file), encoding="utf-8-sig", newline="") as source:
            return source.read()
    except (OSError, UnicodeDecodeError):
        return None
