mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  location            = "westeurope"
  resource_group_name = "rg-flights-dev"
  log_analytics_id    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.OperationalInsights/workspaces/log-flights-dev"
  name                = "crflightsdev1a2b3c"
}

run "has_no_administrator" {
  command = plan

  assert {
    condition     = !azurerm_container_registry.this["own"].admin_enabled && !azurerm_container_registry.this["own"].anonymous_pull_enabled
    error_message = "Images are pulled without a role."
  }

  assert {
    condition     = output.name == "crflightsdev1a2b3c" && output.login_server == azurerm_container_registry.this["own"].login_server
    error_message = "Another registry is told than is made."
  }
}

run "is_private_and_copied" {
  command = plan

  variables {
    premium = {
      replicas      = { northeurope = { zone_redundancy = true } }
      untagged_days = 30
    }
    public_network_access = false
    sku                   = "Premium"
  }

  assert {
    condition     = !azurerm_container_registry.this["own"].public_network_access_enabled && azurerm_container_registry.this["own"].network_rule_bypass_option == "AzureServices"
    error_message = "It can be reached from outside, or Azure's own services cannot."
  }

  assert {
    condition     = azurerm_container_registry.this["own"].georeplications[0].location == "northeurope"
    error_message = "The copy is somewhere else."
  }
}

run "is_encrypted_with_a_key_of_yours" {
  command = plan

  variables {
    premium = {
      customer_managed_key = {
        identity_client_id = "00000000-0000-0000-0000-0000000000b1"
        identity_id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-flights-dev-workspace"
        key_id             = "https://kv-hub.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
      }
    }
    sku = "Premium"
  }

  assert {
    condition     = azurerm_container_registry.this["own"].encryption[0].identity_client_id == "00000000-0000-0000-0000-0000000000b1" && length(azurerm_container_registry.this["own"].identity) == 1
    error_message = "The identity that may use the key is not the registry's."
  }
}

run "grants_on_one_that_others_own" {
  command = plan

  variables {
    grants               = { jobs = { principal_id = "00000000-0000-0000-0000-0000000000a2", role = "Container Registry Repository Reader" } }
    mode                 = "shared"
    name                 = null
    role_assignment_mode = "AbacRepositoryPermissions"
    shared_id            = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.ContainerRegistry/registries/crhub"
  }

  assert {
    condition     = azurerm_role_assignment.this["jobs"].scope == var.shared_id && output.login_server == "crhub.azurecr.io" && length(azurerm_container_registry.this) == 0
    error_message = "The role is on another registry, or something is made beside the shared one."
  }
}

run "is_not_there" {
  command = plan

  variables {
    mode = "none"
    name = null
  }

  assert {
    condition     = output.id == null && output.login_server == null && output.name == null
    error_message = "A registry is told that is not there."
  }
}
