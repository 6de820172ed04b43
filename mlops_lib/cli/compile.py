"""``mlops validate`` and ``mlops schema``: what the compiler finds, for people, programs and editors."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..errors import CompileError, Finding, InputError, Severity, did_you_mean
from . import _print_json, _project, cli, show_finding

if TYPE_CHECKING:
    from ..project import Project


@cli.command()
@click.argument("paths", nargs=-1, metavar="[FILE|DIR]...", type=click.Path())
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--fix", "fixing", is_flag=True, help="Put certain did-you-mean corrections into the files.")
@click.option("--diff", is_flag=True, help="Show what --fix would change; nothing is written.")
@click.option("--stage", metavar="NAME", help="A stage whose Terraform outputs must have what the files name.")
@click.option("--outputs", metavar="FILE", help="With --stage: read its outputs from this file.")
@click.pass_context
def validate(context: click.Context, paths: tuple[str, ...], form: str, strict: bool, fixing: bool, diff: bool,
             stage: str | None, outputs: str | None) -> None:
    """Find every mistake in the project's files, or in those given; nothing is run."""
    if outputs and not stage:
        raise InputError("--outputs needs --stage", fix="write --stage NAME")

    def find() -> tuple[Finding, ...]:
        try:
            project = _project_of(context, paths)
            return project.validate(paths, stage=project.stage(stage, outputs=outputs) if stage else None)
        except CompileError as error:
            return tuple(error.findings)

    findings = find()
    if diff or fixing:
        findings = _fix(context, paths, find, findings, write=fixing and not diff, quiet=form != "text")
    if form == "json":
        _print_json([_plain(finding) for finding in findings])
    elif form == "sarif":
        from ..sarif import sarif
        from .source import text_of

        _print_json(sarif(findings, version=__version__, text_of=text_of))
    elif not diff:
        for finding in findings:
            show_finding(finding, err=False)
        click.echo(_counted(findings), err=True)
    if any(strict or finding.severity is Severity.ERROR for finding in findings):
        context.exit(2)


def _project_of(context: click.Context, paths: Sequence[str]) -> Project:
    """The project around the working directory; without one, the files to check stand for themselves."""
    try:
        return _project(context)
    except InputError:
        if not paths or context.obj:
            raise
    from ..project import Project

    folders = [os.path.abspath(path if os.path.isdir(path) else os.path.dirname(path)) for path in paths]
    return Project(os.path.commonpath(folders), near=Path.cwd())


def _fix(context: click.Context, paths: Sequence[str], find: Callable[[], tuple[Finding, ...]],
         findings: Sequence[Finding], *, write: bool, quiet: bool) -> tuple[Finding, ...]:
    import difflib

    from ..fix import fix_files

    root = Path(context.obj) if context.obj else _root(context, paths)
    fixed = fix_files(findings, root, find, near=Path.cwd(), skip=_is_rendered, write=write)
    for path, (before, after) in fixed.texts.items():
        name = os.path.relpath(path)
        if not write:
            lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), name, name)
            click.echo("".join(lines), nl=False)
        elif not quiet:
            click.echo(f"{name}: corrected", err=True)
    if write and not quiet:
        click.echo(f"{fixed.words} word{'' if fixed.words == 1 else 's'} corrected", err=True)
    return find() if write and fixed.texts else tuple(findings)


def _root(context: click.Context, paths: Sequence[str]) -> Path:
    try:
        return _project_of(context, paths).root
    except CompileError:  # of the settings themselves
        return Path.cwd()


def _is_rendered(path: Path) -> bool:
    """A pipeline that ``mlops export`` wrote is corrected through its components."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().startswith("# Written by 'mlops export")


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code, "severity": finding.severity.value, "file": finding.place.file, "line": finding.place.line,
        "column": finding.place.column, "what": finding.what, "why": finding.why, "fix": finding.fix,
    }


def _counted(findings: Sequence[Finding]) -> str:
    warnings = sum(finding.severity is Severity.WARNING for finding in findings)
    counts = [f"{count} {word}{'' if count == 1 else 's'}"
              for word, count in (("error", len(findings) - warnings), ("warning", warnings)) if count]
    files = len({finding.place.file for finding in findings})
    return f"{', '.join(counts)} in {files} file{'' if files == 1 else 's'}" if counts else "no mistakes found"


@cli.command()
@click.argument("kind", metavar="KIND", default="")
def schema(kind: str) -> None:
    """Print the JSON Schema of a KIND of file, for editors; without KIND, list the kinds."""
    from ..schemas import SCHEMAS, json_schema

    if not kind:
        click.echo("\n".join(SCHEMAS))
    elif kind not in SCHEMAS:
        raise InputError(f"no kind of file is called {kind!r}", fix=did_you_mean(kind, SCHEMAS))
    else:
        _print_json(json_schema(kind))
