"""Runs on Azure ML that were started earlier: how they are doing now, and an end to them."""

from __future__ import annotations

import time
from dataclasses import replace

from ...stores.records import RunRecord, Status
from ...stores.store import Store
from .engine import cancel
from .following import Following
from .workspace import Workspace


def refresh(workspace: Workspace, record: RunRecord, store: Store) -> RunRecord:
    """What is recorded of a run, brought up to date: its steps, their logs, and itself.

    Raises:
        StageError: the stage cannot be reached, or no longer has the job.
    """
    following = Following(workspace, record.id, store.records.steps(record.id), store)
    state = following.look(lambda event: None)
    if not state.over:
        return record
    status = Status.COMPLETED if state.status is Status.REUSED else state.status
    record = replace(record, status=status, started=state.started or record.started, ended=state.ended or time.time(),
                     error="\n".join(following.errors))
    store.records.save_run(record)
    return record


__all__ = ["cancel", "refresh"]
