"""The values of a table's columns: their types, told from text, conversions and conditions.

How values are read follows mltable 1.7, as seen by running it. This file also runs by itself, in whatever Python 3.8 or
newer a step's environment has; pandas is imported when it is needed.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

from .files import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*|nan")
_WHOLE = re.compile(r"\s*[+-]?\d{1,19}\s*|nan")
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")
_AMBIGUOUS = ("%d/%m/%Y", "%m/%d/%Y")
_TRUE, _FALSE = ("true", "1"), ("false", "0")


def named(header: list[str]) -> list[str]:
    """Names of columns as a header gives them: none is ``Column3``, the second ``a`` is ``a_1``."""
    names: list[str] = []
    for number, name in enumerate(header, 1):
        wanted, again = name or f"Column{number}", 0
        while (f"{wanted}_{again}" if again else wanted) in names:
            again += 1
        names.append(f"{wanted}_{again}" if again else wanted)
    return names


def type_of(values: list[str]) -> Any:
    """The type that all of *values* have: boolean, int, float, a format of dates, or None for text."""
    if not values:
        return None
    if all(value.strip().lower() in (*_TRUE, *_FALSE) for value in values):
        return "boolean"
    if all(_WHOLE.fullmatch(value) and (value == "nan" or abs(int(value)) < 1 << 63) for value in values):
        return "int"
    if all(_NUMBER.fullmatch(value) for value in values):
        return "float"
    fitting = [shape for shape in (*_DATES, *_AMBIGUOUS) if all(_is_date(value, shape) for value in values)]
    if len(fitting) == 1:
        return fitting[0]
    return "datetime" if all(any(_is_date(value, shape) for shape in _DATES) for value in values) else None


def _is_date(value: str, shape: str) -> bool:
    try:
        datetime.datetime.strptime(value.strip().rstrip("Z"), shape)
    except ValueError:
        return False
    return True


def typed(column: Any, type_: Any) -> Any:
    """A column of text, or of what pandas took for numbers, as its type; what does not fit is null."""
    import pandas

    if type_ in ("int", "float"):
        if column.dtype == object or column.dtype.kind not in "iuf":
            column = pandas.to_numeric(column, errors="coerce")
        return column.astype("float64") if type_ == "float" else column
    if type_ == "boolean":
        return _booleans(column, _TRUE, _FALSE)
    if type_ is not None:
        return _dates(column, [type_] if type_ != "datetime" else list(_DATES))
    return column


def _dates(column: Any, shapes: list[str]) -> Any:
    import pandas

    if column.dtype.kind == "M":
        return column
    text = column.map(lambda value: value.strip().rstrip("Z") if isinstance(value, str) else value)
    found = None
    for shape in shapes:
        parsed = pandas.to_datetime(text, format=shape, errors="coerce")
        found = parsed if found is None else found.fillna(parsed)
    return found


def _booleans(column: Any, true: Iterable[str], false: Iterable[str], otherwise: Any = None) -> Any:
    if column.dtype == bool:
        return column
    known = {**{str(value).lower(): True for value in true}, **{str(value).lower(): False for value in false}}
    made = column.map(lambda value: None if value is None or value != value
                      else known.get(str(value).strip().lower(), otherwise)).astype(object)
    made = made.where(made.notna(), None)
    return made.astype(bool) if len(made) and made.notna().all() else made


def converted(frame: Any, conversions: list[dict[str, Any]]) -> Any:
    """*frame* with columns of other types; what cannot be converted is null."""
    import pandas

    made: dict[str, Any] = {}
    for conversion in conversions:
        for name in conversion["columns"]:
            if name not in frame.columns:
                continue
            column, kind = made.get(name, frame[name]), conversion["type"]
            if kind == "string":
                made[name] = column.map(_as_text).astype(object)
            elif kind == "float":
                made[name] = pandas.to_numeric(column, errors="coerce").astype("float64")
            elif kind == "int":
                numbers = pandas.to_numeric(column, errors="coerce")
                whole = numbers.where(numbers.isna() | (numbers == numbers.round()))
                made[name] = whole.astype("int64") if len(whole) and whole.notna().all() else whole
            elif kind == "boolean":
                otherwise = {"true": True, "false": False}.get(str(conversion.get("mismatch_as")).lower())
                made[name] = _booleans(column, conversion.get("true_values") or _TRUE, conversion.get("false_values") or _FALSE,
                                       otherwise)
            else:
                made[name] = _dates(column, conversion["formats"])
    return frame.assign(**made)


def _as_text(value: Any) -> Any:
    if value is None or value != value:
        return None
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return str(value)


_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}


def judged(term: list[Any], frame: Any) -> tuple[Any, Any]:
    """For which rows a condition holds, and for which it does not; with null, neither may be the case."""
    name, *arguments = term
    if name == "not":
        return tuple(reversed(judged(arguments[0], frame)))
    if name in ("and", "or"):
        holds, fails = judged(arguments[0], frame)
        for argument in arguments[1:]:
            also_holds, also_fails = judged(argument, frame)
            holds, fails = ((holds & also_holds, fails | also_fails) if name == "and" else
                            (holds | also_holds, fails & also_fails))
        return holds, fails
    left, right = (_value(argument, frame) for argument in arguments)
    found = _COMPARE[name](left, right)
    known = frame.index == frame.index
    for side in (left, right):
        if hasattr(side, "notna"):
            known = known & side.notna()
    return found & known, ~found & known


def _value(term: list[Any], frame: Any) -> Any:
    kind, *arguments = term
    if kind == "col":
        if arguments[0] not in frame.columns:
            raise Refused(f"the filter of the MLTable asks for the column {arguments[0]!r}, which the table lacks")
        return frame[arguments[0]]
    return datetime.datetime(*arguments) if kind == "datetime" else arguments[0]


def repeated(value: Any, index: Any, *, is_date: bool) -> Any:
    """A column with one value in every row."""
    import pandas

    column = pandas.Series([value] * len(index), index=index, dtype=object)
    return pandas.to_datetime(column) if is_date else column
