"""``mlops deploy``: a pipeline behind a batch endpoint of a stage, or a model behind its online endpoint."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import InputError, Refused, StageError, did_you_mean, nearest
from . import _complete_pipeline, _complete_stage, _print_json, _project, _say, against_option, cli, json_option, set_option
from .endpoints import _silent, deploy_pipeline, is_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..engines.azureml.registry import WorkspaceModels
    from ..engines.azureml.workspace import Workspace
    from ..project import Project
    from ..serving.deployment import Deployment, Wish
    from ..serving.rollout import Outcome
    from ..settings import OnlineSettings
    from ..stores.models import ModelVersion

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
           any_version: bool, sample: Path | None, values: tuple[str, ...], against: str | None, as_json: bool,
           **wishes: Any) -> None:
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
    _deploy_model(project, target, where, wishes, outputs=outputs, rollback=rollback, dry_run=dry_run, any_version=any_version,
                  sample=sample, as_json=as_json)


def _refuse_others(context: click.Context, what: str, names: tuple[str, ...], fix: str = "leave it out") -> None:
    """Refuse options that are about something else than what is deployed."""
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            raise InputError(f"{parameter.opts[0]} is not for {what}", fix=fix)


def _deploy_model(project: Project, target: str, where: str, wishes: Mapping[str, Any], *, outputs: str | None, rollback: bool,
                  dry_run: bool, any_version: bool, sample: Path | None, as_json: bool) -> None:
    from ..engines.azureml.workspace import Workspace
    from ..serving.rollout import plan, roll_back

    stage = project.stage(where, outputs=outputs)
    settings = project.settings.online_on(where)
    wish = _wish(settings, stage.endpoints["online"], wishes)
    say = _silent if as_json else _say
    with Workspace(stage) as workspace:
        name, _, wanted = target.removeprefix("azureml:").replace("@", ":").partition(":")
        models = _models(workspace)
        if rollback:
            try:
                outcome = roll_back(workspace, wish.endpoint, name, say)
            except (InputError, StageError):
                _check_known(project, models, target)
                raise
            _show(outcome, as_json)
            return
        _check_known(project, models, target)
        deployment = _deployment(models, name, wanted, sample, wish,
                                 champion_only=not any_version and _champion_only(settings, where))
        if not dry_run:
            _show(_rolled_out(workspace, deployment, wish, say), as_json)
            return
        steps = plan(workspace, deployment, wish)
    if as_json:
        _print_json({"endpoint": wish.endpoint, "deployment": deployment.name, "model": deployment.model, "steps": list(steps)})
    else:
        click.echo("\n".join(steps) or f"{deployment.model} is deployed already, as {deployment.name}")


def _check_known(project: Project, models: WorkspaceModels, target: str) -> None:
    """Refuse a name that is neither of the pipelines nor of the models."""
    known = project.pipeline_names()
    if target not in known and not set(target) & set(":@") and not models.versions(target):
        raise InputError(f"the project has no pipeline {target!r}, and {models.name} no model of that name",
                         fix=did_you_mean(target, [*known, *models.names()]))


def _rolled_out(workspace: Workspace, deployment: Deployment, wish: Wish, say: Callable[[str], None]) -> Outcome:
    from ..serving.rollout import roll_out

    try:
        return roll_out(workspace, deployment, wish, say)
    except KeyboardInterrupt:
        say("everything stays as it is at this moment: the same command goes on, --rollback goes back")
        raise


def _wish(settings: OnlineSettings, endpoint: str, given: Mapping[str, Any]) -> Wish:
    from ..serving.deployment import Wish
    from ..settings import wrong_steps

    steps = settings.steps
    if given["steps"] is not None:
        try:
            steps = tuple(int(part) for part in given["steps"].split(","))
        except ValueError:
            steps = ()
        if why := wrong_steps(steps):
            raise InputError(f"--steps {given['steps']!r} are no steps", why=why, fix="write --steps 10,50,100")
    compute = given["compute"] or settings.compute
    usual = "" if compute else settings.instance_type  # on Kubernetes sizes are names of the cluster's own
    return Wish(endpoint=given["endpoint"] or settings.endpoint or endpoint, auth=given["auth"] or settings.auth,
                instance_type=given["instance_type"] or usual, instances=given["instances"] or settings.instances,
                workers=given["workers"] or settings.workers,
                compute=compute, steps=steps, watch=given["watch"], errors=given["max_errors"] / 100, keep=given["keep_failed"])


def _champion_only(settings: OnlineSettings, stage: str) -> bool:
    """Whether a stage serves its champion only: prod does, unless the settings say otherwise."""
    return settings.models == "champion" or (settings.models is None and stage.partition("-")[0] == "prod")


def _models(workspace: Any) -> WorkspaceModels:
    from ..engines.azureml.registry import WorkspaceModels

    return WorkspaceModels(workspace)


def _deployment(models: WorkspaceModels, name: str, wanted: str, sample: Path | None, wish: Wish, *,
                champion_only: bool) -> Deployment:
    """The deployment of a version in the stage's workspace."""
    import tempfile

    from ..serving.deployment import describe
    from ..serving.servable import fetch, read, request_of
    from ..stores.models import CHAMPION, champion_among, find_version

    version = find_version(models, name, wanted or CHAMPION)
    champion = champion_among(models.versions(name))
    if champion_only and (champion is None or champion.version != version.version):
        raise _no_champion(models.name, version, champion)
    with tempfile.TemporaryDirectory(prefix="mlops-") as folder:
        found = read(fetch(models, version, Path(folder, "model")), version.name, version.version)
        if found.sample is None and sample is None:
            raise InputError(f"the model {version} has no input example", why="a deployment is tried with a request",
                             fix="give one: --sample FILE, or save the model with input_example=…")
        request = request_of(found) if sample is None else _read(sample)
        return describe(found, request, wish)


def _no_champion(stage: str, version: ModelVersion, champion: ModelVersion | None) -> Refused:
    who = f"that is {champion}" if champion else "there is none"
    return Refused(f"{version} is not the champion of {stage}", why=f"{who}, and only a champion is served there",
                   fix=f"promote it, or write --any-version, or in mlops.yml: stages: {{{stage}: {{online: {{models: any}}}}}}")


def _read(file: Path) -> Mapping[str, Any]:
    import json

    try:
        found = json.loads(file.read_bytes())
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}", fix="write the body of a request") from None
    if not isinstance(found, dict):
        raise InputError(f"{file} is no request", why="the body of one is an object", fix='{"dataframe_records": [{…}]}')
    return found


def _show(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        _print_json(dataclasses.asdict(outcome))
        return
    shares = ", ".join(f"{name} {share} %" for name, share in outcome.traffic.items())
    done = "answers" if outcome.changed else "is deployed already: it answers"
    click.echo(f"{outcome.model} {done} at {outcome.address} ({shares})")
