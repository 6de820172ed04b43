"""Everything but jobs, as the unmodified SDK sees it: keyless, over HTTPS, with real blob storage."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlops_lib.emulator import Emulator

COMPONENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: echo
version: "1"
code: src
environment: {image: "python:3.12", conda_file: {dependencies: [python=3.12]}}
command: python echo.py
"""


@pytest.fixture(scope="module")
def azure() -> Iterator[Emulator]:
    """One that nobody else has put anything into: all that is there is listed."""
    with Emulator() as emulator:
        yield emulator
        assert emulator.refused == []


@pytest.fixture(scope="module")
def told(azure: Emulator, sdk_of: Callable[[Emulator], Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("assets")
    for name, text in {"rows/a.csv": "1\n", "rows/deep/b.csv": "2\n", "model/MLmodel": "flavors: {}\n",
                       "src/echo.py": "print('hello')\n", "component.yml": COMPONENT}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    found: dict[str, Any] = sdk_of(azure)("sdk_assets.py", folder)
    return found


def test_every_call_that_the_sdk_is_known_to_make_is_answered(told: dict[str, Any], not_called: Callable[[str, Any], list[str]]) -> None:
    assert not_called("sdk_assets.py", told) == []


@pytest.mark.parametrize(("step", "expected"), {
    "workspaces.get": "westeurope",
    "workspaces.list": ["mlw-mlops-dev"],
    "datastores.get_default": ["workspaceblobstore", "NoneCredentialConfiguration"],
    "datastores.get": "mlw-mlops-dev-raw",
    "datastores.create": "more",
    "datastores.list": ["workspaceblobstore", "workspaceartifactstore", "raw", "more"],
    "datastores.delete": None,
    "compute.get": "Standard_DS3_v2",
    "compute.create": ["gpu", "Succeeded", 3],
    "compute.list": ["cpu", "gpu"],
    "compute.delete": None,
    "environments.create": ["py", "1"],
    "environments.get": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04",
    "environments.get latest": ["py", "1"],
    "environments.list": ["py"],
    "environments.list name": ["1"],
    "data.create": ["rows", "1"],
    "data.create next": ["rows", "2"],
    "data.describe": {"checked": "yes"},
    "data.get": "workspaceblobstore",
    "data.get latest": ["rows", "2"],
    "data.list": ["rows"],
    "components.get": ["echo", "1"],
    "components.get default": ["echo", "1"],
    "components.get latest": ["echo", "1"],
    "components.list": ["echo"],
    "models.create": ["best", "1"],
    "models.create next": ["best", "2"],
    "models.get": "mlflow_model",
    "models.get latest": ["best", "2"],
    "models.list": ["best"],
    "models.list name": ["1", "2"],
    "models.download": ["best/model/MLmodel"],
    "models.archive": [["2"], ["1", "2"]],
    "data.create first": ["fresh", "1"],
    "models.create first": ["fresh", "1"],
}.items())
def test_the_sdk_gets_what_azure_would_give(told: dict[str, Any], step: str, expected: object) -> None:
    assert "error" not in told[step], told[step]
    assert told[step]["value"] == expected


@pytest.mark.parametrize(("step", "error", "words"), [
    ("compute.get absent", "ResourceNotFoundError", "Compute 'gpu' was not found"),
    ("data.get absent", "ResourceNotFoundError", "rows:9"),
    ("environments.create other", "ResourceExistsError", "a version never changes"),
    ("data.create other", "ResourceExistsError", "a version never changes"),
    ("connections", "HttpResponseError", "NotEmulated"),
])  # fmt: skip
def test_what_azure_refuses_is_refused(told: dict[str, Any], step: str, error: str, words: str) -> None:
    assert told[step]["error"] == error, told[step]
    assert words in told[step]["message"]


def test_the_same_component_again_is_the_one_that_is_there(told: dict[str, Any], azure: Emulator) -> None:
    first, again = told["components.create"], told["components.create again"]
    assert first["value"] == again["value"]
    again_calls = [(call.method, call.route.partition("/")[2], call.status) for call in azure.requests()
                   if again["start"] <= call.at <= again["end"]]
    assert ("PUT", "codes/{name}/versions/{version}", 201) not in again_calls
    assert ("PUT", "components/{name}/versions/{version}", 200) in again_calls
