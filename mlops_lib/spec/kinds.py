"""The kinds of Azure ML file that the library knows, as shapes: every key of the published schemas.

Source: the CLI v2 schemas of Azure Machine Learning (commandComponent, pipelineComponent, pipelineJob, commandJob,
environment, data, model), as azure-ai-ml 1.35 reads them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..document import Scalar, Table, Value
from .shapes import Anything, ByForm, ByType, Flag, ListOf, MapOf, Number, OneOf, Plain, Record, Shape, Text

LITERAL_TYPES = ("boolean", "integer", "number", "string")
DATA_TYPES = ("custom_model", "mlflow_model", "mltable", "triton_model", "uri_file", "uri_folder")
MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
PORT_MODES = ("direct", "download", "eval_download", "eval_mount", "link", "mount", "ro_mount", "rw_mount", "upload")

_NAME = r"[a-z][a-z\d_]*"
_NAME_HINT = "a name has lower-case letters, digits and underscores, and starts with a letter"
NODE_NAME = r"[a-z_][a-z\d_]*"
NODE_NAME_HINT = "a job's name has lower-case letters, digits and underscores, and does not start with a digit"
_PORT = r"[A-Za-z_]\w*"
_PORT_HINT = "a port's name has letters, digits and underscores, and does not start with a digit"
_ASSET_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"
_ASSET_HINT = "an asset's name has letters, digits, '.', '_' and '-', at most 255, and starts with a letter or digit"

_text = Text()
_version = Text(numbers=True, pattern=r"[A-Za-z0-9._-]{1,255}", hint="a version has letters, digits, '.', '_' and '-'")
_tags = MapOf(_text)
_any_map = MapOf(Anything())
_loose_tags = MapOf(ByForm(scalar=Anything()))
_literal = Plain()

_asset_common: Mapping[str, Shape] = {
    "$schema": _text, "id": _text, "description": _text, "version": _version, "auto_delete_setting": Anything(),
    "creation_context": Anything(), "latest_version": _text,
}

environment_keys: Mapping[str, Shape] = {
    **_asset_common,
    "name": Text(pattern=_ASSET_NAME, hint=_ASSET_HINT), "tags": _loose_tags, "datastore": _text, "image": _text,
    "build": Record("build", {"path": _text, "dockerfile_path": _text}),
    "conda_file": ByForm(scalar=_text, table=Anything()),
    "inference_config": Record("inference_config", {
        route: Record(route, {"port": Number(whole=True), "path": _text}, required=("port", "path"))
        for route in ("liveness_route", "readiness_route", "scoring_route")
    }),
    "os_type": OneOf(("linux", "windows"), folded=True),
    "intellectual_property": Anything(), "properties": _any_map,
}
ENVIRONMENT = Record("an environment", environment_keys, required=("name",))
_environment = ByForm(scalar=Text(
    pattern=r"(?:azureml:|file:|/subscriptions/).+",
    hint="an environment is azureml:NAME@latest, azureml:NAME:VERSION, file:PATH or a mapping",
), table=Record("an environment", environment_keys))

DATA = Record("a data asset", {
    **_asset_common,
    "name": Text(pattern=_ASSET_NAME, hint=_ASSET_HINT), "tags": _loose_tags, "datastore": _text, "path": _text,
    "type": OneOf(("uri_file", "uri_folder", "mltable")), "properties": _any_map,
}, required=("path",))

_template = Anything()
MODEL = Record("a model", {
    **_asset_common,
    "name": Text(pattern=_ASSET_NAME, hint=_ASSET_HINT), "tags": _loose_tags, "datastore": _text, "path": _text,
    "type": OneOf(MODEL_TYPES, folded=True), "properties": _any_map, "stage": _text, "flavors": _any_map,
    "utc_time_created": Anything(), "job_name": _text, "intellectual_property": Anything(), "system_metadata": _any_map,
    "default_deployment_template": _template, "allowed_deployment_templates": ListOf(_template),
}, required=("name",))

# --- components ------------------------------------------------------------------------------------------------------

_parameter_keys: Mapping[str, Shape] = {
    "type": _text, "optional": Flag(), "default": _literal, "description": _text, "enum": ListOf(_text),
}
_parameter = Record("an input", _parameter_keys, required=("type",))
_number_parameter = Record("an input", {**_parameter_keys, "min": Number(), "max": Number()}, required=("type",))
_input_port = Record("an input", {
    "type": _text, "optional": Flag(), "default": _text, "description": _text, "mode": OneOf(PORT_MODES), "datastore": _text,
}, required=("type",))
_output_port = Record("an output", {"type": _text, "description": _text, "mode": OneOf(PORT_MODES)}, required=("type",))
_early_output = Record("an output", {
    "type": _text, "description": _text, "mode": OneOf(PORT_MODES), "is_control": Flag(), "early_available": Flag(),
}, required=("type",))

_port_types = (*LITERAL_TYPES, *DATA_TYPES)
component_inputs = MapOf(ByType(
    "input",
    dict.fromkeys(("boolean", "string"), _parameter) | dict.fromkeys(("integer", "number"), _number_parameter)
    | dict.fromkeys((*DATA_TYPES, "path"), _input_port),
    why=f"a component input is one of {', '.join(sorted(_port_types))}",
), key_pattern=_PORT, key_hint=_PORT_HINT)
component_outputs = MapOf(ByType(
    "output",
    dict.fromkeys(LITERAL_TYPES, _early_output) | dict.fromkeys((*DATA_TYPES, "path"), _output_port),
    why=f"a component output is one of {', '.join(sorted(_port_types))}",
), key_pattern=_PORT, key_hint=_PORT_HINT)

_component_common: Mapping[str, Shape] = {
    **_asset_common,
    "name": Text(pattern=_NAME, hint=_NAME_HINT), "tags": _tags, "type": _text, "display_name": _text,
    "is_deterministic": Flag(), "inputs": component_inputs, "outputs": component_outputs, "properties": _any_map,
    "additional_includes": ListOf(_text), "intellectual_property": Anything(),
}
_docker_args = ByForm(scalar=_text, items=ListOf(_text))
_resource_keys: Mapping[str, Shape] = {
    "instance_count": Number(whole=True, minimum=1), "instance_type": ByForm(scalar=_text, items=ListOf(_text)),
    "properties": _any_map, "locations": ListOf(_text), "shm_size": _text,
    "max_instance_count": Number(whole=True, minimum=1), "docker_args": _docker_args,
}
_resources = Record("resources", _resource_keys)
_distribution = ByType("distribution", {
    "mpi": Record("an mpi distribution", {"type": _text, "process_count_per_instance": Number(whole=True)}),
    "pytorch": Record("a pytorch distribution", {"type": _text, "process_count_per_instance": Number(whole=True)}),
    "tensorflow": Record("a tensorflow distribution", {
        "type": _text, "parameter_server_count": Number(whole=True), "worker_count": Number(whole=True)}),
    "ray": Record("a ray distribution", {
        "type": _text, "port": Number(whole=True), "address": _text, "include_dashboard": Flag(),
        "dashboard_port": Number(whole=True), "head_node_additional_args": _text, "worker_node_additional_args": _text}),
}, folded=True)
_queue_settings = Record("queue_settings", {"job_tier": _text, "priority": _text})
_variables = MapOf(ByForm(scalar=Anything()))

_command_keys: Mapping[str, Shape] = {
    "command": _text, "code": _text, "environment": _environment,
    "environment_variables": _variables, "distribution": _distribution, "queue_settings": _queue_settings,
}
command_component_keys: Mapping[str, Shape] = {**_component_common, **_command_keys, "type": OneOf(("command",), folded=True),
                                               "resources": Record("resources", _resource_keys, open=True)}
# A component that only pipelines name by its file needs no name of its own.
COMMAND_COMPONENT = Record("a command component", command_component_keys, required=("command", "environment"))

# --- jobs ------------------------------------------------------------------------------------------------------------

job_input = ByForm(scalar=Anything(), table=Record("an input", {
    "type": OneOf((*DATA_TYPES, *LITERAL_TYPES, "path"), folded=True), "path": _text,
    "mode": OneOf(PORT_MODES, folded=True), "value": _literal,
    "datastore": _text, "path_on_compute": _text, "description": _text, "default": _literal, "optional": Flag(),
    "min": _literal, "max": _literal, "enum": ListOf(_literal),
}))
_output_record = Record("an output", {
    "$schema": _text, "type": OneOf(DATA_TYPES, folded=True), "mode": OneOf(PORT_MODES, folded=True), "path": _text,
    "description": _text,
    "name": Text(pattern=_ASSET_NAME, hint=_ASSET_HINT), "version": _version, "path_on_compute": _text,
})
_job_inputs = MapOf(job_input, key_pattern=_PORT, key_hint=_PORT_HINT)
_job_outputs = MapOf(ByForm(scalar=Text(empty=True), table=_output_record), key_pattern=_PORT, key_hint=_PORT_HINT)

_services = MapOf(Record("a service", {
    "$schema": _text, "type": _text, "job_service_type": _text, "port": Number(whole=True), "nodes": _text,
    "properties": _any_map, "ssh_public_keys": _text, "log_dir": _text, "endpoint": _text, "status": _text,
    "error_message": _text,
}))
_identity = ByType("identity", {
    word: Record("an identity", {"type": _text, "client_id": _text, "object_id": _text, "msi_resource_id": _text})
    for word in ("managed", "managed_identity", "aml_token", "user_identity")
}, folded=True)
_job_limits = Record("limits", {"timeout": Number(whole=True, minimum=1)})

_job_common: Mapping[str, Shape] = {
    "$schema": _text, "name": Text(pattern=_ASSET_NAME, hint=_ASSET_HINT), "id": _text, "description": _text, "tags": _tags,
    "creation_context": Anything(), "services": _services, "display_name": _text, "status": _text,
    "experiment_name": _text, "properties": MapOf(Text(empty=True, numbers=True)), "log_files": Anything(),
    "compute": _text, "identity": _identity, "type": _text, "inputs": _job_inputs, "parent_job_name": _text,
    "comment": _text,
}
_command_run_keys: Mapping[str, Shape] = {"resources": _resources, "limits": _job_limits, **_command_keys}

COMMAND_JOB = Record("a command job", {**_job_common, **_command_run_keys, "type": OneOf(("command",)),
                                       "outputs": _job_outputs, "parameters": Anything()}, required=("command", "environment"))

_component_reference = ByForm(scalar=_text, table=Record("a component", command_component_keys,
                                                         required=("command", "environment")))
_node_common: Mapping[str, Shape] = {**_job_common, "outputs": _job_outputs}

_command_node_keys: Mapping[str, Shape] = {**_node_common, **_command_run_keys, "component": _component_reference}
_pipeline_node_keys: Mapping[str, Shape] = {
    **_node_common, "component": _text, "settings": _any_map,  # no inline pipeline: Azure ML wants a file
}
COMPUTE = Text(pattern="azureml:.+|serverless", hint="a default compute is azureml:NAME or serverless")
_settings = Record("settings", {
    "default_datastore": _text, "default_compute": COMPUTE, "continue_on_step_failure": Flag(), "force_rerun": Flag(),
    "on_init": _text, "on_finalize": _text, "default_pipeline_environment": _text, "default_node_type": _text,
})


def _later(noun: str) -> Shape:
    """A node of a kind whose keys are checked by Azure ML alone."""
    return Record(noun, _node_common, open=True)


OTHER_NODES = ("automl", "data_transfer", "do_while", "finetuning", "if_else", "import", "parallel", "spark", "sweep")
NODE = ByType("job", {
    "command": Record("a command job", _command_node_keys),
    "pipeline": Record("a pipeline job", _pipeline_node_keys, required=("component",)),
    **{name: _later(f"a {name} job") for name in OTHER_NODES},
}, default="command", folded=True)
_jobs = MapOf(NODE, key_pattern=NODE_NAME, key_hint=NODE_NAME_HINT)

PIPELINE_JOB = Record("a pipeline job", {
    **_job_common, "type": OneOf(("pipeline",)), "settings": _settings, "outputs": _job_outputs, "jobs": _jobs,
    "component": _text,
})
PIPELINE_COMPONENT = Record("a pipeline component", {
    **_component_common, "type": OneOf(("pipeline",), folded=True), "jobs": _jobs, "settings": _settings,
}, required=("jobs",))

KINDS: Mapping[str, Shape] = {
    "command component": COMMAND_COMPONENT,
    "pipeline component": PIPELINE_COMPONENT,
    "pipeline job": PIPELINE_JOB,
    "command job": COMMAND_JOB,
    "environment": ENVIRONMENT,
    "data": DATA,
    "model": MODEL,
}
_BY_SCHEMA = {
    "commandcomponent": "command component", "pipelinecomponent": "pipeline component", "pipelinejob": "pipeline job",
    "commandjob": "command job", "environment": "environment", "data": "data", "model": "model",
}


# Keys that only a component, or only a job, has.
_OF_COMPONENTS = frozenset({"additional_includes", "is_deterministic", "version"})
_OF_JOBS = frozenset({"comment", "compute", "experiment_name", "identity", "limits", "parent_job_name", "services", "settings"})


def kind_of_document(value: Value) -> str | None:
    """The kind of file that *value* is: from ``$schema``, else from ``type`` and the keys; None when it is none."""
    if not isinstance(value, Table):
        return None
    schema = schema_of(value)
    if schema is not None:
        return _BY_SCHEMA.get(schema.lower())
    keys = value.entries.keys()
    type_ = value.get("type")
    word = type_.value.lower() if isinstance(type_, Scalar) and isinstance(type_.value, str) else None
    if word == "pipeline" or "jobs" in keys:
        if word is None and "on" in keys:
            return None  # a GitHub workflow has jobs too
        if not isinstance(value.get("jobs"), Table) and "component" not in keys and word is None:
            return None
        return "pipeline component" if _is_component(value) else "pipeline job"
    if word == "command" or {"command", "environment"} <= keys:
        return "command component" if _is_component(value) else "command job"
    if "conda_file" in keys or {"image", "name"} <= keys or {"build", "name"} <= keys:
        return "environment"
    if {"path", "type"} <= keys:
        return "model" if word in MODEL_TYPES else "data" if word in DATA_TYPES else None
    return None


def schema_of(value: Table) -> str | None:
    """The kind that ``$schema`` names, in Azure ML's spelling (``sweepJob``); None when it names none of Azure ML's."""
    schema = value.get("$schema")
    if not isinstance(schema, Scalar) or not isinstance(schema.value, str):
        return None
    stem = schema.value.rpartition("/")[2].partition(".")[0]
    return stem if stem.lower() in _BY_SCHEMA or "azuremlschemas" in schema.value else None


def _is_component(value: Table) -> bool:
    """Whether a command or a pipeline is a component: ports that declare types and have no values, or its own keys."""
    keys = value.entries.keys()
    if keys & _OF_JOBS:
        return False
    if keys & _OF_COMPONENTS:
        return True
    inputs = value.get("inputs")
    if isinstance(inputs, Table) and inputs.entries:
        return any(isinstance(entry, Table) and "type" in entry.entries and not entry.entries.keys() & {"path", "value"}
                   for entry in inputs.entries.values())
    return "name" in keys
