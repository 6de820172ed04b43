# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../tests/mocks"
}

variables {
  location        = "westeurope"
  project         = "flights"
  subscription_id = "00000000-0000-0000-0000-000000000001"
  tenant_id       = "00000000-0000-0000-0000-000000000001"
}

run "project_with_capitals" {
  command = plan

  variables {
    project = "Flights"
  }

  expect_failures = [var.project]
}

run "repository_by_address" {
  command = plan

  variables {
    repository = "https://github.com/acme/flights"
  }

  expect_failures = [var.repository]
}

run "unknown_stage" {
  command = plan

  variables {
    stages = { test = {} }
  }

  expect_failures = [var.stages]
}

run "subscription_by_name" {
  command = plan

  variables {
    stages = { dev = { subscription_id = "flights-dev" } }
  }

  expect_failures = [var.stages]
}

run "account_for_a_container" {
  command = plan

  variables {
    stages = {
      dev = {
        containers = {
          raw = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub"
        }
      }
    }
  }

  expect_failures = [var.stages]
}

run "account_that_is_shared" {
  command = plan

  variables {
    stages = {
      dev = {
        shared = {
          data = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub"
        }
      }
    }
  }

  expect_failures = [var.stages]
}

run "unknown_role_elsewhere" {
  command = plan

  variables {
    stages = {
      dev = {
        grants = {
          hub = {
            role  = "Owner"
            scope = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Network/virtualNetworks/vnet-hub"
          }
        }
      }
    }
  }

  expect_failures = [var.stages]
}
