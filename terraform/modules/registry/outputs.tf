output "id" {
  description = "Resource id of the registry, own or shared, once the roles on it are granted; null when there is none."
  value       = local.registry.id
  depends_on  = [azurerm_role_assignment.this]
}

output "login_server" {
  description = "Address that images are pulled from; null when there is no registry."
  value       = local.registry.login_server
}

output "name" {
  description = "Name of the registry; null when there is none."
  value       = local.registry.name
}
