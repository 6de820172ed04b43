"""What workspaces of Azure ML are known to have: the ids of what was registered there, by content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .database import Database

_AT_ONCE = 500  # SQLite's limit on the parameters of a statement is at least 999


class Registered:
    """The memory of one workspace.

    Args:
        database: The project's.
        workspace: What tells it from all others, also from one that is made anew under its name.
    """

    def __init__(self, database: Database, workspace: str) -> None:
        self._database, self._workspace = database, workspace

    def find(self, contents: Iterable[str]) -> dict[str, str]:
        """The ids of those *contents* that are known."""
        every = list(contents)
        found: dict[str, str] = {}
        for start in range(0, len(every), _AT_ONCE):
            some = every[start : start + _AT_ONCE]
            found.update(self._database.rows(
                f"SELECT content, id FROM registered WHERE workspace = ? AND content IN ({', '.join('?' * len(some))})",
                [self._workspace, *some]))
        return found

    def remember(self, ids: Mapping[str, str]) -> None:
        """Remember ids by content."""
        if ids:
            self._database.write_many("INSERT OR REPLACE INTO registered VALUES (?, ?, ?)",
                                      [(self._workspace, content, id_) for content, id_ in ids.items()])

    def forget(self) -> None:
        """Know nothing of the workspace any more."""
        self._database.write("DELETE FROM registered WHERE workspace = ?", (self._workspace,))
