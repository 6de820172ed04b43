# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  location            = "westeurope"
  name                = "log-flights-dev"
  resource_group_name = "rg-flights-dev"
}

run "quota_of_nothing" {
  command = plan

  variables {
    daily_quota_gb = 0
  }

  expect_failures = [var.daily_quota_gb]
}

run "unknown_mode" {
  command = plan

  variables {
    mode = "borrowed"
  }

  expect_failures = [var.mode]
}

run "name_too_short" {
  command = plan

  variables {
    name = "log"
  }

  expect_failures = [var.name]
}

run "retention_too_short" {
  command = plan

  variables {
    retention_days = 7
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
    shared_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.KeyVault/vaults/kv-hub"
  }

  expect_failures = [var.shared_id]
}
