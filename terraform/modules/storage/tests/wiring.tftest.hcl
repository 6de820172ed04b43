mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  location            = "westeurope"
  log_analytics_id    = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.OperationalInsights/workspaces/log-flights-dev"
  name                = "stflightsdev1a2b3c"
  resource_group_name = "rg-flights-dev"
}

run "knows_no_keys" {
  command = plan

  assert {
    condition     = !azurerm_storage_account.this.shared_access_key_enabled && !azurerm_storage_account.this.local_user_enabled && azurerm_storage_account.this.default_to_oauth_authentication
    error_message = "There is a way in without a role."
  }

  assert {
    condition     = !azurerm_storage_account.this.allow_nested_items_to_be_public && azurerm_storage_account.this.min_tls_version == "TLS1_2"
    error_message = "Blobs may be public, or TLS may be old."
  }
}

run "brings_back_what_was_deleted" {
  command = plan

  variables {
    soft_delete_days = 30
  }

  assert {
    condition     = alltrue([for days in [azurerm_storage_account.this.blob_properties[0].delete_retention_policy[0].days, azurerm_storage_account.this.blob_properties[0].container_delete_retention_policy[0].days, azurerm_storage_account.this.share_properties[0].retention_policy[0].days] : days == 30])
    error_message = "Blobs, containers and shares are not kept for as long as each other."
  }

  assert {
    condition     = azurerm_storage_account.this.blob_properties[0].versioning_enabled
    error_message = "A blob that is written again is lost."
  }
}

run "lets_in_only_who_is_named" {
  command = plan

  variables {
    allowed_ips = ["203.0.113.7"]
  }

  assert {
    condition     = azurerm_storage_account.this.network_rules[0].default_action == "Deny" && azurerm_storage_account.this.public_network_access_enabled
    error_message = "With addresses named, others get in, or these do not."
  }
}

run "is_private" {
  command = plan

  variables {
    public_network_access = false
  }

  assert {
    condition     = azurerm_storage_account.this.network_rules[0].default_action == "Deny" && !azurerm_storage_account.this.public_network_access_enabled
    error_message = "A private account can be reached from outside."
  }
}

run "is_encrypted_with_a_key_of_yours" {
  command = plan

  variables {
    customer_managed_key = {
      identity_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-flights-dev-workspace"
      key_id      = "https://kv-hub.vault.azure.net/keys/cmk/0123456789abcdef0123456789abcdef"
    }
  }

  assert {
    condition     = contains(azurerm_storage_account.this.identity[0].identity_ids, azurerm_storage_account.this.customer_managed_key[0].user_assigned_identity_id)
    error_message = "The identity that may use the key is not one of the account's."
  }
}

run "makes_containers_rules_and_logs" {
  command = plan

  variables {
    containers        = { clean = {}, raw = {} }
    lifecycle_rules   = { runs = { cool_after_days = 30, prefixes = ["azureml/"] }, versions = {} }
    logged_operations = ["Read"]
  }

  assert {
    condition     = keys(output.containers) == ["clean", "raw"] && alltrue([for container in azurerm_storage_container.this : container.container_access_type == "private"])
    error_message = "Containers are missing, or public."
  }

  assert {
    condition     = azurerm_storage_management_policy.this["this"].rule[0].actions[0].version[0].delete_after_days_since_creation == 30 && azurerm_storage_management_policy.this["this"].rule[0].actions[0].base_blob[0].delete_after_days_since_modification_greater_than == null
    error_message = "Old versions stay, or what may still be needed goes."
  }

  assert {
    condition     = length(azurerm_storage_management_policy.this["this"].rule[1].actions[0].base_blob) == 0
    error_message = "A rule about versions alone says something of blobs too."
  }

  assert {
    condition     = alltrue([for setting in azurerm_monitor_diagnostic_setting.service : [for log in setting.enabled_log : log.category] == ["StorageRead"]])
    error_message = "Other operations than those asked for are logged."
  }
}

run "keeps_no_versions_of_a_lake" {
  command = plan

  variables {
    hierarchical_namespace = true
    lifecycle_rules        = { old = { delete_after_days = 365 } }
    versioning             = false
  }

  assert {
    condition     = length(azurerm_storage_management_policy.this["this"].rule[0].actions[0].version) == 0
    error_message = "A data lake has a rule for versions, which it does not know."
  }
}

run "grants_what_it_is_told" {
  command = plan

  variables {
    grants = {
      "jobs/blobs" = { principal_id = "00000000-0000-0000-0000-0000000000a2", role = "Storage Blob Data Contributor" }
      "readers"    = { principal_id = "00000000-0000-0000-0000-0000000000d2", principal_type = "Group", role = "Reader" }
    }
  }

  assert {
    condition     = { for key, grant in azurerm_role_assignment.this : key => grant.principal_type } == { "jobs/blobs" = "ServicePrincipal", "readers" = "Group" }
    error_message = "Roles go to other kinds of principals than told."
  }
}
