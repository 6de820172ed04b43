"""Schedules of a stage that start a project's jobs: created from their files, looked at, switched on and off, deleted."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .document import Scalar, Table
from .repertoire import is_rendered
from .spec import Data, OtherFile, PipelineJob

if TYPE_CHECKING:
    from .engines.azureml.schedules import Scheduled
    from .engines.azureml.workspace import Workspace
    from .infra import Stage
    from .project import Project


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of creating a schedule: *done* is ``created``, ``changed`` or ``unchanged``; *state* is how it is now."""

    done: str
    state: Scheduled


class StageSchedule:
    """A schedule of a stage.

    Args:
        stage: The stage.
        name: The schedule.
        outcome: What came of creating it; None of one that is there already.
    """

    def __init__(self, stage: Stage, name: str, *, outcome: Outcome | None = None) -> None:
        self.stage, self.name, self.outcome = stage, name, outcome

    def __repr__(self) -> str:
        return f"<schedule {self.name} on {self.stage.name}>"

    def state(self) -> Scheduled:
        """How it is now: when it fires, whether it is switched on, what it starts with which inputs.

        Raises:
            InputError: there is none; StageError: the stage cannot be reached.
        """
        from .engines.azureml.schedules import get

        with _opened(self.stage) as workspace:
            return get(workspace, self.name)

    def enable(self) -> bool:
        """Switch it on, and leave the rest of it as it is; whether it was off.

        Raises:
            InputError: there is none; StageError: the stage cannot be reached.
        """
        return self._switch(on=True)

    def disable(self) -> bool:
        """Switch it off, and leave the rest of it as it is; whether it was on.

        Raises:
            InputError: there is none; StageError: the stage cannot be reached.
        """
        return self._switch(on=False)

    def _switch(self, *, on: bool) -> bool:
        from .engines.azureml.schedules import switch

        with _opened(self.stage) as workspace:
            return switch(workspace, self.name, on=on)

    def delete(self) -> None:
        """Delete it; what it has started stays.

        Raises:
            InputError: there is none; StageError: the stage cannot be reached.
        """
        from .engines.azureml.schedules import delete

        with _opened(self.stage) as workspace:
            delete(workspace, self.name)


def schedules(stage: Stage) -> list[Scheduled]:
    """The schedules of a stage, switched off or not, by name.

    Raises:
        StageError: the stage cannot be reached.
    """
    from .engines.azureml.schedules import listed

    with _opened(stage) as workspace:
        return listed(workspace)


def create(project: Project, file: Path, on: str, stage: Callable[[], Stage]) -> StageSchedule:
    """Create or change the schedule in a checked file: see :meth:`~mlops_lib.project.Project.create_schedule`.

    Args:
        project: The project of the job that it starts.
        file: The schedule's file.
        on: The stage's name.
        stage: The stage; it is asked for when the files are right.
    """
    from .engines.azureml import schedules as there
    from .engines.azureml.labels import Labels
    from .engines.azureml.submission import placed, prepare
    from .engines.azureml.workspace import Workspace
    from .stores.store import Store

    catalogue = project.catalogue()
    spec, job = catalogue.spec(file), catalogue.pipeline(file)
    if not isinstance(spec, OtherFile):
        raise ValueError(f"{file} was checked, and is no schedule")
    given = spec.document.get("create_job")
    named = given.get("job") if isinstance(given, Table) else given
    pipeline = Path(named.text).stem if isinstance(named, Scalar) else file.stem
    project.check_allowed(pipeline, on)
    target = stage()
    store = Store.open(project.root)
    try:
        if isinstance(named, Scalar) and (written := file.parent / named.text).is_file() and is_rendered(written):
            job = _with_champion(project, job, pipeline, target)
        with Workspace(target) as workspace:
            job = Labels(workspace, known=project.stage_names(), opened=project.stage).resolved(job)
            job = placed(job, target, project.settings.compute)
            plan, submission = prepare(job, project.graph(job, pipeline), catalogue, store, key=f"schedule {file.stem}")
            state, done = there.create(workspace, spec, submission, plan, catalogue, store)
            return StageSchedule(target, state.name, outcome=Outcome(done=done, state=state))
    finally:
        store.close()


def _with_champion(project: Project, job: PipelineJob, pipeline: str, stage: Stage) -> PipelineJob:
    """The score pipeline as it was exported, with the champion of *stage* in the place of the newest version."""
    model, name = job.inputs.get("model"), project.settings.experiment
    if pipeline != "score" or not isinstance(model, Data) or model.path != f"azureml:{name}@latest" \
            or not project.has_champion(None, lambda: stage):
        return job
    champion = dataclasses.replace(model, path=f"azureml:{name}@{stage.name}")
    return dataclasses.replace(job, inputs={**job.inputs, "model": champion})


@contextlib.contextmanager
def _opened(stage: Stage) -> Iterator[Workspace]:
    from .engines.azureml.workspace import Workspace

    with Workspace(stage) as workspace:
        yield workspace
