"""mlops_requests and mlops_signature: bodies become rows, or say what is wrong with which field."""

import json
import math
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from .tiny import COLUMNS

ROWS = [[1, 7.5, None], [2, 3, 4.5]]
NAMES = ["carrier", "distance", "temp"]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
KINDS = {
    "boolean": True, "integer": 2**31 - 1, "long": -(2**63), "float": 1.5, "double": 1e300, "string": "é",
    "datetime": "2013-07-01T05:00:00+02:00", "binary": "AAE=",
}  # fmt: skip


@pytest.fixture
def read(requests: ModuleType, signatures: ModuleType) -> Any:
    def call(body: Any, inputs: Any = COLUMNS, params: Any = None, most_rows: int = 100) -> Any:
        told = {"inputs": json.dumps(inputs), "params": json.dumps(params) if params else None}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return requests.read(content, signatures.read_signature({"signature": told}), most_rows=most_rows)

    return call


@pytest.fixture
def refused(read: Any, requests: ModuleType) -> Any:
    """What a body is refused for, as ``(field, row, message)``."""

    def call(body: Any, *more: Any, status: int = 400, **others: Any) -> list[tuple[str, int | None, str]]:
        with pytest.raises(requests.Refused) as caught:
            read(body, *more, **others)
        assert caught.value.status == status
        return [(problem.field, problem.row, problem.message) for problem in caught.value.problems]

    return call


def one(value: Any, kind: Any, *, required: bool = True) -> tuple[Any, Any]:
    """A body with one value, and the signature of its column."""
    type_ = {"type": kind} if isinstance(kind, str) else kind
    return {"data": [[value]]}, [{**type_, "name": "x", "required": required}]


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": NAMES, "index": [0, 1], "data": ROWS}},
        {"dataframe_split": {"columns": NAMES[::-1], "data": [row[::-1] for row in ROWS]}},
        {"dataframe_records": RECORDS},
        {"dataframe_records": [{"carrier": 1, "distance": 7.5}, RECORDS[1]]},
        {"dataframe_records": [row | {"tail": "N1"} for row in RECORDS]},
        {"inputs": {name: [row[name] for row in RECORDS] for name in NAMES}},
        {"inputs": ROWS},
        {"instances": RECORDS},
        {"input_data": {"columns": NAMES, "index": [0, 1], "data": ROWS}},
        {"input_data": ROWS},
        {"input_data": RECORDS},
        {"data": ROWS},
        {"data": RECORDS},
        {"data": [[1.0, 7.5, math.nan], [2, 3, 4.5]]},
        json.dumps({"data": ROWS}).encode("utf-16"),
    ],
)
def test_all_forms_of_rows_are_the_same_rows(read: Any, body: Any) -> None:
    batch = read(body)
    assert batch.rows == 2
    assert list(batch.columns) == NAMES
    assert [array.dtype.name for array in batch.columns.values()] == ["int32", "float64", "float64"]
    assert batch.columns["carrier"].tolist() == [1, 2]
    assert batch.columns["distance"].tolist() == [7.5, 3.0]
    assert np.isnan(batch.columns["temp"][0])
    assert batch.columns["temp"][1] == 4.5


@pytest.mark.parametrize("body", [{"data": []}, {"dataframe_records": []}, {"dataframe_split": {"columns": NAMES, "data": []}}])
def test_no_row_is_a_request_too(read: Any, body: Any) -> None:
    assert read(body).rows == 0


@pytest.mark.parametrize(
    ("body", "field", "row", "words"),
    [
        ({"data": [["1", 7.5, None]]}, "carrier", 0, 'is not a whole number that fits 32 bits: "1"'),
        ({"data": [[1, 7.5, None], [1.5, 7.5, None]]}, "carrier", 1, "is not a whole number that fits 32 bits: 1.5"),
        ({"data": [[True, 7.5, None]]}, "carrier", 0, "is not a whole number that fits 32 bits: true"),
        ({"data": [[2**31, 7.5, None]]}, "carrier", 0, "is not a whole number that fits 32 bits: 2147483648"),
        ({"data": [[-(2**63), 7.5, None]]}, "carrier", 0, "is not a whole number that fits 32 bits: -9223372036854775808"),
        ({"data": [[1, 10**400, None]]}, "distance", 0, "is not a number: 1000"),
        ({"data": [[1, True, None]]}, "distance", 0, "is not a number: true"),
        ({"data": [[None, 7.5, None]]}, "carrier", 0, "has no value"),
        ({"data": [[1, math.nan, None]]}, "distance", 0, "has no value"),
        ({"data": [[1, math.inf, None]]}, "distance", 0, "is infinite"),
        ({"data": [[1, [7.5], None]]}, "distance", 0, "is not a number: [7.5]"),
        (b'{"data": [[1, 1e999, null]]}', "distance", 0, "is infinite"),
        ({"dataframe_records": [{"carrier": 1}]}, "distance", None, "is missing: the model needs double"),
        ({"dataframe_records": [RECORDS[1], {"carrier": 1}]}, "distance", 1, "is missing"),
        ({"dataframe_records": [1]}, "dataframe_records", 0, "is not an object: 1"),
        ({"dataframe_records": {}}, "dataframe_records", None, "is not a list: {}"),
        ({"dataframe_split": {"columns": [1], "data": []}}, "dataframe_split.columns", None, "is not a list of names"),
        ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, "a", None, "is there more than once"),
        ({"dataframe_split": {"columns": NAMES}}, "dataframe_split.data", None, "is not a list of rows"),
        ({"dataframe_split": []}, "dataframe_split", None, "is no object: []"),
        ({"dataframe_split": {"columns": NAMES, "data": [], "x": 1}}, "dataframe_split.x", None, "is not part of it"),
        ({"data": [[1, 7.5]]}, "data", 0, "has 2 values for 3 columns"),
        ({"data": [[1, 7.5, None], 3]}, "data", 1, "is not a list: 3"),
        ({"inputs": {"carrier": 1}}, "carrier", None, "is not a list of values in inputs: 1"),
        ({"inputs": {"carrier": [1], "distance": [1, 2]}}, "inputs", None, "different lengths: carrier 1, distance 2"),
        ({"data": [], "inputs": []}, "", None, "the body has inputs and data"),
        ({"rows": []}, "", None, "the body has no rows, only \"rows\"; one of dataframe_split,"),
        ({}, "", None, "the body has no rows; one of dataframe_split,"),
        ({"data": [], "treads": 2}, "treads", None, "is not part of a request"),
        ({"data": [], "params": {"k": 1}}, "params.k", None, "is no parameter of the model"),
        ({"data": [], "params": 1}, "params", None, "is no object: 1"),
        ([1, 2], "", None, "the body is no JSON object: [1, 2]"),
        (b'{"data": [[1, 2, 3]], "data": []}', "data", None, "is there more than once"),
        (b'{"dataframe_records": [{"carrier": 1, "distance": 2, "carrier": 3}]}', "carrier", None, "is there more than once"),
        (b"", "", None, "the body is not JSON"),
        (b'{"data": \xff}', "", None, "the body is not UTF-8"),
        (b"[" * 100_000, "", None, "the body is nested too deeply"),
        (b'{"data": [[1, ' + b"9" * 5000 + b", null]]}", "", None, "the body is not JSON: Exceeds the limit"),
    ],
)
def test_what_is_wrong_is_told_with_its_field(refused: Any, body: Any, field: str, row: int | None, words: str) -> None:
    told_field, told_row, message = refused(body)[0]
    assert (told_field, told_row) == (field, row)
    assert words in message


def test_all_wrong_values_are_told_up_to_twenty(refused: Any) -> None:
    assert refused({"data": [["a", "b", "c"], [1, None, 2]]}) == [
        ("carrier", 0, 'is not a whole number that fits 32 bits: "a"'),
        ("distance", 0, 'is not a number: "b"'),
        ("temp", 0, 'is not a number: "c"'),
        ("distance", 1, "has no value"),
    ]
    assert len(refused({"data": [["a", "b", "c"]] * 50})) == 20


def test_too_many_rows_are_too_large_a_request(refused: Any) -> None:
    [(_, _, message)] = refused({"data": ROWS}, most_rows=1, status=413)
    assert message == "2 rows are more than the 1 that a request may have; send several"


@pytest.mark.parametrize(("kind", "value"), KINDS.items())
def test_each_kind_takes_its_values_and_no_others(read: Any, refused: Any, kind: str, value: Any) -> None:
    body, inputs = one(value, kind)
    [array] = read(body, inputs).columns.values()
    expected = {"datetime": np.datetime64("2013-07-01T03:00:00", "ns"), "binary": b"\x00\x01"}.get(kind, value)
    assert array[0] == expected
    wrong = [[], {}, *(other for name, other in KINDS.items() if name != kind and not fits(name, kind))]
    for other in wrong:
        body, inputs = one(other, kind)
        assert refused(body, inputs)[0][0] == "x", (kind, other)


def fits(given: str, wanted: str) -> bool:
    """Whether the example of one kind is also a value of another."""
    numbers = ("integer", "long", "float", "double")
    return (wanted == "string" and given in ("datetime", "binary")) or (given in numbers and wanted == "double") or (
        (given, wanted) in (("integer", "long"), ("integer", "float"), ("long", "float")))


@pytest.mark.parametrize("kind", KINDS)
def test_a_gap_reaches_the_model_where_it_has_a_form(read: Any, refused: Any, kind: str) -> None:
    body, inputs = one(None, kind, required=False)
    if kind in ("boolean", "integer", "long"):
        assert refused(body, inputs) == [("x", 0, "has no value")]
    else:
        [array] = read(body, inputs).columns.values()
        assert array[0] is None or array[0] != array[0]


@pytest.mark.parametrize("year", ["0001", "1677", "2263"])
def test_a_time_that_pandas_has_no_nanoseconds_for_is_refused(refused: Any, year: str) -> None:
    assert "is not a time" in refused(*one(f"{year}-01-01T00:00:00", "datetime"))[0][2]


def test_half_a_character_is_no_text(refused: Any) -> None:
    assert "is not text" in refused(b'{"data": [["\\ud800"]]}', one("", "string")[1])[0][2]


NESTED = {"type": "object", "properties": {
    "at": {"type": "array", "items": {"type": "double"}, "required": True},
    "tags": {"type": "map", "values": {"type": "string"}, "required": False},
}}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"at": [1, 2.5], "tags": {"a": "b"}}, None),
        ({"at": [], "tags": None}, None),
        ({"tags": {}}, "lacks 'at'"),
        ({"at": [1, "2"]}, '.at [1] is not a number: "2"'),
        ({"at": [], "tags": {"a": 1}}, ".tags .a is not text: 1"),
        ({"at": [], "to": 1}, "has 'to', which the model does not know"),
        ({"at": 1}, ".at is not a list: 1"),
        (3, "is not an object: 3"),
    ],
)
def test_objects_are_checked_all_the_way_down(read: Any, refused: Any, value: Any, words: str | None) -> None:
    body, inputs = one(value, NESTED)
    if words is None:
        assert read(body, inputs).columns["x"][0]["at"] == value["at"]
    else:
        assert refused(body, inputs) == [("x", 0, words)]


PARAMS = [{"name": "k", "type": "double", "default": 0.1, "shape": None},
          {"name": "labels", "type": "string", "default": [], "shape": [-1]}]  # fmt: skip


def test_parameters_have_types(read: Any, refused: Any) -> None:
    assert read({"data": ROWS, "params": {"k": 1, "labels": ["a"]}}, params=PARAMS).params == {"k": 1.0, "labels": ["a"]}
    assert refused({"data": ROWS, "params": {"k": "1", "labels": [1]}}, params=PARAMS) == [
        ("params.k", None, 'is not a number: "1"'),
        ("params.labels", None, "[0] is not text: 1"),
    ]


TENSOR = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]
TENSORS = [{"name": name, **TENSOR[0]} for name in ("a", "b")]


@pytest.mark.parametrize("form", ["inputs", "instances", "input_data", "data"])
def test_arrays_have_a_type_and_a_shape(read: Any, form: str) -> None:
    batch = read({form: [[1, 2.5]] * 3}, TENSOR)
    assert batch.rows == 3
    assert batch.tensors[""].dtype == "float32"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1, 2], "has the shape [2], the model needs [-1, 2]"),
        ([[1, 2, 3]], "has the shape [1, 3], the model needs [-1, 2]"),
        ([[1, 2], [3]], "is no array: lists in it have different lengths"),
        ([[1, "2"]], "does not hold only values of the type float32"),
        ([[1, None]], "does not hold only values of the type float32"),
        ([[1, 1e300]], "has values that are not finite or do not fit float32"),
        ([[1, math.nan]], "has values that are not finite or do not fit float32"),
        ({"x": [[1, 2]]}, "is missing"),
        (3, "has the shape []"),
    ],
)
def test_an_array_of_another_kind_is_refused(refused: Any, value: Any, words: str) -> None:
    assert words in refused({"inputs": value}, TENSOR)[0][2]


def test_arrays_with_names_are_all_there_and_no_others(read: Any, refused: Any) -> None:
    assert list(read({"inputs": {"a": [[1, 2]], "b": [[3, 4]]}}, TENSORS).tensors) == ["a", "b"]
    assert refused({"inputs": {"a": [[1, 2]], "c": []}}, TENSORS) == [
        ("b", None, "is missing"), ("c", None, "is not known to the model"),
    ]  # fmt: skip
    assert refused({"dataframe_records": []}, TENSORS)[0][0] == "dataframe_records"


def test_columns_without_names_are_counted(read: Any, refused: Any) -> None:
    inputs = [{"type": "double", "required": True}, {"type": "string", "required": True}]
    assert read({"dataframe_split": {"data": [[1, "a"]]}}, inputs).columns["1"][0] == "a"
    assert refused({"data": [[1, 2]]}, inputs) == [("1", 0, "is not text: 2")]


@pytest.mark.parametrize(
    "told", [None, {}, {"inputs": None}, {"inputs": "[1]"}, {"inputs": "{"}, {"inputs": '[{"type": "tensor"}]'}, {"inputs": "7"}]
)
def test_a_signature_that_is_none_is_told(signatures: ModuleType, told: Any) -> None:
    with pytest.raises(ValueError, match=r"the model has no signature|is not as MLflow writes it"):
        signatures.read_signature({"signature": told})


WIDE = b",".join(b"{%s}" % b",".join(b'"%x":1' % (row * 10 + place) for place in range(10)) for row in range(5_000))


@pytest.mark.parametrize(
    ("body", "inputs", "status"),
    [
        (b'{"data":[%s[]]}' % (b"[]," * 500_000), COLUMNS, 413),
        (b'{"dataframe_records":[%s1]}' % (b"1," * 1_000_000), COLUMNS, 413),
        (b'{"dataframe_records":[%s]}' % WIDE, COLUMNS, 400),
        (b'{"dataframe_split":{"columns":[%s],"data":[]}}' % b",".join(b'"%x"' % name for name in [*range(100_000), 1]), COLUMNS, 400),
        (b'{"inputs":["%s"%s]}' % (b"x" * 100_000, b',""' * 50_000),
         [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}], 400),
    ],
    ids=["empty rows", "rows that are none", "names of their own in each row", "many names", "one long text among short ones"],
)  # fmt: skip
def test_no_body_takes_much_more_than_its_size(refused: Any, body: bytes, inputs: Any, status: int) -> None:
    """A table of all the names, a comparison of each with each, an array as wide as its longest text: each would end the process."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    begun = time.process_time()
    resource.setrlimit(resource.RLIMIT_AS, (now + 600 * 2**20, hard))
    try:
        told = refused(body, inputs, status=status, most_rows=10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert len(told) <= 20
    assert time.process_time() - begun < 5
