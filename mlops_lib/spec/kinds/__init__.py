"""The kinds of Azure ML file that the library knows, as shapes: every key of the published schemas.

What few projects have (AutoML, endpoints, schedules …) stands in modules that are imported when it is met.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ...document import Items, Scalar, Table, Value
from ..shapes import Deferred, Shape
from .common import (
    COMMAND_COMPONENT,
    COMMAND_JOB,
    COMPUTE,
    DATA,
    DATA_TYPES,
    ENVIRONMENT,
    LITERAL_TYPES,
    MODEL,
    MODEL_TYPES,
    NODE,
    NODE_NAME,
    NODE_NAME_HINT,
    PIPELINE_COMPONENT,
    PIPELINE_JOB,
    component_inputs,
    component_outputs,
    job_input,
)

__all__ = [
    "COMPUTE", "DATA_TYPES", "KINDS", "LITERAL_TYPES", "MODEL_TYPES", "NODE", "NODE_NAME", "NODE_NAME_HINT",
    "component_inputs", "component_outputs", "is_aside", "is_conda", "is_flow", "is_resource", "job_input", "kind_of_document",
    "schema_of",
]


def _later(module: str, name: str) -> Deferred:
    return Deferred(f"{__name__}.{module}", name)


KINDS: Mapping[str, Shape] = {
    "command component": COMMAND_COMPONENT,
    "pipeline component": PIPELINE_COMPONENT,
    "parallel component": _later("trials", "PARALLEL_COMPONENT"),
    "spark component": _later("trials", "SPARK_COMPONENT"),
    "import component": _later("transfers", "IMPORT_COMPONENT"),
    "data_transfer component": _later("transfers", "DATA_TRANSFER_COMPONENT"),
    "pipeline job": PIPELINE_JOB,
    "command job": COMMAND_JOB,
    "sweep job": _later("trials", "SWEEP_JOB"),
    "parallel job": _later("trials", "PARALLEL_JOB"),
    "spark job": _later("trials", "SPARK_JOB"),
    "automl job": _later("automl", "AUTOML_JOB"),
    "import job": _later("transfers", "IMPORT_JOB"),
    "data_transfer job": _later("transfers", "DATA_TRANSFER_JOB"),
    "finetuning job": _later("transfers", "FINETUNING_JOB"),
    "environment": ENVIRONMENT,
    "data": DATA,
    "data import": _later("transfers", "DATA_IMPORT"),
    "model": MODEL,
    "datastore": _later("storage", "DATASTORE"),
    "mltable": _later("storage", "MLTABLE"),
    "conda file": _later("storage", "CONDA"),
    "schedule": _later("schedules", "SCHEDULE"),
    "online endpoint": _later("serving", "ONLINE_ENDPOINT"),
    "batch endpoint": _later("serving", "BATCH_ENDPOINT"),
    "online deployment": _later("serving", "ONLINE_DEPLOYMENT"),
    "batch deployment": _later("serving", "BATCH_DEPLOYMENT"),
    "gate": _later("gates", "GATE"),
}
_BY_SCHEMA = {
    "commandcomponent": "command component", "pipelinecomponent": "pipeline component",
    "parallelcomponent": "parallel component", "sparkcomponent": "spark component", "importcomponent": "import component",
    "datatransfercomponent": "data_transfer component", "pipelinejob": "pipeline job", "commandjob": "command job",
    "sweepjob": "sweep job", "paralleljob": "parallel job", "sparkjob": "spark job", "importjob": "import job",
    "datatransferjob": "data_transfer job", "finetuningjob": "finetuning job", "environment": "environment",
    "data": "data", "dataset": "data", "dataimport": "data import", "model": "model",
    "azureblob": "datastore", "azurefile": "datastore",
    "azuredatalakegen1": "datastore", "azuredatalakegen2": "datastore", "onelake": "datastore", "schedule": "schedule",
    "monitorschedule": "schedule", "mltable": "mltable",
    "batchendpoint": "batch endpoint", "modelbatchdeployment": "batch deployment", "batchdeployment": "batch deployment",
    "pipelinecomponentbatchdeployment": "batch deployment",
}
# Of Azure ML, and nothing that a pipeline runs: known, so that nobody is told of them.
_ASIDE = ("compute", "workspace", "registry", "connection", "featurestore", "featureset", "virtualmachine", "amlcompute",
          "hub", "project", "index", "flow", "deploymenttemplate", "modelpackage", "marketplace", "serverless",
          "capability", "component.")
_OF_RESOURCES = frozenset({"hbi_workspace", "managed_network", "public_network_access", "replication_locations"})
_RESOURCES = frozenset({"amlcompute", "computeinstance", "kubernetes", "synapsespark", "virtualmachine"})
_DATASTORES = frozenset({"azure_blob", "azure_file", "azure_data_lake_gen1", "azure_data_lake_gen2", "one_lake"})
_JOB_TYPES = {"sweep": "sweep job", "spark": "spark job", "automl": "automl job", "import": "import job",
              "data_transfer": "data_transfer job", "finetuning": "finetuning job", "parallel": "parallel job"}
_COMPONENT_TYPES = {"spark": "spark component", "parallel": "parallel component", "import": "import component",
                    "data_transfer": "data_transfer component"}

# Keys that only a component, or only a job, has.
_OF_COMPONENTS = frozenset({"additional_includes", "is_deterministic", "version"})
_OF_JOBS = frozenset({"comment", "compute", "experiment_name", "identity", "limits", "parent_job_name", "services", "settings"})


def kind_of_document(value: Value) -> str | None:
    """The kind of file that *value* is: from ``$schema``, else from ``type`` and the keys; None when it is none."""
    if not isinstance(value, Table):
        return None
    schema = schema_of(value)
    if schema is not None:
        return _of_schema(schema.lower())
    keys = value.entries.keys()
    word = _word(value, "type")
    if word == "pipeline" or "jobs" in keys:
        if word is None and "on" in keys:
            return None  # a GitHub workflow has jobs too
        if not isinstance(value.get("jobs"), Table) and "component" not in keys and word is None:
            return None
        if "endpoint_name" in keys:
            return "batch deployment"
        return "pipeline component" if _is_component(value) else "pipeline job"
    if word == "command" or {"command", "environment"} <= keys:
        return "command component" if _is_component(value) else "command job"
    if word in _JOB_TYPES or word in _COMPONENT_TYPES:
        return _of_type(value, word)
    if "trigger" in keys and keys & {"create_job", "create_monitor", "import_data"}:
        return "schedule"
    if "endpoint_name" in keys and keys & {"model", "code_configuration", "component", "job_definition"}:
        batch = {"compute", "mini_batch_size", "output_action", "component", "job_definition", "settings"}
        return "batch deployment" if keys & batch or word == "model" else "online deployment"
    if "conda_file" in keys or {"image", "name"} <= keys or {"build", "name"} <= keys:
        return "environment"
    if word in _DATASTORES:
        return "datastore"
    if "auth_mode" in keys and "name" in keys:
        return "batch endpoint" if "defaults" in keys else "online endpoint"
    if {"path", "source", "type"} <= keys and word in DATA_TYPES:
        return "data import"
    if {"path", "type"} <= keys:
        return "model" if word in MODEL_TYPES else "data" if word in DATA_TYPES else None
    if "transformations" in keys and "paths" in keys:
        return "mltable"
    return None


def is_conda(value: Value) -> bool:
    """Whether *value* looks like a conda file; nothing in it says so."""
    return isinstance(value, Table) and "dependencies" in value.entries and "on" not in value.entries


def schema_of(value: Table) -> str | None:
    """The kind that ``$schema`` names, in Azure ML's spelling (``sweepJob``); None when it names none of Azure ML's."""
    schema = value.get("$schema")
    if not isinstance(schema, Scalar) or not isinstance(schema.value, str):
        return None
    stem = schema.value.rpartition("/")[2].partition(".")[0]
    ours = "azuremlschemas" in schema.value or ("azureml/sdk-2-0/" in schema.value and is_aside(stem))
    return stem if stem.lower() in _BY_SCHEMA or ours else None


def _of_schema(name: str) -> str | None:
    found = _BY_SCHEMA.get(name)
    if found is not None:
        return found
    if name.startswith("automl"):
        return "automl job"
    if "onlineendpoint" in name:
        return "online endpoint"
    if "onlinedeployment" in name:
        return "online deployment"
    return None


def is_aside(schema: str) -> bool:
    """Whether a schema is one of Azure ML's that has nothing to do with pipelines: computes, workspaces, connections."""
    return any(word in schema.lower() for word in _ASIDE)


def is_flow(value: Value) -> bool:
    """Whether *value* is a prompt flow, or a run of one: a parallel job may name it as its component."""
    if not isinstance(value, Table):
        return False
    schema = value.get("$schema")
    if isinstance(schema, Scalar) and "promptflow" in schema.text:
        return True
    return isinstance(value.get("nodes"), Items) and "outputs" in value.entries


def is_resource(value: Table) -> bool:
    """Whether a file without ``$schema`` is a workspace, a registry or a compute: nothing that a pipeline runs."""
    return bool(value.entries.keys() & _OF_RESOURCES) or _word(value, "type") in _RESOURCES


def _of_type(value: Table, word: str | None) -> str | None:
    component = word in _COMPONENT_TYPES and _is_component(value)
    kinds: Mapping[str, str] = _COMPONENT_TYPES if component else _JOB_TYPES
    found = kinds.get(word or "")
    needed: Collection[str] = {"sweep": ("trial", "search_space"), "spark": ("entry",), "automl": ("task",),
                               "parallel": ("task", "mini_batch_size"), "finetuning": ("model",),
                               "import": ("source",), "data_transfer": ("task",)}.get(word or "", ())
    return found if any(key in value.entries for key in needed) else None


def _word(value: Table, key: str) -> str | None:
    found = value.get(key)
    return found.value.lower() if isinstance(found, Scalar) and isinstance(found.value, str) else None


def _is_component(value: Table) -> bool:
    """Whether a file is a component: ports that declare types and have no values, or keys of components.

    One key of the other kind does not decide: a component with ``compute`` is a component with a wrong key.
    """
    keys = value.entries.keys()
    of_jobs, of_components = len(keys & _OF_JOBS), len(keys & _OF_COMPONENTS)
    inputs = value.get("inputs")
    if isinstance(inputs, Table) and inputs.entries:
        declares = any(isinstance(entry, Table) and "type" in entry.entries and not entry.entries.keys() & {"path", "value"}
                       for entry in inputs.entries.values())
        of_components += declares
        of_jobs += not declares
    if of_jobs or of_components:
        return of_components > of_jobs or (of_components == of_jobs and "name" in keys)
    return "name" in keys
