"""Facts about storage accounts and what lies in them.

Sources: azurerm's storage service, 5.x; Azure's naming rules. A container's id has the provider's own subscription,
whatever the account's is.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from standin.facts.model import (
    IDENTITY,
    IDENTITY_CHOICES,
    IDENTITY_IDS,
    PLACE,
    Answer,
    Facts,
    Values,
    World,
    first,
    identity_rule,
    known,
)

ACCOUNT = "Microsoft.Storage/storageAccounts"


def secret(it: Values) -> str:
    """Something that looks like a key and opens nothing."""
    return base64.b64encode(hashlib.sha512(str(it["uuid"]).encode()).digest()).decode()


def _connection(it: Values) -> str:
    return f"DefaultEndpointsProtocol=https;AccountName={it['name']};AccountKey={secret(it)};EndpointSuffix=core.windows.net"


def _endpoints() -> dict[str, Answer]:
    answers: dict[str, Answer] = {"primary_location": "{location}"}
    for service in ("blob", "dfs", "file", "queue", "table", "web"):
        host = f"{{name}}.{service if service != 'web' else 'z6.web'}.core.windows.net"
        answers[f"primary_{service}_host"] = host
        answers[f"primary_{service}_endpoint"] = f"https://{host}/"
    for side in ("primary", "secondary"):
        answers[f"{side}_access_key"] = secret
        answers[f"{side}_connection_string"] = _connection
        answers[f"{side}_blob_connection_string"] = _connection
    return answers


def _in_own_subscription(template: str) -> Any:
    def make(it: Values) -> str:
        return re.sub(r"^/subscriptions/[^/]+", f"/subscriptions/{it['subscription']}", template.format_map(it))

    return make


def _account_plan(values: Values, prior: Values | None) -> Iterator[str]:
    if values.get("is_hns_enabled") is True and first(first(values, "blob_properties"), "restore_policy"):
        yield "`blob_properties.restore_policy` can't be set when `is_hns_enabled` is true"
    blob = first(values, "blob_properties")
    if values.get("is_hns_enabled") is True and blob.get("versioning_enabled") is True:
        yield "`versioning_enabled` can't be true when `is_hns_enabled` is true"
    redundancy, kind = values.get("account_replication_type"), values.get("account_kind")
    if first(values, "customer_managed_key") and values.get("identity") == []:
        yield "`customer_managed_key` can only be used with an `identity` that includes `UserAssigned`"
    if values.get("account_tier") == "Premium" and known(redundancy) and redundancy not in ("LRS", "ZRS"):
        yield f"a Premium account is LRS or ZRS, not {redundancy}"
    if kind == "BlobStorage" and known(redundancy) and redundancy == "ZRS":
        yield "`account_replication_type` of `ZRS` isn't supported for Blob Storage accounts"


def _policy_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    account = world.find(values["storage_account_id"]) or {}
    for rule in values.get("rule") or []:
        by_access = [
            name
            for name, days in first(first(rule, "actions"), "base_blob").items()
            if "last_access_time" in name and days is not None
        ]
        if by_access and account and not first(account, "blob_properties").get("last_access_time_enabled"):
            yield f"rule {rule['name']!r} uses {by_access[0]}, and the account does not track last access times"


FACTS: Mapping[str, Facts] = {
    "azurerm_storage_account": Facts(
        id="{group}/providers/Microsoft.Storage/storageAccounts/{name}",
        unique=True,
        force_new=(
            *PLACE,
            "account_tier",
            "is_hns_enabled",
            "nfsv3_enabled",
            "edge_zone",
            "dns_endpoint_type",
            "immutability_policy",
            "infrastructure_encryption_enabled",
            "provisioned_billing_model_version",
            "queue_encryption_key_type",
            "table_encryption_key_type",
        ),
        defaults={
            "account_kind": "StorageV2",
            "allow_nested_items_to_be_public": False,
            "cross_tenant_replication_enabled": False,
            "default_to_oauth_authentication": False,
            "dns_endpoint_type": "Standard",
            "https_traffic_only_enabled": True,
            "infrastructure_encryption_enabled": False,
            "is_hns_enabled": False,
            "local_user_enabled": True,
            "min_tls_version": "TLS1_2",
            "nfsv3_enabled": False,
            "queue_encryption_key_type": "Service",
            "sftp_enabled": False,
            "shared_access_key_enabled": True,
            "table_encryption_key_type": "Service",
            "blob_properties.change_feed_enabled": False,
            "blob_properties.last_access_time_enabled": False,
            "blob_properties.versioning_enabled": False,
            "blob_properties.container_delete_retention_policy.days": 7,
            "blob_properties.delete_retention_policy.days": 7,
            "blob_properties.delete_retention_policy.permanent_delete_enabled": False,
            "share_properties.retention_policy.days": 7,
            "routing.choice": "MicrosoftRouting",
            "routing.publish_internet_endpoints": False,
            "routing.publish_microsoft_endpoints": False,
            "sas_policy.expiration_action": "Log",
        },
        computed={
            **IDENTITY,
            **_endpoints(),
            "access_tier": "Hot",
            "large_file_share_enabled": lambda it: False,
            "public_network_access_enabled": lambda it: (it.get("public_network_access") or "Enabled") == "Enabled",
            "public_network_access": lambda it: "Disabled" if it.get("public_network_access_enabled") is False else "Enabled",
            "network_rules.bypass": lambda it: ["AzureServices"],
            "network_rules.ip_rules": lambda it: [],
            "network_rules.virtual_network_subnet_ids": lambda it: [],
        },
        computed_blocks={
            "network_rules": lambda it: [
                {
                    "default_action": "Allow",
                    "bypass": ["AzureServices"],
                    "ip_rules": [],
                    "virtual_network_subnet_ids": [],
                    "private_link_access": [],
                }
            ],
            "blob_properties": lambda it: [{"change_feed_enabled": False, "last_access_time_enabled": False}],
            "share_properties": lambda it: [{"retention_policy": [{"days": 7}]}],
        },
        sensitive=frozenset(
            f"{side}_{name}"
            for side in ("primary", "secondary")
            for name in ("access_key", "connection_string", "blob_connection_string")
        ),
        choices={
            **IDENTITY_CHOICES,
            "account_kind": ("BlobStorage", "BlockBlobStorage", "FileStorage", "Storage", "StorageV2"),
            "account_tier": ("Standard", "Premium"),
            "account_replication_type": ("LRS", "ZRS", "GRS", "RAGRS", "GZRS", "RAGZRS"),
            "access_tier": ("Hot", "Cool", "Cold", "Premium"),
            "allowed_copy_scope": ("AAD", "PrivateLink"),
            "min_tls_version": ("TLS1_2", "TLS1_3"),
            "public_network_access": ("Enabled", "Disabled", "SecuredByPerimeter"),
            "network_rules.default_action": ("Allow", "Deny"),
            "network_rules.bypass": ("AzureServices", "Logging", "Metrics", "None"),
            "sas_policy.expiration_action": ("Log", "Block"),
        },
        ranges={
            "blob_properties.container_delete_retention_policy.days": (1, 365),
            "blob_properties.delete_retention_policy.days": (1, 365),
            "share_properties.retention_policy.days": (1, 365),
        },
        patterns={"name": (r"[a-z0-9]{3,24}", "must be 3 to 24 lowercase letters and digits")},
        ids={
            **IDENTITY_IDS,
            "network_rules.virtual_network_subnet_ids": "Microsoft.Network/virtualNetworks/subnets",
            "network_rules.private_link_access.endpoint_resource_id": "*",
            "customer_managed_key.user_assigned_identity_id": "Microsoft.ManagedIdentity/userAssignedIdentities",
        },
        plan_rules=(identity_rule, _account_plan),
    ),
    "azurerm_storage_container": Facts(
        id=_in_own_subscription("{storage_account_id}/blobServices/default/containers/{name}"),
        force_new=("name", "storage_account_id", "default_encryption_scope", "encryption_scope_override_enabled"),
        defaults={"container_access_type": "private", "encryption_scope_override_enabled": True},
        computed={
            "default_encryption_scope": "$account-encryption-key",
            "has_immutability_policy": lambda it: False,
            "has_legal_hold": lambda it: False,
            "metadata": lambda it: {},
            "url": lambda it: f"https://{it['storage_account_id'].rsplit('/', 1)[1]}.blob.core.windows.net/{it['name']}",
        },
        choices={"container_access_type": ("blob", "container", "private")},
        patterns={
            "name": (
                r"(\$root|\$web|[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9])",
                "must be 3 to 63 lowercase letters, digits and single hyphens, no hyphen first or last",
            )
        },
        ids={"storage_account_id": ACCOUNT},
    ),
    "azurerm_storage_share": Facts(
        id=_in_own_subscription("{storage_account_id}/fileServices/default/shares/{name}"),
        force_new=("name", "storage_account_id", "enabled_protocol"),
        defaults={"enabled_protocol": "SMB"},
        computed={
            "access_tier": "TransactionOptimized",
            "metadata": lambda it: {},
            "rbac_scope_id": lambda it: it["id"].replace("/shares/", "/fileshares/"),
            "url": lambda it: f"https://{it['storage_account_id'].rsplit('/', 1)[1]}.file.core.windows.net/{it['name']}",
        },
        choices={"enabled_protocol": ("SMB", "NFS"), "access_tier": ("Cool", "Hot", "Premium", "TransactionOptimized")},
        ranges={"quota": (1, 262144)},
        patterns={
            "name": (
                r"[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]",
                "must be 3 to 63 lowercase letters, digits and single hyphens, no hyphen first or last",
            )
        },
        ids={"storage_account_id": ACCOUNT},
    ),
    "azurerm_storage_management_policy": Facts(
        id="{storage_account_id}/managementPolicies/default",
        force_new=("storage_account_id",),
        choices={"rule.filters.blob_types": ("blockBlob", "appendBlob")},
        patterns={"rule.name": (r"[a-zA-Z0-9-]{1,256}", "must be letters, digits and hyphens")},
        ids={"storage_account_id": ACCOUNT},
        apply_rules=(_policy_apply,),
    ),
}
