"""A project on disk: its components, its pipelines by name, and what can be done with them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from . import document, settings
from .catalogue import Catalogue, code_of
from .errors import (
    Finding,
    InputError,
    MlopsError,
    StageError,
    did_you_mean,
    listing,
    nearest,
)
from .inputs import fired, with_values
from .inspection import is_local, local_path, nearby
from .repertoire import SUFFIXES, Repertoire, existing, is_rendered, meant
from .spec import Literal, OtherFile, PipelineJob
from .yamlfiles import read_bytes

if TYPE_CHECKING:
    from .dsl import ComponentFunction, PipelineCall
    from .endpoints import Endpoint, EndpointState
    from .engines import Listener, Run
    from .engines.assets import Registered
    from .engines.azureml.deploying import Deployment
    from .engines.azureml.schedules import Scheduled
    from .engines.azureml.transport import Patience
    from .engines.local.facts import Ground
    from .gate import Gate
    from .graph import Given, Graph
    from .infra import Stage
    from .inputs import Values
    from .plan import Plan
    from .schedule import Schedule
    from .schedules import StageSchedule
    from .serving.deploying import ModelEndpoint
    from .stores.records import RunRecord
    from .stores.store import Store

_MARKS = (settings.FILE, "components", "pipelines")


class Project:
    """A folder with components and pipelines.

    Args:
        root: The folder; paths in Python calls are relative to it.
        near: Messages name files relative to this folder; default: the working directory.

    Raises:
        CompileError: ``mlops.yml`` has mistakes.
    """

    def __init__(self, root: str | Path, *, near: Path | None = None) -> None:
        self.root = Path(os.path.abspath(root))
        self._near = near
        file = self.root / settings.FILE
        catalogue = Catalogue(self.root, near=near)
        folder = str(self.root)
        default = _identifier(self.root.name)
        if file.is_file():
            name = catalogue.display(file)
            value = document.parse(read_bytes(file, name), name)
            self.settings = settings.read(value, folder=folder, default_experiment=default)
        else:
            self.settings = settings.Settings(experiment=default, folder=folder)

    @classmethod
    def discover(cls, start: str | Path | None = None) -> Project:
        """The project around *start* (default: the working directory).

        It is the first folder upwards that has ``mlops.yml``, ``components/`` or ``pipelines/``.

        Raises:
            InputError: there is none.
        """
        here = Path(os.path.abspath(start or os.getcwd()))
        closed = []
        for folder in (here, *here.parents):
            try:
                if (folder / settings.FILE).is_file() or any((folder / name).is_dir() for name in _MARKS[1:]):
                    return cls(folder)
            except PermissionError:  # somebody else's, perhaps above the project
                closed.append(str(folder))
        why = f"a project has {', '.join(_MARKS[:-1])} or {_MARKS[-1]}"
        raise InputError(f"no project in {here} or above it", fix="change to the project's folder",
                         why=f"{why}; not allowed to look into {', '.join(closed)}" if closed else why)

    def catalogue(self, against: str | None = None) -> Catalogue:
        """The project's files as they are now; *against* is the stage whose champion counts, if not that of the settings.

        Raises:
            InputError: there is no such stage.
        """
        if against is not None:
            self._check_stage(against)
        return Catalogue(self.root, near=self._near, limits=self.settings.limits, mappings=self.settings.mappings,
                         stages=self.settings.stages, against=against or self.settings.champion)

    def _check_stage(self, name: str) -> None:
        known = self.stage_names()
        if name not in known:
            raise InputError(f"there is no stage {name!r}", fix=did_you_mean(name, known))

    def stage_names(self) -> list[str]:
        """The stages that anything says there are."""
        from .infra.sources import known
        from .stores.stages import stages
        from .stores.store import FOLDER

        return stages(self.root / FOLDER, [*self.settings.stages, *known(self.root, published=self.settings.published)])

    # --- components and pipelines ------------------------------------------------------------------------------------

    def component(self, name: str) -> ComponentFunction:
        """A component, by name or file, as a function that makes a job of it inside a ``@pipeline``.

        Raises:
            InputError: there is none; CompileError: it has mistakes.
        """
        from .dsl import ComponentFunction

        catalogue = self.catalogue()
        if name.endswith(SUFFIXES):
            found = catalogue.component(self.root / name)
            catalogue.raise_errors()
            if found is None:
                raise InputError(f"{name!r} is no component")
        else:
            found = catalogue.find_component(name)
        return ComponentFunction(self, found)

    def pipeline(self, name: str, inputs: Mapping[str, Any] | None = None, /, *, against: str | None = None,
                 **values: Any) -> PipelineCall:
        """A pipeline by name or file, with values for its inputs: look at it, run it here or on a stage.

        Args:
            name: What ``mlops run`` takes: ``train``, or a path that ends in ``.yml`` or ``.yaml``.
            inputs: Values by name, for inputs that are called as an option of this method; else give them by keyword.
            against: The stage whose champion evaluate compares with, and that ``@champion`` means; default: that of the
                settings.
            values: Values by name; None leaves an input as it is, and a path is relative to the project's folder.

        Raises:
            InputError: no such pipeline or input; CompileError: mistakes in its files, or a value that does not fit.
        """
        from .dsl import named

        return named(self, name, {**(inputs or {}), **values}, against=against)

    @property
    def repertoire(self) -> Repertoire:
        """The project's pipelines, by name."""
        return Repertoire(self.root, self.settings, self.catalogue)

    def pipeline_names(self) -> list[str]:
        """What ``mlops run`` takes by name: files of ``pipelines/`` and what the roles of the components give."""
        return self.repertoire.names()

    def load(self, name: str, values: Values | None = None, against: str | None = None, *,
             on: Callable[[], Stage] | None = None, folder: Path | None = None) -> tuple[PipelineJob, str, Catalogue]:
        """A pipeline by name or file, linked, with values for its inputs.

        A path means that file. Of a name, a file in ``pipelines/`` that was written by hand comes first; then what the
        components' roles give.

        Args:
            name: ``train``, or a path that ends in ``.yml`` or ``.yaml``.
            values: For inputs: texts, as ``--set`` takes them, or what a program gives.
            against: The stage whose champion evaluate compares with, when the roles give the pipeline, and that
                ``@champion`` means; default: that of the settings.
            on: The stage whose workspace it is for: what champions there are is asked there.
            folder: What paths among the values are relative to; default: the working directory.

        Returns:
            The pipeline, a name for it, and the files it was read from.

        Raises:
            InputError: no such pipeline, or a value that does not fit; CompileError: mistakes in its files.
        """
        catalogue = self.catalogue(against)
        path = self.repertoire.file_of(name)
        stem = path.stem if path else name
        given = values or {}

        def change(job: PipelineJob) -> PipelineJob:
            return with_values(job, given, str(folder) if folder else None)

        if path is not None and (name.endswith(SUFFIXES) or not is_rendered(path)):
            job = catalogue.pipeline(path, lambda job: change(fired(job, stem)))
        else:
            named = given.get("champion")
            champion = (named.text if isinstance(named, Literal) else named) or self._champion(stem, catalogue.against, on)
            scores = on is not None and stem == "score" and "model" not in given
            job = self.repertoire.assembled(stem, catalogue, change=change, champion=champion,
                                  label=on().name if scores and on is not None and self.has_champion(None, on) else None)
        return job, stem, catalogue

    def _champion(self, pipeline: str, stage: str | None, on: Callable[[], Stage] | None) -> str | None:
        """A reference to the champion of a stage, which the settings may know better; None when it has none."""
        if stage is None or "champion" in self.settings.inputs or pipeline not in ("evaluate", self.settings.experiment):
            return None
        return f"azureml:{self.settings.experiment}@{stage}" if self.has_champion(stage, on) else None

    def has_champion(self, stage: str | None, on: Callable[[], Stage] | None) -> bool:
        """Whether the project's model has a champion.

        Args:
            stage: The stage whose champion it is; None for that of *on*.
            on: None for this machine; else it is asked in a workspace.
        """
        name = self.settings.experiment
        if on is not None:
            from .engines.azureml import labels

            here = on()
            return labels.has_champion(here if stage in (None, here.name) else self.stage(stage), name)
        from .stores.models import champion_of
        from .stores.stages import StageModels
        from .stores.store import FOLDER

        return champion_of(StageModels(self.root / FOLDER, stage or ""), name) is not None

    def export(self, name: str, *, folder: Path | None = None) -> str:
        """A pipeline as plain Azure ML YAML, its paths relative to *folder* (default: ``pipelines/``).

        Raises:
            InputError, CompileError: as :meth:`load`.
        """
        return self.repertoire.exported(name, folder)

    def write_pipeline(self, name: str, text: str) -> str:
        """Write an exported pipeline to ``pipelines/``, whole or not at all; its path, for messages.

        Raises:
            InputError: a file written by hand is there; RunError: the machine refuses.
        """
        return self.repertoire.write(name, text)

    # --- doing -------------------------------------------------------------------------------------------------------

    def stage(self, name: str, *, outputs: str | None = None) -> Stage:
        """What Terraform made of a stage; *outputs* names a file to read it from.

        Raises:
            InputError: there is none of that name, but one of nearly that; StageError: nothing says, or what says it is no
            stage's outputs.
        """
        from .infra.sources import known, load, meant

        published = self.settings.published.get(name)
        names = known(self.root, published=self.settings.stages)
        if name not in names and meant(name, self.root, outputs=outputs, published=published) is None \
                and (near := nearest(name, names)):
            raise InputError(f"there is no stage {name!r}", fix=near)
        return load(name, self.root, outputs=outputs, published=published)

    def gate(self, stage: str, file: str | None = None) -> tuple[Gate, str, bytes]:
        """The gate of a stage, its file's name for messages, and its content.

        Args:
            stage: The stage; a gate that the settings name for it is the one.
            file: A gate for a stage for which they name none.

        Raises:
            InputError: there is none, or *file* is another; CompileError: it has mistakes.
        """
        told = self.settings.stages.get(stage)
        named = self.root / told.gate if told is not None and told.gate is not None else None
        given = Path(os.path.abspath(file)) if file is not None else None
        if named is not None and given is not None and os.path.realpath(named) != os.path.realpath(given):
            raise InputError(f"the gate of {stage} is {told.gate if told else ''!r}, and not {file!r}",
                             why=f"{self.settings.file} says so, and what is judged by another gate proves nothing",
                             fix="leave out --gate, or change the settings")
        path = named or given
        if path is None:
            raise InputError(f"the stage {stage!r} has no gate", why="a model is promoted through a gate",
                             fix=f"write --gate FILE, or in {self.settings.file}: stages: {{{stage}: {{gate: FILE}}}}")
        if told is not None and path == named and not path.exists():
            raise InputError(f"the gate {told.gate!r} of stage {stage!r} does not exist", fix=nearby(path),
                             place=told.gate_place)
        catalogue = self.catalogue()
        shown = catalogue.display(path)
        return catalogue.gate(path), shown, read_bytes(path, shown)

    def validate(self, paths: Iterable[str | Path] = (), *, stage: Stage | None = None) -> tuple[Finding, ...]:
        """Every mistake of the given files and folders, or of all the project's files; nothing is run.

        Args:
            paths: Files and folders.
            stage: A stage that is to have what the files name.

        Raises:
            InputError: a path does not exist.
        """
        from .validation import validate

        return validate(paths, self.catalogue(), self.repertoire, self.settings, stage=stage)

    @overload
    def schedule(self, name: str) -> Schedule: ...

    @overload
    def schedule(self, name: str, *, on: str, outputs: str | None = None) -> StageSchedule: ...

    def schedule(self, name: str, *, on: str | None = None, outputs: str | None = None) -> Schedule | StageSchedule:
        """The schedule in a file: when it fires; :meth:`load` of the same file is what it starts. Or one of a stage.

        Args:
            name: The file; with *on*, the schedule's name.
            on: The stage that has it; whether it does is asked as something is done with it.
            outputs: A file to read the stage's outputs from.

        Raises:
            InputError: the file is no schedule, or has a time zone that is not known here; CompileError: it has mistakes;
            StageError: nothing says what the stage is.
        """
        if on is not None:
            from .schedules import StageSchedule

            return StageSchedule(self.stage(on, outputs=outputs), name)
        return self._schedule_in(name)[1]

    def _schedule_in(self, name: str) -> tuple[Path, Schedule]:
        """The file that *name* is, and the schedule in it."""
        from .schedule import read_schedule

        catalogue = self.catalogue()

        def known() -> dict[str, str]:
            return {path.stem: catalogue.display(path) for path in catalogue.of_kind("schedule")}

        if name.endswith(SUFFIXES):
            path = existing(name, self.root, known)
            spec = catalogue.spec(path)
            if isinstance(spec, OtherFile) and spec.kind == "schedule":
                catalogue.check_file(path)
                catalogue.raise_errors()
                return path, read_schedule(spec)
            catalogue.raise_errors()
        raise InputError(f"{name!r} is no schedule", fix=meant(name, known()) or "name a schedule's file")

    def schedules(self, *, on: str, outputs: str | None = None) -> list[Scheduled]:
        """The schedules of a stage, switched off or not, by name; *outputs* is a file to read the stage's outputs from.

        Raises:
            StageError: the stage cannot be reached.
        """
        from .schedules import schedules

        return schedules(self.stage(on, outputs=outputs))

    def create_schedule(self, file: str | Path, *, on: str, outputs: str | None = None) -> StageSchedule:
        """Create or change, on Azure ML, the schedule in a file, with all that its job needs.

        Args:
            file: The schedule's YAML; it starts a job of the project's.
            on: The stage.
            outputs: A file to read the stage's outputs from.

        Returns:
            The schedule; its ``outcome.done`` is ``created``, ``changed`` or ``unchanged``. One that is switched off stays so.

        Raises:
            CompileError: the files have mistakes; InputError: it is no schedule of a job that may run there, or Azure ML
            refuses it; StageError: the stage cannot be reached, or lacks what the job names.
        """
        from .schedules import create

        path, _ = self._schedule_in(str(file))
        return create(self, path, on, lambda: self.stage(on, outputs=outputs))

    def sources(self, job: PipelineJob) -> list[Path]:
        """What a pipeline is made from and reads on this machine: nothing that a run may replace."""
        from .graph import External, build

        names = (settings.FILE, "components", "pipelines", "environments", "mlops_lib", ".git")
        found = [self.root / name for name in names if (self.root / name).exists()]
        found += [Path(home) for homes in self.settings.mappings for home in homes.values() if is_local(home)]
        for step in build(job).steps.values():
            found += [local_path(given.path, given.folder) for given in step.inputs.values()
                      if isinstance(given, External) and is_local(given.path)]
            code = code_of(step.component)
            if code is not None:
                found.append(code)
        return list(dict.fromkeys(found))

    def graph(self, job: PipelineJob, name: str) -> Graph:
        """The graph of a linked pipeline."""
        from .graph import build

        return build(job, name=name)

    def plan(self, job: PipelineJob, name: str, store: Store, catalogue: Catalogue, *,
             reuse: bool = True, isolate: bool | None = None) -> tuple[Plan, Ground]:
        """Which steps of a pipeline would run, and why; reads what their fingerprints depend on, runs nothing.

        *isolate* gives each step an environment of its own; None is as the settings say.
        """
        from .engines.local.facts import gather
        from .graph import build
        from .plan import make_plan

        graph = build(job, name=name)
        ground = gather(graph, catalogue, store, isolate=self.settings.isolate if isolate is None else isolate)
        plan = make_plan(graph, ground.facts, store.lookup, store.history_of(graph.name), reuse=reuse)
        store.digests.flush()
        return plan, ground

    def run(self, job: PipelineJob, name: str, catalogue: Catalogue, *, request: Mapping[str, Any], jobs: int | None = None,
            reuse: bool = True, isolate: bool | None = None, listener: Listener = lambda event: None) -> Run:
        """Run a linked pipeline on this machine.

        Raises:
            InputError: data that is not there; RunError: the machine refused; Canceled: the user stopped it.
        """
        from .engines.local.engine import LocalEngine
        from .stores.store import Store

        store = Store.open(self.root)
        try:
            plan, ground = self.plan(job, name, store, catalogue, reuse=reuse, isolate=isolate)
            return LocalEngine(store, ground, jobs=jobs).submit(plan, request=request, listener=listener)
        finally:
            store.close()

    def run_on(self, stage: Stage, job: PipelineJob, name: str, catalogue: Catalogue, *, request: Mapping[str, Any],
               key: str | None = None, against: str | None = None, reuse: bool = True, outputs: Iterable[str] = (),
               follow: bool = True, cancel: bool = False, resolve: bool = False,
               listener: Listener = lambda event: None, patience: Patience | None = None) -> Run:
        """Run a linked pipeline on Azure ML.

        Args:
            stage: Where.
            job: The pipeline.
            name: What ``mlops run`` calls it.
            catalogue: The files that it was read from.
            request: What to ask for to run it again.
            key: Runs of the same content with the same key are the same run; None for a new one.
            against: The stage that ``@champion`` is about; None for *stage*.
            reuse: False runs every step again.
            outputs: The pipeline's outputs to download at the end.
            follow: False returns as soon as it is submitted.
            cancel: Whether Ctrl-C cancels it, and does not only stop following it.
            resolve: Whether to see first that the packages of its environments go together.
            listener: Told of every event.
            patience: How long and how often to try when Azure does not answer; None for what is usual.

        Raises:
            InputError: it may not run there, or Azure ML refused it; StageError: the stage cannot be reached, or lacks
            something; Canceled: the user stopped it, or stopped following it.
        """
        from .engines import Preparing
        from .engines.azureml.engine import AzureEngine, Wishes
        from .engines.azureml.labels import Labels
        from .engines.azureml.submission import placed, prepare
        from .engines.azureml.workspace import Workspace
        from .stores.store import Store

        self.check_allowed(name, stage.name)
        listener(Preparing(f"asking stage {stage.name!r} for what the pipeline needs"))
        store = Store.open(self.root)
        try:
            with Workspace(stage, patience=patience) as workspace:
                labels = Labels(workspace, against=against, known=self.stage_names(), opened=self.stage)
                job = placed(labels.resolved(job), stage, self.settings.compute)
                plan, submission = prepare(job, self.graph(job, name), catalogue, store, key=key, force=not reuse)
                wishes = Wishes(outputs=tuple(outputs), follow=follow, cancel=cancel, resolve=resolve,
                                prices=self.settings.prices)
                engine = AzureEngine(workspace, submission, catalogue, store, wishes)
                return engine.submit(plan, request=request, listener=listener)
        finally:
            store.close()

    def deploy(self, name: str, *, on: str, endpoint: str | None = None, values: Mapping[str, str] | None = None,
               against: str | None = None, outputs: str | None = None, say: Callable[[str], None] = print) -> Endpoint:
        """Let a batch endpoint of a stage run a pipeline; what it ran before is kept, for going back.

        Args:
            name: The pipeline, as :meth:`load` takes it.
            on: The stage.
            endpoint: The endpoint; default: as the settings say, or the stage's own name for it.
            values: Texts for inputs, which an invocation may give anew.
            against: The stage that ``@champion`` is about; None for *on*.
            outputs: A file to read the stage's outputs from.
            say: Told what is done.

        Raises:
            InputError: it may not run there, or not behind an endpoint, or the endpoint runs another pipeline; StageError: the
            stage cannot be reached, or lacks something. What ran before still does.
        """
        from .endpoints import Endpoint
        from .engines.azureml.batch import BatchEndpoint

        stage, chosen, opened = self._deployment(name, on, endpoint, values, against, outputs)
        with opened as deployment:
            return Endpoint(self, stage, chosen, outcome=deployment.deploy(BatchEndpoint(deployment.workspace, chosen), say))

    def deployment_ahead(self, name: str, *, on: str, endpoint: str | None = None, values: Mapping[str, str] | None = None,
                         against: str | None = None, outputs: str | None = None) -> list[str]:
        """What :meth:`deploy` would do, in words."""
        from .engines.azureml.batch import BatchEndpoint

        _, chosen, opened = self._deployment(name, on, endpoint, values, against, outputs)
        with opened as deployment:
            return deployment.ahead(BatchEndpoint(deployment.workspace, chosen))

    def _deployment(self, name: str, on: str, endpoint: str | None, values: Mapping[str, str] | None, against: str | None,
                    outputs: str | None) -> tuple[Stage, str, contextlib.AbstractContextManager[Deployment]]:
        from .endpoints import deployment

        self.check_allowed(Path(name).stem, on)  # before Terraform is asked
        stage = self.stage(on, outputs=outputs)
        job, pipeline, catalogue = self.load(name, values, against, on=lambda: stage)
        opened = deployment(self, stage, job, pipeline, catalogue, against=against, known=self.stage_names())
        return stage, endpoint or self.endpoint_name(pipeline, stage), opened

    def endpoint(self, name: str, *, on: str, outputs: str | None = None) -> Endpoint:
        """A batch endpoint of a stage, by its name or by that of the pipeline that it runs.

        Args:
            name: One of the two; whether there is such an endpoint is asked as something is done with it.
            on: The stage.
            outputs: A file to read the stage's outputs from.

        Raises:
            StageError: nothing says what the stage is.
        """
        from .endpoints import Endpoint

        return Endpoint(self, self.stage(on, outputs=outputs), name)

    def endpoints(self, *, on: str, outputs: str | None = None) -> list[EndpointState]:
        """The batch endpoints of a stage, without their deployments; *outputs* is a file to read the stage's outputs from.

        Raises:
            StageError: the stage cannot be reached.
        """
        from .endpoints import endpoints

        return endpoints(self.stage(on, outputs=outputs))

    def online_endpoint(self, *, on: str, name: str | None = None, outputs: str | None = None) -> ModelEndpoint:
        """The online endpoint of a stage, to deploy models to; the first deployment makes it.

        Args:
            on: The stage.
            name: The endpoint; default: as the settings say, or the stage's own name for it.
            outputs: A file to read the stage's outputs from.

        Raises:
            StageError: nothing says what the stage is.
        """
        from .serving.deploying import ModelEndpoint

        stage, settings = self.stage(on, outputs=outputs), self.settings.online_on(on)
        return ModelEndpoint(stage, settings, name or settings.endpoint or stage.endpoints["online"],
                             pipelines=self.pipeline_names)

    def endpoint_name(self, pipeline: str, stage: Stage) -> str:
        """The name of the batch endpoint that is to run a pipeline: as the settings say, or else the stage's outputs."""
        named = self.settings.stages.get(stage.name)
        return (named.endpoints.get(pipeline) if named is not None else None) or stage.endpoints["batch"]

    def refresh(self, runs: Iterable[RunRecord], *, into: dict[str, RunRecord]) -> list[MlopsError]:
        """Ask the stages of *runs* how these are doing, and record it.

        Args:
            runs: Runs on Azure ML.
            into: Gets what is recorded of each now, by its id.

        Returns:
            Why some could not be asked, or not everything; a stage that does not answer is tried once.
        """
        from .engines.azureml.past import refresh
        from .engines.azureml.problems import answered
        from .engines.azureml.workspace import Workspace
        from .stores.store import Store

        problems: list[MlopsError] = []
        by_stage: dict[tuple[str, str | None], list[RunRecord]] = {}
        for run in runs:
            if run.stage is not None:
                by_stage.setdefault((run.stage, run.request.get("stage_outputs")), []).append(run)
        store = Store.open(self.root)
        try:
            for (name, outputs), some in by_stage.items():
                try:
                    with Workspace(self.stage(name, outputs=outputs)) as workspace:
                        for run in some:
                            try:
                                into[run.id] = refresh(workspace, run, store, lambda told: problems.append(StageError(told)))
                            except MlopsError as error:
                                problems.append(error)
                                if not answered(error):
                                    break  # nor would it tell of the others
                except MlopsError as error:
                    problems.append(error)
        finally:
            store.close()
        return problems

    def cancel(self, run: RunRecord) -> None:
        """Tell a run on Azure ML to stop.

        Raises:
            StageError: its stage cannot be reached; InputError: it is on this machine.
        """
        from .engines.azureml.past import cancel
        from .engines.azureml.workspace import Workspace

        if run.stage is None:
            raise InputError(f"run {run.id} is on this machine", fix="Ctrl-C in its terminal stops it")
        with Workspace(self.stage(run.stage, outputs=run.request.get("stage_outputs"))) as workspace:
            cancel(workspace, run.id)

    def bring_inputs(self, run: RunRecord, step: str, job: PipelineJob, graph: Graph, store: Store) -> Mapping[str, Given]:
        """Bring here what a step of a run on Azure ML was given.

        Args:
            run: What is recorded of the run.
            step: The step's name.
            job: The pipeline as it is now.
            graph: Its steps.
            store: Gets the outputs of the steps before it.

        Returns:
            The step's inputs from outside the pipeline.

        Raises:
            StageError: its stage cannot be reached, or no longer has it; InputError: something of it was never made.
        """
        from .engines.azureml.bringing import Bringing
        from .engines.azureml.workspace import Workspace

        if run.stage is None:
            raise ValueError(f"run {run.id} was on this machine")
        with Workspace(self.stage(run.stage, outputs=run.request.get("stage_outputs"))) as workspace:
            return Bringing(workspace, run, store).inputs(graph, job, step)

    def bring_output(self, run: RunRecord, name: str) -> None:
        """Bring the output *name* of the steps of a run on Azure ML to this machine, unless it is here.

        Raises:
            StageError: its stage cannot be reached, or has the job no more.
        """
        from .engines.azureml.bringing import Bringing
        from .engines.azureml.workspace import Workspace
        from .stores.store import Store

        if run.stage is None:
            return
        store = Store.open(self.root)
        try:
            with Workspace(self.stage(run.stage, outputs=run.request.get("stage_outputs"))) as workspace:
                Bringing(workspace, run, store).output(name)
        finally:
            store.close()

    def register(self, kind: str, files: Iterable[str | Path], *, on: str | None = None,
                 outputs: str | None = None) -> tuple[Registered, ...]:
        """Register what files say, each content once.

        Args:
            kind: ``component``, ``environment``, ``data`` or ``model``.
            files: Their YAML.
            on: In the workspace of this stage; None for the registry of this machine, which has data and models.
            outputs: A file to read the stage's outputs from.

        Raises:
            CompileError: files have mistakes; InputError: a version exists with other content, and nothing was registered;
            StageError: the stage cannot be reached, or lacks what they name.
        """
        from .engines.assets import wanted
        from .engines.local.assets import register as register_here
        from .stores.store import Store

        stage = self.stage(on, outputs=outputs) if on is not None else None
        store, catalogue = Store.open(self.root), self.catalogue()
        try:
            things = wanted([Path(os.path.abspath(file)) for file in files], kind, catalogue, store)
            if stage is None:
                return register_here(things, store)
            from .engines.azureml.assets import register
            from .engines.azureml.workspace import Workspace

            with Workspace(stage) as workspace:
                return register(workspace, things, catalogue)
        finally:
            store.close()

    def check_allowed(self, pipeline: str, stage: str) -> None:
        """See that a pipeline may run on a stage.

        Raises:
            InputError: the settings, or their defaults for qa and prod, say no.
        """
        allowed = self.settings.pipelines_on(stage)
        if allowed is not None and pipeline not in allowed:
            raise InputError(f"the pipeline {pipeline!r} does not run on stage {stage!r}",
                             why=f"it takes {listing(allowed)}: models come there from another stage, through gates" if allowed
                             else "it takes no pipeline",
                             fix=f"run it on another stage, or in {settings.FILE}: stages: {{{stage}: {{pipelines: "
                                 f"[{', '.join([*allowed, pipeline])}]}}}}")

    def store(self) -> Store:
        """The project's records, for reading."""
        from .stores.store import Store

        return Store.open(self.root, reading=True)


def _identifier(name: str) -> str:
    word = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")
    return word if word[:1].isalpha() else f"project-{word}".rstrip("-")
