"""The commit of git that a folder is at, read from git's own files: a process of git would take longer than all else."""

from __future__ import annotations

from pathlib import Path


def commit_of(folder: Path) -> str | None:
    """The commit that is checked out around *folder*; None when there is none, or git's files say it in another way."""
    for around in (folder, *folder.parents):
        try:
            if (around / ".git").exists():
                return _head(around / ".git")
        except OSError:
            return None
    return None


def _head(git: Path) -> str | None:
    if git.is_file():  # of a worktree or a submodule: a file that names the folder
        git = git.parent / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref:"):
        return head or None
    reference = head.removeprefix("ref:").strip()
    common = git / "commondir"
    shared = git / common.read_text(encoding="utf-8").strip() if common.is_file() else git
    for home in (git, shared):
        if (home / reference).is_file():
            return (home / reference).read_text(encoding="utf-8").strip() or None
    packed = shared / "packed-refs"
    for line in packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else ():
        digest, _, name = line.partition(" ")
        if name == reference:
            return digest
    return None
