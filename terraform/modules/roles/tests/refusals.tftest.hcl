# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

variables {
  identities = { jobs = "00000000-0000-0000-0000-0000000000e1", workspace = "00000000-0000-0000-0000-000000000001" }
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

run "unknown_role_assignment_mode" {
  command = plan

  variables {
    role_assignment_mode = "rbac"
  }

  expect_failures = [var.role_assignment_mode]
}

run "group_by_name" {
  command = plan

  variables {
    people = { readers = "everyone" }
  }

  expect_failures = [var.people]
}
