"""A job on Azure ML as events: what its steps do and print, told as those of a run on this machine are."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ...errors import MlopsError, format_error
from ...plan import Plan
from ...references import DatastorePath, parse_reference
from ...stores.records import Status, StepRecord
from ...stores.store import Store
from .. import Listener, StepFinished, StepPrinted, StepStarted
from .history import OVER, History, State
from .logs import Log
from .measures import NOTHING, Logged, Measures
from .nodes import Nodes
from .problems import denied
from .trials import Trials
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
        notices: What could not be found out, although the rest could.
    """

    def __init__(self, workspace: Workspace, job: str, steps: Iterable[StepRecord], store: Store) -> None:
        self._workspace, self._job, self._store = workspace, job, store
        self._history, self._measures = History(workspace), Measures(workspace)
        self._nodes = Nodes(workspace, self._history, job)
        self._logged: dict[str, Logged] = {}
        self._steps = {step.name: step for step in steps}
        self._logs = {name: Log(store.folder, step) for name, step in self._steps.items()}
        self._attempts = dict.fromkeys(self._steps, 1)
        self._seen = {name: step.status for name, step in self._steps.items()}
        self._sweeps: dict[str, Trials] = {}
        self._errors: dict[str, str] = {}
        self.records = {name: step for name, step in self._steps.items() if step.status in OVER}
        self.notices: list[str] = []

    @property
    def errors(self) -> list[str]:
        """Of the steps that failed, in full."""
        return list(self._errors.values())

    def to_the_end(self, listener: Listener, pace: Pace) -> State:
        """Tell *listener* of all that happens until the job is over; its last state."""
        failures = 0
        for pause in pace.pauses():
            try:
                state = self.look(listener)
                failures = 0
            except MlopsError as error:
                failures += 1
                if failures >= _AGAIN or denied(error):
                    raise
            else:
                if state.over:
                    return state
            time.sleep(pause)
        raise AssertionError("the pauses have no end")

    def look(self, listener: Listener) -> State:
        """One look at the job and its steps, whose news are told."""
        state = self._history.details(self._job)
        steps = {name: step for name, step in self._nodes.begun(self._steps).items() if not self._settled(name, step)}
        for name, step in steps.items():
            if step.attempt != self._attempts[name] or name in self.records:
                self._begin_again(name, step)
        at_work = [name for name, step in steps.items() if step.status is Status.RUNNING or
                   (step.over and step.status is not Status.REUSED)]
        details = dict(zip(at_work, self._workspace.each(lambda name: self._read(name, steps[name]), at_work), strict=True))
        self._measure({name: step.id for name, step in steps.items() if step.over})
        for name, step in steps.items():
            self._tell(name, details.get(name, step), step, listener)
        if state.over:
            self._close(state, listener)
        return state

    def landed(self, outputs: Collection[str] = ()) -> Mapping[str, str]:
        """Where the outputs of the job are, by name, *outputs* among them; that it cannot be read fails nothing."""
        try:
            found = self._history.outputs(self._job, outputs)
        except MlopsError as error:
            self._notice("where the outputs are is not known", error)
            return {}
        return {name: _short(address) for name, address in sorted(found.items())}

    def _notice(self, what: str, error: MlopsError) -> None:
        notice = f"{what}: {error.why or error.what}"
        if not any(known.startswith(f"{what}: ") for known in self.notices):  # each refusal has a number of its own
            self.notices.append(notice)

    def _settled(self, name: str, step: State) -> bool:
        """Whether all that is to say of a step's job has been told: a newer one, or one that goes on, has news."""
        record = self.records.get(name)
        return record is not None and record.status is step.status and step.started in (None, record.started)

    def _begin_again(self, name: str, step: State) -> None:
        """A step that was over has another job, which counts from now on."""
        self.records.pop(name, None)
        self._errors.pop(name, None)
        self._logged.pop(name, None)
        self._attempts[name], self._seen[name] = step.attempt, Status.WAITING
        self._logs[name] = Log(self._store.folder, self._steps[name], step.attempt)

    def _read(self, name: str, step: State) -> State:
        """A step's details; what it printed since the last look goes to its log."""
        state = self._history.details(step.id)
        objective = self._nodes.objective(name)
        if objective is None:
            self._logs[name].bring(self._history, state,
                                   lambda error: self._notice(f"what {name!r} prints is not all known", error))
            return state
        if name not in self._sweeps:
            self._sweeps[name] = Trials(self._workspace, self._history, self._nodes, self._store, self._steps[name], objective,
                                        self._notice)
        self._logged[name] = self._sweeps[name].look(replace(state, status=step.status), self._logs[name])
        return state

    def _measure(self, over: Mapping[str, str]) -> None:
        """What steps that are over have logged, by their runs; that it cannot be read fails nothing."""
        def read(name: str) -> Logged:
            try:
                return self._measures.of(over[name])
            except MlopsError as error:
                self._notice(f"the metrics of {name!r} are not known", error)
                return NOTHING

        for name, logged in zip(over, self._workspace.each(read, over), strict=True):
            if logged.metrics or logged.params or name not in self._logged:
                self._logged[name] = logged  # a sweep that has logged nothing of its own has what its best trial has

    def _tell(self, name: str, details: State, step: State, listener: Listener) -> None:
        before, self._seen[name] = self._seen[name], step.status
        if before is Status.WAITING and step.status in (Status.RUNNING, Status.COMPLETED, Status.FAILED):
            listener(StepStarted(name, self._steps[name].command))
        if step.status is Status.RUNNING and before is not Status.RUNNING:
            self._store.records.save_steps([replace(self._steps[name], status=Status.RUNNING, started=step.started,
                                                    reason="", log=self._logs[name].name)])
        for lines in self._logs[name].lines(ended=step.over):
            listener(StepPrinted(name, lines))
        if step.over:
            self._finish(name, replace(details, status=step.status, started=step.started or details.started), listener)

    def _finish(self, name: str, state: State, listener: Listener) -> None:
        log, logged = self._logs[name], self._logged.get(name, NOTHING)
        record = replace(self._steps[name], status=state.status, started=state.started, seconds=state.seconds,
                         log=log.name if log.size else "", reason=_reason(state), metrics=logged.metrics, params=logged.params)
        error = ""
        if state.status is Status.FAILED:
            error = "\n".join([f"step {name!r} failed on stage {self._workspace.stage.name!r}",
                               f"  why: {state.error or 'Azure ML does not say'}",
                               *(f"  | {line}" for line in log.tail(_TAIL)),
                               f"  fix: see {self._workspace.studio(state.id)}"])
            self._errors[name] = error
        self.records[name] = record
        self._store.records.save_steps([record])
        listener(StepFinished(name, record, error))

    def _close(self, state: State, listener: Listener) -> None:
        """Steps that never began are over too, and so is what has no step to blame."""
        self.notices += self._nodes.doubts()
        for name, step in self._steps.items():
            if name not in self.records:
                status = Status.CANCELED if state.status is Status.CANCELED else Status.SKIPPED
                record = replace(step, status=status, reason=f"it had not ended when the job was {state.said.lower()}")
                self.records[name] = record
                self._store.records.save_steps([record])
                listener(StepFinished(name, record))
        if state.status is Status.FAILED and not self._errors:
            self._errors[""] = format_error(f"the job failed on stage {self._workspace.stage.name!r}",
                                            why=state.error or "Azure ML does not say",
                                            fix=f"see {self._workspace.studio(self._job)}")


def _short(address: str) -> str:
    """An address without the workspace, as files of the project may name it."""
    place = parse_reference(address)
    return f"azureml://datastores/{place.datastore}/paths/{place.path}" if isinstance(place, DatastorePath) else address


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
