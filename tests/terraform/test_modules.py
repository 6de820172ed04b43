"""Every module's own tests: .tftest.hcl files beside it, run by terraform with a mocked azurerm of the real schema."""

from __future__ import annotations

import re

import pytest
from roots import TREE, Bench

MODULES = sorted(path.parent.relative_to(TREE).as_posix() for path in TREE.rglob("versions.tf") if "stages" not in path.parts)


def test_there_are_modules() -> None:
    assert len(MODULES) > 10
    assert "modules/stage" in MODULES
    assert "bootstrap" in MODULES


@pytest.mark.parametrize("place", MODULES)
def test_a_modules_own_tests_pass(bench: Bench, place: str) -> None:
    said = bench.module(place).test()
    found = re.search(r"Success! (\d+) passed, 0 failed\.", said)
    assert found, said
    assert int(found[1]) > 0
