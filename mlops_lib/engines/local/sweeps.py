"""A sweep, from its first trial to the outputs of the best one: a step whose work is trials side by side.

Each trial is a step of its own, with a fingerprint of its own: what is there is reused, so that an interrupted sweep goes
on where it was.
"""

from __future__ import annotations

import dataclasses
import math
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TextIO

from ...errors import JobError, did_you_mean, duration, listing
from ...fingerprint import of_trial
from ...graph import trial
from ...plan import Action, PlannedStep
from ...stores.records import Status, StepRecord, TrialRecord
from ...sweep import best, why_stop
from .sampling import Sampler, sampler_for
from .steps import Ended, Scene, Started, StepAtWork, Task, Trial, canceled, claimed, outcome, reused_at_once
from .tracking import Above

_WATCH_S: Final = 0.25  # how often a policy looks at what running trials have logged
_DONE: Final = (Status.COMPLETED, Status.REUSED)


@dataclass(slots=True)
class _Running:
    """A trial at work.

    Attributes:
        judged: How many of the values that it logged the policy has seen.
        stopped: Why the sweep has ended it; empty while it has not.
        early: It was the policy's doing.
    """

    work: StepAtWork
    judged: int = 0
    stopped: str = ""
    early: bool = False


@dataclass(slots=True)
class _Results:
    """What is known of the trials so far, by number.

    Attributes:
        curves: What each has logged of the primary metric, running ones included.
        objectives: Of those that can be the best.
        errors: Of those that failed.
    """

    records: dict[int, StepRecord] = field(default_factory=dict)
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    curves: dict[int, Sequence[float]] = field(default_factory=dict)
    objectives: dict[int, float] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)

    def peak_memory(self) -> int | None:
        """Of the largest trial."""
        return max((record.peak_memory for record in self.records.values() if record.peak_memory is not None), default=None)


class SweepAtWork:
    """A sweep that runs; to the engine it is like any other step at work.

    Args:
        task: What to do; its fingerprint is known, as are its inputs.
        scene: Where.
        tell: Gets `Started`, before the first trial is chosen, and `Ended`, whatever happens.
        share: How many cores the sweep may use at the moment.
    """

    def __init__(self, task: Task, scene: Scene, tell: Callable[[Started | Ended], None], share: Callable[[], int]) -> None:
        self.task, self._scene, self._tell = task, scene, tell
        self._name = task.record.name
        self.log = scene.store.folder / "runs" / scene.run / f"{self._name}.log"
        self._above = Above(uuid.uuid4().hex, self._name)
        self._search = _Search(task, scene, self._above, share)

    def stop(self, *, now: bool = False) -> None:
        """End all trials: politely and after a grace period for sure, or at once. Safe from any thread."""
        self._search.stop(now=now)

    def work(self) -> None:
        """Run the sweep; called once, in a worker thread."""
        self._tell(outcome(self.task, self._claimed))

    def _claimed(self) -> Ended:
        if not self.task.shared:
            return self._run()
        # Other locks than those of single steps: its trials take these, and must not wait for the sweep itself.
        with claimed(self._scene.store, "sweep", self._search.fingerprint, give_up=lambda: self._search.stopped) as held:
            if not held:
                return Ended(self._name, canceled(self.task.record))
            found = reused_at_once(self.task, self._scene.store, self._search.fingerprint, "has just been made")
            return found or self._run()

    def _run(self) -> Ended:
        scene, search, begun = self._scene, self._search, time.monotonic()
        component, records = self.task.planned.step.component, scene.store.records
        record = dataclasses.replace(self.task.record, status=Status.RUNNING, started=time.time(), command=component.command,
                                     log=str(self.log.relative_to(scene.store.folder)))
        records.begin(record, scene.pipeline, search.fingerprint.parts)
        self._tell(Started(self._name, record.command))
        chosen = None
        try:
            with self.log.open("a", encoding="utf-8", buffering=1) as log:
                chosen = search.run(log)
        finally:
            winner = search.results.records[chosen] if chosen is not None else None
            scene.tracking.finish(self._above.run_id, succeeded=winner is not None, stopped=search.stopped,
                                  parameters=winner.params if winner else {}, metrics=winner.metrics if winner else {})
        record = dataclasses.replace(record, seconds=time.monotonic() - begun, peak_memory=search.results.peak_memory())
        if winner is None or chosen is None:
            failed = not search.stopped and search.failure is None
            record = dataclasses.replace(record, status=Status.FAILED) if failed else canceled(record)
            records.save_steps([record])
            return Ended(self._name, record, search.error() if failed else "", search.failure)
        record = dataclasses.replace(record, status=Status.COMPLETED, outputs=winner.outputs, metrics=winner.metrics,
                                     params=winner.params)
        records.save_trial(dataclasses.replace(search.results.trials[chosen], best=True))
        records.store(record, scene.pipeline, reusable=component.is_deterministic)
        return Ended(self._name, record)


class _Search:
    """The trials of a sweep: chosen, started, watched and judged, in the thread that calls `run`.

    Attributes:
        stopped: From outside.
        failure: What no trial can answer for, and the run has to.
    """

    def __init__(self, task: Task, scene: Scene, above: Above, share: Callable[[], int]) -> None:
        sweep, fingerprint = task.planned.step.sweep, task.planned.fingerprint
        if sweep is None or fingerprint is None:
            raise ValueError(f"step {task.record.name!r} is no sweep whose inputs are known")
        self.sweep, self.fingerprint, self.results = sweep, fingerprint, _Results()
        self.stopped = False
        self.failure: BaseException | None = None
        self._task, self._scene, self._above, self._share = task, scene, above, share
        self._lock = threading.Lock()
        self._at_work: dict[int, _Running] = {}
        self._inbox: queue.SimpleQueue[tuple[int, Ended] | None] = queue.SimpleQueue()
        self._next = 0
        self._deadline = math.inf
        self._timed_out = self._exhausted = False
        self._before: Mapping[int, TrialRecord] = {}

    def stop(self, *, now: bool) -> None:
        """End all trials; safe from any thread."""
        with self._lock:
            self.stopped = True
            for running in self._at_work.values():
                running.work.stop(now=now)
        self._inbox.put(None)

    def run(self, log: TextIO) -> int | None:
        """Try until there are no more trials; the best one, or None when there is none or the sweep was stopped."""
        self._deadline = time.monotonic() + (self.sweep.limits.timeout or math.inf)
        if self._task.shared:
            found = self._scene.store.records.trials_before(self.fingerprint.digest, self._scene.run)
            self._before = {told.number: told for told in found}
        sampler = sampler_for(self.sweep, {number: told.parameters for number, told in self._before.items()})
        try:
            while True:
                while self._wants_more():
                    self._start(sampler, log)
                if not self._at_work:
                    break
                message = self._wait()
                if message is not None:
                    self._settle(*message, sampler, log)
                self._watch(log)
        finally:
            self._end_trials()
        return None if self.stopped or self.failure is not None else best(self.sweep.goal, self.results.objectives)

    def error(self) -> str:
        """Why there is no best trial."""
        name, metric, results = self._task.record.name, self.sweep.metric, self.results
        again = f"mend it and go on with: mlops runs resume {self._scene.run}"
        if any(record.status in _DONE for record in results.records.values()):
            logged = sorted({logged for record in results.records.values() for logged in record.metrics})
            why = f"they logged {listing(logged)}" if logged else self._scene.tracking.problem or "they logged no metric"
            return str(JobError(f"step {name!r}: no trial that ran to its end logged a number as {metric!r}", why=why,
                                fix=did_you_mean(metric, logged) if logged and metric not in logged else again))
        if self._timed_out and not results.errors:
            limit = duration(self.sweep.limits.timeout or 0)
            return str(JobError(f"step {name!r} ran longer than its limit of {limit}, and no trial had ended by then",
                                fix="raise the sweep's limits.timeout"))
        first = next(iter(results.errors.values()), "").partition("\n  fix: ")[0]
        return str(JobError(f"step {name!r}: none of its {len(results.records)} trials ran to its end",
                            why=f"the first that failed: {first}" if first else "", fix=again))

    # --- starting ----------------------------------------------------------------------------------------------------

    def _wants_more(self) -> bool:
        over = self.stopped or self._timed_out or self._exhausted or self.failure is not None
        return not over and self._next < self.sweep.limits.trials and len(self._at_work) < self._at_once()

    def _at_once(self) -> int:
        return max(1, min(self.sweep.limits.at_once, self._share()))

    def _start(self, sampler: Sampler, log: TextIO) -> None:
        """Choose the next trial; start it, unless it is known how it ends."""
        number = self._next
        parameters = sampler.propose(number)
        if parameters is None:
            self._exhausted = True
            return
        self._next += 1
        told = self.results.trials[number] = TrialRecord(
            run=self._scene.run, sweep=self._task.record.name, number=number, metric=self.sweep.metric, goal=self.sweep.goal,
            parameters=parameters, step=trial(self._task.planned.step, number, parameters).name)
        task = self._task_of(told)
        log.write(f"trial_{number}: {' '.join(f'{name}={text}' for name, text in parameters.items())}\n")
        known = self._known(task, told)
        if known is not None:
            self._settle(number, known, sampler, log)
            return
        work = StepAtWork(task, self._scene, lambda said: self._inbox.put((number, said)) if isinstance(said, Ended) else None)
        with self._lock:
            if self.stopped:
                return
            self._at_work[number] = _Running(work)
        threading.Thread(target=work.work, name=told.step, daemon=True).start()

    def _task_of(self, told: TrialRecord) -> Task:
        step = trial(self._task.planned.step, told.number, told.parameters)
        own = of_trial(self.fingerprint, step, told.parameters)
        left = self.sweep.limits.trials - told.number + len(self._at_work)
        reason = f"{self.sweep.algorithm.value} sampling"
        return dataclasses.replace(
            self._task, trial=Trial(told, self._above), threads=max(1, self._share() // min(self._at_once(), left)),
            planned=PlannedStep(step=step, action=Action.RUN, reason=reason, fingerprint=own),
            record=dataclasses.replace(self._task.record, name=step.name, fingerprint=own.digest, waits=(), reason=reason))

    def _known(self, task: Task, told: TrialRecord) -> Ended | None:
        """How a trial ended that need not run: its result is there, or the interrupted sweep had stopped it early."""
        store, fingerprint = self._scene.store, task.planned.fingerprint
        if not task.shared or fingerprint is None:
            return None
        before = self._before.get(told.number)
        if before is not None and before.stopped and before.parameters == told.parameters:
            record = next((step for step in store.records.steps(before.run) if step.name == before.step), None)
            if record is not None and record.fingerprint == fingerprint.digest:
                self.results.trials[told.number] = dataclasses.replace(told, curve=before.curve, stopped=True)
                record = dataclasses.replace(record, run=task.record.run, position=task.record.position)
                store.records.save_trial(self.results.trials[told.number])
                store.records.save_steps([record])
                return Ended(record.name, record, curve=before.curve)
        return reused_at_once(task, store, fingerprint, "nothing changed")

    # --- watching ----------------------------------------------------------------------------------------------------

    def _wait(self) -> tuple[int, Ended] | None:
        """The next trial that ends; None when it is time to look at the others, or at the clock."""
        pause = _WATCH_S if self.sweep.policy is not None else math.inf
        if not self._timed_out:
            pause = min(pause, max(0.0, self._deadline - time.monotonic()))
        try:
            return self._inbox.get(timeout=None if pause == math.inf else pause)
        except queue.Empty:
            return None

    def _watch(self, log: TextIO) -> None:
        """End trials that do worse than the policy lets them, and all when the time is up."""
        if not self._timed_out and time.monotonic() >= self._deadline:
            self._timed_out = True
            log.write(f"the limit of {duration(self.sweep.limits.timeout or 0)} is reached\n")
            self._stop_trials("the sweep's time was up")
        if self.sweep.policy is None or self.stopped:
            return
        for number, running in self._at_work.items():
            self.results.curves[number] = running.work.curve()
        for number, running in self._at_work.items():
            if running.stopped:
                continue
            why = why_stop(self.sweep, number, self.results.curves, running.judged)
            running.judged = len(self.results.curves[number])
            if why:
                running.stopped, running.early = f"stopped early: {why}", True
                running.work.stop()

    def _stop_trials(self, why: str) -> None:
        for running in self._at_work.values():
            if not running.stopped:
                running.stopped = why
                running.work.stop()

    def _end_trials(self) -> None:
        """See that no trial outlives the sweep; there are some only when it could not go on."""
        self._stop_trials("the run was stopped")
        while self._at_work:
            message = self._inbox.get()
            if message is not None:
                self._forget(message[0])

    def _forget(self, number: int) -> _Running | None:
        with self._lock:
            return self._at_work.pop(number, None)

    # --- judging -----------------------------------------------------------------------------------------------------

    def _settle(self, number: int, ended: Ended, sampler: Sampler, log: TextIO) -> None:
        """A trial is over: remember how it went, and let what comes next depend on it."""
        results, record = self.results, ended.record
        running = self._forget(number)
        told = dataclasses.replace(results.trials[number], curve=ended.curve)
        if running is not None and running.stopped and record.status is Status.CANCELED:
            told, record = dataclasses.replace(told, stopped=running.early), dataclasses.replace(record, reason=running.stopped)
            self._scene.store.records.save_trial(told)
            self._scene.store.records.save_steps([record])
        if ended.failure is not None:
            self.failure = self.failure or ended.failure
            self._stop_trials("the run was stopped")
        results.records[number], results.trials[number], results.curves[number] = record, told, ended.curve
        reached = told.objective
        if record.status is Status.FAILED:
            results.errors[number] = ended.error
        elif record.status in _DONE and reached is not None:
            results.objectives[number] = reached
        sampler.learn(number, reached if told.stopped or number in results.objectives else None, stopped=told.stopped)
        log.write(f"trial_{number}: {self._words(number, record, reached)}\n")

    def _words(self, number: int, record: StepRecord, reached: float | None) -> str:
        """How a trial went, for the log."""
        if record.status is Status.FAILED:
            return self.results.errors[number].partition("\n")[0]
        if record.status not in _DONE:
            return record.reason
        how = "reused" if record.status is Status.REUSED else f"done in {duration(record.seconds or 0)}"
        if reached is None:
            return f"{how}, logged no number as {self.sweep.metric}"
        leads = number == best(self.sweep.goal, self.results.objectives)
        return f"{how}, {self.sweep.metric} = {reached:.6g}{' (the best so far)' if leads else ''}"
