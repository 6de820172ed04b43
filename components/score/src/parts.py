"""The files that results go to: a file under its final name is whole."""

from __future__ import annotations

from collections.abc import Sequence
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

    *repeated* are the columns for which a dictionary of their values is worth making; None means all.
    """

    def __init__(self, folder: Path, schema: pa.Schema, stem: str = "part", repeated: Sequence[str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.schema, self.stem, self.rows, self.files = folder, schema, stem, 0, 0
        self._dictionary = True if repeated is None else list(repeated)
        self._begin()

    def _begin(self) -> None:
        self._path = self.folder / f"{self.stem}-{self.files:05d}.parquet"
        self._writer, self._in_file = pq.ParquetWriter(hidden(self._path), self.schema, compression="zstd",
                                                       use_dictionary=self._dictionary), 0  # fmt: skip
        self.files += 1

    def write(self, batch: pa.Table) -> None:
        if not batch.num_rows:
            return
        if self._in_file >= PART_ROWS:
            self.close()
            self._begin()
        self._writer.write_table(batch)
        self._in_file += batch.num_rows
        self.rows += batch.num_rows

    def close(self) -> None:
        self._writer.close()
        hidden(self._path).replace(self._path)


class Appended:
    """One CSV file with a header, to which every batch is appended."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.schema, self.rows = path, schema, 0
        self._writer = pa.csv.CSVWriter(hidden(path), flat(schema))

    def write(self, batch: pa.Table) -> None:
        if batch.num_rows:
            self._writer.write_table(batch.cast(flat(batch.schema)))
            self.rows += batch.num_rows

    def close(self) -> None:
        self._writer.close()
        hidden(self.path).replace(self.path)


def hidden(path: Path) -> Path:
    """The name of a file that is being written; readers of a folder pass over names with an underscore in front."""
    return path.with_name(f"_{path.name}")


def flat(schema: pa.Schema) -> pa.Schema:
    """The schema with dictionaries as what they stand for, which CSV can write."""
    return pa.schema([field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
                      for field in schema])  # fmt: skip


def sink(
    folder: Path, schema: pa.Schema, kind: str, *, stem: str, name: str, repeated: Sequence[str] | None = None
) -> Sink:
    """Parquet parts ``STEM-00000.parquet``, … or, for *kind* ``csv``, one file ``NAME.csv``."""
    found: Any = Appended(folder / f"{name}.csv", schema) if kind == "csv" else Parts(folder, schema, stem, repeated)
    return found  # type: ignore[no-any-return]
