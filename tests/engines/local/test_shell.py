"""``mlops step RUN JOB --shell``: a shell in the place where a step would run."""

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def tried(copying: Any) -> Any:
    copying.mlops("run", "p")
    return copying


def in_shell(shop: Any, lines: str, *arguments: str, expect: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "mlops_lib", "step", "latest", "second", "--shell", *arguments],
        cwd=shop.root, env=shop.environment(), input=lines, capture_output=True, text=True, timeout=120,
    )
    assert done.returncode == expect, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_shell_stands_where_the_step_would_run_with_its_variables(tried: Any) -> None:
    done = in_shell(tried, 'cat "$AZURE_ML_INPUT_before"/in.txt; echo "$AZUREML_PARAMETER_line"; echo $AZUREML_RUN_ID; ls; exit 3', expect=3)
    content, line, run, *files = done.stdout.splitlines()
    assert (content, line, files) == ("one", "two", ["logs", "outputs"])
    assert len(run) == 32
    assert "$ cat " in done.stderr


def test_the_steps_command_can_be_run_there_and_nothing_is_kept(tried: Any) -> None:
    before = json.loads(tried.mlops("runs", "list", "--json").stdout)
    artifacts = sorted((tried.root / ".mlops" / "artifacts").rglob("*"))
    done = in_shell(tried, 'eval "$MLOPS_COMMAND"; cat "$AZURE_ML_OUTPUT_out"; echo spoilt > "$AZURE_ML_OUTPUT_out"')
    assert done.stdout == "one\ntwo\n"
    assert json.loads(tried.mlops("runs", "list", "--json").stdout) == before
    assert sorted((tried.root / ".mlops" / "artifacts").rglob("*")) == artifacts
    assert not any((tried.root / ".mlops" / "work").iterdir())
    assert len(list((tried.root / ".mlops" / "runs").iterdir())) == len(before)
    assert "2 to reuse" in tried.mlops("run", "p").stderr


def test_a_shell_and_json_exclude_each_other(tried: Any) -> None:
    assert "--shell is for people" in in_shell(tried, "", "--json", expect=2).stderr


def test_ctrl_c_on_a_terminal_is_the_shells(tried: Any) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tried.root)
        os.execve(sys.executable, [sys.executable, "-m", "mlops_lib", "step", "latest", "second", "--shell"], tried.environment(TERM="dumb"))
    until(terminal, "(second) wd$ ")
    os.write(terminal, b"echo sta''rted; sleep 100\n")
    until(terminal, "started")
    # one Ctrl-C and no second: what is typed after it would be thrown away by one that comes late
    while comm(os.tcgetpgrp(terminal)) != "sleep":
        time.sleep(0.01)
    os.write(terminal, b"\x03")
    until(terminal, "(second) wd$ ")
    os.write(terminal, b"echo alive-$((40 + 2)); exit\n")
    until(terminal, "alive-42")
    with contextlib.suppress(OSError):  # how Linux says that the other side of a terminal is gone
        while os.read(terminal, 4096):
            pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not any(Path(tried.root, ".mlops", "work").iterdir())


def comm(pid: int) -> str:
    """The name of the program that process *pid* runs; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        return ""


def until(terminal: int, text: str, seconds: float = 120) -> str:
    """What the terminal shows up to *text*."""
    seen = ""
    deadline = time.monotonic() + seconds
    while text not in seen:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            raise TimeoutError(seen)
        seen += os.read(terminal, 4096).decode()
    return seen
