"""The folders and variables that a step finds, shaped as Azure ML shapes them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...binding import render
from ...graph import EVALUATED, Step
from ...stores.artifacts import remove
from ...stores.files import FileEntry, files_of
from ...stores.snapshots import copy_to

_SAFE = re.compile(r"[A-Za-z0-9_./@%+=:,-]+")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "POLARS_MAX_THREADS")
_COPIED_BYTES = 256 << 20
_NOWHERE = "00000000-0000-0000-0000-000000000000"  # the subscription of a workspace that is none
_LINK = ".link"  # no step has a name with a dot in front
_NOT_FROM_OUTSIDE = re.compile(r"(AZUREML|AZURE_ML|MLFLOW)_.*|BASH_ENV|ENV|PYTHONPATH|PYTHONHOME")


def from_outside(environment: Mapping[str, str]) -> dict[str, str]:
    """A process's variables without what belongs to another run."""
    return {name: value for name, value in environment.items() if not _NOT_FROM_OUTSIDE.fullmatch(name)}


@contextlib.contextmanager
def unquoted(folder: Path) -> Iterator[Path]:
    """*folder*, which exists, under a path that bash takes as one word without quotes.

    Commands rarely quote ``${{inputs.x}}``, and on Azure ML they need not: its paths have no blanks. A project's may.
    """
    if _SAFE.fullmatch(str(folder)):
        yield folder
        return
    base = tempfile.gettempdir()
    link = Path(tempfile.mkdtemp(prefix="mlops-", dir=base if _SAFE.fullmatch(base) else "/tmp")) / "work"  # noqa: S108
    note = folder / _LINK
    try:
        note.write_bytes(os.fsencode(link))
        link.symlink_to(folder, target_is_directory=True)
        yield link
    finally:
        link.unlink(missing_ok=True)
        link.parent.rmdir()


def clear(folder: Path) -> None:
    """Remove the workplaces of a run whose process died, and the way that `unquoted` made to them."""
    note = folder / _LINK
    if note.is_file():
        link = Path(os.fsdecode(note.read_bytes()))
        if link.is_symlink() and os.path.realpath(link) == os.path.realpath(folder):
            remove(link)
            link.parent.rmdir()
    remove(folder)


class Clearing:
    """Removes what steps that are over leave behind, in a thread, while others run.

    Between the end of a step and the start of the next one it would only be in the way.
    """

    _PATIENCE = 0.05  # seconds

    def __init__(self) -> None:
        self._places: queue.SimpleQueue[Workplace | None] = queue.SimpleQueue()
        self._at_work = threading.Event()
        # A Ctrl-C may come before anybody is there to close it, and the process is not to wait for it then.
        self._thread = threading.Thread(target=self._work, name="clear", daemon=True)
        self._thread.start()

    def over(self, place: Workplace) -> None:
        """A step is over, and its place is to be removed soon."""
        self._at_work.clear()
        self._places.put(place)

    def started(self) -> None:
        """A step has been started: there is time."""
        self._at_work.set()

    def close(self) -> None:
        """Return when everything is removed."""
        self._at_work.set()
        self._places.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (place := self._places.get()) is not None:
            self._at_work.wait(self._PATIENCE)
            place.remove()


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """One step's place to work.

    Attributes:
        folder: Everything below it is the step's, and is removed afterwards.
        code: The working directory: the snapshot's copy.
        outputs: Path of each output; all below :attr:`made`.
        made: The folder that becomes the artifact.
        data: The inputs that are data.
    """

    folder: Path
    code: Path
    made: Path
    inputs: Mapping[str, str]
    outputs: Mapping[str, Path]
    data: frozenset[str]

    @classmethod
    def prepare(cls, folder: Path, step: Step, *, texts: Mapping[str, str], sources: Mapping[str, Path],
                code: Sequence[FileEntry], direct: Mapping[str, str] | None = None) -> Workplace:
        """Lay out code, inputs and outputs.

        Args:
            folder: Does not exist yet.
            step: The step.
            texts: Values of literal inputs.
            sources: The file or folder behind each data input.
            code: The snapshot.
            direct: The data inputs that the step gets as a URL or a path that is not shown to it in a place of its own.
        """
        place, made, given = folder / "exe" / "wd", folder / "made", folder / "inputs"
        os.makedirs(place)
        os.mkdir(made)
        copy_to(code, place)
        for name in ("outputs", "logs"):
            with contextlib.suppress(FileExistsError):
                os.mkdir(f"{place}/{name}")
        inputs = dict(texts)
        for name, source in sources.items():
            mode = step.mode_of(name)
            inputs[name] = str(_present(source, given / f"INPUT_{name}", private=mode == "rw_mount",
                                        evaluated=mode in EVALUATED))
        inputs |= direct or {}
        outputs = {}
        for name, port in step.component.outputs.items():
            outputs[name] = made / name
            if port.type != "uri_file":
                os.mkdir(outputs[name])
        return cls(folder=folder, code=place, made=made, inputs=inputs, outputs=outputs,
                   data=frozenset(sources) | frozenset(direct or ()))

    def command(self, step: Step) -> str:
        """The component's command with its values in place."""
        values: dict[str, str | None] = {name: self.inputs.get(name) for name in step.component.inputs}
        return render(step.component.command, values, {name: str(path) for name, path in self.outputs.items()})

    def variables(self, step: Step, *, outside: Mapping[str, str], run: str, step_run: str, experiment: str, threads: int,
                  mlflow: Mapping[str, str], searched: Iterable[str] = (), programs: Path | None = None) -> dict[str, str]:
        """The step's environment: what `from_outside` gave, and what Azure ML sets."""
        variables = dict(outside)
        # The interpreter that runs us runs the steps, unless they have one of their own: its folder comes first.
        folder = programs or os.path.dirname(sys.executable)
        variables["PATH"] = f"{folder}{os.pathsep}{variables.get('PATH', os.defpath)}"
        if programs is not None:
            variables["VIRTUAL_ENV"] = str(programs.parent)
        variables["PYTHONUNBUFFERED"] = "1"  # so that a log can be followed
        variables |= dict.fromkeys(_THREADS, str(threads))
        variables |= {
            "AZUREML_RUN_ID": step_run, "AZUREML_ROOT_RUN_ID": run, "AZUREML_EXPERIMENT_NAME": experiment,
            "AZUREML_ARM_SUBSCRIPTION": _NOWHERE, "AZUREML_ARM_RESOURCEGROUP": "local", "AZUREML_ARM_WORKSPACE_NAME": "local",
            "AZUREML_ARM_PROJECT_NAME": experiment, "AZUREML_CR_AZUREML_CONTEXT": _context(run, step_run, experiment),
            "AZUREML_CR_DATA_CAPABILITY_PATH": str(self.folder),
        }
        for name, value in self.inputs.items():
            variables[f"AZUREML_DATAREFERENCE_{name}" if name in self.data else f"AZUREML_PARAMETER_{name}"] = value
            if name in self.data:
                variables[f"AZURE_ML_INPUT_{name}"] = value
        variables |= {f"AZUREML_SWEEP_{name}": self.inputs[name] for name in searched}
        for name, path in self.outputs.items():
            variables[f"AZURE_ML_OUTPUT_{name}"] = variables[f"AZUREML_DATAREFERENCE_{name}"] = str(path)
        return variables | dict(mlflow) | dict(step.environment_variables)

    def missing_outputs(self, step: Step) -> list[str]:
        """Outputs that the command did not write: an absent file, a folder that is gone, a model's folder that is empty."""
        return [name for name, port in step.component.outputs.items() if not _written(self.outputs[name], port.type)]

    def keep_side_outputs(self, target: Path) -> None:
        """Move what the step left in ``./outputs`` and ``./logs``, which on Azure ML belong to the run."""
        for name in ("outputs", "logs"):
            source = self.code / name
            if source.is_dir() and any(source.iterdir()):
                target.mkdir(parents=True, exist_ok=True)
                remove(target / name)
                shutil.move(str(source), target / name)

    def remove(self) -> None:
        """Remove the folder with all that is left in it."""
        remove(self.folder)


def _context(run: str, step_run: str, experiment: str) -> str:
    """What scripts of Azure ML's own libraries parse to find out where they are."""
    return json.dumps({"subscription_id": _NOWHERE, "resource_group": "local", "workspace_name": "local",
                       "experiment_name": experiment, "root_run_id": run, "run_id": step_run})


def _written(path: Path, port_type: str) -> bool:
    if not path.is_dir():
        return port_type == "uri_file" and path.exists()
    return port_type == "uri_folder" or any(path.iterdir())


def _present(source: Path, place: Path, *, private: bool, evaluated: bool) -> Path:
    """Show an input the way Azure ML mounts it: ``INPUT_name`` with the files in it; of a table to evaluate, its own files.

    The files are copies, so that whatever a step does with them, the original stays as it is. Above a size that would be
    felt they are links, unless they are to be *private*; then a write to one is found out afterwards.
    """
    place.mkdir(parents=True)
    if evaluated:
        from .mltables import files_of_table  # only who evaluates tables pays for it

        entries = files_of_table(source)
    else:
        entries = files_of(source) if source.is_dir() else [FileEntry(source.name, str(source), source.stat())]
    small = sum(entry.state.st_size for entry in entries) <= _COPIED_BYTES
    show = shutil.copyfile if small or private else _link
    made = {""}
    for entry in entries:
        parent = os.path.dirname(entry.name)
        if parent not in made:
            (place / parent).mkdir(parents=True, exist_ok=True)
            made.add(parent)
        show(entry.path, place / entry.name)
    return place if source.is_dir() else place / source.name


def _link(source: str, target: Path) -> None:
    os.symlink(os.path.abspath(source), target)
