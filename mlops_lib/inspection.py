"""What the disk shows to be wrong: code, scripts, environments and data that files name.

They are looked for with ``os.path``: what is too long for a name, or lies where nobody may look, is not there, and no error.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .binding import command_references, substitute
from .commands import Invocation, broken_lines, invocations
from .document import LIMIT_BYTES, Items, Scalar, Table, Value
from .errors import CompileError, InputError, Place, Severity, listing, nearest
from .references import (
    DEFAULT_DATASTORE,
    WEB,
    AssetReference,
    DatastorePath,
    escapes,
    holds_secret,
    parse_reference,
    redacted,
    scheme_of,
)
from .rules.conda import check_conda
from .rules.facts import Arity
from .rules.storage import check_environment, check_mltable
from .scripts import (
    Parser,
    defined_in,
    imports_all,
    judge,
    local_imports,
    metrics_of,
    parser_of,
)
from .spec import KINDS, CommandComponent, Component, Data, Environment, Job, JobOutput, OtherComponent, Report, reading
from .stores.files import FileEntry
from .stores.snapshots import archived, ignored, snapshot
from .syntax import tree_of


class Limits(NamedTuple):
    """How much code a component may have before there is a warning; the defaults are Azure ML's documented limits."""

    snapshot_bytes: int = 300 * 2**20
    snapshot_files: int = 2000


DEFAULT_LIMITS = Limits()
# What changes the folder or brings files: then a script's path says little.
_MOVES = re.compile(r"\b(?:7z|aws|az|azcopy|cd|cp|curl|git|gsutil|ln|mv|pushd|rsync|tar|tee|unzip|wget)\s"
                    r"|>\s*[\w./-]+\.(?:py|sh|R)\b")


class Inspector:
    """Looks at the files that components, jobs and environments name, each once.

    Args:
        report: Gets what is wrong.
        content: A YAML file, parsed.
        display: How messages name a file.
        limits: How much code is too much.
    """

    def __init__(self, report: Report, content: Callable[[Path], Value], display: Callable[[Path], str],
                 limits: Limits = DEFAULT_LIMITS) -> None:
        self.report = report
        self._content = content
        self._display = display
        self._limits = limits
        self._inspected: set[tuple[Path, tuple[Path, ...]]] = set()
        self._formed: set[tuple[Place, str]] = set()
        self._environments: set[Place] = set()
        self._files: set[Path] = set()
        self._trees: dict[Path, ast.Module | None] = {}
        self._parsers: dict[Path, Parser | None] = {}

    # --- code --------------------------------------------------------------------------------------------------------

    def command(self, component: CommandComponent) -> None:
        """A command's code: is it there, and do its scripts take what they are given."""
        code = self._code(component.code, component.additional_includes, component)
        if moves(component.command) or broken_lines(component.command):
            return
        if "code" in component.places and (code is None or not os.path.isdir(code)):
            return
        included = {Path(component.folder, include).name for include in component.additional_includes}
        for invocation in invocations(component.command):
            script = invocation.script or f"{(invocation.module or '').replace('.', '/')}.py"
            first = os.path.normpath(script).split(os.sep)[0]
            if os.path.isabs(script) or first in included:
                continue
            file = code / script if code is not None else None
            if file is not None and os.path.isfile(file):
                self._arguments(invocation, file, component)
            elif invocation.script is not None:  # a module that is not in the code is an installed one
                lack = "which the code lacks" if file is not None else "and there is no code"
                self.report.add("missing-script", f"the command runs {script!r}, {lack}",
                                component.place_in_command(invocation.offset),
                                fix=nearby(file) if file is not None else f"add 'code: …', the folder that has {script!r}")

    def _arguments(self, invocation: Invocation, file: Path, component: CommandComponent) -> None:
        """What a script is given, against the parser of its command line."""
        parser = self._parser(file) if invocation.python else None
        if parser is None or command_references(component.command)[1]:
            return  # of a command with a malformed expression nobody knows the words
        types = {name: port.type for name, port in component.inputs.items()}
        for problem in judge(invocation, parser, types):
            severity = Severity.WARNING if problem.code == "boolean-flag" else Severity.ERROR
            self.report.add(problem.code, problem.what, component.place_in_command(problem.offset), why=problem.why,
                            fix=problem.fix, severity=severity)

    def parallel(self, component: OtherComponent) -> None:
        """A parallel component's task: its entry script, and what its keys say of its input."""
        from .rules.parallel import check_parallel  # what few projects have is imported when it is met

        task = component.document.get("task")
        table = task if isinstance(task, Table) else Table({}, {}, component.place)
        code = self._code(reading.text(table, "code"), (), component, table)
        script = table.get("entry_script")
        check_parallel(component.document, self.report, inputs={name: port.type for name, port in component.inputs.items()},
                       outputs=component.outputs, entry=self._entry(code, script))

    def spark(self, component: OtherComponent) -> None:
        """A Spark component's entry file."""
        code = self._code(reading.text(component.document, "code"), (), component)
        entry = component.document.get("entry")
        file = entry.get("file") if isinstance(entry, Table) else None
        if code is not None and isinstance(file, Scalar) and isinstance(file.value, str) and os.path.isdir(code) and not (
                code / file.value).is_file():
            self.report.add("missing-script", f"the entry is {file.value!r}, which the code lacks", file.place,
                            fix=nearby(code / file.value))

    def sweep(self, job: Job, trial: Component | None) -> None:
        """A sweep's space against its trial's inputs, its objective against what the trial's code logs."""
        from .rules.sweep import check_sweep

        declared = trial.inputs if isinstance(trial, CommandComponent) and not job.inline else None
        metrics = self._metrics(trial) if isinstance(trial, CommandComponent) else None
        check_sweep(job.document, self.report, inputs=declared, metrics=metrics)

    def automl(self, job: Job, folder: str) -> None:
        """The tables that an AutoML job is given."""
        for key in ("training_data", "validation_data", "test_data"):
            given = job.document.get(key)
            path = given.get("path") if isinstance(given, Table) else None
            if isinstance(path, Scalar) and isinstance(path.value, str) and "${{" not in path.value:
                self.path(path.value, path.place, folder, "mltable")

    def scoring(self, deployment: Table, folder: str) -> Mapping[str, Arity | None] | None:
        """What a deployment's scoring script defines, when the source tells; an absent one is reported."""
        given = deployment.get("code_configuration")
        table = given if isinstance(given, Table) else Table({}, {}, deployment.place)
        code = local_code(reading.text(table, "code"), folder)
        place = table.entries["code"].place if "code" in table.entries else table.place
        if code is not None and not os.path.exists(code):
            self.report.add("missing-code", f"the code {reading.text(table, 'code')!r} does not exist", place, fix=nearby(code))
            return None
        model = deployment.get("model")
        path = model if isinstance(model, Scalar) else model.get("path") if isinstance(model, Table) else None
        if isinstance(path, Scalar) and isinstance(path.value, str):
            self.path(path.value, path.place, folder)
        environment = deployment.get("environment")
        if isinstance(environment, Table):
            self.environment(Environment.from_document(environment, folder=folder))
        return self._entry(code, table.get("scoring_script"))

    def _code(self, given: str | None, includes: Sequence[str], component: CommandComponent | OtherComponent,
              document: Table | None = None) -> Path | None:
        """The code that a component names, when it is there; what is wrong with it is told once a folder."""
        code = local_code(given, component.folder)
        if code is None:
            return None
        places = {key: value.place for key, value in document.entries.items()} if document is not None else component.places
        place = places.get("code", component.place)
        if not os.path.exists(code):
            self.report.add("missing-code", f"the code {given!r} does not exist", place, fix=nearby(code))
            return None
        paths = tuple(Path(os.path.normpath(os.path.join(component.folder, include))) for include in includes)
        if (code, paths) not in self._inspected:
            self._inspected.add((code, paths))
            inspect_code(code, paths, self.report, place=place, include_place=places.get("additional_includes", place),
                         limits=self._limits)
        return code

    def _tree(self, file: Path) -> ast.Module | None:
        if file not in self._trees:
            try:
                small = file.stat().st_size <= LIMIT_BYTES
                self._trees[file] = tree_of(file.read_bytes()) if small else None
            except OSError:
                self._trees[file] = None
        return self._trees[file]

    def _parser(self, file: Path) -> Parser | None:
        if file not in self._parsers:
            tree = self._tree(file)
            self._parsers[file] = parser_of(tree) if tree is not None else None
        return self._parsers[file]

    def _entry(self, code: Path | None, script: Value | None) -> Mapping[str, Arity | None] | None:
        """What a script of the code defines; None when the source does not tell; an absent one is reported."""
        if code is None or not os.path.isdir(code) or not isinstance(script, Scalar) or not isinstance(script.value, str):
            return None
        file = code / script.value
        if not os.path.isfile(file) and os.path.isfile(code / f"{script.value.replace('.', '/')}.py"):
            file = code / f"{script.value.replace('.', '/')}.py"  # a module's name
        if not os.path.isfile(file):
            self.report.add("missing-script", f"the entry script is {script.value!r}, which the code lacks", script.place,
                            fix=nearby(file))
            return None
        tree = self._tree(file)
        return None if tree is None or imports_all(tree) else defined_in(tree)

    def _metrics(self, component: CommandComponent) -> frozenset[str] | None:
        """The metrics that a component's code logs; None when the source does not tell all."""
        code = local_code(component.code, component.folder)
        started = invocations(component.command)
        if code is None or not os.path.isdir(code) or not started or component.additional_includes:
            return None
        todo = [code / f"{(found.module or '').replace('.', '/')}.py" if found.script is None else code / found.script
                for found in started]
        read: dict[Path, ast.Module] = {}
        while todo:
            file = todo.pop()
            tree = self._tree(file) if file not in read and os.path.isfile(file) else None
            if tree is None:
                if file not in read and os.path.isfile(file):
                    return None
                continue
            read[file] = tree
            for name in local_imports(tree):
                todo += [file.parent / f"{name}.py", *sorted((file.parent / name).glob("*.py"))]
        found_metrics = metrics_of(read.values())
        return None if found_metrics.open or not read else found_metrics.names

    # --- environments ------------------------------------------------------------------------------------------------

    def environment(self, environment: Environment) -> None:
        """An environment and its conda file."""
        if environment.place in self._environments:
            return
        self._environments.add(environment.place)
        check_environment(environment.document, self.report)
        conda = environment.conda_file
        if isinstance(conda, str):
            path = Path(os.path.normpath(os.path.join(environment.folder, conda.removeprefix("file:"))))
            if not os.path.isfile(path):
                self.report.add("missing-file", f"the conda file {conda!r} does not exist",
                                environment.places.get("conda_file", environment.place), fix=nearby(path))
            else:
                self._yaml(path, "conda file")
        elif isinstance(conda, Mapping):
            given = environment.document.get("conda_file")
            if given is not None:
                check_conda(given, self.report)
        build = environment.document.get("build")
        if isinstance(build, Table):
            self._build(build, environment.folder)

    def _build(self, build: Table, folder: str) -> None:
        """A Docker build: its folder, and the file in it that says how."""
        given, named = build.get("path"), build.get("dockerfile_path")
        if not isinstance(given, Scalar) or not isinstance(given.value, str) or not is_local(given.value):
            return
        context = local_path(given.value, folder)
        if not os.path.isdir(context):
            self.report.add("missing-path", f"the folder {given.value!r} to build from does not exist", given.place,
                            fix=nearby(context))
            return
        name = reading.text(build, "dockerfile_path") or "Dockerfile"
        if not os.path.isfile(context / name):
            self.report.add("missing-file", f"the folder to build from has no file {name!r}", (named or given).place,
                            why="it says how the image is built", fix=nearby(context / name))

    def _yaml(self, path: Path, kind: str) -> None:
        """A file that another names, checked once."""
        if path in self._files:
            return
        self._files.add(path)
        try:
            value = self._content(path)
        except CompileError as error:
            self.report.findings += error.findings
            return
        except InputError as error:
            self.report.add("missing-file", error.what, Place(self._display(path)), why=error.why, fix=error.fix)
            return
        KINDS[kind].check(value, self.report, "")
        if kind == "conda file":
            check_conda(value, self.report)
        elif isinstance(value, Table):
            self.mltable(value, str(path.parent))

    # --- data --------------------------------------------------------------------------------------------------------

    def paths(self, values: Iterable[object], folder: str) -> None:
        """The local paths among what is given to inputs."""
        for value in values:
            if isinstance(value, Data):
                self.path(value.path, value.place, folder, value.type)

    def path(self, path: str, place: Place, folder: str, type_: str | None = None) -> None:
        """A path: is it there when it is local, does it mean anything when it is not; of a table, its MLTable file too."""
        if not is_local(path):
            self._reference(path, place)
            return
        full = local_path(path, folder)
        if not os.path.exists(full):
            self.report.add("missing-path", f"the path {path!r} does not exist", place,
                            why="a path is relative to the file that names it" if place.line else
                            "a path given with --set is relative to this folder", fix=nearby(full))
        elif type_ == "mltable" and os.path.isdir(full):
            if os.path.isfile(full / "MLTable"):
                self._yaml(full / "MLTable", "mltable")
            else:
                self.report.add("no-mltable", f"the folder {path!r} holds no file MLTable", place,
                                why="it says how the table is read", fix="add one, or make it a uri_folder")

    def form(self, path: str, place: Place, folder: str, type_: str) -> None:
        """A file given for a folder, or the reverse: Azure ML takes it, and the job finds something else than it expects."""
        if (place, type_) in self._formed:
            return
        self._formed.add((place, type_))
        if not is_local(path):
            if type_ in ("uri_folder", "mlflow_model", "mltable") and is_one_file(path):
                self.report.add("wrong-form", f"the URL {redacted(path)!r} is one file, and the port is a {type_}", place,
                                why="a web server does not tell what a folder holds", fix="make the port a uri_file, or name a "
                                "folder in a store: azureml://datastores/…, abfss://…", severity=Severity.WARNING)
            return
        full = local_path(path, folder)
        if type_ == "uri_file" and os.path.isdir(full):
            self.report.add("wrong-form", f"the path {path!r} is a folder, and the port is a {type_}", place,
                            why="the job gets the path of a folder", fix="name one file, or make the port a uri_folder",
                            severity=Severity.WARNING)
        elif type_ in ("uri_folder", "mlflow_model", "mltable") and os.path.isfile(full):
            self.report.add("wrong-form", f"the path {path!r} is a file, and the port is a {type_}", place,
                            why="the job gets the path of a file",
                            fix="name its folder" if type_ != "uri_folder" else "name its folder, or make the port a uri_file",
                            severity=Severity.WARNING)

    def _reference(self, path: str, place: Place) -> None:
        """A URI that Azure ML cannot read, or that everybody can use who reads the file."""
        if holds_secret(path):
            self.report.add("secret", "a URL holds a signature, a key or a password", place, severity=Severity.WARNING,
                            why="whoever reads the file can use it; with an identity none is needed",
                            fix="make it a datastore, and name that: azureml://datastores/NAME/paths/…")
        problem = problem_of(path)
        if problem:
            self.report.add("bad-reference", f"{redacted(path)!r} {problem[0]}", place, fix=problem[1])

    def outputs(self, outputs: Mapping[str, JobOutput]) -> None:
        """Where outputs go that have a path."""
        for name, output in outputs.items():
            if not output.path or (output.place, "output") in self._formed:
                continue
            self._formed.add((output.place, "output"))
            path = substitute(output.path, {"name": "n", "output_name": "o", "default_datastore": DEFAULT_DATASTORE}.get)
            if is_local(path):
                self.report.add("bad-output-path", f"output {name!r} goes to {output.path!r}", output.place,
                                why="an output's path is a place in a datastore", fix=f"write azureml://datastores/"
                                f"{DEFAULT_DATASTORE}/paths/…; to have a copy here: mlops run … --output {name}=PATH")
                continue
            if isinstance(parse_reference(path), AssetReference) or scheme_of(path) in WEB or re.match(r"azureml:(?!//)", path):
                self.report.add("bad-output-path", f"output {name!r} goes to {redacted(output.path)!r}", output.place,
                                why="an output's path is a place in a datastore",
                                fix="write azureml://datastores/NAME/paths/…; 'name:' makes it an asset")
            else:
                self._reference(path, output.place)

    def mltable(self, value: Table, folder: str) -> None:
        """An MLTable file: its transformations and the local files that it names."""
        check_mltable(value, self.report)
        paths = value.get("paths")
        for entry in paths.items if isinstance(paths, Items) else ():
            for key in ("file", "folder"):
                given = entry.get(key) if isinstance(entry, Table) else None
                if isinstance(given, Scalar) and isinstance(given.value, str):
                    self.path(given.value, given.place, folder)


def moves(command: str) -> bool:
    """Whether a command changes its folder or brings files, so that the code's files say little about what it finds."""
    return _MOVES.search(command) is not None


def local_code(code: str | None, folder: str) -> Path | None:
    """The folder or file that *code* names; None when there is none, or it is not local."""
    if code is None or code.startswith(("azureml:", "http:", "https:", "git+")):
        return None
    return Path(os.path.normpath(os.path.join(folder, code.removeprefix("file:"))))


def inspect_code(code: Path, includes: Sequence[Path], report: Report, *, place: Place, include_place: Place,
                 limits: Limits = DEFAULT_LIMITS) -> None:
    """Report what would go wrong when *code* is uploaded.

    Args:
        code: A folder or a single file that exists.
        includes: ``additional_includes``.
        report: Gets what is wrong.
        place: Where the code is named.
        include_place: Where the includes are named.
        limits: What is too much.
    """
    for include in includes:
        if not os.path.exists(include) and archived(include) is None:
            report.add("missing-code", f"the additional include {include.name!r} does not exist", include_place,
                       why=f"the folder {include.parent.name!r} has nothing of that name", fix=nearby(include))
    found = [include for include in includes if os.path.exists(include) or archived(include) is not None]
    try:
        entries = snapshot(code, found)
    except InputError as error:
        report.add("include-clash", error.what, include_place, why="both would have the same place in the job's folder",
                   fix=error.fix)
        return
    except OSError as error:
        name = os.path.relpath(error.filename, code) if error.filename else str(code)
        report.add("unreadable-code", f"the code cannot be read: {name}: {error.strerror}", place,
                   why="it could not be uploaded", fix="mend or remove the file or link")
        return
    _inspect_size(entries, report, place, limits)
    if os.path.isdir(code):
        _inspect_links(code, report, place)
        _inspect_ignores(code, report, place)


def _inspect_size(entries: Sequence[FileEntry], report: Report, place: Place, limits: Limits) -> None:
    for what, why in excess(entries, limits):
        report.add("large-snapshot", f"the code has {what}", place, why=why,
                   fix="list what the job does not need in .amlignore", severity=Severity.WARNING)


def excess(entries: Sequence[FileEntry], limits: Limits) -> Iterator[tuple[str, str]]:
    """What of code is over the limits, and why it is."""
    size = sum(entry.state.st_size for entry in entries)
    if size > limits.snapshot_bytes:
        largest = sorted(entries, key=lambda entry: (-entry.state.st_size, entry.name))[:3]
        yield (f"{_size(size)}, over the limit of {_size(limits.snapshot_bytes)}",
               "the largest: " + listing(f"{entry.name} ({_size(entry.state.st_size)})" for entry in largest))
    if len(entries) > limits.snapshot_files:
        yield (f"{len(entries):,} files, over the limit of {limits.snapshot_files:,}",
               "each submission uploads and checks them all")


def _inspect_links(code: Path, report: Report, place: Place) -> None:
    for path in _dead_links(str(code)):
        report.add("dead-link", f"the link {os.path.relpath(path, code)!r} in the code leads nowhere", place,
                   why=f"it names {os.readlink(path)!r}; it would be left out", fix="mend or remove the link",
                   severity=Severity.WARNING)


def _dead_links(folder: str) -> Iterator[str]:
    """The links below a folder that lead nowhere; no link is followed."""
    try:
        with os.scandir(folder) as listed:
            entries = list(listed)
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            if not os.path.exists(entry.path):
                yield entry.path
        elif entry.is_dir():
            yield from _dead_links(entry.path)


def _inspect_ignores(code: Path, report: Report, place: Place) -> None:
    if not ((code / ".amlignore").is_file() and (code / ".gitignore").is_file()):
        return
    left_out = set(ignored(code, ".amlignore"))
    kept = [name for name in ignored(code, ".gitignore") if name not in left_out]
    if kept:
        report.add("shadowed-ignore", f".amlignore replaces .gitignore, so {listing(kept, 3)} would be uploaded", place,
                   why="Azure ML reads one of the two, not both", fix="repeat in .amlignore what .gitignore leaves out",
                   severity=Severity.WARNING)


def _size(size: int) -> str:
    for unit, name in ((2**30, "GB"), (2**20, "MB"), (2**10, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size < 1000 * unit else f"{size / unit:,.0f} {name}"
    return f"{size} bytes"


def is_local(path: str) -> bool:
    """Whether a data path is a path on this machine, not a URI of something else."""
    return path.startswith("file:") or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path)


def is_one_file(path: str) -> bool:
    """Whether a path is the URL of a file on a web server; Azure storage tells what is in a folder, others do not."""
    host = re.match(r"https?://([^/?#]*)", path)
    return host is not None and not host[1].lower().endswith((".blob.core.windows.net", ".dfs.core.windows.net"))


def problem_of(path: str) -> tuple[str, str] | None:
    """Why a URI means nothing to Azure ML: (what is wrong, how to mend it); None when it does."""
    reference = parse_reference(path)
    if isinstance(reference, DatastorePath):
        return ("leads out of its datastore", "write a path without '..'") if escapes(reference.path) else None
    if reference is None and path.startswith("azureml://") and "/jobs/" not in path:
        return "is no reference that Azure ML knows", ("write azureml://datastores/NAME/paths/PATH, or "
                                                       "azureml://registries/NAME/KIND/NAME/versions/VERSION")
    return None


def local_path(path: str, folder: str) -> Path:
    """A local data path, made absolute."""
    bare = path.removeprefix("file://").removeprefix("file:")
    return Path(os.path.normpath(os.path.join(folder, os.path.expanduser(bare))))


def nearby(path: Path) -> str:
    """Did you mean … for a path: what its folder has, or the first folder that is absent."""
    missing = path
    while not os.path.isdir(missing.parent) and missing.parent != missing:
        missing = missing.parent
    near = nearest(missing.name, sorted(entry.name for entry in missing.parent.iterdir())[:200])
    return near or ("correct the path" if missing == path else f"there is no folder {missing.name!r}")
