"""What ``mlops stage check --online`` found, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import _columns

if TYPE_CHECKING:
    from ..engines.azureml.inspecting import Report
    from ..infra import Stage


def look(stage: Stage) -> Report:
    """Ask Azure."""
    from ..engines.azureml.inspecting import inspect
    from ..engines.azureml.workspace import Workspace

    with Workspace(stage) as workspace:
        return inspect(workspace)


def report_json(report: Report) -> dict[str, Any]:
    """A report as plain data."""
    return {"found": [{"kind": fact.kind, "name": fact.name, "state": fact.state, "about": fact.about}
                      for fact in report.facts],
            "lacks": [{"what": lack.what, "why": lack.why, "fix": lack.fix} for lack in report.lacks],
            "unread": [{"what": unread.what, "why": unread.why} for unread in report.unread]}


def show_report(report: Report, stage: Stage) -> None:
    """Print a report: what is there, what lacks with its why and fix, and what could not be seen."""
    if report.facts:
        _columns([("KIND", "NAME", "STATE", "ABOUT")] + [
            (fact.kind, fact.name, fact.state, fact.about) for fact in report.facts])
    for lack in report.lacks:
        click.echo(str(lack))
    for unread in report.unread:
        click.echo(f"could not see {unread.what}: {unread.why}")
    if not report.lacks:
        seen = ", as far as it could be seen" if report.unread else ""
        click.echo(f"stage {stage.name!r} is in Azure as Terraform said{seen}", err=True)
