# The vault of a workspace: its own, or a shared one that others own. Who may what is said by roles, never by access policies.

locals {
  patterns = {
    id   = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.KeyVault/vaults/[^/]+$"
    name = "^[a-zA-Z](-?[a-zA-Z0-9])+$"
  }
  roles = [
    "Azure AI Enterprise Network Connection Approver", "Contributor", "Key Vault Administrator",
    "Key Vault Crypto Service Encryption User", "Key Vault Reader", "Key Vault Secrets Officer", "Key Vault Secrets User",
    "Reader",
  ]

  vault = merge(
    {
      shared = {
        id   = var.shared_id
        name = var.shared_id == null ? null : reverse(split("/", var.shared_id))[0]
        uri  = var.shared_id == null ? null : "https://${lower(reverse(split("/", var.shared_id))[0])}.vault.azure.net/"
      }
    },
    { for mode, vault in azurerm_key_vault.this : mode => { id = vault.id, name = vault.name, uri = vault.vault_uri } },
  )[var.mode]
}

resource "azurerm_key_vault" "this" {
  for_each = setintersection([var.mode], ["own"])

  name                          = var.name
  location                      = var.location
  resource_group_name           = var.resource_group_name
  tenant_id                     = var.tenant_id
  sku_name                      = var.sku
  rbac_authorization_enabled    = true
  purge_protection_enabled      = var.purge_protection
  soft_delete_retention_days    = var.retention_days
  public_network_access_enabled = var.public_network_access
  tags                          = var.tags

  network_acls {
    default_action = var.public_network_access && length(var.allowed_ips) == 0 ? "Allow" : "Deny"
    bypass         = "AzureServices"
    ip_rules       = var.allowed_ips
  }
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  for_each = azurerm_key_vault.this

  name                       = "to-log-analytics"
  target_resource_id         = each.value.id
  log_analytics_workspace_id = var.log_analytics_id

  enabled_log {
    category_group = "audit"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}

resource "azurerm_role_assignment" "this" {
  for_each = var.grants

  scope                = local.vault.id
  principal_id         = each.value.principal_id
  principal_type       = each.value.principal_type
  role_definition_name = each.value.role
  description          = each.key
}
