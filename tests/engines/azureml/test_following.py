"""Following a job whose steps are called otherwise, are tried again, or are sweeps."""

import json
from typing import Any

import pytest

from mlops_lib.emulator.wire import Request, Response
from mlops_lib.engines import Event, Run, StepFinished, StepPrinted, StepStarted
from mlops_lib.infra import Stage
from mlops_lib.project import Project
from mlops_lib.stores.records import Status

from .conftest import Mlops
from .stage import Play, ScriptedAzure, Step


def submit(project: Project, stage: Stage, *, follow: bool = True, **wishes: Any) -> Run:
    job, name, catalogue = project.load("p")
    return project.run_on(stage, job, name, catalogue, request={"pipeline": "p", "values": {}}, follow=follow, **wishes)


def told(events: list[Event]) -> list[tuple[str, str]]:
    """What was told of each step, in short."""
    words = {StepStarted: "started", StepPrinted: "printed", StepFinished: "finished"}
    return [(event.step, words[type(event)]) for event in events if isinstance(event, StepStarted | StepPrinted | StepFinished)]


def test_a_step_with_a_display_name_is_found_under_it(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    path = project.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("  prep:\n", "  prep:\n    display_name: Rows, made ready\n"))
    azure.begin(Play(steps={"1": Step(["Running", "Completed"], shown="Rows, made ready", log="ready\n"), "train": Step(["Completed"])}))
    run = submit(project, stage)
    assert {name: step.status for name, step in run.steps.items()} == {"prep": Status.COMPLETED, "train": Status.COMPLETED}
    assert run.steps["prep"].log


def test_jobs_that_cannot_be_told_apart_are_said_to_be(project: Project, stage: Stage, azure: ScriptedAzure) -> None:
    path = project.root / "pipelines" / "p.yml"
    path.write_text(path.read_text().replace("    type: command\n", "    type: command\n    display_name: Same\n"))
    azure.begin(Play(steps={"1": Step(["Completed"], shown="Same", properties={"azureml.nodeid": "a"})}))
    run = submit(project, stage)
    assert run.notices[0] == "which steps the jobs called Same are is not known: several have that name"


NESTED = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json", "type": "pipeline", "name": "both",
    "version": "1", "inputs": {"source": {"type": "uri_folder"}}, "jobs": {"made": {
        "type": "command", "display_name": "Rows, made ready", "component": "../prep/component.yml",
        "inputs": {"source": "${{parent.inputs.source}}"}}},
}  # fmt: skip


@pytest.mark.parametrize(("there", "shown"), [(True, "Rows, made ready"), (False, "made")])
def test_a_step_of_a_pipeline_in_the_pipeline_is_found_also_when_its_component_is_gone(
    project: Project, stage: Stage, azure: ScriptedAzure, *, there: bool, shown: str
) -> None:
    (project.root / "components" / "both").mkdir()
    (project.root / "components" / "both" / "component.yml").write_text(json.dumps(NESTED))
    inner = {"type": "pipeline", "component": "../components/both/component.yml", "inputs": {"source": "${{parent.inputs.raw}}"}}
    (project.root / "pipelines" / "p.yml").write_text(json.dumps(SWEEP | {"jobs": {"inner": inner}}))
    azure.begin(Play(steps={"1": Step(["Running", "Completed"], shown="inner"), "2": Step(["Completed"], shown=shown, above="1")}))
    run = submit(project, stage, follow=False)
    if not there:
        azure.faults.add("GET */components/*/versions/* status=404 code=NotFound")
    store = project.store()
    fresh: dict[str, Any] = {}
    assert project.refresh([store.records.run(run.id)], into=fresh) == []
    assert [(step.name, step.status) for step in store.records.steps(run.id)] == [("inner.made", Status.COMPLETED)]
    store.close()
    assert any(call.endswith(" 404") for call in azure.told("GET", "/components/")) is not there


@pytest.mark.parametrize("later", [False, True])
def test_of_a_step_that_was_tried_again_the_latest_counts(
    project: Project, stage: Stage, azure: ScriptedAzure, mlops: Mlops, *, later: bool
) -> None:
    azure.begin(Play(steps={
        "1": Step(["Running", "Failed"], shown="prep", error="evicted", log="first\n", made="2026-01-01T00:00:01Z"),
        "2": Step(["NotStarted", "NotStarted", "NotStarted", "Running", "Completed"], shown="prep", log="second\n",
                  made="2026-01-01T00:00:02Z"),
        "train": Step(["NotStarted", "NotStarted", "NotStarted", "NotStarted", "Completed"])}))  # fmt: skip
    events: list[Event] = []
    if later:
        run = submit(project, stage, follow=False)
        shown = [mlops("runs", "show", run.id).out for _ in range(6)]
        assert [next(line.split()[1] for line in text.splitlines() if line.startswith("prep")) for text in shown] == [
            "running", "failed", "failed", "running", "completed", "completed"]  # fmt: skip
    else:
        run = submit(project, stage, listener=events.append)
        assert run.status is Status.COMPLETED, run.errors
        assert [word for step, word in told(events) if step == "prep"] == ["started", "printed", "finished"] * 2
    assert "first" not in (logs := mlops("runs", "logs", run.id, "prep", "--offline").out)
    assert logs == "second\n"


# --- sweeps ----------------------------------------------------------------------------------------------------------

SWEEP = {
    "type": "pipeline", "experiment_name": "tests", "settings": {"default_compute": "azureml:cpu"},
    "inputs": {"raw": {"type": "uri_folder", "path": "../data"}}, "jobs": {"search": {
        "type": "sweep", "trial": "../components/train/component.yml", "inputs": {"source": "${{parent.inputs.raw}}"},
        "search_space": {"rate": {"type": "choice", "values": [0.25, 0.5, 0.75]}}, "sampling_algorithm": "grid",
        "objective": {"goal": "minimize", "primary_metric": "loss"}, "limits": {"max_total_trials": 3}}},
}  # fmt: skip


@pytest.mark.parametrize("own", [False, True])
def test_the_trials_of_a_sweep_are_told_and_kept_as_those_of_one_here(
    project: Project, stage: Stage, azure: ScriptedAzure, mlops: Mlops, *, own: bool
) -> None:
    """Trials are below the step's job or, with a job of the sweep's own between them, below that one."""
    (project.root / "pipelines" / "p.yml").write_text(json.dumps(SWEEP))
    above = "HD_1" if own else "search"
    best = {"best_child_run_id": f"{above}_1"}
    parameters = {f"{above}_{number}": json.dumps({"--rate": rate}) for number, rate in enumerate((0.25, 0.5, 0.75))}
    trials = {name: Step(["Running", "Running", state], above=above, log=f"tried {name[-1]}\n", tags={} if own else {"hyperparameters": given})
              for (name, given), state in zip(parameters.items(), ("Completed", "Completed", "Running" if own else "Canceled"), strict=True)}  # fmt: skip
    sweep = {"HD_1": Step(["Running"] * 4 + ["Completed"], above="search", tags=parameters, properties=best)} if own else {}
    azure.begin(Play(steps={"search": Step(["Running"] * 4 + ["Completed"], properties={} if own else best), **sweep,
                            f"{above}_preparation": Step(["Completed"], above=above), **trials}))  # fmt: skip

    def mlflow(request: Request) -> Response | None:
        if "/api/2.0/mlflow/" not in request.path or not request.query["run_id"].startswith(f"{above}_"):
            return None
        values = {"0": [0.9, 0.4], "1": [0.2, 0.3], "2": [0.8]}[request.query["run_id"][-1]]
        if request.path.endswith("/get-history"):
            return Response(body={"metrics": [{"key": "loss", "value": value, "step": step} for step, value in enumerate(values)]})
        return Response(body={"run": {"data": {"metrics": [{"key": "loss", "value": values[-1]}], "params": [{"key": "p", "value": "1"}]}}})

    azure.twists.append(mlflow)
    events: list[Event] = []
    run = submit(project, stage, listener=events.append)
    assert run.status is Status.COMPLETED, run.errors
    lines = [line for event in events if isinstance(event, StepPrinted) for line in event.lines]
    assert lines[:3] == ["trial_0: rate=0.25", "trial_1: rate=0.5", "trial_2: rate=0.75"]
    assert sorted(lines[3:]) == ["trial_0: done in 15 s, loss = 0.4 (the best so far)",
                                 "trial_1: done in 15 s, loss = 0.2 (the best so far)",
                                 f"trial_2: {'it had not ended when the sweep had' if own else 'canceled'}"]  # fmt: skip
    assert run.steps["search"].metrics == {"loss": 0.3}, "those of its best trial, the last value of each"
    shown = {line.split()[0]: line for line in mlops("runs", "show", run.id, "--offline").out.splitlines() if line.startswith("search")}
    assert shown["search.trial_0"].endswith("rate=0.25, loss = 0.4")
    assert shown["search.trial_1"].endswith("rate=0.5, loss = 0.2, the best")
    assert shown["search.trial_2"].split()[1] == "canceled"
    assert mlops("runs", "logs", run.id, "search.trial_2", "--offline").out == "tried 2\n"
    kept = {step["name"]: step.get("trial") for step in json.loads(mlops("runs", "show", run.id, "--offline", "--json").out)["steps"]}
    assert kept["search"] is None
    assert kept["search.trial_1"] == {"sweep": "search", "number": 1, "parameters": {"rate": "0.5"}, "metric": "loss", "objective": 0.2, "best": True}


def test_trials_are_seen_while_they_run_by_whoever_looks(project: Project, stage: Stage, azure: ScriptedAzure, mlops: Mlops) -> None:
    (project.root / "pipelines" / "p.yml").write_text(json.dumps(SWEEP))
    azure.begin(Play(steps={"search": Step(["Running"] * 9), "search_0": Step(["Running", "Running", "Failed"], above="search", error="no rows"),
                            "search_1": Step(["Queued", "Running"] + ["Completed"] * 3, above="search", tags={"hyperparameters": '{"rate": 0.5}'})}))  # fmt: skip
    run = submit(project, stage, follow=False)
    seen = []
    for _ in range(3):
        out = mlops("runs", "show", run.id).out
        seen.append({line.split()[0]: line.split()[1] for line in out.splitlines() if line.startswith("search.")})
    assert seen == [{"search.trial_0": "running"}, {"search.trial_0": "running", "search.trial_1": "running"},
                    {"search.trial_0": "failed", "search.trial_1": "completed"}]  # fmt: skip
    assert mlops("runs", "logs", run.id, "search", "--offline").out.splitlines() == [
        "trial_0: started", "trial_1: rate=0.5", "trial_0: no rows", "trial_1: done in 15 s, logged no number as loss"]  # fmt: skip
    (project.root / "components/train/src/main.py").write_text("import sys; print(open(sys.argv[1] + '/rows.csv').read(), sys.argv[2])")
    (project.root / "data/rows.csv").write_text("other rows")
    again = mlops("step", run.id, "search.trial_1")
    assert again.code == 0, again.err
    assert "search.trial_1 | 1\nsearch.trial_1 |  0.5\n" in again.err, "the rows that it had there, and what it tried"
