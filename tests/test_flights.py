"""The example as a newcomer meets it: README's commands, the whole pipeline on the real data, and the official SDK."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PIPELINES = sorted((ROOT / "pipelines").glob("*.yml"))
ASSEMBLED = [path for path in PIPELINES if path.read_text(encoding="utf-8").startswith("# Written by 'mlops export")]
SCHEDULES = sorted((ROOT / "schedules").glob("*.yml"))
COMPONENTS = sorted((ROOT / "components").glob("*/component.yml"))


def mlops(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mlops_lib", *arguments], cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example in which the pipeline has run once."""
    folder = tmp_path_factory.mktemp("flights example")  # with a blank, like many a home folder
    for name in ("components", "data", "environments", "gates", "pipelines", "schedules"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "mlops.yml", folder)
    done = mlops("run", "flights", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    (folder / "first.json").write_text(done.stdout)
    return folder


def first_run(folder: Path) -> dict[str, object]:
    return dict(json.loads((folder / "first.json").read_text()))


def test_the_pipeline_turns_flights_into_a_winner_and_predictions(flights: Path) -> None:
    run = first_run(flights)
    assert run["status"] == "completed"
    steps, outputs, metrics = run["steps"], run["outputs"], run["metrics"]
    assert isinstance(steps, dict)
    assert isinstance(outputs, dict)
    assert isinstance(metrics, dict)
    assert {step["status"] for step in steps.values()} == {"completed"}
    assert {"train_lightgbm", "train_hist_gradient_boosting", "train_logistic"} < set(steps)
    assert outputs["best"]["asset"] == "flights:1"
    assert (Path(outputs["best"]["path"]) / "MLmodel").is_file()
    for train in ("train_lightgbm", "train_hist_gradient_boosting", "train_logistic"):
        assert 0.65 < metrics[train]["validation_roc_auc"] < 0.75  # far above and the label has leaked
    report = json.loads((Path(outputs["metrics"]["path"]) / "metrics.json").read_text())
    assert report["test"]["rows"] == metrics["score"]["rows"] > 50_000
    assert metrics["score"]["predictions"] + metrics["score"]["rejects"] == metrics["score"]["rows"]


def test_a_second_run_reuses_every_step_and_registers_nothing_again(flights: Path) -> None:
    run = json.loads(mlops("run", "flights", "--json", folder=flights).stdout)
    assert {step["status"] for step in run["steps"].values()} == {"reused"}
    assert run["metrics"] == first_run(flights)["metrics"]
    assert {output["asset"] for output in run["outputs"].values() if output["asset"]} >= {"flights:1", "flights-train:1"}


def test_what_steps_logged_is_in_mlflow_as_children_of_one_run(flights: Path) -> None:
    record = json.loads(mlops("runs", "show", str(first_run(flights)["run"]), "--json", folder=flights).stdout)
    code = textwrap.dedent("""
        import json, sys
        from mlflow.tracking import MlflowClient
        client = MlflowClient("sqlite:///" + sys.argv[1])
        parent = client.get_run(sys.argv[2])
        runs = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{sys.argv[2]}'")
        print(json.dumps({run.info.run_name: [run.info.status, run.data.metrics] for run in runs}))
    """)
    store = flights / ".mlops" / "mlflow" / "mlflow.db"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(store), record["mlflow_run"]],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    children = json.loads(done.stdout.splitlines()[-1])
    metrics = first_run(flights)["metrics"]
    assert isinstance(metrics, dict)
    assert {name: logged for name, (_, logged) in children.items()} == metrics
    assert {status for status, _ in children.values()} == {"FINISHED"}


def test_a_new_folder_with_the_tag_is_all_that_a_new_algorithm_takes(flights: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(flights, project, ignore=shutil.ignore_patterns("artifacts"), symlinks=True)
    # The store moves along, so that only what is new has to run.
    shutil.copytree(flights / ".mlops" / "artifacts", project / ".mlops" / "artifacts")
    new = project / "components" / "train_prior"
    shutil.copytree(project / "components" / "train_logistic", new)
    file = new / "component.yml"
    file.write_text(file.read_text().replace("name: train_logistic", "name: train_prior"))
    plan = json.loads(mlops("plan", "flights", "--json", folder=project).stdout)
    actions = {step["name"]: step["action"] for step in plan["steps"]}
    assert actions["prep"] == "reuse"
    assert actions["train_prior"] == "reuse"  # the same command, code and data as train_logistic: the same step
    assert actions["evaluate"] == "run"
    run = json.loads(mlops("run", "flights", "--json", folder=project).stdout)
    assert run["status"] == "completed"
    assert "prior.roc_auc" in run["metrics"]["evaluate"]
    assert mlops("validate", folder=project).stdout.count("differs from what its components give") == 3  # train, evaluate and flights.yml


def test_the_standalone_pipelines_find_what_others_registered(flights: Path) -> None:
    for name in ("preprocess", "train", "evaluate", "score"):
        done = mlops("run", name, "--json", folder=flights)
        assert done.returncode == 0, done.stderr
        assert {step["status"] for step in json.loads(done.stdout)["steps"].values()} == {"reused"}, name


def test_raw_flights_are_scored_all_of_them(flights: Path) -> None:
    done = mlops("run", "score_raw", "--json", folder=flights)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)["metrics"]["score"]
    assert counts["rows"] == counts["predictions"] == 336_776


def test_the_workers_of_a_parallel_job_score_what_one_process_scores(flights: Path) -> None:
    runs = [json.loads(mlops("run", name, "--json", folder=flights).stdout) for name in ("score", "score_parallel")]
    tables = [pq.read_table(run["outputs"]["predictions"]["path"]).drop_columns("scored_at") for run in runs]
    assert tables[0].num_rows > 1000
    assert tables[0].equals(tables[1])
    [line] = Path(runs[1]["outputs"]["counts"]["path"]).read_text().splitlines()
    assert json.loads(line)["predictions"] == tables[0].num_rows


def test_drift_is_reported_and_fails_the_run_when_asked(flights: Path) -> None:
    done = mlops("run", "drift", "--json", folder=flights)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    report = Path(run["outputs"]["report"]["path"])
    told = json.loads((report / "drift.json").read_text())
    assert {"temp", "dewp"} <= set(told["drifted"])  # autumn beside the months before it
    assert {"carrier", "origin", "distance", "probability"}.isdisjoint(told["drifted"])
    assert run["metrics"]["drift"]["drifted"] == len(told["drifted"])
    assert run["metrics"]["drift"]["prediction.psi"] == told["predictions"]["psi"] > 0

    failed = mlops("run", "drift", "--set", "fail_on_drift=true", "--json", folder=flights)
    assert failed.returncode == 1
    assert "are past their limits; the report is in outputs/drift" in failed.stderr
    name = json.loads(failed.stdout)["run"]
    assert list((flights / ".mlops").glob(f"**/{name}/**/outputs/drift/report.html"))



# Runs a notebook's cells as Jupyter does: one after the other, in one namespace, the last expression of each is its result.
CELLS = """
import ast, json, sys
space, results = {"__name__": "__main__"}, {}
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        tree = ast.parse("".join(cell["source"]), cell["id"])
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, cell["id"], "exec"), space)
        value = None if last is None else eval(compile(ast.Expression(last.value), cell["id"], "eval"), space)
        picture = getattr(value, "_repr_svg_", None)
        results[cell["id"]] = picture() if picture else str(value)
json.dump(results, open("results.json", "w"))
"""


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path) -> None:
    for name in ("components", "environments", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    shutil.copytree(ROOT / "data" / "flights", tmp_path / "data" / "flights")
    rows = tmp_path / "data" / "flights" / "flights.parquet"
    table = pq.read_table(rows)
    pq.write_table(table.take(pa.array(range(0, table.num_rows, 20))), rows)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CELLS, "flights.ipynb"], cwd=tmp_path / "notebooks",
                          env={**os.environ, "MPLBACKEND": "Agg"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "notebooks" / "results.json").read_text())
    assert results["pipeline"].startswith("<svg")
    assert results["run"] == "{'prep': 'completed', 'train_lightgbm': 'completed'}"
    assert "validation_roc_auc" in results["metrics"]
    assert "2013-11-01" in results["predict"]
    assert "{'prep': 'reused', 'train_lightgbm': 'completed'}" in done.stdout
    assert "0.05" in results["again"]


def test_the_notebook_is_kept_without_outputs() -> None:
    book = json.loads((ROOT / "notebooks" / "flights.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    assert [(cell["outputs"], cell["execution_count"]) for cell in cells] == [([], None)] * len(cells)


def test_every_file_of_the_example_compiles_without_a_finding() -> None:
    done = mlops("validate", folder=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no mistakes found\n")


@pytest.mark.parametrize("path", ASSEMBLED, ids=lambda path: path.stem)
def test_the_shipped_pipelines_are_what_the_components_give(path: Path) -> None:
    assert mlops("export", path.stem, folder=ROOT).stdout == path.read_text(encoding="utf-8")


def test_azure_ai_ml_accepts_every_pipeline_component_environment_and_schedule() -> None:
    code = textwrap.dedent("""
        import json, sys, warnings
        warnings.filterwarnings("ignore")
        from azure.ai.ml import load_component, load_environment, load_job
        from azure.ai.ml.entities._load_functions import load_schedule
        loaders = {"pipelines": load_job, "components": load_component}
        wrong = {}
        for path in sys.argv[1:]:
            if "/environments/" in path or "/schedules/" in path:
                (load_environment if "/environments/" in path else load_schedule)(path)
                continue
            loaded = next(load for name, load in loaders.items() if f"/{name}/" in path)(path)
            result = loaded._validate()
            if not result.passed:
                wrong[path] = result.error_messages
        print(json.dumps(wrong))
    """)
    files = [*PIPELINES, *COMPONENTS, *SCHEDULES, *sorted((ROOT / "environments").glob("*/environment.yml"))]
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {}


def test_a_laptop_installs_the_versions_that_the_environment_pins() -> None:
    conda = yaml.safe_load((ROOT / "environments" / "flights" / "conda.yml").read_text())
    pins = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    lines = [*extras["flights"].strip().splitlines(), *extras["compiled"].strip().splitlines()]
    exact = {line.split(";")[0].strip() for line in lines if "==" in line.split(";")[0]}
    assert exact == {pin for pin in pins if not pin.startswith("azureml-mlflow")}  # which only Azure ML needs


# --- README ----------------------------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_readme_has_two_commands_and_ci_runs_the_second() -> None:
    main_job, tests = (block.strip() for block in blocks("bash"))
    assert main_job.endswith("mlops run flights")
    assert (ROOT / ".ci" / "run").read_text().strip().splitlines()[-1] == tests


def console_commands() -> list[str]:
    lines = [line.partition("  #")[0].strip() for block in blocks("console") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize("command", console_commands())
def test_every_command_of_the_readme_works(flights: Path, command: str) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], cwd=flights, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_readmes_python_works_as_written(flights: Path) -> None:
    [code] = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=flights, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "validation_roc_auc" in done.stdout


def test_the_readmes_mistake_reads_as_the_compiler_writes_it(flights: Path, tmp_path: Path) -> None:
    [shown] = blocks("text")
    project = tmp_path / "project"
    (project / "pipelines").mkdir(parents=True)
    shutil.copytree(flights / "components", project / "components")
    shutil.copytree(flights / "environments", project / "environments")
    (project / "raw").mkdir()
    (project / "pipelines" / "train.yml").write_text(textwrap.dedent("""\
        $schema: https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json
        type: pipeline
        inputs:
          raw:
            type: uri_folder
            path: ../raw
        outputs:
          model:
            type: mlflow_model
        jobs:
          prep:
            type: command
            component: ../components/prep/component.yml
            inputs: {raw: "${{parent.inputs.raw}}"}
            compute: azureml:cpu
          lightgbm:
            type: command
            component: ../components/train_lightgbm/component.yml
            compute: azureml:cpu
            inputs:
              train: ${{parent.jobs.pre.outputs.train}}
              validation: ${{parent.jobs.prep.outputs.validation}}
            outputs:
              model: ${{parent.outputs.model}}
    """))
    done = mlops("validate", "pipelines/train.yml", folder=project)
    assert done.returncode == 2
    assert done.stdout == shown
