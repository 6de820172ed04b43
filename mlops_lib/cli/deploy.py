"""``mlops deploy``: a pipeline behind a batch endpoint of a stage, or a model behind its online endpoint."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import InputError, nearest
from . import _complete_pipeline, _complete_stage, _print_json, _project, _say, against_option, cli, json_option, set_option
from .endpoints import _silent, deploy_pipeline, is_pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..project import Project
    from ..serving.rollout import Outcome

_OF_PIPELINES = ("values", "against")
_OF_MODELS = ("auth", "compute", "instance_type", "instances", "workers", "steps", "watch", "max_errors", "sample",
              "keep_failed", "any_version")


@cli.command()
@click.argument("target", metavar="PIPELINE|MODEL", shell_complete=_complete_pipeline)
@click.option("--on", "where", metavar="STAGE", required=True, shell_complete=_complete_stage, help="The stage.")
@click.option("--outputs", metavar="FILE", help="Read the stage's outputs from this file.")
@click.option("--endpoint", metavar="NAME", help="Another endpoint than Terraform's outputs or mlops.yml name.")
@set_option
@against_option
@click.option("--auth", type=click.Choice(["aad_token", "key"]), help="How clients sign in; default: aad_token, Entra ID.")
@click.option("--compute", metavar="NAME", help="A Kubernetes compute, in the place of virtual machines of Azure ML's.")
@click.option("--instance-type", metavar="SIZE", help="The size of the virtual machines; default: Standard_DS3_v2.")
@click.option("--instances", type=click.IntRange(min=1), help="How many of them; default: 1.")
@click.option("--workers", type=click.IntRange(min=1), help="How many processes answer in each; default: 1.")
@click.option("--steps", metavar="N,N,…", help="The shares of the traffic that it gets, in percent; default: 10,50,100.")
@click.option("--watch", type=click.FloatRange(min=0), default=60.0, show_default=True, metavar="SECONDS",
              help="How long it is watched after each step.")
@click.option("--max-errors", type=click.FloatRange(0, 100), default=1.0, show_default=True, metavar="PERCENT",
              help="The share of failed requests above which it is taken back.")
@click.option("--sample", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="A request as JSON, to try it with; default: the model's input example.")
@click.option("--keep-failed", is_flag=True, help="Keep a deployment that failed, without traffic.")
@click.option("--any-version", is_flag=True, help="Also a version that is not the champion, where only that is served.")
@click.option("--rollback", is_flag=True, help="Go back to the deployment before.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@json_option
@click.pass_context
def deploy(context: click.Context, /, target: str, where: str, outputs: str | None, rollback: bool, dry_run: bool,
           values: tuple[str, ...], against: str | None, as_json: bool, **wishes: Any) -> None:
    """Put a pipeline or a model behind an endpoint of a stage.

    PIPELINE is a name or a YAML file: the batch endpoint runs it from now on; --set and --against are about it. What ran before
    is kept.

    MODEL is NAME for the stage's champion, NAME:VERSION or NAME@latest, of the models in the stage's workspace, and the other
    options are about it. A new deployment is started without traffic, tried with a request, and given the traffic in steps.
    When it fails, the traffic is as it was before, and the command exits with 1.

    What is deployed already is left alone.
    """
    project = _project(context)
    if is_pipeline(project, target):
        _refuse_others(context, "a pipeline", _OF_MODELS)
        deploy_pipeline(context, target, where=where, outputs=outputs, endpoint=wishes["endpoint"], values=values,
                        against=against, rollback=rollback, dry_run=dry_run, as_json=as_json)
        return
    near = nearest(target, project.pipeline_names()) if target != project.settings.experiment else ""
    _refuse_others(context, "a model", _OF_PIPELINES, near or "leave it out")
    _deploy_model(project, target, where, wishes, outputs=outputs, rollback=rollback, dry_run=dry_run, as_json=as_json)


def _refuse_others(context: click.Context, what: str, names: tuple[str, ...], fix: str = "leave it out") -> None:
    """Refuse options that are about something else than what is deployed."""
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise InputError(f"{parameter.opts[0]} is not for {what}", fix=fix)


def _deploy_model(project: Project, target: str, where: str, wishes: Mapping[str, Any], *, outputs: str | None, rollback: bool,
                  dry_run: bool, as_json: bool) -> None:
    given = {name: value for name, value in wishes.items() if name != "endpoint"}
    given["steps"] = _steps(given["steps"])
    endpoint = project.online_endpoint(on=where, name=wishes["endpoint"], outputs=outputs)
    say = _silent if as_json else _say
    if rollback:
        _show(endpoint.rollback(target, say=say), as_json)
    elif not dry_run:
        _show(endpoint.deploy(target, say=say, **given), as_json)
    else:
        ahead = endpoint.ahead(target, **given)
        if as_json:
            _print_json(dataclasses.asdict(ahead))
        else:
            click.echo("\n".join(ahead.steps) or f"{ahead.model} is deployed already, as {ahead.deployment}")


def _steps(text: str | None) -> tuple[int, ...] | None:
    from ..settings import wrong_steps

    if text is None:
        return None
    try:
        steps = tuple(int(part) for part in text.split(","))
    except ValueError:
        steps = ()
    if why := wrong_steps(steps):
        raise InputError(f"--steps {text!r} are no steps", why=why, fix="write --steps 10,50,100")
    return steps


def _show(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        _print_json(dataclasses.asdict(outcome))
        return
    shares = ", ".join(f"{name} {share} %" for name, share in outcome.traffic.items())
    done = "answers" if outcome.changed else "is deployed already: it answers"
    click.echo(f"{outcome.model} {done} at {outcome.address} ({shares})")
