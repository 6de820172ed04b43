"""Gates beyond their keys: limits that contradict each other, and what can never pass."""

from __future__ import annotations

import math

from ..document import Items, Scalar, Table, Value, walk
from ..errors import did_you_mean
from ..spec import Report
from .facts import number, place, scalar, table

LEVEL, RESAMPLES = 0.95, 2000  # of confidence, when nothing else is said
_FEWEST_RESAMPLES, _MOST_RESAMPLES = 100, 100_000  # the most: a quarter of a minute of work
_TYPES = ("any", "array", "binary", "boolean", "datetime", "double", "float", "integer", "long", "map", "object",
          "sparkml_vector", "string")  # of a column in MLflow's signatures; that of a tensor has its shape behind it
_TAIL = 5  # of the resamples, at least, are below the bound


def check_gate(value: Table, report: Report) -> None:
    """Report what is wrong with a gate."""
    for found in walk(value):
        if isinstance(found.value, str) and "${{" in found.value:
            report.add("bad-gate", f"{found.text!r} is an expression", found.place,
                       why="a gate is read as it stands; no job is around it", fix="write the value")
    thresholds = table(value, "thresholds")
    for name in thresholds.entries if thresholds is not None else ():
        _check_limits(f"thresholds.{name}", table(thresholds, name), report)
    data = table(value, "data")
    _check_limits("data.rows", table(data, "rows"), report)
    labels = table(data, "labels")
    for name in labels.entries if labels is not None else ():
        _check_limits(f"data.labels.{name}", table(labels, name), report, most=1.0)
    _check_confidence(value, report)
    _check_slices(value, report)
    _check_signature(table(value, "signature"), report)
    _check_list("required", value, report)
    _check_list("slices.by", table(value, "slices"), report)
    _check_list("data.columns", data, report)
    _check_list("tags", value, report)
    for where in ("thresholds", "improvement", "data", "data.columns", "data.labels", "latency", "tags"):
        part = table(data if "." in where else value, where.rpartition(".")[2])
        if part is not None and not part.entries:
            report.add("bad-gate", f"{where} is empty, and so checks nothing", part.place,
                       fix="give it entries, or remove the key")


def _check_limits(where: str, limits: Table | None, report: Report, *, most: float | None = None) -> None:
    """Limits are at least one, in order, and where they are shares from 0 to 1."""
    if limits is None:
        return
    low, high = number(limits, "min"), number(limits, "max")
    if not limits.entries:
        report.add("bad-gate", f"{where} limits nothing", limits.place, fix="give it a 'min', a 'max', or both")
    if low is not None and high is not None and low > high:
        report.add("bad-gate", f"{where} has a min of {low:g} and a max of {high:g}", place(limits, "min"),
                   why="nothing is both", fix="exchange them")
    for key, limit in (("min", low), ("max", high)):
        if most is not None and limit is not None and not 0 <= limit <= most:
            report.add("out-of-range", f"{where}.{key} is {limit:g}", place(limits, key),
                       why="it is a share of the rows, from 0 to 1")


def _check_confidence(value: Table, report: Report) -> None:
    confidence = table(value, "confidence")
    if confidence is None:
        return
    level, resamples = number(confidence, "level"), number(confidence, "resamples")
    if level is not None and not 0.5 <= level < 1:
        report.add("out-of-range", f"confidence.level is {level:g}", place(confidence, "level"),
                   why="it is at least 0.5 and below 1", fix="write 0.95")
    if resamples is not None and resamples > _MOST_RESAMPLES:
        report.add("out-of-range", f"confidence.resamples is {resamples:g}", place(confidence, "resamples"),
                   why=f"it is at most {_MOST_RESAMPLES:,}")
    found, drawn = LEVEL if level is None else level, RESAMPLES if resamples is None else resamples
    tail = (1 - found) * drawn
    if 0.5 <= found < 1 and _FEWEST_RESAMPLES <= drawn <= _MOST_RESAMPLES and tail < _TAIL - 1e-6:
        needed = math.ceil(_TAIL / (1 - found) - 1e-6)
        given = "level" if level is not None else "resamples"
        report.add("out-of-range", f"confidence.level is {found:g}, of {drawn:,g} resamples", place(confidence, given),
                   why=f"{tail:.3g} of them would decide, and fewer than {_TAIL} are chance themselves",
                   fix=f"write resamples: {needed}" if needed <= _MOST_RESAMPLES else "write a level of at most 0.9999")
    objective = table(value, "objective")
    goal = scalar(objective, "goal")
    if goal is not None and goal.value == "maximize" and "loss" not in confidence.entries:
        report.add("bad-gate", "confidence names no loss, and the primary metric is maximized", confidence.place,
                   why="confidence compares losses row by row, which are better when smaller", fix="add 'loss: log_loss'")


def _check_slices(value: Table, report: Report) -> None:
    """Slices by a metric that is read the wrong way round would let through what is worse."""
    objective, slices = table(value, "objective"), table(value, "slices")
    primary, metric = scalar(objective, "primary_metric"), scalar(slices, "metric")
    aim, goal = scalar(objective, "goal"), scalar(slices, "goal")
    if primary is None or aim is None:
        return
    if metric is not None and metric.text != primary.text:
        if goal is None:
            report.add("bad-gate", f"slices compare {metric.text!r}, and do not say its goal", metric.place,
                       why=f"that of the objective is about {primary.text!r}", fix="add 'goal: minimize', or 'goal: maximize'")
    elif goal is not None and goal.text != aim.text:
        report.add("bad-gate", f"slices {goal.text} {primary.text!r}, and the objective is to {aim.text} it", goal.place,
                   why="one of them lets worse models through", fix="remove it")


def _check_signature(signature: Table | None, report: Report) -> None:
    """Inputs have types that MLflow has: no model could have another."""
    for name, wanted in signature.entries.items() if signature is not None else ():
        if isinstance(wanted, Scalar) and wanted.text not in _TYPES and not wanted.text.startswith("tensor "):
            report.add("bad-gate", f"signature.{name} is {wanted.text!r}, and no model has an input of that type", wanted.place,
                       why="MLflow has other names for types than Arrow and NumPy", fix=did_you_mean(wanted.text, _TYPES))


def _check_list(where: str, value: Table | None, report: Report) -> None:
    """A list of names has some, and each once."""
    found: Value | None = value.get(where.rpartition(".")[2]) if value is not None else None
    if not isinstance(found, Items):
        return
    if not found.items:
        report.add("bad-gate", f"{where} is an empty list", found.place, fix="name something, or remove the key")
    seen: set[str] = set()
    for item in found.items:
        if isinstance(item, Scalar) and item.text in seen:
            report.add("bad-gate", f"{where} has {item.text!r} twice", item.place, fix="remove one of them")
        seen |= {item.text} if isinstance(item, Scalar) else set()
