# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  action_group        = { name = "ag-flights-dev", short_name = "dev-flights" }
  resource_group_id   = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev"
  resource_group_name = "rg-flights-dev"
  workspace_id        = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.MachineLearningServices/workspaces/mlw-hub"
}

run "short_name_too_long" {
  command = plan

  variables {
    action_group = { name = "ag", short_name = "dev-departures" }
  }

  expect_failures = [var.action_group]
}

run "email_without_at" {
  command = plan

  variables {
    action_group = { emails = { anna = "anna.example.com" }, name = "ag", short_name = "dev" }
  }

  expect_failures = [var.action_group]
}

run "budget_of_nothing" {
  command = plan

  variables {
    budgets = { monthly = { amount = 0 } }
  }

  expect_failures = [var.budgets]
}

run "budget_from_the_middle_of_a_month" {
  command = plan

  variables {
    budgets = { monthly = { amount = 5, start_date = "2027-01-15T00:00:00Z" } }
  }

  expect_failures = [var.budgets]
}

run "budget_that_tells_nobody" {
  command = plan

  variables {
    budgets = { monthly = { amount = 5, thresholds = {} } }
  }

  expect_failures = [var.budgets]
}

run "threshold_of_nothing" {
  command = plan

  variables {
    budgets = { monthly = { amount = 5, thresholds = { spent = { percent = 0 } } } }
  }

  expect_failures = [var.budgets]
}

run "unknown_aggregation" {
  command = plan

  variables {
    metric_alerts = { failed = { aggregation = "Sum", metric = "Failed Runs", threshold = 0 } }
  }

  expect_failures = [var.metric_alerts]
}

run "unknown_window" {
  command = plan

  variables {
    metric_alerts = { failed = { aggregation = "Total", metric = "Failed Runs", threshold = 0, window = "PT2H" } }
  }

  expect_failures = [var.metric_alerts]
}

run "window_shorter_than_its_frequency" {
  command = plan

  variables {
    metric_alerts = {
      failed = { aggregation = "Total", frequency = "PT1H", metric = "Failed Runs", threshold = 0, window = "PT5M" }
    }
  }

  expect_failures = [var.metric_alerts]
}

run "unknown_severity" {
  command = plan

  variables {
    metric_alerts = { failed = { aggregation = "Total", metric = "Failed Runs", severity = 5, threshold = 0 } }
  }

  expect_failures = [var.metric_alerts]
}
