"""Which kind a file is, and that every key that the official SDK reads is a key to us."""

import json
import subprocess
import sys

import pytest

from mlops_lib.document import Table, parse
from mlops_lib.spec import KINDS, kind_of_document, kinds
from mlops_lib.spec.kinds import schema_of
from mlops_lib.spec.shapes import ByForm, ByType, MapOf, Record, Shape

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
        (SCHEMA.format("sweepJob") + "type: sweep\n", None),
        (SCHEMA.format("schedule") + "type: pipeline\njobs: {}\n", None),
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

# What a file may hold because the SDK or the portal wrote it there, and what reads it ignores.
WRITTEN = {
    "$schema",
    "creation_context",
    "id",
    "intellectual_property",
    "latest_version",
    "log_files",
    "properties",
    "status",
    "comment",
    "utc_time_created",
    "job_name",
    "parent_job_name",
    "auto_delete_setting",
}
# What published schemas have and the SDK's reading leaves out, with the reason to take it all the same.
ALSO = {
    "command component": {"environment_variables"},  # a component's are taken, and sent, though its schema excludes them
    "pipeline component": {"additional_includes", "settings"},  # loaded without a word
    "command job": {"parameters"},  # written into downloaded jobs
    "pipeline node": {
        "compute",
        "description",
        "display_name",
        "experiment_name",
        "identity",
        "name",
        "services",
        "settings",
        "tags",
    },
    # loaded without a word, as keys of every job
    "settings": {"default_node_type", "default_pipeline_environment", "on_finalize", "on_init"},  # unknown keys pass there
    "input port": {"datastore"},  # of the published schema
}
PROGRAM = """
import json, logging, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from pathlib import Path
from azure.ai.ml._schema.assets.data import DataSchema
from azure.ai.ml._schema.assets.environment import EnvironmentSchema
from azure.ai.ml._schema.assets.model import ModelSchema
from azure.ai.ml._schema.component.command_component import CommandComponentSchema
from azure.ai.ml._schema.component.input_output import InputPortSchema, OutputPortSchema, ParameterSchema
from azure.ai.ml._schema.job.command_job import CommandJobSchema
from azure.ai.ml._schema.pipeline.component_job import CommandSchema
from azure.ai.ml._schema.pipeline.pipeline_command_job import PipelineCommandJobSchema
from azure.ai.ml._schema.pipeline.pipeline_component import PipelineComponentSchema, PipelineSchema
from azure.ai.ml._schema.pipeline.pipeline_job import PipelineJobSchema
from azure.ai.ml._schema.pipeline.settings import PipelineJobSettingsSchema

def keys(*schemas):
    loaded = [schema(context={"base_path": Path(".")}).load_fields for schema in schemas]
    return sorted({field.data_key or name for fields in loaded for name, field in fields.items()})

print(json.dumps({
    "command component": keys(CommandComponentSchema), "pipeline component": keys(PipelineComponentSchema),
    "pipeline job": keys(PipelineJobSchema), "command job": keys(CommandJobSchema), "environment": keys(EnvironmentSchema),
    "data": keys(DataSchema), "model": keys(ModelSchema), "command node": keys(CommandSchema, PipelineCommandJobSchema),
    "pipeline node": keys(PipelineSchema), "settings": keys(PipelineJobSettingsSchema), "parameter": keys(ParameterSchema),
    "input port": keys(InputPortSchema), "output port": keys(OutputPortSchema),
}))
"""


def fields(shape: Shape) -> set[str]:
    assert isinstance(shape, Record)
    return set(shape.fields)


def ports(shape: Shape, type_: str) -> Shape:
    assert isinstance(shape, MapOf)
    assert isinstance(shape.item, ByType)
    return shape.item.shapes[type_]


def test_every_key_that_the_official_sdk_reads_is_known_and_every_other_has_a_reason() -> None:
    # A process of its own: the SDK takes seconds to import and warns on the way.
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    sdk = {name: set(keys) for name, keys in json.loads(done.stdout).items()}
    job = KINDS["pipeline job"]
    assert isinstance(job, Record)
    ours = {kind: fields(shape) for kind, shape in KINDS.items()} | {
        "command node": fields(kinds.NODE.shapes["command"]),
        "pipeline node": fields(kinds.NODE.shapes["pipeline"]),
        "settings": fields(job.fields["settings"]),
        "parameter": fields(ports(kinds.component_inputs, "number")),
        "input port": fields(ports(kinds.component_inputs, "uri_folder")),
        "output port": fields(ports(kinds.component_outputs, "uri_folder")),
    }
    assert sdk.keys() == ours.keys()
    assert {name: missing for name, keys in sdk.items() if (missing := keys - ours[name])} == {}
    assert {name: keys - sdk[name] - WRITTEN for name, keys in ours.items()} == {name: ALSO.get(name, set()) for name in ours}


def test_an_inline_environment_knows_the_same_keys_as_a_file() -> None:
    component = KINDS["command component"]
    assert isinstance(component, Record)
    environment = component.fields["environment"]
    assert isinstance(environment, ByForm)
    assert environment.table is not None
    assert fields(environment.table) == fields(KINDS["environment"])
