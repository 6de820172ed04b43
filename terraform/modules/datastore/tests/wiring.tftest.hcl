mock_provider "azurerm" {
  source          = "../../tests/mocks"
  override_during = plan
}

variables {
  name         = "raw"
  storage_id   = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub/blobServices/default/containers/raw"
  workspace_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-flights-dev/providers/Microsoft.MachineLearningServices/workspaces/mlw-flights-dev"
}

run "reads_a_container_by_identity" {
  command = plan

  assert {
    condition     = azurerm_machine_learning_datastore_blobstorage.this["blob"].service_data_auth_identity == "WorkspaceUserAssignedIdentity" && azurerm_machine_learning_datastore_blobstorage.this["blob"].account_key == null
    error_message = "It is read with a key, or as nobody."
  }

  assert {
    condition     = output.datastore == { account = "sthub", container = "raw", id = azurerm_machine_learning_datastore_blobstorage.this["blob"].id, resource_group = "rg-hub", subscription_id = "00000000-0000-0000-0000-000000000002", type = "blob" }
    error_message = "What is said of the datastore is not where it is."
  }
}

run "reads_a_lake_by_identity" {
  command = plan

  variables {
    type = "adls_gen2"
  }

  assert {
    condition     = azurerm_machine_learning_datastore_datalake_gen2.this["adls_gen2"].service_data_identity == "WorkspaceUserAssignedIdentity" && length(azurerm_machine_learning_datastore_blobstorage.this) == 0
    error_message = "The lake is read otherwise, or is a blob datastore too."
  }
}

run "reads_a_share_with_its_key" {
  command = plan

  variables {
    account_key = "not-a-key"
    storage_id  = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub/fileServices/default/shares/share"
    type        = "file_share"
  }

  assert {
    condition     = nonsensitive(azurerm_machine_learning_datastore_fileshare.this["file_share"].account_key) == "not-a-key" && output.datastore.container == "share"
    error_message = "The share is read otherwise, or is another."
  }
}

run "grants_on_the_container_and_no_wider" {
  command = plan

  variables {
    grants = {
      "jobs/Storage Blob Data Reader" = { principal_id = "00000000-0000-0000-0000-0000000000a2", role = "Storage Blob Data Reader" }
    }
  }

  assert {
    condition     = azurerm_role_assignment.this["jobs/Storage Blob Data Reader"].scope == var.storage_id
    error_message = "The role is on more than the container."
  }
}
