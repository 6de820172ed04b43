"""An MLflow address for the steps of a run, which costs nothing until one of them logs.

The engine opens a port and only watches it. The first connection starts MLflow's server on that port
(:mod:`.tracking_server`) and waits in the socket's backlog until the server is up.
"""

from __future__ import annotations

import functools
import json
import os
import secrets
import select
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from typing_extensions import Self

    from .tracking_server import Server

# Unlike -m this imports no packages around the file, and unlike a script's path it hides no module of the library.
_RUN: Final = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
_BACKLOG: Final = 1024
_ANSWER_S: Final = 120  # a store that other runs write to can be busy
_STOP_S: Final = 60  # a migration is not interrupted


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedRun:
    """What a step logged to its own run; of a metric with a history, the last value.

    Attributes:
        curve: All values of the metric that was asked for, in order.
    """

    run_id: str
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    curve: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Above:
    """The run that a trial's run belongs to: its id, and the step's name that it gets when it does not exist yet."""

    run_id: str
    step: str


class Tracking:
    """MLflow for one pipeline run: a parent run, and a child run for each step that logs.

    Use as a context manager, or call `close`. Every method may be called from any thread. The server ends with this
    process, however it ends; a child that this process forks without exec would keep it alive.

    Args:
        folder: Keeps ``mlflow.db``, ``artifacts/`` and ``server.log``; made when the server starts.
        run_id: The parent run's id, 32 lower-case hexadecimal digits. The run exists once a step has logged.
        environment: The variables that steps and the server start from.

    Attributes:
        uri: MLflow's address for the engine itself, for as long as this is open. Connecting to it starts the server.
    """

    def __init__(self, folder: Path, *, experiment: str, run_id: str, run_name: str, environment: Mapping[str, str]) -> None:
        if len(run_id) != 32 or not set(run_id) <= set("0123456789abcdef"):
            raise ValueError(f"a run id is 32 lower-case hexadecimal digits, not {run_id!r}")
        self._folder = folder.absolute()
        self._experiment = experiment
        self._run_id = run_id
        self._run_name = run_name
        self._environment = environment
        self._secret = secrets.token_urlsafe(16)

        self._lock = threading.Lock()
        self._started = self._ready = self._closing = self._closed = False
        self._problem: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._server: socket.socket | None = None  # its other end is the server's; closed means dead, on both sides
        self._heard = b""
        self._refuser: Server | None = None

        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._port: int = self._listener.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}/{self._secret}"
        self._woken, self._wake = os.pipe()
        self._watcher = threading.Thread(target=self._watch, name="mlflow-address", daemon=True)
        self._watcher.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(succeeded=kind is None)

    @property
    def started(self) -> bool:
        """Whether anything of MLflow has been started."""
        return self._started

    @property
    def problem(self) -> str | None:
        """Why steps that log fail (what, why, fix), if that is known; worth one notice to the user."""
        with self._lock:
            self._hear()
        return self._problem

    def reserve(self, step: str, above: Above | None = None) -> tuple[str, Mapping[str, str]]:
        """A run id for *step*, and the variables that make plain MLflow calls in its process log to that run.

        The run will be a child of the pipeline's, or of the one *above* it.

        They replace what the user's own environment says about MLflow's servers. ``MLFLOW_EXPERIMENT_ID`` is among them
        only when the experiment exists already.
        """
        run_id = uuid.uuid4().hex
        below = f"trials/{above.run_id}/{_quoted(above.step)}" if above else "steps"
        address = f"{self.uri}/{below}/{run_id}/{_quoted(step)}"
        variables = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_EXPERIMENT_NAME": self._experiment,
            # Other than over a network, an answer that fails now fails in a minute too; the default is 7 (4 minutes).
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
            "MLFLOW_REGISTRY_URI": address,
            "MLFLOW_RUN_ID": run_id,
            # The address that MLflow prints is gone when the run is over.
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "MLFLOW_TRACKING_URI": address,
        }
        experiment_id = self._experiment_id()
        if experiment_id is not None:
            variables["MLFLOW_EXPERIMENT_ID"] = experiment_id
        return run_id, {**variables, **self._past_the_proxy}

    def _experiment_id(self) -> str | None:
        import sqlite3
        from contextlib import closing

        # MLflow is not asked: that would start it. Not knowing is an answer here, so no error is worth more than None.
        database = self._folder / "mlflow.db"
        if not database.exists():
            return None
        query = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
        try:
            with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
                found = connection.execute(query, (self._experiment,)).fetchone()
        except sqlite3.Error:
            return None
        return str(found[0]) if found else None

    @functools.cached_property
    def _past_the_proxy(self) -> Mapping[str, str]:
        given = {name.lower(): value for name, value in self._environment.items() if name.lower().endswith("_proxy")}
        if not given.keys() & {"http_proxy", "all_proxy"}:
            return {}
        past = ",".join(filter(None, (given.get("no_proxy"), "127.0.0.1")))
        return {"NO_PROXY": past, "no_proxy": past}

    def prestart(self) -> None:
        """Start the server now, because a step is going to log; returns at once."""
        with self._lock:
            if not self._started and not self._closed:
                self._start()
                os.write(self._wake, b".")

    def finish(self, run_id: str, *, succeeded: bool, stopped: bool = False, curve_of: str | None = None,
               parameters: Mapping[str, str] | None = None, metrics: Mapping[str, float] | None = None) -> LoggedRun | None:
        """End the run of a step whose process has ended, and those that it nested in it and left running.

        Args:
            run_id: As reserved.
            succeeded: Whether the step did what it should.
            stopped: If not, whether it was ended from outside.
            curve_of: A metric of which all values are wanted.
            parameters: What the run is to have as parameters unless it logged them itself.
            metrics: Likewise.

        Returns:
            None when the step did not touch MLflow; no request is made if nobody did. Also when the server is lost,
            and then `problem` says so.
        """
        status = "FINISHED" if succeeded else "KILLED" if stopped else "FAILED"
        found = self._ask(f"finish/{run_id}/{status}", {
            "metric": curve_of, "parameters": dict(parameters or {}), "metrics": dict(metrics or {})})
        return None if found is None else LoggedRun(**found)

    def curve(self, run_id: str, metric: str) -> Sequence[float]:
        """What a running step has logged of a metric so far, in order."""
        return self._ask(f"curve/{run_id}", {"metric": metric}) or ()

    def close(self, *, succeeded: bool) -> None:
        """End the parent run, if any step logged, and stop the server. The second call does nothing."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        try:
            self._ask(f"finish/{self._run_id}/{'FINISHED' if succeeded else 'FAILED'}", {})
        finally:
            with self._lock:
                self._closed = True
                self._ready = False
                os.write(self._wake, b".")
            self._watcher.join()
            os.close(self._wake)
            os.close(self._woken)
            if self._server is not None:
                self._server.close()
            if self._process is not None:
                try:
                    self._process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()

    def _ask(self, path: str, question: Mapping[str, Any]) -> Any:
        """The server's answer; None when there can be none."""
        if not self._started:
            return None
        with self._lock:
            self._hear()
            if not self._ready:
                return None  # nobody has had an answer, so there are no runs
        from http import HTTPStatus
        from http.client import HTTPConnection, HTTPException

        connection = HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_S)
        try:
            connection.request("POST", f"/{self._secret}/{path}", json.dumps(question))
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status != HTTPStatus.OK:
                raise ValueError(answer.get("message"))
            return answer
        except (OSError, HTTPException, ValueError, AttributeError) as error:
            self._problem = _problem("what a step logged could not be read", error, f"see {self._log}")
            return None
        finally:
            connection.close()

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    # ------------------------------------------------------------------------------------------- the watcher's thread

    def _watch(self) -> None:
        try:
            self._watch_until_closed()
        finally:
            self._listener.close()  # nobody waits for an answer that does not come

    def _watch_until_closed(self) -> None:
        while True:
            waiting = select.poll()
            waiting.register(self._woken, select.POLLIN)
            with self._lock:
                # While there is a server, connections are its own.
                waiting.register(self._server if self._server is not None else self._listener, select.POLLIN)
            ready = {number for number, _ in waiting.poll()}
            if self._woken in ready:
                os.read(self._woken, 4096)
            with self._lock:
                if self._closed:
                    return
                self._hear()
                if self._server is not None or self._listener.fileno() not in ready:
                    continue
                if not self._started:
                    self._start()
                    continue
            self._refuse_one()

    def _start(self) -> None:
        """Hand the port to a server; with the lock held."""
        from . import tracking_server

        self._started = True
        ours, its = socket.socketpair()
        settings = tracking_server.Settings(
            folder=str(self._folder),
            experiment=self._experiment,
            run_id=self._run_id,
            run_name=self._run_name,
            secret=self._secret,
            listener=self._listener.fileno(),
            engine=its.fileno(),
        )
        # What the user has set for MLflow is meant for steps, and warnings (as errors) for the user's own code.
        environment = {name: value for name, value in self._environment.items() if not name.lstrip("_").startswith("MLFLOW_")}
        environment |= {
            settings.VARIABLE: settings.to_json(),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONWARNINGS": "ignore",
        }
        log = self._open_log()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _RUN, tracking_server.__file__],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder if self._folder.is_dir() else "/",  # -c imports from there first
                env=environment,
                pass_fds=(settings.listener, settings.engine),
                start_new_session=True,  # Ctrl-C is for the engine: steps still log while it ends them
            )
        except OSError as error:
            ours.close()
            self._problem = _problem("MLflow's server could not be started", error, "run the pipeline again")
            return
        finally:
            its.close()
            if log != subprocess.DEVNULL:
                os.close(log)
        self._server = ours

    def _open_log(self) -> int:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        except OSError:
            return subprocess.DEVNULL  # the server finds out too, and says so to whoever logs

    def _hear(self) -> None:
        """Take in what the server has said so far; with the lock held."""
        if self._server is None or self._closed:
            return
        while True:
            try:
                said = self._server.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError:
                said = b""
            if not said:
                break
            self._heard += said
            if self._heard.endswith(b"\n"):
                self._problem = json.loads(self._heard)["problem"]
                self._ready = self._problem is None
        self._server.close()
        self._server = None
        self._ready = False
        os.write(self._wake, b".")  # another thread may have heard it first
        exit_code = None if self._process is None else self._process.wait()
        self._problem = _problem(
            "MLflow's server has stopped, so steps can no longer log",
            f"its process ended with exit code {exit_code}",
            f"see {self._log}; run the pipeline again",
        )

    def _refuse_one(self) -> None:
        from .tracking_server import Server, refuse

        if self._refuser is None:
            self._refuser = Server(self._listener, refuse(self._problem or ""))
        self._refuser.handle_request()


def _quoted(step: str) -> str:
    """A step's name as one part of a path: quoted twice, for servers undo one, and a name may have slashes."""
    return quote(quote(step, safe=""), safe="")


def _problem(what: str, why: object, fix: str) -> str:
    return f"{what}\n  why: {why}\n  fix: {fix}"
