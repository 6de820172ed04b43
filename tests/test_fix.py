import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lib.errors import CompileError, Finding, Place, did_you_mean, nearest
from mlops_lib.fix import Edit, apply, edits_for, fix_files
from mlops_lib.project import Project

COMPONENT = """\
# why this component is here
name: train
type: command
command: >-
  python train.py
  --data ${{inputs.dtaa}}   # not a comment, but text
code: src
environmnt: azureml:python@latest   # the environment
inputs:
  data: {type: uri_foldr}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "components" / "train" / "src").mkdir(parents=True)
    (tmp_path / "components" / "train" / "src" / "train.py").write_text("")
    (tmp_path / "components" / "train" / "component.yml").write_text(COMPONENT)
    return tmp_path


def find(root: Path) -> Sequence[Finding]:
    try:
        return Project(root, near=root).validate()
    except CompileError as error:
        return error.findings


def fix(root: Path, **more: bool) -> int:
    return fix_files(find(root), root, lambda: find(root), near=root, **more).words


def test_the_misspelt_words_are_corrected_and_nothing_else_changes(project: Path) -> None:
    file = project / "components" / "train" / "component.yml"
    file.chmod(0o640)
    assert fix(project) == 3
    wanted = COMPONENT.replace("dtaa", "data").replace("environmnt", "environment").replace("uri_foldr", "uri_folder")
    assert file.read_text() == wanted
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(path.name for path in file.parent.iterdir()) == ["component.yml", "src"]
    assert fix(project) == 0


@pytest.mark.parametrize("lead", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_a_byte_order_mark_stay(project: Path, lead: bytes, end: str) -> None:
    file = project / "components" / "train" / "component.yml"
    text = COMPONENT.replace("\n", end)
    file.write_bytes(lead + text.encode())
    fix(project)
    assert file.read_bytes() == lead + text.replace("dtaa", "data").replace("environmnt", "environment").replace(
        "uri_foldr", "uri_folder").encode()


def test_what_would_change_is_only_shown_when_nothing_is_to_be_written(project: Path) -> None:
    fixed = fix_files(find(project), project, lambda: find(project), near=project, write=False)
    [(before, after)] = fixed.texts.values()
    assert before == COMPONENT
    assert "environment: azureml" in after
    assert (project / "components" / "train" / "component.yml").read_text() == COMPONENT


def test_what_lies_outside_the_project_or_behind_a_link_is_left_alone(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "component.yml"
    outside.write_text(COMPONENT)
    inside = project / "components" / "train" / "component.yml"
    inside.unlink()
    os.symlink(outside, inside)
    assert fix(project) == 0
    finding = Finding(code="x", what="x", place=Place(str(outside), 8, 1), fix=nearest("environmnt", {"environment"}))
    assert fix_files([finding], project, tuple, near=project).words == 0
    assert outside.read_text() == COMPONENT


def test_a_file_that_would_get_worse_gets_its_text_back(project: Path) -> None:
    found = find(project)
    new = Finding(code="new", what="worse", place=Place("components/train/component.yml", 1, 1))
    assert fix_files(found, project, lambda: [new], near=project).texts == {}
    assert (project / "components" / "train" / "component.yml").read_text() == COMPONENT


def test_only_a_word_that_stands_once_is_corrected() -> None:
    fixing = nearest("dtaa", {"data"})
    finding = Finding(code="x", what="x", place=Place("f.yml", 1, 1), fix=fixing)
    assert edits_for("a: dtaa\n", [finding]) == [Edit(3, 7, "data")]
    assert edits_for("a: dtaa dtaa\n", [finding]) == []
    assert edits_for("a: xdtaa dtaa-x\n", [finding]) == []
    assert edits_for("a: >\n  dtaa\n", [finding]) == [Edit(7, 11, "data")]
    assert edits_for("a:\nb: dtaa\n", [finding]) == []


@pytest.mark.parametrize(
    ("word", "known", "certain"),
    [
        ("environmnt", {"environment", "command"}, True),
        ("Type", {"type"}, True),
        ("rate1", {"rate2", "rate3"}, False),
        ("trian", {"train", "trial"}, False),
        ("xyz", {"abc"}, None),
        ("inpt", {"input", "inputs"}, False),
    ],
)
def test_a_correction_is_certain_when_nothing_else_comes_near(word: str, known: set[str], certain: bool | None) -> None:
    found = nearest(word, known)
    assert getattr(found, "certain", None) is certain
    assert str(did_you_mean(word, known)) == (str(found) or "use one of abc")


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.text(max_size=3)), max_size=4))
def test_edits_that_do_not_touch_change_their_own_part_only(text: str, given_edits: list[tuple[int, int, str]]) -> None:
    edits: list[Edit] = []
    for start, length, instead in sorted(given_edits):
        if start + length <= len(text) and (not edits or start >= edits[-1].end):
            edits.append(Edit(start, start + length, instead))
    pieces, at = [], 0
    for edit in edits:
        pieces += [text[at:edit.start], edit.instead]
        at = edit.end
    assert apply(text, edits) == "".join(pieces) + text[at:]
