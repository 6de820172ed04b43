"""Runs submitted jobs with the local engine, a few at once, in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from ..engines import Event, RunStarted, StepFinished, StepPrinted
from ..errors import Canceled, CompileError, MlopsError
from ..stores.records import Status
from .ledger import CANCELING, TERMINAL, Ledger, output_specs, run_key
from .materials import Materials

if TYPE_CHECKING:
    from ..engines.local.engine import LocalEngine
    from .world import World

_LOG = logging.getLogger("mlops_lib.emulator")
_AT_ONCE: Final = 4


class Runner:
    """The computes of all workspaces.

    Args:
        world: Where jobs are written down; its runner this becomes.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="job")
        self._lock = threading.Lock()
        self._engines: dict[str, LocalEngine] = {}
        self._canceled: set[str] = set()
        self._closing = threading.Event()

    def submit(self, workspace: str, name: str) -> None:
        """Run a job, whose row and run are there, when its turn comes."""
        self._pool.submit(self._run, workspace, name)

    def cancel(self, workspace: str, name: str) -> None:
        """End a job; one that waits for its turn ends when it comes."""
        key = run_key(workspace, name)
        with self._lock:
            self._canceled.add(key)
            engine = self._engines.get(key)
        if engine is not None:
            engine.cancel()

    def resume(self) -> None:
        """Go on with what was at work when the emulator was stopped; finished steps are reused."""
        for found in self._world.resources.below(""):
            collection, _, name = found.id.rpartition("/")
            if collection.lower().endswith("/jobs"):
                workspace = collection.rpartition("/")[0]
                run = self._world.resources.find(run_key(workspace, name))
                if run is not None and run.body["status"] not in TERMINAL:
                    for child in self._world.resources.all_in(f"{workspace}/runs"):
                        if child.body.get("rootRunId") == name and child.name != name:
                            self._world.resources.delete(child.id)
                    self.submit(workspace, name)

    def close(self) -> None:
        """End what is at work; it goes on at the next start."""
        with self._lock:
            self._closing.set()
            engines = list(self._engines.values())
        for engine in engines:
            engine.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, workspace: str, name: str) -> None:
        found = self._world.resources.find(f"{workspace}/jobs/{name}")
        if found is None or self._closing.is_set():
            return
        materials = Materials(self._world, workspace)
        ledger = Ledger(self._world, workspace, name, materials, found.properties)
        try:
            status, error = self._outcome(workspace, name, materials, ledger, dict(found.properties))
        except Canceled:
            status, error = "Canceled", ""
        except CompileError as problem:
            status, error = "Failed", str(problem)
        except (MlopsError, ValueError, KeyError, OSError) as problem:
            status, error = "Failed", f"{type(problem).__name__}: {problem}" if isinstance(problem, KeyError) else str(problem)
        except Exception as problem:
            _LOG.exception("job %s", name)
            status, error = "Failed", f"the local Azure ML has a bug: {problem!r}"
        key = run_key(workspace, name)
        with self._lock:
            canceled = key in self._canceled
            self._canceled.discard(key)
        if self._closing.is_set() and status == "Canceled" and not canceled:
            return
        ledger.end(status, error)

    def _outcome(self, workspace: str, name: str, materials: Materials, ledger: Ledger,
                 properties: dict[str, Any]) -> tuple[str, str]:
        """Run a job to its end: its state, and why it failed."""
        from ..engines.local.engine import LocalEngine
        from ..project import Project
        from ..stores.store import Store

        key = run_key(workspace, name)
        with self._world.resources.together():  # what was canceled stays so, also when nobody but its row knows of it
            if self._world.resources.get(key).body["status"] == CANCELING:
                raise Canceled("canceled")
            ledger.begin()
        file = materials.job(name, properties)
        project = Project(materials.project, near=materials.project)
        job, _, catalogue = project.load(str(file))
        store = Store.open(materials.project)
        try:
            shown = str(properties.get("displayName") or name)
            plan, ground = project.plan(job, shown, store, catalogue)
            engine = LocalEngine(store, ground)
            with self._lock:
                self._engines[key] = engine

            at_work: list[str] = []

            def listen(event: Event) -> None:
                if isinstance(event, RunStarted):
                    at_work.append(event.run)
                elif isinstance(event, StepPrinted | StepFinished) and plan.graph.steps[event.step].sweep is not None:
                    [name] = at_work
                    steps = {step.name: step for step in store.records.steps(name)}
                    ledger.trials(event.step, [(trial, steps[trial.step]) for trial in store.records.trials(name, event.step)
                                               if trial.step in steps])
                ledger(event)
                if isinstance(event, RunStarted) and (key in self._canceled or self._closing.is_set()):
                    engine.cancel()

            run = engine.submit(plan, request={"job": name}, listener=listen)
            record = store.records.run(run.id)
            ledger.publish(record.outputs, [name for name, output in plan.graph.outputs.items()
                                            if run.steps[output.source.step].status is Status.REUSED])
            for step, specs in output_specs(properties).items():
                if step in run.steps:
                    ledger.publish_step(run.steps[step], specs)
            return ("Completed", "") if run.status is Status.COMPLETED else ("Failed", _without_fixes(run.errors))
        finally:
            with self._lock:
                self._engines.pop(key, None)
            store.close()


def _without_fixes(errors: Iterable[str]) -> str:
    """Errors less what a user of the local engine could do about them."""
    return "\n".join(line for error in errors for line in error.splitlines() if not line.startswith("  fix: "))
