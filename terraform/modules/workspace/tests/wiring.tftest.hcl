mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  location                = "westeurope"
  resource_group_name     = "rg-flights-dev"
  application_insights_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Insights/components/appi-flights-dev"
  identity_id             = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-flights-dev-workspace"
  key_vault_id            = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.KeyVault/vaults/kv-flightsdev-1a2b3c"
  log_analytics_id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.OperationalInsights/workspaces/log-flights-dev"
  name                    = "mlw-flights-dev"
  storage_account_id      = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.Storage/storageAccounts/stflightsdev1a2b3c"
}

run "is_one_identity_and_reads_storage_as_it" {
  command = plan

  assert {
    condition     = azurerm_machine_learning_workspace.this.identity[0].type == "UserAssigned" && azurerm_machine_learning_workspace.this.primary_user_assigned_identity == one(azurerm_machine_learning_workspace.this.identity[0].identity_ids)
    error_message = "The workspace is also somebody whom Azure grants roles to by itself."
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.storage_account_access_type == "Identity"
    error_message = "Its datastores would use keys that the account does not have."
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.service_side_encryption_enabled == null
    error_message = "Said without a key, even to be off, azurerm refuses it."
  }

  assert {
    condition     = !azurerm_machine_learning_workspace.this.managed_network[0].provision_on_creation_enabled && azurerm_machine_learning_workspace.this.container_registry_id == null
    error_message = "A network or a registry is made that nobody asked for."
  }
}

run "keeps_a_network_for_its_computes" {
  command = plan

  variables {
    managed_network = {
      fqdns             = { packages = "packages.example.org" }
      isolation_mode    = "AllowOnlyApprovedOutbound"
      private_endpoints = { lake = { resource_id = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/stlake", subresource = "dfs" } }
      service_tags      = { factory = { ports = "443", service_tag = "DataFactory" } }
    }
    public_network_access = false
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.managed_network[0].provision_on_creation_enabled
    error_message = "Clusters without public addresses would be refused until the network is there."
  }

  assert {
    condition     = azurerm_machine_learning_workspace_network_outbound_rule_service_tag.this["factory"].protocol == "TCP" && azurerm_machine_learning_workspace_network_outbound_rule_private_endpoint.this["lake"].sub_resource_target == "dfs" && azurerm_machine_learning_workspace_network_outbound_rule_fqdn.this["packages"].destination_fqdn == "packages.example.org"
    error_message = "A rule lets out something else."
  }
}

run "is_encrypted_with_a_key_of_yours" {
  command = plan

  variables {
    customer_managed_key = {
      key_id       = "https://kv-hub.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
      key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
      service_side = true
    }
    high_business_impact = true
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.encryption[0].user_assigned_identity_id == var.identity_id && azurerm_machine_learning_workspace.this.service_side_encryption_enabled
    error_message = "Nobody can use the key, or it is used elsewhere."
  }
}

run "takes_serverless_jobs_as_told" {
  command = plan

  variables {
    serverless_compute = { subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/compute" }
  }

  assert {
    condition     = azurerm_machine_learning_workspace.this.serverless_compute[0].subnet_id == var.serverless_compute.subnet_id && !azurerm_machine_learning_workspace.this.serverless_compute[0].public_ip_enabled
    error_message = "Serverless jobs are somewhere else."
  }
}
