"""``mlops serve``: a model on this machine, behind the server and the code that Azure ML runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from . import _print_json, _project, _say, cli, json_option
from .models import _complete_model, _registries, _version, stage_options

if TYPE_CHECKING:
    from ..project import Project
    from ..registries import Registries
    from ..serving.servable import Servable

PORT = 5001  # Microsoft's own default


@cli.command()
@click.argument("model", metavar="MODEL", shell_complete=_complete_model)
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True,
              help="Where to listen on 127.0.0.1; 0: any free port.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="How many processes answer.")
@click.option("--telemetry", metavar="FILE", help="Append metrics and spans to FILE, as lines of JSON; - prints them.")
@stage_options
@json_option
@click.pass_context
def serve(context: click.Context, model: str, port: int, workers: int, telemetry: str | None, local: bool | None,
          outputs: tuple[str, ...], as_json: bool) -> None:
    """Serve MODEL on this machine, until Ctrl-C.

    MODEL is NAME, NAME:VERSION or NAME@latest of what runs have registered, NAME@STAGE for the champion of a stage,
    NAME@champion for that of the stage in mlops.yml, or the folder of an MLflow model. It runs the scoring script of a
    deployment on Azure ML in Microsoft's server, in an environment made of the model's own requirements.
    """
    import json
    import shlex

    from ..serving import code
    from ..serving.servable import request_of
    from ..serving.server import Server, Serving, build, environment_of, free_port

    with _found(context, model, local, outputs) as (found, work):
        chosen = free_port(port)
        told = {} if telemetry is None else {"MLOPS_TELEMETRY": "console" if telemetry == "-" else _writable(telemetry)}
        environment = environment_of(found, work.parents[1] / "environments")
        build(environment, _say)
        sample = request_of(found)
        serving = Serving(model=found, script=code.write(found, sample, work / "code"), environment=environment, port=chosen,
                          workers=workers, variables={"MLOPS_MODEL": str(found), **told})
        with contextlib.suppress(KeyboardInterrupt), Server(serving, _say) as server:
            if as_json:
                _print_json({"model": str(found), "kind": found.kind, "address": server.address, "sample": sample,
                             "openapi": server.address.removesuffix("score") + "swagger.json?version=3"})
            else:
                click.echo(f"{found} answers at {server.address}; end it with Ctrl-C")
                click.echo(f"curl {server.address} -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(sample))}")
            server.wait()


@contextlib.contextmanager
def _found(context: click.Context, text: str, local: bool | None, outputs: Sequence[str]) -> Iterator[tuple[Servable, Path]]:
    """The model that is meant, and a folder for its server, which is gone afterwards."""
    from ..serving.servable import read

    with contextlib.ExitStack() as opened:
        folder = Path(text)
        if os.path.isdir(folder) or os.sep in text:
            if not os.path.isdir(folder):
                raise InputError(f"the folder {text!r} does not exist",
                                 fix="name the folder of an MLflow model, or a registered model: mlops models list")
            yield read(folder.resolve(), folder.resolve().name), opened.enter_context(_workplace(_home(context)))
            return
        project = _project(context)
        store = project.store()
        opened.callback(store.close)
        work = opened.enter_context(_workplace(store.folder))
        with _registries(project, store, local, outputs) as registries:
            found = _registered(project, registries, text, work)
        yield found, work


def _registered(project: Project, registries: Registries, text: str, work: Path) -> Servable:
    from ..serving.servable import fetch, read
    from ..stores.models import CHAMPION, RUNS
    from ..stores.stages import StageModels, check_bytes, digest_of

    name, _, label = text.removeprefix("azureml:").partition("@")
    if label == CHAMPION and project.settings.champion is None:
        raise InputError(f"{text!r}: there is no stage whose champion it is", fix=f"write {name}@STAGE, or "
                         f"in {project.settings.file}: champion: STAGE")
    where = project.settings.champion if label == CHAMPION else label if label not in ("", "latest") else None
    models = registries.find(where or RUNS)
    version = _version(models, name, CHAMPION if where else "latest")
    place = models.path(version)
    if isinstance(models, StageModels):
        check_bytes(models.name, version, digest_of(models.path(version)))
    folder = place if isinstance(place, Path) else fetch(models, version, work / "model")
    return read(folder, version.name, version.version)


def _writable(file: str) -> str:
    """The place of a file that the server can append to: it would serve without a word of telemetry otherwise."""
    from ..stores.database import translated

    with translated(Path(file)):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        with open(file, "ab"):
            return os.path.abspath(file)


@contextlib.contextmanager
def _workplace(home: Path) -> Iterator[Path]:
    """A new folder: in a container each process may have the number of one that was killed and has left its own."""
    import tempfile

    (home / "serving").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home / "serving", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _home(context: click.Context) -> Path:
    """``.mlops`` of the project; outside of any, of this folder."""
    from ..stores.store import FOLDER

    try:
        return _project(context).root / FOLDER
    except InputError:
        return Path.cwd() / FOLDER
