# What is refused, and by which rule: one example of each. tests/terraform/test_refusals.py looks at what is said.

mock_provider "azurerm" {
  source = "../../tests/mocks"
}

variables {
  name         = "raw"
  storage_id   = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub/blobServices/default/containers/raw"
  workspace_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.MachineLearningServices/workspaces/mlw-hub"
}

run "file_share_by_identity" {
  command = plan

  variables {
    account_key = null
    name        = "share"
    storage_id  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub/fileServices/default/shares/share"
    type        = "file_share"
  }

  expect_failures = [var.account_key]
}

run "key_for_a_container" {
  command = plan

  variables {
    account_key = "not-a-key"
  }

  expect_failures = [var.account_key]
}

run "unknown_role" {
  command = plan

  variables {
    grants = { someone = { principal_id = "00000000-0000-0000-0000-0000000000e1", role = "Storage Blob Data Owner" } }
  }

  expect_failures = [var.grants]
}

run "unknown_principal_type" {
  command = plan

  variables {
    grants = {
      someone = {
        principal_id   = "00000000-0000-0000-0000-0000000000e1"
        principal_type = "Team"
        role           = "Storage Blob Data Reader"
      }
    }
  }

  expect_failures = [var.grants]
}

run "roles_on_a_file_share" {
  command = plan

  variables {
    account_key = "not-a-key"
    grants      = { someone = { principal_id = "00000000-0000-0000-0000-0000000000e1", role = "Storage Blob Data Reader" } }
    storage_id  = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub/fileServices/default/shares/share"
    type        = "file_share"
  }

  expect_failures = [var.grants]
}

run "name_with_a_hyphen" {
  command = plan

  variables {
    name = "raw-data"
  }

  expect_failures = [var.name]
}

run "reserved_name" {
  command = plan

  variables {
    name = "workspaceblobstore"
  }

  expect_failures = [var.name]
}

run "container_of_another_kind" {
  command = plan

  variables {
    storage_id = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.Storage/storageAccounts/sthub"
  }

  expect_failures = [var.storage_id]
}

run "unknown_type" {
  command = plan

  variables {
    type = "sql"
  }

  expect_failures = [var.type]
}
