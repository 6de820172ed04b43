"""A process that dies, as by ``kill -9``, at the moment when it is about to send a request that a test names."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Self

_PROGRAM = """
import fnmatch, json, os, signal, sys

from mlops_lib.engines.azureml import sdk

for name in ("azure.storage.blob", "azure.identity", "requests", "azure.core.pipeline.transport"):
    sdk.module(name)  # once for all attempts
given = sys.argv[1:]

def die(pattern, left):
    def look(event, arguments):
        nonlocal left
        if event == "http.client.send" and fnmatch.fnmatch(bytes(arguments[1][:4000]).decode("latin-1"), pattern):
            left -= 1
            if left == 0:
                os.write(1, b"killed\\n")
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(look)

{source}

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        pattern, nth, *arguments = json.loads(line)
        try:
            die(pattern, nth)
            attempt(*arguments)
            os.write(1, b"done\\n")
        except BaseException as error:
            os.write(1, repr(error).encode() + b"\\n")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
"""


class Doomed:
    """Makes attempts, each in a process of its own.

    Args:
        source: Defines ``attempt(…)``; the list ``given`` is there.
        given: Texts.
    """

    def __init__(self, source: str, *given: str) -> None:
        self._child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", _PROGRAM.replace("{source}", source), *given],
                                       text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._child:
            assert self._child.stdin is not None
            self._child.stdin.close()

    def attempt(self, pattern: str, nth: int, *arguments: Any) -> str:
        """One that dies when the head of a request has the *pattern* for the n-th time.

        Returns:
            ``killed``, ``done``, or what it raised.
        """
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps([pattern, nth, *arguments]) + "\n")
        self._child.stdin.flush()
        return self._child.stdout.readline().strip()
