"""``mlops plan``, ``export`` and ``run``."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Canceled, InputError, JobError, MlopsError
from . import (
    HERE,
    _complete_stage,
    _finite,
    _pairs,
    _print_json,
    _project,
    _say,
    _short,
    against_option,
    cli,
    isolate_option,
    json_option,
    pipeline_argument,
    set_option,
)

if TYPE_CHECKING:
    from ..engines import Event, Listener, Run
    from ..project import Project
    from ..spec import PipelineJob


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
    context.exit(_run_and_show(project, request, as_json))


def _run_and_show(project: Project, request: dict[str, Any], as_json: bool) -> int:
    """Run what is requested and show how it went; the exit code."""
    from ..request import find
    from ..request import run as run_requested

    found = find(project, request, request["values"])
    targets = {output: Path(os.path.abspath(Path(request["folder"], target))) for output, target in request["outputs"].items()}
    for output, target in targets.items():
        if output not in found.job.outputs:
            from ..errors import did_you_mean

            raise InputError(f"the pipeline has no output {output!r}", fix=did_you_mean(output, found.job.outputs))
        _refuse_to_replace(target, output, project, found.job)
    if found.on is not None:
        found.on()  # before anything is drawn
    with _progress(as_json) as listener:
        result = run_requested(project, found, request, outputs=targets, listener=listener)
    return _copy_and_show(result, targets, project, as_json)


def _copy_and_show(result: Run, targets: Mapping[str, Path], project: Project, as_json: bool) -> int:
    """Copy the outputs of a run to where they are wanted, and show how it went; the exit code."""
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
    if result.status is Status.CANCELED:  # by somebody else: whoever followed it here has stopped nothing
        return Canceled.exit_code
    return 0 if (result.succeeded or result.status is Status.RUNNING) and not result.errors else JobError.exit_code


def _refuse_to_replace(target: Path, output: str, project: Project, job: PipelineJob) -> None:
    """What is at an output's path is replaced whole: it must not be, hold or lie in anything but an output of its kind."""
    from ..stores.artifacts import in_the_way
    from ..stores.copies import holds_something_else

    real = Path(os.path.realpath(target))
    for source in project.sources(job):
        kept = Path(os.path.realpath(source))
        if real == kept or real in kept.parents or kept in real.parents:
            free = os.path.relpath(project.root / "out" / output)
            raise InputError(f"--output {output}={target} would replace what the project is made of: {source}",
                             why="a path is replaced whole", fix=f"name a path of its own: --output {_quoted(output, free)}")
    for kept, word in ((project.root, "the project"), (Path.cwd(), "this folder"), (Path.home(), "your home folder")):
        kept = Path(os.path.realpath(kept))
        if real == kept or real in kept.parents:
            raise InputError(f"--output {output}={target} would replace {word}", why="a path is replaced whole",
                             fix=f"name a folder of its own: --output {_quoted(output, target / output)}")
    type_ = job.outputs[output].type
    folder = type_ in ("uri_folder", "mltable", "mlflow_model", "triton_model")
    there = in_the_way(target, folder=folder or (type_ != "uri_file" and target.is_dir()))
    if there:
        raise InputError(f"--output {output}={target} is {there}", fix="name another path",
                         why=f"the output is a {type_}" if type_ else "an output is a file or a folder")
    if holds_something_else(project.root / ".mlops", target):
        raise InputError(f"--output {output}={target} would replace a folder in which no run has put an output",
                         why="a folder is replaced whole, and what is in it would be lost",
                         fix=f"name a path of its own: --output {_quoted(output, target / output)}; or remove the folder first")
    if (project.root / ".mlops").resolve() in (real, *real.parents):
        raise InputError(f"--output {output}={target} is in the project's .mlops folder", fix="name another path")


def _quoted(output: str, path: str | Path) -> str:
    """A path as a shell takes it after ``--output``."""
    import shlex

    return shlex.quote(f"{output}={path}")


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
            **({"landed": dict(result.landed)} if result.landed else {}),
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
    for name, address in result.landed.items():
        if name not in result.outputs:
            click.echo(f"{name}: {address}")
    counts: dict[str, int] = {}
    for step in result.steps.values():
        counts[step.status.value] = counts.get(step.status.value, 0) + 1
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    _say(f"{result.status.value} in {duration(result.seconds)} ({told}); see: mlops runs show {result.id}")
