"""``mlops runs`` and ``step``: runs that were started earlier, and one of their steps again."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..references import was_redacted
from . import (
    HERE,
    _columns,
    _complete_run,
    _complete_step,
    _finite,
    _print_json,
    _project,
    _say,
    _short,
    _store,
    cli,
    json_option,
    offline_option,
    run_argument,
)
from .run import _run, _show_result, _silent

if TYPE_CHECKING:
    from ..engines import Event
    from ..engines.local.process import Invocation
    from ..plan import StoredOutput
    from ..project import Project
    from ..stores.records import Records, RunRecord, StepRecord, TrialRecord


@cli.group()
def runs() -> None:
    """Past runs; RUN is a name, the beginning of one, or 'latest'."""


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
        _say(f"no run{f' of {pipeline!r}' if pipeline else ''} yet; start one: mlops run {pipeline or 'PIPELINE'}")
    _columns([("RUN", "PIPELINE", "ON", "STATUS", "STARTED", "TOOK")] + [
        (record.id, record.pipeline, record.stage or HERE, record.status.value,
         f"{datetime.fromtimestamp(record.started):%Y-%m-%d %H:%M:%S}",
         duration(record.ended - record.started) if record.ended else "–") for record in found] if found else [])


def _run_json(record: Any) -> dict[str, Any]:
    return {"run": record.id, "pipeline": record.pipeline, "status": record.status.value, "started": record.started,
            "ended": record.ended, "request": dict(record.request), "error": record.error,
            "mlflow_run": record.mlflow_run, "stage": record.stage, "url": record.url or None,
            **({"landed": dict(record.landed)} if record.landed else {})}


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
    for name, address in record.landed.items():
        click.echo(f"output {name}: {address}")
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
    words = [" ".join(f"{name}={text}" for name, text in trial.parameters.items())] if trial.parameters else []
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
    from ..stores.records import Status

    project = _project(context)
    record = _elsewhere(project, run, "Ctrl-C in its terminal stops a run on this machine")
    fresh: dict[str, RunRecord] = {}
    if record.status is Status.RUNNING:
        project.refresh([record], into=fresh)  # when the stage does not answer, to cancel it says so
    record = fresh.get(record.id, record)
    if record.status is not Status.RUNNING:
        _say(f"{record.id}: there is nothing to stop, it is over: {record.status.value}")
        return
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
