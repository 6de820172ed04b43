"""What is asked for when a pipeline is run, found and run: alike for ``mlops run``, for Python, and for a past run's record."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .references import redacted

if TYPE_CHECKING:
    from .catalogue import Catalogue
    from .engines import Listener, Run
    from .infra import Stage
    from .inputs import Values
    from .project import Project
    from .spec import PipelineJob


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A pipeline as it is where it is to run.

    Attributes:
        job: The pipeline, linked.
        name: What ``mlops run`` calls it.
        catalogue: The files that it was read from.
        on: The stage, once it is wanted; None for this machine.
    """

    job: PipelineJob
    name: str
    catalogue: Catalogue
    on: Callable[[], Stage] | None


def opener(project: Project, pipeline: str, request: Mapping[str, Any]) -> Callable[[], Stage] | None:
    """What gives the stage that a request is for, and sees that *pipeline* may run there; None for this machine."""
    if request.get("on") is None:
        return None

    @functools.cache
    def on() -> Stage:
        project.check_allowed(pipeline, request["on"])  # before Terraform is asked
        return project.stage(request["on"], outputs=request.get("stage_outputs"))

    return on


def find(project: Project, request: Mapping[str, Any], values: Values, *, folder: Path | None = None) -> Found:
    """The pipeline that a request names; which champions there are is asked where it is to run.

    Raises:
        InputError, CompileError: as :meth:`~mlops_lib.project.Project.load`; StageError: nothing says what the stage is.
    """
    on = opener(project, Path(request["pipeline"]).stem, request)
    job, name, catalogue = project.load(request["pipeline"], values, request.get("against"), on=on, folder=folder)
    return Found(job=job, name=name, catalogue=catalogue, on=on)


def run(project: Project, found: Found, request: Mapping[str, Any], *, outputs: Iterable[str] = (), listener: Listener) -> Run:
    """Run it as requested; the request is recorded, without the secrets of URLs.

    Args:
        project: The pipeline's project.
        found: The pipeline.
        request: What is asked for.
        outputs: On a stage: the pipeline's outputs to download at the end.
        listener: Told of every event.

    Raises:
        InputError, RunError, StageError, Canceled: as :meth:`~mlops_lib.project.Project.run` and ``run_on``.
    """
    told = dict(request)
    path = Path(request.get("pipeline", ""))
    if path.suffix in (".yml", ".yaml"):
        told["pipeline"] = os.path.abspath(path if path.is_file() else project.root / path)
    if "values" in request:
        told["values"] = {name: redacted(text) for name, text in request["values"].items()}
    if found.on is None:
        return project.run(found.job, found.name, found.catalogue, request=told, jobs=request["jobs"], reuse=request["cache"],
                           isolate=request.get("isolate"), listener=listener)
    return project.run_on(found.on(), found.job, found.name, found.catalogue, request=told, key=request["key"],
                          reuse=request["cache"], against=request.get("against"), outputs=outputs, follow=request["follow"],
                          cancel=request["cancel"], resolve=request.get("resolve", False), listener=listener)
