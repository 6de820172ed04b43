"""Import, data transfer and fine-tuning jobs, as shapes: they are checked here and run on Azure only.

Source: the CLI v2 schemas importJob, dataTransferJob and finetuningJob, as azure-ai-ml 1.35 reads them.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..shapes import ByForm, ByType, ListOf, MapOf, Number, OneOf, Plain, Record, Shape, Text
from .common import (
    ASSET_COMMON,
    COMPONENT_COMMON,
    DATA,
    JOB_COMMON,
    JOB_OUTPUTS,
    NODE_COMMON,
    OUTPUT_RECORD,
    QUEUE_SETTINGS,
    TEXT,
    component_inputs,
    component_outputs,
    job_input,
    owner_of,
)

_query = Record("a database", {"type": TEXT, "connection": TEXT, "query": TEXT}, required=("connection", "query"))
_imported = ByType("source", {
    **dict.fromkeys(("azuresqldb", "azuresynapseanalytics", "snowflake"), _query),
    "s3": Record("a file source", {"type": TEXT, "connection": TEXT, "path": TEXT}, required=("connection", "path")),
}, folded=True)
_WITHOUT_INPUTS = {key: shape for key, shape in JOB_COMMON.items() if key not in ("compute", "inputs")}
IMPORT_JOB = Record("an import job", {**_WITHOUT_INPUTS, "type": TEXT, "source": _imported, "output": OUTPUT_RECORD},
                    required=("source", "output"), elsewhere=owner_of)
IMPORT_COMPONENT = Record("an import component", {
    **COMPONENT_COMMON, "type": TEXT, "source": MapOf(Plain()), "output": OUTPUT_RECORD,
}, required=("name", "source", "output"), open=True)
IMPORT_NODE = Record("an import job", {**NODE_COMMON, "component": ByForm(scalar=TEXT, table=Record(
    "an import component", IMPORT_COMPONENT.fields, open=True)), "source": _imported, "output": OUTPUT_RECORD},
    elsewhere=owner_of)

_place = ByType("place", {
    "database": Record("a database", {
        "type": TEXT, "table_name": TEXT, "query": TEXT, "stored_procedure": TEXT, "connection": TEXT,
        "stored_procedure_params": ListOf(Record("a parameter", {"name": TEXT, "value": TEXT, "type": TEXT})),
    }, required=("connection",)),
    "file_system": Record("a file system", {"type": TEXT, "path": TEXT, "connection": TEXT}, required=("connection",)),
}, folded=True)
DATA_IMPORT = Record("a data import", {**DATA.fields, "source": _place}, required=("path", "source"))
_task = OneOf(("copy_data", "export_data", "import_data"), folded=True)
_copy_mode = OneOf(("fail_if_conflict", "merge_with_overwrite"), folded=True)
_moved: Mapping[str, Shape] = {
    "type": TEXT, "task": _task, "data_copy_mode": _copy_mode, "source": _place, "sink": _place, "outputs": JOB_OUTPUTS,
}
DATA_TRANSFER_JOB = Record("a data transfer job", {**JOB_COMMON, **_moved}, required=("type", "task"), elsewhere=owner_of)
DATA_TRANSFER_COMPONENT = Record("a data transfer component", {
    **ASSET_COMMON, **COMPONENT_COMMON, "type": TEXT, "task": _task, "data_copy_mode": _copy_mode,
    "inputs": component_inputs, "outputs": component_outputs, "source": Plain(), "sink": Plain(),
}, required=("name", "task"), open=True)
DATA_TRANSFER_NODE = Record("a data transfer job", {**NODE_COMMON, **_moved, "component": ByForm(
    scalar=TEXT, table=Record("a data transfer component", DATA_TRANSFER_COMPONENT.fields, open=True))},
    elsewhere=owner_of)

_TASKS = ("chatCompletion", "imageClassification", "imageInstanceSegmentation", "imageObjectDetection",
          "questionAnswering", "textClassification", "textCompletion", "textSummarization", "textTranslation",
          "tokenClassification", "videoMultiObjectTracking")


def _spelt(words: tuple[str, ...]) -> OneOf:
    """Words in camel case that Azure ML reads in snake case and in lower case too."""
    return OneOf((*words, *(word.lower() for word in words),
                  *("".join(f"_{c.lower()}" if c.isupper() else c for c in word) for word in words)))


_tuning_keys: Mapping[str, Shape] = {
    **_WITHOUT_INPUTS, "compute": TEXT, "type": TEXT, "outputs": JOB_OUTPUTS, "queue_settings": QUEUE_SETTINGS,
    "resources": Record("resources", {"instance_types": ListOf(TEXT)}), "model": job_input, "training_data": job_input,
    "validation_data": job_input, "task": _spelt(_TASKS), "model_provider": TEXT,
}
_required = ("type", "model", "task", "model_provider")
FINETUNING_JOB = ByType("fine-tuning job", {
    "custom": Record("a fine-tuning job", {**_tuning_keys, "hyperparameters": MapOf(Text(numbers=True))}, required=_required),
    "azure_open_ai": Record("a fine-tuning job", {**_tuning_keys, "hyperparameters": Record("hyperparameters", {
        "n_epochs": Number(whole=True), "learning_rate_multiplier": Number(), "batch_size": Number(whole=True)})},
        required=_required),
}, key="model_provider", folded=True)
