"""What the local Azure ML is to have: a stage as Terraform would have made it."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import InputError, did_you_mean
from ..infra.contract import SCHEMA_VERSION, Compute, Datastore
from . import hosts

_STAGE = re.compile(r"[a-z][a-z0-9-]{0,15}")


def _computes() -> Mapping[str, Compute]:
    return {"cpu": Compute(kind="cluster", vm_size="Standard_DS3_v2", min_nodes=0, max_nodes=4)}


def _datastores() -> Mapping[str, Datastore]:
    return {"raw": Datastore(type="blob")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """A stage with its names.

    Attributes:
        stage: ``dev``, ``qa`` or ``prod``; names are made of it.
        computes: By name; workspaces get all of them.
        datastores: Besides those that every workspace has; account and container are the emulator's to choose, unless they are
            said: of one of *accounts*, in a resource group or subscription of its own.
        accounts: Storage accounts besides the stage's own.
        storage_keys: Whether datastores have account keys. Without, as our stages have it, clients sign in.
        cores: How many cores the subscription may have of each family of machines, and of all together.
        page_size: How many items a list answers with at once.
    """

    stage: str = "dev"
    location: str = "westeurope"
    tenant: str = "11111111-1111-4111-8111-111111111111"
    subscription: str = "22222222-2222-4222-8222-222222222222"
    client: str = "33333333-3333-4333-8333-333333333333"
    computes: Mapping[str, Compute] = field(default_factory=_computes)
    datastores: Mapping[str, Datastore] = field(default_factory=_datastores)
    accounts: tuple[str, ...] = ()
    storage_keys: bool = False
    cores: int = 100
    page_size: int = 100

    def __post_init__(self) -> None:
        if not _STAGE.fullmatch(self.stage):
            raise InputError(f"{self.stage!r} is no stage", fix=did_you_mean(self.stage, ("dev", "qa", "prod")))
        for name, datastore in self.datastores.items():
            if datastore.type != "blob":
                raise InputError(f"the datastore {name!r} is of type {datastore.type!r}",
                                 why="the storage of the local Azure ML is Azurite, which has blobs only", fix="make it blob")
            if datastore.account not in (None, self.account, *self.accounts):
                raise InputError(f"the datastore {name!r} is of the account {datastore.account!r}, which is not there",
                                 fix="name it in accounts, too")

    @property
    def group(self) -> str:
        return f"rg-mlops-{self.stage}"

    @property
    def workspace(self) -> str:
        return f"mlw-mlops-{self.stage}"

    @property
    def account(self) -> str:
        return f"stmlops{self.stage.replace('-', '')}"

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    def workspace_id(self, name: str | None = None) -> str:
        return f"{self.group_id}/providers/Microsoft.MachineLearningServices/workspaces/{name or self.workspace}"

    def outputs(self, workspace: str | None = None) -> dict[str, Any]:
        """What ``terraform output -json aml`` would print, of the stage's workspace or of another one."""
        name, providers = workspace or self.workspace, f"{self.group_id}/providers"
        # a name is one endpoint's of the region, so each workspace has its own
        whose = self.stage if name == self.workspace else hashlib.sha256(name.encode()).hexdigest()[:8]
        vault, registry = f"kv-mlops-{self.stage}", f"crmlops{self.stage.replace('-', '')}"
        identities = {who: {
            "id": f"{providers}/Microsoft.ManagedIdentity/userAssignedIdentities/id-mlops-{self.stage}-{who}",
            "client_id": _guid(f"{self.stage}/{who}/client"), "principal_id": _guid(f"{self.stage}/{who}/principal"),
        } for who in ("jobs", "workspace")}
        return {
            "schema_version": SCHEMA_VERSION, "stage": self.stage, "subscription_id": self.subscription,
            "tenant_id": self.tenant, "location": self.location, "resource_group": self.group,
            "workspace": {"id": self.workspace_id(name), "name": name, "location": self.location,
                          "discovery_url": f"https://{hosts.data_plane(self.location)}/discovery"},
            "identities": identities,
            "storage": {"id": f"{providers}/Microsoft.Storage/storageAccounts/{self.account}", "name": self.account},
            "vault": {"id": f"{providers}/Microsoft.KeyVault/vaults/{vault}", "name": vault,
                      "uri": f"https://{vault}.vault.azure.net/"},
            "app_insights": {"id": f"{providers}/Microsoft.Insights/components/appi-mlops-{self.stage}"},
            "registry": {"id": f"{providers}/Microsoft.ContainerRegistry/registries/{registry}", "name": registry,
                         "login_server": f"{registry}.azurecr.io"},
            "networking": {"mode": "public", "isolation_mode": "Disabled"},
            "endpoints": {kind: f"flights-{whose}-{kind}" for kind in ("online", "batch")},
            "computes": {key: {"kind": told.kind, "vm_size": told.vm_size, "min_nodes": told.min_nodes,
                               "max_nodes": told.max_nodes, "low_priority": told.low_priority,
                               "idle_shutdown": told.idle_shutdown,
                               "schedules": None if told.schedules is None else {
                                   name: asdict(schedule) for name, schedule in told.schedules.items()}}
                         for key, told in self.computes.items() if told.kind != "kubernetes"},
            "kubernetes": {key: {"cluster_id": told.cluster_id, "namespace": told.namespace,
                                 "instance_type": told.instance_type}
                           for key, told in self.computes.items() if told.kind == "kubernetes"},
            "datastores": {key: {"type": told.type, "account": told.account or self.account,
                                 "container": told.container or container(name, key), "access": told.access,
                                 "subscription_id": told.subscription_id or self.subscription,
                                 "resource_group": told.resource_group or self.group}
                           for key, told in self.datastores.items()}}


def _guid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def container(workspace: str, datastore: str) -> str:
    """The name of the container behind a datastore: each workspace has its own, as a storage account would give it."""
    return f"{workspace}-{datastore}".lower()[:63].rstrip("-")
