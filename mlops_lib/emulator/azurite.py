"""Azurite, Microsoft's local blob storage, as a child process: installed once from npm, over HTTPS, ended with us."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from ..errors import InputError, RunError
from ..stores.locks import exclusive
from .authority import Certificates

_PACKAGE: Final = Path(__file__).with_name("package.json")
_MAIN: Final = Path("node_modules/azurite/dist/src/blob/main.js")
_LISTENS: Final = re.compile(r"listens on https://127\.0\.0\.1:(\d+)")
_INSTALL_S: Final = 600
_START_S: Final = 60
_SMALL: Final = ("--optimize-for-size", "--max-semi-space-size=2")  # 80 MB instead of 120
# It ends as at Ctrl-C, with all written down, when the pipe that is its input closes: whatever happens to this process.
# Its telemetry is off, and the packages for that are not loaded: they take two thirds of its start, and 35 MB.
_SCRIPT: Final = """\
process.stdin.on('end', () => process.kill(process.pid, 'SIGINT'));
process.stdin.resume();
const Module = require('module');
const load = Module._load;
Module._load = (name, ...rest) => name === 'applicationinsights' ? {} : load(name, ...rest);
require(process.env.MLOPS_AZURITE);
"""


def program(cache: Path | None = None) -> Path:
    """Azurite's main file; installed with npm, at the version that ``package.json`` says, when nobody has done so yet.

    Raises:
        InputError: npm or node is not there; RunError: npm could not install it.
    """
    if shutil.which("node") is None:
        raise InputError("the local Azure ML needs Node.js", why="its blob storage is Azurite, a program for Node.js",
                         fix="install Node.js 20 or newer, with npm")
    version = json.loads(_PACKAGE.read_text(encoding="utf-8"))["dependencies"]["azurite"]
    base = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops-lib"
    folder = base / f"azurite-{version}"
    if (folder / _MAIN).is_file():
        return folder / _MAIN
    npm = shutil.which("npm")
    if npm is None:
        raise InputError("the local Azure ML needs npm", why=f"it installs Azurite {version} once, into {folder}",
                         fix="install npm; it comes with Node.js")
    base.mkdir(parents=True, exist_ok=True)
    with exclusive(base / f"azurite-{version}.lock"):
        if not (folder / _MAIN).is_file():
            _install(npm, folder)
    return folder / _MAIN


def _install(npm: str, folder: Path) -> None:
    """Install beside *folder* and rename: what is there is whole."""
    with tempfile.TemporaryDirectory(prefix=".azurite-", dir=folder.parent) as text:
        fresh = Path(text) / "azurite"
        fresh.mkdir()
        shutil.copy(_PACKAGE, fresh)
        command = [npm, "install", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=_INSTALL_S,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            raise RunError(f"npm has not installed Azurite within {_INSTALL_S} s",
                           fix="see whether npm's registry answers") from None
        if done.returncode or not (fresh / _MAIN).is_file():
            said = (done.stderr or done.stdout).strip().splitlines()
            raise RunError("npm could not install Azurite", why="\n".join(said[-5:]),
                           fix=f"make this work: npm install {_PACKAGE.parent}")
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
        fresh.rename(folder)


class Azurite:
    """A running Azurite. Tokens of Entra ID's form are enough for it (``--oauth basic``); so are account keys and signatures.

    Args:
        folder: Keeps the blobs.
        accounts: Keys, in base64, by account.

    Attributes:
        port: Where it listens, on loopback.

    Raises:
        RunError: it did not start.
    """

    def __init__(self, main: Path, folder: Path, certificates: Certificates, accounts: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        arguments = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--oauth", "basic", "--blobHost", "127.0.0.1",
                     "--blobPort", "0", "--location", str(folder), "--cert", str(certificates.certificate),
                     "--key", str(certificates.key)]
        self._process = subprocess.Popen(
            ["node", *_SMALL, "-e", _SCRIPT, "azurite-blob", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, cwd=folder, start_new_session=True,
            env={**os.environ, "MLOPS_AZURITE": str(main), "NODE_OPTIONS": "",
                 "AZURITE_ACCOUNTS": ";".join(f"{name}:{key}" for name, key in accounts.items())})
        self.port = self._await()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _await(self) -> int:
        said: list[str] = []
        timer = threading.Timer(_START_S, self._process.kill)
        timer.start()
        try:
            for line in self._process.stdout or ():
                said.append(line)
                if found := _LISTENS.search(line):
                    threading.Thread(target=_drain, args=(self._process.stdout,), name="azurite", daemon=True).start()
                    return int(found[1])
        finally:
            timer.cancel()
        self.close()
        raise RunError("Azurite did not start", why="".join(said[-5:]).strip() or "it said nothing",
                       fix="node --version; Azurite wants Node.js 20 or newer")

    def close(self) -> None:
        """End it, and wait until it has written down what it holds."""
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _drain(lines: Iterable[str] | None) -> None:
    """Read what it goes on to say: a full pipe would stop it."""
    with contextlib.suppress(ValueError, OSError):
        for _ in lines or ():
            pass


def new_key() -> str:
    """An account key."""
    return base64.b64encode(secrets.token_bytes(64)).decode()
