"""Whose models a name means: those of runs, a stage's registry on this machine, or the workspace that Terraform made of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError, StageError, did_you_mean
from .infra import sources
from .stores.models import RUNS, RunModels
from .stores.stages import FOLDER, StageModels, stages

if TYPE_CHECKING:
    from .engines.azureml.registry import WorkspaceModels
    from .project import Project
    from .stores.store import Store

    Shelf = StageModels | WorkspaceModels


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a user says of where stages are.

    Attributes:
        local: Only on this machine, or only workspaces; None for a workspace where something tells of one.
        outputs: Files with stages' outputs, by the stage's name.
    """

    local: bool | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, local: bool | None, files: Sequence[str]) -> Choice:
        """A choice with files that each say which stage they are of.

        Raises:
            InputError: two of them are of one stage, or *local* has no use for them; StageError: one is none.
        """
        if local and files:
            raise InputError("--outputs is for workspaces, and --local for this machine", fix="leave one of them out")
        outputs: dict[str, str] = {}
        for file in files:
            stage = sources.read_file(Path(file)).name
            if stage in outputs:
                raise InputError(f"{outputs[stage]} and {file} are both of stage {stage!r}", fix="leave one of them out")
            outputs[stage] = file
        return cls(local=local, outputs=outputs)


class Registries:
    """The models of a project, wherever they are; use it as a context manager.

    Args:
        project: The project.
        store: Its records.
        choice: What the user says of where stages are.
        tell: Is told of each stage where it is, once.
    """

    def __init__(self, project: Project, store: Store, choice: Choice, tell: Callable[[str], None]) -> None:
        self._project, self._store, self._choice, self._tell = project, store, choice, tell
        self._open = contextlib.ExitStack()
        self._known: dict[str, Shelf] = {}

    def __enter__(self) -> Registries:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def find(self, name: str) -> RunModels | Shelf:
        """The models of a stage, or of runs.

        Raises:
            InputError: there is no such stage; StageError: what tells of its workspace cannot be read.
        """
        return RunModels(self._store) if name == RUNS else self._stage(name, (RUNS,))

    def stage(self, name: str) -> Shelf:
        """The registry of a stage; as :meth:`find`."""
        return self._stage(name, ())

    def _stage(self, name: str, others: Iterable[str]) -> Shelf:
        """The registry of a stage; *others* are names that may be meant besides those of stages."""
        if name not in self._known:
            self._known[name] = self._chosen(name, others)
        return self._known[name]

    def is_local(self, name: str) -> bool:
        """Whether nothing but this machine is asked for a stage."""
        return name == RUNS or self._choice.local is True or (self._choice.local is None and self._source(name) is None)

    def _chosen(self, name: str, others: Iterable[str]) -> Shelf:
        if self.is_local(name):
            return self._here(name, others)
        from .engines.azureml.registry import WorkspaceModels
        from .engines.azureml.workspace import Workspace

        source = self._source(name)
        if source is None:
            raise StageError(f"nothing says where the workspace of {name!r} is", why="--azure asks for workspaces",
                             fix=f"terraform output -json aml > {name}.json, then --outputs {name}.json")
        try:
            stage = self._project.stage(name, outputs=self._choice.outputs.get(name))
        except StageError as error:
            error.fix = "; ".join(fix for fix in (error.fix, f"--local means the {name} on this machine") if fix)
            raise
        models = WorkspaceModels(self._open.enter_context(Workspace(stage)))
        self._tell(f"{name} is the workspace {stage.workspace['name']}, as {source.told} says")
        return models

    def _here(self, name: str, others: Iterable[str]) -> StageModels:
        known = stages(self._store.folder, self._project.settings.stages)
        if name not in known:
            raise InputError(f"there is no stage {name!r}", fix=did_you_mean(name, [*known, *others]))
        folder = self._store.folder / FOLDER / name
        self._tell(f"{name} is on this machine, in {self._project.catalogue().display(folder)}")
        return StageModels(self._store.folder, name)

    def _source(self, name: str) -> sources.Source | None:
        return sources.meant(name, self._project.root, outputs=self._choice.outputs.get(name),
                             published=self._project.settings.published.get(name))
