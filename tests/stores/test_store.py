import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_lib.plan import Action
from mlops_lib.project import Project
from mlops_lib.stores.artifacts import remove
from mlops_lib.stores.store import Store


def verdicts(root: Path) -> list[Action]:
    project = Project(root)
    job, name, catalogue = project.load("p")
    store = project.store()
    try:
        return [step.action for step in project.plan(job, name, store, catalogue)[0].steps.values()]
    finally:
        store.close()


def test_a_project_that_was_moved_or_copied_keeps_its_results(copying: Any, tmp_path: Path) -> None:
    # Its data and components are found relative to its files, but for the counter, whose path is an input.
    assert copying.run().succeeded
    copying.root.rename(tmp_path / "moved")
    assert verdicts(tmp_path / "moved") == [Action.REUSE, Action.REUSE]
    shutil.copytree(tmp_path / "moved", tmp_path / "copied")
    remove(tmp_path / "moved")
    assert verdicts(tmp_path / "copied") == [Action.REUSE, Action.REUSE]


@pytest.mark.parametrize("harm", ["edit", "delete"])
def test_a_damaged_artifact_is_made_again(harm: str, copying: Any) -> None:
    run = copying.run()
    artifact = run.outputs["result"].path
    artifact.parent.chmod(0o755)
    if harm == "edit":
        artifact.chmod(0o644)
        artifact.write_text("spoiled")
    else:
        artifact.unlink()
    assert verdicts(copying.root) == [Action.REUSE, Action.RUN]
    again = copying.run()
    assert again.steps["second"].reason == "the same as last time, but no result is there: it failed, or was removed"
    assert again.outputs["result"].path.read_text() == "one\ntwo\n"
    assert verdicts(copying.root) == [Action.REUSE, Action.REUSE]


def test_what_was_read_is_remembered_when_the_store_is_closed(project: Callable[..., Any]) -> None:
    shop = project()
    shop.write("data/x", "x")
    os.utime(shop.root / "data/x", (1, 1))
    store = shop.store()
    store.digests.tree(shop.root / "data")
    store.close()
    store = Store.open(shop.root, reading=True)
    assert len(store.database.rows("SELECT * FROM hints")) == 1
    store.close()
