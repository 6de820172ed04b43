# Where a workspace's images are kept: a registry of its own, a shared one, or none (Azure ML then makes one when it first
# builds an image).

locals {
  modes = ["AbacRepositoryPermissions", "LegacyRegistryPermissions"]
  patterns = {
    id  = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.ContainerRegistry/registries/[^/]+$"
    key = "^https://[a-zA-Z0-9.-]+/keys/[a-zA-Z0-9-]+(/[0-9a-f]{32})?$"
  }
  roles = concat(
    ["Azure AI Enterprise Network Connection Approver", "Contributor", "Reader"],
    ["AcrPull", "AcrPush"],
    ["Container Registry Repository Reader", "Container Registry Repository Writer"],
  )
  # A registry takes one family of roles and ignores the other without a word.
  ignored_roles = {
    AbacRepositoryPermissions = ["AcrPull", "AcrPush"]
    LegacyRegistryPermissions = ["Container Registry Repository Reader", "Container Registry Repository Writer"]
  }

  encryption = { for key in [var.premium.customer_managed_key] : "this" => key if key != null }
  registry = merge(
    {
      none = { id = null, login_server = null, name = null }
      shared = {
        id           = var.shared_id
        login_server = var.shared_id == null ? null : "${lower(reverse(split("/", var.shared_id))[0])}.azurecr.io"
        name         = var.shared_id == null ? null : reverse(split("/", var.shared_id))[0]
      }
    },
    {
      for mode, registry in azurerm_container_registry.this : mode => {
        id           = registry.id
        login_server = registry.login_server
        name         = registry.name
      }
    },
  )[var.mode]
}

resource "azurerm_container_registry" "this" {
  for_each = setintersection([var.mode], ["own"])

  name                          = var.name
  location                      = var.location
  resource_group_name           = var.resource_group_name
  sku                           = var.sku
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  data_endpoint_enabled         = var.premium.data_endpoint
  export_policy_enabled         = var.premium.export
  network_rule_bypass_option    = "AzureServices"
  public_network_access_enabled = var.public_network_access
  quarantine_policy_enabled     = var.premium.quarantine
  retention_policy_in_days      = var.premium.untagged_days
  role_assignment_mode          = var.role_assignment_mode
  zone_redundancy_enabled       = var.premium.zone_redundancy
  tags                          = var.tags

  encryption = [
    for key in local.encryption : { identity_client_id = key.identity_client_id, key_vault_key_id = key.key_id }
  ]

  dynamic "georeplications" {
    for_each = var.premium.replicas

    content {
      location                        = georeplications.key
      global_endpoint_routing_enabled = true
      zone_redundancy_enabled         = georeplications.value.zone_redundancy
      tags                            = var.tags
    }
  }

  dynamic "identity" {
    for_each = local.encryption

    content {
      type         = "UserAssigned"
      identity_ids = [identity.value.identity_id]
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  for_each = azurerm_container_registry.this

  name                       = "to-log-analytics"
  target_resource_id         = each.value.id
  log_analytics_workspace_id = var.log_analytics_id

  enabled_log {
    category_group = "allLogs"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_role_assignment" "this" {
  for_each = var.grants

  scope                = local.registry.id
  principal_id         = each.value.principal_id
  principal_type       = each.value.principal_type
  role_definition_name = each.value.role
  description          = each.key
}
