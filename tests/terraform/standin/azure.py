"""Azure's ids and the values that Azure makes up, made here from ids alone, so that two runs make the same."""

from __future__ import annotations

import re
import uuid

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
TENANT = "00000000-0000-0000-0000-00000000aaaa"
CLIENT = "00000000-0000-0000-0000-00000000bbbb"
OBJECT = "00000000-0000-0000-0000-00000000cccc"

_SPACE = uuid.UUID("5b0f5c9e-6f0a-4b53-9c2e-0a5f7d1f0e11")
UUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"

# what a subscription may hold: the built-in roles that stages use or must not use
ROLES = (
    "AcrDelete",
    "AcrPull",
    "AcrPush",
    "Azure AI Administrator",
    "Azure AI Enterprise Network Connection Approver",
    "AzureML Compute Operator",
    "AzureML Data Scientist",
    "AzureML Metrics Writer (preview)",
    "AzureML Registry User",
    "Container Registry Repository Catalog Lister",
    "Container Registry Repository Contributor",
    "Container Registry Repository Reader",
    "Container Registry Repository Writer",
    "Contributor",
    "Key Vault Administrator",
    "Key Vault Contributor",
    "Key Vault Crypto Officer",
    "Key Vault Crypto Service Encryption User",
    "Key Vault Crypto User",
    "Key Vault Reader",
    "Key Vault Secrets Officer",
    "Key Vault Secrets User",
    "Locks Contributor",
    "Log Analytics Contributor",
    "Log Analytics Reader",
    "Managed Identity Contributor",
    "Managed Identity Operator",
    "Monitoring Contributor",
    "Monitoring Metrics Publisher",
    "Monitoring Reader",
    "Network Contributor",
    "Owner",
    "Private DNS Zone Contributor",
    "Reader",
    "Resource Policy Contributor",
    "Role Based Access Control Administrator",
    "Storage Account Contributor",
    "Storage Blob Data Contributor",
    "Storage Blob Data Owner",
    "Storage Blob Data Reader",
    "Storage Blob Delegator",
    "Storage File Data Privileged Contributor",
    "Storage File Data Privileged Reader",
    "Storage File Data SMB Share Contributor",
    "Storage File Data SMB Share Reader",
    "Storage Queue Data Contributor",
    "Storage Queue Data Reader",
    "Storage Table Data Contributor",
    "Storage Table Data Reader",
    "User Access Administrator",
)


def made_up(*seed: str) -> str:
    """A UUID that depends on *seed* and on nothing else."""
    return str(uuid.uuid5(_SPACE, "|".join(part.lower() for part in seed)))


def role_id(name: str) -> str:
    """The UUID of a role; Azure's own are other ones, and as fixed as these."""
    return made_up("role", name)


def role_name(identifier: str) -> str:
    """The role whose definition has this id; of a role that is not built in the name is its UUID."""
    key = identifier.rsplit("/", 1)[-1].lower()
    return next((name for name in ROLES if role_id(name) == key), key)


def subscription_of(identifier: str) -> str | None:
    """The subscription that an id lies in."""
    found = re.match(r"/subscriptions/([^/]+)", identifier, re.IGNORECASE)
    return found[1].lower() if found else None


def is_uuid(text: str) -> bool:
    return re.fullmatch(UUID, text) is not None


def kind_of(identifier: str) -> str | None:
    """The kind of resource that an id names, such as ``Microsoft.Storage/storageAccounts``; ``None`` for no id.

    An id inside another is judged by its last provider; a group's kind is ``resourceGroups``, a subscription's ``subscriptions``.
    """
    parts = identifier.split("/")
    if len(parts) < 3 or parts[0] or not all(parts[1:]) or parts[1].lower() != "subscriptions" or not is_uuid(parts[2]):
        return None
    if len(parts) == 3:
        return "subscriptions"
    where = max((index for index, part in enumerate(parts) if part.lower() == "providers"), default=0)
    if not where:
        return "resourceGroups" if len(parts) == 5 and parts[3].lower() == "resourcegroups" else None
    rest = parts[where + 1 :]
    if len(rest) < 3 or len(rest) % 2 == 0 or "." not in rest[0]:
        return None
    return "/".join([rest[0], *rest[1::2]])


def group_of(identifier: str) -> str | None:
    """The id of the resource group that an id lies in or names."""
    found = re.match(r"/subscriptions/[^/]+/resourceGroups/[^/|]+", identifier, re.IGNORECASE)
    return found[0] if found else None


def owner_of(identifier: str) -> str | None:
    """The resource that must exist before its child with this id; ``None`` for what lies directly in a group."""
    found = re.match(r"(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/[^/]+/[^/|]+)[/|]", identifier, re.IGNORECASE)
    return found[1] if found else None


def within(identifier: str, scope: str) -> bool:
    """Whether an id is *scope* or lies in it; what is attached to a resource lies in it, too."""
    return f"{identifier.lower()}/".replace("|", "/").startswith(f"{scope.lower()}/")
