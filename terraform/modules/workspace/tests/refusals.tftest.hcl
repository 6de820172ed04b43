# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  application_insights_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Insights/components/appi-hub"
  identity_id             = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-hub"
  key_vault_id            = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
  location                = "westeurope"
  log_analytics_id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.OperationalInsights/workspaces/log-hub"
  name                    = "mlw-flights-dev"
  resource_group_name     = "rg-flights-dev"
  storage_account_id      = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub"
}

run "insights_of_another_kind" {
  command = plan

  variables {
    application_insights_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.OperationalInsights/workspaces/log-hub"
  }

  expect_failures = [var.application_insights_id]
}

run "registry_of_another_kind" {
  command = plan

  variables {
    container_registry_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
  }

  expect_failures = [var.container_registry_id]
}

run "key_without_a_version" {
  command = plan

  variables {
    customer_managed_key = {
      key_id       = "https://kv-hub.vault.azure.net/keys/cmk"
      key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
    }
  }

  expect_failures = [var.customer_managed_key]
}

run "key_in_no_vault" {
  command = plan

  variables {
    customer_managed_key = {
      key_id       = "https://kv-hub.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
      key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub"
    }
  }

  expect_failures = [var.customer_managed_key]
}

run "unknown_role" {
  command = plan

  variables {
    grants = { someone = { principal_id = "00000000-0000-0000-0000-0000000000e1", role = "Owner" } }
  }

  expect_failures = [var.grants]
}

run "unknown_principal_type" {
  command = plan

  variables {
    grants = {
      someone = { principal_id = "00000000-0000-0000-0000-0000000000e1", principal_type = "Team", role = "Reader" }
    }
  }

  expect_failures = [var.grants]
}

run "identity_of_another_kind" {
  command = plan

  variables {
    identity_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
  }

  expect_failures = [var.identity_id]
}

run "vault_of_another_kind" {
  command = plan

  variables {
    key_vault_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.ContainerRegistry/registries/crhub"
  }

  expect_failures = [var.key_vault_id]
}

run "unknown_isolation_mode" {
  command = plan

  variables {
    managed_network = { isolation_mode = "Enabled" }
  }

  expect_failures = [var.managed_network]
}

run "names_where_all_are_let_out" {
  command = plan

  variables {
    managed_network = { fqdns = { packages = "packages.example.org" }, isolation_mode = "AllowInternetOutbound" }
  }

  expect_failures = [var.managed_network]
}

run "endpoints_in_no_network" {
  command = plan

  variables {
    managed_network = {
      private_endpoints = {
        lake = {
          resource_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub"
          subresource = "blob"
        }
      }
    }
  }

  expect_failures = [var.managed_network]
}

run "rule_with_a_space" {
  command = plan

  variables {
    managed_network = { fqdns = { "pack ages" = "packages.example.org" }, isolation_mode = "AllowOnlyApprovedOutbound" }
  }

  expect_failures = [var.managed_network]
}

run "one_name_for_two_rules" {
  command = plan

  variables {
    managed_network = {
      fqdns          = { packages = "packages.example.org" }
      isolation_mode = "AllowOnlyApprovedOutbound"
      service_tags   = { packages = { ports = "443", service_tag = "DataFactory" } }
    }
  }

  expect_failures = [var.managed_network]
}

run "address_for_a_name" {
  command = plan

  variables {
    managed_network = { fqdns = { packages = "https://packages.example.org/simple" }, isolation_mode = "AllowOnlyApprovedOutbound" }
  }

  expect_failures = [var.managed_network]
}

run "unknown_protocol" {
  command = plan

  variables {
    managed_network = {
      isolation_mode = "AllowOnlyApprovedOutbound"
      service_tags   = { factory = { ports = "443", protocol = "HTTPS", service_tag = "DataFactory" } }
    }
  }

  expect_failures = [var.managed_network]
}

run "part_of_another_resource" {
  command = plan

  variables {
    managed_network = {
      isolation_mode = "AllowOnlyApprovedOutbound"
      private_endpoints = {
        lake = {
          resource_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub"
          subresource = "vault"
        }
      }
    }
  }

  expect_failures = [var.managed_network]
}

run "name_with_an_underscore" {
  command = plan

  variables {
    name = "mlw_flights_dev"
  }

  expect_failures = [var.name]
}

run "serverless_that_nothing_reaches" {
  command = plan

  variables {
    public_network_access = false
    serverless_compute    = {}
  }

  expect_failures = [var.serverless_compute]
}

run "serverless_in_no_subnet" {
  command = plan

  variables {
    serverless_compute = {
      subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"
    }
  }

  expect_failures = [var.serverless_compute]
}

run "serverless_in_two_networks" {
  command = plan

  variables {
    managed_network = { isolation_mode = "AllowInternetOutbound" }
    serverless_compute = {
      subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/endpoints"
    }
  }

  expect_failures = [var.serverless_compute]
}

run "storage_of_another_kind" {
  command = plan

  variables {
    storage_account_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub/blobServices/default/containers/raw"
  }

  expect_failures = [var.storage_account_id]
}
