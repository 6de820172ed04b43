"""What workspaces are known to have."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_lib.stores.database import Database
from mlops_lib.stores.registered import Registered


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / ".mlops")
    yield database
    database.close()


def test_a_workspace_is_known_to_have_what_was_remembered_of_it(database: Database) -> None:
    ours, other = Registered(database, "w-1"), Registered(database, "w-2")
    ours.remember({"a": "/id/a", "b": "/id/b"})
    ours.remember({})
    assert ours.find(["a", "c"]) == {"a": "/id/a"}
    assert other.find(["a", "b"]) == {}
    other.remember({"a": "/other/a"})
    ours.forget()
    assert ours.find(["a", "b"]) == {}
    assert other.find(["a"]) == {"a": "/other/a"}


def test_many_contents_are_found_at_once(database: Database) -> None:
    known = Registered(database, "w")
    every = {f"content {number}": f"/id/{number}" for number in range(1201)}
    known.remember(every)
    assert known.find(every) == every
