# A storage account that knows no keys, its containers, and how long what is in them is kept.

locals {
  patterns = {
    container = "^[a-z0-9](-?[a-z0-9]){2,62}$"
    key       = "^https://[a-zA-Z0-9.-]+/keys/[a-zA-Z0-9-]+(/[0-9a-f]{32})?$"
  }
  replications = ["GRS", "GZRS", "LRS", "RAGRS", "RAGZRS", "ZRS"]
  roles = [
    "Azure AI Enterprise Network Connection Approver", "Contributor", "Reader", "Storage Blob Data Contributor",
    "Storage Blob Data Reader", "Storage File Data Privileged Contributor", "Storage File Data Privileged Reader",
    "Storage Queue Data Contributor", "Storage Table Data Contributor",
  ]

  encryption = { for key in [var.customer_managed_key] : "this" => key if key != null }
  services   = { blob = "blobServices", file = "fileServices" }
}

resource "azurerm_storage_account" "this" {
  name                             = var.name
  location                         = var.location
  resource_group_name              = var.resource_group_name
  account_kind                     = "StorageV2"
  account_tier                     = "Standard"
  account_replication_type         = var.replication
  is_hns_enabled                   = var.hierarchical_namespace
  shared_access_key_enabled        = false
  default_to_oauth_authentication  = true
  local_user_enabled               = false
  allow_nested_items_to_be_public  = false
  cross_tenant_replication_enabled = false
  https_traffic_only_enabled       = true
  min_tls_version                  = "TLS1_2"
  public_network_access_enabled    = var.public_network_access
  tags                             = var.tags

  blob_properties {
    versioning_enabled = var.versioning

    delete_retention_policy {
      days = var.soft_delete_days
    }

    container_delete_retention_policy {
      days = var.soft_delete_days
    }
  }

  share_properties {
    retention_policy {
      days = var.soft_delete_days
    }
  }

  network_rules {
    default_action = var.public_network_access && length(var.allowed_ips) == 0 ? "Allow" : "Deny"
    bypass         = ["AzureServices"]
    ip_rules       = var.allowed_ips
  }

  dynamic "identity" {
    for_each = local.encryption

    content {
      type         = "UserAssigned"
      identity_ids = [identity.value.identity_id]
    }
  }

  dynamic "customer_managed_key" {
    for_each = local.encryption

    content {
      key_vault_key_id          = customer_managed_key.value.key_id
      user_assigned_identity_id = customer_managed_key.value.identity_id
    }
  }
}

resource "azurerm_storage_container" "this" {
  for_each = var.containers

  name                  = each.key
  storage_account_id    = azurerm_storage_account.this.id
  container_access_type = "private"
  metadata              = each.value.metadata
}

resource "azurerm_storage_management_policy" "this" {
  for_each = { for rules in [var.lifecycle_rules] : "this" => rules if length(rules) > 0 }

  storage_account_id = azurerm_storage_account.this.id

  dynamic "rule" {
    for_each = each.value

    content {
      name    = rule.key
      enabled = true

      filters {
        blob_types   = ["blockBlob"]
        prefix_match = rule.value.prefixes
      }

      actions {
        dynamic "base_blob" {
          for_each = [for days in [rule.value] : days if days.cool_after_days != null || days.delete_after_days != null]

          content {
            tier_to_cool_after_days_since_modification_greater_than = base_blob.value.cool_after_days
            delete_after_days_since_modification_greater_than       = base_blob.value.delete_after_days
          }
        }

        dynamic "version" {
          for_each = [for days in [rule.value.versions_delete_after_days] : days if var.versioning]

          content {
            delete_after_days_since_creation = version.value
          }
        }
      }
    }
  }
}

resource "azurerm_monitor_diagnostic_setting" "account" {
  name                       = "to-log-analytics"
  target_resource_id         = azurerm_storage_account.this.id
  log_analytics_workspace_id = var.log_analytics_id

  enabled_metric {
    category = "Transaction"
  }
}

resource "azurerm_monitor_diagnostic_setting" "service" {
  for_each = local.services

  name                       = "to-log-analytics"
  target_resource_id         = "${azurerm_storage_account.this.id}/${each.value}/default"
  log_analytics_workspace_id = var.log_analytics_id

  dynamic "enabled_log" {
    for_each = var.logged_operations

    content {
      category = "Storage${enabled_log.value}"
    }
  }

  enabled_metric {
    category = "Transaction"
  }
}

resource "azurerm_role_assignment" "this" {
  for_each = var.grants

  scope                = azurerm_storage_account.this.id
  principal_id         = each.value.principal_id
  principal_type       = each.value.principal_type
  role_definition_name = each.value.role
  description          = each.key
}
