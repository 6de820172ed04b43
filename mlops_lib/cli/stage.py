"""``mlops stage``: what Terraform made of the stages, what a stage lacks, and what a plan would lose."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Any

import click

from ..errors import InputError, Severity, StageError, format_error
from . import _columns, _complete_stage, _print_json, _project, cli, json_option, show_finding
from .compile import _plain

if TYPE_CHECKING:
    from ..infra import Compute, Datastore, Stage
    from ..project import Project


@cli.group()
def stage() -> None:
    """What Terraform made: dev, qa, prod.

    Outputs are read from the first of: --outputs FILE; MLOPS_<STAGE>_OUTPUTS, a path or the JSON itself; the file that
    mlops.yml names for the stage; terraform output in terraform/stages/<stage>.
    """


def _known(project: Project) -> tuple[str, ...]:
    from ..infra.sources import known

    return known(project.root, published=project.settings.stages)


stage_argument = click.argument("stage", shell_complete=_complete_stage)
outputs_option = click.option("--outputs", metavar="FILE", help="Read the stage's outputs from this file.")


@stage.command("list")
@json_option
@click.pass_context
def list_stages(context: click.Context, as_json: bool) -> None:
    """The stages that are known, and whether their outputs can be read.

    Known are those that mlops.yml, the folders of terraform/stages and MLOPS_<STAGE>_OUTPUTS name.
    """
    project = _project(context)
    rows = [_listed(name, project) for name in _known(project)]
    if as_json:
        _print_json(rows)
        return
    if not rows:
        click.echo("no stage is known: see docs/stages.md", err=True)
        return
    _columns([("STAGE", "WORKSPACE", "FROM", "WHY NOT")] + [
        (row["stage"], row["workspace"] or "–", row["source"] or "–", row["why"] or "") for row in rows])


def _listed(name: str, project: Project) -> dict[str, Any]:
    from ..infra.sources import find

    source = None
    try:
        source = find(name, project.root, published=project.settings.published.get(name)).told
        found = project.stage(name)
    except StageError as error:
        return {"stage": name, "source": source, "workspace": None,
                "why": error.what.removeprefix(f"{source}: ")}
    return {"stage": name, "source": source, "workspace": found.workspace["name"], "why": None}


@stage.command("show")
@stage_argument
@outputs_option
@json_option
@click.pass_context
def show_stage(context: click.Context, stage: str, outputs: str | None, as_json: bool) -> None:
    """What Terraform made of STAGE: names and ids, nothing secret."""
    found = _project(context).stage(stage, outputs=outputs)
    if as_json:
        _print_json(found.outputs)
        return
    _columns(list(_facts(found)))
    if found.computes:
        click.echo()
        _columns([("COMPUTE", "KIND", "SIZE", "NODES")] + [
            (name, compute.kind, _size(compute), _nodes(compute)) for name, compute in sorted(found.computes.items())])
    if found.datastores:
        click.echo()
        _columns([("DATASTORE", "TYPE", "JOBS MAY", "WHERE")] + [
            (name, datastore.type, datastore.access, _where(datastore))
            for name, datastore in sorted(found.datastores.items())])


def _facts(found: Stage) -> list[tuple[str, str]]:
    network = found.networking
    return [
        ("stage", found.name), ("workspace", found.workspace["name"]), ("location", found.location),
        ("resource group", found.resource_group), ("subscription", found.subscription_id),
        ("network", f"{network['mode']}, outbound {network['isolation_mode']}"),
        ("storage", found.storage["name"]), ("key vault", found.vault["name"]),
        ("registry", found.registry["name"] if found.registry else "none: Azure ML makes one when it first builds an image"),
        ("online endpoint", found.endpoints["online"]), ("batch endpoint", found.endpoints["batch"]),
        *((f"identity of {who}", identity.client_id) for who, identity in sorted(found.identities.items())),
    ]


def _size(compute: Compute) -> str:
    return compute.vm_size or (compute.cluster_id or "").rpartition("/")[2] or "–"


def _nodes(compute: Compute) -> str:
    if compute.kind == "kubernetes":
        return f"namespace {compute.namespace}"
    if compute.kind == "instance":
        stops = [f"stops when idle for {compute.idle_shutdown}"] if compute.idle_shutdown else []
        times = [f"{one.action} {one.cron} {one.time_zone}" for one in (compute.schedules or {}).values()]
        return ", ".join([*stops, *times])
    return f"{compute.min_nodes} to {compute.max_nodes}{', low priority' if compute.low_priority else ''}"


def _where(datastore: Datastore) -> str:
    return "/".join(part for part in (datastore.account, datastore.container) if part)


@stage.command("check")
@stage_argument
@outputs_option
@click.option("--online", is_flag=True, help="Ask Azure whether all that is really there: states, quota and roles.")
@json_option
@click.pass_context
def check_stage(context: click.Context, stage: str, outputs: str | None, online: bool, as_json: bool) -> None:
    """Whether STAGE has what the project's files name.

    That is every compute, datastore and endpoint, and the default compute of mlops.yml. The Terraform files of the stage
    are looked at too: whether they still declare what this library reads. Exits with 4 when something lacks, with 2 when
    files have other mistakes, which may hide names.
    """
    from .standing import look, report_json, show_report

    project = _project(context)
    folder = project.root / "terraform" / "stages" / stage
    if folder.is_dir():
        from ..infra.declared import check

        check(folder)
    found = project.stage(stage, outputs=outputs)
    errors = [finding for finding in project.validate(stage=found) if finding.severity is Severity.ERROR]
    lacking = [finding for finding in errors if finding.code == "not-in-stage"]
    report = look(found) if online else None
    if as_json:
        _print_json({"stage": stage, "workspace": found.workspace["name"], "lacks": [_plain(finding) for finding in lacking],
                     "mistakes": [_plain(finding) for finding in errors if finding not in lacking],
                     **({"online": report_json(report)} if report is not None else {})})
    else:
        for finding in errors:
            show_finding(finding, err=False)
        if not errors:
            click.echo(f"{found.workspace['name']} has all that the project's files name", err=True)
        if report is not None:
            show_report(report, found)
    if errors or (report is not None and report.lacks):
        context.exit(4 if lacking or (report is not None and report.lacks) else 2)


@stage.command("review")
@click.argument("plan", metavar="PLAN", type=click.File("r", encoding="utf-8"))
@click.option("--allow", "allowed", multiple=True, metavar="ADDRESS", help="A resource whose loss is meant; may be repeated.")
@json_option
def review_plan(plan: IO[str], allowed: tuple[str, ...], as_json: bool) -> None:
    """Refuse a plan that loses what cannot be made again.

    PLAN is what terraform show -json says of a saved plan, or - for standard input. A workspace, account, vault, registry
    or compute instance that would be deleted or replaced makes it exit with 3, and so does a network that would be opened
    again.
    """
    import json

    from ..infra.review import review

    try:
        document = json.load(plan)
    except ValueError as error:
        raise InputError(f"{plan.name} is not JSON: {error}", fix="terraform show -json tfplan > plan.json") from None
    found = review(document, allowed=allowed)
    if as_json:
        _print_json([{"address": loss.address, "what": loss.what, "because": list(loss.because), "lost": loss.lost}
                     for loss in found])
    else:
        for loss in found:
            click.echo(format_error(str(loss), fix=f"change what leads to it, or agree to it: --allow '{loss.address}'"))
        if not found:
            click.echo("the plan loses nothing that cannot be made again", err=True)
    if found:
        sys.exit(3)
