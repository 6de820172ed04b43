"""The pipelines of a project by name: files written by hand, and what its components' roles give; found, and written out."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from . import document, pipelines
from .catalogue import Catalogue, Change
from .errors import InputError, Suggestion, did_you_mean, listing, nearest
from .inspection import nearby
from .settings import Settings
from .spec import Data, PipelineJob, SingleJob

RENDERED = "# Written by 'mlops export {name} --write'. Remove this line to keep changes made by hand.\n"
SUFFIXES = (".yml", ".yaml")


class Repertoire:
    """The pipelines of a project.

    Args:
        root: The project's folder.
        settings: Its settings.
        read: Gives its files as they are now.

    Attributes:
        folder: ``pipelines/``.
    """

    def __init__(self, root: Path, settings: Settings, read: Callable[[], Catalogue]) -> None:
        self.folder = root / "pipelines"
        self._root, self._settings, self._read = root, settings, read

    def names(self) -> list[str]:
        """What ``mlops run`` takes by name: files of ``pipelines/`` and what the roles of the components give."""
        names = {path.stem for path in self.files()}
        with contextlib.suppress(InputError):  # running one says what is wrong
            names |= set(self.given(self._read()))
        return sorted(names)

    def files(self) -> list[Path]:
        """The files of ``pipelines/``, by name."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir()
                      if path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file())

    def file_of(self, name: str) -> Path | None:
        """The file of a pipeline by name, or at a path; None of a name that only the roles can give.

        Raises:
            InputError: there is nothing at the path.
        """
        if name.endswith(SUFFIXES):
            return existing(name, self._root, lambda: {known: known for known in self.names()})
        return next((path for path in self.files() if path.stem == name), None)

    def given(self, catalogue: Catalogue) -> list[str]:
        """The names of the pipelines that the roles of the components give.

        Raises:
            InputError: they give none that works; CompileError: the components have mistakes.
        """
        return list(pipelines.available(self._cast(catalogue), self._settings))

    def assembled(self, name: str, catalogue: Catalogue, *, folder: Path | None = None, change: Change | None = None,
                  champion: str | None = None, label: str | None = None) -> PipelineJob:
        """A pipeline that the roles of the components give, linked.

        Args:
            name: Its name.
            catalogue: The project's files.
            folder: What its paths are relative to; default: the project's.
            change: Applied before values are judged.
            champion: A reference to the champion that evaluate compares with.
            label: Of the model that score takes; default: the newest.

        Raises:
            InputError: they give none of that name; CompileError: files have mistakes.
        """
        parts = self._cast(catalogue)
        if parts == pipelines.Cast() or name not in (*pipelines.ROLES, self._settings.experiment):
            raise InputError(f"no pipeline {name!r}", why="neither a file in pipelines/ nor a role of the components",
                             fix=did_you_mean(name, self.names()))
        given = self._settings
        if champion is not None:
            given = dataclasses.replace(given, inputs={"champion": Data(path=champion, type="mlflow_model"), **given.inputs})
        job = pipelines.assemble(name, parts, given, folder=str(folder or self._root), label=label or pipelines.LATEST)
        linked = catalogue.link(job, change)
        catalogue.raise_errors()
        return linked

    def _cast(self, catalogue: Catalogue) -> pipelines.Cast:
        components = [catalogue.component(path) for path in catalogue.names("components").values()]
        catalogue.raise_errors()
        return pipelines.cast(component for component in components if component is not None)

    def exported(self, name: str, folder: Path | None = None) -> str:
        """A pipeline as plain Azure ML YAML, its paths relative to *folder*: see :meth:`~mlops_lib.project.Project.export`."""
        path = self.file_of(name)
        catalogue = self._read()
        if path is not None and not is_rendered(path):
            job = catalogue.spec(path)
            catalogue.raise_errors()
            if not isinstance(job, PipelineJob | SingleJob):
                raise InputError(f"{catalogue.display(path)} is not a pipeline")
            return document.unparse(job.to_dict())
        stem = path.stem if path else name
        job = self.assembled(stem, catalogue, folder=folder or self.folder)
        return document.unparse(job.to_dict(), header=RENDERED.format(name=stem))

    def write(self, name: str, text: str) -> str:
        """Write an exported pipeline to ``pipelines/``: see :meth:`~mlops_lib.project.Project.write_pipeline`."""
        from .stores.database import translated

        target = self.file_of(name) or self.folder / f"{name}.yml"
        shown = self._read().display(target)
        if target.exists() and not is_rendered(target):
            raise InputError(f"{shown} was written by hand", why="writing would lose that",
                             fix="print it instead, without --write, or move the file away")
        with translated(target):
            target.parent.mkdir(exist_ok=True)
            fresh = target.with_name(f".{target.name}.new")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(target)
        return shown


def existing(name: str, root: Path, known: Callable[[], Mapping[str, str]]) -> Path:
    """A file that a person names: of the current folder, or else of the project's.

    Args:
        name: Its path.
        root: The project's folder.
        known: What may be meant, by the stems of files; asked when there is no such file.

    Raises:
        InputError: there is none.
    """
    paths = [base / name for base in (Path.cwd(), root)]
    for path in paths:
        if os.path.isfile(path):
            return Path(os.path.abspath(path))
    names = known()
    near = [nearby(path) for path in paths] if Path(name).stem not in names else []
    fix = next((fix for fix in near if isinstance(fix, Suggestion)), "") or meant(name, names) or "correct the path"
    raise InputError(f"the file {name!r} does not exist", fix=fix)


def meant(name: str, known: Mapping[str, str]) -> str:
    """Did you mean … for a file's name, of what is known by the stems of files; nothing when nothing is known."""
    stem = Path(name).stem
    near = nearest(stem, known)
    instead = stem if stem in known else near.instead if isinstance(near, Suggestion) else None
    return f"did you mean {known[instead]!r}?" if instead else f"use one of {listing(sorted(known.values()))}" if known else ""


def is_rendered(path: Path) -> bool:
    """Whether 'mlops export' wrote the file of a pipeline, which then follows its components."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline() == RENDERED.format(name=path.stem)
