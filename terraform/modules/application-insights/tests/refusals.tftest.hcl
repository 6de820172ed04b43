# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  location            = "westeurope"
  log_analytics_id    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.OperationalInsights/workspaces/log-hub"
  name                = "appi-flights-dev"
  resource_group_name = "rg-flights-dev"
}

run "cap_of_nothing" {
  command = plan

  variables {
    daily_cap_gb = 0
  }

  expect_failures = [var.daily_cap_gb]
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

run "name_with_a_slash" {
  command = plan

  variables {
    name = "appi/flights"
  }

  expect_failures = [var.name]
}

run "odd_retention" {
  command = plan

  variables {
    retention_days = 45
  }

  expect_failures = [var.retention_days]
}

run "sampling_of_nothing" {
  command = plan

  variables {
    sampling_percentage = 0
  }

  expect_failures = [var.sampling_percentage]
}
