# The Azure ML workspace: who it is, what its network lets out, and what it writes down.

locals {
  isolation_modes = ["Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound"]
  kinds = {
    application_insights = "Microsoft.Insights/components"
    container_registry   = "Microsoft.ContainerRegistry/registries"
    identity             = "Microsoft.ManagedIdentity/userAssignedIdentities"
    key_vault            = "Microsoft.KeyVault/vaults"
    storage_account      = "Microsoft.Storage/storageAccounts"
  }
  patterns = {
    fqdn   = "^([*]\\.)?([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\\.)+[a-zA-Z]{2,}$"
    ids    = { for name, kind in local.kinds : name => "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/${replace(kind, ".", "\\.")}/[^/]+$" }
    key    = "^https://[a-zA-Z0-9.-]+/keys/[a-zA-Z0-9-]+/[0-9a-f]{32}$"
    ports  = "^(\\*|[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)$"
    rule   = "^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$"
    subnet = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.Network/virtualNetworks/[^/]+/subnets/[^/]+$"
  }
  roles = [
    "AzureML Compute Operator", "AzureML Data Scientist", "Azure AI Enterprise Network Connection Approver", "Contributor",
    "Reader",
  ]
  # Which parts of a service a managed network can reach by a private endpoint.
  subresources = {
    "Microsoft.Cache"                   = ["redisCache"]
    "Microsoft.CognitiveServices"       = ["account"]
    "Microsoft.KeyVault"                = ["vault"]
    "Microsoft.MachineLearningServices" = ["amlworkspace"]
    "Microsoft.Storage"                 = ["blob", "dfs", "file", "queue", "table", "web"]
  }

  encryption = { for key in [var.customer_managed_key] : "this" => key if key != null }
  isolated   = var.managed_network.isolation_mode != "Disabled"
  serverless = { for serverless in [var.serverless_compute] : "this" => serverless if serverless != null }
}

# The mode that the network had first. Azure takes no step back from it, and says so only when the plan is half applied.
resource "terraform_data" "first_isolation_mode" {
  input = var.managed_network.isolation_mode

  lifecycle {
    ignore_changes = [input]
  }
}

resource "azurerm_machine_learning_workspace" "this" {
  name                            = var.name
  location                        = var.location
  resource_group_name             = var.resource_group_name
  kind                            = "Default"
  sku_name                        = "Basic"
  description                     = var.description
  friendly_name                   = var.friendly_name
  application_insights_id         = var.application_insights_id
  container_registry_id           = var.container_registry_id
  key_vault_id                    = var.key_vault_id
  storage_account_id              = var.storage_account_id
  storage_account_access_type     = "Identity"
  primary_user_assigned_identity  = var.identity_id
  image_build_compute_name        = var.image_build_compute
  high_business_impact            = var.high_business_impact
  public_network_access_enabled   = var.public_network_access
  service_side_encryption_enabled = var.customer_managed_key == null ? null : var.customer_managed_key.service_side
  v1_legacy_mode_enabled          = false
  tags                            = var.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity_id]
  }

  managed_network {
    isolation_mode = var.managed_network.isolation_mode
    # A cluster without a public address is refused until the network is there, which else it is only at the first job.
    provision_on_creation_enabled = local.isolated
  }

  dynamic "encryption" {
    for_each = local.encryption

    content {
      key_id                    = encryption.value.key_id
      key_vault_id              = encryption.value.key_vault_id
      user_assigned_identity_id = var.identity_id
    }
  }

  dynamic "serverless_compute" {
    for_each = local.serverless

    content {
      public_ip_enabled = serverless_compute.value.public_ip
      subnet_id         = serverless_compute.value.subnet_id
    }
  }

  lifecycle {
    ignore_changes = [
      # Without one, the service attaches a registry of its own when it first builds an image, and to take that away again
      # would be a new workspace.
      container_registry_id,
      # It says how the workspace was made; another answer would make another workspace.
      managed_network[0].provision_on_creation_enabled,
    ]

    precondition {
      condition     = index(local.isolation_modes, var.managed_network.isolation_mode) >= index(local.isolation_modes, terraform_data.first_isolation_mode.output)
      error_message = "isolation_mode goes back from ${terraform_data.first_isolation_mode.output} to ${var.managed_network.isolation_mode}; Azure goes only forward: ${join(", ", local.isolation_modes)}. A new workspace may start anywhere."
    }
  }
}

resource "azurerm_machine_learning_workspace_network_outbound_rule_fqdn" "this" {
  for_each = var.managed_network.fqdns

  name             = each.key
  workspace_id     = azurerm_machine_learning_workspace.this.id
  destination_fqdn = each.value
}

resource "azurerm_machine_learning_workspace_network_outbound_rule_private_endpoint" "this" {
  for_each = var.managed_network.private_endpoints

  name                = each.key
  workspace_id        = azurerm_machine_learning_workspace.this.id
  service_resource_id = each.value.resource_id
  sub_resource_target = each.value.subresource
  spark_enabled       = each.value.spark
}

resource "azurerm_machine_learning_workspace_network_outbound_rule_service_tag" "this" {
  for_each = var.managed_network.service_tags

  name         = each.key
  workspace_id = azurerm_machine_learning_workspace.this.id
  service_tag  = each.value.service_tag
  protocol     = each.value.protocol
  port_ranges  = each.value.ports
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                       = "to-log-analytics"
  target_resource_id         = azurerm_machine_learning_workspace.this.id
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

  scope                = azurerm_machine_learning_workspace.this.id
  principal_id         = each.value.principal_id
  principal_type       = each.value.principal_type
  role_definition_name = each.value.role
  description          = each.key
}
