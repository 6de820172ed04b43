# Who is told when money, jobs or nodes run away.

locals {
  aggregations = ["Average", "Count", "Maximum", "Minimum", "Total"]
  operators    = ["Equals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"]
  windows      = ["PT1M", "PT5M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D"]
  frequencies  = ["PT1M", "PT5M", "PT15M", "PT30M", "PT1H"]
  patterns = {
    email = "^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$"
    month = "^20[0-9]{2}-(0[1-9]|1[0-2])-01T00:00:00Z$"
  }

  # The month in which the budget is made: Azure takes no earlier one.
  this_month = formatdate("YYYY-MM-01'T'00:00:00Z", plantimestamp())
}

resource "azurerm_monitor_action_group" "this" {
  name                = var.action_group.name
  resource_group_name = var.resource_group_name
  short_name          = var.action_group.short_name
  tags                = var.tags

  dynamic "email_receiver" {
    for_each = var.action_group.emails

    content {
      name                    = email_receiver.key
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}

resource "azurerm_consumption_budget_resource_group" "this" {
  for_each = var.budgets

  name              = each.key
  resource_group_id = var.resource_group_id
  amount            = each.value.amount
  time_grain        = "Monthly"

  time_period {
    start_date = each.value.start_date == null ? local.this_month : each.value.start_date
  }

  dynamic "notification" {
    for_each = each.value.thresholds

    content {
      operator       = "GreaterThanOrEqualTo"
      threshold      = notification.value.percent
      threshold_type = notification.value.forecast ? "Forecasted" : "Actual"
      contact_groups = [azurerm_monitor_action_group.this.id]
      contact_roles  = ["Owner"]
    }
  }

  lifecycle {
    # It counts only when the budget is made; what comes out of the clock would be a change every month.
    ignore_changes = [time_period]
  }
}

resource "azurerm_monitor_metric_alert" "this" {
  for_each = var.metric_alerts

  name                = each.key
  resource_group_name = var.resource_group_name
  scopes              = [var.workspace_id]
  description         = each.value.description
  severity            = each.value.severity
  frequency           = each.value.frequency
  window_size         = each.value.window
  tags                = var.tags

  criteria {
    metric_namespace = "Microsoft.MachineLearningServices/workspaces"
    metric_name      = each.value.metric
    aggregation      = each.value.aggregation
    operator         = each.value.operator
    threshold        = each.value.threshold
  }

  action {
    action_group_id = azurerm_monitor_action_group.this.id
  }
}
