"""Shapes of files that are in use: each compiles without a finding. The texts are our own."""

from pathlib import Path

import pytest

from mlops_lib.project import Project

COMMAND = "environment: {image: python}\ncommand: ls ${{inputs.rows}} > ${{outputs.list}}/names\n"
LIST = (
    "name: list_rows\ntype: command\ninputs:\n  rows: {type: uri_folder}\noutputs:\n  list: {type: uri_folder}\n" + COMMAND
)
PIPELINE = "type: pipeline\nsettings: {default_compute: azureml:cpu}\n"

FILES = {
    "a component that the workspace has": {
        "p.yml": PIPELINE
        + "jobs:\n  clean:\n    type: command\n    component: azureml:cleanse@latest\n    inputs: {rows: {type: uri_folder, path: .}}\n",
        "components/list.yml": LIST,
    },
    "an input's path with the name of the job": {
        "p.yml": PIPELINE
        + "jobs:\n  list:\n    component: components/list.yml\n    inputs:\n      rows:\n        type: uri_folder\n"
        "        path: azureml://datastores/raw/paths/${{name}}/rows\n",
        "components/list.yml": LIST,
    },
    "a flow as a parallel job": {
        "p.yml": PIPELINE
        + "inputs:\n  questions: {type: uri_file, path: q.jsonl}\n"
        "jobs:\n  answer:\n    type: parallel\n    component: chat/flow.dag.yaml\n    inputs:\n"
        "      data: ${{parent.inputs.questions}}\n      text: ${data.text}\n      connections.reply.deployment_name: small\n",
        "q.jsonl": "{}\n",
        "chat/flow.dag.yaml": "inputs: {text: {type: string}}\noutputs: {reply: {type: string, reference: '${reply.output}'}}\n"
        "nodes:\n- {name: reply, type: llm}\n",
    },
    "a run of a flow as a parallel job": {
        "p.yml": PIPELINE + "jobs:\n  answer:\n    type: parallel\n    component: ./run.yaml\n",
        "run.yaml": "$schema: https://azuremlschemas.azureedge.net/promptflow/latest/Run.schema.json\nflow: chat\ndata: q.jsonl\n",
    },
    "a job that gives parameters of the pipeline to computes and resources": {
        "p.yml": PIPELINE
        + "inputs: {where: big, how_many: 2}\njobs:\n  list:\n    component: components/list.yml\n"
        "    compute: ${{parent.inputs.where}}\n    resources: {instance_count: '${{parent.inputs.how_many}}'}\n"
        "    inputs: {rows: {type: uri_folder, path: .}}\n",
        "components/list.yml": LIST,
    },
    "a control output": {
        "c.yml": "name: choose\ntype: command\nversion: 0.1.test2\noutputs:\n  go: {type: boolean, is_control: true}\n"
        "environment: azureml://registries/azureml/environments/e/labels/latest\n"
        "command: mldesigner execute --source choose.py --outputs go='${{outputs.go}}'\n",
    },
    "a fine-tuning job that names no compute": {
        "f.yml": "type: finetuning\nname: small-chat\ntask: chat_completion\nmodel_provider: custom\n"
        "model: {type: mlflow_model, path: azureml://registries/azureml/models/m/versions/3}\ntraining_data: t.jsonl\n"
        "hyperparameters: {epochs: '2'}\noutputs: {tuned: {type: mlflow_model, name: mine}}\n",
        "t.jsonl": "{}\n",
    },
    "a data import": {
        "i.yml": "type: mltable\nname: orders\npath: azureml://datastores/raw/paths/orders/${{name}}\n"
        "source: {type: database, connection: azureml:shop, query: select * from orders}\n",
    },
    "a data asset with the schema's old name": {
        "d.yml": "$schema: https://azuremlschemas.azureedge.net/latest/dataset.schema.json\nname: flights\n"
        "type: uri_folder\npath: wasbs://c@a.blob.core.windows.net/flights/\n",
    },
    "a registry": {"r.yml": "name: shared\nlocation: westeurope\nreplication_locations: [{location: westeurope}]\n"},
    "a workspace": {"w.yml": "name: dev\nmanaged_network: {isolation_mode: allow_internet_outbound}\n"},
    "a compute": {"k.yml": "name: big\ntype: amlcompute\nsize: Standard_D13_v2\n"},
    "a deployment to an endpoint that no file describes": {
        "blue.yml": "name: blue\nendpoint_name: someone-elses\nmodel: azureml:m:1\ninstance_type: Standard_F2s_v2\n",
        "late.yml": "name: late-flights\nauth_mode: key\n",
    },
    "a schedule that gives the time of its firing": {
        "s.yml": "name: s\ntrigger: {type: cron, expression: 0 3 * * *}\ncreate_job:\n  type: pipeline\n  job: ./p.yml\n"
        "  inputs: {when: '${{creation_context.trigger_time}}'}\n",
        "p.yml": PIPELINE + "inputs: {when: never}\njobs:\n  tell:\n    type: command\n    environment: azureml:e@latest\n"
        "    command: echo ${{inputs.when}}\n    inputs: {when: '${{parent.inputs.when}}'}\n",
    },
    "a feature set": {
        "f.yml": "$schema: http://azureml/sdk-2-0/Featureset.json\nname: f\nversion: '1'\nspecification: {path: ./spec}\n"
    },
    "a datastore with the SDK's own schema": {
        "d.yml": "$schema: http://azureml/sdk-2-0/OneLakeDatastore.json\nname: lake\ntype: one_lake\n"
        "one_lake_workspace_name: w\nendpoint: e.dfs.fabric.microsoft.com\nartifact: {type: lake_house, name: h}\n",
    },
    "a table of lines with images": {
        "MLTable": "type: mltable\npaths:\n- file: ./x.jsonl\ntransformations:\n- read_json_lines: {encoding: utf8, invalid_lines: drop}\n"
        "- convert_column_types:\n  - {columns: picture, column_type: stream_info}\n",
        "x.jsonl": "{}\n",
    },
    "a table of a lake": {
        "MLTable": "paths:\n- folder: abfss://f@a.dfs.core.windows.net/t/\ntransformations:\n"
        "- read_delta_lake: {timestamp_as_of: '2025-01-01T00:00:00Z'}\n- filter: 'col(\"d\") > 3'\n",
    },
}


@pytest.mark.parametrize("shape", FILES)
def test_a_shape_in_use_compiles_without_a_finding(tmp_path: Path, shape: str) -> None:
    for name, text in FILES[shape].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = Project(tmp_path, near=tmp_path).validate([tmp_path / name for name in FILES[shape] if not name.endswith("jsonl")])
    assert not found, "\n".join(map(str, found))


def test_a_file_given_for_a_folder_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "list.yml").write_text(LIST)
    (tmp_path / "p.yml").write_text(
        PIPELINE + "jobs:\n  list:\n    component: list.yml\n    inputs:\n      rows: {type: uri_file, path: 'https://e.org/x.csv'}\n")
    [finding] = Project(tmp_path, near=tmp_path).validate([tmp_path / "p.yml"])
    assert str(finding).startswith("p.yml:7:36: input 'rows' of job 'list' is a uri_file, and the port is a uri_folder")
    assert finding.severity.value == "warning"


OLD = "command: ls ${{inputs.rows}}\nenvironment: {build: {local_path: .}}\ninputs:\n  rows:\n    file: https://e.org/x.csv\n"


def test_keys_of_the_previews_are_told_once_with_what_they_became(tmp_path: Path) -> None:
    (tmp_path / "j.yml").write_text("type: command\ncompute: azureml:cpu\n" + OLD)
    found = Project(tmp_path, near=tmp_path).validate([tmp_path / "j.yml"])
    assert [(finding.code, finding.place.line, finding.fix) for finding in found] == [
        ("unknown-key", 4, "did you mean 'path'?"), ("unknown-key", 7, "did you mean 'path'?")]
    assert {finding.why for finding in found} == {"early previews of Azure ML called it so"}


@pytest.mark.parametrize(
    ("signal", "line", "words"),
    [
        ("  compute: {runtime_version: 3.3}\n", 4, "must be a string, not the number 3.3"),
        ("  monitoring_signals:\n    s:\n      type: data_drift\n      reference_data: {target_column_name: y}\n", 7,
         "reference data has no key 'target_column_name'"),
    ],
)
def test_a_monitor_that_the_sdk_cannot_load_is_refused(tmp_path: Path, signal: str, line: int, words: str) -> None:
    (tmp_path / "m.yml").write_text("name: m\ntrigger: {type: cron, expression: 0 3 * * *}\ncreate_monitor:\n" + signal)
    [finding] = Project(tmp_path, near=tmp_path).validate([tmp_path / "m.yml"])
    assert finding.place.line == line
    assert words in finding.what


@pytest.mark.parametrize(
    ("task", "space"),
    [("text_ner", "weight_decay: choice(1, 2)"), ("image_classification", "learning_rate: 'uniform(0.1, 1)'"),
     ("image_object_detection", "min_size: choice(600, 800)")],
)
def test_an_expression_of_the_previews_is_no_number_to_search(tmp_path: Path, task: str, space: str) -> None:
    target = "" if task == "text_ner" else "target_column_name: y\n"
    (tmp_path / "a.yml").write_text(
        f"type: automl\ntask: {task}\n{target}training_data: {{type: mltable, path: azureml:t:1}}\n"
        f"validation_data: {{type: mltable, path: azureml:t:1}}\nsearch_space:\n- {space}\n")
    [finding] = Project(tmp_path, near=tmp_path).validate([tmp_path / "a.yml"])
    assert finding.code == "wrong-type"
    assert "must be a number" in finding.what
