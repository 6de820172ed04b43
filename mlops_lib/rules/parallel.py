"""A parallel component or job: how its input is cut into mini-batches, and what its entry script must have.

Source: the parallelComponent reference and the SDK's own checks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..binding import BindingError, OwnPort, parse_expression
from ..document import Scalar, Table
from ..errors import Severity, did_you_mean
from ..spec import LITERAL_TYPES, Report
from .facts import Arity, items, number, place, scalar, table, word

_SIZE = re.compile(r"(\d+)([kKmMgG][bB])?")
_BINDING = re.compile(r"\$\{\{([^$}]*(?:(?:\$(?!\{\{)|\}(?!\}))[^$}]*)*)\}\}")
_LEAST = {"error_threshold": -1, "mini_batch_error_threshold": -1, "max_concurrency_per_instance": 1}


def check_parallel(value: Table, report: Report, *, inputs: Mapping[str, str], outputs: Collection[str],
                   entry: Mapping[str, Arity | None] | None = None) -> None:
    """Report what is wrong with a parallel component, or a node that carries its task itself.

    Args:
        value: Its document.
        report: Gets what is wrong.
        inputs: The types of its inputs.
        outputs: The names of its outputs.
        entry: What its entry script defines, with the arguments that each function takes; None when the
            script is not there or does not tell.
    """
    source = value.get("input_data")
    if isinstance(source, Scalar) and source.value is not None:
        _check_port(source, "input_data", "inputs", inputs, report)
    size = scalar(value, "mini_batch_size")
    if size is not None and not (_SIZE.fullmatch(size.text) and size.text.strip("0kKmMgGbB")):
        report.add("bad-batch", f"mini_batch_size is {size.text!r}", size.place,
                   why="it is a number of files (10), or a size of data (10kb, 5mb, 1gb)")
    keys = items(value, "partition_keys")
    type_ = _type_of_source(source, inputs)
    if size is not None and type_ not in (None, "mltable") and (match := _SIZE.fullmatch(size.text)) and match[2]:
        count = int(match[1]) << 10 * (1 + "kmg".index(match[2][0].lower()))
        report.add("bad-batch", f"mini_batch_size is {size.text}, and the input is a {type_}", size.place,
                   why=f"files are counted: Azure ML takes it for {count} of them", fix="give the number of files",
                   severity=Severity.WARNING)
    if isinstance(source, Scalar) and type_ in LITERAL_TYPES:
        report.add("bad-batch", f"input_data is {source.text}, which is a {type_}", source.place,
                   why="mini-batches are cut from data", fix="name an input that is data")
    if keys and type_ is not None and type_ != "mltable":
        report.add("bad-batch", f"partition_keys are given, and the input is a {type_}", place(value, "partition_keys"),
                   why="only tables have columns to divide by", fix="make the input an mltable, or give mini_batch_size")
    if keys and size is not None:
        report.add("bad-batch", "partition_keys and mini_batch_size are given", size.place,
                   why="partition_keys take precedence", fix="remove mini_batch_size", severity=Severity.WARNING)
    for key, least in _LEAST.items():
        amount = number(value, key)
        if amount is not None and amount < least:
            report.add("out-of-range", f"{key} is {amount:g}", place(value, key), why=f"it is at least {least}")
    retry = table(value, "retry_settings")
    for key, least in (("max_retries", 0), ("timeout", 1)):
        amount = number(retry, key)
        if retry is not None and amount is not None and amount < least:
            report.add("out-of-range", f"{key} is {amount:g}", place(retry, key), why=f"it is at least {least}")
    task = table(value, "task")
    if task is not None:
        _check_task(task, report, inputs, outputs, entry)


def _type_of_source(source: object, inputs: Mapping[str, str]) -> str | None:
    match = _BINDING.search(source.text) if isinstance(source, Scalar) else None
    return inputs.get(match[1].strip().removeprefix("inputs.")) if match else None


def _check_task(task: Table, report: Report, inputs: Mapping[str, str], outputs: Collection[str],
                entry: Mapping[str, Arity | None] | None) -> None:
    append = task.get("append_row_to")
    if isinstance(append, Scalar) and append.value is not None:
        _check_port(append, "append_row_to", "outputs", outputs, report)
    arguments = task.get("program_arguments")
    if isinstance(arguments, Scalar) and isinstance(arguments.value, str):
        for match in _BINDING.finditer(arguments.value):
            try:
                port = parse_expression(match[1])
            except BindingError:
                continue
            known: Collection[str] = inputs if isinstance(port, OwnPort) and port.side == "inputs" else outputs
            if isinstance(port, OwnPort) and port.name not in known:
                report.add("unknown-port", f"program_arguments use {port.side}.{port.name}, and there is no such "
                           f"{port.side[:-1]}", arguments.place, fix=did_you_mean(port.name, known))
    if word(task, "type") in ("function", "run_function") and "entry_script" not in task.entries:
        report.add("missing-key", "a task lacks 'entry_script'", task.place, why="its run() gets each mini-batch",
                   fix="add 'entry_script: …'")
    if entry is not None:
        script = place(task, "entry_script")
        if "run" not in entry:
            report.add("bad-entry", "the entry script defines no run()", script, why="run(mini_batch) gets each mini-batch",
                       fix="define run(mini_batch) in it")
        elif (run := entry["run"]) is not None and run.least > 2:
            report.add("bad-entry", f"run() of the entry script needs {run.least} arguments", script,
                       why="it gets the mini-batch, and its context if it takes one", fix="give the others defaults")
        elif run is not None and run.most == 0:
            report.add("bad-entry", "run() of the entry script takes no argument", script, why="it gets each mini-batch",
                       fix="write run(mini_batch)")
        if "init" not in entry:
            report.add("bad-entry", "the entry script defines no init()", script, why="it is called once a worker",
                       fix="define init() in it")
        elif (init := entry["init"]) is not None and init.least:
            report.add("bad-entry", "init() of the entry script needs arguments", script, why="it is called without any",
                       fix="read them from sys.argv")


def _check_port(value: Scalar, key: str, side: str, known: Collection[str], report: Report) -> None:
    match = _BINDING.fullmatch(value.text.strip())
    name = match[1].strip() if match else ""
    if not match or not name.startswith(f"{side}."):
        report.add("bad-binding", f"{key} is {value.text!r}", value.place, why=f"it names one of the {side}",
                   fix=f"write ${{{{{side}.NAME}}}}")
    elif name.removeprefix(f"{side}.") not in known:
        report.add("unknown-port", f"{key} is {value.text}, and there is no such {side[:-1]}", value.place,
                   fix=did_you_mean(name.removeprefix(f"{side}."), known))
