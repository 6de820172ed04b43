"""What evaluations have measured: the ``metrics`` outputs of evaluate components, found again by the bytes of a model."""

from __future__ import annotations

import array
import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..evidence import Evidence, evidence_of
from ..plan import StoredOutput
from ..references import escapes
from .store import Store

OUTPUT = "metrics"  # the output of the role evaluate, see docs/roles.md
FILE = "metrics.json"
_LATENCY = "latency.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What one run of an evaluate component has measured.

    Attributes:
        folder: The output.
        source: Who says so, for people: a run, or a folder that was named.
        told: Its ``metrics.json``.
        data: The digest of its test data.
        models: The names it has for models, by the digest of their bytes.
    """

    folder: Path
    source: str
    told: Mapping[str, Any]
    data: str
    models: Mapping[str, str]

    @classmethod
    def read(cls, path: Path, source: str | None = None) -> Evaluation:
        """The evaluation in a folder, or in its ``metrics.json``; of what *source* says, or of the path alone.

        Raises:
            InputError: it is none, or of another version.
        """
        folder = path if path.is_dir() else path.parent
        try:
            told = json.loads((path / FILE if path.is_dir() else path).read_bytes())
            latency = json.loads((folder / _LATENCY).read_bytes()) if (folder / _LATENCY).is_file() else {}
            for name, cost in latency.items():
                told["models"][name]["latency"] = cost
            # The first of a name that several have: two candidates with the same bytes are one model.
            models = {str(model["digest"]): str(name) for name, model in reversed(told["models"].items())}
            found = cls(folder=folder, source=source or f"the folder {folder}", told=told, models=models,
                        data=str(told["test"]["digest"]))
            found.all()  # so that what is wrong is told now
        except OSError as error:
            raise InputError(f"the evaluation {str(path)!r} cannot be read: {error.strerror}",
                             fix="name the folder that an evaluate component wrote as its output 'metrics'") from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{str(path)!r} is no evaluation that a gate can use: "
                             f"{error if type(error) is ValueError else f'{type(error).__name__}: {error}'}",
                             why="docs/models.md has what metrics.json must tell",
                             fix="evaluate again with a component that writes it") from None
        return found

    def all(self) -> list[Evidence]:
        """What was measured of every model."""
        return [evidence_of(self.told, name) for name in self.told["models"]]

    def evidence(self, digest: str, *, model: str, losses: Collection[str] = ()) -> Evidence:
        """What was measured of the model with these bytes, called *model* in messages, with those *losses* of single rows."""
        name = self.models[digest]
        found = replace(evidence_of(self.told, name), model=model, source=self.source)
        files = self.told["models"][name].get("losses") or {}
        return replace(found, losses={loss: _floats(self.folder, str(files[loss])) for loss in losses if loss in files})


def _floats(folder: Path, name: str) -> Sequence[float]:
    """The 64-bit floats of a file of an evaluation, little-endian."""
    values = array.array("d")
    try:
        if escapes(name):
            raise ValueError("it is not in the evaluation's folder")
        with (folder / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size % values.itemsize:
                raise ValueError(f"its {size:,} bytes are no 64-bit floats")
            values.fromfile(file, size // values.itemsize)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"the losses in {str(folder / name)!r} cannot be read: {getattr(error, 'strerror', None) or error}",
                         fix="evaluate again") from None
    if sys.byteorder == "big":
        values.byteswap()
    return values


class Evaluations:
    """The evaluations of a project, newest first."""

    def __init__(self, found: Sequence[Evaluation]) -> None:
        self.found = found

    @classmethod
    def of(cls, store: Store) -> Evaluations:
        """Those that runs have made, and that are still what they were; what is no evaluation is passed over."""
        return cls._of(store, store.records.outputs_named(OUTPUT))

    @classmethod
    def of_run(cls, store: Store, run: str) -> Evaluations:
        """Those of one run.

        Raises:
            InputError: it has made none, or they are not what they were.
        """
        outputs = [(run, step.outputs[OUTPUT]) for step in reversed(store.records.steps(run)) if OUTPUT in step.outputs]
        wrong: list[InputError] = []
        made = cls._of(store, outputs, wrong)
        if made.found:
            return made
        if wrong:
            raise InputError(f"run {run} has no evaluation that a gate can use", why=wrong[0].what, fix=wrong[0].fix)
        raise InputError(f"run {run} has no evaluation", why=f"no output {OUTPUT!r} of its steps is one" if outputs
                         else f"none of its steps has an output {OUTPUT!r}", fix="name a run of the evaluate pipeline")

    @classmethod
    def _of(cls, store: Store, outputs: Iterable[tuple[str, StoredOutput]],
            wrong: list[InputError] | None = None) -> Evaluations:
        found = []
        for run, output in outputs:
            path = store.folder / output.path
            if os.path.isfile(path / FILE) and store.artifacts.intact(output):
                try:
                    found.append(Evaluation.read(path, f"run {run}"))
                except InputError as error:
                    if wrong is not None:
                        wrong.append(error)
        return cls(found)

    def judged(self, candidate: str, name: str, champion: str | None, champion_name: str, *, losses: Collection[str],
               stage: str) -> tuple[Evidence, Evidence | None]:
        """What is known of a candidate and a champion, given the digests of their bytes.

        The newest evaluation that measured the candidate counts; an older one may have been kinder. The champion's is the
        newest one on the same data, or else, so that the difference can be told, the newest one at all.
        """
        ours = next((evaluation for evaluation in self.found if candidate in evaluation.models), None)
        new = ours.evidence(candidate, model=name, losses=losses) if ours else Evidence(
            model=name, digest=candidate,
            why="no evaluation knows its bytes; evaluate it: mlops run evaluate; of a run on a stage: --evidence RUN")
        if champion is None:
            return new, None
        known = [evaluation for evaluation in self.found if champion in evaluation.models]
        same = [evaluation for evaluation in known if ours and evaluation.data == ours.data]
        theirs = next(iter(same or known), None)
        beside = f"evaluate beside it: mlops run evaluate --against {stage}"
        if theirs is None:
            return new, Evidence(model=champion_name, digest=champion, why=f"no evaluation knows its bytes; {beside}")
        old = theirs.evidence(champion, model=champion_name, losses=losses)
        return new, old if same or ours is None else replace(old, why=beside)

    def together(self, models: Mapping[str, str]) -> tuple[Evaluation, list[Evidence]] | None:
        """What is known of several models on the newest test data that all of them were measured on.

        Args:
            models: The digests of their bytes, by the names that they are to be called.
        """
        for newest in self.found:
            same = [evaluation for evaluation in self.found if evaluation.data == newest.data]
            found = [next((evaluation.evidence(digest, model=name) for evaluation in same if digest in evaluation.models), None)
                     for name, digest in models.items()]
            if all(evidence is not None for evidence in found):
                return newest, [evidence for evidence in found if evidence is not None]
        return None
