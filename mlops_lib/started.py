"""The job that a schedule starts, with the schedule's changes in it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from . import document
from .binding import names_the_firing
from .errors import did_you_mean
from .inspection import nearby
from .spec import Literal, OtherFile, PipelineJob, Report, SingleJob, read
from .yamlfiles import YamlFiles


def started_by(spec: OtherFile, files: YamlFiles) -> PipelineJob | SingleJob | None:
    """The job that a schedule starts, with the schedule's changes in it; None when it is not here (or reported)."""
    given = spec.document.get("create_job")
    named = given.get("job") if isinstance(given, document.Table) else given
    if isinstance(given, document.Table) and named is None:
        if not isinstance(given.get("jobs"), document.Table):
            return None
        job = read(given, Report(), folder=spec.folder, kind="pipeline job")  # its shape was judged with the schedule's
        return job if isinstance(job, PipelineJob) else None
    if not isinstance(named, document.Scalar) or not isinstance(named.value, str) or named.text.startswith("azureml:"):
        return None
    path = Path(os.path.abspath(os.path.join(spec.folder, named.text.removeprefix("file:"))))
    if not os.path.isfile(path):
        files.report.add("missing-file", f"the job file {files.display(path)!r} does not exist", named.place,
                         fix=nearby(path))
        return None
    job = files.spec(path)
    if not isinstance(job, PipelineJob | SingleJob):
        if job is not None:
            files.report.add("wrong-component", f"{files.display(path)} is not a job", named.place,
                             why="a schedule starts jobs", fix="name a job's file")
        return None
    if not isinstance(given, document.Table):
        return job
    changed = given.get("inputs")
    for name, place in changed.places.items() if isinstance(changed, document.Table) else ():
        if name not in job.inputs:
            files.report.add("unknown-input", f"the schedule gives the input {name!r}, which the job lacks", place,
                             fix=did_you_mean(name, job.inputs) if job.inputs else "remove it")
    changes = {key: value for key, value in given.entries.items() if key not in ("job", "type")}
    whole = _merged(files.content(path), given._replace(entries=changes))
    merged = read(whole, Report(), folder=str(path.parent))  # both shapes were judged where they stand
    if not isinstance(merged, PipelineJob | SingleJob):
        return None
    entries = changed.entries if isinstance(changed, document.Table) else {}
    texts = {name: Literal(text=value.text, value=value.text, place=value.place) for name, value in entries.items()
             if isinstance(value, document.Scalar) and names_the_firing(value.text)}
    return dataclasses.replace(merged, inputs={**merged.inputs, **texts}) if texts else merged


def _merged(below: document.Value, above: document.Value) -> document.Value:
    """Two documents as one, mapping into mapping, as the SDK puts a schedule's changes into its job."""
    if not isinstance(below, document.Table) or not isinstance(above, document.Table):
        return above
    entries, places = dict(below.entries), below.places | above.places
    for key, value in above.entries.items():
        entries[key] = _merged(entries[key], value) if key in entries else value
    return below._replace(entries=entries, places={key: places[key] for key in entries})
