"""The work of a parallel step: processes that live across mini-batches, and what becomes of what they return.

A thread a worker takes the next mini-batch, gives it to its process and waits for the answer, so that the code reads in
the order in which things happen. A process that dies, or does not answer in time, costs one attempt at its mini-batch:
rows count only when a worker has written all of a mini-batch to a file of its own and said so, and such files are joined
in the order of the mini-batches. Nothing is lost or doubled, and the same input gives the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ...binding import render
from ...errors import InputError, MlopsError, listing
from ...graph import Step
from ...parallel import Parallel, Tally, split_arguments
from .mltables import plan_in
from .process import GRACE, Exit, Invocation, Launcher, Process, describe_exit
from .workers import files
from .workplace import Workplace

_SCRIPT: Final = Path(__file__).with_name("workers") / "worker.py"
_ROWS: Final = "parallel_run_step.txt"  # as Azure ML calls the file in a folder that gets the rows
_PROGRESS_S: Final = 1.0


class _Failure(Exception):
    """The step cannot go on: what happened, and the last lines of the traceback."""

    def __init__(self, what: str, trace: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.what, self.trace = what, trace


class _Stopped(Exception):
    """Somebody else has ended the step."""


class _Gone(Exception):
    """A worker's process has ended."""


class ParallelWork:
    """A parallel step at work, to the engine a process like any other.

    Args:
        step: The step.
        place: Its workplace.
        invocation: The folder, variables and log of its processes.
        launcher: Starts them.
        workers: How many at once.
        table: The folder of the table that is divided, when it is one; the step itself may get a URL instead.
    """

    def __init__(self, step: Step, parallel: Parallel, place: Workplace, invocation: Invocation, launcher: Launcher, *,
                 workers: int, table: Path | None) -> None:
        self._step, self._parallel, self._place, self._invocation = step, parallel, place, invocation
        self._launcher, self._workers, self._table = launcher, workers, table
        self._lock = threading.Condition()  # of all that follows
        self._live: set[_Worker] = set()
        self._stopping = False
        self._failure: _Failure | None = None
        self._broken: BaseException | None = None
        self._ended: list[Exit] = []
        self._last: tuple[str, tuple[str, ...]] = "", ()
        self._notices: list[str] = []
        self._at_work = 0
        self._progress = self._told = time.monotonic()

    # --- as a process ------------------------------------------------------------------------------------------------

    def wait(self) -> Exit:
        """Work to the end."""
        try:
            self._work()
        except _Failure as failure:
            self._fail(failure)
        except MlopsError as error:
            place = f"{error.place}: " if error.place else ""
            self._fail(_Failure(f"{place}{error.what}", tuple(text for text in (error.why, error.fix) if text)))
        except files.Refused as error:
            self._fail(_Failure(str(error)))
        except _Stopped:
            pass
        peaks = [ended.peak_memory for ended in self._ended if ended.peak_memory is not None]
        peak = max(peaks, default=None)
        if self._broken is not None:
            raise self._broken
        if self._failure is not None:
            return Exit(code=1, peak_memory=peak, problem=f"failed: {self._failure.what}", detail=self._failure.trace)
        return Exit(code=-15 if self._stopping else 0, peak_memory=peak, notice="; ".join(self._notices))

    def stop(self, *, now: bool = False) -> None:
        """End the workers, each with all that it started."""
        with self._lock:
            self._stopping = True
            for worker in self._live:
                worker.process.stop(now=now)
            self._lock.notify_all()

    def _fail(self, failure: _Failure) -> None:
        with self._lock:
            if self._failure is None and not self._stopping:
                self._failure = failure
            self._end_all()

    def _end_all(self) -> None:
        for worker in self._live:
            worker.process.stop(now=True)
        self._lock.notify_all()

    # --- the whole ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        values: dict[str, str | None] = {name: self._place.inputs.get(name) for name in self._step.component.inputs}
        text = render(self._parallel.arguments, values, {name: str(path) for name, path in self._place.outputs.items()})
        try:
            words = shlex.split(text)
        except ValueError:  # a quote that is not closed is a letter like others
            words = text.split()
        self._options, arguments = split_arguments(words)
        self._tally = Tally(self._parallel, self._options)
        self._spool, self._parts = self._place.folder / "spool", self._place.folder / "parts"
        for folder in (self._spool, self._parts):
            folder.mkdir()
        self._collected = _Rows(self._rows_path(), header=self._options.append_row_dataframe_header)
        self._source = _Batches(self._batches(arguments))
        begun = time.monotonic()
        threads = [threading.Thread(target=self._slot, args=(number,), name=f"worker {number}", daemon=True)
                   for number in range(self._workers)]
        self._at_work = len(threads)
        for thread in threads:
            thread.start()
        self._watch()
        for thread in threads:
            thread.join()
        self._source.close()
        for worker in tuple(self._live):  # of a thread that could not go on
            self._release(worker, now=True)
        if self._failure is None and not self._stopping and self._broken is None:
            self._judge(time.monotonic() - begun)

    def _watch(self) -> None:
        """Wait for the threads; end them all when nothing has been done for too long."""
        limit = self._options.progress_update_timeout
        with self._lock:
            while self._at_work:
                left = None if limit is None else self._progress + limit - time.monotonic()
                if left is not None and left <= 0 and self._failure is None:
                    self._failure = _Failure(f"no mini-batch was done for {limit} s, its progress_update_timeout")
                    self._end_all()
                self._lock.wait(left if left is None or left > 0 else None)

    def _judge(self, seconds: float) -> None:
        tally = self._tally
        if not tally.done + tally.failed:
            raise _Failure(f"its input {self._parallel.source!r} is empty")
        self._log(f"{_said(tally)} in {seconds:.1f} s")
        verdict = tally.verdict()
        if verdict:
            raise _Failure(f"{verdict}; the last one: {self._last[0]}", self._last[1])
        if tally.failed:
            self._notices.append(f"{tally.failed} of {tally.done + tally.failed} mini-batches of step {self._step.name!r} "
                                 f"failed, which its thresholds allow; the last one: {self._last[0]}")

    def _rows_path(self) -> Path | None:
        port = self._parallel.append_row_to
        if port is None:
            return None
        path = self._place.outputs[port]
        return path if self._step.component.outputs[port].type == "uri_file" else path / (
            self._options.append_row_file_name or _ROWS)

    # --- mini-batches ------------------------------------------------------------------------------------------------

    def _batches(self, arguments: list[str]) -> Iterator[dict[str, Any]]:
        """The mini-batches, lazily; sets what workers are told first."""
        parallel = self._parallel
        source = self._place.inputs.get(parallel.source)
        if source is None:
            raise InputError(f"the input {parallel.source!r} of step {self._step.name!r} has no value",
                             why="it is what input_data divides", fix="give it one")
        port = self._step.component.inputs[parallel.source]
        plan = plan_in(self._table if parallel.tabular and self._table else source) if port.type == "mltable" else None
        folders = [path for name, path in self._place.outputs.items()
                   if self._step.component.outputs[name].type != "uri_file"]
        rows = self._rows_path()
        self._setup = {
            "do": "work", "entry": parallel.entry_script, "arguments": arguments, "logging_level": parallel.logging_level,
            "output": str(rows.parent if rows else folders[0] if folders else self._place.code / "outputs"),
            "plan": plan if parallel.tabular else None, "schema": None,
        }
        if plan is not None and parallel.tabular:
            return self._from_table(plan)
        if plan is not None:
            return files.listed_batches(plan, parallel.size, list(parallel.partition_keys))
        if parallel.partition_keys:
            raise InputError(f"partition_keys of step {self._step.name!r} divide a table, and its input "
                             f"{parallel.source!r} is a {port.type}", fix="make the input an mltable, or give mini_batch_size")
        return files.file_batches(files.walk(source), parallel.size)

    def _from_table(self, plan: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What a process of its own cuts a table into: pandas and the table are the step's, not the engine's."""
        parallel, limit = self._parallel, self._options.task_overhead_timeout
        splitter = self._launch()
        try:
            splitter.send({"do": "split", "plan": plan, "size": parallel.size, "keys": list(parallel.partition_keys),
                           "spool": str(self._spool)})
            while True:
                # Rows that are sorted by key come when all have been read.
                told = splitter.receive(None if parallel.partition_keys else limit)
                if told["is"] == "table":
                    self._setup["schema"] = told["schema"]
                elif told["is"] == "batch":
                    yield told["batch"]
                elif told["is"] == "ended":
                    return
                else:
                    raise _Failure(f"its input {parallel.source!r} cannot be read: {told['error']}", tuple(told["trace"]))
        except _Gone:
            raise self._lost(f"the process that reads its input {parallel.source!r} {splitter.how()}") from None
        except TimeoutError:
            raise _Failure(f"its input {parallel.source!r} was not read for {limit} s, its task_overhead_timeout") from None
        finally:
            self._release(splitter)

    # --- one worker --------------------------------------------------------------------------------------------------

    def _slot(self, number: int) -> None:
        worker: _Worker | None = None
        try:
            for index, batch in self._source:
                if self._stopping or self._failure is not None:
                    raise _Stopped
                worker = self._settle(worker, number, index, batch)
            if worker is not None:
                self._shut_down(worker)
        except _Failure as failure:
            self._fail(failure)
        except files.Refused as error:
            self._fail(_Failure(str(error)))
        except _Stopped:
            pass
        except BaseException as error:  # the thread that waits raises it
            with self._lock:
                self._broken = self._broken or error
                self._end_all()
        finally:
            if worker is not None:
                self._release(worker)
            with self._lock:
                self._at_work -= 1
                self._lock.notify_all()

    def _settle(self, worker: _Worker | None, number: int, index: int, batch: Mapping[str, Any]) -> _Worker | None:
        """Have a mini-batch done, or found to fail; the worker that is alive then."""
        tries = self._parallel.max_retries + 1
        items = len(batch.get("paths", ()))
        for attempt in range(1, tries + 1):
            if worker is None:
                worker = self._started(number)
            rows = self._parts / f"{index}-{attempt}"
            outcome = self._attempt(worker, index, batch, rows)
            if "returned" in outcome:
                self._done(index, outcome, rows, batch)
                return worker
            items = outcome.get("items") or items
            if outcome.get("lost"):
                self._release(worker, now=True)
                worker = None
                if self._stopping or self._failure is not None:
                    raise _Stopped
            what = f"mini-batch {index}{_shown(batch)} {outcome['what']}"
            self._log(f"{what} (attempt {attempt} of {tries})")
        self._failed(index, items, what, tuple(outcome.get("trace", ())), batch)
        return worker

    def _attempt(self, worker: _Worker, index: int, batch: Mapping[str, Any], rows: Path) -> dict[str, Any]:
        limit = self._options.task_overhead_timeout
        what, items = "was not read", 0
        try:
            worker.send({"do": "run", "index": index, "batch": batch,
                         "rows": str(rows) if self._collected.path is not None else None})
            told = worker.receive(limit)
            if told["is"] == "running":
                what, items, limit = "was not done", told["items"], self._parallel.timeout
                told = worker.receive(limit)
        except TimeoutError:
            return {"lost": True, "what": f"{what} after {limit} s, its timeout", "items": items}
        except _Gone:
            return {"lost": True, "what": f"ended its worker, which {worker.how()}", "items": items}
        if told["is"] == "done":
            return told
        verb = "could not be read:" if told["phase"] == "read" else "raised"
        return {**told, "what": f"{verb} {told['error']}"}

    def _started(self, number: int) -> _Worker:
        """A worker whose ``init()`` is done."""
        entry = self._parallel.entry_script
        tries = self._parallel.max_retries + 1
        for _ in range(tries):
            worker = self._launch()
            try:
                worker.send({**self._setup, "worker": number})
                told = worker.receive(self._options.first_task_creation_timeout)
                if told["is"] == "ready":
                    return worker
                self._release(worker)
                raise _Failure(f"init() of {entry} raised {told['error']}", tuple(told["trace"]))
            except TimeoutError:
                self._release(worker, now=True)
                raise _Failure(f"init() of {entry} was not done after {self._options.first_task_creation_timeout} s, its "
                               "first_task_creation_timeout") from None
            except _Gone:
                how = worker.how()
                self._release(worker)
                if self._stopping or self._failure is not None:
                    raise _Stopped from None
                self._log(f"a worker {how} before its init() was done")
        raise _Failure(f"a worker ended before init() of {entry} was done, {tries} times: the last one {how}")

    def _shut_down(self, worker: _Worker) -> None:
        """Let the entry script's ``shutdown()`` run; the results are there, so its failing is told and no more."""
        try:
            worker.send({"do": "end"})
            told = worker.receive(self._options.task_overhead_timeout)
            problem = f"raised {told['error']}" if told["is"] == "failed" else ""
        except TimeoutError:
            problem = f"was not done after {self._options.task_overhead_timeout} s"
        except _Gone:
            problem = f"ended its worker, which {worker.how()}"
        if problem and not self._stopping:
            with self._lock:
                self._notices.append(f"shutdown() of step {self._step.name!r} {problem}")

    def _launch(self) -> _Worker:
        with self._lock:
            if self._stopping or self._failure is not None or self._broken is not None:
                raise _Stopped
            worker = _Worker(self._launcher, self._invocation)
            self._live.add(worker)
        return worker

    def _release(self, worker: _Worker, *, now: bool = False) -> None:
        """End a worker, unless it has ended, and wait for that; *now*, or after a grace period."""
        ended = worker.end(now=now)
        with self._lock:
            if worker in self._live:
                self._live.remove(worker)
                self._ended.append(ended)

    def _lost(self, what: str) -> Exception:
        return _Stopped() if self._stopping or self._failure is not None else _Failure(what)

    # --- results -----------------------------------------------------------------------------------------------------

    def _done(self, index: int, outcome: Mapping[str, Any], rows: Path, batch: Mapping[str, Any]) -> None:
        with self._lock:
            self._tally.add_done(outcome["items"], outcome["returned"])
            self._collected.add(index, rows if self._collected.path is not None else None, outcome["header"])
            if outcome["returned"] < outcome["items"]:
                self._last = (f"mini-batch {index}{_shown(batch)} returned {outcome['returned']} of {outcome['items']} items",
                              ())
            self._after(batch)

    def _failed(self, index: int, items: int, what: str, trace: tuple[str, ...], batch: Mapping[str, Any]) -> None:
        with self._lock:
            self._tally.add_failed(items)
            self._last = what, trace
            self._collected.add(index, None, "")
            self._after(batch)

    def _after(self, batch: Mapping[str, Any]) -> None:
        """Judge what has been done so far, and tell of it now and then; the lock is held."""
        if "spool" in batch:
            Path(batch["spool"]).unlink(missing_ok=True)
        self._progress = time.monotonic()
        self._lock.notify_all()
        problem = self._tally.problem()
        if problem and self._failure is None:
            self._failure = _Failure(f"{problem}; the last one: {self._last[0]}", self._last[1])
            self._end_all()
        elif self._progress - self._told >= _PROGRESS_S:
            self._told = self._progress
            self._log(f"{_said(self._tally)} so far")

    def _log(self, line: str) -> None:
        with open(self._invocation.log, "ab", buffering=0) as log:  # one write, so that it is one line
            log.write(f"parallel: {line}\n".encode("utf-8", "backslashreplace"))


def _said(tally: Tally) -> str:
    failed = f", {tally.failed} failed" if tally.failed else ""
    return f"{tally.done} mini-batch{'' if tally.done == 1 else 'es'} done{failed}"


def _shown(batch: Mapping[str, Any]) -> str:
    """What a mini-batch is made of, in brackets: files, or a key."""
    if batch.get("key"):
        values = [value["datetime"] if isinstance(value, dict) else value for value in batch["key"].values()]
        return " ({})".format(", ".join(f"{name}={value}" for name, value in zip(batch["key"], values, strict=True)))
    paths = batch.get("paths") or [piece["file"] for piece in batch.get("pieces", ())]
    return f" ({listing((os.path.basename(path) for path in paths), limit=3)})" if paths else ""


class _Batches:
    """The mini-batches with their numbers, one at a time, for several threads."""

    def __init__(self, source: Iterator[dict[str, Any]]) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._count = 0

    def __iter__(self) -> _Batches:
        return self

    def __next__(self) -> tuple[int, dict[str, Any]]:
        with self._lock:
            batch = next(self._source)
            self._count += 1
            return self._count - 1, batch

    def close(self) -> None:
        """Nobody takes any more."""
        close = getattr(self._source, "close", None)
        if close is not None:
            close()


class _Rows:
    """What ``run()`` returned, joined in the order of the mini-batches, whichever is done first."""

    def __init__(self, path: Path | None, *, header: bool) -> None:
        self.path = path
        self._header_wanted = header
        self._next = 0
        self._waiting: dict[int, tuple[Path | None, str]] = {}
        if path is not None:
            path.touch()

    def add(self, index: int, rows: Path | None, header: str) -> None:
        """Mini-batch *index* is over; *rows* holds what it returned, None for nothing."""
        self._waiting[index] = rows, header
        while self._next in self._waiting:
            rows, header = self._waiting.pop(self._next)
            self._next += 1
            if rows is not None and self.path is not None:
                self._append(rows, header)

    def _append(self, rows: Path, header: str) -> None:
        if self.path is None:
            return
        with rows.open("rb") as source, self.path.open("ab") as target:
            if self._header_wanted and header:
                target.write(header.encode())
                self._header_wanted = False
            shutil.copyfileobj(source, target, 1 << 20)
        rows.unlink()


class _Worker:
    """A process and the socket to it; one thread talks to it."""

    def __init__(self, launcher: Launcher, invocation: Invocation) -> None:
        ours, theirs = socket.socketpair()
        script = shlex.quote(str(_SCRIPT))
        try:
            self.process: Process = launcher.launch(replace(
                invocation, command=f'exec "$(command -v python || command -v python3)" {script}', stdin=theirs.fileno()))
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._socket = ours
        self._exit: Exit | None = None
        # To wait for a process is to end what it leaves running: only then is the socket at its end for sure.
        self._waiter = threading.Thread(target=self._wait, daemon=True)
        self._waiter.start()

    def _wait(self) -> None:
        self._exit = self.process.wait()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message.

        Raises:
            _Gone: nobody is there to get it.
        """
        data = json.dumps(message).encode()
        try:
            self._socket.settimeout(None)
            self._socket.sendall(struct.pack("!I", len(data)) + data)
        except OSError:
            raise _Gone from None

    def receive(self, seconds: float | None) -> dict[str, Any]:
        """The next message.

        Raises:
            _Gone: the process has ended.
            TimeoutError: nothing came in time.
        """
        end = None if seconds is None else time.monotonic() + seconds
        size = struct.unpack("!I", self._read(4, end))[0]
        message: dict[str, Any] = json.loads(self._read(size, end))
        return message

    def _read(self, size: int, end: float | None) -> bytes:
        data = bytearray()
        while len(data) < size:
            if end is not None:
                self._socket.settimeout(max(0.001, end - time.monotonic()))
            else:
                self._socket.settimeout(None)
            try:
                block = self._socket.recv(size - len(data))
            except TimeoutError:
                raise
            except OSError:
                block = b""
            if not block:
                raise _Gone
            data += block
        return bytes(data)

    def how(self) -> str:
        """How the process ended, in words; waits for that."""
        return describe_exit(self.end().code)

    def end(self, *, now: bool = False) -> Exit:
        """Wait until it has ended, which it does when nobody talks to it any more: not for long, and not at all if *now*."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._waiter.join(timeout=0 if now else GRACE)
        if self._waiter.is_alive():
            self.process.stop(now=True)
            self._waiter.join()
        if self._exit is None:
            raise RuntimeError("a worker's end could not be waited for")
        return self._exit
