"""What happens between a request and its answer: limits, reading, prediction, and errors that name the field.

Environment variables, all optional: ``MLOPS_MODEL`` (``NAME:VERSION``, told in every answer), ``MLOPS_MAX_BYTES`` and
``MLOPS_MAX_ROWS`` of a request, and those of :mod:`mlops_telemetry`.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import mlops_requests
from mlops_requests import Batch, Problem, Refused
from mlops_signature import Signature, find_model, read_description, read_signature
from mlops_telemetry import Seen, Silent, Telemetry, from_environment

MODEL_HEADER: Final = "x-mlops-model"
_BYTES: Final = 10 * 2**20  # of a request: what Azure ML's managed endpoints let through
_ROWS: Final = 10_000
_JSON: Final = ("application/json", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain", "")
# What models raise at rows that they cannot use: an unknown category, a text that is no date. All else is the model's fault.
_UNUSABLE: Final = (ValueError, TypeError, KeyError, ArithmeticError, RecursionError)
_WORDS: Final = 300

Predict = Callable[[Batch], Any]


@dataclass(frozen=True)
class Model:
    """A model's folder and what it says of itself."""

    folder: Path
    description: Mapping[str, Any]
    signature: Signature

    @property
    def flavors(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.description["flavors"]
        return found


@dataclass(frozen=True)
class Limits:
    """What a request may have."""

    bytes: int = _BYTES
    rows: int = _ROWS


@dataclass(frozen=True)
class Answer:
    """What is answered."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class Service:
    """Answers requests with one model.

    Args:
        signature: What the model takes.
        predict: What it makes of a batch: anything that MLflow's models give, in the order of the rows.
        identity: How answers call the model.
        limits: What a request may have.
        telemetry: Is told of every request.
    """

    def __init__(self, signature: Signature, predict: Predict, identity: str, limits: Limits | None = None,
                 telemetry: Telemetry | None = None) -> None:
        self.signature, self.predict, self.identity = signature, predict, identity
        self.limits = limits or Limits()
        self._turn = threading.Lock()
        self.telemetry = telemetry or Silent()

    def answer(self, request: Any) -> Answer:
        """The answer to a request of Flask's, or one that resembles it; it raises nothing."""
        begun, clock = time.time_ns(), time.perf_counter()
        rows = 0
        predictions: Any = ()
        problems: Sequence[Problem] = ()
        try:
            rows, predictions = self._predictions(request)
            answer = self._told(200, {"predictions": predictions, "model": self.identity})
        except Refused as refused:
            problems = refused.problems
            answer = self._told(refused.status, {
                "message": str(refused), "model": self.identity,
                "errors": [{"message": str(problem), "field": problem.field or None, "row": problem.row}
                           for problem in problems]})
        except Exception:  # the log is for its owner, and not for whoever sends requests
            print(f"mlops: {self.identity} failed: {traceback.format_exc()}")
            answer = self._told(500, {"message": "the model failed; its log says why", "model": self.identity, "errors": []})
        self.telemetry.note(Seen(
            status=answer.status, begun=begun, seconds=time.perf_counter() - clock, headers=request.headers, rows=rows,
            predictions=predictions if isinstance(predictions, list) else (),
            fields=self._known(problem.field for problem in problems)))
        return answer

    def _told(self, status: int, body: Mapping[str, Any]) -> Answer:
        return Answer(status, body, {MODEL_HEADER: self.identity})

    def _known(self, fields: Iterable[str]) -> Sequence[str]:
        """Of the fields that were wrong those of the signature: other names are whatever a client has sent."""
        names = {column.name for column in self.signature.columns} | {tensor.name for tensor in self.signature.tensors}
        return [field for field in dict.fromkeys(fields) if field in names and field]

    def _predictions(self, request: Any) -> tuple[int, Any]:
        batch = mlops_requests.read(self._content(request), self.signature, most_rows=self.limits.rows)
        if not batch.rows:
            return 0, []
        try:
            with self._turn:  # a server may have threads, and models need not be made for them
                found = self.predict(batch)
            return batch.rows, plain(found)
        except _UNUSABLE as error:
            raise Refused([Problem(f"the model cannot predict these rows: {_first_line(error)}")], 422) from error

    def _content(self, request: Any) -> bytes:
        """The body, once it is known to be one that is read."""
        if request.method != "POST":
            raise Refused([Problem("rows are sent with POST")], 405)
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        if kind not in _JSON and not kind.endswith("+json"):
            raise Refused([Problem(f"the body is {kind}, and this reads application/json")], 415)
        packed = request.headers.get("Content-Encoding") or "identity"
        if packed.lower() != "identity":
            raise Refused([Problem(f"the body is packed with {packed[:_WORDS]}, and this reads it unpacked")], 415)
        told = request.headers.get("Content-Length") or "0"
        if told.isdecimal() and int(told) > self.limits.bytes:
            raise self._too_large()
        # One that comes in chunks does not say how long it is; Flask reads so far, and is silent about the rest.
        request.max_content_length = self.limits.bytes + 1
        content: bytes = request.get_data()
        if len(content) > self.limits.bytes:
            raise self._too_large()
        return content

    def _too_large(self) -> Refused:
        return Refused([Problem(f"the body is longer than the {self.limits.bytes} bytes that a request may have")], 413)


def start(load: Callable[[Model], Predict], environ: Mapping[str, str] = os.environ) -> Service:
    """A service for the model that Azure ML has mounted.

    Args:
        load: Makes the model ready.
        environ: ``AZUREML_MODEL_DIR`` says where it is.
    """
    folder = find_model(Path(environ["AZUREML_MODEL_DIR"]))
    description = read_description(folder)
    model = Model(folder, description, read_signature(description))
    predict = load(model)
    limits = Limits(bytes=int(environ.get("MLOPS_MAX_BYTES") or _BYTES), rows=int(environ.get("MLOPS_MAX_ROWS") or _ROWS))
    identity = _identity(environ, description)
    telemetry = from_environment(environ, identity)
    atexit.register(telemetry.close)
    return Service(model.signature, predict, identity, limits, telemetry)


def _identity(environ: Mapping[str, str], description: Mapping[str, Any]) -> str:
    """What names the model: what is said, else the folders in which Azure ML mounts it, else its id in the file MLmodel."""
    if environ.get("MLOPS_MODEL"):
        return environ["MLOPS_MODEL"]
    *_, name, version = ("", "", *Path(environ["AZUREML_MODEL_DIR"]).parts)
    return f"{name}:{version}" if name and version.isdecimal() else str(description.get("model_uuid") or "unknown")


def plain(found: Any) -> Any:
    """A prediction as JSON: arrays and series are lists, frames are lists of records; what is not finite is null."""
    if isinstance(found, (str, bool, int)) or found is None:
        return found
    if isinstance(found, float):
        return found if math.isfinite(found) else None
    if isinstance(found, bytes):
        return found.decode("utf-8", "replace")
    if hasattr(found, "to_dict") and hasattr(found, "columns"):  # a frame of pandas
        return plain(found.to_dict("records"))
    if isinstance(found, Mapping):
        return {str(name): plain(value) for name, value in found.items()}
    if hasattr(found, "toarray"):  # a sparse matrix
        return plain(found.toarray())
    if hasattr(found, "tolist"):  # an array, a series, or a scalar of NumPy's
        listed = found.tolist()
        return plain(listed) if listed is not found else str(found)
    if isinstance(found, (list, tuple)):
        return [plain(value) for value in found]
    return str(found)


def _first_line(error: BaseException) -> str:
    return ((str(error).splitlines() or [""])[0] or type(error).__name__)[:_WORDS]

