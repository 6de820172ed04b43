"""A parallel step: how its input is divided, how often a mini-batch is tried again, and how much of it may fail.

Source: the parallel job reference; where that is silent, what azure-ai-ml sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .binding import BindingError, OwnPort, parse_expression, substitute
from .document import Scalar, Table, Value
from .errors import InputError, did_you_mean, listing
from .spec import Environment, Job, OtherComponent
from .spec.reading import as_flag, as_number, subtable, text, text_map, texts, word

TABLE_BYTES = 1 << 20  # of a mini-batch of a table, when nothing is said; of files it is one
_UNITS = {"": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
_SIZE = re.compile(r"(\d+)([kKmMgG][bB])?")
_WHOLE = re.compile(r"\$\{\{([^{}]*)\}\}")
_FUNCTION = ("function", "run_function")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parallel:
    """What a parallel job says beside its ports, its code and its environment.

    Attributes:
        entry_script: A file of the code, or a module in it; its ``run()`` gets each mini-batch.
        arguments: ``program_arguments`` as written.
        source: The input that is divided.
        tabular: A mini-batch is a table (an mltable in mode ``direct``), not a list of paths.
        size: Of a mini-batch: a number of files, or bytes of a table.
        partition_keys: A mini-batch is what has the same values of these; they win over *size*.
        append_row_to: The output that gets what ``run()`` returns.
        error_threshold: How many items may fail; -1 for any number.
        mini_batch_error_threshold: How many mini-batches may fail; -1 for any number.
        timeout: Seconds for one ``run()``.
        workers: How many processes; None for as many as there are cores.
    """

    entry_script: str
    arguments: str = ""
    source: str
    tabular: bool = False
    size: int = 1
    partition_keys: tuple[str, ...] = ()
    append_row_to: str | None = None
    error_threshold: int = -1
    mini_batch_error_threshold: int = -1
    max_retries: int = 2
    timeout: int = 60
    workers: int | None = None
    logging_level: str = "INFO"

    def parts(self) -> dict[str, str]:
        """What of it makes a step another step, in words; how many work at once and what they log does not."""
        return {
            "input_data": f"{self.source} as {'a table' if self.tabular else 'files'}", "mini_batch_size": str(self.size),
            "partition_keys": ", ".join(self.partition_keys), "append_row_to": self.append_row_to or "",
            "error_threshold": str(self.error_threshold),
            "mini_batch_error_threshold": str(self.mini_batch_error_threshold),
            "retry_settings": f"{self.max_retries} times, {self.timeout} s",
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a parallel job runs: code, environment and variables, and the folder that their paths start from."""

    command: str
    code: str | None
    environment: str | Environment | None
    environment_folder: str
    environment_variables: Mapping[str, str]
    folder: str
    document: Table


def task_of(job: Job, component: OtherComponent, folder: str) -> Task:
    """The task that *job* runs: its own, or its component's.

    Args:
        job: A parallel job.
        component: Its component, or what it carries itself.
        folder: The folder that the job's own paths start from.
    """
    own = subtable(job.document, "task")
    document = own or subtable(component.document, "task")
    if document is None:
        raise InputError(f"job {job.name!r} has no task", place=job.place, why="it names the script whose run() gets each "
                         "mini-batch", fix="add 'task: …' to it or to its component")
    kind = word(document, "type") or _FUNCTION[1]
    if kind not in _FUNCTION:
        raise InputError(f"the task of job {job.name!r} is of type {kind!r}, which does not run on this machine",
                         place=document.entries["type"].place, why="a run_function does",
                         fix="submit the pipeline to Azure ML")
    base = folder if own is not None else component.folder
    from_job = job.document.get("environment")
    environment = from_job if from_job is not None else document.get("environment")
    environment_folder = folder if from_job is not None else base
    variables = {**text_map(component.document, "environment_variables"), **text_map(job.document, "environment_variables")}
    return Task(
        command=f"{text(document, 'entry_script') or ''} {text(document, 'program_arguments') or ''}".strip(),
        code=text(document, "code"), environment=_environment(environment, environment_folder),
        environment_folder=environment_folder, environment_variables=variables, folder=base, document=document,
    )


def read(job: Job, component: OtherComponent, task: Task, value_of: Callable[[str], str | None],
         modes: Mapping[str, str | None]) -> Parallel:
    """What a parallel job and its component say; what the job says wins.

    Args:
        job: The job.
        component: Its component, or what it carries itself.
        task: What it runs.
        value_of: The value of an expression such as ``inputs.size``; None when it has none.
        modes: What is said of inputs where their data is named.

    Raises:
        InputError: something that is needed is absent, or no number where one is needed.
    """
    reader = _Reader(job, component.document, value_of)
    entry = text(task.document, "entry_script")
    if entry is None:
        raise InputError(f"the task of job {job.name!r} has no entry_script", place=task.document.place,
                         why="its run() gets each mini-batch", fix="add 'entry_script: …'")
    source = reader.port("input_data", reader.get("input_data"), "inputs", component.inputs)
    if source is None:
        raise InputError(f"job {job.name!r} has no input_data", place=job.place, why="it says which input is divided",
                         fix=f"add 'input_data: ${{{{inputs.{next(iter(component.inputs), 'NAME')}}}}}'")
    port = component.inputs[source]
    mode = getattr(job.inputs.get(source), "mode", None) or modes.get(source) or port.mode
    tabular = port.type == "mltable" and mode == "direct"
    retry = _Reader(job, subtable(component.document, "retry_settings"), value_of, subtable(job.document, "retry_settings"))
    return Parallel(
        entry_script=entry, arguments=text(task.document, "program_arguments") or "", source=source, tabular=tabular,
        size=reader.size() or (TABLE_BYTES if tabular else 1),
        partition_keys=texts(job.document, "partition_keys") or texts(component.document, "partition_keys"),
        append_row_to=reader.port("append_row_to", task.document.get("append_row_to"), "outputs", component.outputs),
        error_threshold=reader.number("error_threshold", -1),
        mini_batch_error_threshold=reader.number("mini_batch_error_threshold", -1),
        max_retries=retry.number("max_retries", 2), timeout=retry.number("timeout", 60),
        workers=reader.number("max_concurrency_per_instance", 0) or None,
        logging_level=(reader.text("logging_level") or "INFO").upper(),
    )


class _Reader:
    """The keys of a job, and where it says nothing those of its component; expressions replaced by their values."""

    def __init__(self, job: Job, component: Table | None, value_of: Callable[[str], str | None],
                 own: Table | None = None) -> None:
        self._job, self._value_of = job, value_of
        self._documents = [document for document in (own or job.document, component) if document is not None]

    def get(self, key: str) -> Value | None:
        return next((found for document in self._documents if (found := document.get(key)) is not None), None)

    def text(self, key: str) -> str | None:
        found = self.get(key)
        if not isinstance(found, Scalar) or found.value is None:
            return None
        return substitute(found.text, self._value_of)

    def number(self, key: str, default: int) -> int:
        given = self.text(key)
        number = as_number(given) if given is not None else default
        if number is None or number != int(number):
            raise self._wrong(key, given, "it is a whole number")
        return int(number)

    def size(self) -> int:
        given = self.text("mini_batch_size")
        match = _SIZE.fullmatch(given.strip()) if given is not None else None
        if given is not None and (match is None or not int(match[1])):
            raise self._wrong("mini_batch_size", given, "it is a number of files (10), or a size of data (10kb, 5mb, 1gb)")
        return int(match[1]) * _UNITS[(match[2] or "").lower()] if match else 0

    def port(self, key: str, given: Value | None, side: str, known: Mapping[str, object]) -> str | None:
        if not isinstance(given, Scalar) or given.value is None:
            return None
        match = _WHOLE.fullmatch(given.text.strip())
        try:
            port = parse_expression(match[1]) if match else None
        except BindingError:
            port = None
        if not isinstance(port, OwnPort) or port.side != side or port.name not in known:
            name = port.name if isinstance(port, OwnPort) else given.text
            raise InputError(f"{key} of job {self._job.name!r} is {given.text}", place=given.place,
                             why=f"it names one of the {side}: {listing(known)}", fix=did_you_mean(name, list(known)))
        return port.name

    def _wrong(self, key: str, given: str | None, why: str) -> InputError:
        found = self.get(key)
        return InputError(f"{key} of job {self._job.name!r} is {given!r}", why=why,
                          place=found.place if found is not None else self._job.place)


def _environment(given: Value | None, folder: str) -> str | Environment | None:
    if isinstance(given, Table):
        return Environment.from_document(given, folder=folder)
    return given.text if isinstance(given, Scalar) and given.value is not None else None


# --- program_arguments that are not the script's -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What ``program_arguments`` say to the job itself; times in seconds.

    Attributes:
        error_threshold: Instead of the job's key; None when it is not given.
        allowed_failed_count: Instead of ``mini_batch_error_threshold``; None when it is not given.
        allowed_failed_percent: How many mini-batches of a hundred may fail.
        task_overhead_timeout: For reading a mini-batch.
        first_task_creation_timeout: For starting a worker, ``init()`` included.
        progress_update_timeout: Between one mini-batch that is done and the next; None for no limit of its own.
        append_row_dataframe_header: The names of a DataFrame's columns stand above its rows.
        append_row_file_name: The file of rows, in an output that is a folder; None for the usual one.
    """

    error_threshold: int | None = None
    allowed_failed_count: int | None = None
    allowed_failed_percent: int = 100
    task_overhead_timeout: int = 600
    first_task_creation_timeout: int = 600
    progress_update_timeout: int | None = None
    append_row_dataframe_header: bool = False
    append_row_file_name: str | None = None


_COUNTS = {"error_threshold": -1, "allowed_failed_count": -1, "allowed_failed_percent": 0, "task_overhead_timeout": 1,
           "first_task_creation_timeout": 1, "progress_update_timeout": 1}
_FLAGS = frozenset({"append_row_dataframe_header"})
_NAMES = frozenset({"append_row_file_name"})
# They concern what only Azure ML shows.
_IGNORED = frozenset({"copy_logs_to_parent", "metrics_name_prefix", "push_metrics_to_parent", "resource_monitor_interval"})


def split_arguments(words: Sequence[str]) -> tuple[Options, list[str]]:
    """What the words of ``program_arguments`` say to the job, and the others, which are the script's.

    Raises:
        InputError: a value that its option does not take.
    """
    found: dict[str, int | bool | str] = {}
    rest = []
    todo = list(reversed(words))
    while todo:
        word_ = todo.pop()
        name, equals, value = word_.removeprefix("--").partition("=")
        if not word_.startswith("--") or name not in {*_COUNTS, *_FLAGS, *_NAMES, *_IGNORED}:
            rest.append(word_)
            continue
        if not equals:
            value = todo.pop() if todo else ""
        if name in _COUNTS:
            number = as_number(value)
            if number is None or number != int(number) or number < _COUNTS[name]:
                raise InputError(f"--{name} in program_arguments is {value!r}",
                                 why=f"it is a whole number of at least {_COUNTS[name]}")
            found[name] = int(number)
        elif name in _FLAGS:
            flag = as_flag(value)
            if flag is None:
                raise InputError(f"--{name} in program_arguments is {value!r}", why="it is True or False")
            found[name] = flag
        elif name in _NAMES:
            if not value or "/" in value:
                raise InputError(f"--{name} in program_arguments is {value!r}", why="it is a file's name, without a folder")
            found[name] = value
    return Options(**found), rest  # type: ignore[arg-type]


# --- what may fail ---------------------------------------------------------------------------------------------------


class Tally:
    """Counts what is done and what has failed, and says when that is too much.

    Args:
        parallel: The thresholds of the job.
        options: Those of its arguments, which come first.
    """

    def __init__(self, parallel: Parallel, options: Options) -> None:
        given = options.error_threshold, options.allowed_failed_count
        self._items_allowed = parallel.error_threshold if given[0] is None else given[0]
        self._batches_allowed = parallel.mini_batch_error_threshold if given[1] is None else given[1]
        self._percent_allowed = options.allowed_failed_percent
        self.done = self.failed = self.failed_items = 0

    def add_done(self, items: int, returned: int) -> None:
        """A mini-batch is done: of *items* it was given, it *returned* so many; what it lacks counts as failed items."""
        self.done += 1
        self.failed_items += max(0, items - returned)

    def add_failed(self, items: int) -> None:
        """A mini-batch has failed for good, with all its items."""
        self.failed += 1
        self.failed_items += items

    def problem(self) -> str:
        """Why the job cannot succeed any more, whatever comes; empty while it can."""
        if 0 <= self._batches_allowed < self.failed:
            return f"{_mini_batches(self.failed)} failed, and mini_batch_error_threshold is {self._batches_allowed}"
        if 0 <= self._items_allowed < self.failed_items:
            return f"{_items(self.failed_items)} failed, and error_threshold is {self._items_allowed}"
        return ""

    def verdict(self) -> str:
        """Why the job has failed, now that all is over; empty when it has not.

        Azure ML's thresholds allow any number of failures unless they are set. A job of which nothing at all succeeded
        has failed all the same.
        """
        total = self.done + self.failed
        if self.problem():
            return self.problem()
        if self.failed and 100 * self.failed > self._percent_allowed * total:
            return f"{self.failed} of {_mini_batches(total)} failed, and allowed_failed_percent is {self._percent_allowed}"
        if self.failed and not self.done:
            return f"all of its {_mini_batches(total)} failed" if total > 1 else "its only mini-batch failed"
        return ""


def _mini_batches(count: int) -> str:
    return f"{count} mini-batch{'' if count == 1 else 'es'}"


def _items(count: int) -> str:
    return f"{count} item{'' if count == 1 else 's'}"
