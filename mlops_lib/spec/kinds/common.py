"""The kinds that every project has, as shapes: components, pipelines and command jobs, environments, data, models."""

from __future__ import annotations

from collections.abc import Mapping

from ..shapes import Anything, ByForm, ByType, Deferred, Flag, ListOf, MapOf, Number, OneOf, Plain, Record, Shape, Text

LITERAL_TYPES = ("boolean", "integer", "number", "string")
DATA_TYPES = ("custom_model", "mlflow_model", "mltable", "triton_model", "uri_file", "uri_folder")
MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
PORT_MODES = ("direct", "download", "eval_download", "eval_mount", "link", "mount", "ro_mount", "rw_mount", "upload")

_OWNERS: Mapping[str, tuple[str, ...]] = {
    "a sweep job": ("early_termination", "objective", "sampling_algorithm", "search_space", "trial"),
    "a parallel job": ("error_threshold", "input_data", "max_concurrency_per_instance", "mini_batch_error_threshold",
                       "mini_batch_size", "partition_keys", "retry_settings"),
    "a Spark job": ("archives", "args", "conf", "entry", "files", "jars", "py_files"),
    "an AutoML job": ("featurization", "primary_metric", "target_column_name", "test_data", "training", "training_data",
                      "validation_data"),
    "a pipeline": ("jobs",), "a command": ("command", "distribution"),
    "a parallel or an AutoML job": ("task",),
    "jobs, not of components": ("comment", "compute", "experiment_name", "identity", "limits", "parent_job_name", "services"),
    "components, not of jobs": ("additional_includes", "is_deterministic", "version"),
}


def owner_of(key: str) -> str:
    """Whose key a key is that stands in the wrong kind of job or component; empty when it is nobody's."""
    return next((f"it is a key of {owner}" for owner, keys in _OWNERS.items() if key in keys), "")


_NAME = r"[a-z][a-z\d_]*"
_NAME_HINT = "a name has lower-case letters, digits and underscores, and starts with a letter"
NODE_NAME = r"[a-z_][a-z\d_]*"
NODE_NAME_HINT = "a job's name has lower-case letters, digits and underscores, and does not start with a digit"
PORT = r"[A-Za-z_]\w*"
PORT_HINT = "a port's name has letters, digits and underscores, and does not start with a digit"
ASSET_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"
ASSET_HINT = "an asset's name has letters, digits, '.', '_' and '-', at most 255, and starts with a letter or digit"

TEXT = Text()
VERSION = Text(numbers=True, pattern=r"[A-Za-z0-9._-]{1,255}", hint="a version has letters, digits, '.', '_' and '-'")
TAGS = MapOf(TEXT)
ANY_MAP = MapOf(Anything())
LOOSE_TAGS = MapOf(ByForm(scalar=Anything()))
LITERAL = Plain()

ASSET_COMMON: Mapping[str, Shape] = {
    "$schema": TEXT, "id": TEXT, "description": TEXT, "version": VERSION, "auto_delete_setting": Anything(),
    "creation_context": Anything(), "latest_version": TEXT,
}

environment_keys: Mapping[str, Shape] = {
    **ASSET_COMMON,
    "name": Text(pattern=ASSET_NAME, hint=ASSET_HINT), "tags": LOOSE_TAGS, "datastore": TEXT, "image": TEXT,
    "build": Record("build", {"path": TEXT, "dockerfile_path": TEXT}),
    "conda_file": ByForm(scalar=TEXT, table=Deferred(f"{__package__}.storage", "CONDA")),
    "inference_config": Record("inference_config", {
        route: Record(route, {"port": Number(whole=True), "path": TEXT}, required=("port", "path"))
        for route in ("liveness_route", "readiness_route", "scoring_route")
    }, required=("liveness_route", "readiness_route", "scoring_route")),
    "os_type": OneOf(("linux", "windows"), folded=True),
    "intellectual_property": Anything(), "properties": ANY_MAP,
}
ENVIRONMENT = Record("an environment", environment_keys, required=("name",))
ENVIRONMENT_VALUE = ByForm(scalar=Text(
    pattern=r"(?:azureml:|file:|/subscriptions/).+",
    hint="an environment is azureml:NAME@latest, azureml:NAME:VERSION, file:PATH or a mapping",
), table=Record("an environment", environment_keys))

DATA = Record("a data asset", {
    **ASSET_COMMON,
    "name": Text(pattern=ASSET_NAME, hint=ASSET_HINT), "tags": LOOSE_TAGS, "datastore": TEXT, "path": TEXT,
    "type": OneOf(("uri_file", "uri_folder", "mltable")), "properties": ANY_MAP,
}, required=("path",))

_template = Anything()
MODEL = Record("a model", {
    **{key: shape for key, shape in ASSET_COMMON.items() if key != "auto_delete_setting"},
    "name": Text(pattern=ASSET_NAME, hint=ASSET_HINT), "tags": LOOSE_TAGS, "datastore": TEXT, "path": TEXT,
    "type": OneOf(MODEL_TYPES, folded=True), "properties": ANY_MAP, "stage": TEXT, "flavors": ANY_MAP,
    "utc_time_created": Anything(), "job_name": TEXT, "intellectual_property": Anything(), "system_metadata": ANY_MAP,
    "default_deployment_template": _template, "allowed_deployment_templates": ListOf(_template),
}, required=("name",))

# --- components ------------------------------------------------------------------------------------------------------

_parameter = Record("an input", {
    "type": TEXT, "optional": Flag(), "default": LITERAL, "description": TEXT, "enum": ListOf(TEXT), "min": Number(),
    "max": Number(),
}, required=("type",))
_input_port = Record("an input", {
    "type": TEXT, "optional": Flag(), "default": TEXT, "description": TEXT, "mode": OneOf(PORT_MODES), "datastore": TEXT,
}, required=("type",))
_output_port = Record("an output", {"type": TEXT, "description": TEXT, "mode": OneOf(PORT_MODES)}, required=("type",))
_early_output = Record("an output", {
    "type": TEXT, "description": TEXT, "mode": OneOf(PORT_MODES), "is_control": Flag(), "early_available": Flag(),
}, required=("type",))

_port_types = (*LITERAL_TYPES, *DATA_TYPES)
component_inputs = MapOf(ByType(
    "input",
    dict.fromkeys(LITERAL_TYPES, _parameter)
    | dict.fromkeys((*DATA_TYPES, "path"), _input_port),
    why=f"a component input is one of {', '.join(sorted(_port_types))}",
), key_pattern=PORT, key_hint=PORT_HINT)
component_outputs = MapOf(ByType(
    "output",
    dict.fromkeys(LITERAL_TYPES, _early_output) | dict.fromkeys((*DATA_TYPES, "path"), _output_port),
    why=f"a component output is one of {', '.join(sorted(_port_types))}",
), key_pattern=PORT, key_hint=PORT_HINT)

COMPONENT_COMMON: Mapping[str, Shape] = {
    **ASSET_COMMON,
    "name": Text(pattern=_NAME, hint=_NAME_HINT), "tags": TAGS, "type": TEXT, "display_name": TEXT,
    "is_deterministic": Flag(), "inputs": component_inputs, "outputs": component_outputs, "properties": ANY_MAP,
    "additional_includes": ListOf(TEXT), "intellectual_property": Anything(),
}
_docker_args = ByForm(scalar=TEXT, items=ListOf(TEXT))
RESOURCE_KEYS: Mapping[str, Shape] = {
    "instance_count": Number(whole=True, minimum=1), "instance_type": ByForm(scalar=TEXT, items=ListOf(TEXT)),
    "properties": ANY_MAP, "locations": ListOf(TEXT), "shm_size": TEXT,
    "max_instance_count": Number(whole=True, minimum=1), "docker_args": _docker_args,
}
RESOURCES = Record("resources", RESOURCE_KEYS)
_distribution = ByType("distribution", {
    "mpi": Record("an mpi distribution", {"type": TEXT, "process_count_per_instance": Number(whole=True)}),
    "pytorch": Record("a pytorch distribution", {"type": TEXT, "process_count_per_instance": Number(whole=True)}),
    "tensorflow": Record("a tensorflow distribution", {
        "type": TEXT, "parameter_server_count": Number(whole=True), "worker_count": Number(whole=True)}),
    "ray": Record("a ray distribution", {
        "type": TEXT, "port": Number(whole=True), "address": TEXT, "include_dashboard": Flag(),
        "dashboard_port": Number(whole=True), "head_node_additional_args": TEXT, "worker_node_additional_args": TEXT}),
}, folded=True)
QUEUE_SETTINGS = Record("queue_settings", {"job_tier": TEXT, "priority": TEXT})
VARIABLES = MapOf(ByForm(scalar=Anything()))

COMMAND_KEYS: Mapping[str, Shape] = {
    "command": TEXT, "code": TEXT, "environment": ENVIRONMENT_VALUE,
    "environment_variables": VARIABLES, "distribution": _distribution, "queue_settings": QUEUE_SETTINGS,
}
command_component_keys: Mapping[str, Shape] = {**COMPONENT_COMMON, **COMMAND_KEYS, "type": OneOf(("command",), folded=True),
                                               "resources": Record("resources", RESOURCE_KEYS, open=True)}
# A component that only pipelines name by its file needs no name of its own.
COMMAND_COMPONENT = Record("a command component", command_component_keys, required=("command", "environment"),
                           elsewhere=owner_of)

# --- jobs ------------------------------------------------------------------------------------------------------------

_input_modes = ("direct", "download", "ro_mount")
_data_keys: Mapping[str, Shape] = {"type": TEXT, "path": TEXT, "datastore": TEXT,
                                   "mode": OneOf(_input_modes, folded=True)}
_data_input = Record("an input", {**_data_keys, "path_on_compute": TEXT})
table_input = Record("an input", {**_data_keys, "path_on_compute": TEXT,
                                  "mode": OneOf((*_input_modes, "eval_download", "eval_mount"), folded=True)})
job_input = ByForm(scalar=Anything(), table=ByType("input", {
    **dict.fromkeys(("uri_file", "uri_folder"), _data_input), **dict.fromkeys(MODEL_TYPES, Record("an input", _data_keys)),
    "mltable": table_input,
}, folded=True, absent=Record("an input", {**table_input.fields, "value": LITERAL}),
    why=f"a job is given data ({', '.join(DATA_TYPES)}) or a literal, which is written as it is: NAME: VALUE"))
OUTPUT_RECORD = Record("an output", {
    "$schema": TEXT, "type": OneOf(DATA_TYPES, folded=True), "path": TEXT,
    "mode": OneOf(("direct", "mount", "rw_mount", "upload"), folded=True),
    "name": Text(pattern=ASSET_NAME, hint=ASSET_HINT), "version": VERSION,
})
JOB_INPUTS = MapOf(job_input, key_pattern=PORT, key_hint=PORT_HINT)
JOB_OUTPUTS = MapOf(ByForm(scalar=Text(empty=True), table=OUTPUT_RECORD), key_pattern=PORT, key_hint=PORT_HINT)

_services = MapOf(Record("a service", {
    "$schema": TEXT, "type": TEXT, "job_service_type": TEXT, "port": Number(whole=True), "nodes": TEXT,
    "properties": ANY_MAP, "ssh_public_keys": TEXT, "log_dir": TEXT, "endpoint": TEXT, "status": TEXT,
    "error_message": TEXT,
}))
_managed = Record("a managed identity", {"type": TEXT, "client_id": TEXT, "object_id": TEXT, "msi_resource_id": TEXT})
_bare = Record("an identity", {"type": TEXT})
IDENTITY = ByType("identity", {"managed": _managed, "managed_identity": _managed, "aml_token": _bare, "user_identity": _bare},
                  folded=True)
_job_limits = Record("limits", {"timeout": Number(whole=True, minimum=1)})

JOB_COMMON: Mapping[str, Shape] = {
    "$schema": TEXT, "name": Text(pattern=ASSET_NAME, hint=ASSET_HINT), "id": TEXT, "description": TEXT, "tags": TAGS,
    "creation_context": Anything(), "services": _services, "display_name": TEXT, "status": TEXT,
    "experiment_name": TEXT, "properties": MapOf(Text(empty=True, numbers=True)), "log_files": Anything(),
    "compute": TEXT, "identity": IDENTITY, "type": TEXT, "inputs": JOB_INPUTS, "parent_job_name": TEXT,
    "comment": TEXT,
}
COMMAND_RUN_KEYS: Mapping[str, Shape] = {"resources": RESOURCES, "limits": _job_limits, **COMMAND_KEYS}

COMMAND_JOB = Record("a command job", {**JOB_COMMON, **COMMAND_RUN_KEYS, "type": OneOf(("command",)),
                                       "outputs": JOB_OUTPUTS, "parameters": Anything()}, required=("command", "environment"),
                     elsewhere=owner_of)

_component_reference = ByForm(scalar=TEXT, table=Record("a component", command_component_keys,
                                                         required=("command", "environment")))
NODE_COMMON: Mapping[str, Shape] = {**JOB_COMMON, "outputs": JOB_OUTPUTS}

_command_node_keys: Mapping[str, Shape] = {**NODE_COMMON, **COMMAND_RUN_KEYS, "component": _component_reference}
_pipeline_node_keys: Mapping[str, Shape] = {
    **NODE_COMMON, "component": TEXT, "settings": ANY_MAP,  # no inline pipeline: Azure ML wants a file
}
COMPUTE = Text(pattern="azureml:.+|serverless", hint="a default compute is azureml:NAME or serverless")
PIPELINE_SETTINGS = Record("settings", {
    "default_datastore": TEXT, "default_compute": COMPUTE, "continue_on_step_failure": Flag(), "force_rerun": Flag(),
    "on_init": TEXT, "on_finalize": TEXT, "default_pipeline_environment": TEXT, "default_node_type": TEXT,
})


NODE = ByType("job", {
    "command": Record("a command job", _command_node_keys, elsewhere=owner_of),
    "pipeline": Record("a pipeline job", _pipeline_node_keys, required=("component",), elsewhere=owner_of),
    "sweep": Deferred(f"{__package__}.trials", "SWEEP_NODE"),
    "parallel": Deferred(f"{__package__}.trials", "PARALLEL_NODE"),
    "spark": Deferred(f"{__package__}.trials", "SPARK_NODE"),
    "automl": Deferred(f"{__package__}.automl", "AUTOML_NODE"),
    "data_transfer": Deferred(f"{__package__}.transfers", "DATA_TRANSFER_NODE"),
    "import": Deferred(f"{__package__}.transfers", "IMPORT_NODE"),
    # behind a flag for private previews: recognised, and refused before a run
    **{name: Record(f"a {name} job", NODE_COMMON, open=True) for name in ("do_while", "if_else", "parallel_for")},
}, default="command", folded=True)
JOBS = MapOf(NODE, key_pattern=NODE_NAME, key_hint=NODE_NAME_HINT)

PIPELINE_JOB = Record("a pipeline job", {
    **JOB_COMMON, "type": OneOf(("pipeline",)), "settings": PIPELINE_SETTINGS, "outputs": JOB_OUTPUTS, "jobs": JOBS,
    "component": TEXT,
}, elsewhere=owner_of)
PIPELINE_COMPONENT = Record("a pipeline component", {
    **COMPONENT_COMMON, "type": OneOf(("pipeline",), folded=True), "jobs": JOBS, "settings": PIPELINE_SETTINGS,
}, required=("jobs",), elsewhere=owner_of)

