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
    # summaries are cut to the terminal's width; and what this reaches for is its own finding, not ours
    environment = {**os.environ, "COLUMNS": "300"}
    environment.pop("LOOPBACK_ONLY", None)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


def test_the_example_of_the_documentation_passes(tmp_path: Path) -> None:
    [example] = re.findall(r"```python\n(def test_.*?)```", (ROOT / "docs" / "emulator.md").read_text(encoding="utf-8"), re.DOTALL)
    done = run(tmp_path, example)
    assert done.returncode == 0, done.stdout[-3000:]


TRIES = """
import _socket, asyncio, contextlib, os, socket, subprocess, sys, urllib.request
import pytest

SIX = socket.AF_INET6


async def by_asyncio():
    await asyncio.open_connection("192.0.2.6", 80)


@pytest.mark.parametrize("reach", [
    lambda: socket.create_connection(("by-name.example", 443), timeout=1),
    lambda: socket.gethostbyname("one-name.example"),
    lambda: socket.gethostbyaddr("192.0.2.2"),
    lambda: socket.socket().connect(("192.0.2.1", 80)),
    lambda: socket.socket().connect_ex(("192.0.2.3", 80)),
    lambda: socket.socket(SIX).connect(("2001:db8::1", 80)),
    lambda: socket.socket(SIX).connect(("::ffff:192.0.2.4", 80)),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.5", 53)),
    lambda: _socket.socket().connect(("192.0.2.7", 80)),
    lambda: asyncio.run(by_asyncio()),
    lambda: urllib.request.urlopen("http://192.0.2.8"),
])
def test_reaches_out(loopback_only, reach):
    with contextlib.suppress(OSError):
        reach()


def child(code, *options):
    subprocess.run([sys.executable, *options, "-c", code], stderr=subprocess.DEVNULL)


def test_a_child_reaches_out(loopback_only):
    child("import socket; socket.create_connection(('child.example', 80))")


def test_a_child_of_a_child_reaches_out(loopback_only):
    again = "import socket; socket.gethostbyname('grandchild.example')"
    child(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {again!r}])")


def test_a_child_reaches_azure(azure_ml):
    child("import urllib.request; urllib.request.urlopen('https://example.org', timeout=5)")


def test_stays_here(loopback_only):
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname()).close()
    socket.getaddrinfo("localhost", 80)
    socket.gethostbyaddr("127.0.0.1")
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", server.getsockname())
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_UNIX).connect("none")
    pair = socket.socketpair()
    for end in (server, *pair):
        end.close()
    done = subprocess.run([sys.executable, "-c", "import socket; socket.create_server(('127.0.0.1', 0))"], capture_output=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_child_has_its_own_customization_and_path(loopback_only, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("HERE = 1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], str(tmp_path)]))
    code = "import sys, sitecustomize; print(sitecustomize.HERE, sys.path[1])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["1", str(tmp_path)]


def test_each_has_a_workspace_of_its_own(azure_ml):
    assert azure_ml.stage.workspace["name"] in os.environ["MLOPS_DEV_OUTPUTS"]
    assert azure_ml.stage.workspace["name"].endswith("-2")
"""
REACHED = {
    "test_a_child_reaches_out": "child.example",
    "test_a_child_of_a_child_reaches_out": "grandchild.example",
    **{f"test_reaches_out[<lambda>{number}]": host for number, host in enumerate((
        "by-name.example", "one-name.example", "192.0.2.2", "192.0.2.1", "192.0.2.3", "2001:db8::1", "::ffff:192.0.2.4",
        "192.0.2.5", "192.0.2.7", "192.0.2.6", "192.0.2.8"))},
}  # fmt: skip


def test_whoever_reaches_out_fails(tmp_path: Path) -> None:
    done = run(tmp_path, TRIES, "-rA")
    outcomes = dict(re.findall(r"^ERROR tests/test_it\.py::(\S+) - (.*)$", done.stdout, re.MULTILINE))
    assert outcomes == {
        **{name: f"Failed: wanted to reach {host}, and only this machine may be reached" for name, host in REACHED.items()},
        "test_a_child_reaches_azure": "Failed: wanted to reach example.org:443, which is not of the local Azure ML",
    }, done.stdout
    assert f"{len(REACHED) + 4} passed, {len(REACHED) + 1} errors" in done.stdout, "the three that stay here have no other fault"


def test_no_test_of_ours_is_without_the_guard(request: pytest.FixtureRequest) -> None:
    assert all("loopback_only" in item.fixturenames for item in request.session.items if isinstance(item, pytest.Function))  # fmt: skip


NO_SDK = """
import sys


def test_it(azure_ml, monkeypatch):
    monkeypatch.setitem(sys.modules, "azure.ai.ml", None)
    azure_ml.client
"""


def test_without_the_sdk_it_is_said_what_to_install_and_no_secret_is_printed(tmp_path: Path) -> None:
    done = run(tmp_path, NO_SDK, "-l")
    assert "pip install 'mlops-lib[azure]'" in done.stdout
    assert "Traceback" not in done.stdout
    done = run(tmp_path / "fails", "def test_it(azure_ml):\n    assert not azure_ml\n", "-l")
    assert "AzureML(emulator=" in done.stdout
    assert "AZURE_CLIENT_SECRET" not in done.stdout


def test_the_plugin_loads_nothing_before_a_fixture_is_used() -> None:
    code = "import sys, mlops_lib.testing; print(sorted({'azure', 'cryptography', 'sqlite3', 'mlops_lib.emulator'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("host", "here"), [
    ("127.0.0.1", True), ("::1", True), ("localhost", True), (b"127.8.9.1", True), (None, True), ("", True), ("0.0.0.0", True),
    ("::ffff:127.0.0.1", True), ("example.org", False), ("10.0.0.1", False), ("fe80::1%eth0", False), ("2001:db8::1", False),
    ("::ffff:10.0.0.1", False), ("localhost.example.org", False),
])  # fmt: skip
def test_this_machine_is_loopback(host: object, here: bool) -> None:
    from mlops_lib.loopback import is_here

    assert is_here(host) is here
