output "id" {
  description = "Resource id of the endpoint, once its names are in the zones."
  value       = azurerm_private_endpoint.this.id
}

output "zones" {
  description = "Private DNS zones in which its names are."
  value       = local.zones[var.subresource]
}
