"""What a model's MLflow signature asks of data: its types, and JSON values as values of them, or why they are none.

Plain Python beside ``score.py``: NumPy and PyYAML are all that it needs, and nothing of mlops_lib.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

WORDS: Final[Mapping[str, str]] = {
    "boolean": "true or false", "integer": "a whole number that fits 32 bits", "long": "a whole number that fits 64 bits",
    "float": "a number that fits 32 bits", "double": "a number", "string": "text", "datetime": "a time, as 2013-07-01T05:00:00",
    "binary": "bytes in base64",
}
# The NumPy type of a column; what is not here is a column of Python objects.
DTYPES: Final[Mapping[str, str]] = {"boolean": "bool", "integer": "int32", "long": "int64", "float": "float32",
                                    "double": "float64", "datetime": "datetime64[ns]"}
NUMBERS: Final = ("boolean", "integer", "long", "float", "double")
_BITS: Final = {"integer": 31, "long": 63}
_LARGEST: Final = 3.4028234663852886e38  # of 32-bit floats
_MOST: Final[Mapping[str, float]] = {"integer": 2**31 - 1, "float": _LARGEST, "double": 1.7976931348623157e308}
_YEARS: Final = range(1678, 2262)  # what pandas has nanoseconds for
_SHOWN: Final = 40

Type = Mapping[str, Any]


class NotOfType(ValueError):
    """A JSON value is none of its type; the message follows the field's name: ``is not text: 3``."""


@dataclass(frozen=True)
class Column:
    """A named input of the model.

    Attributes:
        type: As the signature has it: ``{"type": "double"}``; arrays, objects and maps have more.
    """

    name: str
    type: Type
    required: bool = True

    @property
    def kind(self) -> str:
        return str(self.type["type"])

    @property
    def may_be_missing(self) -> bool:
        """Whether a null can reach the model: whole numbers and booleans have no NaN that MLflow would carry there."""
        return not self.required and self.kind not in ("boolean", "integer", "long")


@dataclass(frozen=True)
class Tensor:
    """An input that is an array; *shape* has -1 where any length will do. Only one alone can be without a name."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Param:
    """A parameter of the prediction: a value, or a list of them when *shape* is there."""

    name: str
    type: Type
    default: Any
    shape: tuple[int, ...] | None


@dataclass(frozen=True)
class Signature:
    """The inputs of a model: columns or tensors, and parameters.

    Attributes:
        named: Whether the columns have names in the signature; else they are called by their numbers.
    """

    columns: tuple[Column, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    params: tuple[Param, ...] = ()
    named: bool = True


def find_model(folder: Path) -> Path:
    """The folder of the one MLflow model at or below *folder*: Azure ML mounts a registered model some folders deep.

    Raises:
        FileNotFoundError: there is none, or more than one.
    """
    if (folder / "MLmodel").is_file():
        return folder
    found = sorted(folder.rglob("MLmodel"))
    if len(found) != 1:
        raise FileNotFoundError(f"{folder} holds {len(found)} files MLmodel: it takes one")
    return found[0].parent


def read_description(folder: Path) -> Mapping[str, Any]:
    """The content of the file MLmodel."""
    import yaml

    with (folder / "MLmodel").open(encoding="utf-8") as file:
        found = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  both are safe
    if not isinstance(found, dict):
        raise ValueError(f"{folder / 'MLmodel'} is not as MLflow writes it")
    return found


def read_signature(description: Mapping[str, Any]) -> Signature:
    """The signature in the content of a file MLmodel.

    Raises:
        ValueError: it has none, or one that MLflow does not write.
    """
    told = description.get("signature")
    if not isinstance(told, Mapping) or not told.get("inputs"):
        raise ValueError("the model has no signature, so requests cannot be checked; save it with one: "
                         "mlflow.models.infer_signature")
    try:
        inputs = [dict(entry) for entry in json.loads(told["inputs"])]
        params = json.loads(told["params"]) if told.get("params") else []
        return Signature(
            columns=tuple(Column(str(entry.get("name", position)), entry, bool(entry.get("required", True)))
                          for position, entry in enumerate(inputs) if entry["type"] != "tensor"),
            tensors=tuple(Tensor(str(entry.get("name", "")), str(entry["tensor-spec"]["dtype"]),
                                 tuple(map(int, entry["tensor-spec"]["shape"])))
                          for entry in inputs if entry["type"] == "tensor"),
            params=tuple(Param(str(entry["name"]), entry, entry.get("default"),
                               tuple(map(int, entry["shape"])) if entry.get("shape") else None) for entry in params),
            named=all("name" in entry for entry in inputs))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"the model's signature is not as MLflow writes it: {error!r}") from None


# --- values ----------------------------------------------------------------------------------------------------------


def is_missing(value: Any) -> bool:
    """Whether a JSON value says that there is none: null, or the NaN that Python's JSON knows."""
    return value is None or value != value


def converted(value: Any, wanted: Type) -> Any:
    """A JSON value as one of the type *wanted*.

    Raises:
        NotOfType: it is none. Nothing is accepted that would change unseen: 3.5 for a whole number, "3" for a number.
    """
    kind = str(wanted["type"])
    if kind in _NESTED:
        return _NESTED[kind](value, wanted)
    if kind not in _SCALARS:
        raise NotOfType(f"is of the type {kind}, which cannot be sent as JSON")
    try:
        return _SCALARS[kind](value)
    except NotOfType:
        raise
    except (ValueError, TypeError, OverflowError):
        raise NotOfType(f"is not {WORDS[kind]}: {shown(value)}") from None


def shown(value: Any) -> str:
    """A JSON value for a message: its beginning."""
    try:
        text = json.dumps(value)
    except RecursionError:
        text = "lists in lists"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _whole(bits: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            raise ValueError
        if not -(2**bits) <= value < 2**bits:
            raise ValueError
        return int(value)

    return convert


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise NotOfType("is infinite" if math.isinf(number) else "is not a number: NaN")
    return number


def _single(value: Any) -> float:
    number = _real(value)
    if abs(number) > _LARGEST:
        raise ValueError
    return number


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    if not value.isascii():
        value.encode()  # half a surrogate pair is no text: whoever writes it down fails later
    return value


def _time(value: Any) -> Any:
    import numpy as np

    found = datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith("Z") else value) if isinstance(value, str) else None
    if found is None or found.year not in _YEARS:
        raise ValueError
    plain = found.astimezone(timezone.utc).replace(tzinfo=None) if found.tzinfo is not None else found
    return np.datetime64(plain, "ns")


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError from None


_SCALARS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "boolean": _truth, "integer": _whole(_BITS["integer"]), "long": _whole(_BITS["long"]), "float": _single, "double": _real,
    "string": _text, "datetime": _time, "binary": _bytes,
}


def _list(value: Any, wanted: Type) -> list[Any]:
    if not isinstance(value, list):
        raise NotOfType(f"is not a list: {shown(value)}")
    return [_inner(item, wanted["items"], f"[{position}]") for position, item in enumerate(value)]


def _object(value: Any, wanted: Type) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotOfType(f"is not an object: {shown(value)}")
    properties: Mapping[str, Type] = wanted["properties"]
    for name in value:
        if name not in properties:
            raise NotOfType(f"has {name!r}, which the model does not know")
    found = {}
    for name, type_ in properties.items():
        if not is_missing(value.get(name)):
            found[name] = _inner(value[name], type_, f".{name}")
        elif type_.get("required", True):
            raise NotOfType(f"lacks {name!r}")
    return found


def _map(value: Any, wanted: Type) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotOfType(f"is not an object: {shown(value)}")
    return {_text(name): _inner(item, wanted["values"], f".{name}") for name, item in value.items()}


def _inner(value: Any, wanted: Type, at: str) -> Any:
    try:
        return converted(value, wanted)
    except NotOfType as error:
        raise NotOfType(f"{at} {error}") from None


_NESTED: Final[Mapping[str, Callable[[Any, Type], Any]]] = {
    "array": _list, "object": _object, "map": _map, "any": lambda value, wanted: value,
}


def as_array(values: Sequence[Any], column: Column) -> Any:
    """Converted values as NumPy has them; None where one is missing becomes NaN, or NaT, where there is such a thing."""
    import numpy as np

    dtype = DTYPES.get(column.kind)
    if dtype is None:
        found: Any = np.empty(len(values), dtype=object)
        found[:] = values
        return found
    gap: Any = np.datetime64("NaT") if column.kind == "datetime" else math.nan
    return np.array([gap if value is None else value for value in values], dtype=dtype)


def fast_arrays(values: Sequence[Sequence[Any]], like: Column) -> Any:
    """The same for columns of plain numbers that are all *like* one, at once: an array of a row for each.

    A look at each value costs more than a small model does, and a call of NumPy for each column as much. None when some value
    needs a closer look.
    """
    import numpy as np

    whole = like.kind in _BITS
    if like.kind not in DTYPES or like.kind in ("boolean", "datetime"):
        return None
    plain = {int} if whole else {int, float, type(None)} if like.may_be_missing else {int, float}
    if not all(plain.issuperset(map(type, column)) for column in values):
        return None
    try:
        found = np.array(values, dtype="int64" if whole else "float64")  # None becomes NaN
    except OverflowError:
        return None
    most = _MOST.get(like.kind)
    if most is not None and ((found > most) | (found < -most)).any():  # NaN is neither
        return None
    if not whole and not like.may_be_missing and np.isnan(found).any():
        return None
    return found.astype(DTYPES[like.kind], copy=False)
