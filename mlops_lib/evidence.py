"""What is known of a model: what an evaluation has measured of it, and its signature."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFacts:
    """The data that a model was measured on.

    Attributes:
        digest: Of its content: metrics are comparable when it is the same.
        labels: How many rows have each label.
        columns: The type of each column.
    """

    digest: str
    rows: int
    labels: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """The metrics of the rows that have one value in a column."""

    by: str
    value: str
    rows: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Signature:
    """The inputs and outputs of a model, with their types."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What is known of a model.

    Attributes:
        model: How messages call it.
        digest: Of its bytes.
        data: What it was measured on; None when it was not measured.
        metrics: Over all rows; a metric that is not finite is NaN.
        losses: Of each row, by name, in the order of the data; smaller is better.
        size: Of its files, in bytes.
        source: Who has measured it: a run, or a folder that was named.
        why: Why something lacks, for messages.
    """

    model: str
    digest: str
    data: DataFacts | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    losses: Mapping[str, Sequence[float]] = field(default_factory=dict, compare=False, repr=False)
    slices: tuple[Slice, ...] = ()
    row_ms: float | None = None
    rows_per_second: float | None = None
    size: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    signature: Signature | None = None
    source: str = ""
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For JSON, without the losses of rows; a metric that is not finite is null."""
        return {
            "model": self.model, "digest": self.digest, "source": self.source or None, "metrics": _plain(self.metrics),
            "data": None if self.data is None else {
                "digest": self.data.digest, "rows": self.data.rows, "labels": dict(self.data.labels),
                "columns": dict(self.data.columns)},
            "slices": [{"by": part.by, "value": part.value, "rows": part.rows, "metrics": _plain(part.metrics)}
                       for part in self.slices],
            "latency": {"row_ms": self.row_ms, "rows_per_second": self.rows_per_second}, "size": self.size,
            "tags": dict(self.tags),
            "signature": None if self.signature is None else {
                "inputs": dict(self.signature.inputs), "outputs": dict(self.signature.outputs)},
        }


def _plain(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def evidence_of(told: Mapping[str, Any], name: str) -> Evidence:
    """What an evaluation's ``metrics.json`` says of one of its models; docs/models.md has its keys.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not as it should be.
    """
    model, test = told["models"][name], told["test"]
    latency, losses = model.get("latency") or {}, model.get("losses") or {}
    if any(not isinstance(file, str) for file in losses.values()):
        raise ValueError(f"the losses of {name} are not names of files")
    return Evidence(
        model=name, digest=_digest("a model's digest", model["digest"]), size=_cost("size", model.get("size")),
        data=DataFacts(
            digest=_digest("test.digest", test["digest"]), rows=_count("test.rows", test["rows"]),
            labels={str(label): _count(f"test.labels.{label}", rows) for label, rows in (test.get("labels") or {}).items()},
            columns={str(column): str(type_) for column, type_ in (test.get("columns") or {}).items()}),
        metrics=_numbers(model["metrics"]), row_ms=_cost("row_ms", latency.get("row_ms")),
        rows_per_second=_cost("rows_per_second", latency.get("rows_per_second")),
        slices=_slices(name, model.get("slices") or ()))


def _slices(model: str, told: Iterable[Mapping[str, Any]]) -> tuple[Slice, ...]:
    found = tuple(Slice(by=str(part["by"]), value=str(part["value"]), rows=_count("the rows of a slice", part["rows"]),
                        metrics=_numbers(part["metrics"])) for part in told)
    seen: set[tuple[str, str]] = set()
    for part in found:
        if (part.by, part.value) in seen:  # the worse of the two would count for nothing
            raise ValueError(f"{model} has two slices of {part.by} {part.value}")
        seen.add((part.by, part.value))
    return found


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): math.nan if value is None else _number(f"the metric {name}", value) for name, value in metrics.items()}


def _number(what: str, value: Any) -> float:
    """A number of JSON; one that is larger than all is infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} is {value!r}, and has to be a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _count(what: str, value: Any) -> int:
    number = _number(what, value)
    if not number.is_integer() or number < 0:
        raise ValueError(f"{what} is {value!r}, and has to be a number of rows")
    return int(number)


def _cost(what: str, value: Any) -> float | None:
    """A number that is at least 0; None when it was not measured."""
    number = math.nan if value is None else _number(what, value)
    if number < 0:
        raise ValueError(f"{what} is {value!r}, and has to be at least 0")
    return value if math.isfinite(number) else None


def _digest(what: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is {value!r}, and has to be a text")
    return value


def signature_of(mlmodel: Mapping[str, Any]) -> Signature | None:
    """The signature in an ``MLmodel`` file; None when it has none.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not as MLflow writes it.
    """
    told = mlmodel.get("signature")
    if not told:
        return None
    inputs, outputs = (json.loads(told.get(side) or "[]") for side in ("inputs", "outputs"))
    return Signature(inputs=_ports(inputs), outputs=_ports(outputs))


def _ports(columns: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Names and types; a column without a name has its number."""
    return {str(column.get("name", number)): _type(column) for number, column in enumerate(columns)}


def _type(column: Mapping[str, Any]) -> str:
    tensor = column.get("tensor-spec")
    return f"tensor {tensor['dtype']}{tensor['shape']}" if tensor else str(column["type"])
