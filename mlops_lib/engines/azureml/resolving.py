"""Whether the Python packages of an environment go together: found out with uv, before Azure ML builds an image for minutes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ...errors import InputError, Place, RunError
from ...references import redacted
from ...requirements import pip_part, wanted
from ...spec import Environment
from ...spec.ports import NOWHERE
from ..local.environments import in_files, uv_program
from ..local.facts import conda_of

_SECONDS: Final = 180
_PYTHON: Final = re.compile(r"3(?:\.\d+){1,2}")


def check(environments: Mapping[str, Environment | None]) -> None:
    """See that a set of versions exists for the pip part of each environment's conda file, on Linux.

    Nothing is installed; uv asks the package index, or the one that the file or uv's own settings name.

    Args:
        environments: Of each step; those that the project does not have, and those without a conda file, are left out.

    Raises:
        InputError: there is none, and why; RunError: uv is not installed, or could not tell.
    """
    seen: set[str] = set()
    for environment in environments.values():
        conda = conda_of(environment) if environment is not None else None
        if environment is None or conda is None or not list(pip_part(conda)) or str(conda) in seen:
            continue
        seen.add(str(conda))
        _resolve(environment, conda)


def _resolve(environment: Environment, conda: Any) -> None:
    place = environment.places.get("conda_file", NOWHERE)
    found = wanted({"dependencies": [{"pip": list(pip_part(conda))}]})
    lines = [*found.requirements, *in_files(found, environment, place), *found.local]
    python = wanted(conda).python or ""
    version = ["--python-version", python] if _PYTHON.fullmatch(python) else []
    # pip looks at all indexes alike, and so does what Azure ML builds.
    command = [uv_program(), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-platform", "linux",
               "--index-strategy", "unsafe-best-match", *version, "-"]
    folder = _folder(environment)
    try:
        done = subprocess.run(command, input="".join(f"{line}\n" for line in lines), capture_output=True, text=True, cwd=folder,
                              timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise _untold(environment, place, f"uv had not found out after {_SECONDS} s") from None
    said = redacted(" ".join(re.sub(r"^[\s×╰├│─▶]+", "", line) for line in done.stderr.splitlines()))
    if done.returncode and "No solution found" in said:
        raise InputError(f"the packages of the environment {environment.name or folder.name!r} do not go together", place=place,
                         why=match[0] if (match := re.search(r"Because .*", said)) else said,
                         fix="change the versions in the conda file")
    if done.returncode:
        raise _untold(environment, place, said)


def _folder(environment: Environment) -> Path:
    """The folder that paths in the conda file start from."""
    conda = environment.conda_file
    return Path(environment.folder, conda).parent if isinstance(conda, str) else Path(environment.folder)


def _untold(environment: Environment, place: Place, why: str) -> RunError:
    return RunError(f"uv cannot tell whether the packages of the environment {environment.name!r} go together", place=place,
                    why=why, fix=("see whether this machine reaches the package index" if "Failed to fetch" in why else
                                  "correct the conda file") + ", or leave out --resolve-environments")


__all__ = ["check"]
