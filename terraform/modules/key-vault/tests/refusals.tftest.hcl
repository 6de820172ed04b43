# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  location            = "westeurope"
  log_analytics_id    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.OperationalInsights/workspaces/log-hub"
  name                = "kv-flightsdev-1a2b3c"
  resource_group_name = "rg-flights-dev"
  tenant_id           = "00000000-0000-0000-0000-000000000001"
}

run "address_that_is_none" {
  command = plan

  variables {
    allowed_ips = ["203.0.113"]
  }

  expect_failures = [var.allowed_ips]
}

run "addresses_for_a_private_vault" {
  command = plan

  variables {
    allowed_ips           = ["203.0.113.7"]
    public_network_access = false
  }

  expect_failures = [var.allowed_ips]
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

run "unknown_mode" {
  command = plan

  variables {
    mode = "borrowed"
  }

  expect_failures = [var.mode]
}

run "name_too_long" {
  command = plan

  variables {
    name = "kv-flights-departures-1a2b3c"
  }

  expect_failures = [var.name]
}

run "retention_too_short" {
  command = plan

  variables {
    retention_days = 1
  }

  expect_failures = [var.retention_days]
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
    shared_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.ContainerRegistry/registries/crhub"
  }

  expect_failures = [var.shared_id]
}

run "unknown_sku" {
  command = plan

  variables {
    sku = "gold"
  }

  expect_failures = [var.sku]
}
