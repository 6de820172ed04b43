"""A pipeline with other values for its inputs: what ``--set`` gives, and what a schedule fills in as it fires."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
from collections.abc import Mapping

from . import document
from .binding import OF_A_FIRING, PipelinePort, substitute
from .errors import CompileError, InputError, Place, did_you_mean
from .inspection import is_local, local_path
from .spec import DATA_TYPES, Bound, Data, Literal, PipelineJob
from .spec.reading import literal_text


def fired(job: PipelineJob, name: str) -> PipelineJob:
    """*job* with what Azure ML fills into the inputs that a schedule gives: the job's name, and the time of now."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    known = dict(zip(OF_A_FIRING, (job.name or name, now), strict=True))
    filled = {key: dataclasses.replace(value, text=text, value=text) for key, value in job.inputs.items()
              if isinstance(value, Literal) and (text := substitute(value.text, known.get)) != value.text}
    return dataclasses.replace(job, inputs={**job.inputs, **filled}) if filled else job


def with_values(job: PipelineJob, values: Mapping[str, str]) -> PipelineJob:
    """*job*, whose components are in place, with other values for its inputs.

    Args:
        job: A pipeline.
        values: Texts by input: a path, relative to the working directory, for data; for anything else a literal, as YAML
            would read it.

    Raises:
        InputError: it has no such input.
    """
    inputs = dict(job.inputs)
    for name, text in values.items():
        if name not in inputs:
            raise InputError(f"the pipeline has no input {name!r}", fix=did_you_mean(name, inputs) if inputs else "")
        old, place = inputs[name], Place(f"--set {name}")
        if isinstance(old, Data) or _is_path(name, job):
            # What a person types is relative to where that person is, not to the pipeline's file.
            path = str(local_path(text, os.getcwd())) if is_local(text) else text
            inputs[name] = dataclasses.replace(old, path=path, place=place) if isinstance(old, Data) else \
                Literal(text=path, value=path, place=place)
        else:
            inputs[name] = _literal(text, place)
    return dataclasses.replace(job, inputs=inputs)


def _is_path(name: str, job: PipelineJob) -> bool:
    """Whether an input of *job* goes into a port for data."""
    return any(value.to == PipelinePort("inputs", name) and node.component and port in node.component.inputs
               and node.component.inputs[port].type in DATA_TYPES
               for node in job.jobs.values() for port, value in node.inputs.items() if isinstance(value, Bound))


def _literal(text: str, place: Place) -> Literal:
    with contextlib.suppress(CompileError):  # not YAML: then a string like any other
        value = document.parse(text, place.file)
        if isinstance(value, document.Scalar) and value.value is not None and not isinstance(value.value, datetime.date):
            return Literal(text=literal_text(value), value=value.value, place=place)
    return Literal(text=text, value=text, place=place)
