import math
import random

import pytest

from mlops_lib.bootstrap import GROUPS, lower_bound
from mlops_lib.gate import Confidence


def test_groups_of_rows_vary_as_the_rows_do() -> None:
    # Of normal rows the bound is known: the mean, less 1.645 standard errors. A tenth of that is well above its noise.
    chance = random.Random(1)
    gains = [chance.gauss(1.0, 20.0) for _ in range(20 * GROUPS)]
    mean, error = math.fsum(gains) / len(gains), 20.0 / math.sqrt(len(gains))
    found = lower_bound(gains, Confidence(loss="loss", level=0.95))
    assert found == pytest.approx(mean - 1.645 * error, abs=0.165 * error)
    few = gains[:GROUPS]
    exact = lower_bound(few, Confidence(loss="loss"))
    error = 20.0 / math.sqrt(GROUPS)
    assert exact == pytest.approx(math.fsum(few) / GROUPS - 1.645 * error, abs=0.165 * error)


def test_the_bound_is_the_same_every_time_and_another_with_another_seed() -> None:
    gains = [math.sin(number) for number in range(3000)]
    bounds = [lower_bound(gains, Confidence(loss="loss", seed=seed, resamples=200)) for seed in (0, 0, 1)]
    assert bounds[0] == bounds[1] != bounds[2]
    assert bounds[0] == pytest.approx(-0.0203, abs=0.0002)  # on every machine
