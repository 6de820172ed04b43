"""A sweep as a value: which points are tried, when a trial is stopped early, and which trial is best.

Source: Azure ML's documentation of hyperparameter tuning and its sweepJob reference. Where they leave something open, the
docstring that decides it says so.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from .document import Scalar, Table
from .rules.facts import items, number, table, word
from .spec.reading import literal_text

_LARGEST_EXPONENT = 700.0  # e to more than that is no float
_DIGITS = 12  # of a quantised value: 3 * 0.1 is 0.3


class Algorithm(str, Enum):
    """How the points of the search space are chosen."""

    RANDOM = "random"
    SOBOL = "sobol"  # random, spread evenly
    GRID = "grid"
    BAYESIAN = "bayesian"


class Goal(str, Enum):
    """What the primary metric should be."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


# --- search spaces ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values; a value may be a group of parameters, each with a space of its own."""

    values: tuple[str | Mapping[str, Space], ...]


@dataclass(frozen=True, slots=True)
class Uniform:
    """A number from *low* to *high*; with *log*, e to that number."""

    low: float
    high: float
    log: bool = False
    q: float | None = None


@dataclass(frozen=True, slots=True)
class Normal:
    """A normally distributed number; with *log*, e to that number."""

    mu: float
    sigma: float
    log: bool = False
    q: float | None = None


@dataclass(frozen=True, slots=True)
class Integers:
    """A whole number from 0 up to, and without, *upper*."""

    upper: int


Space = Choice | Uniform | Normal | Integers


class Draw(Protocol):
    """Where the points of a space come from."""

    def share(self, key: str) -> float:
        """A number above 0 and below 1 for what *key* names; the same for the same key."""

    def index(self, key: str, count: int) -> int:
        """One of *count*, from 0 on."""



def quantised(value: float, q: float | None) -> float:
    """The multiple of *q* that is nearest to *value*: ``round(value / q) * q``.

    It may lie up to half a *q* outside the bounds of the space, as the formula that Azure ML documents has it.
    """
    if q is None or not math.isfinite(value / q):  # so small a step changes nothing
        return value
    return float(f"{round(value / q) * q:.{_DIGITS}g}")


def number_text(value: float, q: float | None) -> str:
    """A number as the trial's command gets it; a multiple of a whole number is written without a point."""
    return str(int(value)) if q is not None and q == int(q) and math.isfinite(value) else str(value)


def sample(space: Space, draw: Draw, key: str) -> tuple[str, dict[str, str]]:
    """A point of one parameter's space.

    Args:
        space: The space.
        draw: Chooses.
        key: Of the parameter.

    Returns:
        The parameter's text, and the parameters that come with it when the value is a group: its text is then the group
        as JSON.
    """
    if isinstance(space, Choice):
        index = draw.index(key, len(space.values))
        chosen = space.values[index]
        if isinstance(chosen, str):
            return chosen, {}
        inner: dict[str, str] = {}
        for name, nested in chosen.items():
            text, below = sample(nested, draw, f"{key}/{index}/{name}")
            inner |= {name: text} | below
        return _group_text(inner, chosen), inner
    if isinstance(space, Integers):
        return str(min(int(draw.share(key) * space.upper), space.upper - 1)), {}
    share = draw.share(key)
    if isinstance(space, Uniform):
        value = space.low + (space.high - space.low) * share
    else:
        value = space.mu + space.sigma * _standard_normal(share)
    if space.log:
        value = math.exp(min(value, _LARGEST_EXPONENT))
    return number_text(quantised(value, space.q), space.q), {}


def _standard_normal(share: float) -> float:
    from statistics import NormalDist  # only a normal space pays for it

    return NormalDist().inv_cdf(share)


def _group_text(texts: Mapping[str, str], names: Mapping[str, Space]) -> str:
    return json.dumps({name: texts[name] for name in names})


# --- the sweep -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Bandit:
    """Stops a trial that is worse than the best one by more than a slack.

    With a *factor*, the worst that may go on is ``best / (1 + factor)`` for a metric that is maximised and
    ``best * (1 + factor)`` for one that is minimised. For negative metrics the documentation says nothing: here it is the
    other of the two, so that the slack is never on the wrong side of the best. Otherwise *amount* is the distance.
    """

    factor: float | None = None
    amount: float = 0.0
    interval: int = 1
    delay: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MedianStopping:
    """Stops a trial whose best value is worse than the median of all trials' running averages."""

    interval: int = 1
    delay: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TruncationSelection:
    """Stops a trial that is in the lowest *percentage* of all trials that have come as far."""

    percentage: int
    interval: int = 1
    delay: int = 0


Policy = Bandit | MedianStopping | TruncationSelection


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much a sweep may do.

    Attributes:
        trials: At most so many.
        at_once: So many at a time.
        timeout: Seconds for the whole sweep.
        trial_timeout: Seconds for each trial.
    """

    trials: int = 1000
    at_once: int = 1000
    timeout: int | None = None
    trial_timeout: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """What a sweep job says beside its trial.

    Attributes:
        seed: Of random sampling; a sweep that gives none has 0, so that the same file gives the same trials.
        metric: The primary metric's exact name in MLflow.
    """

    space: Mapping[str, Space]
    algorithm: Algorithm = Algorithm.RANDOM
    seed: int = 0
    metric: str
    goal: Goal
    policy: Policy | None = None
    limits: Limits = Limits()

    def texts(self) -> dict[str, str]:
        """What makes a sweep another sweep, by what a person calls it."""
        return {"search space": repr(self.space), "sampling algorithm": f"{self.algorithm.value} {self.seed}",
                "objective": f"{self.goal.value} {self.metric}", "early termination": repr(self.policy),
                "limits": repr(self.limits)}


def read(document: Table) -> Sweep:
    """The sweep of a job that was checked and found right."""
    sampling = table(document, "sampling_algorithm")
    algorithm = word(document, "sampling_algorithm") or word(sampling, "type") or Algorithm.RANDOM.value
    if algorithm == Algorithm.RANDOM.value and word(sampling, "rule") == Algorithm.SOBOL.value:
        algorithm = Algorithm.SOBOL.value
    space = table(document, "search_space")
    objective = table(document, "objective")
    metric = objective.get("primary_metric") if objective else None
    return Sweep(
        space={name: _space(entry) for name, entry in (space.entries if space else {}).items() if isinstance(entry, Table)},
        algorithm=Algorithm(algorithm), seed=_whole(sampling, "seed") or 0,
        metric=metric.text if isinstance(metric, Scalar) else "", goal=Goal(word(objective, "goal") or Goal.MAXIMIZE.value),
        policy=_policy(table(document, "early_termination")), limits=_limits(table(document, "limits")),
    )


def _space(entry: Table) -> Space:
    kind = word(entry, "type") or ""
    if kind == "choice":
        return Choice(tuple(_option(value) for value in items(entry, "values") if isinstance(value, Scalar | Table)))
    if kind == "randint":
        return Integers(_whole(entry, "upper") or 1)
    log, q = "log" in kind, number(entry, "q")
    if kind.endswith("normal"):
        return Normal(number(entry, "mu") or 0.0, number(entry, "sigma") or 1.0, log, q)
    return Uniform(number(entry, "min_value") or 0.0, number(entry, "max_value") or 0.0, log, q)


def _option(value: Scalar | Table) -> str | Mapping[str, Space]:
    if isinstance(value, Scalar):
        return literal_text(value)
    return {name: _space(entry) if isinstance(entry, Table) else Choice((literal_text(entry),))
            for name, entry in value.entries.items() if isinstance(entry, Table | Scalar)}


def _policy(value: Table | None) -> Policy | None:
    kind = word(value, "type")
    if kind is None:
        return None
    interval, delay = max(1, _whole(value, "evaluation_interval") or 1), _whole(value, "delay_evaluation") or 0
    if kind == "bandit":
        return Bandit(factor=number(value, "slack_factor") or None, amount=number(value, "slack_amount") or 0.0,
                      interval=interval, delay=delay)
    if kind == "median_stopping":
        return MedianStopping(interval=interval, delay=delay)
    return TruncationSelection(percentage=_whole(value, "truncation_percentage") or 0, interval=interval, delay=delay)


def _limits(value: Table | None) -> Limits:
    trials = _whole(value, "max_total_trials") or Limits().trials
    return Limits(trials=trials, at_once=_whole(value, "max_concurrent_trials") or trials, timeout=_whole(value, "timeout"),
                  trial_timeout=_whole(value, "trial_timeout"))


def _whole(value: Table | None, key: str) -> int | None:
    found = number(value, key)
    return int(found) if found is not None else None


# --- points ----------------------------------------------------------------------------------------------------------


def point(sweep: Sweep, trial: int) -> dict[str, str] | None:
    """The parameters of a trial, as its command gets them; the same for the same sweep, whatever was tried before.

    Args:
        sweep: Of any algorithm but bayesian.
        trial: From 0 on.

    Returns:
        None when a grid has no more points.
    """
    if sweep.algorithm is Algorithm.GRID:
        return _grid_point(sweep.space, trial)
    return drawn(sweep.space, Even(sweep, trial) if sweep.algorithm is Algorithm.SOBOL else Random(sweep.seed, trial))


def drawn(spaces: Mapping[str, Space], draw: Draw) -> dict[str, str]:
    """A point of a search space: its parameters, and after them those of the groups that were chosen."""
    found: dict[str, str] = {}
    groups: dict[str, str] = {}
    for name, space in spaces.items():
        found[name], inner = sample(space, draw, name)
        groups |= inner
    return found | {name: text for name, text in groups.items() if name not in spaces}


class Random:
    """Numbers that follow from seed, trial and parameter alone: one parameter more does not change the others."""

    def __init__(self, seed: int, trial: int) -> None:
        self._of = f"{seed}\0{trial}\0"

    def share(self, key: str) -> float:
        """A number of the key's own."""
        digest = hashlib.sha256((self._of + key).encode()).digest()
        return (int.from_bytes(digest[:6], "big") + 0.5) / (1 << 48)

    def index(self, key: str, count: int) -> int:
        """Each with the same probability."""
        return min(int(self.share(key) * count), count - 1)


class Even(Random):
    """Sobol's sequence, shifted by the seed; parameters beyond its table, and those in a group, are drawn at random."""

    def __init__(self, sweep: Sweep, trial: int) -> None:
        super().__init__(sweep.seed, trial)
        self._trial, self._shift = trial, Random(sweep.seed, -1)
        self._dimension = {name: index for index, name in zip(range(SOBOL_DIMENSIONS), sweep.space, strict=False)}

    def share(self, key: str) -> float:
        """The trial's number in the key's dimension."""
        dimension = self._dimension.get(key)
        if dimension is None:
            return super().share(key)
        moved = sobol(dimension, self._trial) ^ int(self._shift.share(key) * (1 << _BITS))
        return (moved + 0.5) / (1 << _BITS)


def _grid_point(spaces: Mapping[str, Space], trial: int) -> dict[str, str] | None:
    """The last parameter changes fastest."""
    left = trial
    chosen: dict[str, tuple[str, dict[str, str]]] = {}
    for name in reversed(list(spaces)):
        options = list(_options(spaces[name]))
        left, index = divmod(left, len(options) or 1)
        if not options:
            return None
        chosen[name] = options[index]
    if left or not spaces:
        return None
    inner = {key: text for name in spaces for key, text in chosen[name][1].items()}
    return {name: chosen[name][0] for name in spaces} | {key: text for key, text in inner.items() if key not in spaces}


def _options(space: Space) -> Iterator[tuple[str, dict[str, str]]]:
    """Every value of a choice, those of a group in all combinations."""
    for value in space.values if isinstance(space, Choice) else ():
        if isinstance(value, str):
            yield value, {}
            continue
        number_of = 0
        while (inner := _grid_point(value, number_of)) is not None:
            yield _group_text(inner, value), inner
            number_of += 1


_BITS = 30
# Degree, coefficients and initial numbers of the primitive polynomials for the dimensions from the second on.
# Source: S. Joe and F. Y. Kuo, Constructing Sobol sequences with better two-dimensional projections (2008), table D(6).
_POLYNOMIALS: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    (1, 0, (1,)), (2, 1, (1, 3)), (3, 1, (1, 3, 1)), (3, 2, (1, 1, 1)), (4, 1, (1, 1, 3, 3)), (4, 4, (1, 3, 5, 13)),
    (5, 2, (1, 1, 5, 5, 17)), (5, 4, (1, 1, 5, 5, 5)), (5, 7, (1, 1, 7, 11, 19)), (5, 11, (1, 1, 5, 1, 1)),
    (5, 13, (1, 1, 1, 3, 11)), (5, 14, (1, 3, 5, 5, 31)), (6, 1, (1, 3, 3, 9, 7, 49)), (6, 13, (1, 1, 1, 15, 21, 21)),
    (6, 16, (1, 3, 1, 13, 27, 49)), (6, 19, (1, 1, 1, 15, 7, 5)), (6, 22, (1, 3, 1, 15, 13, 25)),
    (6, 25, (1, 1, 5, 5, 19, 61)), (7, 1, (1, 3, 7, 11, 23, 15, 103)), (7, 4, (1, 3, 7, 13, 13, 15, 69)),
)
SOBOL_DIMENSIONS = len(_POLYNOMIALS) + 1


def sobol(dimension: int, index: int) -> int:
    """A number of Sobol's sequence, times 2 to the 30th; both counted from 0."""
    directions = _directions(dimension)
    gray = index ^ (index >> 1)
    found = 0
    for bit in range(_BITS):
        if gray >> bit & 1:
            found ^= directions[bit]
    return found


def _directions(dimension: int) -> list[int]:
    if dimension == 0:
        return [1 << (_BITS - 1 - bit) for bit in range(_BITS)]
    degree, coefficients, initial = _POLYNOMIALS[dimension - 1]
    found = [value << (_BITS - 1 - bit) for bit, value in enumerate(initial)]
    for bit in range(degree, _BITS):
        value = found[bit - degree] ^ (found[bit - degree] >> degree)
        for back in range(1, degree):
            if coefficients >> (degree - 1 - back) & 1:
                value ^= found[bit - back]
        found.append(value)
    return found


# --- judging ---------------------------------------------------------------------------------------------------------


def objective(goal: Goal, curve: Sequence[float]) -> float | None:
    """The best of what a trial logged; None when that holds no finite number."""
    finite = [value for value in curve if math.isfinite(value)]
    return (max if goal is Goal.MAXIMIZE else min)(finite, default=None)


def best(goal: Goal, objectives: Mapping[int, float]) -> int | None:
    """The trial with the best objective; of equal ones the first. None when there is none."""
    sign = 1 if goal is Goal.MAXIMIZE else -1
    return min(objectives, key=lambda trial: (-sign * objectives[trial], trial), default=None)


def why_stop(sweep: Sweep, trial: int, curves: Mapping[int, Sequence[float]], seen: int) -> str:
    """Why a trial is to be stopped early, in words; empty when it may go on.

    Each value that a trial logs of the primary metric is one interval. The policy is asked at every multiple of its
    evaluation interval from its delay on; trials are compared by what they had logged up to the same interval.

    Args:
        sweep: With a policy.
        trial: The trial.
        curves: What every trial has logged so far, finished and stopped ones included.
        seen: How many values of *trial* were judged before.
    """
    policy = sweep.policy
    if policy is None:
        return ""
    for interval in range(seen + 1, len(curves[trial]) + 1):
        if interval % policy.interval == 0 and interval >= policy.delay:
            reason = _verdict(policy, sweep.goal, trial, curves, interval)
            if reason:
                return f"{reason} at interval {interval}"
    return ""


def _verdict(policy: Policy, goal: Goal, trial: int, curves: Mapping[int, Sequence[float]], interval: int) -> str:
    sign = 1 if goal is Goal.MAXIMIZE else -1
    # Higher is better here, and what is no number is worse than all.
    scores = {name: [sign * value if math.isfinite(value) else -math.inf for value in curve[:interval]]
              for name, curve in curves.items() if curve}
    own = max(scores[trial])
    told = f"{sign * own:.6g}" if math.isfinite(own) else "no number"
    if isinstance(policy, Bandit):
        leader = max(max(values) for values in scores.values())
        allowed = leader - policy.amount if policy.factor is None else _slackened(leader, policy.factor)
        return f"{told} is outside the slack of the best, {sign * leader:.6g}," if own < allowed else ""
    if isinstance(policy, MedianStopping):
        median = _median([sum(values) / len(values) for values in scores.values()])
        return f"{told} is worse than the median of the running averages, {sign * median:.6g}," if own < median else ""
    as_far = {name: max(values) for name, values in scores.items() if len(values) >= interval}
    below = sum((score, -name) < (own, -trial) for name, score in as_far.items())
    lowest = len(as_far) * policy.percentage // 100
    return f"{told} is among the lowest {policy.percentage}% of {len(as_far)} trials" if below < lowest else ""


def _slackened(leader: float, factor: float) -> float:
    return leader / (1 + factor) if leader >= 0 else leader * (1 + factor)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
