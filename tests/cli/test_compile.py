import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.cli.source import columns, fitted

ROOT = Path(__file__).resolve().parents[2]
BROKEN = ROOT / "tests" / "broken"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A copy of a project with one misspelt flag."""
    return Path(shutil.copytree(BROKEN / "unknown-flag", tmp_path / "shop"))


def mlops(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | variables
    return subprocess.run(
        [sys.executable, "-m", "mlops_lib", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60
    )


def printed(*arguments: str, cwd: Path) -> Any:
    return json.loads(mlops(*arguments, cwd=cwd).stdout)


def test_findings_are_counted_with_their_files(shop: Path) -> None:
    done = mlops("validate", cwd=shop)
    assert (done.returncode, done.stderr) == (2, "1 error in 1 file\n")
    assert done.stdout == (shop / "expected.txt").read_text()


def test_warnings_fail_only_when_they_are_to(tmp_path: Path) -> None:
    project = Path(shutil.copytree(BROKEN / "no-pip", tmp_path / "shop"))
    assert (mlops("validate", cwd=project).returncode, mlops("validate", "--strict", cwd=project).returncode) == (0, 2)


def test_json_and_sarif_are_all_that_is_on_stdout(shop: Path) -> None:
    [finding] = printed("validate", "--format", "json", cwd=shop)
    assert (finding["code"], finding["line"], finding["severity"]) == ("unknown-flag", 3, "error")
    [run] = printed("validate", "--format", "sarif", cwd=shop)["runs"]
    [result] = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][0]["id"] == "unknown-flag"
    assert result["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"] == {"text": "--rate"}


def test_a_file_outside_a_project_is_checked_by_itself(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    file = tmp_path / "jobs/job.yml"
    text = "type: command\ncompute: azureml:cpu\nenviroment: azureml:e@latest\ncommand: ls\n"
    file.write_text(text)
    done = mlops("validate", "jobs/job.yml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.startswith("jobs/job.yml:3:1: a command job has no key 'enviroment'")
    assert mlops("validate", "--fix", "jobs", cwd=tmp_path).returncode == 0
    assert file.read_text() == text.replace("enviroment", "environment")


def test_nothing_to_check_outside_a_project_is_told(tmp_path: Path) -> None:
    done = mlops("validate", cwd=tmp_path)
    assert done.returncode == 2
    assert "no project in" in done.stderr


def test_a_diff_shows_what_would_be_corrected_and_writes_nothing(shop: Path) -> None:
    before = (shop / "components/train/component.yml").read_text()
    done = mlops("validate", "--diff", cwd=shop)
    assert "+command: python train.py --data ${{inputs.data}} --rate ${{inputs.rate}}" in done.stdout
    assert done.returncode == 2
    assert (shop / "components/train/component.yml").read_text() == before


def test_what_is_corrected_is_told_and_then_it_is_whole(shop: Path) -> None:
    done = mlops("validate", "--fix", cwd=shop)
    assert done.returncode == 0
    assert done.stderr == "components/train/component.yml: corrected\n1 word corrected\nno mistakes found\n"
    assert mlops("validate", "--fix", cwd=shop).stderr == "0 words corrected\nno mistakes found\n"


def test_the_settings_are_corrected_too(shop: Path) -> None:
    mlops("validate", "--fix", cwd=shop)
    (shop / "mlops.yml").write_text("experimnt: shop  # ours\n")
    assert mlops("validate", "--fix", cwd=shop).returncode == 0
    assert (shop / "mlops.yml").read_text() == "experiment: shop  # ours\n"


def test_schemas_are_listed_and_printed(tmp_path: Path) -> None:
    kinds = mlops("schema", cwd=tmp_path).stdout.split()
    assert {"command-component", "pipeline-job", "sweep-job", "schedule", "settings"} <= set(kinds)
    assert printed("schema", "pipeline-job", cwd=tmp_path)["title"] == "pipeline-job"
    done = mlops("schema", "pipline-job", cwd=tmp_path)
    assert (done.returncode, "did you mean 'pipeline-job'?" in done.stderr) == (2, True)


# --- the line that a finding is about ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "start", "end", "width", "expected"),
    [
        ("type: nubmer", 6, 12, 80, ("type: nubmer", "      ^^^^^^")),
        ("\ttype: x", 7, 8, 80, ("    type: x", "          ^")),
        ("日本: nubmer", 4, 10, 80, ("日本: nubmer", "      ^^^^^^")),
        ("a\x1b[31m: x", 0, 1, 80, ("a\ufffd[31m: x", "^")),
        ("key: " + "x" * 100, 5, 105, 20, ("key: " + "x" * 14, "     " + "^" * 14)),
        ("y" * 100 + ": nubmer", 102, 108, 20, ("\u2026" + "y" * 10 + ": nubmer", " " * 13 + "^" * 6)),
        ("", 0, 1, 20, ("", "^")),
    ],
)
def test_a_line_is_marked_and_cut_to_fit(line: str, start: int, end: int, width: int, expected: tuple[str, str]) -> None:
    assert fitted(line, start, end, width) == expected
    assert columns(expected[0]) <= width


# --- before a commit ---------------------------------------------------------------------------------------------------


def test_the_hook_stops_a_commit_with_a_mistake(shop: Path, tmp_path: Path) -> None:
    variables = {**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "cache"), "GIT_CONFIG_GLOBAL": os.devnull}
    del variables["LOOPBACK_ONLY"]  # the hook is installed, with the packages that it needs
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]

    def git(*arguments: str, cwd: Path) -> None:
        subprocess.run(["git", *identity, *arguments], cwd=cwd, env=variables, check=True, capture_output=True)

    library = tmp_path / "library"  # what is here now, committed or not
    library.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, library)
    shutil.copytree(ROOT / "mlops_lib", library / "mlops_lib", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (library, shop):
        git("init", "-q", cwd=folder)
    git("add", ".", cwd=library)
    git("commit", "-qm", "x", cwd=library)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=library, capture_output=True, text=True, check=True).stdout.strip()
    (shop / ".pre-commit-config.yaml").write_text(
        json.dumps({"repos": [{"repo": str(library), "rev": head, "hooks": [{"id": "mlops-validate"}]}]})
    )
    git("add", ".", cwd=shop)
    run = [sys.executable, "-m", "pre_commit", "run"]
    done = subprocess.run(run, cwd=shop, env=variables, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "components/train/component.yml:3:50: the command passes '--raet'" in done.stdout
    mlops("validate", "--fix", cwd=shop)
    git("add", ".", cwd=shop)
    done = subprocess.run(run, cwd=shop, env=variables, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout
