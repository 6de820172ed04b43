"""A plugin for pytest: fixtures with which a project's own tests have an Azure ML.

pytest finds it by itself where mlops-lib is installed. It loads nothing else before a fixture is used.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from .emulator import Emulator
    from .infra import Stage
    from .loopback import Guard

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, kw_only=True, slots=True)
class AzureML:
    """A local Azure ML for one test.

    Attributes:
        emulator: What all tests of the session share; ``emulator.faults.add("PUT */jobs/* status=503")`` lets things go wrong
            until the test is over.
        outputs: The stage as Terraform's outputs say it, with a workspace of the test's own.
        stage: The same, read.
        environment: The variables that this process has for it, and that child processes are to have.
    """

    emulator: Emulator
    outputs: Mapping[str, Any]
    stage: Stage
    environment: Mapping[str, str] = field(repr=False)  # a secret is among them, and what fails is printed
    _client: list[MLClient] = field(default_factory=list, repr=False)

    @property
    def client(self) -> MLClient:
        """An MLClient of the workspace, signed in with azure-identity."""
        if not self._client:
            try:
                from azure.ai.ml import MLClient
                from azure.identity import DefaultAzureCredential
            except ModuleNotFoundError as error:
                pytest.fail(f"azure_ml.client is the SDK's, and there is no {error.name}: pip install 'mlops-lib[azure]'",
                            pytrace=False)
            self._client.append(MLClient(
                DefaultAzureCredential(), self.stage.subscription_id, self.stage.resource_group, self.stage.workspace["name"],
                show_progress=False))
        return self._client[0]


@pytest.fixture(scope="session")
def azure_ml_emulator() -> Iterator[Emulator]:
    """The local Azure ML that a session's tests share; it starts in a second or two."""
    from .emulator import Emulator

    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def azure_ml(azure_ml_emulator: Emulator, loopback_only: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureML]:
    """A local Azure ML with an empty workspace, which this process and its children take for Azure.

    A test that wants to reach anything else fails.
    """
    from .emulator import foreign_variables
    from .infra.contract import read

    emulator = azure_ml_emulator
    name = f"{emulator.setup.workspace}-{next(_NUMBERS)}"
    outputs = emulator.add_workspace(name)
    environment = emulator.environment(workspace=name)
    for variable in foreign_variables(os.environ):
        monkeypatch.delenv(variable)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    before = len(emulator.refused)
    yield AzureML(emulator=emulator, outputs=outputs, stage=read(outputs, "azure_ml"), environment=environment)
    emulator.faults.clear()
    refused = list(dict.fromkeys(emulator.refused[before:]))
    if refused:
        pytest.fail(f"wanted to reach {', '.join(refused)}, which is not of the local Azure ML")


@pytest.fixture(scope="session")
def _loopback_guard(tmp_path_factory: pytest.TempPathFactory) -> Guard:
    from .loopback import Guard

    return Guard(tmp_path_factory.mktemp("loopback"))


@pytest.fixture
def loopback_only(_loopback_guard: Guard, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets nothing but this machine be reached by the test's process, nor by Python processes that it starts.

    A test that tries to fails, whatever it makes of the error. Children have to get the process's variables; other programs
    than Python, and Python that is told to heed no variables, are not held back.
    """
    for name, value in _loopback_guard.variables(os.environ).items():
        monkeypatch.setenv(name, value)
    with _loopback_guard.on():
        yield
    reached = _loopback_guard.reached()
    if reached:
        pytest.fail(f"wanted to reach {', '.join(reached)}, and only this machine may be reached")
