"""``mlops schedule``: when a schedule fires, and its job started here when it does."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from ..errors import InputError, MlopsError, duration
from . import _columns, _pairs, _print_json, _project, _say, cli, json_option, set_option, show_error
from .run import _run_and_show

_NAP_S = 1.0  # a machine that slept wakes up late: the clock is asked again and again, not trusted with one long wait


@cli.group()
def schedule() -> None:
    """Try a schedule on this machine, and keep those of a stage.

    FILE is a schedule's YAML: next and run try it here, create makes it on a stage. NAME is a schedule of a stage.
    """


file_argument = click.argument("file", type=click.Path())


@schedule.command("next")
@file_argument
@click.option("-n", "count", type=click.IntRange(min=1, max=10_000), default=5, show_default=True, help="How many times.")
@click.option("--after", metavar="TIME", help="Count from this time, as in 2026-05-10T10:00; UTC unless it says otherwise.")
@json_option
@click.pass_context
def next_times(context: click.Context, file: str, count: int, after: str | None, as_json: bool) -> None:
    """Show when the schedule in FILE fires next."""
    found = _project(context).schedule(file)
    begin = _moment(after) if after else datetime.now(timezone.utc)
    times = found.next(count, after=begin)
    if as_json:
        _print_json({"schedule": found.name, "time_zone": found.zone, "after": begin.isoformat(),
                     "times": [moment.isoformat() for moment in times]})
        return
    if not times:
        _say(f"{found.name} does not fire any more")
        return
    _columns([(found.zone.upper(), "UTC", "IN")] + [
        (f"{moment:%a %Y-%m-%d %H:%M:%S %z}", f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}",
         _span((moment - begin).total_seconds())) for moment in times])
    if found.trigger.start is None and not found.counts_from_nothing:
        _say("the schedule has no start_time: intervals are counted from now, as if it were created now")


@schedule.command("run")
@file_argument
@set_option
@click.option("--now", is_flag=True, help="Fire once at once, whenever the schedule would.")
@click.option("--times", type=click.IntRange(min=1), help="Stop after so many; default: when it ends, or at Ctrl-C.")
@click.option("--no-cache", is_flag=True, help="Run every step every time.")
@click.option("--jobs", type=click.IntRange(min=1), help="How many steps at once; default: the cores.")
@click.pass_context
def run_schedule(context: click.Context, file: str, values: tuple[str, ...], now: bool, times: int | None, no_cache: bool,
                 jobs: int | None) -> None:
    """Wait until the schedule in FILE fires, run here what it starts, and go on.

    A time that comes while a run is still at work is passed over. Exits with 1 when a run failed.
    """
    project = _project(context)
    found = project.schedule(file)
    if now and times:
        raise InputError("--now fires once, --times several times", fix="leave one of them out")
    request: dict[str, Any] = {"pipeline": file, "values": _pairs("--set", values), "outputs": {}, "cache": not no_cache,
                               "jobs": jobs, "folder": str(Path.cwd())}
    project.load(file, request["values"])  # what is wrong is told now, not in the night
    if now:
        context.exit(_run_and_show(project, request, as_json=False))
    failed = fired = 0
    last = datetime.now(timezone.utc)
    # One sequence from beginning to end: of a schedule without a start_time, intervals count from here.
    for moment in found.trigger.after(last):
        if moment < datetime.now(timezone.utc) and fired:
            _say(f"passed over: {moment:%Y-%m-%d %H:%M:%S %z} came while a run was at work")
            continue
        _say(f"next: {moment:%a %Y-%m-%d %H:%M:%S %z}, in {_span((moment - datetime.now(timezone.utc)).total_seconds())}")
        _wait(moment)
        fired += 1
        try:
            failed += _run_and_show(project, request, as_json=False) != 0
        except MlopsError as error:
            if error.exit_code == 130:
                raise
            failed += 1
            show_error(error)  # the files may have been edited meanwhile, and may be right again next time
        if fired == times:
            break
    else:
        _say(f"{found.name} does not fire any more")
    if failed:
        context.exit(1)


def _wait(moment: datetime) -> None:
    while (left := (moment - datetime.now(timezone.utc)).total_seconds()) > 0:
        time.sleep(min(left, _NAP_S))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise InputError(f"--after {text!r} is no time", fix="write --after 2026-05-10T10:00") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)


def _span(seconds: float) -> str:
    """A time span in words; in days where hours would be many."""
    days, rest = divmod(max(0.0, seconds), 86_400)
    return f"{days:.0f} d {duration(rest)}" if days else duration(rest)
