"""One local Azure ML for all of these tests, and the SDK is loaded once."""

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from mlops_lib.engines.azureml import credentials
from mlops_lib.infra import Stage, read
from mlops_lib.project import Project

from .stage import ScriptedAzure


@pytest.fixture(autouse=True)
def no_machine_of_azures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CI's machine often is one, and would be asked for its managed identity."""
    monkeypatch.setattr(credentials, "_TAG", tmp_path / "no tag")


@pytest.fixture(scope="session")
def running() -> Iterator[ScriptedAzure]:
    with ScriptedAzure() as azure:
        yield azure


@pytest.fixture
def azure(running: ScriptedAzure, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAzure]:
    """A fresh play, and a process that takes it for Azure."""
    running.begin()
    for name in ("AZURE_CLIENT_SECRET", "AZURE_TOKEN_CREDENTIALS", "IDENTITY_ENDPOINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in running.environment(credential="federated").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AZUREML_RUN_POLLING_INTERVAL_MIN", "0.01")
    monkeypatch.setenv("AZUREML_RUN_POLLING_INTERVAL_MAX", "0.01")
    yield running
    # without the proxy they would want to reach Azure
    for thread in threading.enumerate():
        if thread.name == "azure":
            thread.join(60)


@pytest.fixture
def stage(azure: ScriptedAzure, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage with a workspace of its own, empty; the process knows its outputs."""
    outputs = azure.own_workspace()
    monkeypatch.setenv("MLOPS_DEV_OUTPUTS", json.dumps(outputs))
    return read(outputs, "the test")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two components with code and an environment, and the pipeline ``p`` that joins them and reads local data."""
    write_project(tmp_path, ["prep", "train"])
    return Project(tmp_path)


class BlackHole:
    """An address that says nothing: whoever listens there has as many connections as it takes.

    Attributes:
        address: As ``getaddrinfo`` gives it.
    """

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.address = socket.AF_INET, socket.SOCK_STREAM, 0, "", self._listener.getsockname()
        self._waiting = [socket.create_connection(self._listener.getsockname())]
        while select.select([], self._waiting[-1:], [], 0.05)[1]:
            self._waiting.append(socket.socket())
            self._waiting[-1].setblocking(False)
            self._waiting[-1].connect_ex(self._listener.getsockname())

    def take_in(self) -> None:
        """Have room for more."""
        self._listener.settimeout(60)
        for _ in self._waiting[:-1]:
            self._waiting.append(self._listener.accept()[0])

    def close(self) -> None:
        for one in (self._listener, *self._waiting):
            one.close()


def black_hole() -> closing[BlackHole]:
    return closing(BlackHole())


class Done(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


Mlops = Callable[..., Done]


@pytest.fixture
def mlops(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, project: Project) -> Mlops:
    """The command line, in this process, which has loaded the SDK, and in the project's folder.

    All of it but the end: there it ends the process, threads and all, which are those of the local Azure ML here.
    """
    from mlops_lib.cli import _code_of

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        code = _code_of(arguments)
        printed = capsys.readouterr()
        return Done(code, printed.out, printed.err)

    monkeypatch.chdir(project.root)
    return run


COMPONENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: {name}
version: "1"
inputs:
  source: {{type: uri_folder}}
  rate: {{type: number, default: 0.5}}
outputs:
  made: {{type: uri_folder}}
code: src
environment: file:../../environments/py/environment.yml
command: python main.py '${{{{inputs.source}}}}' ${{{{inputs.rate}}}} '${{{{outputs.made}}}}'
"""


def write_project(root: Path, names: list[str]) -> None:
    files = {"environments/py/environment.yml": "name: py\nversion: '1'\nimage: python:3.12\n", "data/rows.csv": "a\n1\n"}
    jobs, before = [], "${{parent.inputs.raw}}"
    for name in names:
        files[f"components/{name}/component.yml"] = COMPONENT.format(name=name)
        files[f"components/{name}/src/main.py"] = f"import sys\n\nprint({name!r}, sys.argv)\n"
        jobs.append(f"  {name}:\n    type: command\n    component: ../components/{name}/component.yml\n"
                    f"    inputs: {{source: '{before}'}}\n")
        before = f"${{{{parent.jobs.{name}.outputs.made}}}}"
    files["pipelines/p.yml"] = (
        "$schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json\ntype: pipeline\nexperiment_name: tests\n"
        "settings: {default_compute: azureml:cpu}\ninputs:\n  raw: {type: uri_folder, path: ../data}\njobs:\n" + "".join(jobs))
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
