# One datastore of a workspace: a container or a share in any account, resource group or subscription, and the roles on it.

locals {
  patterns = {
    container = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.Storage/storageAccounts/[a-z0-9]{3,24}/blobServices/default/containers/[^/]+$"
    share     = "(?i)^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft\\.Storage/storageAccounts/[a-z0-9]{3,24}/fileServices/default/(file)?shares/[^/]+$"
  }
  reserved = ["workspaceartifactstore", "workspaceblobstore", "workspacefilestore", "workspaceworkingdirectory"]
  roles    = ["Storage Blob Data Contributor", "Storage Blob Data Reader"]
  types    = ["adls_gen2", "blob", "file_share"]

  parts = split("/", var.storage_id)
  made = merge(
    azurerm_machine_learning_datastore_blobstorage.this,
    azurerm_machine_learning_datastore_datalake_gen2.this,
    azurerm_machine_learning_datastore_fileshare.this,
  )[var.type]
}

resource "azurerm_machine_learning_datastore_blobstorage" "this" {
  for_each = setintersection([var.type], ["blob"])

  name                       = var.name
  workspace_id               = var.workspace_id
  description                = var.description
  storage_container_id       = var.storage_id
  service_data_auth_identity = "WorkspaceUserAssignedIdentity"
  tags                       = var.tags

  lifecycle {
    ignore_changes = [tags] # another tag would be another datastore
  }
}

resource "azurerm_machine_learning_datastore_datalake_gen2" "this" {
  for_each = setintersection([var.type], ["adls_gen2"])

  name                  = var.name
  workspace_id          = var.workspace_id
  description           = var.description
  storage_container_id  = var.storage_id
  service_data_identity = "WorkspaceUserAssignedIdentity"
  tags                  = var.tags

  lifecycle {
    ignore_changes = [tags] # another tag would be another datastore
  }
}

resource "azurerm_machine_learning_datastore_fileshare" "this" {
  for_each = setintersection([var.type], ["file_share"])

  name                  = var.name
  workspace_id          = var.workspace_id
  description           = var.description
  storage_fileshare_id  = var.storage_id
  service_data_identity = "None"
  account_key           = var.account_key
  tags                  = var.tags

  lifecycle {
    ignore_changes = [tags] # another tag would be another datastore
  }
}

# A job reads as its compute's identity, and a person as that person: a role of the workspace's identity helps neither.
resource "azurerm_role_assignment" "this" {
  for_each = var.grants

  scope                = var.storage_id
  principal_id         = each.value.principal_id
  principal_type       = each.value.principal_type
  role_definition_name = each.value.role
  description          = each.key
}
