mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  location            = "westeurope"
  resource_group_name = "rg-flights-dev"
  name                = "log-flights-dev"
}

run "writes_down_who_asks_it" {
  command = plan

  assert {
    condition     = azurerm_monitor_diagnostic_setting.this["own"].log_analytics_workspace_id == output.id && !azurerm_log_analytics_workspace.this["own"].local_authentication_enabled
    error_message = "Questions are not written down, or a key asks them."
  }
}

run "uses_one_that_others_own" {
  command = plan

  variables {
    mode      = "shared"
    name      = null
    shared_id = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.OperationalInsights/workspaces/log-hub"
  }

  assert {
    condition     = output.id == var.shared_id && length(azurerm_log_analytics_workspace.this) + length(azurerm_monitor_diagnostic_setting.this) == 0
    error_message = "Something is made beside the shared workspace."
  }
}
