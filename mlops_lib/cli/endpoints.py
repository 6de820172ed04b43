"""``mlops endpoints``: the batch endpoints of a stage, and the pipelines that they run; ``mlops deploy`` of a pipeline."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from . import (
    _columns,
    _complete_stage,
    _pairs,
    _print_json,
    _project,
    _say,
    cli,
    json_option,
    set_option,
)
from .run import _copy_and_show, _progress, _refuse_to_replace

if TYPE_CHECKING:
    from ..endpoints import Endpoint, Interface
    from ..engines.azureml.deploying import Outcome
    from ..project import Project

on_option = click.option("--on", "where", metavar="STAGE", required=True, shell_complete=_complete_stage, help="The stage.")
outputs_option = click.option("--outputs", metavar="FILE", help="Read the stage's outputs from this file.")
name_argument = click.argument("name", metavar="NAME")
deployment_option = click.option("--deployment", metavar="NAME", help="Another deployment than the endpoint's default.")


def is_pipeline(project: Project, target: str) -> bool:
    """Whether ``mlops deploy TARGET`` is about a pipeline.

    The project's joined pipeline usually has the name of its model, which is then what is meant; its file says otherwise.
    """
    if target.endswith((".yml", ".yaml")) or ":" in target or "@" in target:
        return target.endswith((".yml", ".yaml"))
    return target in project.pipeline_names() and target != project.settings.experiment


def deploy_pipeline(context: click.Context, target: str, *, where: str, outputs: str | None, endpoint: str | None,
                    values: tuple[str, ...], against: str | None, rollback: bool, dry_run: bool, as_json: bool) -> None:
    """Let a batch endpoint of a stage run the pipeline *target*, or again what it ran before."""
    project = _project(context)
    if rollback:
        if values or dry_run or against:
            raise InputError("--rollback goes back to what was deployed: it takes no --set, --against and --dry-run",
                             fix="leave them out")
        stage = project.stage(where, outputs=outputs)
        found = project.endpoint(endpoint or project.endpoint_name(Path(target).stem, stage), on=where, outputs=outputs)
        _show_outcome(found.rollback(say=_silent if as_json else _say), as_json)
        return
    given: dict[str, Any] = {"on": where, "endpoint": endpoint, "values": _pairs("--set", values), "against": against,
                             "outputs": outputs}
    if dry_run:
        steps = project.deployment_ahead(target, **given)
        if as_json:
            _print_json({"steps": steps})
        else:
            click.echo("\n".join(steps) or f"{target} is deployed already")
        return
    made = project.deploy(target, say=_silent if as_json else _say, **given)
    if made.outcome is not None:
        _show_outcome(made.outcome, as_json)


def _silent(text: str) -> None:
    """There is JSON at the end."""


def _show_outcome(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        _print_json(dataclasses.asdict(outcome))
        return
    for notice in outcome.notices:
        _say(f"note: {notice}")
    for name in outcome.removed:
        _say(f"deleted {name}, which nothing goes back to")
    before = f"; before it: {outcome.previous}" if outcome.previous else ""
    already = "" if outcome.changed else " already"
    click.echo(f"{outcome.endpoint} runs {outcome.pipeline} as {outcome.deployment}{already}{before}")


@cli.group()
def endpoints() -> None:
    """Batch endpoints of a stage; NAME is one, or the pipeline that it runs."""


@endpoints.command("list")
@on_option
@outputs_option
@json_option
@click.pass_context
def list_endpoints(context: click.Context, where: str, outputs: str | None, as_json: bool) -> None:
    """The batch endpoints of the stage's workspace."""
    found = _project(context).endpoints(on=where, outputs=outputs)
    if as_json:
        _print_json([{key: value for key, value in dataclasses.asdict(one).items() if key != "deployments"} for one in found])
    elif not found:
        _say(f"stage {where!r} has no batch endpoint; make one: mlops deploy PIPELINE --on {where}")
    else:
        _columns([("ENDPOINT", "PIPELINE", "RUNS", "BEFORE", "ADDRESS"), *(
            (one.name, one.pipeline or "–", one.default or "–", one.previous or "–", one.address) for one in found)])


@endpoints.command("show")
@name_argument
@on_option
@outputs_option
@json_option
@click.pass_context
def show_endpoint(context: click.Context, name: str, where: str, outputs: str | None, as_json: bool) -> None:
    """One endpoint: its deployments, and what its pipeline takes and makes."""
    endpoint = _project(context).endpoint(name, on=where, outputs=outputs)
    state = endpoint.state()
    takes = _interface(endpoint) if state.default else None
    if as_json:
        _print_json(dataclasses.asdict(state) | ({
            "inputs": {key: {"type": port.type, "required": port.required and key not in takes.defaults,
                             "default": takes.defaults.get(key, port.default)} for key, port in takes.inputs.items()},
            "outputs": dict(takes.outputs)} if takes is not None else {}))
        return
    click.echo(f"{state.name}: {state.pipeline or 'no pipeline of ours'}, at {state.address}")
    marks = {state.default: "default", state.previous: "before it"}
    _columns([("DEPLOYMENT", "RUNS", "STATE", "MADE", "")] + [
        (one.name, one.runs or "a model", one.state, one.created[:16].replace("T", " "), marks.get(one.name, ""))
        for one in state.deployments] if state.deployments else [])
    for key, port in takes.inputs.items() if takes is not None else ():
        default = takes.defaults.get(key, port.default) if takes is not None else None
        told = f" = {default}" if default is not None else "" if port.required else ", optional"
        click.echo(f"input {key}: {port.type}{told}")
    for key, kind in takes.outputs.items() if takes is not None else ():
        click.echo(f"output {key}: {kind}")


def _interface(endpoint: Endpoint) -> Interface | None:
    try:
        return endpoint.interface()
    except InputError:
        return None  # it runs a model


@endpoints.command()
@name_argument
@on_option
@set_option
@deployment_option
@click.option("--output", "copies", multiple=True, metavar="NAME=PATH",
              help="Copy an output of the pipeline to a path; what is there is replaced.")
@click.option("--key", metavar="TEXT", help="The same values with the same key are the same job, not another one.")
@click.option("--no-wait", is_flag=True, help="Return when the job is there.")
@click.option("--cancel-on-interrupt", is_flag=True, help="Ctrl-C cancels the job; else it only stops following it.")
@outputs_option
@json_option
@click.pass_context
def invoke(context: click.Context, name: str, where: str, values: tuple[str, ...], deployment: str | None,
           copies: tuple[str, ...], key: str | None, no_wait: bool, cancel_on_interrupt: bool, outputs: str | None,
           as_json: bool) -> None:
    """Run what the endpoint runs, with values for its inputs."""
    from ..spec import JobOutput, PipelineJob

    if no_wait and copies:
        raise InputError("--output needs the end of the job, and --no-wait does not wait for it", fix="leave one of them out")
    project = _project(context)
    targets = {output: Path(os.path.abspath(target)) for output, target in _pairs("--output", copies).items()}
    for output, target in targets.items():
        _refuse_to_replace(target, output, project, PipelineJob(jobs={}, outputs={output: JobOutput()}))
    request = {"stage_outputs": os.path.abspath(outputs) if outputs else None}
    endpoint = project.endpoint(name, on=where, outputs=outputs)
    with _progress(as_json) as listener:
        result = endpoint.invoke(_pairs("--set", values), deployment=deployment, key=key, outputs=targets, follow=not no_wait,
                                 cancel=cancel_on_interrupt, listener=listener, request=request)
    context.exit(_copy_and_show(result, targets, project, as_json))


@endpoints.command("delete")
@name_argument
@on_option
@click.option("--deployment", metavar="NAME", help="Only this deployment, which is not the default.")
@outputs_option
@json_option
@click.pass_context
def delete_endpoint(context: click.Context, name: str, where: str, deployment: str | None, outputs: str | None,
                    as_json: bool) -> None:
    """Delete the endpoint with its deployments; the jobs that it made stay."""
    _project(context).endpoint(name, on=where, outputs=outputs).delete(deployment)
    if as_json:
        _print_json({"name": name, "stage": where, "deployment": deployment, "deleted": True})
        return
    click.echo(f"deleted {f'the deployment {deployment} of ' if deployment else ''}{name}")
