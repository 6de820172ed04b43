output "dns_zone_ids" {
  description = "Resource ids of the private DNS zones, by zone, once the networks are linked to them."
  value       = { for name, zone in azurerm_private_dns_zone.this : name => zone.id }
  depends_on  = [azurerm_private_dns_zone_virtual_network_link.this]
}

output "id" {
  description = "Resource id of the network: what a hub is peered with."
  value       = azurerm_virtual_network.this.id
}

output "subnet_ids" {
  description = "Resource ids of the subnets, by name, once their security groups are in place."
  value       = { for name, subnet in azurerm_subnet.this : name => subnet.id }
  depends_on  = [azurerm_subnet_network_security_group_association.this]
}
