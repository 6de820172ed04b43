"""Where a stage's outputs come from: a file, the environment, the settings, or Terraform itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import StageError
from .contract import Stage, read

_SECONDS = 60
_BEFORE, _AFTER = "MLOPS_", "_OUTPUTS"


class Source(NamedTuple):
    """The first place that may tell a stage's outputs: how messages name it, and how it is read."""

    told: str
    read: Callable[[], Any]


def known(root: Path, *, published: Collection[str], environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The stages that anything says there are: the settings, ``terraform/stages``, the environment; sorted by name."""
    environ = os.environ if environ is None else environ
    folder = root / "terraform" / "stages"
    roots = [path.name for path in folder.iterdir() if any(path.glob("*.tf"))] if folder.is_dir() else []
    variables = [name.removeprefix(_BEFORE).removesuffix(_AFTER) for name in environ
                 if name.startswith(_BEFORE) and name.endswith(_AFTER) and len(name) > len(_BEFORE + _AFTER)]
    return tuple(sorted({*published, *roots, *(name.lower().replace("_", "-") for name in variables)}))


def find(name: str, root: Path, *, outputs: str | None = None, published: str | None = None,
         environ: Mapping[str, str] | None = None) -> Source:
    """The first source of a stage's outputs that is there; the arguments are :func:`load`'s.

    Raises:
        StageError: none is.
    """
    variable = f"{_BEFORE}{name.upper().replace('-', '_')}{_AFTER}"
    given = (os.environ if environ is None else environ).get(variable)
    folder = root / "terraform" / "stages" / name
    if outputs is not None:
        return Source(outputs, partial(_file, Path(outputs)))
    if given:
        held = given.lstrip().startswith("{")
        return Source(variable, partial(_json, given, variable) if held else
                      partial(_file, Path(given), f"{variable} names it"))
    if published is not None:
        return Source(published, partial(_file, root / published, "the settings name it"))
    if folder.is_dir():
        told = _asked(folder)
        return Source(told, partial(_terraform, folder, told))
    raise StageError(f"nothing says what stage {name!r} has",
                     why=f"neither --outputs, {variable}, the settings nor terraform/stages/{name}",
                     fix=f"terraform output -json aml > {name}.json, then --outputs {name}.json")


def meant(name: str, root: Path, *, outputs: str | None = None, published: str | None = None,
          environ: Mapping[str, str] | None = None) -> Source | None:
    """As :func:`find`; None when nothing says where the stage is, and what stands for it on this machine is meant.

    A Terraform root that was never initialised from here says nothing: every checkout has it.
    """
    try:
        source = find(name, root, outputs=outputs, published=published, environ=environ)
    except StageError:
        return None
    folder = root / "terraform" / "stages" / name
    asked = source.told == _asked(folder)
    return None if asked and not any((folder / mark).exists() for mark in (".terraform", "terraform.tfstate")) else source


def _asked(folder: Path) -> str:
    """How messages name a Terraform root that is asked."""
    return f"terraform output in {os.path.relpath(folder)}"


def load(name: str, root: Path, *, outputs: str | None = None, published: str | None = None,
         environ: Mapping[str, str] | None = None) -> Stage:
    """A stage of the project: from the first of these sources that is there.

    Args:
        name: ``dev``, ``qa`` or ``prod``.
        root: The project's folder.
        outputs: A file given for this call.
        published: The file that the infrastructure workflow publishes, as the settings name it.
        environ: Where ``MLOPS_<STAGE>_OUTPUTS`` is looked up, a path or the JSON itself; default: the process's.

    Raises:
        StageError: no source is there, or what it holds is not a stage's outputs.
    """
    source = find(name, root, outputs=outputs, published=published, environ=environ)
    stage = read(source.read(), source.told)
    if stage.name != name:
        raise StageError(f"{source.told} has the outputs of stage {stage.name!r}, not {name!r}", fix="name the other file")
    return stage


def read_file(path: Path) -> Stage:
    """The stage whose outputs a file has, whichever it is.

    Raises:
        StageError: the file has none.
    """
    return read(_file(path), str(path))


def _file(path: Path, why: str = "") -> Any:
    try:
        return _json(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise StageError(f"{path} cannot be read: {error.strerror}", why=why, fix="correct the path") from None
    except UnicodeDecodeError:
        raise StageError(f"{path} is not UTF-8", why=why, fix="terraform output -json aml writes it") from None


def _json(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise StageError(f"{source} is not JSON: {error}", fix="terraform output -json aml writes it") from None


def _terraform(folder: Path, told: str) -> Any:
    command = ["terraform", f"-chdir={folder}", "output", "-json", "-no-color", "aml"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise StageError("terraform is not installed", why=f"{folder} is asked what it made",
                         fix="install it, or give --outputs FILE") from None
    except subprocess.TimeoutExpired:
        raise StageError(f"terraform output took longer than {_SECONDS} s", fix="give --outputs FILE") from None
    if done.returncode != 0:
        said = next((line.strip(" │╷╵") for line in done.stderr.splitlines() if "Error" in line), "it failed")
        raise StageError(f"{told}: {said.removeprefix('Error: ')}",
                         why="the stage was not applied from here, or not initialised",
                         fix="terraform init and apply there, or give --outputs FILE")
    return _json(done.stdout, told)
