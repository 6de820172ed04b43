mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  location            = "westeurope"
  resource_group_name = "rg-flights-dev"
  log_analytics_id    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.OperationalInsights/workspaces/log-flights-dev"
  name                = "appi-flights-dev"
}

run "keeps_its_data_in_log_analytics" {
  command = plan

  assert {
    condition     = azurerm_application_insights.this.workspace_id == var.log_analytics_id
    error_message = "It is a classic one."
  }

  assert {
    condition     = azurerm_application_insights.this.local_authentication_enabled && azurerm_application_insights.this.ip_masking_enabled
    error_message = "Deployments cannot send, or addresses of callers are kept."
  }
}

run "grants_what_it_is_told" {
  command = plan

  variables {
    grants = { workspace = { principal_id = "00000000-0000-0000-0000-0000000000b2", role = "Contributor" } }
  }

  assert {
    condition     = azurerm_role_assignment.this["workspace"].scope == output.id
    error_message = "The role is on something else."
  }
}
