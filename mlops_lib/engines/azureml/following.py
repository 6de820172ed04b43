"""A job on Azure ML as events: what its steps do and print, told as those of a run on this machine are."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ...errors import MlopsError, format_error
from ...plan import Plan
from ...stores.records import Status, StepRecord
from ...stores.store import Store
from .. import Listener, StepFinished, StepPrinted, StepStarted
from ..local.logs import Follower, tail
from .history import OVER, History, State
from .measures import NOTHING, Logged, Measures
from .workspace import Workspace

_TAIL: Final = 20
_FIRST_S, _LAST_S = 2.0, 15.0
_AGAIN: Final = 5  # how often in a row nobody has to answer until following is given up


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How often a job is asked how it does: at first every *first* seconds, later, up to *last*, more seldom."""

    first: float = _FIRST_S
    last: float = _LAST_S

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Pace:
        """As the variables say that the SDK's own following reads."""
        def number(name: str, default: float) -> float:
            text = environ.get(name, "")
            told = float(text) if text.replace(".", "", 1).isdecimal() else 0.0
            return told or default  # without any pause Azure would be asked as fast as it answers

        first = number("AZUREML_RUN_POLLING_INTERVAL_MIN", _FIRST_S)
        return cls(first=first, last=max(first, number("AZUREML_RUN_POLLING_INTERVAL_MAX", _LAST_S)))

    def pauses(self) -> Iterator[float]:
        """The seconds between one look and the next."""
        pause = self.first
        while True:
            yield pause
            pause = min(pause * 1.2, self.last)


class Following:
    """One job, watched.

    Args:
        workspace: Where it runs.
        job: Its name.
        steps: Those that it should have, as far as they are known to be.
        store: Gets the records and logs of its steps.

    Attributes:
        records: The steps that are over.
        errors: Of those that failed, in full.
        notices: What could not be found out, although the rest could.
    """

    def __init__(self, workspace: Workspace, job: str, steps: Iterable[StepRecord], store: Store) -> None:
        self._workspace, self._job, self._store = workspace, job, store
        self._history, self._measures = History(workspace), Measures(workspace)
        self._logged: dict[str, Logged] = {}
        self._steps = {step.name: step for step in steps}
        self._logs = {name: _Log(store.folder, f"runs/{job}/{step.position:03d}-{_file(name)}.log")
                      for name, step in self._steps.items()}
        self._seen = {name: step.status for name, step in self._steps.items()}
        self.records = {name: step for name, step in self._steps.items() if step.status in OVER}
        self.errors: list[str] = []
        self.notices: list[str] = []

    def to_the_end(self, listener: Listener, pace: Pace) -> State:
        """Tell *listener* of all that happens until the job is over; its last state."""
        failures = 0
        for pause in pace.pauses():
            try:
                state = self.look(listener)
                failures = 0
            except MlopsError:
                failures += 1
                if failures >= _AGAIN:
                    raise
            else:
                if state.over:
                    return state
            time.sleep(pause)
        raise AssertionError("the pauses have no end")

    def look(self, listener: Listener) -> State:
        """One look at the job and its steps, whose news are told."""
        state = self._history.details(self._job)
        steps = begun(self._history, self._job, self._steps)
        at_work = [name for name, step in steps.items() if step.status is Status.RUNNING or
                   (step.over and step.status is not Status.REUSED and name not in self.records)]
        details = dict(zip(at_work, self._workspace.each(lambda name: self._read(name, steps[name]), at_work), strict=True))
        self._measure({name: step.id for name, step in steps.items() if step.over and name not in self.records})
        for name, step in steps.items():
            self._tell(name, details.get(name, step), step, listener)
        if state.over:
            self._close(state, listener)
        return state

    def _read(self, name: str, step: State) -> State:
        """A step's details; what it printed since the last look goes to its log."""
        state = self._history.details(step.id)
        log = state.log
        if log is not None:
            known = self._logs[name].size
            self._logs[name].add(self._history.printed(log[1], known), at=known)
        return state

    def _measure(self, over: Mapping[str, str]) -> None:
        """What steps that are over have logged, by their runs; that it cannot be read fails nothing."""
        def read(name: str) -> Logged:
            try:
                return self._measures.of(over[name])
            except MlopsError as error:
                self.notices.append(f"the metrics of {name!r} are not known: {error.why or error.what}")
                return NOTHING

        self._logged.update(zip(over, self._workspace.each(read, over), strict=True))

    def _tell(self, name: str, details: State, step: State, listener: Listener) -> None:
        if name in self.records:
            return
        before, self._seen[name] = self._seen[name], step.status
        if before is Status.WAITING and step.status in (Status.RUNNING, Status.COMPLETED, Status.FAILED):
            listener(StepStarted(name, self._steps[name].command))
        if step.status is Status.RUNNING and before is not Status.RUNNING:
            self._store.records.save_steps([replace(self._steps[name], status=Status.RUNNING, started=step.started,
                                                    reason="", log=self._logs[name].name)])
        for lines in self._logs[name].lines(ended=step.over):
            listener(StepPrinted(name, lines))
        if step.over:
            self._finish(name, replace(details, status=step.status), listener)

    def _finish(self, name: str, state: State, listener: Listener) -> None:
        log, logged = self._logs[name], self._logged.get(name, NOTHING)
        record = replace(self._steps[name], status=state.status, started=state.started, seconds=state.seconds,
                         log=log.name if log.size else "", reason=_reason(state), metrics=logged.metrics, params=logged.params)
        error = ""
        if state.status is Status.FAILED:
            error = "\n".join([f"step {name!r} failed on stage {self._workspace.stage.name!r}",
                               f"  why: {state.error or 'Azure ML does not say'}",
                               *(f"  | {line}" for line in tail(log.path, _TAIL)),
                               f"  fix: see {self._workspace.studio(state.id)}"])
            self.errors.append(error)
        self.records[name] = record
        self._store.records.save_steps([record])
        listener(StepFinished(name, record, error))

    def _close(self, state: State, listener: Listener) -> None:
        """Steps that never began are over too, and so is what has no step to blame."""
        for name, step in self._steps.items():
            if name not in self.records:
                status = Status.CANCELED if state.status is Status.CANCELED else Status.SKIPPED
                record = replace(step, status=status, reason=f"it had not ended when the job was {state.said.lower()}")
                self.records[name] = record
                self._store.records.save_steps([record])
                listener(StepFinished(name, record))
        if state.status is Status.FAILED and not self.errors:
            self.errors.append(format_error(f"the job failed on stage {self._workspace.stage.name!r}",
                                            why=state.error or "Azure ML does not say",
                                            fix=f"see {self._workspace.studio(self._job)}"))


def begun(history: History, job: str, steps: Collection[str]) -> dict[str, State]:
    """Those of a job's steps that have begun, by name; a pipeline inside the pipeline is a job of its own around its steps.

    Args:
        history: Where it runs.
        job: The job's name.
        steps: The names that its steps should have.
    """
    nested = {name.rpartition(".")[0] for name in steps if "." in name}
    found: dict[str, State] = {}

    def look(above: str, prefix: str) -> None:
        for state in history.children(above):
            name = f"{prefix}{state.name}"
            if name in steps:
                found[name] = state
            elif any(inner == name or inner.startswith(f"{name}.") for inner in nested):
                look(state.id, f"{name}.")

    look(job, "")
    return found


def waiting(plan: Plan, job: str) -> list[StepRecord]:
    """The records of a job's steps before any of them has begun."""
    return [StepRecord(run=job, name=name, position=index, status=Status.WAITING, waits=step.waits, reason="submitted",
                       command=step.component.command)
            for index, (name, step) in enumerate(plan.graph.steps.items())]


def _reason(state: State) -> str:
    if state.status is Status.REUSED:
        return "Azure ML reused an earlier result"
    if state.status is Status.FAILED:
        return state.error.split("\n")[0]
    return "" if state.status is Status.COMPLETED else state.said.lower()


class _Log:
    """What a step printed, in a file beside the run's other ones."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name, self.path = name, folder / name
        self._follower = Follower(self.path)

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def add(self, content: bytes, *, at: int) -> None:
        """Put what was printed from the byte *at* on where it belongs: another process may have done so meanwhile."""
        if content:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644), "wb") as file:
                file.seek(at)
                file.write(content)

    def lines(self, *, ended: bool) -> Iterator[tuple[str, ...]]:
        return self._follower.lines(ended=ended)


def _file(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)
