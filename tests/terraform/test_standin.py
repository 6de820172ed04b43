"""The stand-in for azurerm, judged by Terraform itself on tiny configurations."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standin import azure
from standin.cloud import Cloud
from standin.runner import Root, Servers, TerraformError, changes, mirror

STANDIN = Path(__file__).resolve().parent / "standin"
OTHER = "00000000-0000-0000-0000-000000000002"
CONTAINER = (
    f"/subscriptions/{OTHER}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/prod/blobServices/default/containers/raw"
)

PROVIDER = """
terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 5.10, < 6.0"
    }
  }
}

provider "azurerm" {
  features {}
}
"""

GROUP = (
    PROVIDER
    + """
variable "tags" {
  type    = map(string)
  default = { team = "a" }
}

resource "azurerm_resource_group" "this" {
  name     = "rg"
  location = "westeurope"
  tags     = var.tags
}
"""
)

WORKSPACE = (
    GROUP
    + """
data "azurerm_client_config" "current" {}

resource "azurerm_log_analytics_workspace" "this" {
  name                = "logs"
  location            = azurerm_resource_group.this.location
  resource_group_name = azurerm_resource_group.this.name
}

resource "azurerm_application_insights" "this" {
  name                = "insights"
  location            = azurerm_resource_group.this.location
  resource_group_name = azurerm_resource_group.this.name
  application_type    = "web"
  workspace_id        = azurerm_log_analytics_workspace.this.id
}

resource "azurerm_key_vault" "this" {
  name                       = "vault"
  location                   = azurerm_resource_group.this.location
  resource_group_name        = azurerm_resource_group.this.name
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
}

resource "azurerm_storage_account" "this" {
  name                      = "account"
  location                  = azurerm_resource_group.this.location
  resource_group_name       = azurerm_resource_group.this.name
  account_tier              = "Standard"
  account_replication_type  = "LRS"
  shared_access_key_enabled = false
}

resource "azurerm_user_assigned_identity" "this" {
  name                = "identity"
  location            = azurerm_resource_group.this.location
  resource_group_name = azurerm_resource_group.this.name
}

resource "azurerm_machine_learning_workspace" "this" {
  name                           = "workspace"
  location                       = azurerm_resource_group.this.location
  resource_group_name            = azurerm_resource_group.this.name
  application_insights_id        = azurerm_application_insights.this.id
  key_vault_id                   = azurerm_key_vault.this.id
  storage_account_id             = azurerm_storage_account.this.id
  storage_account_access_type    = "Identity"
  primary_user_assigned_identity = azurerm_user_assigned_identity.this.id
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.this.id]
  }
  MORE
}
"""
)

INSTANCE = """
resource "azurerm_machine_learning_compute_instance" "this" {
  name                          = "someone"
  machine_learning_workspace_id = azurerm_machine_learning_workspace.this.id
  virtual_machine_size          = "Standard_DS3_v2"
  tags                          = var.tags
  MORE
}
"""

CLUSTER = """
resource "azurerm_machine_learning_compute_cluster" "this" {
  name                          = "cpu"
  location                      = azurerm_resource_group.this.location
  machine_learning_workspace_id = azurerm_machine_learning_workspace.this.id
  vm_size                       = "Standard_DS3_v2"
  vm_priority                   = "Dedicated"
  tags                          = var.tags
  scale_settings {
    min_node_count                       = 0
    max_node_count                       = 2
    scale_down_nodes_after_idle_duration = "PT2M"
  }
  MORE
}
"""


def workspace(more: str = "", *others: str) -> str:
    return WORKSPACE.replace("MORE", more) + "".join(other.replace("MORE", "") for other in others)


def refused(act: Callable[[], Any]) -> str:
    """What Terraform says, without its frame and line breaks."""
    with pytest.raises(TerraformError) as caught:
        act()
    return " ".join(re.sub(r"[│╷╵]", " ", str(caught.value)).split())


def test_what_is_applied_is_there_for_the_next_plan_and_gone_once_destroyed(root: Any) -> None:
    made: Root = root(workspace("", INSTANCE, CLUSTER) + 'output "id" { value = azurerm_machine_learning_workspace.this.id }')
    made.validate()
    assert set(changes(made.plan()).values()) == {("create",)}
    made.apply()
    assert changes(made.plan()) == {}
    workspace_id = f"/subscriptions/{azure.SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/workspace"
    assert made.output("id") == workspace_id
    assert made.cloud.find(workspace_id) is not None
    made.destroy()
    assert [item.type for item in made.cloud.items() if not item.type.startswith("deleted:")] == []


def test_a_missing_and_an_unknown_argument_are_refused(root: Any) -> None:
    made: Root = root(PROVIDER + 'resource "azurerm_resource_group" "this" {\n  name  = "rg"\n  place = "here"\n}\n')
    said = refused(made.validate)
    assert 'The argument "location" is required' in said
    assert 'An argument named "place" is not expected here' in said


def test_the_features_block_is_required(root: Any) -> None:
    made: Root = root(GROUP.replace("features {}", f'subscription_id = "{OTHER}"'))
    assert 'at least 1 "features" block is required' in refused(made.validate)


def test_a_plan_needs_a_subscription_and_validation_does_not(root: Any, servers: Servers) -> None:
    made: Root = root(GROUP)
    asking = replace(made, reattach=servers.start(made.cloud.file, subscription=""))
    asking.validate()
    assert "`subscription_id` is a required provider property" in refused(asking.plan)
    servers.stop(asking.reattach or "")


def test_what_azure_answers_is_unknown_until_it_is_applied(root: Any) -> None:
    made: Root = root(workspace())
    change = next(c for c in made.plan()["resource_changes"] if c["type"] == "azurerm_machine_learning_workspace")["change"]
    assert change["after"]["name"] == "workspace"
    assert change["after_unknown"]["id"] is True
    assert change["after_unknown"]["key_vault_id"] is True
    assert change["after_unknown"]["identity"][0] == {"identity_ids": [True], "principal_id": True, "tenant_id": True}
    assert change["after"]["container_registry_id"] is None


def test_defaults_are_in_the_plan_as_azurerm_puts_them_there(root: Any) -> None:
    made: Root = root(workspace())
    planned = {change["type"]: change["change"]["after"] for change in made.plan()["resource_changes"]}
    assert planned["azurerm_machine_learning_workspace"]["public_network_access_enabled"] is True
    assert planned["azurerm_storage_account"]["allow_nested_items_to_be_public"] is False
    assert planned["azurerm_key_vault"]["soft_delete_retention_days"] == 90


def test_secrets_are_in_the_state_and_marked(root: Any) -> None:
    made: Root = root(workspace() + 'output "key" { value = azurerm_storage_account.this.primary_access_key }')
    assert "Output refers to sensitive values" in refused(made.plan)


IDS = """
resource "azurerm_storage_container" "this" {
  name               = "container"
  storage_account_id = azurerm_storage_account.this.id
}

resource "azurerm_role_assignment" "this" {
  scope                = azurerm_storage_container.this.id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = azurerm_user_assigned_identity.this.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "logs"
  target_resource_id         = azurerm_key_vault.this.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id
  enabled_log {
    category_group = "allLogs"
  }
}

resource "azurerm_machine_learning_datastore_blobstorage" "this" {
  name                       = "raw"
  workspace_id               = azurerm_machine_learning_workspace.this.id
  storage_container_id       = "CONTAINER"
  service_data_auth_identity = "WorkspaceUserAssignedIdentity"
}

output "made" {
  value = {
    container  = azurerm_storage_container.this.id
    assignment = azurerm_role_assignment.this.id
    role       = azurerm_role_assignment.this.role_definition_id
    setting    = azurerm_monitor_diagnostic_setting.this.id
    datastore  = azurerm_machine_learning_datastore_blobstorage.this.id
    vault      = azurerm_key_vault.this.vault_uri
    discovery  = azurerm_machine_learning_workspace.this.discovery_url
    identity   = azurerm_user_assigned_identity.this
  }
}
""".replace("CONTAINER", CONTAINER)


def test_ids_and_answers_have_azures_shapes(root: Any) -> None:
    made: Root = root(workspace() + IDS)
    made.apply()
    assert changes(made.plan()) == {}
    found = made.output("made")
    group = f"/subscriptions/{azure.SUBSCRIPTION}/resourceGroups/rg"
    container = f"{group}/providers/Microsoft.Storage/storageAccounts/account/blobServices/default/containers/container"
    assert found["container"] == container
    assignment, _, name = found["assignment"].rpartition("/")
    assert assignment == f"{container}/providers/Microsoft.Authorization/roleAssignments"
    assert azure.is_uuid(name)
    assert found["role"].startswith(f"/subscriptions/{azure.SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/")
    assert found["setting"] == f"{group}/providers/Microsoft.KeyVault/vaults/vault|logs"
    assert found["datastore"].endswith("/workspaces/workspace/dataStores/raw")
    assert found["vault"] == "https://vault.vault.azure.net/"
    assert found["discovery"] == "https://westeurope.api.azureml.ms/discovery"
    assert len({found["identity"][name] for name in ("principal_id", "client_id", "tenant_id")}) == 3


def test_the_same_configuration_gets_the_same_answers_twice(root: Any) -> None:
    told = workspace() + 'output "identity" { value = azurerm_user_assigned_identity.this.principal_id }'
    first, second = root(told), root(told)
    first.apply()
    second.apply()
    assert first.output("identity") == second.output("identity")


def test_a_storage_container_is_made_in_the_providers_own_subscription(root: Any) -> None:
    account = CONTAINER.split("/blobServices")[0]
    made: Root = root(
        PROVIDER + f'resource "azurerm_storage_container" "this" {{\n  name = "more"\n  storage_account_id = "{account}"\n}}\n'
        'output "id" { value = azurerm_storage_container.this.id }'
    )
    made.apply()
    assert azure.subscription_of(made.output("id")) == azure.SUBSCRIPTION


def test_who_is_asking_is_always_the_same(root: Any) -> None:
    made: Root = root(
        PROVIDER + 'data "azurerm_client_config" "this" {}\ndata "azurerm_subscription" "this" {}\n'
        'output "who" { value = [data.azurerm_client_config.this.object_id, data.azurerm_client_config.this.tenant_id,'
        " data.azurerm_subscription.this.id] }"
    )
    made.apply()
    assert made.output("who") == [azure.OBJECT, azure.TENANT, f"/subscriptions/{azure.SUBSCRIPTION}"]


def test_a_data_source_finds_what_another_root_has_made_and_says_when_there_is_none(root: Any) -> None:
    making: Root = root(GROUP)
    reading: Root = root(
        PROVIDER + 'data "azurerm_resource_group" "this" {\n  name = "rg"\n}\noutput "id" { value = data.azurerm_resource_group.this.id }',
        cloud=making.cloud,
    )
    assert "azurerm_resource_group with name = 'rg' was not found" in refused(reading.plan)
    making.apply()
    reading.apply()
    assert reading.output("id") == f"/subscriptions/{azure.SUBSCRIPTION}/resourceGroups/rg"


def test_what_was_deleted_in_the_portal_is_planned_again(root: Any) -> None:
    made: Root = root(workspace("", CLUSTER))
    made.apply()
    item = made.cloud.of_type("azurerm_machine_learning_workspace")[0]
    made.cloud.remove(item)
    assert changes(made.plan()) == {
        "azurerm_machine_learning_compute_cluster.this": ("create",),
        "azurerm_machine_learning_workspace.this": ("create",),
    }


def test_what_was_changed_in_the_portal_is_changed_back(root: Any) -> None:
    made: Root = root(workspace())
    made.apply()
    made.cloud.change(made.cloud.of_type("azurerm_storage_account")[0].id, shared_access_key_enabled=True)
    plan = made.plan()
    assert changes(plan) == {"azurerm_storage_account.this": ("update",)}
    made.apply()
    assert made.cloud.of_type("azurerm_storage_account")[0].values["shared_access_key_enabled"] is False


def test_a_state_can_be_moved_and_a_resource_imported(root: Any) -> None:
    made: Root = root(GROUP)
    made.apply()
    other: Root = root(GROUP, cloud=made.cloud)
    other.run("import", "-no-color", "azurerm_resource_group.this", made.cloud.items()[0].id)
    assert changes(other.plan()) == {}


def test_what_cannot_change_in_place_is_replaced_and_what_can_is_not(root: Any) -> None:
    made: Root = root(workspace("", CLUSTER))
    made.apply()
    main = made.folder / "main.tf"
    main.write_text(main.read_text().replace("max_node_count                       = 2", "max_node_count = 4"))
    assert changes(made.plan()) == {"azurerm_machine_learning_compute_cluster.this": ("update",)}
    main.write_text(main.read_text().replace("Standard_DS3_v2", "Standard_DS4_v2"))
    assert changes(made.plan()) == {"azurerm_machine_learning_compute_cluster.this": ("delete", "create")}


# What the service attaches reads as a change, and that of an argument which replaces the workspace.
KEPT = "lifecycle {\n    ignore_changes = [container_registry_id]\n  }"


@pytest.mark.parametrize(("more", "replaced"), [("", True), (KEPT, False)], ids=["without the fix", "with it"])
def test_the_registry_that_the_service_attaches_replaces_the_workspace(root: Any, more: str, replaced: bool) -> None:
    made: Root = root(workspace(more, CLUSTER))
    made.apply()
    made.cloud.attach_registry(made.cloud.of_type("azurerm_machine_learning_workspace")[0].id)
    plan = made.plan()
    both = {f"azurerm_machine_learning_{name}.this": ("delete", "create") for name in ("compute_cluster", "workspace")}
    assert changes(plan) == (both if replaced else {})
    assert made.cloud.of_type("azurerm_machine_learning_workspace")[0].values["container_registry_id"]


def test_a_group_in_which_the_service_has_made_a_registry_is_not_deleted(root: Any) -> None:
    made: Root = root(workspace(KEPT))
    made.apply()
    made.cloud.attach_registry(made.cloud.of_type("azurerm_machine_learning_workspace")[0].id)
    assert "the Resource Group still contains Resources" in refused(made.destroy)


@pytest.mark.parametrize(("more", "replaced"), [("", True), ("lifecycle {\n    ignore_changes = [tags]\n  }", False)])
def test_a_changed_tag_replaces_a_compute_instance(root: Any, more: str, replaced: bool) -> None:
    made: Root = root(workspace("", INSTANCE.replace("MORE", more), CLUSTER))
    made.apply()
    made.write_variables({"tags": {"team": "b"}})
    found = changes(made.plan())
    assert found.pop("azurerm_machine_learning_compute_instance.this", None) == (("delete", "create") if replaced else None)
    assert set(found.values()) == {("update",)}


# Every refusal: what is added to a workspace's configuration, the command that is refused, and its words.
DATASTORE = """
resource "azurerm_machine_learning_datastore_{kind}" "this" {{
  name         = "{name}"
  workspace_id = azurerm_machine_learning_workspace.this.id
  {more}
}}
"""
ASSIGNMENT = """
resource "azurerm_role_assignment" "{name}" {{
  scope                = azurerm_storage_account.this.id
  role_definition_name = "{role}"
  principal_id         = azurerm_user_assigned_identity.this.principal_id
}}
"""
REGISTRY = """
resource "azurerm_container_registry" "this" {{
  name                = "{name}"
  location            = azurerm_resource_group.this.location
  resource_group_name = azurerm_resource_group.this.name
  sku                 = "{sku}"
  {more}
}}
"""
SUBNETS = """
resource "azurerm_virtual_network" "this" {{
  name                = "network"
  location            = azurerm_resource_group.this.location
  resource_group_name = azurerm_resource_group.this.name
  address_space       = ["10.0.0.0/16"]
}}

resource "azurerm_subnet" "a" {{
  name                 = "a"
  resource_group_name  = azurerm_resource_group.this.name
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = ["{a}"]
}}

resource "azurerm_subnet" "b" {{
  name                 = "b"
  resource_group_name  = azurerm_resource_group.this.name
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = ["{b}"]
  depends_on           = [azurerm_subnet.a]
}}
"""
BUDGET = """
resource "azurerm_consumption_budget_resource_group" "this" {{
  name              = "budget"
  resource_group_id = azurerm_resource_group.this.id
  amount            = 100
  time_period {{
    start_date = "{start}"
  }}
  notification {{
    operator  = "GreaterThan"
    threshold = 80
    {contact}
  }}
}}
"""
RULE = """
resource "azurerm_machine_learning_workspace_network_outbound_rule_fqdn" "this" {
  name             = "packages"
  workspace_id     = azurerm_machine_learning_workspace.this.id
  destination_fqdn = "packages.example.org"
}
"""
LOGS = """
resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "logs"
  target_resource_id         = azurerm_storage_account.this.id
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id
  enabled_log {
    category_group = "allLogs"
  }
}
"""
ELSEWHERE = """
resource "azurerm_{kind}" "other" {{
  name                = "{name}"
  location            = "westeurope"
  resource_group_name = "elsewhere"
  depends_on          = [azurerm_storage_account.this]
  {more}
}}
"""
REFUSALS = [
    # validate: what azurerm judges on its own
    ("validate", REGISTRY.format(name="with-hyphen", sku="Basic", more=""), "name must be 5 to 50 letters and digits, got 'with-hyphen'"),
    ("validate", REGISTRY.format(name="registry", sku="Free", more=""), 'expected sku to be one of ["Basic" "Standard" "Premium"], got Free'),
    (
        "validate",
        DATASTORE.format(kind="blobstorage", name="raw", more='storage_container_id = "/subscriptions/x"'),
        "expected an id of Microsoft.Storage/storageAccounts/blobServices/containers",
    ),
    (
        "validate",
        DATASTORE.format(kind="fileshare", name="files", more=f'storage_fileshare_id = "{CONTAINER.replace("blobServices", "fileServices").replace("containers", "shares")}"'),
        "one of `account_key,shared_access_signature` must be specified, and exactly one; none was",
    ),
    ("validate", BUDGET.format(start="2026-12-01T00:00:00Z", contact="threshold_type = \"Guessed\""), "expected notification.threshold_type to be one of"),
    # plan: what azurerm judges once defaults are in
    (
        "plan",
        DATASTORE.format(kind="blobstorage", name="raw", more=f'storage_container_id = "{CONTAINER}"'),
        "one of `account_key` or `shared_access_signature` must be specified when `service_data_auth_identity` is set to `None`",
    ),
    ("plan", REGISTRY.format(name="registry", sku="Basic", more="zone_redundancy_enabled = true"), "ACR zone redundancy can only be applied when using the Premium Sku"),
    ("plan", BUDGET.format(start="2026-12-02T00:00:00Z", contact='contact_roles = ["Owner"]'), "must be the first of a month at midnight UTC"),
    ("plan", BUDGET.format(start="2026-12-01T00:00:00Z", contact=""), "at least one of contact_emails, contact_groups, contact_roles must be given"),
    # apply: what only Azure judges
    ("apply", ASSIGNMENT.format(name="this", role="Almighty"), "could not find role 'Almighty'"),
    (
        "apply",
        ASSIGNMENT.format(name="a", role="Reader") + ASSIGNMENT.format(name="b", role="Reader").replace("principal_id ", "depends_on = [azurerm_role_assignment.a]\n  principal_id "),
        "RoleAssignmentExists",
    ),
    ("apply", REGISTRY.format(name="registry", sku="Basic", more="public_network_access_enabled = false"), "can only be disabled for a Premium Sku"),
    ("apply", SUBNETS.format(a="10.0.1.0/24", b="10.0.1.128/25"), "NetcfgSubnetRangesOverlap: subnet 'b'"),
    ("apply", SUBNETS.format(a="10.0.1.0/24", b="10.1.0.0/24"), "is not within virtual network 'network'"),
    ("apply", CLUSTER.replace("MORE", "node_public_ip_enabled = false"), "`subnet_resource_id` must be set if `node_public_ip_enabled` is set to `false`"),
    ("apply", CLUSTER.replace("MORE", "").replace("PT2M", "2 minutes"), "'2 minutes' is not an ISO 8601 duration"),
    ("apply", INSTANCE.replace("MORE", "node_public_ip_enabled = false"), "`subnet_resource_id` must be set"),
    (
        "apply",
        DATASTORE.format(kind="datalake_gen2", name="raw", more=f'storage_container_id = "{CONTAINER}"\n  service_data_identity = "WorkspaceSystemAssignedIdentity"'),
        "the workspace has no SystemAssigned identity",
    ),
    ("apply", DATASTORE.format(kind="datalake_gen2", name="workspaceblobstore", more=f'storage_container_id = "{CONTAINER}"'), "already exists"),
    (
        "apply",
        RULE,
        "a FQDN outbound rule needs isolation mode AllowOnlyApprovedOutbound; the workspace has Disabled",
    ),
    (
        "apply",
        LOGS,
        "a storage account has metrics; its logs are those of its services",
    ),
    ("apply", ELSEWHERE.format(kind="storage_account", name="account", more='account_tier = "Standard"\n  account_replication_type = "LRS"'), "is already taken"),
    ("apply", ELSEWHERE.format(kind="user_assigned_identity", name="other", more=""), "Resource group 'elsewhere' could not be found"),
]


@pytest.mark.parametrize(("command", "more", "words"), REFUSALS, ids=[words[:60] for _, _, words in REFUSALS])
def test_what_azure_would_refuse_is_refused_as_early_as_azurerm_would(root: Any, command: str, more: str, words: str) -> None:
    made: Root = root(workspace() + more)
    if command == "plan":
        made.validate()
    if command == "apply":
        made.plan()
    assert words in refused(getattr(made, command))


def test_an_id_that_is_known_only_at_apply_is_judged_then(root: Any) -> None:
    wrong = DATASTORE.format(
        kind="datalake_gen2", name="raw", more="storage_container_id = azurerm_storage_account.this.id"
    )
    made: Root = root(workspace() + wrong)
    made.validate()
    made.plan()
    assert "expected an id of Microsoft.Storage/storageAccounts/blobServices/containers" in refused(made.apply)


LOCK = """
resource "azurerm_management_lock" "this" {
  name       = "keep"
  scope      = azurerm_machine_learning_workspace.this.id
  lock_level = "CanNotDelete"
  depends_on = [azurerm_machine_learning_compute_cluster.this]
}
"""


def test_a_lock_is_in_the_way_of_a_deletion_below_it_until_it_is_gone(root: Any) -> None:
    made: Root = root(workspace("", CLUSTER, LOCK))
    made.apply()
    (made.folder / "main.tf").write_text(workspace("", LOCK).replace("depends_on = [azurerm_machine_learning_compute_cluster.this]", ""))
    assert "ScopeLocked" in refused(made.apply)
    (made.folder / "main.tf").write_text(workspace("", CLUSTER, LOCK))
    made.apply()
    made.destroy()


def test_a_name_stays_taken_while_its_workspace_is_soft_deleted(root: Any) -> None:
    made: Root = root(workspace())
    made.apply()
    made.destroy()
    assert "Soft-deleted workspace exists" in refused(made.apply)
    purging: Root = root(
        workspace().replace("features {}", "features {\n    machine_learning {\n      purge_soft_deleted_workspace_on_destroy = true\n    }\n  }")
    )
    purging.apply()
    purging.destroy()
    purging.apply()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            'managed_network {\n    isolation_mode = "AllowOnlyApprovedOutbound"\n  }',
            'managed_network {\n    isolation_mode = "AllowInternetOutbound"\n  }',
            "cannot go back from AllowOnlyApprovedOutbound to AllowInternetOutbound",
        ),
    ],
)
def test_what_a_workspace_cannot_become_is_refused(root: Any, before: str, after: str, words: str) -> None:
    made: Root = root(workspace(before))
    made.apply()
    main = made.folder / "main.tf"
    main.write_text(main.read_text().replace(before, after))
    assert changes(made.plan()) == {"azurerm_machine_learning_workspace.this": ("update",)}
    assert words in refused(made.apply)


MODULE = """
variable "name" {
  type = string
  validation {
    condition     = length(var.name) > 2
    error_message = "name is too short: ${var.name}."
  }
}

resource "azurerm_resource_group" "this" {
  name     = var.name
  location = "westeurope"
}

output "id" {
  value = azurerm_resource_group.this.id
}
"""
TESTS = """
mock_provider "azurerm" {
  mock_resource "azurerm_resource_group" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/mocked" }
  }
}

run "takes_a_name" {
  command = apply
  variables { name = "group" }
  assert {
    condition     = output.id == "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/mocked"
    error_message = "id: ${output.id}"
  }
}

run "refuses_a_short_one" {
  command = plan
  variables { name = "g" }
  expect_failures = [var.name]
}
"""


def test_terraform_test_mocks_the_provider_with_its_schema(root: Any) -> None:
    files = {"versions.tf": PROVIDER.partition('provider "azurerm"')[0], "main.tf": MODULE, "tests/name.tftest.hcl": TESTS}
    made: Root = root(files)
    assert "2 passed, 0 failed" in made.test()
    (made.folder / "tests" / "name.tftest.hcl").write_text(TESTS.replace('name = "g"', 'name = "long"'))
    assert "1 passed, 1 failed" in refused(made.test)


def test_terraform_installs_and_starts_the_stand_in_like_any_provider(tmp_path: Path, cli_config: Path) -> None:
    (tmp_path / "main.tf").write_text(GROUP)
    made = Root(folder=tmp_path, cloud=Cloud(tmp_path / "cloud.json"), config=cli_config)
    made.init()
    assert 'version     = "5.10.0"' in (tmp_path / ".terraform.lock.hcl").read_text()
    made.apply()
    assert [item.id for item in made.cloud.items()] == [f"/subscriptions/{azure.SUBSCRIPTION}/resourceGroups/rg"]


def test_by_hand_a_root_is_run_in_a_copy_that_keeps_its_state_and_forgets_removed_files(tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "main.tf").write_text(GROUP)
    (sources / "more.tf").write_text('output "more" {\n  value = azurerm_resource_group.this.id\n}\n')

    def standin(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, str(STANDIN), *arguments]
        return subprocess.run(program, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False)

    applied = standin("run", str(sources), "apply", "-auto-approve", "-no-color")
    assert applied.returncode == 0, applied.stderr
    assert "1 added" in applied.stdout
    (sources / "more.tf").unlink()
    planned = standin("run", str(sources), "plan", "-detailed-exitcode", "-no-color")
    assert planned.returncode == 2, planned.stderr
    assert '- more = "/subscriptions/' in planned.stdout
    assert "azurerm_resource_group.this will be" not in planned.stdout
    assert standin("attach-registry", str(sources)).stdout == ""
    assert [path.name for path in sources.iterdir()] == ["main.tf"]
    (sources / "main.tf").write_text('module "m" {\n  source = "../nowhere"\n}\n')
    refused = standin("run", str(sources), "plan")
    assert refused.returncode == 1
    assert "Unreadable module directory" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_program_that_terraform_starts_tells_people_where_to_read(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(STANDIN), "serve"], env={"AZURERM_STANDIN_CLOUD": str(tmp_path / "cloud.json")}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "see tests/terraform/README.md" in done.stderr


def test_a_version_that_is_not_to_be_had_is_refused(tmp_path: Path, cli_config: Path) -> None:
    (tmp_path / "main.tf").write_text(PROVIDER.replace(">= 5.10, < 6.0", ">= 6.0"))
    made = Root(folder=tmp_path, cloud=Cloud(tmp_path / "cloud.json"), config=cli_config)
    assert "no available releases match the given constraints >= 6.0" in refused(made.init)


def test_nothing_is_asked_of_the_network(tmp_path: Path, cli_config: Path) -> None:
    (tmp_path / "main.tf").write_text(PROVIDER.replace("azurerm = {", "random = {\n source = \"hashicorp/random\"\n }\n    azurerm = {"))
    made = Root(folder=tmp_path, cloud=Cloud(tmp_path / "cloud.json"), config=cli_config)
    assert "provider registry.terraform.io/hashicorp/random was not found in any of the search locations" in refused(made.init)


def test_without_terraform_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TerraformError, match="terraform is not on the path; install it"):
        mirror(tmp_path)


def test_the_cloud_is_a_file_that_people_can_read(root: Any) -> None:
    made: Root = root(GROUP)
    made.apply()
    (held,) = json.loads(made.cloud.file.read_text()).values()
    assert held["type"] == "azurerm_resource_group"
    assert held["values"]["tags"] == {"team": "a"}
