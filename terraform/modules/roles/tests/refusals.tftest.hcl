# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

variables {
  identities     = { jobs = "00000000-0000-0000-0000-0000000000e1", workspace = "00000000-0000-0000-0000-000000000001" }
  registry_roles = { pull = "AcrPull", push = "AcrPush" }
}

run "unknown_access_of_people" {
  command = plan

  variables {
    data_scientists_may = "everything"
  }

  expect_failures = [var.data_scientists_may]
}

run "unknown_access_of_jobs" {
  command = plan

  variables {
    datastores = { raw = "append" }
  }

  expect_failures = [var.datastores]
}

run "group_by_name" {
  command = plan

  variables {
    people = { readers = "everyone" }
  }

  expect_failures = [var.people]
}
