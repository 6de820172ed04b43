"""What a model must show before it may replace a champion, as a gate file says it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from .document import Items, Scalar, Table, Value
from .rules.facts import items, number, scalar, table
from .rules.gates import LEVEL, RESAMPLES
from .spec import reading
from .sweep import Goal


@dataclass(frozen=True, slots=True)
class Limits:
    """From *low* to *high*, both included; None is no limit."""

    low: float | None = None
    high: float | None = None

    def hold(self, value: float) -> bool:
        """Whether *value* is within them; what is not a number is not."""
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high) and value == value

    def __str__(self) -> str:
        parts = [f"at least {shown(self.low)}"] if self.low is not None else []
        return " and ".join(parts + ([f"at most {shown(self.high)}"] if self.high is not None else []))


@dataclass(frozen=True, kw_only=True, slots=True)
class Confidence:
    """The improvement of the mean *loss* must be above 0 in all but a share of ``1 - level`` of the resamples."""

    loss: str
    level: float = LEVEL
    resamples: int = RESAMPLES
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceLimit:
    """No slice by one of the columns *by* may be *worse* than the champion by more; those below *min_rows* do not count."""

    by: tuple[str, ...]
    metric: str
    goal: Goal
    worse: float
    min_rows: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """What a candidate must show before it may replace a champion.

    Attributes:
        metric: What candidate and champion are compared by.
        goal: What that metric should be.
        required: Metrics that must be there.
        thresholds: Limits of single metrics.
        absolute: By how much the candidate must be better; at 0 any improvement will do, and a tie never does.
        relative: The same as a share of the champion's value; the larger of the two counts.
        columns: Columns that the test data must have, with their types; None for any type.
        labels: The share of the rows that each label must have.
        row_ms: How long the prediction of one row may take, in milliseconds.
        rows_per_second: How fast a batch must be predicted.
        max_bytes: How large the model may be.
        tags: Tags that the candidate must have, with their values; None for any value.
        signature: The inputs that the model must have, with their types; empty for any. None when none is needed.
        signature_of_champion: The candidate's inputs and outputs must be the champion's.
    """

    metric: str
    goal: Goal
    required: tuple[str, ...] = ()
    thresholds: Mapping[str, Limits] = field(default_factory=dict)
    absolute: float = 0.0
    relative: float = 0.0
    confidence: Confidence | None = None
    slices: SliceLimit | None = None
    rows: Limits | None = None
    labels: Mapping[str, Limits] = field(default_factory=dict)
    columns: Mapping[str, str | None] = field(default_factory=dict)
    row_ms: float | None = None
    rows_per_second: float | None = None
    max_bytes: float | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    signature: Mapping[str, str] | None = None
    signature_of_champion: bool = False

    @classmethod
    def from_document(cls, value: Table) -> Gate:
        """A gate from its document, which was checked: see :mod:`mlops_lib.rules.gates`."""
        objective, improvement, confidence = (table(value, key) for key in ("objective", "improvement", "confidence"))
        slices, data, signature = (table(value, key) for key in ("slices", "data", "signature"))
        metric, goal = _text(objective, "primary_metric", ""), Goal(_text(objective, "goal", Goal.MINIMIZE.value))
        megabytes = number(table(value, "size"), "megabytes")
        word = _text(value, "signature", "")
        return cls(
            metric=metric, goal=goal, required=reading.texts(value, "required"),
            thresholds=_limits_of(table(value, "thresholds")),
            absolute=number(improvement, "absolute") or 0.0, relative=number(improvement, "relative") or 0.0,
            confidence=None if confidence is None else Confidence(
                loss=_text(confidence, "loss", metric), level=_number(confidence, "level", LEVEL),
                resamples=int(_number(confidence, "resamples", RESAMPLES)), seed=int(_number(confidence, "seed", 0))),
            slices=None if slices is None else SliceLimit(
                by=reading.texts(slices, "by"), metric=_text(slices, "metric", metric),
                goal=Goal(_text(slices, "goal", goal.value)), worse=_number(slices, "worse", 0.0),
                min_rows=int(_number(slices, "min_rows", 1))),
            rows=_limits(table(data, "rows")), labels=_limits_of(table(data, "labels")), columns=_named(data, "columns"),
            row_ms=number(table(value, "latency"), "row_ms"),
            rows_per_second=number(table(value, "latency"), "rows_per_second"),
            max_bytes=None if megabytes is None else megabytes * 2**20, tags=_named(value, "tags"),
            signature=reading.text_map(value, "signature") if signature is not None else {} if word else None,
            signature_of_champion=word == "champion")


def _text(value: Table | None, key: str, default: str) -> str:
    found = scalar(value, key)
    return found.text if found is not None else default


def _number(value: Table, key: str, default: float) -> float:
    found = number(value, key)
    return default if found is None else found


def _limits(value: Table | None) -> Limits | None:
    return None if value is None else Limits(number(value, "min"), number(value, "max"))


def _limits_of(value: Table | None) -> dict[str, Limits]:
    found = {name: _limits(table(value, name)) for name in (value.entries if value is not None else ())}
    return {name: limits for name, limits in found.items() if limits is not None}


def _named(value: Table | None, key: str) -> dict[str, str | None]:
    """A mapping of texts, or a list of names, whose texts are free."""
    found: Value | None = value.get(key) if value is not None else None
    if isinstance(found, Items):
        return {item.text: None for item in items(value, key) if isinstance(item, Scalar)}
    return {name: reading.literal_text(entry) for name, entry in found.entries.items()
            if isinstance(entry, Scalar)} if isinstance(found, Table) else {}


def shown(value: float | None) -> str:
    """A number in a message."""
    if value is None:
        return "none"
    if not math.isfinite(value):
        return "not finite"
    return f"{value:,.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:,.6g}"  # rows and squared errors are often that large
