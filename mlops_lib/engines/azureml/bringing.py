"""What a step of a job on Azure ML was given, brought to this machine, so that the step can run here once more."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ...errors import InputError, StageError
from ...graph import External, FromStep, Given, Graph
from ...inspection import is_local
from ...references import DatastorePath, parse_reference
from ...spec import Data, PipelineJob
from ...stores.artifacts import remove
from ...stores.database import translated
from ...stores.records import RunRecord
from ...stores.store import Store
from .downloading import download
from .history import History, State
from .nodes import Nodes
from .submission import digest
from .workspace import Workspace

_ASSETS: Final = ("data", "models")


class Bringing:
    """Brings inputs of the steps of one run.

    Args:
        workspace: Where it ran.
        run: What is recorded of it here.
        store: Gets the bytes, and what they are.
    """

    def __init__(self, workspace: Workspace, run: RunRecord, store: Store) -> None:
        self._workspace, self._run, self._store = workspace, run, store
        self._history = History(workspace)

    def inputs(self, graph: Graph, job: PipelineJob, name: str) -> Mapping[str, Given]:
        """The inputs of a step as they were then; what other steps made becomes outputs of theirs in the store.

        Args:
            graph: The pipeline's, as it is now.
            job: The pipeline.
            name: The step.

        Returns:
            Those inputs that come from outside of the pipeline, and are now here.

        Raises:
            InputError: something of it was never made; StageError: it cannot be had.
        """
        sweep = next((trial.sweep for trial in self._store.records.trials(self._run.id) if trial.step == name), None)
        name = sweep or name  # a trial is given what its sweep is
        step = graph.steps.get(name)
        if step is None:
            return {}  # whoever runs it says so
        made: dict[str, set[str]] = {}
        for given in step.inputs.values():
            if isinstance(given, FromStep):
                made.setdefault(given.step, set()).add(given.output)
        self._outputs(graph, made)
        told = self._told()
        return {key: brought for key, given in step.inputs.items()
                if isinstance(given, External) and (brought := self._external(name, key, given, job, told)) is not None}

    # --- what steps made ---------------------------------------------------------------------------------------------

    def output(self, key: str, type_: str = "uri_folder") -> None:
        """Bring the output of that name of every step that has left one: in the store it is as if made here."""
        records = {step.name: step for step in self._store.records.nodes(self._run.id)}
        lacking = {name for name, record in records.items() if not self._is_here(record.outputs.get(key))}
        states = self._begun(records) if lacking else {}
        names = sorted(lacking & states.keys())
        places = self._workspace.each(lambda name: self._history.outputs(states[name].id), names)
        for name, there in zip(names, places, strict=True):
            if key in there:
                with translated(self._store.folder):
                    stored = self._adopted({key: (there[key], type_)})
                self._store.records.save_steps([replace(records[name], outputs={**records[name].outputs, **stored})])

    def _outputs(self, graph: Graph, wanted: Mapping[str, Collection[str]]) -> None:
        records = {step.name: step for step in self._store.records.nodes(self._run.id)}
        lacking = {step: [key for key in keys if not self._is_here(records[step].outputs.get(key))]
                   for step, keys in wanted.items() if step in records}
        lacking = {step: keys for step, keys in lacking.items() if keys}
        states = self._begun(records) if lacking else {}
        for step, keys in lacking.items():
            if step not in states:
                raise InputError(f"step {step!r} of run {self._run.id} was never run", fix=f"mlops runs show {self._run.id}")
            places = self._history.outputs(states[step].id, keys)
            ports = graph.steps[step].component.outputs
            found = {key: (places[key], ports[key].type) for key in keys if key in places and key in ports}
            if found:
                with translated(self._store.folder):
                    stored = self._adopted(found)
                self._store.records.save_steps([replace(records[step], outputs={**records[step].outputs, **stored})])

    def _begun(self, steps: Collection[str]) -> Mapping[str, State]:
        return Nodes(self._workspace, self._history, self._run.id).begun(steps)

    def _is_here(self, output: Any) -> bool:
        return output is not None and self._store.artifacts.intact(output)

    def _adopted(self, places: Mapping[str, tuple[str, str]]) -> Any:
        """Outputs, by their addresses and types, in the store."""
        made = self._store.artifacts.folder / f".{uuid.uuid4().hex}"
        try:
            made.mkdir(parents=True)
            inside = {key: (self._download(uri, made / key, type_).relative_to(made).as_posix(), type_)
                      for key, (uri, type_) in places.items()}
            return self._store.artifacts.adopt(made, inside)
        finally:
            remove(made)

    # --- what came from outside --------------------------------------------------------------------------------------

    def _told(self) -> Mapping[str, Any]:
        found = self._workspace.find(f"jobs/{self._run.id}", doing=f"read the job {self._run.id!r}")
        if found is None:
            raise StageError(f"stage {self._workspace.stage.name!r} has no job {self._run.id!r} any more",
                             fix="start the pipeline again")
        properties: Mapping[str, Any] = found.get("properties") or {}
        return properties

    def _external(self, step: str, key: str, given: External, job: PipelineJob, told: Mapping[str, Any]) -> External | None:
        """An input from outside as it was then, here; None for what anybody can read where it is, and did not change."""
        uri = next(self._addresses(step, key, given, job, told), None if is_local(given.path) else given.path)
        place = self._place(uri) if uri else None
        if place is None:
            return None
        home = self._store.folder / "runs" / self._run.id / "inputs" / digest([uri])[:16]
        fresh = home.with_name(f".{home.name}.{uuid.uuid4().hex[:8]}")
        try:
            with translated(self._store.folder):
                fresh.mkdir(parents=True)
                path = self._download(place, fresh / key, given.type).relative_to(fresh)
                remove(home)
                fresh.rename(home)
        finally:
            remove(fresh)
        return External(path=str(home / path), type=given.type, mode=given.mode)

    @staticmethod
    def _addresses(step: str, key: str, given: External, job: PipelineJob, told: Mapping[str, Any]) -> Iterator[str]:
        """Where Azure ML says that it was: of an input of the pipeline, or of a job in it."""
        inputs = told.get("inputs") or {}
        for name, value in job.inputs.items():
            if isinstance(value, Data) and value.path == given.path and (inputs.get(name) or {}).get("uri"):
                yield str(inputs[name]["uri"])
        node = ((told.get("jobs") or {}).get(step) or {}).get("inputs") or {}
        if (node.get(key) or {}).get("uri"):
            yield str(node[key]["uri"])

    def _place(self, uri: str) -> str | None:
        """The datastore's path that an address means; None when it is none of the workspace."""
        if isinstance(parse_reference(uri), DatastorePath):
            return uri
        kind, name, version = _asset_in(uri)
        if not name:
            return None
        for segment in (kind,) if kind else _ASSETS:
            found = self._workspace.find(f"{segment}/{name}/versions/{version}", doing=f"look for {name}:{version}")
            if found is not None:
                properties = found.get("properties") or {}
                return self._place(str(properties.get("dataUri") or properties.get("modelUri")))
        raise StageError(f"stage {self._workspace.stage.name!r} has no {name}:{version} any more", why=f"the run read {uri}",
                         fix="start the pipeline again")

    def _download(self, uri: str, target: Path, type_: str) -> Path:
        return download(self._workspace, uri, target, type_, whose=self._run.id)


def _asset_in(uri: str) -> tuple[str, str, str]:
    """The kind (empty when it is not said), name and version of the asset that an address means; nothing when it is none."""
    if "/versions/" in uri:
        before, _, version = uri.rpartition("/versions/")
        above, _, name = before.rpartition("/")
        kind = above.rpartition("/")[2]
        return (kind, name, version.rstrip("/")) if kind in _ASSETS else ("", "", "")
    name, colon, version = uri.removeprefix("azureml:").partition(":")
    return ("", name, version) if uri.startswith("azureml:") and colon and "/" not in uri else ("", "", "")


__all__ = ["Bringing"]
