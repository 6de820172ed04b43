"""A shell for a person in the place where a step would run."""

from __future__ import annotations

import signal
import subprocess
import sys

from ...errors import RunError
from .process import Invocation

COMMAND = "MLOPS_COMMAND"  # the variable that holds the step's command


def open_shell(invocation: Invocation, prompt: str) -> int:
    """Run bash where a step would run, with its variables, on the terminal of this process.

    Args:
        invocation: The step's command, which is left in a variable, folder and variables.
        prompt: What the shell shows in front of each line.

    Returns:
        The shell's exit code.

    Raises:
        RunError: bash is not installed.
    """
    start = invocation.folder.parent / "shell.sh"  # beside the snapshot: the step would not see it either
    start.write_text(f"PS1={_quoted(prompt)}\n", encoding="utf-8")
    variables = {**invocation.environment, COMMAND: invocation.command}
    interactive = ["-i"] if sys.stdin.isatty() else []
    # Ctrl-C is the shell's: it must not end us, and with us what the shell stands on. A signal that is caught, unlike one
    # that is ignored, means again what it does by default in the programs that are started.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with subprocess.Popen(["bash", "--noprofile", "--rcfile", str(start), *interactive], cwd=invocation.folder,
                              env=variables) as shell:
            return shell.wait()
    except FileNotFoundError:
        raise RunError("bash is not installed, or not in PATH", fix="install bash") from None
    finally:
        signal.signal(signal.SIGINT, before)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
