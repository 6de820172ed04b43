"""A model that can be served: what its folder says of it, and which scoring script is for it."""

from __future__ import annotations

import contextlib
import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..document import parse, plain
from ..errors import CompileError, InputError, listing
from ..requirements import wanted
from . import code

if TYPE_CHECKING:
    from mlops_signature import Signature

    from ..stores.models import Models, ModelVersion

# Microsoft's server, which Azure ML runs too. One version: the newest, and it takes exactly one version of OpenTelemetry,
# which MLflow 3.15 and Azure Monitor's exporter get along with.
SERVER: Final = "azureml-inference-server-http==1.5.1"
# What the scoring scripts import beside the model's own packages; MLflow brings it, and a list of LightGBM alone does not.
_BESIDES: Final = ("PyYAML>=6.0", "numpy>=1.23")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_PIECE: Final = 1 << 20
_TAIL: Final = 4096  # bytes at the end of a booster's file that surely have its last line
_EXAMPLE: Final = 5 * 2**20  # bytes of an example that is still a sample


@dataclass(frozen=True, kw_only=True, slots=True)
class Servable:
    """A version of a model, in a folder.

    Attributes:
        folder: The folder with the file MLmodel.
        kind: ``lightgbm``, ``sklearn`` or ``pyfunc``: the scoring script that is for it.
        signature: What requests are checked against.
        sample: The body of a request, from the input example; None when the model has none.
        python: The series of Python that it was made with, such as ``3.11``; None when it does not say.
        requirements: What it needs, as lines of a requirements file, and the server.
    """

    name: str
    version: str
    folder: Path
    kind: str
    signature: Signature
    sample: Mapping[str, Any] | None
    python: str | None
    requirements: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


def read(folder: Path, name: str, version: str | None = None) -> Servable:
    """The model in a folder.

    Args:
        folder: Holds the file MLmodel.
        name: The model's name.
        version: Its version; None for the id in the file.

    Raises:
        InputError: it is no MLflow model, or cannot be served as it was saved.
    """
    signatures = code.module("mlops_signature")
    description = _description(folder)
    called = f"{name}:{version}" if version else name
    flavors = description.get("flavors")
    if not isinstance(flavors, dict) or not isinstance(flavors.get("python_function"), dict):
        raise InputError(f"the model {called!r} has no flavor python_function", why="what serves it predicts through that",
                         fix="save it with mlflow.FLAVOR.save_model")
    try:
        signature: Signature = signatures.read_signature(description)
    except ValueError as error:
        raise InputError(f"the model {called!r} cannot be served: {str(error).partition(',')[0]}",
                         why="requests are checked against it, and its documentation is made of it",
                         fix="save it with signature=mlflow.models.infer_signature(data, predictions)") from None
    python, requirements = _software(folder, called)
    return Servable(name=name, version=version or str(description.get("model_uuid") or "0"), folder=folder,
                    kind=_kind(folder, flavors, signature), signature=signature, sample=_sample(folder, description),
                    python=python, requirements=requirements)


def request_of(model: Servable) -> Mapping[str, Any]:
    """A request with one row, to try the model with: of its example, or made up of the signature's types."""
    if model.sample is None:
        return code.made_up(model.signature)
    return _first_row(model.sample)


def fetch(models: Models, version: ModelVersion, folder: Path) -> Path:
    """The files of a version that is elsewhere, in a folder of this machine.

    Raises:
        Refused: they are not what they were when it was promoted.
    """
    from ..stores.models import streamed

    with streamed(models, version) as contents:
        for name, stream in contents:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as copy:
                shutil.copyfileobj(stream, copy, _PIECE)
    return folder


# --- the folder ------------------------------------------------------------------------------------------------------


def _description(folder: Path) -> Mapping[str, Any]:
    file = folder / "MLmodel"
    try:
        found = plain(parse(file.read_bytes(), str(file)))
    except OSError as error:
        raise InputError(f"{folder} is no MLflow model", why=f"its file MLmodel cannot be read: {error.strerror}",
                         fix="name the folder that has the file MLmodel") from None
    except CompileError as error:
        raise InputError(f"{file} is not as MLflow writes it", why=error.what, fix="save the model again") from None
    if not isinstance(found, dict):
        raise InputError(f"{file} is not as MLflow writes it", why="it has no keys", fix="save the model again")
    return found


def _kind(folder: Path, flavors: Mapping[str, Any], signature: Signature) -> str:
    if signature.tensors or signature.params or not signature.named:
        return "pyfunc"
    booster = flavors.get("lightgbm")
    if isinstance(booster, dict) and booster.get("model_class") == "lightgbm.basic.Booster" and _plain_trees(
            folder / str(booster.get("data")), signature):
        return "lightgbm"
    # A model in code of its own, or with a loader that is not scikit-learn's, may do more than the estimator in it.
    plain_estimator = "sklearn" in flavors and flavors["python_function"].get("loader_module") == "mlflow.sklearn"
    return "sklearn" if plain_estimator else "pyfunc"


def _plain_trees(file: Path, signature: Signature) -> bool:
    """Whether a booster takes the signature's columns, in their order, as numbers and nothing else."""
    numbers = code.module("mlops_signature").NUMBERS
    if any(column.kind not in numbers for column in signature.columns):
        return False
    try:
        with file.open("rb") as stream:
            head = [line.decode("utf-8", "replace").rstrip("\n") for line, _ in zip(stream, range(40), strict=False)]
            stream.seek(max(0, file.stat().st_size - _TAIL))
            tail = stream.read().decode("utf-8", "replace")
    except OSError:
        return False
    names = next((line.partition("=")[2].split(" ") for line in head if line.startswith("feature_names=")), [])
    categories = tail.rpartition("pandas_categorical:")[2].strip() or "null"
    return names == [column.name for column in signature.columns] and categories in ("null", "[]")


def _software(folder: Path, name: str) -> tuple[str | None, tuple[str, ...]]:
    """The Python and the packages that a model says it needs, and the server."""
    file = folder / "conda.yaml"
    try:
        found = wanted(plain(parse(file.read_bytes(), str(file))))
    except (OSError, CompileError):
        raise InputError(f"the model {name!r} does not say what it needs", why="its file conda.yaml cannot be read",
                         fix="save it with mlflow.FLAVOR.save_model(…, pip_requirements=[…])") from None
    if elsewhere := (*found.foreign, *found.local, *found.files):
        raise InputError(f"the model {name!r} needs what PyPI does not have: {listing(elsewhere)}",
                         why="it is served in an environment of its own, made of packages of PyPI",
                         fix="save it with pip_requirements that name packages and versions")
    python = ".".join(found.python.split(".")[:2]) if found.python and found.python[:1].isdecimal() else None
    named = {match[0].lower() for line in found.requirements if (match := _NAME.match(line))}
    besides = [line for line in _BESIDES if line.partition(">")[0].lower() not in named]
    return python, (*found.requirements, *besides, SERVER)


# --- the sample ------------------------------------------------------------------------------------------------------


def _sample(folder: Path, description: Mapping[str, Any]) -> Mapping[str, Any] | None:
    told = description.get("saved_input_example_info")
    if not isinstance(told, dict):
        return None
    for key, wrap in (("serving_input_path", lambda found: found), ("artifact_path", lambda found: {"dataframe_split": found})):
        if isinstance(told.get(key), str):
            with contextlib.suppress(OSError, ValueError):
                file = folder / told[key]
                found = wrap(json.loads(file.read_bytes())) if file.stat().st_size <= _EXAMPLE else None
                if isinstance(found, dict):
                    return {form: _strict(value) for form, value in found.items()}
    return None


def _strict(value: Any) -> Any:
    """JSON that others read too: without NaN, which is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if isinstance(value, dict):
        return {name: _strict(item) for name, item in value.items()}
    return value


def _first_row(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    """A sample with its first row only."""
    def first(value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("data"), list):
            return {**{key: inner for key, inner in value.items() if key != "index"}, "data": value["data"][:1]}
        if isinstance(value, dict):
            return {name: inner[:1] if isinstance(inner, list) else inner for name, inner in value.items()}
        return value[:1] if isinstance(value, list) else value

    return {form: value if form == "params" else first(value) for form, value in sample.items()}
