"""What a sweep tries next: points that are known from the start, or Optuna's, which depend on how trials went."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import InputError
from ...graph import Step
from ...sweep import Algorithm, Choice, Goal, Integers, Space, Sweep, Uniform, drawn, point

if TYPE_CHECKING:
    import optuna

_LEAST = 2.0**-40  # of a share of a space: above 0, for a normal space has no smallest number


class Sampler(Protocol):
    """Chooses the points of a sweep, one after the other."""

    def propose(self, trial: int) -> Mapping[str, str] | None:
        """The parameters of a trial; None when there are no more points."""

    def learn(self, trial: int, objective: float | None, *, stopped: bool) -> None:
        """How a trial ended; None when it failed, or logged no number. *stopped*: early, because others did better."""


def sampler_for(sweep: Sweep, before: Mapping[int, Mapping[str, str]]) -> Sampler:
    """The sampler of a sweep.

    Args:
        sweep: The sweep.
        before: The parameters of its trials when it was interrupted, to be proposed again.
    """
    return Bayesian(sweep, before) if sweep.algorithm is Algorithm.BAYESIAN else Known(sweep)


def check(steps: Iterable[Step]) -> None:
    """See that what the sweeps among *steps* need is installed.

    Raises:
        InputError: it is not.
    """
    for step in steps:
        if step.sweep is not None and step.sweep.algorithm is Algorithm.BAYESIAN and not importlib.util.find_spec("optuna"):
            place = step.job.places.get("sampling_algorithm", step.job.place)
            raise InputError(f"the sweep {step.name!r} samples by bayesian, and Optuna is not installed",
                             place=place if place.line else None, why="it chooses the points on this machine",
                             fix="pip install 'mlops-lib[sweep]', or take another sampling_algorithm")


class Known:
    """Points that follow from the sweep alone."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep

    def propose(self, trial: int) -> Mapping[str, str] | None:
        """The trial's point."""
        return point(self._sweep, trial)

    def learn(self, trial: int, objective: float | None, *, stopped: bool) -> None:
        """Nothing depends on it."""


class Bayesian:
    """Optuna's tree-structured Parzen estimator; it searches the unit cube, from which the spaces are drawn."""

    def __init__(self, sweep: Sweep, before: Mapping[int, Mapping[str, str]]) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sweep, self._before = sweep, before
        self._study = optuna.create_study(
            direction="maximize" if sweep.goal is Goal.MAXIMIZE else "minimize",
            # The first points are random: those that come after an interruption must not be the first ones again.
            sampler=optuna.samplers.TPESampler(seed=sweep.seed + len(before), constant_liar=sweep.limits.at_once > 1))
        self._asked: dict[int, optuna.trial.Trial] = {}

    def propose(self, trial: int) -> Mapping[str, str] | None:
        """The point of the interrupted sweep, or the one that promises most."""
        if trial in self._before:
            return self._before[trial]
        asked = self._asked[trial] = self._study.ask()
        return drawn(self._sweep.space, _Asking(asked))

    def learn(self, trial: int, objective: float | None, *, stopped: bool) -> None:
        """Let what comes next depend on it."""
        import optuna

        states = optuna.trial.TrialState
        state = states.FAIL if objective is None else states.PRUNED if stopped else states.COMPLETE
        if trial not in self._asked:
            shares, kinds = _shares_of(self._sweep.space, self._before[trial]), optuna.distributions
            self._study.add_trial(optuna.trial.create_trial(
                state=state, value=objective if state is states.COMPLETE else None, params=shares,
                distributions={
                    key: kinds.CategoricalDistribution(range(_options_at(self._sweep.space, key))) if isinstance(share, int)
                    else kinds.FloatDistribution(0.0, 1.0) for key, share in shares.items()},
                intermediate_values={1: objective} if state is states.PRUNED and objective is not None else None))
            return
        if state is states.PRUNED and objective is not None:
            self._asked[trial].report(objective, 1)
        self._study.tell(self._asked[trial], objective if state is states.COMPLETE else None, state=state)


class _Asking:
    """Draws from a trial of Optuna's."""

    def __init__(self, trial: optuna.trial.Trial) -> None:
        self._trial = trial

    def share(self, key: str) -> float:
        share: float = self._trial.suggest_float(key, 0.0, 1.0)
        return min(max(share, _LEAST), 1 - _LEAST)

    def index(self, key: str, count: int) -> int:
        return int(self._trial.suggest_categorical(key, range(count)))


def _shares_of(spaces: Mapping[str, Space], texts: Mapping[str, str], prefix: str = "") -> dict[str, Any]:
    """Where a point lies in the unit cube: the inverse of `drawn`, up to rounding."""
    found: dict[str, Any] = {}
    for name, space in spaces.items():
        key = f"{prefix}{name}"
        if not isinstance(space, Choice):
            found[key] = min(max(_share(space, float(texts[name])), 0.0), 1.0)
            continue
        for index, value in enumerate(space.values):
            if isinstance(value, str):
                if value == texts[name]:
                    found[key] = index
                    break
            elif (group := _group(texts[name])) is not None and group.keys() == value.keys():
                found |= {key: index} | _shares_of(value, group, f"{key}/{index}/")
                break
    return found


def _group(text: str) -> dict[str, str] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _share(space: Space, value: float) -> float:
    if isinstance(space, Integers):
        return (value + 0.5) / space.upper
    if isinstance(space, Choice):
        raise ValueError("a choice has an index, not a share")
    value = math.log(max(value, math.ulp(0.0))) if space.log else value
    if isinstance(space, Uniform):
        return (value - space.low) / ((space.high - space.low) or 1.0)
    from statistics import NormalDist

    return NormalDist(space.mu, space.sigma).cdf(value)


def _options_at(spaces: Mapping[str, Space], key: str) -> int:
    """How many values the choice has that a key of `_shares_of` names."""
    name, _, rest = key.partition("/")
    space = spaces[name]
    if not isinstance(space, Choice):
        return 0
    if not rest:
        return len(space.values)
    index, _, below = rest.partition("/")
    group = space.values[int(index)]
    return _options_at(group, below) if not isinstance(group, str) else 0
