# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  location            = "westeurope"
  log_analytics_id    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.OperationalInsights/workspaces/log-hub"
  name                = "crflightsdev1a2b3c"
  resource_group_name = "rg-flights-dev"
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
      someone = { principal_id = "00000000-0000-0000-0000-0000000000e1", principal_type = "Team", role = "AcrPull" }
    }
  }

  expect_failures = [var.grants]
}

run "role_that_is_ignored" {
  command = plan

  variables {
    grants               = { someone = { principal_id = "00000000-0000-0000-0000-0000000000e1", role = "AcrPull" } }
    role_assignment_mode = "AbacRepositoryPermissions"
  }

  expect_failures = [var.grants]
}

run "roles_on_no_registry" {
  command = plan

  variables {
    grants = { someone = { principal_id = "00000000-0000-0000-0000-0000000000e1", role = "AcrPull" } }
    mode   = "none"
  }

  expect_failures = [var.grants]
}

run "unknown_mode" {
  command = plan

  variables {
    mode = "borrowed"
  }

  expect_failures = [var.mode]
}

run "name_with_a_hyphen" {
  command = plan

  variables {
    name = "cr-flights-dev"
  }

  expect_failures = [var.name]
}

run "premium_on_standard" {
  command = plan

  variables {
    premium = { untagged_days = 30, zone_redundancy = true }
  }

  expect_failures = [var.premium]
}

run "public_without_export" {
  command = plan

  variables {
    premium = { export = false }
    sku     = "Premium"
  }

  expect_failures = [var.premium]
}

run "replica_at_home" {
  command = plan

  variables {
    premium = { replicas = { westeurope = {} } }
    sku     = "Premium"
  }

  expect_failures = [var.premium]
}

run "untagged_for_years" {
  command = plan

  variables {
    premium = { untagged_days = 400 }
    sku     = "Premium"
  }

  expect_failures = [var.premium]
}

run "key_that_is_none" {
  command = plan

  variables {
    premium = {
      customer_managed_key = {
        identity_client_id = "00000000-0000-0000-0000-0000000000e1"
        identity_id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-hub"
        key_id             = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
      }
    }
    sku = "Premium"
  }

  expect_failures = [var.premium]
}

run "private_on_standard" {
  command = plan

  variables {
    public_network_access = false
  }

  expect_failures = [var.public_network_access]
}

run "unknown_role_assignment_mode" {
  command = plan

  variables {
    role_assignment_mode = "rbac"
  }

  expect_failures = [var.role_assignment_mode]
}

run "shared_without_an_id" {
  command = plan

  variables {
    mode      = "shared"
    shared_id = null
  }

  expect_failures = [var.shared_id]
}

run "shared_of_another_kind" {
  command = plan

  variables {
    mode      = "shared"
    shared_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
  }

  expect_failures = [var.shared_id]
}

run "unknown_sku" {
  command = plan

  variables {
    sku = "Gold"
  }

  expect_failures = [var.sku]
}
