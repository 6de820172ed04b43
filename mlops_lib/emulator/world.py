"""What every handler works on: the rows, the storage account, the identity, and the setup that it began with."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..engines.local.tracking import Tracking
from .blobs import Account
from .resources import Resources
from .runner import Runner
from .serving import Servers
from .setup import Setup
from .tokens import Tokens
from .traffic import Rotation


@dataclass(kw_only=True, slots=True)
class World:
    """The state behind the routes.

    Attributes:
        home: The emulator's folder.
        account: The stage's own storage account.
        others: Further ones, by name.
        client_secret: Of the setup's client, for tokens.
        runner: Runs jobs.
        servers: The processes that serve online deployments.
        rotation: Whose turn it is among the deployments of an endpoint.
    """

    setup: Setup
    home: Path
    resources: Resources
    account: Account
    tokens: Tokens
    client_secret: str
    others: Mapping[str, Account] = field(default_factory=dict)
    runner: Runner = field(init=False)
    servers: Servers = field(default_factory=Servers)
    rotation: Rotation = field(default_factory=Rotation)
    _trackings: dict[str, Tracking] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.runner = Runner(self)

    @property
    def location(self) -> str:
        return self.setup.location

    def account_of(self, name: str | None) -> Account | None:
        """The storage account of that name, the stage's own for none; None when there is no such account here."""
        return self.account if name in (None, self.account.name) else self.others.get(str(name))

    @property
    def page_size(self) -> int:
        return self.setup.page_size

    def tracking(self, workspace: str) -> str:
        """The address of a workspace's MLflow, where its jobs log; nothing of MLflow is started before it is used."""
        name = workspace.rpartition("/")[2].lower()
        with self._lock:
            if name not in self._trackings:
                folder = self.home / "workspaces" / name / ".mlops" / "mlflow"
                self._trackings[name] = Tracking(folder, experiment="Default", run_id=uuid.uuid4().hex, run_name=name,
                                                 environment=os.environ)
            return self._trackings[name].uri

    def close(self) -> None:
        """End what is at work."""
        self.servers.close()
        self.runner.close()
        for tracking in self._trackings.values():
            tracking.close(succeeded=True)
