variables {
  identities = { jobs = "00000000-0000-0000-0000-0000000000a2", workspace = "00000000-0000-0000-0000-0000000000b2" }
  people     = { ci = "00000000-0000-0000-0000-0000000000c1", data_scientists = "00000000-0000-0000-0000-0000000000d1", readers = "00000000-0000-0000-0000-0000000000d2" }
}

run "lets_jobs_write_their_outputs_and_nothing_else" {
  command = plan

  variables {
    datastores = { raw = "read", scored = "write" }
  }

  assert {
    condition     = [for key, grant in output.grants.storage : grant.role if startswith(key, "jobs/")] == ["Storage Blob Data Contributor"] && length([for key in keys(merge(output.grants.key_vault, output.grants.workspace, output.grants.resource_group)) : key if startswith(key, "jobs/")]) == 0
    error_message = "Code of jobs may more than write blobs."
  }

  assert {
    condition     = contains(keys(output.datastores.raw), "jobs/Storage Blob Data Reader") && !contains(keys(output.datastores.raw), "jobs/Storage Blob Data Contributor") && contains(keys(output.datastores.scored), "jobs/Storage Blob Data Contributor")
    error_message = "Jobs may write what they are to read, or cannot write what they are to."
  }

  assert {
    condition     = length(setintersection([for grant in output.datastores.raw : grant.principal_id], [var.people.ci, var.people.readers])) == 0
    error_message = "CI or readers may read data."
  }
}

run "gives_jobs_what_they_are_told_to_need" {
  command = plan

  variables {
    jobs = { mount_file_share = true, run_parallel = true, submit_jobs = true }
  }

  assert {
    condition     = toset([for key, grant in output.grants.storage : grant.role if startswith(key, "jobs/")]) == toset(["Storage Blob Data Contributor", "Storage File Data Privileged Contributor", "Storage Queue Data Contributor", "Storage Table Data Contributor"])
    error_message = "Parallel jobs or file shares lack a role, or have one too many."
  }

  assert {
    condition     = output.grants.workspace["jobs/AzureML Data Scientist"].principal_id == var.identities.jobs
    error_message = "Jobs cannot submit jobs."
  }
}

run "lets_people_look_unless_told_otherwise" {
  command = plan

  assert {
    condition     = [for key, grant in output.grants.workspace : grant.role if startswith(key, "data_scientists/")] == ["Reader"]
    error_message = "Data scientists may change a stage in which they are to look."
  }
}

run "lets_data_scientists_work" {
  command = plan

  variables {
    data_scientists_may = "write"
  }

  assert {
    condition     = [for key, grant in output.grants.workspace : grant.role if startswith(key, "data_scientists/")] == ["AzureML Compute Operator", "AzureML Data Scientist"] && output.grants.storage["readers/Storage Blob Data Reader"].principal_type == "Group"
    error_message = "Data scientists cannot work, or readers may more than read."
  }
}

run "makes_contributors_of_identities_alone" {
  command = plan

  assert {
    condition     = alltrue(flatten([for scope, grants in output.grants : [for grant in grants : grant.principal_id == var.identities.workspace || !contains(["Contributor", "Key Vault Administrator", "Owner"], grant.role)]]))
    error_message = "Somebody else than the workspace's identity is Contributor."
  }
}

run "approves_in_a_managed_network_only" {
  command = plan

  variables {
    managed_network = true
  }

  assert {
    condition     = length([for key in keys(output.grants.data_accounts) : key if endswith(key, "Connection Approver")]) == 1 && length(run.makes_contributors_of_identities_alone.grants.data_accounts) == 0
    error_message = "The workspace cannot reach the accounts for data, or may approve what it does not need."
  }
}

run "knows_nobody" {
  command = plan

  variables {
    people = {}
  }

  assert {
    condition     = length(output.grants.resource_group) == 0 && toset([for grant in output.grants.workspace : grant.principal_id]) == toset([var.identities.workspace])
    error_message = "Somebody who is not there has a role."
  }
}

run "knows_the_registries_of_the_newer_kind" {
  command = plan

  variables {
    role_assignment_mode = "AbacRepositoryPermissions"
  }

  assert {
    condition     = [for key, grant in output.grants.registry : grant.role if startswith(key, "jobs/")] == ["Container Registry Repository Reader"] && !anytrue([for grant in output.grants.registry : startswith(grant.role, "Acr")])
    error_message = "Roles are granted that such a registry ignores."
  }
}
