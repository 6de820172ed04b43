"""What we take of the SDK beside its public interface is in its versions, the oldest that we allow and the one that is here."""

import os
import re
import shutil
import subprocess
import sys
import threading
import warnings
from io import StringIO
from pathlib import Path

import pytest

from mlops_lib.emulator import environ_with
from mlops_lib.emulator.router import Service
from mlops_lib.engines.azureml import sdk
from mlops_lib.engines.azureml.history import History
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import InputError
from mlops_lib.infra import Stage
from mlops_lib.project import Project

from .stage import Play, ScriptedAzure, Step

ROOT = Path(__file__).parents[3]
# What the oldest version needs and the newer ones do not; all else it takes from where the tests run.
WITH_THE_OLDEST = ("azure-common", "msrest<1", "oauthlib", "requests-oauthlib", "six")


def test_a_component_that_is_noted_as_registered_is_not_registered_again(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    load_job = sdk.module("azure.ai.ml").load_job
    with Workspace(stage) as workspace, sdk.quiet():
        job = load_job(StringIO(project.export("p")), relative_origin=str(project.root / "pipelines" / "x.yml"))
        for node in job.jobs.values():
            identity = sdk.register_anonymously(workspace.client, node.component)
            assert re.fullmatch(rf"{re.escape(stage.workspace['id'])}/components/azureml_anonymous/versions/[\w-]+", identity)
            assert hasattr(node.component, "_id"), "this SDK notes elsewhere what is registered"
            sdk.note_registered(node.component, identity)
        azure.calls.clear()
        workspace.client.jobs.create_or_update(job)
    assert not [call for call in azure.told() if "components" in call or "codes" in call]
    [sent] = azure.jobs.values()
    assert sent["properties"]["jobs"]["train"]["componentId"] == identity


def test_runs_are_looked_at_where_the_sdk_looks(stage: Stage, azure: ScriptedAzure) -> None:
    def asked() -> set[str]:
        return {call.path for call in azure.requests(Service.WORKSPACE) if "/runs/" in call.path}

    azure.begin(Play(steps={"prep": Step(["Completed"], looks=1)}))
    azure.jobs["job"] = {"id": f"{stage.workspace['id']}/jobs/job", "name": "job", "properties": {
        "jobType": "Pipeline", "status": "Completed", "properties": {}, "services": {"Studio": {"endpoint": "https://ml.azure.com/runs/job"}}}}  # fmt: skip
    with Workspace(stage) as workspace, sdk.quiet(), sdk.muted():
        list(workspace.client.jobs.list(parent_job_name="job"))
        workspace.client.jobs.stream("job")
        theirs = asked()
        azure.calls.clear()
        history = History(workspace)
        history.children("job")
        history.details("job")
        assert asked() == theirs


@pytest.fixture
def oldest(tmp_path: Path) -> tuple[str, Path]:
    """The oldest version of the SDK that is allowed, and a folder with it."""
    told = re.search(r"^azure =$.*?azure-ai-ml>=([\d.]+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE | re.DOTALL)
    assert told is not None
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert uv is not None
    folder = tmp_path / "oldest"
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", str(folder),
                    f"azure-ai-ml=={told[1]}.*", *WITH_THE_OLDEST], check=True, timeout=200)  # fmt: skip
    return told[1], folder


PROGRAM = """\
import sys
import azure.ai.ml
from mlops_lib.cli import main
assert azure.ai.ml.__version__.startswith(sys.argv.pop(1) + "."), azure.ai.ml.__version__
main()
"""


def test_the_oldest_version_that_is_allowed_submits_follows_and_downloads(oldest: tuple[str, Path], project: Project, stage: Stage,
                                                                          azure: ScriptedAzure) -> None:
    azure.run_for_real()
    script = "import pathlib, sys\npathlib.Path(sys.argv[3], 'rows.txt').write_text(sys.argv[2])\nprint('made')\n"
    for name in ("prep", "train"):
        (project.root / "components" / name / "src" / "main.py").write_text(script)
    path = project.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("jobs:\n", "outputs:\n  table: {type: uri_folder}\njobs:\n")
                    + "    outputs: {made: '${{parent.outputs.table}}'}\n")
    version, folder = oldest
    told = {**azure.environment(credential="federated"), "MLOPS_DEV_OUTPUTS": os.environ["MLOPS_DEV_OUTPUTS"],
            "AZUREML_RUN_POLLING_INTERVAL_MIN": "0.1", "AZUREML_RUN_POLLING_INTERVAL_MAX": "0.1", "PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM, version, "run", "p", "--on", "dev", "--output", "table=table"],
                          env=environ_with(told), cwd=project.root, text=True, capture_output=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert (project.root / "table" / "rows.txt").read_text() == "0.5"
    assert "train | made" in done.stderr.splitlines()
    calls = azure.told()
    assert sum("PUT {WS}/components" in call for call in calls) == 2, "each component once: what is noted as registered is believed"


def test_threads_that_load_packages_at_once_leave_warnings_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meeting_point.py").write_text("import threading\n\nfirst, second, over = (threading.Event() for _ in range(3))\n")
    (tmp_path / "loaded_first.py").write_text("import meeting_point as m\n\nm.first.set()\nm.second.wait(0.3)\n")
    (tmp_path / "loaded_second.py").write_text("import meeting_point as m\n\nm.second.set()\nm.over.wait(0.3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    meeting = sdk.module("meeting_point")
    before = list(warnings.filters)

    def first() -> None:
        sdk.module("loaded_first")
        meeting.over.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert meeting.first.wait(10)
    sdk.module("loaded_second")
    thread.join()
    assert warnings.filters == before, "all warnings of the process are ignored from now on"
    assert sdk.module("loaded_second") is sys.modules.pop("loaded_second")
    with pytest.raises(InputError, match="this needs the Azure SDK"):
        sdk.module("loaded_never")
