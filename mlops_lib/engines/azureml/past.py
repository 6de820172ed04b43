"""Runs on Azure ML that were started earlier: how they are doing now, and an end to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ...errors import StageError
from ...stores.records import RunRecord, Status
from ...stores.store import Store
from .engine import cancel
from .following import Following
from .workspace import Workspace


def refresh(workspace: Workspace, record: RunRecord, store: Store, tell: Callable[[str], None]) -> RunRecord:
    """What is recorded of a run, brought up to date: its steps, their logs, and itself; *tell* hears what could not be.

    Raises:
        StageError: the stage cannot be reached, or does not tell.
    """
    following = Following(workspace, record.id, store.records.nodes(record.id), store)
    try:
        state = following.look(lambda event: None)
    except StageError:
        # The history of a run appears a little after its job does, and goes with it.
        if workspace.find(f"jobs/{record.id}", doing=f"look for the job {record.id!r}") is not None:
            raise
        record = replace(record, status=Status.INTERRUPTED, ended=time.time(),
                         error=f"stage {record.stage!r} has no job of that name any more")
        store.records.save_run(record)
        return record
    finally:
        for notice in following.notices:
            tell(notice)
    if not state.over:
        return record
    status = Status.COMPLETED if state.status is Status.REUSED else state.status
    record = replace(record, status=status, started=state.started or record.started, ended=state.ended or time.time(),
                     error="\n".join(following.errors), landed=following.landed() if status is Status.COMPLETED else {})
    store.records.save_run(record)
    return record


__all__ = ["cancel", "refresh"]
