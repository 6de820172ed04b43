"""An endpoint of a stage and its deployments: what batch and online endpoints have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ...errors import StageError
from .blobs import Blobs
from .workspace import Workspace

_CLAIMS: Final = "mlops/claims/endpoints"
_WRITTEN: Final = ("location", "kind", "identity", "tags", "sku")  # of what is read, what may be written
_TOLD: Final = ("provisioningState", "scoringUri", "swaggerUri", "keys")  # of its properties, what may not


class Endpoint:
    """An endpoint, which may not be there yet.

    Args:
        workspace: Opened by the caller.
        name: The endpoint's.
        kind: As Azure's addresses have it: ``batchEndpoints`` or ``onlineEndpoints``.
        seconds: Within these it is changed, or a deployment deleted; None for those of any operation.
    """

    def __init__(self, workspace: Workspace, name: str, kind: str, seconds: float | None = None) -> None:
        self._workspace, self.name, self._seconds = workspace, name, seconds
        self._place = f"{kind}/{name}"

    def read(self) -> Mapping[str, Any] | None:
        """What Azure says of it; None when it is not there."""
        found: Mapping[str, Any] | None = self._workspace.find(self._place, doing=f"look for the endpoint {self.name!r}")
        return found

    def deployments(self) -> Sequence[Mapping[str, Any]]:
        """What Azure says of each of its deployments."""
        return list(self._workspace.pages(f"{self._workspace.path}/{self._place}/deployments", may_lack=True,
                                          doing=f"list the deployments of {self.name!r}"))

    def deployment(self, name: str) -> Mapping[str, Any] | None:
        """What Azure says of a deployment; None when it is not there."""
        found: Mapping[str, Any] | None = self._workspace.find(
            f"{self._place}/deployments/{name}", doing=f"look for the deployment {name!r}")
        return found

    def remove(self, name: str) -> None:
        """Delete a deployment that is not asked: not the default, or without traffic; one that is gone is fine."""
        self._workspace.delete(f"{self._place}/deployments/{name}", doing=f"delete the deployment {name!r}",
                               seconds=self._seconds)

    def _create(self, properties: Mapping[str, Any], tags: Mapping[str, str], **more: Any) -> None:
        body = {"location": self._workspace.stage.location, "tags": dict(tags), "properties": dict(properties), **more}
        self._workspace.put(self._place, body, doing=f"make the endpoint {self.name!r}", seconds=self._seconds)

    def _change(self, found: Mapping[str, Any], properties: Mapping[str, Any], tags: Mapping[str, str], doing: str) -> None:
        """Write what was *found* with other properties and tags, all in one request."""
        kept = {key: value for key, value in (found.get("properties") or {}).items() if key not in _TOLD}
        body = {key: found[key] for key in _WRITTEN if found.get(key) is not None}
        if "identity" in body:
            body["identity"] = _asked_for(body["identity"])
        self._workspace.put(self._place, {**body, "tags": {**(found.get("tags") or {}), **tags},
                                          "properties": {**kept, **properties}}, doing=doing, seconds=self._seconds)


@contextlib.contextmanager
def alone(workspace: Workspace, name: str) -> Iterator[Callable[[], None]]:
    """Hold an endpoint: of two that change what it serves, the last one would win, and know nothing of the other.

    Yields:
        Asks whether it is still held, and raises when it is not.
    """
    def taken() -> StageError:
        return StageError(f"stage {workspace.stage.name!r}: another deployment to {name!r} is at work",
                          why="they take turns, so that each knows what there is",
                          fix="see what came of it, then deploy again; one that was killed is in the way for a minute")

    with Blobs(workspace).held(f"{_CLAIMS}/{name}", taken) as still_ours:
        yield still_ours


def _asked_for(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity as it is asked for: the ids of what became of it are Azure's to say."""
    users = identity.get("userAssignedIdentities")
    return {"type": identity.get("type"), **({"userAssignedIdentities": {key: {} for key in users}} if users else {})}


__all__ = ["Endpoint", "alone"]
