"""What a sweep tries, stops and keeps, as values."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.document import Table, parse
from mlops_lib.sweep import (
    SOBOL_DIMENSIONS,
    Algorithm,
    Bandit,
    Choice,
    Goal,
    Integers,
    Limits,
    MedianStopping,
    Normal,
    Policy,
    Random,
    Space,
    Sweep,
    TruncationSelection,
    Uniform,
    best,
    objective,
    point,
    read,
    sample,
    sobol,
    why_stop,
)

SEEDS = st.integers(0, 2**31 - 1)
TRIALS = st.integers(0, 5000)
BOUNDS = st.tuples(st.floats(-50, 50), st.floats(0.001, 50)).map(lambda pair: (pair[0], pair[0] + pair[1]))
STEPS = st.sampled_from([0.001, 0.05, 0.1, 0.25, 1.0, 2.0, 5.0])


def sweep(space: Mapping[str, Space], algorithm: Algorithm = Algorithm.RANDOM, **more: Any) -> Sweep:
    return Sweep(space=space, algorithm=algorithm, metric="loss", **{"goal": Goal.MINIMIZE, **more})


def drawn(space: Space, seed: int, trial: int = 0) -> str:
    return sample(space, Random(seed, trial), "x")[0]


# --- spaces ----------------------------------------------------------------------------------------------------------


@given(BOUNDS, SEEDS, TRIALS)
def test_a_uniform_number_lies_within_its_bounds(bounds: tuple[float, float], seed: int, trial: int) -> None:
    low, high = bounds
    assert low <= float(drawn(Uniform(low, high), seed, trial)) <= high
    assert math.exp(low) * 0.999999 <= float(drawn(Uniform(low, high, log=True), seed, trial)) <= math.exp(high) * 1.000001


@given(BOUNDS, STEPS, SEEDS, TRIALS)
def test_a_quantised_number_is_the_multiple_nearest_to_the_one_it_was(
    bounds: tuple[float, float], q: float, seed: int, trial: int
) -> None:
    text = drawn(Uniform(*bounds, q=q), seed, trial)
    plain = float(drawn(Uniform(*bounds), seed, trial))
    assert float(text) == pytest.approx(round(plain / q) * q, abs=1e-9)
    assert abs(float(text) - plain) <= q / 2 + 1e-9
    assert ("." in text) == (q != int(q))


@given(STEPS, SEEDS)
def test_every_kind_of_number_can_be_quantised(q: float, seed: int) -> None:
    for space in (Uniform(0, 3, log=True, q=q), Normal(1, 2, q=q), Normal(1, 0.5, log=True, q=q)):
        ratio = float(drawn(space, seed)) / q
        assert ratio == pytest.approx(round(ratio), abs=1e-6)


def test_a_quantised_number_is_written_as_a_person_would() -> None:
    texts = {drawn(Uniform(0, 1, q=0.1), seed) for seed in range(300)}
    assert texts == {"0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0"}


@given(st.integers(1, 1000), SEEDS, TRIALS)
def test_a_random_integer_is_below_its_upper_bound(upper: int, seed: int, trial: int) -> None:
    assert 0 <= int(drawn(Integers(upper), seed, trial)) < upper


def test_random_integers_reach_both_ends() -> None:
    assert {drawn(Integers(3), seed) for seed in range(60)} == {"0", "1", "2"}


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5), SEEDS)
def test_a_choice_is_one_of_its_values(values: list[str], seed: int) -> None:
    assert drawn(Choice(tuple(values)), seed) in values


def test_numbers_are_distributed_as_their_space_says() -> None:
    def quartiles(space: Space) -> list[float]:
        values = sorted(float(drawn(space, 1, trial)) for trial in range(4000))
        return [values[1000], values[2000], values[3000]]

    assert quartiles(Uniform(0, 8)) == pytest.approx([2, 4, 6], abs=0.3)
    assert quartiles(Uniform(0, 8, log=True)) == pytest.approx([math.exp(2), math.exp(4), math.exp(6)], rel=0.3)
    assert quartiles(Normal(10, 2)) == pytest.approx([10 - 1.349, 10, 10 + 1.349], abs=0.2)
    assert quartiles(Normal(1, 0.5, log=True)) == pytest.approx([math.exp(1 - 0.337), math.e, math.exp(1.337)], rel=0.1)


def test_a_number_too_large_for_the_machine_is_the_largest_it_has_room_for() -> None:
    assert math.isfinite(float(drawn(Uniform(2000, 3000, log=True), 0)))


GROUP = Choice(({"name": Choice(("sgd",)), "rate": Uniform(0, 1)}, {"name": Choice(("adam",))}, "none"))


def test_a_group_gives_itself_as_json_and_its_parameters_by_name() -> None:
    found = [point(sweep({"optimizer": GROUP, "layers": Integers(4)}), trial) for trial in range(60)]
    kinds = {json.loads(given["optimizer"])["name"] if given["optimizer"] != "none" else "none" for given in found if given}
    assert kinds == {"sgd", "adam", "none"}
    for given_ in found:
        assert given_ is not None
        group = json.loads(given_["optimizer"]) if given_["optimizer"] != "none" else {}
        assert {name: text for name, text in given_.items() if name not in ("optimizer", "layers")} == group
        assert ("rate" in group) == (group.get("name") == "sgd")


def test_a_parameter_of_its_own_comes_before_one_of_a_group() -> None:
    given_ = point(sweep({"optimizer": Choice(({"rate": Choice(("2",))},)), "rate": Choice(("1",))}), 0)
    assert given_ == {"optimizer": '{"rate": "2"}', "rate": "1"}


# --- points ----------------------------------------------------------------------------------------------------------

NUMBERS: dict[str, Space] = {"a": Uniform(0, 1), "b": Normal(0, 1), "c": Integers(100), "d": Choice(("x", "y", "z"))}


@pytest.mark.parametrize("algorithm", [Algorithm.RANDOM, Algorithm.SOBOL])
def test_the_same_seed_gives_the_same_trials_and_another_gives_others(algorithm: Algorithm) -> None:
    def trials(seed: int) -> list[dict[str, str] | None]:
        return [point(sweep(NUMBERS, algorithm, seed=seed), trial) for trial in range(20)]

    assert trials(7) == trials(7)
    assert len({json.dumps(given) for given in trials(7)}) == 20
    assert not {json.dumps(given) for given in trials(7)} & {json.dumps(given) for given in trials(8)}


@given(SEEDS, TRIALS)
def test_a_parameter_more_does_not_change_the_others(seed: int, trial: int) -> None:
    fewer = point(sweep({name: NUMBERS[name] for name in ("a", "c")}, seed=seed), trial)
    all_of_them = point(sweep(NUMBERS, seed=seed), trial)
    assert fewer is not None
    assert all_of_them is not None
    assert fewer.items() <= all_of_them.items()


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_a_grid_is_every_combination_exactly_once(sizes: list[int]) -> None:
    space = {f"p{index}": Choice(tuple(str(value) for value in range(size))) for index, size in enumerate(sizes)}
    grid = sweep(space, Algorithm.GRID)
    found = list(itertools.takewhile(lambda given: given is not None, (point(grid, trial) for trial in itertools.count())))
    expected = [dict(zip(space, values, strict=True)) for values in itertools.product(*(choice.values for choice in space.values()))]
    assert found == expected


def test_a_grid_goes_through_the_groups_of_a_choice() -> None:
    space: dict[str, Space] = {
        "model": Choice(({"name": Choice(("big",)), "layers": Choice(("1", "2"))}, {"name": Choice(("small",))})),
        "seed": Choice(("0", "1")),
    }
    found = [point(sweep(space, Algorithm.GRID), trial) for trial in range(7)]
    assert [(json.loads(given["model"]), given["seed"]) for given in found if given] == [
        ({"name": "big", "layers": "1"}, "0"),
        ({"name": "big", "layers": "1"}, "1"),
        ({"name": "big", "layers": "2"}, "0"),
        ({"name": "big", "layers": "2"}, "1"),
        ({"name": "small"}, "0"),
        ({"name": "small"}, "1"),
    ]
    assert found[6] is None


@given(SEEDS, st.integers(1, 7), st.integers(1, SOBOL_DIMENSIONS + 3))
def test_sobols_sequence_puts_one_point_in_each_part_of_each_dimension(seed: int, power: int, dimensions: int) -> None:
    space: dict[str, Space] = {f"p{index}": Uniform(0, 1) for index in range(dimensions)}
    points = [point(sweep(space, Algorithm.SOBOL, seed=seed), trial) for trial in range(2**power)]
    for name in list(space)[:SOBOL_DIMENSIONS]:
        assert sorted(int(float(given[name]) * 2**power) for given in points if given) == list(range(2**power))


def test_the_table_of_sobols_sequence_is_the_one_that_scipy_has() -> None:
    from scipy.stats import qmc  # scikit-learn brings it

    theirs = qmc.Sobol(SOBOL_DIMENSIONS, scramble=False, bits=30).random(512)
    ours = [[sobol(dimension, index) / 2**30 for dimension in range(SOBOL_DIMENSIONS)] for index in range(512)]
    assert (theirs == ours).all()


# --- reading ---------------------------------------------------------------------------------------------------------


def reading(text: str) -> Sweep:
    table = parse(text, "s.yml")
    assert isinstance(table, Table)
    return read(table)


def test_every_space_of_the_schema_is_read() -> None:
    spaces = {
        "choice": ("values: [1, 0.5, yes, text]", Choice(("1", "0.5", "True", "text"))),
        "randint": ("upper: 8", Integers(8)),
        "uniform": ("min_value: 1, max_value: 2", Uniform(1, 2)),
        "quniform": ("min_value: 1, max_value: 2, q: 0.5", Uniform(1, 2, q=0.5)),
        "loguniform": ("min_value: -3, max_value: -1", Uniform(-3, -1, log=True)),
        "qloguniform": ("min_value: 1, max_value: 2, q: 1", Uniform(1, 2, log=True, q=1)),
        "normal": ("mu: 1, sigma: 2", Normal(1, 2)),
        "qnormal": ("mu: 1, sigma: 2, q: 1", Normal(1, 2, q=1)),
        "lognormal": ("mu: 1, sigma: 2", Normal(1, 2, log=True)),
        "qlognormal": ("mu: 1, sigma: 2, q: 3", Normal(1, 2, log=True, q=3)),
    }
    lines = [f"  {kind}: {{type: {kind.title()}, {text}}}" for kind, (text, _) in spaces.items()]
    found = reading("objective: {goal: MAXIMIZE, primary_metric: Acc}\nsearch_space:\n" + "\n".join(lines))
    assert found.space == {kind: space for kind, (_, space) in spaces.items()}
    assert (found.goal, found.metric) == (Goal.MAXIMIZE, "Acc")


@pytest.mark.parametrize(
    ("text", "algorithm", "seed"),
    [
        ("", Algorithm.RANDOM, 0),
        ("sampling_algorithm: Random", Algorithm.RANDOM, 0),
        ("sampling_algorithm: {type: random, seed: 5}", Algorithm.RANDOM, 5),
        ("sampling_algorithm: {type: random, seed: 5, rule: Sobol}", Algorithm.SOBOL, 5),
        ("sampling_algorithm: {type: random, rule: random}", Algorithm.RANDOM, 0),
        ("sampling_algorithm: GRID", Algorithm.GRID, 0),
        ("sampling_algorithm: {type: bayesian}", Algorithm.BAYESIAN, 0),
    ],
)
def test_the_algorithm_is_read_in_both_spellings(text: str, algorithm: Algorithm, seed: int) -> None:
    found = reading(f"objective: {{goal: minimize, primary_metric: m}}\n{text}\n")
    assert (found.algorithm, found.seed) == (algorithm, seed)


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("{type: bandit, slack_factor: 0.1}", Bandit(factor=0.1)),
        ("{type: Bandit, slack_amount: 2, evaluation_interval: 0}", Bandit(amount=2)),
        ("{type: bandit, slack_factor: 0, slack_amount: 2}", Bandit(amount=2)),
        ("{type: median_stopping, evaluation_interval: 2, delay_evaluation: 5}", MedianStopping(interval=2, delay=5)),
        ("{type: truncation_selection, truncation_percentage: 20}", TruncationSelection(percentage=20)),
    ],
)
def test_policies_are_read(text: str, policy: Policy) -> None:
    assert reading(f"objective: {{goal: minimize, primary_metric: m}}\nearly_termination: {text}\n").policy == policy


def test_without_limits_a_sweep_has_azure_mls() -> None:
    base = "objective: {goal: minimize, primary_metric: m}\n"
    assert reading(base).limits == Limits(trials=1000, at_once=1000)
    assert reading(f"{base}limits: {{max_total_trials: 3}}\n").limits == Limits(trials=3, at_once=3)
    assert reading(f"{base}limits: {{max_total_trials: 8, max_concurrent_trials: 2, timeout: 60, trial_timeout: 5}}\n").limits == (
        Limits(trials=8, at_once=2, timeout=60, trial_timeout=5)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"space": {"a": Uniform(0, 2)}},
        {"space": {"a": Normal(0, 1)}},
        {"metric": "auc"},
        {"goal": Goal.MAXIMIZE},
        {"policy": MedianStopping()},
        {"limits": Limits(trials=2)},
        {"algorithm": Algorithm.SOBOL},
    ],
)
def test_whatever_changes_a_sweep_changes_what_tells_it_apart(change: dict[str, Any]) -> None:
    told = {"space": {"a": Uniform(0, 1)}, "metric": "loss", "goal": Goal.MINIMIZE}
    before, after = Sweep(**told).texts(), Sweep(**(told | change)).texts()
    assert len([name for name in before if before[name] != after[name]]) == 1


# --- judging ---------------------------------------------------------------------------------------------------------


def test_the_objective_is_the_best_number_that_was_logged() -> None:
    assert objective(Goal.MINIMIZE, [3, 1, 2]) == 1
    assert objective(Goal.MAXIMIZE, [3, 1, 2]) == 3
    assert objective(Goal.MAXIMIZE, [math.nan, 1, math.inf]) == 1
    assert objective(Goal.MINIMIZE, [math.nan, -math.inf]) is None
    assert objective(Goal.MINIMIZE, []) is None


def test_of_equal_trials_the_first_is_the_best() -> None:
    assert best(Goal.MAXIMIZE, {3: 0.5, 1: 0.9, 2: 0.9}) == 1
    assert best(Goal.MINIMIZE, {3: 0.5, 1: 0.9, 0: 0.9}) == 3
    assert best(Goal.MINIMIZE, {}) is None


def stopped(policy: Policy, goal: Goal, curves: Sequence[Sequence[float]], seen: int = 0) -> list[int]:
    """The trials that a policy would stop."""
    judged = Sweep(space={}, metric="m", goal=goal, policy=policy)
    known = dict(enumerate(curves))
    return [trial for trial in known if why_stop(judged, trial, known, seen)]


@pytest.mark.parametrize(
    ("policy", "goal", "curves", "expected"),
    [
        # 0.8 / 1.2 = 0.667
        (Bandit(factor=0.2), Goal.MAXIMIZE, [[0.8], [0.67], [0.66]], [2]),
        # 0.5 * 1.2 = 0.6
        (Bandit(factor=0.2), Goal.MINIMIZE, [[0.5], [0.6], [0.61]], [2]),
        # below zero the slack is on the same side of the best: -0.5 * 1.2 = -0.6 and -0.6 / 1.2 = -0.5
        (Bandit(factor=0.2), Goal.MAXIMIZE, [[-0.5], [-0.6], [-0.61]], [2]),
        (Bandit(factor=0.2), Goal.MINIMIZE, [[-0.6], [-0.5], [-0.49]], [2]),
        (Bandit(amount=0.1), Goal.MAXIMIZE, [[0.8], [0.71], [0.69]], [2]),
        (Bandit(amount=0.1), Goal.MINIMIZE, [[0.5], [0.59], [0.61]], [2]),
        # the best so far counts, not the last: trial 1 was as good once
        (Bandit(amount=0.1, interval=2), Goal.MAXIMIZE, [[0.5, 0.8], [0.8, 0.1], [0.2, 0.3]], [2]),
        # only what had been logged by then is compared: trial 0 became good later
        (Bandit(amount=0.1), Goal.MAXIMIZE, [[0.5, 0.9], [0.45]], []),
        # a trial with no number is worse than any
        (Bandit(factor=0.2), Goal.MINIMIZE, [[0.5], [math.nan], [math.inf]], [1, 2]),
        (Bandit(factor=0.2), Goal.MAXIMIZE, [[math.nan], [math.nan]], []),
        # averages 2, 3, 5: median 3
        (MedianStopping(), Goal.MAXIMIZE, [[2], [3], [5]], [0]),
        (MedianStopping(), Goal.MINIMIZE, [[2], [3], [5]], [2]),
        # averages over two intervals: 2, 3, 5, 6; median 4; the best value counts: 4, 3, 5, 6
        (MedianStopping(interval=2), Goal.MAXIMIZE, [[0, 4], [3, 3], [5, 5], [6, 6]], [1]),
        (MedianStopping(), Goal.MAXIMIZE, [[1]], []),
        (TruncationSelection(percentage=40), Goal.MAXIMIZE, [[5], [1], [3], [2], [4]], [1, 3]),
        (TruncationSelection(percentage=40), Goal.MINIMIZE, [[5], [1], [3], [2], [4]], [0, 4]),
        (TruncationSelection(percentage=20), Goal.MAXIMIZE, [[5], [1], [3], [2]], []),  # a fifth of four is none
        (TruncationSelection(percentage=25), Goal.MAXIMIZE, [[1], [1], [1], [1]], [3]),  # of equal ones the last
        # only trials that have come as far are compared
        (TruncationSelection(percentage=50, interval=2), Goal.MAXIMIZE, [[5], [9, 9], [7, 7]], [2]),
    ],
)
def test_policies_stop_what_a_table_says(policy: Policy, goal: Goal, curves: list[list[float]], expected: list[int]) -> None:
    assert stopped(policy, goal, curves) == expected


def test_a_policy_is_asked_at_multiples_of_its_interval_from_its_delay_on() -> None:
    curves = {0: [9.0] * 12, 1: [1.0] * 12}
    judged = sweep({}, goal=Goal.MAXIMIZE, policy=Bandit(amount=1, interval=3, delay=5))
    told = [why_stop(judged, 1, {0: curves[0], 1: curves[1][:length]}, length - 1) for length in range(1, 13)]
    assert [length for length, why in enumerate(told, 1) if why] == [6, 9, 12]
    assert told[5] == "1 is outside the slack of the best, 9, at interval 6"
    # what was judged before is not judged again
    assert why_stop(judged, 1, {0: curves[0], 1: curves[1][:8]}, 6) == ""
    assert "at interval 6" in why_stop(judged, 1, curves, 0)


def test_without_a_policy_every_trial_goes_on() -> None:
    assert why_stop(sweep({}), 1, {0: [1.0], 1: [100.0]}, 0) == ""


@given(
    st.sampled_from([Bandit(factor=0.3), Bandit(amount=1), MedianStopping(), TruncationSelection(percentage=50)]),
    st.sampled_from(list(Goal)),
    st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=6), min_size=1, max_size=6),
)
def test_the_leading_trial_is_never_stopped(policy: Policy, goal: Goal, curves: list[list[float]]) -> None:
    shortest = min(map(len, curves))
    level = [curve[:shortest] for curve in curves]
    leads = [best(goal, {trial: objective(goal, curve[:length]) or 0.0 for trial, curve in enumerate(level)}) for length in range(1, shortest + 1)]
    always = set(leads) if len(set(leads)) == 1 else set()
    assert not always & set(stopped(policy, goal, level))
