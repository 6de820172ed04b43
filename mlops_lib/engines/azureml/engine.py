"""Runs a plan on Azure ML: looks before it sends, registers what is new, submits once, and follows to the end."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...catalogue import Catalogue
from ...cost import NO_PRICES, Cost, Prices, estimate
from ...errors import Canceled, MlopsError, RunError, StageError
from ...plan import Plan
from ...stores.artifacts import remove
from ...stores.database import translated
from ...stores.records import RunRecord, Status, StepRecord
from ...stores.store import Store
from .. import Listener, Noticed, Outputs, Preparing, Run, RunOutput, RunStarted
from . import preflight, resolving, sdk
from .downloading import download
from .following import Following, Pace, waiting
from .history import State
from .problems import answered, misses
from .registration import Registration
from .submission import Submission
from .workspace import Workspace


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What a user may want of a run on Azure ML.

    Attributes:
        outputs: The pipeline's outputs to download at the end.
        follow: Whether to stay until the end.
        cancel: Whether Ctrl-C cancels the job, and does not only stop following it.
        resolve: Whether to see first that the packages of each environment go together.
        prices: What an hour of a node costs.
    """

    outputs: Sequence[str] = ()
    follow: bool = True
    cancel: bool = False
    resolve: bool = False
    prices: Prices = NO_PRICES


class AzureEngine:
    """Runs the plan of one submission.

    Args:
        workspace: Where to.
        submission: What.
        catalogue: The files that it was read from.
        store: Keeps the record of the run, and what was registered.
        wishes: What else is wanted.
    """

    def __init__(self, workspace: Workspace, submission: Submission, catalogue: Catalogue, store: Store,
                 wishes: Wishes | None = None) -> None:
        self._workspace, self._submission, self._catalogue, self._store = workspace, submission, catalogue, store
        self._wishes = wishes or Wishes()
        self._cost: Cost | None = None
        self._unsure = False

    def submit(self, plan: Plan, *, request: Mapping[str, Any], listener: Listener = lambda event: None) -> Run:
        """Run *plan* to its end, or until it is submitted when nobody wants to follow it.

        Raises:
            StageError: the stage cannot be reached, or lacks something; InputError: Azure ML refused what it was given;
            Canceled: the user stopped it, or stopped following it.
        """
        if self._wishes.resolve:
            resolving.check(self._submission.environments)
        preflight.check(self._workspace, self._submission.job, plan.graph, self._catalogue,
                        lambda text: listener(Noticed(text)), now=True)
        sizes = {name: compute.vm_size for name, compute in self._workspace.stage.computes.items()}
        self._cost = estimate(plan.graph, sizes, self._wishes.prices)
        if self._cost is not None:
            listener(Noticed(str(self._cost)))

        def start() -> None:
            with sdk.muted():
                self._put(Registration(self._workspace, self._submission, plan.graph, plan.facts, self._store))

        return self.launch(plan, start, request=request, listener=listener)

    def launch(self, plan: Plan, start: Callable[[], None], *, request: Mapping[str, Any],
               listener: Listener = lambda event: None) -> Run:
        """As :meth:`submit`, of a job that *start* makes by :meth:`send`, unless it is there."""
        name = self._submission.name
        record = RunRecord(id=name, pipeline=plan.graph.name, status=Status.RUNNING, started=time.time(), request=request,
                           stage=self._workspace.stage.name, url=self._workspace.studio(name))
        listener(Preparing(f"uploading to stage {self._workspace.stage.name!r} what it lacks, and submitting"))
        try:
            if not self._exists():
                start()
        except KeyboardInterrupt:
            raise self._interrupted_early(record, plan) from None
        except MlopsError as error:
            if not self._unsure:
                raise
            self._note(record, plan)
            raise StageError(error.what, why=error.why,
                             fix=f"{error.fix}; it may have arrived all the same: mlops runs show {name}") from error
        record = dataclasses.replace(record, started=time.time())
        self._note(record, plan)
        listener(RunStarted(name, plan))
        if not self._wishes.follow:
            return self._run(record, {step.name: step for step in waiting(plan, name)})
        following = Following(self._workspace, name, waiting(plan, name), self._store)
        try:
            state = following.to_the_end(listener, Pace.of(os.environ))
        except KeyboardInterrupt:
            raise self._interrupted(record) from None
        except StageError as error:
            fixes = [part for part in (error.fix, f"the job goes on there: mlops runs show {name}") if part]
            raise StageError(error.what, why=error.why, fix="; ".join(fixes)) from error
        return self._finish(record, state, following)

    def _note(self, record: RunRecord, plan: Plan) -> None:
        with translated(self._store.folder):
            (self._store.folder / "runs" / record.id).mkdir(parents=True, exist_ok=True)
        self._store.records.save_run(record)
        self._store.records.save_steps(waiting(plan, record.id))

    # --- submitting --------------------------------------------------------------------------------------------------

    def _exists(self) -> bool:
        """Whether the job is there already: of an earlier attempt, or of an earlier run with the same key."""
        return self._workspace.find(f"jobs/{self._submission.name}",
                                    doing=f"look for the job {self._submission.name!r}") is not None

    def _put(self, registration: Registration) -> None:
        """Submit. What the workspace was believed to have may have been deleted there: then all is registered anew, once."""
        try:
            self._send(registration)
        except MlopsError as error:
            if not registration.used_memory or not misses(error):
                raise
            registration.forget()
            self._send(registration)

    def _send(self, registration: Registration) -> None:
        job = registration.job()
        self.send(f"submit the pipeline {self._submission.job.display_name or self._submission.name!r}",
                  lambda: self._workspace.client.jobs.create_or_update(job, skip_validation=True))

    def send(self, doing: str, call: Callable[[], Any], *, at: str = "") -> None:
        """Make the job by *call*, whose answer may be lost, and not the job.

        Raises:
            MlopsError: there is no job; or nobody knows, which :meth:`launch` then says.
        """
        try:
            self._workspace.call(doing, call, seconds=self._workspace.patience.submit, at=at)
        except MlopsError as error:
            self._unsure = isinstance(error, StageError) and not answered(error)
            try:
                if self._exists():
                    return
            except MlopsError:
                self._unsure = True
            raise

    # --- the end -----------------------------------------------------------------------------------------------------

    def _interrupted_early(self, record: RunRecord, plan: Plan) -> Canceled:
        """Ctrl-C while the job was on its way: it may have arrived, and would run without anybody knowing of it."""
        stage = self._workspace.stage.name
        try:
            if not self._exists():
                return Canceled("canceled", why=f"nothing was submitted to stage {stage!r}")
        except MlopsError as error:
            self._note(record, plan)
            return Canceled("canceled", why=f"whether the job had been submitted is not known: {error.what}",
                            fix=f"mlops runs show {record.id}; mlops runs cancel {record.id}")
        self._note(record, plan)
        return self._interrupted(record)

    def _interrupted(self, record: RunRecord) -> Canceled:
        stage = self._workspace.stage.name
        if not self._wishes.cancel:
            return Canceled(f"no longer followed: the job goes on in stage {stage!r}", why=record.url,
                            fix=f"mlops runs show {record.id}; mlops runs cancel {record.id}")
        cancel(self._workspace, record.id)
        self._store.records.save_run(dataclasses.replace(record, status=Status.CANCELED, ended=time.time()))
        return Canceled("canceled", why=f"stage {stage!r} was told to stop the job", fix=f"mlops runs show {record.id}")

    def _finish(self, record: RunRecord, state: State, following: Following) -> Run:
        outputs: dict[str, RunOutput] = {}
        errors, landed = list(following.errors), dict[str, str]()
        if state.status in (Status.COMPLETED, Status.REUSED):
            landed = dict(following.landed(self._submission.job.outputs)) if self._submission.job.outputs else {}
            for name in self._wishes.outputs:
                try:
                    outputs[name] = self._download(name, landed.get(name))
                except MlopsError as error:
                    errors.append(str(error))
        status = Status.COMPLETED if state.status is Status.REUSED else state.status
        if status is Status.COMPLETED and errors:
            status = Status.FAILED
        record = dataclasses.replace(record, status=status, started=state.started or record.started,
                                     ended=state.ended or time.time(), error="\n".join(errors), landed=landed)
        self._store.records.save_run(record)
        return self._run(record, following.records, outputs, tuple(errors), following.notices)

    def _download(self, name: str, address: str | None) -> RunOutput:
        """An output of the pipeline, brought into the run's folder."""
        job = self._submission.name
        if address is None:
            raise RunError(f"the output {name!r} was not downloaded", why="Azure ML does not say where it is",
                           fix=f"see {self._workspace.studio(job)}")
        folder = self._store.folder / "runs" / job / "outputs" / name
        declared = self._submission.job.outputs[name].type or "uri_folder"

        doing = f"download the output {name!r}"

        def attempt() -> Path:
            with translated(self._store.folder):
                remove(folder)
                return download(self._workspace, address, folder, declared, whose=job)

        try:
            path = self._workspace.call(doing, attempt, seconds=self._workspace.patience.download)
        except StageError as error:
            if doing in error.what:
                raise
            stage = f"stage {self._workspace.stage.name!r}: "
            why = error.what.removeprefix(stage) + (f": {error.why}" if error.why else "")
            raise StageError(f"{stage}could not {doing}", why=why, fix=error.fix) from error
        return RunOutput(path=path, type=declared, landed=(address,))

    def _run(self, record: RunRecord, steps: Mapping[str, StepRecord], outputs: Mapping[str, RunOutput] | None = None,
             errors: tuple[str, ...] = (), notices: Sequence[str] = ()) -> Run:
        return Run(id=record.id, pipeline=record.pipeline, status=record.status, steps=steps,
                   seconds=(record.ended or time.time()) - record.started, outputs=Outputs(outputs or {}, errors),
                   errors=errors, notices=(*notices, f"in a browser: {record.url}"),
                   metrics={name: step.metrics for name, step in steps.items() if step.metrics}, cost=self._cost,
                   landed=record.landed)


def cancel(workspace: Workspace, job: str) -> None:
    """Tell a job to stop; it takes a moment until it has.

    Raises:
        StageError: there is no such job, or it cannot be told.
    """
    workspace.call(f"cancel the job {job!r}", lambda: workspace.client.jobs.begin_cancel(job).wait(60), at=f"the job {job!r}")


__all__ = ["AzureEngine", "Wishes", "cancel"]
