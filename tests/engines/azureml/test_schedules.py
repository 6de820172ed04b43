"""Schedules on the local Azure ML: created from files with all that their job needs, and fired."""

import json
import time
from pathlib import Path

import pytest

from mlops_lib.emulator.router import Service
from mlops_lib.engines.azureml import schedules
from mlops_lib.engines.azureml.history import History
from mlops_lib.engines.azureml.workspace import Workspace
from mlops_lib.errors import InputError, StageError
from mlops_lib.infra import Stage
from mlops_lib.project import Project

from .conftest import Mlops, write_project
from .stage import ScriptedAzure

NIGHTLY = """\
$schema: https://azuremlschemas.azureedge.net/latest/schedule.schema.json
name: nightly
description: Every night.
trigger: {type: cron, expression: "30 4 * * *", time_zone: UTC}
create_job: ../pipelines/p.yml
"""
SCRIPT = """\
import pathlib, sys

pathlib.Path(sys.argv[3]).mkdir(exist_ok=True)
print("read", sorted(path.name for path in pathlib.Path(sys.argv[1]).iterdir()))
"""


@pytest.fixture
def project(tmp_path: Path, azure: ScriptedAzure) -> Project:
    azure.run_for_real()
    write_project(tmp_path, ["prep"])
    (tmp_path / "components" / "prep" / "src" / "main.py").write_text(SCRIPT)
    (tmp_path / "schedules").mkdir()
    (tmp_path / "schedules" / "nightly.yml").write_text(NIGHTLY)
    return Project(tmp_path)


def create(project: Project, stage: Stage) -> tuple[str, str]:
    outcome = project.create_schedule(project.root / "schedules" / "nightly.yml", on=stage.name).outcome
    assert outcome is not None
    return outcome.state.when, outcome.done


def edit(project: Project, file: str, old: str, new: str) -> None:
    path = project.root / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def written(azure: ScriptedAzure) -> list[str]:
    return [f"{call.method} {call.path.rpartition('/workspaces/')[2].partition('/')[2]}"
            for call in azure.requests(Service.MANAGEMENT) if call.method in ("PUT", "DELETE", "PATCH")]


def test_a_schedule_is_created_with_what_its_job_needs_and_starts_it_when_it_fires(
    project: Project, stage: Stage, azure: ScriptedAzure
) -> None:
    assert create(project, stage) == ("30 4 * * * UTC", "created")
    with Workspace(stage) as workspace:
        told = workspace.post(f"{workspace.path}/schedules/nightly/trigger", {}, doing="fire it", version="2024-01-01-preview")
        job = told["submissionId"]
        history = History(workspace)
        while not history.details(job).over:
            time.sleep(0.05)
        found = workspace.find(f"jobs/{job}", doing="look")
    assert found["properties"]["status"] == "Completed"
    assert found["properties"]["properties"]["azureml.scheduleName"] == "nightly"


def test_the_same_file_again_changes_nothing_and_another_one_does(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    create(project, stage)
    azure.calls.clear()
    assert create(project, stage)[1] == "unchanged"
    assert written(azure) == []
    edit(project, "schedules/nightly.yml", "30 4", "45 5")
    assert create(project, stage) == ("45 5 * * * UTC", "changed")
    edit(project, "components/prep/src/main.py", "read", "found")
    assert create(project, stage)[1] == "changed"
    edit(project, "data/rows.csv", "1", "2")
    assert create(project, stage)[1] == "changed"
    assert create(project, stage)[1] == "unchanged"


def test_a_trigger_that_was_changed_elsewhere_is_set_again(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    create(project, stage)
    key = f"{stage.workspace['id']}/schedules/nightly"
    body = json.loads(json.dumps(azure.world.resources.get(key).body))
    body["properties"]["trigger"]["expression"] = "0 0 * * *"
    azure.world.resources.put(key, body)
    assert create(project, stage) == ("30 4 * * * UTC", "changed")


def test_a_schedule_that_is_switched_off_stays_so_and_is_otherwise_as_it_was(
    project: Project, stage: Stage, azure: ScriptedAzure
) -> None:
    create(project, stage)
    with Workspace(stage) as workspace:
        before = schedules.get(workspace, "nightly")
        assert schedules.switch(workspace, "nightly", on=False)
        assert not schedules.switch(workspace, "nightly", on=False)
        after = schedules.get(workspace, "nightly")
        assert (before.enabled, after.enabled) == (True, False)
        properties = [{**found.told["properties"], "isEnabled": None} for found in (before, after)]
        assert properties[0] == properties[1]
    edit(project, "schedules/nightly.yml", "30 4", "45 5")
    assert create(project, stage)[1] == "changed"
    with Workspace(stage) as workspace:
        assert [(found.name, found.enabled) for found in schedules.listed(workspace)] == [("nightly", False)]
        assert schedules.switch(workspace, "nightly", on=True)
        schedules.delete(workspace, "nightly")
        assert schedules.listed(workspace) == []
        with pytest.raises(InputError, match="has no schedule 'nightly'"):
            schedules.delete(workspace, "nightly")


def test_changes_that_the_schedule_makes_to_its_job_are_in_it(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    (project.root / "more").mkdir()
    (project.root / "more" / "other.csv").write_text("a\n")
    edit(project, "schedules/nightly.yml", "create_job: ../pipelines/p.yml",
         "create_job:\n  type: pipeline\n  job: ../pipelines/p.yml\n  experiment_name: nights\n"
         "  inputs:\n    raw: {type: uri_folder, path: ../more}")
    create(project, stage)
    body = azure.world.resources.get(f"{stage.workspace['id']}/schedules/nightly").properties
    definition = body["action"]["jobDefinition"]
    assert definition["experimentName"] == "nights"
    assert definition["inputs"]["raw"]["uri"].rstrip("/").endswith("/more")


def test_labels_are_versions_until_it_is_created_again(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    (project.root / "rows.yml").write_text("$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\n"
                                           "name: rows\ntype: uri_folder\npath: ./data\n")
    edit(project, "pipelines/p.yml", "path: ../data", "path: azureml:rows@latest")

    def reads() -> str:
        body = azure.world.resources.get(f"{stage.workspace['id']}/schedules/nightly").properties
        uri = body["action"]["jobDefinition"]["inputs"]["raw"]["uri"]
        return str(uri).rpartition("rows")[2]

    project.register("data", [project.root / "rows.yml"], on="dev")
    assert (create(project, stage)[1], reads()) == ("created", "/versions/1")
    (project.root / "data" / "rows.csv").write_text("b\n")
    project.register("data", [project.root / "rows.yml"], on="dev")
    assert (create(project, stage)[1], reads()) == ("changed", "/versions/2")


def test_what_azure_fills_in_when_it_fires_is_left_to_it(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    when = "${{creation_context.trigger_time}}"
    edit(project, "pipelines/p.yml", "jobs:\n", "  rate: 0.1\njobs:\n")
    edit(project, "pipelines/p.yml", "source: '${{parent.inputs.raw}}'", "source: '${{parent.inputs.raw}}', rate: '${{parent.inputs.rate}}'")
    edit(project, "components/prep/component.yml", "type: number, default: 0.5", "type: string")
    edit(project, "schedules/nightly.yml", "create_job: ../pipelines/p.yml",
         f"create_job:\n  type: pipeline\n  job: ../pipelines/p.yml\n  inputs: {{rate: '{when}'}}")
    create(project, stage)
    body = azure.world.resources.get(f"{stage.workspace['id']}/schedules/nightly").properties
    assert body["action"]["jobDefinition"]["inputs"]["rate"]["value"] == when


def test_what_was_deleted_there_is_registered_once_more(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    create(project, stage)
    edit(project, "schedules/nightly.yml", "30 4", "45 5")
    refused: list[str] = []

    def once(request):  # type: ignore[no-untyped-def]
        from mlops_lib.emulator.wire import Problem

        if request.method == "PUT" and "/schedules/" in request.path and not refused:
            refused.append(request.path)
            return Problem(400, "UserError", "The component does not exist.").response()
        return None

    azure.twists.append(once)
    azure.calls.clear()
    assert create(project, stage)[1] == "changed"
    assert [line for line in written(azure) if line.startswith("PUT components/")]


@pytest.mark.parametrize(("file", "old", "new", "error", "said"), [
    ("pipelines/p.yml", "azureml:cpu", "azureml:gpu", StageError, "lacks something that the pipeline needs"),
    ("schedules/nightly.yml", "name: nightly\n", "", InputError, "a schedule lacks 'name'"),
    ("schedules/nightly.yml", "../pipelines/p.yml", "azureml:earlier", InputError, "only Azure ML runs"),
    ("schedules/nightly.yml", "30 4", "30 25", InputError, "no cron expression"),
])  # fmt: skip
def test_what_cannot_be_scheduled_is_refused_and_nothing_is_sent(
    project: Project, stage: Stage, azure: ScriptedAzure, file: str, old: str, new: str, error: type[Exception], said: str
) -> None:
    edit(project, file, old, new)
    with pytest.raises(error, match=said):
        create(project, stage)
    assert written(azure) == []


def test_a_pipeline_that_may_not_run_on_a_stage_is_not_scheduled_there(project: Project, stage: Stage) -> None:
    (project.root / "mlops.yml").write_text("stages: {dev: {pipelines: [score]}}\n")
    with pytest.raises(InputError, match="the pipeline 'p' does not run on stage 'dev'"):
        Project(project.root).create_schedule(project.root / "schedules" / "nightly.yml", on="dev")


FORTNIGHTLY = """{type: recurrence, frequency: week, interval: 2, start_time: 2026-05-10T10:00:00, time_zone: UTC,
  schedule: {hours: [6], minutes: [0, 30], week_days: [monday]}}"""


@pytest.mark.parametrize(("trigger", "when"), [
    (FORTNIGHTLY,
     "every 2 week(s) on Monday at hour 6 minute 0,30 UTC from 2026-05-10T10:00:00"),
    ("{type: recurrence, frequency: day, interval: 1}", "every 1 day(s) UTC"),
    ("{type: cron, expression: '0 1 * * *', start_time: '2026-05-10', end_time: 2026-06-10T10:00:00}",
     "0 1 * * * UTC from 2026-05-10T00:00:00 to 2026-06-10T10:00:00"),
])  # fmt: skip
def test_every_trigger_arrives_as_its_file_says_it(project: Project, stage: Stage, trigger: str, when: str) -> None:
    edit(project, "schedules/nightly.yml", '{type: cron, expression: "30 4 * * *", time_zone: UTC}', trigger)
    found, done = create(project, stage)
    assert done == "created"
    assert found.lower() == when.lower()
    assert create(project, stage)[1] == "unchanged"


def test_a_recurrence_is_told_in_words() -> None:
    told = {"name": "x", "properties": {"isEnabled": True, "action": {"actionType": "CreateMonitor"}, "trigger": {
        "triggerType": "Recurrence", "interval": 2, "frequency": "Week", "startTime": "2026-01-01T00:00:00",
        "schedule": {"hours": [6], "minutes": [0, 30], "weekDays": ["Monday"]}}}}
    found = schedules.Scheduled.of(told)
    assert (found.when, found.job) == (
        "every 2 week(s) on Monday at hour 6 minute 0,30 UTC from 2026-01-01T00:00:00", "CreateMonitor")


def test_the_commands_create_list_show_switch_and_delete(project: Project, stage: Stage, mlops: Mlops) -> None:
    done = mlops("schedule", "create", "schedules/nightly.yml", "--on", "dev")
    assert (done.code, done.out) == (0, "nightly: created, enabled, 30 4 * * * UTC\n"), done.err
    assert mlops("schedule", "list", "--on", "dev").out.splitlines()[1].split()[:3] == ["nightly", "enabled", "30"]
    assert "fires        30 4 * * * UTC" in mlops("schedule", "show", "nightly", "--on", "dev").out
    assert mlops("schedule", "disable", "nightly", "--on", "dev").err == "nightly: disabled\n"
    assert mlops("schedule", "disable", "nightly", "--on", "dev").err == "nightly: was already disabled\n"
    assert json.loads(mlops("schedule", "enable", "nightly", "--on", "dev", "--json").out)["changed"]
    told = json.loads(mlops("schedule", "create", "schedules/nightly.yml", "--on", "dev", "--json").out)
    assert (told["done"], told["enabled"]) == ("unchanged", True)
    assert json.loads(mlops("schedule", "show", "nightly", "--on", "dev", "--json").out)["properties"]["isEnabled"]
    assert json.loads(mlops("schedule", "delete", "nightly", "--on", "dev", "--json").out)["deleted"]
    assert mlops("schedule", "list", "--on", "dev").err.startswith("stage 'dev' has no schedule")
    assert mlops("schedule", "delete", "nightly", "--on", "dev").code == 2
    assert mlops("schedule", "list").code == 2


def test_python_does_with_a_schedule_what_the_commands_do(project: Project, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root / "components")  # a notebook stands somewhere: files are found from the project, too
    edit(project, "schedules/nightly.yml", "create_job: ../pipelines/p.yml", "create_job: {type: pipeline, job: ../pipelines/p.yml}")
    nightly = project.create_schedule("schedules/nightly.yml", on="dev")
    assert repr(nightly) == "<schedule nightly on dev>"
    assert nightly.outcome is not None
    assert nightly.outcome.done == "created"
    [listed] = project.schedules(on="dev")
    assert (listed.name, listed.enabled, listed.when, list(listed.inputs)) == ("nightly", True, "30 4 * * * UTC", ["raw"])
    same = project.schedule("nightly", on="dev")
    assert (same.disable(), same.disable(), nightly.state().enabled) == (True, False, False)
    again = project.create_schedule("schedules/nightly.yml", on="dev").outcome
    assert again is not None
    assert (again.done, again.state.enabled) == ("unchanged", False)
    assert (same.enable(), nightly.state().enabled) == (True, True)
    with pytest.raises(InputError, match="stage 'dev' has no schedule 'nigthly'") as caught:
        project.schedule("nigthly", on="dev").disable()
    assert caught.value.fix == "did you mean 'nightly'?"
    same.delete()
    assert project.schedules(on="dev") == []
    with pytest.raises(StageError):
        project.schedules(on="nowhere")
