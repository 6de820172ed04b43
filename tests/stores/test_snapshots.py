import os
import zipfile
from pathlib import Path

import pytest

from mlops_lib.errors import InputError, Place
from mlops_lib.stores.database import Database
from mlops_lib.stores.digests import Digests
from mlops_lib.stores.snapshots import copy_to, snapshot, take


def make(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def names(code: Path, *includes: Path) -> list[str]:
    return [entry.name for entry in snapshot(code, includes)]


def test_all_of_a_folder_comes_along_sorted(tmp_path: Path) -> None:
    make(tmp_path, {"train.py": "", "lib/b.py": "", "lib/a.py": "", ".hidden": ""})
    assert names(tmp_path) == [".hidden", "lib/a.py", "lib/b.py", "train.py"]


def test_the_amlignore_replaces_the_gitignore(tmp_path: Path) -> None:
    make(tmp_path, {".gitignore": "*.csv\n", "a.csv": "", "a.txt": ""})
    assert names(tmp_path) == [".gitignore", "a.txt"]
    make(tmp_path, {".amlignore": "*.txt\n"})
    assert names(tmp_path) == [".amlignore", ".gitignore", "a.csv"]


def test_a_later_exclamation_mark_brings_a_file_back(tmp_path: Path) -> None:
    make(tmp_path, {".amlignore": "*.csv\n/build/\n!keep.csv\n", "a.csv": "", "keep.csv": "", "build/x": "", "src/build/x": ""})
    assert names(tmp_path) == [".amlignore", "keep.csv", "src/build/x"]


def test_ignore_files_further_down_mean_nothing(tmp_path: Path) -> None:
    make(tmp_path, {"lib/.amlignore": "*.py\n", "lib/.gitignore": "*.py\n", "lib/a.py": ""})
    assert "lib/a.py" in names(tmp_path)


def test_compiled_files_git_and_our_own_folder_are_left_out_at_any_depth(tmp_path: Path) -> None:
    make(
        tmp_path, {"a.py": "", "__pycache__/a.pyc": "", "lib/__pycache__/b.pyc": "", ".git/index": "", ".mlops/records.db": ""}
    )
    assert names(tmp_path) == ["a.py"]


def test_an_editors_lock_that_is_a_dead_link_does_not_matter(tmp_path: Path) -> None:
    make(tmp_path, {"a.py": ""})
    (tmp_path / ".#a.py").symlink_to("me@host.1234")
    assert names(tmp_path) == ["a.py"]


def test_a_single_file_is_all_there_is(tmp_path: Path) -> None:
    make(tmp_path, {"a.py": "", "b.py": ""})
    assert names(tmp_path / "a.py") == ["a.py"]
    assert snapshot(None) == []


def test_includes_come_under_their_base_names_with_their_own_ignore_file(tmp_path: Path) -> None:
    make(
        tmp_path,
        {"code/a.py": "", "shared/lib/b.py": "", "shared/lib/.amlignore": "*.txt", "shared/lib/c.txt": "", "one.py": ""},
    )
    assert names(tmp_path / "code", tmp_path / "shared/lib", tmp_path / "one.py") == [
        "a.py",
        "lib/.amlignore",
        "lib/b.py",
        "one.py",
    ]


def test_an_include_that_clashes_with_the_code_is_refused_by_name(tmp_path: Path) -> None:
    make(tmp_path, {"code/lib/b.py": "", "lib/b.py": ""})
    with pytest.raises(InputError) as caught:
        snapshot(tmp_path / "code", [tmp_path / "lib"], place=Place("c.yml", 3, 1))
    assert str(caught.value).startswith("c.yml:3:1: the additional include 'lib' brings 'lib/b.py', which the code has too")


@pytest.mark.parametrize("absent", ["code", "include"])
def test_what_does_not_exist_is_named(absent: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'.*nowhere' does not exist"):
        snapshot(tmp_path / "nowhere") if absent == "code" else snapshot(tmp_path, [tmp_path / "nowhere"])


def test_a_copy_keeps_content_and_executable_bit_and_leaves_the_original_alone(tmp_path: Path) -> None:
    make(tmp_path, {"code/run.sh": "echo hi", "code/deep/er/a.py": "1"})
    (tmp_path / "code/run.sh").chmod(0o755)
    (tmp_path / "copy").mkdir()
    copy_to(snapshot(tmp_path / "code"), tmp_path / "copy")
    assert os.access(tmp_path / "copy/run.sh", os.X_OK)
    assert not os.access(tmp_path / "copy/deep/er/a.py", os.X_OK)
    (tmp_path / "copy/deep/er/a.py").write_text("2")
    assert (tmp_path / "code/deep/er/a.py").read_text() == "1"


def test_what_is_taken_has_the_digest_of_what_was_copied_even_if_it_was_edited_meanwhile(tmp_path: Path) -> None:
    code = make(tmp_path / "code", {"a.py": "1", "b/c.sh": "2"})
    (code / "b/c.sh").chmod(0o755)
    database = Database(tmp_path / ".mlops")
    entries = snapshot(code)
    before, _ = Digests(database).named(entries)
    (tmp_path / "one").mkdir()
    copies, digest = take(entries, tmp_path / "one")
    assert digest == before
    assert [entry.name for entry in copies] == ["a.py", "b/c.sh"]
    assert os.access(copies[1].path, os.X_OK)
    (code / "a.py").write_text("3")
    (tmp_path / "two").mkdir()
    assert take(entries, tmp_path / "two")[1] != before
    assert Path(copies[0].path).read_text() == "1"
    database.close()


def test_where_there_are_includes_ignore_files_further_down_count_too(tmp_path: Path) -> None:
    make(
        tmp_path,
        {"code/deep/.gitignore": "*.log", "code/deep/a.log": "", "code/a.log": "", "lib/deep/.amlignore": "b.*", "lib/deep/b.py": "", "lib/deep/c.py": ""},
    )
    assert "deep/a.log" in names(tmp_path / "code")
    assert names(tmp_path / "code", tmp_path / "lib") == [
        "a.log",
        "deep/.gitignore",
        "lib/deep/.amlignore",
        "lib/deep/c.py",
    ]


def test_the_codes_own_ignore_file_counts_for_includes_as_well(tmp_path: Path) -> None:
    make(tmp_path, {"code/.amlignore": "*.csv\nlib/private", "lib/private/a.py": "", "lib/b.csv": "", "lib/c.py": "", "one.csv": ""})
    assert names(tmp_path / "code", tmp_path / "lib", tmp_path / "one.csv") == [".amlignore", "lib/c.py"]


def test_a_zip_that_is_not_there_is_the_folder_beside_it_zipped(tmp_path: Path) -> None:
    make(tmp_path, {"shared/lib/b.py": "print(1)", "shared/lib/.amlignore": "c.txt", "shared/lib/c.txt": "", "shared/lib/deep/d.py": ""})
    asked = [tmp_path / "shared/lib.zip"]
    [entry] = snapshot(None, asked, zips=tmp_path / "zips")
    assert entry.name == "lib.zip"
    with zipfile.ZipFile(entry.path) as archive:
        assert archive.namelist() == ["lib/", "lib/.amlignore", "lib/b.py", "lib/deep/d.py"]
        assert archive.read("lib/b.py") == b"print(1)"
    before = Path(entry.path).read_bytes()
    Path(entry.path).unlink()
    assert Path(snapshot(None, asked, zips=tmp_path / "zips")[0].path).read_bytes() == before
    (tmp_path / "shared/lib/b.py").write_text("print(2)")
    assert Path(snapshot(None, asked, zips=tmp_path / "zips")[0].path) != Path(entry.path)


def test_a_zip_that_is_there_is_copied_as_it_is(tmp_path: Path) -> None:
    make(tmp_path, {"lib.zip": "mine", "lib/b.py": ""})
    [entry] = snapshot(None, [tmp_path / "lib.zip"], zips=tmp_path / "zips")
    assert Path(entry.path).read_text() == "mine"
