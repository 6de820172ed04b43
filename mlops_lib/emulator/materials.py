"""What jobs are made from, brought to this machine: a workspace as one of our projects.

Each workspace has a project of its own, so that steps are reused between its jobs, as on Azure ML.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from ..errors import InputError
from ..references import DatastorePath, escapes, parse_reference
from ..settings import FILE
from ..stores.locks import exclusive
from . import endpoints, translate
from .resources import Resource
from .translate import Places

if TYPE_CHECKING:
    from .blobs import Account
    from .world import World

_ASSET: Final = re.compile(r"(?:azureml:)?(?P<id>/subscriptions/.+)", re.IGNORECASE)
_SHORT: Final = re.compile(r"azureml:(?P<name>[^/:@]+)(?::(?P<version>[^/:@]+)|@latest)")
_DRIVER: Final = Path(__file__).with_name("children") / "batch_driver.py"
_MODELS: Final = ("mlflow_model", "custom_model", "triton_model")


class Materials:
    """The files behind a workspace's jobs.

    Args:
        workspace: Its id.
    """

    def __init__(self, world: World, workspace: str) -> None:
        self._world, self._workspace = world, workspace
        self.project = world.home / "workspaces" / workspace.rpartition("/")[2].lower()

    def job(self, name: str, properties: dict[str, Any]) -> Path:
        """A job's YAML, with all that it names in place.

        Raises:
            InputError: it names something that is not there, or is of a type that runs on Azure only.
        """
        scoring = self._world.resources.find(endpoints.scoring_key(f"{self._workspace}/jobs/{name}"))
        if scoring is not None:
            with self._alone():
                return _written(self.project / "jobs" / name / "job.yml", self._scored(name, properties, scoring.body))
        kind = str(properties.get("jobType"))
        write = {"Pipeline": translate.pipeline, "Command": translate.command, "Sweep": translate.sweep}.get(kind)
        if write is None:
            raise InputError(f"a job of type {kind} does not run on this machine", why="pipeline, command and sweep jobs do")
        with self._alone():
            document = write(properties, self._places)
        return _written(self.project / "jobs" / name / "job.yml", document)

    def _scored(self, name: str, properties: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
        """The job of a batch deployment of a model: one parallel step, whose code is the deployment's beside our driver."""
        deployment = {**told["deployment"], **told["own"]}
        code, model = deployment.get("codeConfiguration") or {}, (deployment.get("model") or {}).get("assetId")
        folder = self.project / "jobs" / name / "code"
        shutil.rmtree(folder, ignore_errors=True)
        if code.get("codeId"):
            shutil.copytree(self._code(code["codeId"]), folder)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_DRIVER, folder / _DRIVER.name)
        variables = {"AZUREML_MODEL_DIR": str(self._model(model))} if model else {}
        return translate.scoring(properties, deployment, self._places, code=str(folder), driver=_DRIVER.name,
                                 variables=variables)

    @property
    def _places(self) -> Places:
        return Places(self._component, self._environment, self._code, self._data)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One job's materials after the other's: they share files."""
        (self.project / "datastores").mkdir(parents=True, exist_ok=True)
        with exclusive(self.project / "materials.lock"):
            names = [resource.name for resource in self._world.resources.all_in(f"{self._workspace}/datastores")]
            settings = {"datastores": {name: f"datastores/{name}" for name in names}}
            if not (self.project / FILE).exists() or json.loads((self.project / FILE).read_text()) != settings:
                _written(self.project / FILE, settings)
            yield

    # --- assets ------------------------------------------------------------------------------------------------------

    def _asset(self, reference: str, segment: str) -> Resource:
        match, short = _ASSET.fullmatch(reference), _SHORT.fullmatch(reference)
        key = match["id"] if match else ""
        if short:
            versions = self._world.resources.all_in(f"{self._workspace}/{segment}/{short['name']}/versions")
            version = short["version"] or (versions[-1].name if versions else "")
            key = f"{self._workspace}/{segment}/{short['name']}/versions/{version}"
        found = self._world.resources.find(key) if key else None
        if found is None:
            raise InputError(f"{reference} is not in the workspace")
        return found

    def _folder_of(self, resource: Resource) -> Path:
        segment, name, _, version = resource.id.rsplit("/", 4)[1:]
        return self.project / "assets" / segment / name / version

    def _component(self, reference: str) -> str:
        found = self._asset(reference, "components")
        file = self._folder_of(found) / "component.yml"
        document = translate.component(found.properties["componentSpec"], self._places)
        return str(_written(file, document))

    def _environment(self, reference: str) -> str:
        if reference.startswith("azureml://registries/"):
            return reference  # curated environments are Azure's own; here a step runs with what there is
        found = self._asset(reference, "environments")
        folder, told = self._folder_of(found), found.properties
        document: dict[str, Any] = {"name": folder.parent.name, "version": folder.name,
                                    "image": told.get("image") or "built-from-a-context"}
        if told.get("condaFile"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "conda.yml").write_text(told["condaFile"], encoding="utf-8")
            document["conda_file"] = "conda.yml"
        return f"file:{_written(folder / 'environment.yml', document)}"

    def code(self, reference: str) -> Path:
        """A code asset's files, on this machine.

        Raises:
            InputError: it is not in the workspace, or has no files.
        """
        with self._alone():
            return Path(self._code(reference))

    def model(self, reference: str) -> Path:
        """A folder with what a model is: its file or folder under its own name, as Azure ML gives it to deployments.

        Raises:
            InputError: it is not in the workspace, or has no files.
        """
        with self._alone():
            return self._model(reference)

    def _model(self, reference: str) -> Path:
        found = self._asset(reference, "models")
        account, container, path = self._place(found.properties["modelUri"])
        folder = self._folder_of(found) / "deployed"  # and no link to where jobs have it: MLflow loads nothing through links
        if self._download(account, container, path, folder / (path.strip("/").rpartition("/")[2] or "model")) == 0:
            raise InputError(f"the model {reference} has no files", why=f"nothing is at {found.properties['modelUri']}")
        return folder

    def _code(self, reference: str) -> str:
        found = self._asset(reference, "codes")
        folder = self._folder_of(found) / "files"
        place = self._place(found.properties["codeUri"])
        if self._download(*place, folder) == 0:
            raise InputError(f"the code {found.name} has no files", why=f"nothing is at {found.properties['codeUri']}")
        return str(folder)

    # --- data --------------------------------------------------------------------------------------------------------

    def _data(self, uri: str) -> str:
        """Where an input's data is on this machine: brought to what stands for its datastore."""
        reference = parse_reference(uri)
        if not isinstance(reference, DatastorePath):
            if uri.startswith(("azureml:", "/subscriptions/")):
                return self._data(self.uri_of(uri))
            if uri.startswith(self._world.account.url):
                account, container, path = self._place(uri)
                return self._brought(account, container, path, self.project / "datastores" / ".containers" / container)
            return uri
        account, container = self.store_of(reference.datastore)
        self._brought(account, container, reference.path, self.project / "datastores" / reference.datastore)
        return f"azureml://datastores/{reference.datastore}/paths/{reference.path}"

    def _brought(self, account: Account, container: str, path: str, root: Path) -> str:
        target = root / path.strip("/") if path.strip("/") else root
        if self._download(account, container, path, target) == 0:
            raise InputError(f"nothing is at {path or '/'} of the container {container}", why="an input of the job names it")
        return str(target)

    def _download(self, account: Account, container: str, path: str, target: Path) -> int:
        if escapes(path):  # files go where paths say
            raise InputError(f"the path {path!r} leads out of the container {container}", fix="correct the path")
        name = hashlib.sha256(f"{account.name}/{container}/{path}\n{target}".encode()).hexdigest()
        return account.download(container, path, target, self.project / "etags" / name)

    def uri_of(self, reference: str) -> str:
        """Where the content of a data asset or a model is.

        Raises:
            InputError: there is no such asset.
        """
        segment = "models" if "/models/" in reference else "data"
        try:
            found = self._asset(reference, segment)
        except InputError:
            if segment == "models" or not _SHORT.fullmatch(reference):
                raise
            found = self._asset(reference, "models")
        uri = found.properties.get("dataUri") or found.properties.get("modelUri")
        return str(uri)

    def store_of(self, datastore: str) -> tuple[Account, str]:
        """The account and container behind a datastore.

        Raises:
            InputError: there is no such datastore, or it is of an account that is not here.
        """
        found = self._world.resources.find(f"{self._workspace}/datastores/{datastore}")
        if found is None:
            raise InputError(f"the workspace has no datastore {datastore!r}")
        told = found.properties
        account = self._world.account_of(told.get("accountName"))
        if account is None or told.get("datastoreType") != "AzureBlob":
            here = ", ".join([self._world.account.name, *self._world.others])
            raise InputError(f"the datastore {datastore!r} is not of a local storage account",
                             why=f"only blobs of {here} are here")
        return account, str(told["containerName"])

    def _place(self, uri: str) -> tuple[Account, str, str]:
        """The account, container and path of a blob's address."""
        reference = parse_reference(uri)
        if isinstance(reference, DatastorePath):
            return *self.store_of(reference.datastore), reference.path
        container, _, path = unquote(urlsplit(uri).path).strip("/").partition("/")
        return self._world.account, container, path


def _written(file: Path, document: Any) -> Path:
    """*document* in a file, JSON being YAML."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    fresh.replace(file)
    return file


def is_model(kind: str) -> bool:
    """Whether an output of that type becomes a model when it is registered."""
    return kind in _MODELS
