"""Every mistake of a project: of its files one by one, of what they give together, and of what a stage lacks for them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from . import document
from .catalogue import Catalogue
from .errors import CompileError, Finding, InputError, Place, Severity, in_order
from .inspection import nearby
from .repertoire import RENDERED, Repertoire, is_rendered
from .settings import FILE, Settings
from .spec import kind_of_document
from .yamlfiles import read_bytes

if TYPE_CHECKING:
    from .infra import Stage


def validate(paths: Iterable[str | Path], catalogue: Catalogue, repertoire: Repertoire, settings: Settings, *,
             stage: Stage | None = None) -> tuple[Finding, ...]:
    """Every mistake of the given files and folders, or of all files: see :meth:`~mlops_lib.project.Project.validate`."""
    known_only = False
    files: list[Path] = []
    for path in [Path(os.path.abspath(path)) for path in paths] or [catalogue.root]:
        if os.path.isdir(path):
            known_only = True
            files += [file for file in catalogue.project_files(path) if _is_known(file, catalogue)]
        elif os.path.exists(path):
            files.append(path)
        else:
            raise InputError(f"the file {catalogue.display(path)!r} does not exist", fix=nearby(path))
    for file in files:
        if file.name == FILE:
            continue  # read, and refused when wrong, as the project was opened
        catalogue.check_file(file)
    if known_only or catalogue.root / FILE in files:
        _check_gates(settings, catalogue)
    findings = list(catalogue.findings())
    if stage is not None:
        from .infra import Used, missing

        used = list(catalogue.used())
        default = settings.compute
        if known_only and default.startswith("azureml:") and (catalogue.root / FILE).is_file():
            used.append(Used("compute", default.removeprefix("azureml:"), Place(settings.file)))
        findings += missing(used, stage)
    if known_only and not any(finding.severity is Severity.ERROR for finding in findings):
        findings += _assembly_findings(files, catalogue, repertoire, settings)
    return in_order(findings)


def _check_gates(settings: Settings, catalogue: Catalogue) -> None:
    """The gate files that the settings name."""
    for name, stage in settings.stages.items():
        path = catalogue.root / (stage.gate or "")
        if stage.gate is not None and not path.is_file():
            catalogue.report.add("missing-file", f"the gate {stage.gate!r} of stage {name!r} does not exist",
                                 stage.gate_place, fix=nearby(path))
        elif stage.gate is not None:
            catalogue.check_file(path, "gate")


def _assembly_findings(files: Iterable[Path], catalogue: Catalogue, repertoire: Repertoire,
                       settings: Settings) -> list[Finding]:
    """Mistakes that only the assembled pipelines show, and renderings that lag behind their components."""
    found: list[Finding] = []
    written = {path.stem for path in repertoire.files() if not is_rendered(path)}
    try:
        for name in repertoire.given(catalogue):
            if name not in written:
                repertoire.assembled(name, catalogue)
    except CompileError as error:
        return list(error.findings)
    except InputError as error:
        return [Finding(code="assembly", what=error.what, place=error.place or Place(settings.file), why=error.why,
                        fix=error.fix)]
    for file in files:
        if file.parent == repertoire.folder and is_rendered(file):
            try:
                job = repertoire.assembled(file.stem, catalogue, folder=repertoire.folder)
            except InputError:
                continue
            if not document.is_written(file.read_text(encoding="utf-8"), job.to_dict(),
                                       header=RENDERED.format(name=file.stem)):
                found.append(Finding(
                    code="stale-export", what="the file differs from what its components give",
                    place=Place(catalogue.display(file), 1, 1), severity=Severity.WARNING,
                    why=f"'mlops run {file.stem}' follows the components as long as the first line says so",
                    fix=f"write it anew (mlops export {file.stem} --write), or remove its first line to keep what it says"))
    return found


def _is_known(file: Path, catalogue: Catalogue) -> bool:
    """Whether a file that nobody named is ours to check: Azure ML's kinds, and what is too broken to tell."""
    try:
        value = catalogue.content(file)
    except CompileError:
        ours = _top(file, catalogue) in ("components", "pipelines", "environments") or catalogue.is_gate(file)
        return ours or b"azuremlschemas" in read_bytes(file, str(file))[:1000]
    if not isinstance(value, document.Table):
        # It has a name that ``mlops run`` takes, or is where gates are.
        return file.parent == catalogue.root / "pipelines" or catalogue.is_gate(file)
    return catalogue.is_gate(file) or kind_of_document(value) is not None or (
        file.stem == "component" and _top(file, catalogue) == "components")


def _top(file: Path, catalogue: Catalogue) -> str:
    """The project's folder that a file stands in."""
    return file.relative_to(catalogue.root).parts[0] if file.is_relative_to(catalogue.root) else ""
