"""Whatever azure-ai-ml refuses to load for the shape of a document, is refused here."""

import copy
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlops_lib.document import Table, parse, unparse
from mlops_lib.errors import CompileError
from mlops_lib.rules.schedule import check_schedule
from mlops_lib.spec import Report, read

INLINE = {"image": "mcr.microsoft.com/x:1"}
PORTS = {"inputs": {"data": {"type": "uri_folder"}, "rate": {"type": "number", "default": 0.1, "min": 0}}, "outputs": {"out": {"type": "mlflow_model"}}}
NODE = {"type": "command", "component": "azureml:c:1", "compute": "azureml:cpu", "inputs": {"x": 3, "d": {"type": "uri_file", "path": "azureml:d:1", "mode": "download"}}}
SWEEP = {
    "objective": {"goal": "maximize", "primary_metric": "auc"},
    "limits": {"max_total_trials": 4, "max_concurrent_trials": 2},
    "sampling_algorithm": "random",
    "search_space": {"rate": {"type": "uniform", "min_value": 0.1, "max_value": 1}, "mode": {"type": "choice", "values": ["a", "b"]}},
    "early_termination": {"type": "bandit", "slack_factor": 0.1, "evaluation_interval": 1},
}
TASK = {"type": "run_function", "code": "azureml:code:1", "entry_script": "x.py", "environment": INLINE}
AUTOML = {"type": "automl", "target_column_name": "y", "training_data": {"type": "mltable", "path": "azureml:t:1"}}
# One document of each kind, from which the others are made.
SEEDS: list[tuple[str, dict[str, Any]]] = [
    ("command component", {"type": "command", "name": "c", "version": "1", "command": "x", "environment": INLINE, **PORTS, "resources": {"instance_count": 1}, "distribution": {"type": "pytorch"}}),
    ("pipeline component", {"type": "pipeline", "name": "p", "version": "1", "inputs": PORTS["inputs"], "jobs": {"a": NODE}}),
    ("parallel component", {"type": "parallel", "name": "c", "version": "1", **PORTS, "task": TASK, "mini_batch_size": "10", "input_data": "${{inputs.data}}", "retry_settings": {"max_retries": 2}}),
    ("spark component", {"type": "spark", "name": "c", "version": "1", **PORTS, "entry": {"file": "x.py"}, "code": "azureml:code:1", "conf": {"spark.driver.cores": 1, "spark.driver.memory": "2g", "spark.executor.cores": 1, "spark.executor.memory": "2g", "spark.executor.instances": 1}}),
    ("pipeline job", {"type": "pipeline", "jobs": {"a": NODE, "b": {"type": "sweep", "trial": "azureml:c:1", "compute": "azureml:cpu", **SWEEP}}, "inputs": {"raw": {"type": "uri_folder", "path": "azureml:d:1"}}, "outputs": {"o": {"type": "uri_folder", "mode": "upload"}}, "settings": {"default_compute": "azureml:cpu"}, "tags": {"a": "b"}}),
    ("command job", {"type": "command", "command": "x", "environment": INLINE, "compute": "azureml:cpu", "inputs": {"a": 1}, "limits": {"timeout": 60}, "resources": {"instance_count": 2}, "identity": {"type": "managed"}, "services": {"s": {"type": "ssh"}}}),
    ("sweep job", {"type": "sweep", "trial": {"command": "x", "environment": INLINE}, "compute": "azureml:cpu", **SWEEP}),
    ("spark job", {"type": "spark", "entry": {"file": "x.py"}, "code": "azureml:code:1", "resources": {"instance_type": "standard_e4s_v3", "runtime_version": "3.4"}, "conf": {"spark.driver.cores": 1, "spark.driver.memory": "2g", "spark.executor.cores": 1, "spark.executor.memory": "2g", "spark.executor.instances": 1}}),
    ("automl job", {**AUTOML, "task": "classification", "primary_metric": "accuracy", "limits": {"max_trials": 3}, "training": {"enable_stack_ensemble": True}}),
    ("automl job", {**AUTOML, "task": "image_classification", "primary_metric": "accuracy", "validation_data": {"type": "mltable", "path": "azureml:t:1"}, "sweep": {"sampling_algorithm": "random"}, "search_space": [{"learning_rate": {"type": "uniform", "min_value": 0.1, "max_value": 1}}]}),
    ("environment", {"name": "e", "version": "1", "image": "i", "os_type": "linux", "tags": {"a": "b"}}),
    ("data", {"name": "d", "version": "1", "type": "uri_folder", "path": "azureml://datastores/a/paths/b"}),
    ("model", {"name": "m", "version": "1", "type": "mlflow_model", "path": "azureml://datastores/a/paths/b", "flavors": {"python_function": {"loader_module": "x"}}}),
    ("datastore", {"name": "raw", "type": "azure_blob", "account_name": "a", "container_name": "c", "credentials": {"sas_token": "x"}}),
    ("datastore", {"name": "lake", "type": "azure_data_lake_gen2", "account_name": "a", "filesystem": "c"}),
    ("schedule", {"name": "s", "trigger": {"type": "recurrence", "frequency": "day", "interval": 1, "schedule": {"hours": [3], "minutes": [0]}, "start_time": "2026-05-10T10:00:00", "time_zone": "UTC"}, "create_job": "azureml:job"}),
    ("schedule", {"name": "s", "trigger": {"type": "cron", "expression": "0 1 * * *"}, "create_job": "azureml:job"}),
    ("online endpoint", {"name": "late", "auth_mode": "key", "traffic": {"blue": 100}}),
    ("batch endpoint", {"name": "late", "auth_mode": "aad_token", "defaults": {"deployment_name": "blue"}}),
    ("online deployment", {"name": "blue", "endpoint_name": "late", "model": "azureml:m:1", "instance_type": "x", "instance_count": 1, "scale_settings": {"type": "default"}, "request_settings": {"request_timeout_ms": 10}, "liveness_probe": {"period": 3}}),
    ("batch deployment", {"name": "blue", "endpoint_name": "late", "model": "azureml:m:1", "compute": "azureml:cpu", "mini_batch_size": 3, "output_action": "append_row", "retry_settings": {"max_retries": 1}}),
]  # fmt: skip
OTHERS: list[Any] = ["nonsense", 3, 1.5, True, [], ["a"], {}, {"a": {"b": 1}}]
MUTATIONS = 45
# What the SDK refuses for other reasons than a document's shape: it looks for files, or reads what a name stands for.
# A component that only pipelines name by its file needs no name of its own.
NAMELESS = '"path": "name",\n      "value": null'
ELSEWHERE = (NAMELESS, "No such file", "does not exist", "ARM", "arm id", "not a valid path", "not exist", "Unsupported", "Can't find directory")


def mutated(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    document = copy.deepcopy(document)
    kept = document.get("type")
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            places.append((value, key))
            collect(inner)

    collect(document)
    parent, key = chance.choice(places)
    what = chance.choice(["drop", "add", "change", "change"])
    if what == "drop":
        del parent[key]
    elif what == "add" and isinstance(parent, dict):
        parent[chance.choice(["nonsense", "jobs", "trial", "entry"])] = chance.choice(OTHERS)
    else:
        parent[key] = chance.choice(OTHERS)
    if kept is not None:
        document["type"] = kept  # else it may be of another kind, and refused for what that lacks
    return document


def found(kind: str, text: str) -> bool:
    report = Report()
    try:
        value = parse(text, "f.yml")
        read(value, report, folder="/", kind=kind)
        if kind == "schedule" and isinstance(value, Table):
            check_schedule(value, report)
    except CompileError:
        return True
    return bool(report.findings)


def test_what_the_sdk_refuses_for_its_shape_is_refused_here() -> None:
    chance = random.Random("agreement")
    documents = [(kind, unparse(seed)) for kind, seed in SEEDS]
    for kind, seed in SEEDS:
        documents += [(kind, unparse(mutated(seed, chance))) for _ in range(MUTATIONS)]
    program = [sys.executable, str(Path(__file__).with_name("sdk_verdicts.py"))]
    done = subprocess.run(program, input=json.dumps(documents), capture_output=True, text=True, timeout=200, check=True)
    verdicts = json.loads(done.stdout)
    pairs = list(zip(documents, verdicts, strict=True))
    assert [(kind, said) for (kind, _), said in pairs[: len(SEEDS)] if said] == []
    assert [kind for kind, text in documents[: len(SEEDS)] if found(kind, text)] == []
    missed = [
        f"{kind}\n{text}{said[:600]}\n"
        for (kind, text), said in pairs
        if said and not found(kind, text) and not any(word in said for word in ELSEWHERE)
    ]
    assert missed == []
    assert sum(bool(said) for said in verdicts) > len(documents) / 3  # else the mutations would show nothing
