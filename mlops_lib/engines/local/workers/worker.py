"""One worker of a parallel step: loads the entry script, and gives each mini-batch that it is sent to its ``run()``.

A stand-alone script, started by the engine in the step's own Python (3.8 or newer), which need not have this package.
What it is told and what it answers goes over the socket that is its standard input; standard output and error are the
entry script's, and the step's log. A message is a length of four bytes, and so much JSON.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import importlib.util
import inspect
import io
import json
import logging
import os
import socket
import struct
import sys
import traceback
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_TRACE = 8  # last lines of a traceback that are sent


def _tables() -> Any:
    """The module of tables beside this file, under a name that no module of the entry script has."""
    here, name = os.path.dirname(os.path.abspath(__file__)), "_mlops_workers"
    spec = importlib.util.spec_from_file_location(name, os.path.join(here, "__init__.py"), submodule_search_locations=[here])
    if spec is None:
        raise ImportError(here)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{name}.tables")


class Channel:
    """Messages over a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rwb")

    def send(self, **message: Any) -> None:
        """Send one."""
        data = json.dumps(message).encode("utf-8")
        self._file.write(struct.pack("!I", len(data)) + data)
        self._file.flush()

    def receive(self) -> dict[str, Any]:
        """The next one; ends the process when the engine is gone."""
        size = self._file.read(4)
        if len(size) < 4:
            os._exit(1)
        message: dict[str, Any] = json.loads(self._file.read(struct.unpack("!I", size)[0]))
        return message


class MiniBatchContext:
    """What ``run()`` may take as its second argument.

    Attributes:
        minibatch_index: Counts the mini-batches of the job from 0.
        partition_key_value: With partition keys, the value of each for this mini-batch.
    """

    def __init__(self, index: int, key: dict[str, Any]) -> None:
        self.minibatch_index = index
        self.partition_key_value = key


class Entry:
    """The functions of an entry script."""

    def __init__(self, script: str) -> None:
        module = _load(script)
        self.init = getattr(module, "init", None)
        self.shutdown = getattr(module, "shutdown", None)
        run = getattr(module, "run", None)
        if not callable(run):
            raise AttributeError(f"the entry script {script!r} defines no run()")
        self._run: Callable[..., Any] = run
        self._takes = _context_of(run)

    def run(self, mini_batch: Any, context: MiniBatchContext) -> Any:
        """Give it a mini-batch, and the context if it takes one."""
        if self._takes == "keyword":
            return self._run(mini_batch, mini_batch_context=context)
        return self._run(mini_batch, context) if self._takes else self._run(mini_batch)


def _context_of(run: Callable[..., Any]) -> str:
    """How a function takes the context: ``positional``, ``keyword`` or not at all."""
    try:
        parameters = list(inspect.signature(run).parameters.values())
    except (TypeError, ValueError):
        return ""
    positional = [parameter for parameter in parameters if parameter.kind in (
        parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)]
    if len(positional) > 1:
        second = positional[1]
        return "positional" if second.default is second.empty or "context" in second.name else ""
    if any(parameter.kind == parameter.VAR_POSITIONAL for parameter in parameters):
        return "positional"
    named = any(parameter.name == "mini_batch_context" or parameter.kind == parameter.VAR_KEYWORD for parameter in parameters)
    return "keyword" if named else ""


def _load(script: str) -> Any:
    """The module that a file of the code, or a dotted name, is."""
    path = os.path.abspath(script)
    if not os.path.isfile(path):
        sys.path[:0] = [os.getcwd()]
        return importlib.import_module(script)
    sys.path[:0] = list(dict.fromkeys([os.path.dirname(path), os.getcwd()]))
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"the entry script {script!r} is no Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _provide_entry_script(setup: dict[str, Any]) -> None:
    """``azureml_user.parallel_run.EntryScript``, which is on Azure ML's machines and in no package."""
    level = getattr(logging, setup["logging_level"], logging.INFO)
    logger = logging.getLogger("EntryScript")
    logger.setLevel(level)

    class EntryScript:
        """Of the whole process, however often it is made."""

        agent_name = f"process{setup['worker']:03d}"
        working_dir = os.getcwd()
        output_dir = setup["output"]
        log_dir = os.path.join(os.getcwd(), "logs", "user", "entry_script_log", "0")

    EntryScript.logger = logger  # type: ignore[attr-defined]
    if importlib.util.find_spec("azureml_user") is None:
        package, module = types.ModuleType("azureml_user"), types.ModuleType("azureml_user.parallel_run")
        package.__path__ = []
        package.parallel_run = module  # type: ignore[attr-defined]
        module.EntryScript = EntryScript  # type: ignore[attr-defined]
        sys.modules[package.__name__], sys.modules[module.__name__] = package, module


class Rows:
    """A file that gets what ``run()`` returned, one item a line; nothing is written without a path."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    def write(self, result: Any) -> tuple[int, str]:
        """Write all of *result*: how many items it has, and the line that names the columns of a DataFrame."""
        if result is None or isinstance(result, (str, bytes, dict, set)) or not hasattr(result, "__len__"):
            raise TypeError(f"run() returned {_described(result)}; it returns a DataFrame, a list or a tuple")
        frame = hasattr(result, "to_csv") and hasattr(result, "columns")
        header = result.head(0).to_csv(sep=" ", index=False) if frame else ""
        if self._path is not None:
            with open(self._path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                if frame:
                    result.to_csv(file, sep=" ", header=False, index=False)
                else:
                    file.writelines(f"{item}\n" for item in result)
        return len(result), header


def _described(value: Any) -> str:
    name = type(value).__name__
    return "nothing" if value is None else f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _report(channel: Channel, error: BaseException, **message: Any) -> None:
    """Tell the engine of an error, and the log all of it; without the frames of this script."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    lines = traceback.format_exception(type(error), error, frames)
    sys.stdout.flush()
    sys.stderr.write("".join(lines))
    sys.stderr.flush()
    what = "".join(traceback.format_exception_only(type(error), error)).strip()
    trace = [line for text in lines for line in text.rstrip("\n").split("\n")]
    channel.send(**{"is": "failed", "error": what, "trace": trace[-_TRACE:], **message})


def _work(channel: Channel, setup: dict[str, Any]) -> None:
    tables, table = _tables(), None
    try:
        # Like every script that is started by its path, it finds what it is given in sys.argv.
        sys.argv = [setup["entry"], *setup["arguments"]]
        _provide_entry_script(setup)
        entry = Entry(setup["entry"])
        if callable(entry.init):
            entry.init()
        if setup["plan"] is not None:
            table = tables.Table(setup["plan"], setup["schema"])
    except BaseException as error:  # whatever it is, it is the entry script's, and told
        _report(channel, error, phase="init")
        return
    channel.send(**{"is": "ready"})
    while True:
        message = channel.receive()
        if message["do"] == "end":
            break
        _run(channel, entry, tables, table, message)
    try:
        if callable(entry.shutdown):
            entry.shutdown()
    except BaseException as error:
        _report(channel, error, phase="shutdown")
        return
    channel.send(**{"is": "ended"})


def _run(channel: Channel, entry: Entry, tables: Any, table: Any, message: dict[str, Any]) -> None:
    batch, items, phase = message["batch"], 0, "read"
    try:
        mini_batch = batch["paths"] if table is None else table.read(batch)
        items, phase = len(mini_batch), "run"
        channel.send(**{"is": "running", "items": items})
        # A table's mini-batch of which a filter left nothing is done.
        context = MiniBatchContext(message["index"], tables.unpacked(batch.get("key", {})))
        result = entry.run(mini_batch, context) if items else []
        returned, header = Rows(message["rows"]).write(result)
    except BaseException as error:
        _report(channel, error, phase=phase, items=items)
        return
    channel.send(**{"is": "done", "items": items, "returned": returned, "header": header})


def _split(channel: Channel, setup: dict[str, Any]) -> None:
    """Cut a table into mini-batches, no faster than they are taken."""
    tables = _tables()
    try:
        table = tables.Table(setup["plan"])
        channel.send(**{"is": "table", "schema": table.schema})
        for batch in table.batches(setup["size"], setup["keys"], setup["spool"]):
            channel.send(**{"is": "batch", "batch": batch})
    except tables.Refused as error:
        channel.send(**{"is": "failed", "error": str(error), "trace": [], "phase": "read"})
        return
    except BaseException as error:
        _report(channel, error, phase="read")
        return
    channel.send(**{"is": "ended"})


def _lines_to(descriptor: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(descriptor, "w", closefd=False), encoding="utf-8", errors="backslashreplace",
                            line_buffering=True)


def main() -> None:
    """Take the socket for ourselves, and do what the first message says."""
    connection = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    # Lines of several workers stay whole: unbuffered output would be written in pieces.
    sys.stdout, sys.stderr = _lines_to(1), _lines_to(2)
    faulthandler.enable(sys.stderr)
    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") != here]
    channel = Channel(connection)
    setup = channel.receive()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the engine is gone
        (_split if setup["do"] == "split" else _work)(channel, setup)


if __name__ == "__main__":
    main()
