"""The code folder of a deployment: complete, the same every time, with documents that are true."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from mlops_lib.serving import code
from mlops_lib.serving.servable import read, request_of

from .tiny import write

DEEP = [
    {"type": "string", "name": "s", "required": True}, {"type": "datetime", "name": "t", "required": True},
    {"type": "array", "items": {"type": "long"}, "name": "l", "required": True},
    {"type": "object", "properties": {"x": {"type": "double", "required": True}}, "name": "o", "required": True},
    {"type": "map", "values": {"type": "boolean"}, "name": "m", "required": False},
    {"type": "binary", "name": "b", "required": True},
]  # fmt: skip
TENSORS = [{"type": "tensor", "name": "a", "tensor-spec": {"dtype": "int64", "shape": [-1, 2]}}]
PARAMS = [{"name": "k", "type": "double", "default": 0.1, "shape": None}]


def test_a_code_folder_has_the_script_all_that_it_imports_and_the_documents(tmp_path: Path) -> None:
    model = read(write(tmp_path / "m"), "flights", "3")
    script = code.write(model, request_of(model), tmp_path / "code")
    names = {path.name for path in script.parent.iterdir()}
    assert script.name in names
    assert {"swagger.json", "swagger3.json", "sample.json"} <= names
    for path in script.parent.glob("*.py"):
        imported = {line.split()[1] for line in path.read_text().splitlines() if line.startswith(("from mlops_", "import mlops_"))}
        assert {f"{name}.py" for name in imported} <= names
    assert code.files(model, request_of(model)) == {path.name: path.read_bytes() for path in script.parent.iterdir()}


@pytest.mark.parametrize(
    "told",
    [{}, {"example": None}, *({"example": None, "inputs": inputs} for inputs in (DEEP, TENSORS)),
     {"example": None, "inputs": DEEP, "params": PARAMS}],
    ids=["example", "flights", "deep", "tensors", "params"],
)  # fmt: skip
def test_the_sample_fits_the_documents_and_the_model(tmp_path: Path, requests: ModuleType, told: Any) -> None:
    model = read(write(tmp_path / "m", **told), "m", "1")
    sample = request_of(model)
    documents = {name: json.loads(content) for name, content in code.files(model, sample).items() if name.endswith(".json")}
    third, second = documents["swagger3.json"], documents["swagger.json"]
    jsonschema.validate(sample, nullable(third["components"]["schemas"]["ServiceInput"]))
    jsonschema.validate(sample, nullable(second["definitions"]["ServiceInput"]))
    assert requests.read(json.dumps(sample).encode(), model.signature, most_rows=10).rows == 1
    assert (third["info"]["title"], third["info"]["version"]) == ("m", "1")


def nullable(schema: Any) -> Any:
    """OpenAPI's word for null as JSON Schema has it."""
    if isinstance(schema, list):
        return [nullable(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: nullable(inner) for key, inner in schema.items() if key not in ("nullable", "x-nullable")}
    if schema.get("nullable") or schema.get("x-nullable"):
        told["type"] = [told["type"], "null"]
    return told


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{"carrier": 1}]},
        {"dataframe_records": [{"carrier": 1.5, "distance": 1}]},
        {"dataframe_records": [{"carrier": 1, "distance": None}]},
        {"rows": []},
        {"dataframe_split": {"columns": ["carrier"]}},
    ],
)
def test_what_the_documents_refuse_is_refused(tmp_path: Path, requests: ModuleType, body: Any) -> None:
    model = read(write(tmp_path / "m"), "m", "1")
    schema = json.loads(code.files(model, request_of(model))["swagger3.json"])["components"]["schemas"]["ServiceInput"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, nullable(schema))
    with pytest.raises(requests.Refused):
        requests.read(json.dumps(body).encode(), model.signature, most_rows=10)


def test_the_modules_need_nothing_of_ours(module: Callable[[str], ModuleType]) -> None:
    for path in code.FOLDER.glob("*.py"):
        assert "mlops_lib" not in path.read_text().replace("nothing of mlops_lib", "")
    assert module("mlops_requests") is module("mlops_requests")
