variables {
  location        = "westeurope"
  project         = "departures"
  stage           = "prod"
  subscription_id = "00000000-0000-0000-0000-000000000001"
}

run "fits_ten_characters_everywhere" {
  command = plan

  assert {
    condition     = length(output.names.storage_account) <= 24 && length(output.names.key_vault) <= 24 && length(output.names.workspace) <= 33 && length(output.names.batch_endpoint) <= 32
    error_message = "A name is longer than its resource allows."
  }

  assert {
    condition     = alltrue([can(regex("^[a-z0-9]+$", output.names.storage_account)), can(regex("^[a-z0-9]+$", output.names.registry)), !strcontains(output.names.key_vault, "--")])
    error_message = "A name has characters that its resource refuses."
  }
}

run "differs_by_all_that_makes_a_stage" {
  command = plan

  variables {
    location = "northeurope"
  }

  assert {
    condition     = output.suffix != run.fits_ten_characters_everywhere.suffix
    error_message = "Two stages in two regions have the same suffix."
  }
}

run "is_the_same_every_time" {
  command = plan

  assert {
    condition     = output.names == run.fits_ten_characters_everywhere.names
    error_message = "Names come from chance."
  }
}

run "gives_each_account_a_name" {
  command = plan

  variables {
    data_accounts = ["data", "lake"]
  }

  assert {
    condition     = length(distinct(concat([output.names.storage_account], values(output.data_accounts)))) == 3 && alltrue([for name in values(output.data_accounts) : length(name) <= 24])
    error_message = "Accounts share a name, or it is too long."
  }
}

run "follows_a_convention_of_yours" {
  command = plan

  variables {
    overrides = { workspace = "ml-ours-prod" }
  }

  assert {
    condition     = output.names.workspace == "ml-ours-prod" && output.names.resource_group == "rg-departures-prod"
    error_message = "A name that was told is not taken, or another is changed with it."
  }
}
