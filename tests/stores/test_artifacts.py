import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_lib.errors import JobError, RunError
from mlops_lib.stores.artifacts import Artifacts, copy_out, remove
from mlops_lib.stores.database import Database
from mlops_lib.stores.digests import Digests


@pytest.fixture
def artifacts(tmp_path: Path) -> Iterator[Artifacts]:
    database = Database(tmp_path / ".mlops")
    yield Artifacts(tmp_path / ".mlops/artifacts", Digests(database))
    database.close()
    remove(tmp_path / ".mlops")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """What a step has written: a folder ``data`` and a file ``report``."""
    folder = tmp_path / ".mlops/work/made"
    (folder / "data/deep").mkdir(parents=True)
    (folder / "data/deep/x.txt").write_text("x")
    (folder / "data/run.sh").write_text("echo")
    (folder / "data/run.sh").chmod(0o755)
    (folder / "report").write_text("fine")
    return folder


PORTS = {"data": ("data", "uri_folder"), "report": ("report", "uri_file")}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_a_step_wrote_is_moved_whole_and_protected(artifacts: Artifacts, made: Path, tmp_path: Path) -> None:
    inode = (made / "data/deep/x.txt").stat().st_ino
    stored = artifacts.adopt(made, PORTS)
    assert not made.exists()
    data = tmp_path / ".mlops" / stored["data"].path
    assert (data / "deep/x.txt").stat().st_ino == inode, "moved, not copied"
    assert [mode(path) for path in (data.parent, data, data / "deep", data / "deep/x.txt", data / "run.sh")] == [
        0o555,
        0o555,
        0o555,
        0o444,
        0o555,
    ]
    assert stored["data"].size == 5
    assert stored["report"].type == "uri_file"
    assert artifacts.intact(stored["data"])
    assert artifacts.intact(stored["report"])


def test_links_of_both_kinds_are_replaced_by_what_they_lead_to(artifacts: Artifacts, made: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "in").mkdir(parents=True)
    (elsewhere / "in/y.txt").write_text("y")
    (elsewhere / "empty").mkdir()
    (elsewhere / "run.sh").write_text("run")
    (elsewhere / "run.sh").chmod(0o755)
    (made / "data/folder").symlink_to(elsewhere)
    (made / "data/file").symlink_to(elsewhere / "in/y.txt")
    (made / "data/inside").symlink_to("deep/x.txt")
    (elsewhere / "z.txt").write_text("y")
    os.link(elsewhere / "z.txt", made / "data/hard")
    (made / "report").unlink()
    (made / "report").symlink_to(elsewhere / "in/y.txt")
    stored = artifacts.adopt(made, PORTS)
    shutil.rmtree(elsewhere / "in")
    (elsewhere / "z.txt").write_text("edited")
    data = tmp_path / ".mlops" / stored["data"].path
    assert (data / "folder/in/y.txt").read_text() == (data / "file").read_text() == (data / "hard").read_text() == "y"
    assert (data / "folder/empty").is_dir()
    assert os.access(data / "folder/run.sh", os.X_OK)
    assert (data / "inside").read_text() == "x"
    assert (tmp_path / ".mlops" / stored["report"].path).read_text() == "y"
    assert not [path for path in data.rglob("*") if path.is_symlink()]
    assert mode(elsewhere / "run.sh") == 0o755
    assert mode(elsewhere / "z.txt") & stat.S_IWUSR


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("nowhere", "leads nowhere: link -> nowhere"),
        (".", "leads in a circle"),
        ("..", "leads in a circle"),
        ("link", "leads in a circle"),
        ("deep", "leads in a circle"),
    ],
)
def test_a_link_that_cannot_be_replaced_is_the_steps_mistake(link: str, words: str, artifacts: Artifacts, made: Path) -> None:
    (made / "data/link").symlink_to(link)
    if link == "deep":
        (made / "data/deep/up").symlink_to("../link")
    with pytest.raises(JobError, match=words) as caught:
        artifacts.adopt(made, PORTS)
    assert not isinstance(caught.value, RunError)


def test_a_pipe_is_refused_and_not_waited_for(artifacts: Artifacts, made: Path) -> None:
    os.mkfifo(made / "data/pipe")
    with pytest.raises(JobError, match="'pipe', which is neither a file nor a folder"):
        artifacts.adopt(made, PORTS)


@pytest.mark.parametrize("harm", ["edit", "delete", "add", "gone"])
def test_a_damaged_artifact_is_found_out(harm: str, artifacts: Artifacts, made: Path, tmp_path: Path) -> None:
    stored = artifacts.adopt(made, PORTS)["data"]
    data = tmp_path / ".mlops" / stored.path
    for path in (data.parent, data, data / "deep"):
        path.chmod(0o755)
    (data / "deep/x.txt").chmod(0o644)
    if harm == "edit":
        (data / "deep/x.txt").write_text("y")
    elif harm == "delete":
        (data / "deep/x.txt").unlink()
    elif harm == "add":
        (data / "more").touch()
    else:
        shutil.rmtree(data)
    assert not artifacts.intact(stored)


def test_what_could_not_be_recorded_is_removed_again(artifacts: Artifacts, made: Path) -> None:
    artifacts.discard(artifacts.adopt(made, PORTS))
    assert [path for path in artifacts.folder.rglob("*") if path.is_file()] == []


def test_removing_takes_protected_folders_files_links_and_nothing_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    (folder / "b").mkdir(parents=True)
    (folder / "b/x").write_text("x")
    (tmp_path / "kept").write_text("x")
    (folder / "link").symlink_to(tmp_path / "kept")
    (folder / "b").chmod(0o000)
    remove(folder)
    remove(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    remove(tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []


def output(tmp_path: Path) -> Path:
    (tmp_path / "source/deep").mkdir(parents=True)
    (tmp_path / "source/deep/x").write_text("new")
    (tmp_path / "source/deep/x").chmod(0o444)
    (tmp_path / "source/deep").chmod(0o555)
    return tmp_path / "source"


@pytest.mark.parametrize("there", ["nothing", "folder", "link to a folder", "dead link"])
def test_a_folder_takes_the_place_of_a_folder_or_a_link_that_was_there(there: str, tmp_path: Path) -> None:
    target = tmp_path / "out/best"
    target.parent.mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/kept").touch()
    if there == "folder":
        target.mkdir()
        (target / "old").write_text("old")
    elif "link" in there:
        target.symlink_to(tmp_path / ("other" if there == "link to a folder" else "nowhere"))
    copy_out(output(tmp_path), target)
    assert [str(path.relative_to(target)) for path in sorted(target.rglob("*"))] == ["deep", "deep/x"]
    assert (target / "deep/x").read_text() == "new"
    (target / "deep/x").write_text("can be written to")
    assert (tmp_path / "other/kept").exists()
    assert [path.name for path in target.parent.iterdir()] == ["best"]


def test_a_file_takes_the_place_of_a_file_and_of_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("new")
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").mkdir()
    for name in "abc":
        copy_out(tmp_path / "source", tmp_path / name)
        assert (tmp_path / name).read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", "source"]


def test_a_copy_takes_the_place_of_nothing_of_another_kind(tmp_path: Path) -> None:
    folder, file = output(tmp_path), tmp_path / "file"
    file.write_text("new")
    (tmp_path / "kept").write_text("old")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("old")
    os.mkfifo(tmp_path / "pipe")
    for source, target, words in (
        (folder, "kept", "which is a file\n  why: the output is a folder"),
        (file, "full", "which is a folder\n  why: the output is a file"),
        (file, "pipe", "which is neither a file nor a folder"),
        (folder, "pipe", "which is neither a file nor a folder"),
    ):
        with pytest.raises(RunError) as caught:
            copy_out(source, tmp_path / target)
        assert words in str(caught.value)
    assert (tmp_path / "kept").read_text() == (tmp_path / "full/x").read_text() == "old"
    assert (tmp_path / "pipe").is_fifo()


def test_a_copy_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    source = output(tmp_path)
    (source / "deep").chmod(0o755)
    (source / "deep/dead").symlink_to("nowhere")
    target = tmp_path / "best"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(RunError, match=r"could not be copied to .*best: No such file"):
        copy_out(source, target)
    assert (target / "old").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "source"]


def test_a_copy_whose_place_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError) as caught:
        copy_out(output(tmp_path), tmp_path / "file/best")
    assert "could not be copied" in str(caught.value)
    assert f"it is whole in {tmp_path / 'source'}" in str(caught.value)
