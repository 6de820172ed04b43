"""How a job on Azure ML is doing: its state, its children's, and what they print; read where the SDK reads it too."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ...errors import StageError
from ...references import redacted
from ...stores.records import Status
from . import sdk
from .blobs import Blobs
from .workspace import Workspace

_STATES: Final[Mapping[str, Status]] = {
    "NotStarted": Status.WAITING, "Starting": Status.WAITING, "Provisioning": Status.WAITING, "Preparing": Status.WAITING,
    "Queued": Status.WAITING, "Paused": Status.WAITING, "Running": Status.RUNNING, "Finalizing": Status.RUNNING,
    "NotResponding": Status.RUNNING, "CancelRequested": Status.RUNNING, "Completed": Status.COMPLETED,
    "Finished": Status.COMPLETED, "Failed": Status.FAILED, "Canceled": Status.CANCELED, "Bypassed": Status.SKIPPED,
}
OVER: Final = (Status.COMPLETED, Status.REUSED, Status.FAILED, Status.CANCELED, Status.SKIPPED)
_STORAGE: Final = "https://storage.azure.com/.default"
_PIECE: Final = 4 << 20  # bytes of a log at once
_USUAL: Final = ("azureml", "dataset")  # folders of the default datastore for outputs without a path of their own
# What a step prints, as Azure ML names the files today and named them before; of several processes the first.
_LOGS: Final = (r"user_logs/std_log(?:_process_0+)?(?:_rank_0)?\.txt", r"user_logs/.*\.txt",
                r"azureml-logs/70_driver_log.*\.txt")


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A job as it is now.

    Attributes:
        id: Its name, as Azure ML's addresses have it.
        name: What Azure ML shows it as.
        said: Azure ML's own word for its status.
        error: Why it failed.
        logs: Where its logs are, by name.
        created: When it was made.
        node: Tells the node of the pipeline that it is of from others, wherever Azure ML says so.
        component: The name of that node's component.
        attempt: How many jobs of its node there are so far, this one being the newest.
    """

    id: str
    name: str
    status: Status
    said: str
    started: float | None = None
    ended: float | None = None
    error: str = ""
    logs: Mapping[str, str] = field(default_factory=dict)
    created: float | None = None
    node: str = ""
    component: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 1

    @property
    def over(self) -> bool:
        return self.status in OVER

    @property
    def seconds(self) -> float | None:
        """How long it ran."""
        return None if self.started is None or self.ended is None else max(0.0, self.ended - self.started)

    @property
    def log(self) -> tuple[str, str] | None:
        """The name and address of the log that has what the job prints."""
        for pattern in _LOGS:
            for name in sorted(self.logs):
                if re.fullmatch(pattern, name):
                    return name, self.logs[name]
        return None


class History:
    """The run history of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._host = ""

    def details(self, job: str) -> State:
        """A job with its logs.

        Raises:
            StageError: there is no such job, or nobody answers.
        """
        return _state(self._get(f"/runs/{job}/details", f"follow the job {job!r}"))

    def children(self, job: str) -> list[State]:
        """The jobs that a pipeline job consists of, as far as they have begun."""
        path = f"{self._base}/runs/{job}/children"
        return [_state(run) for run in self._workspace.pages(path, doing=f"follow the steps of {job!r}", host=self._api,
                                                             version=None)]

    def outputs(self, run: str, wanted: Collection[str] = ()) -> Mapping[str, str]:
        """Where the outputs of a job, or of a step of one, are: addresses in datastores, by the outputs' names.

        Args:
            run: The job or step.
            wanted: Outputs that it has. Azure ML does not always name them all; the others are looked for where it puts what
                has no path of its own, as azure-ai-ml does.
        """
        doing = f"look for the outputs of {run!r}"
        path = self._workspace.path
        told = self._workspace.post(f"{self._base}/rundata", {"runId": run, "selectRunMetadata": True}, doing=doing,
                                    host=self._api, version=None)
        references: Mapping[str, Any] = (told.get("runMetadata") or {}).get("outputs") or {}
        found: dict[str, str] = {}
        for service, is_model in ((f"/data/v1.0{path}/dataversion", False), (f"/modelregistry/v1.0{path}/models", True)):
            some = {name: str(reference["assetId"]) for name, reference in references.items()
                    if (str(reference.get("type")).lower().endswith("model")) == is_model}
            if some:
                answer = self._workspace.post(f"{service}/batchGetResolvedUris", {"values": list(some.values())}, doing=doing,
                                              host=self._api, version=None)
                places: Mapping[str, Any] = answer.get("values") or {}
                found.update({name: str(places[key].get("uri") or places[key].get("path")) for name, key in some.items()
                              if key in places})
        unnamed = [name for name in wanted if name not in found]
        if unnamed:
            with contextlib.suppress(StageError):  # who may not look there loses nothing of what is known
                blobs = Blobs(self._workspace)
                found.update({name: f"{blobs.uri}{folder}/{run}/{name}" for name in unnamed for folder in _USUAL
                              if blobs.has(f"{folder}/{run}/{name}/", seconds=self._workspace.patience.call)})
        return found

    def printed(self, url: str, start: int) -> Iterator[bytes]:
        """What a log has from the byte *start* on, in pieces; nothing while it does not exist.

        Raises:
            StageError: it cannot be read.
        """
        more = True
        while more:
            piece = self._workspace.call("read a log", lambda start=start: self._piece(url, start))  # type: ignore[misc]
            yield piece
            start, more = start + len(piece), len(piece) >= _PIECE

    def _piece(self, url: str, start: int) -> bytes:
        response = self._workspace.raw(url, start=start, size=_PIECE)
        if response.status_code in (401, 403, 409):  # not signed: stores without keys
            response = self._workspace.raw(url, start=start, size=_PIECE, token_for=_STORAGE)
        if response.status_code in (404, 416):  # not there yet, or no longer than it was
            return b""
        if response.status_code not in (200, 206):
            raise sdk.module("azure.core.exceptions").HttpResponseError(response=response)
        content: bytes = response.content
        return content[start:] if response.status_code == 200 else content

    @property
    def _api(self) -> str:
        """The service's address, which the workspace tells."""
        if not self._host:
            url = str(self._workspace.about.get("discoveryUrl") or "")
            told: Any = {}
            if url:
                host, slash, path = url.partition("/discovery")
                told = self._workspace.get(f"{slash}{path}", host=host, version=None,
                                           doing="look for the services of the workspace")
            self._host = str(told.get("api") or f"https://{self._workspace.stage.location}.api.azureml.ms").rstrip("/")
        return self._host

    @property
    def _base(self) -> str:
        return f"{sdk.HISTORY}{self._workspace.path}"

    def _get(self, path: str, doing: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._workspace.get(f"{self._base}{path}", doing=doing, host=self._api, version=None)
        return found


def _state(run: Mapping[str, Any]) -> State:
    said = str(run.get("status") or "NotStarted")
    properties: Mapping[str, Any] = run.get("properties") or {}
    tags: Mapping[str, Any] = run.get("tags") or {}
    status = _STATES.get(said, Status.RUNNING)
    if status is Status.COMPLETED and str(properties.get("azureml.isreused", "")).lower() == "true":
        status = Status.REUSED
    return State(id=str(run.get("runId") or ""), name=str(run.get("displayName") or run.get("name") or run.get("runId") or ""),
                 status=status, said=said, started=moment(run.get("startTimeUtc")), ended=moment(run.get("endTimeUtc")),
                 error=redacted("\n".join(_errors(run.get("error")))), logs=run.get("logFiles") or {},
                 created=moment(run.get("createdUtc")), component=str(properties.get("azureml.moduleName") or ""),
                 node=str(properties.get("azureml.nodeid") or tags.get("azureml.nodeid") or ""), tags=tags,
                 properties=properties)


def _errors(error: Any) -> Iterator[str]:
    """The messages of an error, the innermost last: that is the one that says it."""
    while isinstance(error, Mapping):
        inner = error.get("error") if isinstance(error.get("error"), Mapping) else error
        message = inner.get("message") if isinstance(inner, Mapping) else None
        if isinstance(message, str) and message:
            yield message
        error = inner.get("innerError") if isinstance(inner, Mapping) else None


def moment(text: Any) -> float | None:
    """A time as Azure writes it, in seconds since 1970; None of anything else."""
    if not isinstance(text, str):
        return None
    # Azure writes seconds with seven digits, or fewer; Python 3.10 reads six.
    text = re.sub(r"\.(\d+)", lambda match: f".{match[1][:6]:0<6}", text.replace("Z", "+00:00"))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo else datetime.fromisoformat(f"{text}+00:00").timestamp()
