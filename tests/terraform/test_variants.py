"""The module stage, told otherwise than our stages tell it: each variant is applied, at rest, read by the library, and gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from roots import DATA_SCIENTISTS, GROUPS, READERS, Bench
from standin.cloud import Cloud
from standin.runner import changes

from mlops_lib.infra import contract

OTHER = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/shared/providers"
STORAGE = f"{OTHER}/Microsoft.Storage/storageAccounts/proddata"
VAULT = f"{OTHER}/Microsoft.KeyVault/vaults/kv-shared"
REGISTRY = f"{OTHER}/Microsoft.ContainerRegistry/registries/crshared"
LOGS = f"{OTHER}/Microsoft.OperationalInsights/workspaces/log-shared"
NETWORK = f"{OTHER}/Microsoft.Network/virtualNetworks/hub"
KEY = "https://kv-shared.vault.azure.net/keys/workspace/0123456789abcdef0123456789abcdef"
ZONES = (
    "privatelink.api.azureml.ms",
    "privatelink.azurecr.io",
    "privatelink.blob.core.windows.net",
    "privatelink.dfs.core.windows.net",
    "privatelink.file.core.windows.net",
    "privatelink.notebooks.azure.net",
    "privatelink.queue.core.windows.net",
    "privatelink.table.core.windows.net",
    "privatelink.vaultcore.azure.net",
)
PREMIUM = {"sku": "Premium"}
PRIVATE: dict[str, Any] = {
    "stage": "prod",
    "image_build_compute": "cpu",
    "registry": PREMIUM,
    "networking": {"mode": "private", "isolation_mode": "AllowInternetOutbound"},
}


def values(cloud: Cloud, kind: str) -> list[Any]:
    return [item.values for item in cloud.of_type(f"azurerm_{kind}")]


def one(cloud: Cloud, kind: str) -> Any:
    (found,) = values(cloud, kind)
    return found


def shared_vault_and_registry(cloud: Cloud, stage: contract.Stage) -> None:
    assert values(cloud, "key_vault") == values(cloud, "container_registry") == []
    assert one(cloud, "machine_learning_workspace")["key_vault_id"] == VAULT
    assert one(cloud, "machine_learning_workspace")["container_registry_id"] == REGISTRY
    assert stage.registry is not None
    assert stage.registry["id"] == REGISTRY
    assert {grant["scope"] for grant in values(cloud, "role_assignment")} >= {VAULT, REGISTRY}


def no_registry(cloud: Cloud, stage: contract.Stage) -> None:
    assert values(cloud, "container_registry") == []
    assert one(cloud, "machine_learning_workspace")["container_registry_id"] is None
    assert stage.registry is None


def abac_registry(cloud: Cloud, stage: contract.Stage) -> None:
    """Such a registry takes no notice of AcrPull and AcrPush."""
    assert one(cloud, "container_registry")["role_assignment_mode"] == "AbacRepositoryPermissions"
    roles = {grant["role_definition_name"] for grant in values(cloud, "role_assignment")}
    assert "Container Registry Repository Reader" in roles
    assert not roles & {"AcrPull", "AcrPush"}


def premium_registry(cloud: Cloud, stage: contract.Stage) -> None:
    registry = one(cloud, "container_registry")
    assert [copy["location"] for copy in registry["georeplications"]] == ["northeurope"]
    assert registry["zone_redundancy_enabled"] is True
    assert registry["retention_policy_in_days"] == 14


def private_network_of_its_own(cloud: Cloud, stage: contract.Stage) -> None:
    assert stage.outputs["networking"]["public_network_access"] is False
    assert {zone["name"] for zone in values(cloud, "private_dns_zone")} == set(ZONES)
    assert {endpoint["subnet_id"] for endpoint in values(cloud, "private_endpoint")} == {f"{_id(cloud, 'virtual_network')}/subnets/endpoints"}


def _id(cloud: Cloud, kind: str) -> str:
    return str(one(cloud, kind)["id"])


def private_in_a_shared_network(cloud: Cloud, stage: contract.Stage) -> None:
    assert values(cloud, "virtual_network") == values(cloud, "private_dns_zone") == []
    assert {endpoint["subnet_id"] for endpoint in values(cloud, "private_endpoint")} == {f"{NETWORK}/subnets/endpoints"}


def approved_outbound_only(cloud: Cloud, stage: contract.Stage) -> None:
    assert stage.outputs["networking"]["isolation_mode"] == "AllowOnlyApprovedOutbound"
    prefix = "machine_learning_workspace_network_outbound_rule"
    assert one(cloud, f"{prefix}_fqdn")["destination_fqdn"] == "packages.example.org"
    assert one(cloud, f"{prefix}_service_tag")["service_tag"] == "AzureActiveDirectory"
    assert STORAGE in {rule["service_resource_id"] for rule in values(cloud, f"{prefix}_private_endpoint")}


def own_key(cloud: Cloud, stage: contract.Stage) -> None:
    (encryption,) = one(cloud, "machine_learning_workspace")["encryption"]
    assert (encryption["key_id"], encryption["key_vault_id"]) == (KEY, VAULT)
    accounts = values(cloud, "storage_account")
    assert len(accounts) == 2
    assert {account["customer_managed_key"][0]["key_vault_key_id"] for account in accounts} == {KEY}
    assert one(cloud, "container_registry")["encryption"][0]["key_vault_key_id"] == KEY
    grants = {(grant["scope"], grant["role_definition_name"]) for grant in values(cloud, "role_assignment")}
    assert (VAULT, "Key Vault Crypto Service Encryption User") in grants


def datastores_of_others(cloud: Cloud, stage: contract.Stage) -> None:
    """In another subscription, by id alone; and of the file share a key, for azurerm has no other way."""
    assert {name: store.type for name, store in stage.datastores.items()} == {"raw": "blob", "lake": "adls_gen2", "files": "file_share"}
    assert one(cloud, "machine_learning_datastore_blobstorage")["storage_container_id"] == f"{STORAGE}/blobServices/default/containers/raw"
    scopes = {grant["scope"]: grant["role_definition_name"] for grant in values(cloud, "role_assignment") if STORAGE in grant["scope"]}
    assert f"{STORAGE}/blobServices/default/containers/raw" in scopes
    assert STORAGE not in scopes
    assert one(cloud, "machine_learning_datastore_fileshare")["account_key"] == "bm90IGEga2V5"
    assert "bm90IGEga2V5" not in repr(stage.outputs)


def no_compute(cloud: Cloud, stage: contract.Stage) -> None:
    assert stage.computes == {}
    assert values(cloud, "machine_learning_compute_cluster") == []


def many_computes(cloud: Cloud, stage: contract.Stage) -> None:
    assert {name: compute.kind for name, compute in stage.computes.items()} == {
        "cpu": "cluster",
        "gpu-spot": "cluster",
        "anna-flights": "instance",
    }
    clusters = {cluster["name"]: cluster for cluster in values(cloud, "machine_learning_compute_cluster")}
    assert clusters["gpu-spot"]["vm_priority"] == "LowPriority"
    (user,) = one(cloud, "machine_learning_compute_instance")["assign_to_user"]
    assert user["object_id"] == DATA_SCIENTISTS


def shared_log_analytics(cloud: Cloud, stage: contract.Stage) -> None:
    assert values(cloud, "log_analytics_workspace") == []
    assert one(cloud, "application_insights")["workspace_id"] == LOGS
    assert {setting["log_analytics_workspace_id"] for setting in values(cloud, "monitor_diagnostic_setting")} == {LOGS}


def busy_jobs(cloud: Cloud, stage: contract.Stage) -> None:
    jobs = next(identity for identity in values(cloud, "user_assigned_identity") if identity["name"].endswith("-jobs"))
    roles = {grant["role_definition_name"] for grant in values(cloud, "role_assignment") if grant["principal_id"] == jobs["principal_id"]}
    assert roles >= {
        "AzureML Data Scientist",
        "Storage File Data Privileged Contributor",
        "Storage Queue Data Contributor",
        "Storage Table Data Contributor",
    }
    assert "Contributor" not in roles


def sensitive_data(cloud: Cloud, stage: contract.Stage) -> None:
    workspace = one(cloud, "machine_learning_workspace")
    assert workspace["high_business_impact"] is True
    assert workspace["serverless_compute"][0]["public_ip_enabled"] is False
    assert one(cloud, "key_vault")["sku_name"] == "premium"


def office_only(cloud: Cloud, stage: contract.Stage) -> None:
    for account in values(cloud, "storage_account"):
        (rules,) = account["network_rules"]
        assert (rules["default_action"], rules["ip_rules"]) == ("Deny", ["203.0.113.7"])
    (rules,) = one(cloud, "key_vault")["network_acls"]
    assert rules["default_action"] == "Deny"


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What the module is told, and what must then be so."""

    told: dict[str, Any]
    check: Callable[[Cloud, contract.Stage], None]


VARIANTS = [
    Variant(check=shared_vault_and_registry, told={"key_vault": {"mode": "shared", "shared_id": VAULT}, "registry": {"mode": "shared", "shared_id": REGISTRY}}),
    Variant(check=no_registry, told={"registry": {"mode": "none"}}),
    Variant(check=abac_registry, told={"registry": {"role_assignment_mode": "AbacRepositoryPermissions"}}),
    Variant(check=premium_registry, told={"registry": {**PREMIUM, "premium": {"replicas": {"northeurope": {}}, "untagged_days": 14, "zone_redundancy": True}}}),
    Variant(check=private_network_of_its_own, told=PRIVATE),
    Variant(
        check=private_in_a_shared_network,
        told={
            **PRIVATE,
            "networking": {
                **PRIVATE["networking"],
                "network": "shared",
                "subnet_id": f"{NETWORK}/subnets/endpoints",
                "dns_zone_ids": {zone: f"{OTHER}/Microsoft.Network/privateDnsZones/{zone}" for zone in ZONES},
            },
        },
    ),
    Variant(
        check=approved_outbound_only,
        told={
            "networking": {
                "isolation_mode": "AllowOnlyApprovedOutbound",
                "outbound_rules": {
                    "fqdns": {"packages": "packages.example.org"},
                    "private_endpoints": {"data": {"resource_id": STORAGE, "subresource": "blob"}},
                    "service_tags": {"entra": {"ports": "443", "service_tag": "AzureActiveDirectory"}},
                },
            },
        },
    ),
    Variant(check=own_key, told={"customer_managed_key": {"key_id": KEY, "key_vault_id": VAULT, "service_side": True}, "registry": PREMIUM}),
    Variant(
        check=datastores_of_others,
        told={
            "data_accounts": {},
            "datastore_keys": {"files": "bm90IGEga2V5"},
            "datastores": {
                "raw": {"storage_id": f"{STORAGE}/blobServices/default/containers/raw"},
                "lake": {"access": "write", "storage_id": f"{STORAGE}/blobServices/default/containers/lake", "type": "adls_gen2"},
                "files": {"storage_id": f"{STORAGE}/fileServices/default/shares/files", "type": "file_share"},
            },
        },
    ),
    Variant(check=no_compute, told={"clusters": {}}),
    Variant(
        check=many_computes,
        told={
            "clusters": {
                "cpu": {"vm_size": "Standard_DS3_v2"},
                "gpu-spot": {"low_priority": True, "nodes": {"max": 2}, "vm_size": "Standard_NC4as_T4_v3"},
            },
            "instances": {"anna-flights": {"user_object_id": DATA_SCIENTISTS}},
        },
    ),
    Variant(check=shared_log_analytics, told={"log_analytics": {"mode": "shared", "shared_id": LOGS}}),
    Variant(check=busy_jobs, told={"jobs": {"mount_file_share": True, "run_parallel": True, "submit_jobs": True}}),
    Variant(check=sensitive_data, told={"high_business_impact": True, "key_vault": {"sku": "premium"}, "serverless_compute": {"public_ip": False}}),
    Variant(check=office_only, told={"networking": {"allowed_ips": ["203.0.113.7"]}}),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.check.__name__ for variant in VARIANTS])
def test_a_stage_can_be_told_otherwise(bench: Bench, variant: Variant) -> None:
    people = {"ci": "00000000-0000-0000-0000-00000000d003", **GROUPS["groups"]}
    root = bench.variant(people=people, **variant.told)
    root.apply()
    assert changes(root.plan()) == {}
    variant.check(root.cloud, contract.read(root.output("aml"), "variant"))
    assert READERS in {grant["principal_id"] for grant in values(root.cloud, "role_assignment")}
    root.destroy()
    assert [item.id for item in root.cloud.items() if not item.type.startswith("deleted:")] == []
