import os
from pathlib import Path

import pytest

from mlops_lib.errors import Finding, Place
from mlops_lib.inspection import Limits, inspect_code, local_code, moves, nearby
from mlops_lib.spec import Report

CODE, INCLUDES = Place("c.yml", 3, 7), Place("c.yml", 4, 22)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "component" / "src"
    folder.mkdir(parents=True)
    (folder / "train.py").write_text("print('training')\n")
    return folder


def inspect(code: Path, *includes: Path, limits: Limits | None = None) -> list[Finding]:
    report = Report()
    inspect_code(code, includes, report, place=CODE, include_place=INCLUDES, limits=limits or Limits())
    return report.findings


def test_code_that_can_be_uploaded_has_no_finding(code: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "io.py").write_text("")
    assert inspect(code) == inspect(code, shared) == inspect(code / "train.py") == []


def test_an_include_that_is_absent_is_told_at_the_includes(code: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    [finding] = inspect(code, tmp_path / "shred")
    assert (finding.code, finding.place, finding.fix) == ("missing-code", INCLUDES, "did you mean 'shared'?")


def test_an_archive_that_is_made_from_its_folder_is_not_absent(code: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    assert inspect(code, tmp_path / "shared.zip") == []


def test_an_include_of_the_name_of_a_file_clashes(code: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    [finding] = inspect(code, tmp_path / "train.py")
    assert (finding.code, finding.place) == ("include-clash", INCLUDES)
    assert "'train.py'" in finding.what


def test_too_much_code_is_told_with_its_largest_files(code: Path) -> None:
    for size in (10, 3000, 1000, 2000):
        (code / f"rows_{size}.csv").write_bytes(b"x" * size)
    assert inspect(code, limits=Limits(snapshot_bytes=10_000, snapshot_files=5)) == []
    [size, files] = inspect(code, limits=Limits(snapshot_bytes=6_000, snapshot_files=4))
    assert size.why == "the largest: rows_3000.csv (2.93 kB), rows_2000.csv (1.95 kB), rows_1000.csv (1000 bytes)"
    assert "5 files, over the limit of 4" in files.what


def test_what_an_ignore_file_leaves_out_does_not_count(code: Path) -> None:
    (code / "rows.csv").write_bytes(b"x" * 9000)
    (code / ".amlignore").write_text("*.csv\n")
    assert inspect(code, limits=Limits(snapshot_bytes=6_000)) == []


def test_an_amlignore_that_replaces_a_gitignore_is_told_when_it_matters(code: Path) -> None:
    (code / ".gitignore").write_text("*.csv\n*.log\n")
    (code / ".amlignore").write_text("*.log\n")
    (code / "run.log").write_text("")
    assert inspect(code) == []
    (code / "rows.csv").write_text("")
    [finding] = inspect(code)
    assert (finding.code, "rows.csv" in finding.what) == ("shadowed-ignore", True)


def test_links_that_lead_nowhere_or_in_a_circle_are_told(code: Path) -> None:
    os.symlink("gone", code / "dead")
    [finding] = inspect(code)
    assert (finding.code, "'gone'" in finding.why) == ("dead-link", True)
    os.symlink(".", code / "again")
    [finding] = inspect(code)
    assert (finding.code, "cannot be read: again" in finding.what) == ("unreadable-code", True)


@pytest.mark.parametrize(
    ("given", "found"),
    [("src", "/c/src"), ("../x", "/x"), ("file:src", "/c/src"), ("azureml:code:1", None), ("https://x/y", None), (None, None)],
)
def test_only_local_code_is_looked_at(given: str | None, found: str | None) -> None:
    assert local_code(given, "/c") == (Path(found) if found else None)


def test_commands_that_move_are_told_from_those_that_do_not() -> None:
    assert moves("cd src && python x.py")
    assert moves("git clone x")
    assert not moves("python cd.py")


def test_the_nearest_name_of_a_path_is_offered(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert nearby(tmp_path / "dta") == "did you mean 'data'?"
    assert nearby(tmp_path / "zzz" / "rows.csv") == "there is no folder 'zzz'"
