"""mlops_service: every request has an answer, and only a broken model's is a server error."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .tiny import COLUMNS, write

GOOD = {"data": [[1, 7.5, None], [2, 3, 4]]}


class Request:
    """What a service needs of Flask's requests."""

    def __init__(self, body: bytes, *, method: str = "POST", kind: str | None = "application/json", length: str = "") -> None:
        self.method, self.content_type, self._body = method, kind, body
        self.headers = {"Content-Length": length or str(len(body))}

    def get_data(self) -> bytes:
        return self._body


@pytest.fixture(scope="module")
def services(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("mlops_service")


@pytest.fixture(scope="module")
def answer(services: ModuleType, signatures: ModuleType) -> Any:
    """The answer of a service whose model adds carrier and distance, or does what it is told to."""

    def call(body: Any, predict: Any = lambda batch: batch.columns["carrier"] + batch.columns["distance"], **more: Any) -> Any:
        signature = signatures.read_signature({"signature": {"inputs": json.dumps(COLUMNS)}})
        service = services.Service(signature, predict, "flights:3", services.Limits(bytes=10_000, rows=100))
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        found = service.answer(Request(content, **more))
        json.dumps(found.body, allow_nan=False)
        assert found.headers["x-mlops-model"] == found.body["model"] == "flights:3"
        return found

    return call


def test_predictions_come_with_the_model_that_made_them(answer: Any) -> None:
    assert answer(GOOD).body == {"predictions": [8.5, 5.0], "model": "flights:3"}


def test_no_row_asks_nothing_of_the_model(answer: Any) -> None:
    assert answer({"data": []}, lambda batch: 1 / 0).body["predictions"] == []


def test_an_error_names_field_and_row(answer: Any) -> None:
    found = answer({"data": [[1, "x", None]]})
    assert found.status == 400
    assert found.body["message"] == 'row 0: distance is not a number: "x"'
    assert found.body["errors"] == [{"message": found.body["message"], "field": "distance", "row": 0}]


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        ({"method": "GET"}, 405, "rows are sent with POST"),
        ({"kind": "text/csv"}, 415, "the body is text/csv, and this reads application/json"),
        ({"length": "10001"}, 413, "the body is longer than the 10000 bytes that a request may have"),
        ({"kind": "application/vnd.api+json; charset=utf-8"}, 200, None),
        ({"kind": None}, 200, None),
    ],
)
def test_what_is_no_request_for_rows_is_refused(answer: Any, request_: Any, status: int, message: str | None) -> None:
    found = answer(GOOD, **request_)
    assert (found.status, found.body.get("message")) == (status, message)


def test_a_body_that_lies_about_its_length_is_measured(answer: Any) -> None:
    assert answer(b" " * 10_001, length="2").status == 413


def test_rows_that_the_model_cannot_use_are_the_clients_and_other_failures_the_models(
    answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(error: Exception) -> Any:
        def predict(batch: Any) -> Any:
            raise error

        return answer(GOOD, predict)

    unknown = fail(ValueError("Found unknown categories ['ZZ'] in column 0\nmore"))
    assert (unknown.status, unknown.body["message"]) == (
        422, "the model cannot predict these rows: Found unknown categories ['ZZ'] in column 0",
    )  # fmt: skip
    broken = fail(RuntimeError("the secret is 42"))
    assert (broken.status, broken.body["message"]) == (500, "the model failed; its log says why")
    assert "the secret is 42" in capsys.readouterr().out


def test_a_model_has_one_request_at_a_time_however_many_threads_ask(services: ModuleType, signatures: ModuleType) -> None:
    within, most = [], []

    def predict(batch: Any) -> Any:
        within.append(1)
        most.append(len(within))
        time.sleep(0.002)
        within.pop()
        return [0.5]

    signature = signatures.read_signature({"signature": {"inputs": json.dumps(COLUMNS)}})
    service = services.Service(signature, predict, "flights:3")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: service.answer(Request(b'{"data": [[1, 2, 3]]}')).status, range(16)))
    assert (set(found), max(most)) == ({200}, 1)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (np.array([0.5, np.nan, np.inf]), [0.5, None, None]),
        (np.array([[1, 2], [3, 4]], dtype="int8"), [[1, 2], [3, 4]]),
        (pd.Series(["a", None]), ["a", None]),
        (pd.DataFrame({"p": [0.5], "at": [pd.Timestamp("2026-01-01")]}), [{"p": 0.5, "at": "2026-01-01 00:00:00"}]),
        ({"a": np.float32(0.5), "b": (1, b"x", True)}, {"a": 0.5, "b": [1, "x", True]}),
        (np.array([np.datetime64("2026-01-01")]), ["2026-01-01"]),
        ([object], [str(object)]),
    ],
)
def test_whatever_a_model_gives_becomes_json(services: ModuleType, made: Any, told: Any) -> None:
    assert services.plain(made) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["carrier", "distance", "temp"])
# Bodies that are nearly right find more than those that are anything at all.
FORMS = st.sampled_from(["dataframe_split", "dataframe_records", "inputs", "instances", "input_data", "data", "params"])
ROWS = st.lists(st.lists(JSON, min_size=3, max_size=3), max_size=3)
RECORDS = st.lists(st.dictionaries(NAMES, JSON, min_size=3), max_size=3)
SPLIT = st.fixed_dictionaries({"columns": st.permutations(["carrier", "distance", "temp"]) | JSON, "data": ROWS | JSON})
BODIES = st.dictionaries(FORMS, ROWS | RECORDS | SPLIT | JSON, min_size=1, max_size=2) | JSON
SIGNATURES = st.sampled_from([
    COLUMNS,
    [{"type": kind, "required": required} for kind in ("string", "datetime", "binary") for required in (True, False)][:3],
    [{"type": "array", "items": {"type": "long"}, "name": "carrier"}, {"type": "any", "name": "distance"},
     {"type": "map", "values": {"type": "float"}, "name": "temp", "required": False}],
    [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}],
    [{"type": "tensor", "name": "carrier", "tensor-spec": {"dtype": "int8", "shape": [-1]}},
     {"type": "tensor", "name": "distance", "tensor-spec": {"dtype": "str", "shape": [-1, -1]}}],
])  # fmt: skip


@settings(max_examples=100)
@given(body=BODIES.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=50), inputs=SIGNATURES)
def test_no_body_makes_an_error_of_the_servers(services: ModuleType, signatures: ModuleType, body: bytes, inputs: Any) -> None:
    params = [{"name": "k", "type": "long", "default": 1, "shape": None}]
    signature = signatures.read_signature({"signature": {"inputs": json.dumps(inputs), "params": json.dumps(params)}})
    service = services.Service(signature, lambda batch: [0.5] * batch.rows, "m:1")
    found = service.answer(Request(body))
    assert found.status in (200, 400), found.body
    told = json.loads(json.dumps(found.body, allow_nan=False))
    if found.status == 400:
        assert told["message"]
        assert told["errors"]


def test_a_service_knows_its_model_by_what_it_is_told_or_where_it_lies(services: ModuleType, tmp_path: Path) -> None:
    folder = write(tmp_path / "azureml-models" / "flights" / "7" / "model").parent
    seen = []

    def identity(**environ: str) -> Any:
        def load(model: Any) -> Any:
            seen.append(model.folder)
            return lambda batch: []

        return services.start(load, {"AZUREML_MODEL_DIR": str(folder), **environ}).identity

    assert identity() == "flights:7"
    assert identity(MLOPS_MODEL="flights:8") == "flights:8"
    assert seen == [folder / "model"] * 2
    service = services.start(lambda model: None, {"AZUREML_MODEL_DIR": str(folder / "model"), "MLOPS_MAX_ROWS": "5"})
    assert service.identity == "0123abcd"
    assert service.limits == services.Limits(rows=5)


def test_a_folder_with_no_model_or_two_is_refused(services: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    write(tmp_path / "two" / "a")
    write(tmp_path / "two" / "b")
    for name, count in (("none", 0), ("two", 2)):
        with pytest.raises(FileNotFoundError, match=f"{name} holds {count} files MLmodel"):
            services.start(lambda model: None, {"AZUREML_MODEL_DIR": str(tmp_path / name)})
