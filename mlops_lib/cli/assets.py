"""``mlops data``, ``components`` and ``environments``, and ``register`` of these and of models."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, did_you_mean
from . import (
    _asset_json,
    _columns,
    _complete_stage,
    _print_json,
    _project,
    _say,
    _short,
    _store,
    cli,
    json_option,
)
from .models import models
from .stage import outputs_option

if TYPE_CHECKING:
    from ..engines.azureml.workspace import Workspace
    from ..spec import Component, Environment

_NOUNS: Mapping[str, str] = {"data": "data asset", "component": "component", "environment": "environment", "model": "model"}


def on_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name a stage."""
    return click.option("--on", "where", metavar="STAGE", shell_complete=_complete_stage,
                        help="In the workspace of this stage.")(outputs_option(command))


@contextlib.contextmanager
def workspace_of(context: click.Context, stage: str, outputs: str | None) -> Iterator[Workspace]:
    """The workspace of a stage, opened."""
    from ..engines.azureml.workspace import Workspace

    with Workspace(_project(context).stage(stage, outputs=outputs)) as workspace:
        yield workspace


# --- groups ----------------------------------------------------------------------------------------------------------


@cli.group()
def data() -> None:
    """Data that pipelines on this machine have registered, or that a workspace has."""


@cli.group()
def components() -> None:
    """Components of the project, or those that a workspace has."""


@cli.group()
def environments() -> None:
    """Environments of the project, or those that a workspace has."""


def _looking(group: click.Group, kind: str, list_here: Callable[[click.Context, bool], None],
             show_here: Callable[[click.Context, str, str | None, bool], None]) -> None:
    """The commands list and show of a group: here, or on a stage."""
    @group.command("list", help=f"The newest version of each {_NOUNS[kind]}.")
    @on_option
    @json_option
    @click.pass_context
    def list_(context: click.Context, where: str | None, outputs: str | None, as_json: bool) -> None:
        if where is None:
            _refuse(outputs)
            list_here(context, as_json)
            return
        from ..engines.azureml.assets import listed

        with workspace_of(context, where, outputs) as workspace:
            found = listed(workspace, kind)
        rows = [(str(item["name"]), str(item["properties"].get("latestVersion") or "–"),
                 str(item["properties"].get("description") or "")) for item in found]
        if as_json:
            _print_json([{"name": name, "version": version, "description": description, "stage": where}
                         for name, version, description in rows])
        elif rows:
            _columns([("NAME", "VERSION", "DESCRIPTION"), *rows])
        else:
            _say(f"stage {where!r} has no {_NOUNS[kind]} yet")

    @group.command("show", help=f"NAME, NAME:VERSION or NAME@latest: a {_NOUNS[kind]}.")
    @click.argument("name")
    @on_option
    @json_option
    @click.pass_context
    def show(context: click.Context, name: str, where: str | None, outputs: str | None, as_json: bool) -> None:
        bare, _, version = name.removeprefix("azureml:").replace("@", ":").partition(":")
        if where is None:
            _refuse(outputs)
            show_here(context, bare, version or None, as_json)
            return
        from ..engines.azureml.assets import shown

        with workspace_of(context, where, outputs) as workspace:
            found, versions = shown(workspace, kind, bare, version or None)
        if as_json:
            _print_json({"name": bare, "version": found["name"], "id": found["id"], "properties": found["properties"],
                         "versions": versions, "stage": where})
        else:
            _columns(list(_rows(bare, found, versions)))


def _refuse(outputs: str | None) -> None:
    if outputs is not None:
        raise InputError("--outputs needs --on", fix="write --on STAGE")


def _rows(name: str, found: Mapping[str, Any], versions: list[str]) -> Iterator[tuple[str, str]]:
    """A version as Azure tells it, for people."""
    told = found["properties"]
    spec = told.get("componentSpec") or {}
    yield "name", name
    yield "version", str(found["name"])
    for label, value in (("type", spec.get("type") or told.get("dataType") or told.get("modelType")),
                         ("path", told.get("dataUri") or told.get("modelUri")), ("image", told.get("image")),
                         ("environment", spec.get("environment")), ("code", spec.get("code")),
                         ("description", told.get("description")),
                         ("created", (found.get("systemData") or {}).get("createdAt")),
                         ("content", (told.get("properties") or {}).get("mlops_content"))):
        if value:
            yield label, str(value)
    yield from ((f"tag {tag}", str(value)) for tag, value in (told.get("tags") or {}).items())
    yield "id", str(found["id"])
    yield "versions", ", ".join(versions)


# --- here ------------------------------------------------------------------------------------------------------------


def _list_data(context: click.Context, as_json: bool) -> None:
    store = _store(context)
    found = store.assets.latest("data")
    if as_json:
        _print_json([_asset_json(record, store) for record in found])
        return
    if not found:
        _say("no data yet: a pipeline's named output registers one")
        return
    _columns([("NAME", "VERSION", "TYPE", "MADE BY")] + [
        (record.name, record.version, record.type, record.run or record.step) for record in found])


def _show_data(context: click.Context, name: str, version: str | None, as_json: bool) -> None:
    store = _store(context)
    record = store.assets.find("data", name, version or "latest")
    versions = [other.version for other in store.assets.versions("data", name)]
    if as_json:
        _print_json(_asset_json(record, store) | {"versions": versions})
        return
    _columns([("name", record.name), ("version", record.version), ("type", record.type),
              ("path", _short(store.folder / record.path)), ("content", record.digest),
              ("made by", f"step {record.step} of run {record.run}" if record.run else f"the file {record.step}"),
              ("versions", ", ".join(versions))])


def _named(context: click.Context, kind: str) -> dict[str, Any]:
    """The components or environments of the project, by name, without those that have mistakes."""
    catalogue = _project(context).catalogue()
    word = {"components": None, "environments": "environment"}[kind]
    found = {name: catalogue.spec(path, word) for name, path in sorted(catalogue.names(kind).items())}
    return {name: (spec, catalogue.display(catalogue.names(kind)[name])) for name, spec in found.items() if spec is not None}


def _list_of(kind: str, about: Callable[[Any], str]) -> Callable[[click.Context, bool], None]:
    def list_here(context: click.Context, as_json: bool) -> None:
        found = _named(context, kind)
        rows = [(name, str(spec.version or "–"), about(spec), file) for name, (spec, file) in found.items()]
        if as_json:
            _print_json([{"name": name, "version": spec.version, "about": about(spec), "file": file}
                         for name, (spec, file) in found.items()])
        elif rows:
            _columns([("NAME", "VERSION", "ABOUT", "FILE"), *rows])
        else:
            _say(f"the project has no {kind}")

    return list_here


def _show_of(kind: str) -> Callable[[click.Context, str, str | None, bool], None]:
    def show_here(context: click.Context, name: str, version: str | None, as_json: bool) -> None:
        found = _named(context, kind)
        if name not in found:
            raise InputError(f"the project has no {kind[:-1]} {name!r}", fix=did_you_mean(name, list(found)) if found else "")
        spec, file = found[name]
        if version not in (None, "latest", spec.version):
            raise InputError(f"the {kind[:-1]} {name!r} of the project has version {spec.version or 'none'}, not {version!r}",
                             fix=f"see those of a stage: mlops {kind} show {name}:{version} --on STAGE")
        if as_json:
            _print_json({"file": file, **spec.to_dict()})
            return
        from ..document import unparse

        click.echo(f"# {file}\n{unparse(spec.to_dict())}", nl=False)

    return show_here


def _about_component(spec: Component) -> str:
    return f"{spec.type}, {spec.role}" if spec.role else str(spec.type)


def _about_environment(spec: Environment) -> str:
    return spec.image or ("a Docker build" if spec.build else "")


# --- register --------------------------------------------------------------------------------------------------------


def _registering(group: click.Group, kind: str) -> None:
    here = kind in ("data", "model")

    @group.command("register", help=(
        f"Register the {_NOUNS[kind]} of each FILE" + (", on this machine or in the workspace of a stage."
                                                      if here else " in the workspace of a stage.") +
        " What is registered already, by content, is not registered again; a version that exists with other content is"
        " refused, and then nothing is registered."))
    @click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
    @on_option
    @json_option
    @click.pass_context
    def register(context: click.Context, files: tuple[str, ...], where: str | None, outputs: str | None, as_json: bool) -> None:
        if where is None:
            _refuse(outputs)
        project = _project(context)
        done = project.register(kind, files, on=where, outputs=outputs)
        if as_json:
            _print_json([{"name": one.name, "version": one.version, "id": one.id, "new": one.new, "file": str(one.file)}
                         for one in done])
            return
        for one in done:
            click.echo(f"{one.name}:{one.version}  {'registered' if one.new else 'was there already'}")
        _say(f"{sum(one.new for one in done)} new, {sum(not one.new for one in done)} there already")


_looking(data, "data", _list_data, _show_data)
_looking(components, "component", _list_of("components", _about_component), _show_of("components"))
_looking(environments, "environment", _list_of("environments", _about_environment), _show_of("environments"))
for _group, _kind in ((data, "data"), (components, "component"), (environments, "environment"), (models, "model")):
    _registering(_group, _kind)
