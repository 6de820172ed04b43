"""The command line: arguments into calls, results into text and an exit code.

Only what every command needs is imported here; each command imports what it uses, so that ``mlops --help`` and shell
completion answer at once.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .. import __version__
from ..errors import CompileError, InputError, MlopsError, Severity, format_error

if TYPE_CHECKING:
    from ..project import Project
    from ..stores.records import AssetRecord
    from ..stores.store import Store

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class _ReaderGone(Exception):
    """Whoever reads what is printed (head, less) has gone away."""


class _Commands(click.Group):
    """The commands; click itself answers a broken pipe with the exit code of a failed job."""

    def invoke(self, context: click.Context) -> Any:
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except BrokenPipeError:
            raise _ReaderGone from None
        return result


@click.group(cls=_Commands, context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="mlops")
@click.option("--project", "folder", metavar="DIR", help="The project's folder; default: the one around this folder.",
              type=click.Path(exists=True, file_okay=False))
@click.pass_context
def cli(context: click.Context, folder: str | None) -> None:
    """Azure ML pipelines: compile them, run them on this machine, see what they did.

    Exit codes: 0 done, 1 a job failed, 2 wrong input, 3 a gate refused, 4 a stage cannot be reached or lacks something,
    130 canceled.
    """
    context.obj = folder


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; no user's mistake ends in a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)
    gc.set_threshold(100_000, 20, 20)  # a large pipeline is a million objects that stay: looking for garbage finds none
    atexit.register(gc.freeze)  # nor does the interpreter's own look at its end, which took an eighth of a command's time
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale without arrows, a file name without an encoding
    _leave(_code_of(arguments))


def _code_of(arguments: Sequence[str] | None) -> int:
    """Run the command line; its exit code."""
    try:
        # Without click's own endings, its call gives the exit code of a command that chose one.
        code = cli.main(args=list(arguments) if arguments is not None else None, prog_name="mlops", standalone_mode=False,
                        color=None if _colourful() else False)
        return code if isinstance(code, int) else 0
    except click.Abort:
        _say("canceled")
        return 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "mlops"
        _say(format_error(error.format_message(), fix=f"{command} --help"))
        return 2
    except click.ClickException as error:
        _say(error.format_message())
        return 2
    except MlopsError as error:
        show_error(error)
        if "--json" in (sys.argv[1:] if arguments is None else arguments):
            _print_json({"errors": [str(one) for one in (error.findings if isinstance(error, CompileError) else (error,))]})
        return error.exit_code
    except (_ReaderGone, BrokenPipeError):
        # Nothing is wrong here. What is left in the buffers must not be tried again at the interpreter's end.
        for descriptor in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        return 141
    except KeyboardInterrupt:
        _say("canceled")
        return 130
    except RuntimeError as error:
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        # Python before 3.12 makes one of what comes while a class is made, as in an import.
        _say("canceled")
        return 130


def _leave(code: int) -> NoReturn:
    """Exit, also while Azure's SDK is uploading something that was given up: the interpreter would wait for the last of it."""
    if any(thread.name == "azure" for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _colourful() -> bool:
    """Whether a terminal, if there is one, should get colours and a view that moves."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    click.echo(text, err=True)


def show_error(error: MlopsError) -> None:
    """Print an error; on a terminal with colour and the line that it is about."""
    if not sys.stderr.isatty() or not _colourful():
        _say(str(error))
        return
    if isinstance(error, CompileError):
        for finding in error.findings:
            show_finding(finding)
    else:
        _paint(error.what, str(error.place or ""), error.why, error.fix, "red")


def show_finding(finding: Any, *, err: bool = True) -> None:
    """Print a finding; on a terminal with its source line and a caret."""
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty() or not _colourful():
        click.echo(str(finding), err=err)
        return
    from .source import excerpt

    colour = "red" if finding.severity is Severity.ERROR else "yellow"
    _paint(finding.what, str(finding.place), finding.why, finding.fix, colour, excerpt(finding), err=err)


def _paint(what: str, place: str, why: str, fix: str, colour: str, source: tuple[str, str] | None = None, *,
           err: bool = True) -> None:
    lead = click.style(f"{place}: ", bold=True) if place else ""
    click.echo(lead + click.style(what, fg=colour, bold=True), err=err)
    if source is not None:
        line, marks = source
        click.echo(f"  | {line}\n  | {click.style(marks, fg=colour, bold=True)}", err=err)
    if why:
        click.echo(click.style("  why: ", dim=True) + why, err=err)
    if fix:
        click.echo(click.style("  fix: ", fg="green") + fix, err=err)


def _project(context: click.Context) -> Project:
    from ..project import Project

    return Project(context.obj, near=Path.cwd()) if context.obj else Project.discover()


def _print_json(value: Any) -> None:
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str))


def _finite(metrics: Any) -> dict[str, Any]:
    """Metrics for JSON, which has no word for NaN or infinity: those become strings."""
    return {name: value if value - value == 0 else str(value) for name, value in metrics.items()}


def _complete_pipeline(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    try:
        return [name for name in _project(context.find_root()).pipeline_names() if name.startswith(incomplete)]
    except MlopsError:
        return []


def _complete_run(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    try:
        store = _project(context.find_root()).store()
        try:
            return [run.id for run in store.records.runs(200) if run.id.startswith(incomplete)]
        finally:
            store.close()
    except MlopsError:
        return []


def _complete_step(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    try:
        store = _project(context.find_root()).store()
        try:
            steps = store.records.steps(store.records.run(context.params["run"]).id)
            return [step.name for step in steps if step.name.startswith(incomplete)]
        finally:
            store.close()
    except MlopsError:
        return []


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {text!r} has no {'name' if equals else repr('=')}", fix=f"write {option} NAME=VALUE")
        if name in values:
            raise InputError(f"{option} gives {name!r} twice", fix="give it once")
        values[name] = value
    return values


def _complete_stage(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from ..infra.sources import known

    try:
        project = _project(context.find_root())
        return [name for name in known(project.root, published=project.settings.stages) if name.startswith(incomplete)]
    except MlopsError:
        return []


HERE = "local"  # where a run is, when it is on no stage
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
pipeline_argument = click.argument("pipeline", shell_complete=_complete_pipeline)
offline_option = click.option("--offline", is_flag=True, help="As recorded here; Azure ML is not asked.")
run_argument = click.argument("run", default="latest", shell_complete=_complete_run)
isolate_option = click.option("--isolate/--no-isolate", default=None,
                              help="Run each step in an environment of its own, built from its conda file.")
against_option = click.option("--against", metavar="STAGE",
                              help="The stage whose champion evaluate compares with, and that @champion means.")
set_option = click.option("--set", "values", multiple=True, metavar="NAME=VALUE", help="Another value for an input.")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _store(context: click.Context) -> Store:
    store = _project(context).store()
    context.call_on_close(store.close)
    return store


def _columns(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))] if rows else []
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _asset_json(record: AssetRecord, store: Store) -> dict[str, Any]:
    return {"name": record.name, "version": record.version, "type": record.type, "path": str(store.folder / record.path),
            "digest": record.digest, "created": record.created, "run": record.run, "step": record.step}


from . import assets as _assets  # noqa: E402, F401  registers its commands, which need what stands above
from . import compile as _compile  # noqa: E402, F401
from . import configure as _configure  # noqa: E402, F401
from . import deploy as _deploy  # noqa: E402, F401
from . import emulate as _emulate  # noqa: E402, F401
from . import endpoints as _endpoints  # noqa: E402, F401
from . import models as _models  # noqa: E402, F401
from . import run as _run_commands  # noqa: E402, F401
from . import runs as _runs  # noqa: E402, F401
from . import schedule as _schedule  # noqa: E402, F401
from . import schedules as _schedules  # noqa: E402, F401
from . import serve as _serve  # noqa: E402, F401
from . import stage as _stage  # noqa: E402, F401
