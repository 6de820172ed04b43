"""Which deployment gets a request."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.emulator.traffic import Rotation, check
from mlops_lib.emulator.wire import Problem


@given(st.integers(0, 100), st.integers(1, 3))
def test_of_a_hundred_requests_each_gets_its_share_exactly(share: int, rounds: int) -> None:
    rotation, shares = Rotation(), {"blue": share, "green": 100 - share}
    got = Counter(rotation.pick("shop", shares) for _ in range(100 * rounds))
    assert {name: got[name] for name in shares} == {name: rounds * part for name, part in shares.items()}


@given(st.integers(0, 50))
def test_so_many_of_a_hundred_are_mirrored(share: int) -> None:
    rotation = Rotation()
    assert sum(rotation.mirrors("shop", {"green": share}) == ["green"] for _ in range(100)) == share


def test_without_a_share_nobody_is_asked() -> None:
    assert (Rotation().pick("shop", {}), Rotation().pick("shop", {"blue": 0})) == (None, None)


@pytest.mark.parametrize(("traffic", "mirrored", "words"), [
    ({"red": 100}, {}, "no such deployment"),
    ({}, {"red": 10}, "no such deployment"),
    ({"blue": 60}, {}, "adds up to 60 %"),
    ({"blue": -1, "green": 101}, {}, "from 0 to 100"),
    ({"blue": 100}, {"green": 51}, "At most 50 %"),
    ({"blue": 100}, {"blue": 10}, "one or the other"),
])  # fmt: skip
def test_shares_that_azure_would_not_take_are_refused(traffic: dict[str, int], mirrored: dict[str, int], words: str) -> None:
    with pytest.raises(Problem, match=words) as caught:
        check(traffic, mirrored, ["blue", "green"])
    assert caught.value.status == 400


def test_shares_are_of_100_or_of_nothing() -> None:
    check({"blue": 90, "Green": 10}, {}, ["blue", "green"])
    check({"blue": 0}, {"green": 50}, ["blue", "green"])
