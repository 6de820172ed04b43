"""What the model's signature asks of the data: is it met, and which rows cannot be scored, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

# The type that a column has when the model gets it, by the type that MLflow's signature names.
EXACT: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "datetime": pa.timestamp("us"),
}
WORDS = {"boolean": "true or false", "integer": "a whole number that fits 32 bits", "long": "a whole number",
         "float": "a number", "double": "a number", "string": "text", "datetime": "a time"}  # fmt: skip
NUMBERS = ("integer", "long", "float", "double")
# What text files write where a number is missing; in a column of text they are values like any other.
MISSING = pa.array(["NA", "N/A", "NaN", "nan", "NULL", "null", "None"])


class InputError(Exception):
    """The input is not what this step can work with; the message is for its user."""


@dataclass(frozen=True)
class Column:
    """One input of the model; *kind* is a key of `EXACT`, or another type, which is never met."""

    name: str
    kind: str
    required: bool

    @property
    def may_be_missing(self) -> bool:
        """Whether a null can reach the model: whole numbers and booleans have no NaN that MLflow would carry there."""
        return not self.required and self.kind not in ("boolean", "integer", "long")


def fits(found: pa.DataType, kind: str, *, textual: bool) -> bool:
    """Whether values of a column can be what the signature wants; single values may still not (3.5, 2**40, "abc").

    Nothing is accepted that would lose precision unseen: a 64-bit number for a 32-bit one with a fraction, for example.
    """
    if pa.types.is_dictionary(found):
        found = found.value_type
    text = pa.types.is_string(found) or pa.types.is_large_string(found)
    number = pa.types.is_integer(found) or pa.types.is_floating(found)
    if kind not in EXACT:
        return False
    if pa.types.is_null(found) or (text and (textual or kind == "string")):
        return True
    return (
        (kind in ("integer", "long", "double") and number)
        or (kind == "double" and pa.types.is_decimal(found))
        or (kind == "float" and number and found != pa.float64())
        or (kind == "boolean" and pa.types.is_boolean(found))
        or (kind == "datetime" and (pa.types.is_timestamp(found) or pa.types.is_date(found)))
    )


def differences(data: pa.Schema, expected: Sequence[Column], identifier: str, *, textual: bool = False) -> list[str]:
    """What keeps data of this schema from being scored, one sentence each; empty when nothing does.

    A column that the signature calls optional may hold nulls, but must be there: a column that is gone altogether is a
    mistake upstream, not a fact about a row.

    *textual* says that the data is a text file, whose columns are all text until they are read as what they should be.
    """
    found = [f"{name!r} is there {data.names.count(name)} times" for name in dict.fromkeys(data.names)
             if data.names.count(name) > 1]  # fmt: skip
    if identifier not in data.names:
        found.append(f"the id column {identifier!r} is missing")
    for column in expected:
        positions = data.get_all_field_indices(column.name)
        if not positions:
            found.append(f"{column.name!r} is missing ({column.kind})")
        elif len(positions) == 1 and not fits(data.field(positions[0]).type, column.kind, textual=textual):
            found.append(f"{column.name!r} is {data.field(positions[0]).type}, the model needs {column.kind}")
    if "reason" in data.names:
        found.append("'reason' is what rejects are given: rename that column")
    return found


def unused(data: pa.Schema, expected: Sequence[Column], identifier: str) -> list[str]:
    """The columns that the model does not ask for. They do no harm."""
    wanted = {identifier, *(column.name for column in expected)}
    return [name for name in data.names if name not in wanted]


def converted(batch: pa.Table, expected: Sequence[Column], identifier: str) -> tuple[dict[str, pa.Array], pa.Array]:
    """The model's inputs in its types, and why each row cannot be scored.

    Returns:
        The columns by name, of as many rows as *batch*; and a text for every row: null when it can be scored, else the
        first of what is wrong with it: no id, a value that is none of its type, no value, an infinite number.
    """
    reasons = pa.nulls(batch.num_rows, pa.string())

    def note(rows: Any, reason: Any) -> None:
        nonlocal reasons
        if pc.any(rows, min_count=0).as_py():
            reasons = pc.if_else(pc.and_(rows, pc.is_null(reasons)), reason, reasons)

    note(whole(batch[identifier]).is_null(), f"no {identifier}")
    columns = {}
    for column in expected:
        raw = prepared(whole(batch[column.name]), column.kind)
        values = columns[column.name] = cast(raw, EXACT[column.kind])
        if values.null_count > raw.null_count:
            shown = pc.utf8_slice_codeunits(pc.coalesce(written(raw), ""), 0, 40)
            note(pc.and_(raw.is_valid(), values.is_null()),
                 pc.binary_join_element_wise(f"{column.name} is not {WORDS[column.kind]}: ", shown, ""))  # fmt: skip
        real = pa.types.is_floating(values.type)
        if not column.may_be_missing:
            note(values.is_null(nan_is_null=real), f"no {column.name}")
        if real:
            note(pc.fill_null(pc.is_inf(values), False), f"{column.name} is infinite")
    return columns, reasons


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array, which it nearly always is already: `combine_chunks` would copy it all the same."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def prepared(values: pa.Array, kind: str) -> pa.Array:
    """A column without what only its encoding put there: dictionaries, blanks around numbers, words for "missing"."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if kind == "string":
        return values
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = pc.utf8_trim_whitespace(values.cast(pa.string()))
        absent = pc.equal(values, "")
        if kind in NUMBERS:
            absent = pc.or_(absent, pc.is_in(values, MISSING))
        values = pc.if_else(absent, None, values)
        if kind in ("integer", "long"):
            return pc.replace_substring_regex(values, r"^([+-]?\d+)\.0*$", r"\1") if _some(values, ".") else values
        return unzoned(values) if kind == "datetime" else values
    if pa.types.is_floating(values.type) and kind in ("integer", "long"):
        return pc.if_else(pc.is_nan(values), None, values)  # what pandas makes of a missing whole number
    return values


def _some(values: pa.Array, text: str) -> bool:
    return bool(pc.any(pc.match_substring(values, text), min_count=0).as_py())


def unzoned(values: pa.Array) -> pa.Array:
    """Times as text, in UTC where they say a zone; what is no time stays what it is."""
    zoned = pc.match_substring_regex(values, r":\d\d.*(Z|[+-]\d\d(:?\d\d)?)$")
    if not pc.any(zoned, min_count=0).as_py():
        return values
    times = cast(pc.if_else(zoned, values, None), pa.timestamp("us", tz="UTC"))
    return pc.coalesce(times.cast(EXACT["datetime"]).cast(pa.string()), values)


def cast(values: pa.Array, to: pa.DataType) -> pa.Array:
    """The same values in another type; null where that would not be the same value.

    Halves what cannot be converted as a whole, so a batch with a few bad values costs little more than one without.
    """
    if values.type == to:
        return values
    try:
        return values.cast(to)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return pa.nulls(1, to)
        half = len(values) // 2
        return pa.concat_arrays([cast(values[:half], to), cast(values[half:], to)])


def written(values: pa.Array) -> pa.Array:
    """Values as text, for a message."""
    return cast(values, pa.string())
