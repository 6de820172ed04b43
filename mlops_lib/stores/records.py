"""What ran, how it went and what it left: runs, their steps, and results by fingerprint."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from ..differs import Difference
from ..errors import InputError, did_you_mean, nearest
from ..plan import Stored, StoredOutput
from ..sweep import Goal, objective
from .database import Database
from .locks import is_held


class Status(str, Enum):
    """How a run or a step stands."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    REUSED = "reused"
    FAILED = "failed"
    SKIPPED = "skipped"  # something it waits for failed
    CANCELED = "canceled"
    INTERRUPTED = "interrupted"  # its process died; resume goes on from there


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """One step of one run.

    Attributes:
        seconds: Wall time of its process.
        peak_memory: Bytes, of its largest process; None when that is too small to be told from the engine's own.
        log: Path of what it printed, relative to ``.mlops``; of the earlier run when reused.
    """

    run: str
    name: str
    position: int
    status: Status
    reason: str = ""
    fingerprint: str | None = None
    started: float | None = None
    seconds: float | None = None
    peak_memory: int | None = None
    exit_code: int | None = None
    log: str = ""
    outputs: Mapping[str, StoredOutput] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    waits: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialRecord:
    """What makes a step a trial of a sweep.

    Attributes:
        sweep: The sweep's step.
        number: From 0 on, in the order in which the trials were chosen.
        step: The trial's step.
        parameters: What the search space gave it.
        metric: The sweep's primary metric.
        goal: What it should be.
        curve: What the trial logged of it, in order.
        stopped: The sweep ended it early, because others did better: it is over as much as one that ran to its end.
        best: Its outputs are the sweep's.
    """

    run: str
    sweep: str
    number: int
    step: str
    parameters: Mapping[str, str]
    metric: str
    goal: Goal
    curve: Sequence[float] = ()
    stopped: bool = False
    best: bool = False

    @property
    def objective(self) -> float | None:
        """The best that it logged of the primary metric."""
        return objective(self.goal, self.curve)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """One run of a pipeline; *request* is what to ask for to run it again.

    Attributes:
        stage: Where it runs, when that is not on this machine.
        url: Where a browser shows it there.
        landed: Where its outputs are there, by name.
    """

    id: str
    pipeline: str
    status: Status
    started: float
    request: Mapping[str, Any]
    ended: float | None = None
    outputs: Mapping[str, StoredOutput] = field(default_factory=dict)
    error: str = ""
    mlflow_run: str | None = None
    stage: str | None = None
    url: str = ""
    landed: Mapping[str, str] = field(default_factory=dict)


_STEP_COLUMNS = ("run", "name", "position", "status", "reason", "fingerprint", "started", "seconds", "peak_memory",
                 "exit_code", "log", "outputs", "metrics", "params", "command", "waits")
_RUN_COLUMNS = ("id", "pipeline", "status", "started", "ended", "request", "outputs", "error", "mlflow_run")
_RUN_SQL = f"SELECT {', '.join(_RUN_COLUMNS)}, stage, url FROM runs LEFT JOIN elsewhere ON elsewhere.run = runs.id"
_TRIAL_COLUMNS = ("run", "sweep", "number", "step", "parameters", "metric", "goal", "curve", "stopped", "best")
_STEP_SQL = f"INSERT OR REPLACE INTO steps ({', '.join(_STEP_COLUMNS)}) VALUES ({', '.join('?' * len(_STEP_COLUMNS))})"


class Records:
    """The tables of runs and results."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder  # .mlops

    def lock_of(self, run: str) -> Path:
        """The file that a run's process holds while it lives."""
        return self.folder / "locks" / f"run-{run}"

    def save_run(self, run: RunRecord) -> None:
        """Insert or replace a run."""
        with self.database.transaction():
            self.database.write(
                f"INSERT OR REPLACE INTO runs ({', '.join(_RUN_COLUMNS)}) VALUES ({', '.join('?' * len(_RUN_COLUMNS))})",
                (run.id, run.pipeline, run.status.value, run.started, run.ended, json.dumps(dict(run.request)),
                 _outputs_text(run.outputs), run.error, run.mlflow_run))
            if run.stage is not None:
                self.database.write("INSERT OR REPLACE INTO elsewhere VALUES (?, ?, ?)", (run.id, run.stage, run.url))
                self.database.write_many("INSERT OR REPLACE INTO landed VALUES (?, ?, ?)",
                                         [(run.id, *one) for one in run.landed.items()])

    def save_steps(self, steps: Sequence[StepRecord], pipeline: str | None = None) -> None:
        """Insert or replace steps, all or none; those of *pipeline* that were reused are the latest of their name."""
        with self.database.transaction():
            self.database.write_many(_STEP_SQL, [_step_row(step) for step in steps])
            if pipeline is not None:
                self._is_latest([step for step in steps if step.status is Status.REUSED], pipeline)

    def _is_latest(self, steps: Sequence[StepRecord], pipeline: str) -> None:
        self.database.write_many(
            "INSERT INTO latest VALUES (?, ?, ?, NULL) ON CONFLICT DO UPDATE SET fingerprint = excluded.fingerprint",
            [(pipeline, step.name, step.fingerprint) for step in steps if step.fingerprint is not None])

    def run(self, run: str) -> RunRecord:
        """The run that *run* names: whole, as a unique beginning, or ``latest``.

        Raises:
            InputError: none or several.
        """
        if run in ("latest", "last", ""):
            rows = self.database.rows(f"{_RUN_SQL} ORDER BY started DESC LIMIT 1")
        else:
            rows = self.database.rows(f"{_RUN_SQL} WHERE id = ?", [run]) or self.database.rows(
                f"{_RUN_SQL} WHERE substr(id, 1, ?) = ? LIMIT 2", [len(run), run])
        if not rows:
            known = [row[0] for row in self.database.rows("SELECT id FROM runs ORDER BY started DESC LIMIT 200")]
            fix = nearest(run, ["latest", *known]) or "mlops runs list shows them" if known else "start one: mlops run PIPELINE"
            raise InputError(f"no run {run!r}" if known else "no run yet", why="runs are kept in the project's .mlops folder",
                             fix=fix)
        if len(rows) > 1:
            raise InputError(f"{run!r} is the beginning of several runs", fix="give more of the name: mlops runs list")
        return self._run(rows[0])

    def save_differences(self, run: str, differences: Sequence[Difference]) -> None:
        """Remember what a run does not do as Azure ML would."""
        if differences:
            self.database.write("INSERT OR REPLACE INTO differences VALUES (?, ?)",
                                (run, json.dumps([asdict(difference) for difference in differences])))

    def differences(self, run: str) -> tuple[Difference, ...]:
        """What a run did not do as Azure ML would."""
        rows = self.database.rows("SELECT told FROM differences WHERE run = ?", [run])
        told = json.loads(rows[0][0]) if rows else []
        return tuple(Difference(**{**entry, "steps": tuple(entry["steps"])}) for entry in told)

    def save_commit(self, run: str, commit: str | None) -> None:
        """Remember which commit of git a run was started from, if any."""
        if commit is not None:
            self.database.write("INSERT OR REPLACE INTO commits VALUES (?, ?)", (run, commit))

    def commit(self, run: str) -> str | None:
        """The commit of git that a run was started from."""
        rows = self.database.rows("SELECT digest FROM commits WHERE run = ?", [run])
        return rows[0][0] if rows else None

    def outputs_named(self, name: str, limit: int = 200) -> list[tuple[str, StoredOutput]]:
        """The latest outputs of that name that steps have left, newest first, each once, with the run that had it last."""
        rows = self.database.rows(
            "SELECT s.run, s.outputs FROM steps s JOIN runs r ON r.id = s.run WHERE instr(s.outputs, ?) > 0 "
            "ORDER BY r.started DESC, s.position DESC LIMIT ?", [json.dumps(name) + ":", limit])
        found: dict[str, tuple[str, StoredOutput]] = {}
        for run, text in rows:
            if name in (outputs := _outputs(text)):
                found.setdefault(outputs[name].path, (run, outputs[name]))
        return list(found.values())

    def runs(self, limit: int = 20, pipeline: str | None = None) -> list[RunRecord]:
        """The latest runs, newest first."""
        where, parameters = ("WHERE pipeline = ?", [pipeline]) if pipeline else ("", [])
        rows = self.database.rows(f"{_RUN_SQL} {where} ORDER BY started DESC LIMIT ?", [*parameters, limit])
        return [self._run(row) for row in rows]

    def steps(self, run: str) -> list[StepRecord]:
        """A run's steps in the order of its graph, a sweep's trials after the sweep."""
        rows = self.database.rows(f"SELECT {', '.join(_STEP_COLUMNS)} FROM steps WHERE run = ? "
                                  "ORDER BY position, length(name), name", [run])
        steps = [_step(row) for row in rows]
        if any(step.status is Status.RUNNING for step in steps) and not is_held(self.lock_of(run)) and not self._elsewhere(run):
            steps = [replace(step, status=Status.INTERRUPTED) if step.status is Status.RUNNING else step for step in steps]
        return steps

    def nodes(self, run: str) -> list[StepRecord]:
        """As :meth:`steps`, without the trials of sweeps."""
        trials = {trial.step for trial in self.trials(run)}
        return [step for step in self.steps(run) if step.name not in trials]

    def _elsewhere(self, run: str) -> bool:
        return bool(self.database.rows("SELECT 1 FROM elsewhere WHERE run = ?", [run]))

    def lookup(self, fingerprint: str) -> Stored | None:
        """What is stored under a fingerprint; whether it is still intact is for the artifacts to say."""
        rows = self.database.rows("SELECT outputs, metrics, params, run, log FROM results WHERE fingerprint = ?",
                                  [fingerprint])
        if not rows:
            return None
        outputs, metrics, params, run, log = rows[0]
        return Stored(fingerprint=fingerprint, outputs=_outputs(outputs), metrics=json.loads(metrics),
                      params=json.loads(params), run=run, log=log)

    def begin(self, step: StepRecord, pipeline: str, parts: Mapping[str, str]) -> None:
        """A step starts: remember it, as the latest of its name, and what its fingerprint is made of."""
        with self.database.transaction():
            self.save_steps([step])
            if step.fingerprint is not None:
                self.database.write("INSERT OR IGNORE INTO fingerprints VALUES (?, ?)",
                                    (step.fingerprint, json.dumps(dict(parts))))
                self._is_latest([step], pipeline)

    def store(self, step: StepRecord, pipeline: str, *, reusable: bool) -> None:
        """A step has finished: remember it, as the latest of its name, and its result under its fingerprint."""
        with self.database.transaction():
            self.save_steps([step])
            if step.fingerprint is None:
                return
            if reusable:
                self.database.write("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)", (
                    step.fingerprint, _outputs_text(step.outputs), _text(step.metrics), _text(step.params), step.run, step.log))
            self.database.write("INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?)",
                                (pipeline, step.name, step.fingerprint, step.seconds))

    def save_trial(self, trial: TrialRecord) -> None:
        """Insert or replace what makes a step a trial."""
        self.database.write(
            f"INSERT OR REPLACE INTO trials ({', '.join(_TRIAL_COLUMNS)}) VALUES ({', '.join('?' * len(_TRIAL_COLUMNS))})",
            (trial.run, trial.sweep, trial.number, trial.step, json.dumps(dict(trial.parameters)), trial.metric,
             trial.goal.value, json.dumps(list(trial.curve)), trial.stopped, trial.best))

    def trials(self, run: str, sweep: str | None = None) -> list[TrialRecord]:
        """The trials of a run, or of one sweep in it, by number."""
        where, parameters = ("run = ? AND sweep = ?", [run, sweep]) if sweep is not None else ("run = ?", [run])
        rows = self.database.rows(
            f"SELECT {', '.join(_TRIAL_COLUMNS)} FROM trials WHERE {where} ORDER BY sweep, number", parameters)
        return [_trial(row) for row in rows]

    def trials_before(self, fingerprint: str, run: str) -> list[TrialRecord]:
        """The trials of the last run but *run* in which a sweep had that fingerprint; empty when there is none."""
        rows = self.database.rows(
            "SELECT s.run, s.name FROM steps s JOIN runs r ON r.id = s.run WHERE s.fingerprint = ? AND s.run <> ? AND EXISTS "
            "(SELECT 1 FROM trials t WHERE t.run = s.run AND t.sweep = s.name) ORDER BY r.started DESC LIMIT 1",
            [fingerprint, run])
        return self.trials(*rows[0]) if rows else []

    def curve(self, stored: Stored, metric: str) -> Sequence[float] | None:
        """What the trial that left a result logged of a metric; None when it was no trial of a sweep for that metric."""
        rows = self.database.rows(
            "SELECT t.curve FROM steps s JOIN trials t ON t.run = s.run AND t.step = s.name "
            "WHERE s.run = ? AND s.fingerprint = ? AND t.metric = ? LIMIT 1", [stored.run, stored.fingerprint, metric])
        return tuple(json.loads(rows[0][0])) if rows else None

    def parts(self, fingerprint: str) -> dict[str, str] | None:
        """What a fingerprint is made of, when a step with it was ever started."""
        rows = self.database.rows("SELECT parts FROM fingerprints WHERE digest = ?", [fingerprint])
        return dict(json.loads(rows[0][0])) if rows else None

    def history(self, pipeline: str, step: str) -> dict[str, str] | None:
        """What the fingerprint was made of when that step last finished."""
        rows = self.database.rows("SELECT fingerprint FROM latest WHERE pipeline = ? AND step = ?", [pipeline, step])
        return self.parts(rows[0][0]) if rows else None

    def typical_seconds(self, pipeline: str) -> dict[str, float]:
        """How long each step of a pipeline took the last time it ran to its end."""
        return dict(self.database.rows(
            "SELECT step, seconds FROM latest WHERE pipeline = ? AND seconds IS NOT NULL", [pipeline]))

    def _run(self, row: Sequence[Any]) -> RunRecord:
        values = dict(zip((*_RUN_COLUMNS, "stage", "url"), row, strict=True))
        status = Status(values["status"])
        if status is Status.RUNNING and values["stage"] is None and not is_held(self.lock_of(values["id"])):
            status = Status.INTERRUPTED
        values |= {"status": status, "request": json.loads(values["request"]), "outputs": _outputs(values["outputs"]),
                   "url": values["url"] or "", "landed": self._landed(values["id"]) if values["stage"] is not None else {}}
        return RunRecord(**values)

    def _landed(self, run: str) -> dict[str, str]:
        return dict(self.database.rows("SELECT output, address FROM landed WHERE run = ? ORDER BY output", [run]))


def _step_row(step: StepRecord) -> tuple[Any, ...]:
    return (step.run, step.name, step.position, step.status.value, step.reason, step.fingerprint, step.started, step.seconds,
            step.peak_memory, step.exit_code, step.log, _outputs_text(step.outputs), _text(step.metrics),
            _text(step.params), step.command, json.dumps(list(step.waits)))


def _step(row: Sequence[Any]) -> StepRecord:
    values = dict(zip(_STEP_COLUMNS, row, strict=True))
    values |= {"status": Status(values["status"]), "outputs": _outputs(values["outputs"]),
               "metrics": json.loads(values["metrics"]), "params": json.loads(values["params"]),
               "waits": tuple(json.loads(values["waits"]))}
    return StepRecord(**values)


def _trial(row: Sequence[Any]) -> TrialRecord:
    values = dict(zip(_TRIAL_COLUMNS, row, strict=True))
    values |= {"parameters": json.loads(values["parameters"]), "goal": Goal(values["goal"]),
               "curve": tuple(json.loads(values["curve"])),
               "stopped": bool(values["stopped"]), "best": bool(values["best"])}
    return TrialRecord(**values)


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values)) if values else "{}"


def _outputs_text(outputs: Mapping[str, StoredOutput]) -> str:
    return json.dumps({name: {"path": output.path, "digest": output.digest, "type": output.type, "size": output.size}
                       for name, output in outputs.items()}) if outputs else "{}"


def _outputs(text: str) -> dict[str, StoredOutput]:
    return {name: StoredOutput(**values) for name, values in json.loads(text).items()} if text != "{}" else {}


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetRecord:
    """A version of a data asset or a model; *path* is relative to ``.mlops``."""

    kind: str
    name: str
    version: str
    type: str
    path: str
    digest: str
    created: float
    run: str
    step: str


_ASSET_COLUMNS = ("kind", "name", "version", "type", "path", "digest", "created", "run", "step")


class Assets:
    """Names and versions for artifacts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, kind: str, name: str, version: str | None, output: StoredOutput, *, run: str, step: str) -> AssetRecord:
        """Give an output a name; the next number when no version is asked for.

        The same content again is the version that it already is.

        Raises:
            InputError: that version exists with other content: versions never change.
        """
        with self._database.transaction():
            known = self.versions(kind, name)
            for record in known:
                if version is None and record.digest == output.digest and record is known[0]:
                    return record
                if version is not None and record.version == version:
                    if record.digest == output.digest:
                        return record
                    raise InputError(f"the {kind} {name!r} has a version {version!r} with other content",
                                     why="a version never changes", fix="give another version, or leave it out")
            if version is None:
                version = str(1 + max((int(r.version) for r in known if r.version.isdecimal()), default=0))
            record = AssetRecord(kind=kind, name=name, version=version, type=output.type, path=output.path,
                                 digest=output.digest, created=time.time(), run=run, step=step)
            self._database.write(
                "INSERT INTO assets (kind, name, version, type, path, digest, created, run, step, position) VALUES"
                " (?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT 1 + COALESCE(MAX(position), 0) FROM assets))",
                [getattr(record, column) for column in _ASSET_COLUMNS])
            return record

    def versions(self, kind: str, name: str) -> list[AssetRecord]:
        """The versions of an asset, newest first; empty when there is none."""
        return self._select("WHERE kind = ? AND name = ? ORDER BY position DESC", [kind, name])

    def latest(self, kind: str) -> list[AssetRecord]:
        """The newest version of every asset of a kind, by name."""
        newest: dict[str, AssetRecord] = {}
        for record in self._select("WHERE kind = ? ORDER BY name, position", [kind]):
            newest[record.name] = record
        return list(newest.values())

    def find(self, kind: str, name: str, version: str) -> AssetRecord:
        """One version; *version* may be ``latest``.

        Raises:
            InputError: there is none.
        """
        known = self.versions(kind, name)
        for record in known:
            if version in ("latest", record.version):
                return record
        if known:
            raise InputError(f"the {kind} {name!r} has no version {version!r}",
                             fix=did_you_mean(version, ["latest", *(record.version for record in known)]))
        names = [record.name for record in self.latest(kind)]
        raise InputError(f"no {kind} {name!r} is registered here", why="a pipeline's named output registers it",
                         fix=did_you_mean(name, names) if names else "run the pipeline that makes it first")

    def tags(self, kind: str, name: str, version: str) -> dict[str, str]:
        """The tags of a version, by name."""
        return dict(self._database.rows(
            "SELECT tag, value FROM tags WHERE kind = ? AND name = ? AND version = ? ORDER BY tag", [kind, name, version]))

    def tag(self, kind: str, name: str, version: str, tags: Mapping[str, str | None]) -> None:
        """Give tags to a version, all or none; None takes one away."""
        with self._database.transaction():
            for tag, value in tags.items():
                if value is None:
                    self._database.write("DELETE FROM tags WHERE kind = ? AND name = ? AND version = ? AND tag = ?",
                                         [kind, name, version, tag])
                else:
                    self._database.write("INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?, ?)",
                                         [kind, name, version, tag, value])

    def with_digest(self, digest: str) -> list[AssetRecord]:
        """The versions with that content, newest first."""
        return self._select("WHERE digest = ? ORDER BY position DESC", [digest])

    def _select(self, where: str, parameters: Sequence[Any]) -> list[AssetRecord]:
        rows = self._database.rows(f"SELECT {', '.join(_ASSET_COLUMNS)} FROM assets {where}", parameters)
        return [AssetRecord(**dict(zip(_ASSET_COLUMNS, row, strict=True))) for row in rows]
