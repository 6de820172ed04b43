"""Gate files, as a shape: the one kind of file that is ours and not Azure ML's."""

from __future__ import annotations

from ..shapes import ByForm, ListOf, MapOf, Number, OneOf, Record, Text
from .common import TEXT

_GOAL = OneOf(("maximize", "minimize"))
_at_least_0 = Number(minimum=0)
_rows = Number(whole=True, minimum=0)
_limits = Record("limits", {"min": Number(), "max": Number()})
_names = ListOf(TEXT)

GATE = Record("a gate", {
    "$schema": TEXT,
    "description": TEXT,
    "objective": Record("objective", {"goal": _GOAL, "primary_metric": TEXT}, required=("goal", "primary_metric")),
    "required": _names,
    "thresholds": MapOf(_limits),
    "improvement": Record("improvement", {"absolute": _at_least_0, "relative": _at_least_0}),
    "confidence": Record("confidence", {
        "level": Number(), "loss": TEXT, "resamples": Number(whole=True, minimum=100), "seed": Number(whole=True, minimum=0)}),
    "slices": Record("slices", {"by": _names, "metric": TEXT, "goal": _GOAL, "worse": _at_least_0, "min_rows": _rows},
                     required=("by", "worse")),
    "data": Record("data", {
        "rows": Record("limits", {"min": _rows, "max": _rows}), "labels": MapOf(_limits),
        "columns": ByForm(items=_names, table=MapOf(TEXT))}),
    "latency": Record("latency", {"row_ms": _at_least_0, "rows_per_second": _at_least_0}),
    "size": Record("size", {"megabytes": _at_least_0}, required=("megabytes",)),
    "tags": ByForm(items=_names, table=MapOf(Text(numbers=True))),
    "signature": ByForm(scalar=OneOf(("champion", "required")), table=MapOf(TEXT)),
}, required=("objective",))
