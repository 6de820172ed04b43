"""A pipeline with other values for its inputs: what ``--set`` gives, and what a schedule fills in as it fires."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from . import document
from .binding import OF_A_FIRING, PipelinePort, substitute
from .errors import CompileError, InputError, Place, did_you_mean
from .inspection import is_local, local_path
from .spec import DATA_TYPES, Bound, Data, Literal, PipelineJob
from .spec.reading import literal_text

Values: TypeAlias = Mapping[str, str | Literal]
"""Values by input: a text, as ``--set`` takes it, or what a program gives, with its type and its line."""


def fired(job: PipelineJob, name: str) -> PipelineJob:
    """*job* with what Azure ML fills into the inputs that a schedule gives: the job's name, and the time of now."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    known = dict(zip(OF_A_FIRING, (job.name or name, now), strict=True))
    filled = {key: dataclasses.replace(value, text=text, value=text) for key, value in job.inputs.items()
              if isinstance(value, Literal) and (text := substitute(value.text, known.get)) != value.text}
    return dataclasses.replace(job, inputs={**job.inputs, **filled}) if filled else job


def with_values(job: PipelineJob, values: Values, folder: str | None = None) -> PipelineJob:
    """*job*, whose components are in place, with other values for its inputs.

    Args:
        job: A pipeline.
        values: By input: a path for data; for anything else a literal, and a text is one as YAML would read it.
        folder: What paths are relative to; default: the working directory, where a person is who types them.

    Raises:
        InputError: it has no such input.
    """
    inputs = dict(job.inputs)
    for name, given in values.items():
        text, place = (given.text, given.place) if isinstance(given, Literal) else (given, None)
        if name not in inputs:
            fix = did_you_mean(name, inputs) if inputs else ""
            raise InputError(f"the pipeline has no input {name!r}", fix=fix, place=place)
        old, place = inputs[name], place or Place(f"--set {name}")
        if isinstance(old, Data) or _is_path(name, job):
            path = str(local_path(text, folder or os.getcwd())) if is_local(text) else text
            inputs[name] = dataclasses.replace(old, path=path, place=place) if isinstance(old, Data) else \
                Literal(text=path, value=path, place=place)
        else:
            inputs[name] = given if isinstance(given, Literal) else _literal(text, place)
    return dataclasses.replace(job, inputs=inputs)


def texts(job: PipelineJob, names: Iterable[str]) -> dict[str, str]:
    """The values of inputs of *job* as ``--set`` takes them, whatever the working directory is."""
    found = {}
    for name in names:
        value = job.inputs[name]
        if isinstance(value, Data):
            found[name] = value.path
        elif isinstance(value, Literal):
            kept = _is_path(name, job) or _literal(value.text, Place(name)).text == value.text
            found[name] = value.text if kept else json.dumps(value.text, ensure_ascii=False)
    return found


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
