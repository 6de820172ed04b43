import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import uuid
import venv
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.engines.local.tracking import LoggedRun, Tracking

ROOT = Path(__file__).parents[3]
# MLflow is two thousand modules: every process would compile them anew.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def tracking(folder: Path, *, run_id: str = "", experiment: str = "flights", **environment: str) -> Tracking:
    return Tracking(
        folder,
        experiment=experiment,
        run_id=run_id or uuid.uuid4().hex,
        run_name="train flights",
        environment=ENVIRONMENT | environment,
    )


def run_step(code: str, variables: Mapping[str, str], cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=ENVIRONMENT | dict(variables), cwd=cwd, capture_output=True, text=True, check=False, timeout=240
    )


def ask(uri: str, path: str, document: object = None) -> tuple[int, dict[str, object]]:
    """What MLflow's clients do on the wire, without their three seconds of imports."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(f"{uri}{path}", body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def log_metric(variables: Mapping[str, str], name: str, value: float) -> int:
    document = {"run_id": variables["MLFLOW_RUN_ID"], "key": name, "value": value, "timestamp": 1, "step": 0}
    status, _ = ask(variables["MLFLOW_TRACKING_URI"], "/api/2.0/mlflow/runs/log-metric", document)
    return status


def select(folder: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return connection.execute(query, values).fetchall()


def status_of(folder: Path, run_id: str) -> str:
    ((status,),) = select(folder, "SELECT status FROM runs WHERE run_uuid = ?", run_id)
    return str(status)


def tags_of(folder: Path, run_id: str) -> dict[str, str]:
    return dict(select(folder, "SELECT key, value FROM tags WHERE run_uuid = ?", run_id))


def server_process(folder: Path) -> list[int]:
    """The processes that work in *folder*."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + 120
    while server_process(folder):
        assert time.monotonic() < deadline, "the server outlives its engine"
        time.sleep(0.02)


# ------------------------------------------------------------------------------------------------- nobody logs


def test_nothing_starts_when_nobody_logs(tmp_path: Path) -> None:
    with tracking(tmp_path / "mlflow") as mlflow:
        run_id, _ = mlflow.reserve("prep")
        assert mlflow.finish(run_id, succeeded=True) is None
        assert not mlflow.started
    assert not (tmp_path / "mlflow").exists()


def test_the_engine_does_not_import_mlflow_or_a_server() -> None:
    code = "import sys, mlops_lib.engines.local.tracking; print({'mlflow', 'http.server'} & {*sys.modules})"
    assert run_step(code, {}, ROOT).stdout == "set()\n"


def test_a_run_id_that_mlflow_could_not_keep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 lower-case hexadecimal digits"):
        tracking(tmp_path, run_id="train-1")


def test_a_proxy_of_the_user_does_not_come_between_a_step_and_the_server(tmp_path: Path) -> None:
    with tracking(tmp_path, HTTP_PROXY="http://proxy:3128", NO_PROXY="intra.example") as mlflow:
        _, variables = mlflow.reserve("prep")
    assert variables["no_proxy"] == variables["NO_PROXY"] == "intra.example,127.0.0.1"


# ------------------------------------------------------------------------------------- steps log as they do anywhere

LOGS_EVERYTHING = """
import os
import mlflow

run_id = os.environ["MLFLOW_RUN_ID"]
mlflow.set_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
with mlflow.start_run() as run:
    assert run.info.run_id == mlflow.active_run().info.run_id == run_id
    mlflow.log_param("größe", "ß 1")
    mlflow.log_metric("mse", 0.5, step=0)
    mlflow.log_metric("mse", 0.25, step=1)
    with open("bild ü.txt", "w") as file:
        file.write("pixels")
    mlflow.log_artifact("bild ü.txt", "plots #1")
    with mlflow.start_run(nested=True, run_name="trial"):
        mlflow.log_metric("loss", 3)
left = mlflow.MlflowClient().create_run(run.info.experiment_id, tags={"mlflow.parentRunId": run_id})
print(left.info.run_id)
"""

LOGS_AND_FAILS = """
import os
import mlflow

run_id = os.environ["MLFLOW_RUN_ID"]
mlflow.log_metric("mse", 9)
assert mlflow.active_run().info.run_id == run_id
raise SystemExit(1)
"""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A pipeline run: one step logged, one logged and failed, one did not log."""

    folder: Path
    run_id: str
    logging: LoggedRun
    failing: LoggedRun
    left_running: str
    uri: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    place = tmp_path_factory.mktemp("place")
    folder = place / "mit Leer und Ümlaut #1? 100%20" / "mlflow"
    run_id = uuid.uuid4().hex
    with tracking(folder, run_id=run_id) as mlflow:
        first, variables = mlflow.reserve("train/größe 1")
        second, other_variables = mlflow.reserve("bad")
        silent, _ = mlflow.reserve("silent")
        with ThreadPoolExecutor() as pool:
            failed = pool.submit(run_step, LOGS_AND_FAILS, other_variables, place)
            done = run_step(LOGS_EVERYTHING, variables, place)
        assert done.returncode == 0, done.stderr
        assert failed.result().returncode == 1, failed.result().stderr
        assert "Traceback" not in failed.result().stderr
        logging = mlflow.finish(first, succeeded=True)
        failing = mlflow.finish(second, succeeded=False)
        assert logging is not None
        assert failing is not None
        assert mlflow.finish(silent, succeeded=True) is None
        assert mlflow.problem is None
    assert (folder / "server.log").read_text() == ""
    return Finished(
        folder=folder,
        run_id=run_id,
        logging=logging,
        failing=failing,
        left_running=done.stdout.split()[-1],
        uri=mlflow.uri,
    )


def test_finish_returns_what_the_step_logged(finished: Finished) -> None:
    assert finished.logging.metrics == {"mse": 0.25}
    assert finished.logging.params == {"größe": "ß 1"}


def test_a_step_is_a_child_of_the_pipeline_run(finished: Finished) -> None:
    child = tags_of(finished.folder, finished.logging.run_id)
    assert child["mlflow.parentRunId"] == finished.run_id
    assert child["mlflow.runName"] == child["mlflow.source.name"] == "train/größe 1"
    parent = tags_of(finished.folder, finished.run_id)
    assert parent["mlflow.runName"] == "train flights"
    assert "mlflow.parentRunId" not in parent
    assert parent["mlflow.user"] == child["mlflow.user"] != ""
    query = "SELECT DISTINCT experiments.name FROM experiments JOIN runs USING (experiment_id)"
    assert select(finished.folder, query) == [("flights",)]


def test_only_steps_that_log_have_a_run(finished: Finished) -> None:
    names = {name for (name,) in select(finished.folder, "SELECT name FROM runs WHERE run_uuid <> ?", finished.left_running)}
    assert names == {"train flights", "train/größe 1", "bad", "trial"}


def test_a_nested_run_is_below_the_step(finished: Finished) -> None:
    ((trial,),) = select(finished.folder, "SELECT run_uuid FROM runs WHERE name = 'trial'")
    assert tags_of(finished.folder, trial)["mlflow.parentRunId"] == finished.logging.run_id


def test_an_artifact_lies_in_the_folder_whatever_its_path(finished: Finished) -> None:
    (artifact,) = (finished.folder / "artifacts").glob(f"*/{finished.logging.run_id}/artifacts/plots #1/bild ü.txt")
    assert artifact.read_text() == "pixels"


def test_runs_end_with_their_steps(finished: Finished) -> None:
    assert status_of(finished.folder, finished.logging.run_id) == "FINISHED"
    assert status_of(finished.folder, finished.failing.run_id) == "FAILED"
    assert status_of(finished.folder, finished.run_id) == "FINISHED"


def test_a_nested_run_that_its_step_left_running_ends_with_the_step(finished: Finished) -> None:
    assert status_of(finished.folder, finished.left_running) == "FINISHED"


def test_the_server_is_gone_after_close(finished: Finished) -> None:
    assert server_process(finished.folder) == []
    with pytest.raises(urllib.error.URLError, match="refused"):
        ask(finished.uri, "/version")


def test_a_resumed_run_is_the_same_run_and_fails_in_the_end(finished: Finished) -> None:
    mlflow = tracking(finished.folder, run_id=finished.run_id)
    run_id, variables = mlflow.reserve("again")
    ((experiment_id,),) = select(finished.folder, "SELECT experiment_id FROM runs WHERE run_uuid = ?", finished.run_id)
    assert variables["MLFLOW_EXPERIMENT_ID"] == str(experiment_id)
    assert log_metric(variables, "auc", 0.5) == 200
    assert status_of(finished.folder, finished.run_id) == "RUNNING"
    with pytest.raises(KeyError), mlflow:
        raise KeyError
    assert status_of(finished.folder, finished.run_id) == "FAILED"
    assert status_of(finished.folder, run_id) == "FAILED"


# ----------------------------------------------------------------------------------------------------- many at once


def test_four_first_writers_at_once_on_a_new_store_all_succeed(tmp_path: Path) -> None:
    code = "import mlflow; mlflow.log_metric('mse', 1)"
    with tracking(tmp_path / "mlflow") as mlflow, ThreadPoolExecutor(4) as pool:
        steps = dict(mlflow.reserve(f"trial {number}") for number in range(4))
        for done in pool.map(lambda variables: run_step(code, variables, tmp_path), steps.values()):
            assert done.returncode == 0, done.stderr
        for logged in pool.map(lambda run_id: mlflow.finish(run_id, succeeded=True), steps):
            assert logged is not None
            assert logged.metrics == {"mse": 1}
    assert select(tmp_path / "mlflow", "SELECT count(*), status FROM runs GROUP BY 2") == [(5, "FINISHED")]


def test_two_pipeline_runs_at_once_share_a_new_store(tmp_path: Path) -> None:
    def run(_: int) -> None:
        with tracking(tmp_path / "mlflow") as mlflow, ThreadPoolExecutor(4) as pool:
            mlflow.prestart()
            mlflow.prestart()
            run_id, variables = mlflow.reserve("train")
            names = {f"metric {number}" for number in range(60)}
            assert {*pool.map(lambda name: log_metric(variables, name, 1), names)} == {200}
            logged = mlflow.finish(run_id, succeeded=True)
            assert logged is not None
            assert logged.metrics.keys() == names

    with ThreadPoolExecutor() as pool:
        list(pool.map(run, range(2)))
    assert select(tmp_path / "mlflow", "SELECT count(*), status FROM runs GROUP BY 2") == [(4, "FINISHED")]
    assert select(tmp_path / "mlflow", "SELECT count(*) FROM experiments WHERE name = 'flights'") == [(1,)]


# ---------------------------------------------------------------------------------------------- what can go wrong

ENGINE = """
import os, sys, time, uuid
from pathlib import Path
from mlops_lib.engines.local.tracking import Tracking

mlflow = Tracking(
    Path(sys.argv[1]), experiment="flights", run_id=sys.argv[2], run_name="train", environment=os.environ
)
print(mlflow.reserve("train")[1]["MLFLOW_TRACKING_URI"], flush=True)
time.sleep(600)
"""


def start_engine(folder: Path, run_id: str = "0" * 32, python: str = sys.executable) -> "tuple[subprocess.Popen[str], str]":
    engine = subprocess.Popen(
        [python, "-c", ENGINE, str(folder), run_id],
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    return engine, engine.stdout.readline().strip()


def kill(engine: "subprocess.Popen[str]") -> None:
    engine.send_signal(signal.SIGKILL)
    engine.communicate()


def test_the_server_ends_with_a_killed_engine_and_its_runs_are_marked_as_killed(tmp_path: Path) -> None:
    engine, uri = start_engine(tmp_path / "mlflow")
    step = uri.split("/")[-2]
    assert ask(uri, f"/api/2.0/mlflow/runs/get?run_id={step}")[0] == 200
    assert len(server_process(tmp_path / "mlflow")) == 1
    kill(engine)
    wait_until_gone(tmp_path / "mlflow")
    assert {status_of(tmp_path / "mlflow", run_id) for run_id in (step, "0" * 32)} == {"KILLED"}


def test_a_broken_store_is_a_clear_error_of_the_step_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(b"scrambled" * 1000)
    with tracking(folder) as mlflow:
        run_id, variables = mlflow.reserve("train")
        assert variables.get("MLFLOW_EXPERIMENT_ID") is None
        mlflow.prestart()
        patient = {**variables, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "9"}  # who is told to try again does for eight minutes
        done = run_step("import mlflow; mlflow.log_metric('mse', 1)", patient, tmp_path)
        assert done.returncode == 1
        assert f"this file is not a store of MLflow: {folder / 'mlflow.db'}" in done.stderr
        assert "why: file is not a database" in done.stderr
        assert "fix: move that file away" in done.stderr
        assert mlflow.problem is not None
        assert mlflow.problem in done.stderr
        assert mlflow.finish(run_id, succeeded=False) is None
    assert (folder / "mlflow.db").read_bytes() == b"scrambled" * 1000


def test_the_store_of_a_newer_mlflow_is_refused_and_left_alone(finished: Finished, tmp_path: Path) -> None:
    shutil.copy(finished.folder / "mlflow.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        store.execute("UPDATE alembic_version SET version_num = 'fedcba987654'")
        store.commit()
    (tmp_path / "mlflow.db.lock").write_text("99.1.0")
    before = (tmp_path / "mlflow.db").read_bytes()
    with tracking(tmp_path) as mlflow:
        status, answer = ask(mlflow.uri, "/version")
        assert status == 400
        assert answer["error_code"] == "BAD_REQUEST"
        assert answer["message"] == mlflow.problem
        assert mlflow.problem is not None
        assert "why: a newer MLflow (99.1.0) than " in mlflow.problem
        assert "wrote it (schema fedcba987654)" in mlflow.problem
        assert "pip install --upgrade mlflow" in mlflow.problem
    assert (tmp_path / "mlflow.db").read_bytes() == before


@pytest.fixture
def python_without_mlflow(tmp_path: Path) -> str:
    venv.create(tmp_path / "venv", with_pip=False)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    for package in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not package.name.startswith("mlflow") and not (packages / package.name).exists():
            (packages / package.name).symlink_to(package)
    return str(tmp_path / "venv" / "bin" / "python")


def test_without_mlflow_a_step_that_logs_is_told_to_install_it(tmp_path: Path, python_without_mlflow: str) -> None:
    engine, uri = start_engine(tmp_path / "mlflow", python=python_without_mlflow)
    try:
        status, answer = ask(uri, "/api/2.0/mlflow/runs/log-metric", {"key": "mse"})
    finally:
        kill(engine)
    assert status == 400
    assert "there is no MLflow to log to\n  why:" in str(answer["message"])
    assert "fix: pip install mlflow" in str(answer["message"])
    wait_until_gone(tmp_path / "mlflow")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with tracking(tmp_path / "file" / "mlflow") as mlflow:
        status, answer = ask(mlflow.uri, "/version")
    assert status == 400
    assert f"MLflow's store cannot be opened: {tmp_path / 'file' / 'mlflow' / 'mlflow.db'}" in str(answer["message"])
    assert "fix: make that folder and its files writable" in str(answer["message"])


def test_a_server_that_dies_is_noticed_and_steps_are_told(finished: Finished) -> None:
    with tracking(finished.folder) as mlflow:
        run_id, variables = mlflow.reserve("train")
        assert log_metric(variables, "mse", 1) == 200
        (server,) = server_process(finished.folder)
        os.kill(server, signal.SIGKILL)
        wait_until_gone(finished.folder)
        status, answer = ask(variables["MLFLOW_TRACKING_URI"], "/version")
        assert status == 400
        assert answer["message"] == mlflow.problem
        assert mlflow.problem is not None
        assert "exit code -9" in mlflow.problem
        assert mlflow.finish(run_id, succeeded=True) is None


def test_who_does_not_know_the_address_is_refused_and_a_deleted_experiment_named(finished: Finished) -> None:
    with tracking(finished.folder, experiment="gone") as mlflow:
        status, answer = ask(mlflow.uri + "x", "/api/2.0/mlflow/experiments/create", {"name": "intruder"})
        assert status == 400
        assert "not one that the pipeline run gave to a step" in str(answer["message"])

        _, made = ask(mlflow.uri, "/api/2.0/mlflow/experiments/create", {"name": "gone"})
        ask(mlflow.uri, "/api/2.0/mlflow/experiments/delete", made)
        run_id, variables = mlflow.reserve("train")
        status, answer = ask(variables["MLFLOW_TRACKING_URI"], f"/api/2.0/mlflow/runs/get?run_id={run_id}")
        assert status == 400
        assert "the MLflow experiment 'gone' takes no runs" in str(answer["message"])
        assert "mlflow experiments restore" in str(answer["message"])
    assert {name for (name,) in select(finished.folder, "SELECT name FROM experiments")} == {"Default", "flights", "gone"}
