"""Which roles the identities of a stage are to have: the table of ``terraform/modules/roles``, with the stage's ids in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .contract import Datastore, Stage

_ACCESS: Final = {"read": "Storage Blob Data Reader", "write": "Storage Blob Data Contributor"}
_APPROVER: Final = "Azure AI Enterprise Network Connection Approver"
# A registry honours the one set or the other; which, the outputs do not say.
_PULL: Final = ("AcrPull", "Container Registry Repository Reader")
_PUSH: Final = ("AcrPush", "Container Registry Repository Writer")
# What a role allows besides, of those in the table.
_INCLUDED: Final[Mapping[str, tuple[str, ...]]] = {
    "Owner": ("Contributor", "Reader"),
    "Contributor": ("Reader",),
    "AcrPush": ("AcrPull",),
    "Container Registry Repository Writer": ("Container Registry Repository Reader",),
    "Storage Blob Data Owner": ("Storage Blob Data Contributor", "Storage Blob Data Reader"),
    "Storage Blob Data Contributor": ("Storage Blob Data Reader",),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """A role that an identity is to have on something.

    Attributes:
        who: ``jobs`` or ``workspace``.
        roles: Any one of them will do; the first is what Terraform grants.
        on: What it is on, for people: ``the storage account 'stx'``.
        scope: The id of that.
    """

    who: str
    roles: tuple[str, ...]
    on: str
    scope: str

    def met_by(self, held: Collection[str]) -> bool:
        """Whether somebody with the roles *held* there, or above it, may do what is wanted."""
        return any(role in held or any(role in _INCLUDED.get(other, ()) for other in held) for role in self.roles)


def account_id(stage: Stage, datastore: Datastore) -> str:
    """The id of the storage account behind a datastore, which may be in another resource group or subscription."""
    group = datastore.resource_group or stage.resource_group
    return (f"/subscriptions/{datastore.subscription_id or stage.subscription_id}/resourceGroups/{group}/providers/"
            f"Microsoft.Storage/storageAccounts/{datastore.account}")


def container_id(stage: Stage, datastore: Datastore) -> str:
    """The id of the container behind a datastore of blobs or of Data Lake Gen2."""
    return f"{account_id(stage, datastore)}/blobServices/default/containers/{datastore.container}"


def expected(stage: Stage) -> tuple[Grant, ...]:
    """What Terraform grants the identities that every stage has, whatever its variables say.

    A file share is read with a key, and nobody needs a role for it.
    """
    return tuple(_expected(stage))


def _expected(stage: Stage) -> Iterator[Grant]:
    def each(who: str, on: str, scope: str, *roles: tuple[str, ...]) -> Iterator[Grant]:
        yield from (Grant(who=who, roles=any_of, on=on, scope=scope) for any_of in roles)

    isolated = stage.networking["isolation_mode"] != "Disabled"
    approving = [(_APPROVER,)] if isolated else []
    workspace = f"the workspace {stage.workspace['name']!r}"
    yield from each("workspace", workspace, stage.workspace["id"], ("Contributor",))
    storage = f"the storage account {stage.storage['name']!r}"
    yield from each("workspace", storage, stage.storage["id"], ("Contributor",), ("Storage Blob Data Contributor",),
                    ("Storage File Data Privileged Contributor",), *approving)
    yield from each("jobs", storage, stage.storage["id"], ("Storage Blob Data Contributor",))
    yield from each("workspace", f"the key vault {stage.vault['name']!r}", stage.vault["id"], ("Contributor",),
                    ("Key Vault Administrator",), *approving)
    yield from each("workspace", "Application Insights", stage.app_insights, ("Contributor",))
    if stage.registry is not None:
        registry = f"the registry {stage.registry['name']!r}"
        yield from each("workspace", registry, stage.registry["id"], ("Contributor",), _PULL, _PUSH, *approving)
        yield from each("jobs", registry, stage.registry["id"], _PULL)
    accounts: dict[str, str] = {}
    for name, datastore in stage.datastores.items():
        if datastore.type == "file_share" or not datastore.account or not datastore.container:
            continue
        container = f"the container {datastore.container!r} of datastore {name!r}"
        scope = container_id(stage, datastore)
        yield from each("jobs", container, scope, (_ACCESS[datastore.access],))
        yield from each("workspace", container, scope, (_ACCESS["read"],))
        if datastore.resource_group in (None, stage.resource_group):  # an account of the stage's own
            accounts.setdefault(account_id(stage, datastore), datastore.account)
    for scope, account in accounts.items():
        if scope.lower() != stage.storage["id"].lower():
            yield from each("workspace", f"the storage account {account!r}", scope, *approving)
