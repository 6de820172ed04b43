"""Files in mini-batches, and the columns that their paths give; lazily, folder by folder.

This file also runs by itself, in whatever Python 3.8 or newer a step's environment has.
"""

from __future__ import annotations

import datetime
import itertools
import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Plan = Mapping[str, Any]
    Batch = dict[str, Any]

_DATE_PARTS = {"yyyy": r"\d{4}", "MM": r"\d{2}", "dd": r"\d{2}", "HH": r"\d{2}", "mm": r"\d{2}", "ss": r"\d{2}"}


class Refused(Exception):
    """The input is not what it has to be; the text says in what."""


def walk(path: str) -> Iterator[str]:
    """The files below a folder in the order of their names, or the one file that *path* is."""
    if not os.path.isdir(path):
        yield path
        return
    with os.scandir(path) as entries:
        found = sorted((entry.name, entry.is_dir()) for entry in entries)
    for name, is_folder in found:
        if is_folder:
            yield from walk(os.path.join(path, name))
        else:
            yield os.path.join(path, name)


def files(plan: Plan) -> Iterator[str]:
    """The files that a table is made of, in the order of its paths.

    Raises:
        Refused: one is absent, or a pattern matches none.
    """
    for kind, text in plan["paths"]:
        path = os.path.normpath(os.path.join(plan["folder"], text))
        if kind == "pattern":
            none = True
            for found in _matching(plan["folder"], text):
                none = False
                yield found
            if none:
                raise Refused(f"the pattern {text!r} of the MLTable matches no file")
        elif not os.path.exists(path):
            raise Refused(f"the {kind} {text!r} of the MLTable does not exist")
        else:
            yield from walk(path)


def _matching(folder: str, pattern: str) -> Iterator[str]:
    pattern = os.path.normpath(pattern)
    fixed = os.path.join(folder, *itertools.takewhile(lambda part: not re.search(r"[*?[]", part), pattern.split("/")[:-1]))
    expression = re.compile(_glob(pattern))
    if os.path.isdir(fixed):
        for path in walk(fixed):
            if expression.fullmatch(os.path.relpath(path, folder)):
                yield path


def _glob(pattern: str) -> str:
    """A pattern as a regular expression: ``**/`` is any number of folders, ``*`` anything within one name."""
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]*\])", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(known.get(piece) or (piece if piece.startswith("[") else re.escape(piece)) for piece in pieces)


def in_groups(paths: Iterable[str], count: int) -> Iterator[list[str]]:
    """*paths* in groups of *count*, the last one perhaps smaller."""
    source = iter(paths)
    while True:
        group = list(itertools.islice(source, count))
        if not group:
            return
        yield group


def by_key(paths: Iterable[str], values: Callable[[str], dict[str, Any]],
           keys: list[str]) -> list[tuple[dict[str, Any], list[str]]]:
    """*paths* grouped by the values of *keys* that they carry, in the order in which those are first met."""
    groups: dict[tuple[Any, ...], tuple[dict[str, Any], list[str]]] = {}
    for path in paths:
        found = values(path)
        key = {name: found.get(name) for name in keys}
        groups.setdefault(tuple(key.values()), (key, []))[1].append(path)
    return list(groups.values())


def file_batches(source: Iterable[str], size: int) -> Iterator[Batch]:
    """Mini-batches of paths."""
    for group in in_groups(source, size):
        yield {"paths": group}


def listed_batches(plan: Plan, size: int, keys: list[str]) -> Iterator[Batch]:
    """Mini-batches of the paths of a table whose rows are not read.

    Raises:
        Refused: a key is not in the paths.
    """
    if not keys:
        yield from file_batches(files(plan), size)
        return
    known = path_columns(plan)
    for name in keys:
        if name not in known:
            raise Refused(f"the partition key {name!r} is in no partition_format of the MLTable, and its rows are not read: "
                          f"give the input the mode 'direct', or name one of {', '.join(known) or 'none'}")
    for key, group in by_key(files(plan), lambda path: path_values(plan, path), keys):
        yield {"paths": group, "key": packed(key)}


# --- columns that come from paths ------------------------------------------------------------------------------------


def path_columns(plan: Plan) -> list[str]:
    """The columns that come from the paths of files."""
    return [name for text in _formats(plan) for name in path_format(text)[1]]


def path_values(plan: Plan, path: str) -> dict[str, Any]:
    """What those columns are for one file; None where its path has another form."""
    found: dict[str, Any] = {}
    for text in _formats(plan):
        found.update(extracted(text, path))
    return found


def _formats(plan: Plan) -> list[str]:
    return [*plan["formats"], *(text for step, text in plan["steps"] if step == "extract_columns_from_partition_format")]


def path_format(text: str) -> tuple[Any, dict[str, list[str]]]:
    """A partition format as a regular expression, and the parts of a date in each of its columns (none: it is text).

    ``*`` is anything within one name, as mltable 1.7 has it.
    """
    expression = ""
    columns: dict[str, list[str]] = {}
    for piece in re.split(r"(\{[^{}]*\})", text):
        if not piece.startswith("{"):
            expression += "[^/]*".join(map(re.escape, piece.split("*")))
            continue
        name, _, shape = piece[1:-1].partition(":")
        parts = re.findall("|".join(_DATE_PARTS), shape)
        columns[name] = parts
        if not parts:
            expression += "([^/]+)"
        for inner in re.split(f"({'|'.join(_DATE_PARTS)})", shape) if parts else ():
            expression += f"({_DATE_PARTS[inner]})" if inner in _DATE_PARTS else re.escape(inner)
    return re.compile(expression), columns


def extracted(text: str, path: str) -> dict[str, Any]:
    """What a partition format finds in a path: a text or a date for each of its columns, dates last, None without a match."""
    expression, columns = path_format(text)
    match = expression.search(path)
    if match is None:
        return dict.fromkeys(_dates_last(columns))
    groups = iter(match.groups())
    found: dict[str, Any] = {}
    for name, parts in columns.items():
        if not parts:
            found[name] = next(groups)
            continue
        numbers = {part: int(next(groups)) for part in parts}
        date = [numbers.get(part, 1 if part in ("yyyy", "MM", "dd") else 0) for part in _DATE_PARTS]
        found[name] = datetime.datetime(*date)  # type: ignore[arg-type]
    return {name: found[name] for name in _dates_last(columns)}


def _dates_last(columns: dict[str, list[str]]) -> list[str]:
    return sorted(columns, key=lambda name: bool(columns[name]))


def packed(key: dict[str, Any]) -> dict[str, Any]:
    """Partition values as JSON can carry them."""
    return {name: {"datetime": value.isoformat()} if isinstance(value, datetime.datetime) else value
            for name, value in key.items()}


def unpacked(key: dict[str, Any]) -> dict[str, Any]:
    """What `packed` made, as it was."""
    return {name: datetime.datetime.fromisoformat(value["datetime"]) if isinstance(value, dict) else value
            for name, value in key.items()}
