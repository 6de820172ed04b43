"""``mlops stage configure``: what azurerm cannot do for a stage."""

from __future__ import annotations

import click

from . import _print_json, _project, _say, json_option
from .stage import outputs_option, stage, stage_argument


@stage.command("configure")
@stage_argument
@outputs_option
@click.option("--dry-run", is_flag=True, help="Only say what would be changed.")
@json_option
@click.pass_context
def configure_stage(context: click.Context, stage: str, outputs: str | None, dry_run: bool, as_json: bool) -> None:
    """Do for STAGE what Terraform's azurerm cannot.

    That is when compute instances stop for want of work, when they start and stop by the clock, and Kubernetes clusters
    attached: as the stage's outputs wish. What is as it should be is left alone, so that a second run changes nothing.
    """
    from ..engines.azureml.configuring import configure
    from ..engines.azureml.workspace import Workspace

    found = _project(context).stage(stage, outputs=outputs)
    with Workspace(found) as workspace:
        changes = configure(workspace, dry_run=dry_run,
                            done=lambda change: None if as_json else click.echo(f"changed {change}"))
    if as_json:
        _print_json({"stage": stage, "workspace": found.workspace["name"], "dry_run": dry_run,
                     "changes": [{"compute": change.compute, "what": change.what} for change in changes]})
        return
    for change in changes if dry_run else ():
        click.echo(f"would change {change}")
    if not changes:
        _say(f"stage {stage!r} is as its outputs wish: nothing to change")
