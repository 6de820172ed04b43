"""Facts about workspaces, computes, datastores and outbound rules.

Sources: azurerm's machinelearning service, 5.x: schemas, CustomizeDiff and Create of each resource; Microsoft's pages on
workspace identities, managed networks and compute clusters for what only Azure refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from standin import azure
from standin.facts.model import (
    IDENTITY,
    IDENTITY_CHOICES,
    IDENTITY_IDS,
    PLACE,
    URL,
    UUID,
    ApplyRule,
    Facts,
    Values,
    World,
    blocks,
    duration,
    first,
    identity_rule,
    known,
)

WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
_ISOLATION = ("Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound")
_AUTHENTICATION = ("None", "WorkspaceSystemAssignedIdentity", "WorkspaceUserAssignedIdentity")
_RESERVED = ("workspaceblobstore", "workspaceartifactstore", "workspacefilestore", "workspaceworkingdirectory")
_SUBRESOURCES = {
    "Microsoft.KeyVault/vaults": ("vault",),
    "Microsoft.Cache/redis": ("redisCache",),
    "Microsoft.CognitiveServices/accounts": ("account",),
    "Microsoft.MachineLearningServices/workspaces": ("amlworkspace",),
    "Microsoft.Storage/storageAccounts": ("blob", "table", "queue", "file", "web", "dfs"),
}


def _workspace_plan(values: Values, prior: Values | None) -> Iterator[str]:
    if values.get("service_side_encryption_enabled") is True and values.get("encryption") == []:
        yield '"service_side_encryption_enabled": all of `encryption,service_side_encryption_enabled` must be specified'


def _workspace_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    identity = first(values, "identity")
    primary, named = values.get("primary_user_assigned_identity"), identity.get("identity_ids") or []
    if identity.get("type") == "UserAssigned" and not primary:
        yield "a workspace with user-assigned identities alone needs `primary_user_assigned_identity`"
    if primary and primary.lower() not in {name.lower() for name in named}:
        yield f"`primary_user_assigned_identity` {primary} is not among the workspace's `identity_ids`"
    if values.get("kind") == "Default" and values.get("feature_store"):
        yield "`feature_store` can only be set when `kind` is `FeatureStore`"
    serverless = first(values, "serverless_compute")
    closed = values.get("public_network_access_enabled") is False
    if serverless and not serverless.get("public_ip_enabled") and not serverless.get("subnet_id") and closed:
        yield (
            "`public_ip_enabled` must be set to `true` if `subnet_id` is not set and `public_network_access_enabled` is `false`"
        )
    account = world.find(values["storage_account_id"])
    if account and (account.get("is_hns_enabled") or account.get("account_tier") == "Premium"):
        yield (
            f"the storage account {values['storage_account_id']} has a hierarchical namespace or is Premium; a workspace's"
            " own account must be a general-purpose one without it"
        )
    if prior is None and world.find(f"deleted:{_workspace_id(values, world)}") is not None:
        yield (
            f"Soft-deleted workspace exists: {values['name']!r} was deleted and can be recovered for 14 days. Purge or"
            " recover it, or choose another name."
        )


def _workspace_id(values: Values, world: World) -> str:
    group = f"/subscriptions/{world.subscription}/resourceGroups/{values['resource_group_name']}"
    return f"{group}/providers/{WORKSPACE}/{values['name']}"


def _workspace_change(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    """What an existing workspace cannot become."""
    if prior is None:
        return
    before, after = (first(side, "managed_network").get("isolation_mode") or "Disabled" for side in (prior, values))
    if _ISOLATION.index(after) < _ISOLATION.index(before):
        yield f"the managed network's isolation mode cannot go back from {before} to {after}"
    was, now = (first(side, "identity").get("type", "") for side in (prior, values))
    if "SystemAssigned" in was and "UserAssigned" in was and now != was:
        yield f"a workspace's identity cannot go back from {was!r} to {now!r}"


def _cluster_plan(values: Values, prior: Values | None) -> Iterator[str]:
    for identity in blocks(values, "identity"):
        if identity.get("type") == "SystemAssigned, UserAssigned":
            yield "a compute cluster has one system-assigned identity or user-assigned ones, not both"


def _cluster_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    workspace = world.find(values["machine_learning_workspace_id"]) or {}
    network = first(workspace, "managed_network")
    # azurerm asks for a managed network that is active, and one that nobody has provisioned yet is not
    managed = network.get("isolation_mode", "Disabled") != "Disabled" and network.get("provision_on_creation_enabled")
    if values.get("node_public_ip_enabled") is False and not values.get("subnet_resource_id") and not managed:
        yield (
            "`subnet_resource_id` must be set if `node_public_ip_enabled` is set to `false` or the workspace is not in a"
            " managed network"
        )
    scale = first(values, "scale_settings")
    if scale and scale["min_node_count"] > scale["max_node_count"]:
        yield f"min_node_count {scale['min_node_count']} exceeds max_node_count {scale['max_node_count']}"
    idle = scale.get("scale_down_nodes_after_idle_duration")
    if idle is not None and not duration(idle):
        yield f"scale_down_nodes_after_idle_duration {idle!r} is not an ISO 8601 duration"


def _instance_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    if values.get("node_public_ip_enabled") is False and not values.get("subnet_resource_id"):
        yield "`subnet_resource_id` must be set if `node_public_ip_enabled` is set to `false`"
    region = (world.find(values["machine_learning_workspace_id"]) or {}).get("location")
    for other in world.all("azurerm_machine_learning_compute_instance"):
        there = (world.find(other["machine_learning_workspace_id"]) or {}).get("location")
        if prior is None and region == there and other["name"].lower() == values["name"].lower():
            yield f"a compute instance called {values['name']!r} exists in {region} already; names are unique in a region"


def _blob_plan(values: Values, prior: Values | None) -> Iterator[str]:
    """azurerm asks for a key where the workspace's identity is not to be used: a person's own cannot be said."""
    secrets = ("account_key", "shared_access_signature")
    if values.get("service_data_auth_identity") == "None" and all(values.get(name) is None for name in secrets):
        yield (
            "one of `account_key` or `shared_access_signature` must be specified when `service_data_auth_identity` is set to"
            " `None`"
        )


def _gen2_plan(values: Values, prior: Values | None) -> Iterator[str]:
    together = ("tenant_id", "client_id", "client_secret")
    given = [name for name in together if values.get(name) is not None]
    if given and len(given) < len(together):
        yield f"all of `{','.join(sorted(together))}` must be specified, not only {', '.join(given)}"


def _datastore_apply(values: Values, prior: Values | None, world: World) -> Iterator[str]:
    if prior is None and values["name"].lower() in _RESERVED:
        yield f"a resource with the ID '{values['workspace_id']}/dataStores/{values['name']}' already exists"
    identity = values.get("service_data_auth_identity") or values.get("service_data_identity")
    workspace = world.find(values["workspace_id"])
    if workspace and identity in _AUTHENTICATION[1:]:
        kind = "SystemAssigned" if "System" in identity else "UserAssigned"
        if kind not in first(workspace, "identity").get("type", ""):
            yield f"the workspace has no {kind} identity, and the datastore is to use {identity}"


def _rule_apply(mode_needed: tuple[str, ...], what: str) -> ApplyRule:
    def rule(values: Values, prior: Values | None, world: World) -> Iterator[str]:
        workspace = world.find(values["workspace_id"])
        if workspace is None:
            return
        mode = first(workspace, "managed_network").get("isolation_mode") or "Disabled"
        if mode not in mode_needed:
            yield f"a {what} outbound rule needs isolation mode {' or '.join(mode_needed)}; the workspace has {mode}"

    return rule


def _target_plan(values: Values, prior: Values | None) -> Iterator[str]:
    service, target = values.get("service_resource_id"), values.get("sub_resource_target")
    if known(service) and known(target):
        kind = azure.kind_of(service) or ""
        allowed = next((names for name, names in _SUBRESOURCES.items() if name.lower() == kind.lower()), ())
        if target not in allowed:
            yield f"unsupported resource type: {target}. Supported by {service}: {', '.join(allowed) or 'none'}"


_COMPUTE = "{machine_learning_workspace_id}/computes/{name}"
_CONTAINER = "Microsoft.Storage/storageAccounts/blobServices/containers"


def _datastore(target: str, kind: str, authentication: str, **more: Any) -> Facts:
    """What the three kinds of datastore share: *target* is what they point at, *authentication* how."""
    facts = Facts(
        id="{workspace_id}/dataStores/{name}",
        force_new=("name", "workspace_id", "description", "tags", target),
        defaults={authentication: "None"},
        choices={authentication: _AUTHENTICATION},
        patterns={"name": (r"\w{1,255}", "must be 1 to 255 letters, digits and underscores")},
        ids={"workspace_id": WORKSPACE, target: kind},
        apply_rules=(_datastore_apply,),
    )
    return replace(facts, **more)


def _outbound(modes: tuple[str, ...], what: str, force_new: tuple[str, ...], **more: Any) -> Facts:
    """What the three kinds of outbound rule share: a network in one of these *modes*."""
    facts = Facts(
        id="{workspace_id}/outboundRules/{name}",
        force_new=("name", "workspace_id", *force_new),
        ids={"workspace_id": WORKSPACE},
        apply_rules=(_rule_apply(modes, what),),
    )
    return replace(facts, **more)


FACTS: Mapping[str, Facts] = {
    "azurerm_machine_learning_workspace": Facts(
        id="{group}/providers/Microsoft.MachineLearningServices/workspaces/{name}",
        force_new=(
            *PLACE,
            "application_insights_id",
            "key_vault_id",
            "storage_account_id",
            "container_registry_id",  # not computed, so what the service attaches reads as a change
            "high_business_impact",
            "encryption",
            "service_side_encryption_enabled",
            "managed_network.provision_on_creation_enabled",
        ),
        defaults={
            "kind": "Default",
            "public_network_access_enabled": True,
            "sku_name": "Basic",
            "service_side_encryption_enabled": False,
            "v1_legacy_mode_enabled": False,
            "storage_account_access_type": "AccessKey",  # whatever the account allows
            "managed_network.provision_on_creation_enabled": False,
            "serverless_compute.public_ip_enabled": False,
        },
        computed={
            **IDENTITY,
            "discovery_url": "https://{location}.api.azureml.ms/discovery",
            "workspace_id": "{uuid}",
            "managed_network.isolation_mode": "Disabled",
        },
        computed_blocks={
            "managed_network": lambda it: [{"isolation_mode": "Disabled", "provision_on_creation_enabled": False}]
        },
        choices={
            **IDENTITY_CHOICES,
            "kind": ("Default", "FeatureStore"),
            "sku_name": ("Basic",),
            "storage_account_access_type": ("AccessKey", "Identity"),
            "managed_network.isolation_mode": _ISOLATION,
        },
        # azurerm lets an underscore through, and Azure does not
        patterns={
            "name": (r"[a-zA-Z0-9][a-zA-Z0-9-]{2,32}", "must be 3 to 33 letters, digits and hyphens, no hyphen first"),
            "encryption.key_id": URL,
        },
        ids={
            **IDENTITY_IDS,
            "application_insights_id": "Microsoft.Insights/components",
            "key_vault_id": "Microsoft.KeyVault/vaults",
            "storage_account_id": "Microsoft.Storage/storageAccounts",
            "container_registry_id": "Microsoft.ContainerRegistry/registries",
            "primary_user_assigned_identity": "Microsoft.ManagedIdentity/userAssignedIdentities",
            "encryption.key_vault_id": "Microsoft.KeyVault/vaults",
            "encryption.user_assigned_identity_id": "Microsoft.ManagedIdentity/userAssignedIdentities",
            "serverless_compute.subnet_id": "Microsoft.Network/virtualNetworks/subnets",
        },
        plan_rules=(identity_rule, _workspace_plan),
        apply_rules=(_workspace_apply, _workspace_change),
    ),
    "azurerm_machine_learning_compute_cluster": Facts(
        id=_COMPUTE,
        # only scale_settings, identity and tags change in place
        force_new=(
            "name",
            "location",
            "machine_learning_workspace_id",
            "vm_size",
            "vm_priority",
            "local_auth_enabled",
            "node_public_ip_enabled",
            "ssh",
            "description",
            "ssh_public_access_enabled",
            "subnet_resource_id",
        ),
        defaults={"local_auth_enabled": True, "node_public_ip_enabled": True, "ssh_public_access_enabled": False},
        computed={**IDENTITY, "subnet_resource_id": lambda it: ""},
        sensitive=frozenset({"ssh.admin_password"}),
        choices={**IDENTITY_CHOICES, "vm_priority": ("Dedicated", "LowPriority")},
        patterns={
            "name": (
                r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]",
                "must be 3 to 32 letters, digits and hyphens, a letter first and no hyphen last",
            )
        },
        ids={
            **IDENTITY_IDS,
            "machine_learning_workspace_id": WORKSPACE,
            "subnet_resource_id": "Microsoft.Network/virtualNetworks/subnets",
        },
        plan_rules=(identity_rule, _cluster_plan),
        apply_rules=(_cluster_apply,),
    ),
    "azurerm_machine_learning_compute_instance": Facts(
        id=_COMPUTE,
        # the provider has no update at all
        force_new=(
            "name",
            "machine_learning_workspace_id",
            "virtual_machine_size",
            "authorization_type",
            "assign_to_user",
            "description",
            "identity",
            "local_auth_enabled",
            "node_public_ip_enabled",
            "ssh",
            "subnet_resource_id",
            "tags",
        ),
        defaults={"local_auth_enabled": True, "node_public_ip_enabled": True},
        computed={**IDENTITY, "ssh.username": "azureuser", "ssh.port": lambda it: 50000},
        choices={**IDENTITY_CHOICES, "authorization_type": ("personal",)},
        # azurerm's own expression takes 4 to 25 characters; its message, and Azure, say 3 to 24
        patterns={
            "name": (
                r"[a-zA-Z][a-zA-Z0-9-]{2,22}[a-zA-Z0-9]",
                "must be 4 to 24 letters, digits and hyphens, a letter first and no hyphen last",
            ),
            "assign_to_user.tenant_id": UUID,
        },
        ids={
            **IDENTITY_IDS,
            "machine_learning_workspace_id": WORKSPACE,
            "subnet_resource_id": "Microsoft.Network/virtualNetworks/subnets",
        },
        plan_rules=(identity_rule,),
        apply_rules=(_instance_apply,),
    ),
    "azurerm_machine_learning_inference_cluster": Facts(
        id=_COMPUTE,
        force_new=("name", "location", "machine_learning_workspace_id", "kubernetes_cluster_id"),
        computed=IDENTITY,
        ids={**IDENTITY_IDS, "machine_learning_workspace_id": WORKSPACE},
    ),
    "azurerm_machine_learning_synapse_spark": Facts(
        id=_COMPUTE,
        force_new=("name", "location", "machine_learning_workspace_id", "synapse_spark_pool_id"),
        computed=IDENTITY,
        ids={**IDENTITY_IDS, "machine_learning_workspace_id": WORKSPACE},
    ),
    "azurerm_machine_learning_datastore_blobstorage": _datastore(
        "storage_container_id",
        _CONTAINER,
        "service_data_auth_identity",
        defaults={"service_data_auth_identity": "None", "is_default": False},
        sensitive=frozenset({"account_key", "shared_access_signature"}),
        plan_rules=(_blob_plan,),
    ),
    "azurerm_machine_learning_datastore_datalake_gen2": _datastore(
        "storage_container_id",
        _CONTAINER,
        "service_data_identity",
        computed={"is_default": lambda it: False},
        sensitive=frozenset({"client_secret"}),
        plan_rules=(_gen2_plan,),
    ),
    "azurerm_machine_learning_datastore_fileshare": _datastore(
        "storage_fileshare_id",
        "Microsoft.Storage/storageAccounts/fileServices/shares",
        "service_data_identity",
        computed={"is_default": lambda it: False},
        sensitive=frozenset({"account_key", "shared_access_signature"}),
        exactly_one=(("account_key", "shared_access_signature"),),
    ),
    "azurerm_machine_learning_workspace_network_outbound_rule_fqdn": _outbound(_ISOLATION[2:], "FQDN", ("destination_fqdn",)),
    "azurerm_machine_learning_workspace_network_outbound_rule_private_endpoint": _outbound(
        _ISOLATION[1:],
        "private endpoint",
        ("service_resource_id", "sub_resource_target", "spark_enabled"),
        defaults={"spark_enabled": False},
        plan_rules=(_target_plan,),
    ),
    "azurerm_machine_learning_workspace_network_outbound_rule_service_tag": _outbound(
        _ISOLATION[2:], "service tag", (), choices={"protocol": ("*", "TCP", "UDP", "ICMP")}
    ),
}
