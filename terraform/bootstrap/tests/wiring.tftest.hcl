mock_provider "azurerm" {
  source          = "../tests/mocks"
  override_during = plan
}

variables {
  location        = "westeurope"
  project         = "flights"
  subscription_id = "00000000-0000-0000-0000-000000000001"
  tenant_id       = "00000000-0000-0000-0000-0000000000aa"
}

run "lets_a_deployer_grant_what_stages_grant_and_no_more" {
  command = plan

  assert {
    condition     = strcontains(azurerm_role_assignment.deployer["dev/granting"].condition, "ba92f5b4-2d11-453d-a403-e96b0029c9fe") && !strcontains(azurerm_role_assignment.deployer["dev/granting"].condition, "8e3af657-a8ff-443c-a75c-2fe8c4bcb635")
    error_message = "A deployer cannot let anyone write blobs, or can make an Owner."
  }

  assert {
    condition     = alltrue([for key, grant in azurerm_role_assignment.deployer : (grant.role_definition_name == "Role Based Access Control Administrator") == (grant.condition != null)])
    error_message = "Somebody may grant any role."
  }
}

run "tells_a_stage_where_its_state_is" {
  command = plan

  assert {
    condition     = output.stages["qa"].resource_group_mode == "shared" && output.stages["qa"].backend.container_name == "state-qa"
    error_message = "A stage is told another place than bootstrap has made."
  }
}

run "gives_a_stage_a_subscription_of_its_own" {
  command = plan

  variables {
    stages = { prod = { subscription_id = "00000000-0000-0000-0000-000000000009" } }
  }

  assert {
    condition     = length(azurerm_resource_group.stage) == 0 && azurerm_role_assignment.deployer["prod/Contributor"].scope == "/subscriptions/00000000-0000-0000-0000-000000000009"
    error_message = "The deployer has roles elsewhere, or a resource group is made where the stage is not."
  }

  assert {
    condition     = output.stages["prod"].resource_group_mode == "own" && output.stages["prod"].subscription_id == "00000000-0000-0000-0000-000000000009"
    error_message = "The stage is told the wrong subscription, or to look for a resource group that is not there."
  }
}

run "lets_a_deployer_read_and_share_a_container_of_others" {
  command = plan

  variables {
    stages = {
      dev = {
        containers = { raw = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-data/providers/Microsoft.Storage/storageAccounts/stdata/blobServices/default/containers/raw" }
        grants     = { hub = { role = "Network Contributor", scope = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub/subnets/endpoints" } }
      }
    }
  }

  assert {
    condition     = endswith(azurerm_role_assignment.deployer["dev/raw/Reader"].scope, "/storageAccounts/stdata") && endswith(azurerm_role_assignment.deployer["dev/raw/granting"].scope, "/containers/raw")
    error_message = "The deployer reads or shares more than the container."
  }

  assert {
    condition     = !strcontains(azurerm_role_assignment.deployer["dev/raw/granting"].condition, "b24988ac-6180-42a0-ab88-20f7382dd24c")
    error_message = "On a container of others it may make contributors."
  }
}

run "lets_a_deployer_share_a_vault_of_others" {
  command = plan

  variables {
    stages = {
      dev = { shared = { vault = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub" } }
    }
  }

  assert {
    condition     = azurerm_role_assignment.deployer["dev/vault/granting"].condition == azurerm_role_assignment.deployer["dev/granting"].condition && azurerm_role_assignment.deployer["dev/vault/Reader"].scope == var.stages.dev.shared.vault
    error_message = "The deployer may grant more on a vault of others than on its own group, or cannot read it."
  }
}
