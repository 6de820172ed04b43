"""Data that may be larger than memory, as one batch of rows after the other: Parquet, CSV, or an MLTable of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import yaml
from columns import InputError

BLOCK = 4 << 20  # bytes of a text file that are parsed at once
PROBE = 1 << 20  # bytes of a text file from which the length of its lines is guessed
PARQUET = (".parquet", ".pq")
TEXT = {".csv": ",", ".tsv": "\t"}
TRANSFORMATIONS = ("read_parquet", "read_delimited", "keep_columns", "drop_columns")


@dataclass(frozen=True)
class Format:
    """How text files are read, and which columns; what an MLTable says, or what is usual."""

    delimiter: str | None = None
    header: bool = True
    keep: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    textual: bool | None = None
    empty_as_text: bool = False

    def wants(self, name: str) -> bool:
        """Whether a column is part of the table."""
        return name not in self.drop and (self.keep is None or name in self.keep)


@dataclass(frozen=True)
class Source:
    """Files of one kind with the columns that they have together.

    Attributes:
        textual: Text files: every column is text, and lines may be malformed.
        rows: How many rows there are; an estimate for text files.
    """

    files: tuple[Path, ...]
    schema: pa.Schema
    textual: bool
    rows: int
    format: Format = field(default_factory=Format)

    def batches(self, size: int) -> Iterator[tuple[pa.Table, list[str]]]:
        """The rows in order, at most *size* at once, and why lines between them could not be read as rows."""
        for path in self.files:
            if self.textual:
                yield from _text_batches(path, self.schema, self.format, size)
            else:
                yield from _parquet_batches(path, self.schema, size)


def source(place: Path) -> Source:
    """What is at *place*: a file, a folder of files, or a folder with a file MLTable.

    Raises:
        InputError: nothing that can be read is there, or not all of it can be read as one table.
    """
    if (place / "MLTable").is_file():
        files, format_ = _mltable(place)
    else:
        everything = [place] if place.is_file() else sorted(_seen(place))
        files, format_ = tuple(path for path in everything if is_data(path) or path == place), Format()
        if others := [path.relative_to(place).as_posix() for path in everything if path not in files]:
            more = f" and {len(others) - 5} others" if len(others) > 5 else ""
            print(f"score: passed over {', '.join(others[:5])}{more}: neither Parquet nor CSV", file=sys.stderr)
    if not files:
        raise InputError(f"{place} holds no Parquet or CSV file")
    kinds = {_textual(path, format_) for path in files}
    if len(kinds) > 1:
        raise InputError(f"{place} holds Parquet and CSV files; put them into folders of their own")
    textual = kinds.pop()
    schemas = []
    for path in files:
        try:
            schemas.append(_text_schema(path, format_) if textual else _parquet_schema(path, format_))
        except (pa.ArrowInvalid, UnicodeDecodeError, OSError) as error:
            where = path.relative_to(place).as_posix() if path.is_relative_to(place) and path != place else path.name
            raise InputError(f"{where} cannot be read: {_told(error)}") from error
    rows = sum(map(_lines, files)) if textual else sum(pq.read_metadata(path).num_rows for path in files)
    return Source(files, _together(files, schemas, textual=textual), textual, rows, format_)


def is_data(path: Path) -> bool:
    """Whether a file is one that is scored, by its name."""
    return path.suffix.lower() in (*PARQUET, *TEXT) and not _is_note(path.name)


def _is_note(name: str) -> bool:
    """Whether a name is one of other programs' notes and unfinished work, which readers of a folder pass over."""
    return name.startswith(("_", "."))


def _seen(place: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not _is_note(name)]
        yield from (Path(folder, name) for name in names if not _is_note(name))


def _textual(path: Path, format_: Format) -> bool:
    return path.suffix.lower() not in PARQUET if format_.textual is None else format_.textual


def _together(files: Sequence[Path], schemas: Sequence[pa.Schema], *, textual: bool) -> pa.Schema:
    """One schema for all files; each column as the widest of its types."""
    for path, schema in zip(files, schemas, strict=True):
        if set(schema.names) != set(schemas[0].names):
            here, there = (", ".join(sorted(set(a) - set(b))) for a, b in
                           ((schemas[0].names, schema.names), (schema.names, schemas[0].names)))  # fmt: skip
            lacks = [f"lacks {here}"] * bool(here) + [f"has {there} besides"] * bool(there)
            raise InputError(f"the files have different columns: {path.name} {' and '.join(lacks)}, beside {files[0].name}")
        if textual and len(set(schema.names)) < len(schema.names):
            return schema  # told with the differences
    if any(len(set(schema.names)) < len(schema.names) for schema in schemas):
        return schemas[0]
    try:
        return pa.unify_schemas(list(schemas), promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"the files have columns of different types: {_first_line(error)}") from error


# --- Parquet ---------------------------------------------------------------------------------------------------------


def _parquet_schema(path: Path, format_: Format) -> pa.Schema:
    return pa.schema([one for one in pq.read_schema(path) if format_.wants(one.name)])


def _parquet_batches(path: Path, schema: pa.Schema, size: int) -> Iterator[tuple[pa.Table, list[str]]]:
    # Without pre_buffer, and through a small buffer, no more than the pages at hand are in memory, however large the
    # row groups are that somebody else chose.
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 18) as file:
            for batch in file.iter_batches(batch_size=size, columns=schema.names):
                yield pa.Table.from_batches([batch]).select(schema.names).replace_schema_metadata(None).cast(schema), []
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path.name} cannot be read: {_told(error)}") from error


# --- text ------------------------------------------------------------------------------------------------------------


def _text_reader(path: Path, format_: Format, malformed: list[str], names: Sequence[str] = ()) -> Any:
    def note(row: Any) -> str:
        text = row.text if len(row.text) <= 200 else f"{row.text[:200]}…"
        malformed.append(f"not a row: {row.actual_columns} fields where there are {row.expected_columns} columns: {text}")
        return "skip"

    csv = pa.csv
    read = csv.ReadOptions(use_threads=False, block_size=BLOCK, autogenerate_column_names=not format_.header)
    parse = csv.ParseOptions(
        delimiter=format_.delimiter or TEXT.get(path.suffix.lower(), ","), newlines_in_values=True, invalid_row_handler=note
    )
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        include_columns=list(names) or None,
        null_values=[] if format_.empty_as_text else [""],
        strings_can_be_null=True,
    )
    return csv.open_csv(path, read, parse, convert)


def _text_schema(path: Path, format_: Format) -> pa.Schema:
    with _text_reader(path, format_, []) as reader:
        names = reader.schema.names
    if not format_.header:  # Arrow says f0, Azure ML Column1
        names = [f"Column{number}" for number in range(1, len(names) + 1)]
    return pa.schema([(name, pa.string()) for name in names if format_.wants(name)])


def _text_batches(path: Path, schema: pa.Schema, format_: Format, size: int) -> Iterator[tuple[pa.Table, list[str]]]:
    malformed: list[str] = []
    names = schema.names
    if not format_.header:
        names = [f"f{int(name.removeprefix('Column')) - 1}" for name in names]
    try:
        with _text_reader(path, format_, malformed, names) as reader:
            for block in reader:
                table = pa.Table.from_batches([block]).rename_columns(schema.names)
                for start in range(0, table.num_rows, size):
                    yield table.slice(start, size), _taken(malformed)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path.name} cannot be read: {_told(error)}") from error
    if malformed:
        yield schema.empty_table(), _taken(malformed)


def _taken(notes: list[str]) -> list[str]:
    taken, notes[:] = list(notes), []
    return taken


def _lines(path: Path) -> int:
    """About how many lines a text file has: exact when it is small."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(PROBE)
    return round(head.count(b"\n") * max(1.0, size / max(1, len(head))))


# --- MLTable ---------------------------------------------------------------------------------------------------------


def _mltable(folder: Path) -> tuple[tuple[Path, ...], Format]:
    """The files of an MLTable and how it reads them; everything that this step cannot do is refused by name."""
    try:
        document = yaml.safe_load((folder / "MLTable").read_text(encoding="utf-8"))
        entries = [next(iter(one.items())) for one in document["paths"]]
        steps = [next(iter(one.items())) if isinstance(one, Mapping) else (one, None)
                 for one in document.get("transformations") or ()]  # fmt: skip
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise InputError(f"{folder / 'MLTable'} is not an MLTable: {_first_line(error)}") from error
    unknown = [str(name) for name, _ in steps if name not in TRANSFORMATIONS]
    if unknown:
        raise InputError(f"the MLTable has {', '.join(unknown)}, and this step knows {', '.join(TRANSFORMATIONS)}; "
                         "write the table as Parquet in a step before")  # fmt: skip
    files = [path for kind, pattern in entries for path in _named(folder, str(kind), str(pattern))]
    return tuple(dict.fromkeys(files)), _format(dict(steps))


def _named(folder: Path, kind: str, pattern: str) -> list[Path]:
    if "://" in pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise InputError(f"the MLTable names {pattern}, and the step has only what lies in the table's folder")
    name = os.path.normpath(pattern)
    if kind == "file":
        if not (folder / name).is_file():
            raise InputError(f"the MLTable names {pattern}, which is not there")
        return [folder / name]
    everything = sorted(path for path in _seen(folder) if path.name != "MLTable")
    if kind == "folder":
        return [path for path in everything if is_data(path) and (folder / name) in path.parents]
    if kind == "pattern":
        try:
            meant = set(folder.glob(name))
        except ValueError as error:
            raise InputError(f"the MLTable names {pattern}, which is no pattern: {_first_line(error)}") from error
        return [path for path in everything if path in meant]
    raise InputError(f"the MLTable has a path of kind {kind!r}; it is one of file, folder and pattern")


def _format(steps: Mapping[Any, Any]) -> Format:
    if ("read_parquet" in steps) == ("read_delimited" in steps):
        raise InputError("the MLTable needs one of read_parquet and read_delimited: without it, it is a list of paths")
    options = steps.get("read_delimited") or {}
    # Values may have line breaks, and the signature gives the types: whatever these two say, the rows are the same.
    known = ("delimiter", "header", "encoding", "empty_as_string", "support_multi_line", "infer_column_types")
    if unknown := [name for name in options if name not in known]:
        raise InputError(f"read_delimited has {', '.join(unknown)} in the MLTable; this step knows {', '.join(known)}")
    if str(options.get("encoding", "utf8")).lower() not in ("utf8", "utf-8", "ascii"):
        raise InputError(f"the MLTable's encoding is {options['encoding']}, and this step reads UTF-8")
    header = str(options.get("header", "all_files_same_headers"))
    if header not in ("all_files_same_headers", "all_files_different_headers", "no_header"):
        raise InputError(f"the MLTable's header is {header!r}; this step knows headers in all files and in none")

    def listed(key: str) -> tuple[str, ...]:
        value = steps.get(key) or ()
        return (value,) if isinstance(value, str) else tuple(map(str, value))

    return Format(
        delimiter=str(options["delimiter"]) if options.get("delimiter") else ("," if "read_delimited" in steps else None),
        header=header != "no_header",
        keep=listed("keep_columns") if "keep_columns" in steps else None,
        drop=listed("drop_columns"),
        textual="read_delimited" in steps,
        empty_as_text=bool(options.get("empty_as_string")),
    )


def _told(error: Exception) -> str:
    """Why a file cannot be read, with what can be done about it where that is known."""
    foreign = isinstance(error, UnicodeDecodeError) or "invalid UTF8" in str(error)
    return _first_line(error) + ("; text files are read as UTF-8, so write it in that encoding" if foreign else "")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
