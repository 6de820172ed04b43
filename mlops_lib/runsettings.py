"""What a job says of its run, with the values of the pipeline's inputs: ``limits: {timeout: ${{parent.inputs.seconds}}}``.

Source: the SDK, which takes such an expression for every key of a job but its type and what it runs. When a file is judged,
nobody knows the value yet; so it is judged here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .binding import has_expression, substitute
from .checks import RUN_SETTINGS
from .document import Items, Scalar, Table, Value, leaves, plain
from .errors import InputError, Severity
from .spec import Job, Report
from .spec.kinds import NODE
from .spec.reading import subtable, text, text_map, whole


def with_values(job: Job, value_of: Callable[[str], str | None]) -> Job:
    """*job* with the expressions in what it says of its run replaced.

    Args:
        job: A job of a pipeline that compiles.
        value_of: The value of an expression such as ``parent.inputs.seconds``; None when it has none.

    Raises:
        InputError: an expression stands for nothing, or for something that the key does not take.
    """
    given = {key: value for key in RUN_SETTINGS if (value := job.document.get(key)) is not None and any(
        has_expression(leaf.text) for leaf in leaves(value))}
    if not given:
        return job
    found = {key: _filled(value, value_of) for key, value in given.items()}
    for key, value in found.items():
        # A variable may hold any text; everywhere else an expression would be taken for nothing at all.
        left = next((leaf for leaf in leaves(value) if has_expression(leaf.text)), None)
        if left is not None and key != "environment_variables":
            raise InputError(f"{left.text} in {key} of job {job.name!r} stands for nothing", place=left.place,
                             why="here ${{parent.inputs.NAME}} is an input of the pipeline around the job that is no data",
                             fix="correct the name, or give the input a value")
    document = Table({**job.document.entries, **found}, job.document.places, job.document.place)
    _check(job, document)
    limits = subtable(document, "limits")
    return replace(
        job, document=document, compute=text(document, "compute") if "compute" in found else job.compute,
        timeout=whole(limits, "timeout") if job.type == "command" and limits is not None else job.timeout,
        environment_variables={name: value for name, value in text_map(document, "environment_variables").items()
                               if name in job.environment_variables},
        rest={key: plain(found[key]) if key in found else value for key, value in job.rest.items()})


def _check(job: Job, document: Table) -> None:
    report = Report()
    NODE.check(document, report, f"jobs.{job.name}")
    if job.type == "sweep":
        from .rules.sweep import check_sweep  # only who fills in a sweep pays for it

        check_sweep(document, report)
    for finding in report.findings:
        if finding.severity is Severity.ERROR:
            raise InputError(finding.what, why=finding.why, fix=finding.fix, place=finding.place)


def _filled(value: Value, value_of: Callable[[str], str | None]) -> Value:
    if isinstance(value, Items):
        return Items(tuple(_filled(item, value_of) for item in value.items), value.place)
    if isinstance(value, Table):
        return Table({key: _filled(entry, value_of) for key, entry in value.entries.items()}, value.places, value.place)
    if not has_expression(value.text):
        return value
    told = substitute(value.text, value_of)
    return Scalar(told, told, value.quoted, value.place)
