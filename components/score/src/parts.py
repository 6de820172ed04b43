"""The files that results go to: a file under its final name is whole."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

PART_ROWS = 1_048_576  # in one Parquet file, at least; the last may have fewer


class Sink(Protocol):
    """Where rows of one schema go; `rows` counts them."""

    rows: int

    def write(self, batch: pa.Table) -> None: ...
    def close(self) -> None: ...


class Parts:
    """Parquet files ``part-00000.parquet``, … of one schema; at least one, so that a reader finds the columns.

    They get their names together, when all are whole, and take the place of those that an earlier attempt has left.
    *repeated* are the columns for which a dictionary of their values is worth making; None means all.
    """

    def __init__(self, folder: Path, schema: pa.Schema, stem: str = "part", repeated: Sequence[str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.schema, self.stem, self.rows, self.files = folder, schema, stem, 0, 0
        self._dictionary = True if repeated is None else list(repeated)
        self._begin()

    def _path(self, number: int) -> Path:
        return self.folder / f"{self.stem}-{number:05d}.parquet"

    def _begin(self) -> None:
        self._writer, self._in_file = pq.ParquetWriter(hidden(self._path(self.files)), self.schema, compression="zstd",
                                                       use_dictionary=self._dictionary), 0  # fmt: skip
        self.files += 1

    def write(self, batch: pa.Table) -> None:
        if not batch.num_rows:
            return
        if self._in_file >= PART_ROWS:
            self._writer.close()
            self._begin()
        self._writer.write_table(batch)
        self._in_file += batch.num_rows
        self.rows += batch.num_rows

    def close(self) -> None:
        self._writer.close()
        for path in map(self._path, range(self.files)):
            hidden(path).replace(path)
        for path in map(self._path, itertools.count(self.files)):
            old = [one for one in (path, hidden(path)) if one.exists()]
            if not old:
                break
            for one in old:
                one.unlink()


class Appended:
    """One CSV file with a header, to which every batch is appended."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.schema, self.rows = path, schema, 0
        self._writer = pa.csv.CSVWriter(hidden(path), pa.schema([(field.name, flat(field.type)) for field in schema]))

    def write(self, batch: pa.Table) -> None:
        if batch.num_rows:
            self._writer.write_table(pa.table([flattened(column) for column in batch.columns], names=batch.column_names))
            self.rows += batch.num_rows

    def close(self) -> None:
        self._writer.close()
        hidden(self.path).replace(self.path)


def hidden(path: Path) -> Path:
    """The name of a file that is being written; readers of a folder pass over names with an underscore in front."""
    return path.with_name(f"_{path.name}")


def flat(type_: pa.DataType) -> pa.DataType:
    """What CSV has for a type: dictionaries are what they stand for, and what has no text of its own is text."""
    if pa.types.is_dictionary(type_):
        return flat(type_.value_type)
    return pa.string() if pa.types.is_nested(type_) or _is_binary(type_) else type_


def flattened(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as CSV can write it: lists and structs are JSON, bytes hexadecimal."""
    if flat(column.type) == column.type or pa.types.is_dictionary(column.type):
        return column.cast(flat(column.type))
    words = bytes.hex if _is_binary(column.type) else partial(json.dumps, default=str, ensure_ascii=False)
    return pa.chunked_array([[None if one is None else words(one) for one in column.to_pylist()]], pa.string())


def _is_binary(type_: pa.DataType) -> bool:
    return any(is_it(type_) for is_it in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary))


def sink(folder: Path, schema: pa.Schema, kind: str, *, stem: str, name: str, repeated: Sequence[str] | None = None) -> Sink:
    """Parquet parts ``STEM-00000.parquet``, … or, for *kind* ``csv``, one file ``NAME.csv``."""
    found: Any = Appended(folder / f"{name}.csv", schema) if kind == "csv" else Parts(folder, schema, stem, repeated)
    return found  # type: ignore[no-any-return]
