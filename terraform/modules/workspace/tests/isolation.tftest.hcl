# A workspace's network closes step by step, and never opens again.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  location                = "westeurope"
  resource_group_name     = "rg-flights-dev"
  application_insights_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Insights/components/appi-flights-dev"
  identity_id             = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-flights-dev-workspace"
  key_vault_id            = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.KeyVault/vaults/kv-flightsdev-1a2b3c"
  log_analytics_id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.OperationalInsights/workspaces/log-flights-dev"
  name                    = "mlw-flights-dev"
  storage_account_id      = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Storage/storageAccounts/stflightsdev1a2b3c"
}

run "begins_open" {
  command = apply
}

run "closes_its_network" {
  command = apply

  variables {
    managed_network = { isolation_mode = "AllowInternetOutbound" }
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.managed_network[0].isolation_mode == "AllowInternetOutbound"
    error_message = "The network stays open."
  }
}

run "begins_closed" {
  command = apply

  state_key = "closed"

  variables {
    managed_network = { isolation_mode = "AllowOnlyApprovedOutbound" }
  }
}

run "does_not_open_it_again" {
  command = plan

  state_key = "closed"

  variables {
    managed_network = { isolation_mode = "AllowInternetOutbound" }
  }

  expect_failures = [azurerm_machine_learning_workspace.this]
}
