mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  location            = "westeurope"
  resource_group_name = "rg-flights-dev"
  log_analytics_id    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.OperationalInsights/workspaces/log-flights-dev"
  name                = "kv-flightsdev-1a2b3c"
  tenant_id           = "00000000-0000-0000-0000-0000000000aa"
}

run "asks_for_roles_and_cannot_be_purged" {
  command = plan

  assert {
    condition     = azurerm_key_vault.this["own"].rbac_authorization_enabled && azurerm_key_vault.this["own"].purge_protection_enabled && azurerm_key_vault.this["own"].soft_delete_retention_days == 90
    error_message = "Policies open it, or it can be purged."
  }

  assert {
    condition     = azurerm_monitor_diagnostic_setting.this["own"].target_resource_id == output.id
    error_message = "Who opened it is not written down."
  }
}

run "is_private" {
  command = plan

  variables {
    public_network_access = false
  }

  assert {
    condition     = azurerm_key_vault.this["own"].network_acls[0].default_action == "Deny" && !azurerm_key_vault.this["own"].public_network_access_enabled
    error_message = "A private vault can be reached from outside."
  }
}

run "uses_one_that_others_own" {
  command = plan

  variables {
    grants    = { workspace = { principal_id = "00000000-0000-0000-0000-0000000000b2", role = "Key Vault Administrator" } }
    mode      = "shared"
    name      = null
    shared_id = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/KV-Hub"
  }

  assert {
    condition     = length(azurerm_key_vault.this) + length(azurerm_monitor_diagnostic_setting.this) == 0
    error_message = "Something is made of a vault that others own."
  }

  assert {
    condition     = output.name == "KV-Hub" && output.uri == "https://kv-hub.vault.azure.net/" && azurerm_role_assignment.this["workspace"].scope == var.shared_id
    error_message = "Another vault is told, or the role is on another."
  }
}
