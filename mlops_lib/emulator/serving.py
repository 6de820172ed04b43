"""The processes that serve deployments of online endpoints: started, asked, ended."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SCRIPT: Final = Path(__file__).with_name("children") / "scoring.py"
_AT_ONCE: Final = 4
_DRAIN_S: Final = 60.0  # what Azure gives requests of an instance that is replaced is no less than their longest timeout


class NotServing(Exception):
    """A deployment's process did not come up, or is gone; its log says more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What is to be served.

    Attributes:
        script: The scoring script; None for a model of MLflow's that is served without one.
        mlflow: The folder of the model that is served without a script.
        variables: All that the process has for variables.
        at_once: How many requests run at once.
        start_s: How long ``init()`` may take, in seconds.
        log: The file that gets what is printed.
    """

    script: Path | None
    mlflow: Path | None
    variables: Mapping[str, str]
    at_once: int
    start_s: float
    log: Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What a deployment's process answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Process:
    """A deployment's process, just started; `wait` until it serves."""

    def __init__(self, program: Program) -> None:
        self.log = program.log
        self._start_s = program.start_s
        self._port = 0
        self._idle = threading.Condition()
        self._at_work = 0
        program.log.parent.mkdir(parents=True, exist_ok=True)
        self._ready, writing = os.pipe()
        told = {"script": str(program.script) if program.script else None, "at_once": program.at_once, "ready": writing,
                "mlflow": str(program.mlflow) if program.mlflow else None}
        folder = program.script.parent if program.script else program.log.parent
        try:
            with program.log.open("wb") as log:
                self._child = subprocess.Popen(
                    [sys.executable, str(_SCRIPT), json.dumps(told)], cwd=folder, env=dict(program.variables),
                    stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, pass_fds=[writing], start_new_session=True)
        finally:
            os.close(writing)

    def wait(self) -> None:
        """Until ``init()`` is done.

        Raises:
            NotServing: it failed, or took too long; the process has been ended.
        """
        with os.fdopen(self._ready, "rb") as ready:
            told = bool(select.select([ready], [], [], self._start_s)[0])
            port = ready.readline() if told else b""
        if not port:
            self.close()
            raise NotServing("its process ended" if told else f"init() took longer than {self._start_s:g} s")
        self._port = int(port)

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes, *, timeout: float) -> Answer:
        """Pass on a request.

        Raises:
            TimeoutError: it took too long; NotServing: the process went away over it.
        """
        with self._idle:
            self._at_work += 1
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)) as connection:
                connection.request(method, target, body, dict(headers))
                response = connection.getresponse()
                return Answer(response.status, dict(response.headers), response.read())
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NotServing(f"its process went away: {error}") from None
        finally:
            with self._idle:
                self._at_work -= 1
                self._idle.notify_all()

    def retire(self) -> None:
        """End it once it has answered what it was asked, for which it has a while."""
        with self._idle:
            self._idle.wait_for(lambda: not self._at_work, timeout=_DRAIN_S)
        self.close()

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._child.kill()
        if self._child.stdin is not None:
            with contextlib.suppress(OSError):
                self._child.stdin.close()
        self._child.wait()


class Servers:
    """The processes of all deployments, by the deployments' ids; every method may be called from any thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="deployment")
        self._lock = threading.Lock()
        self._starting: dict[str, threading.Lock] = {}
        self._processes: dict[str, Process] = {}
        self._fresh: set[Process] = set()
        self._waiting: dict[str, int] = {}
        self.closing = threading.Event()

    def later(self, work: Callable[[], None]) -> None:
        """Do something in the background, when its turn comes."""
        if not self.closing.is_set():
            self._pool.submit(work)

    def replace(self, key: str, program: Program) -> None:
        """Serve another program from now on; until it is up, and when it does not come up, the one that was there.

        Raises:
            NotServing: it did not come up.
        """
        fresh = Process(program)
        with self._lock:
            self._fresh.add(fresh)
            closing = self.closing.is_set()
        if closing:
            fresh.close()
        try:
            fresh.wait()
        finally:
            with self._lock:
                self._fresh.discard(fresh)
        with self._lock:
            before = self._processes.pop(key.lower(), None)
            self._processes[key.lower()] = fresh
        if before is not None:
            before.retire()

    def get(self, key: str, program: Callable[[], Program]) -> Process:
        """The process of a deployment; started when there is none, as after a restart, or when it has ended.

        Raises:
            NotServing: it did not come up.
        """
        name = key.lower()
        with self._lock:
            turn = self._starting.setdefault(name, threading.Lock())
        with turn:
            with self._lock:
                found = self._processes.get(name)
            if found is None or not found.alive:
                self.replace(key, program())
                with self._lock:
                    found = self._processes.get(name)
            if found is None:
                raise NotServing("it was deleted meanwhile")
            return found

    def drop(self, key: str) -> None:
        """End the process of a deployment."""
        with self._lock:
            gone = self._processes.pop(key.lower(), None)
        if gone is not None:
            gone.close()

    @contextlib.contextmanager
    def waiting(self, key: str, limit: int) -> Iterator[bool]:
        """Whether a request may wait for a deployment: at most *limit* are there at once."""
        name = key.lower()
        with self._lock:
            there = self._waiting.get(name, 0)
            if there < limit:
                self._waiting[name] = there + 1
        try:
            yield there < limit
        finally:
            if there < limit:
                with self._lock:
                    self._waiting[name] -= 1

    def close(self) -> None:
        """End all of them."""
        self.closing.set()
        with self._lock:
            processes, self._processes = [*self._processes.values(), *self._fresh], {}
        for process in processes:
            process.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

