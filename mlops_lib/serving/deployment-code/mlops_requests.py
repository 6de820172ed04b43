"""A request's body as rows for the model, or all that is wrong with it, every field by its name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple

from mlops_signature import Column, NotOfType, Param, Signature, Tensor, as_array, converted, fast_arrays, is_missing, shown

# Where a body has its rows: as MLflow's servers take them, as Azure ML's endpoints for MLflow models, and as plain ones.
FORMS: Final = ("dataframe_split", "dataframe_records", "inputs", "instances", "input_data", "data")
_TOLD: Final = 20  # problems of one request
_ABSENT: Final = object()


class Problem(NamedTuple):
    """Something that is wrong with a request.

    Attributes:
        field: The column, parameter or key that it is about; empty for the whole.
        row: The row that it is in, from 0; None when it is not about one.
    """

    message: str
    field: str = ""
    row: int | None = None

    def __str__(self) -> str:
        return f"{f'row {self.row}: ' if self.row is not None else ''}{self.field}{' ' if self.field else ''}{self.message}"


class Refused(Exception):
    """A request that cannot be answered, and why.

    Attributes:
        status: Of HTTP, from 400 to 499.
    """

    def __init__(self, problems: Iterable[Problem], status: int = 400) -> None:
        # A body may have millions: no more are made than are told.
        self.problems, self.status = tuple(islice(problems, _TOLD)), status
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(frozen=True)
class Batch:
    """What the model gets.

    Attributes:
        rows: How many.
        columns: Arrays of that length, in the signature's order and types.
        tensors: Arrays by name, when the signature has tensors.
        params: Those that were given.
    """

    rows: int
    columns: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)

    def frame(self) -> Any:
        """The columns as a pandas data frame."""
        import pandas as pd

        return pd.DataFrame(dict(self.columns), index=range(self.rows))


def read(content: bytes, signature: Signature, *, most_rows: int) -> Batch:
    """The rows in the body of a request.

    Raises:
        Refused: it cannot be read, or does not fit the signature.
    """
    body = _parsed(content)
    forms = [key for key in FORMS if key in body]
    if len(forms) != 1:
        found = " and ".join(forms) or "no rows" + (f", only {', '.join(map(shown, islice(body, 3)))}" if body else "")
        raise Refused([Problem(f"the body has {found}; one of {', '.join(FORMS)} holds the rows")])
    if unknown := [key for key in body if key not in (*forms, "params")]:
        raise Refused(Problem("is not part of a request", key) for key in unknown)
    params = _params(body.get("params"), signature.params)
    form, value = forms[0], body[forms[0]]
    if signature.tensors:
        tensors = _tensors(form, value, signature.tensors)
        rows = min((len(array) if array.ndim else 1 for array in tensors.values()), default=0)
        _limit(rows, most_rows)
        return Batch(rows, tensors=tensors, params=params)
    rows, given = _given(form, value, signature, most_rows)
    _limit(rows, most_rows)
    return Batch(rows, columns=_columns(given, rows, signature.columns), params=params)


def _twice(names: Iterable[str]) -> Refused:
    return Refused(Problem("is there more than once", name) for name, count in Counter(names).items() if count > 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are each there once; Python would take the last and say nothing."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _twice(name for name, _ in pairs)
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)


def _parsed(content: bytes) -> Mapping[str, Any]:
    try:
        # Also in UTF-16 and UTF-32, as JSON may be.
        body = _DECODER.decode(content.decode(json.detect_encoding(content), "surrogatepass"))
    except RecursionError:
        raise Refused([Problem("the body is nested too deeply")]) from None
    except UnicodeDecodeError:
        raise Refused([Problem("the body is not UTF-8")]) from None
    except ValueError as error:
        raise Refused([Problem(f"the body is not JSON: {error}")]) from None
    if not isinstance(body, dict):
        raise Refused([Problem(f"the body is no JSON object: {shown(body)}; write {{\"dataframe_records\": [{{…}}, …]}}")])
    return body


def _limit(rows: int, most: int) -> None:
    if rows > most:
        raise Refused([Problem(f"{rows} rows are more than the {most} that a request may have; send several")], 413)


# --- where the rows are ----------------------------------------------------------------------------------------------


def _given(form: str, value: Any, signature: Signature, most: int) -> tuple[int, Mapping[str, Sequence[Any]]]:
    """How many rows there are, and the values of each column that is there, whichever way they stand."""
    if form == "dataframe_split" or (form == "input_data" and isinstance(value, dict) and "data" in value):
        return _split(form, value, signature, most)
    if isinstance(value, dict) and form != "dataframe_records":
        return _by_column(form, value)
    if not isinstance(value, list):
        raise Refused([Problem(f"is not a list: {shown(value)}", form)])
    _limit(len(value), most)
    if all(isinstance(row, dict) for row in value) and (value or form == "dataframe_records"):
        # Only what is wanted: each row may have names of its own, and a table of them all would be too large for any machine.
        there = {name for row in value for name in row}
        names = [column.name for column in signature.columns if column.name in there]
        return len(value), {name: [row.get(name, _ABSENT) for row in value] for name in names}
    if form == "dataframe_records":
        raise _bad_rows(form, value, dict, "an object")
    return _positional(form, value, [column.name for column in signature.columns])


def _split(form: str, value: Any, signature: Signature, most: int) -> tuple[int, Mapping[str, Sequence[Any]]]:
    if not isinstance(value, dict):
        raise Refused([Problem(f"is no object: {shown(value)}; write {{\"columns\": […], \"data\": [[…], …]}}", form)])
    if unknown := [key for key in value if key not in ("columns", "index", "data")]:
        raise Refused(Problem("is not part of it: it has columns, index and data", f"{form}.{key}") for key in unknown)
    names = value.get("columns", None if signature.named else [column.name for column in signature.columns])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refused([Problem("is not a list of names", f"{form}.columns")])
    if len(set(names)) < len(names):
        raise _twice(names)
    data = value.get("data")
    if not isinstance(data, list):
        raise Refused([Problem("is not a list of rows", f"{form}.data")])
    _limit(len(data), most)
    return _positional(f"{form}.data", data, names)


def _positional(form: str, rows: Sequence[Any], names: Sequence[str]) -> tuple[int, Mapping[str, Sequence[Any]]]:
    if not all(isinstance(row, list) for row in rows):
        raise _bad_rows(form, rows, list, "a list")
    if any(len(row) != len(names) for row in rows):
        raise Refused(Problem(f"has {len(row)} values for {len(names)} columns", form, position)
                      for position, row in enumerate(rows) if len(row) != len(names))
    return len(rows), dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())


def _by_column(form: str, value: Mapping[str, Any]) -> tuple[int, Mapping[str, Sequence[Any]]]:
    if wrong := [name for name, values in value.items() if not isinstance(values, list)]:
        raise Refused(Problem(f"is not a list of values in {form}: {shown(value[name])}", name) for name in wrong)
    lengths = {len(values) for values in value.values()}
    if len(lengths) > 1:
        raise Refused([Problem("has columns of different lengths: " + ", ".join(
            f"{name} {len(values)}" for name, values in islice(value.items(), _TOLD)), form)])
    return lengths.pop() if lengths else 0, value


def _bad_rows(form: str, rows: Sequence[Any], kind: type, word: str) -> Refused:
    return Refused(Problem(f"is not {word}: {shown(row)}", form, position)
                   for position, row in enumerate(rows) if not isinstance(row, kind))


# --- what they are ---------------------------------------------------------------------------------------------------


def _columns(given: Mapping[str, Sequence[Any]], rows: int, wanted: Sequence[Column]) -> dict[str, Any]:
    """The columns that the model wants; what is there besides does no harm, as in batch scoring."""
    if rows and (absent := [column for column in wanted if column.name not in given and not column.may_be_missing]):
        raise Refused([Problem(f"is missing: the model needs {column.kind}", column.name) for column in absent])
    problems: list[Problem] = []
    found = _at_once(given, wanted)
    for column in wanted:
        if column.name not in found:
            found[column.name] = _closely(given.get(column.name, [_ABSENT] * rows), column, problems)
        if len(problems) >= _TOLD:
            break
    if problems:
        raise Refused(sorted(problems, key=lambda problem: problem.row or 0))
    return {column.name: found[column.name] for column in wanted}


def _at_once(given: Mapping[str, Sequence[Any]], wanted: Sequence[Column]) -> dict[str, Any]:
    """The columns in which nothing is wrong, as far as that is seen without looking at each value."""
    alike: dict[tuple[str, bool], list[Column]] = {}
    for column in wanted:
        if column.name in given:
            alike.setdefault((column.kind, column.may_be_missing), []).append(column)
    found: dict[str, Any] = {}
    for columns in alike.values():
        values = [given[column.name] for column in columns]
        arrays = fast_arrays(values, columns[0])
        if arrays is None:  # one of them spoils it for the rest
            singly = ((column, fast_arrays([one], column)) for column, one in zip(columns, values, strict=True))
            found |= {column.name: array[0] for column, array in singly if array is not None}
        else:
            found |= {column.name: array for column, array in zip(columns, arrays, strict=True)}
    return found


def _closely(values: Sequence[Any], column: Column, problems: list[Problem]) -> Any:
    """One column, value by value; adds to *problems*."""
    before = len(problems)
    converts: list[Any] = []
    for row, value in enumerate(values):
        if value is _ABSENT or is_missing(value):
            converts.append(None)
            if not column.may_be_missing:
                problems.append(Problem("is missing" if value is _ABSENT else "has no value", column.name, row))
        else:
            try:
                converts.append(converted(value, column.type))
            except NotOfType as error:
                problems.append(Problem(str(error), column.name, row))
        if len(problems) >= _TOLD:
            break
    return as_array(converts, column) if len(problems) == before else None


def _tensors(form: str, value: Any, wanted: Sequence[Tensor]) -> dict[str, Any]:
    if form not in ("inputs", "instances", "input_data", "data"):
        raise Refused([Problem("has columns, and the model takes arrays; write inputs", form)])
    alone = len(wanted) == 1
    given = {wanted[0].name: value} if alone and not isinstance(value, dict) else value
    if not isinstance(given, dict):
        raise Refused([Problem(f"is no object of arrays: {', '.join(tensor.name for tensor in wanted)}", form)])
    names = [tensor.name for tensor in wanted]
    wrong = [Problem("is missing", name or form) for name in names if name not in given]
    wrong += [Problem("is not known to the model", name or form) for name in given if name not in names]
    if wrong:
        raise Refused(wrong)
    return {tensor.name: _tensor(given[tensor.name], tensor, tensor.name or form) for tensor in wanted}


_ACCEPTED: Final[Mapping[str, set[type]]] = {"f": {int, float}, "i": {int}, "u": {int}, "b": {bool}, "U": {str}, "S": {str},
                                             "O": {str}}


def _tensor(value: Any, wanted: Tensor, name: str) -> Any:
    """A nested list as an array of the wanted type and shape."""
    import numpy as np

    dtype = np.dtype(wanted.dtype)
    # As objects first: of texts NumPy would make an array in which each has the room of the longest, whatever that takes.
    found = np.array(value, dtype=object)
    types = set(map(type, found.flat))
    if list in types:
        raise Refused([Problem("is no array: lists in it have different lengths", name)])
    fits = len(found.shape) == len(wanted.shape) and all(
        size in (-1, length) for size, length in zip(wanted.shape, found.shape, strict=True))
    if not fits:
        raise Refused([Problem(f"has the shape {list(found.shape)}, the model needs {list(wanted.shape)}", name)])
    if not types <= _ACCEPTED.get(dtype.kind, set()):
        raise Refused([Problem(f"does not hold only values of the type {wanted.dtype}", name)])
    if dtype.kind in "OUS":
        if not all(_is_text(text) for text in found.flat):
            raise Refused([Problem("has a value that is no text", name)])
        return found
    try:
        with np.errstate(all="ignore"):
            made = found.astype(dtype)
            fits = bool(np.isfinite(made).all()) if dtype.kind == "f" else not bool((made != found).any())
    except OverflowError:
        fits = False
    if not fits:
        raise Refused([Problem(f"has values that are not finite or do not fit {wanted.dtype}", name)])
    return made


def _is_text(text: Any) -> bool:
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


def _params(given: Any, wanted: Sequence[Param]) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Refused([Problem(f"is no object: {shown(given)}", "params")])
    known = {param.name: param for param in wanted}
    problems, found = [], {}
    for name, value in given.items():
        if name not in known:
            problems.append(Problem("is no parameter of the model", f"params.{name}"))
            continue
        param = known[name]
        type_ = {"type": "array", "items": param.type} if param.shape is not None else param.type
        try:
            found[name] = converted(value, type_)
        except NotOfType as error:
            problems.append(Problem(str(error), f"params.{name}"))
    if problems:
        raise Refused(problems)
    return found
