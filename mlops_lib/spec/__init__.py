"""Azure ML's YAML as frozen, typed values."""

from __future__ import annotations

from typing import TypeAlias

from ..document import Table, Value
from .assets import Asset, Environment, OtherFile
from .definitions import (
    CommandComponent,
    Component,
    Job,
    OtherComponent,
    PipelineComponent,
    PipelineJob,
    Settings,
    SingleJob,
)
from .kinds import DATA_TYPES, KINDS, LITERAL_TYPES, MODEL_TYPES, kind_of_document
from .ports import Bound, Data, Input, InputValue, JobOutput, Literal, Output, typed, value_problem
from .reading import as_number
from .shapes import Report, Shape

Spec: TypeAlias = Component | PipelineJob | SingleJob | Environment | Asset | OtherFile

__all__ = [
    "DATA_TYPES", "KINDS", "LITERAL_TYPES", "MODEL_TYPES", "Asset", "Bound", "CommandComponent", "Component", "Data",
    "Environment", "Input", "InputValue", "Job", "JobOutput", "Literal", "OtherComponent", "OtherFile", "Output",
    "PipelineComponent", "PipelineJob", "Report", "Settings", "Shape", "SingleJob", "Spec", "as_number", "kind_of_document",
    "read", "typed", "value_problem",
]


def read(value: Value, report: Report, *, folder: str, kind: str | None = None) -> Spec | None:
    """The spec that a document is.

    Args:
        value: A parsed document.
        report: Gets what is wrong with its shape; a spec is returned all the same, without what is wrong.
        folder: The folder that the document's relative paths start from.
        kind: What it must be; None to find out from ``$schema`` and the keys.

    Returns:
        None when the document is not a mapping or of no kind known here.
    """
    kind = kind or kind_of_document(value)
    if kind is None or not isinstance(value, Table):
        if kind is not None:
            KINDS[kind].check(value, report, "")
        return None
    KINDS[kind].check(value, report, "")
    if kind in ("pipeline job", "pipeline component"):
        _check_jobs(value, report, kind)
    if kind == "command component":
        return CommandComponent.from_document(value, report, folder=folder)
    if kind == "pipeline component":
        return PipelineComponent.from_document(value, report, folder=folder)
    if kind == "pipeline job":
        return PipelineJob.from_document(value, report, folder=folder)
    if kind == "environment":
        return Environment.from_document(value, folder=folder)
    if kind == "data" and "version" in value.entries and "name" not in value.entries:
        report.add("missing-key", "a data asset has a version and no name", value.entries["version"].place,
                   why="Azure ML numbers the versions of a name", fix="add 'name: …', or remove the version")
    if kind in ("data", "model"):
        return Asset.from_document(value, kind, folder=folder)
    word, _, noun = kind.rpartition(" ")
    if noun == "component":
        return OtherComponent.from_document(value, word, folder=folder)
    if noun == "job":
        return SingleJob.from_document(value, report, folder=folder, type_=word)
    return OtherFile(kind=kind, document=value, folder=folder, place=value.place)


def _check_jobs(value: Table, report: Report, kind: str) -> None:
    jobs, component = value.get("jobs"), value.get("component")
    if component is not None and isinstance(jobs, Table) and jobs.entries:
        report.add("jobs-and-component", "a pipeline job has either jobs or a component", value.places["component"],
                   fix="remove one of them")
    elif (jobs is None and component is None and kind == "pipeline job") or (isinstance(jobs, Table) and not jobs.entries):
        report.add("missing-key", f"a {kind} has no jobs", jobs.place if jobs else value.place, fix="add 'jobs: …'")
