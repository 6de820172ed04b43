"""``tests/broken/CODE/`` is a tiny project with one mistake; ``expected.txt`` is what ``mlops validate`` prints there."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mlops_lib
from mlops_lib.errors import CompileError, Finding, Severity
from mlops_lib.project import Project

BROKEN = Path(__file__).parent / "broken"
CODES = sorted(path.name for path in BROKEN.iterdir())


def findings(folder: Path) -> tuple[Finding, ...]:
    try:
        project = Project(folder, near=folder)
        outputs = folder / "dev.json"
        stage = project.stage("dev", outputs=str(outputs)) if outputs.is_file() else None
        return project.validate([folder], stage=stage)
    except CompileError as error:
        return tuple(error.findings)


@pytest.mark.parametrize("code", CODES)
def test_a_broken_project_is_told_what_is_wrong_with_it(code: str) -> None:
    folder = BROKEN / code
    found = findings(folder)
    assert "".join(f"{finding}\n" for finding in found) == (folder / "expected.txt").read_text()
    assert code in {finding.code for finding in found}
    for finding in found:
        assert (folder / finding.place.file).is_file()
        assert finding.why or finding.fix or "'" in finding.what


@pytest.mark.parametrize("code", ["assembly", "cycle", "not-utf8", "stale-export", "unknown-type"])
def test_the_command_line_says_the_same(code: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    done = subprocess.run(
        [sys.executable, "-m", "mlops_lib", "validate"], cwd=BROKEN / code, env=environment, capture_output=True, text=True
    )
    assert done.stdout == (BROKEN / code / "expected.txt").read_text()
    errors = any(finding.severity is Severity.ERROR for finding in findings(BROKEN / code))
    assert done.returncode == (2 if errors else 0)


def codes_of(tree: ast.AST) -> Iterator[str]:
    """What stands where a call that makes a finding has its code."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
        )
        asset = isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Attribute)  # store.assets.find(kind, …)
        places = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        if name in ("_find", "_broken", "_finding") or (name in ("add", "find") and len(node.args) == 3 and not (
            name == "find" and asset
        )):
            places += node.args[:1]
        for place in places:
            branches = [place.body, place.orelse] if isinstance(place, ast.IfExp) else [place]
            yield from (
                branch.value for branch in branches if isinstance(branch, ast.Constant) and isinstance(branch.value, str)
            )


def test_every_code_has_a_broken_project_and_every_broken_project_a_code() -> None:
    [package] = mlops_lib.__path__
    known = {code for path in Path(package).rglob("*.py") for code in codes_of(ast.parse(path.read_text(encoding="utf-8")))}
    assert known == set(CODES)


def test_a_broken_project_beside_a_whole_one_is_its_own() -> None:
    root = BROKEN.parent.parent
    assert not [path for path in Project(root).catalogue().project_files() if BROKEN in path.parents]
