import math
import random
import subprocess
import sys
from collections.abc import Callable

import pytest

from mlops_lib.bootstrap import GROUPS, LEAST, Gain, gain
from mlops_lib.gate import Confidence


def of(gains: list[float], **rule: float) -> Gain:
    return gain([0.0] * len(gains), gains, Confidence(loss="loss", **rule))  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [GROUPS, 20 * GROUPS])
def test_groups_of_rows_vary_as_the_rows_do(rows: int) -> None:
    # Of normal rows the bound is known: the mean, less 1.645 standard errors. A tenth of that is well above its noise.
    chance = random.Random(1)
    gains = [chance.gauss(5.0, 20.0) for _ in range(rows)]
    mean, error = math.fsum(gains) / rows, 20.0 / math.sqrt(rows)
    found = of(gains)
    assert found.mean == pytest.approx(mean)
    assert found.bound == pytest.approx(mean - 1.645 * error, abs=0.165 * error)


def test_of_rows_that_are_all_better_by_the_same_the_bound_is_that() -> None:
    assert of([0.25] * 5000) == Gain(0.25, 0.25)


def test_the_bound_is_the_same_every_time_and_another_with_another_seed() -> None:
    gains = [math.sin(number) for number in range(3000)]
    bounds = [of(gains, seed=seed, resamples=200).bound for seed in (0, 0, 1)]
    assert bounds[0] == bounds[1] != bounds[2]
    assert bounds[0] == pytest.approx(-0.02, abs=0.01)
    assert bounds[0].hex() == "-0x1.45c94813f02b4p-6", "on every machine"


NOTHING: list[tuple[str, Callable[[random.Random], float], float]] = [
    ("normal", lambda chance: chance.gauss(0, 1), 0.075),
    ("a little better mostly, and much worse at times", lambda chance: 1 - chance.expovariate(1), 0.12),
    ("much better at times", lambda chance: chance.expovariate(1) - 1, 0.075),
    ("nearly always the same", lambda chance: chance.choice((-1, 1)) * (chance.random() < 0.05), 0.075),
]


@pytest.mark.parametrize(("draw", "most"), [(draw, most) for _, draw, most in NOTHING], ids=[name for name, *_ in NOTHING])
def test_what_is_no_better_passes_about_as_seldom_as_the_level_says(draw: Callable[[random.Random], float], most: float) -> None:
    chance, trials = random.Random(7), 200
    passed = sum(of([draw(chance) for _ in range(LEAST)], resamples=100).bound > 0 for _ in range(trials))
    assert passed / trials <= most


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1e300, -1e300])
def test_a_row_that_has_no_finite_improvement_leaves_nothing_to_say(wrong: float) -> None:
    assert all(map(math.isnan, of([1.0] * 200 + [wrong])))
    assert all(map(math.isnan, of([1.0] * 2000 + [wrong])))


def test_millions_of_rows_are_looked_at_in_little_memory() -> None:
    code = """
import array, resource
from mlops_lib.bootstrap import gain
from mlops_lib.gate import Confidence

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

now, before = array.array("d", bytes(8 * 1_000_000)), array.array("d", [0.5]) * 1_000_000
start = peak()
found = gain(now, before, Confidence(loss="x", resamples=100))
print(found.bound, (peak() - start) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    bound, megabytes = done.stdout.split()
    assert float(bound) == 0.5
    assert int(megabytes) < 8, "less than the 64-bit numbers of the improvements would take"
