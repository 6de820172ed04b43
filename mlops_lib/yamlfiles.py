"""The YAML files of a project: found, read once, and taken for what each of them is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import document
from .errors import CompileError, Finding, InputError, Severity, in_order
from .inspection import nearby
from .spec import Report, Spec, kind_of_document, read
from .spec.kinds import is_aside, is_conda, is_flow, is_resource, schema_of

PROJECT_FILE = "mlops.yml"
YAML = (".yml", ".yaml")
_USUAL_BYTES = 1 << 16
_MARKS = frozenset({"pyvenv.cfg", PROJECT_FILE})
_LEFT_OUT = frozenset({"node_modules", "__pycache__", "venv", "build", "dist", "site-packages"})


class YamlFiles:
    """The YAML files of a project.

    Args:
        root: The project's folder.
        near: Places name files relative to this folder when they lie below it; default: the working directory.

    Attributes:
        report: Gets what is wrong with them.
        parsed: What was read, by its path; why it could not be, when it is no YAML.
        foreign: Files that are of no known kind.
    """

    def __init__(self, root: Path, *, near: Path | None = None) -> None:
        self.root = root
        self.report = Report()
        self.parsed: dict[Path, document.Value | CompileError] = {}
        self.foreign: set[Path] = set()
        self._bases = [os.path.join(base, "") for base in (near or Path.cwd(), root)]
        self._specs: dict[Path, Spec | None] = {}
        self._yaml: dict[str, Sequence[Path]] = {}
        self._by_name: dict[str, dict[str, Path]] = {}

    def display(self, path: Path) -> str:
        """How messages name a file."""
        text = str(path)
        for base in self._bases:
            if text.startswith(base):
                return text[len(base):]
        return text

    def content(self, path: Path) -> document.Value:
        """A file's content, read and parsed once.

        Raises:
            InputError: the file cannot be read; CompileError: it is not YAML.
        """
        if path not in self.parsed:
            name = self.display(path)
            try:
                self.parsed[path] = document.parse(read_bytes(path, name), name)
            except CompileError as error:
                self.parsed[path] = error
        found = self.parsed[path]
        if isinstance(found, CompileError):
            raise found
        return found

    def spec(self, path: Path, kind: str | None = None) -> Spec | None:
        """What a file is; its mistakes go to the report, once however often it is asked for.

        Raises:
            InputError: the file cannot be read.
        """
        if path not in self._specs:
            path = Path(os.path.abspath(path))
        if path not in self._specs:
            self._specs[path] = None
            try:
                value = self.content(path)
            except CompileError as error:
                self.report.findings += error.findings
                return None
            found = kind or ("gate" if self.is_gate(path) else kind_of_document(value))
            if found is None and path.stem == "component" and isinstance(value, document.Table) and not schema_of(value):
                found = "command component"  # by its file's name; its own keys are misspelt
            if found is None and is_conda(value):
                found = "conda file"  # nothing in it says so; whoever names it means it to be one
            if found is None and not is_flow(value):
                self._report_unknown(value)
                self.foreign.add(path)
            self._specs[path] = read(value, self.report, folder=str(path.parent), kind=found) if found else None
        return self._specs[path]

    def is_gate(self, path: Path) -> bool:
        """Whether a file is a gate, which its place says: it is ours, and nothing in it tells."""
        return path.parent == self.root / "gates" and path.suffix in YAML

    def _report_unknown(self, value: document.Value) -> None:
        schema = schema_of(value) if isinstance(value, document.Table) else None
        if schema is not None:
            if not is_aside(schema):
                self.report.add("unchecked-kind", f"files of the kind {schema} are not checked here", value.place,
                                why="Azure ML has published no such schema that is known here", fix="correct the $schema",
                                severity=Severity.WARNING)
        elif isinstance(value, document.Scalar) and value.value is None:
            self.report.add("unknown-kind", "the file is empty", value.place, fix="write something, or remove the file")
        elif not isinstance(value, document.Table):
            self.report.add("unknown-kind", "the file must hold a mapping: keys with values", value.place,
                            fix="begin with '$schema: …' or 'type: …'")
        elif not is_resource(value):
            self.report.add("unknown-kind", "the file is none that Azure ML knows", value.place,
                            why="neither $schema nor its keys tell what it is", fix="add a $schema line")

    def project_files(self, below: Path | None = None) -> Sequence[Path]:
        """Every YAML file below a folder, sorted; hidden and built ones are left out, and so are other projects in it."""
        return self._yaml_below(str(below or self.root), asked_for=True)

    def _yaml_below(self, folder: str, *, asked_for: bool) -> Sequence[Path]:
        if folder in self._yaml:
            return self._yaml[folder]
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError:
            return ()
        files, folders = [], []
        for entry in entries:
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if not name.startswith(".") and name not in _LEFT_OUT:
                    folders.append(entry.path)
            elif name in _MARKS and not asked_for:
                return ()  # another project, or a virtual environment
            elif ((name.endswith(YAML) and not name.startswith(".")) or name == "MLTable") and not (
                    entry.is_symlink() and os.path.isdir(entry.path)):
                files.append(Path(entry.path))
        for inner in folders:
            files += self._yaml_below(inner, asked_for=False)
        self._yaml[folder] = files
        return files

    def names(self, kind: str) -> Mapping[str, Path]:
        """The components or environments of the project by name: ``components/`` and ``environments/``."""
        if kind not in self._by_name:
            found: dict[str, Path] = {}
            folder = self.root / kind
            for path in self.project_files(folder) if folder.is_dir() else ():
                if kind == "environments" and path.stem.startswith("conda"):
                    continue  # what an environment file refers to, not one itself
                value = self.peek(path)
                name = value.get("name") if isinstance(value, document.Table) else None
                known = kind_of_document(value) if value is not None else None
                if known is not None and isinstance(name, document.Scalar) and _is_of(known, kind):
                    if name.text in found:
                        self.report.add("duplicate-name", f"{kind[:-1]} {name.text!r} is there twice", name.place,
                                        why=f"the other is {self.display(found[name.text])}", fix="rename one of them")
                    found.setdefault(name.text, path)
            self._by_name[kind] = found
        return self._by_name[kind]

    def makers(self, asset: str) -> tuple[str, ...]:
        """The names of the pipelines in ``pipelines/`` that have an output of that name: those that make the least first."""
        found = []
        folder = self.root / "pipelines"
        for path in self.project_files(folder) if folder.is_dir() else ():
            value = self.peek(path)
            outputs = value.get("outputs") if isinstance(value, document.Table) else None
            made = [name.text for output in outputs.entries.values() if isinstance(output, document.Table)
                    and isinstance(name := output.get("name"), document.Scalar)] if isinstance(outputs, document.Table) else []
            if asset in made and path.parent == folder:
                found.append((len(made), path.stem))
        return tuple(name for _, name in sorted(found))

    def peek(self, path: Path) -> document.Value | None:
        """A file's content; None when it cannot be read, which whoever needs it tells."""
        try:
            return self.content(path)
        except (CompileError, InputError):
            return None

    def of_kind(self, kind: str) -> list[Path]:
        """The project's files of a kind, whatever may be wrong with them, in order."""
        return [path for path in self.project_files() if isinstance(value := self.peek(path), document.Table)
                and kind_of_document(value) == kind]

    def findings(self) -> tuple[Finding, ...]:
        """All that has been found so far, in order."""
        return in_order(self.report.findings)

    def raise_errors(self) -> None:
        """Raise what has been found, if any of it is an error."""
        if any(finding.severity is Severity.ERROR for finding in self.report.findings):
            raise CompileError(self.report.findings)


def read_bytes(path: Path, name: str) -> bytes:
    """A YAML file's bytes; refuses a large one before reading it.

    Raises:
        InputError: it cannot be read.
        CompileError: it is too large.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(_USUAL_BYTES)
            # Room for the largest is asked for when it is needed: to get and return it takes longer than to read.
            return data if len(data) < _USUAL_BYTES else data + file.read(document.LIMIT_BYTES + 1 - _USUAL_BYTES)
    except FileNotFoundError:
        raise InputError(f"the file {name!r} does not exist", fix=nearby(path)) from None
    except OSError as error:
        raise InputError(f"the file {name!r} cannot be read: {error.strerror}") from None


def _is_of(kind: str, folder: str) -> bool:
    """Whether a file of a kind belongs to ``components`` or ``environments``."""
    return kind.endswith(" component") if folder == "components" else kind == "environment"
