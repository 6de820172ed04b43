"""The modules of a deployment's code, as it imports them."""

from collections.abc import Callable
from types import ModuleType

import pytest

from mlops_lib.serving import code


@pytest.fixture(scope="session")
def module() -> Callable[[str], ModuleType]:
    """``module("mlops_requests")`` is that module."""
    return code.module


@pytest.fixture(scope="session")
def requests(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("mlops_requests")


@pytest.fixture(scope="session")
def signatures(module: Callable[[str], ModuleType]) -> ModuleType:
    return module("mlops_signature")
