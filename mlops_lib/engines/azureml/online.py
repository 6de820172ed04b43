"""An online endpoint of a stage: what there is of it, changes that are waited for, and requests to it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ...errors import MlopsError, StageError
from .endpoint import Endpoint
from .workspace import Workspace

DEPLOYMENT_HEADER: Final = "azureml-model-deployment"
DELETING: Final = "Deleting"
AT_WORK: Final = ("Creating", "Updating", "Scaling", DELETING)
_SCOPE: Final = "https://ml.azure.com/.default"
_MODES: Final = {"key": "Key", "aad_token": "AADToken"}


class Answer(NamedTuple):
    """What an endpoint answered; *status* is the model's own where Azure ML says 424 in its place."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The content, when it is JSON; else None."""
        with contextlib.suppress(ValueError):
            return json.loads(self.content)
        return None


class OnlineEndpoint(Endpoint):
    """An online endpoint, which may not be there yet.

    Args:
        workspace: Opened by the caller.
        name: The endpoint's.
    """

    def __init__(self, workspace: Workspace, name: str) -> None:
        super().__init__(workspace, name, "onlineEndpoints", workspace.patience.endpoint)
        self._known: tuple[str, str] | None = None

    # --- the endpoint ------------------------------------------------------------------------------------------------

    def make(self, *, auth: str, tags: Mapping[str, str], compute: str | None, public: bool) -> None:
        """Create it.

        Args:
            auth: ``aad_token`` or ``key``.
            tags: Tags of the endpoint.
            compute: The id of a Kubernetes compute; None for a managed endpoint.
            public: Whether it can be reached from the internet.
        """
        properties = {"authMode": _MODES[auth], "publicNetworkAccess": "Enabled" if public else "Disabled",
                      **({"compute": compute} if compute else {})}
        self._create(properties, tags, identity={"type": "SystemAssigned"})

    def traffic(self) -> Mapping[str, int]:
        """The share of each deployment that has one, in percent."""
        shares = ((self.read() or {}).get("properties") or {}).get("traffic") or {}
        return {name: int(share) for name, share in shares.items() if share}

    def shift(self, traffic: Mapping[str, int], tags: Mapping[str, str]) -> None:
        """Divide the traffic anew, and say so with tags, all in one request; the shares add up to 100, or there are none."""
        found = self.read()
        if found is None:
            raise StageError(f"stage {self._workspace.stage.name!r}: the endpoint {self.name!r} is gone",
                             why="somebody has deleted it", fix="deploy again")
        self._change(found, {"traffic": dict(traffic)}, tags, f"divide the traffic of {self.name!r}")

    # --- its deployments ---------------------------------------------------------------------------------------------

    def start(self, name: str, body: Mapping[str, Any], *, seconds: float) -> None:
        """Create a deployment and wait until it serves.

        Raises:
            MlopsError: it does not; :meth:`deployment` says whether it is there.
        """
        self._workspace.put(f"{self._place}/deployments/{name}", body, doing=f"start the deployment {name!r}", seconds=seconds)

    def log(self, name: str, lines: int) -> Sequence[str]:
        """The last lines that a deployment has printed; none when Azure has no log of it."""
        with contextlib.suppress(MlopsError):
            told = self._workspace.post(f"{self._workspace.path}/{self._place}/deployments/{name}/getLogs",
                                        {"containerType": "InferenceServer", "tail": lines},
                                        doing=f"read the log of {name!r}")
            return str((told or {}).get("content") or "").splitlines()
        return []

    # --- asking it ---------------------------------------------------------------------------------------------------

    def ask(self, body: Any, deployment: str | None = None) -> Answer:
        """Send a request, as its clients do.

        Args:
            body: Goes as JSON.
            deployment: The one that is to answer, whatever its share; None for any.
        """
        address, secret = self._door()
        headers = {"Content-Type": "application/json", **({DEPLOYMENT_HEADER: deployment} if deployment else {}),
                   **({"Authorization": f"Bearer {secret}"} if secret else {})}
        status, told, content = self._workspace.send(
            address, json.dumps(body).encode(), headers, doing=f"ask the endpoint {self.name!r}",
            token_for="" if secret else _SCOPE)
        own = told.get("ms-azureml-model-error-statuscode", "")
        return Answer(int(own) if own.isdecimal() else status, told, content)

    def _door(self) -> tuple[str, str]:
        """Where requests go, and the key that lets them in; empty where who is signed in is let in."""
        if self._known is None:
            properties = (self.read() or {}).get("properties") or {}
            key = ""
            if properties.get("authMode") == "Key":
                keys = self._workspace.post(f"{self._workspace.path}/{self._place}/listKeys",
                                            doing=f"read the keys of {self.name!r}")
                key = str(keys["primaryKey"])
            self._known = str(properties.get("scoringUri")), key
        return self._known
