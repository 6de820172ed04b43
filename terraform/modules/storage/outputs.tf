output "containers" {
  description = "Resource ids of the containers, by name: what a datastore is made of, and what roles on one container are granted on."
  value       = { for name, container in azurerm_storage_container.this : name => container.id }
}

output "endpoint" {
  description = "Address of the account's blobs."
  value       = azurerm_storage_account.this.primary_blob_endpoint
}

output "id" {
  description = "Resource id of the account, once the roles on it are granted."
  value       = azurerm_storage_account.this.id
  depends_on  = [azurerm_role_assignment.this]
}

output "name" {
  description = "Name of the account."
  value       = azurerm_storage_account.this.name
}
