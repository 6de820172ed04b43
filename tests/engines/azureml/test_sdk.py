"""What we take of the SDK beside its public interface is in the version that is here."""

import configparser
import re
import sys
import threading
import warnings
from io import StringIO
from pathlib import Path

import pytest

from mlops_lib.emulator.router import Service
from mlops_lib.engines.azureml import sdk
from mlops_lib.engines.azureml.history import History
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import InputError
from mlops_lib.infra import Stage
from mlops_lib.project import Project

from .stage import Play, ScriptedAzure, Step

ROOT = Path(__file__).parents[3]


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


def test_uploads_of_an_sdk_without_the_private_place_are_its_own(
    stage: Stage, azure: ScriptedAzure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "azure.ai.ml._artifacts._blob_storage_helper", None)  # type: ignore[arg-type]
    with Workspace(stage) as workspace:
        assert workspace.client.workspace_name == workspace.name


def test_the_oldest_version_that_is_allowed_is_one_that_is_tested() -> None:
    files = {name: configparser.ConfigParser(interpolation=None) for name in ("setup.cfg", "tox.ini")}
    for name, file in files.items():
        file.read(ROOT / name)
    told = re.search(r"^azure-ai-ml>=(\S+)$", files["setup.cfg"]["options.extras_require"]["azure"], re.MULTILINE)
    assert told is not None
    assert f"azure-ai-ml=={told[1]}.*" in files["tox.ini"]["testenv:oldest-sdk"]["commands_pre"]
    assert "oldest-sdk" in files["tox.ini"]["tox"]["env_list"]


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
    assert meeting.first.wait(60)
    sdk.module("loaded_second")
    thread.join()
    assert warnings.filters == before, "all warnings of the process are ignored from now on"
    assert sdk.module("loaded_second") is sys.modules.pop("loaded_second")
    with pytest.raises(InputError, match="this needs the Azure SDK"):
        sdk.module("loaded_never")
