"""Runs a plan: steps start as soon as their inputs exist, and what finishes is kept at once."""

from __future__ import annotations

import contextlib
import dataclasses
import heapq
import os
import queue
import re
import secrets
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ...errors import Canceled, InputError, MlopsError, RunError
from ...graph import External, FromStep, Graph, Step
from ...plan import Action, Plan, PlannedStep, StoredOutput, judge
from ...sources import Found, Remote
from ...sources.landing import Destination, land
from ...stores.artifacts import remove
from ...stores.commits import commit_of
from ...stores.database import refused, translated
from ...stores.files import FileEntry
from ...stores.locks import exclusive
from ...stores.records import RunRecord, Status, StepRecord
from ...stores.snapshots import take
from ...stores.store import Store
from .. import Listener, Outputs, Run, RunOutput, RunStarted, StepFinished, StepPrinted, StepStarted
from . import sampling
from .facts import Ground
from .logs import Follower
from .process import FreshProcess, Invocation, Launcher
from .steps import Ended, Scene, Source, Started, StepAtWork, Task, reused
from .sweeps import SweepAtWork
from .tracking import Tracking
from .workplace import Clearing, clear, from_outside, unquoted

_LOG_S: Final = 0.1  # how often what steps print is looked at
_MODELS: Final = ("mlflow_model", "custom_model", "triton_model")
_INTERRUPT: Final = object()
_SCRIPT_BYTES: Final = 1 << 20
_LOGS: Final = re.compile(rb"\bmlflow\.(?:log_\w+|start_run|set_tags?|(?:\w+\.)?autolog)\(")


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalEngine:
    """Runs plans on the machine that it is on.

    Args:
        store: The project's store.
        ground: The files behind the plan's facts.
        jobs: How many steps may run at once; default: the cores.
        launcher_for: Chooses how a step's process is started; None for a fresh process. Launchers stay the caller's to close.
    """

    def __init__(self, store: Store, ground: Ground, *, jobs: int | None = None,
                 launcher_for: Callable[[Step], Launcher | None] = lambda step: None) -> None:
        self._store = store
        self._ground = ground
        self._jobs = jobs or cores()
        self._launcher_for = launcher_for
        self._at_work: set[_Execution] = set()
        self._lock = threading.Lock()

    def cancel(self) -> None:
        """End what it is running, as Ctrl-C would; from any thread."""
        with self._lock:
            at_work = list(self._at_work)
        for execution in at_work:
            execution.interrupt()

    def submit(self, plan: Plan, *, request: Mapping[str, Any], listener: Listener = lambda event: None) -> Run:
        """Run *plan* to its end; a failed step makes a failed Run, not an exception."""
        sampling.check(planned.step for planned in plan.steps.values() if planned.action is not Action.REUSE)
        with ExitStack() as stack:
            execution = self._execution(stack, plan, request=request, listener=listener)
            with self._lock:
                self._at_work.add(execution)
            try:
                return execution.run()
            finally:
                with self._lock:
                    self._at_work.discard(execution)

    def hand_over(self, plan: Plan, use: Callable[[Invocation], int]) -> int:
        """Lay out the one step of *plan* as if it were to run, and let *use* do what it likes there; nothing is kept.

        Args:
            plan: Of a single step, as :func:`.again.plan_again` makes it.
            use: Gets the step's command, folder and variables.

        Returns:
            What *use* returned.

        Raises:
            InputError: the step is a sweep.
        """
        [planned] = plan.steps.values()
        if planned.step.sweep is not None:
            raise InputError(f"{planned.step.name!r} is a sweep, and a shell is for one command",
                             fix=f"name one of its trials: {planned.step.name}.trial_0")
        with ExitStack() as stack:
            execution = self._execution(stack, plan, request={}, listener=lambda event: None)
            stack.callback(remove, self._store.folder / "runs" / execution.scene.run)
            return execution.hand_over(use)

    def _execution(self, stack: ExitStack, plan: Plan, *, request: Mapping[str, Any], listener: Listener) -> _Execution:
        """All that a run needs, until *stack* is closed."""
        fresh = stack.enter_context(contextlib.closing(FreshProcess()))
        with translated(self._store.folder):
            run_id = self._reserve(plan.graph.name)
            lock = self._store.records.lock_of(run_id)
            stack.enter_context(exclusive(lock))
            stack.callback(lock.unlink, missing_ok=True)
            self._clear_dead_work()
            work = self._store.folder / "work" / run_id
            work.mkdir()
            stack.callback(remove, work)
            code = _snapshots(plan, self._ground, work)
            place = stack.enter_context(unquoted(work))
        experiment, mlflow_run = plan.graph.experiment or plan.graph.name, uuid.uuid4().hex
        tracking = stack.enter_context(Tracking(self._store.folder / "mlflow", experiment=experiment, run_id=mlflow_run,
                                                run_name=run_id, environment=os.environ))
        if _will_log(plan, code):
            tracking.prestart()
        clearing = stack.enter_context(contextlib.closing(Clearing()))
        scene = Scene(store=self._store, run=run_id, pipeline=plan.graph.name, work=place, experiment=experiment,
                      mlflow_run=mlflow_run, tracking=tracking, outside=from_outside(os.environ),
                      launcher_for=lambda step: self._launcher_for(step) or fresh,
                      clearing=clearing)
        return _Execution(scene, plan, self._ground, code, jobs=self._jobs, listener=listener, request=request)

    def _reserve(self, pipeline: str) -> str:
        """A new run's id; its folder says that it is taken."""
        for name in ("locks", "work", "runs"):
            (self._store.folder / name).mkdir(parents=True, exist_ok=True)
        stem = re.sub(r"[^A-Za-z0-9]+", "-", pipeline).strip("-").lower() or "run"
        while True:
            run_id = f"{stem[:40]}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
            try:
                (self._store.folder / "runs" / run_id).mkdir()
            except FileExistsError:
                continue
            return run_id

    def _clear_dead_work(self) -> None:
        """Remove what runs left behind whose process died; the steps that were at work then are lost, nothing else."""
        folder = self._store.folder
        runs = {lock.name.removeprefix("run-") for lock in (folder / "locks").glob("run-*")}
        for run in runs.union(work.name for work in (folder / "work").iterdir()):
            lock = self._store.records.lock_of(run)
            # What cannot be removed (somebody else's) is in nobody's way.
            with contextlib.suppress(OSError), exclusive(lock, give_up=lambda: True) as dead:
                if dead:
                    clear(folder / "work" / run)
                    lock.unlink()


def _snapshots(plan: Plan, ground: Ground, work: Path) -> dict[str, Sequence[FileEntry]]:
    """The code of every step that may run, as it is now: it may be edited while the run is at work."""
    taken: dict[int, Sequence[FileEntry]] = {}
    for name, planned in plan.steps.items():
        entries = ground.code[name]
        if planned.action is Action.REUSE or id(entries) in taken or not entries:
            continue
        folder = work / ".code" / str(len(taken))
        folder.mkdir(parents=True)
        taken[id(entries)], digest = take(entries, folder)
        if digest != plan.facts.code[name]:
            raise RunError(f"the code of step {name!r} was changed while the run was starting", fix="start it again")
    return {name: taken.get(id(entries), entries) for name, entries in ground.code.items()}


def _will_log(plan: Plan, code: Mapping[str, Sequence[FileEntry]]) -> bool:
    """Whether a step that may run has code that logs to MLflow: its server can start while the step still imports."""
    seen: set[int] = set()
    for name, planned in plan.steps.items():
        if planned.action is Action.REUSE or id(code[name]) in seen:
            continue
        seen.add(id(code[name]))
        for entry in code[name]:
            script = entry.name.endswith(".py") and entry.state.st_size < _SCRIPT_BYTES
            if script and _LOGS.search(Path(entry.path).read_bytes()):
                return True
    return False


class _Execution:
    """One run, in the thread that wants it: what is ready is started, what happens is told, what ends is settled.

    Steps run in worker threads; they get all they need as a `Task` and answer through the inbox.
    """

    def __init__(self, scene: Scene, plan: Plan, ground: Ground, code: Mapping[str, Sequence[FileEntry]], *, jobs: int,
                 listener: Listener, request: Mapping[str, Any]) -> None:
        self.scene, self.store, self.tracking = scene, scene.store, scene.tracking
        self.plan, self.graph, self.ground, self.code = plan, plan.graph, ground, code
        self.jobs, self.listener = jobs, listener
        self.reuse = plan.reuse and not plan.graph.force_rerun
        self.run_record = RunRecord(id=scene.run, pipeline=scene.pipeline, status=Status.RUNNING, started=time.time(),
                                    request=request, mlflow_run=scene.mlflow_run)
        self.queue = _Queue(self.graph, self.store.records.typical_seconds(scene.pipeline))
        self.position = {name: index for index, name in enumerate(self.graph.steps)}
        self.records: dict[str, StepRecord] = {}
        self.unsaved: list[StepRecord] = []
        self.made: dict[FromStep, str] = {}
        self.paths: dict[FromStep, Path] = {}
        self.active: dict[str, tuple[StepAtWork | SweepAtWork, Follower]] = {}
        self.landing = 0  # outputs on their way to where they go
        self.landed: set[Destination] = set()
        self.pool: ThreadPoolExecutor | None = None
        self.inbox: queue.SimpleQueue[Started | Ended | object] = queue.SimpleQueue()
        self.errors: list[str] = []
        self.notices: list[str] = []
        self.interrupts = 0
        self.stopping = False
        self.broken: BaseException | None = None

    def run(self) -> Run:
        with _interrupts(self._interrupted):
            self.store.records.save_run(self.run_record)
            self.store.records.save_differences(self.run_record.id, self.ground.differences)
            self.store.records.save_commit(self.run_record.id, commit_of(self.store.folder.parent))
            with ThreadPoolExecutor(max_workers=self.jobs, thread_name_prefix="step") as pool:
                self.pool = pool
                try:
                    self.listener(RunStarted(self.run_record.id, self.plan))
                    self._start(pool)
                    while self.active or self.landing:
                        self._take(self._next())
                        self._start(pool)
                except BaseException as error:  # the listener's, or records that cannot be written
                    self.broken = error
                    self._stop()
                    while self.active:
                        message = self.inbox.get()
                        if isinstance(message, Ended):
                            del self.active[message.step]
                        elif message is _INTERRUPT:
                            self._stop(now=True)
            return self._finish()

    def hand_over(self, use: Callable[[Invocation], int]) -> int:
        [planned] = self.plan.steps.values()
        return StepAtWork(self._task(planned, cores()), self.scene, self.inbox.put).hand_over(use)

    # --- what happens ------------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """The user wants it to end: taken note of, and dealt with in turn."""
        self.interrupts += 1
        self.inbox.put(_INTERRUPT)

    def _interrupted(self) -> None:
        """Ctrl-C, at any moment; a third one is not waited with."""
        self.interrupt()
        if self.interrupts > 2:
            raise KeyboardInterrupt

    def _next(self) -> Started | Ended | object:
        """What happens next; until then, what steps print is told."""
        if self.unsaved:
            self.store.records.save_steps(self.unsaved, self.scene.pipeline)
            self.unsaved = []
        while True:
            try:
                return self.inbox.get(timeout=_LOG_S)
            except queue.Empty:
                for name in self.active:
                    self._tell_log(name)

    def _take(self, message: Started | Ended | object) -> None:
        if isinstance(message, Started):
            self.listener(StepStarted(message.step, message.command))
        elif isinstance(message, _Landed):
            self.landing -= 1
            if message.error:
                self.errors.append(message.error)
            else:
                self.landed.add(message.destination)
        elif isinstance(message, Ended):
            if message.record.status is not Status.REUSED:
                self._tell_log(message.step, ended=True)
            del self.active[message.step]
            if message.notice:
                self.notices.append(message.notice)
            if message.failure is not None:
                self.broken = self.broken or message.failure
                self.unsaved.append(message.record)
                self._stop()
            self._settle(message.record, message.error)
        else:
            self._stop(now=self.interrupts > 1)

    def _tell_log(self, name: str, *, ended: bool = False) -> None:
        for lines in self.active[name][1].lines(ended=ended):
            self.listener(StepPrinted(name, lines))

    def _stop(self, *, now: bool = False) -> None:
        """Start nothing any more and end the steps at work: politely, and after a grace period or *now* for sure."""
        self.stopping = True
        for step, _ in self.active.values():
            step.stop(now=now)

    # --- steps -------------------------------------------------------------------------------------------------------

    def _start(self, pool: ThreadPoolExecutor) -> None:
        """Settle what need not run, and start of the rest what there is room for."""
        while not self.stopping and (name := self.queue.unjudged()) is not None:
            verdict = self._judge(name)
            if isinstance(verdict, StepRecord):
                self._settle(verdict)
            elif verdict.action is Action.REUSE and verdict.stored is not None:
                since = f"{verdict.reason} since {verdict.stored.run}" if verdict.stored.run else verdict.reason
                record = reused(self._record(name), verdict.stored, since)
                self.unsaved.append(record)
                self._settle(record)
            else:
                self.queue.wants_to_run(name, verdict)
        while not self.stopping and len(self.active) < self.jobs and (planned := self.queue.pop()) is not None:
            task = self._task(planned, self._share(1))
            work = (SweepAtWork(task, self.scene, self.inbox.put, self._share) if planned.step.sweep is not None else
                    StepAtWork(task, self.scene, self.inbox.put))
            pool.submit(work.work)
            self.active[planned.step.name] = work, Follower(work.log)

    def _share(self, more: int = 0) -> int:
        """The cores of each step, when all that could run does, and so many *more*."""
        at_once = min(self.jobs, len(self.active) + self.queue.waiting_to_run + more)
        return max(1, cores() // max(1, at_once))

    def _judge(self, name: str) -> PlannedStep | StepRecord:
        """What happens to a step whose turn has come; a record when it cannot run."""
        step = self.graph.steps[name]
        planned = self.plan.steps[name]
        lost = {before for before in step.waits if self.records[before].status not in (Status.COMPLETED, Status.REUSED)}
        if lost:
            inputs = {key: given for key, given in step.inputs.items()
                      if not (isinstance(given, FromStep) and given.step in lost and step.component.inputs[key].optional)}
            if any(isinstance(given, FromStep) and given.step in lost for given in inputs.values()):
                return self._record(name, Status.SKIPPED, f"{', '.join(sorted(lost))} did not finish")
            step = dataclasses.replace(step, inputs=inputs)  # Azure ML runs a step whose optional input failed
        elif planned.fingerprint is not None:
            return planned
        return judge(step, self.plan.facts, self.made, self.store.lookup, self.store.history_of(self.graph.name),
                     reuse=self.reuse)

    def _task(self, planned: PlannedStep, threads: int) -> Task:
        step = planned.step
        sources = {}
        for name, given in step.inputs.items():
            if isinstance(given, External):
                sources[name] = _source(self.ground.data[given], self.plan.facts.data[given])
            elif isinstance(given, FromStep):
                sources[name] = Source(self.paths[given], self.made[given], str(self.paths[given]))
        record = dataclasses.replace(self._record(step.name, reason=planned.reason),
                                     fingerprint=planned.fingerprint.digest if planned.fingerprint else None)
        return Task(planned=planned, record=record, sources=sources, code=self.code[step.name], threads=threads,
                    shared=self.reuse and step.component.is_deterministic, software=self.ground.software.get(step.name))

    def _record(self, name: str, status: Status = Status.WAITING, reason: str = "") -> StepRecord:
        return StepRecord(run=self.run_record.id, name=name, position=self.position[name], status=status, reason=reason,
                          waits=self.graph.steps[name].waits)

    def _settle(self, record: StepRecord, error: str = "") -> None:
        """A step is over: tell it, free what waited for it."""
        self.records[record.name] = record
        for key, output in record.outputs.items():
            made = FromStep(record.name, key)
            self.made[made], self.paths[made] = output.digest, self.store.folder / output.path
            for destination in self.ground.destinations:
                if destination.output == made:
                    self._land(destination)
        if record.status is Status.SKIPPED:
            self.unsaved.append(record)
        if record.status is Status.FAILED:
            self.errors.append(error)
            if not self.graph.continue_on_step_failure:
                self._stop()
        self.listener(StepFinished(record.name, record, error))
        self.queue.settled(record.name)

    def _land(self, destination: Destination) -> None:
        """Put an output where it goes, in a thread; the run ends when it is there."""
        path = self.paths[destination.output]

        def work() -> None:
            error = ""
            try:
                if not land(path, destination, self.store, give_up=lambda: self.interrupts > 0 or self.broken is not None):
                    error = f"the output was not put into {destination}: the run was stopped"
            except MlopsError as problem:
                error = str(problem)
            except OSError as problem:
                error = str(refused(problem))
            self.inbox.put(_Landed(destination, error))

        if self.pool is not None and self.broken is None:
            self.landing += 1
            self.pool.submit(work)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _finish(self) -> Run:
        whole = self.broken is None and not self.interrupts
        outputs = self._outputs() if whole else {}
        canceled = self.interrupts or isinstance(self.broken, KeyboardInterrupt | BrokenPipeError)
        status = Status.CANCELED if canceled else Status.FAILED if self.broken or self.errors else Status.COMPLETED
        self.tracking.close(succeeded=status is Status.COMPLETED)
        record = dataclasses.replace(
            self.run_record, status=status, ended=time.time(), outputs={name: stored for name, (stored, _) in outputs.items()},
            error="\n".join(self.errors) if canceled or not self.broken else str(self.broken))
        never = [self._record(name, Status.SKIPPED, "the run was stopped") for name in self.graph.steps
                 if name not in self.records and self.broken is None]
        try:
            self.store.records.save_steps([*self.unsaved, *never], self.scene.pipeline)
            self.store.records.save_run(record)
            self.store.digests.flush()
        except MlopsError:
            if self.broken is None:
                raise
        if self.broken is not None and not isinstance(self.broken, KeyboardInterrupt):
            raise self.broken
        if canceled:
            raise Canceled("canceled", why="finished steps are kept", fix=f"go on with: mlops runs resume {record.id}")
        problems = (self.tracking.problem,) if self.tracking.problem else ()
        steps = {name: self.records.get(name) or self._record(name, Status.SKIPPED, "the run was stopped")
                 for name in self.graph.steps}
        return Run(
            id=record.id, pipeline=record.pipeline, status=status, seconds=(record.ended or 0) - record.started, steps=steps,
            outputs=Outputs({
                name: RunOutput(path=self.store.folder / stored.path, type=self.graph.outputs[name].type, asset=asset,
                                landed=self._landed(name))
                for name, (stored, asset) in outputs.items()}, tuple(self.errors)),
            metrics={name: step.metrics for name, step in steps.items() if step.metrics},
            errors=tuple(self.errors), notices=(*self.ground.notices, *self.notices, *problems),
            differences=self.ground.differences)

    def _outputs(self) -> dict[str, tuple[StoredOutput, str | None]]:
        """The pipeline's outputs that exist; those that have a name, of single steps too, become assets."""
        found = {}
        for name, output in self.graph.outputs.items():
            record = self.records.get(output.source.step)
            stored = record.outputs.get(output.source.output) if record else None
            if stored is not None:
                stored = dataclasses.replace(stored, type=output.type)
                found[name] = stored, self._register(output.spec.name, output.spec.version, stored, output.source.step)
        for step, record in self.records.items():
            for key, spec in self.graph.steps[step].outputs.items():
                if key in record.outputs:
                    self._register(spec.name, spec.version, record.outputs[key], step)
        return found

    def _landed(self, name: str) -> tuple[str, ...]:
        source = self.graph.outputs[name].source
        return tuple(str(destination) for destination in self.ground.destinations
                     if destination.output == source and destination in self.landed)

    def _register(self, name: str | None, version: str | None, stored: StoredOutput, step: str) -> str | None:
        if name is None:
            return None
        kind = "model" if stored.type in _MODELS else "data"
        try:
            record = self.store.assets.register(kind, name, version, stored, run=self.run_record.id, step=step)
        except InputError as error:
            self.errors.append(str(error))
            return None
        return f"{record.name}:{record.version}"


@dataclasses.dataclass(frozen=True, slots=True)
class _Landed:
    """An output is where it goes, or could not be put there."""

    destination: Destination
    error: str


def _source(found: Found | Remote, digest: str) -> Source:
    if isinstance(found, Remote):
        return Source(None, digest, found.uri, unchanged=found.unchanged)
    return Source(found.path, digest, found.uri, found.writable)


class _Queue:
    """Which steps may start: those for which all that they wait for is over.

    Of several the longest comes first, so that it does not end up as the last to start.
    """

    def __init__(self, graph: Graph, typical: Mapping[str, float]) -> None:
        self._missing = {name: len(step.waits) for name, step in graph.steps.items()}
        self._followers: dict[str, list[str]] = {name: [] for name in graph.steps}
        for name, step in graph.steps.items():
            for before in step.waits:
                self._followers[before].append(name)
        self._rank = {name: (-typical.get(name, 0.0), index) for index, name in enumerate(graph.steps)}
        self._unjudged = deque(name for name, count in self._missing.items() if count == 0)
        self._runnable: list[tuple[tuple[float, int], str]] = []
        self._verdicts: dict[str, PlannedStep] = {}

    @property
    def waiting_to_run(self) -> int:
        return len(self._runnable)

    def unjudged(self) -> str | None:
        """A step whose inputs exist, and of which nobody knows yet whether it has to run."""
        return self._unjudged.popleft() if self._unjudged else None

    def wants_to_run(self, name: str, verdict: PlannedStep) -> None:
        """It has to; `pop` gives it back."""
        heapq.heappush(self._runnable, (self._rank[name], name))
        self._verdicts[name] = verdict

    def pop(self) -> PlannedStep | None:
        """The next step to run, if there is one."""
        return self._verdicts.pop(heapq.heappop(self._runnable)[1]) if self._runnable else None

    def settled(self, name: str) -> None:
        """A step is over, in whatever way."""
        for follower in self._followers[name]:
            self._missing[follower] -= 1
            if self._missing[follower] == 0:
                self._unjudged.append(follower)


@contextlib.contextmanager
def _interrupts(handle: Callable[[], None]) -> Iterator[None]:
    """Meanwhile Ctrl-C calls *handle* instead of raising in the middle of things; SIGTERM too where it would raise."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    caught = [number for number, handler in before.items() if callable(handler)]
    try:
        for number in caught:
            signal.signal(number, lambda *_: handle())
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])


__all__ = ["LocalEngine", "cores"]
