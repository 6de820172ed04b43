"""Tiny projects whose components are plain shell commands: real files, real child processes, no heavy imports."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from mlops_lib.document import unparse
from mlops_lib.engines import Event, Run
from mlops_lib.project import Project
from mlops_lib.stores.store import Store

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts into the background deaf to Ctrl-C, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two workers share the cores, and so do what they start: threads that spin while they wait for each other take them away.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no finding: how long an example takes is for benchmarks/ to say. And a commit passes or fails everywhere
# alike: who looks for more sets MLOPS_FUZZ, which is also how many mutations test_fuzz.py tries, and gets other examples each time.
settings.register_profile(
    "project", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="MLOPS_FUZZ" not in os.environ
)
settings.load_profile("project")


# What says how things look, which repository git is in, or which Azure ML and MLflow is meant: a CI's, a user's, a git hook's.
FOREIGN = (
    "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "CLICOLOR", "PYTEST_ADDOPTS", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE",
    "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "AZURE", "MSI_", "IDENTITY_", "MLFLOW_TRACKING", "MLFLOW_REGISTRY",
    "MLFLOW_EXPERIMENT", "MLFLOW_RUN", "MLOPS_",
)  # fmt: skip


def pytest_sessionstart() -> None:
    """Neither the tests nor what they start get such variables; pytest itself has looked at them by now."""
    for name in [name for name in os.environ if name.startswith(FOREIGN) and name not in ("MLOPS_FUZZ", "MLOPS_WRITE_GOLDEN")]:
        del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the flights: a third of all the time is theirs, and a file is one worker's; the other would wait for it."""
    items.sort(key=lambda item: item.path.name != "test_flights.py")
    if version("azure-ai-ml").startswith("1.28."):
        for item in items:
            why = BEYOND_THE_OLDEST_SDK.get(f"{item.path.parent.name}/{item.path.name}::{item.name}")
            if why is not None:
                item.add_marker(pytest.mark.xfail(strict=True, reason=why))


# What the oldest azure-ai-ml that is allowed cannot do (tox -e oldest-sdk): these tests fail with it, and are held to that.
BEYOND_THE_OLDEST_SDK: dict[str, str] = {
    "emulator/test_jobs.py::test_every_call_that_the_sdk_is_known_to_make_is_answered": "it has no jobs.update and no jobs.begin_delete",
    "emulator/test_jobs.py::test_words_about_a_job_are_kept": "it has no jobs.update",
    "emulator/test_jobs.py::test_a_canceled_job_ends_with_its_steps": "it has no jobs.begin_delete",
}


@pytest.fixture(autouse=True)
def only_this_machine(loopback_only: None) -> None:
    """No test reaches anything else; what brings packages for a whole session or module is no test, and goes before."""


@dataclass
class Workshop:
    """A project in a folder of its own."""

    root: Path
    events: list[Event] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def component(
        self,
        name: str,
        command: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        code: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Path:
        """``components/NAME/component.yml``; a port is a type or a mapping, *code* is the content of its files by name."""
        document: dict[str, Any] = {"type": "command", "name": name, "environment": "azureml:any@latest", "command": command}
        for key, ports in (("inputs", inputs), ("outputs", outputs)):
            if ports:
                document[key] = {port: {"type": told} if isinstance(told, str) else told for port, told in ports.items()}
        if code:
            document["code"] = "src"
            for file, text in code.items():
                self.write(f"components/{name}/src/{file}", text)
        return self.write(f"components/{name}/component.yml", json.dumps(document | more))

    def pipeline(
        self,
        jobs: Mapping[str, Any],
        *,
        name: str = "p",
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Path:
        """``pipelines/NAME.yml``; a job is a component's name, or a pair of one and its inputs, or a mapping."""
        document: dict[str, Any] = {"type": "pipeline", "compute": "azureml:cpu", "jobs": {}}
        for key, ports in (("inputs", inputs), ("outputs", outputs)):
            if ports:
                document[key] = ports
        for job, told in jobs.items():
            if isinstance(told, str):
                told = (told, {})
            if isinstance(told, tuple):
                component, given = told
                told = {"component": f"../components/{component}/component.yml", "inputs": given}
            document["jobs"][job] = {"type": "command"} | {key: value for key, value in told.items() if value != {}}
        return self.write(f"pipelines/{name}.yml", json.dumps(document | more))

    def run(
        self, name: str = "p", values: Mapping[str, str] | None = None, *, jobs: int | None = None, reuse: bool = True
    ) -> Run:
        """Run a pipeline in this process; its events are in ``events`` afterwards."""
        self.events = []
        project = Project(self.root)
        job, name, catalogue = project.load(name, values)
        return project.run(
            job,
            name,
            catalogue,
            request={"pipeline": name, "values": dict(values or {})},
            jobs=jobs,
            reuse=reuse,
            listener=self.events.append,
        )

    def store(self) -> Store:
        return Store.open(self.root)

    def environment(self, **variables: str | None) -> dict[str, str]:
        """This process's variables without what changes how things look; None takes one away."""
        told = {name: value for name, value in os.environ.items() if not name.startswith(("MLOPS", "_MLOPS", "NO_COLOR"))}
        return {name: value for name, value in (told | variables).items() if value is not None}

    def start(
        self,
        *arguments: str,
        cwd: Path | None = None,
        prefix: Iterable[str] = (),
        variables: Mapping[str, str | None] | None = None,
        **more: Any,
    ) -> "subprocess.Popen[str]":
        """``mlops`` in a process group of its own, as a shell would start it."""
        command = [*prefix, sys.executable, "-m", "mlops_lib", *arguments]
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True} | more
        return subprocess.Popen(
            command, cwd=cwd or self.root, env=self.environment(**(variables or {})), start_new_session=True, **more
        )

    def mlops(self, *arguments: str, expect: int | None = 0, timeout: float = 120, **more: Any) -> Any:
        """Run ``mlops`` to its end; *expect* is its exit code (None: any). No traceback, whatever happens."""
        with self.start(*arguments, **more) as process:
            out, err = process.communicate(timeout=timeout)
        assert "Traceback" not in f"{out}{err}", err
        assert expect in (None, process.returncode), f"{process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def json(self, *arguments: str, **more: Any) -> Any:
        """What a command prints with ``--json``."""
        return json.loads(self.mlops(*arguments, "--json", **more).stdout)


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Workshop]:
    """Make projects: ``project()`` or ``project("a name")``."""

    def make(name: str = "shop") -> Workshop:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "components").mkdir()
        return Workshop(folder)

    return make


@pytest.fixture
def copying(project: Callable[..., Workshop]) -> Workshop:
    """A project whose pipeline ``p`` is two steps: ``first`` copies the file ``data/in.txt``, ``second`` adds a line."""
    shop = project()
    shop.write("data/in.txt", "one\n")
    shop.component(
        "copy",
        "cp ${{inputs.raw}}/in.txt ${{outputs.out}}/in.txt; echo x >> ${{inputs.count}}",
        inputs={"raw": "uri_folder", "count": "string"},
        outputs={"out": "uri_folder"},
    )
    shop.component(
        "add",
        "cat ${{inputs.before}}/in.txt > ${{outputs.out}}; echo ${{inputs.line}} >> ${{outputs.out}}",
        inputs={"before": "uri_folder", "line": "string"},
        outputs={"out": "uri_file"},
    )
    count = str(shop.root / "count")
    shop.pipeline(
        {
            "first": ("copy", {"raw": "${{parent.inputs.raw}}", "count": count}),
            "second": ("add", {"before": "${{parent.jobs.first.outputs.out}}", "line": "${{parent.inputs.line}}"}),
        },
        inputs={"raw": {"type": "uri_folder", "path": "../data"}, "line": "two"},
        outputs={"result": "${{parent.jobs.second.outputs.out}}"},
    )
    return shop


# --- a project of which nothing is run -------------------------------------------------------------------------------

_COPY = """\
name: copy
version: 1
command: cp -r ${{inputs.data}} ${{outputs.out}}; echo ${{inputs.rate}} ${{inputs.flag}} $[[${{inputs.note}}]]
environment: azureml:python@latest
inputs:
  data: {type: uri_folder}
  rate: {type: number, default: 0.5, max: 1}
  flag: {type: boolean, default: false}
  note: {type: string, optional: true}
outputs:
  out: {type: uri_folder}
"""
_PIPELINE: dict[str, Any] = {
    "type": "pipeline",
    "compute": "azureml:cpu",
    "inputs": {"raw": {"type": "uri_folder", "path": "../data"}, "text": "../data", "rate": 0.1, "flag": False, "note": "hi"},
    "jobs": {
        "a": {
            "component": "../components/copy/component.yml",
            "inputs": {
                "data": "${{parent.inputs.raw}}",
                "rate": "${{parent.inputs.rate}}",
                "flag": "${{parent.inputs.flag}}",
                "note": "${{parent.inputs.note}}",
            },
        },
        "b": {"component": "azureml:copy@latest", "inputs": {"data": "${{parent.inputs.text}}"}},
    },
}
_SCORE = """\
name: score
command: run ${{inputs.model}} ${{inputs.data}} ${{outputs.predictions}} ${{outputs.rejects}}
environment: azureml:python@latest
tags: {role: score}
inputs:
  model: {type: mlflow_model}
  data: {type: uri_folder}
outputs:
  predictions: {type: uri_folder}
  rejects: {type: uri_folder}
"""


@dataclass
class Small:
    """A project with one component, ``copy``, and the pipeline ``p`` of it.

    Attributes:
        copy: The component's text.
        pipeline: The pipeline's document.
        score: The text of a component with the role score, which the project lacks.
    """

    root: Path
    copy: str = _COPY
    pipeline: Mapping[str, Any] = field(default_factory=lambda: _PIPELINE)
    score: str = _SCORE

    def __post_init__(self) -> None:
        self.write("components/copy/component.yml", self.copy)
        self.write("data/rows.csv", "a\n")
        self.write("pipelines/p.yml", self.pipeline)
        self.project = Project(self.root, near=self.root)

    def write(self, name: str, content: object) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else unparse(content), encoding="utf-8")
        return path


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path / "shop")
