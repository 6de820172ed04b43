mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  action_group        = { emails = { anna = "anna@example.com" }, name = "ag-flights-dev", short_name = "dev-flights" }
  resource_group_id   = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev"
  resource_group_name = "rg-flights-dev"
  workspace_id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.MachineLearningServices/workspaces/mlw-flights-dev"
}

run "tells_of_money_before_it_is_spent" {
  command = plan

  variables {
    budgets = { monthly = { amount = 500 } }
  }

  assert {
    condition     = toset([for notification in azurerm_consumption_budget_resource_group.this["monthly"].notification : notification.threshold_type]) == toset(["Actual", "Forecasted"])
    error_message = "What is spent, or what will be, is not told."
  }

  assert {
    condition     = alltrue([for notification in azurerm_consumption_budget_resource_group.this["monthly"].notification : notification.contact_groups == tolist([azurerm_monitor_action_group.this.id])])
    error_message = "The action group is not told of the budget."
  }

  assert {
    condition     = can(regex("^20[0-9]{2}-[0-9]{2}-01T00:00:00Z$", azurerm_consumption_budget_resource_group.this["monthly"].time_period[0].start_date))
    error_message = "The budget does not start with a month."
  }
}

run "starts_when_it_is_told" {
  command = plan

  variables {
    budgets = { next_year = { amount = 500, start_date = "2027-01-01T00:00:00Z" } }
  }

  assert {
    condition     = azurerm_consumption_budget_resource_group.this["next_year"].time_period[0].start_date == "2027-01-01T00:00:00Z"
    error_message = "The budget starts in another month than told."
  }
}

run "calls_the_action_group_for_each_alert" {
  command = plan

  variables {
    metric_alerts = {
      failed-runs = { aggregation = "Total", metric = "Failed Runs", threshold = 0 }
      quota       = { aggregation = "Maximum", metric = "Quota Utilization Percentage", threshold = 90, window = "PT6H" }
    }
  }

  assert {
    condition     = alltrue([for alert in azurerm_monitor_metric_alert.this : alltrue([for action in alert.action : action.action_group_id == azurerm_monitor_action_group.this.id]) && contains(alert.scopes, var.workspace_id)])
    error_message = "An alert calls nobody, or watches something else."
  }

  assert {
    condition     = azurerm_monitor_metric_alert.this["quota"].window_size == "PT6H" && azurerm_monitor_metric_alert.this["failed-runs"].window_size == "PT1H"
    error_message = "Windows are not those told."
  }
}

run "asks_nobody_without_budget_or_alert" {
  command = plan

  assert {
    condition     = length(azurerm_consumption_budget_resource_group.this) + length(azurerm_monitor_metric_alert.this) == 0
    error_message = "There is a budget or an alert that nobody asked for."
  }
}
