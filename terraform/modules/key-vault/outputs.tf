output "id" {
  description = "Resource id of the vault, own or shared, once the roles on it are granted."
  value       = local.vault.id
  depends_on  = [azurerm_role_assignment.this]
}

output "name" {
  description = "Name of the vault."
  value       = local.vault.name
}

output "uri" {
  description = "Address of the vault's secrets and keys."
  value       = local.vault.uri
}
