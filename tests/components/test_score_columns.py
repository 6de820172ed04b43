"""score's columns: what the signature wants, what it gets, and what is said where the two differ."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import ModuleType

import pyarrow as pa
import pyarrow.compute as pc
import pytest


@pytest.fixture(scope="module")
def columns(component: Callable[..., ModuleType]) -> ModuleType:
    return component("score", "columns")


def told(columns: ModuleType, values: pa.Array, kind: str, *, required: bool = True) -> tuple[list[object], list[object]]:
    batch = pa.table({"id": pa.array(["a"] * len(values)), "x": values})
    found, reasons = columns.converted(batch, (columns.Column("x", kind, required),), "id")
    assert found["x"].type == columns.EXACT[kind]
    return found["x"].to_pylist(), reasons.to_pylist()


@pytest.mark.parametrize(
    ("type_", "kinds"),
    [
        (pa.int8(), "integer long float double"),
        (pa.int64(), "integer long float double"),
        (pa.uint32(), "integer long float double"),
        (pa.float32(), "integer long float double"),
        (pa.float64(), "integer long double"),
        (pa.decimal128(10, 2), "double"),
        (pa.bool_(), "boolean"),
        (pa.string(), "string"),
        (pa.dictionary(pa.int32(), pa.string()), "string"),
        (pa.date32(), "datetime"),
        (pa.timestamp("ns"), "datetime"),
        (pa.list_(pa.int32()), ""),
        (pa.null(), "boolean integer long float double string datetime"),
    ],
    ids=str,
)
def test_a_column_fits_what_it_can_be_without_loss(columns: ModuleType, type_: pa.DataType, kinds: str) -> None:
    assert {kind for kind in columns.EXACT if columns.fits(type_, kind, textual=False)} == set(kinds.split())


def test_every_kind_can_be_written_as_text_in_a_text_file_and_only_there(columns: ModuleType) -> None:
    assert all(columns.fits(pa.string(), kind, textual=True) for kind in columns.EXACT)
    assert not columns.fits(pa.string(), "Array(double)", textual=True)


def test_what_differs_is_told_a_column_at_a_time(columns: ModuleType) -> None:
    data = pa.schema([("a", pa.string()), ("b", pa.float64()), ("b", pa.float64()), ("reason", pa.string()), ("z", pa.int8())])
    expected = [columns.Column(name, kind, True) for name, kind in (("a", "double"), ("b", "double"), ("c", "long"))]
    assert columns.differences(data, expected, "id") == [
        "'b' is there 2 times",
        "the id column 'id' is missing",
        "'a' is string, the model needs double",
        "'c' is missing (long)",
        "'reason' is what rejects are given: rename that column",
    ]
    assert columns.unused(data, expected, "id") == ["reason", "z"]


def test_values_that_are_none_of_their_type_are_told_with_the_value(columns: ModuleType) -> None:
    assert told(columns, pa.array([3.0, 3.5, float("nan"), None]), "integer") == (
        [3, None, None, None], [None, "x is not a whole number that fits 32 bits: 3.5", "no x", "no x"],
    )  # fmt: skip
    assert told(columns, pa.array([7, 2**40]), "integer") == (
        [7, None], [None, "x is not a whole number that fits 32 bits: 1099511627776"],
    )  # fmt: skip
    assert told(columns, pa.array([2**53 + 1, 5]), "double")[1] == ["x is not a number: 9007199254740993", None]


def test_text_becomes_what_it_says(columns: ModuleType) -> None:
    assert told(columns, pa.array([" 12 ", "1.5", "far", "", "NA"]), "double", required=False) == (
        [12.0, 1.5, None, None, None], [None, None, "x is not a number: far", None, None],
    )  # fmt: skip
    assert told(columns, pa.array(["-4", "4.0", "5.", "4.5", "99999999999", "99999999999.0"]), "integer") == (
        [-4, 4, 5, None, None, None],
        [None, None, None] + [f"x is not a whole number that fits 32 bits: {text}" for text in ("4.5", "99999999999", "99999999999")],
    )  # fmt: skip
    assert told(columns, pa.array(["9007199254740993.0"]), "long")[0] == [2**53 + 1]
    assert told(columns, pa.array(["true", "False", "maybe"]), "boolean") == (
        [True, False, None], [None, None, "x is not true or false: maybe"],
    )  # fmt: skip
    assert told(columns, pa.array(["NA", " b "]), "string") == (["NA", " b "], [None, None])
    assert told(columns, pa.array(["inf"]), "double")[1] == ["x is infinite"]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("integer", ["5.", "6.0", "7", " 8.00 ", "9.5", "NA", "x"]),
        ("double", ["5.", "6.0", "1e3", "x", "", "nan"]),
        ("datetime", ["2013-07-01", "2013-07-01T05:00:00+02", "2013-07-01 05:00", "x", ""]),
    ],
)
def test_what_a_text_becomes_does_not_depend_on_those_beside_it(columns: ModuleType, kind: str, texts: list[str]) -> None:
    together = told(columns, pa.array(texts), kind)
    alone = [told(columns, pa.array([text]), kind) for text in texts]
    assert together == ([value for [value], _ in alone], [reason for _, [reason] in alone])


def test_times_are_in_utc_where_they_say_a_zone_as_they_are_in_parquet(columns: ModuleType) -> None:
    texts = ["2013-01-01", "2013-01-01 10:00:00", "2013-01-01T10:00:00.123456+02:00", "2013-01-01 10:00:00Z", "10:00Z", "1-1-13", ""]
    assert told(columns, pa.array(texts), "datetime") == (
        [datetime(2013, 1, 1), datetime(2013, 1, 1, 10), datetime(2013, 1, 1, 8, 0, 0, 123456), datetime(2013, 1, 1, 10), None, None,
         None],
        [None] * 4 + ["x is not a time: 10:00Z", "x is not a time: 1-1-13", "no x"],
    )  # fmt: skip
    instants = pa.array([0, 10**15 + 1, None], pa.timestamp("us", tz="UTC"))
    assert told(columns, instants, "datetime") == told(columns, pc.cast(instants, pa.string()), "datetime")


def test_a_missing_whole_number_is_told_even_where_it_is_optional(columns: ModuleType) -> None:
    assert told(columns, pa.array([None, 1]), "integer", required=False)[1] == ["no x", None]
    assert told(columns, pa.array([None, 1.0]), "double", required=False)[1] == [None, None]


def test_many_bad_values_in_a_batch_are_all_found(columns: ModuleType) -> None:
    values = pa.array([str(number) if number % 7 else "x" for number in range(5000)])
    found, reasons = told(columns, values, "long")
    assert found == [number if number % 7 else None for number in range(5000)]
    assert [bool(reason) for reason in reasons] == [number % 7 == 0 for number in range(5000)]
