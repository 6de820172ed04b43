"""The command line: arguments into calls, results into text and an exit code.

Only what every command needs is imported here; each command imports what it uses, so that ``mlops --help`` and shell
completion answer at once.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import functools
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .. import __version__
from ..errors import CompileError, InputError, MlopsError, Severity, format_error
from ..references import redacted, was_redacted

if TYPE_CHECKING:
    from ..engines import Event, Listener, Run
    from ..engines.local.process import Invocation
    from ..infra import Stage
    from ..plan import StoredOutput
    from ..project import Project
    from ..spec import PipelineJob
    from ..stores.records import AssetRecord, Records, RunRecord, StepRecord, TrialRecord
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
            _print_json({"errors": str(error).splitlines() if not isinstance(error, CompileError) else [
                str(finding) for finding in error.findings]})
        return error.exit_code
    except (_ReaderGone, BrokenPipeError):
        # Nothing is wrong here. What is left in the buffers must not be tried again at the interpreter's end.
        for descriptor in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        return 141
    except KeyboardInterrupt:
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
            raise InputError(f"{option} {text!r} has no '='", fix=f"write {option} NAME=VALUE")
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


@cli.command()
@pipeline_argument
@set_option
@against_option
@click.option("--no-cache", is_flag=True, help="As if nothing were stored.")
@isolate_option
@json_option
@click.pass_context
def plan(context: click.Context, pipeline: str, values: tuple[str, ...], against: str | None, no_cache: bool,
         isolate: bool | None, as_json: bool) -> None:
    """Show which steps of PIPELINE would run or be reused, and why."""
    project = _project(context)
    job, name, catalogue = project.load(pipeline, _pairs("--set", values), against)
    store = project.store()
    try:
        found, _ = project.plan(job, name, store, catalogue, reuse=not no_cache, isolate=isolate)
    finally:
        store.close()
    if as_json:
        _print_json({"pipeline": name, "steps": [{
            "name": step.step.name, "action": step.action.value, "reason": step.reason, "waits": list(step.step.waits),
            "fingerprint": step.fingerprint.digest if step.fingerprint else None,
        } for step in found.steps.values()]})
        return
    colours = {"run": "yellow", "reuse": "cyan", "depends": "white"}
    rows = [(step.step.name, step.action.value, step.reason) for step in found.steps.values()]
    wide = max((len(row[0]) for row in rows), default=0)
    for step_name, action, reason in rows:
        click.echo(f"{step_name.ljust(wide)}  {click.style(action.ljust(7), fg=colours[action])}  {reason}")


@cli.command()
@pipeline_argument
@click.option("--write", is_flag=True, help="Write pipelines/PIPELINE.yml instead of printing.")
@click.pass_context
def export(context: click.Context, pipeline: str, write: bool) -> None:
    """Print PIPELINE as plain Azure ML YAML, for az ml job create."""
    project = _project(context)
    text = project.export(pipeline)
    if not write:
        click.echo(text, nl=False)
        return
    target = project.write_pipeline(pipeline, text)
    click.echo(f"wrote {target}", err=True)


# --- run -------------------------------------------------------------------------------------------------------------


@cli.command()
@pipeline_argument
@click.option("--on", "where", metavar="STAGE", default=HERE, show_default=True, shell_complete=_complete_stage,
              help="Run it on Azure ML, in the workspace of this stage.")
@set_option
@against_option
@click.option("--output", "copies", multiple=True, metavar="NAME=PATH",
              help="Copy an output of the pipeline to a path; what is there is replaced.")
@click.option("--no-cache", is_flag=True, help="Run every step again.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many steps at once, on this machine; default: the cores.")
@isolate_option
@click.option("--outputs", metavar="FILE", help="With --on: read the stage's outputs from this file.")
@click.option("--key", metavar="TEXT", help="With --on: the same pipeline with the same key is the same run, not another one.")
@click.option("--no-wait", is_flag=True, help="With --on: return when it is submitted.")
@click.option("--cancel-on-interrupt", is_flag=True, help="With --on: Ctrl-C cancels it; else it only stops following it.")
@click.option("--resolve-environments", is_flag=True,
              help="With --on: see first, with uv, that the packages of each environment's conda file go together.")
@json_option
@click.pass_context
def run(context: click.Context, pipeline: str, where: str, values: tuple[str, ...], against: str | None,
        copies: tuple[str, ...], no_cache: bool, jobs: int | None, isolate: bool | None, outputs: str | None, key: str | None,
        no_wait: bool, cancel_on_interrupt: bool, resolve_environments: bool, as_json: bool) -> None:
    """Run PIPELINE, a name or a YAML file, on this machine or on Azure ML."""
    here: dict[str, Any] = {"--jobs": jobs, "--isolate": isolate}
    there: dict[str, Any] = {"--outputs": outputs, "--key": key, "--no-wait": no_wait,
                             "--cancel-on-interrupt": cancel_on_interrupt, "--resolve-environments": resolve_environments}
    for option, given in (there if where == HERE else here).items():
        if given:
            raise InputError(f"{option} needs --on" if where == HERE else f"{option} is for runs on this machine",
                             fix="write --on STAGE" if where == HERE else "leave it out")
    if no_wait and copies:
        raise InputError("--output needs the end of the run, and --no-wait does not wait for it", fix="leave one of them out")
    project = _project(context)
    request = {"pipeline": pipeline, "values": _pairs("--set", values), "outputs": _pairs("--output", copies),
               "cache": not no_cache, "jobs": jobs, "isolate": isolate, "folder": str(Path.cwd())}
    if against is not None:
        request["against"] = against
    if where != HERE:
        request |= {"on": where, "stage_outputs": os.path.abspath(outputs) if outputs else None, "key": key,
                    "follow": not no_wait, "cancel": cancel_on_interrupt, "resolve": resolve_environments}
    _run(context, project, request, as_json)


def _run(context: click.Context, project: Project, request: dict[str, Any], as_json: bool) -> None:
    if not _succeeds(project, request, as_json):
        context.exit(1)


def _succeeds(project: Project, request: dict[str, Any], as_json: bool) -> bool:
    """Run what is requested and show how it went; whether all of it succeeded."""
    @functools.cache
    def on() -> Stage:
        project.check_allowed(Path(request["pipeline"]).stem, request["on"])  # before Terraform is asked
        return project.stage(request["on"], outputs=request["stage_outputs"])

    job, name, catalogue = project.load(request["pipeline"], request["values"], request.get("against"),
                                        on=on if "on" in request else None)
    targets = {output: Path(os.path.abspath(Path(request["folder"], target))) for output, target in request["outputs"].items()}
    for output, target in targets.items():
        if output not in job.outputs:
            from ..errors import did_you_mean

            raise InputError(f"the pipeline has no output {output!r}", fix=did_you_mean(output, job.outputs))
        _refuse_to_replace(target, output, project, job)
    path = Path(request["pipeline"])
    if path.suffix in (".yml", ".yaml"):
        request = request | {"pipeline": os.path.abspath(path if path.is_file() else project.root / path)}
    request = request | {"values": {input_: redacted(text) for input_, text in request["values"].items()}}
    stage = on() if "on" in request else None
    with _progress(as_json) as listener:
        if stage is not None:
            result = project.run_on(stage, job, name, catalogue, request=request, key=request["key"], reuse=request["cache"],
                                    against=request.get("against"), outputs=targets, follow=request["follow"],
                                    cancel=request["cancel"], resolve=request.get("resolve", False), listener=listener)
        else:
            result = project.run(job, name, catalogue, request=request, jobs=request["jobs"], reuse=request["cache"],
                                 isolate=request.get("isolate"), listener=listener)
    return _copy_and_show(result, targets, project, as_json)


def _copy_and_show(result: Run, targets: Mapping[str, Path], project: Project, as_json: bool) -> bool:
    """Copy the outputs of a run to where they are wanted, and show how it went; whether all of it succeeded."""
    from ..stores.artifacts import copy_out
    from ..stores.copies import remember
    from ..stores.records import Status

    copied = {}
    for output, target in targets.items():
        if output in result.outputs:
            try:
                remember(project.root / ".mlops", target)  # first: a copy that is cut short may be made again
                copy_out(result.outputs[output].path, target)
            except MlopsError as error:
                result = dataclasses.replace(result, errors=(*result.errors, str(error)))
            else:
                copied[output] = str(target)
    _show_result(result, copied, project, as_json)
    return (result.succeeded or result.status is Status.RUNNING) and not result.errors


def _refuse_to_replace(target: Path, output: str, project: Project, job: PipelineJob) -> None:
    """What is at an output's path is replaced whole: it must not be, hold or lie in anything but an output of its kind."""
    from ..stores.artifacts import in_the_way
    from ..stores.copies import holds_something_else

    real = Path(os.path.realpath(target))
    for source in project.sources(job):
        kept = Path(os.path.realpath(source))
        if real == kept or real in kept.parents or kept in real.parents:
            raise InputError(f"--output {output}={target} would replace what the project is made of: {source}",
                             why="a path is replaced whole", fix=f"name a path of its own: --output {output}=out/{output}")
    for kept, word in ((project.root, "the project"), (Path.cwd(), "this folder"), (Path.home(), "your home folder")):
        kept = Path(os.path.realpath(kept))
        if real == kept or real in kept.parents:
            raise InputError(f"--output {output}={target} would replace {word}", why="a path is replaced whole",
                             fix=f"name a folder of its own: --output {output}={target / output}")
    type_ = job.outputs[output].type
    folder = type_ in ("uri_folder", "mltable", "mlflow_model", "triton_model")
    there = in_the_way(target, folder=folder or (type_ != "uri_file" and target.is_dir()))
    if there:
        raise InputError(f"--output {output}={target} is {there}", fix="name another path",
                         why=f"the output is a {type_}" if type_ else "an output is a file or a folder")
    if holds_something_else(project.root / ".mlops", target):
        raise InputError(f"--output {output}={target} would replace a folder in which no run has put an output",
                         why="a folder is replaced whole, and what is in it would be lost",
                         fix=f"name a path of its own: --output {output}={target / output}; or remove the folder first")
    if (project.root / ".mlops").resolve() in (real, *real.parents):
        raise InputError(f"--output {output}={target} is in the project's .mlops folder", fix="name another path")


def _silent(event: Event) -> None:
    """Nothing is told: there is JSON at the end."""


@contextlib.contextmanager
def _progress(as_json: bool) -> Iterator[Listener]:
    """The listener that shows a run: live on a terminal, plain lines elsewhere, nothing beside JSON."""
    from ..progress import live_progress, plain_progress

    if as_json:
        yield _silent
    elif sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown"):
        with live_progress(sys.stderr) as listener:
            yield listener
    else:
        yield plain_progress(sys.stderr)


def _show_result(result: Run, copied: dict[str, str], project: Project, as_json: bool) -> None:
    from ..errors import duration

    if as_json:
        _print_json({
            "run": result.id, "pipeline": result.pipeline, "status": result.status.value, "seconds": round(result.seconds, 3),
            "outputs": {name: {"path": str(output.path), "type": output.type, "asset": output.asset,
                               **({"landed": list(output.landed)} if output.landed else {}),
                               **({"copied_to": copied[name]} if name in copied else {})}
                        for name, output in result.outputs.items()},
            "metrics": {name: _finite(metrics) for name, metrics in result.metrics.items()},
            "steps": {name: {"status": step.status.value, "reason": step.reason, "seconds": step.seconds,
                             "peak_memory": step.peak_memory, "exit_code": step.exit_code, "command": step.command,
                             "log": str(project.root / ".mlops" / step.log) if step.log else None}
                      for name, step in result.steps.items()},
            "errors": list(result.errors), "notices": list(result.notices),
            **({"cost": result.cost.to_dict()} if result.cost is not None else {}),
            "differs_on_azure": [dataclasses.asdict(difference) for difference in result.differences],
        })
    for error in result.errors:
        if not as_json:
            _say("")
        _say(click.style(error.split("\n")[0], fg="red", bold=True) + error[len(error.split("\n")[0]):])
    if as_json:
        return
    for notice in result.notices:
        _say(f"note: {notice}")
    if result.differences:
        whats = list(dict.fromkeys(difference.what for difference in result.differences))
        _say(click.style(f"differs on Azure: {', '.join(whats)}; see: mlops runs show", dim=True))
    for name, output in result.outputs.items():
        asset = f"  ({output.asset})" if output.asset else ""
        where = copied.get(name) or ", ".join(_short(Path(place)) if "://" not in place else place for place in output.landed)
        click.echo(f"{name}: {where or _short(output.path)}{asset}")
    counts: dict[str, int] = {}
    for step in result.steps.values():
        counts[step.status.value] = counts.get(step.status.value, 0) + 1
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    _say(f"{result.status.value} in {duration(result.seconds)} ({told}); see: mlops runs show {result.id}")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


# --- past runs -------------------------------------------------------------------------------------------------------


@cli.group()
def runs() -> None:
    """Past runs; RUN is a name, the beginning of one, or 'latest'."""


def _store(context: click.Context) -> Store:
    store = _project(context).store()
    context.call_on_close(store.close)
    return store


@runs.command("list")
@click.option("-n", "limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@click.option("--pipeline", help="Of one pipeline only.")
@offline_option
@json_option
@click.pass_context
def list_runs(context: click.Context, limit: int, pipeline: str | None, offline: bool, as_json: bool) -> None:
    """The latest runs, newest first; those on Azure ML that are not over are asked how they do."""
    from datetime import datetime

    from ..errors import duration

    project = _project(context)
    found = _up_to_date(project, lambda records: records.runs(limit, pipeline), offline=offline)
    if as_json:
        _print_json([_run_json(record) for record in found])
        return
    if not found:
        click.echo("no run yet; start one: mlops run PIPELINE", err=True)
    _columns([("RUN", "PIPELINE", "ON", "STATUS", "STARTED", "TOOK")] + [
        (record.id, record.pipeline, record.stage or HERE, record.status.value,
         f"{datetime.fromtimestamp(record.started):%Y-%m-%d %H:%M:%S}",
         duration(record.ended - record.started) if record.ended else "–") for record in found] if found else [])


def _run_json(record: Any) -> dict[str, Any]:
    return {"run": record.id, "pipeline": record.pipeline, "status": record.status.value, "started": record.started,
            "ended": record.ended, "request": dict(record.request), "error": record.error,
            "mlflow_run": record.mlflow_run, "stage": record.stage, "url": record.url or None}


def _up_to_date(project: Project, choose: Callable[[Records], list[RunRecord]], *, offline: bool = False) -> list[RunRecord]:
    """The chosen runs; what is on Azure ML and not over there is asked how it does, and told when that cannot be."""
    from ..stores.records import Status

    store = project.store()
    try:
        found = choose(store.records)
    finally:
        store.close()
    going = [record for record in found if record.stage is not None and record.status is Status.RUNNING]
    if not going or offline:
        return found
    fresh: dict[str, RunRecord] = {}
    for problem in project.refresh(going, into=fresh):
        _say(f"note: {problem.what}{f': {problem.why}' if problem.why else ''}")
    return [fresh.get(record.id, record) for record in found]


def _columns(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))] if rows else []
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@runs.command("show")
@run_argument
@offline_option
@json_option
@click.pass_context
def show_run(context: click.Context, run: str, offline: bool, as_json: bool) -> None:
    """One run: its steps, outputs and metrics."""
    from datetime import datetime

    from ..errors import duration
    from ..progress import megabytes

    [record] = _up_to_date(_project(context), lambda records: [records.run(run)], offline=offline)
    store = _store(context)
    steps = store.records.steps(record.id)
    trials = {trial.step: trial for trial in store.records.trials(record.id)}
    if as_json:
        def told(outputs: Mapping[str, StoredOutput]) -> dict[str, Any]:
            return {name: {"path": str(store.folder / output.path), "type": output.type, "digest": output.digest}
                    for name, output in outputs.items()}

        _print_json(_run_json(record) | {
            "outputs": told(record.outputs),
            "steps": [{"name": step.name, "status": step.status.value, "reason": step.reason, "seconds": step.seconds,
                       "peak_memory": step.peak_memory, "exit_code": step.exit_code, "command": step.command,
                       "log": str(store.folder / step.log) if step.log else None, "metrics": _finite(step.metrics),
                       "params": dict(step.params), "outputs": told(step.outputs), "waits": list(step.waits),
                       **({"trial": _trial_json(trials[step.name])} if step.name in trials else {})} for step in steps],
            "differs_on_azure": [dataclasses.asdict(told) for told in store.records.differences(record.id)],
        })
        return
    where = f" on {record.stage}" if record.stage else ""
    click.echo(f"{record.id}: {record.pipeline}{where}, {record.status.value}, started "
               f"{datetime.fromtimestamp(record.started):%Y-%m-%d %H:%M:%S}"
               + (f", took {duration(record.ended - record.started)}" if record.ended else ""))
    _columns([("STEP", "STATUS", "TOOK", "MEMORY", "WHY")] + [
        (step.name, step.status.value, duration(step.seconds) if step.seconds is not None else "–",
         megabytes(step.peak_memory), _trial_words(trials[step.name], step) if step.name in trials else step.reason)
        for step in steps])
    for name, output in record.outputs.items():
        click.echo(f"output {name}: {_short(store.folder / output.path)} ({output.type}, {megabytes(output.size)})")
    for step in steps:
        for metric, value in step.metrics.items() if step.name not in trials else ():
            click.echo(f"metric {step.name}: {metric} = {value:.6g}")
    for difference in store.records.differences(record.id):
        click.echo(f"differs on Azure: {difference}")
    if record.url:
        click.echo(f"in a browser: {record.url}")
    if record.error:
        click.echo(record.error)


def _trial_json(trial: TrialRecord) -> dict[str, Any]:
    return {"sweep": trial.sweep, "number": trial.number, "parameters": dict(trial.parameters), "metric": trial.metric,
            "objective": trial.objective, "best": trial.best}


def _trial_words(trial: TrialRecord, step: StepRecord) -> str:
    """What a trial tried and what came of it."""
    words = [" ".join(f"{name}={text}" for name, text in trial.parameters.items())]
    if trial.objective is not None:
        words.append(f"{trial.metric} = {trial.objective:.6g}")
    if step.status.value not in ("completed", "reused", "failed"):
        words.append(step.reason)
    return ", ".join([*words, "the best"] if trial.best else words)


@runs.command()
@click.argument("run", default="latest", shell_complete=_complete_run)
@click.argument("step", required=False, shell_complete=_complete_step)
@offline_option
@click.pass_context
def logs(context: click.Context, run: str, step: str | None, offline: bool) -> None:
    """What the steps of a run printed, or one of them."""
    from ..errors import did_you_mean

    [record] = _up_to_date(_project(context), lambda records: [records.run(run)], offline=offline)
    store = _store(context)
    steps = store.records.steps(record.id)
    if step is not None and step not in {found.name for found in steps}:
        raise InputError(f"run {record.id} has no step {step!r}", fix=did_you_mean(step, [found.name for found in steps]))
    for found in steps:
        if step not in (None, found.name) or not found.log:
            continue
        if step is None:
            click.echo(f"==> {found.name}" + (" (reused)" if found.status.value == "reused" else ""))
        path = store.folder / found.log
        if not path.is_file():
            click.echo(f"the log {_short(path)} is gone", err=True)
            continue
        with path.open("rb") as file:
            while block := file.read(1 << 16):
                sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()


@runs.command()
@run_argument
@click.pass_context
def cancel(context: click.Context, run: str) -> None:
    """Stop a run on Azure ML."""
    project = _project(context)
    record = _elsewhere(project, run, "Ctrl-C in its terminal stops a run on this machine")
    project.cancel(record)
    _say(f"{record.id}: stage {record.stage!r} was told to stop it")


@runs.command("open")
@run_argument
@click.pass_context
def open_run(context: click.Context, run: str) -> None:
    """Show a run on Azure ML in a browser."""
    record = _elsewhere(_project(context), run, "it is seen with: mlops runs show")
    click.echo(record.url)
    click.launch(record.url)


def _elsewhere(project: Project, run: str, otherwise: str) -> RunRecord:
    """A run that is not on this machine."""
    store = project.store()
    try:
        record = store.records.run(run)
    finally:
        store.close()
    if record.stage is None:
        raise InputError(f"run {record.id} is on this machine", fix=otherwise)
    return record


@runs.command()
@run_argument
@json_option
@click.pass_context
def resume(context: click.Context, run: str, as_json: bool) -> None:
    """Run a past run's pipeline again with the same values; what finished then is reused."""
    project = _project(context)
    record = _past_run(project, run)
    request = dict(record.request)
    if "step" in request and run != "latest":
        _run_again(context, project, request, as_json)
    else:
        if "step" in request:  # the latest run of a pipeline is meant, not one step of it that was tried again
            request = dict(_past_run(project, request["of"]).request)
        _run(context, project, request | {"cache": True}, as_json)


def _past_run(project: Project, run: str) -> RunRecord:
    """A run that can be asked for again."""
    store = project.store()
    try:
        record = store.records.run(run)
    finally:
        store.close()
    if "endpoint" in record.request:
        endpoint, stage = record.request["endpoint"], record.stage
        raise InputError(f"run {record.id} is one of the endpoint {endpoint!r}, which may run something else by now",
                         fix=f"ask it again: mlops endpoints invoke {endpoint} --on {stage}")
    if "pipeline" not in record.request:
        raise InputError(f"run {record.id} was started from Python", fix="run it there again: what finished is reused")
    for name, text in record.request.get("values", {}).items():
        if was_redacted(text):
            raise InputError(f"run {record.id} was started with a URL for {name!r} whose signature was not kept",
                             why="a signature is a secret", fix=f"start it anew: mlops run … --set {name}={text}")
    return record


@cli.command()
@click.argument("run", shell_complete=_complete_run)
@click.argument("job", shell_complete=_complete_step)
@click.option("--shell", is_flag=True, help="Instead of running it, open a shell where it would run; nothing is kept.")
@json_option
@click.pass_context
def step(context: click.Context, run: str, job: str, shell: bool, as_json: bool) -> None:
    """Run JOB of the past run RUN once more: the code of now, the inputs of then.

    It always runs, alone, and prints its command. The past run stays as it is. When that was on a stage, what the step was
    given there is brought here first.
    """
    if shell and as_json:
        raise InputError("--shell is for people, --json for programs", fix="leave one of them out")
    project = _project(context)
    record = _past_run(project, run)
    # A run of a single step has no inputs of its own: they are those of the run that it was taken from.
    request = {**record.request, "step": job, "of": record.request.get("of", record.id)}
    _run_again(context, project, request, as_json, shell=shell)


def _run_again(context: click.Context, project: Project, request: dict[str, Any], as_json: bool, *,
               shell: bool = False) -> None:
    from ..engines import StepStarted
    from ..engines.local.again import plan_again
    from ..engines.local.engine import LocalEngine
    from ..progress import plain_progress
    from ..stores.store import Store

    pipeline, name, catalogue = project.load(request["pipeline"], request["values"], request.get("against"))
    store = Store.open(project.root)
    try:
        graph, past = project.graph(pipeline, name), store.records.run(request["of"])
        brought = project.bring_inputs(past, request["step"], pipeline, graph, store) if past.stage is not None else {}
        plan, ground, differences = plan_again(graph, catalogue, store, past, request["step"], brought=brought,
                                               isolate=project.settings.isolate if request.get("isolate") is None
                                               else request["isolate"])
        if differences:
            _say(f"note: not as in {request['of']}: {', '.join(differences)}")
        if shell:
            context.exit(LocalEngine(store, ground).hand_over(plan, _open_shell(request["step"])))
        tell = plain_progress(sys.stderr)  # on a terminal too: all that the step prints is wanted

        def listen(event: Event) -> None:
            if isinstance(event, StepStarted):
                _say(f"$ {event.command}")
            tell(event)

        result = LocalEngine(store, ground).submit(plan, request=request, listener=_silent if as_json else listen)
    finally:
        store.close()
    _show_result(result, {}, project, as_json)
    if not result.succeeded:
        context.exit(1)


def _open_shell(job: str) -> Callable[[Invocation], int]:
    def use(invocation: Invocation) -> int:
        from ..engines.local.shell import COMMAND, open_shell

        _say(f"$ {invocation.command}")
        _say(f'a shell where this would run; eval "${COMMAND}" runs it, exit ends it, and nothing of it is kept')
        return open_shell(invocation, f"({job}) \\W$ ")

    return use


# --- assets ----------------------------------------------------------------------------------------------------------


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
from . import schedule as _schedule  # noqa: E402, F401
from . import schedules as _schedules  # noqa: E402, F401
from . import serve as _serve  # noqa: E402, F401
from . import stage as _stage  # noqa: E402, F401
