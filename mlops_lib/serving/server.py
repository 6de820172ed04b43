"""Microsoft's inference server on this machine, in an environment of its own: what Azure ML runs, with the same code."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from ..engines.local.environments import Software, software
from ..errors import InputError, RunError
from ..references import redacted
from ..stores.locks import exclusive
from .logs import reason
from .servable import Servable

HOST: Final = "127.0.0.1"
# The server's own start listens on all of the machine's addresses, and has no option for it. Gunicorn, since 25.1, also listens
# in its user's home to whoever wants to control it.
_START: Final = f"""
import os
from azureml_inference_server_http import amlserver
from gunicorn import config
if hasattr(config, "ControlSocketDisable"):
    os.environ["GUNICORN_CMD_ARGS"] += " --no-control-socket"
amlserver.DEFAULT_HOST = {HOST!r}
amlserver.run()
"""
# As the server is, it closes the connection after each answer, and waits up to two seconds for the client to do the same before
# it looks at the next request. What is begun when it is to end has these seconds, idle connections too.
_THREADS: Final = "--worker-class gthread --threads 4 --keep-alive 5 --graceful-timeout 5"
_SECONDS: Final = 120.0  # until the model has been loaded
_GRACE: Final = 10.0
_KEPT: Final = 100  # lines of what was printed, for the case that it does not come up
_PAUSE: Final = 0.05


def environment_of(model: Servable, folder: Path) -> Software:
    """The environment that a model is served in.

    Args:
        model: What is served.
        folder: Where environments are kept.

    Raises:
        InputError: its Python is not on this machine; RunError: uv is not installed.
    """
    return software(f"of {model} with {model.requirements[-1]}", model.python, model.requirements, folder)


def build(environment: Software, say: Callable[[str], None]) -> None:
    """See to it that an environment is there.

    Raises:
        RunError: uv could not build it; with what it said.
    """
    environment.folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(environment.folder.with_suffix(".lock")):
        if environment.ready:
            return
        say(f"building the environment {environment.name} (Python {environment.version})")
        done = subprocess.run(["bash", "-c", environment.command()], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, **environment.secrets})
    if done.returncode:
        raise RunError(f"the environment {environment.name} could not be built",
                       why=(redacted(done.stderr.strip()) or "uv says nothing").replace("\n", "\n       "),
                       fix="see whether PyPI is reachable and has these versions for this Python")


def free_port(wanted: int) -> int:
    """*wanted*, or any free port for 0.

    Raises:
        InputError: somebody listens there already.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except PermissionError:
            raise InputError(f"port {wanted} may not be listened on", why="those below 1024 are the system's",
                             fix="name another: --port 5001") from None
        except OSError:
            raise InputError(f"port {wanted} is in use", why="another program listens there",
                             fix=f"name another: --port {wanted + 1}, or --port 0 for any free one") from None
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """What is to be served, and how.

    Attributes:
        script: The scoring script in its code folder.
        environment: The environment, built.
        variables: What the scoring script is told in variables.
        workers: How many processes answer.
    """

    model: Servable
    script: Path
    environment: Software
    port: int
    variables: Mapping[str, str]
    workers: int = 1


class Server:
    """The server, running; use it as a context manager, which waits until it answers and ends it.

    Args:
        serving: What and how.
        echo: Gets each line that it prints once it answers.

    Raises:
        RunError: it does not come up; with what it has printed.
    """

    def __init__(self, serving: Serving, echo: Callable[[str], None]) -> None:
        self._serving, self._echo = serving, echo
        self._last: deque[str] = deque(maxlen=_KEPT)
        self._answers = threading.Event()
        # Of ours it gets nothing but what a program needs to run: what Azure ML sets there, and what we say.
        told = {name: value for name, value in os.environ.items()
                if not name.startswith(("PYTHON", "AML_", "AZUREML_", "MLOPS_", "VIRTUAL_ENV", "APPLICATIONINSIGHTS_"))}
        self._child = subprocess.Popen(
            [str(serving.environment.programs / "python"), "-c", _START, "--entry_script", str(serving.script),
             "--model_dir", str(serving.model.folder), "--port", str(serving.port), "--worker_count", str(serving.workers)],
            cwd=serving.script.parent, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True, env={
                **told, "PATH": f"{serving.environment.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
                "AML_APP_ROOT": str(serving.script.parent), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
                "MLFLOW_DISABLE_TELEMETRY": "true", "GUNICORN_CMD_ARGS": _THREADS, **serving.variables})
        self._reader = threading.Thread(target=self._read, name="server", daemon=True)
        self._reader.start()

    @property
    def address(self) -> str:
        """Where rows are sent."""
        return f"http://{HOST}:{self._serving.port}/score"

    def __enter__(self) -> Server:
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.close()
            raise
        self._answers.set()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def wait(self) -> None:
        """Wait until it ends by itself.

        Raises:
            RunError: it did; nobody asked it to.
        """
        code = self._child.wait()
        raise self._broken(f"the server ended by itself, with exit code {code}")

    def close(self) -> None:
        """End it: answers that are on their way are finished first."""
        for number, seconds in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(seconds)
                break
        self._reader.join(_GRACE)
        if self._child.stdout is not None:
            self._child.stdout.close()

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + _SECONDS
        while not self._healthy():
            if self._child.poll() is not None:
                raise self._broken(f"the server of {self._serving.model} did not come up")
            if time.monotonic() > end:
                raise self._broken(f"the server of {self._serving.model} does not answer after {_SECONDS:.0f} s")
            time.sleep(_PAUSE)

    def _healthy(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._serving.port, timeout=2)
        with closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/")
            return connection.getresponse().status == 200
        return False

    def _read(self) -> None:
        if self._child.stdout is None:
            return
        for line in self._child.stdout:
            self._last.append(line.rstrip("\n"))
            if self._answers.is_set():
                self._echo(line.rstrip("\n"))

    def _broken(self, what: str) -> RunError:
        """What went wrong; what it has printed is shown before."""
        self.close()
        if not self._answers.is_set():
            for line in self._last:
                self._echo(line)
        return RunError(what, why=reason(list(self._last)) or "it printed nothing", fix="see what it printed, above")

