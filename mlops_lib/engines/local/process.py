"""How a step's process is started, watched and stopped."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...errors import RunError
from ...stores.database import refused

_LONGEST = 100_000  # bytes; Linux takes 131,071 as one argument
# A command that means the same without bash: one program, no builtin, and words that have no meaning to a shell.
_PLAIN = re.compile(r"python3?(?: +[\w@%+=:,./-]+)*\s*")
GRACE = 5.0  # seconds between asking a process to end and ending it


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """A command for bash, where it runs, with which variables, and the file that gets what it prints.

    Attributes:
        stdin: What it reads, as an open file; None for nothing.
    """

    command: str
    folder: Path
    environment: Mapping[str, str]
    log: Path
    stdin: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Exit:
    """How a process ended.

    Attributes:
        code: Negative for the signal that killed it.
        peak_memory: Bytes, of the largest process; None when that is too small to be told from the engine's own.
        problem: Why it counts as failed, where the code does not say; empty when it does.
        detail: Lines that belong to the problem, such as the end of a traceback.
        notice: What its user should know although it has not failed.
    """

    code: int
    peak_memory: int | None
    problem: str = ""
    detail: tuple[str, ...] = ()
    notice: str = ""


class Process(Protocol):
    """A running step."""

    def wait(self) -> Exit:
        """Block until it has ended, and end what it left running in the background; called once, from one thread."""

    def stop(self, *, now: bool = False) -> None:
        """Ask it and all that it started to end (SIGTERM), and after a grace period, or *now*, end them (SIGKILL).

        Safe from any thread, at any time. What the process itself has started is ended as soon as it has ended.
        """


class Launcher(Protocol):
    """A way to start steps."""

    def launch(self, invocation: Invocation) -> Process:
        """Start the command; safe from any thread.

        Raises:
            RunError: it cannot be started.
        """

    def close(self) -> None:
        """Nothing is launched afterwards."""


class FreshProcess:
    """Every step gets a new bash in a session of its own, which does not outlive this process."""

    def __init__(self) -> None:
        self._watchdog = Watchdog()

    def launch(self, invocation: Invocation) -> Process:
        """Start bash with the command."""
        try:
            log = os.open(invocation.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise refused(error) from error
        try:
            child = subprocess.Popen(
                _directly(invocation) or ["bash", "--noprofile", "--norc", *_command(invocation)], cwd=invocation.folder,
                # as bash would set it
                env={**invocation.environment, "PWD": str(invocation.folder)},
                stdin=subprocess.DEVNULL if invocation.stdin is None else invocation.stdin, stdout=log, stderr=log,
                start_new_session=True)
        except FileNotFoundError:
            raise RunError("bash is not installed, or not in PATH", why="Azure ML runs a component's command with bash",
                           fix="install bash") from None
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise RunError("the command or its environment variables are too long for this system",
                               fix="pass long texts in a file") from error
            raise refused(error) from error
        finally:
            os.close(log)
        self._watchdog.watch(child.pid)
        return _Child(child, self._watchdog)

    def close(self) -> None:
        """End the watchdog."""
        self._watchdog.close()


class Together:
    """Several processes that are one step's: when one fails, the others end too, as a cluster's would.

    Args:
        launcher: Starts each of them.
        invocations: One a process.
        leading: How many of them, from the first on, the step waits for; what serves them ends with them.
    """

    def __init__(self, launcher: Launcher, invocations: Sequence[Invocation], *, leading: int) -> None:
        self._members: list[Process] = []
        self._leading = leading
        try:
            for invocation in invocations:
                self._members.append(launcher.launch(invocation))
        except BaseException:
            self.stop(now=True)
            self.wait()
            raise

    def wait(self) -> Exit:
        """Block until all have ended: the exit of the first that failed, with the memory of all."""
        ended: list[Exit] = []
        awaited = set(range(self._leading))
        failed: list[int] = []
        lock = threading.Lock()

        def attend(number: int, member: Process) -> None:
            found = member.wait()
            with lock:
                ended.append(found)
                if found.code != 0 and awaited:  # of what ends afterwards, we ended it
                    failed.append(found.code)
                    awaited.clear()
                awaited.discard(number)
                over = not awaited
            if over:
                self.stop()

        threads = [threading.Thread(target=attend, args=told, name="rank") for told in enumerate(self._members)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        peaks = [found.peak_memory for found in ended if found.peak_memory is not None]
        return Exit(code=failed[0] if failed else 0, peak_memory=sum(peaks) if peaks else None)

    def stop(self, *, now: bool = False) -> None:
        for member in self._members:
            member.stop(now=now)


def _directly(invocation: Invocation) -> list[str] | None:
    """The program and arguments that bash would make of the command, where it does nothing else; it takes 2 ms to start."""
    if not _PLAIN.fullmatch(invocation.command) or any(name.startswith("BASH_") for name in invocation.environment):
        return None
    words = invocation.command.split()
    return words if shutil.which(words[0], path=invocation.environment.get("PATH")) else None


def _command(invocation: Invocation) -> list[str]:
    if len(os.fsencode(invocation.command)) < _LONGEST:
        return ["-c", invocation.command]
    # A step that reads a thousand others has a long command.
    script = invocation.folder.parent / "command.sh"
    if not script.exists():  # processes of one step share it
        script.write_bytes(os.fsencode(invocation.command))
    return [str(script)]


class Watchdog:
    """Ends the process groups that this process leaves behind when it is killed.

    It is a bash that reads from a pipe which groups there are. However this process ends, the pipe ends with it.
    """

    _SCRIPT = """groups=' '
while read -r group; do
    case $group in
        -*) groups=${groups/" ${group#-} "/ } ;;
        *) groups="$groups$group " ;;
    esac
done
for group in $groups; do kill -KILL -- "-$group"; done"""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bash: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """End *group* if this process is gone before `forget` is called."""
        self._tell(f"{group}\n")

    def forget(self, group: int) -> None:
        """*group* has ended; call it while nobody else can get its number."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let it go; groups that were not forgotten are ended."""
        with self._lock:
            if self._bash is not None:
                self._bash.communicate()

    def _tell(self, line: str) -> None:
        # Without a watchdog steps run all the same: only a killed engine would leave some behind.
        with self._lock, contextlib.suppress(OSError):
            if self._bash is None:
                self._bash = subprocess.Popen(
                    ["bash", "--noprofile", "--norc", "-c", self._SCRIPT], bufsize=0, cwd="/", stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            if self._bash.stdin is not None:
                self._bash.stdin.write(line.encode())


class _Child:
    def __init__(self, child: subprocess.Popen[bytes], watchdog: Watchdog) -> None:
        self._child = child
        self._watchdog = watchdog
        self._lock = threading.Lock()
        self._ended = False
        self._last_word: threading.Timer | None = None

    def wait(self) -> Exit:
        # The group may be signalled only while the child is not reaped: its number could be another's afterwards.
        if hasattr(os, "waitid"):
            os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                self._signal(signal.SIGKILL)
                self._watchdog.forget(self._child.pid)
                return self._reap(0)
        while True:  # macOS before Python 3.13
            with self._lock:
                ended = self._reap(os.WNOHANG)
            if ended.code != _NOT_YET:
                self._watchdog.forget(self._child.pid)
                return ended
            time.sleep(0.02)

    def _reap(self, options: int) -> Exit:
        # wait4 and not Popen.wait: it tells the memory of this child alone.
        process, status, usage = os.wait4(self._child.pid, options)
        if not process:
            return Exit(code=_NOT_YET, peak_memory=None)
        self._ended = True
        if self._last_word is not None:
            self._last_word.cancel()
        self._child.returncode = os.waitstatus_to_exitcode(status)
        return Exit(code=self._child.returncode, peak_memory=_peak(usage.ru_maxrss))

    def stop(self, *, now: bool = False) -> None:
        with self._lock:
            if self._ended:
                return
            self._signal(signal.SIGKILL if now else signal.SIGTERM)
            if not now and self._last_word is None:
                self._last_word = threading.Timer(GRACE, self.stop, kwargs={"now": True})
                self._last_word.daemon = True
                self._last_word.start()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)


_NOT_YET = -(1 << 16)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [opened.getsockname()[1] for opened in sockets]


def _peak(reported: int) -> int | None:
    """A child's peak memory in bytes, from what the system reports.

    On Linux that starts at the memory that its parent had when it was started: what is not above that says nothing.
    """
    if sys.platform == "darwin":
        return reported
    return reported * 1024 if reported > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss else None


def describe_exit(code: int) -> str:
    """An exit code in words."""
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if number:
        try:
            name = signal.Signals(number).name
        except ValueError:
            return f"exited with code {code}" if code > 0 else f"was killed by signal {number}"
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    if code == 127:
        return "exited with code 127 (a command was not found)"
    return f"exited with code {code}"
