"""The code that a deployment runs: a scoring script, the plain modules that it imports, and the model's OpenAPI."""

from __future__ import annotations

import functools
import importlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mlops_signature import Signature

    from .servable import Servable

FOLDER: Final = Path(__file__).with_name("deployment-code")
SCRIPT: Final = "score.py"
SAMPLE: Final = "sample.json"
_VALUES: Final[Mapping[str, Any]] = {"boolean": False, "integer": 0, "long": 0, "float": 0.0, "double": 0.0, "string": "",
                                     "datetime": "2026-01-01T00:00:00", "binary": ""}


@functools.cache
def module(name: str) -> ModuleType:
    """A module of a deployment's code. It stands alone there, so it is no part of this package here either."""
    sys.path.append(str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


def files(model: Servable, sample: Mapping[str, Any]) -> Mapping[str, bytes]:
    """The files of the code folder of a deployment, by name: the same for the same model and version of this library.

    Args:
        model: What is served.
        sample: The body of a request.
    """
    documents = module("mlops_openapi").documents(model.signature, model.name, model.version, sample)
    return {
        SCRIPT: (FOLDER / f"score_{model.kind}.py").read_bytes(),
        **{file.name: file.read_bytes() for file in sorted(FOLDER.glob("mlops_*.py"))},
        **{name: _json(document) for name, document in documents.items()},
        SAMPLE: _json(sample),
    }


def write(model: Servable, sample: Mapping[str, Any], folder: Path) -> Path:
    """Write the code folder; what is there is replaced. The path of the scoring script."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files(model, sample).items():
        (folder / name).write_bytes(content)
    return folder / SCRIPT


def made_up(signature: Signature) -> Mapping[str, Any]:
    """The body of a request with one row that fits a signature, whatever the model makes of it."""
    if signature.tensors:
        arrays = {tensor.name: _array(tensor.shape, tensor.dtype) for tensor in signature.tensors}
        return {"inputs": arrays.get("", arrays)}
    row = [None if column.may_be_missing else _value(column.type) for column in signature.columns]
    names = {"columns": [column.name for column in signature.columns]} if signature.named else {}
    return {"dataframe_split": {**names, "data": [row]}}


def _value(wanted: Mapping[str, Any]) -> Any:
    kind = wanted["type"]
    if kind == "array":
        return [_value(wanted["items"])]
    if kind == "object":
        return {name: _value(inner) for name, inner in wanted["properties"].items() if inner.get("required", True)}
    return {} if kind == "map" else _VALUES.get(kind)


def _array(shape: tuple[int, ...], dtype: str) -> Any:
    if not shape:
        return "" if dtype.startswith(("str", "object")) else False if dtype == "bool" else 0
    return [_array(shape[1:], dtype)] * (1 if shape[0] < 0 else shape[0])


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
