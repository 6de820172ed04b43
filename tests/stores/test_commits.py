import os
import subprocess
from pathlib import Path

import pytest

from mlops_lib.stores.commits import commit_of


def git(folder: Path, *arguments: str) -> str:
    variables = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    for role in ("AUTHOR", "COMMITTER"):
        variables |= {f"GIT_{role}_NAME": "t", f"GIT_{role}_EMAIL": "t@example.org"}
    return subprocess.run(["git", *arguments], cwd=folder, env=variables, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "inner").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    return folder


def test_the_commit_is_found_from_a_folder_inside(repository: Path) -> None:
    assert commit_of(repository / "inner") == git(repository, "rev-parse", "HEAD")


def test_packed_references_detached_heads_and_worktrees_are_read_as_well(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "worktree", "add", "-q", "-b", "other", "../other")
    git(repository, "pack-refs", "--all")
    assert not (repository / ".git/refs/heads/main").exists()
    assert commit_of(repository) == commit_of(repository.parent / "other") == head
    git(repository, "checkout", "-q", "--detach")
    assert commit_of(repository) == head


def test_where_git_knows_no_commit_there_is_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert commit_of(tmp_path) is None
    (tmp_path / ".git/HEAD").unlink()
    assert commit_of(tmp_path) is None
