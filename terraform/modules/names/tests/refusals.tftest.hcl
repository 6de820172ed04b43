# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

variables {
  location        = "westeurope"
  project         = "flights"
  stage           = "dev"
  subscription_id = "00000000-0000-0000-0000-000000000001"
}

run "region_as_people_write_it" {
  command = plan

  variables {
    location = "West Europe"
  }

  expect_failures = [var.location]
}

run "unknown_kind" {
  command = plan

  variables {
    overrides = { vault = "kv-ours" }
  }

  expect_failures = [var.overrides]
}

run "project_with_capitals" {
  command = plan

  variables {
    project = "Flights"
  }

  expect_failures = [var.project]
}

run "unknown_stage" {
  command = plan

  variables {
    stage = "test"
  }

  expect_failures = [var.stage]
}

run "subscription_by_name" {
  command = plan

  variables {
    subscription_id = "flights-dev"
  }

  expect_failures = [var.subscription_id]
}

run "project_too_long" {
  command = plan

  variables {
    project = "flight-departures"
    stage   = "prod"
  }

  expect_failures = [output.names]
}
