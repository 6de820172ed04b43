"""Deployments have the name of what they are made of, and traffic is divided without a remainder."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.serving.deployment import Deployment, Wish, describe, divided, shares
from mlops_lib.serving.servable import SERVER, read, request_of

from .tiny import TREE, write

WISH = Wish(endpoint="e", instance_type="Standard_DS3_v2")


def described(folder: Path, wish: Wish = WISH, version: str = "3", **more: Any) -> Deployment:
    model = read(write(folder, **more), "flights", version)
    return describe(model, request_of(model), wish)


def test_the_same_has_the_same_name_and_anything_else_another(tmp_path: Path) -> None:
    names = [
        described(tmp_path / "a").name,
        described(tmp_path / "b", version="4").name,
        described(tmp_path / "c", packages=["lightgbm==4.6.0"]).name,
        described(tmp_path / "d", tree=TREE.replace("=carrier", "=x")).name,  # another script
        *(described(tmp_path / f"e{number}", dataclasses.replace(WISH, **change)).name for number, change in enumerate(
            ({"instances": 2}, {"workers": 2}, {"instance_type": "Standard_F4s_v2"}, {"compute": "arc"}))),
    ]  # fmt: skip
    assert len(set(names)) == len(names)
    assert names[0].startswith("m3-")
    assert described(tmp_path / "f", dataclasses.replace(WISH, watch=1.0, steps=(100,))).name == names[0]


def test_a_name_is_one_that_azure_takes(tmp_path: Path) -> None:
    for number, version in enumerate(("1", "2026.11.26+build_7", "A" * 60)):
        name = described(tmp_path / str(number), version=version).name
        assert 3 <= len(name) <= 32
        assert name.replace("-", "").isalnum()
        assert name == name.lower()


def test_it_says_who_it_is_and_keeps_answers_to_itself(tmp_path: Path) -> None:
    found = described(tmp_path / "m", python="3.11.7")
    assert found.variables["MLOPS_MODEL"] == found.model == "flights:3"
    assert found.variables["APP_INSIGHTS_LOG_RESPONSE_ENABLED"] == "false"
    assert SERVER in found.conda["dependencies"][2]["pip"]
    assert found.conda["dependencies"][0] == "python=3.11"
    assert found.code_name != found.environment_name


PARTS = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 100), max_size=5)


@given(PARTS, st.integers(1, 100))
def test_shares_add_up_and_keep_proportions(before: dict[str, int], share: int) -> None:
    after = shares(before, "new", share)
    assert sum(after.values()) == 100
    assert after["new"] == (share if before else 100)
    whole = sum(before.values())
    assert all(abs(after.get(name, 0) - (100 - share) * part / whole) < 1 for name, part in before.items())


@pytest.mark.parametrize(("parts", "found"), [({}, {}), ({"a": 100}, {"a": 100}), ({"a": 1, "b": 1, "c": 1}, {"a": 34, "b": 33, "c": 33})])
def test_the_whole_is_divided(parts: dict[str, int], found: dict[str, int]) -> None:
    assert divided(100, parts) == found


def test_a_process_more_is_a_request_more_at_once(tmp_path: Path) -> None:
    assert described(tmp_path / "m", dataclasses.replace(WISH, workers=4)).variables["WORKER_COUNT"] == "4"
