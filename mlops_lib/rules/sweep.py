"""A sweep's search space against its trial, its algorithm and its limits.

Source: the documentation of hyperparameter tuning and the sweepJob reference.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

from ..document import Items, Scalar, Table, plain
from ..errors import Severity, did_you_mean, listing
from ..spec import Input, Report, value_problem
from ..spec.reading import literal_text
from .facts import items, number, place, scalar, table, word
from .literals import surprise

_BAYESIAN = frozenset({"choice", "quniform", "uniform"})
_LARGEST_EXPONENT = 700  # e to more than that is no float


def check_sweep(value: Table, report: Report, *, inputs: Mapping[str, Input] | None = None,
                metrics: Collection[str] | None = None) -> None:
    """Report what is wrong with a sweep.

    Args:
        value: The sweep job or node.
        report: Gets what is wrong.
        inputs: The trial's inputs; None when they are not declared.
        metrics: All the metrics that the trial's code logs; None when the code does not tell.
    """
    algorithm = word(value, "sampling_algorithm") or word(table(value, "sampling_algorithm"), "type")
    space = table(value, "search_space")
    if space is not None:
        if algorithm == "grid" and not space.entries:
            report.add("bad-space", "the search space is empty", space.place, fix="add a parameter")
        for name, entry in space.entries.items():
            if isinstance(entry, Table):
                _check_space(name, entry, algorithm, report)
                _check_against_trial(name, entry, space, inputs, report)
        for name, given in (table(value, "inputs") or Table({}, {}, value.place)).entries.items():
            if name in space.entries:
                report.add("bad-space", f"{name!r} is an input of the sweep and in its search space", given.place,
                           why="a trial can get one of them", fix="remove one of them")
    _check_early_termination(table(value, "early_termination"), report)
    _check_limits(table(value, "limits"), report)
    metric = scalar(table(value, "objective"), "primary_metric")
    if metric is not None and metrics is not None and metric.text not in metrics:
        report.add("unlogged-metric", f"the trial's code never logs the metric {metric.text!r}", metric.place,
                   why=f"it logs {listing(sorted(metrics))}" if metrics else "it logs none",
                   fix=did_you_mean(metric.text, metrics) if metrics else f"log it: mlflow.log_metric({metric.text!r}, …)",
                   severity=Severity.WARNING)


def _check_space(name: str, entry: Table, algorithm: str | None, report: Report) -> None:
    kind = word(entry, "type")
    if kind is None:
        return
    if algorithm == "grid" and kind != "choice":
        report.add("bad-space", f"{name!r} is searched as {kind}, and a grid takes choices only", place(entry, "type"),
                   fix="write 'type: choice' with values, or another sampling algorithm")
    elif algorithm == "bayesian" and kind not in _BAYESIAN:
        report.add("bad-space", f"{name!r} is searched as {kind}, which bayesian sampling does not take",
                   place(entry, "type"), why=f"it takes {listing(sorted(_BAYESIAN))}", fix="take one of these, or random")
    low, high = number(entry, "min_value"), number(entry, "max_value")
    if low is not None and high is not None and low >= high:
        report.add("bad-space", f"{name!r} is searched from {low:g} to {high:g}", place(entry, "min_value"),
                   why="min_value must be below max_value", fix="exchange them" if low > high else "widen the range")
    for key in ("min_value", "max_value", "mu"):
        exponent = number(entry, key)
        if "log" in kind and exponent is not None and exponent > _LARGEST_EXPONENT:
            report.add("bad-space", f"{key} of {name!r} is {exponent:g}, and e to that is too large", place(entry, key),
                       why=f"a {kind} space takes exponents of e", fix=f"write {math.log(exponent):.6g}, its logarithm")
    for key in ("q", "sigma", "upper"):
        amount = number(entry, key)
        if amount is not None and amount <= 0:
            report.add("bad-space", f"{key} of {name!r} is {amount:g}", place(entry, key), why="it must be above 0")
    values = entry.get("values")
    if kind == "choice" and isinstance(values, Items) and not values.items:
        report.add("bad-space", f"{name!r} has no values to choose from", values.place, fix="add some")


def _check_against_trial(name: str, entry: Table, space: Table, inputs: Mapping[str, Input] | None, report: Report) -> None:
    if inputs is None:
        return
    port = inputs.get(name)
    if port is None:
        nested = any(isinstance(value, Table) for value in items(entry, "values"))
        if not nested:
            report.add("bad-space", f"the search space has {name!r}, which is no input of the trial", space.places[name],
                       why=f"its inputs are {listing(sorted(inputs))}" if inputs else "it has no inputs",
                       fix=did_you_mean(name, inputs) if inputs else "")
        return
    if not port.literal and port.type not in ("any", "unknown"):
        report.add("bad-space", f"the search space has {name!r}, which is a {port.type} of the trial", space.places[name],
                   why="only literals are searched", fix="remove it")
        return
    kind, q = word(entry, "type"), number(entry, "q")
    if port.type == "boolean" and kind not in (None, "choice"):
        report.add("bad-space", f"{name!r} is searched as {kind}, and the trial takes a boolean", place(entry, "type"),
                   fix="write 'type: choice' and 'values: [true, false]'")
        return
    if port.type == "integer" and kind not in (None, "choice", "randint") and (q is None or q != int(q)):
        report.add("bad-space", f"{name!r} is searched as {kind}, and the trial takes an integer", place(entry, "type"),
                   why="most of its points have a fraction, which the script must round",
                   fix="write a choice, a randint, or a space with a whole q", severity=Severity.WARNING)
        return
    for value in items(entry, "values"):
        if isinstance(value, Scalar) and port.literal:
            problem = value_problem(port, literal_text(value), plain(value))
            why, fix = surprise(value, port.type) or ("", problem[1] if problem else "")
            if problem:
                report.add("bad-value", f"{value.text!r}, to be tried for {name!r}, {problem[0]}", value.place, why=why,
                           fix=fix)
    for key, given, reached in _ends(entry, kind or "", q):
        if _takes(port, reached):
            continue
        told = f"{given:g}" if reached == given else f"{given:g}, which makes {reached:.6g}"
        meant = "log" in (kind or "") and given > 0 and _takes(port, given)
        report.add("bad-value", f"{key} of {name!r} is {told}, outside what the trial takes", place(entry, key),
                   why=f"its input is from {_bound(port.min)} to {_bound(port.max)}",
                   fix=f"a {kind} space takes exponents: write {math.log(given):.6g} for {given:g}" if meant else "")


def _ends(entry: Table, kind: str, q: float | None) -> Iterator[tuple[str, float, float]]:
    """The bounds of a space: the key, what it says, and the number that a trial gets there."""
    for key in ("min_value", "max_value"):
        given = number(entry, key)
        if given is not None and not ("log" in kind and given > _LARGEST_EXPONENT):
            reached = math.exp(given) if "log" in kind else given
            yield key, given, round(reached / q) * q if q and math.isfinite(reached / q) else reached
    upper = number(entry, "upper")
    if kind == "randint" and upper is not None:
        yield "upper", upper, 0
        yield "upper", upper, upper - 1


def _takes(port: Input, amount: float) -> bool:
    return (port.min is None or amount >= port.min) and (port.max is None or amount <= port.max)


def _bound(amount: float | None) -> str:
    return "anything" if amount is None else f"{amount:g}"


def _check_early_termination(policy: Table | None, report: Report) -> None:
    if policy is None:
        return
    kind = word(policy, "type")
    factor, amount = number(policy, "slack_factor"), number(policy, "slack_amount")
    if kind == "bandit":
        if "slack_factor" not in policy.entries and "slack_amount" not in policy.entries:
            report.add("bad-policy", "a bandit policy needs slack_factor or slack_amount", policy.place,
                       fix="add 'slack_factor: 0.1'")
        elif factor and amount:
            report.add("bad-policy", "a bandit policy has slack_factor and slack_amount", place(policy, "slack_amount"),
                       why="it takes one of them", fix="remove one")
    for key in ("slack_factor", "slack_amount", "delay_evaluation", "evaluation_interval"):
        found = number(policy, key)
        if found is not None and found < 0:
            report.add("bad-policy", f"{key} is {found:g}", place(policy, key), why="it is at least 0")
    share = number(policy, "truncation_percentage")
    if share is not None and not 1 <= share <= 99:
        report.add("bad-policy", f"truncation_percentage is {share:g}", place(policy, "truncation_percentage"),
                   why="it is from 1 to 99")


def _check_limits(limits: Table | None, report: Report) -> None:
    if limits is None:
        return
    for key in ("max_concurrent_trials", "max_total_trials", "timeout", "trial_timeout"):
        amount = number(limits, key)
        if amount is not None and amount < 1:
            report.add("out-of-range", f"{key} is {amount:g}", place(limits, key), why="it is at least 1")
    for smaller, larger, unit in (("max_concurrent_trials", "max_total_trials", "trials"),
                                  ("trial_timeout", "timeout", "seconds")):
        low, high = number(limits, smaller), number(limits, larger)
        if low is not None and high is not None and 1 <= high < low:
            report.add("bad-limits", f"{smaller} is {low:g} {unit}, more than {larger} ({high:g})", place(limits, smaller),
                       why="the second limit is reached first", fix=f"lower {smaller}")
