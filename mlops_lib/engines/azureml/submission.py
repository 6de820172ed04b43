"""What is submitted: the pipeline as the YAML that ``mlops export`` writes, and the name that its job will have."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...catalogue import Catalogue
from ...checks import without_compute
from ...document import unparse
from ...errors import InputError
from ...fingerprint import Facts, fingerprint
from ...graph import External, Graph
from ...infra import Stage
from ...inspection import Limits, excess, is_local, local_path
from ...plan import Action, Plan, PlannedStep
from ...spec import Component, Environment, Job, PipelineComponent, PipelineJob
from ...stores.snapshots import snapshot
from ...stores.store import Store
from ..local.facts import code_files, conda_of

_LONGEST = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A pipeline on its way to Azure ML.

    Attributes:
        name: What its job will be called: chosen before anything is sent, so that a second attempt finds the first.
        job: The linked pipeline.
        text: Its YAML: what ``az ml job create`` would get.
        folder: The folder that relative paths in *text* start from.
        environments: The environment of each step, when the project has it.
    """

    name: str
    job: PipelineJob
    text: str
    folder: str
    environments: Mapping[str, Environment | None]


def placed(job: PipelineJob, stage: Stage, usual: str) -> PipelineJob:
    """*job* with a default compute for steps that have none: the usual one, or the only one of the stage that runs jobs of all.

    Args:
        job: The linked pipeline.
        stage: Where it is to run.
        usual: The default compute of the project's settings.
    """
    if job.compute or job.settings.default_compute or not list(without_compute(job)):
        return job
    names = [name for name, told in stage.computes.items() if told.kind != "instance"]
    known = usual.removeprefix("azureml:") in (*names, "serverless")
    if not known and len(names) != 1:
        return job  # which is told with all that the stage lacks
    return dataclasses.replace(job, settings=dataclasses.replace(
        job.settings, default_compute=usual if known else f"azureml:{names[0]}"))


def prepare(job: PipelineJob, graph: Graph, catalogue: Catalogue, store: Store, *, key: str | None = None,
            force: bool = False) -> tuple[Plan, Submission]:
    """A linked pipeline as a plan and what is submitted for it.

    Args:
        job: The pipeline.
        graph: Its graph.
        catalogue: The files that it was read from.
        store: Remembers digests of content.
        key: What tells this run from others of the same pipeline; the same key is the same run. None for a new one.
        force: No step is reused.

    Raises:
        InputError: data that goes along does not exist, or code is larger than the project allows.
    """
    if force:
        job = dataclasses.replace(job, settings=dataclasses.replace(job.settings, force_rerun=True))
    environments = {name: catalogue.environment(step.environment, step.environment_folder)
                    for name, step in graph.steps.items()}
    facts = _facts(graph, environments, store, catalogue.limits)
    store.digests.flush()
    reason = "force_rerun is true" if graph.force_rerun or force else "Azure ML decides whether it reuses what is there"
    steps = {name: PlannedStep(step=step, action=Action.RUN, reason=reason, fingerprint=fingerprint(step, facts, {}))
             for name, step in graph.steps.items()}
    plan = Plan(graph=graph, facts=facts, steps=steps, reuse=not force)
    body = document(job)
    # the body names components by their files, whose content is what counts
    components = [whole(node.component) for node in job.jobs.values() if node.component is not None]
    data = [[given.path, content] for given, content in facts.data.items()]
    name = _name(graph.name, [body, components, facts.code, facts.environment, data, key or secrets.token_hex(16)])
    text = unparse(body | {"name": name})
    return plan, Submission(name=name, job=job, text=text, folder=job.folder, environments=environments)


def _name(pipeline: str, parts: Any) -> str:
    stem = re.sub(r"[^A-Za-z0-9]+", "-", pipeline).strip("-").lower()[:_LONGEST].strip("-") or "run"
    return f"{stem}-{digest(parts)[:16]}"


def document(job: PipelineJob) -> dict[str, Any]:
    """The YAML of a linked pipeline, as ``mlops export`` writes it: components that have a file are named by it."""
    if job.component is not None:
        return dataclasses.replace(job, jobs={}).to_dict()  # the jobs are the component's
    return dataclasses.replace(job, jobs={name: named(node, job.folder) for name, node in job.jobs.items()}).to_dict()


def whole(component: Component) -> Any:
    """All that a component's file says, and that the files of the components in it say."""
    if not isinstance(component, PipelineComponent):
        return component.to_dict()
    inner = {name: [job.to_dict(), whole(job.component) if job.component is not None else None]
             for name, job in component.jobs.items()}
    return dataclasses.replace(component, jobs={}).to_dict() | {"jobs": inner}


def named(node: Job, folder: str) -> Job:
    """A job that names its component by the component's file, relative to *folder*."""
    file = node.component.file if node.component else ""
    if not file and isinstance(node.component, PipelineComponent):
        raise InputError(f"job {node.name!r} is a pipeline that has no file", place=node.place,
                         why="Azure ML's YAML names a pipeline in a pipeline by its file",
                         fix="call its components directly, or write it as a component of the project")
    if not file or node.reference:
        return node
    relative = os.path.relpath(file, folder).replace(os.sep, "/")
    return dataclasses.replace(node, reference=relative if relative.startswith("..") else f"./{relative}")


# --- facts -----------------------------------------------------------------------------------------------------------


def _facts(graph: Graph, environments: Mapping[str, Environment | None], store: Store, limits: Limits) -> Facts:
    """Digests of what goes along: code, environments and data of this machine; of what is elsewhere, its name."""
    code: dict[str, str] = {}
    known: dict[tuple[Any, ...], str] = {}
    data: dict[External, str] = {}
    for name, step in graph.steps.items():
        component = step.component
        source = component.code, component.folder, component.additional_includes
        if source not in known:
            entries = code_files(component, store.folder / "zips")
            for what, why in excess(entries, limits):
                raise InputError(f"the code of job {name!r} has {what}", place=component.places.get("code"), why=why,
                                 fix="list what the job does not need in .amlignore, or raise 'limits' in mlops.yml")
            known[source] = store.digests.named(entries)[0] if entries else ""
        code[name] = known[source]
        for value in step.inputs.values():
            if isinstance(value, External) and value not in data:
                data[value] = content_of(value, store)
    return Facts(code=code, data=data, environment={
        name: environment_key(environments[name], store) or digest(step.environment) for name, step in graph.steps.items()})


def content_of(value: External, store: Store) -> str:
    """A digest of data: of its bytes when it is on this machine, of its address when it is elsewhere."""
    if not is_local(value.path):
        return digest(value.path)
    path = local_path(value.path, value.folder)
    if not path.exists():
        raise InputError(f"the data {value.path!r} does not exist", place=value.place, fix="correct the path")
    return store.digests.tree(path)[0]


def environment_key(environment: Environment | None, store: Store) -> str:
    """A digest of all that an environment consists of; empty when the project does not have it."""
    if environment is None:
        return ""
    told = environment.to_dict() | {"conda_file": conda_of(environment)}
    build = (environment.build or {}).get("path")
    if isinstance(build, str) and is_local(build):
        folder: Path = local_path(build, environment.folder)
        told["build files"] = store.digests.named(snapshot(folder))[0]
    return digest(told)


def leaves(job: PipelineJob) -> Iterator[tuple[str, Job]]:
    """The jobs that are steps, also inside nested pipelines, by the step's name."""
    def walk(jobs: Mapping[str, Job], prefix: str) -> Iterator[tuple[str, Job]]:
        for name, node in jobs.items():
            if isinstance(node.component, PipelineComponent):
                yield from walk(node.component.jobs, f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", node

    yield from walk(job.jobs, "")


def digest(value: Any) -> str:
    """A digest of plain data."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
