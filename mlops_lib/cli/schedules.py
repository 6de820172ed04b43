"""``mlops schedule`` on a stage: create, list, show, enable, disable, delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from . import _columns, _complete_stage, _print_json, _project, _say, json_option
from .schedule import file_argument, schedule
from .stage import outputs_option

if TYPE_CHECKING:
    from ..engines.azureml.schedules import Scheduled

name_argument = click.argument("name")


def stage_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name a stage, which it needs."""
    return click.option("--on", "where", metavar="STAGE", required=True, shell_complete=_complete_stage,
                        help="In the workspace of this stage.")(outputs_option(json_option(click.pass_context(command))))


@schedule.command("create")
@file_argument
@stage_options
def create_schedule(context: click.Context, file: str, where: str, outputs: str | None, as_json: bool) -> None:
    """Create the schedule in FILE on Azure ML, or change it to what FILE says.

    What its job needs is registered first. The same file again changes nothing, and a schedule that is switched off stays so.
    """
    outcome = _project(context).create_schedule(file, on=where, outputs=outputs).outcome
    if outcome is None:
        return
    found = outcome.state
    if as_json:
        _print_json({**_json(found), "done": outcome.done})
    else:
        click.echo(f"{found.name}: {outcome.done}, {_switched(found)}, {found.when}")


@schedule.command("list")
@stage_options
def list_schedules(context: click.Context, where: str, outputs: str | None, as_json: bool) -> None:
    """The schedules of a stage."""
    found = _project(context).schedules(on=where, outputs=outputs)
    if as_json:
        _print_json([_json(one) for one in found])
    elif found:
        _columns([("NAME", "", "WHEN", "STARTS")] + [(one.name, _switched(one), one.when, one.job) for one in found])
    else:
        _say(f"stage {where!r} has no schedule: mlops schedule create FILE --on {where}")


@schedule.command("show")
@name_argument
@stage_options
def show_schedule(context: click.Context, name: str, where: str, outputs: str | None, as_json: bool) -> None:
    """A schedule of a stage: when it fires, and what it starts with which inputs."""
    found = _project(context).schedule(name, on=where, outputs=outputs).state()
    if as_json:
        _print_json({**_json(found), "properties": found.told["properties"]})
        return
    properties = found.told["properties"]
    _columns([("name", found.name), ("is", _switched(found)), ("fires", found.when), ("starts", found.job),
              *((label, str(properties[key])) for label, key in (("shown as", "displayName"), ("description", "description"))
                if properties.get(key)),
              *((f"input {key}", text) for key, text in found.inputs.items()),
              *((f"tag {tag}", str(value)) for tag, value in (properties.get("tags") or {}).items())])


def _switching(word: str, *, on: bool) -> None:
    @schedule.command(word, help=f"Switch a schedule of a stage {'on' if on else 'off'}; the rest of it stays as it is.")
    @name_argument
    @stage_options
    def switch_schedule(context: click.Context, name: str, where: str, outputs: str | None, as_json: bool) -> None:
        found = _project(context).schedule(name, on=where, outputs=outputs)
        changed = found.enable() if on else found.disable()
        if as_json:
            _print_json({"name": name, "stage": where, "enabled": on, "changed": changed})
        else:
            _say(f"{name}: {'' if changed else 'was already '}{'enabled' if on else 'disabled'}")


_switching("enable", on=True)
_switching("disable", on=False)


@schedule.command("delete")
@name_argument
@stage_options
def delete_schedule(context: click.Context, name: str, where: str, outputs: str | None, as_json: bool) -> None:
    """Delete a schedule of a stage; what it has started stays."""
    _project(context).schedule(name, on=where, outputs=outputs).delete()
    if as_json:
        _print_json({"name": name, "stage": where, "deleted": True})
    else:
        _say(f"{name}: deleted")


def _switched(found: Scheduled) -> str:
    return "enabled" if found.enabled else "disabled"


def _json(found: Scheduled) -> dict[str, Any]:
    return {"name": found.name, "enabled": found.enabled, "when": found.when, "job": found.job}
