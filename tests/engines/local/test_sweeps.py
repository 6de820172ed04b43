"""Sweeps as they run: real child processes that log to a real MLflow, over its REST API because that starts at once."""

import contextlib
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.engines.local.engine import cores
from mlops_lib.errors import InputError
from mlops_lib.stores.records import TrialRecord

# A trial: x is its parameter, out its output's folder, root the project's; what it does stands in body.py.
TRIAL = """
import json, os, pathlib, sys, time, urllib.request

def log(value, key="loss"):
    told = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": key, "value": value, "timestamp": time.time_ns() // 10**6, "step": 0}
    urllib.request.urlopen(urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", json.dumps(told).encode(),
        {"Content-Type": "application/json"})).read()
    time.sleep(0.002)  # the next value has another time

def wait_for(name):
    while not (root / name).exists():
        time.sleep(0.01)

x, out, root = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
with open(root / "count", "a") as count:
    count.write(f"{x}\\n")
exec(pathlib.Path("body.py").read_text())
"""
LOGS = "log((float(x) - 0.3) ** 2); (out / 'x').write_text(x)"
NUMBER = {"x": {"type": "uniform", "min_value": 0, "max_value": 1}}


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def choice(*values: Any) -> dict[str, Any]:
    return {"type": "choice", "values": list(values)}


@pytest.fixture
def sweeping(project: Callable[..., Any]) -> Callable[..., Any]:
    """A project whose pipeline ``p`` is a sweep ``find`` of a component that runs *body*."""

    def make(body: str = LOGS, space: Mapping[str, Any] = NUMBER, limits: Mapping[str, Any] | None = None, **more: Any) -> Any:
        shop = project() if not hasattr(make, "shop") else make.shop
        make.shop = shop  # type: ignore[attr-defined]
        shop.component(
            "trial",
            "python trial.py '${{inputs.x}}' ${{outputs.out}} ${{inputs.root}}",
            inputs={"x": "string", "root": "string"},
            outputs={"out": "uri_folder"},
            code={"trial.py": TRIAL, "body.py": body},
        )
        told = {
            "type": "sweep",
            "trial": "../components/trial/component.yml",
            "inputs": {"root": str(shop.root)},
            "search_space": space,
            "objective": {"goal": "Minimize", "primary_metric": "loss"},
            "limits": limits or {"max_total_trials": 4},
        }
        shop.pipeline({"find": told | more}, outputs={"best": {"type": "uri_folder"}})
        document = json.loads((shop.root / "pipelines/p.yml").read_text())
        document["jobs"]["find"]["outputs"] = {"out": "${{parent.outputs.best}}"}
        shop.write("pipelines/p.yml", json.dumps(document))
        return shop

    return make


def trials(shop: Any, run: str) -> list[TrialRecord]:
    store = shop.store()
    try:
        found: list[TrialRecord] = store.records.trials(run)
        return found
    finally:
        store.close()


def statuses(shop: Any) -> dict[str, str]:
    """Of the latest run's trials, by number."""
    shown = shop.json("runs", "show", expect=None)
    return {step["name"].rpartition("_")[2]: step["status"] for step in shown["steps"] if ".trial_" in step["name"]}


# --- the whole -------------------------------------------------------------------------------------------------------


def test_a_sweep_keeps_the_outputs_of_its_best_trial_and_shows_every_trial(sweeping: Callable[..., Any]) -> None:
    shop = sweeping(f"{LOGS}; print(os.environ['AZUREML_SWEEP_x'] == x == os.environ['AZUREML_PARAMETER_x'])")
    run = shop.run()
    assert run.succeeded, run.errors
    found = trials(shop, run.id)
    assert [(told.number, told.step) for told in found] == [(number, f"find.trial_{number}") for number in range(4)]
    losses = {told.number: (float(told.parameters["x"]) - 0.3) ** 2 for told in found}
    assert {told.number: list(told.curve) for told in found} == {number: [pytest.approx(loss)] for number, loss in losses.items()}
    [winner] = [told for told in found if told.best]
    assert winner.number == min(losses, key=lambda number: losses[number])
    assert (run.outputs["best"].path / "x").read_text() == winner.parameters["x"]
    assert run.metrics["find"] == {"loss": pytest.approx(min(losses.values()))}
    assert run.steps["find"].params == winner.parameters

    shown = shop.json("runs", "show")
    assert [step["name"] for step in shown["steps"]] == ["find", *(told.step for told in found)]
    for told, step in zip(found, shown["steps"][1:], strict=True):
        assert step["trial"] == {
            "sweep": "find", "number": told.number, "parameters": dict(told.parameters), "metric": "loss",
            "objective": told.objective, "best": told.best}
        assert step["params"] == told.parameters
        assert step["metrics"] == {"loss": pytest.approx(losses[told.number])}
        assert (Path(step["outputs"]["out"]["path"]) / "x").read_text() == told.parameters["x"]
    text = shop.mlops("runs", "show").stdout
    assert f"find.trial_{winner.number}" in text
    assert f"x={winner.parameters['x']}, loss = {losses[winner.number]:.6g}, the best" in text
    assert shop.mlops("runs", "logs", "latest", "find.trial_3").stdout == "True\n"
    told_of_best = [line for line in shop.mlops("runs", "logs", "latest", "find").stdout.splitlines() if "best so far" in line]
    assert told_of_best[-1].startswith(f"trial_{winner.number}: done in ")

    # In MLflow a trial's run is a child of the sweep's, which is one of the pipeline's.
    with contextlib.closing(sqlite3.connect(shop.root / ".mlops/mlflow/mlflow.db")) as database:
        above = dict(database.execute("SELECT run_uuid, value FROM tags WHERE key = 'mlflow.parentRunId'"))
        names = dict(database.execute("SELECT run_uuid, name FROM runs"))
        logged = {names[uuid]: (key, value) for uuid, key, value in database.execute("SELECT run_uuid, key, value FROM params")}
        measured = {names[uuid]: (key, value) for uuid, key, value in database.execute("SELECT run_uuid, key, value FROM metrics")}
        ended = dict(database.execute("SELECT name, status FROM runs"))
    assert {names[below]: names[over] for below, over in above.items()} == {
        "find": run.id, **{told.step: "find" for told in found}}
    # The sweep's own run has what the best trial's has.
    assert logged == {"find": ("x", winner.parameters["x"]), **{told.step: ("x", told.parameters["x"]) for told in found}}
    assert measured["find"] == measured[winner.step] == ("loss", pytest.approx(min(losses.values())))
    assert set(ended.values()) == {"FINISHED"}

    # The same again is reused whole; of more trials only the new ones run.
    again = shop.run()
    assert again.steps["find"].reason == f"nothing changed since {run.id}"
    assert again.outputs == run.outputs
    more = sweeping(f"{LOGS}; print(os.environ['AZUREML_SWEEP_x'] == x == os.environ['AZUREML_PARAMETER_x'])",
                    limits={"max_total_trials": 5})
    assert more.json("plan", "p")["steps"][0]["reason"] == "the sweep's limits changed"
    more.run()
    assert len(lines(shop.root / "count")) == 5
    assert statuses(more) == {"0": "reused", "1": "reused", "2": "reused", "3": "reused", "4": "completed"}

    # One trial can be run again alone, as it was.
    assert "find.trial_3 | True" in shop.mlops("step", run.id, "find.trial_3").stderr
    with (shop.root / "count").open() as count:
        assert [line.strip() for line in count][5:] == [found[3].parameters["x"]]
    refused = shop.mlops("step", run.id, "find", "--shell", expect=2)
    assert "'find' is a sweep, and a shell is for one command\n  fix: name one of its trials: find.trial_0\n" in refused.stderr


def test_a_sweep_job_of_its_own_runs_a_grid_to_its_end(project: Callable[..., Any]) -> None:
    shop = project()
    shop.write("src/trial.py", TRIAL)
    shop.write("src/body.py", "log(len(x)); log(len(x) - 1)")
    shop.write("sweep.yml", json.dumps({
        "type": "sweep",
        "trial": {
            "code": "src",
            "command": "python trial.py '${{search_space.word}} ${{search_space.word}}${{inputs.tail}}' ${{outputs.out}} ${{inputs.root}}",
            "environment": "azureml:any@latest",
        },
        "inputs": {"root": str(shop.root), "tail": "!"},
        "outputs": {"out": {"type": "uri_folder"}},
        "compute": "azureml:cpu",
        "sampling_algorithm": "Grid",
        "search_space": {"word": choice("a", "bb", "ccc"), "unused": choice(1, 2)},
        "objective": {"goal": "MAXIMIZE", "primary_metric": "loss"},
        "limits": {"max_total_trials": 100},
    }))
    result = shop.json("run", "sweep.yml")
    assert sorted(lines(shop.root / "count")) == ["a a!", "a a!", "bb bb!", "bb bb!", "ccc ccc!", "ccc ccc!"]
    found = trials(shop, result["run"])
    assert [dict(told.parameters) for told in found][:3] == [
        {"word": "a", "unused": "1"}, {"word": "a", "unused": "2"}, {"word": "bb", "unused": "1"}]
    # A metric that was logged twice counts with its best value.
    assert [told.curve for told in found] == [(n, n - 1) for n in (4, 4, 6, 6, 8, 8)]
    assert [told.number for told in found if told.best] == [4]
    assert result["metrics"] == {"sweep": {"loss": 7}}


# --- early termination -----------------------------------------------------------------------------------------------

# The trial "bad" ends well in its own eyes when it is told to end, with an output.
GOOD_AND_BAD = """
import signal
if x == "good":
    log(1); log("NaN"); (out / "x").write_text(x); (root / (os.environ["AZUREML_EXPERIMENT_NAME"])).touch()
else:
    wait_for(os.environ["AZUREML_EXPERIMENT_NAME"])
    (out / "x").write_text(x)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with open(root / "pids", "a") as pids:
        pids.write(f"{os.getpid()}\\n")
    log(5); log(5)
    wait_for("never")
"""


def test_a_policy_ends_the_process_of_a_trial_that_does_worse(sweeping: Callable[..., Any]) -> None:
    shop = sweeping(GOOD_AND_BAD, {"x": choice("good", "bad")}, sampling_algorithm="grid")
    document = json.loads((shop.root / "pipelines/p.yml").read_text())
    find = document["jobs"].pop("find")
    policies = {
        "bandit": {"type": "bandit", "slack_factor": 0.5, "evaluation_interval": 2},
        "median": {"type": "median_stopping", "delay_evaluation": 1},
        "lowest": {"type": "truncation_selection", "truncation_percentage": 50},
    }
    document["jobs"] = {name: find | {"early_termination": policy, "outputs": {}} for name, policy in policies.items()}
    shop.write("pipelines/p.yml", json.dumps(document | {"outputs": {}}))
    run = shop.run()
    assert run.succeeded, run.errors
    assert len(lines(shop.root / "pids")) == 3
    assert not any(lives(int(pid)) for pid in lines(shop.root / "pids"))
    for told in trials(shop, run.id):
        assert (told.best, told.stopped) == ((True, False) if told.number == 0 else (False, True))
        assert told.objective == (1 if told.number == 0 else 5)
    shown = {step["name"]: step for step in shop.json("runs", "show")["steps"]}
    assert {name: shown[f"{name}.trial_1"]["reason"] for name in policies} == {
        "bandit": "stopped early: 5 is outside the slack of the best, 1, at interval 2",
        "median": "stopped early: 5 is worse than the median of the running averages, 3, at interval 1",
        "lowest": "stopped early: 5 is among the lowest 50% of 2 trials at interval 1",
    }
    for name in policies:
        assert shown[f"{name}.trial_0"]["status"] in ("completed", "reused")  # the three sweeps share it
        assert shown[f"{name}.trial_1"]["status"] == "canceled"
        assert shown[f"{name}.trial_1"]["outputs"] == {}
    with contextlib.closing(sqlite3.connect(shop.root / ".mlops/mlflow/mlflow.db")) as database:
        ended = dict(database.execute("SELECT name, status FROM runs"))
    assert {ended[f"{name}.trial_1"] for name in policies} == {"KILLED"}


# --- interruptions ---------------------------------------------------------------------------------------------------


def test_a_sweep_whose_engine_was_killed_goes_on_without_doing_finished_trials_again(sweeping: Callable[..., Any]) -> None:
    body = GOOD_AND_BAD.replace("\nelse:", '\nelif x == "late":\n    (root / "late").touch(); wait_for("go"); log(0.5)\nelse:')
    policy = {"type": "bandit", "slack_amount": 1}
    shop = sweeping(body, {"x": choice("good", "bad", "late")}, sampling_algorithm="grid", early_termination=policy)
    with shop.start("run", "p") as process:
        wait_until(lambda: (shop.root / "late").exists() and "canceled" in statuses(shop).values())
        process.kill()
    assert statuses(shop) == {"0": "completed", "1": "canceled", "2": "interrupted"}
    (shop.root / "go").touch()
    result = shop.json("runs", "resume")
    assert result["status"] == "completed"
    assert sorted(lines(shop.root / "count")) == ["bad", "good", "late", "late"]
    assert statuses(shop) == {"0": "reused", "1": "canceled", "2": "completed"}
    assert [told.number for told in trials(shop, result["run"]) if told.best] == [2]


def test_ctrl_c_ends_the_trials(sweeping: Callable[..., Any]) -> None:
    shop = sweeping('(root / "pid.new").write_text(str(os.getpid())); (root / "pid.new").rename(root / "pid"); wait_for("never")')
    with shop.start("run", "p") as process:
        wait_until((shop.root / "pid").exists)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "find: canceled (the run was stopped)" in err
    assert not lives(int((shop.root / "pid").read_text()))
    assert set(statuses(shop).values()) == {"canceled"}


# --- failures and limits ---------------------------------------------------------------------------------------------


def test_a_trial_that_fails_costs_only_itself_and_what_comes_after_the_sweep_reads_the_best_of_the_others(
    sweeping: Callable[..., Any]
) -> None:
    body = "x == '1' and sys.exit('no luck'); log(float(x)); (out / 'x').write_text(x)"
    shop = sweeping(body, {"x": choice(1, 3, 2)}, sampling_algorithm="grid")
    shop.component("show", "cat ${{inputs.found}}/x > ${{outputs.out}}", inputs={"found": "uri_folder"}, outputs={"out": "uri_file"})
    document = json.loads((shop.root / "pipelines/p.yml").read_text())
    document["jobs"]["after"] = {
        "type": "command", "component": "../components/show/component.yml", "inputs": {"found": "${{parent.jobs.find.outputs.out}}"},
        "outputs": {"out": "${{parent.outputs.text}}"}}
    document["outputs"]["text"] = {"type": "uri_file"}
    shop.write("pipelines/p.yml", json.dumps(document))
    run = shop.run()
    assert run.succeeded, run.errors
    assert run.outputs["text"].path.read_text() == "2"
    assert statuses(shop) == {"0": "failed", "1": "completed", "2": "completed"}
    assert "trial_0: step 'find.trial_0' exited with code 1\n" in shop.mlops("runs", "logs", "latest", "find").stdout


def test_a_sweep_of_which_every_trial_fails_fails_with_the_first_ones_words(sweeping: Callable[..., Any]) -> None:
    shop = sweeping("sys.exit('out of luck')", limits={"max_total_trials": 3})
    run = shop.run()
    assert not run.succeeded
    [error] = run.errors
    assert error.startswith("step 'find': none of its 3 trials ran to its end\n  why: the first that failed: step 'find.trial_")
    assert "  | out of luck" in error
    assert error.endswith(f"\n  fix: mend it and go on with: mlops runs resume {run.id}")
    assert statuses(shop) == {"0": "failed", "1": "failed", "2": "failed"}


@pytest.mark.parametrize(
    ("body", "why", "fix"),
    [
        ("log(1, 'los'); log('NaN', 'loss_2')", "they logged los, loss_2", "did you mean 'los'?"),
        ("pass", "they logged no metric", "mend it and go on with"),
    ],
)
def test_a_sweep_of_which_no_trial_logs_the_metric_fails_and_says_what_was_logged(
    body: str, why: str, fix: str, sweeping: Callable[..., Any]
) -> None:
    run = sweeping(body, limits={"max_total_trials": 1}).run()
    [error] = run.errors
    assert error.startswith("step 'find': no trial that ran to its end logged a number as 'loss'")
    assert f"why: {why}\n" in error
    assert f"fix: {fix}" in error


def test_the_limits_of_time_end_a_trial_and_the_sweep(sweeping: Callable[..., Any]) -> None:
    body = "x == 'slow' and wait_for('never'); log(1); (out / 'x').write_text(x)"
    told = {"space": {"x": choice("quick", "slow")}, "sampling_algorithm": "grid"}
    shop = sweeping(body, limits={"max_total_trials": 1}, **told)
    assert shop.run().succeeded
    # The quick trial is there by now: the limits are met by the slow one alone, however slow the machine is.
    shop = sweeping(body, limits={"max_total_trials": 2, "trial_timeout": 1}, **told)
    run = shop.run()
    assert run.succeeded, run.errors
    assert statuses(shop) == {"0": "reused", "1": "failed"}
    assert "'find.trial_1' ran longer than its limit of 1.0 s" in shop.mlops("runs", "logs", "latest", "find").stdout
    shop = sweeping(body, limits={"max_total_trials": 2, "timeout": 1}, **told)
    run = shop.run()
    assert run.succeeded, run.errors
    assert statuses(shop) == {"0": "reused", "1": "canceled"}
    assert "trial_1: the sweep's time was up" in shop.mlops("runs", "logs", "latest", "find").stdout
    [error] = sweeping("wait_for('never')", limits={"max_total_trials": 2, "timeout": 1}, **told).run().errors
    assert error.startswith("step 'find' ran longer than its limit of 1.0 s, and no trial had ended by then")


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_no_more_trials_are_at_work_at_once_than_the_limit_and_the_cores_allow(limit: int, sweeping: Callable[..., Any]) -> None:
    body = """
(root / "busy").mkdir(exist_ok=True)
(root / "busy" / x).touch()
with open(root / "seen", "a") as seen:
    seen.write(f"{len(os.listdir(root / 'busy'))} {os.environ['OMP_NUM_THREADS']}\\n")
time.sleep(0.05)
(root / "busy" / x).unlink()
"""
    shop = sweeping(body, {"x": choice(*range(6))}, {"max_total_trials": 6, "max_concurrent_trials": limit} if limit < 6 else
                    {"max_total_trials": 6}, sampling_algorithm="grid")
    shop.run()
    at_once = min(limit, cores(), 6)
    seen = [line.split() for line in lines(shop.root / "seen")]
    assert len(seen) == 6
    assert max(int(busy) for busy, _ in seen) <= at_once
    assert {threads for _, threads in seen} == {str(max(1, cores() // at_once))}


# --- bayesian --------------------------------------------------------------------------------------------------------


def test_bayesian_sampling_without_optuna_is_refused_before_anything_runs(
    sweeping: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    shop = sweeping(sampling_algorithm="bayesian")
    with pytest.raises(InputError, match="the sweep 'find' samples by bayesian, and Optuna is not installed") as caught:
        shop.run()
    assert "pip install 'mlops-lib[sweep]'" in caught.value.fix
    assert caught.value.place is not None
    assert caught.value.place.file.endswith("p.yml")
    assert not (shop.root / "count").exists()


def test_a_bayesian_sweep_goes_on_with_the_trials_that_it_had_chosen(sweeping: Callable[..., Any]) -> None:
    body = f"len({{*(root / 'count').read_text().split()}}) == 6 and wait_for('go'); {LOGS}"
    shop = sweeping(body, limits={"max_total_trials": 8, "max_concurrent_trials": 1}, sampling_algorithm="bayesian")
    with shop.start("run", "p") as process:
        wait_until(lambda: len(lines(shop.root / "count")) == 6)
        process.kill()
    (shop.root / "go").touch()
    result = shop.json("runs", "resume")
    tried = lines(shop.root / "count")
    assert tried[6] == tried[5]
    assert len(set(tried)) == 8
    assert [told.parameters["x"] for told in trials(shop, result["run"])] == [*tried[:6], *tried[7:]]
