"""MLflow's own server, on a socket that the engine opened.

The engine runs this file as a program when the first step logs; requests wait in the socket's backlog until it is up.
It lives as long as the engine holds the other end of a socket pair. When MLflow cannot serve, every request is refused
with a reason instead: an error 4xx, because MLflow's clients repeat requests that fail with 5xx for minutes.

Imports nothing else of this package: steps wait while it starts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import getpass
import hmac
import importlib
import importlib.util
import json
import logging
import math
import os
import socket
import socketserver
import sqlite3
import sys
import threading
import time
import traceback
import urllib.parse
import wsgiref.simple_server
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# What MLflow imports when it is there and does without when it is not. Its server needs none of it to keep runs, and
# together these take as long to import as all the rest.
_OPTIONAL: Final = (
    "IPython",
    "PIL",
    "datasets",
    "matplotlib",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "pygments",
    "pyspark",
    "scipy",
    "sklearn",
    "tensorflow",
    "torch",
)
_IMPORT_ALL: Final = "--import-all"
_DATABASE: Final = "mlflow.db"
_SLOW_REQUEST_S: Final = 30


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What the engine tells the server.

    Attributes:
        folder: Where ``mlflow.db`` and ``artifacts/`` are or will be.
        run_id: The parent run's id; every step's run is its child.
        secret: First segment of every request's path. Any program on this machine, and any web page in its browser,
            can connect to a port on loopback.
        listener: File descriptor of the listening socket.
        engine: File descriptor of the socket that is closed when the engine ends.
    """

    VARIABLE = "MLOPS_TRACKING_SERVER"  # not an argument: other users of the machine may read those

    folder: str
    experiment: str
    run_id: str
    run_name: str
    secret: str
    listener: int
    engine: int

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))


class CannotServe(Exception):
    """Why no request can be answered, for the user: what, why and how to fix it."""

    def __init__(self, what: str, *, why: object, fix: str) -> None:
        super().__init__(f"{what}\n  why: {why}\n  fix: {fix}")


# ---------------------------------------------------------------------------------------------------------------- HTTP


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """A thread a connection, on a socket that listens already."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, application: WSGIApplication) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()
        self.setup_environ()
        self.set_app(application)


class _Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: every path has the secret in it."""


def refuse(problem: str) -> WSGIApplication:
    """Answer every request with *problem*, as an error that MLflow's clients raise at once and print."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # Closing a connection with unread input resets it, and the client never sees the answer.
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return _error(start_response, "400 Bad Request", "BAD_REQUEST", problem)

    return application


def _error(start_response: StartResponse, status: str, code: str, message: str) -> Iterable[bytes]:
    return _json(start_response, status, {"error_code": code, "message": message})


def _json(start_response: StartResponse, status: str, document: object) -> Iterable[bytes]:
    body = json.dumps(document).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _question(environ: WSGIEnvironment) -> dict[str, Any]:
    """What the engine wants to know."""
    asked: dict[str, Any] = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) or b"{}")
    return asked


def route(mlflow_app: WSGIApplication, runs: Runs, *, secret: str) -> WSGIApplication:
    """Add to MLflow's API what a step's address says about the step.

    ===================================  ============================================================================
    ``/SECRET/steps/RUN/STEP/…``         MLflow's API for one step; its run exists from the first request on
    ``/SECRET/trials/ABOVE/STEP/RUN/…``  the same for a trial of the sweep STEP, whose run ABOVE exists from then on as well
    ``/SECRET/finish/RUN/STATUS``        ends a run; answers its metrics and parameters, or null if it never existed
    ``/SECRET/curve/RUN``                all values of a metric that a run has logged, or null if it never existed
    ``/SECRET/…``                        MLflow's API
    ===================================  ============================================================================
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        given, _, rest = environ.get("PATH_INFO", "").removeprefix("/").partition("/")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            return refuse("this address is not one that the pipeline run gave to a step")(environ, start_response)
        prefix = f"/{given}"
        try:
            if rest.startswith("finish/"):
                _, run_id, status = rest.split("/")
                return _json(start_response, "200 OK", runs.finish(run_id, status, **_question(environ)))
            if rest.startswith("curve/"):
                _, run_id = rest.split("/")
                return _json(start_response, "200 OK", runs.curve_of(run_id, **_question(environ)))
            if rest.startswith("trials/"):
                _, above, sweep, run_id, step, rest = rest.split("/", 5)
                runs.ensure(above, step=urllib.parse.unquote(sweep))
                runs.ensure(run_id, step=urllib.parse.unquote(step), above=above)
                prefix += f"/trials/{above}/{sweep}/{run_id}/{step}"
            if rest.startswith("steps/"):
                _, run_id, step, rest = rest.split("/", 3)
                runs.ensure(run_id, step=urllib.parse.unquote(step))
                prefix += f"/steps/{run_id}/{step}"
        except runs.Unavailable as error:
            return _error(start_response, "503 Service Unavailable", "TEMPORARILY_UNAVAILABLE", str(error))
        except Exception as error:  # whatever it is, an answer 500 would be asked for again and again
            traceback.print_exc()
            return refuse(f"the run could not be recorded: {error}")(environ, start_response)
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
        environ["PATH_INFO"] = f"/{rest}"
        return mlflow_app(environ, start_response)

    return application


# ---------------------------------------------------------------------------------------------------------------- runs


class Runs:
    """One pipeline run's runs in MLflow's store: the parent, and a child for each step that logs.

    The engine chose their ids before MLflow knew of them, so that a step can be told its own.
    """

    class Unavailable(Exception):
        """The store is busy; worth another try."""

    def __init__(self, store: Any, settings: Settings) -> None:
        from sqlalchemy import event

        self._store = store
        self._settings = settings
        self._failure: type[Exception] = _mlflow("exceptions").MlflowException
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._chosen = threading.local()
        # MLflow's create_run draws a run's id itself. It is changed where the row is made, so that all the rest of a
        # run is what the installed MLflow makes of it, whichever columns its version has.
        event.listen(_mlflow("store.tracking.dbmodels.models").SqlRun, "init", self._choose)

    def _choose(self, _: object, __: object, columns: dict[str, Any]) -> None:
        if chosen := getattr(self._chosen, "run_id", None):
            columns["artifact_uri"] = columns["artifact_uri"].replace(columns["run_uuid"], chosen)
            columns["run_uuid"] = chosen

    def ensure(self, run_id: str, *, step: str, above: str | None = None) -> None:
        """Let the step's run exist, under the pipeline's or under the one *above*, and in the experiment."""
        if run_id in self._known:
            return
        with self._lock, self._told_apart():
            if run_id in self._known:
                return
            parent = self._settings.run_id
            if parent not in self._known:
                self._create(parent, self._settings.run_name, {})
            self._create(run_id, step, {"mlflow.parentRunId": above or parent})

    def _create(self, run_id: str, name: str, tags: dict[str, str]) -> None:
        if self._find(run_id) is not None:  # a run that is resumed
            self._store.update_run_info(run_id, _status("RUNNING"), None, None)
            self._known.add(run_id)
            return
        user = _user()
        tags |= {
            "mlflow.runName": name,
            "mlflow.source.name": name,
            "mlflow.source.type": "JOB",
            "mlflow.user": user,
        }
        tag = _mlflow("entities").RunTag
        self._chosen.run_id = run_id
        try:
            created = self._store.create_run(
                self._experiment_id(), user, _now_ms(), [tag(key, value) for key, value in tags.items()], name
            )
        finally:
            self._chosen.run_id = None
        if created.info.run_id != run_id:
            raise RuntimeError(f"this version of MLflow made the run {created.info.run_id} instead of {run_id}")
        self._known.add(run_id)

    def _experiment_id(self) -> str:
        name = self._settings.experiment
        found = self._store.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._store.create_experiment(name))
            except self._failure:
                # Another run in this project can have been faster.
                found = self._store.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise CannotServe(
                f"the MLflow experiment {name!r} takes no runs",
                why="somebody deleted it",
                fix=f"restore it (mlflow experiments restore -x {found.experiment_id}), or name another experiment",
            )
        return str(found.experiment_id)

    def finish(self, run_id: str, status: str, metric: str | None = None,
               parameters: dict[str, str] | None = None, metrics: dict[str, float] | None = None) -> dict[str, Any] | None:
        """End a run, and those below it that were left running; None when there is no such run.

        Args:
            run_id: The run.
            status: How it ended.
            metric: One of which all values are wanted.
            parameters: What the run gets as parameters unless it logged them itself.
            metrics: Likewise.
        """
        with self._told_apart():
            run = self._find(run_id)
            if run is None:
                return None
            self._store.update_run_info(run_id, _status(status), _now_ms(), None)
            for below in self._running_below(run_id, run.info.experiment_id):
                self._store.update_run_info(below, _status(status), _now_ms(), None)
            self._describe(run, parameters or {}, metrics or {})
            curve = self._curve(run_id, metric) if metric is not None and metric in run.data.metrics else []
        return {"run_id": run_id, "metrics": dict(run.data.metrics), "params": dict(run.data.params), "curve": curve}

    def _describe(self, run: Any, parameters: dict[str, str], metrics: dict[str, float]) -> None:
        entities = _mlflow("entities")
        new = [entities.Param(name, text) for name, text in parameters.items() if name not in run.data.params]
        measured = [entities.Metric(name, value, _now_ms(), 0) for name, value in metrics.items()
                    if name not in run.data.metrics]
        # Only for those who look at the run in MLflow, which does not take every name and text: the engine's records do.
        with contextlib.suppress(self._failure):
            self._store.log_batch(run.info.run_id, measured, new, [])

    def curve_of(self, run_id: str, metric: str) -> list[float] | None:
        """All values that a run has logged of a metric, in order; None when there is no such run."""
        with self._told_apart():
            run = self._find(run_id)
            return None if run is None else self._curve(run_id, metric) if metric in run.data.metrics else []

    def _curve(self, run_id: str, metric: str) -> list[float]:
        found = sorted(self._store.get_metric_history(run_id, metric), key=lambda value: (value.timestamp, value.step))
        # MLflow's store keeps an infinity as the largest number that there is.
        return [value.value if abs(value.value) < sys.float_info.max else math.copysign(math.inf, value.value)
                for value in found]

    def abandon(self) -> None:
        """The engine is gone: nobody else will end what is running."""
        run = self._find(self._settings.run_id)
        if run is not None and run.info.status == "RUNNING":
            self.finish(self._settings.run_id, "KILLED")

    def _find(self, run_id: str) -> Any:
        try:
            return self._store.get_run(run_id)
        except self._failure as error:
            if getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def _running_below(self, run_id: str, experiment_id: str) -> Iterator[str]:
        found = self._store.search_runs(
            [experiment_id],
            f"attributes.status = 'RUNNING' AND tags.mlflow.parentRunId = '{run_id}'",
            _mlflow("entities").ViewType.ACTIVE_ONLY,
            max_results=10_000,
        )
        for run in found:
            yield from self._running_below(run.info.run_id, experiment_id)
            yield run.info.run_id

    @contextlib.contextmanager
    def _told_apart(self) -> Iterator[None]:
        try:
            yield
        except self._failure as error:
            if getattr(error, "error_code", None) == "TEMPORARILY_UNAVAILABLE":
                raise self.Unavailable(str(error)) from error
            raise


def _status(name: str) -> Any:
    return _mlflow("entities").RunStatus.from_string(name)


def _mlflow(module: str) -> Any:
    """A module of MLflow, which has types for a part of what is needed here and is slow to import."""
    return importlib.import_module(f"mlflow.{module}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


# --------------------------------------------------------------------------------------------------------------- store


def load_mlflow(*, import_all: bool) -> WSGIApplication:
    """MLflow's server application, with no store yet.

    Raises:
        ImportError: it is not there, or (unless *import_all*) it needs what was left out to save time.
    """
    left_out = [] if import_all else [name for name in _OPTIONAL if name not in sys.modules]
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]  # Python's way to say: not installed
    gc.disable()  # it would look through two thousand modules again and again
    try:
        application: WSGIApplication = importlib.import_module("mlflow.server").app
    finally:
        for name in left_out:
            sys.modules.pop(name, None)
        gc.freeze()
        gc.enable()
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return application


def enter(folder: Path) -> None:
    """Work in *folder*, if it can be written and holds no file that is not a store: known before any slow import.

    A URL of a database cannot hold every path; ``mlflow.db`` it can.

    Raises:
        CannotServe: what is wrong with the folder or the file.
    """
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        with _locked():
            if os.path.exists(_DATABASE):
                _revision()


def open_store(folder: Path) -> Any:
    """MLflow's tracking store in *folder*, made or brought up to date if need be; the registry's is the same file.

    Raises:
        CannotServe: the store is damaged or newer than the installed MLflow, or cannot be written.
    """
    from sqlalchemy import Engine, event

    server = _mlflow("server")
    version = _mlflow("version").VERSION
    uri = f"sqlite:///{_DATABASE}"
    artifacts = (folder / "artifacts").resolve().as_uri()
    with _explained(folder), _locked() as lock:
        opened_by = lock.read()
        if not os.path.exists(_DATABASE):
            _create(artifacts)
        elif opened_by != version:
            _upgrade(opened_by, version)
        event.listen(Engine, "connect", _wait_for_other_writers)
        os.environ[server.BACKEND_STORE_URI_ENV_VAR] = os.environ[server.REGISTRY_STORE_URI_ENV_VAR] = uri
        os.environ[server.ARTIFACT_ROOT_ENV_VAR] = artifacts
        server.handlers.initialize_backend_stores(uri, uri, artifacts)
        lock.truncate(0)
        lock.write(version)
    return server.handlers._get_tracking_store()


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    what = f"MLflow's store cannot be opened: {folder / _DATABASE}"
    try:
        yield
    except (CannotServe, ImportError):
        raise
    except _NotAStore as error:
        fix = "move that file away (a new one is made), or restore it from a backup"
        raise CannotServe(f"this file is not a store of MLflow: {folder / _DATABASE}", why=error, fix=fix) from error
    except _Newer as error:
        fix = "install that version or a later one (pip install --upgrade mlflow), or move the file away (a new one is made)"
        raise CannotServe(what, why=error, fix=fix) from error
    except (sqlite3.OperationalError, OSError) as error:
        fix = "make that folder and its files writable for you, and see that the disk is not full"
        raise CannotServe(what, why=error, fix=fix) from error
    except Exception as error:
        traceback.print_exc()
        why = str(error).partition("\n")[0] or repr(error)
        fix = "move that file away (a new one is made, past runs stay in the old), or restore it from a backup"
        raise CannotServe(what, why=why, fix=fix) from error


class _NotAStore(Exception):
    pass


class _Newer(Exception):
    pass


@contextlib.contextmanager
def _locked() -> Iterator[TextIO]:
    """Alone with the store: two that start at once would both create or migrate it.

    The locked file says which version of MLflow last opened the store.
    """
    import fcntl

    with open(f"{_DATABASE}.lock", "a+", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        yield lock


def _create(artifacts: str) -> None:
    """Make the store under another name and rename it: half a store is never seen."""
    from sqlalchemy import Engine, event

    draft = f"{_DATABASE}.new"
    for leftover in Path().glob(f"{draft}*"):
        leftover.unlink()
    event.listen(Engine, "connect", _write_without_care)  # a lost draft costs nothing
    try:
        _mlflow("store.tracking.sqlalchemy_store").SqlAlchemyStore(f"sqlite:///{draft}", artifacts).engine.dispose()
    finally:
        event.remove(Engine, "connect", _write_without_care)
    with contextlib.closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # remembered in the file: readers and one writer at once
    with open(draft, "rb") as written:
        os.fsync(written.fileno())
    os.replace(draft, _DATABASE)


def _revision() -> str:
    """Of the store's schema."""
    with contextlib.closing(sqlite3.connect(_DATABASE)) as connection:
        try:
            ((revision,),) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except (sqlite3.DatabaseError, ValueError) as error:
            if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
                raise
            raise _NotAStore(str(error)) from error
    return str(revision)


def _upgrade(opened_by: str, version: str) -> None:
    """Bring the store of an older MLflow up to date, keeping a copy of it as it was."""
    from alembic.script import ScriptDirectory

    utils = _mlflow("store.db.utils")
    revision = _revision()
    scripts = ScriptDirectory.from_config(utils._get_alembic_config(""))
    if revision in scripts.get_heads():
        return
    if revision not in {script.revision for script in scripts.walk_revisions()}:
        writer = f" ({opened_by})" if opened_by else ""
        raise _Newer(f"a newer MLflow{writer} than {version} wrote it (schema {revision})")
    with (
        contextlib.closing(sqlite3.connect(_DATABASE)) as connection,
        contextlib.closing(sqlite3.connect(f"{_DATABASE}.{revision}")) as copy,
    ):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.backup(copy)
    print(f"upgrading the store from schema {revision}; a copy of it is {_DATABASE}.{revision}", flush=True)
    engine = utils.create_sqlalchemy_engine(f"sqlite:///{_DATABASE}")
    utils._upgrade_db(engine)
    engine.dispose()


def _write_without_care(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA journal_mode = MEMORY")
    connection.execute("PRAGMA synchronous = OFF")


def _wait_for_other_writers(connection: sqlite3.Connection, _: object) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_SLOW_REQUEST_S * 1000}")
    connection.execute("PRAGMA synchronous = NORMAL")  # with WAL, all that a crash of the machine can lose is the last


# ------------------------------------------------------------------------------------------------------------- process


class _Life:
    """Ends this process with the engine, but not in the middle of a migration."""

    def __init__(self, engine: socket.socket) -> None:
        self._engine = engine
        self.opening = threading.Lock()
        self.runs: Runs | None = None
        threading.Thread(target=self._until_the_engine_ends, daemon=True).start()

    def _until_the_engine_ends(self) -> None:
        with contextlib.suppress(OSError):
            while self._engine.recv(1):
                pass
        try:
            with self.opening:
                if self.runs is not None:
                    self.runs.abandon()
                    with contextlib.closing(sqlite3.connect(_DATABASE)) as connection:
                        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that the one file has everything
        finally:
            os._exit(0)  # no exit handlers: there is nothing to save, and they take a second


def _application(settings: Settings, life: _Life, *, import_all: bool) -> WSGIApplication:
    if importlib.util.find_spec("mlflow") is None:
        raise CannotServe(
            "steps log to MLflow, and there is no MLflow to log to",
            why=f"the Python that runs the pipeline has no package mlflow: {sys.executable}",
            fix="pip install mlflow",
        )
    folder = Path(settings.folder)
    enter(folder)
    try:
        mlflow_app = load_mlflow(import_all=import_all)
        with life.opening:
            life.runs = Runs(open_store(folder), settings)
    except ImportError as error:
        if not import_all:
            os.execv(sys.executable, [*sys.orig_argv, _IMPORT_ALL])  # noqa: S606  # this very program, once more
        traceback.print_exc()
        raise CannotServe(
            "steps log to MLflow, and MLflow's server cannot be started",
            why=f"{error} ({sys.executable})",
            fix="pip install --upgrade mlflow; mlflow-skinny alone has no server",
        ) from error
    return route(mlflow_app, life.runs, secret=settings.secret)


def main() -> None:
    """Serve until the engine ends."""
    settings = Settings(**json.loads(os.environ[Settings.VARIABLE]))
    engine = socket.socket(fileno=settings.engine)
    life = _Life(engine)
    problem = None
    try:
        application = _application(settings, life, import_all=_IMPORT_ALL in sys.argv)
    except CannotServe as error:
        problem = str(error)
    except Exception as error:  # whatever it is, steps that log must hear of it
        traceback.print_exc()
        problem = str(CannotServe("MLflow's server could not be started", why=error, fix="see server.log in MLflow's folder"))
    if problem is not None:
        print(problem, file=sys.stderr, flush=True)
        application = refuse(problem)
    # Said before the first request is answered: a step that has logged has a server that is known to be ready.
    engine.sendall(json.dumps({"problem": problem}).encode() + b"\n")
    Server(socket.socket(fileno=settings.listener), application).serve_forever()


if __name__ == "__main__":
    main()
