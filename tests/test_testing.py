"""The plugin for pytest, as users' projects have it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
JOB = "type: command\ncommand: echo hello\nenvironment: {image: python:3.12}\ncompute: azureml:cpu\n"
SETTINGS = "[pytest]\nfilterwarnings = ignore\n"


def run(folder: Path, test: str, *options: str) -> "subprocess.CompletedProcess[str]":
    (folder / "tests").mkdir(parents=True)
    (folder / "jobs").mkdir()
    (folder / "jobs" / "hello.yml").write_text(JOB)
    (folder / "pytest.ini").write_text(SETTINGS)
    (folder / "tests" / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "mlops_lib.testing", "-p", "no:cacheprovider", *options]
    environment = {**os.environ, "COLUMNS": "300"}  # summaries are cut to the terminal's width
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


def test_the_example_of_the_documentation_passes(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(def test_.*?)```", (ROOT / "docs" / "emulator.md").read_text(encoding="utf-8"), re.DOTALL)
    done = run(tmp_path, example)
    assert done.returncode == 0, done.stdout[-3000:]


TRIES = """
import contextlib, os, socket, subprocess, sys, urllib.request


def test_looks_up(loopback_only):
    with contextlib.suppress(OSError):
        socket.create_connection(("example.org", 443), timeout=1)


def test_connects(loopback_only):
    with contextlib.suppress(OSError):
        socket.socket().connect(("192.0.2.1", 80))


def test_connects_without_raising(loopback_only):
    with contextlib.suppress(OSError):
        socket.socket().connect_ex(("192.0.2.1", 80))


def test_a_child_reaches_out(azure_ml):
    code = "import urllib.request; urllib.request.urlopen('https://example.org', timeout=5)"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **azure_ml.environment}, stderr=subprocess.DEVNULL)


def test_stays_here(loopback_only):
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname()).close()
    socket.getaddrinfo("localhost", 80)
    pair = socket.socketpair()
    for end in (server, *pair):
        end.close()


def test_each_has_a_workspace_of_its_own(azure_ml):
    assert azure_ml.stage.workspace["name"] in os.environ["MLOPS_DEV_OUTPUTS"]
    assert azure_ml.stage.workspace["name"].endswith("-2")
"""


def test_whoever_reaches_out_fails(tmp_path: Path) -> None:
    done = run(tmp_path, TRIES, "-rA")
    outcomes = dict(re.findall(r"^(?:PASSED|FAILED|ERROR) tests/test_it\.py::(\w+)(.*)$", done.stdout, re.MULTILINE))
    assert done.stdout.count("only this machine may be reached") >= 3
    assert "Failed: wanted to reach example.org:443, which is not of the local Azure ML" in done.stdout
    for name in ("test_looks_up", "test_connects", "test_connects_without_raising", "test_a_child_reaches_out"):
        assert "wanted to reach" in outcomes[name]
    for name in ("test_stays_here", "test_each_has_a_workspace_of_its_own"):
        assert f"PASSED tests/test_it.py::{name}" in done.stdout
        assert f"ERROR tests/test_it.py::{name}" not in done.stdout


def test_the_plugin_loads_nothing_before_a_fixture_is_used() -> None:
    code = "import sys, mlops_lib.testing; print(sorted({'azure', 'cryptography', 'sqlite3', 'mlops_lib.emulator'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("host", "here"), [
    ("127.0.0.1", True), ("::1", True), ("localhost", True), (b"127.8.9.1", True), (None, True), ("", True),
    ("example.org", False), ("10.0.0.1", False), ("fe80::1%eth0", False),
])  # fmt: skip
def test_this_machine_is_loopback(host: object, here: bool) -> None:
    from mlops_lib.testing import _is_here

    assert _is_here(host) is here
