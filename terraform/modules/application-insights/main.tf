# What jobs and deployments tell of themselves, kept in Log Analytics.

locals {
  retentions = [30, 60, 90, 120, 180, 270, 365, 550, 730]
  roles      = ["Contributor", "Monitoring Contributor", "Monitoring Metrics Publisher", "Monitoring Reader", "Reader"]
}

resource "azurerm_application_insights" "this" {
  name                                 = var.name
  location                             = var.location
  resource_group_name                  = var.resource_group_name
  application_type                     = "web"
  workspace_id                         = var.log_analytics_id
  daily_data_cap_in_gb                 = var.daily_cap_gb
  daily_data_cap_notifications_enabled = true
  ip_masking_enabled                   = true
  # Off would refuse what deployments send with a connection string alone, and nothing says that they can do otherwise.
  local_authentication_enabled = var.local_authentication
  retention_in_days            = var.retention_days
  sampling_percentage          = var.sampling_percentage
  tags                         = var.tags
}

resource "azurerm_role_assignment" "this" {
  for_each = var.grants

  scope                = azurerm_application_insights.this.id
  principal_id         = each.value.principal_id
  principal_type       = each.value.principal_type
  role_definition_name = each.value.role
  description          = each.key
}
