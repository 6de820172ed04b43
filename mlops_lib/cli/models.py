"""``mlops models``: versions, gates, promotion and rollback."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, MlopsError
from . import _asset_json, _columns, _pairs, _print_json, _project, _say, _short, _store, cli, json_option

if TYPE_CHECKING:
    from ..evidence import Evidence
    from ..project import Project
    from ..promote import Decision
    from ..registries import Registries, Shelf
    from ..stores.evaluations import Evaluations
    from ..stores.models import Models, ModelVersion, Repointed, RunModels
    from ..stores.store import Store

# Who acts, first that is set; CI systems say it of the person who started them.
_ACTORS = ("MLOPS_ACTOR", "GITHUB_ACTOR", "BUILD_REQUESTEDFOREMAIL")
in_option = click.option("--in", "--on", "where", metavar="STAGE", default="runs", show_default=True,
                         help="Whose models: those of runs on this machine, or of a stage.")


evidence_option = click.option("--evidence", metavar="DIR|RUN",
                               help="An evaluation in a folder, or that of a past run, also of one on a stage.")


@cli.group()
def models() -> None:
    """Models that runs have registered, and the champions of stages.

    NAME:VERSION is a version; NAME alone is the latest of runs, and the champion of a stage.
    """


def stage_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where stages are."""
    options = (
        click.option("--local/--azure", "local", default=None,
                     help="Stages are those on this machine, or workspaces; default: a workspace where outputs tell of one."),
        click.option("--outputs", multiple=True, metavar="FILE",
                     help="The outputs of a stage, which is a workspace; may be repeated."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _check_about(where: str, local: bool | None, outputs: Sequence[str]) -> None:
    """Refuse options that say where a stage is when no stage is looked at."""
    from ..stores.models import RUNS

    if where == RUNS and (local is not None or outputs):
        option = "--outputs" if outputs else "--local" if local else "--azure"
        raise InputError(f"{option} says where a stage is, and the models of runs are on this machine", fix="add --in STAGE")


@contextlib.contextmanager
def _registries(project: Project, store: Store, local: bool | None, outputs: Sequence[str]) -> Iterator[Registries]:
    from ..registries import Choice, Registries

    with Registries(project, store, Choice.of(local, outputs), _say) as registries:
        yield registries


def _version(found: Models, text: str, default: str = "") -> ModelVersion:
    """A version as people name one: a name alone is the latest of runs, or the champion of a stage, or *default*."""
    from ..stores.models import CHAMPION, RUNS, find_version

    name, _, version = text.removeprefix("azureml:").replace("@", ":").partition(":")
    return find_version(found, name, version or default or ("latest" if found.name == RUNS else CHAMPION))


def _complete_model(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    try:
        project = _project(context.find_root())
        store = project.store()
        try:
            where = context.params.get("source") or context.params.get("where") or "runs"
            with _registries(project, store, context.params.get("local"), context.params.get("outputs") or ()) as registries:
                known = registries.find(where).names() if registries.is_local(where) else ()  # nobody waits for Azure here
            return [name for name in known if name.startswith(incomplete)]
        finally:
            store.close()
    except MlopsError:
        return []


name_argument = click.argument("name", metavar="NAME[:VERSION]", shell_complete=_complete_model)


# --- looking ---------------------------------------------------------------------------------------------------------


@models.command("list")
@in_option
@stage_options
@json_option
@click.pass_context
def list_models(context: click.Context, where: str, local: bool | None, outputs: tuple[str, ...], as_json: bool) -> None:
    """The newest version of each model; of a stage, its champions."""
    from ..stores.models import MODEL, RUNS

    _check_about(where, local, outputs)
    project, store = _project(context), _store(context)
    if where == RUNS:
        records = store.assets.latest(MODEL)
        if as_json:
            _print_json([_asset_json(record, store) for record in records])
        elif not records:
            _say("no models yet: a pipeline's named output registers one")
        else:
            _columns([("NAME", "VERSION", "TYPE", "MADE BY")] + [
                (record.name, record.version, record.type, record.run or record.step) for record in records])
        return
    with _registries(project, store, local, outputs) as registries:
        _list_stage(registries.stage(where), as_json)


def _list_stage(stage: Shelf, as_json: bool) -> None:
    from ..stores.models import champion_among

    found = [(versions[0].name, versions[0], champion_among(versions)) for versions in stage.all()]
    if as_json:
        _print_json([{"name": name, "latest": newest.version,
                      "champion": _version_json(stage, champion) if champion else None} for name, newest, champion in found])
    elif not found:
        _say(f"no models in {stage.name} yet: mlops models promote NAME --from runs --to {stage.name}")
    else:
        _columns([("NAME", "CHAMPION", "LATEST", "PROMOTED", "BY", "APPROVED BY")] + [
            (name, champion.version if champion else "–", newest.version, *(_tag(champion, tag) for tag in (
                "promoted_at", "promoted_by", "approved_by"))) for name, newest, champion in found])


def _tag(version: ModelVersion | None, name: str) -> str:
    return version.tags.get(name, "–") if version is not None else "–"


def _version_json(stage: Shelf, version: ModelVersion) -> dict[str, Any]:
    import dataclasses

    return {**dataclasses.asdict(version), "in": stage.name, "path": str(stage.path(version))}


@models.command("show")
@name_argument
@in_option
@stage_options
@json_option
@click.pass_context
def show_model(context: click.Context, name: str, where: str, local: bool | None, outputs: tuple[str, ...],
               as_json: bool) -> None:
    """A version: where it is, its tags, its signature, where it comes from, and the decision that made it champion."""
    _check_about(where, local, outputs)
    project, store = _project(context), _store(context)
    with _registries(project, store, local, outputs) as registries:
        _show(registries.find(where), name, store, as_json)


def _show(found: RunModels | Shelf, name: str, store: Store, as_json: bool) -> None:

    from ..promotions import read_decision, read_lineage, read_signature
    from ..stores.models import MODEL, RunModels, champion_of

    version = found.measured(_version(found, name))
    versions = found.versions(version.name)
    lineage, signature = read_lineage(found, version), read_signature(found, version)
    decision = read_decision(found, version)
    champion = champion_of(found, version.name)
    if as_json:
        known = (_asset_json(store.assets.find(MODEL, version.name, version.version), store) if isinstance(found, RunModels)
                 else _version_json(found, version))
        _print_json(known | {
            "versions": [other.version for other in versions], "tags": dict(version.tags),
            "champion": champion.version if champion else None, "lineage": lineage,
            "signature": {"inputs": dict(signature.inputs), "outputs": dict(signature.outputs)} if signature else None,
            "decision": decision})
        return
    origin = lineage.get("origin") or {}
    made_by = f"the file {origin['file']}" if origin.get("file") else f"step {origin.get('step')} of run {origin['run']}" \
        if origin.get("run") else "–"
    rows = [("name", version.name), ("version", version.version), ("type", version.type),
            ("path", where if isinstance(where := found.path(version), str) else _short(where)), ("content", version.digest),
            ("made by", made_by), ("commit", origin.get("git_commit") or "–"),
            ("versions", ", ".join(other.version for other in versions))]
    if not isinstance(found, RunModels):
        rows.append(("champion", champion.version if champion else "–"))
        if champion is not None and champion.version == version.version and decision is None:
            rows.append(("decision", "none: it was tagged by other means, and no gate has judged it"))
    if signature is not None:
        rows.append(("inputs", ", ".join(f"{port}: {type_}" for port, type_ in signature.inputs.items())))
    rows += [("data", f"{port}: {data['asset'] or data['digest']}") for port, data in (origin.get("data") or {}).items()]
    rows += [(f"tag {tag}", value) for tag, value in version.tags.items()]
    rows += [("promoted", f"{step['from']} to {step['to']} by {step['by']} at {step['at']}"
              + (f", approved by {step['approved_by']}" if step["approved_by"] else "")) for step in lineage["promotions"]]
    _columns(rows)
    if decision is not None:
        from ..promote import Decision

        for check in Decision.from_dict(decision).checks:
            click.echo(str(check))


@models.command("compare")
@click.argument("names", nargs=-1, metavar="[STAGE/]NAME[:VERSION]...")
@evidence_option
@click.option("--html", metavar="FILE", type=click.Path(dir_okay=False), help="Write a page with plots as well.")
@stage_options
@json_option
@click.pass_context
def compare_models(context: click.Context, names: tuple[str, ...], evidence: str | None, html: str | None, local: bool | None,
                   outputs: tuple[str, ...], as_json: bool) -> None:
    """Models side by side, as measured on the same test data; without names, those of the latest evaluation.

    Of a stage, NAME alone is the champion: prod/flights.
    """
    from ..comparison import page, rows_of

    store = _store(context)
    project = _project(context)
    known = _evaluations(project, store, evidence)
    with _registries(project, store, local, outputs) as registries:
        found = _compared(registries, known, names)
    if html is not None:
        from ..stores.database import translated

        with translated(Path(html)):
            Path(html).parent.mkdir(parents=True, exist_ok=True)
            Path(html).write_text(page(found), encoding="utf-8")
    if as_json:
        _print_json([model.to_dict() for model in found])
        return
    _columns(rows_of(found))
    data = found[0].data
    if data is not None:
        _say(f"measured on the same {data.rows:,} rows ({data.digest[:19]})" + (f"; see {html}" if html else ""))


def _evaluations(project: Project, store: Store, evidence: str | None) -> Evaluations:
    """All that are known, or those that *evidence* names; of a run on a stage they are brought here first."""
    from ..stores.evaluations import OUTPUT, Evaluation, Evaluations

    if evidence is None:
        return Evaluations.of(store)
    if os.path.exists(evidence):
        return Evaluations([Evaluation.read(Path(evidence))])
    try:
        run = store.records.run(evidence)
    except InputError as error:
        raise InputError(f"{evidence!r} is neither a folder nor a past run", why=error.why, fix=error.fix) from None
    project.bring_output(run, OUTPUT)
    return Evaluations.of_run(store, run.id)


def _compared(registries: Registries, known: Evaluations, names: Sequence[str]) -> list[Evidence]:
    from ..stores.models import RUNS

    if not names:
        if not known.found:
            raise InputError("nothing was evaluated yet", fix="mlops run evaluate")
        return known.found[0].all()
    digests = {}
    for text in names:
        where, slash, rest = text.rpartition("/")
        models_ = registries.find(where or RUNS)
        version = models_.measured(_version(models_, rest))
        digests[f"{where}/{version}" if slash else str(version)] = version.digest
    found = known.together(digests)
    if found is None:
        lacking = [name for name, digest in digests.items()
                   if not any(digest in evaluation.models for evaluation in known.found)]
        raise InputError(f"{', '.join(lacking)} was not evaluated" if lacking else "no test data was used for all of them",
                         why="models are compared on the same test data",
                         fix="evaluate together: mlops run evaluate --against STAGE")
    return found[1]


# --- changing --------------------------------------------------------------------------------------------------------


@models.command("tag")
@name_argument
@click.argument("tags", nargs=-1, metavar="TAG=VALUE...")
@click.option("--remove", multiple=True, metavar="TAG", help="Take a tag away.")
@in_option
@stage_options
@click.pass_context
def tag_model(context: click.Context, name: str, tags: tuple[str, ...], remove: tuple[str, ...], where: str,
              local: bool | None, outputs: tuple[str, ...]) -> None:
    """Give a version tags, which a gate may ask for, or take some away."""
    from ..stores.models import check_tags
    from ..stores.store import Store

    _check_about(where, local, outputs)
    wanted: dict[str, str | None] = {**_pairs("a tag,", tags)}
    wanted |= dict.fromkeys(remove)
    if not wanted:
        raise InputError("no tag is given", fix="write mlops models tag NAME TAG=VALUE")
    check_tags(wanted)
    project = _project(context)
    store = Store.open(project.root)
    try:
        with _registries(project, store, local, outputs) as registries:
            found = registries.find(where)
            version = _version(found, name)
            found.tag(version, wanted)
            now = next(other for other in found.versions(version.name) if other.version == version.version)
    finally:
        store.close()
    click.echo(f"{now}: " + (", ".join(f"{tag}={value}" for tag, value in now.tags.items()) or "no tags"))


@models.command("promote")
@name_argument
@click.option("--from", "source", required=True, metavar="STAGE|runs", help="Where the version is.")
@click.option("--to", "target", required=True, metavar="STAGE", help="The stage whose champion it is to be.")
@click.option("--gate", "gate_file", metavar="FILE", type=click.Path(),
              help="The gate, when the settings name none for the stage.")
@click.option("--approved-by", metavar="WHO", help="Who has approved it.")
@evidence_option
@stage_options
@json_option
@click.pass_context
def promote_model(context: click.Context, name: str, source: str, target: str, gate_file: str | None, approved_by: str | None,
                  evidence: str | None, local: bool | None, outputs: tuple[str, ...], as_json: bool) -> None:
    """Make a version the champion of a stage, if it passes the stage's gate.

    Every check is told with its numbers. A refusal exits with 3, and changes nothing. Schedules and batch deployments of a
    workspace that name the champion before are told the new one; when some are not, this exits with 4.
    """
    from ..promotions import Request, promote

    repointed: list[Repointed] = []

    project, store = _project(context), _store(context)
    with _registries(project, store, local, outputs) as registries:
        to = registries.stage(target)
        gate, shown, content = project.gate(target, gate_file)
        models_, version = _candidate(registries, source, target, name)
        known = _evaluations(project, store, evidence)
        losses = [gate.confidence.loss] if gate.confidence is not None else []
        rule = project.settings.stages.get(target)
        request = Request(gate=gate, gate_file=shown, gate_text=content, actor=_actor(),
                          approved_by=" ".join((approved_by or "").split()) or None,
                          approval=rule.approval if rule else "none", at=_now(), after=rule.after if rule else None)

        def evidences(candidate: ModelVersion, champion: ModelVersion | None) -> tuple[Evidence, Evidence | None]:
            return known.judged(candidate.digest, str(candidate), champion.digest if champion else None, str(champion),
                                losses=losses, stage=target)

        decision, stored = promote(models_, version, to, request, evidences, repointed.append)
    if as_json:
        _print_json({"promoted": stored is not None, "model": str(version), "from": source, "to": target, "where": to.where,
                     "champion": stored.version if stored else None, "replaced": decision.champion,
                     "decision": decision.to_dict(), "repointed": _repointed_json(repointed)})
    else:
        _show_decision(decision)
    if stored is None and repointed:
        _say(f"{version} is the champion of {target} already; what its promotion had left is done now")
        _show_repointed(context, repointed, version.name, target)
        return
    if stored is None:
        against = [check for check in decision.checks if not check.passed]
        _say(f"{version} is not promoted to {target}: {len(against)} of {len(decision.checks)} checks refuse it")
        context.exit(3)
    _say(f"{version} of {source} is now the champion {stored} of {target}"
         + (f"; before: {decision.champion}" if decision.champion else ""))
    _show_repointed(context, repointed, version.name, target)


def _repointed_json(repointed: Sequence[Repointed]) -> list[dict[str, Any]]:
    return [{"what": one.what, "done": one.problem is None, "why": str(one.problem) if one.problem else None}
            for one in repointed]


def _show_repointed(context: click.Context, repointed: Sequence[Repointed], name: str, stage: str) -> None:
    """Tell what names the champion now, and what still names another; exit with 4 when there is such."""
    from ..errors import format_error

    for one in repointed:
        if one.problem is None:
            _say(f"updated: {one.what}")
        else:
            _say(format_error(f"not updated: {one.what}", why=f"{one.problem.what}: {one.problem.why}".rstrip(": "),
                              fix="; then ".join(part for part in (
                                  one.problem.fix, f"mlops models refresh {name} --in {stage}") if part)))
    if any(one.problem is not None for one in repointed):
        context.exit(4)


def _candidate(registries: Registries, source: str, target: str, name: str) -> tuple[RunModels | Shelf, ModelVersion]:
    """The version that is to be promoted, and where it is.

    In a workspace runs and champions are versions of one model: there a version may become the champion of its own stage.
    """
    from ..stores.models import RUNS

    models_, to = registries.find(source), registries.stage(target)
    if source == target and registries.is_local(target):
        raise InputError(f"the version is in {target} already", fix=f"name another stage, or {RUNS}, with --from")
    if source != RUNS and registries.is_local(source) != registries.is_local(target):
        raise InputError(f"{source} is {models_.where}, and {target} {to.where}",
                         why="a model that was tried on one side has not been on the other",
                         fix="name the outputs of both: --outputs FILE --outputs FILE; or --local for both on this machine")
    return models_, _version(models_, name, "latest" if source == target else "")


def _show_decision(decision: Decision) -> None:
    for check in decision.checks:
        word, colour = ("passed ", "green") if check.passed else ("refused", "red")
        click.echo(f"{click.style(word, fg=colour)}  {check.name}: {check.told}")


@models.command("rollback")
@click.argument("name", shell_complete=_complete_model)
@click.option("--in", "where", required=True, metavar="STAGE", help="The stage.")
@stage_options
@json_option
@click.pass_context
def rollback_model(context: click.Context, name: str, where: str, local: bool | None, outputs: tuple[str, ...],
                   as_json: bool) -> None:
    """Make the version that the champion of a stage has replaced the champion again.

    What names the champion until now is told, as by promote.
    """
    from ..promotions import rollback

    repointed: list[Repointed] = []
    with _registries(_project(context), _store(context), local, outputs) as registries:
        stage = registries.stage(where)
        now, before = rollback(stage, name, actor=_actor(), at=_now(), tell=repointed.append)
    if as_json:
        _print_json({"model": name, "in": where, "where": stage.where, "champion": now.version, "before": before.version,
                     "repointed": _repointed_json(repointed)})
    else:
        click.echo(f"{now} is the champion of {where} again; before: {before}")
    _show_repointed(context, repointed, name, where)


@models.command("refresh")
@click.argument("name", shell_complete=_complete_model)
@click.option("--in", "where", required=True, metavar="STAGE", help="The stage.")
@stage_options
@json_option
@click.pass_context
def refresh_model(context: click.Context, name: str, where: str, local: bool | None, outputs: tuple[str, ...],
                  as_json: bool) -> None:
    """Finish what a promotion or rollback has left.

    Schedules and batch deployments that name the champion before are told the champion; exits with 4 when some are not.
    """
    from ..promotions import refresh

    repointed: list[Repointed] = []
    with _registries(_project(context), _store(context), local, outputs) as registries:
        stage = registries.stage(where)
        champion = refresh(stage, name, repointed.append)
    if as_json:
        _print_json({"model": name, "in": where, "where": stage.where, "champion": champion.version,
                     "repointed": _repointed_json(repointed)})
    else:
        click.echo(f"{champion} is the champion of {where}" + ("" if repointed else ", and nothing was left to do"))
    _show_repointed(context, repointed, name, where)


def _actor() -> str:
    """Who acts: as CI says, or else the user of this machine.

    Raises:
        InputError: that one has no name, as in a container that runs as any user.
    """
    said = next((who for name in _ACTORS if (who := os.environ.get(name, "").strip())), None)
    try:
        return said or getpass.getuser()
    except (KeyError, OSError):
        raise InputError("nobody says who promotes", why="the user of this machine has no name, and records have one",
                         fix=f"set {_ACTORS[0]}") from None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
