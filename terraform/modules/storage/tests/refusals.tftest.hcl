# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  location            = "westeurope"
  log_analytics_id    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.OperationalInsights/workspaces/log-hub"
  name                = "stflightsdev1a2b3c"
  resource_group_name = "rg-flights-dev"
}

run "range_too_small" {
  command = plan

  variables {
    allowed_ips = ["203.0.113.0/31"]
  }

  expect_failures = [var.allowed_ips]
}

run "addresses_for_a_private_account" {
  command = plan

  variables {
    allowed_ips           = ["203.0.113.7"]
    public_network_access = false
  }

  expect_failures = [var.allowed_ips]
}

run "container_too_short" {
  command = plan

  variables {
    containers = { qa = {} }
  }

  expect_failures = [var.containers]
}

run "key_that_is_none" {
  command = plan

  variables {
    customer_managed_key = {
      identity_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-hub"
      key_id      = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
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

run "rule_with_a_space" {
  command = plan

  variables {
    lifecycle_rules = { "old ones" = { delete_after_days = 30 } }
  }

  expect_failures = [var.lifecycle_rules]
}

run "deleted_before_cool" {
  command = plan

  variables {
    lifecycle_rules = { old = { cool_after_days = 90, delete_after_days = 30 } }
  }

  expect_failures = [var.lifecycle_rules]
}

run "rule_that_does_nothing" {
  command = plan

  variables {
    lifecycle_rules = { old = {} }
    versioning      = false
  }

  expect_failures = [var.lifecycle_rules]
}

run "unknown_operation" {
  command = plan

  variables {
    logged_operations = ["List"]
  }

  expect_failures = [var.logged_operations]
}

run "name_too_long" {
  command = plan

  variables {
    name = "stflightdeparturesprod1a2b3c"
  }

  expect_failures = [var.name]
}

run "unknown_replication" {
  command = plan

  variables {
    replication = "XRS"
  }

  expect_failures = [var.replication]
}

run "soft_delete_of_no_days" {
  command = plan

  variables {
    soft_delete_days = 0
  }

  expect_failures = [var.soft_delete_days]
}

run "versions_of_a_lake" {
  command = plan

  variables {
    hierarchical_namespace = true
    versioning             = true
  }

  expect_failures = [var.versioning]
}
