"""``mlops run --on`` and the past runs on a stage, as people type them."""

import json
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from mlops_lib.emulator import environ_with
from mlops_lib.emulator.wire import Request, Response
from mlops_lib.infra import Stage
from mlops_lib.project import Project

from .stage import Play, ScriptedAzure, Step


class Shell:
    """A shell in the project's folder, on a machine that is signed in."""

    def __init__(self, project: Project, azure: ScriptedAzure) -> None:
        self.folder, self._azure = project.root, azure

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(**self.command(*arguments), capture_output=True, timeout=240)

    def command(self, *arguments: str) -> dict[str, Any]:
        """How to start it."""
        told = {**self._azure.environment(credential="federated"), "MLOPS_DEV_OUTPUTS": os.environ["MLOPS_DEV_OUTPUTS"],
                "AZUREML_RUN_POLLING_INTERVAL_MIN": "0.1", "AZUREML_RUN_POLLING_INTERVAL_MAX": "0.1", "BROWSER": "true"}
        return {"args": [sys.executable, "-W", "error", "-m", "mlops_lib", *arguments], "env": environ_with(told),
                "cwd": self.folder, "text": True}


@pytest.fixture
def shell(project: Project, azure: ScriptedAzure, stage: Stage) -> Shell:
    return Shell(project, azure)


def test_a_run_on_a_stage_reads_as_one_on_this_machine(shell: Shell, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Running", "Completed"], log="ready\n"), "train": Step(["Running", "Completed"])}))
    done = shell("run", "p", "--on", "dev")
    assert done.returncode == 0, done.stderr
    [name] = azure.puts
    lines = done.stderr.splitlines()
    assert lines[:3] == ["asking stage 'dev' for what the pipeline needs",
                         "uploading to stage 'dev' what it lacks, and submitting", f"run {name}: 2 steps, 0 to reuse"]
    assert {"prep: started", "prep | ready", "prep: done (15 s)", "train: done (15 s)"} <= set(lines)
    assert lines[-1] == f"completed in 1 min 00 s (2 completed); see: mlops runs show {name}"
    assert all(line.startswith(("asking ", "uploading ", "run ", "prep", "train", "note: in a browser: ", "completed")) for line in lines), \
        "the SDK has said something"
    assert shell("runs", "logs", name, "prep", "--offline").stdout == "ready\n"


def test_a_run_that_nobody_waits_for_is_seen_canceled_and_opened_later(shell: Shell, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Running"] * 20)}))
    (shell.folder / "mlops.yml").write_text("prices: {Standard_DS3_v2: 0.25}\ncurrency: EUR\n")
    done = shell("run", "p", "--on", "dev", "--no-wait", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["cost"] == {"currency": "EUR", "at_most": 0, "steps": {}, "hourly_without_limit": {"prep": 0.25, "train": 0.25},
                            "unpriced": {}}  # fmt: skip
    assert told["status"] == "running"
    assert {step["status"] for step in told["steps"].values()} == {"waiting"}
    shown = shell("runs", "show")
    assert f"{told['run']}: p on dev, running" in shown.stdout
    assert "prep   running" in shown.stdout
    assert shell("runs", "cancel").returncode == 0
    assert azure.canceled == [told["run"]]
    assert shell("runs", "open").stdout.startswith(f"https://ml.azure.com/runs/{told['run']}?wsid=")
    azure.play.steps["prep"] = Step(["Canceled"], looks=9)
    azure.play.ends = "Canceled"
    listed = shell("runs", "list").stdout.splitlines()
    assert listed[1].split()[:4] == [told["run"], "p", "dev", "canceled"]
    again = shell("runs", "cancel")
    assert (again.returncode, again.stderr) == (0, f"{told['run']}: there is nothing to stop, it is over: canceled\n")
    assert azure.canceled == [told["run"]]


def test_ctrl_c_does_not_wait_for_uploads(shell: Shell, azure: ScriptedAzure) -> None:
    for number in range(40):
        (shell.folder / f"data/{number}.csv").write_text("a\n")
    begun, ended = threading.Event(), threading.Event()

    def hold(request: Request) -> Response | None:
        if request.host.endswith(".blob.core.windows.net") and request.method == "PUT":
            begun.set()
            ended.wait(240)
        return None

    azure.twists.append(hold)
    azure.faults.add("GET */nothing status=503")  # so that requests to blob storage are seen one by one
    try:
        with subprocess.Popen(**shell.command("run", "p", "--on", "dev"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert begun.wait(240)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=240)
        assert process.returncode == 130
        assert "canceled\n  why: nothing was submitted to stage 'dev'" in said
        assert "Traceback" not in said
    finally:
        ended.set()


def test_a_failed_job_exits_with_one(shell: Shell, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Failed"], error="exit code 3")}, ends="Failed"))
    done = shell("run", "p", "--on", "dev")
    assert done.returncode == 1
    assert "step 'prep' failed on stage 'dev'\n  why: exit code 3" in done.stderr


def test_a_job_that_somebody_else_canceled_exits_as_canceled(shell: Shell, azure: ScriptedAzure) -> None:
    azure.begin(Play(steps={"prep": Step(["Running", "Canceled"])}, ends="Canceled"))
    done = shell("run", "p", "--on", "dev", "--json")
    assert done.returncode == 130
    assert json.loads(done.stdout)["status"] == "canceled"


def test_a_stage_that_lacks_something_exits_with_four(shell: Shell, project: Project) -> None:
    path = project.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("azureml:cpu", "azureml:gpu"))
    done = shell("run", "p", "--on", "dev")
    assert done.returncode == 4
    assert "\nstage 'dev' lacks something that the pipeline needs\n  why: no compute 'gpu'" in done.stderr


def test_a_training_does_not_run_on_prod(shell: Shell) -> None:
    done = shell("run", "p", "--on", "prod")
    assert done.returncode == 2
    assert done.stderr.startswith("the pipeline 'p' does not run on stage 'prod'\n")


@pytest.mark.parametrize(("arguments", "said"), [
    (("--jobs", "2", "--on", "dev"), "--jobs is for runs on this machine"),
    (("--isolate", "--on", "dev"), "--isolate is for runs on this machine"),
    (("--key", "x"), "--key needs --on"),
    (("--no-wait",), "--no-wait needs --on"),
    (("--resolve-environments",), "--resolve-environments needs --on"),
    (("--outputs", "x.json"), "--outputs needs --on"),
    (("--on", "dev", "--no-wait", "--output", "x=y"), "--output needs the end of the run"),
])  # fmt: skip
def test_options_that_do_nothing_there_are_refused(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    done = shell("run", "p", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(said)


def test_python_says_it_with_one_word(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    from mlops_lib import pipeline

    azure.begin(Play(steps={"prep": Step(["Completed"])}))
    prep = project.component("prep")

    @pipeline
    def quick(source):  # type: ignore[no-untyped-def]
        prep(source=source)

    run = quick(source="data").run(on="dev", listener=lambda event: None)
    assert run.succeeded
    assert azure.puts == [run.id]
