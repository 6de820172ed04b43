"""An MLTable file as a plan: which files, how they are read, and what is done to their rows.

The plan is plain data, so that the process that reads the table needs neither this package nor the file.
Source: the MLTable schema and reference; how each transformation behaves was seen with mltable 1.7.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .document import Items, Scalar, Table, Value, plain
from .errors import InputError, Place, did_you_mean, listing
from .spec.reading import as_flag
from .syntax import tree_of

_ENCODINGS = {"utf8": "utf-8-sig", "utf8bom": "utf-8-sig", "iso88591": "latin-1", "latin1": "latin-1", "ascii": "ascii",
              "utf16": "utf-16", "utf32": "utf-32", "windows1252": "cp1252"}
_HEADERS = ("all_files_same_headers", "all_files_different_headers", "from_first_file", "no_header")
_SAMPLE: Mapping[str, Any] = {"sample_size": 200, "overrides": []}  # the rows that tell the types of columns
_READERS: Mapping[str, Mapping[str, Any]] = {
    "read_delimited": {"delimiter": ",", "header": _HEADERS[0], "support_multi_line": False, "empty_as_string": False,
                       "encoding": "utf8", "include_path_column": False, "infer_column_types": _SAMPLE, "path_column": "Path",
                       "partition_size": None},
    "read_json_lines": {"invalid_lines": "error", "encoding": "utf8", "include_path_column": False, "path_column": "Path",
                        "partition_size": None},
    "read_parquet": {"include_path_column": False, "path_column": "Path"},
}
_COMPARISONS = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_FROM_PATHS = "extract_columns_from_partition_format"
_TYPES = ("boolean", "datetime", "float", "int", "string")


@dataclass(frozen=True, kw_only=True, slots=True)
class TablePlan:
    """How a table is read.

    Attributes:
        paths: Pairs of ``file``, ``folder`` or ``pattern`` and a path relative to the MLTable file's folder.
        reader: ``read_delimited``, ``read_json_lines`` or ``read_parquet``; None for a table of paths.
        options: The reader's, every one of them.
        formats: Partition formats that stand in front of ``read_delimited``, as the package writes them: the types of their
            columns are told from the first rows, like those of the file's own.
        steps: What is done to the rows, in order: pairs of a name and plain data.
        beyond: What only the package mltable can do of all this, as an error; empty when there is no such thing.
    """

    paths: tuple[tuple[str, str], ...]
    reader: str | None = None
    options: Mapping[str, Any]
    formats: tuple[str, ...] = ()
    steps: tuple[tuple[str, Any], ...] = ()
    beyond: str = ""

    def to_dict(self, folder: str) -> dict[str, Any]:
        """Plain data for the process that reads the table, whose MLTable file is in *folder*."""
        return {"folder": folder, "paths": [list(pair) for pair in self.paths], "reader": self.reader,
                "options": dict(self.options), "formats": list(self.formats), "steps": [list(pair) for pair in self.steps],
                "beyond": self.beyond}


def plan_of(value: Value) -> TablePlan:
    """The plan that the document of an MLTable file is.

    Raises:
        InputError: it is no MLTable, or says something that nobody could do.
    """
    paths = value.get("paths") if isinstance(value, Table) else None
    if not isinstance(value, Table) or not isinstance(paths, Items) or not paths.items:
        raise InputError("the MLTable file names no paths", place=value.place, fix="add 'paths: …'")
    files = tuple(_path(item) for item in paths.items)
    given = value.get("transformations")
    reader, options = None, {}
    before: list[tuple[str, Any]] = []
    steps: list[tuple[str, Any]] = []
    beyond = ""
    for name, argument, place in _transformations(given):
        try:
            if name in _READERS:
                reader, options = name, _options(name, argument, place)
                if any(step != _FROM_PATHS for step, _ in steps):
                    raise _Beyond(f"{steps[0][0]} in front of {name}, where it counts files, is not known here", place)
                before, steps = steps, []
            elif name in _STEPS:
                steps.append((name, _STEPS[name](argument, place)))
            else:
                raise _Beyond(f"the transformation {name!r} of an MLTable is not known here", place)
        except _Beyond as error:
            beyond = beyond or str(InputError(error.what, place=error.place, fix="install mltable in the step's environment"))
    paths_known = reader is None or options.get("include_path_column")
    for name, _ in steps:
        if name == _FROM_PATHS and not paths_known:
            raise InputError(f"{_FROM_PATHS} finds no paths in the rows", place=value.place,
                             why="Azure ML would leave its columns empty",
                             fix=f"write it in front of {reader}, or 'include_path_column: true' under {reader}")
    if reader != "read_delimited":  # the others tell no types, and put these columns last
        before, steps = [], before + steps
    return TablePlan(paths=files, reader=reader, options=options, formats=tuple(text for _, text in before),
                     steps=tuple(steps), beyond=beyond)


class _Beyond(Exception):
    """Something that the package mltable may know and this reader does not."""

    def __init__(self, what: str, place: Place) -> None:
        super().__init__(what)
        self.what, self.place = what, place


def _path(item: Value) -> tuple[str, str]:
    if isinstance(item, Table):
        for kind in ("file", "folder", "pattern"):
            found = item.get(kind)
            if isinstance(found, Scalar) and isinstance(found.value, str):
                _check_inside(found)
                return kind, found.value
    raise InputError("a path of an MLTable is none of file, folder and pattern", place=item.place,
                     fix="write '- file: …' or '- pattern: …'")


def _check_inside(path: Scalar) -> None:
    if "://" in path.text and not path.text.startswith("file://"):
        raise InputError(f"the path {path.text!r} of an MLTable is not on this machine", place=path.place,
                         fix="give a path in the folder of the MLTable file")
    if path.text.startswith(("/", "file:", "~")) or ".." in path.text.split("/"):
        raise InputError(f"the path {path.text!r} leads out of the folder of the MLTable file", place=path.place,
                         why="Azure ML uploads that folder and nothing else", fix="move the data into the folder")


def _transformations(given: Value | None) -> list[tuple[str, Value | None, Place]]:
    found: list[tuple[str, Value | None, Place]] = []
    for item in given.items if isinstance(given, Items) else ():
        if isinstance(item, Scalar):
            found.append((item.text, None, item.place))
        elif isinstance(item, Table):
            found += [(name, argument, item.places[name]) for name, argument in item.entries.items()]
    return found


def _options(reader: str, argument: Value | None, place: Place) -> dict[str, Any]:
    known = _READERS[reader]
    options = dict(known)
    for key, value in argument.entries.items() if isinstance(argument, Table) else ():
        if key not in known:
            raise InputError(f"{reader} has no option {key!r}", place=argument.places[key],  # type: ignore[union-attr]
                             fix=did_you_mean(key, list(known)))
        options[key] = plain(value)
        if key == "infer_column_types":
            options[key] = _inference(value, argument.places[key])  # type: ignore[union-attr]
        elif isinstance(known[key], bool):
            options[key] = bool(as_flag(options[key]))
    if "encoding" in options:
        folded = str(options["encoding"]).lower().replace("-", "").replace(" ", "")
        if folded not in _ENCODINGS:
            raise InputError(f"the encoding {options['encoding']!r} of {reader} is not known", place=place,
                             why=f"it is one of {listing(_ENCODINGS)}")
        options["encoding"] = _ENCODINGS[folded]
    if "header" in options:
        options["header"] = str(options["header"]).lower()
        if options["header"] not in _HEADERS:
            raise InputError(f"the header of {reader} is {options['header']!r}", place=place,
                             why=f"it is one of {listing(_HEADERS)}", fix=did_you_mean(options["header"], _HEADERS))
    if "delimiter" in options and len(str(options["delimiter"])) != 1:
        raise _Beyond(f"the delimiter {options['delimiter']!r} of more than one character is not known here", place)
    return options


def _inference(given: Value, place: Place) -> dict[str, Any] | None:
    """How types are told from the first rows; None when all columns are text."""
    if not isinstance(given, Table):
        return dict(_SAMPLE) if isinstance(given, Scalar) and as_flag(given.value) else None
    size = given.get("sample_size")
    return {"sample_size": size.value if isinstance(size, Scalar) and isinstance(size.value, int) else _SAMPLE["sample_size"],
            "overrides": _conversions(given.get("column_type_overrides"), place)}


# --- what is done to rows --------------------------------------------------------------------------------------------


def _columns(argument: Value | None, place: Place) -> list[str]:
    if isinstance(argument, Scalar) and argument.value is not None:
        return [argument.text]
    if isinstance(argument, Items):
        return [item.text for item in argument.items if isinstance(item, Scalar)]
    raise _Beyond("columns that are chosen by a pattern are not known here", place)


def _count(argument: Value | None, place: Place) -> int:
    if isinstance(argument, Scalar) and isinstance(argument.value, int) and argument.value >= 0:
        return argument.value
    raise InputError("take and skip need a whole number", place=place)


def _sample(argument: Value | None, place: Place) -> dict[str, Any]:
    probability = argument.get("probability") if isinstance(argument, Table) else None
    chance = probability.value if isinstance(probability, Scalar) else None
    if not isinstance(argument, Table) or isinstance(chance, bool) or not (
            isinstance(chance, int | float) and 0 <= chance <= 1):
        raise InputError("take_random_sample needs a probability from 0 to 1", place=place)
    seed = argument.get("seed")
    return {"probability": float(chance),
            "seed": seed.value if isinstance(seed, Scalar) and isinstance(seed.value, int) else 0}


def _conversions(argument: Value | None, place: Place) -> list[dict[str, Any]]:
    found = []
    for item in argument.items if isinstance(argument, Items) else ():
        kind = plain(item.get("column_type") or Table({}, {}, place)) if isinstance(item, Table) else {}
        name, settings = (kind, {}) if isinstance(kind, str) else next(iter(kind.items()), ("", {}))
        if not isinstance(item, Table) or name not in _TYPES:
            raise _Beyond(f"the column type {name!r} of convert_column_types is not known here", item.place)
        settings = {key: [entry] if isinstance(entry, str) and key == "formats" else entry
                    for key, entry in (settings or {}).items()}
        if "date_constant" in settings:
            raise _Beyond("'date_constant' of convert_column_types is not known here", item.place)
        found.append({"columns": _columns(item.get("columns"), item.place), "type": name, **settings})
    return found


def _partition_format(argument: Value | None, place: Place) -> str:
    given = argument.get("partition_format") if isinstance(argument, Table) else None
    if not isinstance(given, Scalar) or not isinstance(given.value, str):
        raise InputError(f"{_FROM_PATHS} needs a partition_format", place=place,
                         fix="write 'partition_format: {year}/{month}/{file_name}.csv' under it")
    return given.value


def _condition(argument: Value | None, place: Place) -> list[Any]:
    """A filter as nested lists: ``["and", [">", ["col", "x"], ["value", 3]], …]``."""
    text = argument.text if isinstance(argument, Scalar) else ""
    tree = tree_of(text.strip())
    try:
        match tree.body if tree is not None else []:
            case [ast.Expr(expression)]:
                return _term(expression)
            case _:
                raise ValueError(text)
    except ValueError:
        raise _Beyond(f"the filter {text!r} has more than comparisons of columns with and, or, not", place) from None


def _term(node: ast.expr) -> list[Any]:
    if isinstance(node, ast.BoolOp):
        return ["and" if isinstance(node.op, ast.And) else "or", *map(_term, node.values)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ["not", _term(node.operand)]
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return [_COMPARISONS[type(node.ops[0])], _operand(node.left), _operand(node.comparators[0])] if (
            type(node.ops[0]) in _COMPARISONS) else _refuse()
    return _refuse()


def _operand(node: ast.expr) -> list[Any]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        arguments = [ast.literal_eval(argument) for argument in node.args]
        if node.func.id == "col" and len(arguments) == 1 and isinstance(arguments[0], str):
            return ["col", arguments[0]]
        if node.func.id == "datetime" and 3 <= len(arguments) <= 7 and all(isinstance(part, int) for part in arguments):
            return ["datetime", *arguments]
        return _refuse()
    if isinstance(node, ast.Name):
        return ["col", node.id]
    value = ast.literal_eval(node)
    return ["value", value] if isinstance(value, bool | int | float | str) else _refuse()


def _refuse() -> list[Any]:
    raise ValueError


_STEPS: Mapping[str, Callable[[Value | None, Place], Any]] = {
    "keep_columns": _columns, "drop_columns": _columns, "take": _count, "skip": _count, "take_random_sample": _sample,
    "convert_column_types": _conversions, _FROM_PATHS: _partition_format, "filter": _condition,
}
