"""The models of a stage's workspace: versions there, their bytes and what is told of them in its default datastore."""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, Final

from ...errors import InputError, MlopsError, Refused
from ...references import DatastorePath, escapes, parse_reference
from ...spec import MODEL_TYPES
from ...stores.digests import Whole
from ...stores.models import (
    LINEAGE,
    ModelFile,
    ModelVersion,
    Repointed,
    Stream,
    check_name,
    is_name,
    number_in,
    promotion_of,
)
from . import frozen
from .blobs import Blobs
from .history import moment
from .workspace import Workspace

# Properties of a version of ours; those of Azure ML's own begin with its name.
_DIGEST: Final = "mlops.digest"
_HOME: Final = "mlops/models"
_CLAIMS: Final = "mlops/claims"
_MODEL: Final = "model"
_PIECE: Final = 1 << 20
_TRIES: Final = 10
_READ_ONLY: Final = ("provisioningState",)


class WorkspaceModels:
    """The registry of a stage that Terraform made.

    A promoted version's address is ``mlops/models/NAME/KEY/model`` in the default datastore, with the notes beside that folder;
    versions that jobs have registered are wherever these wrote them. A version appears with its tags in one request, after all
    that it names is there. Who promotes holds the lease of a blob of the model's name: Azure gives it to one at a time, and
    takes it back a minute after its holder was last heard of, so that a killed promotion is in nobody's way for long. One that
    slept longer than that is stopped twice: it asks whether it still holds the lease before it changes anything, and the
    number of its version may be taken.

    Args:
        workspace: Opened by the caller, who also closes it.
    """

    referred = True

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.name = workspace.stage.name
        self.where = f"in the workspace {workspace.name}"
        self._stores: dict[str | None, Blobs] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._held: dict[str, Callable[[], None]] = {}

    # --- looking -----------------------------------------------------------------------------------------------------

    def names(self) -> Sequence[str]:
        found = self._workspace.pages(f"{self._workspace.path}/models", doing="list the models")
        return sorted(str(model["name"]) for model in found if not (model.get("properties") or {}).get("isArchived"))

    def versions(self, name: str) -> Sequence[ModelVersion]:
        return [_version(name, told) for told in self._listed(name) if not told["properties"].get("isArchived")]

    def all(self) -> Sequence[Sequence[ModelVersion]]:
        """The versions of each model that has some, newest first; by name."""
        return [versions for versions in self._workspace.each(self.versions, self.names()) if versions]

    def measured(self, version: ModelVersion) -> ModelVersion:
        if version.digest:
            return version
        whole = Whole()
        for file in self.files(version):
            with self.open(version, file.name) as stream:
                whole.add(file.name, _digest(stream))
        return replace(version, digest=whole.digest)

    def path(self, version: ModelVersion) -> str:
        """The address of a version's bytes in the workspace."""
        key = version.name, version.version
        if key not in self._places:
            self._places[key] = str(self._get(version)["properties"].get("modelUri") or "")
        return self._places[key]

    def files(self, version: ModelVersion) -> Sequence[ModelFile]:
        blobs, prefix = self._place(version)
        found = [ModelFile(blob.name_in(prefix), blob.size) for blob in blobs.below(prefix)]
        if leading := [file.name for file in found if escapes(file.name)]:
            raise InputError(f"{version} in {self.name} has a file {leading[0]!r}",
                             why="its name leads out of the model's folder", fix="make the model again")
        if not found:
            raise InputError(f"the files of {version} in {self.name} are gone", why=f"nothing is at {self.path(version)}",
                             fix="make the model again")
        return sorted(found)

    def open(self, version: ModelVersion, file: str) -> BinaryIO:
        blobs, prefix = self._place(version)
        found = next((blob for blob in blobs.below(prefix) if blob.name_in(prefix) == file), None)
        if found is None:
            raise InputError(f"the file {file!r} of {version} in {self.name} is gone", fix="make the model again")
        return blobs.open(found)

    def note(self, version: ModelVersion, name: str) -> bytes | None:
        blobs, prefix = self._place(version)
        home, _, last = prefix.rpartition("/")
        found = blobs.read(f"{home}/{name}") if last == _MODEL and home.startswith(f"{_HOME}/") else None
        if found is None and name == LINEAGE:
            return json.dumps({"origin": self._origin(version), "promotions": []}).encode()
        return found

    def _listed(self, name: str) -> list[Mapping[str, Any]]:
        """The versions as Azure tells them, newest first; archived ones too: their numbers are taken."""
        if not is_name(name):
            return []  # it would be another address
        found = list(self._workspace.pages(f"{self._workspace.path}/models/{name}/versions?listViewType=All", may_lack=True,
                                           doing=f"list the versions of the model {name!r}"))
        for told in found:
            self._places[name, str(told["name"])] = str(told["properties"].get("modelUri") or "")
        return sorted(found, key=lambda told: (_created(told), number_in(str(told["name"]))), reverse=True)

    def _get(self, version: ModelVersion) -> Mapping[str, Any]:
        told: Mapping[str, Any] = self._workspace.get(
            f"{self._workspace.path}/models/{version.name}/versions/{version.version}", doing=f"read the model {version}")
        return told

    def _place(self, version: ModelVersion) -> tuple[Blobs, str]:
        """The container that a version's bytes are in, and the path that they begin with."""
        reference = parse_reference(self.path(version))
        if not isinstance(reference, DatastorePath):
            raise InputError(f"the bytes of {version} in {self.name} cannot be found",
                             why=f"its address is no path in a datastore: {self.path(version)}",
                             fix="register it from a pipeline's output, or from a path in a datastore")
        return self._blobs(reference.datastore), reference.path.rstrip("/")

    def _blobs(self, datastore: str | None = None) -> Blobs:
        if datastore not in self._stores:
            self._stores[datastore] = Blobs(self._workspace, datastore)
        return self._stores[datastore]

    def _origin(self, version: ModelVersion) -> dict[str, Any] | None:
        """What made a version that a job has registered: as much of it as Azure ML still knows."""
        job = self._get(version)["properties"].get("jobName")
        if not job:
            return None
        told: dict[str, Any] = {"run": job, "workspace": self._workspace.path, "step": None, "git_commit": None}
        found = self._workspace.find(f"jobs/{job}", doing=f"read the job {job!r}")
        properties = (found or {}).get("properties") or {}
        noted = properties.get("properties") or {}
        inputs = {name: given["uri"] for name, given in (properties.get("inputs") or {}).items()
                  if isinstance(given, dict) and given.get("uri")}
        return told | {"step": properties.get("displayName"), "pipeline": properties.get("experimentName"),
                       "git_commit": noted.get("mlflow.source.git.commit") or noted.get("azureml.git.commit"),
                       "code": properties.get("componentId") or properties.get("codeId"),
                       "environment": properties.get("environmentId"),
                       "data": {name: {"digest": None, "asset": uri} for name, uri in sorted(inputs.items())}}

    # --- changing ----------------------------------------------------------------------------------------------------

    def tag(self, version: ModelVersion, tags: Mapping[str, str | None]) -> None:
        with self._holding(version.name):
            properties = dict(self._get(version)["properties"])
            now = {**(properties.get("tags") or {}), **tags}
            properties["tags"] = {name: text for name, text in now.items() if text is not None}
            self._workspace.put(f"models/{version.name}/versions/{version.version}", {"properties": _writable(properties)},
                                doing=f"tag the model {version}")

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[None]:
        check_name(name)

        def taken() -> Refused:
            return Refused(f"another promotion of {name!r} to {self.name} is at work",
                           why="they take turns, so that each is judged against the champion that there is",
                           fix="see what came of it, then promote again; one that was killed is in the way for a minute")

        with self._blobs().held(f"{_CLAIMS}/{name}", taken) as still_ours:
            self._held[name] = still_ours
            try:
                yield
            finally:
                del self._held[name]

    @contextlib.contextmanager
    def _holding(self, name: str) -> Iterator[None]:
        """The claim, which the caller has and which is seen to be ours still, or one of our own."""
        if name in self._held:
            self._held[name]()
            yield
        else:
            with self.claim(name):
                yield

    def write(self, version: ModelVersion, contents: Iterable[tuple[str, Stream]],
              notes: Mapping[str, bytes]) -> ModelVersion:
        check_name(version.name)
        known = self._listed(version.name)
        blobs = self._blobs()
        home = f"{_HOME}/{version.name}/{uuid.uuid4().hex}"
        for name, stream in contents:
            blobs.upload(f"{home}/{_MODEL}/{name}", stream)
        with self._holding(version.name):
            self._check(version, f"{home}/{_MODEL}")
        for note, content in notes.items():
            blobs.write(f"{home}/{note}", content)
        properties = {"modelUri": f"{blobs.uri}{home}/{_MODEL}", "modelType": version.type, "tags": dict(version.tags),
                      "properties": {_DIGEST: version.digest}, "isAnonymous": False, "isArchived": False}
        stored = self._add(version, properties, known)
        self._sweep(version.name, home)
        return stored

    def repoint(self, olds: Collection[str], new: ModelVersion) -> Iterable[Repointed]:
        return frozen.repoint(self._workspace, olds, new)

    def _check(self, version: ModelVersion, prefix: str) -> None:
        """See that what was stored is what was sent."""
        blobs, whole = self._blobs(), Whole()
        for blob in sorted(blobs.below(prefix)):
            with blobs.open(blob) as stream:
                whole.add(blob.name_in(prefix), _digest(stream))
        if whole.digest != version.digest:
            raise Refused(f"the bytes of {version.name!r} that arrived in {self.name} are not those that were sent",
                          why="their digests differ", fix="promote again")

    def _add(self, version: ModelVersion, properties: Mapping[str, Any], known: Sequence[Mapping[str, Any]]) -> ModelVersion:
        """Make the version, under the next number that is free: jobs register versions as well, and ask nobody."""
        highest = _highest_promotion(version.name, known)
        for _ in range(_TRIES):
            number = str(1 + max((number_in(str(told["name"])) for told in known), default=0))
            stored = replace(version, version=number)
            told = self._put_new(stored, properties)
            if _same(str(told["properties"].get("modelUri") or ""), str(properties["modelUri"])):
                self._places[stored.name, number] = str(properties["modelUri"])
                return replace(stored, created=_created(told))
            known = self._listed(version.name)
            if _highest_promotion(version.name, known) != highest:
                break
        raise Refused(f"another version of {version.name!r} has come to {self.name} first", why="a version never changes",
                      fix="promote again")

    def _put_new(self, version: ModelVersion, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """The version that now has the number: ours, unless somebody else's was there."""
        path = f"models/{version.name}/versions/{version.version}"
        with self._holding(version.name):
            try:
                self._workspace.put(path, {"properties": properties}, only_new=True, doing=f"make the model {version}")
            except MlopsError:
                there: Mapping[str, Any] | None = self._workspace.find(path, doing=f"look for the model {version}")
                if there is None:
                    raise
                return there
        return self._get(version)

    def _sweep(self, name: str, made: str) -> None:
        """Remove what promotions that were killed have left: nobody else is at it, and no version names it.

        What a champion consists of is at stake: a list that lacks the version that was *made* just now is not believed.
        """
        blobs, home = self._blobs(), f"{_HOME}/{name}"
        with contextlib.suppress(MlopsError), self._holding(name):  # it costs space, and nothing else
            named = [str(told["properties"].get("modelUri") or "") for told in self._listed(name)]

            def is_named(folder: str) -> bool:
                return any(f"{folder}/" in uri for uri in named)

            if is_named(made):
                for folder in blobs.folders(home):
                    if not is_named(f"{home}/{folder}"):
                        blobs.remove(f"{home}/{folder}")


def _version(name: str, told: Mapping[str, Any]) -> ModelVersion:
    properties = told["properties"]
    return ModelVersion(name=name, version=str(told["name"]), type=_type(str(properties.get("modelType") or "custom_model")),
                        digest=str((properties.get("properties") or {}).get(_DIGEST) or ""), created=_created(told),
                        tags=properties.get("tags") or {})


def _type(text: str) -> str:
    """Azure ML's word for a type of models, in the form that YAML has; its older versions write ``MLFlowModel``."""
    return next((known for known in MODEL_TYPES if known.replace("_", "") == text.replace("_", "").lower()), text)


def _created(told: Mapping[str, Any]) -> float:
    return moment((told.get("systemData") or {}).get("createdAt")) or 0.0


def _highest_promotion(name: str, known: Iterable[Mapping[str, Any]]) -> int:
    return max((promotion_of(_version(name, told)) for told in known), default=0)


def _same(address: str, ours: str) -> bool:
    """Whether two addresses are of one place, however Azure writes it; one of ours has a name that nobody else has."""
    there, here = parse_reference(address), parse_reference(ours)
    if not isinstance(there, DatastorePath) or not isinstance(here, DatastorePath):
        return address == ours
    return there.path.rstrip("/") == here.path.rstrip("/")


def _writable(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name not in _READ_ONLY}


def _digest(stream: BinaryIO) -> str:
    found = hashlib.sha256()
    while piece := stream.read(_PIECE):
        found.update(piece)
    return found.hexdigest()
