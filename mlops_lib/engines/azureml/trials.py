"""The trials of a sweep on Azure ML, recorded and told as those of a sweep on this machine are."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import MlopsError, duration
from ...stores.records import Status, StepRecord, TrialRecord
from ...stores.store import Store
from ...sweep import best
from .history import History, State
from .logs import Log
from .measures import NOTHING, Logged, Measures
from .nodes import Nodes, Objective
from .workspace import Workspace

_RAN = (Status.COMPLETED, Status.REUSED)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A trial as it was found."""

    trial: TrialRecord
    record: StepRecord


class Trials:
    """The trials of one sweep.

    Args:
        workspace: Where they run.
        history: Of that workspace.
        nodes: Of the job.
        store: Gets their records and logs; it may have some already.
        sweep: The sweep's record.
        objective: What they are judged by.
        notice: Hears what could not be found out, and why.
    """

    def __init__(self, workspace: Workspace, history: History, nodes: Nodes, store: Store, sweep: StepRecord,
                 objective: Objective, notice: Callable[[str, MlopsError], None]) -> None:
        self._workspace, self._history, self._nodes, self._store = workspace, history, nodes, store
        self._measures, self._sweep, self._objective, self._notice = Measures(workspace), sweep, objective, notice
        records = {step.name: step for step in store.records.steps(sweep.run)}
        self._seen = {trial.number: _Seen(trial, records[trial.step])
                      for trial in store.records.trials(sweep.run, sweep.name) if trial.step in records}

    def look(self, step: State, log: Log) -> Logged:
        """One look at all of them; *log* becomes what a sweep on this machine prints.

        Args:
            step: The sweep.
            log: The sweep's.

        Returns:
            What the best of them has logged, once the sweep is over.

        Raises:
            StageError: the stage does not tell.
        """
        above, states = self._nodes.trials(step)
        fresh = [number for number, state in states.items()
                 if state.status is not Status.WAITING and not self._settled(number, state)]
        found = self._workspace.each(lambda number: self._read(number, states[number], above), fresh)
        for number, seen in zip(fresh, found, strict=True):
            self._save(number, seen)
        if step.over:
            for number, seen in self._seen.items():
                if seen.record.status is Status.RUNNING:
                    self._save(number, replace(seen, record=replace(seen.record, status=Status.CANCELED,
                                                                    reason="it had not ended when the sweep had")))
        chosen = self._chosen(step, above) if step.over else None
        if chosen is not None and not self._seen[chosen].trial.best:
            seen = self._seen[chosen]
            self._save(chosen, replace(seen, trial=replace(seen.trial, best=True)))
        log.tell(self._lines())
        return Logged(self._seen[chosen].record.metrics, self._seen[chosen].record.params) if chosen is not None else NOTHING

    def _settled(self, number: int, state: State) -> bool:
        seen = self._seen.get(number)
        return seen is not None and state.over and seen.record.status is state.status and seen.record.started == state.started

    def _save(self, number: int, seen: _Seen) -> None:
        self._seen[number] = seen
        self._store.records.save_trial(seen.trial)
        self._store.records.save_steps([seen.record])

    def _read(self, number: int, state: State, above: State) -> _Seen:
        step = f"{self._sweep.name}.trial_{number}"
        record = replace(self._sweep, name=step, waits=(), status=state.status, started=state.started, seconds=state.seconds,
                         reason=state.error.split("\n")[0] if state.status is Status.FAILED else state.said.lower())
        if state.status in (*_RAN, Status.RUNNING):
            record = replace(record, reason="")
        log = Log(self._store.folder, record)
        log.bring(self._history, self._history.details(state.id),
                  lambda error: self._notice(f"what the trials of {self._sweep.name!r} print is not all known", error))
        logged, curve = self._logged(state) if state.over else (NOTHING, ())
        trial = TrialRecord(run=record.run, sweep=self._sweep.name, number=number, step=step, curve=curve,
                            parameters=_parameters(state, above), metric=self._objective.metric, goal=self._objective.goal)
        return _Seen(trial, replace(record, log=log.name if log.size else "", metrics=logged.metrics, params=logged.params))

    def _logged(self, state: State) -> tuple[Logged, tuple[float, ...]]:
        """What a trial has logged, and all values of the metric that it is judged by; that it cannot be read fails nothing."""
        metric = self._objective.metric
        try:
            logged = self._measures.of(state.id)
        except MlopsError as error:
            self._notice(f"the metrics of the trials of {self._sweep.name!r} are not all known", error)
            return NOTHING, ()
        curve: tuple[float, ...] = ()
        if metric in logged.metrics:
            curve = (logged.metrics[metric],)
            with contextlib.suppress(MlopsError):
                curve = self._measures.curve(state.id, metric) or curve
        return logged, curve

    def _objectives(self) -> dict[int, float]:
        return {number: seen.trial.objective for number, seen in self._seen.items()
                if seen.record.status in _RAN and seen.trial.objective is not None}

    def _chosen(self, step: State, above: State) -> int | None:
        """The best trial, as Azure ML says, or else as we would."""
        told = above.properties.get("best_child_run_id") or step.properties.get("best_child_run_id") or ""
        number = told.removeprefix(f"{above.id}_")
        if number.isdecimal() and int(number) in self._seen:
            return int(number)
        return best(self._objective.goal, self._objectives())

    def _lines(self) -> list[str]:
        """What happened, in the order in which it did."""
        events: list[tuple[float, int, int, str]] = []
        for number, seen in self._seen.items():
            begun = seen.record.started or 0.0
            tried = " ".join(f"{name}={text}" for name, text in seen.trial.parameters.items())
            events.append((begun, number, 0, tried or "started"))
            if seen.record.status is not Status.RUNNING:
                events.append((begun + (seen.record.seconds or 0.0), number, 1, ""))
        lines, objectives, all_of_them = [], {}, self._objectives()
        for _, number, ended, text in sorted(events):
            if ended and number in all_of_them:
                objectives[number] = all_of_them[number]
            lines.append(f"trial_{number}: {self._how(number, objectives) if ended else text}")
        return lines

    def _how(self, number: int, objectives: Mapping[int, float]) -> str:
        record, metric = self._seen[number].record, self._objective.metric
        if record.status not in _RAN:
            return record.reason or record.status.value
        how = f"done in {duration(record.seconds or 0.0)}" if record.status is Status.COMPLETED else "reused"
        reached = objectives.get(number, math.nan)
        if math.isnan(reached):
            return f"{how}, logged no number as {metric}"
        leads = number == best(self._objective.goal, objectives)
        return f"{how}, {metric} = {reached:.6g}{' (the best so far)' if leads else ''}"


def _parameters(trial: State, sweep: State) -> Mapping[str, str]:
    """What the search space gave a trial: a tag of it, or one of the sweep that is called as the trial is."""
    for told in (trial.tags.get("hyperparameters"), sweep.tags.get(trial.id)):
        try:
            found: Any = json.loads(str(told or ""), parse_float=str, parse_int=str)
        except ValueError:
            continue
        if isinstance(found, dict):
            return {str(name).lstrip("-"): str(value) for name, value in found.items()}
    return {}


__all__ = ["Trials"]
