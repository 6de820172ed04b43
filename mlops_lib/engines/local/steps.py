"""One step, from its claim to its artifact: what a worker thread does."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import JobError, MlopsError, RunError, duration
from ...fingerprint import Fingerprint
from ...graph import Step, Value
from ...plan import PlannedStep, Stored
from ...references import redacted
from ...stores.database import is_full, refused
from ...stores.files import FileEntry
from ...stores.locks import exclusive
from ...stores.records import Status, StepRecord, TrialRecord
from ...stores.store import Store
from .environments import Software
from .logs import tail
from .process import Exit, Invocation, Launcher, Process, Together, describe_exit, free_ports
from .tracking import Above, LoggedRun, Tracking
from .workplace import Clearing, Workplace

_CLAIMS = 1024
_TAIL = 15  # lines of a failed step's log that are repeated


@dataclass(frozen=True, slots=True)
class Source:
    """A data input.

    Attributes:
        path: The file or folder behind it; None when it is elsewhere, and the step reads it by itself.
        digest: What the plan knows of its content.
        uri: What the step gets in the mode ``direct``.
        writable: Whether a step with the mode ``rw_mount`` may write to *path* itself.
        unchanged: Asks whether what is elsewhere still is what the plan knows.
    """

    path: Path | None
    digest: str
    uri: str
    writable: bool = False
    unchanged: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What a task has that is a trial of a sweep: its record, and the sweep's own run in MLflow."""

    record: TrialRecord
    above: Above


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A step that is to run, with all it needs.

    Attributes:
        record: Of the step, before it has started.
        code: The files of its working directory.
        threads: Its share of the cores.
        shared: Whether a result that another run has just made does.
        trial: What makes it one of a sweep's trials.
        software: The isolated environment that it runs in; None for that of this process.
    """

    planned: PlannedStep
    record: StepRecord
    sources: Mapping[str, Source]
    code: Sequence[FileEntry]
    threads: int
    shared: bool
    trial: Trial | None = None
    software: Software | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What the steps of a run have in common.

    Attributes:
        run: The run's id.
        work: The folder of the steps' workplaces.
        mlflow_run: The id of the run's MLflow run.
        outside: The variables of this process that steps get.
        clearing: Removes the workplaces of steps that are over.
    """

    store: Store
    run: str
    pipeline: str
    work: Path
    experiment: str
    mlflow_run: str
    tracking: Tracking
    outside: Mapping[str, str]
    launcher_for: Callable[[Step], Launcher]
    clearing: Clearing


@dataclass(frozen=True, slots=True)
class Started:
    """A step's process has been started with a command."""

    step: str
    command: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A step is over: it has a record, and when it failed an error; or the run itself cannot go on.

    Attributes:
        curve: What a trial logged of its sweep's primary metric.
        notice: What its user should know although it has not failed.
    """

    step: str
    record: StepRecord
    error: str = ""
    failure: BaseException | None = None
    curve: Sequence[float] = ()
    notice: str = ""


class StepAtWork:
    """A step that runs.

    Args:
        task: What to do.
        scene: Where.
        tell: Gets `Started`, when a process was started, and `Ended`, whatever happens.
    """

    def __init__(self, task: Task, scene: Scene, tell: Callable[[Started | Ended], None]) -> None:
        self.task, self._scene, self._tell = task, scene, tell
        self._step = task.planned.step
        self.log = scene.store.folder / "runs" / scene.run / f"{self._step.name}.log"
        self._lock = threading.Lock()
        self._stopped = False
        self._process: Process | None = None
        self._mlflow_run = ""

    def curve(self) -> Sequence[float]:
        """What a trial at work has logged so far of its sweep's primary metric."""
        trial, run = self.task.trial, self._mlflow_run
        return self._scene.tracking.curve(run, trial.record.metric) if trial and run else ()

    def stop(self, *, now: bool = False) -> None:
        """End it: politely and after a grace period for sure, or at once. Safe from any thread."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.stop(now=now)

    def work(self) -> None:
        """Run the step; called once, in a worker thread."""
        self._tell(outcome(self.task, self._claimed))

    def _claimed(self) -> Ended:
        """Run the step, unless somebody is at the same one: then wait, and use what that made."""
        fingerprint = self.task.planned.fingerprint
        if fingerprint is None or not self.task.shared:
            return self._execute()
        with claimed(self._scene.store, "claim", fingerprint, give_up=lambda: self._stopped) as held:
            if not held:
                return Ended(self._step.name, canceled(self.task.record))
            return reused_at_once(self.task, self._scene.store, fingerprint, "has just been made") or self._execute()

    def _execute(self) -> Ended:
        problem = self._build()
        if problem:
            record = dataclasses.replace(self.task.record, status=Status.CANCELED if self._stopped else Status.FAILED,
                                         log=str(self.log.relative_to(self._scene.store.folder)))
            self._scene.store.records.save_steps([record])
            return Ended(self._step.name, record, "" if self._stopped else self._failure(problem))
        place = self._prepare()
        try:
            ended = self._run_in(place)
        except BaseException:
            place.remove()
            raise
        if ended.record.status is Status.COMPLETED:
            self._scene.clearing.over(place)
        else:
            place.remove()  # first: it may be what fills the disk
            self._scene.store.records.save_steps([ended.record])
        return ended

    def _prepare(self) -> Workplace:
        step = self._step
        texts = {name: given.text for name, given in step.inputs.items() if isinstance(given, Value)}
        direct = {name: source.uri for name, source in self.task.sources.items() if self._as_it_is(name, source)}
        return Workplace.prepare(
            self._scene.work / step.name, step, texts=texts, code=self.task.code, direct=direct,
            sources={name: source.path for name, source in self.task.sources.items()
                     if source.path is not None and name not in direct})

    def _build(self) -> str:
        """See to it that the step's isolated environment is there; why it is not."""
        software = self.task.software
        if software is None or software.ready:
            return ""
        software.folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(software.folder.with_suffix(".lock"), give_up=lambda: self._stopped) as held:
            if held and not software.ready:
                said = shlex.quote(f"building the environment {software.name} with Python {software.version}")
                self._run_for(Invocation(command=f"echo {said}; {software.command()}", folder=software.folder.parent,
                                         environment={**os.environ, **software.secrets}, log=self.log))
        return "" if software.ready else f"has no environment: {software.name} could not be built"

    def _run_for(self, invocation: Invocation) -> None:
        """Run something that the step needs to its end, unless the step is stopped."""
        with self._lock:
            if self._stopped:
                return
            process = self._process = self._scene.launcher_for(self._step).launch(invocation)
        process.wait()

    def hand_over(self, use: Callable[[Invocation], int]) -> int:
        """Lay the step out as if it were to run, and let *use* do what it likes there; nothing of it is kept.

        Raises:
            RunError: its environment could not be built.
        """
        problem = self._build()
        if problem:
            raise RunError(self._failure(problem))
        place = self._prepare()
        try:
            mlflow_run, mlflow = self._scene.tracking.reserve(self._step.name)
            # An entry script by itself does nothing: Python stays, with its init() and run() to be called.
            start = "python -i " if self._step.parallel is not None else ""
            return use(Invocation(command=start + place.command(self._step), folder=place.code, log=self.log,
                                  environment=self._variables(place, mlflow_run, mlflow)))
        finally:
            place.remove()

    def _variables(self, place: Workplace, mlflow_run: str, mlflow: Mapping[str, str]) -> dict[str, str]:
        scene = self._scene
        return place.variables(self._step, outside=scene.outside, run=scene.mlflow_run, step_run=mlflow_run,
                               experiment=scene.experiment,
                               threads=max(1, self.task.threads // _processes(self._step, self.task.threads)), mlflow=mlflow,
                               searched=self.task.trial.record.parameters if self.task.trial else {},
                               programs=self.task.software.programs if self.task.software else None)

    def _run_in(self, place: Workplace) -> Ended:
        scene, step = self._scene, self._step
        trial = self.task.trial
        self._mlflow_run, mlflow = scene.tracking.reserve(step.name, trial.above if trial else None)
        command = place.command(step)
        record = dataclasses.replace(self.task.record, status=Status.RUNNING, started=time.time(),
                                     command=redacted(command), log=str(self.log.relative_to(scene.store.folder)))
        fingerprint = self.task.planned.fingerprint
        if trial is not None:
            scene.store.records.save_trial(trial.record)
        scene.store.records.begin(record, scene.pipeline, fingerprint.parts if fingerprint else {})
        variables = self._variables(place, self._mlflow_run, mlflow)
        begun = time.monotonic()
        ended, timed_out = self._process_of(
            Invocation(command=command, folder=place.code, environment=variables, log=self.log), place)
        if ended is None:
            return Ended(step.name, canceled(self.task.record))
        record = dataclasses.replace(record, seconds=time.monotonic() - begun, peak_memory=ended.peak_memory,
                                     exit_code=ended.code)
        place.keep_side_outputs(self.log.with_name(step.name))
        problem = self._problem(ended, timed_out, place)
        # One that was told to end may have ended well in its own eyes, with half of its outputs.
        stopped = self._stopped and not timed_out
        record, curve = self._logged(record, succeeded=not problem and not stopped, stopped=stopped)
        if stopped:
            return Ended(step.name, canceled(record), curve=curve)
        if not problem:
            try:
                return Ended(step.name, self._keep(place, record), curve=curve, notice=ended.notice)
            except RunError:
                raise
            except JobError as error:
                problem = error.what
        return Ended(step.name, dataclasses.replace(record, status=Status.FAILED), self._failure(problem, ended.detail),
                     curve=curve)

    def _logged(self, record: StepRecord, *, succeeded: bool, stopped: bool) -> tuple[StepRecord, Sequence[float]]:
        """The record with what the step logged, and of a trial what it logged of the primary metric."""
        trial = self.task.trial
        parameters, metric = (trial.record.parameters, trial.record.metric) if trial else ({}, None)
        logged = self._scene.tracking.finish(self._mlflow_run, succeeded=succeeded, stopped=stopped, curve_of=metric,
                                             parameters=parameters) or LoggedRun(run_id="", metrics={}, params={})
        if trial is not None:
            # Before the result is there for others: who finds that finds this too.
            self._scene.store.records.save_trial(dataclasses.replace(trial.record, curve=logged.curve))
        return dataclasses.replace(record, metrics=logged.metrics, params={**parameters, **logged.params}), logged.curve

    def _process_of(self, invocation: Invocation, place: Workplace) -> tuple[Exit | None, bool]:
        """Run the process to its end: how it ended (None: it was not started any more), and whether its time was up."""
        with self._lock:
            if self._stopped:
                return None, False
            process = self._process = self._launch(invocation, place)
        self._scene.clearing.started()
        self._tell(Started(self._step.name, redacted(invocation.command)))
        limit = self._step.job.timeout
        if not limit:
            return process.wait(), False
        timed_out = threading.Event()

        def expire() -> None:
            timed_out.set()
            process.stop()

        timer = threading.Timer(limit, expire)
        timer.daemon = True
        timer.start()
        try:
            return process.wait(), timed_out.is_set()
        finally:
            timer.cancel()

    def _launch(self, invocation: Invocation, place: Workplace) -> Process:
        launcher, distribution, parallel = self._scene.launcher_for(self._step), self._step.distribution, self._step.parallel
        if parallel is not None:
            from .parallel import ParallelWork  # only a pipeline with such a step pays for it

            source = self.task.sources.get(parallel.source)
            return ParallelWork(self._step, parallel, place, invocation, launcher, table=source.path if source else None,
                                workers=_processes(self._step, self.task.threads))
        if distribution is None:
            return launcher.launch(invocation)
        told = distribution.variables(free_ports(distribution.ports))
        # What the component sets itself comes last, as on Azure ML.
        return Together(launcher, [dataclasses.replace(invocation, environment={
            **invocation.environment, **variables, **self._step.environment_variables}) for variables in told],
            leading=distribution.processes)

    def _problem(self, ended: Exit, timed_out: bool, place: Workplace) -> str:
        """Why the step did not succeed; empty when it did."""
        if timed_out:
            return f"ran longer than its limit of {duration(self._step.job.timeout or 0)}"
        if ended.code != 0:
            return ended.problem or describe_exit(ended.code)
        missing = place.missing_outputs(self._step)
        if missing:
            return f"never wrote its output{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        lost = [name for name, source in self.task.sources.items() if self._written_in_vain(name, source, place)]
        if lost:
            return f"wrote into its input {', '.join(lost)}, which is not a file or folder of yours on this machine"
        changed = [name for name, source in self.task.sources.items() if not self._written_to(name, source)
                   and not self._as_before(source)]
        if changed:
            # Its fingerprint says otherwise than what it may have read: nobody can tell what its outputs are made of.
            return f"had its input {', '.join(changed)} changed while it ran, by itself or by somebody else"
        return ""

    def _as_it_is(self, name: str, source: Source) -> bool:
        """Whether a step gets the data itself: its URL or path, not a view of it in a place of the step's own."""
        return source.path is None or self._step.mode_of(name) == "direct" or self._written_to(name, source)

    def _written_to(self, name: str, source: Source) -> bool:
        """Whether a step may write to an input, and means to."""
        return self._step.mode_of(name) == "rw_mount" and source.writable

    def _written_in_vain(self, name: str, source: Source, place: Workplace) -> bool:
        """Whether a step wrote to an input that it may not write to: what it had was a copy, and that goes away."""
        if self._step.mode_of(name) != "rw_mount" or source.writable or source.path is None:
            return False
        return self._scene.store.digests.tree(place.inputs[name])[0] != source.digest

    def _as_before(self, source: Source) -> bool:
        if source.path is None:
            return source.unchanged is None or source.unchanged()
        try:
            return self._scene.store.digests.tree(source.path)[0] == source.digest
        except OSError:
            return False

    def _keep(self, place: Workplace, record: StepRecord) -> StepRecord:
        """Make what the step wrote an artifact, and remember it."""
        store, component = self._scene.store, self._step.component
        outputs = store.artifacts.adopt(place.made, {name: (name, port.type) for name, port in component.outputs.items()})
        record = dataclasses.replace(record, status=Status.COMPLETED, outputs=outputs)
        try:
            store.digests.flush()
            wrote = any(self._written_to(name, source) and not self._as_before(source)
                        for name, source in self.task.sources.items())
            # A step that has changed its input did something that no stored result does.
            store.records.store(record, self._scene.pipeline, reusable=component.is_deterministic and not wrote)
        except MlopsError:
            store.artifacts.discard(outputs)
            raise
        return record

    def _failure(self, what: str, detail: tuple[str, ...] = ()) -> str:
        lines = tail(self.log, _TAIL)
        shown = "".join(f"\n  | {line}" for line in lines) or "\n  | (it printed nothing)"
        full = "the disk is full; " if is_full(self._scene.store.folder) else ""
        told = "".join(f"{line}\n  " for line in detail)
        return str(JobError(f"step {self._step.name!r} {what}", why=f"{full}{told}the end of its log, {self.log}:{shown}",
                            fix=f"mend it and go on with: mlops runs resume {self._scene.run}"))


def _processes(step: Step, cores: int) -> int:
    """How many processes of a step run at once."""
    if step.parallel is not None:
        return step.parallel.workers or cores
    return step.distribution.processes + step.distribution.servers if step.distribution else 1


def outcome(task: Task, work: Callable[[], Ended]) -> Ended:
    """What *work* comes to; an error that no step can answer for is handed on to the main thread."""
    try:
        return work()
    except OSError as error:
        return Ended(task.record.name, canceled(task.record), failure=refused(error))
    except BaseException as error:
        return Ended(task.record.name, canceled(task.record), failure=error)


def canceled(record: StepRecord) -> StepRecord:
    """A step that was not let finish."""
    return dataclasses.replace(record, status=Status.CANCELED, reason="the run was stopped")


@contextlib.contextmanager
def claimed(store: Store, kind: str, fingerprint: Fingerprint, *, give_up: Callable[[], bool]) -> Iterator[bool]:
    """Be alone with a fingerprint among all runs of the project; whether that is so: False when *give_up* said yes."""
    with exclusive(store.folder / "locks" / f"{kind}-{int(fingerprint.digest[:8], 16) % _CLAIMS}", give_up=give_up) as held:
        yield held


def reused_at_once(task: Task, store: Store, fingerprint: Fingerprint, reason: str) -> Ended | None:
    """A step that is over because its result is there; None when it is not."""
    stored = store.lookup(fingerprint)
    trial, curve = task.trial, None
    if stored is not None and trial is not None:
        curve = store.records.curve(stored, trial.record.metric)
    if stored is None or (trial is not None and curve is None):
        return None
    record = reused(task.record, stored, reason)
    if trial is not None:
        record = dataclasses.replace(record, params={**trial.record.parameters, **record.params})
        store.records.save_trial(dataclasses.replace(trial.record, curve=curve or ()))
    store.records.save_steps([record])
    return Ended(record.name, record, curve=curve or ())


def reused(record: StepRecord, stored: Stored, reason: str) -> StepRecord:
    """A step that did not have to run."""
    return dataclasses.replace(record, status=Status.REUSED, reason=reason, fingerprint=stored.fingerprint, log=stored.log,
                               outputs=stored.outputs, metrics=stored.metrics, params=stored.params)
