import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mlops_lib.errors import CompileError, Finding, Place, Severity, nearest
from mlops_lib.project import Project
from mlops_lib.sarif import sarif

BROKEN = Path(__file__).parent / "broken"
# Carries the schema as OASIS published it.
CARRIER = "@microsoft/jest-sarif@1.0.0-beta.0"
MEMBER = "package/lib/schemas/sarif-2.1.0-rtm.5.json"


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if shutil.which("npm") is None:
        pytest.fail("npm is not installed: it brings the published schema")
    folder = tmp_path_factory.mktemp("npm")
    done = subprocess.run(["npm", "pack", "--silent", CARRIER], cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    with tarfile.open(folder / done.stdout.strip().splitlines()[-1]) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        return json.load(member)


def findings(folder: Path) -> tuple[Finding, ...]:
    try:
        return Project(folder, near=folder).validate([folder])
    except CompileError as error:
        return tuple(error.findings)


def log(found: tuple[Finding, ...], text: str | None = None) -> Any:
    return sarif(found, version="1.2.3", text_of=lambda file: text)


def test_the_log_of_every_broken_project_is_valid(schema: Any) -> None:
    validator = jsonschema.Draft7Validator(schema)
    for folder in sorted(BROKEN.iterdir()):
        found = findings(folder)
        if (folder / "dev.json").is_file():
            continue  # says nothing without its stage

        def text_of(file: str, folder: Path = folder) -> str | None:
            try:
                return (folder / file).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                return None

        made = sarif(found, version="1.2.3", text_of=text_of)
        assert [error.message for error in validator.iter_errors(made)] == [], folder.name
        assert len(made["runs"][0]["results"]) == len(found)
        assert str(BROKEN) not in json.dumps(made)


def test_a_result_says_what_where_and_how_bad() -> None:
    warning = Finding(code="no-pip", what="what", why="why", fix="fix", place=Place("a b/c.yml", 3, 7), severity=Severity.WARNING)
    [result] = log((warning,))["runs"][0]["results"]
    assert (result["ruleId"], result["level"], result["message"]["text"]) == ("no-pip", "warning", "what. why. fix")
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "a%20b/c.yml", "uriBaseId": "ROOT"}
    assert location["region"] == {"startLine": 3, "startColumn": 7}


def test_a_finding_about_a_whole_file_has_no_region() -> None:
    [result] = log((Finding(code="assembly", what="x", place=Place("mlops.yml")),))["runs"][0]["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]


def test_a_certain_correction_is_a_fix_at_the_words_own_place() -> None:
    finding = Finding(code="unknown-key", what="x", place=Place("c.yml", 2, 1), fix=nearest("environmnt", {"environment"}))
    [result] = log((finding,), "name: c\nenvironmnt: x\n")["runs"][0]["results"]
    [change] = result["fixes"][0]["artifactChanges"]
    assert change["replacements"] == [
        {"deletedRegion": {"startLine": 2, "startColumn": 1, "endColumn": 11}, "insertedContent": {"text": "environment"}}
    ]


def test_fingerprints_stay_when_lines_move_and_tell_repetitions_apart() -> None:
    def prints(*lines: int) -> list[str]:
        found = tuple(Finding(code="cycle", what="same", place=Place("c.yml", line, 1)) for line in lines)
        return [result["partialFingerprints"]["finding/v1"] for result in log(found)["runs"][0]["results"]]

    assert prints(1, 5) == prints(11, 15)
    assert len(set(prints(1, 5))) == 2
