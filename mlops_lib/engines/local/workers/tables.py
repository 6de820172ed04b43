"""A table cut into mini-batches, and read: piece by piece, so that it may be larger than memory.

This file also runs by itself, in whatever Python 3.8 or newer a step's environment has; pandas is imported when rows are
read. A table comes as plain data, made by ``mlops_lib.mltable``.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import warnings
import zlib
from typing import TYPE_CHECKING, Any

from .files import Refused, by_key, extracted, files, packed, path_columns, path_format, path_values, unpacked
from .values import converted, judged, named, repeated, type_of, typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Plan = Mapping[str, Any]
    Batch = dict[str, Any]

__all__ = ["Refused", "Table", "unpacked"]

_CHUNK = 16 << 20  # bytes of a table that are read at once when it has to be read in order
_WIDE = ("utf-16", "utf-32")  # encodings in which a line's end is more than one byte


class Table:
    """A table that is read piece by piece.

    Args:
        plan: How.
        schema: What another process found out with `look`; None to find it out.
    """

    def __init__(self, plan: Plan, schema: dict[str, Any] | None = None) -> None:
        self.plan, self.options = plan, plan["options"]
        self.schema = self._look() if schema is None else schema

    # --- cutting ---

    def batches(self, size: int, keys: list[str], spool: str) -> Iterator[Batch]:
        """The mini-batches of the table, in order; a batch is plain data that `read` turns into rows.

        Args:
            size: About so many bytes each; a mini-batch does not reach over the end of a file.
            keys: When there are any, a mini-batch is what has the same values of these columns instead.
            spool: A folder for what cannot be read piece by piece: tables of which only some rows are taken, counted from
                the first one, and keys that stand in the rows.
        """
        in_paths = path_columns(self.plan)
        in_order = self.plan["beyond"] or any(step in ("take", "skip") for step, _ in self.plan["steps"])
        if in_order or any(name not in in_paths for name in keys):
            frames = self._by_package(size) if self.plan["beyond"] else self._frames(_CHUNK if keys else size)
            yield from _by_rows(frames, keys, spool) if keys else _spooled(frames, spool)
        elif keys:
            for key, group in by_key(files(self.plan), lambda path: path_values(self.plan, path), keys):
                yield {"pieces": [self._whole(path) for path in group], "key": packed(key)}
        else:
            for path in files(self.plan):
                for piece in self._pieces(path, size):
                    yield {"pieces": [piece]}

    def _whole(self, path: str) -> dict[str, Any]:
        return {"file": path} if self.plan["reader"] == "read_parquet" else {
            "file": path, "start": self._first_byte(path), "end": os.path.getsize(path)}

    def _pieces(self, path: str, size: int) -> Iterator[dict[str, Any]]:
        reader = self.plan["reader"]
        if reader == "read_parquet":
            yield from _row_groups(path, size)
        elif reader is None or self.options["encoding"].startswith(_WIDE):
            yield self._whole(path)
        else:
            start, end = self._first_byte(path), os.path.getsize(path)
            cut = _cut_outside_quotes if self.options.get("support_multi_line") else _cut
            with open(path, "rb") as file:
                while start < end:
                    to = cut(file, start, size, end)
                    yield {"file": path, "start": start, "end": to}
                    start = to

    def _first_byte(self, path: str) -> int:
        """Where a text file's rows begin: after the mark of its encoding, and after its header."""
        reader = self.plan["reader"]
        if reader is None or self.options["encoding"].startswith(_WIDE):
            return 0
        with open(path, "rb") as file:
            mark = 3 if file.read(3) == b"\xef\xbb\xbf" else 0
            file.seek(mark)
            if reader == "read_delimited" and self._has_header(path):
                file.readline()
            return file.tell()

    def _has_header(self, path: str) -> bool:
        header = self.options["header"]
        return header.startswith("all_files") or (header == "from_first_file" and path == self.schema.get("first"))

    # --- looking ---

    def _look(self) -> dict[str, Any]:
        """The names and types of a delimited table's columns, told from its first rows."""
        if self.plan["reader"] != "read_delimited" or self.plan["beyond"]:
            return {}
        infer, header = self.options["infer_column_types"], self.options["header"]
        wanted = infer["sample_size"] if infer else 1
        names: list[str] = []
        in_paths = [name for text in self.plan["formats"] for name, date in path_format(text)[1].items() if not date]
        sample: list[dict[str, str]] = []
        first, columns = None, names
        for path in files(self.plan):
            given = path_values(self.plan, path) if in_paths else {}
            told = {name: given[name] for name in in_paths if given[name] is not None}
            with open(path, encoding=self.options["encoding"], newline="") as file:
                rows = csv.reader(file, delimiter=self.options["delimiter"])
                headed = header.startswith("all_files") or (header == "from_first_file" and first is None)
                own = next(rows, []) if headed else []
                if first is None or header == "all_files_different_headers":
                    columns = named(own)
                first = first or path
                for row in rows:
                    if not row:
                        continue
                    columns += [f"Column{number}" for number in range(len(columns) + 1, len(row) + 1)]
                    sample.append({**told, **dict(zip(columns, row))})
                    if len(sample) >= wanted:
                        break
            names += [name for name in columns if name not in names]
            if len(sample) >= wanted:
                break
        types = {}
        if infer:
            empty_is_null = not self.options["empty_as_string"]
            types = {name: type_of([row[name] for row in sample if row.get(name) or (name in row and not empty_is_null)])
                     for name in (*in_paths, *names)}
            for override in infer["overrides"]:
                types.update(dict.fromkeys(override["columns"]))
        return {"columns": names, "types": types, "first": first}

    # --- reading ---

    def read(self, batch: Batch) -> Any:
        """The rows of a mini-batch, as a DataFrame."""
        import pandas

        if "spool" in batch:
            frames = []
            with open(batch["spool"], "rb") as file:
                while file.peek(1):
                    frames.append(pickle.load(file))  # noqa: S301 - this process's own
        else:
            frames = [self._transformed(piece, self._rows(piece)) for piece in batch["pieces"]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of columns without a value in one of them
            return frames[0] if len(frames) == 1 else pandas.concat(frames, ignore_index=True)

    def _frames(self, size: int) -> Iterator[Any]:
        """All rows in order, as DataFrames; only now do ``take`` and ``skip`` mean something."""
        left = [[name, argument] for name, argument in self.plan["steps"]]
        for path in files(self.plan):
            for piece in self._pieces(path, size):
                frame = self._transformed(piece, self._rows(piece), left)
                if len(frame):
                    yield frame.reset_index(drop=True)
                if any(name == "take" and not argument for name, argument in left):
                    return

    def _by_package(self, size: int) -> Iterator[Any]:
        try:
            import mltable
        except ImportError:
            raise Refused(self.plan["beyond"]) from None
        frame = mltable.load(self.plan["folder"]).to_pandas_dataframe()
        count = max(1, int(size / max(1, frame.memory_usage(deep=True).sum() / max(1, len(frame)))))
        for start in range(0, len(frame), count):
            yield frame.iloc[start:start + count].reset_index(drop=True)

    def _rows(self, piece: dict[str, Any]) -> Any:
        import pandas

        reader, path = self.plan["reader"], piece["file"]
        if reader is None:
            return pandas.DataFrame({"Path": [path]})
        if reader == "read_parquet":
            frame = _parquet(piece)
        else:
            with open(path, "rb") as file:
                file.seek(piece["start"])
                data = file.read(piece["end"] - piece["start"])
            frame = self._told(path, self._delimited(path, data)) if reader == "read_delimited" else self._json_lines(data)
        if self.options["include_path_column"]:
            frame.insert(0, self.options["path_column"] or "Path", path)
        return frame

    def _delimited(self, path: str, data: bytes) -> Any:
        import pandas

        encoding = self.options["encoding"]
        if encoding.startswith(_WIDE):
            text = data.decode(encoding)
            data = (text.partition("\n")[2] if self._has_header(path) else text).encode()
        if encoding.startswith((*_WIDE, "utf-8")):
            encoding = "utf-8"
        columns = self._columns_of(path)
        types = self.schema["types"]
        as_text = {name: str for name in columns if types.get(name) not in ("int", "float")}
        nulls = [] if self.options["empty_as_string"] else [""]
        if not data.strip():
            return pandas.DataFrame(columns=columns)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", pandas.errors.ParserWarning)
                frame = pandas.read_csv(
                    io.BytesIO(data), header=None, names=columns, sep=self.options["delimiter"], encoding=encoding,
                    dtype=as_text, keep_default_na=False, index_col=False, low_memory=False,
                    na_values={name: nulls if name in as_text else [""] for name in columns})
        except pandas.errors.ParserError:  # a line with more fields than there are columns
            reader = csv.reader(io.StringIO(data.decode(encoding), newline=""), delimiter=self.options["delimiter"])
            rows = [(row + [""] * len(columns))[:len(columns)] for row in reader if row]
            frame = pandas.DataFrame(rows, columns=columns, dtype=object)
            if nulls:
                frame = frame.where(frame != "", None)
        for name in columns:
            frame[name] = typed(frame[name], types.get(name))
        return frame

    def _told(self, path: str, frame: Any) -> Any:
        """*frame* after the columns that its path gives, all of them of the types that the options tell."""
        for text in reversed(self.plan["formats"]):
            _refuse_twice(text, frame)
            dates = path_format(text)[1]
            for name, value in reversed(extracted(text, path).items()):
                column = repeated(value, frame.index, is_date=bool(dates[name]))
                frame.insert(0, name, typed(column, self.schema["types"].get(name)) if len(frame) else column)
        infer = self.options["infer_column_types"]
        return converted(frame, infer["overrides"]) if infer else frame

    def _columns_of(self, path: str) -> list[str]:
        if self.options["header"] != "all_files_different_headers":
            return list(self.schema["columns"])
        with open(path, encoding=self.options["encoding"], newline="") as file:
            return named(next(csv.reader(file, delimiter=self.options["delimiter"]), []))

    def _json_lines(self, data: bytes) -> Any:
        import pandas

        rows = []
        for line in data.decode(self.options["encoding"]).split("\n"):
            if not line.strip():
                continue
            try:
                rows.append(json.loads(line))
            except ValueError:
                if self.options["invalid_lines"] != "drop":
                    raise Refused(f"a line is not JSON: {line[:100]}") from None
        return pandas.DataFrame(rows)

    def _transformed(self, piece: dict[str, Any], frame: Any, steps: list[list[Any]] | None = None) -> Any:
        """*frame* after the steps of the plan; counts in *steps*, if given, are counted down."""
        for step in self.plan["steps"] if steps is None else steps:
            name, argument = step
            if name == "keep_columns":
                frame = frame[[column for column in frame.columns if column in argument]]
            elif name == "drop_columns":
                frame = frame.drop(columns=[column for column in argument if column in frame.columns])
            elif name == "convert_column_types":
                frame = converted(frame, argument)
            elif name == "extract_columns_from_partition_format":
                _refuse_twice(argument, frame)
                frame = frame.assign(**{column: repeated(value, frame.index, is_date=bool(path_format(argument)[1][column]))
                                        for column, value in extracted(argument, piece["file"]).items()})
            elif name == "filter":
                frame = frame[judged(argument, frame)[0]]
            elif name == "take_random_sample":
                frame = frame[self._chosen(argument, piece, len(frame))]
            elif name == "take":
                frame = frame.iloc[:argument]
                step[1] = argument - len(frame)
            elif name == "skip":
                step[1] = max(0, argument - len(frame))
                frame = frame.iloc[argument:]
        return frame.reset_index(drop=True)

    def _chosen(self, sample: dict[str, Any], piece: dict[str, Any], count: int) -> Any:
        """Which rows of a piece are in the sample: always the same ones, whoever reads it and however often."""
        import numpy

        place = f"{os.path.relpath(piece['file'], self.plan['folder'])}:{piece.get('start')}:{piece.get('groups')}"
        seed = (sample["seed"] ^ zlib.crc32(place.encode("utf-8", "surrogateescape"))) & 0xFFFFFFFF
        return numpy.random.RandomState(seed).random_sample(count) < sample["probability"]


def _refuse_twice(text: str, frame: Any) -> None:
    if (twice := [column for column in path_format(text)[1] if column in frame.columns]):
        raise Refused(f"the column {twice[0]!r} of the MLTable's partition_format is in its rows, too")


def _cut(file: Any, start: int, size: int, end: int) -> int:
    """The end of the line in which the byte before *start* + *size* lies."""
    if start + size >= end:
        return end
    file.seek(start + size - 1)
    while True:
        block = file.readline(1 << 20)
        if not block or block.endswith(b"\n"):
            return min(end, int(file.tell()))


def _cut_outside_quotes(file: Any, start: int, size: int, end: int) -> int:
    """The same, where a line's end inside quotes does not end a row; a row starts at *start*."""
    file.seek(start)
    at, open_quotes = start, False
    while at < end:
        line = file.readline()
        at += len(line)
        open_quotes ^= line.count(b'"') % 2 == 1
        if at - start >= size and not open_quotes:
            break
    return min(at, end)


def _row_groups(path: str, size: int) -> Iterator[dict[str, Any]]:
    """Row groups of a Parquet file, as many as make *size*: less than one cannot be read by itself."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        first, held = 0, 0
        for group in range(file.num_row_groups):
            held += file.metadata.row_group(group).total_byte_size
            if held >= size or group == file.num_row_groups - 1:
                yield {"file": path, "groups": [first, group + 1]}
                first, held = group + 1, 0


def _parquet(piece: dict[str, Any]) -> Any:
    from pyarrow import parquet

    with parquet.ParquetFile(piece["file"]) as file:
        groups = range(*piece["groups"]) if "groups" in piece else range(file.num_row_groups)
        return file.read_row_groups(list(groups)).to_pandas()


# --- what has to be read in order ------------------------------------------------------------------------------------


def _spooled(frames: Iterator[Any], spool: str) -> Iterator[Batch]:
    for index, frame in enumerate(frames):
        path = os.path.join(spool, f"rows-{index}")
        with open(path, "wb") as file:
            pickle.dump(frame, file, pickle.HIGHEST_PROTOCOL)
        yield {"spool": path}


def _by_rows(frames: Iterator[Any], keys: list[str], spool: str) -> Iterator[Batch]:
    """The rows sorted into one file a key, so that no more than a part of them is in memory."""
    places: dict[tuple[Any, ...], str] = {}
    for frame in frames:
        absent = [name for name in keys if name not in frame.columns]
        if absent:
            raise Refused(f"the partition key {absent[0]!r} is no column of the table: it has "
                          f"{', '.join(map(str, frame.columns))}")
        for values, group in frame.groupby(list(keys), sort=False, dropna=False):
            key = tuple(_plain(value) for value in (values if isinstance(values, tuple) else (values,)))
            path = places.setdefault(key, os.path.join(spool, f"rows-{len(places)}"))
            with open(path, "ab") as file:
                pickle.dump(group, file, pickle.HIGHEST_PROTOCOL)
    for key, path in places.items():
        yield {"spool": path, "key": packed(dict(zip(keys, key)))}


def _plain(value: Any) -> Any:
    """A value of a DataFrame as a Python value; null is None."""
    if value is None or value != value:
        return None
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value
