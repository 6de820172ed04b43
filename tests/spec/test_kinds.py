"""Which kind a file is, and that every key that the official SDK reads is a key to us."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.document import Scalar, Table, parse
from mlops_lib.errors import Place
from mlops_lib.spec import KINDS, Report, kind_of_document
from mlops_lib.spec.kinds import schema_of
from mlops_lib.spec.shapes import Anything, ByForm, ByType, Deferred, Either, ListOf, MapOf, OneOf, Record, Shape

SCHEMA = "$schema: https://azuremlschemas.azureedge.net/latest/{}.schema.json\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (SCHEMA.format("commandComponent"), "command component"),
        (SCHEMA.format("pipelineComponent"), "pipeline component"),
        (SCHEMA.format("pipelineJob"), "pipeline job"),
        (SCHEMA.format("commandJob"), "command job"),
        (SCHEMA.format("environment"), "environment"),
        (SCHEMA.format("data"), "data"),
        (SCHEMA.format("model"), "model"),
        ("$schema: http://azureml/sdk-2-0/CommandComponent.json\n", "command component"),
        (SCHEMA.format("sweepJob") + "type: sweep\n", "sweep job"),
        (SCHEMA.format("schedule") + "type: pipeline\njobs: {}\n", "schedule"),
        ("$schema: https://json-schema.org/draft-07\ntype: pipeline\njobs: {}\n", "pipeline job"),
        ("type: pipeline\njobs: {a: {command: x}}\n", "pipeline job"),
        ("jobs: {a: {command: x}}\n", "pipeline job"),
        ("type: Pipeline\njobs: {a: {command: x}}\n", "pipeline job"),
        ("type: pipeline\njobs:\n", "pipeline job"),
        ("type: pipeline\ncomponent: ./p.yml\n", "pipeline job"),
        ("type: pipeline\njobs: {a: {}}\ninputs: {x: {type: string}}\n", "pipeline component"),
        ("type: pipeline\njobs: {a: {}}\ninputs: {x: {type: uri_folder, path: x}}\n", "pipeline job"),
        ("type: pipeline\njobs: {a: {}}\ninputs: {x: 3}\n", "pipeline job"),
        ("type: pipeline\njobs: {a: {}}\ninputs: {x: {type: string}}\nsettings: {}\n", "pipeline job"),
        ("name: p\ntype: pipeline\nversion: 1\njobs: {a: {}}\n", "pipeline component"),
        ("type: command\ncommand: x\nenvironment: e\ncompute: azureml:cpu\nname: x\n", "command job"),
        ("type: command\ncommand: x\nenvironment: e\n", "command job"),
        ("name: c\ncommand: x\nenvironment: e\n", "command component"),
        ("name: c\ntype: Command\ncommand: x\nversion: 1\nenvironment: e\n", "command component"),
        ("command: x\nenvironment: e\ninputs: {x: {type: string}, y: {tpye: string}}\n", "command component"),
        ("command: x\nenvironment: e\ninputs: {x: {type: uri_file, path: a}}\n", "command job"),
        ("name: e\nimage: i\n", "environment"),
        ("name: e\nbuild: {path: .}\n", "environment"),
        ("conda_file: c.yml\n", "environment"),
        ("type: uri_file\npath: x\n", "data"),
        (SCHEMA.format("dataset"), "data"),
        ("$schema: http://azureml/sdk-2-0/DataImport.json\ntype: mltable\n", "data import"),
        ("type: uri_folder\npath: azureml://x\nsource: {type: file_system}\n", "data import"),
        ("type: finetuning\nname: f\nmodel: {path: azureml:m:1}\ntask: chat_completion\n", "finetuning job"),
        ("type: mlflow_model\npath: x\n", "model"),
        ("type: MLFLOW_MODEL\npath: x\n", "model"),
        ("type: something\npath: x\n", None),
        # what is not Azure ML's
        ("name: CI\non: [push]\njobs: {test: {runs-on: ubuntu-latest}}\n", None),
        ("trigger: [main]\njobs:\n- job: test\n", None),
        ("services: {web: {image: x}}\n", None),
        ("name: flights\nchannels: [conda-forge]\ndependencies: [python]\n", None),
        ("site_name: docs\n", None),
        ("- a\n", None),
        ("word", None),
        ("", None),
        ("# nothing\n", None),
    ],
)
def test_a_files_kind_is_known_from_its_schema_or_its_keys(text: str, kind: str | None) -> None:
    assert kind_of_document(parse(text, "f.yml")) == kind


def test_the_name_of_another_schema_is_known() -> None:
    table = parse(SCHEMA.format("sweepJob"), "f.yml")
    assert isinstance(table, Table)
    assert schema_of(table) == "sweepJob"


# --- parity with azure-ai-ml -----------------------------------------------------------------------------------------

SDK = {
    "command component": ["component.command_component:CommandComponentSchema"],
    "pipeline component": ["pipeline.pipeline_component:PipelineComponentSchema"],
    "parallel component": ["component.parallel_component:ParallelComponentSchema"],
    "spark component": ["component.spark_component:SparkComponentSchema"],
    "pipeline job": ["pipeline.pipeline_job:PipelineJobSchema"],
    "command job": ["job.command_job:CommandJobSchema"],
    "sweep job": ["_sweep.sweep_job:SweepJobSchema"],
    "parallel job": ["job.parallel_job:ParallelJobSchema"],
    "spark job": ["job.spark_job:SparkJobSchema"],
    "automl job": [
        f"automl.{module}:{name}"
        for module, name in (
            ("table_vertical.classification", "AutoMLClassificationSchema"),
            ("table_vertical.regression", "AutoMLRegressionSchema"),
            ("table_vertical.forecasting", "AutoMLForecastingSchema"),
            ("nlp_vertical.text_classification", "TextClassificationSchema"),
            ("nlp_vertical.text_classification_multilabel", "TextClassificationMultilabelSchema"),
            ("nlp_vertical.text_ner", "TextNerSchema"),
            ("image_vertical.image_classification", "ImageClassificationSchema"),
            ("image_vertical.image_classification", "ImageClassificationMultilabelSchema"),
            ("image_vertical.image_object_detection", "ImageObjectDetectionSchema"),
            ("image_vertical.image_object_detection", "ImageInstanceSegmentationSchema"),
        )
    ],
    "import job": ["job.import_job:ImportJobSchema"],
    "data_transfer job": [
        f"job.data_transfer_job:DataTransfer{what}JobSchema" for what in ("Copy", "Import", "Export")
    ],
    "finetuning job": [
        "_finetuning.custom_model_finetuning:CustomModelFineTuningSchema",
        "_finetuning.azure_openai_finetuning:AzureOpenAIFineTuningSchema",
    ],
    "environment": ["assets.environment:EnvironmentSchema"],
    "data": ["assets.data:DataSchema"],
    "data import": ["_data_import.data_import:DataImportSchema"],
    "model": ["assets.model:ModelSchema"],
    "datastore": [
        "_datastore.azure_storage:AzureBlobSchema",
        "_datastore.azure_storage:AzureFileSchema",
        "_datastore.azure_storage:AzureDataLakeGen2Schema",
        "_datastore.adls_gen1:AzureDataLakeGen1Schema",
        "_datastore.one_lake:OneLakeSchema",
    ],
    "mltable": ["_data.mltable_metadata_schema:MLTableMetadataSchema"],
    "schedule": ["schedule.schedule:JobScheduleSchema", "monitoring.schedule:MonitorScheduleSchema",
                 "_data_import.schedule:ImportDataScheduleSchema"],
    "online endpoint": [
        "_endpoint.online.online_endpoint:ManagedOnlineEndpointSchema",
        "_endpoint.online.online_endpoint:KubernetesOnlineEndpointSchema",
    ],
    "batch endpoint": ["_endpoint.batch.batch_endpoint:BatchEndpointSchema"],
    "online deployment": [
        "_deployment.online.online_deployment:ManagedOnlineDeploymentSchema",
        "_deployment.online.online_deployment:KubernetesOnlineDeploymentSchema",
    ],
    "batch deployment": [
        "_deployment.batch.batch_deployment:BatchDeploymentSchema",
        "_deployment.batch.model_batch_deployment:ModelBatchDeploymentSchema",
        "_deployment.batch.pipeline_component_batch_deployment_schema:PipelineComponentBatchDeploymentSchema",
    ],
}
# Kinds without a schema of the SDK that could be asked: reasons.
ALONE = {
    "conda file": "conda's, not the SDK's",
    "gate": "ours: Azure ML has no gates",
    "import component": "read by the SDK for private previews only",
    "data_transfer component": "read by the SDK for private previews only",
}
# What a file may hold because the SDK or the portal wrote it there, and what reads it ignores.
WRITTEN = {
    "$schema", "comment", "creation_context", "error_message", "endpoint", "id", "intellectual_property", "job_name",
    "latest_version", "log_files", "parent_job_name", "properties", "provisioning_state", "status", "utc_time_created",
}
# Differences from the SDK's reading, as patterns, each with its reason.
DIFFERENCES = {
    r".*services\.\*: \+job_service_type": "of the published schema, written by the portal",
    r".*inputs\.\*: -value": "taken where no type is given; with a type the SDK refuses it too",
    r".*(component|trial)\.inputs\.\*: \+datastore": "of the published schema",
    r"command component: \+environment_variables": "a component's are taken, and sent, though its schema excludes them",
    r"(command|pipeline) component: does not need name": "a component that only pipelines name by its file needs none",
    r"pipeline component: needs jobs": "without them there is nothing to run",
    r"pipeline component: \+(additional_includes|settings)": "loaded without a word",
    r"command job: \+parameters": "written into downloaded jobs",
    r"mltable: \+(metadata|traits|type)": "of the published schema; the SDK reads the paths only",
    r"batch deployment(\.(settings|job_definition))?: .*": "one kind here for three of the SDK's, told apart by their keys",
    r"pipeline (job|component)\.jobs\.\*: \+(name|tags|services|identity|compute|settings|description|display_name|"
    r"experiment_name)": "loaded without a word, as keys of every job",
    r"pipeline (job|component)\.jobs\.\*\.trial: \+(name|version)": "an inline component may have what a file has",
    r"pipeline (job|component)\.jobs\.\*\.component.*": "inline components: those of transfers are for private previews; "
    "the others may have what a file has",
    r".*sweep: needs sampling_algorithm": "the SDK's own loading ends with a TypeError without it",
    r"online deployment: (does not need instance_type|needs instance_type)": "managed ones need it, Kubernetes ones do not",
    r"schedule\.create_monitor\..*: -target_column_name": "read, and then the SDK's own loading ends with a TypeError",
    r"schedule\.create_job: .*": "a job may stand there whole as well, which the SDK reads by its own schema",
}


def pairs(records: list[Any], shape: Shape | None) -> Iterator[tuple[list[Any], Shape]]:
    """The SDK's records, each group with the one shape of ours that judges them."""
    if isinstance(shape, Deferred):
        yield from pairs(records, shape.resolve())
    elif isinstance(shape, ByForm):
        yield from pairs(records, shape.table)
    elif isinstance(shape, ByType):
        groups: dict[int, tuple[list[Any], Shape]] = {}
        for record in records:
            chosen = words_of(record["record"].get(shape.key))
            for part in [shape.shapes[word] for word in chosen if word in shape.shapes] or [shape]:
                groups.setdefault(id(part), ([], part))[0].append(record)
        for group, part in groups.values():
            if part is shape:
                yield group, Record("nothing", {})
            else:
                yield from pairs(group, part)
    elif isinstance(shape, Either):
        for record in records:
            near = max(shape.shapes, key=lambda part: len(part.fields.keys() & record["record"].keys()))
            yield [record], near if record["record"] else min(shape.shapes, key=lambda part: len(part.fields))
    elif shape is not None:
        yield records, shape


def words_of(told: Any) -> list[str]:
    return [snake(word) for word in told["enum"]] if isinstance(told, dict) and "enum" in told else []


def snake(word: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).lower()


def items_of(shape: Shape) -> Shape | None:
    shape = shape.resolve() if isinstance(shape, Deferred) else shape
    shape = shape.items if isinstance(shape, ByForm) else shape
    return shape.item if isinstance(shape, ListOf) else None


def records_in(told: Any) -> list[Any]:
    if isinstance(told, dict) and "any of" in told:
        return [record for member in told["any of"] for record in records_in(member)]
    return [told] if isinstance(told, dict) and "record" in told else []


def maps_in(shape: Shape | None) -> list[MapOf]:
    if isinstance(shape, Deferred):
        return maps_in(shape.resolve())
    if isinstance(shape, ByForm):
        return maps_in(shape.table)
    return [shape] if isinstance(shape, MapOf) else []


def differences(told: Any, shape: Shape, where: str) -> Iterator[str]:
    """Where our keys and words are not the SDK's: ``place: -key`` for one that we lack, ``+key`` for one too many."""
    if told in ("scalar", "anything", "again") or isinstance(shape, Anything):
        return
    if "any of" in told:
        records = records_in(told)
        for member in told["any of"]:
            if not records_in(member):
                yield from differences(member, shape, where)
        if records:
            yield from compare(records, shape, where)
    elif "record" in told:
        yield from compare([told], shape, where)
    elif "map" in told:
        for ours in maps_in(shape):
            yield from differences(told["map"], ours.item, f"{where}.*")
    elif "list" in told:
        inner = items_of(shape)
        if inner is None:
            yield f"{where}: -a list"
        else:
            yield from differences(told["list"], inner, f"{where}[]")
    elif "enum" in told:
        ours = shape.scalar if isinstance(shape, ByForm) else shape
        if isinstance(ours, OneOf):
            yield from (f"{where}: -{word!r}" for word in told["enum"] if not fits(ours, word))
            folded = {form for word in told["enum"] for form in (word.lower(), snake(word))}
            yield from (f"{where}: +{word!r}" for word in ours.words if word.lower() not in folded)


def fits(shape: Shape, word: str) -> bool:
    report = Report()
    shape.check(Scalar(word, word, False, Place("f")), report, "x")
    return not report.findings


def compare(records: list[Any], shape: Shape, where: str) -> Iterator[str]:
    for group, ours in pairs(records, shape):
        if isinstance(ours, Record):
            yield from compare_keys(group, ours, where)
        elif not isinstance(ours, Anything | MapOf):
            yield f"{where}: -a mapping"


def merged(told: list[Any]) -> Any:
    """What several records say of one key, as one."""
    flat = [member for one in told for member in (one["any of"] if isinstance(one, dict) and "any of" in one else [one])]
    words = sorted({word for one in flat if isinstance(one, dict) and "enum" in one for word in one["enum"]})
    rest = [one for one in flat if not (isinstance(one, dict) and "enum" in one)]
    members = [*rest, {"enum": words}] if words else rest
    return members[0] if len(members) == 1 else {"any of": members}


def compare_keys(records: list[Any], ours: Record, where: str) -> Iterator[str]:
    theirs: dict[str, list[Any]] = {}
    for record in records:
        for key, inner in record["record"].items():
            if inner not in theirs.setdefault(key, []):
                theirs[key].append(inner)
    yield from (f"{where}: -{key}" for key in theirs if key not in ours.fields and not ours.open)
    if not any(record["open"] for record in records):
        yield from (f"{where}: +{key}" for key in ours.fields if key not in theirs and key not in WRITTEN)
    needed = set.intersection(*(set(record["required"]) for record in records)) - {"type"}
    yield from (f"{where}: needs {key}" for key in ours.required if key not in needed | {"type"})
    yield from (f"{where}: does not need {key}" for key in needed if key not in ours.required)
    for key, told in theirs.items():
        if key in ours.fields:
            yield from differences(merged(told), ours.fields[key], f"{where}.{key}")


def test_every_key_that_the_official_sdk_reads_is_known_and_every_other_has_a_reason() -> None:
    program = [sys.executable, str(Path(__file__).with_name("sdk_keys.py")), json.dumps(SDK)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=True)
    sdk = json.loads(done.stdout)
    assert sdk.keys() | ALONE.keys() == KINDS.keys()
    found = {line for kind, records in sdk.items() for line in compare(records, KINDS[kind], kind)}
    unexplained = [line for line in found if not any(re.fullmatch(pattern, line) for pattern in DIFFERENCES)]
    assert sorted(unexplained) == []
    assert [pattern for pattern in DIFFERENCES if not any(re.fullmatch(pattern, line) for line in found)] == []


def fields(shape: Shape) -> set[str]:
    assert isinstance(shape, Record)
    return set(shape.fields)


def test_an_inline_environment_knows_the_same_keys_as_a_file() -> None:
    component = KINDS["command component"]
    assert isinstance(component, Record)
    environment = component.fields["environment"]
    assert isinstance(environment, ByForm)
    assert environment.table is not None
    assert fields(environment.table) == fields(KINDS["environment"])
