"""Isolated environments: a virtual environment of a conda file's packages, built by uv, kept by content."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import InputError, Place, RunError, listing
from ...references import redacted
from ...requirements import Wanted, wanted
from ...spec import Environment
from ...stores.artifacts import remove

_WHOLE = ".whole"  # written last: an environment without it was never finished
_SECONDS = 60
# Where an address may hold a secret: before the host, and in what follows a question mark. What names variables holds none.
_SECRETS = re.compile(r"(?<=://)(?!\$\{)[^\s/@'\"]+(?=@)|(?<=\?)[^\s#'\"]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Software:
    """An isolated environment: what it is made of, and the folder that it is in once somebody has built it.

    Attributes:
        name: Of the Azure ML environment, for messages.
        python: The interpreter that it is built from.
        version: Of that interpreter.
        requirements: Lines of a requirements file, with variables for the secrets in them.
        folder: Its place; the name tells the content.
        secrets: Those variables: what has to build it needs them, and they are written down nowhere.
    """

    name: str
    python: str
    version: str
    requirements: tuple[str, ...]
    folder: Path
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def programs(self) -> Path:
        """The folder that comes first on a step's PATH."""
        return self.folder / "bin"

    @property
    def ready(self) -> bool:
        """Whether it has been built to the end."""
        return (self.folder / _WHOLE).exists()

    def command(self) -> str:
        """What bash has to run to build it, with the *secrets* as variables; what a killed build left is removed first."""
        remove(self.folder)
        file = self.folder.with_suffix(".txt")
        file.write_text("".join(f"{line}\n" for line in self.requirements), encoding="utf-8")
        uv, place = uv_program(), str(self.folder)
        steps = [[uv, "venv", "--quiet", "--no-project", "--no-python-downloads", "--python", self.python, place]]
        if self.requirements:
            # pip looks at all indexes alike, and so does what Azure ML builds.
            steps.append([uv, "pip", "install", "--no-progress", "--index-strategy", "unsafe-best-match", "--python", place,
                          "-r", str(file)])
        return " && ".join(shlex.join(step) for step in [*steps, ["touch", str(self.folder / _WHOLE)]])


def isolated(environment: Environment | None, conda: Any, named: str, folder: Path, place: Place | None) -> Software:
    """The isolated environment for a step.

    Args:
        environment: What the step names; None when the project does not have it.
        conda: The content of its conda file; None when it has none.
        named: How the step names it.
        folder: Where environments are kept.
        place: Where the step names it.

    Raises:
        InputError: nothing says which packages there are, PyPI lacks some of them, or the Python that is asked for is not on
            this machine.
        RunError: uv is not installed.
    """
    if environment is None or conda is None:
        why = "the project has no environment of that name" if environment is None else "it has an image and no conda file"
        raise InputError(f"the environment {named!r} cannot be isolated", place=place, why=why,
                         fix="give it a conda file in environments/, or run without --isolate")
    found = wanted(conda)
    name = environment.name or named
    if found.foreign or found.local:
        parts = [f"conda packages that PyPI does not have: {listing(found.foreign)}"] if found.foreign else []
        parts += [f"paths, whose content no version tells: {listing(found.local)}"] if found.local else []
        raise InputError(f"the environment {name!r} cannot be isolated", place=place, why="it lists " + " and ".join(parts),
                         fix="run without --isolate, or list packages of PyPI under 'pip:'")
    return software(name, found.python, (*found.requirements, *in_files(found, environment, place)), folder, place=place,
                    otherwise=", or run without --isolate")


def software(name: str, python: str | None, requirements: tuple[str, ...], folder: Path, *, place: Place | None = None,
             otherwise: str = "") -> Software:
    """The isolated environment of these packages.

    Args:
        name: For messages.
        python: The version, or its beginning; None for that of this process.
        requirements: Lines of a requirements file.
        folder: Where environments are kept.
        place: Where it is asked for.
        otherwise: What else helps when that Python is not there.

    Raises:
        InputError: the Python that is asked for is not on this machine; RunError: uv is not installed.
    """
    version, found = _interpreter(python, name, place, otherwise)
    secrets: dict[str, str] = {}

    def hide(match: re.Match[str]) -> str:
        if redacted(match.string) == match.string and "@" not in match.string[match.end():match.end() + 1]:
            return match[0]  # nothing but a question
        name = f"MLOPS_SECRET_{len(secrets) + 1}"
        secrets[name] = match[0]
        return f"${{{name}}}"

    requirements = tuple(_SECRETS.sub(hide, line) for line in requirements)
    told = json.dumps({"python": version, "at": found, "requirements": requirements})
    key = hashlib.sha256(told.encode()).hexdigest()[:24]
    return Software(name=name, python=found, version=version, requirements=requirements, folder=folder / key, secrets=secrets)


def in_files(found: Wanted, environment: Environment, place: Place | None) -> Iterator[str]:
    """The lines of the requirements files that a conda file names.

    Raises:
        InputError: one cannot be read, or names paths.
    """
    conda = environment.conda_file
    start = Path(environment.folder, conda).parent if isinstance(conda, str) else Path(environment.folder)
    for name in found.files:
        try:
            text = (start / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the requirements file {name!r} cannot be read: {getattr(error, 'strerror', '') or error}",
                             place=place, why="the environment's conda file names it", fix="correct the path") from None
        inner = wanted({"dependencies": [{"pip": text.splitlines()}]})
        if inner.files or inner.local:
            raise InputError(f"the requirements file {name!r} names {listing((*inner.files, *inner.local))}", place=place,
                             why="files and paths in it are not followed", fix="list the packages themselves")
        yield from inner.requirements


@functools.lru_cache
def uv_program() -> str:
    """The path of uv.

    Raises:
        RunError: it is not installed.
    """
    here = os.path.dirname(sys.executable)
    found = shutil.which("uv", path=f"{here}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if found is None:
        raise RunError("uv is not installed", why="it builds and resolves environments", fix="pip install 'mlops-lib[isolate]'")
    return found


@functools.lru_cache
def _interpreter(asked: str | None, name: str, place: Place | None, otherwise: str) -> tuple[str, str]:
    """Version and path of an interpreter on this machine; ours when none is asked for, or when it fits."""
    ours = ".".join(map(str, sys.version_info[:3]))
    if asked is None or f"{ours}.".startswith(f"{asked}."):
        return ours, os.path.realpath(sys.executable)
    found = _asked("python", "find", "--no-project", "--no-python-downloads", "--system", asked)
    if found is None:
        listed = _asked("python", "list", "--only-installed", "--no-python-downloads", "--output-format", "json") or "[]"
        known = sorted({entry["version"] for entry in json.loads(listed)},
                       key=lambda version: [int(part) for part in version.split(".") if part.isdecimal()])
        raise InputError(f"the environment {name!r} wants Python {asked}, which is not on this machine", place=place,
                         why=f"there are {listing(known)}" if known else "uv finds none",
                         fix=f"install Python {asked}{otherwise}")
    version = subprocess.run([found, "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True,
                             timeout=_SECONDS, check=True).stdout.strip()
    return version, found


def _asked(*arguments: str) -> str | None:
    """What uv answers; None when it says no."""
    # pyenv shows only the version that is switched on; the others are on the machine too.
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, sorted(root.glob("versions/*/bin")))])
    done = subprocess.run([uv_program(), *arguments], capture_output=True, text=True, timeout=_SECONDS,
                          stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path})
    return done.stdout.strip() if done.returncode == 0 else None
