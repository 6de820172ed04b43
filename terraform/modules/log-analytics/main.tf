# Where diagnostic settings send logs and metrics: a Log Analytics workspace of its own, or a shared one.

locals {
  patterns = {
    id   = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.OperationalInsights/workspaces/[^/]+$"
    name = "^[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]$"
  }
}

resource "azurerm_log_analytics_workspace" "this" {
  for_each = setintersection([var.mode], ["own"])

  name                         = var.name
  location                     = var.location
  resource_group_name          = var.resource_group_name
  sku                          = "PerGB2018"
  retention_in_days            = var.retention_days
  daily_quota_gb               = var.daily_quota_gb
  local_authentication_enabled = false
  tags                         = var.tags
}

# Who asked it what.
resource "azurerm_monitor_diagnostic_setting" "this" {
  for_each = azurerm_log_analytics_workspace.this

  name                       = "to-log-analytics"
  target_resource_id         = each.value.id
  log_analytics_workspace_id = each.value.id

  enabled_log {
    category_group = "audit"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
